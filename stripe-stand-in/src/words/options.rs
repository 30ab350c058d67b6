//! The options of the stand-in.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::words::limits::Limits;

/// The API version of events: the one to which the project's Stripe crates are pinned.
pub(crate) const API_VERSION: &str = "2026-09-30.endive";

/// How to run the stand-in.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port on 127.0.0.1; 0 for any free one.
    pub port: u16,
    /// Where to store state between runs; `None` stores nothing.
    pub state_file: Option<PathBuf>,
    /// The platform's secret key.
    pub secret_key: String,
    /// The platform's publishable key.
    pub publishable_key: String,
    /// The platform's OAuth client id.
    pub client_id: String,
    /// The registered redirect URIs of OAuth, matched exactly. If empty, any URL on this machine is accepted.
    pub redirect_uris: Vec<String>,
    /// Where events are sent.
    pub webhooks: Vec<WebhookEndpoint>,
    /// The platform's country, which decides its settlement currency.
    pub country: String,
    /// Lets every account settle in every currency, as if it had a bank account for each, so that nothing is converted.
    pub every_currency: bool,
    /// How many seconds after confirmation a charge's balance transaction is created,
    /// with its transfer and application fee, if its capture is asynchronous.
    pub capture_delay: i64,
    /// How many seconds the bank takes at least to answer a SEPA or ACH debit.
    pub debit_delay: i64,
    /// Lets `POST /v1/accounts` create accounts, as for older platforms or
    /// those that enabled it. On by default, but off for new platforms.
    pub accounts_v1: bool,
    /// Lets the platform use `/v2/core/accounts`. On by default, but off for older platforms that did not ask for it.
    pub accounts_v2: bool,
    /// Refuses cross-border transfers that Stripe would refuse. Off by default.
    pub borders: bool,
    /// Rate limits; none by default.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            state_file: None,
            secret_key: "sk_test_local".to_owned(),
            publishable_key: "pk_test_local".to_owned(),
            client_id: "ca_local".to_owned(),
            redirect_uris: Vec::new(),
            webhooks: Vec::new(),
            country: "US".to_owned(),
            every_currency: false,
            capture_delay: 0,
            debit_delay: 0,
            accounts_v1: true,
            accounts_v2: true,
            borders: false,
            limits: Limits::default(),
        }
    }
}

/// An endpoint that receives events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookEndpoint {
    /// Where to POST.
    pub url: String,
    /// The signing secret (`whsec_…`).
    pub secret: String,
    /// Whether it receives connected accounts' events instead of the platform's own.
    #[serde(default)]
    pub connect: bool,
    /// Whether it receives thin events, of all accounts, and no others.
    #[serde(default)]
    pub thin: bool,
}

impl WebhookEndpoint {
    /// Whether its secret is not blank. Anybody could sign with a blank one, so Stripe's SDKs refuse it too.
    pub(crate) fn has_secret(&self) -> bool {
        !self.secret.trim().is_empty()
    }
}
