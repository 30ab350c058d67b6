//! Least privilege, as rules over the parsed template.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::template::{Template, got};
use super::{all_strings, list, sources, text};

fn actions(statement: &Value) -> Vec<&str> {
    match &statement["Action"] {
        Value::String(one) => vec![one],
        many => list(many).iter().map(text).collect(),
    }
}

#[test]
fn every_function_has_a_role_of_its_own() {
    let template = Template::read();
    let mut owners = BTreeMap::new();
    for id in template.functions().into_values() {
        let role = got(template.property(id, "Role"), "Arn");
        assert_eq!(owners.insert(role, id), None, "{role} belongs to two functions");
        let trust = list(template.at(&format!("/Resources/{role}/Properties/AssumeRolePolicyDocument/Statement")));
        assert_eq!(trust.len(), 1, "{role}");
        assert_eq!(trust[0]["Principal"], serde_json::json!({ "Service": "lambda.amazonaws.com" }), "{role}");
    }
    let roles: BTreeSet<_> = template.resources("AWS::IAM::Role").into_keys().collect();
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
            assert!(!resources.is_empty() && resources.iter().all(|resource| !resource.contains('*')), "{folder}: {statement}");
            assert!(statement.get("NotAction").is_none() && statement.get("NotResource").is_none(), "{folder}: {statement}");
        }
    }
}

#[test]
fn roles_grant_the_table_its_index_the_log_and_secrets_and_nothing_else() {
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
                ["dynamodb:Query"] if resource.get("Fn::Sub").is_some() => {
                    assert_eq!(resource["Fn::Sub"], "${Table.Arn}/index/gsi1", "{folder}")
                }
                on_table => {
                    assert!(on_table.iter().all(|action| action.starts_with("dynamodb:")), "{folder}: {statement}");
                    assert_eq!(got(resource, "Arn"), "Table", "{folder}");
                    let keys = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
                    assert!(!list(keys).is_empty(), "{folder} may touch every item: {statement}");
                }
            }
        }
        assert!(may_log, "{folder} cannot log");
    }
}

/// The first parts of the partition keys that the store makes.
fn key_prefixes() -> BTreeSet<String> {
    let mut prefixes = BTreeSet::new();
    for (_, source) in sources("shared/src/store") {
        for call in source.split("Key::new(format!(\"").skip(1) {
            prefixes.insert(format!("{}#", call.split('#').next().expect("there is a first part")));
        }
    }
    prefixes
}

#[test]
fn every_kind_of_item_is_within_reach_of_a_function_and_no_other_is() {
    let template = Template::read();
    let mut granted = BTreeSet::new();
    for id in template.functions().into_values() {
        for statement in template.statements(id) {
            for keys in statement.pointer("/Condition/ForAllValues:StringLike/dynamodb:LeadingKeys").into_iter().flat_map(list) {
                let prefix = text(keys).strip_suffix('*').unwrap_or_else(|| panic!("{keys} is one item"));
                granted.insert(prefix.to_owned());
            }
        }
    }
    assert_eq!(granted, key_prefixes());
}

#[test]
fn no_action_is_granted_that_the_store_does_not_use() {
    let template = Template::read();
    let store: String = sources("shared/src/store").into_iter().map(|(_, source)| source).collect();
    let used = |action: &str| match action {
        "dynamodb:GetItem" => store.contains(".get_item()"),
        "dynamodb:BatchGetItem" => store.contains(".batch_get_item()"),
        "dynamodb:Query" => store.contains(".query()"),
        "dynamodb:PutItem" => store.contains("Put::builder()"),
        "dynamodb:UpdateItem" => store.contains(".update_item()") || store.contains("Update::builder()"),
        "dynamodb:DeleteItem" => store.contains(".delete_item()") || store.contains("Delete::builder()"),
        "dynamodb:ConditionCheckItem" => store.contains("ConditionCheck::builder()"),
        _ => false,
    };
    let mut granted = BTreeSet::new();
    for id in template.functions().into_values() {
        granted.extend(template.statements(id).into_iter().flat_map(actions).filter(|action| action.starts_with("dynamodb:")));
    }
    for action in &granted {
        assert!(used(action), "{action} is granted and not used");
    }
    for action in ["GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"] {
        let action = format!("dynamodb:{action}");
        assert!(!used(&action) || granted.contains(action.as_str()), "{action} is used and granted to nobody");
    }
}
