//! Amounts, currencies and the platform's fee. Integers in the currency's minor unit, never floats.

use serde::{Deserialize, Serialize};

/// A currency that a course can be priced in: lower-case ISO 4217.
///
/// The smallest amounts and the currencies without minor units are Stripe's:
/// <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>, <https://docs.stripe.com/currencies#zero-decimal>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Currency {
    Aud,
    Brl,
    Cad,
    Chf,
    Czk,
    Dkk,
    Eur,
    Gbp,
    Hkd,
    Inr,
    Jpy,
    Krw,
    Mxn,
    Nok,
    Nzd,
    Pln,
    Sek,
    Sgd,
    Usd,
    Vnd,
}

impl Currency {
    /// Every currency that a course can be priced in.
    pub const ALL: [Self; 20] = [
        Self::Aud,
        Self::Brl,
        Self::Cad,
        Self::Chf,
        Self::Czk,
        Self::Dkk,
        Self::Eur,
        Self::Gbp,
        Self::Hkd,
        Self::Inr,
        Self::Jpy,
        Self::Krw,
        Self::Mxn,
        Self::Nok,
        Self::Nzd,
        Self::Pln,
        Self::Sek,
        Self::Sgd,
        Self::Usd,
        Self::Vnd,
    ];

    /// The lower-case ISO 4217 code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Aud => "aud",
            Self::Brl => "brl",
            Self::Cad => "cad",
            Self::Chf => "chf",
            Self::Czk => "czk",
            Self::Dkk => "dkk",
            Self::Eur => "eur",
            Self::Gbp => "gbp",
            Self::Hkd => "hkd",
            Self::Inr => "inr",
            Self::Jpy => "jpy",
            Self::Krw => "krw",
            Self::Mxn => "mxn",
            Self::Nok => "nok",
            Self::Nzd => "nzd",
            Self::Pln => "pln",
            Self::Sek => "sek",
            Self::Sgd => "sgd",
            Self::Usd => "usd",
            Self::Vnd => "vnd",
        }
    }

    /// The smallest amount that Stripe charges, in the minor unit; for currencies that Stripe's table does not
    /// name, about half a US dollar.
    #[must_use]
    pub fn minimum(self) -> i64 {
        match self {
            Self::Gbp => 30,
            Self::Aud | Self::Brl | Self::Cad | Self::Chf | Self::Eur | Self::Inr | Self::Nzd | Self::Sgd | Self::Usd | Self::Jpy => 50,
            Self::Pln => 200,
            Self::Dkk => 250,
            Self::Nok | Self::Sek => 300,
            Self::Hkd => 400,
            Self::Krw => 700,
            Self::Mxn => 1_000,
            Self::Czk => 1_500,
            Self::Vnd => 13_000,
        }
    }
}

/// The largest amount that Stripe charges in most currencies: eight digits of the minor unit.
pub const MAXIMUM: i64 = 99_999_999;

/// A price: an amount in the currency's minor unit (cents; yen).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// In the minor unit.
    pub amount: i64,
    /// Lower-case ISO 4217.
    pub currency: Currency,
}

impl Price {
    /// Why Stripe would not charge this price, or nothing where it would.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let (minimum, code) = (self.currency.minimum(), self.currency.code());
        (self.amount < minimum || self.amount > MAXIMUM)
            .then(|| format!("price.amount must lie between {minimum} and {MAXIMUM} minor units of {code}"))
    }
}

/// The platform's percentage of a sale: a whole number from 0 to 99, so that the seller always gets something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct FeePercent(u8);

/// A percentage outside 0 to 99.
#[derive(Debug, thiserror::Error)]
#[error("fee_percent must be a whole number from 0 to 99")]
pub struct NotAFeePercent;

impl TryFrom<i64> for FeePercent {
    type Error = NotAFeePercent;

    fn try_from(percent: i64) -> Result<Self, NotAFeePercent> {
        u8::try_from(percent).ok().filter(|percent| *percent < 100).map(Self).ok_or(NotAFeePercent)
    }
}

impl From<FeePercent> for i64 {
    fn from(percent: FeePercent) -> i64 {
        percent.0.into()
    }
}

impl FeePercent {
    /// The platform's part of `amount`: ⌊amount × percent / 100⌋. The seller's part is the rest, so both always add
    /// up to the amount.
    #[must_use]
    pub fn of(self, amount: i64) -> i64 {
        amount * i64::from(self.0) / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fee_is_rounded_down_and_never_the_whole() {
        for (amount, percent, fee) in [(1000, 70, 700), (999, 50, 499), (1, 99, 0), (99, 1, 0), (MAXIMUM, 99, 98_999_999), (50, 0, 0)] {
            let percent = FeePercent::try_from(percent).expect("a percentage");
            assert_eq!(percent.of(amount), fee);
            assert!(percent.of(amount) < amount);
        }
    }

    #[test]
    fn percentages_outside_0_to_99_do_not_exist() {
        for percent in [-1, 100, 256, i64::MAX] {
            assert!(FeePercent::try_from(percent).is_err(), "{percent}");
        }
    }

    #[test]
    fn codes_are_what_serde_writes() {
        for currency in Currency::ALL {
            assert_eq!(serde_json::to_value(currency).ok(), Some(currency.code().into()));
        }
    }
}
