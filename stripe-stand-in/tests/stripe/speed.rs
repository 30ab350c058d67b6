//! The speed with many objects. It is not checked: `cargo test -p stripe-stand-in --test stripe speed -- --ignored --nocapture`
//! prints the measurements.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{CARD, Stripe, id};
use crate::receiver::Receiver;

/// How many payments are made first. Each creates about ten objects, not counting events.
const PAYMENTS: usize = 2_000;

/// How often each request is measured.
const SAMPLES: usize = 200;

/// The times of one kind of request.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    async fn of<T>(&mut self, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let done = work.await;
        self.0.push(begun.elapsed());
        done
    }

    fn report(mut self, what: &str) {
        self.0.sort_unstable();
        let at = |part: usize| self.0[(self.0.len() * part / 100).min(self.0.len() - 1)].as_secs_f64() * 1000.0;
        eprintln!("{what:<28} p50 {:7.2} ms   p90 {:7.2} ms   p99 {:7.2} ms", at(50), at(90), at(99));
    }
}

async fn pay(stripe: &Stripe, seller: &str, key: &str) -> Value {
    let form = [
        ("amount", "5000"),
        ("currency", "usd"),
        ("confirm", "true"),
        ("payment_method", "pm_card_bypassPending"),
        ("application_fee_amount", "500"),
        ("transfer_data[destination]", seller),
        ("expand[]", "latest_charge"),
        CARD,
    ];
    stripe.post_keyed(key, "/v1/payment_intents", &form).await.ok()
}

#[tokio::test]
#[ignore = "it only measures"]
async fn requests_among_twenty_thousand_objects() {
    let receiver = Receiver::start().await;
    let stripe = Stripe::with_webhooks(&receiver).await;
    stripe.admin("POST", "webhooks/mode", json!({ "hold": true })).await.ok();
    let mut sellers = Vec::new();
    for _ in 0..20 {
        sellers.push(stripe.account().await);
    }
    let mut paid = Vec::new();
    for quarter in 1..=4 {
        let (mut payments, mut events) = (Times::default(), Times::default());
        for n in 0..PAYMENTS / 4 {
            let seller = &sellers[n % sellers.len()];
            paid.push(payments.of(pay(&stripe, seller, &format!("p{quarter}.{n}"))).await);
            if n % 10 == 0 {
                events.of(stripe.get("/v1/events?limit=10")).await.ok();
            }
        }
        payments.report(&format!("payments, quarter {quarter}"));
        events.report(&format!("newest events, quarter {quarter}"));
    }
    let mut times = [(); 5].map(|()| Times::default());
    for (n, intent) in paid.iter().rev().take(2 * SAMPLES).enumerate() {
        let charge = &intent["latest_charge"];
        if n % 2 == 0 {
            let form = [("charge", id(charge)), ("reverse_transfer", "true"), ("refund_application_fee", "true")];
            times[0].of(stripe.post_keyed(&format!("r{n}"), "/v1/refunds", &form)).await.ok();
            times[2].of(stripe.get(&format!("/v1/charges/{}?expand[]=refunds", id(charge)))).await.ok();
            times[3].of(stripe.get(&format!("/v1/refunds?charge={}", id(charge)))).await.ok();
        } else {
            let path = format!("/v1/transfers/{}/reversals", charge["transfer"].as_str().unwrap());
            times[1].of(stripe.post_keyed(&format!("r{n}"), &path, &[("amount", "100")])).await.ok();
            times[4].of(stripe.get("/v1/balance")).await.ok();
        }
    }
    let names = ["refunds", "reversals", "a charge with its refunds", "the refunds of a charge", "balance"];
    for (times, name) in times.into_iter().zip(names) {
        times.report(name);
    }
    stripe.books().await;
}

/// A receiver that takes half a second to respond. Returns its URL and the number of requests.
async fn slow_receiver() -> (String, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let all = std::sync::Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let all = std::sync::Arc::clone(&all);
            tokio::spawn(async move {
                let answer = move |request: hyper::Request<hyper::body::Incoming>| {
                    let all = std::sync::Arc::clone(&all);
                    async move {
                        let body = http_body_util::BodyExt::collect(request.into_body()).await?.to_bytes();
                        let event: Value = serde_json::from_slice(&body).unwrap();
                        all.lock().unwrap().push(id(&event).to_owned());
                        tokio::time::sleep(Duration::from_millis(500)).await;
                        Ok::<_, hyper::Error>(hyper::Response::new(String::new()))
                    }
                };
                let stream = hyper_util::rt::TokioIo::new(stream);
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, hyper::service::service_fn(answer)).await;
            });
        }
    });
    (url, seen)
}

#[tokio::test]
#[ignore = "it is as slow as its receiver"]
async fn two_thousand_events_reach_a_slow_receiver_once_each() {
    let (url, seen) = slow_receiver().await;
    let stripe = Stripe::start().await;
    stripe.admin("PUT", "webhooks", json!({ "endpoints": [{ "url": url, "secret": "whsec_x" }] })).await.ok();
    stripe.admin("POST", "webhooks/mode", json!({ "hold": true })).await.ok();
    for _ in 0..2_000 {
        stripe.post("/v1/customers", &[]).await.ok();
    }
    let begun = Instant::now();
    stripe.admin("POST", "webhooks/flush", json!({})).await.ok();
    let mut all = seen.lock().unwrap().clone();
    let received = all.len();
    all.sort_unstable();
    all.dedup();
    eprintln!("{received} deliveries of {} events in {:.1} s", all.len(), begun.elapsed().as_secs_f64());
    assert_eq!((received, all.len()), (2_000, 2_000));
}
