//! Webhook deliveries: signed and retried; on request held, repeated, reordered, delayed or lost.
//!
//! Signatures: <https://docs.stripe.com/webhooks#verify-manually>.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use sha2::Sha256;

use crate::events::emit::notification;
use crate::events::endpoints;
use crate::server::host::{Client, Server};
use crate::state::all::State;
use crate::state::outbox::{Attempt, Delivery, Status};
use crate::words::clock::{real_now, real_now_ms};
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::options::WebhookEndpoint;

/// How many attempts are made. Stripe retries for three days.
const MOST_ATTEMPTS: usize = 20;

/// The longest wait between attempts, in milliseconds.
const LONGEST_WAIT: i64 = 30_000;

/// Timeout of an endpoint.
const TIMEOUT: Duration = Duration::from_secs(20);

/// `t=<unix>,v1=<hex of HMAC-SHA256(secret, "<t>.<body>")>`
pub(crate) fn signature(secret: &str, time: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap_or_else(|_| unreachable!("any length is a key"));
    mac.update(format!("{time}.{body}").as_bytes());
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={digest}")
}

/// Sends what is due, while the server lives.
pub(crate) async fn run(server: Arc<Server>) {
    loop {
        let due = server.state().outbox.take_due();
        let shuffled = server.state().outbox.mode.shuffle;
        for id in due {
            let sending = send_queued(Arc::clone(&server), id);
            if shuffled {
                // Sequentially, so that the random order is kept.
                sending.await;
            } else {
                tokio::spawn(sending);
            }
        }
        let _ = tokio::time::timeout(Duration::from_millis(50), server.wake.notified()).await;
    }
}

async fn send_queued(server: Arc<Server>, id: u64) {
    // The semaphore is never closed, and it is fair, so the order is kept.
    let _turn = server.senders.acquire().await;
    let target = {
        let state = server.state();
        let Some(delivery) = state.outbox.get(id).cloned() else { return };
        let time = signing_time(&state);
        target_of(&state, &delivery).map(|(endpoint, body)| (endpoint, body, time))
    };
    let attempt = match target {
        Some((endpoint, body, time)) => Some(send(&server.client, &endpoint, body, time).await),
        None => None,
    };
    let mut state = server.state();
    state.version += 1;
    let delivered = attempt.as_ref().is_some_and(|attempt| attempt.status.is_some_and(|status| (200..300).contains(&status)));
    state.outbox.land(id, |delivery| {
        let gone = attempt.is_none();
        delivery.attempts.extend(attempt);
        let tries = delivery.attempts.len();
        if delivered {
            delivery.status = Status::Delivered;
        } else if gone || tries >= MOST_ATTEMPTS {
            delivery.status = Status::Failed;
        } else {
            let wait = 1000_i64.saturating_mul(1 << tries.saturating_sub(1).min(10));
            delivery.next_at_ms = real_now_ms() + wait.min(LONGEST_WAIT);
        }
    });
    let Some((account, event)) = state.outbox.get(id).filter(|_| delivered).map(|one| (one.account.clone(), one.event.clone())) else {
        return;
    };
    let waiting = state.object(&account, Kind::Event, &event).map_or(0, |e| e.int("pending_webhooks"));
    state.set(&account, Kind::Event, &event, serde_json::json!({ "pending_webhooks": (waiting - 1).max(0) }));
}

/// A delivery's endpoint with its current settings, and the body to send.
fn target_of(state: &State, delivery: &Delivery) -> Option<(WebhookEndpoint, String)> {
    let (endpoint, version) = match &delivery.made {
        Some(id) => endpoints::target(state, id)?,
        None => {
            let connect = delivery.account != state.platform;
            let thin = state.object(&delivery.account, Kind::ThinEvent, &delivery.event).is_some();
            let mut set = state.outbox.endpoints.iter().filter(|endpoint| receives(endpoint, connect, thin));
            (set.find(|endpoint| endpoint.url == delivery.endpoint)?.clone(), None)
        }
    };
    Some((endpoint, body_of(state, &delivery.account, &delivery.event, version)?))
}

