//! What Stripe says of sellers' accounts.

use crate::app::App;
use crate::domain::error::Error;
use crate::domain::ids::UserId;
use crate::domain::user::AccountState;

/// Records a linked account's state, unless a newer one is on record. A rejected account's memberships end.
///
/// # Errors
/// If DynamoDB fails.
pub async fn take_in(app: &App, user: &UserId, account: &str, state: &AccountState) -> Result<(), Error> {
    if state.is_rejected() {
        app.store.seller_goes(user, app.clock.now()).await?;
    }
    let _gone_or_newer = app.store.set_account_state(user, account, state).await?;
    Ok(())
}
