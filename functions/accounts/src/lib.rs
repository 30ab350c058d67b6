//! Accounts: signing up, logging in and out, the account page, confirmations by mail, and staff's list of users.

mod applications;
mod attempts;
mod email_confirmation;
mod enter_password;
mod erase;
mod export;
mod log_in;
mod log_out;
mod mails;
mod me;
mod password_reset;
mod second_factor;
mod sign_up;
mod signed_in;
mod staff;
mod terms_of_use;

use lambda_http::http::Method;
use shared::app::App;
use shared::domain::error::Error;
use shared::http::{Request, Response, answer, request};

/// Handles one request.
pub async fn handle(app: &App, request: Request) -> Response {
    answer(&request, route(app, &request)).await
}

async fn route(app: &App, request: &Request) -> Result<Response, Error> {
    let path = request::segments(request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (request.method(), path.as_slice()) {
        (&Method::POST, ["users"]) => sign_up::sign_up(app, request).await,
        (&Method::POST, ["sessions"]) => Box::pin(log_in::log_in(app, request)).await,
        (&Method::DELETE, ["sessions"]) => log_out::log_out_elsewhere(app, request).await,
        (&Method::PUT, ["sessions", "current"]) => Box::pin(enter_password::enter_password(app, request)).await,
        (&Method::DELETE, ["sessions", "current"]) => log_out::log_out(app, request).await,
        (&Method::GET, ["users", "me"]) => me::show(app, request).await,
        (&Method::PATCH, ["users", "me"]) => Box::pin(me::change(app, request)).await,
        (&Method::DELETE, ["users", "me"]) => Box::pin(erase::erase(app, request)).await,
        (&Method::PUT, ["users", "me", "terms-of-use"]) => terms_of_use::accept(app, request).await,
        (&Method::POST, ["users", "me", "second-factor"]) => Box::pin(second_factor::begin(app, request)).await,
        (&Method::PUT, ["users", "me", "second-factor"]) => Box::pin(second_factor::confirm(app, request)).await,
        (&Method::DELETE, ["users", "me", "second-factor"]) => Box::pin(second_factor::switch_off(app, request)).await,
        (&Method::GET, ["users", "me", "export"]) => Box::pin(export::export(app, request)).await,
        (&Method::GET, ["users", "me", "application"]) => applications::show(app, request).await,
        (&Method::POST, ["users", "me", "application"]) => applications::apply(app, request).await,
        (&Method::GET, ["admin", "applications"]) => applications::list(app, request).await,
        (&Method::POST, ["admin", "applications", id, "decline"]) => applications::decline(app, request, id).await,
        (&Method::POST, ["password-resets"]) => password_reset::ask(app, request).await,
        (&Method::PUT, ["password-resets"]) => Box::pin(password_reset::choose(app, request)).await,
        (&Method::POST, ["email-confirmations"]) => email_confirmation::ask(app, request).await,
        (&Method::PUT, ["email-confirmations"]) => Box::pin(email_confirmation::confirm(app, request)).await,
        (&Method::GET, ["admin", "users"]) => staff::list(app, request).await,
        (&Method::GET, ["admin", "users", id]) => staff::show(app, request, id).await,
        (&Method::PATCH, ["admin", "users", id]) => Box::pin(staff::change(app, request, id)).await,
        (&Method::DELETE, ["admin", "users", id, "sessions"]) => staff::end_sessions(app, request, id).await,
        (_, ["users" | "sessions" | "password-resets" | "email-confirmations"] | ["sessions", "current"])
        | (
            _,
            ["users", "me"]
            | ["users", "me", "second-factor" | "export" | "application" | "terms-of-use"]
            | ["admin", "applications"]
            | ["admin", "applications", _, "decline"]
            | ["admin", "users"]
            | ["admin", "users", _]
            | ["admin", "users", _, "sessions"],
        ) => Err(Error::MethodNotAllowed),
        _ => Err(Error::NotFound("address")),
    }
}
