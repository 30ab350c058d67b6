//! Webhook deliveries: signed, retried, and on demand held, repeated, reordered, delayed or lost.
//!
//! Signatures: <https://docs.stripe.com/webhooks#verify-manually>.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::server::Server;
use super::state::{Fields, Kind, State, real_now, real_now_ms};
use super::webhook_endpoints;

/// A place that events are sent to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookEndpoint {
    /// Where to POST.
    pub url: String,
    /// The signing secret (`whsec_…`).
    pub secret: String,
    /// Whether it gets the events of connected accounts rather than the platform's own.
    #[serde(default)]
    pub connect: bool,
}

/// After how many attempts a delivery is given up. Stripe goes on for three days.
const MOST_ATTEMPTS: usize = 20;

/// The longest wait between attempts, in milliseconds.
const LONGEST_WAIT: i64 = 30_000;

/// How long an endpoint may take to answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How deliveries are disturbed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Mode {
    /// New deliveries wait for a flush.
    pub(crate) hold: bool,
    /// Each delivery is followed by so many repeats of itself.
    pub(crate) duplicate: u32,
    /// So many of the next deliveries never happen, and are not retried.
    pub(crate) drop_next: u32,
    /// Deliveries that are due together go out in any order.
    pub(crate) shuffle: bool,
    /// How long after its cause a delivery goes out.
    pub(crate) delay_ms: u32,
    /// Signatures carry the stand-in's time, which can be advanced, and not the machine's.
    pub(crate) own_clock: bool,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Waits for a flush.
    Held,
    /// Waits for its time.
    Pending,
    /// Answered with 2xx.
    Delivered,
    /// Lost on demand.
    Dropped,
    /// Given up after many attempts, or because the endpoint is gone.
    Failed,
}

/// One try.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// The machine's time in epoch milliseconds.
    pub(crate) at_ms: i64,
    /// The HTTP status, or `null` where there was no answer.
    pub(crate) status: Option<u16>,
    /// Why there was no answer.
    pub(crate) error: Option<String>,
}

/// One event on its way to one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    id: u64,
    account: String,
    pub(crate) event: String,
    #[serde(rename = "type")]
    kind: String,
    pub(crate) endpoint: String,
    /// The id of an endpoint that the API made.
    #[serde(default)]
    made: Option<String>,
    pub(crate) status: Status,
    next_at_ms: i64,
    pub(crate) attempts: Vec<Attempt>,
    #[serde(skip)]
    in_flight: bool,
}

/// All deliveries.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outbox {
    #[serde(skip)]
    pub(crate) endpoints: Vec<WebhookEndpoint>,
    #[serde(skip)]
    pub(crate) mode: Mode,
    deliveries: Vec<Delivery>,
    last: u64,
}

impl Outbox {
    /// Queues an event for each of these endpoints.
    pub(crate) fn queue(&mut self, account: &str, event: &str, kind: &str, endpoints: &[Destination]) {
        for Destination { url, made } in endpoints {
            let dropped = self.mode.drop_next > 0;
            if dropped {
                self.mode.drop_next -= 1;
            }
            let repeats = if dropped { 0 } else { self.mode.duplicate };
            for _ in 0..=repeats {
                self.last += 1;
                self.deliveries.push(Delivery {
                    id: self.last,
                    account: account.to_owned(),
                    event: event.to_owned(),
                    kind: kind.to_owned(),
                    endpoint: url.clone(),
                    made: made.clone(),
                    status: match (dropped, self.mode.hold) {
                        (true, _) => Status::Dropped,
                        (false, true) => Status::Held,
                        (false, false) => Status::Pending,
                    },
                    next_at_ms: real_now_ms() + i64::from(self.mode.delay_ms),
                    attempts: Vec::new(),
                    in_flight: false,
                });
            }
        }
    }

    /// Sets how deliveries are disturbed. Ending `hold` lets go what was held.
    pub(crate) fn set_mode(&mut self, mode: Mode) {
        if !mode.hold {
            self.release();
        }
        self.mode = mode;
    }

    fn release(&mut self) {
        for delivery in &mut self.deliveries {
            if delivery.status == Status::Held {
                delivery.status = Status::Pending;
                delivery.next_at_ms = 0;
            }
        }
    }

    /// The deliveries of an event.
    pub(crate) fn of_event<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a Delivery> {
        self.deliveries.iter().filter(move |delivery| delivery.event == event)
    }

    fn get_mut(&mut self, id: u64) -> Option<&mut Delivery> {
        let place = self.deliveries.binary_search_by_key(&id, |delivery| delivery.id).ok()?;
        self.deliveries.get_mut(place)
    }

    /// Takes the deliveries that are due.
    fn take_due(&mut self) -> Vec<u64> {
        let now = real_now_ms();
        let mut due = Vec::new();
        for delivery in &mut self.deliveries {
            if delivery.status == Status::Pending && !delivery.in_flight && delivery.next_at_ms <= now {
                delivery.in_flight = true;
                due.push(delivery.id);
            }
        }
        if self.mode.shuffle {
            fastrand::shuffle(&mut due);
        }
        due
    }

    /// Whether something is on its way or waits for its first attempt.
    fn is_busy(&self) -> bool {
        self.deliveries.iter().any(|d| d.in_flight || (d.status == Status::Pending && d.attempts.is_empty()))
    }
}

/// Where an event is to go: an address, and the endpoint's id where the API made it.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    url: String,
    made: Option<String>,
}

