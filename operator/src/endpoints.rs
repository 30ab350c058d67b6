//! A deployment's webhook endpoints, registered through Stripe's API: <https://docs.stripe.com/api/webhook_endpoints>.
//!
//! Stripe reveals an endpoint's signing secret only once, in the response that creates it. So the secret is stored
//! right afterwards, together with the endpoint's id. The next run leaves alone what is registered and stored.
//!
//! Two runs may overlap, and a run may die between Stripe's response and the write. Both look the same to a later run, so it
//! handles them the same way: it creates the endpoint again under the same idempotency key. While Stripe remembers the key,
//! it returns the existing endpoint and its signing secret. The old endpoint is lost only if Stripe creates another one.
//! Even then it is not disabled in its first minutes, because a run of another release may be about to store its secret.

use serde::Deserialize;
use serde_json::{Value, json};
use shared::app::App;
use shared::base::entropy::digest;
use shared::settings::secrets::StripeKeys;
use shared::stripe::error::StripeError;
use shared::stripe::{API_VERSION, Gateway, Post};
use time::{Duration, OffsetDateTime};
use url::form_urlencoded::Serializer;
use webhook::events::EVENTS;

use crate::Failure;

/// The types of events that `webhook` handles, with or without those that only connected accounts have.
pub fn events(connect: bool) -> Vec<&'static str> {
    EVENTS.iter().filter(|handled| connect || !handled.connect_only).map(|handled| handled.name).collect()
}

/// The metadata that marks our endpoints.
const MARK: (&str, &str) = ("registered_by", "make stripe-setup");

/// The secret's list of endpoints whose signing secrets we stored.
const RECORD: &str = "webhook_endpoints";

/// How long to leave an endpoint alone whose signing secret is not stored: another run may still store it.
const YOUNG: Duration = Duration::minutes(10);

/// How many keys to try if Stripe's replayed response describes an endpoint that was deleted since.
const TRIES: u32 = 10;

/// The secret that contains Stripe's keys.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Secrets Manager.
    pub client: aws_sdk_secretsmanager::Client,
    /// Its name or ARN.
    pub name: String,
}

/// One of the two endpoints, as it should be.
struct Wanted {
    url: String,
    connect: bool,
    events: Vec<&'static str>,
    /// The secret's list of its signing secrets.
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
    /// In seconds since 1970.
    created: i64,
    api_version: Option<String>,
    /// The platform's client id, if it receives the events of connected accounts.
    application: Option<String>,
    #[serde(default)]
    enabled_events: Vec<String>,
    #[serde(default)]
    metadata: Value,
    /// Only in the response that creates it.
    secret: Option<String>,
}

/// What the registration of both endpoints needs.
struct Run<'a> {
    stripe: &'a Gateway,
    secret: &'a Secret,
    /// The secret as it was after listing the endpoints.
    value: &'a Value,
    now: OffsetDateTime,
}

impl Secret {
    async fn read(&self) -> Result<Value, Failure> {
        let answer = self.client.get_secret_value().secret_id(&self.name).send().await.map_err(|_| "the secret cannot be read")?;
        let value: Option<Value> = answer.secret_string().and_then(|text| serde_json::from_str(text).ok());
        Ok(value.filter(Value::is_object).ok_or("the secret is not a JSON object")?)
    }

    /// Inserts an endpoint's signing secret before the existing ones, which stay valid.
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

    fn is_enabled(&self) -> bool {
        self.status == "enabled"
    }

    fn is_young(&self, now: OffsetDateTime) -> bool {
        now.unix_timestamp() - self.created < YOUNG.whole_seconds()
    }
}

impl Wanted {
    fn both(app: &App) -> [Self; 2] {
        let url = format!("{}/webhooks/stripe", app.config.public_api_url);
        [
            Self { url: url.clone(), connect: false, events: events(false), list: "webhook_secrets" },
            Self { url: format!("{url}/connect"), connect: true, events: events(true), list: "connect_webhook_secrets" },
        ]
    }

    fn is_met_by(&self, endpoint: &Endpoint) -> bool {
        let mut is = endpoint.enabled_events.clone();
        is.sort_unstable();
        let mut wanted = self.events.clone();
        wanted.sort_unstable();
        endpoint.is_enabled() && is == wanted
    }

    /// As parameters.
    fn events(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.events.iter().map(|event| ("enabled_events[]", *event))
    }
}

/// Registers both endpoints at `PUBLIC_API_URL`, or repairs their registration, and stores their signing
/// secrets in the secret. Uses `key`, if given, instead of the secret's own, which may lack the permission.
///
/// Returns a line for each endpoint. It can be run again at any time, and continues where an earlier run stopped.
///
/// # Errors
/// If Stripe or Secrets Manager fails, or if an enabled endpoint at the URL has an unknown signing secret.
pub async fn set_up(app: &App, secret: &Secret, key: Option<String>) -> Result<String, Failure> {
    let value = secret.read().await?;
    let secret_key = key.unwrap_or_else(|| value["secret_key"].as_str().unwrap_or_default().to_owned());
    if secret_key.is_empty() {
        return Err("the secret has no secret_key yet".into());
    }
    let publishable = app.config.publishable_key.as_str();
    for key in [secret_key.as_str(), value["secret_key"].as_str().unwrap_or_default()] {
        if let (Some(of), Some(wanted)) = (mode(key), mode(publishable))
            && of != wanted
        {
            return Err(format!("a key is for {of} mode, but the stack's publishable key is for {wanted} mode").into());
        }
    }
    let keys = StripeKeys { secret_key, webhook_secrets: Vec::new(), connect_webhook_secrets: Vec::new() };
    let stripe = Gateway::new(app, keys);
    let listed = all(&stripe).await?;
    // Read after listing, so that secrets of the listed endpoints have had time to be stored.
    let value = secret.read().await?;
    let run = Run { stripe: &stripe, secret, value: &value, now: app.clock.now() };
    let mut lines = Vec::new();
    for wanted in Wanted::both(app) {
        let here: Vec<&Endpoint> =
            listed.iter().filter(|found| found.url == wanted.url && found.application.is_some() == wanted.connect).collect();
        lines.extend(one(&run, &wanted, &here).await?);
    }
    Ok(lines.join("\n"))
}

