//! Amounts, currencies and the platform's fee. Integers in the currency's minor unit, never floats.

#[cfg(test)]
mod properties;

use serde::{Deserialize, Serialize};

/// A currency that a course can be priced in: lower-case ISO 4217.
///
/// The smallest amounts and the currencies without minor units are Stripe's:
/// <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>, <https://docs.stripe.com/currencies#zero-decimal>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

/// An amount for each of some currencies, in the minor unit: `usd:30,eur:25`. A currency that is not named has 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerCurrency(std::collections::BTreeMap<Currency, i64>);

impl PerCurrency {
    /// What it says of a currency.
    #[must_use]
    pub fn of(&self, currency: Currency) -> i64 {
        self.0.get(&currency).copied().unwrap_or(0)
    }

    /// Whether every amount is one that can be part of a price.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.0.values().all(|amount| (0..=MAXIMUM).contains(amount))
    }
}

impl std::str::FromStr for PerCurrency {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let pair = |pair: &str| {
            let (code, amount) = pair.trim().split_once(':')?;
            let currency = serde_json::from_value(code.into()).ok()?;
            Some((currency, amount.parse().ok()?))
        };
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
        let all: Option<_> = pairs.map(pair).collect();
        all.map(Self).filter(Self::is_sound).ok_or(())
    }
}

/// What the platform keeps of a sale: a percentage, a fixed part, and never less than a minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fee {
    /// Of the amount.
    pub percent: FeePercent,
    /// Added to it, in the minor unit.
    pub fixed: i64,
    /// The least, in the minor unit.
    pub minimum: i64,
}

impl Fee {
    /// The platform's part of `amount`: the percentage rounded down, the fixed part added, at least the minimum, and at
    /// most all but one unit, for Stripe wants the fee below the amount. The same for every type of charge.
    #[must_use]
    pub fn of(self, amount: i64) -> i64 {
        (self.percent.of(amount) + self.fixed).max(self.minimum).clamp(0, (amount - 1).max(0))
    }

    /// The same as a percentage of `amount`, for what Stripe charges by itself: with at most two decimals, rounded down where a fixed
    /// part or a minimum makes it no whole number; none where it is nothing.
    #[must_use]
    pub fn percent_of(self, amount: i64) -> Option<String> {
        let is_percent_alone = self.fixed == 0 && self.minimum <= self.percent.of(amount);
        let hundredths = if is_percent_alone { i64::from(self.percent) * 100 } else { self.of(amount) * 10_000 / amount.max(1) };
        match (hundredths / 100, hundredths % 100) {
            (0, 0) => None,
            (whole, 0) => Some(whole.to_string()),
            (whole, part) => Some(format!("{whole}.{part:02}")),
        }
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
    fn a_fee_has_a_fixed_part_a_minimum_and_leaves_the_seller_something() {
        let fee = |percent, fixed, minimum| Fee { percent: FeePercent::try_from(percent).expect("a percentage"), fixed, minimum };
        assert_eq!(fee(10, 30, 0).of(5000), 530);
        assert_eq!(fee(0, 0, 100).of(5000), 100);
        assert_eq!(fee(99, 500, 0).of(1000), 999);
        assert_eq!(fee(0, 0, 100).of(50), 49);
        assert_eq!(fee(33, 0, 0).of(101), 33);
    }

    #[test]
    fn a_fee_of_what_stripe_charges_is_a_percentage_of_two_decimals() {
        let fee = |percent, fixed, minimum| Fee { percent: FeePercent::try_from(percent).expect("a percentage"), fixed, minimum };
        assert_eq!(fee(50, 0, 0).percent_of(999), Some("50".to_owned()), "of an odd amount too");
        assert_eq!(fee(10, 30, 0).percent_of(1000), Some("13".to_owned()));
        assert_eq!(fee(10, 1, 0).percent_of(3000), Some("10.03".to_owned()));
        assert_eq!(fee(0, 0, 100).percent_of(3000), Some("3.33".to_owned()));
        assert_eq!(fee(0, 0, 0).percent_of(3000), None);
    }

    #[test]
    fn amounts_by_currency_are_read() {
        let amounts: PerCurrency = "usd:30, jpy:50".parse().expect("it is sound");
        assert_eq!((amounts.of(Currency::Usd), amounts.of(Currency::Jpy), amounts.of(Currency::Eur)), (30, 50, 0));
        assert_eq!("".parse(), Ok(PerCurrency::default()));
        for text in ["usd", "usd:x", "xxx:1", "usd:-1"] {
            assert_eq!(text.parse::<PerCurrency>(), Err(()), "{text}");
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
