//! The webhook endpoints of a deployment, registered by Stripe's API: <https://docs.stripe.com/api/webhook_endpoints>.
//!
//! Stripe tells an endpoint's signing secret once, in the answer that makes it. So the secret is written down right after,
//! with the endpoint's id beside it: what is registered and written down is left alone by the next run.

use serde::Deserialize;
use serde_json::{Value, json};
use shared::app::App;
use shared::entropy::digest;
use shared::secrets::StripeKeys;
use shared::stripe::error::StripeError;
use shared::stripe::{API_VERSION, Gateway, Post};
use time::OffsetDateTime;
use url::form_urlencoded::Serializer;

use crate::Failure;

/// What `webhook` handles of events on any account. `tests/` holds both lists together with it.
pub const EVENTS: [&str; 28] = [
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.refunded",
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.updated",
    "invoice.paid",
    "invoice.payment_failed",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "payment_method.attached",
    "payout.failed",
    "payout.paid",
    "refund.created",
    "refund.failed",
    "refund.updated",
    "transfer.created",
    "transfer.reversed",
];

/// What it handles of connected accounts besides.
pub const CONNECT_EVENTS: [&str; 3] = ["account.application.deauthorized", "account.updated", "capability.updated"];

/// Where an endpoint says who made it.
const MARK: (&str, &str) = ("registered_by", "make stripe-setup");

/// In the secret: the endpoints whose signing secrets were written by this.
const RECORD: &str = "webhook_endpoints";

/// How often an endpoint is asked for under another key, where one that Stripe answers again was deleted since.
const TRIES: u32 = 10;

/// The secret with Stripe's keys.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Where it is.
    pub client: aws_sdk_secretsmanager::Client,
    /// Its name or ARN.
    pub name: String,
}

/// One of the two endpoints, as it is to be.
struct Wanted {
    url: String,
    connect: bool,
    events: Vec<&'static str>,
    /// Where its signing secrets stand in the secret.
    list: &'static str,
}

/// A page of endpoints.
#[derive(Deserialize)]
struct Listed {
    data: Vec<Endpoint>,
    has_more: bool,
}

/// An endpoint at Stripe.
#[derive(Clone, Deserialize)]
struct Endpoint {
    id: String,
    url: String,
    status: String,
    api_version: Option<String>,
    /// The platform's client id, where it gets the events of connected accounts.
    application: Option<String>,
    #[serde(default)]
    enabled_events: Vec<String>,
    #[serde(default)]
    metadata: Value,
    /// In the answer that makes it, and nowhere else.
    secret: Option<String>,
}

/// What both endpoints are registered with.
struct Run<'a> {
    stripe: &'a Gateway,
    secret: &'a Secret,
    /// The secret as it was when the run began.
    value: &'a Value,
    now: OffsetDateTime,
}

impl Secret {
    async fn read(&self) -> Result<Value, Failure> {
        let answer = self.client.get_secret_value().secret_id(&self.name).send().await.map_err(|_| "the secret cannot be read")?;
        let value: Option<Value> = answer.secret_string().and_then(|text| serde_json::from_str(text).ok());
        Ok(value.filter(Value::is_object).ok_or("the secret is no JSON object")?)
    }

    /// Puts an endpoint's signing secret before those that are there, which stay good.
    async fn add(&self, wanted: &Wanted, endpoint: &Endpoint, signing: &str) -> Result<(), Failure> {
        let mut value = self.read().await?;
        for (name, text) in [(wanted.list, signing), (RECORD, endpoint.id.as_str())] {
            let mut texts = texts(&value, name);
            texts.retain(|other| other != text);
            texts.insert(0, text.to_owned());
            value[name] = json!(texts);
        }
        let text = value.to_string();
        let written = self.client.put_secret_value().secret_id(&self.name).secret_string(text).send().await;
        written.map_err(|_| "the secret cannot be written")?;
        Ok(())
    }
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    let all = value[name].as_array().into_iter().flatten();
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Endpoint {
    fn is_marked(&self) -> bool {
        self.metadata[MARK.0] == MARK.1
    }

    fn is_current(&self) -> bool {
        self.api_version.as_deref() == Some(API_VERSION)
    }
}

impl Wanted {
    fn both(app: &App) -> [Self; 2] {
        let url = format!("{}/webhooks/stripe", app.config.public_api_url);
        let connect = EVENTS.into_iter().chain(CONNECT_EVENTS).collect();
        [
            Self { url: url.clone(), connect: false, events: EVENTS.to_vec(), list: "webhook_secrets" },
            Self { url: format!("{url}/connect"), connect: true, events: connect, list: "connect_webhook_secrets" },
        ]
    }

    fn is_met_by(&self, endpoint: &Endpoint) -> bool {
        let mut is = endpoint.enabled_events.clone();
        is.sort_unstable();
        let mut wanted = self.events.clone();
        wanted.sort_unstable();
        endpoint.status == "enabled" && is == wanted
    }

