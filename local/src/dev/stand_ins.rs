//! The servers in this process: DynamoDB, Stripe, AWS, the storefront.

use std::collections::HashMap;
use std::io;

use serde_json::json;

use crate::aws::{self, AwsStandIn, Mailbox};
use crate::dynamo::{self, Dynamo};
use crate::settings::{STAND_IN_KEY, Settings, Stripe};
use crate::web::{self, Web};
use stripe_stand_in::{self as stripe, StandIn, WebhookEndpoint};

const WEBHOOK_SECRET: &str = "whsec_local";
const CONNECT_WEBHOOK_SECRET: &str = "whsec_local_connect";

/// The running servers.
pub(super) struct StandIns {
    dynamo: Dynamo,
    stripe: Option<StandIn>,
    aws: AwsStandIn,
    web: Web,
}

/// Starts all of them. With Stripe's test mode, the Stripe stand-in is left out.
pub(super) async fn start(settings: &Settings) -> Result<StandIns, String> {
    let ports = settings.ports();
    // Customers and accounts of one are unknown to the other.
    let table = match settings.stripe() {
        Stripe::StandIn => "dynamodb.sqlite",
        Stripe::TestMode(_) => "dynamodb-test-mode.sqlite",
    };
    let dynamo = dynamo::start(ports.dynamodb, Some(&settings.state(table))).await.map_err(failed("DynamoDB"))?;
    let stripe = match settings.stripe() {
        Stripe::StandIn => Some(stripe::start(options(settings)).await.map_err(failed("the Stripe stand-in"))?),
        Stripe::TestMode(_) => None,
    };
    let secrets = secrets(settings).map_err(failed("the local secrets"))?;
    let aws = aws::start(ports.aws, secrets).await.map_err(failed("the AWS stand-in"))?;
    let api = format!("http://localhost:{}", ports.api);
    let stand_in = stripe.is_some().then(|| format!("http://localhost:{}", ports.stripe));
    let folder = settings.root().join("web");
    let embeds = settings.functions().remove("EMBED_HOSTS").unwrap_or_default();
    let web = web::start(ports.storefront, &folder, &api, stand_in.as_deref(), &embeds).await.map_err(failed("the storefront"))?;
    Ok(StandIns { dynamo, stripe, aws, web })
}

impl StandIns {
    /// The running DynamoDB.
    pub(super) fn dynamo(&self) -> &Dynamo {
        &self.dynamo
    }

    /// The mails that SES accepted.
    pub(super) fn mailbox(&self) -> &Mailbox {
        self.aws.mailbox()
    }

    /// Stops all of them, the database last.
    pub(super) async fn shutdown(self) {
        self.web.shutdown().await;
        self.aws.shutdown().await;
        if let Some(stripe) = self.stripe {
            stripe.shutdown().await;
        }
        self.dynamo.shutdown().await;
    }
}

fn failed(what: &str) -> impl Fn(io::Error) -> String {
    move |error| format!("{what}: {error}")
}

fn options(settings: &Settings) -> stripe::Options {
    let functions = settings.functions();
    let variable = |name: &str| functions.get(name).cloned().unwrap_or_default();
    let public_api = variable("PUBLIC_API_URL");
    let public_api = public_api.trim_end_matches('/');
    let api = format!("http://localhost:{}", settings.ports().api);
    let webhook = |path: &str, secret: &str, connect| WebhookEndpoint {
        url: format!("{api}{path}"),
        secret: secret.to_owned(),
        connect,
        thin: false,
    };
    let connect = webhook("/webhooks/stripe/connect", CONNECT_WEBHOOK_SECRET, true);
    stripe::Options {
        port: settings.ports().stripe,
        state_file: Some(settings.state("stripe.json")),
        secret_key: STAND_IN_KEY.to_owned(),
        publishable_key: variable("STRIPE_PUBLISHABLE_KEY"),
        client_id: variable("STRIPE_CLIENT_ID"),
        redirect_uris: vec![format!("{public_api}/users/oauth/callback")],
        webhooks: vec![webhook("/webhooks/stripe", WEBHOOK_SECRET, false), WebhookEndpoint { thin: true, ..connect.clone() }, connect],
        country: variable("PLATFORM_COUNTRY"),
        ..stripe::Options::default()
    }
}

/// Secrets Manager's values, by the names that the functions use.
fn secrets(settings: &Settings) -> io::Result<HashMap<String, String>> {
    let stripe = match settings.stripe() {
        Stripe::StandIn => json!({
            "secret_key": STAND_IN_KEY,
            "webhook_secrets": [WEBHOOK_SECRET],
            "connect_webhook_secrets": [CONNECT_WEBHOOK_SECRET]
        }),
        Stripe::TestMode(keys) => json!({
            "secret_key": keys.secret_key,
            "webhook_secrets": Vec::from_iter(&keys.webhook_secret),
            "connect_webhook_secrets": Vec::from_iter(&keys.connect_webhook_secret)
        }),
    };
    let functions = settings.functions();
    let name = |variable: &str| functions.get(variable).cloned().unwrap_or_default();
    Ok(HashMap::from([(name("STRIPE_SECRET_ARN"), stripe.to_string()), (name("TOKEN_KEYS_SECRET_ARN"), token_keys(settings)?)]))
}

/// The key that seals sellers' tokens. It is created at the first start and kept with the table that stores the tokens.
fn token_keys(settings: &Settings) -> io::Result<String> {
    use base64::Engine as _;

    let file = settings.state("token-keys.json");
    if file.exists() {
        return std::fs::read_to_string(file);
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let keys = json!({"current": "k1", "keys": {"k1": base64::engine::general_purpose::STANDARD.encode(key)}}).to_string();
    std::fs::write(file, &keys)?;
    Ok(keys)
}
