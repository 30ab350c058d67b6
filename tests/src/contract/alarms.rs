//! Alarms watch existing metrics, and lead to a page that says what to do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::template::{Template, got, referred};
use super::{file, list, sources, text};

/// CloudWatch's limit of metrics in one alarm's expression.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-limits.html>
const METRICS_OF_AN_ALARM: usize = 10;

/// AWS's own metrics that are watched, with their dimensions.
const OF_AWS: [(&str, &str, &[&str]); 12] = [
    ("AWS/ApiGateway", "5xx", &["ApiId"]),
    ("AWS/CloudFront", "5xxErrorRate", &["DistributionId", "Region"]),
    ("AWS/DynamoDB", "ConsumedReadCapacityUnits", &["TableName"]),
    ("AWS/DynamoDB", "ReadThrottleEvents", &["TableName"]),
    ("AWS/DynamoDB", "ReadThrottleEvents", &["TableName", "GlobalSecondaryIndexName"]),
    ("AWS/DynamoDB", "WriteThrottleEvents", &["TableName"]),
    ("AWS/DynamoDB", "WriteThrottleEvents", &["TableName", "GlobalSecondaryIndexName"]),
    ("AWS/Events", "Invocations", &["RuleName"]),
    ("AWS/Lambda", "Duration", &["FunctionName"]),
    ("AWS/Lambda", "Errors", &["FunctionName"]),
    ("AWS/Lambda", "Throttles", &["FunctionName"]),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", &["QueueName"]),
];

/// Alarms that can wait until morning.
const CAN_WAIT: [&str; 16] = [
    "BackupFailuresAlarm",
    "BadSignaturesAlarm",
    "DisputeRateAlarm",
    "ErasuresSilentAlarm",
    "MailsAlarm",
    "MailsWaitAlarm",
    "MovesRefusedAlarm",
    "NoEventsForADayAlarm",
    "OffersSilentAlarm",
    "PayoutsFailedAlarm",
    "AccountsUnreadAlarm",
    "RepairsAlarm",
    "SlowPurchasesAlarm",
    "SweepSilentAlarm",
    "TurnedAwayAlarm",
    "UnreadableEventsAlarm",
];

/// How many CloudWatch metrics each of our metrics is: itself, and one per value of its
/// dimension. `BooksDifference` has one for each currency in use; one currency is counted here.
const VALUES: [(&str, &[&str]); 6] = [
    ("BooksDifference", &["usd"]),
    ("Charges", &["paid", "not_paid"]),
    ("Disputes", &["opened", "won", "lost", "prevented", "warning_closed"]),
    ("MovesRefused", &["transfer", "reversal"]),
    ("Payouts", &["paid", "failed"]),
    ("Refunds", &["made", "failed"]),
];

/// A metric watched by an alarm.
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

/// A source file without its comments and tests.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The section of the runbook whose heading has this anchor.
fn section<'a>(runbook: &'a str, anchor: &str) -> Option<&'a str> {
    let mut sections = runbook.split("\n## ").skip(1).filter_map(|section| section.split_once('\n'));
    sections.find(|(heading, _)| heading.trim().to_lowercase().replace(' ', "-") == anchor).map(|(_, body)| body)
}

