//! Secrets Manager: GetSecretValue, PutSecretValue and UpdateSecretVersionStage. Labels are the stages of a secret's versions: each is attached to
//! one version at most.
//!
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>,
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html>,
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html>

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

const ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:";
/// What Secrets Manager appends to a name in an ARN: a hyphen and six characters.
const SUFFIX: &str = "-AbCdEf";

/// The id of every secret's first version.
const FIRST: &str = "00000000-0000-4000-8000-000000000000";

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// An error with AWS's name and message.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) kind: &'static str,
    pub(super) message: String,
}

fn refusal(kind: &'static str, message: impl Into<String>) -> Refusal {
    Refusal { kind, message: message.into() }
}

fn missing() -> Refusal {
    refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

fn invalid(message: impl Into<String>) -> Refusal {
    refusal("InvalidParameterException", message)
}

/// All secrets by name.
#[derive(Debug)]
pub(super) struct Secrets(HashMap<String, Secret>);

#[derive(Debug, Default)]
struct Secret {
    /// Values by the version's id.
    versions: BTreeMap<String, String>,
    /// The version's id by label.
    labels: BTreeMap<String, String>,
}

impl Secret {
    fn attach(&mut self, label: &str, id: &str) {
        let before = self.labels.insert(label.to_owned(), id.to_owned());
        if let Some(before) = before.filter(|before| label == CURRENT && before != id) {
            self.labels.insert(PREVIOUS.to_owned(), before);
        }
    }

    fn labels_of(&self, id: &str) -> Vec<&str> {
        self.labels.iter().filter(|(_, at)| *at == id).map(|(label, _)| label.as_str()).collect()
    }
}

impl Secrets {
    pub(super) fn new(values: HashMap<String, String>) -> Self {
        let secret = |text| {
            let mut secret = Secret::default();
            secret.versions.insert(FIRST.to_owned(), text);
            secret.attach(CURRENT, FIRST);
            secret
        };
        Self(values.into_iter().map(|(name, text)| (name, secret(text))).collect())
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
        let secret = self.0.get(name).ok_or_else(missing)?;
        let label = request["VersionStage"].as_str().unwrap_or(CURRENT);
        let id = secret.labels.get(label).ok_or_else(missing)?;
        Ok(json!({
            "ARN": arn(name),
            "Name": name,
            "VersionId": id,
            "SecretString": secret.versions[id],
            "VersionStages": secret.labels_of(id),
            "CreatedDate": 1_767_225_600
        }))
    }

    /// PutSecretValue: adds a version, by default the new current one. The same token with the same text is the same version.
    pub(super) fn put(&mut self, request: &Value) -> Result<Value, Refusal> {
        let name = name(request)?;
        let secret = self.0.get_mut(name).ok_or_else(missing)?;
        let text = request["SecretString"].as_str().ok_or_else(|| invalid("You must provide either SecretString or SecretBinary."))?;
        let id = request["ClientRequestToken"].as_str().filter(|token| (32..=64).contains(&token.len()));
        let id = id.ok_or_else(|| invalid("ClientRequestToken must be 32-64 characters long."))?;
        match secret.versions.get(id) {
            Some(before) if before == text => {}
            Some(_) => {
                let message = "You can't use ClientRequestToken because that value is already in use for a version of this secret.";
                return Err(refusal("ResourceExistsException", message));
            }
            None => {
                secret.versions.insert(id.to_owned(), text.to_owned());
                match request["VersionStages"].as_array() {
                    Some(labels) => labels.iter().filter_map(Value::as_str).for_each(|label| secret.attach(label, id)),
                    None => secret.attach(CURRENT, id),
                }
            }
        }
        Ok(json!({ "ARN": arn(name), "Name": name, "VersionId": id, "VersionStages": secret.labels_of(id) }))
    }

    /// UpdateSecretVersionStage: moves or removes a label, if it is attached to the version that the request says.
    pub(super) fn label(&mut self, request: &Value) -> Result<Value, Refusal> {
        let name = name(request)?;
        let secret = self.0.get_mut(name).ok_or_else(missing)?;
        let label = request["VersionStage"].as_str().ok_or_else(|| invalid("You must provide VersionStage."))?;
        let (from, to) = (request["RemoveFromVersionId"].as_str(), request["MoveToVersionId"].as_str());
        let at = secret.labels.get(label).map(String::as_str);
        if to.is_some_and(|to| !secret.versions.contains_key(to)) {
            return Err(missing());
        }
        if from != at && !(from.is_none() && at == to) {
            let at = at.unwrap_or("no version");
            return Err(invalid(format!(
                "Staging label {label} is currently attached to {at}, and RemoveFromVersionId must be that version."
            )));
        }
        match to {
            Some(to) => secret.attach(label, to),
            None if label == CURRENT => return Err(invalid("You can't remove the staging label AWSCURRENT without moving it.")),
            None => drop(secret.labels.remove(label)),
        }
        Ok(json!({ "ARN": arn(name), "Name": name }))
    }
}

fn arn(name: &str) -> String {
    format!("{ARN}{name}{SUFFIX}")
}

fn name(request: &Value) -> Result<&str, Refusal> {
    let id = request["SecretId"].as_str().ok_or_else(missing)?;
    Ok(match id.strip_prefix(ARN) {
        None => id,
        Some(name) => name.strip_suffix(SUFFIX).unwrap_or(name),
    })
}
