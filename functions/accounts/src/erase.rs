//! `DELETE /users/me`

use serde::Deserialize;
use shared::app::App;
use shared::error::Error;
use shared::http::cookie::Cookie;
use shared::http::{Request, Response, identity, request, response};
use shared::password;
use shared::store::Written;
use shared::store::page::Page;
use shared::user::User;

use crate::attempts::Attempt;

#[derive(Default, Deserialize)]
struct Body {
    current_password: Option<String>,
}

/// Erases the account: address, password and sessions are gone at once, the courses leave the catalogue, and what was bought and
/// sold stays on record under an id that names nobody. A browser, which somebody may have left open, must send the
/// current password.
///
/// Session and user, counters, subscriptions, the offer, the erasure: five trips to DynamoDB, and for a seller two for each course.
pub(crate) async fn erase(app: &App, request: &Request) -> Result<Response, Error> {
    let presented = identity::required(request, &app.config)?;
    let user = identity::user(request, app).await?;
    let body: Body = if request::bytes(request)?.is_empty() { Body::default() } else { request::json(request)? };
    if presented.by_cookie && body.current_password.is_none() {
        return Err(Error::InvalidRequest("current_password is missing".to_owned()));
    }
    if let Some(current) = body.current_password {
        let attempt = Attempt::begin(app, request, &user.email.to_lowercase()).await?;
        if !password::verify(current, Some(&user.password_hash)).await {
            attempt.failed().await?;
            return Err(Error::BadCredentials);
        }
        attempt.succeeded().await?;
    }
    if user.is_staff {
        return Err(Error::InvalidRequest("another member of staff must take the staff's role from you first".to_owned()));
    }
    if user.stripe.is_some() {
        return Err(Error::StillConnected);
    }
    if is_subscribed(app, &user).await? {
        return Err(Error::StillSubscribed);
    }

    withdraw_courses(app, &user).await?;
    app.store.end_offer(&user.id).await?;
    match app.store.erase_user(&user, app.clock.now()).await? {
        Written::Yes => Ok(response::with_cookie(response::no_content(), &Cookie::Session.set("", 0, &app.config))),
        Written::No(_) => Err(Error::Conflict),
    }
}

/// Whether a subscription of theirs runs or may come to run, which nobody could cancel any more.
async fn is_subscribed(app: &App, user: &User) -> Result<bool, Error> {
    let mut after = None;
    loop {
        let page = app.store.subscriptions_of(&user.id, &Page { limit: 100, after }).await?;
        if page.items.iter().any(|subscription| subscription.status.is_open()) {
            return Ok(true);
        }
        after = page.next;
        if after.is_none() {
            return Ok(false);
        }
    }
}

/// Deletes the courses, as their seller would: who bought one keeps it.
async fn withdraw_courses(app: &App, user: &User) -> Result<(), Error> {
    let mut after = None;
    loop {
        let courses = app.store.courses_of(&user.id, &Page { limit: 100, after }).await?;
        for course in courses.items {
            let mut deleted = course.clone();
            deleted.deleted = true;
            deleted.version += 1;
            deleted.updated_at = app.clock.now();
            if app.store.replace_course(&course, &deleted).await? != Written::Yes {
                return Err(Error::Conflict);
            }
        }
        after = courses.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
