//! Stripe in the tests: the stand-in, the functions that use it, and the HTTP endpoint for its webhooks.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use lambda_http::Body;
use oauth_callback::OAuthCallback;
use reconcile::{Asked, Only, Report};
use serde_json::{Value, json};
use shared::app::App;
use shared::settings::config::Config;
use shared::settings::rotating::Rotating;
use shared::settings::secrets::{StripeKeys, TokenKeys};
use shared::stripe::Gateway;
use shared::work::Services;
use stripe_stand_in::{Options, StandIn};
use tokio::task::JoinHandle;

use super::event::{Payload, Sent, request};
use super::{Answer, PAUSE, Person, World};

/// The functions that use Stripe, and the Stripe stand-in.
pub(crate) struct Payments {
    /// Also opens the tokens that it sealed.
    pub(crate) oauth: OAuthCallback,
    pub(super) charge: Services,
    pub(super) memberships: Services,
    pub(super) onboarding: Services,
    pub(super) payment_methods: Services,
    pub(super) refunds: Services,
    /// Runs only when a test calls it.
    pub(crate) erasures: Services,
    /// Runs only when a test calls it.
    pub(crate) reconcile: Services,
    pub(super) webhook: Services,
    stand_in: Arc<StandIn>,
    endpoint: JoinHandle<()>,
}

impl Drop for Payments {
    fn drop(&mut self) {
        self.endpoint.abort();
    }
}

/// Starts a stand-in on its own port. Its URL goes into the functions' settings.
pub(super) async fn stand_in() -> StandIn {
    // Every account has a bank account for every currency, so charges settle in the currency charged.
    start(Options { every_currency: true, ..Options::default() }).await
}

/// The same for a platform in this country. Charges settle in the currency of an account's country, as at Stripe.
pub(super) async fn converting_stand_in(country: &str) -> StandIn {
    start(Options { country: country.to_owned(), ..Options::default() }).await
}

async fn start(options: Options) -> StandIn {
    stripe_stand_in::start(options).await.expect("a port is free")
}

impl Payments {
    /// Creates the functions as their `main.rs` do, but with fixed secrets.
    pub(super) async fn start(app: &App, stand_in: Arc<StandIn>) -> Self {
        let keys = StripeKeys {
            secret_key: "sk_test_local".into(),
            webhook_secrets: vec!["whsec_old".into(), "whsec_local".into()],
            connect_webhook_secrets: vec!["whsec_local_connect".into(), "whsec_local_thin".into()],
        };
        let stripe = Gateway::new(app, keys).pausing(PAUSE);
        let token_keys = TokenKeys { current: "k1".into(), keys: HashMap::from([("k1".into(), app.entropy.bytes())]) };
        let token_keys = Arc::new(Rotating::fixed(token_keys, app.clock.clone()));
        let services = Services { app: app.clone(), stripe: stripe.clone() };
        let (endpoint, url) = endpoint(services.clone()).await;
        let payments = Self {
            oauth: OAuthCallback { app: app.clone(), stripe, token_keys },
            charge: services.clone(),
            erasures: services.clone(),
            memberships: services.clone(),
            onboarding: services.clone(),
            payment_methods: services.clone(),
            refunds: services.clone(),
            reconcile: services.clone(),
            webhook: services,
            stand_in,
            endpoint,
        };
        let mut endpoints = json!({"endpoints": payments.admin(app, "GET", "webhooks", &json!({})).await["endpoints"]});
        endpoints["endpoints"].as_array_mut().expect("it is a list").extend([
            json!({"url": format!("{url}/webhooks/stripe"), "secret": "whsec_local", "connect": false}),
            json!({"url": format!("{url}/webhooks/stripe/connect"), "secret": "whsec_local_connect", "connect": true}),
            json!({"url": format!("{url}/webhooks/stripe/connect"), "secret": "whsec_local_thin", "thin": true}),
        ]);
        payments.admin(app, "PUT", "webhooks", &endpoints).await;
        // Events are held until a test releases them, so each test controls the state it sees.
        payments.admin(app, "POST", "webhooks/mode", &json!({"hold": true, "own_clock": true})).await;
        payments
    }

