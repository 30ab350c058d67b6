//! The first member of staff: all others are made in the application.

use shared::app::App;
use shared::user::Email;

use crate::Failure;

/// Makes the user with this e-mail address a member of staff.
///
/// # Errors
/// Where there is no such user, or DynamoDB fails.
pub async fn appoint(app: &App, email: &str) -> Result<String, Failure> {
    let email = Email::parse(email)?;
    let unknown = || format!("no user has the e-mail address {}; sign up with it first", email.written());
    let user = app.store.user_by_email(&email).await?.ok_or_else(unknown)?;
    let user = app.store.set_roles(&user.id, None, Some(true)).await?.ok_or_else(unknown)?;
    Ok(format!("{} is a member of staff", user.email))
}
