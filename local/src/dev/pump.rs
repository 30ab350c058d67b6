//! What AWS does for `notify`: hands it the new rows of the outbox from the table's stream, and invokes it on a schedule.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::{Method, Request};
use serde_json::{Value, json};

use crate::dynamo::Dynamo;
use crate::dynamo::stream::Stream;
use crate::net;
use crate::settings::Settings;

/// How often the stream is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// How often the sweep comes. Deployed it is once a minute; on a laptop somebody waits.
const SWEEP: u32 = 60;

/// How many records one event has, and how often one is brought again, as in template.yaml.
const BATCH: usize = 10;
const TRIES: u32 = 5;

/// Hands over what is written to the table from now on, until it is dropped.
pub(super) async fn pump(settings: &Settings, dynamo: &Dynamo) {
    let table = settings.functions().get("TABLE_NAME").cloned().unwrap_or_default();
    let Some(mut stream) = dynamo.stream(&table) else {
        eprintln!("local: the table has no stream; mails wait for the sweep");
        return;
    };
    let address = format!("http://127.0.0.1:{}/2015-03-31/functions/notify/invocations", settings.ports().api);
    for round in 1_u32.. {
        for batch in mails(&mut stream).chunks(BATCH) {
            hand_over(&address, batch.to_vec()).await;
        }
        if round % SWEEP == 0 {
            invoke(&address, &json!({"sweep": true})).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// New rows of the outbox: what the event source mapping's filter lets through.
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

/// Brings a batch until the function has taken all of it on; after a failure again from the first one that failed.
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