/// The mode of a Stripe key. <https://docs.stripe.com/keys>
fn mode(key: &str) -> Option<&'static str> {
    ["test", "live"].into_iter().find(|mode| key.split('_').nth(1) == Some(mode))
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

/// Handles one endpoint, given those that exist at its URL.
async fn one(run: &Run<'_>, wanted: &Wanted, here: &[&Endpoint]) -> Result<Vec<String>, Failure> {
    let Run { stripe, secret, value, now } = *run;
    let (recorded, by_hand) = (texts(value, RECORD), !texts(value, wanted.list).is_empty());
    let url = &wanted.url;
    // Those created by hand in the Dashboard count as known if the list has any secret.
    let (known, mut unknown): (Vec<&Endpoint>, Vec<&Endpoint>) =
        here.iter().partition(|endpoint| recorded.contains(&endpoint.id) || (by_hand && !endpoint.is_marked()));
    if let Some(stranger) = unknown.iter().find(|endpoint| !endpoint.is_marked() && endpoint.is_enabled()) {
        let (id, list) = (&stranger.id, wanted.list);
        return Err(format!("{id} exists at {url}, but its signing secret is not in {list}: add it there, or delete {id} at Stripe").into());
    }
    let mut lines = Vec::new();
    match known.iter().find(|endpoint| endpoint.is_current()) {
        Some(found) if wanted.is_met_by(found) => lines.push(format!("{} at {url} is up to date", found.id)),
        Some(found) => {
            let form: Vec<_> = wanted.events().chain([("disabled", "false")]).collect();
            change(stripe, now, found, &form).await?;
            lines.push(format!("{} at {url} is now enabled for {} event types", found.id, wanted.events.len()));
        }
        None => {
            let (made, signing) = make(stripe, wanted, here, &unknown).await?;
            secret.add(wanted, &made, &signing).await?;
            lines.push(format!("created {} at {url}; its signing secret is stored in {}", made.id, wanted.list));
            unknown.retain(|endpoint| endpoint.id != made.id);
        }
    }
    for lost in unknown.iter().filter(|endpoint| endpoint.is_enabled()) {
        if lost.is_young(now) {
            lines.push(format!("{} at {url} was just created and its signing secret is not stored yet: run this again later", lost.id));
        } else {
            change(stripe, now, lost, &[("disabled", "true")]).await?;
            lines.push(format!("{} at {url} was disabled because its signing secret was lost", lost.id));
        }
    }
    for old in known.iter().filter(|endpoint| !endpoint.is_current() && endpoint.is_enabled()) {
        let version = old.api_version.as_deref().unwrap_or("the account's version");
        lines.push(format!("{} at {url} also sends events, with {version}: delete it at Stripe once it has no pending deliveries", old.id));
    }
    Ok(lines)
}

/// Creates an endpoint once, however many runs do so. The key derives from the endpoints that existed before, without enabled
/// ones whose secrets nobody has stored yet. The run that created one of those used the same key, so Stripe returns it again.
async fn make(stripe: &Gateway, wanted: &Wanted, here: &[&Endpoint], unknown: &[&Endpoint]) -> Result<(Endpoint, String), Failure> {
    let mut form = Serializer::new(String::new());
    form.append_pair("url", &wanted.url).append_pair("connect", if wanted.connect { "true" } else { "false" });
    form.append_pair("api_version", API_VERSION).append_pair(&format!("metadata[{}]", MARK.0), MARK.1);
    let body = form.extend_pairs(wanted.events()).finish();
    let settled = here.iter().filter(|endpoint| !(endpoint.is_enabled() && unknown.iter().any(|other| other.id == endpoint.id)));
    let mut before: Vec<&str> = settled.map(|endpoint| endpoint.id.as_str()).collect();
    before.sort_unstable();
    for attempt in 1..=TRIES {
        let key = format!("webhook-endpoint-{}", digest(&format!("{body} {before:?} {attempt}")));
        let made: Endpoint = stripe.post(&Post { path: "/webhook_endpoints", body: &body, account: None, key: &key }).await?;
        let signing = made.secret.clone().ok_or("Stripe returned no signing secret")?;
        match stripe.get::<Endpoint>(&format!("/webhook_endpoints/{}", made.id), None).await {
            Ok(_) => return Ok((made, signing)),
            // An earlier run's response, whose endpoint was deleted since.
            Err(StripeError::Refused { status: 404, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err("Stripe keeps returning endpoints that were deleted; try again tomorrow".into())
}

/// The key is unique to this run, so that changes undone by hand can be made again.
async fn change(stripe: &Gateway, now: OffsetDateTime, endpoint: &Endpoint, form: &[(&str, &str)]) -> Result<(), Failure> {
    let path = format!("/webhook_endpoints/{}", endpoint.id);
    let body = Serializer::new(String::new()).extend_pairs(form).finish();
    let key = format!("{}-{}", endpoint.id, now.unix_timestamp_nanos());
    let _: Endpoint = stripe.post(&Post { path: &path, body: &body, account: None, key: &key }).await?;
    Ok(())
}
