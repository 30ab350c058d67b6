//! Requests as API Gateway's HTTP API sends them, payload format 2.0.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::{Context, Request, RequestExt as _};
use serde_json::{Map, Value, json};

use super::router::Route;

/// The id of every request in the tests.
pub(super) const REQUEST_ID: &str = "test-request";

/// A body in an event.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    /// Text, as API Gateway sends bodies that it recognizes as text.
    Text(String),
    /// Bytes in base64, as it sends all others.
    Base64(String),
}

impl Payload {
    /// The body, if it is JSON.
    pub(super) fn json(&self) -> Option<Value> {
        match self {
            Self::Text(text) => serde_json::from_str(text).ok(),
            Self::Base64(text) => serde_json::from_slice(&STANDARD.decode(text).ok()?).ok(),
        }
    }
}

/// A client's request.
#[derive(Clone, Debug)]
pub(super) struct Sent<'a> {
    pub(super) method: &'a str,
    pub(super) path_and_query: &'a str,
    /// With names in lower case.
    pub(super) headers: &'a [(String, String)],
    pub(super) payload: Option<&'a Payload>,
    pub(super) address: &'a str,
}

/// The request as a function receives it: the event, encoded as JSON and parsed by the runtime's own parser.
pub(super) fn request(sent: &Sent, route: Option<&Route>) -> Request {
    let (path, query) = sent.path_and_query.split_once('?').unwrap_or((sent.path_and_query, ""));
    let mut headers = Map::new();
    let mut cookies = Vec::new();
    for (name, value) in sent.headers {
        if name == "cookie" {
            cookies.extend(value.split("; ").map(str::to_owned));
            continue;
        }
        // Repeated headers are joined with commas.
        let value = match headers.get(name).and_then(Value::as_str) {
            Some(earlier) => format!("{earlier},{value}"),
            None => value.clone(),
        };
        headers.insert(name.clone(), value.into());
    }
    let mut event = json!({
        "version": "2.0",
        "routeKey": route.map_or("$default", |route| route.key.as_str()),
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "pathParameters": route.map(|route| &route.parameters),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "domainName": "localhost",
            "domainPrefix": "localhost",
            "http": {
                "method": sent.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": sent.address,
                "userAgent": "tests",
            },
            "requestId": "gateway-request",
            "routeKey": route.map_or("$default", |route| route.key.as_str()),
            "stage": "$default",
            "time": "01/Nov/2026:08:00:00 +0000",
            "timeEpoch": 1_793_520_000_000_i64,
        },
        "isBase64Encoded": matches!(sent.payload, Some(Payload::Base64(_))),
    });
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    if let Some(Payload::Text(body) | Payload::Base64(body)) = sent.payload {
        event["body"] = body.clone().into();
    }
    let mut context = Context::default();
    REQUEST_ID.clone_into(&mut context.request_id);
    lambda_http::request::from_str(&event.to_string()).expect("the event is one of API Gateway's").with_lambda_context(context)
}
