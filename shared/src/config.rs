//! Settings, from the environment.

use std::fmt;
use std::time::Duration;

use crate::money::{FeePercent, PerCurrency};
use crate::purchase::ChargeType;

/// Stripe's API version: that of async-stripe's request types.
pub const STRIPE_API_VERSION: &str = "2026-09-30.endive";

/// What a function is told by its environment. `template.yaml` sets all of it; each has a default that is safe.
#[derive(Clone, Debug)]
pub struct Config {
    /// `TABLE_NAME`
    pub table_name: String,
    /// `STRIPE_SECRET_ARN`: where Stripe's keys are.
    pub stripe_secret_arn: String,
    /// `TOKEN_KEYS_SECRET_ARN`: where the keys are that seal sellers' tokens.
    pub token_keys_secret_arn: String,
    /// `STRIPE_PUBLISHABLE_KEY`: what frontends may know.
    pub publishable_key: String,
    /// `STRIPE_CLIENT_ID`, `ca_…`: who the platform is where sellers grant it access. It is public.
    pub client_id: String,
    /// `STRIPE_API_BASE`, without a slash at the end.
    pub stripe_api_base: String,
    /// `STRIPE_CONNECT_BASE`, without a slash at the end.
    pub stripe_connect_base: String,
    /// `ALLOWED_ORIGINS`: which sites may change things with a cookie.
    pub allowed_origins: Vec<String>,
    /// `PUBLIC_API_URL`, without a slash at the end.
    pub public_api_url: String,
    /// `STOREFRONT_URL`, without a slash at the end.
    pub storefront_url: String,
    /// `CHARGE_TYPE`: `destination`, `direct` or `separate`.
    pub charge_type: ChargeType,
    /// `PLATFORM_COUNTRY`: where the platform's own Stripe account is, upper-case ISO 3166.
    pub platform_country: String,
    /// `DISPUTED_ACCESS`: whether a course may be read (`keep`) or not (`suspend`) while a bank decides about its payment.
    pub disputed_access: bool,
    /// `LOST_DISPUTES`: whether a lost dispute takes the seller's part back (`seller`), or the platform bears it
    /// (`platform`). Of a direct charge the seller bears it in any case.
    pub take_back_lost_disputes: bool,
    /// `MEMBERSHIP_GRACE_DAYS`: for how long a member reads on while a renewal waits to be paid.
    pub membership_grace: time::Duration,
    /// `ORPHAN_POLICY`: what the reconciliation does with a payment that no purchase is known to have made.
    pub orphan_policy: OrphanPolicy,
    /// `OAUTH_SCOPE`: `read_write` or `read_only`.
    pub oauth_scope: String,
    /// `DEFAULT_FEE_PERCENT`: the platform's part where a course names none.
    pub default_fee_percent: FeePercent,
    /// `MAIL_FROM`: the address that mails are sent from; SES has verified it.
    pub mail_from: String,
    /// `FEE_FIXED`: added to the percentage of each sale, by currency: `usd:30,eur:25`.
    pub fee_fixed: PerCurrency,
    /// `FEE_MINIMUM`: the least that the platform keeps of a sale, by currency.
    pub fee_minimum: PerCurrency,
    /// `ORIGIN_SECRET`: what CloudFront shows to the API, see [`OriginSecret`].
    pub origin_secret: OriginSecret,
    /// `STRIPE_TIMEOUT_MS`: how long one request to Stripe may take.
    pub stripe_timeout: Duration,
}

/// Whether a text has the form of a country's code in ISO 3166-1, as Stripe takes it. Which countries there are accounts
/// in, Stripe knows.
#[must_use]
pub fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// What our CloudFront, and nobody else, sends along with a request. It is never printed.
#[derive(Clone, Default)]
pub struct OriginSecret(String);

impl OriginSecret {
    /// Whether a request that showed this came through our CloudFront; never where there is none.
    #[must_use]
    pub fn is(&self, shown: &[u8]) -> bool {
        let digest = |text: &[u8]| ring::digest::digest(&ring::digest::SHA256, text);
        // Digests, so that the time of comparing says nothing about the secret.
        !self.0.is_empty() && digest(self.0.as_bytes()).as_ref() == digest(shown).as_ref()
    }
}

impl fmt::Debug for OriginSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OriginSecret")
    }
}

/// What becomes of a payment at Stripe without a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrphanPolicy {
    /// It is put on record where its buyer and course exist, and given back otherwise.
    Record,
    /// It is given back.
    Refund,
    /// It is reported, and somebody decides.
    Report,
}

