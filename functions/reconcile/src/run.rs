//! What the jobs of a run share.

use serde::Serialize;
use shared::domain::error::Error;
use shared::store::Written;
use shared::store::reconciliation::Progress;
use shared::work::Services;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Purchases and subscriptions that were due and looked at.
    pub checked: u32,
    /// How many of them changed, and purchases to which Stripe's books added something.
    pub repaired: u32,
    /// Payments that were added to our records.
    pub recorded: u32,
    /// Payments that were refunded or canceled, because nothing was bought with them.
    pub returned: u32,
    /// Hours whose books were compared.
    pub hours: u32,
    /// Lines that differed.
    pub differences: u32,
}

/// The cause that purchases' histories name for changes made by this run.
pub(crate) fn cause(services: &Services) -> String {
    format!("reconcile:{}", services.app.clock.now().unix_timestamp())
}

/// Saves the progress. Returns whether to continue; if another run saved first, that one continues.
pub(crate) async fn save(services: &Services, progress: &mut Progress) -> Result<bool, Error> {
    Ok(services.app.store.save_progress(progress).await? == Written::Yes)
}
