//! The letters, one function each: plain text, no markup.

use shared::domain::mail::{FactorNews, News, Recipient};
use shared::domain::money::Currency;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::render::{Letter, Part, letter};

const BOUGHT: &str = "You received this email because you bought a course.";
pub(crate) const MEMBER: &str = "You received this email because you have a membership.";
pub(crate) const SELLS: &str = "You received this email because you sell courses.";

pub(crate) const STAFF: &str = "You received this email because this address is set as the platform's staff address.";

/// The facts of a purchase for its letters. Amounts are in the minor unit.
#[derive(Clone, Debug)]
pub(crate) struct Sale {
    pub(crate) id: String,
    /// The course's; `None` in a letter to an address that nobody has confirmed.
    pub(crate) title: Option<String>,
    /// Opens the course's page, even after the course was renamed or deleted.
    pub(crate) course_id: String,
    pub(crate) amount: i64,
    pub(crate) fee: i64,
    pub(crate) currency: Currency,
    pub(crate) paid_at: OffsetDateTime,
}

/// An amount in the minor unit, formatted for people: `50.00 USD`, `5000 JPY`.
pub(crate) fn amount(minor: i64, currency: Currency) -> String {
    let (code, decimals) = (currency.code().to_uppercase(), currency.decimals());
    let sign = if minor < 0 { "-" } else { "" };
    let figures = format!("{:0>width$}", minor.unsigned_abs(), width = decimals + 1);
    match figures.split_at(figures.len() - decimals) {
        (whole, "") => format!("{sign}{whole} {code}"),
        (whole, part) => format!("{sign}{whole}.{part} {code}"),
    }
}

/// The day, in UTC.
pub(crate) fn day(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default().chars().take(10).collect()
}

/// A title in quotes, or what stands for it.
pub(crate) fn named(title: Option<&str>, otherwise: &str) -> String {
    title.map_or_else(|| otherwise.to_owned(), |title| format!("\u{201c}{title}\u{201d}"))
}

/// A letter whose subject ends with a title, unless it must do without.
pub(crate) fn about(to: &str, subject: &str, title: Option<&str>, parts: &[Part], why: &str) -> Letter {
    let subject = title.map_or_else(|| subject.to_owned(), |title| format!("{subject}: {title}"));
    Letter { nameless: title.is_none(), ..letter(to, &subject, parts, why) }
}

pub(crate) fn receipt(shop: &str, sale: &Sale, to: &str) -> Letter {
    let title = sale.title.as_deref();
    let mut facts: Vec<_> = title.map(|title| ("Course", title.to_owned())).into_iter().collect();
    facts.extend([("Paid", amount(sale.amount, sale.currency)), ("Date", day(sale.paid_at)), ("Purchase", sale.id.clone())]);
    let says = format!("Thank you for your purchase. {} is now in your library. This is your receipt.", named(title, "The course"));
    let mut parts = vec![Part::Says(says), Part::Facts(facts)];
    parts.extend(title.map(|_| Part::Link("Open the course", format!("{shop}/course.html?id={}", sale.course_id))));
    parts.push(Part::Link("View your purchase", format!("{shop}/purchase.html?id={}", sale.id)));
    about(to, "Your receipt", title, &parts, BOUGHT)
}

pub(crate) fn sale_notice(shop: &str, sale: &Sale, to: &str) -> Letter {
    let part = sale.amount - sale.fee;
    let parts = [
        Part::Says(format!("Good news: {} was sold.", named(sale.title.as_deref(), "your course"))),
        Part::Facts(vec![
            ("Price", amount(sale.amount, sale.currency)),
            ("Platform fee", amount(sale.fee, sale.currency)),
            ("Your share", amount(part, sale.currency)),
            ("Date", day(sale.paid_at)),
            ("Purchase", sale.id.clone()),
        ]),
        Part::Link("View your sales", format!("{shop}/seller.html")),
    ];
    about(to, "You sold a course", sale.title.as_deref(), &parts, SELLS)
}

