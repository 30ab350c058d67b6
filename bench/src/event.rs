//! API Gateway's events for HTTP APIs, payload format 2.0.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use bytes::Bytes;
use serde_json::{Map, Value, json};

/// A request, as the client sends it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Event {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) query: String,
    /// With names in lower case, as API Gateway sends them.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) cookies: Vec<String>,
    /// JSON.
    pub(crate) body: Option<String>,
}

impl Event {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), ..Self::default() }
    }

    #[must_use]
    pub(crate) fn query(self, query: impl Into<String>) -> Self {
        Self { query: query.into(), ..self }
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub(crate) fn cookie(mut self, cookie: impl Into<String>) -> Self {
        self.cookies.push(cookie.into());
        self
    }

    #[must_use]
    pub(crate) fn body(self, body: impl Into<String>) -> Self {
        Self { body: Some(body.into()), ..self }.header("content-type", "application/json")
    }

    /// The event as a function receives it, including what browsers and API Gateway add.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let host = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com";
        let mut headers = Map::from_iter(
            [
                ("accept", "application/json"),
                ("accept-encoding", "gzip, deflate, br, zstd"),
                ("accept-language", "en-GB,en;q=0.5"),
                ("host", host),
                ("user-agent", agent),
                ("x-amzn-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"),
                ("x-forwarded-for", "203.0.113.7"),
                ("x-forwarded-port", "443"),
                ("x-forwarded-proto", "https"),
            ]
            .map(|(name, value)| (name.to_owned(), Value::from(value))),
        );
        headers.extend(self.headers.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))));
        if let Some(body) = &self.body {
            headers.insert("content-length".to_owned(), body.len().to_string().into());
        }
        let mut event = json!({
            "version": "2.0",
            "routeKey": format!("{} {}", self.method, self.path),
            "rawPath": self.path,
            "rawQueryString": self.query,
            "headers": headers,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "a1b2c3d4e5",
                "domainName": host,
                "domainPrefix": "a1b2c3d4e5",
                "http": {
                    "method": self.method,
                    "path": self.path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "203.0.113.7",
                    "userAgent": agent,
                },
                "requestId": "JKJaXmPLvHcESHA=",
                "routeKey": format!("{} {}", self.method, self.path),
                "stage": "$default",
                "time": "01/Jan/2026:12:00:00 +0000",
                "timeEpoch": 1_767_268_800_000_i64,
            },
            "isBase64Encoded": false,
        });
        if !self.cookies.is_empty() {
            event["cookies"] = json!(self.cookies);
        }
        if let Some(body) = &self.body {
            event["body"] = json!(body);
        }
        Bytes::from(event.to_string())
    }
}
