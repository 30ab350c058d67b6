//! Currencies, bounds of amounts, and Stripe's own fee.

use super::errors::ApiError;

/// <https://docs.stripe.com/currencies#zero-decimal>
const ZERO_DECIMAL: [&str; 16] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"];

/// The other currencies that charges can be made in (<https://docs.stripe.com/currencies>).
const CURRENCIES: &str = "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bmd bnd bob brl bsd bwp byn \
    bzd cad cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils \
    inr isk jmd jod kes kgs khr kwd kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn \
    nio nok npr nzd omr pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd \
    top try ttd twd tzs uah uyu uzs wst xcd yer zar zmw";

/// The largest amount: eight digits.
const LARGEST: i64 = 99_999_999;

/// Stripe's fee on a card charge: 2.9 % and 30 minor units, rounded half up. The rate of a US account for its own cards;
/// the stand-in has no other rates.
pub(crate) fn stripe_fee(amount: i64) -> i64 {
    (amount * 29 + 500) / 1000 + 30
}

/// The share `part / whole` of an amount, rounded half up.
pub(crate) fn share(amount: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 { 0 } else { (2 * amount * part + whole) / (2 * whole) }
}

/// The smallest charge, in minor units (<https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>).
fn smallest(currency: &str) -> i64 {
    match currency {
        "gbp" => 30,
        "aed" | "myr" | "pln" | "ron" => 200,
        "bgn" => 100,
        "czk" => 1500,
        "dkk" => 250,
        "hkd" => 400,
        "huf" => 17_500,
        "mxn" | "thb" => 1000,
        "nok" | "sek" => 300,
        "jpy" => 50,
        zero if ZERO_DECIMAL.contains(&zero) => 1,
        _ => 50,
    }
}

/// A currency in lower case.
///
/// # Errors
/// 400 for a currency that Stripe does not charge in.
pub(crate) fn currency(code: &str, param: &str) -> Result<String, ApiError> {
    let lower = code.to_lowercase();
    if ZERO_DECIMAL.contains(&lower.as_str()) || CURRENCIES.split(' ').any(|known| known == lower) {
        return Ok(lower);
    }
    Err(ApiError::invalid(format!(
        "Invalid currency: {lower}. Stripe currently supports these currencies: {}",
        CURRENCIES.replace(' ', ", ")
    ))
    .param(param))
}

/// Whether an amount can be charged.
///
/// # Errors
/// 400 `amount_too_small` or `amount_too_large`.
pub(crate) fn check_charge(amount: i64, currency: &str, param: &str) -> Result<(), ApiError> {
    if amount <= 0 {
        return Err(ApiError::invalid("This value must be greater than or equal to 1.").code("parameter_invalid_integer").param(param));
    }
    if amount > LARGEST {
        return Err(ApiError::invalid(format!("Amount must be no more than {}", display(LARGEST, currency)))
            .code("amount_too_large")
            .param(param));
    }
    if amount < smallest(currency) {
        return Err(ApiError::invalid(format!("Amount must be at least {}", display(smallest(currency), currency)))
            .code("amount_too_small")
            .param(param));
    }
    Ok(())
}

/// An amount as people read it: `$0.50 usd`.
pub(crate) fn display(amount: i64, currency: &str) -> String {
    if ZERO_DECIMAL.contains(&currency) {
        return format!("{amount} {currency}");
    }
    let sign = if currency == "usd" { "$" } else { "" };
    format!("{sign}{}.{:02} {currency}", amount / 100, amount % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fee_is_rounded_half_up() {
        assert_eq!(stripe_fee(5000), 175);
        // 29.4 and 29.5 hundredths.
        assert_eq!(stripe_fee(50), 31);
        assert_eq!(stripe_fee(500), 45);
        assert_eq!(stripe_fee(1000), 59);
    }

    #[test]
    fn a_share_of_the_whole_is_the_whole() {
        assert_eq!(share(299, 1000, 1000), 299);
        assert_eq!(share(299, 500, 1000), 150);
        assert_eq!(share(1, 333, 1000), 0);
    }

    #[test]
    fn amounts_have_bounds() {
        assert!(check_charge(50, "usd", "amount").is_ok());
        assert!(check_charge(49, "usd", "amount").is_err());
        assert!(check_charge(99_999_999, "usd", "amount").is_ok());
        assert!(check_charge(100_000_000, "usd", "amount").is_err());
        assert!(check_charge(50, "jpy", "amount").is_ok());
    }
}
