//! Least privilege, as rules about the parsed template.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::template::{Template, got, referred};
use super::{all_strings, list, text};

/// The actions for sending traces. X-Ray has no resources to restrict them to.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html>
const TRACE: [&str; 2] = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"];

fn actions(statement: &Value) -> Vec<&str> {
    match &statement["Action"] {
        Value::String(one) => vec![one],
        many => list(many).iter().map(text).collect(),
    }
}

#[test]
fn every_function_has_its_own_role() {
    let template = Template::read();
    let mut owners = BTreeMap::new();
    for id in template.functions().into_values() {
        let role = got(template.property(id, "Role"), "Arn");
        assert_eq!(owners.insert(role, id), None, "{role} belongs to two functions");
        let trust = list(template.at(&format!("/Resources/{role}/Properties/AssumeRolePolicyDocument/Statement")));
        assert_eq!(trust.len(), 1, "{role}");
        assert_eq!(trust[0]["Principal"], serde_json::json!({ "Service": "lambda.amazonaws.com" }), "{role}");
    }
    // Those that are no function's: copies.rs.
    let roles: BTreeSet<_> = template.resources("AWS::IAM::Role").into_keys().filter(|id| *id != "BackupRole").collect();
    assert_eq!(roles, owners.into_keys().collect());
}

#[test]
fn no_role_has_a_wildcard_or_a_policy_from_elsewhere() {
    let template = Template::read();
    for (id, role) in template.resources("AWS::IAM::Role") {
        let properties: BTreeSet<_> = super::entries(&role["Properties"]).map(|(name, _)| name).collect();
        assert_eq!(properties, BTreeSet::from(["AssumeRolePolicyDocument", "Policies"]), "{id}");
    }
    for (folder, id) in template.functions() {
        for statement in template.statements(id) {
            assert_eq!(statement["Effect"], "Allow", "{folder}");
            assert!(actions(statement).iter().all(|action| !action.contains('*')), "{folder}: {statement}");
            let mut resources = Vec::new();
            all_strings(&statement["Resource"], &mut resources);
            if actions(statement) == TRACE {
                assert_eq!(statement["Resource"], "*", "{folder}: X-Ray takes no other");
            } else {
                assert!(!resources.is_empty() && resources.iter().all(|resource| !resource.contains('*')), "{folder}: {statement}");
            }
            assert!(statement.get("NotAction").is_none() && statement.get("NotResource").is_none(), "{folder}: {statement}");
        }
    }
}

#[test]
fn the_rendered_pages_can_only_show_what_everybody_may_see() {
    let template = Template::read();
    let keys = |keys: Value| json!({ "ForAllValues:StringLike": { "dynamodb:LeadingKeys": keys } });
    let statements = template.statements(template.functions()["pages"]).into_iter();
    let data: Vec<_> = statements.filter(|one| actions(one) != TRACE && !one["Action"].to_string().contains("logs:")).collect();
    let granted: Vec<_> = data.iter().map(|one| (actions(one), &one["Condition"])).collect();
    let (of_slugs, of_catalogue) = (keys(json!(["SLUG#*", "HANDLE#*", "SELLER#*"])), keys(json!(["COURSES", "COURSES#*"])));
    assert_eq!(granted, [(vec!["dynamodb:GetItem", "dynamodb:BatchGetItem"], &of_slugs), (vec!["dynamodb:Query"], &of_catalogue)]);
}

#[test]
fn roles_grant_the_table_its_index_the_log_traces_secrets_mail_and_failures_and_nothing_else() {
    let template = Template::read();
    for (folder, id) in template.functions() {
        let mut may_log = false;
        for statement in template.statements(id) {
            let resource = &statement["Resource"];
            match actions(statement).as_slice() {
                ["logs:CreateLogStream", "logs:PutLogEvents"] => {
                    let group = got(resource, "Arn");
                    assert_eq!(template.property(id, "LoggingConfig")["LogGroup"]["Ref"], group, "{folder} logs to {group}");
                    may_log = true;
                }
                ["secretsmanager:GetSecretValue"] => {}
                trace if trace == TRACE => {}
                ["ses:SendEmail"] => {
                    let [identity, set] = list(resource) else { panic!("{folder} sends as {resource}") };
                    let identity = text(&identity["Fn::Sub"]);
                    assert!(identity.ends_with(":identity/${MailIdentity}"), "{folder} sends as {identity}");
                    let [condition, given, made] = list(&set["Fn::If"]) else { panic!("{folder} sends with {set}") };
                    assert_eq!(condition, &json!("HasMailConfigurationSet"));
                    for (set, name) in [(given, "${MailConfigurationSet}"), (made, "${MailConfiguration}")] {
                        assert!(text(&set["Fn::Sub"]).ends_with(&format!(":configuration-set/{name}")), "{folder} sends with {set}");
                    }
                }
                ["sqs:SendMessage"] => {
                    let queue = got(resource, "Arn");
                    let streams = template.resources("AWS::Lambda::EventSourceMapping").into_values();
                    let mut ways = streams.chain(template.resources("AWS::Lambda::EventInvokeConfig").into_values());
                    let way = ways.find(|way| referred(&way["Properties"]["FunctionName"]).trim_end_matches(".Alias") == id);
                    let way = way.unwrap_or_else(|| panic!("{folder} has nothing that fails to a queue"));
                    assert_eq!(got(&way["Properties"]["DestinationConfig"]["OnFailure"]["Destination"], "Arn"), queue, "{folder}");
                }
                ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"] => {
                    assert_eq!(got(resource, "StreamArn"), "Table", "{folder}");
                }
                ["dynamodb:Query"] if resource.get("Fn::Sub").is_some() => {
                    // Which lists of it are those that the function reads: reach.rs.
                    assert!(text(&resource["Fn::Sub"]).starts_with("${Table.Arn}/index/"), "{folder} lists {resource}");
                    let keys = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
                    let keys: BTreeSet<_> = list(keys).iter().map(text).collect();
                    assert!(!keys.is_empty() && !keys.contains("*"), "{folder} may read all of an index: {statement}");
                    let of_users = folder == "accounts";
                    assert_eq!(keys.contains("USERS"), of_users, "{folder} lists profiles");
                }
                ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"] if got(resource, "Arn") == "CredentialsTable" => {
                    assert_eq!(folder, "accounts", "{folder} may read the hashes of passwords and second factors");
                    assert_eq!(statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"], json!(["USER#*"]));
                }
                ["dynamodb:PutItem"] | ["dynamodb:Query"] | ["dynamodb:PutItem", "dynamodb:Query"] if statement["Sid"] == "Audit" => {
                    assert_eq!(statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"], json!(["AUDIT#*"]));
                }
                on_table => {
                    assert!(on_table.iter().all(|action| action.starts_with("dynamodb:")), "{folder}: {statement}");
                    assert_eq!(got(resource, "Arn"), "Table", "{folder}");
                    let keys = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
                    assert!(!list(keys).is_empty(), "{folder} may touch every item: {statement}");
                    let audit = list(keys).iter().any(|key| text(key).starts_with("AUDIT"));
                    assert!(!audit, "{folder} may change what the audit log says: {statement}");
                }
            }
        }
        assert!(may_log, "{folder} cannot log");
    }
}
