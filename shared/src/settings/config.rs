//! Settings from the environment.

use std::fmt;
use std::time::Duration;

use crate::domain::charging::{ChargeType, PlatformTerms};
use crate::domain::error::Error;
use crate::domain::money::{Currency, FeePercent, PerCurrency};
use crate::domain::user::{AccountsApi, TermsOfUse, User};

/// Stripe's API version, the one of async-stripe's request types.
pub const STRIPE_API_VERSION: &str = "2026-09-30.endive";

/// A metadata value at Stripe has at most 500 characters.
const STACK_ID_MAX: usize = 200;

/// The longest version of the terms of use.
const TERMS_VERSION_MAX: usize = 50;

/// The settings of a function. `template.yaml` sets all of them; each has a safe default.
#[derive(Clone, Debug)]
pub struct Config {
    /// `TABLE_NAME`
    pub table_name: String,
    /// `CREDENTIALS_TABLE_NAME`: the table of password hashes, which only `accounts` may use.
    pub credentials_table: String,
    /// `STACK_ID`: the permanent id of this deployment. Every object that it creates at Stripe carries the id, and it ignores objects with
    /// another id, because several deployments may share one Stripe account.
    pub stack_id: String,
    /// `STRIPE_SECRET_ARN`: the secret with Stripe's keys.
    pub stripe_secret_arn: String,
    /// `TOKEN_KEYS_SECRET_ARN`: the secret with the keys that seal sellers' tokens.
    pub token_keys_secret_arn: String,
    /// `STRIPE_PUBLISHABLE_KEY`: the key that frontends may know.
    pub publishable_key: String,
    /// `STRIPE_CLIENT_ID`, `ca_…`: the platform's id when sellers grant it access. It is public.
    pub client_id: String,
    /// `STRIPE_API_BASE`, without a slash at the end.
    pub stripe_api_base: String,
    /// `STRIPE_CONNECT_BASE`, without a slash at the end.
    pub stripe_connect_base: String,
    /// `ALLOWED_ORIGINS`: the sites that may make changes with a cookie.
    pub allowed_origins: Vec<String>,
    /// `PUBLIC_API_URL`, without a slash at the end.
    pub public_api_url: String,
    /// `STOREFRONT_URL`, without a slash at the end.
    pub storefront_url: String,
    /// `CHARGE_TYPE` (`auto`, `destination`, `direct` or `separate`), `FEE_FIXED` and `FEE_MINIMUM` (by currency: `usd:30,eur:25`).
    pub terms: PlatformTerms,
    /// `PLATFORM_COUNTRY`: the country of the platform's Stripe account, upper-case ISO 3166.
    pub platform_country: String,
    /// `DISPUTED_ACCESS`: whether a course stays readable (`keep`) or not (`suspend`) while a bank decides about its payment.
    pub disputed_access: bool,
    /// `LOST_DISPUTES`: whether the seller's part of a lost dispute is reversed (`seller`) or the platform bears the
    /// loss (`platform`). For a direct charge the seller always bears it.
    pub take_back_lost_disputes: bool,
    /// `FRAUD_WARNINGS`: whether an early fraud warning only tells staff (`tell`), or also refunds the purchase (`refund`).
    pub refund_fraud_warnings: bool,
    /// `MEMBERSHIP_GRACE_DAYS`: how long a member keeps access while a renewal is unpaid.
    pub membership_grace: time::Duration,
    /// `ORPHAN_POLICY`: what the reconciliation does with a payment that matches no purchase.
    pub orphan_policy: OrphanPolicy,
    /// `ACCOUNTS_API`: the API that makes sellers' accounts, `v1` or `v2`. `None`, which is `auto`, is v2 and,
    /// if Stripe refuses that to the platform, v1.
    pub accounts_api: Option<AccountsApi>,
    /// `OAUTH_SCOPE`: `read_write` or `read_only`.
    pub oauth_scope: String,
    /// `DEFAULT_FEE_PERCENT`: the platform's fee for courses that set none.
    pub default_fee_percent: FeePercent,
    /// `MAIL_FROM`: the sender address of mails. It must be verified in SES.
    pub mail_from: String,
    /// `MAIL_CONFIGURATION_SET`: SES's configuration set for mails, which reports bounces and complaints. If empty, the sender's default, if it has one.
    pub mail_configuration_set: Option<String>,
    /// `TERMS_OF_USE_URL` and `TERMS_OF_USE_VERSION`: the terms that users accept; `None` if there are none.
    pub terms_of_use: Option<TermsOfUse>,
    /// `REFUND_POLICY_URL`: where buyers can read the refund policy; `None` if there is none to read.
    pub refund_policy_url: Option<String>,
    /// `EMBED_HOSTS`: the hosts whose videos lessons may embed.
    pub embed_hosts: Vec<String>,
    /// `STAFF_EMAIL`: the address for mails to the platform's staff. If empty, none are sent.
    pub staff_email: String,
    /// `STAFF_SECOND_FACTOR`: whether staff need a second factor (`required`) or may have one (`optional`).
    pub staff_second_factor: bool,
    /// `REFUND_*`: how much sellers may refund on their own.
    pub refund_caps: RefundCaps,
    /// `ORIGIN_SECRET`: what CloudFront sends to the API, see [`OriginSecret`].
    pub origin_secret: OriginSecret,
    /// `CLOUDFRONT_ONLY`: whether requests that did not come through CloudFront are refused (`true`), because a firewall in front of it does not see them.
    pub only_through_cloudfront: bool,
    /// `ADDRESS_LIMITS`: a factor for the limits per address, per card and on all declines. 1, unless all clients share one
    /// address, or all use test cards.
    pub address_limits: i64,
    /// `CHALLENGE_URL`, `CHALLENGE_SITE_KEY` and, where answers are checked,
    /// `CHALLENGE_SECRET`: the challenge that proves a human; `None` if it is off.
    pub challenge: Option<Challenge>,
    /// `STRIPE_TIMEOUT_MS`: the time limit for one request to Stripe.
    pub stripe_timeout: Duration,
}

