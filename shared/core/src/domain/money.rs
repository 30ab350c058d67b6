//! Amounts, currencies and the platform's fee. Amounts are integers in the currency's minor unit, never floats.

mod least;
#[cfg(test)]
mod properties;

use serde::{Deserialize, Serialize};

use super::error::Error;

/// Defines [`Currency`] from a table of name, code, decimals of the minor unit and smallest amount in it.
macro_rules! currencies {
    ($($name:ident $code:literal $decimals:literal $minimum:literal)*) => {
        /// A currency that a course can be priced in: lower-case ISO 4217.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum Currency {
            $(#[doc = $code] $name,)*
        }

        impl Currency {
            /// Every currency that a course can be priced in.
            pub const ALL: [Self; [$($code),*].len()] = [$(Self::$name),*];

            /// The lower-case ISO 4217 code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The number of decimals in which people write amounts: 2 if the minor unit is a hundredth, 0 if there is none.
            #[must_use]
            pub const fn decimals(self) -> usize {
                match self { $(Self::$name => $decimals,)* }
            }

            /// The smallest amount that Stripe charges, in the minor unit. For
            /// currencies missing from Stripe's table, about half a US dollar.
            #[must_use]
            pub const fn minimum(self) -> i64 {
                match self { $(Self::$name => $minimum,)* }
            }
        }
    };
}

// The smallest amounts and the currencies without a minor unit are Stripe's:
// <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>, <https://docs.stripe.com/currencies#zero-decimal>.
// Three-decimal currencies are left out: Stripe has further rules for them.
currencies! {
    Aud "aud" 2 50
    Brl "brl" 2 50
    Cad "cad" 2 50
    Chf "chf" 2 50
    Czk "czk" 2 1_500
    Dkk "dkk" 2 250
    Eur "eur" 2 50
    Gbp "gbp" 2 30
    Hkd "hkd" 2 400
    Inr "inr" 2 50
    Jpy "jpy" 0 50
    Krw "krw" 0 700
    Mxn "mxn" 2 1_000
    Nok "nok" 2 300
    Nzd "nzd" 2 50
    Pln "pln" 2 200
    Sek "sek" 2 300
    Sgd "sgd" 2 50
    Usd "usd" 2 50
    Vnd "vnd" 0 13_000
}

impl Currency {
    /// The fixed part of Stripe's fee for a card payment, in the minor unit: about 30 US cents, or the domestic fee in the currency's own
    /// country if that is higher; rounded up. <https://stripe.com/pricing>
    #[must_use]
    pub fn stripes_fixed_fee(self) -> i64 {
        match self {
            Self::Gbp => 25,
            Self::Chf | Self::Usd => 30,
            // 25 cents, with Ireland's tax. <https://support.stripe.com/questions/tax-on-stripes-fees>
            Self::Eur => 31,
            Self::Aud | Self::Cad | Self::Jpy | Self::Sgd => 50,
            Self::Nzd => 55,
            Self::Pln => 130,
            Self::Brl => 175,
            Self::Dkk => 220,
            Self::Hkd => 240,
            Self::Nok | Self::Sek => 330,
            Self::Krw => 450,
            Self::Mxn => 600,
            Self::Czk => 700,
            Self::Inr => 2_700,
            Self::Vnd => 8_000,
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
    /// Checks that this is the price that a client was shown. What the client does not name is not compared.
    ///
    /// # Errors
    /// [`Error::PriceChanged`].
    pub fn check_shown(&self, amount: Option<i64>, currency: Option<Currency>) -> Result<(), Error> {
        if amount.is_none_or(|amount| amount == self.amount) && currency.is_none_or(|currency| currency == self.currency) {
            return Ok(());
        }
        Err(Error::PriceChanged { amount: self.amount, currency: self.currency.code() })
    }

    /// Why Stripe would not charge this price, if so.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let (minimum, code) = (self.currency.minimum(), self.currency.code());
        (self.amount < minimum || self.amount > MAXIMUM)
            .then(|| format!("price.amount must lie between {minimum} and {MAXIMUM} minor units of {code}"))
    }
}

/// An amount in an account's settlement currency. Stripe settles in more currencies than courses can be priced in.
/// <https://docs.stripe.com/connect/currencies>
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// In the minor unit.
    pub amount: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
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
    /// The platform's part of `amount`: ⌊amount × percent / 100⌋. The seller's part is the rest, so both always add up to the amount.
    #[must_use]
    pub fn of(self, amount: i64) -> i64 {
        amount * i64::from(self.0) / 100
    }
}

/// An amount for each of some currencies, in the minor unit: `usd:30,eur:25`. A currency that is not named has 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerCurrency(std::collections::BTreeMap<Currency, i64>);

impl PerCurrency {
    /// The amount for a currency.
    #[must_use]
    pub fn of(&self, currency: Currency) -> i64 {
        self.0.get(&currency).copied().unwrap_or(0)
    }

