//! A plain HTTP client for the tests, independent of the stand-in's code.

use std::future::Future;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use stripe_stand_in::{Options, StandIn, WebhookEndpoint, start};

/// Restricts a payment to cards, so that it needs no return URL.
pub const CARD: (&str, &str) = ("allowed_payment_method_types[]", "card");

/// A test's own stand-in, and methods to call it.
pub struct Stripe {
    pub stand_in: StandIn,
    pub http: reqwest::Client,
}

/// A response of the API.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, headers, body }
    }

    /// The body of a 200 response.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{:#}", self.body);
        self.body
    }

    /// Status and code (or type) of an error.
    pub fn error(&self) -> (u16, &str) {
        let error = &self.body["error"];
        (self.status, error["code"].as_str().or(error["type"].as_str()).unwrap_or_default())
    }

    /// The error's message.
    pub fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }
}

impl Stripe {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let _installed_already = rustls::crypto::ring::default_provider().install_default();
        // If built together with the functions, reqwest has TLS but no provider, and needs one even for plain HTTP.
        let _installed_already = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { stand_in: start(options).await.unwrap(), http }
    }

    /// A stand-in that sends events to a receiver: the platform's to `/platform`, connected accounts' to `/connect`.
    pub async fn with_webhooks(receiver: &crate::receiver::Receiver) -> Self {
        let endpoint = |path: &str, secret: &str, connect| WebhookEndpoint {
            url: format!("{}/{path}", receiver.url),
            secret: secret.to_owned(),
            connect,
            thin: false,
        };
        let webhooks = vec![endpoint("platform", "whsec_platform", false), endpoint("connect", "whsec_connect", true)];
        Self::with(Options { webhooks, ..Options::default() }).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.stand_in.url())
    }

    /// A request with the platform's key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path)).bearer_auth("sk_test_local")
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        send(form_body(self.request(Method::POST, path), form)).await
    }

    pub async fn post_on(&self, account: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.request(Method::POST, path).header("stripe-account", account);
        send(form_body(request, form)).await
    }

    pub async fn post_keyed(&self, key: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.request(Method::POST, path).header("idempotency-key", key);
        send(form_body(request, form)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub async fn get_on(&self, account: &str, path: &str) -> Answer {
        send(self.request(Method::GET, path).header("stripe-account", account)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await
    }

    /// A request to the admin API.
    pub async fn admin(&self, method: &str, path: &str, body: Value) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        send(self.http.request(method, self.url(&format!("/_admin/{path}"))).body(body.to_string())).await
    }

    /// A connected account that can do everything.
    pub async fn account(&self) -> String {
        let account = self.admin("POST", "accounts", json!({})).await.ok();
        account["id"].as_str().unwrap().to_owned()
    }

    /// The types of an account's events (the platform's for `None`), oldest first.
    pub async fn event_types(&self, account: Option<&str>) -> Vec<String> {
        let events = self.events(account).await;
        events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// An account's events (the platform's for `None`), oldest first.
    pub async fn events(&self, account: Option<&str>) -> Vec<Value> {
        let events = self.admin("GET", "events", Value::Null).await.ok();
        let all = events["events"].as_array().unwrap().iter().rev();
        all.filter(|event| event["account"].as_str() == account).cloned().collect()
    }

    /// The books, which must balance.
    #[track_caller]
    pub fn books(&self) -> impl Future<Output = Value> + '_ {
        let place = std::panic::Location::caller();
        async move {
            let books = self.admin("GET", "books", Value::Null).await.ok();
            assert_eq!(books["balanced"], true, "at {place}: {books:#}");
            books
        }
    }
}

pub async fn send(request: RequestBuilder) -> Answer {
    Answer::of(request.send().await.unwrap()).await
}

pub fn form_body(request: RequestBuilder, form: &[(&str, &str)]) -> RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

/// The target of a redirect.
pub fn location(answer: &Answer) -> url::Url {
    assert_eq!(answer.status, StatusCode::SEE_OTHER.as_u16(), "{:#}", answer.body);
    url::Url::parse(answer.headers["location"].to_str().unwrap()).unwrap()
}

/// A parameter of a URL.
pub fn parameter(address: &url::Url, name: &str) -> Option<String> {
    address.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
}

/// The id of an object.
pub fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}
