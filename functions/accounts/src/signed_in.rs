//! The response that starts a session.

use serde::Serialize;
use shared::app::App;
use shared::domain::user::User;
use shared::http::cookie::Cookie;
use shared::http::view::UserView;
use shared::http::{Response, response};
use shared::store::sessions::SESSION_LIFETIME;
use shared::store::token::Token;
use time::Duration;

#[derive(Serialize)]
struct SignedIn {
    user: UserView,
    token: String,
}

/// How long a device stays known.
const DEVICE_LIFETIME: Duration = Duration::days(365);

/// Marks the browser as a device where the user has proved who they are.
pub(crate) fn on_known_device(app: &App, user: &User, response: Response) -> Response {
    response::with_cookie(response, &Cookie::Device.set(&user.device_mark(), DEVICE_LIFETIME.whole_seconds(), &app.config))
}

/// `{user,token}`, with the token also in a cookie for browsers.
pub(crate) fn answer(app: &App, status: u16, user: &User, token: &Token) -> Response {
    let cookie = Cookie::Session.set(&token.reveal(), SESSION_LIFETIME.whole_seconds(), &app.config);
    let answer = response::with_cookie(response::json(status, &SignedIn { user: UserView::own(user), token: token.reveal() }), &cookie);
    on_known_device(app, user, answer)
}
