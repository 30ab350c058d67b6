//! `GET /config`

use std::collections::BTreeMap;

use serde::Serialize;
use shared::app::App;
use shared::domain::charging::ChargeType;
use shared::domain::money::{Currency, PerCurrency};
use shared::domain::user::TermsOfUse;
use shared::http::{Request, Response, response};
use shared::settings::config::STRIPE_API_VERSION;

#[derive(Serialize)]
struct ConfigView<'a> {
    publishable_key: &'a str,
    platform_country: &'a str,
    charge_types: [ChargeType; 3],
    charge_type: PlatformsType,
    currencies: [&'static str; Currency::ALL.len()],
    currency_rules: BTreeMap<&'static str, CurrencyRules>,
    default_fee_percent: i64,
    fee_fixed: &'a PerCurrency,
    fee_minimum: PerCurrency,
    fee_minimum_percent: f64,
    livemode: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge_site_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    terms_of_use: Option<&'a TermsOfUse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_policy_url: Option<&'a str>,
    embed_hosts: &'a [String],
    api_version: &'static str,
}

/// The platform's charge type: one of them, or what fits each seller's account.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum PlatformsType {
    Auto,
    #[serde(untagged)]
    Fixed(ChargeType),
}

/// What a price form needs to know about a currency.
#[derive(Serialize)]
struct CurrencyRules {
    decimals: usize,
    minimum: i64,
}

/// Everything a frontend needs, and nothing secret. No trip to DynamoDB.
pub(crate) fn show(app: &App, request: &Request) -> Response {
    let config = &app.config;
    let view = ConfigView {
        publishable_key: &config.publishable_key,
        platform_country: &config.platform_country,
        charge_types: [ChargeType::Destination, ChargeType::Direct, ChargeType::Separate],
        charge_type: config.terms.charge_type.map_or(PlatformsType::Auto, PlatformsType::Fixed),
        currencies: Currency::ALL.map(Currency::code),
        currency_rules: Currency::ALL.map(|one| (one.code(), CurrencyRules { decimals: one.decimals(), minimum: one.minimum() })).into(),
        default_fee_percent: config.default_fee_percent.into(),
        fee_fixed: &config.terms.fee_fixed,
        fee_minimum: config.terms.fee_minimum.amounts(),
        fee_minimum_percent: config.terms.fee_minimum.percent(),
        livemode: config.livemode(),
        challenge_site_key: config.challenge.as_ref().map(|challenge| challenge.site_key.as_str()),
        terms_of_use: config.terms_of_use.as_ref(),
        refund_policy_url: config.refund_policy_url.as_deref(),
        embed_hosts: &config.embed_hosts,
        api_version: STRIPE_API_VERSION,
    };
    response::shared(request, &view)
}
