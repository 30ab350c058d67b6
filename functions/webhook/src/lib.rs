//! Stripe's webhooks: `POST /webhooks/stripe` for the platform's own events,
//! `POST /webhooks/stripe/connect` for those of connected accounts, snapshots and thin ones. <https://docs.stripe.com/connect/webhooks>
//!
//! An event is verified, handled and then acknowledged. Its effect and the mark that it was
//! handled are one transaction, so each event takes effect once, however often and in whatever
//! order events arrive. Failures are answered with a 5xx, and Stripe sends the event again.

pub mod events;

use serde::Serialize;
use shared::base::metrics::{self, Unit};
use shared::domain::error::Error;
use shared::http::{Request, Response, answer, request, response};
use shared::settings::secrets::StripeKeys;
use shared::stripe::signature;
use shared::stripe::webhook::Event;
use shared::work::Services;

/// The longest event, in bytes. Invoices include their lines, and subscriptions their items. API Gateway and Lambda allow more.
const EVENT_MAX: usize = 1024 * 1024;

#[derive(Serialize)]
struct Received {
    received: bool,
}

/// Answers a request.
pub async fn handle(services: &Services, request: Request) -> Response {
    answer(&request, receive(services, &request)).await
}

async fn receive(services: &Services, request: &Request) -> Result<Response, Error> {
    let segments = request::segments(request);
    let secrets: fn(&StripeKeys) -> &[String] = match segments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["webhooks", "stripe"] => |keys| &keys.webhook_secrets,
        ["webhooks", "stripe", "connect"] => |keys| &keys.connect_webhook_secrets,
        _ => return Err(Error::NotFound("address")),
    };
    if request.method() != lambda_http::http::Method::POST {
        return Err(Error::MethodNotAllowed);
    }
    // Stripe signs the raw bytes.
    let body = request::bytes_up_to(request, EVENT_MAX)?;
    let header = request.headers().get("stripe-signature").and_then(|header| header.to_str().ok()).unwrap_or_default();
    if !is_signed(services, body, header, secrets).await {
        metrics::emit("WebhookBadSignature", Unit::Count, 1.0, &[], &[("path", request.uri().path())]);
        return Err(Error::BadSignature);
    }
    // Anything else that is signed is acknowledged. Stripe disables an
    // endpoint that fails for days, and a retry would send the same bytes.
    let sent: serde_json::Value = serde_json::from_slice(body).map_err(|error| Error::MalformedJson(error.to_string()))?;
    let event = Event::read(sent);

    // A live Connect endpoint also receives test mode events. These never touch live data.
    if event.id.is_empty() {
        tracing::warn!("the signed body is not an event");
    } else if event.livemode == services.stripe.livemode() {
        events::dispatch(services, &event).await?;
        let lag = services.app.clock.now().unix_timestamp().saturating_sub(event.created);
        let lag = f64::from(i32::try_from(lag.max(0)).unwrap_or(i32::MAX));
        metrics::emit("WebhookLagSeconds", Unit::Seconds, lag, &[], &[("kind", &event.kind)]);
    } else {
        tracing::info!(event_id = event.id, kind = event.kind, livemode = event.livemode, "the event is from the other mode");
    }
    Ok(response::json(200, &Received { received: true }))
}

/// Whether the body was signed with one of the endpoint's secrets, including one that was added since the secrets were last read.
async fn is_signed(services: &Services, body: &[u8], header: &str, secrets: fn(&StripeKeys) -> &[String]) -> bool {
    let now = services.app.clock.now();
    let signed_by = |keys: &StripeKeys| signature::verify(body, header, secrets(keys), now);
    let keys = services.stripe.keys().await;
    signed_by(&keys) || services.stripe.keys_after(&keys).await.is_some_and(|newer| signed_by(&newer))
}
