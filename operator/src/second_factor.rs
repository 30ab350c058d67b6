//! Switches off the second factor of a user who has lost both the app and the recovery codes.

use shared::app::App;
use shared::domain::audit::{Actor, Deed, Entry};
use shared::domain::user::Email;
use shared::store::Written;

use crate::Failure;

/// Switches it off and ends all sessions; the user is told by mail, and the audit log says so. Make sure before that it is the user who asks.
///
/// # Errors
/// If there is no such user or no factor, if it has just been used, or DynamoDB fails.
pub async fn switch_off(app: &App, email: &str) -> Result<String, Failure> {
    let email = Email::parse(email)?;
    let user = app.store.user_by_email(&email).await?.ok_or_else(|| format!("no user has the e-mail address {}", email.written()))?;
    let none = || format!("{} has no second factor", user.email);
    let factor = app.store.second_factor(&user.id).await?.filter(|factor| factor.is_on).ok_or_else(none)?;
    let entry = Entry::new(&Actor::Operator, &user.id, Deed::SecondFactorOff, app.clock.now(), &app.entropy);
    match app.store.take_second_factor_away(&factor, &entry).await? {
        Written::Yes => Ok(format!("{} logs in without a second factor now", user.email)),
        Written::No(_) => Err("it has just been used; run this again".into()),
    }
}
