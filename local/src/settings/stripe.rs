//! The Stripe stand-in, or Stripe's test mode with real keys.

use std::collections::HashMap;
use std::fmt;

/// Which Stripe the functions use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stripe {
    /// The stand-in on this machine.
    StandIn,
    /// Stripe's own servers, in test mode.
    TestMode(TestMode),
}

/// The keys of a Stripe account's test mode.
#[derive(Clone, PartialEq, Eq)]
pub struct TestMode {
    /// `STRIPE_SECRET_KEY`: `sk_test_…`
    pub secret_key: String,
    /// `STRIPE_PUBLISHABLE_KEY`: `pk_test_…`
    pub publishable_key: String,
    /// `STRIPE_CLIENT_ID`: `ca_…`
    pub client_id: String,
    /// `STRIPE_WEBHOOK_SECRET`: `whsec_…`, as `stripe listen` prints it.
    pub webhook_secret: Option<String>,
    /// `STRIPE_CONNECT_WEBHOOK_SECRET`. Defaults to the other secret, which is what `stripe listen` uses.
    pub connect_webhook_secret: Option<String>,
}

impl fmt::Debug for TestMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TestMode")
    }
}

/// The key that the stand-in accepts.
pub(crate) const STAND_IN_KEY: &str = "sk_test_local";

impl Stripe {
    pub(super) fn from_values(values: &HashMap<String, String>) -> Result<Stripe, String> {
        let get = |name: &str| values.get(name).map(|value| value.trim().to_owned());
        if get("STRIPE_PUBLISHABLE_KEY").is_some_and(|key| key.starts_with("pk_live_")) {
            return Err("STRIPE_PUBLISHABLE_KEY is a live key. The local stack works with the stand-in or with test mode only.".to_owned());
        }
        let Some(secret_key) = get("STRIPE_SECRET_KEY").filter(|key| key != STAND_IN_KEY) else {
            return Ok(Stripe::StandIn);
        };
        if !secret_key.starts_with("sk_test_") && !secret_key.starts_with("rk_test_") {
            // The value is a secret: the message reveals at most its type.
            let live = secret_key.starts_with("sk_live_") || secret_key.starts_with("rk_live_");
            return Err(match live {
                true => "STRIPE_SECRET_KEY is a live key. The local stack works with the stand-in or with test mode (sk_test_…) only."
                    .to_owned(),
                false => "STRIPE_SECRET_KEY must be a test mode key (sk_test_…), or not be set.".to_owned(),
            });
        }
        let needed = |name: &str, prefix: &str| {
            get(name)
                .filter(|value| value.starts_with(prefix))
                .ok_or_else(|| format!("STRIPE_SECRET_KEY is set, so Stripe's test mode is used: {name} must be set too ({prefix}…)"))
        };
        let webhook_secret = get("STRIPE_WEBHOOK_SECRET");
        Ok(Stripe::TestMode(TestMode {
            secret_key,
            publishable_key: needed("STRIPE_PUBLISHABLE_KEY", "pk_test_")?,
            client_id: needed("STRIPE_CLIENT_ID", "ca_")?,
            connect_webhook_secret: get("STRIPE_CONNECT_WEBHOOK_SECRET").or_else(|| webhook_secret.clone()),
            webhook_secret,
        }))
    }
}
