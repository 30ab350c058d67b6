//! A deployment's webhook endpoints, registered through Stripe's API: one for the platform's events, one for those of connected
//! accounts, and one for thin events, which are about accounts of v2.
//!
//! Stripe reveals an endpoint's signing secret only once, in the response that creates it. So the secret is stored
//! right afterwards, together with the endpoint's id. The next run leaves alone what is registered and stored.
//!
//! Two runs may overlap, and a run may die between Stripe's response and the write. Both look the same to a later run, so it
//! handles them the same way: it creates the endpoint again under the same idempotency key. While Stripe remembers the key,
//! it returns the existing endpoint, and v1 also its signing secret. The old endpoint is lost if the secret is not returned, or
//! if Stripe creates another one. Even then it is not disabled in its first minutes, because another run may be about to store its secret.

mod api;

use serde_json::{Map, Value, json};
use shared::app::App;
use shared::base::entropy::digest;
use shared::domain::user::AccountsApi;
use shared::settings::secrets::StripeKeys;
use shared::stripe::Gateway;
use shared::stripe::error::StripeError;
use time::{Duration, OffsetDateTime};
use webhook::events::{EVENTS, Stream};

use self::api::{Endpoint, New, Payload};
use crate::Failure;

/// The types of events that `webhook` handles from one of these streams.
pub fn events(streams: &[Stream]) -> Vec<&'static str> {
    EVENTS.iter().filter(|handled| streams.contains(&handled.stream)).map(|handled| handled.name).collect()
}

/// The streams of each endpoint.
pub const PLATFORM: &[Stream] = &[Stream::OfAny];
/// See [`PLATFORM`].
pub const CONNECT: &[Stream] = &[Stream::OfAny, Stream::OfConnected];
/// See [`PLATFORM`].
pub const THIN: &[Stream] = &[Stream::Thin];

/// The secret's list of endpoints whose signing secrets we stored.
const RECORD: &str = "webhook_endpoints";

/// The secret's digests of the signing secrets that we stored, by endpoint. The others of a list are of endpoints that were created by hand.
const DIGESTS: &str = "webhook_endpoint_digests";

/// The labels of the secret's current version, and of one that is to become it.
const CURRENT: &str = "AWSCURRENT";
const NEW: &str = "STRIPE_SETUP";

/// How long to leave an endpoint alone whose signing secret is not stored: another run may still store it.
const YOUNG: Duration = Duration::minutes(10);

/// How many keys to try if Stripe's replayed response describes an endpoint that was deleted since, and how often to write the secret again if somebody
/// else has written it meanwhile.
const TRIES: u32 = 10;

/// The secret that contains Stripe's keys.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Secrets Manager.
    pub client: aws_sdk_secretsmanager::Client,
    /// Its name or ARN.
    pub name: String,
}

/// One of the endpoints, as it should be.
struct Wanted {
    url: String,
    payload: Payload,
    events: Vec<&'static str>,
    /// The secret's list of its signing secrets.
    list: &'static str,
}

/// What the registration of all endpoints needs.
struct Run<'a> {
    stripe: &'a Gateway,
    secret: &'a Secret,
    /// The secret as it was after listing the endpoints.
    value: &'a Value,
    /// All endpoints at Stripe.
    listed: Vec<&'a Endpoint>,
    now: OffsetDateTime,
}

impl Secret {
    /// The current version, and its id.
    async fn read(&self) -> Result<(Value, String), Failure> {
        let answer = self.client.get_secret_value().secret_id(&self.name).send().await.map_err(|_| "the secret cannot be read")?;
        let value: Option<Value> = answer.secret_string().and_then(|text| serde_json::from_str(text).ok());
        let value = value.filter(Value::is_object).ok_or("the secret is not a JSON object")?;
        Ok((value, answer.version_id.unwrap_or_default()))
    }