    /// From now on every function reads its own keys from a secret, as separate processes do. Webhooks that the stand-in sends
    /// by itself still reach a function with the usual keys.
    pub(crate) async fn read_keys_from(&mut self, secret: &super::Secret) {
        self.oauth.stripe = secret.gateway().await;
        self.charge.stripe = secret.gateway().await;
        self.erasures.stripe = secret.gateway().await;
        self.memberships.stripe = secret.gateway().await;
        self.onboarding.stripe = secret.gateway().await;
        self.payment_methods.stripe = secret.gateway().await;
        self.refunds.stripe = secret.gateway().await;
        self.reconcile.stripe = secret.gateway().await;
        self.webhook.stripe = secret.gateway().await;
    }

    /// The Stripe stand-in.
    pub(super) fn stand_in(&self) -> Arc<StandIn> {
        self.stand_in.clone()
    }

    async fn admin(&self, app: &App, method: &str, path: &str, body: &Value) -> Value {
        let method = method.parse().expect("it is a method");
        let url = format!("{}/_admin/{path}", self.stand_in.url());
        let request = app.http.request(method, &url).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.expect("the stand-in runs");
        let (status, text) = (answer.status(), answer.text().await.expect("it is text"));
        assert!(status.is_success() || status == 402, "{url}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{url}: {error}: {text}"))
    }
}

/// Serves the webhook function over HTTP.
async fn endpoint(webhook: Services) -> (JoinHandle<()>, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let router = Router::new().fallback(receive).with_state(webhook);
    let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
    (task, url)
}

async fn receive(State(services): State<Services>, incoming: axum::extract::Request) -> axum::response::Response {
    let (head, body) = incoming.into_parts();
    let body = axum::body::to_bytes(body, 6 << 20).await.expect("the body arrives");
    let headers: Vec<(String, String)> =
        head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned())).collect();
    let payload = Payload::Text(String::from_utf8(body.to_vec()).expect("Stripe sends text"));
    let sent = Sent {
        method: head.method.as_str(),
        path_and_query: head.uri.path(),
        headers: &headers,
        payload: Some(&payload),
        address: "192.0.2.9",
    };
    let answer = webhook::handle(&services, request(&sent, None)).await;
    let (head, body) = answer.into_parts();
    let body = match body {
        Body::Text(text) => text,
        _ => String::new(),
    };
    axum::response::Response::from_parts(head, axum::body::Body::from(body))
}

/// Access to Stripe's API that bypasses the functions.
impl World {
    /// The operator deploys other settings.
    pub(crate) fn reconfigure(&mut self, change: impl Fn(&mut Config)) {
        let all = &mut self.payments;
        for services in [&mut all.charge, &mut all.memberships, &mut all.refunds] {
            change(&mut services.app.config);
        }
        change(&mut self.app.config);
    }

