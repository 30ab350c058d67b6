//! `make restore`: which tables are restored, and what they are given. The comparison itself is tested in `api::restore`.

use serde_json::json;

use super::TEST;
use super::operator::Operator;

const MOMENT: &str = "2026-11-02T09:30:00Z";
const ITEMS: &str = "shop-Table-20261102093000";
const CREDENTIALS: &str = "shop-CredentialsTable-20261102093000";

/// A stack with two tables, of which the first has a stream and expiry, and both have tags.
fn with_tables() -> Operator {
    let operator = Operator::new();
    operator.succeeds("deploy", &TEST);
    let outputs: Vec<_> = [
        ("TableName", "shop-Table"),
        ("CredentialsTableName", "shop-CredentialsTable"),
        ("StripeSecretArn", "arn:aws:secretsmanager:eu-central-1:1:secret:x"),
        ("TokenKeysSecretArn", "arn:keys"),
    ]
    .map(|(key, value)| json!({ "OutputKey": key, "OutputValue": value }))
    .into();
    let stack = json!({ "Stacks": [{ "StackStatus": "UPDATE_COMPLETE", "Outputs": outputs }] });
    operator.answers("aws-cloudformation-describe-stacks", &stack.to_string());
    for output in outputs {
        let [key, value] = ["OutputKey", "OutputValue"].map(|name| output[name].as_str().expect("a text").to_owned());
        let words = "aws-cloudformation-describe-stacks---stack-name-courses-test---output-text---query";
        operator.answers(&format!("{words}-Stacks_0_.Outputs__OutputKey==_{key}__.OutputValue____0_"), &value);
    }
    let stream = json!({ "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" });
    for (name, stream, expiry) in [
        ("shop-Table", stream, json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": "ttl" })),
        ("shop-CredentialsTable", json!({}), json!({ "TimeToLiveStatus": "DISABLED" })),
    ] {
        let table = json!({ "TableStatus": "ACTIVE", "TableArn": format!("arn:{name}"), "DeletionProtectionEnabled": true, "StreamSpecification": stream });
        operator.answers(&format!("aws-dynamodb-describe-table---table-name-{name}"), &json!({ "Table": table }).to_string());
        operator.answers(
            &format!("aws-dynamodb-describe-time-to-live---table-name-{name}"),
            &json!({ "TimeToLiveDescription": expiry }).to_string(),
        );
    }
    for name in [ITEMS, CREDENTIALS] {
        let expiry = json!({ "TimeToLiveDescription": { "TimeToLiveStatus": "DISABLED" } });
        operator.answers(&format!("aws-dynamodb-describe-time-to-live---table-name-{name}"), &expiry.to_string());
    }
    let tags = json!({ "Tags": [{ "Key": "aws:cloudformation:stack-name", "Value": "shop" }, { "Key": "team", "Value": "courses" }] });
    operator.answers("aws-dynamodb-list-tags-of-resource", &tags.to_string());
    for command in ["update-table", "update-time-to-live", "tag-resource"] {
        operator.answers(&format!("aws-dynamodb-{command}"), "{}");
    }
    operator.answers("aws-configure-export-credentials", "export AWS_ACCESS_KEY_ID=of-the-profile");
    operator
}

/// The calls that change something, without where and as whom they were made.
fn changes(operator: &Operator) -> Vec<String> {
    let reads = ["describe-", "list-"];
    let calls = operator.calls("aws dynamodb ").into_iter().filter(|call| !reads.iter().any(|read| call.contains(read)));
    calls.map(|call| call["aws dynamodb ".len()..].split(" --output json").next().expect("a call").to_owned()).collect()
}

#[test]
fn both_tables_are_restored_to_one_moment_completed_and_compared() {
    let operator = with_tables();
    let said = operator.succeeds("restore", &[MOMENT]);
    let restored = |source: &str, target: &str| {
        format!("restore-table-to-point-in-time --source-table-name {source} --target-table-name {target} --restore-date-time {MOMENT}")
    };
    let tags = |table: &str| format!(r#"tag-resource --resource-arn arn:{table} --tags [{{"Key": "team", "Value": "courses"}}]"#);
    assert_eq!(
        changes(&operator),
        [
            restored("shop-Table", ITEMS),
            restored("shop-CredentialsTable", CREDENTIALS),
            format!("update-table --table-name {ITEMS} --stream-specification StreamEnabled=true,StreamViewType=NEW_IMAGE"),
            format!("update-table --table-name {ITEMS} --deletion-protection-enabled"),
            format!("update-time-to-live --table-name {ITEMS} --time-to-live-specification Enabled=true,AttributeName=ttl"),
            tags(ITEMS),
            format!("update-table --table-name {CREDENTIALS} --deletion-protection-enabled"),
            tags(CREDENTIALS),
        ]
    );
    let compared = operator.calls("cargo run --quiet --bin operator -- restore").pop().expect("they are compared");
    assert!(compared.contains(&format!("restore {ITEMS} {CREDENTIALS} | region=eu-central-1 ")), "{compared}");
    assert!(compared.contains("tables=shop-Table,shop-CredentialsTable "), "{compared}");
    assert!(said.contains("COPY=1"), "{said}");
    assert!(operator.calls("aws dynamodb").iter().all(|call| call.contains("| region=eu-central-1 profile=shop ")));
}

#[test]
fn a_second_run_uses_the_restored_tables_and_copies_if_asked_to() {
    let operator = with_tables();
    for (name, stream) in [(ITEMS, true), (CREDENTIALS, false)] {
        let table = json!({ "TableStatus": "ACTIVE", "TableArn": format!("arn:{name}"), "DeletionProtectionEnabled": true,
            "StreamSpecification": { "StreamEnabled": stream } });
        operator.answers(&format!("aws-dynamodb-describe-table---table-name-{name}"), &json!({ "Table": table }).to_string());
        let expiry = json!({ "TimeToLiveDescription": { "TimeToLiveStatus": "ENABLED" } });
        operator.answers(&format!("aws-dynamodb-describe-time-to-live---table-name-{name}"), &expiry.to_string());
    }
    operator.succeeds("restore", &[MOMENT, "--copy"]);
    // These can be set again, the others DynamoDB would refuse.
    assert!(changes(&operator).iter().all(|call| call.starts_with("tag-resource ")));
    let compared = operator.calls("cargo run --quiet --bin operator -- restore").pop().expect("they are compared");
    assert!(compared.contains(&format!("restore {ITEMS} {CREDENTIALS} --copy | ")), "{compared}");
}

#[test]
fn a_moment_that_is_none_and_a_stack_without_tables_restore_nothing() {
    let operator = with_tables();
    let refused = |arguments: &[&str], said: &str| {
        let done = operator.run("restore", arguments);
        let complaint = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && complaint.contains(said), "{arguments:?}: {complaint}");
    };
    for moment in [&["yesterday"][..], &["2026-11-02T09:30:00"], &["--copy"], &[MOMENT, MOMENT]] {
        refused(moment, "Set the moment in UTC");
    }
    operator.has_stack("UPDATE_COMPLETE", &json!({}));
    refused(&[MOMENT], "lacks this project's outputs");
    assert!(changes(&operator).is_empty());
}