/// The endpoints that get such an event: those that the stand-in was started with get all.
pub(crate) fn endpoints_for(state: &State, connect: bool, event: &str) -> Vec<Destination> {
    let set = state.outbox.endpoints.iter().filter(|endpoint| endpoint.connect == connect);
    let set = set.map(|endpoint| Destination { url: endpoint.url.clone(), made: None });
    let made = webhook_endpoints::wanting(state, connect, event).into_iter();
    set.chain(made.map(|(id, url)| Destination { url, made: Some(id) })).collect()
}

/// `t=<unix>,v1=<hex of HMAC-SHA256(secret, "<t>.<body>")>`
pub(crate) fn signature(secret: &str, time: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap_or_else(|_| unreachable!("any length is a key"));
    mac.update(format!("{time}.{body}").as_bytes());
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={digest}")
}

/// Sends what is due, for as long as the server lives.
pub(crate) async fn run(server: Arc<Server>) {
    loop {
        let due = server.state().outbox.take_due();
        let shuffled = server.state().outbox.mode.shuffle;
        for id in due {
            let sending = send_queued(Arc::clone(&server), id);
            if shuffled {
                // One after the other, so that the order is the one drawn.
                sending.await;
            } else {
                tokio::spawn(sending);
            }
        }
        let _ = tokio::time::timeout(Duration::from_millis(50), server.wake.notified()).await;
    }
}

async fn send_queued(server: Arc<Server>, id: u64) {
    let target = {
        let mut state = server.state();
        let Some(delivery) = state.outbox.get_mut(id).map(|delivery| delivery.clone()) else { return };
        let time = signing_time(&state);
        target_of(&state, &delivery).map(|(endpoint, body)| (endpoint, body, time))
    };
    let attempt = match target {
        Some((endpoint, body, time)) => Some(send(&server.client, &endpoint, body, time).await),
        None => None,
    };
    let mut state = server.state();
    state.version += 1;
    let Some(delivery) = state.outbox.get_mut(id) else { return };
    delivery.in_flight = false;
    let Some(attempt) = attempt else {
        delivery.status = Status::Failed;
        return;
    };
    let delivered = attempt.status.is_some_and(|status| (200..300).contains(&status));
    delivery.attempts.push(attempt);
    let tries = delivery.attempts.len();
    if delivered {
        delivery.status = Status::Delivered;
        let (account, event) = (delivery.account.clone(), delivery.event.clone());
        let waiting = state.object(&account, Kind::Event, &event).map_or(0, |e| e.int("pending_webhooks"));
        state.set(&account, Kind::Event, &event, serde_json::json!({ "pending_webhooks": (waiting - 1).max(0) }));
    } else if tries >= MOST_ATTEMPTS {
        delivery.status = Status::Failed;
    } else {
        let wait = 1000_i64.saturating_mul(1 << tries.saturating_sub(1).min(10));
        delivery.next_at_ms = real_now_ms() + wait.min(LONGEST_WAIT);
    }
}

/// The endpoint of a delivery as it is set now, and what it is sent.
fn target_of(state: &State, delivery: &Delivery) -> Option<(WebhookEndpoint, String)> {
    let (endpoint, version) = match &delivery.made {
        Some(id) => webhook_endpoints::target(state, id)?,
        None => {
            let connect = delivery.account != state.platform;
            let mut set = state.outbox.endpoints.iter();
            (set.find(|endpoint| endpoint.url == delivery.endpoint && endpoint.connect == connect)?.clone(), None)
        }
    };
    Some((endpoint, body_of(state, &delivery.account, &delivery.event, version)?))
}

/// An event as it is sent; its objects are always of the one version that the stand-in knows.
fn body_of(state: &State, account: &str, event: &str, version: Option<String>) -> Option<String> {
    let mut event = state.object(account, Kind::Event, event)?.clone();
    if let Some(version) = version {
        event["api_version"] = version.into();
    }
    serde_json::to_string_pretty(&event).ok()
}

fn signing_time(state: &State) -> i64 {
    if state.outbox.mode.own_clock { state.now() } else { real_now() }
}

async fn send(client: &reqwest::Client, endpoint: &WebhookEndpoint, body: String, time: i64) -> Attempt {
    let sent = client
        .post(&endpoint.url)
        .timeout(TIMEOUT)
        .header("content-type", "application/json; charset=utf-8")
        .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .header("stripe-signature", signature(&endpoint.secret, time, &body))
        .body(body)
        .send()
        .await;
    let (status, error) = match sent {
        Ok(answer) => {
            let status = answer.status().as_u16();
            // The connection is used again only once the body was read.
            let _ = answer.bytes().await;
            (Some(status), None)
        }
        Err(error) => (None, Some(error.without_url().to_string())),
    };
    Attempt { at_ms: real_now_ms(), status, error }
}

/// Sends one event again now, outside of the queue, to one endpoint by its place or to all that it belongs to.
pub(crate) async fn deliver(server: &Server, event: &str, place: Option<usize>) -> Result<Vec<Attempt>, String> {
    let (time, targets): (i64, Vec<(WebhookEndpoint, String)>) = {
        let state = server.state();
        let account = state.owner_of(Kind::Event, event).ok_or_else(|| format!("no event {event}"))?;
        let connected = account != state.platform;
        let body = body_of(&state, &account, event, None).ok_or_else(|| format!("no event {event}"))?;
        let all = state.outbox.endpoints.iter().enumerate();
        let chosen = all.filter(|(n, endpoint)| place.map_or(endpoint.connect == connected, |place| place == *n));
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

/// Lets go what is held and waits until every delivery was tried once.
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
