//! Stripe's webhooks: `POST /webhooks/stripe` for the platform's own events, `POST /webhooks/stripe/connect` for
//! those of connected accounts. <https://docs.stripe.com/connect/webhooks>
//!
//! An event is verified, handled and then acknowledged. It takes effect in one transaction with the mark that says
//! it was handled, so that it is handled once, however often and in whichever order it comes. What fails is answered
//! with a 5xx, and Stripe sends it again.

pub mod events;

use serde::Serialize;
use shared::app::App;
use shared::error::Error;
use shared::http::{Request, Response, answer, request, response};
use shared::metrics::{self, Unit};
use shared::secrets::StripeKeys;
use shared::stripe::Gateway;
use shared::stripe::signature;
use shared::stripe::webhook::Event;

/// What the function is made with.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Settings and the table.
    pub app: App,
    /// Stripe, with the endpoints' secrets.
    pub stripe: Gateway,
}

impl Webhook {
    /// From the environment; fetches Stripe's keys.
    ///
    /// # Errors
    /// Where a setting or the secret cannot be used.
    pub async fn from_env() -> Result<Self, lambda_http::Error> {
        let app = App::from_env()?;
        let stripe = Gateway::from_env(&app).await?;
        Ok(Self { app, stripe })
    }
}

#[derive(Serialize)]
struct Received {
    received: bool,
}

/// Answers a request.
pub async fn handle(webhook: &Webhook, request: Request) -> Response {
    answer(&request, receive(webhook, &request)).await
}

async fn receive(webhook: &Webhook, request: &Request) -> Result<Response, Error> {
    let segments = request::segments(request);
    let secrets: fn(&StripeKeys) -> &[String] = match segments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["webhooks", "stripe"] => |keys| &keys.webhook_secrets,
        ["webhooks", "stripe", "connect"] => |keys| &keys.connect_webhook_secrets,
        _ => return Err(Error::NotFound("address")),
    };
    if request.method() != lambda_http::http::Method::POST {
        return Err(Error::MethodNotAllowed);
    }
    // The raw bytes are what was signed.
    let body = request::bytes(request)?;
    let header = request.headers().get("stripe-signature").and_then(|header| header.to_str().ok()).unwrap_or_default();
    if !is_signed(webhook, body, header, secrets).await {
        return Err(Error::BadSignature);
    }
    let event: Event = serde_json::from_slice(body).map_err(|error| Error::MalformedJson(error.to_string()))?;

    // A live Connect endpoint gets the events of test mode as well. They never touch live data.
    if event.livemode == webhook.stripe.livemode() {
        events::dispatch(webhook, &event).await?;
        let lag = webhook.app.clock.now().unix_timestamp().saturating_sub(event.created);
        let lag = f64::from(i32::try_from(lag.max(0)).unwrap_or(i32::MAX));
        metrics::emit("WebhookLagSeconds", Unit::Seconds, lag, &[], &[("kind", &event.kind)]);
    } else {
        tracing::info!(event_id = event.id, kind = event.kind, livemode = event.livemode, "the event is of the other mode");
    }
    Ok(response::json(200, &Received { received: true }))
}

/// Whether one of the endpoint's secrets signed it: one that we know, or one that was added since we read them.
async fn is_signed(webhook: &Webhook, body: &[u8], header: &str, secrets: fn(&StripeKeys) -> &[String]) -> bool {
    let now = webhook.app.clock.now();
    let signed_by = |keys: &StripeKeys| signature::verify(body, header, secrets(keys), now);
    let keys = webhook.stripe.keys().await;
    signed_by(&keys) || webhook.stripe.keys_after(&keys).await.is_some_and(|newer| signed_by(&newer))
}
