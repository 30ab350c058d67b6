//! The smallest price of a sale, and the smallest fee. Stripe's minimum applies in the settlement currency, so a price in another currency must be worth that
//! much after conversion. <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>

use super::Currency;

/// Exchange rates move, so a price must be worth this much more than the minimum, in percent.
const ROOM: i64 = 25;

impl Currency {
    /// The currency in which accounts of a country settle by default; `None` if courses cannot be priced in it.
    /// <https://docs.stripe.com/payouts#supported-accounts-and-settlement-currencies>
    #[must_use]
    pub fn of_country(country: &str) -> Option<Self> {
        Some(match country {
            "AU" => Self::Aud,
            "BR" => Self::Brl,
            "CA" => Self::Cad,
            "CH" | "LI" => Self::Chf,
            "CZ" => Self::Czk,
            "DK" => Self::Dkk,
            "GB" | "GI" => Self::Gbp,
            "HK" => Self::Hkd,
            "IN" => Self::Inr,
            "JP" => Self::Jpy,
            "MX" => Self::Mxn,
            "NO" => Self::Nok,
            "NZ" => Self::Nzd,
            "PL" => Self::Pln,
            "SE" => Self::Sek,
            "SG" => Self::Sgd,
            "US" => Self::Usd,
            "AT" | "BE" | "CY" | "DE" | "EE" | "ES" | "FI" | "FR" | "GR" | "HR" | "IE" | "IT" | "LT" | "LU" | "LV" | "MT" | "NL" | "PT"
            | "SI" | "SK" => Self::Eur,
            _ => return None,
        })
    }

    /// The approximate value of a minor unit in millionths of a US dollar. Used only for minimums, never to convert money.
    fn worth(self) -> i64 {
        match self {
            Self::Gbp => 13_000,
            Self::Chf => 12_000,
            Self::Eur => 11_500,
            Self::Usd => 10_000,
            Self::Sgd => 7_700,
            Self::Cad => 7_200,
            Self::Aud | Self::Jpy => 6_500,
            Self::Nzd => 5_800,
            Self::Pln => 2_700,
            Self::Brl => 1_800,
            Self::Dkk => 1_540,
            Self::Hkd => 1_280,
            Self::Sek => 1_040,
            Self::Nok => 980,
            Self::Krw => 690,
            Self::Mxn => 540,
            Self::Czk => 470,
            Self::Inr => 113,
            Self::Vnd => 38,
        }
    }

    /// The fixed part of Stripe's fee in this currency if a sale settles in another: Stripe takes it in the currency of settlement,
    /// <https://docs.stripe.com/connect/currencies>, so it must be worth that much.
    #[must_use]
    pub(super) fn stripes_fixed_fee_settled_in(self, settled: Self) -> i64 {
        let wanted = settled.stripes_fixed_fee() * settled.worth();
        self.stripes_fixed_fee().max(wanted.div_euclid(self.worth()) + i64::from(wanted % self.worth() > 0))
    }

    /// The smallest price in this currency if it settles in another, in the minor unit.
    /// It satisfies the minimums of both currencies, with a margin for the exchange rate.
    #[must_use]
    pub fn least_settled_in(self, settled: Self) -> i64 {
        if settled == self {
            return self.minimum();
        }
        let wanted = settled.minimum() * settled.worth() * (100 + ROOM) / 100;
        self.minimum().max(wanted.div_euclid(self.worth()) + i64::from(wanted % self.worth() > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_worth_at_least_the_settlement_minimum() {
        assert_eq!(Currency::Usd.least_settled_in(Currency::Usd), 50);
        // Half a dollar is worth 30 pence with the margin, but not 4.00 HKD.
        assert_eq!(Currency::Usd.least_settled_in(Currency::Gbp), 50);
        assert_eq!(Currency::Usd.least_settled_in(Currency::Hkd), 64);
        // 0.50 INR is about half a US cent.
        assert_eq!(Currency::Inr.least_settled_in(Currency::Inr), 50);
        assert_eq!(Currency::Inr.least_settled_in(Currency::Usd), 5_531);
        assert_eq!(Currency::Jpy.least_settled_in(Currency::Usd), 97);
        for price in Currency::ALL {
            for settled in Currency::ALL {
                let least = price.least_settled_in(settled);
                assert!(least >= price.minimum() && least < 100_000_000, "{price:?} {settled:?} {least}");
                assert!(price == settled || least * price.worth() >= settled.minimum() * settled.worth(), "{price:?} {settled:?} {least}");
            }
        }
    }
}
