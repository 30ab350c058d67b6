//! `/users/me`

use serde::Deserialize;
use shared::app::App;
use shared::error::Error;
use shared::http::view::UserView;
use shared::http::{Request, Response, identity, request, response};
use shared::password;
use shared::store::users::CredentialsChange;
use shared::user::{Email, User};

use crate::attempts::Attempt;

/// `GET`: the signed-in user. One trip to DynamoDB.
pub(crate) async fn show(app: &App, request: &Request) -> Result<Response, Error> {
    let user = identity::user(request, app).await?;
    Ok(response::json(200, &UserView::from(&user)))
}

#[derive(Deserialize)]
struct Body {
    email: Option<String>,
    password: Option<String>,
    current_password: Option<String>,
}

/// `PATCH`: a new e-mail address, a new password, or both at once; asks for the current password, which is throttled
/// as a log-in is. A new password ends all other sessions. Three trips to DynamoDB, one after the other: session and
/// user, counters, the change.
pub(crate) async fn change(app: &App, request: &Request) -> Result<Response, Error> {
    let session = identity::required(request, &app.config)?;
    let user = identity::user(request, app).await?;
    let body: Body = request::json(request)?;
    let invalid = |fault: &str| Error::InvalidRequest(fault.to_owned());
    if body.email.is_none() && body.password.is_none() {
        return Err(invalid("give email or password, or both"));
    }
    let current = body.current_password.ok_or_else(|| invalid("current_password is missing"))?;
    let email = body.email.as_deref().map(Email::parse).transpose().map_err(invalid)?;
    body.password.as_deref().map_or(Ok(()), password::check).map_err(invalid)?;

    let attempt = Attempt::begin(app, request, &user.email.to_lowercase()).await?;
    if !password::verify(current, Some(&user.password_hash)).await {
        attempt.failed().await?;
        return Err(Error::BadCredentials);
    }
    let hash = match body.password {
        Some(password) => Some(password::hash(password, &app.entropy).await),
        None => None,
    };
    let change = app.store.change_credentials(&user, email.as_ref(), hash.as_deref(), &session.token, app.clock.now());
    let (changed, counted) = tokio::join!(change, attempt.succeeded());
    counted?;
    match changed? {
        CredentialsChange::Made => {
            let is_same = |email: &Email| email.key() == user.email.to_lowercase();
            let email_confirmed = user.email_confirmed && email.as_ref().is_none_or(is_same);
            let email = email.map_or(user.email.clone(), |email| email.written().to_owned());
            Ok(response::json(200, &UserView::from(&User { email, email_confirmed, ..user })))
        }
        CredentialsChange::EmailTaken => Err(Error::EmailTaken),
        CredentialsChange::Outdated => Err(Error::Conflict),
    }
}
