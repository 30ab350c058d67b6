//! Appoints the first staff member. All others are appointed in the application.

use shared::app::App;
use shared::domain::user::Email;
use shared::store::users::{Change, Changed};

use crate::Failure;

/// Makes the user with this e-mail address a staff member, which the audit log and the user are told. Does nothing if they are one.
///
/// # Errors
/// If there is no such user, or DynamoDB fails.
pub async fn appoint(app: &App, email: &str) -> Result<String, Failure> {
    let email = Email::parse(email)?;
    let unknown = || format!("no user has the e-mail address {}; sign up with it first", email.written());
    let user = app.store.user_by_email(&email).await?.ok_or_else(unknown)?;
    let seen = app.store.user_to_change(&user.id).await?.ok_or_else(unknown)?;
    let change = Change { is_staff: Some(true), ..Change::default() };
    match app.store.change_user(&seen, &change, None, app.clock.now(), &app.entropy).await? {
        Changed::Yes(user) => Ok(format!("{} is now a staff member", user.email)),
        Changed::NotStaff | Changed::NoApplication | Changed::Raced => Err("the user was changed at the same time; try again".into()),
    }
}