/// Cloudflare Turnstile or hCaptcha. The browser shows it with the site key, and the answer is checked with the secret.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// The URL that checks answers.
    pub url: String,
    /// The key that browsers show it with. It is public.
    pub site_key: String,
    /// The secret that answers are checked with.
    pub secret: ChallengeSecret,
}

/// The challenge's secret. It is never printed.
#[derive(Clone)]
pub struct ChallengeSecret(String);

impl ChallengeSecret {
    /// Only for the challenge's provider.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ChallengeSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ChallengeSecret")
    }
}

fn is_url(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://")) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn terms_of_use(url: String, version: String) -> Result<Option<TermsOfUse>, ConfigError> {
    if url.is_empty() && version.is_empty() {
        return Ok(None);
    }
    if !is_url(&url) {
        return Err(ConfigError { name: "TERMS_OF_USE_URL", expected: "a URL, set together with TERMS_OF_USE_VERSION" });
    }
    if version.is_empty()
        || version.len() > TERMS_VERSION_MAX
        || !version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        return Err(ConfigError { name: "TERMS_OF_USE_VERSION", expected: "at most 50 letters, digits, dots, hyphens and underscores" });
    }
    Ok(Some(TermsOfUse { url, version }))
}

/// URL and site key must be set together. Without a secret no answer can be checked, so nobody passes.
fn challenge(url: String, site_key: String, secret: String) -> Result<Option<Challenge>, ConfigError> {
    match (url.is_empty(), site_key.is_empty()) {
        (true, true) => Ok(None),
        (false, false) => Ok(Some(Challenge { url, site_key, secret: ChallengeSecret(secret) })),
        _ => Err(ConfigError { name: "CHALLENGE_URL", expected: "set together with CHALLENGE_SITE_KEY, or not at all" }),
    }
}

/// The default name of the credentials table that belongs to a table.
#[must_use]
pub fn credentials_beside(table: &str) -> String {
    format!("{table}-credentials")
}

/// How much sellers may refund on their own. Staff may refund more, but never more than the purchase's amount.
#[derive(Clone, Debug)]
pub struct RefundCaps {
    /// `REFUND_MINIMUM`: the smallest partial refund, by currency. Defaults to the smallest amount that Stripe charges.
    pub minimum: PerCurrency,
    /// `REFUNDS_PER_PURCHASE`: the maximum number of refunds per purchase.
    pub per_purchase: usize,
    /// `REFUNDS_PER_DAY`: how many refunds a seller may make in a day (UTC), whatever was sold.
    pub per_day: i64,
    /// `REFUND_AMOUNT_PER_DAY`: the daily amount, by currency. Defaults to ten thousand times the smallest amount that Stripe charges.
    pub amount_per_day: PerCurrency,
    /// `REFUND_PERCENT_PER_DAY`: the part of their sales, by number and by amount, that sellers may refund in a day if that is more.
    pub percent_of_sold: i64,
}

impl RefundCaps {
    /// The smallest partial refund, in the minor unit.
    #[must_use]
    pub fn least(&self, currency: Currency) -> i64 {
        Some(self.minimum.of(currency)).filter(|least| *least > 0).unwrap_or_else(|| currency.minimum())
    }

