//! The embedded DynamoDB of the local stack.

use crate::support::aws;
use local::dynamo::{self, Dynamo};
use serde_json::json;

const TABLE: &str = "items";

async fn create_table(url: &str) {
    let table = json!({
        "TableName": TABLE,
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST"
    });
    let made = aws(url, "DynamoDB_20120810.CreateTable", &table).await.unwrap();
    assert_eq!(made.status, 200, "{:?}", made.body);
}

async fn put(url: &str, key: &str, ttl: &str) {
    let item = json!({"TableName": TABLE, "Item": {"pk": {"S": key}, "ttl": {"N": ttl}}});
    assert_eq!(aws(url, "DynamoDB_20120810.PutItem", &item).await.unwrap().status, 200);
}

async fn is_there(url: &str, key: &str) -> bool {
    let get = json!({"TableName": TABLE, "Key": {"pk": {"S": key}}});
    aws(url, "DynamoDB_20120810.GetItem", &get).await.unwrap().json().get("Item").is_some()
}

#[tokio::test]
async fn keeps_its_data_in_the_file() {
    let folder = std::env::temp_dir().join(format!("local-dynamo-{}", std::process::id()));
    let file = folder.join("dynamodb.sqlite");
    let first = dynamo::start(0, Some(&file)).await.unwrap();
    create_table(&first.url()).await;
    put(&first.url(), "kept", "9999999999").await;
    first.shutdown().await;

    let second = dynamo::start(0, Some(&file)).await.unwrap();
    assert!(is_there(&second.url(), "kept").await);
    second.shutdown().await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn sweeps_what_has_expired_and_nothing_else() {
    let dynamo = Dynamo::memory().await.unwrap();
    create_table(&dynamo.url()).await;
    let ttl = json!({
        "TableName": TABLE,
        "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": true}
    });
    aws(&dynamo.url(), "DynamoDB_20120810.UpdateTimeToLive", &ttl).await.unwrap();
    put(&dynamo.url(), "old", "1").await;
    put(&dynamo.url(), "new", "9999999999").await;
    dynamo.database().sweep_ttl().unwrap();
    assert!(!is_there(&dynamo.url(), "old").await);
    assert!(is_there(&dynamo.url(), "new").await);
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let first = Dynamo::memory().await.unwrap();
    let port = first.url().rsplit(':').next().unwrap().parse().unwrap();
    let error = dynamo::start(port, None).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}
