//! `POST /users/oauth/confirm`: completes a link that awaits its user's confirmation.

use serde::Deserialize;
use shared::domain::error::Error;
use shared::http::view::UserView;
use shared::http::{Request, Response, identity, request, response};
use shared::store::links::Linked;
use shared::store::oauth::{ParkedLink, Taken};
use shared::work::debts;

use crate::OAuthCallback;

#[derive(Deserialize)]
struct Body {
    code: String,
}

/// Completes the parked link: six DynamoDB trips, and the Stripe calls of [`debts::owing`].
///
/// # Errors
/// [`Error::DebtsOpen`] if another account of theirs owes something.
/// [`Error::ConfirmationGone`] if there is none. The answer is the same if it is another user's, and the parked link stays.
pub async fn confirm(oauth: &OAuthCallback, request: &Request) -> Result<Response, Error> {
    let app = &oauth.app;
    let user = identity::user(request, app).await?;
    let body: Body = request::json(request)?;
    let now = app.clock.now();
    let parked = match app.store.peek::<ParkedLink>(&body.code, now).await? {
        Taken::Yes(parked) if parked.user_id == user.id => parked,
        _ => return Err(Error::ConfirmationGone),
    };
    if !user.is_seller {
        return Err(Error::NotASeller);
    }
    // They may owe something since they connected it.
    if debts::owing(app, &oauth.stripe, &user).await?.iter().any(|account| *account != parked.link.account_id) {
        return Err(Error::DebtsOpen);
    }
    let Taken::Yes(parked) = app.store.take::<ParkedLink>(&body.code, now).await? else {
        return Err(Error::ConfirmationGone);
    };
    match app.store.link(&user.id, &parked.link, &parked.tokens).await? {
        Linked::Yes => {}
        Linked::UserRefused => return Err(Error::AlreadyLinked),
        Linked::AccountTaken => return Err(Error::AccountTaken),
    }
    let user = app.store.user(&user.id).await?.ok_or(Error::NotSignedIn)?;
    Ok(response::json(200, &UserView::from(&user)))
}