    /// Calls the stand-in's admin API.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Value) -> Value {
        self.payments.admin(&self.app, method, path, &body).await
    }

    /// Injects a fault into the next matching request.
    pub(crate) async fn fault(&self, method: &str, path: &str, fault: Value) {
        self.admin("POST", "faults", json!({"match": {"method": method, "path": path}, "fault": fault})).await;
    }

    /// Releases the held webhooks and waits until each has been tried.
    pub(crate) async fn deliver(&self) {
        self.admin("POST", "webhooks/flush", json!({})).await;
        // New ones are held again.
        self.admin("POST", "webhooks/mode", json!({"hold": true, "own_clock": true})).await;
    }

    /// Runs the reconciliation once, with ample time.
    pub(crate) async fn reconcile(&self) -> Report {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(600);
        Box::pin(reconcile::handle(&self.payments.reconcile, Asked::default(), until)).await.expect("the table is there")
    }

    /// Runs one of the intermediate reconciliations, which close hosted pages.
    pub(crate) async fn close_pages(&self) -> Report {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(600);
        let asked = Asked { only: Some(Only::Offers) };
        Box::pin(reconcile::handle(&self.payments.reconcile, asked, until)).await.expect("the table is there")
    }

    /// Runs the erasure at Stripe once, with ample time.
    pub(crate) async fn erase_at_stripe(&self) -> erasures::Report {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(600);
        Box::pin(erasures::run(&self.payments.erasures, until)).await.expect("the table is there")
    }

    /// Advances both clocks, the functions' and Stripe's.
    pub(crate) async fn pass(&self, time: time::Duration) {
        self.app.clock.advance(time);
        self.admin("POST", "clock/advance", json!({"seconds": time.whole_seconds()})).await;
    }

    /// `METHOD path` of every request that the functions sent to Stripe since the last call.
    pub(crate) async fn asked_stripe(&self) -> Vec<String> {
        let log = self.admin("GET", "requests", json!({})).await;
        self.admin("DELETE", "requests", json!({})).await;
        self.stripe_proxy.clear();
        let requests = log["requests"].as_array().expect("it is a list").clone();
        requests.iter().map(|one| format!("{} {}", one["method"].as_str().unwrap_or("?"), one["path"].as_str().unwrap_or("?"))).collect()
    }

    /// Reads from Stripe's API, for a connected account or the platform. The path is below `/v1`, unless it begins with `/v2/`.
    pub(crate) async fn stripe(&self, path: &str, account: Option<&str>) -> Value {
        let version = if path.starts_with("/v2/") { "" } else { "/v1" };
        let url = format!("{}{version}{path}", self.payments.stand_in.url());
        let mut request = self.app.http.get(&url).bearer_auth("sk_test_local").header("stripe-version", shared::stripe::API_VERSION);
        if let Some(account) = account {
            request = request.header("stripe-account", account);
        }
        let text = request.send().await.expect("the stand-in runs").text().await.expect("it is text");
        serde_json::from_str(&text).expect("it is JSON")
    }

    /// Changes something through Stripe's API, as its owner does in the Dashboard.
    pub(crate) async fn in_dashboard(&self, path: &str, account: Option<&str>, form: &[(&str, String)]) -> Value {
        let mut request = self.app.http.post(format!("{}/v1{path}", self.payments.stand_in.url())).bearer_auth("sk_test_local");
        if let Some(account) = account {
            request = request.header("stripe-account", account);
        }
        let text = request.form(form).send().await.expect("the stand-in runs").text().await.expect("it is text");
        serde_json::from_str(&text).expect("it is JSON")
    }

    /// Deletes something through Stripe's API, as its owner does in the Dashboard.
    pub(crate) async fn delete_in_dashboard(&self, path: &str, account: Option<&str>) -> Value {
        let mut request = self.app.http.delete(format!("{}/v1{path}", self.payments.stand_in.url())).bearer_auth("sk_test_local");
        if let Some(account) = account {
            request = request.header("stripe-account", account);
        }
        let text = request.send().await.expect("the stand-in runs").text().await.expect("it is text");
        serde_json::from_str(&text).expect("it is JSON")
    }

    /// The successful payments of an account or of the platform.
    pub(crate) async fn succeeded(&self, account: Option<&str>) -> Vec<Value> {
        let list = self.stripe("/payment_intents?limit=100", account).await;
        let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone();
        all.into_iter().filter(|one| one["status"] == "succeeded").collect()
    }

    /// Checks that every account's balance is exactly the sum of its transactions.
    pub(crate) async fn books(&self) -> Value {
        let books = self.admin("GET", "books", json!({})).await;
        assert_eq!(books["balanced"], true, "{books}");
        books
    }

    /// Goes through Stripe's consent page as a browser does, starting with the answer of `GET /users/authorize`. Returns the
    /// callback's URL with its query, and the cookie that the browser sends there.
    pub(crate) async fn consent(&self, authorize: Answer, decision: &str) -> Consent {
        self.consent_for(authorize, decision, None).await
    }

    /// The same for an existing account.
    pub(crate) async fn consent_for(&self, authorize: Answer, decision: &str, account: Option<&str>) -> Consent {
        assert_eq!(authorize.status, 302, "{}", authorize.body);
        let location = authorize.header("location").expect("it sends on").to_owned();
        let cookie = authorize.headers.get("set-cookie").and_then(|cookie| cookie.to_str().ok()).expect("it binds the browser");
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let page = self.app.http.get(&location).send().await.expect("the page is there");
        assert_eq!(page.status().as_u16(), 200);
        let html = page.text().await.expect("it is text");
        let mut form = Form::read(&html, &location);
        if let (Some(account), Some(field)) = (account, form.fields.iter_mut().find(|(name, _)| name == "account")) {
            account.clone_into(&mut field.1);
        }
        let callback = form.submit(&self.app.http, ("decision", decision)).await;
        let path = callback.strip_prefix(&self.app.config.public_api_url).unwrap_or_else(|| panic!("{callback} is not ours"));
        Consent { path: path.to_owned(), cookie }
    }

    /// Links a Stripe account to a seller, through all steps.
    pub(crate) async fn link(&self, seller: &Person) -> String {
        self.link_by(seller, "/users/authorize", None).await
    }

    /// Links an account to a seller, starting at this path: an existing account, or else a new one.
    pub(crate) async fn link_by(&self, seller: &Person, authorize: &str, account: Option<&str>) -> String {
        self.enter_password(seller).await;
        let authorize = self.get(authorize).cookie(&seller.token).await;
        let consent = self.consent_for(authorize, "allow", account).await;
        let answer = self.get(consent.path.as_str()).header("cookie", format!("session={}; {}", seller.token, consent.cookie)).await;
        assert_eq!(answer.header("location"), Some("http://localhost:3000/?connect=success"), "{}", answer.body);
        let me = self.get("/users/me").bearer(&seller.token).await.json();
        me["stripe"]["account_id"].as_str().expect("it is linked").to_owned()
    }

    /// Opens an Account Link and submits its page as the seller would. Returns where the browser is sent.
    pub(crate) async fn onboard(&self, url: &str, decision: &str) -> String {
        let opened = self.app.http.get(url).send().await.expect("the link is there");
        let location = opened.headers().get("location").and_then(|location| location.to_str().ok()).expect("it leads on").to_owned();
        if !location.contains("/setup/page/") {
            return location;
        }
        let page = self.app.http.get(&location).send().await.expect("the page is there");
        let html = page.text().await.expect("it is text");
        Form::read(&html, &location).submit(&self.app.http, ("decision", decision)).await
    }

    /// Has the platform create an account for a seller, with all capabilities.
    pub(crate) async fn made_account(&self, seller: &Person, kind: &str, country: &str) -> String {
        let asked = json!({"type": kind, "country": country});
        let answer = self.post("/users/me/stripe/onboarding", asked).bearer(&seller.token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.onboard(&answer.text("url"), "submit").await;
        self.deliver().await;
        answer.text("account_id")
    }

    /// Creates a course with this platform fee for a seller.
    pub(crate) async fn course(&self, seller: &Person, title: &str, amount: i64, currency: &str, fee_percent: i64) -> Value {
        let course = json!({"title": title, "price": {"amount": amount, "currency": currency}});
        let answer = self.post("/courses", course).bearer(&seller.token).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let mut course = answer.json();
        let id = course["id"].as_str().and_then(|id| id.parse().ok()).expect("it has an id");
        let old = self.app.store.course(&id).await.expect("the table is there").expect("the course is there");
        let mut new = old.clone();
        new.fee_percent = fee_percent.try_into().expect("it is a percentage");
        new.version += 1;
        let written = self.app.store.replace_course(&old, &new).await.expect("the table is there");
        assert_eq!(written, shared::store::Written::Yes);
        course["fee_percent"] = json!(fee_percent);
        course
    }

    /// Has a course's seller offer shares, and all payees accept them. Returns the answer to the offer, even if it was refused.
    pub(crate) async fn share(&self, course: &str, seller: &Person, payees: &[(&Person, u8)]) -> Answer {
        let shares: Vec<Value> = payees.iter().map(|(payee, share)| json!({"seller": payee.id, "share": share})).collect();
        self.enter_password(seller).await;
        let offered = self.patch(format!("/courses/{course}"), json!({"payees": shares})).bearer(&seller.token).await;
        if offered.status == 200 {
            for (payee, share) in payees.iter().filter(|(payee, _)| payee.id != seller.id) {
                self.enter_password(payee).await;
                let accepted = self.put(format!("/courses/{course}/share"), json!({"share": share})).bearer(&payee.token).await;
                assert_eq!(accepted.status, 200, "{}", accepted.body);
            }
        }
        offered
    }

    /// A shop with a linked seller, a course for 50.00 USD with a fee of 50 %, and a buyer.
    pub(crate) async fn shop(&self) -> Shop {
        let seller = self.seller("seller@example.com").await;
        let account = self.link(&seller).await;
        let course = self.course(&seller, "Flask Microservices", 5000, "usd", 50).await;
        let buyer = self.buyer("buyer@example.com").await;
        self.asked_stripe().await;
        self.operations();
        Shop { seller, account, buyer, course_id: course["id"].as_str().expect("it has an id").to_owned() }
    }

    /// Buys a course with a payment method.
    pub(crate) async fn buy(&self, buyer: &Person, course_id: &str, payment_method: &str) -> Answer {
        self.post("/courses/charge", json!({"course_id": course_id, "payment_method": payment_method})).bearer(&buyer.token).await
    }
}

