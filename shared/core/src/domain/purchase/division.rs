//! Divides amounts so that the parts always add up.

/// The share `part / whole` of an amount, rounded half up, as Stripe divides fees among partial refunds. The differences between
/// the shares of a growing part add up to the amount once the part is the whole.
#[must_use]
pub fn share(amount: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 {
        return 0;
    }
    // Minor units can be tiny, so the product of two amounts may not fit into 64 bits.
    let (amount, part, whole) = (i128::from(amount), i128::from(part), i128::from(whole));
    i64::try_from((2 * amount * part + whole) / (2 * whole)).unwrap_or(i64::MAX)
}

/// Divides `whole` in proportion to `weights`. No part exceeds its weight, and the parts add up to `whole` or to all weights.
///
/// Each part is rounded down. The remaining units go, one each, to the parts that lost most by rounding; on a tie, to the earlier one.
#[must_use]
pub fn divide(whole: i64, weights: &[i64]) -> Vec<i64> {
    apportion(whole.min(weights.iter().sum()), weights)
}

/// The same without using the weights as upper bounds, for amounts in another currency.
pub(super) fn apportion(whole: i64, weights: &[i64]) -> Vec<i64> {
    let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if sum <= 0 {
        return vec![0; weights.len()];
    }
    let exact = |weight: &i64| i128::from(whole) * i128::from(*weight);
    let mut parts: Vec<i64> = weights.iter().map(|weight| i64::try_from(exact(weight) / sum).unwrap_or(0)).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&index| (-(exact(&weights[index]) % sum), index));
    let missing = usize::try_from(whole - parts.iter().sum::<i64>()).unwrap_or(0);
    for index in order.into_iter().take(missing) {
        parts[index] += 1;
    }
    parts
}

/// `⌊amount × part / whole⌋`
pub(super) fn part_of(amount: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 { 0 } else { i64::try_from(i128::from(amount) * i128::from(part) / i128::from(whole)).unwrap_or(i64::MAX) }
}