/// A variable has a value that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {name} must be {expected}")]
pub struct ConfigError {
    name: &'static str,
    expected: &'static str,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Where a variable has a value that cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads from any lookup of names.
    ///
    /// # Errors
    /// Where a variable has a value that cannot be used.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = |name: &str, default: &str| lookup(name).filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned());
        let address = |name: &str, default: &str| text(name, default).trim_end_matches('/').to_owned();
        let charge_type = match text("CHARGE_TYPE", "destination").as_str() {
            "destination" => ChargeType::Destination,
            "direct" => ChargeType::Direct,
            "separate" => ChargeType::Separate,
            _ => return Err(ConfigError { name: "CHARGE_TYPE", expected: "destination, direct or separate" }),
        };
        let either = |name: &'static str, yes: &str, no: &str, expected: &'static str| match text(name, yes) {
            value if value == yes => Ok(true),
            value if value == no => Ok(false),
            _ => Err(ConfigError { name, expected }),
        };
        let orphan_policy = match text("ORPHAN_POLICY", "record").as_str() {
            "record" => OrphanPolicy::Record,
            "refund" => OrphanPolicy::Refund,
            "report" => OrphanPolicy::Report,
            _ => return Err(ConfigError { name: "ORPHAN_POLICY", expected: "record, refund or report" }),
        };
        let platform_country = text("PLATFORM_COUNTRY", "US");
        if !is_country(&platform_country) {
            return Err(ConfigError { name: "PLATFORM_COUNTRY", expected: "two upper-case letters, such as US" });
        }
        let oauth_scope = text("OAUTH_SCOPE", "read_write");
        if !matches!(oauth_scope.as_str(), "read_write" | "read_only") {
            return Err(ConfigError { name: "OAUTH_SCOPE", expected: "read_write or read_only" });
        }
        let default_fee_percent = text("DEFAULT_FEE_PERCENT", "50")
            .parse()
            .ok()
            .and_then(|percent: i64| FeePercent::try_from(percent).ok())
            .ok_or(ConfigError { name: "DEFAULT_FEE_PERCENT", expected: "a whole number from 0 to 99" })?;
        let membership_grace = text("MEMBERSHIP_GRACE_DAYS", "7")
            .parse()
            .ok()
            .filter(|days| (1..=60).contains(days))
            .map(time::Duration::days)
            .ok_or(ConfigError { name: "MEMBERSHIP_GRACE_DAYS", expected: "a whole number from 1 to 60" })?;
        let per_currency = |name: &'static str| {
            text(name, "").parse().map_err(|()| ConfigError { name, expected: "amounts by currency, such as usd:30,eur:25" })
        };
        let stripe_timeout = text("STRIPE_TIMEOUT_MS", "10000")
            .parse()
            .map(Duration::from_millis)
            .map_err(|_| ConfigError { name: "STRIPE_TIMEOUT_MS", expected: "a number of milliseconds" })?;
        Ok(Self {
            table_name: text("TABLE_NAME", "lambda-stripe-connect"),
            stripe_secret_arn: text("STRIPE_SECRET_ARN", ""),
            token_keys_secret_arn: text("TOKEN_KEYS_SECRET_ARN", ""),
            publishable_key: text("STRIPE_PUBLISHABLE_KEY", ""),
            client_id: text("STRIPE_CLIENT_ID", ""),
            stripe_api_base: address("STRIPE_API_BASE", "https://api.stripe.com"),
            stripe_connect_base: address("STRIPE_CONNECT_BASE", "https://connect.stripe.com"),
            allowed_origins: text("ALLOWED_ORIGINS", "")
                .split(',')
                .map(|origin| origin.trim().trim_end_matches('/').to_owned())
                .filter(|origin| !origin.is_empty())
                .collect(),
            public_api_url: address("PUBLIC_API_URL", "http://localhost:9000"),
            storefront_url: address("STOREFRONT_URL", "http://localhost:3000"),
            charge_type,
            platform_country,
            disputed_access: either("DISPUTED_ACCESS", "keep", "suspend", "keep or suspend")?,
            take_back_lost_disputes: either("LOST_DISPUTES", "seller", "platform", "seller or platform")?,
            membership_grace,
            orphan_policy,
            oauth_scope,
            default_fee_percent,
            fee_fixed: per_currency("FEE_FIXED")?,
            fee_minimum: per_currency("FEE_MINIMUM")?,
            mail_from: text("MAIL_FROM", ""),
            origin_secret: OriginSecret(text("ORIGIN_SECRET", "")),
            stripe_timeout,
        })
    }

    /// Where Stripe sends the browser back to. Registered at Stripe, to the letter.
    #[must_use]
    pub fn callback_url(&self) -> String {
        format!("{}/users/oauth/callback", self.public_api_url)
    }

    /// Whether cookies travel over TLS only: everywhere but on a laptop.
    #[must_use]
    pub fn secure_cookies(&self) -> bool {
        self.public_api_url.starts_with("https://")
    }

    /// Whether the platform works with Stripe's live mode, going by its publishable key.
    #[must_use]
    pub fn livemode(&self) -> bool {
        self.publishable_key.starts_with("pk_live_")
    }
}