pub(crate) fn refund(shop: &str, sale: &Sale, total: i64, to: &str) -> Letter {
    let course = named(sale.title.as_deref(), "a course");
    let says = if total >= sale.amount {
        format!("Your payment for {course} was refunded in full. The course is no longer in your library.")
    } else {
        format!("Part of your payment for {course} was refunded. You keep the course.")
    };
    let parts = [
        Part::Says(says),
        Part::Facts(vec![
            ("Paid", amount(sale.amount, sale.currency)),
            ("Refunded so far", amount(total, sale.currency)),
            ("Purchase", sale.id.clone()),
        ]),
        Part::Says(
            "The money goes back to your original payment method. It can take five to ten days to appear on your statement.".to_owned(),
        ),
        Part::Link("View your purchase", format!("{shop}/purchase.html?id={}", sale.id)),
    ];
    about(to, "Your refund", sale.title.as_deref(), &parts, BOUGHT)
}

/// A bank returns a refund if the card or account is closed. <https://docs.stripe.com/refunds#failed-refunds>
pub(crate) fn refund_failed(shop: &str, sale: &Sale, given_back: i64, recipient: Recipient, to: &str) -> Letter {
    let says = match recipient {
        Recipient::Buyer => {
            "Your bank could not accept the money and returned it. Your purchase is as it was before the refund. The person who refunded you will have to pay you back in another way."
        }
        Recipient::Seller => {
            "The buyer's bank could not accept the money and returned it. The purchase is as it was before the refund, and you receive your share of the sale again. If you still want to refund the buyer, agree with them on another way."
        }
        Recipient::Staff => {
            "The buyer's bank could not accept the money and returned it. The purchase is as it was before the refund. Please agree with the buyer on another way."
        }
    };
    let says = format!("A refund for {} failed. {says}", named(sale.title.as_deref(), "a course"));
    about_refund("A refund has failed", says, &[("Refund", amount(given_back, sale.currency))], shop, sale, recipient, to)
}

/// Stripe refused a refund that had been accepted here, while nobody waited for the answer.
pub(crate) fn refund_refused(shop: &str, sale: &Sale, asked: i64, code: &str, recipient: Recipient, to: &str) -> Letter {
    let says = format!(
        "A refund for {} could not be made, because Stripe refused it. The buyer has not received any of it. You can ask for the refund again.",
        named(sale.title.as_deref(), "a course")
    );
    let facts = [("Refund", amount(asked, sale.currency)), ("Stripe’s reason", code.to_owned())];
    about_refund("A refund was refused", says, &facts, shop, sale, recipient, to)
}