    /// Whether every amount can be part of a price.
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

/// The minimum fee of a sale: an amount, plus a part of the price in hundredths of a percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Least {
    amount: i64,
    hundredths: i64,
}

impl Least {
    /// A fixed amount only, in the minor unit.
    #[must_use]
    pub fn amount(amount: i64) -> Self {
        Self { amount, hundredths: 0 }
    }

    /// The minimum fee for a sale of `amount`, rounded up.
    #[must_use]
    pub fn of(self, amount: i64) -> i64 {
        self.amount + (amount * self.hundredths + 9_999) / 10_000
    }
}

/// The platform's own minimum fee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeastFee {
    /// What Stripe may charge the platform for the sale.
    StripesFee,
    /// Amounts set by the operator.
    Amounts(PerCurrency),
}

impl LeastFee {
    /// The most that Stripe charges for a card payment, in hundredths of a percent. Public prices are 2.9 % in the United States, plus
    /// 1.5 % for a foreign card and 1 % for a conversion; elsewhere up to 6.4 % in total. <https://stripe.com/pricing>
    /// With Ireland's value-added tax of 23 %, 3.25 % plus 2 % are 6.46 %. <https://support.stripe.com/questions/tax-on-stripes-fees>
    pub const HUNDREDTHS: i64 = 650;

    /// The minimum fee in a currency, for sales that settle in another one or in the same.
    #[must_use]
    pub fn of(&self, currency: Currency, settled: Currency) -> Least {
        match self {
            Self::StripesFee => Least { amount: currency.stripes_fixed_fee_settled_in(settled), hundredths: Self::HUNDREDTHS },
            Self::Amounts(amounts) => Least::amount(amounts.of(currency)),
        }
    }

    /// The amounts of all currencies.
    #[must_use]
    pub fn amounts(&self) -> PerCurrency {
        match self {
            Self::StripesFee => PerCurrency(Currency::ALL.into_iter().map(|currency| (currency, currency.stripes_fixed_fee())).collect()),
            Self::Amounts(amounts) => amounts.clone(),
        }
    }

    /// The percentage of the price that is added to the amount.
    #[must_use]
    pub fn percent(&self) -> f64 {
        match self {
            Self::StripesFee => 6.5,
            Self::Amounts(_) => 0.0,
        }
    }
}

impl std::str::FromStr for LeastFee {
    type Err = ();

    /// An empty text means [`LeastFee::StripesFee`], and `none` means no minimum fee.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "" => Ok(Self::StripesFee),
            "none" => Ok(Self::Amounts(PerCurrency::default())),
            amounts => amounts.parse().map(Self::Amounts),
        }
    }
}

/// What the platform keeps of a sale: a percentage plus a fixed part, and at least the minimum fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fee {
    /// The percentage of the amount.
    pub percent: FeePercent,
    /// The fixed part that is added, in the minor unit.
    pub fixed: i64,
    /// The minimum fee.
    pub least: Least,
}

impl Fee {
    /// The platform's part of `amount`: the percentage rounded down plus the fixed part, at least the minimum, and at most one unit
    /// less than the amount, because Stripe requires a fee below it. The same for every type of charge.
    #[must_use]
    pub fn of(self, amount: i64) -> i64 {
        (self.percent.of(amount) + self.fixed).max(self.least.of(amount)).clamp(0, (amount - 1).max(0))
    }

    /// The fee as a percentage of `amount`, for charges that Stripe creates itself. It has at most two decimals, rounded down if a fixed
    /// part makes it uneven, and up if a minimum does; `None` if it is zero.
    #[must_use]
    pub fn percent_of(self, amount: i64) -> Option<String> {
        as_percent(self.hundredths(amount))
    }

    fn hundredths(self, amount: i64) -> i64 {
        if self.fixed == 0 && self.least.of(amount) <= self.percent.of(amount) {
            return i64::from(self.percent) * 100;
        }
        (self.of(amount) * 10_000 / amount.max(1)).max(self.least_hundredths(amount))
    }

    /// The percentage that `part` of a `whole` needs, if the one for the whole would come to less than the minimum fee there.
    #[must_use]
    pub fn percent_of_part(self, part: i64, whole: i64) -> Option<String> {
        let least = self.least_hundredths(part);
        if self.hundredths(whole) < least { as_percent(least) } else { None }
    }

    /// The minimum fee of `amount` in hundredths of a percent, rounded up: at most one unit less than the amount.
    fn least_hundredths(self, amount: i64) -> i64 {
        let most = (amount - 1).max(0);
        let least = self.least.of(amount);
        if least > most { most * 10_000 / amount.max(1) } else { (least * 10_000 + amount - 1) / amount.max(1) }
    }
}