    /// What a seller may refund in a day, however little was sold, in the minor unit.
    #[must_use]
    pub fn daily(&self, currency: Currency) -> i64 {
        Some(self.amount_per_day.of(currency)).filter(|most| *most > 0).unwrap_or_else(|| 10_000 * currency.minimum())
    }
}

/// Whether a text has the form of an ISO 3166-1 country code as Stripe
/// accepts it. Only Stripe knows in which countries it offers accounts.
#[must_use]
pub fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// A secret that only our CloudFront distribution sends with requests. It is never printed.
#[derive(Clone, Default)]
pub struct OriginSecret(String);

impl OriginSecret {
    /// Whether a request with this secret came through our CloudFront. Always false if no secret is set.
    #[must_use]
    pub fn is(&self, shown: &[u8]) -> bool {
        let digest = |text: &[u8]| ring::digest::digest(&ring::digest::SHA256, text);
        // Comparing digests keeps the comparison time independent of the secret.
        !self.0.is_empty() && digest(self.0.as_bytes()).as_ref() == digest(shown).as_ref()
    }
}

impl fmt::Debug for OriginSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OriginSecret")
    }
}

/// What happens to a payment at Stripe without a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrphanPolicy {
    /// It becomes a purchase if its buyer and course exist, and is refunded otherwise.
    Record,
    /// It is refunded.
    Refund,
    /// It is reported, and a person decides.
    Report,
}