    /// As parameters.
    fn events(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.events.iter().map(|event| ("enabled_events[]", *event))
    }
}

/// Registers both endpoints at `PUBLIC_API_URL`, or mends what is registered there, and writes their signing secrets into
/// the secret. `key` is asked with instead of the secret's own, which may lack the permission.
///
/// Returns a line for each endpoint. It can be run again at any time: it goes on where an earlier run was broken off.
///
/// # Errors
/// Where Stripe or Secrets Manager does not do it, or where an endpoint stands there whose signing secret is unknown.
pub async fn set_up(app: &App, secret: &Secret, key: Option<String>) -> Result<String, Failure> {
    let value = secret.read().await?;
    let secret_key = key.unwrap_or_else(|| value["secret_key"].as_str().unwrap_or_default().to_owned());
    if secret_key.is_empty() {
        return Err("the secret has no secret_key yet".into());
    }
    let keys = StripeKeys { secret_key, webhook_secrets: Vec::new(), connect_webhook_secrets: Vec::new() };
    let stripe = Gateway::new(app, keys);
    let listed = all(&stripe).await?;
    let run = Run { stripe: &stripe, secret, value: &value, now: app.clock.now() };
    let mut lines = Vec::new();
    for wanted in Wanted::both(app) {
        let here: Vec<&Endpoint> =
            listed.iter().filter(|found| found.url == wanted.url && found.application.is_some() == wanted.connect).collect();
        lines.extend(one(&run, &wanted, &here).await?);
    }
    Ok(lines.join("\n"))
}

async fn all(stripe: &Gateway) -> Result<Vec<Endpoint>, Failure> {
    let mut found: Vec<Endpoint> = Vec::new();
    loop {
        let after = found.last().map(|last| format!("&starting_after={}", last.id)).unwrap_or_default();
        let page: Listed = stripe.get(&format!("/webhook_endpoints?limit=100{after}"), None).await?;
        found.extend(page.data);
        if !page.has_more {
            return Ok(found);
        }
    }
}

/// What is done about one endpoint, among those that stand at its address already.
async fn one(run: &Run<'_>, wanted: &Wanted, here: &[&Endpoint]) -> Result<Vec<String>, Failure> {
    let Run { stripe, secret, value, now } = *run;
    let (recorded, by_hand) = (texts(value, RECORD), !texts(value, wanted.list).is_empty());
    let url = &wanted.url;
    // One that somebody made in the Dashboard, whose secret is in the list as far as can be told.
    let (known, unknown): (Vec<&Endpoint>, Vec<&Endpoint>) =
        here.iter().partition(|endpoint| recorded.contains(&endpoint.id) || (by_hand && !endpoint.is_marked()));
    if let Some(stranger) = unknown.iter().find(|endpoint| !endpoint.is_marked() && endpoint.status == "enabled") {
        let (id, list) = (&stranger.id, wanted.list);
        return Err(
            format!("{id} stands at {url} and its signing secret is not in {list}: write it there, or delete {id} at Stripe").into()
        );
    }
    let mut lines = Vec::new();
    match known.iter().find(|endpoint| endpoint.is_current()) {
        Some(found) if wanted.is_met_by(found) => lines.push(format!("{} at {url} is as it must be", found.id)),
        Some(found) => {
            let form: Vec<_> = wanted.events().chain([("disabled", "false")]).collect();
            change(stripe, now, found, &form).await?;
            lines.push(format!("{} at {url} is enabled for {} types of event", found.id, wanted.events.len()));
        }
        None => {
            let (made, signing) = make(stripe, wanted, here).await?;
            secret.add(wanted, &made, &signing).await?;
            lines.push(format!("{} at {url} is new, and its signing secret is written to {}", made.id, wanted.list));
        }
    }
    // A run ended before it had written their secrets down: nobody can check what they send.
    for lost in unknown.iter().filter(|endpoint| endpoint.status == "enabled") {
        change(stripe, now, lost, &[("disabled", "true")]).await?;
        lines.push(format!("{} at {url} is disabled, for its signing secret was lost", lost.id));
    }
    for old in known.iter().filter(|endpoint| !endpoint.is_current() && endpoint.status == "enabled") {
        let version = old.api_version.as_deref().unwrap_or("the account's version");
        lines.push(format!("{} at {url} sends {version} as well: delete it at Stripe once nothing waits to be sent by it", old.id));
    }
    Ok(lines)
}

/// Makes an endpoint once, however many ask for it at the same moment: the key goes by what stood there before.
async fn make(stripe: &Gateway, wanted: &Wanted, here: &[&Endpoint]) -> Result<(Endpoint, String), Failure> {
    let mut form = Serializer::new(String::new());
    form.append_pair("url", &wanted.url).append_pair("connect", if wanted.connect { "true" } else { "false" });
    form.append_pair("api_version", API_VERSION).append_pair(&format!("metadata[{}]", MARK.0), MARK.1);
    let body = form.extend_pairs(wanted.events()).finish();
    let mut before: Vec<&str> = here.iter().map(|endpoint| endpoint.id.as_str()).collect();
    before.sort_unstable();
    for attempt in 1..=TRIES {
        let key = format!("webhook-endpoint-{}", digest(&format!("{body} {before:?} {attempt}")));
        let made: Endpoint = stripe.post(&Post { path: "/webhook_endpoints", body: &body, account: None, key: &key }).await?;
        let signing = made.secret.clone().ok_or("Stripe told no signing secret")?;
        match stripe.get::<Endpoint>(&format!("/webhook_endpoints/{}", made.id), None).await {
            Ok(_) => return Ok((made, signing)),
            // The answer is that of an earlier run, whose endpoint somebody has deleted since.
            Err(StripeError::Refused { status: 404, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err("Stripe goes on answering with endpoints that were deleted; try again tomorrow".into())
}

/// The key is this run's: what was changed back by hand can be changed again.
async fn change(stripe: &Gateway, now: OffsetDateTime, endpoint: &Endpoint, form: &[(&str, &str)]) -> Result<(), Failure> {
    let path = format!("/webhook_endpoints/{}", endpoint.id);
    let body = Serializer::new(String::new()).extend_pairs(form).finish();
    let key = format!("{}-{}", endpoint.id, now.unix_timestamp_nanos());
    let _: Endpoint = stripe.post(&Post { path: &path, body: &body, account: None, key: &key }).await?;
    Ok(())
}
