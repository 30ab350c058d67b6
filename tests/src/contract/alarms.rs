//! What wakes somebody: alarms watch what exists, and lead to a page that says what to do.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::template::{Template, got, referred};
use super::{file, list, sources, text};

/// CloudWatch takes no more in one alarm's expression, whoever asks.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-limits.html>
const METRICS_OF_AN_ALARM: usize = 10;

/// The metrics of AWS's own that are watched, with their dimensions.
const OF_AWS: [(&str, &str, &[&str]); 8] = [
    ("AWS/ApiGateway", "5xx", &["ApiId"]),
    ("AWS/DynamoDB", "ReadThrottleEvents", &["TableName"]),
    ("AWS/DynamoDB", "ReadThrottleEvents", &["TableName", "GlobalSecondaryIndexName"]),
    ("AWS/DynamoDB", "WriteThrottleEvents", &["TableName"]),
    ("AWS/DynamoDB", "WriteThrottleEvents", &["TableName", "GlobalSecondaryIndexName"]),
    ("AWS/Lambda", "Errors", &["FunctionName"]),
    ("AWS/Lambda", "Throttles", &["FunctionName"]),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", &["QueueName"]),
];

/// A metric that an alarm watches.
struct Watched<'a> {
    alarm: &'a str,
    namespace: &'a Value,
    name: &'a str,
    dimensions: Vec<(&'a str, &'a Value)>,
}

impl<'a> Watched<'a> {
    fn read(alarm: &'a str, metric: &'a Value) -> Self {
        let dimensions = metric.get("Dimensions").map_or(&[] as &[Value], list);
        let dimensions = dimensions.iter().map(|dimension| (text(&dimension["Name"]), &dimension["Value"])).collect();
        Self { alarm, namespace: &metric["Namespace"], name: text(&metric["MetricName"]), dimensions }
    }

    fn of_alarm(alarm: &'a str, properties: &'a Value) -> Vec<Self> {
        let Some(queries) = properties.get("Metrics") else { return vec![Self::read(alarm, properties)] };
        list(queries).iter().filter_map(|query| query.get("MetricStat")).map(|stat| Self::read(alarm, &stat["Metric"])).collect()
    }

    fn all(template: &'a Template) -> Vec<Self> {
        let alarms = template.resources("AWS::CloudWatch::Alarm").into_iter();
        alarms.flat_map(|(id, alarm)| Self::of_alarm(id, &alarm["Properties"])).collect()
    }

    fn dimension(&self, name: &str) -> Option<&'a Value> {
        self.dimensions.iter().find(|(dimension, _)| *dimension == name).map(|(_, value)| *value)
    }
}

/// A source without its comments and tests.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// What is under a heading of the runbook, by the heading's anchor.
fn section<'a>(runbook: &'a str, anchor: &str) -> Option<&'a str> {
    let mut sections = runbook.split("\n## ").skip(1).filter_map(|section| section.split_once('\n'));
    sections.find(|(heading, _)| heading.trim().to_lowercase().replace(' ', "-") == anchor).map(|(_, body)| body)
}

#[test]
fn every_alarm_reaches_somebody_and_its_section_of_the_runbook_says_what_to_do() {
    let template = Template::read();
    let runbook = file("docs/operations.md");
    let alarms = template.resources("AWS::CloudWatch::Alarm");
    assert!(!alarms.is_empty());
    for (id, alarm) in alarms {
        let properties = &alarm["Properties"];
        assert_eq!(properties["AlarmActions"], json!([{ "Ref": "AlarmTopic" }]), "{id}");
        assert_eq!(properties["TreatMissingData"], "notBreaching", "{id} goes off while nothing happens");
        let (meaning, anchor) = text(&properties["AlarmDescription"]["Fn::Sub"])
            .split_once(" What to do: ${RunbookUrl}#")
            .unwrap_or_else(|| panic!("{id} names no section"));
        let section = section(&runbook, anchor).unwrap_or_else(|| panic!("{id}: docs/operations.md has no section {anchor}"));
        assert!(section.trim_start().starts_with(&format!("*{meaning}*")), "{id}: the section {anchor} is about something else");
        assert!(section.lines().any(|line| line.starts_with("1. ") || line.starts_with("- ")), "{id}: {anchor} says nothing to do");
    }
}

