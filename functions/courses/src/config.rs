//! `GET /config`

use serde::Serialize;
use shared::app::App;
use shared::config::STRIPE_API_VERSION;
use shared::http::{Request, Response, response};
use shared::money::{Currency, PerCurrency};
use shared::purchase::ChargeType;

#[derive(Serialize)]
struct ConfigView<'a> {
    publishable_key: &'a str,
    charge_types: [ChargeType; 3],
    charge_type: ChargeType,
    currencies: [&'static str; Currency::ALL.len()],
    default_fee_percent: i64,
    fee_fixed: &'a PerCurrency,
    fee_minimum: &'a PerCurrency,
    livemode: bool,
    api_version: &'static str,
}

/// What a frontend needs to know, and nothing secret. No trip to DynamoDB.
pub(crate) fn show(app: &App, request: &Request) -> Response {
    let config = &app.config;
    let view = ConfigView {
        publishable_key: &config.publishable_key,
        charge_types: [ChargeType::Destination, ChargeType::Direct, ChargeType::Separate],
        charge_type: config.charge_type,
        currencies: Currency::ALL.map(Currency::code),
        default_fee_percent: config.default_fee_percent.into(),
        fee_fixed: &config.fee_fixed,
        fee_minimum: &config.fee_minimum,
        livemode: config.livemode(),
        api_version: STRIPE_API_VERSION,
    };
    response::cacheable(request, &view)
}
