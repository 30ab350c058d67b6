//! The currency in which an account settles, and exchange rates (<https://docs.stripe.com/currencies/conversions>).
//!
//! Stripe's conversion fee is part of the rate: incoming money is converted at 2 % below the
//! mid-market rate, and outgoing money at the mid-market rate. Observed in test mode of a US platform.

use serde_json::Value;

use crate::events::context::Context;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;

/// The fraction of incoming money that is left after conversion.
const KEPT: f64 = 0.98;

/// An amount in the currency of an account's settlement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settled {
    pub(crate) amount: i64,
    pub(crate) currency: String,
    /// Smallest units of it per smallest unit of the converted currency; `None` without a conversion.
    pub(crate) rate: Option<f64>,
}

impl Settled {
    /// Another amount at the same rate.
    pub(crate) fn same_rate(&self, amount: i64) -> i64 {
        self.rate.map_or(amount, |rate| at(amount, rate))
    }
}

/// An amount at a rate, rounded to the nearest unit.
pub(crate) fn at(amount: i64, rate: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "amounts have eight digits, and rates few")]
    let converted = (amount as f64 * rate).round() as i64;
    converted
}

/// The currency in which an account receives charges: the same if it can hold that, otherwise its default.
pub(crate) fn currency_of(ctx: &Context, account: &str, charged: &str) -> String {
    if ctx.state.settings.every_currency {
        return charged.to_owned();
    }
    let Some(object) = ctx.state.account(account) else { return charged.to_owned() };
    let switched_on = ctx.state.hidden(account, Kind::Account, account, "settlement_currencies").and_then(Value::as_array);
    let banks = object["external_accounts"]["data"].as_array();
    let held = |currency: &str| {
        switched_on.into_iter().flatten().any(|one| one == currency) || banks.into_iter().flatten().any(|bank| bank["currency"] == currency)
    };
    if held(charged) { charged.to_owned() } else { object.maybe("default_currency").unwrap_or(charged).to_owned() }
}

/// Money coming into an account.
pub(crate) fn incoming(ctx: &Context, account: &str, amount: i64, currency: &str) -> Settled {
    convert(ctx, account, amount, currency, KEPT)
}

/// Money that an account returns.
pub(crate) fn outgoing(ctx: &Context, account: &str, amount: i64, currency: &str) -> Settled {
    convert(ctx, account, amount, currency, 1.0)
}

fn convert(ctx: &Context, account: &str, amount: i64, currency: &str, part: f64) -> Settled {
    let own = currency_of(ctx, account, currency);
    if own == currency {
        return Settled { amount, currency: own, rate: None };
    }
    let rate = rate(ctx, currency, &own, part);
    Settled { amount: at(amount, rate), currency: own, rate: Some(rate) }
}

/// The rate from one currency's smallest unit to another's.
pub(crate) fn rate(ctx: &Context, from: &str, to: &str, part: f64) -> f64 {
    let units = 10_f64.powi(money::decimals(to) - money::decimals(from));
    six_digits(ctx.state.settings.rate(from, to) * part * units)
}

/// Rates have six significant digits.
fn six_digits(rate: f64) -> f64 {
    format!("{rate:.5e}").parse().unwrap_or(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_six_digits_and_an_amount_is_the_nearest() {
        assert_eq!(six_digits(1.323_73 * KEPT), 1.297_26);
        assert_eq!(six_digits(13.4833 * KEPT), 13.2136);
        assert_eq!(at(61, 1.358_83), 83);
        assert_eq!(at(25, 1.297_26), 32);
        assert_eq!(at(200, 13.2136), 2643);
        assert_eq!(at(-61, 1.386_56), -85);
    }
}