#[test]
fn every_alarm_watches_metrics_that_exist() {
    let template = Template::read();
    let stage = template.at("/Globals/Function/Environment/Variables/STAGE");
    let code: Vec<String> = ["shared/src", "functions"].into_iter().flat_map(sources).map(|(_, source)| code(&source)).collect();
    let filters = template.resources("AWS::Logs::MetricFilter");
    for watched in Watched::all(&template) {
        let Watched { alarm, namespace, name, dimensions } = &watched;
        let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
        if *namespace == shared::metrics::NAMESPACE {
            let (first, more) = dimensions.split_first().unwrap_or_else(|| panic!("{alarm} looks at every stage's {name}"));
            assert_eq!(*first, ("Stage", stage), "{alarm}");
            let emitted = code.iter().any(|code| {
                let has = |what: &str| code.contains(&format!("\"{what}\""));
                code.contains("emit(") && has(name) && more.iter().all(|(name, value)| has(name) && has(text(value)))
            });
            assert!(emitted, "{alarm}: no code emits {name} by {names:?}");
        } else if let Some(namespace) = namespace.as_str() {
            assert!(OF_AWS.contains(&(namespace, *name, names.as_slice())), "{alarm}: {namespace} {name} by {names:?}");
        } else {
            let filter = filters.values().map(|filter| &filter["Properties"]).find(|filter| {
                let made = list(&filter["MetricTransformations"]);
                made.iter().any(|made| made["MetricNamespace"] == **namespace && made["MetricName"] == *name)
            });
            let filter = filter.unwrap_or_else(|| panic!("{alarm}: nothing makes {name}"));
            assert!(names.is_empty(), "{alarm}: the filter's metric has no dimensions");
            let message = text(&filter["FilterPattern"]).split('"').nth(1).expect("the pattern has a message");
            assert!(code.iter().any(|code| code.contains(&format!("\"{message}\""))), "{alarm}: no code logs {message:?}");
        }
    }
}

#[test]
fn no_alarm_has_more_metrics_than_cloudwatch_takes() {
    let template = Template::read();
    for (id, alarm) in template.resources("AWS::CloudWatch::Alarm") {
        let count = Watched::of_alarm(id, &alarm["Properties"]).len();
        assert!((1..=METRICS_OF_AN_ALARM).contains(&count), "{id} has {count}");
    }
}

#[test]
fn every_function_index_and_queue_is_watched() {
    let template = Template::read();
    let watched = Watched::all(&template);
    let values = |name: &str, dimension: &str| -> Vec<&Value> {
        watched.iter().filter(|watched| watched.name == name).filter_map(|watched| watched.dimension(dimension)).collect()
    };

    let functions: BTreeSet<_> = template.functions().into_values().collect();
    for metric in ["Errors", "Throttles"] {
        let seen = values(metric, "FunctionName");
        assert_eq!(seen.len(), functions.len(), "a function's {metric} count twice");
        assert_eq!(seen.into_iter().map(referred).collect::<BTreeSet<_>>(), functions, "{metric}");
    }

    let indexes: BTreeSet<_> =
        list(template.property("Table", "GlobalSecondaryIndexes")).iter().map(|index| text(&index["IndexName"])).collect();
    for metric in ["ReadThrottleEvents", "WriteThrottleEvents"] {
        let seen = values(metric, "GlobalSecondaryIndexName").into_iter().map(text);
        assert_eq!(seen.collect::<BTreeSet<_>>(), indexes, "{metric}");
        assert!(values(metric, "TableName").into_iter().all(|table| referred(table) == "Table"), "{metric}");
    }

    let queues: BTreeSet<_> = template.resources("AWS::SQS::Queue").into_keys().collect();
    let seen = values("ApproximateNumberOfMessagesVisible", "QueueName");
    assert_eq!(seen.into_iter().map(|queue| got(queue, "QueueName")).collect::<BTreeSet<_>>(), queues);
}

#[test]
fn late_events_differing_books_and_declined_payments_wake_somebody() {
    let template = Template::read();
    let watched = Watched::all(&template);
    for name in ["WebhookLagSeconds", "ReconcileDifferences", "Charges"] {
        assert!(watched.iter().any(|watched| watched.name == name), "nobody is told about {name}");
    }
    let declined = watched.iter().filter(|watched| watched.name == "Charges");
    let outcomes: Vec<_> = declined.map(|watched| watched.dimension("Outcome").map(text)).collect();
    assert_eq!(outcomes, [None, Some("not_paid")], "the rate is of all that ended");
}

#[test]
fn runs_of_reconcile_that_fail_are_kept() {
    let template = Template::read();
    let queue = json!({ "Fn::GetAtt": ["ReconcileFailures", "Arn"] });
    let runs = template.at("/Resources/ReconcileInvocations/Properties");
    assert_eq!((referred(&runs["FunctionName"]), &runs["Qualifier"]), ("ReconcileFunction", &json!("$LATEST")));
    assert_eq!(runs["DestinationConfig"]["OnFailure"]["Destination"], queue);
    let age = runs["MaximumEventAgeInSeconds"].as_u64().expect("a number of seconds");
    assert_eq!(template.property("ReconcileSchedule", "ScheduleExpression"), &json!(format!("rate({} minutes)", age / 60)));
    assert_eq!(template.property("ReconcileSchedule", "Targets")[0]["DeadLetterConfig"]["Arn"], queue);
    // EventBridge sends by the queue's policy, and only for this schedule; Lambda by the function's role.
    let policy = template.at("/Resources/ReconcileFailuresPolicy/Properties");
    assert_eq!(policy["Queues"], json!([{ "Ref": "ReconcileFailures" }]));
    assert_eq!(
        policy["PolicyDocument"]["Statement"],
        json!([{
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": { "ArnEquals": { "aws:SourceArn": { "Fn::GetAtt": ["ReconcileSchedule", "Arn"] } } },
        }])
    );
    assert!(
        template.statements("ReconcileFunction").iter().any(|right| right["Action"] == "sqs:SendMessage" && right["Resource"] == queue)
    );
}
