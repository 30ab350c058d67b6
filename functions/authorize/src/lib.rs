//! `GET`, `POST /users/authorize`: sends a seller to Stripe to grant the platform access to an account; `?type=express` for Express.
//!
//! The `state` can be used once, expires after ten minutes, and is bound to the user and, by a separate cookie,
//! to the browser. <https://docs.stripe.com/connect/oauth-standard-accounts>

use lambda_http::http::Method;
use lambda_http::http::header::ACCEPT;
use serde::Serialize;
use shared::app::App;
use shared::base::entropy::digest;
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::domain::user::User;
use shared::http::cookie::Cookie;
use shared::http::{Request, Response, answer, identity, request, response};
use shared::settings::config::Config;
use shared::store::oauth::{Secret as _, State, Taken, Ticket};

/// Handles a request.
pub async fn handle(app: &App, request: Request) -> Response {
    answer(&request, async {
        match *request.method() {
            Method::GET => redirect(app, &request).await,
            Method::POST => ticket(app, &request).await,
            _ => Err(Error::MethodNotAllowed),
        }
    })
    .await
}

/// Sends the browser to Stripe: two DynamoDB trips, no Stripe call.
///
/// With a ticket from [`ticket`], the browser needs no session. The user must then confirm the link.
async fn redirect(app: &App, request: &Request) -> Result<Response, Error> {
    let mut express = wants_express(request)?;
    let (user, with_session) = match request::parameter(request, "ticket")? {
        Some(ticket) => {
            let (user, wanted) = user_of_ticket(app, &ticket).await?;
            express = wanted;
            (user, false)
        }
        None => match identity::user_with_password(request, app).await {
            // A Bearer token comes from a client that is not a browser, so there is no session to return to.
            Ok(user) => (user, identity::presented(request, &app.config).is_some_and(|presented| presented.by_cookie)),
            Err(error @ (Error::NotSignedIn | Error::PasswordRequired)) if !wants_json(request) => {
                let next = if express { "authorize-express" } else { "authorize" };
                let again = if matches!(error, Error::PasswordRequired) { "&again=1" } else { "" };
                return Ok(response::redirect(&format!("{}/login.html?next={next}{again}", app.config.storefront_url)));
            }
            Err(error) => return Err(error),
        },
    };
    require_seller(&user)?;

    let (state, browser) = (app.entropy.secret(), app.entropy.secret());
    let kept = State { user_id: user.id, browser: digest(&browser), with_session, express };
    app.store.keep(&state, kept, app.clock.now()).await?;
    let cookie = Cookie::OAuth.set(&browser, State::LIFETIME.whole_seconds(), &app.config);
    Ok(response::with_cookie(response::redirect(&stripe_url(&app.config, express, &state)), &cookie))
}

/// Where a seller's browser grants access. For Express, the seller gets an account there or grants access to an existing one.
/// <https://docs.stripe.com/connect/oauth-reference#get-authorize>, <https://docs.stripe.com/connect/oauth-express-accounts>
fn stripe_url(config: &Config, express: bool, state: &str) -> String {
    let callback = config.callback_url();
    let (client, redirect, state) = (("client_id", config.client_id.as_str()), ("redirect_uri", callback.as_str()), ("state", state));
    let (path, query) = if express {
        let wanted = [("suggested_capabilities[]", "card_payments"), ("suggested_capabilities[]", "transfers")];
        ("/express/oauth/authorize", [client, redirect, state, wanted[0], wanted[1]])
    } else {
        ("/oauth/authorize", [("response_type", "code"), ("scope", &config.oauth_scope), client, redirect, state])
    };
    let query = serde_urlencoded::to_string(query).expect("pairs of texts can be written as a query");
    format!("{}{path}?{query}", config.stripe_connect_base)
}

#[derive(Serialize)]
struct TicketView {
    url: String,
}

/// Gives a frontend a URL to send its browser to, valid for one visit within 60 seconds: two DynamoDB trips.
async fn ticket(app: &App, request: &Request) -> Result<Response, Error> {
    let user = identity::user_with_password(request, app).await?;
    require_seller(&user)?;
    let express = wants_express(request)?;
    let ticket = app.entropy.secret();
    app.store.keep(&ticket, Ticket { user_id: user.id, express }, app.clock.now()).await?;
    let url = format!("{}/users/authorize?ticket={ticket}", app.config.public_api_url);
    Ok(response::json(200, &TicketView { url }))
}

async fn user_of_ticket(app: &App, ticket: &str) -> Result<(User, bool), Error> {
    let Taken::Yes(Ticket { user_id, express }) = app.store.take(ticket, app.clock.now()).await? else {
        return Err(Error::NotFound("ticket; it is good for one visit within 60 seconds"));
    };
    Ok((user(app, &user_id).await?, express))
}

/// Parses `?type=express` or `?type=standard`, the default.
fn wants_express(request: &Request) -> Result<bool, Error> {
    match request::parameter(request, "type")?.as_deref() {
        None | Some("standard") => Ok(false),
        Some("express") => Ok(true),
        Some(_) => Err(Error::InvalidRequest("type must be standard or express".to_owned())),
    }
}

async fn user(app: &App, id: &UserId) -> Result<User, Error> {
    app.store.user(id).await?.ok_or(Error::NotSignedIn)
}

fn require_seller(user: &User) -> Result<(), Error> {
    if user.is_seller { Ok(()) } else { Err(Error::NotASeller) }
}

/// Whether the client wants JSON rather than a page.
fn wants_json(request: &Request) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/html")
}