    /// Inserts an endpoint's signing secret before the existing ones, which stay valid, into whatever is current by then.
    async fn add(&self, wanted: &Wanted, endpoint: &Endpoint, signing: &str) -> Result<(), Failure> {
        let (entries, mark) = ([(wanted.list, signing), (RECORD, endpoint.id.as_str())], digest(signing));
        for _ in 0..TRIES {
            let (mut value, version) = self.read().await?;
            let is_there = entries.iter().all(|(name, text)| texts(&value, name).iter().any(|one| one == text));
            if is_there && value[DIGESTS][&endpoint.id] == mark.as_str() {
                return Ok(());
            }
            for (name, text) in entries {
                let mut texts = texts(&value, name);
                texts.retain(|other| other != text);
                texts.insert(0, text.to_owned());
                value[name] = json!(texts);
            }
            if !value[DIGESTS].is_object() {
                value[DIGESTS] = json!({});
            }
            value[DIGESTS][&endpoint.id] = json!(mark);
            if self.replace(&version, &value).await? {
                return Ok(());
            }
        }
        Err("the secret is being changed all the time: run this again later".into())
    }

    /// Makes this value current, unless another version is current than the one that was read. Writing it as the current version would undo what
    /// somebody else has written since. So it is written beside that one, and the label is moved, which Secrets Manager refuses if it is elsewhere:
    /// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html>.
    async fn replace(&self, before: &str, value: &Value) -> Result<bool, Failure> {
        let put = self.client.put_secret_value().secret_id(&self.name).secret_string(value.to_string()).version_stages(NEW);
        let written = put.send().await.map_err(|_| "the secret cannot be written")?;
        let id = written.version_id.ok_or("the secret cannot be written")?;
        let label = |stage: &str| self.client.update_secret_version_stage().secret_id(&self.name).version_stage(stage);
        let moved = label(CURRENT).move_to_version_id(&id).remove_from_version_id(before).send().await;
        // Without a label, Secrets Manager removes a version that never became current, or no longer is. A label that stays is moved by the next run.
        let _a_label_only = label(NEW).remove_from_version_id(&id).send().await;
        match moved {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_invalid_parameter_exception()) => Ok(false),
            Err(_) => Err("the secret cannot be written".into()),
        }
    }
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    let all = value[name].as_array().into_iter().flatten();
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Endpoint {
    fn is_young(&self, now: OffsetDateTime) -> bool {
        now.unix_timestamp() - self.created < YOUNG.whole_seconds()
    }
}

impl Wanted {
    /// Those of snapshots, then the one of thin events. The latter is at the address of connected accounts, whom they are about.
    fn all(app: &App) -> ([Self; 2], Self) {
        let url = format!("{}/webhooks/stripe", app.config.public_api_url);
        let connect = format!("{url}/connect");
        let list = "connect_webhook_secrets";
        let snapshots = [
            Self { url, payload: Payload::Snapshots { connect: false }, events: events(PLATFORM), list: "webhook_secrets" },
            Self { url: connect.clone(), payload: Payload::Snapshots { connect: true }, events: events(CONNECT), list },
        ];
        (snapshots, Self { url: connect, payload: Payload::Thin, events: events(THIN), list })
    }

    fn is_met_by(&self, endpoint: &Endpoint) -> bool {
        let mut is: Vec<&str> = endpoint.events.iter().map(String::as_str).collect();
        is.sort_unstable();
        let mut wanted = self.events.clone();
        wanted.sort_unstable();
        endpoint.is_enabled && is == wanted
    }

    /// Those of a list that are in the same place and receive the same.
    fn among<'a>(&self, listed: &'a [Endpoint]) -> Vec<&'a Endpoint> {
        listed.iter().filter(|found| found.url == self.url && found.payload == self.payload).collect()
    }

    /// How many signing secrets the list has of endpoints of snapshots that were created by hand. Of those at this URL that an earlier version stored
    /// it is not noted which they are; one for each is taken off.
    fn secrets_by_hand(&self, value: &Value, listed: &[&Endpoint]) -> usize {
        let Payload::Snapshots { .. } = self.payload else { return 0 };
        let noted = &value[DIGESTS];
        let ours: Vec<&Value> = noted.as_object().into_iter().flat_map(Map::values).collect();
        let others = texts(value, self.list).iter().filter(|text| !ours.iter().any(|mark| **mark == digest(text).as_str())).count();
        let recorded = texts(value, RECORD);
        let is_unnoted =
            |endpoint: &&&Endpoint| endpoint.url == self.url && recorded.contains(&endpoint.id) && noted[&endpoint.id].is_null();
        others.saturating_sub(listed.iter().filter(is_unnoted).count())
    }
}

