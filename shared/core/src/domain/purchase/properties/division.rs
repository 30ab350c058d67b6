//! Dividing money among payees and over time.

use proptest::prelude::*;

use super::shares;
use crate::base::trials::trials;
use crate::domain::money::MAXIMUM;
use crate::domain::purchase::division::{divide, share};

fn weights() -> impl Strategy<Value = Vec<i64>> {
    proptest::collection::vec(prop_oneof![Just(0), 0_i64..100, 0..=100 * MAXIMUM], 0..12)
}

proptest! {
    #![proptest_config(trials(1_000))]

    #[test]
    fn the_parts_add_up_to_the_divided_amount(whole in 0..=MAXIMUM, weights in weights()) {
        let parts = divide(whole, &weights);
        prop_assert_eq!(parts.len(), weights.len());
        prop_assert_eq!(parts.iter().sum::<i64>(), whole.min(weights.iter().sum()));
    }

    #[test]
    fn each_part_is_within_its_weight_and_one_unit_of_its_share(whole in 0..=MAXIMUM, weights in weights()) {
        let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
        let whole = i128::from(whole).min(sum);
        for (part, weight) in divide(i64::try_from(whole).expect("it was one"), &weights).into_iter().zip(&weights) {
            prop_assert!((0..=*weight).contains(&part));
            // |part - whole × weight / sum| < 1
            let off = i128::from(part) * sum - whole * i128::from(*weight);
            prop_assert!(sum == 0 || off.abs() < sum, "{} of {}", part, weight);
        }
    }

    #[test]
    fn a_larger_share_never_gets_less(whole in 0..=MAXIMUM, weights in weights()) {
        let parts = divide(whole, &weights);
        for (one, of_one) in parts.iter().zip(&weights) {
            for (other, of_other) in parts.iter().zip(&weights) {
                prop_assert!(of_one <= of_other || one >= other);
            }
        }
    }

    #[test]
    fn fee_and_parts_are_the_amount(amount in 1..=MAXIMUM, percent in 0_i64..100, shares in shares()) {
        let fee = amount * percent / 100;
        let rest = amount - fee;
        let weights: Vec<i64> = shares.iter().map(|share| rest * share).collect();
        let parts = divide(rest, &weights);
        prop_assert_eq!(parts.iter().sum::<i64>() + fee, amount);
        for (part, share) in parts.iter().zip(&shares) {
            prop_assert!((100 * part - rest * share).abs() < 100, "{} for {} %", part, share);
        }
    }

    #[test]
    fn the_shares_of_growing_parts_add_up_to_all_of_it(
        whole in 1..=MAXIMUM,
        percent in 0_i64..100,
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        let amount = whole * percent / 100;
        let size = usize::try_from(whole).expect("it is positive");
        let mut cuts: Vec<i64> = cuts.iter().map(|cut| i64::try_from(cut.index(size)).expect("it is small")).collect();
        cuts.sort_unstable();
        let mut given = 0;
        let mut last = 0;
        for cut in cuts.into_iter().chain([whole]) {
            let part = share(amount, cut, whole) - share(amount, last, whole);
            prop_assert!(part >= 0 && part <= cut - last, "never more of the fee than of the price");
            given += part;
            last = cut;
        }
        prop_assert_eq!(given, amount);
    }
}
