//! Currencies, limits of amounts, and Stripe's own fee.

use crate::words::errors::ApiError;

/// <https://docs.stripe.com/currencies#zero-decimal>
const ZERO_DECIMAL: [&str; 16] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"];

/// The other currencies in which charges can be made (<https://docs.stripe.com/currencies>).
const CURRENCIES: &str = "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bmd bnd bob brl bsd bwp byn \
    bzd cad cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils \
    inr isk jmd jod kes kgs khr kwd kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn \
    nio nok npr nzd omr pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd \
    top try ttd twd tzs uah uyu uzs wst xcd yer zar zmw";

/// The largest amount: eight digits.
const LARGEST: i64 = 99_999_999;

/// The number of a currency's decimal places (<https://docs.stripe.com/currencies#zero-decimal>).
pub(crate) fn decimals(currency: &str) -> i32 {
    match currency {
        zero if ZERO_DECIMAL.contains(&zero) => 0,
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => 3,
        _ => 2,
    }
}

/// Stripe's fee on a card charge, rounded half up, in the currency of settlement: 2.9 % plus 30
/// smallest units, as for a US account and US cards. In Singapore and Japan as recorded there.
pub(crate) fn stripe_fee(amount: i64, country: &str) -> i64 {
    let (thousandths, fixed) = match country {
        "SG" => (39, 50),
        "JP" => (36, 0),
        _ => (29, 30),
    };
    (amount * thousandths + 500) / 1000 + fixed
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

/// Checks that an amount is large enough to charge once settled
/// (<https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>).
///
/// # Errors
/// 400 `amount_too_small`.
pub(crate) fn check_settled(amount: i64, currency: &str, settled: i64, own: &str) -> Result<(), ApiError> {
    if settled >= smallest(own) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "Amount must convert to at least {}. {} converts to approximately {}.",
        display(smallest(own), own),
        display(amount, currency),
        display(settled, own)
    ))
    .code("amount_too_small")
    .param("amount"))
}

/// Checks that an amount can be charged.
///
/// # Errors
/// 400 `amount_too_small` or `amount_too_large`.
pub(crate) fn check_charge(amount: i64, currency: &str, param: &str) -> Result<(), ApiError> {
    if amount < 0 {
        return Err(ApiError::invalid("This value must be greater than or equal to 1.").code("parameter_invalid_integer").param(param));
    }
    if amount == 0 {
        return Err(ApiError::invalid(
            "The amount must be greater than or equal to the minimum charge amount allowed for your account and the currency set \
             (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).  If you want to save a Payment Method for future \
             use without an immediate payment, use a Setup Intent instead: https://docs.stripe.com/payments/setup-intents",
        )
        .code("parameter_invalid_integer")
        .param(param));
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

/// An amount formatted for people: `$999,999.99`.
pub(crate) fn display(amount: i64, currency: &str) -> String {
    let sign = match currency {
        "usd" => "$".to_owned(),
        "eur" => "€".to_owned(),
        "gbp" => "£".to_owned(),
        "jpy" => "¥".to_owned(),
        other => format!("{} ", other.to_uppercase()),
    };
    if ZERO_DECIMAL.contains(&currency) {
        return format!("{sign}{}", grouped(amount));
    }
    format!("{sign}{}.{:02}", grouped(amount / 100), amount % 100)
}

/// A number with thousands separators.
fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fee_is_rounded_half_up() {
        assert_eq!(stripe_fee(5000, "US"), 175);
        // 29.4 and 29.5 hundredths.
        assert_eq!(stripe_fee(50, "US"), 31);
        assert_eq!(stripe_fee(500, "US"), 45);
        assert_eq!(stripe_fee(1000, "US"), 59);
        // Recorded.
        assert_eq!(stripe_fee(1318, "SG"), 101);
        assert_eq!(stripe_fee(10_000, "JP"), 360);
        assert_eq!(stripe_fee(1356, "CA"), 69);
    }

    #[test]
    fn a_share_of_the_whole_is_the_whole() {
        assert_eq!(share(299, 1000, 1000), 299);
        assert_eq!(share(299, 500, 1000), 150);
        assert_eq!(share(1, 333, 1000), 0);
    }

    #[test]
    fn amounts_are_written_as_people_read_them() {
        assert_eq!(display(99_999_999, "usd"), "$999,999.99");
        assert_eq!(display(600, "usd"), "$6.00");
        assert_eq!(display(1_234_567, "jpy"), "¥1,234,567");
        assert_eq!(display(50, "chf"), "CHF 0.50");
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