/// Whether an endpoint that the stand-in was started with receives an event.
fn receives(endpoint: &WebhookEndpoint, connect: bool, thin: bool) -> bool {
    endpoint.thin == thin && (thin || endpoint.connect == connect)
}

/// The body of an event. Its objects are always in the only version that the stand-in knows.
fn body_of(state: &State, account: &str, event: &str, version: Option<String>) -> Option<String> {
    if let Some(thin) = state.object(account, Kind::ThinEvent, event) {
        return serde_json::to_string_pretty(&notification(thin)).ok();
    }
    let mut event = state.object(account, Kind::Event, event)?.clone();
    if let Some(version) = version {
        event["api_version"] = version.into();
    }
    serde_json::to_string_pretty(&event).ok()
}

fn signing_time(state: &State) -> i64 {
    if state.outbox.mode.own_clock { state.now() } else { real_now() }
}

async fn send(client: &Client, endpoint: &WebhookEndpoint, body: String, time: i64) -> Attempt {
    let request = Request::post(&endpoint.url)
        .header("content-type", "application/json; charset=utf-8")
        .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .header("stripe-signature", signature(&endpoint.secret, time, &body))
        .body(Full::from(body));
    let sent = async {
        let answer = client.request(request.map_err(|error| error.to_string())?).await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        // The connection can only be reused once the body was read.
        let _ = answer.into_body().collect().await;
        Ok(status)
    };
    let sent = tokio::time::timeout(TIMEOUT, sent).await.unwrap_or_else(|_| Err("timed out".to_owned()));
    Attempt { at_ms: real_now_ms(), status: sent.as_ref().ok().copied(), error: sent.err() }
}

/// Sends one event again now, bypassing the queue: to the endpoint at an index, or to all it belongs to.
pub(crate) async fn deliver(server: &Server, event: &str, place: Option<usize>) -> Result<Vec<Attempt>, String> {
    let (time, targets): (i64, Vec<(WebhookEndpoint, String)>) = {
        let state = server.state();
        let owner = state.owner_of(Kind::Event, event).map(|account| (account, false));
        let owner = owner.or_else(|| Some((state.owner_of(Kind::ThinEvent, event)?, true)));
        let (account, thin) = owner.ok_or_else(|| format!("no event {event}"))?;
        let connected = account != state.platform;
        let body = body_of(&state, &account, event, None).ok_or_else(|| format!("no event {event}"))?;
        let all = state.outbox.endpoints.iter().enumerate();
        let chosen = all.filter(|(n, endpoint)| place.map_or_else(|| receives(endpoint, connected, thin), |place| place == *n));
        (signing_time(&state), chosen.map(|(_, endpoint)| (endpoint.clone(), body.clone())).collect())
    };
    if targets.is_empty() {
        return Err("no such endpoint".to_owned());
    }
    let mut attempts = Vec::new();
    for (endpoint, body) in targets {
        attempts.push(send(&server.client, &endpoint, body, time).await);
    }
    Ok(attempts)
}

/// Releases held deliveries and waits until each was tried once.
pub(crate) async fn flush(server: &Server) {
    {
        let mut state = server.state();
        state.outbox.release();
        state.version += 1;
    }
    server.wake.notify_one();
    while server.state().outbox.is_busy() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_signature_is_the_hmac_of_time_and_body() {
        // Computed with `printf '1700000000.{}' | openssl dgst -sha256 -hmac whsec_test`.
        assert_eq!(
            super::signature("whsec_test", 1_700_000_000, "{}"),
            "t=1700000000,v1=35495024f4ef3f94e5a93e22221544c4b75e9a42300cd965ab81cb85cd994e91"
        );
    }
}
