//! What Stripe says of sellers' accounts.

use crate::app::App;
use crate::domain::error::Error;
use crate::domain::ids::UserId;
use crate::domain::user::{AccountState, User};
use crate::store::Written;

/// How many times to compare again when another answer is recorded in the meantime.
const TRIES: usize = 8;

/// Records what Stripe said of a linked account, unless a newer answer is on record, and returns what is on record then; `None` if the
/// user no longer has this link. A rejected account's memberships end, and an owner whose sales or payouts it stops is told. `seen` is the
/// user as the caller has read them: without it, this reads them, which is one more trip.
///
/// # Errors
/// If DynamoDB fails, or other answers keep being recorded.
pub async fn take_in(
    app: &App,
    user: &UserId,
    account: &str,
    seen: Option<User>,
    said: &AccountState,
) -> Result<Option<AccountState>, Error> {
    if said.is_rejected() {
        app.store.seller_goes(user, app.clock.now()).await?;
    }
    let mut seen = seen;
    for _ in 0..TRIES {
        let seller = match seen.take() {
            Some(seen) => Some(seen),
            None => app.store.user(user).await?,
        };
        let Some(mut seller) = seller else { return Ok(None) };
        let could_sell = seller.can_sell(&app.config.terms).is_ok();
        let Some(link) = seller.stripe.as_mut().filter(|link| link.account_id == account) else { return Ok(None) };
        if link.state.asked_at > said.asked_at {
            return Ok(Some(link.state.clone()));
        }
        let state = said.following(&link.state);
        link.state = state.clone();
        // Without a reason of Stripe's, only an account that could sell until now has been stopped.
        let is_news = could_sell || state.requirements.disabled_reason.is_some();
        let stopped = seller.stopped_by(&app.config.terms).filter(|_| is_news);
        if let Written::Yes = app.store.set_account_state(user, account, &state, stopped).await? {
            return Ok(Some(state));
        }
    }
    Err(Error::Internal(format!("the state of {account} changes too fast to be recorded")))
}