#[test]
fn every_alarm_notifies_somebody_and_names_a_section_of_the_runbook() {
    let template = Template::read();
    let runbook = file("docs/operations.md");
    let alarms = template.resources("AWS::CloudWatch::Alarm");
    assert!(!alarms.is_empty());
    for (id, alarm) in alarms {
        let properties = &alarm["Properties"];
        let topic = if CAN_WAIT.contains(&id) { "NoticeTopic" } else { "AlarmTopic" };
        assert_eq!(properties["AlarmActions"], json!([{ "Ref": topic }]), "{id}");
        assert!(properties.get("OKActions").is_none_or(|actions| *actions == properties["AlarmActions"]), "{id}");
        // Where inactivity is the problem, missing data is the worst case.
        let missing = if properties["ComparisonOperator"] == "LessThanThreshold" { "breaching" } else { "notBreaching" };
        assert_eq!(properties["TreatMissingData"], missing, "{id}");
        let (meaning, anchor) = text(&properties["AlarmDescription"]["Fn::Sub"])
            .split_once(" What to do: ${RunbookUrl}#")
            .unwrap_or_else(|| panic!("{id} names no section"));
        let section = section(&runbook, anchor).unwrap_or_else(|| panic!("{id}: docs/operations.md has no section {anchor}"));
        assert!(section.trim_start().starts_with(&format!("*{meaning}*")), "{id}: the section {anchor} is about something else");
        assert!(section.lines().any(|line| line.starts_with("1. ") || line.starts_with("- ")), "{id}: {anchor} has no instructions");
    }
}

#[test]
fn every_alarm_watches_metrics_that_exist() {
    let template = Template::read();
    let stage = template.at("/Globals/Function/Environment/Variables/STAGE");
    let code: Vec<String> = ["shared", "functions"].into_iter().flat_map(sources).map(|(_, source)| code(&source)).collect();
    let filters = template.resources("AWS::Logs::MetricFilter");
    for watched in Watched::all(&template) {
        let Watched { alarm, namespace, name, dimensions } = &watched;
        let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
        if *namespace == shared::base::metrics::NAMESPACE {
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
            let filter = filter.unwrap_or_else(|| panic!("{alarm}: nothing emits {name}"));
            assert!(names.is_empty(), "{alarm}: the filter's metric has no dimensions");
            let pattern = text(&filter["FilterPattern"]);
            if referred(&filter["LogGroupName"]) == "AccessLogs" {
                let field = pattern.trim_start_matches("{ $.").split(' ').next().expect("the pattern has a field");
                let format = text(&template.property("DefaultStage", "AccessLogSettings")["Format"]);
                assert!(format.contains(&format!("\"{field}\":\"$context.")), "{alarm}: no {field} in the access log");
                continue;
            }
            let message = pattern.split('"').nth(1).expect("the pattern has a message");
            assert!(code.iter().any(|code| code.contains(&format!("\"{message}\""))), "{alarm}: no code logs {message:?}");
        }
    }
}

#[test]
fn no_alarm_has_more_metrics_than_cloudwatch_allows() {
    let template = Template::read();
    for (id, alarm) in template.resources("AWS::CloudWatch::Alarm") {
        let count = Watched::of_alarm(id, &alarm["Properties"]).len();
        assert!((1..=METRICS_OF_AN_ALARM).contains(&count), "{id} has {count}");
    }
}

