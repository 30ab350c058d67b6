//! A client of the API.

use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::http::HeaderMap;
use lambda_http::{Body, Request};
use serde_json::{Value, json};

use super::described::{self, assert_described};
use super::dispatch::dispatch;
use super::event::{Payload, REQUEST_ID, Sent, request};
use super::people::PASSWORD;
use super::shape::assert_shape;
use super::{World, router};

/// A request under construction; awaiting it sends it.
#[must_use]
pub(crate) struct Call<'a> {
    world: &'a World,
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    payload: Option<Payload>,
    address: String,
    function: Option<&'static str>,
    is_described: bool,
}

impl World {
    /// `GET path`
    pub(crate) fn get(&self, path: impl Into<String>) -> Call<'_> {
        self.call("GET", path)
    }

    /// `POST path` with JSON.
    pub(crate) fn post(&self, path: impl Into<String>, body: Value) -> Call<'_> {
        self.call("POST", path).json(&body)
    }

    /// `PUT path` with JSON.
    pub(crate) fn put(&self, path: impl Into<String>, body: Value) -> Call<'_> {
        self.call("PUT", path).json(&body)
    }

    /// `PATCH path` with JSON.
    pub(crate) fn patch(&self, path: impl Into<String>, body: Value) -> Call<'_> {
        self.call("PATCH", path).json(&body)
    }

    /// `DELETE path`
    pub(crate) fn delete(&self, path: impl Into<String>) -> Call<'_> {
        self.call("DELETE", path)
    }

    /// `DELETE /users/me`, with the password
    pub(crate) fn erase(&self, token: &str) -> Call<'_> {
        self.delete("/users/me").json(&json!({"current_password": PASSWORD})).bearer(token)
    }

    /// Any other method.
    pub(crate) fn call(&self, method: &'static str, path: impl Into<String>) -> Call<'_> {
        Call {
            world: self,
            method,
            path: path.into(),
            headers: Vec::new(),
            payload: None,
            address: "192.0.2.1".to_owned(),
            function: None,
            is_described: true,
        }
    }
}

impl<'a> Call<'a> {
    /// Sends a session's token as a program does.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Sends a session's token as a browser does.
    pub(crate) fn cookie(self, token: &str) -> Self {
        self.header("cookie", format!("theme=dark; session={token}"))
    }

    /// Sends the request from another site's page.
    pub(crate) fn origin(self, origin: &str) -> Self {
        self.header("origin", origin)
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Sends the request from a different address than other tests' clients.
    pub(crate) fn from(mut self, address: impl Into<String>) -> Self {
        self.address = address.into();
        self
    }

    /// Adds a JSON body as text.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.text(body.to_string())
    }

    /// Adds a body with the content type of JSON.
    pub(crate) fn text(mut self, body: impl Into<String>) -> Self {
        self.payload = Some(Payload::Text(body.into()));
        self.header("content-type", "application/json")
    }

    /// The same with bytes in base64, as `cargo lambda watch` sends them.
    pub(crate) fn bytes(mut self, body: &[u8]) -> Self {
        self.payload = Some(Payload::Base64(STANDARD.encode(body)));
        self.header("content-type", "application/json")
    }

    /// Bypasses the router and calls this function.
    pub(crate) fn to(mut self, function: &'static str) -> Self {
        self.function = Some(function);
        self
    }

    /// Allows what openapi.yaml intentionally does not describe.
    pub(crate) fn undescribed(mut self) -> Self {
        self.is_described = false;
        self
    }

    async fn send(self) -> Answer {
        let path = self.path.split('?').next().unwrap_or_default();
        let route = router::find(self.method, path);
        let sent = Sent {
            method: self.method,
            path_and_query: &self.path,
            headers: &self.headers,
            payload: self.payload.as_ref(),
            address: &self.address,
        };
        let request: Request = request(&sent, route.as_ref());
        let function = self.function.or(route.as_ref().map(|route| route.function));
        let function = function.unwrap_or_else(|| panic!("no route leads to {} {path}", self.method));
        let answer = Answer::of(dispatch(self.world, function, request).await);
        if let (Some(route), None) = (&route, self.function) {
            let body = self.payload.as_ref().filter(|_| self.is_described).and_then(Payload::json);
            let query = self.path.split_once('?').filter(|_| self.is_described).map_or("", |(_, query)| query);
            assert_described(&described::Request { route, method: self.method, query, body }, &answer);
        }
        answer
    }
}

impl<'a> IntoFuture for Call<'a> {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// A function's response.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The headers, including cookies.
    pub(crate) headers: HeaderMap,
    /// The body as text.
    pub(crate) body: String,
}

impl Answer {
    fn of(response: lambda_http::Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let body = match body {
            Body::Text(text) => text,
            Body::Binary(bytes) => String::from_utf8(bytes).expect("bodies are text"),
            _ => String::new(),
        };
        Self { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// A string field of the body.
    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.body)).to_owned()
    }

    /// A header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("headers are text"))
    }

    /// Checks the status and the whole body, with the placeholders of [`assert_shape`].
    #[track_caller]
    pub(crate) fn is(&self, status: u16, body: &Value) -> &Self {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_shape(&self.json(), body);
        self
    }

    /// Checks that this is exactly this problem.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str, detail: &str) -> &Self {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let expected = json!({
            "type": format!("urn:lambda-stripe-connect:problem:{code}"),
            "title": "[any]",
            "status": status,
            "detail": detail,
            "code": code,
            "request_id": REQUEST_ID,
        });
        assert_shape(&self.json(), &expected);
        self
    }

    /// Checks that there is no body.
    #[track_caller]
    pub(crate) fn is_empty(&self, status: u16) -> &Self {
        assert_eq!((self.status, self.body.as_str()), (status, ""));
        self
    }
}
