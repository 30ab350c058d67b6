//! Properties of the fee over all amounts, percentages, fixed parts, minimums and currencies.

use proptest::prelude::*;

use super::{Currency, Fee, FeePercent, Least, LeastFee, MAXIMUM, PerCurrency, Price};
use crate::base::trials::trials;

fn percent() -> impl Strategy<Value = FeePercent> {
    (0_i64..100).prop_map(|percent| FeePercent::try_from(percent).expect("a percentage"))
}

/// Realistic small amounts, and anything else that a setting allows.
fn part() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), 0_i64..1_000, 0..=MAXIMUM]
}

fn fee() -> impl Strategy<Value = Fee> {
    let least = (part(), prop_oneof![Just(0), Just(LeastFee::HUNDREDTHS)]);
    let least = least.prop_map(|(amount, hundredths)| Least { amount, hundredths });
    (percent(), part(), least).prop_map(|(percent, fixed, least)| Fee { percent, fixed, least })
}

/// Any valid price.
fn price() -> impl Strategy<Value = Price> {
    proptest::sample::select(Currency::ALL.as_slice()).prop_flat_map(|currency| {
        prop_oneof![currency.minimum()..=currency.minimum() + 1_000, currency.minimum()..=MAXIMUM]
            .prop_map(move |amount| Price { amount, currency })
    })
}

proptest! {
    #![proptest_config(trials(1_000))]

    #[test]
    fn stripe_takes_the_fee_of_every_price(price in price(), fee in fee()) {
        prop_assert_eq!(price.fault(), None);
        // `application_fee_amount` must be below the amount, and 0 is not sent.
        prop_assert!((0..price.amount).contains(&fee.of(price.amount)));
    }

    #[test]
    fn a_fee_is_the_percentage_rounded_down_with_the_fixed_part_and_at_least_the_minimum(price in price(), fee in fee()) {
        let (amount, percent, kept) = (price.amount, i64::from(fee.percent), fee.of(price.amount));
        // In hundredths of a unit: rounding down removes less than one unit.
        let exact = i128::from(amount) * i128::from(percent) + 100 * i128::from(fee.fixed);
        let rounded = exact.div_euclid(100);
        let least = fee.least.of(amount);
        if kept == amount - 1 {
            prop_assert!(rounded >= i128::from(kept) || least >= kept);
        } else if kept == least {
            prop_assert!(exact < 100 * i128::from(kept + 1));
        } else {
            prop_assert!(kept > least);
            prop_assert!((0..100).contains(&(exact - 100 * i128::from(kept))));
        }
    }

    #[test]
    fn a_higher_price_leaves_neither_side_with_less(price in price(), more in 0..=MAXIMUM, fee in fee()) {
        let (low, high) = (price.amount, (price.amount + more).min(MAXIMUM));
        prop_assert!(fee.of(low) <= fee.of(high));
        prop_assert!(low - fee.of(low) <= high - fee.of(high));
    }

    #[test]
    fn higher_terms_never_lower_the_fee(price in price(), one in fee(), other in fee()) {
        let percent = if i64::from(one.percent) < i64::from(other.percent) { other.percent } else { one.percent };
        let least = Least {
            amount: one.least.amount.max(other.least.amount),
            hundredths: one.least.hundredths.max(other.least.hundredths),
        };
        let both = Fee { percent, fixed: one.fixed.max(other.fixed), least };
        prop_assert!(both.of(price.amount) >= one.of(price.amount).max(other.of(price.amount)));
    }

    #[test]
    fn a_percentage_alone_is_rounded_down(amount in 0..=MAXIMUM, percent in percent()) {
        let kept = percent.of(amount);
        prop_assert_eq!(i128::from(kept), i128::from(amount) * i128::from(i64::from(percent)) / 100);
        prop_assert!(kept < amount || amount == 0);
    }

    #[test]
    fn invalid_prices_are_recognized(amount in any::<i64>(), currency in proptest::sample::select(Currency::ALL.as_slice())) {
        let sound = (currency.minimum()..=MAXIMUM).contains(&amount);
        prop_assert_eq!(Price { amount, currency }.fault().is_none(), sound);
    }

    #[test]
    fn a_setting_by_currency_means_what_it_says(
        said in proptest::collection::btree_map(proptest::sample::select(Currency::ALL.as_slice()), 0..=MAXIMUM, 0..6),
    ) {
        let pairs: Vec<String> = said.iter().map(|(currency, amount)| format!("{}:{amount}", currency.code())).collect();
        let read: PerCurrency = pairs.join(" , ").parse().expect("it is sound");
        for currency in Currency::ALL {
            prop_assert_eq!(read.of(currency), said.get(&currency).copied().unwrap_or(0));
        }
    }

    #[test]
    fn any_text_is_a_setting_or_none(text in any::<String>()) {
        prop_assert!(text.parse::<PerCurrency>().map_or(true, |read| read.is_sound()));
    }
}
