//! What AWS does without a request: delivers new outbox rows from the table's stream and SES's feedback to `notify`, and invokes functions on their schedules.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::{Method, Request};
use serde_json::{Value, json};

use crate::aws::Mailbox;
use crate::dynamo::Dynamo;
use crate::dynamo::stream::Stream;
use crate::net;
use crate::settings::Settings;

/// How often to read the stream.
const LOOK: Duration = Duration::from_millis(250);

/// One sweep after this many reads, about every 15 seconds. Deployed it runs once a minute, but here somebody waits.
const SWEEP: u32 = 60;

/// The schedules of template.yaml: how many minutes apart, which function, and its input.
const SCHEDULES: [(u64, &str, &str); 3] = [(1, "reconcile", r#"{"only":"offers"}"#), (15, "reconcile", "{}"), (15, "erasures", "{}")];

/// Records per event, and deliveries of one, the first and five retries: as the event source mapping in template.yaml has them.
const BATCH: usize = 5;
const TRIES: u32 = 6;

/// Delivers everything that is written to the table from now on, until dropped.
pub(super) async fn pump(settings: &Settings, dynamo: &Dynamo, mailbox: &Mailbox) {
    let table = settings.functions().get("TABLE_NAME").cloned().unwrap_or_default();
    let Some(mut stream) = dynamo.stream(&table) else {
        eprintln!("local: the table has no stream; mails wait for the sweep");
        return;
    };
    let address = invocations(settings, "notify");
    for round in 1_u32.. {
        for batch in mails(&mut stream).chunks(BATCH) {
            hand_over(&address, batch.to_vec()).await;
        }
        for event in mailbox.feedback() {
            invoke(&address, &event).await;
        }
        if round % SWEEP == 0 {
            invoke(&address, &json!({"sweep": true})).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Invokes the scheduled functions, until dropped.
pub(super) async fn schedules(settings: &Settings) {
    for minute in 1_u64.. {
        tokio::time::sleep(Duration::from_secs(60)).await;
        for (_, function, input) in SCHEDULES.into_iter().filter(|(every, ..)| minute % every == 0) {
            let input = serde_json::from_str(input).expect("the input is JSON");
            invoke(&invocations(settings, function), &input).await;
        }
    }
}

fn invocations(settings: &Settings, function: &str) -> String {
    format!("http://127.0.0.1:{}/2015-03-31/functions/{function}/invocations", settings.ports().api)
}

/// New outbox rows: the records that pass the event source mapping's filter.
fn mails(stream: &mut Stream) -> Vec<Value> {
    let records = stream.read().unwrap_or_else(|error| {
        eprintln!("local: the table's stream cannot be read: {error}");
        Vec::new()
    });
    let is_mail = |record: &Value| {
        let pk = record.pointer("/dynamodb/Keys/pk/S").and_then(Value::as_str).unwrap_or_default();
        record["eventName"] == "INSERT" && pk.starts_with("MAIL#")
    };
    records.into_iter().filter(is_mail).collect()
}

/// Delivers a batch until the function has accepted all of it. After a failure it retries from the first failed record.
async fn hand_over(address: &str, mut batch: Vec<Value>) {
    for _ in 0..TRIES {
        let answer = invoke(address, &json!({"Records": batch})).await;
        let failures = answer.as_ref().and_then(|answer| answer["batchItemFailures"].as_array());
        let failed = |record: &Value| {
            let number = &record["dynamodb"]["SequenceNumber"];
            failures.is_none_or(|failures| failures.iter().any(|failure| &failure["itemIdentifier"] == number))
        };
        let Some(first) = batch.iter().position(failed) else { return };
        batch.drain(..first);
        tokio::time::sleep(LOOK).await;
    }
}

async fn invoke(address: &str, event: &Value) -> Option<Value> {
    let request = Request::builder().method(Method::POST).uri(address).body(Body::from(event.to_string())).ok()?;
    let answer = net::client().request(request).await.ok()?;
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    serde_json::from_slice(&body).ok()
}
