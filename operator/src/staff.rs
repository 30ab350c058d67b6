//! Appoints the first staff member. All others are appointed in the application.

use shared::app::App;
use shared::domain::user::Email;
use shared::store::users::Change;

use crate::Failure;

/// Makes the user with this e-mail address a staff member.
///
/// # Errors
/// If there is no such user, or DynamoDB fails.
pub async fn appoint(app: &App, email: &str) -> Result<String, Failure> {
    let email = Email::parse(email)?;
    let unknown = || format!("no user has the e-mail address {}; sign up with it first", email.written());
    let user = app.store.user_by_email(&email).await?.ok_or_else(unknown)?;
    let user = app.store.change_user(&user.id, &Change { is_staff: Some(true), ..Change::default() }, None).await?.ok_or_else(unknown)?;
    Ok(format!("{} is now a staff member", user.email))
}