/// The longest period times evaluation periods: a week, and a day for periods of less than an hour.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>
#[test]
fn no_alarm_looks_back_longer_than_cloudwatch_allows() {
    let template = Template::read();
    for (id, alarm) in template.resources("AWS::CloudWatch::Alarm") {
        let properties = &alarm["Properties"];
        let queries = properties.get("Metrics").map_or(&[] as &[Value], list);
        let periods = queries.iter().filter_map(|query| query.pointer("/MetricStat/Period")).chain(properties.get("Period"));
        let periods: Vec<_> = periods.filter_map(Value::as_u64).collect::<BTreeSet<_>>().into_iter().collect();
        let [period] = periods[..] else { panic!("{id} has the periods {periods:?}") };
        let longest = if period < 3_600 { 86_400 } else { 604_800 };
        assert!(period * properties["EvaluationPeriods"].as_u64().expect("a number") <= longest, "{id}");
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
    // With a metric that is never missing, as the template explains.
    let throttles = list(template.property("TableThrottlesAlarm", "Metrics"));
    let expression = |id: &str| throttles.iter().find(|metric| metric["Id"] == id).map(|metric| text(&metric["Expression"]));
    let ids = throttles.iter().map(|metric| text(&metric["Id"])).filter(|id| !["total", "capacity"].contains(id));
    let summed = expression("total").and_then(|sum| sum.strip_prefix("SUM([")?.strip_suffix("])"));
    assert_eq!(summed.map(|sum| sum.split(", ").collect()), Some(ids.collect::<BTreeSet<_>>()));
    assert_eq!(expression("nothing"), Some("0 * capacity"));

    let queues: BTreeSet<_> = template.resources("AWS::SQS::Queue").into_keys().collect();
    let seen = values("ApproximateNumberOfMessagesVisible", "QueueName");
    assert_eq!(seen.into_iter().map(|queue| got(queue, "QueueName")).collect::<BTreeSet<_>>(), queues);
}

#[test]
fn late_events_book_differences_and_declined_payments_raise_alarms() {
    let template = Template::read();
    let watched = Watched::all(&template);
    for name in [
        "WebhookLagSeconds",
        "ReconcileDifferences",
        "Charges",
        "WebhookBadSignature",
        "WebhookUnreadable",
        "ReconcileRepairs",
        "ReconcileAccountsUnread",
        "Payouts",
        "MovesRefused",
    ] {
        assert!(watched.iter().any(|watched| watched.name == name), "no alarm watches {name}");
    }
    let declined = watched.iter().filter(|watched| watched.name == "Charges" && watched.alarm == "DeclinedRateAlarm");
    let outcomes: Vec<_> = declined.map(|watched| watched.dimension("Outcome").map(text)).collect();
    assert_eq!(outcomes, [None, Some("not_paid")], "the rate is of all that ended");

    let disputed: Vec<_> = watched.iter().filter(|watched| watched.alarm == "DisputeRateAlarm").collect();
    let disputed: Vec<_> = disputed.iter().map(|watched| (watched.name, watched.dimension("Outcome").map(text))).collect();
    assert_eq!(disputed, [("Disputes", Some("opened")), ("Charges", Some("paid")), ("MembershipPayments", None)]);
}

#[test]
fn failed_runs_of_reconcile_are_kept() {
    let template = Template::read();
    let queue = json!({ "Fn::GetAtt": ["ReconcileFailures", "Arn"] });
    let runs = template.at("/Resources/ReconcileInvocations/Properties");
    assert_eq!(
        (referred(&runs["FunctionName"]), &runs["Qualifier"]),
        ("ReconcileFunction", template.at("/Globals/Function/AutoPublishAlias"))
    );
    assert_eq!(runs["DestinationConfig"]["OnFailure"]["Destination"], queue);
    let age = runs["MaximumEventAgeInSeconds"].as_u64().expect("a number of seconds");
    assert_eq!(template.property("ReconcileSchedule", "ScheduleExpression"), &json!(format!("rate({} minutes)", age / 60)));
    for schedule in ["ReconcileSchedule", "ReconcileOffersSchedule"] {
        assert_eq!(template.property(schedule, "Targets")[0]["DeadLetterConfig"]["Arn"], queue);
    }
    // The queue's policy allows EventBridge, and only for these schedules; the function's role allows Lambda.
    let policy = template.at("/Resources/ReconcileFailuresPolicy/Properties");
    assert_eq!(policy["Queues"], json!([{ "Ref": "ReconcileFailures" }]));
    assert_eq!(
        policy["PolicyDocument"]["Statement"],
        json!([{
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": { "ArnEquals": { "aws:SourceArn": [{ "Fn::GetAtt": ["ReconcileSchedule", "Arn"] }, { "Fn::GetAtt": ["ReconcileOffersSchedule", "Arn"] }] } },
        }])
    );
    assert!(
        template.statements("ReconcileFunction").iter().any(|right| right["Action"] == "sqs:SendMessage" && right["Resource"] == queue)
    );
}

#[test]
fn missing_events_raise_an_alarm_from_the_first_purchase_on() {
    let template = Template::read();
    let filter = template.at("/Resources/EventsTaken/Properties");
    // Without a default there is no data before the first event, so there would be nothing to compare.
    assert_eq!(filter["MetricTransformations"][0]["DefaultValue"], json!(0));
    let route = text(&filter["FilterPattern"]).split('"').nth(1).expect("a route").trim_end_matches('*');
    let routes = template.resources("AWS::ApiGatewayV2::Route").into_values().map(|found| text(&found["Properties"]["RouteKey"]));
    let counted: Vec<_> = routes.filter(|found| found.starts_with(route)).collect();
    assert_eq!(counted, ["POST /webhooks/stripe", "POST /webhooks/stripe/connect"]);
    // One waits for several payments, so that a single late event raises nothing; where there are fewer, a day must be enough.
    for (alarm, least, seconds) in [("NoEventsAlarm", 3, 3_600), ("NoEventsForADayAlarm", 1, 86_400)] {
        let metrics = template.property(alarm, "Metrics");
        assert_eq!(metrics[0]["Expression"], json!(format!("IF(ended >= {least} AND taken == 0, 1, 0)")), "{alarm}");
        let of = |place: usize| {
            (&metrics[place]["Id"], &metrics[place]["MetricStat"]["Metric"]["MetricName"], &metrics[place]["MetricStat"]["Period"])
        };
        assert_eq!(of(1), (&json!("ended"), &json!("Charges"), &json!(seconds)), "{alarm}");
        assert_eq!(of(2), (&json!("taken"), &json!("EventsTaken"), &json!(seconds)), "{alarm}");
    }
}

#[test]
fn a_schedule_that_does_not_run_raises_an_alarm() {
    let template = Template::read();
    let watched = Watched::all(&template);
    let mut silent: BTreeSet<_> =
        watched.iter().filter(|watched| watched.name == "Invocations").map(|watched| referred(watched.dimensions[0].1)).collect();
    // This alarm watches that runs end, not just that they start: each run reports how many differences it found.
    let run = template.at("/Resources/ReconcileSilentAlarm/Properties");
    assert_eq!((&run["MetricName"], &run["Statistic"]), (&json!("ReconcileDifferences"), &json!("SampleCount")));
    silent.insert("ReconcileSchedule");
    let is_schedule = |(id, rule): (_, &Value)| rule["Properties"].get("ScheduleExpression").map(|_| id);
    assert_eq!(silent, template.resources("AWS::Events::Rule").into_iter().filter_map(is_schedule).collect());
    for (id, alarm) in template.resources("AWS::CloudWatch::Alarm") {
        let properties = &alarm["Properties"];
        if properties["TreatMissingData"] != "breaching" {
            continue;
        }
        // Longer than two runs, so that one late run raises no alarm.
        let rule = properties["Dimensions"][0]["Value"].get("Ref").filter(|_| properties["MetricName"] == "Invocations");
        let expression = text(template.property(rule.map_or("ReconcileSchedule", text), "ScheduleExpression"));
        let minutes: u64 = expression.trim_matches(|letter: char| !letter.is_ascii_digit()).parse().expect("a number of minutes");
        let watched = |name: &str| properties[name].as_u64().expect("a number");
        assert!(watched("Period") * watched("EvaluationPeriods") > 2 * 60 * minutes, "{id}");
    }
}

#[test]
fn the_dashboard_shows_existing_metrics() {
    let template = Template::read();
    let body = text(&template.property("Dashboard", "DashboardBody")["Fn::Sub"]);
    let body: Value = serde_json::from_str(body).expect("it is JSON");
    let code: String = ["shared", "functions"].into_iter().flat_map(sources).map(|(_, source)| code(&source)).collect();
    let filters: Vec<_> = template.resources("AWS::Logs::MetricFilter").into_values().map(ToString::to_string).collect();
    let resources = template.at("/Resources");
    for widget in list(&body["widgets"]) {
        assert_eq!(widget["properties"]["region"], "${AWS::Region}");
        for metric in list(&widget["properties"]["metrics"]) {
            let parts: Vec<&str> = list(metric).iter().filter_map(Value::as_str).collect();
            match parts[0] {
                shared::base::metrics::NAMESPACE => {
                    assert_eq!(parts[2..4], ["Stage", "${AWS::StackName}"], "{metric}");
                    assert!(parts[1..2].iter().chain(&parts[4..]).all(|part| code.contains(&format!("\"{part}\""))), "{metric}");
                }
                "${AWS::StackName}" => assert!(filters.iter().any(|filter| filter.contains(parts[1])), "{metric}"),
                namespace => assert!(namespace.starts_with("AWS/"), "{metric}"),
            }
            for part in parts.iter().filter_map(|part| part.strip_prefix("${")) {
                let name = part.trim_end_matches('}').split('.').next().expect("a name");
                assert!(name.starts_with("AWS::") || resources.get(name).is_some(), "{metric}");
            }
        }
    }
}

/// The metrics that the functions emit, with their dimensions.
fn emitted() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, source) in ["shared", "functions"].into_iter().flat_map(sources) {
        let code = code(&source);
        for (at, _) in code.match_indices("emit(").filter(|_| code.contains("metrics::{self, Unit}") || code.contains("metrics::emit(")) {
            let argument = code[at + 5..].split(',').next().expect("it has arguments").trim();
            match argument.strip_prefix('"') {
                Some(name) => names.extend([name.trim_end_matches('"').to_owned()]),
                // Here `name` comes from a preceding pattern. The texts there that begin with a capital are the metrics' names.
                None if argument == "name" => {
                    let before = &code[code[..at].rfind("for ").unwrap_or(0)..at];
                    let capital = |text: &&str| text.starts_with(|letter: char| letter.is_ascii_uppercase());
                    names.extend(before.split('"').skip(1).step_by(2).filter(capital).map(str::to_owned));
                }
                None => {}
            }
        }
    }
    names
}