/// Registers the endpoints at `PUBLIC_API_URL`, or repairs their registration, and stores their signing
/// secrets in the secret. Uses `key`, if given, instead of the secret's own, which may lack the permission.
///
/// Returns a line for each endpoint. It can be run again at any time, and continues where an earlier run stopped. If
/// the platform has no Accounts v2, no thin events are registered, and a line says so.
///
/// # Errors
/// If Stripe or Secrets Manager fails, or if an enabled endpoint at the URL has an unknown signing secret.
pub async fn set_up(app: &App, secret: &Secret, key: Option<String>) -> Result<String, Failure> {
    let (value, _) = secret.read().await?;
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
    let listed = api::snapshots(&stripe).await?;
    let thin = match app.config.accounts_api {
        Some(AccountsApi::V1) => Err("AccountsApi is v1".to_owned()),
        Some(AccountsApi::V2) | None => unless_refused(api::thin(&stripe).await.map_err(Failure::from))?,
    };
    // Read after listing, so that secrets of the listed endpoints have had time to be stored.
    let (value, _) = secret.read().await?;
    let all = listed.iter().chain(thin.iter().flatten()).collect();
    let run = Run { stripe: &stripe, secret, value: &value, listed: all, now: app.clock.now() };
    let mut lines = Vec::new();
    let (snapshots, wanted) = Wanted::all(app);
    for wanted in &snapshots {
        lines.extend(one(&run, wanted, &wanted.among(&listed)).await?);
    }
    let of_thin = match &thin {
        Ok(listed) => unless_refused(one(&run, &wanted, &wanted.among(listed)).await)?,
        Err(why) => Err(why.clone()),
    };
    lines.extend(
        of_thin.unwrap_or_else(|why| vec![format!("no thin events are registered ({why}): events of v1 report all accounts, too")]),
    );
    Ok(lines.join("\n"))
}

/// What Stripe says, if it refuses something to this platform or key.
fn unless_refused<T>(result: Result<T, Failure>) -> Result<Result<T, String>, Failure> {
    match result {
        Ok(done) => Ok(Ok(done)),
        Err(failure) => match failure.downcast_ref::<StripeError>() {
            Some(StripeError::Refused { status: 400 | 403 | 404, message, .. }) => Ok(Err(message.clone())),
            _ => Err(failure),
        },
    }
}

/// The mode of a Stripe key. <https://docs.stripe.com/keys>
fn mode(key: &str) -> Option<&'static str> {
    ["test", "live"].into_iter().find(|mode| key.split('_').nth(1) == Some(mode))
}

