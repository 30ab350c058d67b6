//! The AWS stand-ins.

use std::collections::HashMap;

use local::aws::{self, AwsStandIn, Outage};
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
async fn a_label_is_moved_only_from_the_version_that_has_it() {
    let stand_in = stand_in().await;
    let ask = async |operation: &str, mut body: serde_json::Value| {
        body["SecretId"] = json!("local/stripe");
        support::aws(&stand_in.url(), &format!("secretsmanager.{operation}"), &body).await.unwrap()
    };
    let current = async || ask("GetSecretValue", json!({})).await.json();
    let first = current().await["VersionId"].clone();
    let put = |number: u32, labels: serde_json::Value| json!({"ClientRequestToken": format!("00000000-0000-4000-8000-00000000000{number}"), "SecretString": number.to_string(), "VersionStages": labels});
    let beside = ask("PutSecretValue", put(1, json!(["NEXT"]))).await.json()["VersionId"].clone();
    assert_eq!(current().await["VersionId"], first, "another is current until the label is moved");
    let next = ask("GetSecretValue", json!({"VersionStage": "NEXT"})).await.json();
    assert_eq!((&next["VersionId"], &next["SecretString"], &next["VersionStages"]), (&beside, &json!("1"), &json!(["NEXT"])));

    let other = ask("PutSecretValue", put(2, json!(null))).await.json()["VersionId"].clone();
    for from in [json!(null), first.clone(), beside.clone()] {
        let refused =
            ask("UpdateSecretVersionStage", json!({"VersionStage": "AWSCURRENT", "MoveToVersionId": beside, "RemoveFromVersionId": from}))
                .await;
        assert_eq!((refused.status.as_u16(), &refused.json()["__type"]), (400, &json!("InvalidParameterException")), "{from}");
        assert_eq!(current().await["VersionId"], other);
    }
    let moved =
        ask("UpdateSecretVersionStage", json!({"VersionStage": "AWSCURRENT", "MoveToVersionId": beside, "RemoveFromVersionId": other}))
            .await;
    assert_eq!((moved.status.as_u16(), &current().await["SecretString"]), (200, &json!("1")));
    assert_eq!(ask("GetSecretValue", json!({"VersionStage": "AWSPREVIOUS"})).await.json()["VersionId"], other);
    assert_eq!(ask("UpdateSecretVersionStage", json!({"VersionStage": "NEXT", "RemoveFromVersionId": beside})).await.status, 200);
    assert_eq!(ask("GetSecretValue", json!({"VersionStage": "NEXT"})).await.json()["__type"], "ResourceNotFoundException");
    assert_eq!(ask("UpdateSecretVersionStage", json!({"VersionStage": "AWSCURRENT", "RemoveFromVersionId": beside})).await.status, 400);
}

/// What the SDK sends for SendEmail.
fn letter() -> serde_json::Value {
    json!({
        "FromEmailAddress": "Courses <courses@example.com>",
        "Destination": {"ToAddresses": ["a@example.com"]},
        "Content": {"Simple": {
            "Subject": {"Data": "Tea & <cakes>", "Charset": "UTF-8"},
            "Body": {
                "Text": {"Data": "Open it:\nhttp://localhost:3000/reset.html#token", "Charset": "UTF-8"},
                "Html": {"Data": "<html><head></head><body><script>x</script></body></html>", "Charset": "UTF-8"}
            }
        }}
    })
}

const SIGNED: (&str, &str) =
    ("authorization", "AWS4-HMAC-SHA256 Credential=local/20261101/us-east-1/ses/aws4_request, SignedHeaders=host, Signature=0");

async fn send(url: &str, headers: &[(&str, &str)], body: &serde_json::Value) -> support::Answer {
    support::send(hyper::Method::POST, &format!("{url}/v2/email/outbound-emails"), headers, body.to_string()).await.unwrap()
}

#[tokio::test]
async fn a_sent_mail_is_in_the_mailbox() {
    let stand_in = stand_in().await;
    let url = stand_in.url();
    let sent = send(&url, &[SIGNED], &letter()).await;
    assert_eq!(sent.status, 200);
    let id = sent.json()["MessageId"].as_str().unwrap().to_owned();
    let list = support::send(hyper::Method::GET, &format!("{url}/mailbox.json"), &[], "").await.unwrap().json();
    assert_eq!((&list["items"][0]["id"], &list["items"][0]["to"]), (&json!(id), &json!(["a@example.com"])));
    assert_eq!(stand_in.mailbox().mails()[0].subject, "Tea & <cakes>");

    for path in ["/mailbox".to_owned(), format!("/mailbox/{id}")] {
        let page = support::send(hyper::Method::GET, &format!("{url}{path}"), &[], "").await.unwrap();
        let text = String::from_utf8(page.body.to_vec()).unwrap();
        assert!(text.contains("Tea &amp; &lt;cakes&gt;") && !text.contains("<script"), "{text}");
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    }
}

#[tokio::test]
async fn what_ses_would_refuse_is_refused() {
    let stand_in = stand_in().await;
    let unsigned = send(&stand_in.url(), &[], &letter()).await;
    assert_eq!((unsigned.status.as_u16(), unsigned.header("x-amzn-errortype")), (403, "MissingAuthenticationTokenException"));
    for pointer in ["/FromEmailAddress", "/Destination/ToAddresses/0", "/Content/Simple/Subject/Data", "/Content/Simple/Body/Text/Data"] {
        let mut broken = letter();
        *broken.pointer_mut(pointer).unwrap() = json!("two\nlines");
        let kept = pointer.ends_with("Text/Data");
        assert_eq!(send(&stand_in.url(), &[SIGNED], &broken).await.status, if kept { 200 } else { 400 }, "{pointer}");
        *broken.pointer_mut(pointer).unwrap() = json!("");
        let refused = send(&stand_in.url(), &[SIGNED], &broken).await;
        assert_eq!((refused.status.as_u16(), refused.header("x-amzn-errortype")), (400, "BadRequestException"), "{pointer}");
    }
    assert_eq!(stand_in.mailbox().mails().len(), 1);
}

#[tokio::test]
async fn ses_fails_as_long_as_it_is_set_to() {
    let stand_in = stand_in().await;
    let outage = format!("{}/mailbox/outage", stand_in.url());
    let begin = json!({"refuses": {"status": 429, "code": "TooManyRequestsException"}}).to_string();
    assert_eq!(support::send(hyper::Method::PUT, &outage, &[], begin).await.unwrap().status, 204);
    let refused = send(&stand_in.url(), &[SIGNED], &letter()).await;
    assert_eq!((refused.status.as_u16(), refused.header("x-amzn-errortype")), (429, "TooManyRequestsException"));
    assert_eq!(stand_in.mailbox().mails().len(), 0);

    stand_in.mailbox().fail(Some(Outage::LosesAnswers));
    assert_eq!(send(&stand_in.url(), &[SIGNED], &letter()).await.status, 504);
    assert_eq!(stand_in.mailbox().mails().len(), 1, "the mail itself was taken");
    assert_eq!(support::send(hyper::Method::DELETE, &outage, &[], "").await.unwrap().status, 204);
    assert_eq!(send(&stand_in.url(), &[SIGNED], &letter()).await.status, 200);
}

#[tokio::test]
async fn the_front_page_names_the_secrets_and_shows_none() {
    let stand_in = stand_in().await;
    let page = support::send(hyper::Method::GET, &stand_in.url(), &[], "").await.unwrap();
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(text.contains("local/stripe"));
    assert!(!text.contains("sk_test_local"));
}
