//! `DELETE /users/me`

use serde::Deserialize;
use shared::app::App;
use shared::domain::error::Error;
use shared::domain::user::User;
use shared::http::cookie::Cookie;
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;
use shared::store::page::Page;

use crate::second_factor;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    current_password: String,
    code: Option<String>,
}

/// Erases the account. Address, password and sessions are deleted immediately and the courses leave the catalogue.
/// Purchases and sales stay on record under an anonymous id. The current password is required, and the
/// code of a second factor: a stolen session must not be enough.
///
/// Seven trips to DynamoDB: session and user, counters, subscriptions, purchases, the offer, the seller's page, the erasure. For a seller one more, one for a page, and two per course; for
/// somebody who has had another address, one more and two for each. A second factor costs three more.
pub(crate) async fn erase(app: &App, request: &Request) -> Result<Response, Error> {
    let presented = identity::required(request, &app.config)?;
    let (user, hash) = tokio::join!(identity::user(request, app), app.store.password_hash(presented.token.user_id()));
    let user = user?;
    let body: Body = if request::bytes(request)?.is_empty() { Body::default() } else { request::json(request)? };
    if body.current_password.is_empty() {
        return Err(Error::InvalidRequest("current_password is missing".to_owned()));
    }
    let shown = (body.current_password, body.code.as_deref());
    second_factor::with_password(app, request, &presented.token, &user, hash?, shown).await?.succeeded().await?;
    if user.is_staff {
        return Err(Error::InvalidRequest("another staff member must remove your staff role first".to_owned()));
    }
    if user.stripe.is_some() {
        return Err(Error::StillConnected);
    }
    if user.is_seller && !app.store.totals_of(&user.id).await?.debts.is_empty() {
        return Err(Error::DebtsOpen);
    }
    if is_subscribed(app, &user).await? {
        return Err(Error::StillSubscribed);
    }
    if is_paying(app, &user).await? {
        return Err(Error::PaymentProcessing);
    }

    if user.is_seller {
        app.store.seller_goes(&user.id, app.clock.now()).await?;
    }
    withdraw_courses(app, &user).await?;
    app.store.end_offer(&user.id).await?;
    if app.store.erase_page(&user.id).await? != Written::Yes {
        return Err(Error::Conflict);
    }
    app.store.forget_left_emails(&user).await?;
    match app.store.erase_user(&user, app.clock.now()).await? {
        Written::Yes => Ok(response::with_cookie(response::no_content(), &Cookie::Session.set("", 0, &app.config))),
        Written::No(_) => Err(Error::Conflict),
    }
}

/// Whether one of their subscriptions is active or may still start. After the erasure nobody could cancel it.
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

/// Whether a bank is still processing one of their payments, which takes days. Nobody could open what it pays for. A payment that waits for
/// the buyer themselves is withdrawn instead.
async fn is_paying(app: &App, user: &User) -> Result<bool, Error> {
    let mut after = None;
    loop {
        let page = app.store.purchases_of(&user.id, &Page { limit: 100, after }).await?;
        if page.items.iter().any(|purchase| purchase.processing_since().is_some()) {
            return Ok(true);
        }
        after = page.next;
        if after.is_none() {
            return Ok(false);
        }
    }
}

/// Deletes the courses as their seller would. Buyers keep them.
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
