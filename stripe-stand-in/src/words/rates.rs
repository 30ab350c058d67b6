//! Default exchange rates. Round numbers; a test that needs a rate sets it.

/// US dollars per unit.
const IN_DOLLARS: [(&str, f64); 34] = [
    ("aed", 0.27),
    ("aud", 0.65),
    ("bgn", 0.56),
    ("brl", 0.18),
    ("cad", 0.72),
    ("chf", 1.15),
    ("cny", 0.14),
    ("czk", 0.044),
    ("dkk", 0.147),
    ("eur", 1.10),
    ("gbp", 1.28),
    ("gip", 1.28),
    ("hkd", 0.128),
    ("huf", 0.0028),
    ("idr", 0.000_062),
    ("ils", 0.27),
    ("inr", 0.012),
    ("isk", 0.0072),
    ("jpy", 0.0067),
    ("krw", 0.000_74),
    ("mxn", 0.055),
    ("myr", 0.22),
    ("nok", 0.094),
    ("nzd", 0.60),
    ("php", 0.017),
    ("pln", 0.25),
    ("ron", 0.22),
    ("sek", 0.095),
    ("sgd", 0.75),
    ("thb", 0.028),
    ("try", 0.029),
    ("ugx", 0.000_27),
    ("vnd", 0.000_04),
    ("zar", 0.055),
];

/// The value of one unit of a currency in US dollars; 1 if it is not in the table.
pub(crate) fn in_dollars(currency: &str) -> f64 {
    IN_DOLLARS.iter().find(|(code, _)| *code == currency).map_or(1.0, |(_, worth)| *worth)
}

/// Whether the table has a currency, in lower case. Without a rate, an account in another currency proves nothing about minimums and fees.
#[must_use]
pub fn knows_rate(currency: &str) -> bool {
    currency == "usd" || IN_DOLLARS.iter().any(|(code, _)| *code == currency)
}
