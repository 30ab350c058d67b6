//! Requests as API Gateway's HTTP API sends them, payload format 2.0.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use lambda_http::{Context, Request, RequestExt as _};
use serde_json::{Map, Value, json};

use super::router::Route;

/// The id that every request of the tests has.
pub(super) const REQUEST_ID: &str = "test-request";

/// A body on its way.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    /// As API Gateway sends what it takes for text.
    Text(String),
    /// As it sends all else: bytes in base64.
    Base64(String),
}

/// What a client sends.
#[derive(Clone, Debug)]
pub(super) struct Sent<'a> {
    pub(super) method: &'a str,
    pub(super) path_and_query: &'a str,
    /// Names in lower case.
    pub(super) headers: &'a [(String, String)],
    pub(super) payload: Option<&'a Payload>,
    pub(super) address: &'a str,
}

/// The request as a function gets it: the event, written as JSON and read by the runtime's own parser.
pub(super) fn request(sent: &Sent, route: Option<&Route>) -> Request {
    let (path, query) = sent.path_and_query.split_once('?').unwrap_or((sent.path_and_query, ""));
    let mut headers = Map::new();
    let mut cookies = Vec::new();
    for (name, value) in sent.headers {
        if name == "cookie" {
            cookies.extend(value.split("; ").map(str::to_owned));
            continue;
        }
        // Headers given twice arrive as one, with a comma.
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