/// Handles one endpoint, given those that exist at its URL.
async fn one(run: &Run<'_>, wanted: &Wanted, here: &[&Endpoint]) -> Result<Vec<String>, Failure> {
    let Run { stripe, secret, value, now, .. } = *run;
    let (recorded, by_hand) = (texts(value, RECORD), wanted.secrets_by_hand(value, &run.listed));
    let url = &wanted.url;
    // Those created by hand in the Dashboard count as known if the list has as many secrets that are not ours.
    let is_strange = |endpoint: &Endpoint| !endpoint.is_marked && !recorded.contains(&endpoint.id);
    let strangers = here.iter().filter(|endpoint| is_strange(endpoint) && endpoint.is_enabled).count();
    let has_all = by_hand > 0 && strangers <= by_hand;
    let (known, mut unknown): (Vec<&Endpoint>, Vec<&Endpoint>) =
        here.iter().partition(|endpoint| recorded.contains(&endpoint.id) || (has_all && is_strange(endpoint)));
    if let Some(stranger) = unknown.iter().find(|endpoint| is_strange(endpoint) && endpoint.is_enabled) {
        let (id, list) = (&stranger.id, wanted.list);
        return Err(match wanted.payload {
            Payload::Snapshots { .. } if by_hand > 0 => format!(
                "{strangers} endpoints at {url} were created by hand, {id} among them, but {list} has signing secrets of only {by_hand}: add the \
                 others there, or delete the endpoints at Stripe"
            ),
            Payload::Snapshots { .. } => {
                format!("{id} exists at {url}, but its signing secret is not in {list}: add it there, or delete {id} at Stripe")
            }
            Payload::Thin => format!("{id} exists at {url}, but is not in {RECORD}: delete {id} at Stripe, and another is created"),
        }
        .into());
    }
    let mut lines = Vec::new();
    let unstored = |id: &str| format!("{id} at {url} was just created and its signing secret is not stored yet: run this again later");
    match known.iter().find(|endpoint| endpoint.outdated.is_none()) {
        Some(found) if wanted.is_met_by(found) => lines.push(format!("{} at {url} is up to date", found.id)),
        Some(found) => {
            found.enable(stripe, now, &wanted.events).await?;
            lines.push(format!("{} at {url} is now enabled for {} event types", found.id, wanted.events.len()));
        }
        None => {
            let made = make(run, wanted, here, &unknown).await?;
            if let Some(signing) = &made.signing {
                secret.add(wanted, &made, signing).await?;
                lines.push(format!("created {} at {url}; its signing secret is stored in {}", made.id, wanted.list));
            } else {
                lines.push(unstored(&made.id));
            }
            unknown.retain(|endpoint| endpoint.id != made.id);
        }
    }
    for lost in unknown.iter().filter(|endpoint| endpoint.is_enabled) {
        if lost.is_young(now) {
            lines.push(unstored(&lost.id));
        } else {
            lost.disable(stripe, now).await?;
            lines.push(format!("{} at {url} was disabled because its signing secret was lost", lost.id));
        }
    }
    for old in known.iter().filter(|endpoint| endpoint.is_enabled) {
        if let Some(outdated) = &old.outdated {
            lines.push(format!(
                "{} at {url} also sends events, with {outdated}: delete it at Stripe once it has no pending deliveries",
                old.id
            ));
        }
    }
    Ok(lines)
}

/// Creates an endpoint once, however many runs do so. The key derives from the endpoints that existed before, without enabled
/// ones whose secrets nobody has stored yet. The run that created one of those used the same key, so Stripe returns it again.
///
/// v2 returns it without its secret, which only the run that created it has. So once it has had the time to store it, the key changes.
async fn make(run: &Run<'_>, wanted: &Wanted, here: &[&Endpoint], unknown: &[&Endpoint]) -> Result<Endpoint, Failure> {
    let new = New::of(wanted.payload, &wanted.url, &wanted.events);
    let may_return_secret = |endpoint: &Endpoint| match wanted.payload {
        Payload::Snapshots { .. } => true,
        Payload::Thin => endpoint.is_young(run.now),
    };
    let is_unstored = |endpoint: &Endpoint| endpoint.is_enabled && unknown.iter().any(|other| other.id == endpoint.id);
    let settled = here.iter().filter(|endpoint| !(is_unstored(endpoint) && may_return_secret(endpoint)));
    let mut before: Vec<&str> = settled.map(|endpoint| endpoint.id.as_str()).collect();
    before.sort_unstable();
    for attempt in 1..=TRIES {
        let key = format!("webhook-endpoint-{}", digest(&format!("{} {before:?} {attempt}", new.body)));
        let made = new.send(run.stripe, &key).await?;
        // Otherwise it is an earlier run's response, whose endpoint was deleted since.
        if made.exists(run.stripe).await? {
            return Ok(made);
        }
    }
    Err("Stripe keeps returning endpoints that were deleted; try again tomorrow".into())
}