/// A browser that returns from Stripe.
#[derive(Clone, Debug)]
pub(crate) struct Consent {
    /// `/users/oauth/callback?…`
    pub(crate) path: String,
    /// The OAuth cookie, `name=value`.
    pub(crate) cookie: String,
}

/// Everything that a sale needs.
#[derive(Clone, Debug)]
pub(crate) struct Shop {
    pub(crate) seller: Person,
    pub(crate) account: String,
    pub(crate) buyer: Person,
    pub(crate) course_id: String,
}

/// The single form of a hosted page, with its values.
struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

impl Form {
    fn read(html: &str, page: &str) -> Self {
        let attribute = |tag: &str, name: &str| {
            let rest = tag.split(&format!("{name}=\"")).nth(1)?;
            Some(rest.split('"').next()?.replace("&amp;", "&"))
        };
        let tags = |kind: &'static str| html.split('<').filter(move |tag| tag.starts_with(kind));
        let action = tags("form").next().and_then(|form| attribute(form, "action")).unwrap_or_default();
        let page = url::Url::parse(page).expect("it is a URL");
        let action = page.join(&action).expect("it is a URL").to_string();
        let mut fields: Vec<(String, String)> =
            tags("input").filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default()))).collect();
        if let Some(name) = tags("select").next().and_then(|select| attribute(select, "name")) {
            let chosen = tags("option").find(|option| option.contains(" selected")).or_else(|| tags("option").next());
            fields.push((name, chosen.and_then(|option| attribute(option, "value")).unwrap_or_default()));
        }
        Self { action, fields }
    }

    /// Submits the form and returns where the browser is sent.
    async fn submit(mut self, http: &shared::cloud::transport::Client, button: (&str, &str)) -> String {
        self.fields.push((button.0.to_owned(), button.1.to_owned()));
        let answer = http.post(&self.action).form(&self.fields).send().await.expect("the form is taken");
        let location = answer.headers().get("location").and_then(|location| location.to_str().ok()).map(str::to_owned);
        location.unwrap_or_else(|| panic!("{} sends nowhere: {}", self.action, answer.status()))
    }
}
