//! Compares every request and response of the tests with openapi.yaml.
//!
//! The document allows undescribed fields in requests and responses. Here they are errors: a field that is sent or answered but not
//! described is a gap in the document, and so is an undescribed status, problem code or query parameter.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::client::Answer;
use super::router::Route;
use super::schema::{compare, resolve};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi.yaml")).expect("the document is there");
    yaml_serde::from_str(&text).expect("it is YAML")
});

/// A test's request.
pub(super) struct Request<'a> {
    pub(super) route: &'a Route,
    pub(super) method: &'a str,
    /// The query, and the body if it is JSON. Both are empty if the test intentionally sends what is not described.
    pub(super) query: &'a str,
    pub(super) body: Option<Value>,
}

/// # Panics
/// If the document does not describe the request or the response.
pub(super) fn assert_described(request: &Request, answer: &Answer) {
    let (document, key) = (&*DOCUMENT, request.route.key.as_str());
    let item = &document["paths"][key.split_once(' ').expect("a method and a path").1];
    let operation = item.get(request.method.to_lowercase()).unwrap_or_else(|| panic!("openapi.yaml does not describe {key}"));
    // A request that is refused for its form may have any form.
    if !matches!(answer.status, 400 | 401 | 403 | 404 | 413 | 415 | 422 | 429) {
        assert_request_described(document, item, operation, request);
    }
    assert_answer_described(document, operation, key, answer);
}

fn assert_request_described(document: &Value, item: &Value, operation: &Value, request: &Request) {
    let key = &request.route.key;
    let parameters = [&item["parameters"], &operation["parameters"]].into_iter().filter_map(Value::as_array).flatten();
    let in_query: Vec<&Value> = parameters.map(|one| resolve(document, one)).filter(|one| one["in"] == "query").collect();
    for (name, _) in url::form_urlencoded::parse(request.query.as_bytes()) {
        assert!(in_query.iter().any(|one| one["name"] == *name), "openapi.yaml describes no {name} in the query of {key}");
    }
    // An empty object counts as no body.
    if let Some(body) = request.body.as_ref().filter(|body| operation.get("requestBody").is_some() || **body != json!({})) {
        let described = operation.get("requestBody").unwrap_or_else(|| panic!("openapi.yaml describes no body of {key}"));
        let schema = &resolve(document, described)["content"]["application/json"]["schema"];
        if let Err(fault) = compare(document, schema, body, "body") {
            panic!("{key} accepted what openapi.yaml does not describe: {fault}");
        }
    }
}

fn assert_answer_described(document: &Value, operation: &Value, key: &str, answer: &Answer) {
    let (responses, status) = (&operation["responses"], answer.status);
    let described = responses.get(status.to_string()).or_else(|| responses.get("default"));
    let described = resolve(document, described.unwrap_or_else(|| panic!("openapi.yaml describes no {status} of {key}")));
    let Some((media, content)) = described["content"].as_object().and_then(|content| content.iter().next()) else {
        assert_eq!(answer.body, "", "openapi.yaml describes no body of {key}, {status}");
        return;
    };
    assert_eq!(answer.header("content-type"), Some(media.as_str()), "the media type of {key}, {status}: {}", answer.body);
    // Pages are checked where they are tested.
    if !media.ends_with("json") {
        return;
    }
    let body = answer.json();
    if let Err(fault) = compare(document, &content["schema"], &body, "body") {
        panic!("{key} answered {status} with what openapi.yaml does not describe: {fault}");
    }
    if media == "application/problem+json" {
        let mut examples = content["examples"].as_object().into_iter().flatten();
        let is_named = examples.any(|(_, example)| resolve(document, example)["value"]["code"] == body["code"]);
        assert!(is_named, "openapi.yaml has no {} among the examples of {key}, {status}", body["code"]);
    }
}
