//! `GET`, `POST /users/authorize`, with `?type=express` for an Express account: sends a seller to Stripe, to grant the platform access to an account.
//!
//! The `state` that goes along is single use, lives ten minutes, and is bound to the user and, by a cookie of its
//! own, to the browser. <https://docs.stripe.com/connect/oauth-standard-accounts>

use lambda_http::http::Method;
use lambda_http::http::header::ACCEPT;
use serde::Serialize;
use shared::app::App;
use shared::entropy::digest;
use shared::error::Error;
use shared::http::cookie::Cookie;
use shared::http::{Request, Response, answer, identity, request, response};
use shared::ids::UserId;
use shared::store::oauth::{Secret as _, State, Taken, Ticket};
use shared::stripe::Gateway;
use shared::user::User;

/// What the function is made with.
#[derive(Clone, Debug)]
pub struct Authorize {
    /// Settings and the table.
    pub app: App,
    /// Stripe: its OAuth address and the platform's client id. Nothing is sent from here.
    pub stripe: Gateway,
}

impl Authorize {
    /// From the environment; fetches the platform's client id.
    ///
    /// # Errors
    /// Where a setting or the secret cannot be used.
    pub async fn from_env() -> Result<Self, lambda_http::Error> {
        let app = App::from_env()?;
        let stripe = Gateway::from_env(&app).await?;
        Ok(Self { app, stripe })
    }
}

/// Answers a request.
pub async fn handle(authorize: &Authorize, request: Request) -> Response {
    answer(&request, async {
        match *request.method() {
            Method::GET => redirect(authorize, &request).await,
            Method::POST => ticket(authorize, &request).await,
            _ => Err(Error::MethodNotAllowed),
        }
    })
    .await
}

/// Sends the browser to Stripe: two DynamoDB trips, no Stripe call.
///
/// With a ticket from [`ticket`], the browser needs no session; the link then waits for its user to confirm it.
async fn redirect(authorize: &Authorize, request: &Request) -> Result<Response, Error> {
    let app = &authorize.app;
    let mut express = wants_express(request)?;
    let (user, with_session) = match request::parameter(request, "ticket")? {
        Some(ticket) => {
            let (user, wanted) = user_of_ticket(app, &ticket).await?;
            express = wanted;
            (user, false)
        }
        None => match identity::user(request, app).await {
            // A Bearer token comes from a client that is no browser, so there is no session to come back to.
            Ok(user) => (user, identity::presented(request, &app.config).is_some_and(|presented| presented.by_cookie)),
            Err(Error::NotSignedIn) if !wants_json(request) => {
                let next = if express { "authorize-express" } else { "authorize" };
                return Ok(response::redirect(&format!("{}/login.html?next={next}", app.config.storefront_url)));
            }
            Err(error) => return Err(error),
        },
    };
    require_seller(&user)?;

    let (state, browser) = (app.entropy.secret(), app.entropy.secret());
    let kept = State { user_id: user.id, browser: digest(&browser), with_session, express };
    app.store.keep(&state, kept, app.clock.now()).await?;
    let url = if express {
        authorize.stripe.authorize_express_url(&app.config.callback_url(), &state)
    } else {
        authorize.stripe.authorize_url(&app.config.oauth_scope, &app.config.callback_url(), &state)
    };
    let cookie = Cookie::OAuth.set(&browser, State::LIFETIME.whole_seconds(), &app.config);
    Ok(response::with_cookie(response::redirect(&url), &cookie))
}

#[derive(Serialize)]
struct TicketView {
    url: String,
}

/// Gives a frontend the address to send its browser to, good for one visit within 60 seconds: two DynamoDB trips.
async fn ticket(authorize: &Authorize, request: &Request) -> Result<Response, Error> {
    let app = &authorize.app;
    let user = identity::user(request, app).await?;
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

/// `?type=express` or `?type=standard`, which is the default.
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

/// Whether the client asks for JSON rather than for a page.
fn wants_json(request: &Request) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/html")
}
