//! The AWS stand-ins.

use std::collections::HashMap;

use local::aws::{self, AwsStandIn};
use serde_json::json;

use crate::support;

const GET: &str = "secretsmanager.GetSecretValue";

async fn stand_in() -> AwsStandIn {
    let secrets = HashMap::from([("local/stripe".to_owned(), r#"{"secret_key":"sk_test_local"}"#.to_owned())]);
    aws::start(0, secrets).await.unwrap()
}

#[tokio::test]
async fn gives_a_secret_by_name_and_by_arn() {
    let stand_in = stand_in().await;
    let by_name = support::aws(&stand_in.url(), GET, &json!({"SecretId": "local/stripe"})).await.unwrap();
    assert_eq!(by_name.status, 200);
    assert_eq!(by_name.header("content-type"), "application/x-amz-json-1.1");
    assert_eq!(by_name.json()["Name"], "local/stripe");
    assert_eq!(by_name.json()["SecretString"], r#"{"secret_key":"sk_test_local"}"#);

    let arn = by_name.json()["ARN"].clone();
    let by_arn = support::aws(&stand_in.url(), GET, &json!({"SecretId": arn})).await.unwrap();
    assert_eq!(by_arn.json(), by_name.json());
}

#[tokio::test]
async fn refuses_what_it_does_not_have() {
    let stand_in = stand_in().await;
    let missing = support::aws(&stand_in.url(), GET, &json!({"SecretId": "other"})).await.unwrap();
    assert_eq!(missing.status, 400);
    assert_eq!(missing.json()["__type"], "ResourceNotFoundException");
    let unknown = support::aws(&stand_in.url(), "secretsmanager.DeleteSecret", &json!({"SecretId": "local/stripe"})).await.unwrap();
    assert_eq!(unknown.status, 400);
    assert_eq!(unknown.json()["__type"], "UnknownOperationException");
}

#[tokio::test]
async fn the_front_page_names_the_secrets_and_shows_none() {
    let stand_in = stand_in().await;
    let page = support::send(hyper::Method::GET, &stand_in.url(), &[], "").await.unwrap();
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(text.contains("local/stripe"));
    assert!(!text.contains("sk_test_local"));
}