fn about_refund(
    subject: &str,
    says: String,
    facts: &[(&'static str, String)],
    shop: &str,
    sale: &Sale,
    recipient: Recipient,
    to: &str,
) -> Letter {
    let (link, why) = match recipient {
        Recipient::Buyer => (Part::Link("View your purchase", format!("{shop}/purchase.html?id={}", sale.id)), BOUGHT),
        Recipient::Seller => (Part::Link("View your sales", format!("{shop}/seller.html")), SELLS),
        Recipient::Staff => (Part::Link("View the findings", format!("{shop}/staff.html")), STAFF),
    };
    let sold = [("Paid", amount(sale.amount, sale.currency)), ("Purchase", sale.id.clone())];
    let parts = [Part::Says(says), Part::Facts(facts.iter().cloned().chain(sold).collect()), link];
    about(to, subject, sale.title.as_deref(), &parts, why)
}

pub(crate) fn renewal_failed(shop: &str, title: Option<&str>, first: bool, to: &str) -> Letter {
    let title_or = named(title, "your membership");
    let (subject, says) = match first {
        true => (
            "A payment did not go through",
            format!("Your bank refused the first payment for {title_or}. You can open its courses once it is paid."),
        ),
        false => ("A renewal did not go through", format!("We could not renew {title_or}, because the payment did not go through.")),
    };
    let parts = [
        Part::Says(says),
        Part::Says(
            "Your bank may want you to confirm the payment, or your card may have changed. Choose \u{201c}Pay now\u{201d} next to the membership in \
             your account. Otherwise, Stripe tries again in the next few days."
                .to_owned(),
        ),
        Part::Link("Go to your memberships", format!("{shop}/account.html#memberships")),
    ];
    about(to, subject, title, &parts, MEMBER)
}

pub(crate) fn membership_ends(shop: &str, title: Option<&str>, until: Option<OffsetDateTime>, direct: bool, to: &str) -> Letter {
    let mut parts = vec![Part::Says(format!(
        "{} will not be renewed, because its seller can no longer receive payments here or has no courses left. You will not be charged here again.",
        named(title, "A membership of yours")
    ))];
    if let Some(until) = until {
        parts.push(Part::Says(format!(
            "You can use the seller's published courses until {}, the end of the period you paid for.",
            day(until)
        )));
    }
    if direct {
        parts.push(Part::Says(
            "You paid this seller through their own Stripe account. If you are charged there again, ask the seller or your bank to stop it.".to_owned(),
        ));
    }
    parts.push(Part::Link("View your memberships", format!("{shop}/account.html#memberships")));
    about(to, "Your membership ends", title, &parts, MEMBER)
}

/// The token is behind the `#`, which browsers do not send to servers.
pub(crate) fn password_reset(shop: &str, token: &str, to: &str) -> Letter {
    let parts = [
        Part::Says("We received a request to set a new password for your account.".to_owned()),
        Part::Link("Set a new password", format!("{shop}/reset.html#{token}")),
        Part::Says(
            "The link works once and is valid for an hour. If you did not request this, ignore this email. Your password stays the same."
                .to_owned(),
        ),
    ];
    letter(to, "Set a new password", &parts, "You received this email because somebody requested a new password for this address.")
}

/// The token is behind the `#`, which browsers do not send to servers.
pub(crate) fn confirm_email(shop: &str, token: &str, to: &str) -> Letter {
    let parts = [
        Part::Says("Please confirm your email address, so that your receipts reach you.".to_owned()),
        Part::Link("Confirm your address", format!("{shop}/confirm.html#{token}")),
        Part::Says("The link works once and is valid for a day. If you didn’t create an account here, ignore this email.".to_owned()),
    ];
    letter(to, "Confirm your email address", &parts, "You received this email because an account was created with this address.")
}

const ASKED_FOR: &str = "You received this email because somebody asked to use this address for their account.";

/// The token is behind the `#`, which browsers do not send to servers.
pub(crate) fn confirm_new_email(shop: &str, token: &str, to: &str) -> Letter {
    let parts = [
        Part::Says("Somebody, hopefully you, asked to use this address for their account. Please confirm that it is yours.".to_owned()),
        Part::Link("Confirm your address", format!("{shop}/confirm.html#{token}")),
        Part::Says("The link works once and is valid for a day. If it was not you, ignore this email: nothing changes.".to_owned()),
    ];
    letter(to, "Confirm your new email address", &parts, ASKED_FOR)
}

pub(crate) fn address_taken(shop: &str, to: &str) -> Letter {
    let parts = [
        Part::Says(
            "Somebody, hopefully you, asked to use this address for another account. You already have an account with it, so nothing changes. \
             To use it for the other account, change the address of this one first."
                .to_owned(),
        ),
        Part::Link("Log in", format!("{shop}/login.html")),
        Part::Says("If it was not you, there is nothing to do. Your account is unchanged, and they were not told that it exists.".to_owned()),
    ];
    letter(to, "This address already has an account", &parts, ASKED_FOR)
}

/// The token is behind the `#`, which browsers do not send to servers.
pub(crate) fn email_moved(shop: &str, token: &str, to: &str) -> Letter {
    let parts = [
        Part::Says("The email address of your account was changed. If that was you, there is nothing to do.".to_owned()),
        Part::Says("If this was not you, set a new password. That restores this address, ends all sessions, and switches off a second factor that was set up since.".to_owned()),
        Part::Link("It was not me: set a new password", format!("{shop}/reset.html#{token}")),
        Part::Says("The link works once and is valid for seven days.".to_owned()),
    ];
    letter(to, "Your email address was changed", &parts, "You received this email because your account had this address.")
}

pub(crate) fn password_changed(shop: &str, to: &str) -> Letter {
    let parts = [
        Part::Says("The password of your account was changed. If that was you, there is nothing to do.".to_owned()),
        Part::Says("If this was not you, request a new password at once. That ends all sessions.".to_owned()),
        Part::Link("It was not me: request a new password", format!("{shop}/forgot.html")),
    ];
    letter(to, "Your password was changed", &parts, "You received this email because you have an account.")
}

pub(crate) fn second_factor(shop: &str, news: FactorNews, to: &str) -> Letter {
    let (subject, says) = match news {
        FactorNews::On => {
            ("Your second factor was switched on", "Logging in to your account now also needs a code of your authenticator app.")
        }
        FactorNews::Off => ("Your second factor was switched off", "Logging in to your account no longer needs a code."),
        FactorNews::RecoveryCode => ("A recovery code was used", "One of your recovery codes was used and no longer works."),
    };
    let parts = [
        Part::Says(format!("{says} If that was you, there is nothing to do.")),
        Part::Says("If this was not you, somebody knows your password. Request a new one at once, which ends all sessions.".to_owned()),
        Part::Link("It was not me: request a new password", format!("{shop}/forgot.html")),
    ];
    letter(to, subject, &parts, "You received this email because you have an account.")
}

pub(crate) fn codes_wrong(shop: &str, to: &str) -> Letter {
    let parts = [
        Part::Says(
            "Somebody entered the right password of your account today, but several wrong codes of your second factor. \
             With these codes they could not do anything. If that was you, there is nothing to do."
                .to_owned(),
        ),
        Part::Says("If this was not you, somebody knows your password. Request a new one at once, which ends all sessions.".to_owned()),
        Part::Link("It was not me: request a new password", format!("{shop}/forgot.html")),
    ];
    letter(to, "Somebody knows your password but not your code", &parts, "You received this email because you have an account.")
}

/// The reason of a suspension is the staff's own.
pub(crate) fn changed_by_staff(shop: &str, news: News, note: Option<String>, to: &str) -> Letter {
    let (subject, says, link) = match news {
        News::SellerRoleGiven => (
            "You can sell courses now",
            "You are a seller now. You can create courses, and connect the Stripe account that your sales are paid to.",
            Some(Part::Link("Open the seller desk", format!("{shop}/seller.html"))),
        ),
        News::SellerRoleTaken => (
            "You are no longer a seller",
            "The staff ended your role as a seller. Your courses are no longer sold, and your memberships are not renewed. Your buyers keep what they bought.",
            None,
        ),
        News::ApplicationDeclined => (
            "Your application to sell was declined",
            "Thank you for your application. The staff decided not to make you a seller for now. You can apply again in a week.",
            None,
        ),
        News::StaffRoleGiven => (
            "You are a staff member now",
            "You are a staff member now. You can see and change the accounts of others, and what you change is recorded.",
            Some(Part::Link("Open the staff desk", format!("{shop}/staff.html"))),
        ),
        News::StaffRoleTaken => ("You are no longer a staff member", "Your role as a staff member has ended.", None),
        News::Suspended => (
            "Your account is suspended",
            "The staff suspended your account. Your sessions have ended, you cannot log in, and nothing of yours is sold. If you think that this is a mistake, contact the staff.",
            None,
        ),
        News::SuspensionLifted => (
            "Your account is no longer suspended",
            "Your account is no longer suspended. You can log in again.",
            Some(Part::Link("Log in", format!("{shop}/login.html"))),
        ),
    };
    let note = note.map(|note| Part::Says(format!("They wrote: {note}")));
    let parts: Vec<Part> = std::iter::once(Part::Says(says.to_owned())).chain(note).chain(link).collect();
    letter(to, subject, &parts, "You received this email because you have an account.")
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