/// An environment variable has an invalid value.
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
    /// If a variable has a value that cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads the settings from a lookup by name.
    ///
    /// # Errors
    /// If a variable has a value that cannot be used.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = |name: &str, default: &str| lookup(name).filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned());
        let address = |name: &str, default: &str| text(name, default).trim_end_matches('/').to_owned();
        let charge_type = match text("CHARGE_TYPE", "auto").as_str() {
            "auto" => None,
            "destination" => Some(ChargeType::Destination),
            "direct" => Some(ChargeType::Direct),
            "separate" => Some(ChargeType::Separate),
            _ => return Err(ConfigError { name: "CHARGE_TYPE", expected: "auto, destination, direct or separate" }),
        };
        let either = |name: &'static str, yes: &str, no: &str, expected: &'static str| match text(name, yes) {
            value if value == yes => Ok(true),
            value if value == no => Ok(false),
            _ => Err(ConfigError { name, expected }),
        };
        let orphan_policy = match text("ORPHAN_POLICY", "report").as_str() {
            "record" => OrphanPolicy::Record,
            "refund" => OrphanPolicy::Refund,
            "report" => OrphanPolicy::Report,
            _ => return Err(ConfigError { name: "ORPHAN_POLICY", expected: "record, refund or report" }),
        };
        let refund_policy_url = Some(text("REFUND_POLICY_URL", "")).filter(|url| !url.is_empty());
        if refund_policy_url.as_deref().is_some_and(|url| !is_url(url)) {
            return Err(ConfigError { name: "REFUND_POLICY_URL", expected: "a URL" });
        }
        let embed_hosts: Vec<_> = text("EMBED_HOSTS", "").split(',').filter(|host| !host.is_empty()).map(str::to_owned).collect();
        let in_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        if !embed_hosts.iter().all(|host| host.bytes().all(in_host)) {
            return Err(ConfigError { name: "EMBED_HOSTS", expected: "host names, such as www.youtube-nocookie.com,player.vimeo.com" });
        }
        let stack_id = text("STACK_ID", "local");
        if stack_id.len() > STACK_ID_MAX || !stack_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            return Err(ConfigError { name: "STACK_ID", expected: "at most 200 letters, digits, dots, hyphens and underscores" });
        }
        let platform_country = text("PLATFORM_COUNTRY", "US");
        if !is_country(&platform_country) {
            return Err(ConfigError { name: "PLATFORM_COUNTRY", expected: "two upper-case letters, such as US" });
        }
        let accounts_api = match text("ACCOUNTS_API", "auto").as_str() {
            "auto" => None,
            "v1" => Some(AccountsApi::V1),
            "v2" => Some(AccountsApi::V2),
            _ => return Err(ConfigError { name: "ACCOUNTS_API", expected: "auto, v1 or v2" }),
        };
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
        let per_currency = |name: &'static str| -> Result<PerCurrency, ConfigError> {
            text(name, "").parse().map_err(|()| ConfigError { name, expected: "amounts by currency, such as usd:30,eur:25" })
        };
        let whole = |name: &'static str, default: &str, most: i64, expected: &'static str| {
            let number: Option<i64> = text(name, default).parse().ok();
            number.filter(|number| (0..=most).contains(number)).ok_or(ConfigError { name, expected })
        };
        let refund_caps = RefundCaps {
            minimum: per_currency("REFUND_MINIMUM")?,
            per_purchase: usize::try_from(whole("REFUNDS_PER_PURCHASE", "10", 30, "a whole number from 0 to 30")?).unwrap_or(0),
            per_day: whole("REFUNDS_PER_DAY", "100", 1_000_000, "a whole number up to 1000000")?,
            amount_per_day: per_currency("REFUND_AMOUNT_PER_DAY")?,
            percent_of_sold: whole("REFUND_PERCENT_PER_DAY", "25", 100, "a whole number from 0 to 100")?,
        };
        let stripe_timeout = text("STRIPE_TIMEOUT_MS", "10000")
            .parse()
            .map(Duration::from_millis)
            .map_err(|_| ConfigError { name: "STRIPE_TIMEOUT_MS", expected: "a number of milliseconds" })?;
        let fee_minimum = text("FEE_MINIMUM", "")
            .parse()
            .map_err(|()| ConfigError { name: "FEE_MINIMUM", expected: "amounts by currency, such as usd:30,eur:25, or none" })?;
        Ok(Self {
            table_name: text("TABLE_NAME", "lambda-stripe-connect"),
            credentials_table: text("CREDENTIALS_TABLE_NAME", &credentials_beside(&text("TABLE_NAME", "lambda-stripe-connect"))),
            stack_id,
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
            terms: PlatformTerms { country: platform_country.clone(), charge_type, fee_fixed: per_currency("FEE_FIXED")?, fee_minimum },
            platform_country,
            disputed_access: either("DISPUTED_ACCESS", "keep", "suspend", "keep or suspend")?,
            take_back_lost_disputes: either("LOST_DISPUTES", "seller", "platform", "seller or platform")?,
            refund_fraud_warnings: !either("FRAUD_WARNINGS", "tell", "refund", "tell or refund")?,
            membership_grace,
            orphan_policy,
            accounts_api,
            oauth_scope,
            default_fee_percent,
            mail_from: text("MAIL_FROM", ""),
            mail_configuration_set: Some(text("MAIL_CONFIGURATION_SET", "")).filter(|name| !name.is_empty()),
            terms_of_use: terms_of_use(text("TERMS_OF_USE_URL", ""), text("TERMS_OF_USE_VERSION", ""))?,
            refund_policy_url,
            embed_hosts,
            staff_email: text("STAFF_EMAIL", ""),
            staff_second_factor: either("STAFF_SECOND_FACTOR", "required", "optional", "required or optional")?,
            refund_caps,
            origin_secret: OriginSecret(text("ORIGIN_SECRET", "")),
            only_through_cloudfront: !either("CLOUDFRONT_ONLY", "false", "true", "true or false")?,
            address_limits: text("ADDRESS_LIMITS", "1")
                .parse()
                .ok()
                .filter(|times| (1..=1_000_000).contains(times))
                .ok_or(ConfigError { name: "ADDRESS_LIMITS", expected: "a whole number from 1 to 1000000" })?,
            challenge: challenge(address("CHALLENGE_URL", ""), text("CHALLENGE_SITE_KEY", ""), text("CHALLENGE_SECRET", ""))?,
            stripe_timeout,
        })
    }

    /// The OAuth redirect URI. It must match the one registered at Stripe exactly.
    #[must_use]
    pub fn callback_url(&self) -> String {
        format!("{}/users/oauth/callback", self.public_api_url)
    }

    /// Refuses what needs the terms of use if the user has not accepted those that hold now.
    ///
    /// # Errors
    /// [`Error::TermsNotAccepted`]
    pub fn check_terms(&self, user: &User) -> Result<(), Error> {
        self.terms_of_use.as_ref().map_or(Ok(()), |terms| terms.check(&user.accepted_terms))
    }

    /// The storefront's host, by which its users know the platform.
    #[must_use]
    pub fn storefront_host(&self) -> &str {
        let address = self.storefront_url.split_once("://").map_or(self.storefront_url.as_str(), |(_, rest)| rest);
        address.split('/').next().unwrap_or_default()
    }

    /// Whether cookies require TLS: everywhere except on a laptop.
    #[must_use]
    pub fn secure_cookies(&self) -> bool {
        self.public_api_url.starts_with("https://")
    }

    /// Whether the platform uses Stripe's live mode, judging by its publishable key.
    #[must_use]
    pub fn livemode(&self) -> bool {
        self.publishable_key.starts_with("pk_live_")
    }
}
