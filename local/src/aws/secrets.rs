//! Secrets Manager: GetSecretValue and PutSecretValue. A secret has a current and a previous version.
//!
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>,
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html>

use std::collections::HashMap;

use serde_json::{Value, json};

const ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:";
/// What Secrets Manager appends to a name in an ARN: a hyphen and six characters.
const SUFFIX: &str = "-AbCdEf";

/// The id of every secret's first version.
const FIRST: &str = "00000000-0000-4000-8000-000000000000";

/// An error with AWS's name and message.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) kind: &'static str,
    pub(super) message: &'static str,
}

const MISSING: Refusal = Refusal { kind: "ResourceNotFoundException", message: "Secrets Manager can't find the specified secret." };

/// All secrets by name, each with its versions, oldest first.
#[derive(Debug)]
pub(super) struct Secrets(HashMap<String, Vec<Version>>);

#[derive(Debug)]
struct Version {
    id: String,
    text: String,
}

impl Secrets {
    pub(super) fn new(values: HashMap<String, String>) -> Self {
        Self(values.into_iter().map(|(name, text)| (name, vec![Version { id: FIRST.to_owned(), text }])).collect())
    }

    /// The names in alphabetical order.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// GetSecretValue, by the secret's name, its ARN, or its ARN without the suffix.
    pub(super) fn get(&self, request: &Value) -> Result<Value, Refusal> {
        let name = name(request)?;
        let versions = self.0.get(name).ok_or(MISSING)?;
        let stage = request["VersionStage"].as_str().unwrap_or("AWSCURRENT");
        let place = match stage {
            "AWSCURRENT" => versions.len().checked_sub(1),
            "AWSPREVIOUS" => versions.len().checked_sub(2),
            _ => None,
        };
        let version = place.and_then(|place| versions.get(place)).ok_or(MISSING)?;
        Ok(json!({
            "ARN": arn(name),
            "Name": name,
            "VersionId": version.id,
            "SecretString": version.text,
            "VersionStages": [stage],
            "CreatedDate": 1_767_225_600
        }))
    }

    /// PutSecretValue: adds a new current version. The same token with the same text is the same version.
    pub(super) fn put(&mut self, request: &Value) -> Result<Value, Refusal> {
        let name = name(request)?;
        let versions = self.0.get_mut(name).ok_or(MISSING)?;
        let invalid = |message| Refusal { kind: "InvalidParameterException", message };
        let text = request["SecretString"].as_str().ok_or(invalid("You must provide either SecretString or SecretBinary."))?;
        let id = request["ClientRequestToken"].as_str().filter(|token| (32..=64).contains(&token.len()));
        let id = id.ok_or(invalid("ClientRequestToken must be 32-64 characters long."))?;
        match versions.iter().find(|version| version.id == id) {
            Some(version) if version.text == text => {}
            Some(_) => {
                let message = "You can't use ClientRequestToken because that value is already in use for a version of this secret.";
                return Err(Refusal { kind: "ResourceExistsException", message });
            }
            None => versions.push(Version { id: id.to_owned(), text: text.to_owned() }),
        }
        Ok(json!({ "ARN": arn(name), "Name": name, "VersionId": id, "VersionStages": ["AWSCURRENT"] }))
    }
}

fn arn(name: &str) -> String {
    format!("{ARN}{name}{SUFFIX}")
}

fn name(request: &Value) -> Result<&str, Refusal> {
    let id = request["SecretId"].as_str().ok_or(MISSING)?;
    Ok(match id.strip_prefix(ARN) {
        None => id,
        Some(name) => name.strip_suffix(SUFFIX).unwrap_or(name),
    })
}
