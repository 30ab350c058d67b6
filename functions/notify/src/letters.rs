//! The letters, one function each: plain words, no markup.

use shared::money::Currency;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::render::{Letter, Part, letter};

const BOUGHT: &str = "You get this mail because you bought a course.";
const SELLS: &str = "You get this mail because you sell courses.";

/// What letters tell of a purchase. Amounts are in the minor unit.
#[derive(Clone, Debug)]
pub(crate) struct Sale {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) slug: String,
    pub(crate) amount: i64,
    pub(crate) fee: i64,
    pub(crate) currency: Currency,
    pub(crate) paid_at: OffsetDateTime,
}

/// An amount in the minor unit as people write it: `50.00 USD`, `5000 JPY`.
/// <https://docs.stripe.com/currencies#zero-decimal>
fn amount(minor: i64, currency: Currency) -> String {
    let code = currency.code().to_uppercase();
    match currency {
        Currency::Jpy | Currency::Krw | Currency::Vnd => format!("{minor} {code}"),
        _ => {
            let sign = if minor < 0 { "-" } else { "" };
            format!("{sign}{}.{:02} {code}", minor.abs() / 100, minor.abs() % 100)
        }
    }
}

/// The day, in UTC.
fn day(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default().chars().take(10).collect()
}

pub(crate) fn receipt(shop: &str, sale: &Sale, to: &str) -> Letter {
    let parts = [
        Part::Says(format!("Thank you. \u{201c}{}\u{201d} is yours, and this is your receipt.", sale.title)),
        Part::Facts(vec![
            ("Course", sale.title.clone()),
            ("Paid", amount(sale.amount, sale.currency)),
            ("Date", day(sale.paid_at)),
            ("Purchase", sale.id.clone()),
        ]),
        Part::Link("Open the course", format!("{shop}/course.html?slug={}", sale.slug)),
        Part::Link("See the purchase", format!("{shop}/purchase.html?id={}", sale.id)),
    ];
    letter(to, &format!("Your receipt: {}", sale.title), &parts, BOUGHT)
}

pub(crate) fn sale_notice(shop: &str, sale: &Sale, to: &str) -> Letter {
    let part = sale.amount - sale.fee;
    let parts = [
        Part::Says(format!("Somebody bought \u{201c}{}\u{201d}.", sale.title)),
        Part::Facts(vec![
            ("Price", amount(sale.amount, sale.currency)),
            ("Platform's fee", amount(sale.fee, sale.currency)),
            ("Your part", amount(part, sale.currency)),
            ("Date", day(sale.paid_at)),
            ("Purchase", sale.id.clone()),
        ]),
        Part::Link("See your sales", format!("{shop}/seller.html")),
    ];
    letter(to, &format!("You sold a course: {}", sale.title), &parts, SELLS)
}

pub(crate) fn refund(shop: &str, sale: &Sale, total: i64, to: &str) -> Letter {
    let says = if total >= sale.amount {
        format!("What you paid for \u{201c}{}\u{201d} was given back in full. The course is no longer yours.", sale.title)
    } else {
        format!("A part of what you paid for \u{201c}{}\u{201d} was given back. The course stays yours.", sale.title)
    };
    let parts = [
        Part::Says(says),
        Part::Facts(vec![
            ("Paid", amount(sale.amount, sale.currency)),
            ("Given back so far", amount(total, sale.currency)),
            ("Purchase", sale.id.clone()),
        ]),
        Part::Says("It goes to where the payment came from. Banks take five to ten days to show it.".to_owned()),
        Part::Link("See the purchase", format!("{shop}/purchase.html?id={}", sale.id)),
    ];
    letter(to, &format!("Your refund: {}", sale.title), &parts, BOUGHT)
}

pub(crate) fn dispute_opened(shop: &str, sale: &Sale, to: &str) -> Letter {
    let parts = [
        Part::Says(format!(
            "The buyer's bank disputes the payment for \u{201c}{}\u{201d}. It holds the money until the dispute is decided.",
            sale.title
        )),
        Part::Facts(vec![("Amount", amount(sale.amount, sale.currency)), ("Purchase", sale.id.clone())]),
        Part::Says("Evidence decides, and there is a last day for it: look at the dispute in Stripe's Dashboard soon.".to_owned()),
        Part::Link("See your sales", format!("{shop}/seller.html")),
    ];
    letter(to, &format!("A payment is disputed: {}", sale.title), &parts, SELLS)
}

pub(crate) fn dispute_closed(shop: &str, sale: &Sale, won: bool, to: &str) -> Letter {
    let (subject, says) = if won {
        ("Dispute won", "The dispute was decided for you: the payment stands.")
    } else {
        ("Dispute lost", "The dispute was decided for the buyer: the bank gave the money back.")
    };
    let parts = [
        Part::Says(says.to_owned()),
        Part::Facts(vec![("Course", sale.title.clone()), ("Amount", amount(sale.amount, sale.currency)), ("Purchase", sale.id.clone())]),
        Part::Link("See your sales", format!("{shop}/seller.html")),
    ];
    letter(to, &format!("{subject}: {}", sale.title), &parts, SELLS)
}

pub(crate) fn onboarding(shop: &str, to: &str) -> Letter {
    let parts = [
        Part::Says("Stripe still needs something from you before your courses can be paid for. It takes a few minutes.".to_owned()),
        Part::Link("Finish at your seller's desk", format!("{shop}/seller.html")),
    ];
    letter(to, "Your Stripe account is not ready yet", &parts, "You get this mail because you began to sell courses.")
}

pub(crate) fn renewal_failed(shop: &str, title: &str, to: &str) -> Letter {
    let parts = [
        Part::Says(format!("The payment that renews \u{201c}{title}\u{201d} did not go through.")),
        Part::Says(
            "Stripe tries again in the next days. If your card has changed, name the new one at the membership in your account.".to_owned(),
        ),
        Part::Link("Open your account", format!("{shop}/account.html")),
    ];
    letter(to, &format!("A renewal did not go through: {title}"), &parts, "You get this mail because you have a membership.")
}

/// The token stands behind the `#`: browsers send it to nobody.
pub(crate) fn password_reset(shop: &str, token: &str, to: &str) -> Letter {
    let parts = [
        Part::Says("Somebody, hopefully you, asked for a new password for your account.".to_owned()),
        Part::Link("Set a new password", format!("{shop}/reset.html#{token}")),
        Part::Says("The link works once, for an hour. If it was not you, leave it: your password stays as it is.".to_owned()),
    ];
    letter(to, "Set a new password", &parts, "You get this mail because a new password was asked for with this address.")
}

/// The token stands behind the `#`: browsers send it to nobody.
pub(crate) fn confirm_email(shop: &str, token: &str, to: &str) -> Letter {
    let parts = [
        Part::Says("Please confirm that this address is yours, so that your receipts reach you.".to_owned()),
        Part::Link("Confirm the address", format!("{shop}/confirm.html#{token}")),
        Part::Says("The link works once, for a day.".to_owned()),
    ];
    letter(to, "Confirm your e-mail address", &parts, "You get this mail because an account was opened, or changed, with this address.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_in_their_currencys_units() {
        for (minor, currency, written) in [
            (5000, Currency::Usd, "50.00 USD"),
            (5, Currency::Eur, "0.05 EUR"),
            (-250, Currency::Gbp, "-2.50 GBP"),
            (5000, Currency::Jpy, "5000 JPY"),
            (99_999_999, Currency::Usd, "999999.99 USD"),
        ] {
            assert_eq!(amount(minor, currency), written);
        }
    }
}
