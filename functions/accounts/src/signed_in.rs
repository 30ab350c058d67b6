//! The answer that begins a session.

use serde::Serialize;
use shared::app::App;
use shared::http::cookie::Cookie;
use shared::http::view::UserView;
use shared::http::{Response, response};
use shared::store::sessions::{SESSION_LIFETIME, Token};
use shared::user::User;

#[derive(Serialize)]
struct SignedIn {
    user: UserView,
    token: String,
}

/// `{user,token}`, and the same token as a cookie for browsers.
pub(crate) fn answer(app: &App, status: u16, user: &User, token: &Token) -> Response {
    let cookie = Cookie::Session.set(&token.reveal(), SESSION_LIFETIME.whole_seconds(), &app.config);
    response::with_cookie(response::json(status, &SignedIn { user: user.into(), token: token.reveal() }), &cookie)
}