#[test]
fn the_runbook_states_the_number_of_metrics() {
    let template = Template::read();
    let runbook = file("docs/operations.md");
    let counted = runbook.lines().find(|line| line.starts_with("What does not grow: ")).expect("the line that counts them");
    let (ours, rest) = counted.trim_start_matches("What does not grow: ").split_once(" custom metrics (").expect("how many are ours");
    let (listed, rest) = rest.split_once(')').expect("which they are");
    let listed: BTreeMap<String, usize> = listed
        .split(", ")
        .map(|one| one.split_once(' ').expect("a name and a number"))
        .map(|(name, count)| (name.trim_matches('`').to_owned(), count.parse().expect("a number")))
        .collect();

    let mut expected: BTreeMap<String, usize> = emitted().into_iter().map(|name| (name, 1)).collect();
    for filter in template.resources("AWS::Logs::MetricFilter").into_values() {
        expected.insert(text(&filter["Properties"]["MetricTransformations"][0]["MetricName"]).to_owned(), 1);
    }
    let code: String = ["shared", "functions"].into_iter().flat_map(sources).map(|(_, source)| code(&source)).collect();
    for (name, values) in VALUES {
        assert!(values.iter().all(|value| *value == "usd" || code.contains(&format!("\"{value}\""))), "{name}");
        *expected.get_mut(name).unwrap_or_else(|| panic!("no code emits {name}")) += values.len();
    }
    assert_eq!(listed, expected);
    assert_eq!(ours.parse::<usize>().expect("a number"), expected.values().sum::<usize>());

    let watched: usize =
        rest.trim_start_matches(" at 0.30 each, ").split(' ').next().expect("how many are watched").parse().expect("a number");
    assert_eq!(watched, Watched::all(&template).len(), "metrics under alarms");
}