/// Hundredths of a percent as Stripe takes them; `None` if there are none.
fn as_percent(hundredths: i64) -> Option<String> {
    match (hundredths / 100, hundredths % 100) {
        (0, 0) => None,
        (whole, 0) => Some(whole.to_string()),
        (whole, part) if part % 10 == 0 => Some(format!("{whole}.{}", part / 10)),
        (whole, part) => Some(format!("{whole}.{part:02}")),
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
        let fee = |percent, fixed, minimum| Fee {
            percent: FeePercent::try_from(percent).expect("a percentage"),
            fixed,
            least: Least::amount(minimum),
        };
        assert_eq!(fee(10, 30, 0).of(5000), 530);
        assert_eq!(fee(0, 0, 100).of(5000), 100);
        assert_eq!(fee(99, 500, 0).of(1000), 999);
        assert_eq!(fee(0, 0, 100).of(50), 49);
        assert_eq!(fee(33, 0, 0).of(101), 33);
    }

    #[test]
    fn the_default_minimum_fee_is_what_stripe_may_charge() {
        let default: LeastFee = "".parse().expect("it is sound");
        let none = FeePercent::try_from(0).expect("a percentage");
        let fee = Fee { percent: none, fixed: 0, least: default.of(Currency::Usd, Currency::Usd) };
        // The most expensive card for a US platform: 2.9 + 1.5 + 1 percent, and 30 cents.
        for amount in [50, 99, 1000, 4_999, MAXIMUM] {
            assert!(fee.of(amount) >= (amount * 54 / 1000 + 30).min(amount - 1), "{amount}");
        }
        assert_eq!(fee.of(1000), 95);
        let other = |text: &str| text.parse::<LeastFee>().expect("it is sound").of(Currency::Usd, Currency::Usd).of(1000);
        assert_eq!((other("none"), other("usd:7"), other("eur:7")), (0, 7, 0));
        for currency in Currency::ALL {
            assert!(default.of(currency, currency).of(currency.minimum()) > 0, "{currency:?}");
        }
    }

    #[test]
    fn the_minimum_fee_covers_stripes_fixed_fee_where_a_sale_settles() {
        let default: LeastFee = "".parse().expect("it is sound");
        let least = |price, settled| default.of(price, settled).amount;
        assert_eq!(least(Currency::Usd, Currency::Usd), 30);
        // 0.50 SGD. <https://support.stripe.com/questions/faq-for-pricing-of-international-card-payments-in-singapore-and-hong-kong>
        assert_eq!(
            (least(Currency::Sgd, Currency::Sgd), least(Currency::Usd, Currency::Sgd), least(Currency::Eur, Currency::Sgd)),
            (50, 39, 34)
        );
        assert_eq!((least(Currency::Eur, Currency::Usd), least(Currency::Gbp, Currency::Usd)), (31, 25), "as before");
        for price in Currency::ALL {
            for settled in Currency::ALL {
                assert!(least(price, settled) >= least(price, price), "{price:?} {settled:?}");
            }
        }
    }

    #[test]
    fn the_percentage_of_a_minimum_comes_to_no_less() {
        let default: LeastFee = "".parse().expect("it is sound");
        let fee = |least| Fee { percent: FeePercent::try_from(0).expect("a percentage"), fixed: 0, least };
        for currency in Currency::ALL {
            let fee = fee(default.of(currency, currency));
            for amount in [currency.minimum(), currency.minimum() + 7, 999, 1000, 9_990, 99_999].map(|one| one.max(currency.minimum())) {
                let hundredths = fee.hundredths(amount);
                assert!(hundredths < 10_000 && amount * hundredths >= (fee.of(amount) - 1) * 10_000, "{currency:?} {amount} {hundredths}");
                assert!(fee.least.of(amount) >= amount || amount * hundredths >= fee.least.of(amount) * 10_000, "{currency:?} {amount}");
            }
        }
        let usd = fee(default.of(Currency::Usd, Currency::Usd));
        // 6.80 % of a year, of which a month was paid.
        assert_eq!((usd.percent_of(10_000), usd.percent_of_part(9_000, 10_000)), (Some("6.8".to_owned()), Some("6.84".to_owned())));
        assert_eq!(Fee { percent: FeePercent::try_from(50).expect("a percentage"), ..usd }.percent_of_part(9_000, 10_000), None);
        assert_eq!(fee(Least::amount(0)).percent_of_part(50, 10_000), None);
    }

    #[test]
    fn a_fee_that_covers_stripes_is_a_percentage_with_two_decimals() {
        let fee = |percent, fixed, minimum| Fee {
            percent: FeePercent::try_from(percent).expect("a percentage"),
            fixed,
            least: Least::amount(minimum),
        };
        assert_eq!(fee(50, 0, 0).percent_of(999), Some("50".to_owned()), "of an odd amount too");
        assert_eq!(fee(10, 30, 0).percent_of(1000), Some("13".to_owned()));
        assert_eq!(fee(10, 1, 0).percent_of(3000), Some("10.03".to_owned()));
        assert_eq!(fee(0, 0, 100).percent_of(3000), Some("3.34".to_owned()), "a minimum is reached");
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
