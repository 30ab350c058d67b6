//! Traces of requests: what is sent to X-Ray's daemon about the calls that a request makes.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::UdpSocket;

use serde_json::{Value, json};
use shared::cloud::trace::Daemon;

use crate::harness::World;

const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";
const PARENT: &str = "53995c3f42cd8ad8";

/// A daemon that keeps what it is sent.
struct Listener(UdpSocket);

impl Listener {
    fn start() -> (Self, Daemon) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_nonblocking(true).expect("it can be set");
        let address = socket.local_addr().expect("an address").to_string();
        (Self(socket), Daemon::at(&address).expect("it is an address"))
    }

    /// The documents since the last call. On this machine they have arrived when they are sent.
    fn documents(&self) -> Vec<Value> {
        let mut bytes = vec![0; 65_536];
        let mut found = Vec::new();
        loop {
            match self.0.recv(&mut bytes) {
                Ok(length) => {
                    let text = std::str::from_utf8(&bytes[..length]).expect("it is text");
                    let (header, document) = text.split_once('\n').expect("a header and a document");
                    assert_eq!(header, "{\"format\": \"json\", \"version\": 1}");
                    found.push(serde_json::from_str(document).expect("it is JSON"));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return found,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn header(sampled: u8) -> String {
    format!("Root={ROOT};Parent={PARENT};Sampled={sampled};Lineage=a87bd80c:0")
}

fn called<'a>(documents: &'a [Value], namespace: &str) -> Vec<&'a Value> {
    documents.iter().filter(|document| document["namespace"] == namespace).collect()
}

#[tokio::test]
async fn a_traced_purchase_reports_each_call_to_dynamodb_and_stripe_and_nothing_secret() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (listener, daemon) = Listener::start();
    world.operations();
    let answer = daemon.watch(&header(1), world.buy(&shop.buyer, &shop.course_id, "pm_card_visa")).await;
    assert_eq!(answer.status, 201, "{}", answer.body);

    let documents = listener.documents();
    let operations: Vec<_> =
        called(&documents, "aws").iter().map(|one| one["aws"]["operation"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(operations, world.operations());
    assert!(called(&documents, "aws").iter().all(|one| one["name"] == "DynamoDB" && one["http"]["response"]["status"] == 200));
    let to_stripe = called(&documents, "remote");
    let payment =
        to_stripe.iter().find(|one| one["http"]["request"]["url"].as_str().is_some_and(|url| url.ends_with("/v1/payment_intents")));
    let payment = payment.unwrap_or_else(|| panic!("{documents:#?}"));
    assert_eq!((&payment["http"]["request"]["method"], &payment["http"]["response"]["status"]), (&json!("POST"), &json!(200)));

    let mut ids = BTreeSet::new();
    for document in &documents {
        assert_eq!(
            (&document["type"], &document["trace_id"], &document["parent_id"]),
            (&json!("subsegment"), &json!(ROOT), &json!(PARENT))
        );
        assert!(document["start_time"].as_f64() <= document["end_time"].as_f64() && document["start_time"].is_f64(), "{document}");
        assert_eq!((&document["error"], &document["fault"], &document["throttle"]), (&json!(false), &json!(false), &json!(false)));
        let id = document["id"].as_str().expect("an id");
        assert!(id.len() == 16 && id.bytes().all(|digit| digit.is_ascii_hexdigit()) && ids.insert(id), "{id}");
    }
    let text = json!(documents).to_string();
    for secret in ["sk_test", "pm_card_visa", &shop.buyer.email, &shop.buyer.token] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }

    // A decline is the client's error, not Stripe's.
    let other = world.buyer("other@example.com").await;
    let declined = daemon.watch(&header(1), world.buy(&other, &shop.course_id, "pm_card_chargeDeclined")).await;
    assert_eq!(declined.status, 402, "{}", declined.body);
    let documents = listener.documents();
    let refused: Vec<_> = called(&documents, "remote").into_iter().filter(|one| one["http"]["response"]["status"] == 402).collect();
    assert_eq!((refused.len(), &refused[0]["error"], &refused[0]["fault"]), (1, &json!(true), &json!(false)));
}

#[tokio::test]
async fn a_call_that_is_never_answered_is_reported_as_a_fault() {
    let (listener, daemon) = Listener::start();
    let request =
        shared::cloud::transport::client().get("https://api.stripe.com/v1/customers/search?query=email%3Aa%40example.com").build();
    let request = request.expect("it is a request");
    daemon.watch(&header(1), async { drop(shared::cloud::trace::Call::begin(&request)) }).await;
    let [document] = listener.documents().try_into().expect("one");
    assert_eq!((&document["name"], &document["fault"]), (&json!("api.stripe.com"), &json!(true)));
    // Whom somebody looked for stays out of it.
    assert_eq!(document["http"], json!({ "request": { "method": "GET", "url": "https://api.stripe.com/v1/customers/search" } }));
}

#[tokio::test]
async fn requests_that_xray_has_not_chosen_report_nothing() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (listener, daemon) = Listener::start();
    for header in [header(0), format!("Root={ROOT}"), String::new()] {
        assert_eq!(daemon.watch(&header, world.get("/purchases").bearer(&shop.buyer.token).into_future()).await.status, 200);
    }
    assert_eq!(world.get("/purchases").bearer(&shop.buyer.token).await.status, 200);
    assert_eq!(listener.documents(), Vec::<Value>::new());
    assert!(Daemon::at("nowhere").is_none());
}
