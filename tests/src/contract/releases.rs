//! How a release replaces the one before it: the alias that everything calls, and the alarms that take a release back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::template::{Template, referred};
use super::{entries, list, text};

/// The resources that a stack can have.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
const RESOURCES_OF_A_STACK: usize = 500;

/// The alarms that a deployment group can have.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-codedeploy-deploymentgroup-alarmconfiguration.html>
const ALARMS_OF_A_DEPLOYMENT: usize = 10;

fn preference(template: &Template) -> &Value {
    template.at("/Globals/Function/DeploymentPreference")
}

/// The minutes from the first request that the new release gets to the last that the old one gets. It is part of the name.
/// <https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html>
fn minutes(way: &str) -> Option<u64> {
    let number = |text: &str| text.trim_matches(|letter: char| !letter.is_ascii_digit()).parse::<u64>().expect("a number");
    let linear = way.strip_prefix("Linear10PercentEvery").map(|every| 10 * number(every));
    linear.or_else(|| way.strip_prefix("Canary10Percent").map(number))
}

/// Every reference to a function itself, as the path to it.
fn named<'a>(value: &'a Value, path: &str, functions: &BTreeSet<&str>, found: &mut BTreeMap<String, &'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let function = match (name.as_str(), field) {
                    ("Ref", Value::String(function)) => Some(function.as_str()),
                    ("Fn::GetAtt", Value::Array(parts)) => parts.first().and_then(Value::as_str),
                    _ => None,
                };
                match function.filter(|function| functions.contains(function)) {
                    Some(function) => found.extend([(path.to_owned(), function)]),
                    None => named(field, &format!("{path}/{name}"), functions, found),
                }
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| named(item, &format!("{path}/{at}"), functions, found)),
        Value::String(text) => {
            // In a `!Sub`.
            let inserted = text.split("${").skip(1).filter_map(|rest| rest.split(['}', '.']).next());
            found.extend(inserted.filter_map(|name| functions.get(name)).map(|_| (path.to_owned(), text.as_str())));
        }
        _ => {}
    }
}

#[test]
fn every_deploy_publishes_each_function_and_whatever_calls_one_calls_its_alias() {
    let template = Template::read();
    assert_eq!(template.at("/Globals/Function/AutoPublishAlias"), "live");
    let functions: BTreeSet<&str> = template.functions().into_values().collect();
    for id in &functions {
        // From the parameter and not from the code, so that a deploy which changes only settings is published as well.
        assert_eq!(template.property(id, "AutoPublishCodeSha256"), &json!({ "Ref": "Release" }), "{id}");
        for own in ["AutoPublishAlias", "DeploymentPreference", "VersionDescription"] {
            assert_eq!(template.at(&format!("/Resources/{id}/Properties")).get(own), None, "{id} has its own {own}");
        }
    }
    // SAM names a version after the first ten characters.
    assert_eq!(template.at("/Parameters/Release/AllowedPattern"), "[0-9]{1,10}");

    let mut found = BTreeMap::new();
    for (id, resource) in entries(template.at("/Resources")) {
        named(&resource["Properties"], id, &functions, &mut found);
    }
    assert!(found.len() > functions.len(), "{found:?}");
    for (path, function) in found {
        // Metrics by function count all of its versions. The settings of reconcile's runs name the alias next to the function.
        // https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html
        let counts = path.contains("/Dimensions/") || path == "Dashboard/DashboardBody/Fn::Sub";
        assert!(counts || path == "ReconcileInvocations/FunctionName", "{path} names {function} and not its alias");
    }
}

#[test]
fn a_release_that_is_moved_to_gradually_goes_back_when_the_api_or_a_function_fails() {
    let template = Template::read();
    let preference = preference(&template);
    assert_eq!(preference["Type"], json!({ "Ref": "DeploymentPreference" }));
    assert_eq!(preference["Enabled"], json!({ "Fn::FindInMap": ["DeploymentPreferences", { "Ref": "DeploymentPreference" }, "Gradual"] }));
    assert_eq!(template.parameter_default("DeploymentPreference"), Some(&json!("AllAtOnce")));

    let alarms: BTreeSet<_> = list(&preference["Alarms"]).iter().map(referred).collect();
    assert!(alarms.len() <= ALARMS_OF_A_DEPLOYMENT);
    // Those of the API's and the functions' errors, whatever their number.
    let watches = |alarm: &Value, metric: &str| alarm["Properties"].to_string().contains(&format!("\"MetricName\":\"{metric}\""));
    let all = template.resources("AWS::CloudWatch::Alarm");
    let errors = all.iter().filter(|(_, alarm)| watches(alarm, "5xx") || watches(alarm, "Errors")).map(|(id, _)| *id);
    assert_eq!(alarms, errors.collect());

    let ways = super::strings(template.at("/Parameters/DeploymentPreference/AllowedValues"));
    let gradual: BTreeMap<_, _> =
        entries(template.at("/Mappings/DeploymentPreferences")).map(|(way, is)| (way, text(&is["Gradual"]))).collect();
    assert_eq!(gradual.keys().copied().collect::<BTreeSet<_>>(), ways);
    for (way, gradual) in gradual {
        assert_eq!(gradual == "true", minutes(way).is_some(), "{way}");
        for alarm in &alarms {
            let properties = all[alarm]["Properties"].clone();
            // The simple alarm has its period itself, the others in each metric.
            let period =
                properties.get("Period").unwrap_or_else(|| &properties["Metrics"][1]["MetricStat"]["Period"]).as_u64().expect("seconds");
            let needs = period * properties["EvaluationPeriods"].as_u64().expect("a number");
            assert!(minutes(way).is_none_or(|minutes| minutes * 60 >= 2 * needs), "{way} is over before {alarm} goes off");
        }
    }
}

#[test]
fn the_stack_has_room_for_what_sam_adds_to_it() {
    let template = Template::read();
    // A version, an alias and a deployment group for each function; an application and a role.
    let added = 3 * template.functions().len() + 2;
    assert!(entries(template.at("/Resources")).count() + added < RESOURCES_OF_A_STACK);
}
