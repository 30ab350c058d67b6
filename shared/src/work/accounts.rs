//! What Stripe says of sellers' accounts.

use crate::app::App;
use crate::domain::error::Error;
use crate::domain::ids::UserId;
use crate::domain::user::AccountState;
use crate::store::Written;

/// How many times to compare again when another answer is recorded in the meantime.
const TRIES: usize = 8;

/// Records what Stripe said of a linked account, unless a newer answer is on record, and returns what is on record then; `None` if the
/// user no longer has this link. A rejected account's memberships end. `seen` is what the caller has read of the record: without it,
/// this reads it, which is one more trip.
///
/// # Errors
/// If DynamoDB fails, or other answers keep being recorded.
pub async fn take_in(
    app: &App,
    user: &UserId,
    account: &str,
    seen: Option<AccountState>,
    said: &AccountState,
) -> Result<Option<AccountState>, Error> {
    if said.is_rejected() {
        app.store.seller_goes(user, app.clock.now()).await?;
    }
    let mut seen = seen;
    for _ in 0..TRIES {
        let before = match seen.take() {
            Some(seen) => seen,
            None => {
                let link = app.store.user(user).await?.and_then(|user| user.stripe);
                let Some(link) = link.filter(|link| link.account_id == account) else { return Ok(None) };
                link.state
            }
        };
        if before.asked_at > said.asked_at {
            return Ok(Some(before));
        }
        let state = said.following(&before);
        if let Written::Yes = app.store.set_account_state(user, account, &state).await? {
            return Ok(Some(state));
        }
    }
    Err(Error::Internal(format!("the state of {account} changes too fast to be recorded")))
}
