//! Secrets Manager: GetSecretValue.
//!
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>

use std::collections::HashMap;

use serde_json::{Value, json};

const ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:";
/// What Secrets Manager puts behind a name in an ARN: a hyphen and six characters.
const SUFFIX: &str = "-AbCdEf";

/// There is no secret of that name.
#[derive(Debug)]
pub(super) struct Missing;

/// Finds a secret by its name, its ARN, or its ARN without the suffix.
pub(super) fn get_secret_value(secrets: &HashMap<String, String>, request: &Value) -> Result<Value, Missing> {
    let id = request["SecretId"].as_str().ok_or(Missing)?;
    let name = match id.strip_prefix(ARN) {
        None => id,
        Some(name) => name.strip_suffix(SUFFIX).unwrap_or(name),
    };
    let value = secrets.get(name).ok_or(Missing)?;
    Ok(json!({
        "ARN": format!("{ARN}{name}{SUFFIX}"),
        "Name": name,
        "VersionId": "00000000-0000-4000-8000-000000000000",
        "SecretString": value,
        "VersionStages": ["AWSCURRENT"],
        "CreatedDate": 1_767_225_600
    }))
}
