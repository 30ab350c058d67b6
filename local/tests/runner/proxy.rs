//! The fault-injecting proxy, in front of the local DynamoDB.

use std::time::Duration;

use crate::support::{Answer, aws};
use local::dynamo::Dynamo;
use local::proxy::{self, Fault, Gate, Kind, Proxy};
use serde_json::{Value, json};

const PUT: &str = "DynamoDB_20120810.PutItem";
const GET: &str = "DynamoDB_20120810.GetItem";

/// A DynamoDB with one table, and a proxy in front of it.
async fn stack() -> (Dynamo, Proxy) {
    let dynamo = Dynamo::memory().await.unwrap();
    let table = json!({
        "TableName": "items",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST"
    });
    let made = aws(&dynamo.url(), "DynamoDB_20120810.CreateTable", &table).await.unwrap();
    assert_eq!(made.status, 200, "{:?}", made.body);
    let proxy = proxy::start(dynamo.url()).await.unwrap();
    (dynamo, proxy)
}

async fn put(url: &str, key: &str) -> Option<Answer> {
    aws(url, PUT, &json!({"TableName": "items", "Item": {"pk": {"S": key}}})).await
}

async fn is_there(url: &str, key: &str) -> bool {
    let answer = aws(url, GET, &json!({"TableName": "items", "Key": {"pk": {"S": key}}})).await.unwrap();
    answer.json().get("Item").is_some()
}

#[tokio::test]
async fn passes_requests_on_and_records_them() {
    let (dynamo, proxy) = stack().await;
    assert_eq!(put(&proxy.url(), "a").await.unwrap().status, 200);
    assert!(is_there(&proxy.url(), "a").await);
    assert!(is_there(&dynamo.url(), "a").await);
    let calls = proxy.calls();
    assert_eq!(proxy.operations(), ["PutItem", "GetItem"]);
    assert_eq!(calls[0].body["Item"]["pk"]["S"], "a");
    assert!(calls.iter().all(|call| call.finished.is_some()));
    assert_eq!(proxy.sequential_trips(), 2);
    proxy.clear();
    assert!(proxy.calls().is_empty());
}

#[tokio::test]
async fn a_dropped_request_does_nothing_and_a_lost_answer_does_the_work() {
    let (dynamo, proxy) = stack().await;
    proxy.inject(Fault::next("PutItem", Kind::Drop));
    assert!(put(&proxy.url(), "dropped").await.is_none());
    assert!(!is_there(&dynamo.url(), "dropped").await);

    proxy.inject(Fault::next("PutItem", Kind::LoseAnswer));
    assert!(put(&proxy.url(), "lost").await.is_none());
    assert!(is_there(&dynamo.url(), "lost").await);
    assert_eq!(put(&proxy.url(), "after").await.unwrap().status, 200);
}

#[tokio::test]
async fn affects_the_named_operation_the_given_number_of_times() {
    let (_dynamo, proxy) = stack().await;
    proxy.inject(Fault::next("PutItem", Kind::Throttle).skip(1).times(2));
    let mut statuses = Vec::new();
    for key in ["a", "b", "c", "d"] {
        assert!(!is_there(&proxy.url(), key).await);
        statuses.push(put(&proxy.url(), key).await.unwrap().status.as_u16());
    }
    assert_eq!(statuses, [200, 400, 400, 200]);
}

#[tokio::test]
async fn fails_as_dynamodb_does() {
    let (_dynamo, proxy) = stack().await;
    let url = proxy.url();
    let kind = |answer: &Answer| {
        let kind = answer.json()["__type"].as_str().unwrap().to_owned();
        (answer.status.as_u16(), kind.rsplit('#').next().unwrap().to_owned())
    };

    proxy.inject(Fault::next("PutItem", Kind::InternalServerError));
    assert_eq!(kind(&put(&url, "a").await.unwrap()), (500, "InternalServerError".into()));
    proxy.inject(Fault::next("PutItem", Kind::Throttle));
    assert_eq!(kind(&put(&url, "a").await.unwrap()), (400, "ProvisionedThroughputExceededException".into()));
    proxy.inject(Fault::next("PutItem", Kind::TransactionConflict));
    assert_eq!(kind(&put(&url, "a").await.unwrap()), (400, "TransactionConflictException".into()));

    proxy.inject(Fault::next("TransactWriteItems", Kind::TransactionConflict));
    let item = |key: &str| json!({"Put": {"TableName": "items", "Item": {"pk": {"S": key}}}});
    let write = json!({"TransactItems": [item("a"), item("b")]});
    let answer = aws(&url, "DynamoDB_20120810.TransactWriteItems", &write).await.unwrap();
    assert_eq!(kind(&answer), (400, "TransactionCanceledException".into()));
    let codes: Vec<Value> = answer.json()["CancellationReasons"].as_array().unwrap().iter().map(|reason| reason["Code"].clone()).collect();
    assert_eq!(codes, ["TransactionConflict", "None"]);
    assert!(!is_there(&url, "a").await);
}

#[tokio::test]
async fn a_gate_holds_a_request_until_it_is_opened() {
    let (dynamo, proxy) = stack().await;
    let gate = Gate::new();
    proxy.inject(Fault::next("PutItem", Kind::Hold(gate.clone())));
    let url = proxy.url();
    let held = tokio::spawn(async move { put(&url, "held").await.unwrap().status });
    gate.reached().await;
    assert!(!is_there(&dynamo.url(), "held").await);
    assert!(proxy.calls()[0].finished.is_none());
    gate.open();
    assert_eq!(held.await.unwrap(), 200);
    assert!(is_there(&dynamo.url(), "held").await);
}

#[tokio::test]
async fn parallel_calls_are_one_trip() {
    let (_dynamo, proxy) = stack().await;
    proxy.inject(Fault::always(Kind::Delay(Duration::from_millis(300))));
    let url = proxy.url();
    tokio::join!(put(&url, "a"), put(&url, "b"), put(&url, "c"));
    assert_eq!(proxy.sequential_trips(), 1);
    is_there(&url, "a").await;
    assert_eq!(proxy.sequential_trips(), 2);
}
