//! Metrics in CloudWatch's embedded metric format: log lines from which CloudWatch extracts numbers, without an API call.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::sync::OnceLock;

use serde_json::{Value, json};
use time::OffsetDateTime;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "LambdaStripeConnect";

/// A unit as CloudWatch writes it.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// A number of occurrences.
    Count,
    /// A duration.
    Seconds,
}

/// Writes one number. Use few `dimensions` with few values; `properties`
/// can be anything that helps to find the cause, but never a secret.
pub fn emit(name: &str, unit: Unit, value: f64, dimensions: &[(&str, &str)], properties: &[(&str, &str)]) {
    println!("{}", line(name, unit, value, dimensions, properties, OffsetDateTime::now_utc()));
}

fn stage() -> &'static str {
    static STAGE: OnceLock<String> = OnceLock::new();
    STAGE.get_or_init(|| std::env::var("STAGE").unwrap_or_else(|_| "local".to_owned()))
}

fn line(name: &str, unit: Unit, value: f64, dimensions: &[(&str, &str)], properties: &[(&str, &str)], at: OffsetDateTime) -> Value {
    let unit = match unit {
        Unit::Count => "Count",
        Unit::Seconds => "Seconds",
    };
    let names: Vec<&str> = std::iter::once("Stage").chain(dimensions.iter().map(|(name, _)| *name)).collect();
    // Alarms watch the total; people who look for a cause need the breakdown.
    let sets = if dimensions.is_empty() { json!([names]) } else { json!([["Stage"], names]) };
    let milliseconds = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    let mut line = json!({
        "_aws": {
            "Timestamp": milliseconds,
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": sets, "Metrics": [{"Name": name, "Unit": unit}]}],
        },
        "Stage": stage(),
        name: value,
    });
    for (name, value) in dimensions.iter().chain(properties) {
        line[*name] = (*value).into();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_cloudwatch_reads() {
        let at = OffsetDateTime::from_unix_timestamp(1_700_000_000).expect("a time");
        let line = line("Charges", Unit::Count, 1.0, &[("Outcome", "paid")], &[("purchase_id", "pur_1")], at);
        let stage = line["Stage"].clone();
        assert_eq!(
            line,
            json!({
                "_aws": {
                    "Timestamp": 1_700_000_000_000_i64,
                    "CloudWatchMetrics": [{
                        "Namespace": "LambdaStripeConnect",
                        "Dimensions": [["Stage"], ["Stage", "Outcome"]],
                        "Metrics": [{"Name": "Charges", "Unit": "Count"}],
                    }],
                },
                "Stage": stage,
                "Outcome": "paid",
                "purchase_id": "pur_1",
                "Charges": 1.0,
            })
        );
    }
}
