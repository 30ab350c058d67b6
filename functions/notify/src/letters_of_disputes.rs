//! The letters about disputes of purchases and members' payments, and about warnings before them: plain text, no markup.

use shared::domain::mail::{DisputeStage, Recipient};
use shared::domain::money::Currency;
use shared::domain::purchase::DisputeStatus;
use time::OffsetDateTime;

use crate::letters::{SELLS, STAFF, amount, day};
use crate::render::{Letter, Part, letter};

/// A dispute as it is when the letter is written. Amounts are in the minor unit.
#[derive(Clone, Debug)]
pub(crate) struct Disputed {
    pub(crate) title: String,
    /// What it belongs to, and its id.
    pub(crate) of: (&'static str, String),
    pub(crate) paid: i64,
    pub(crate) amount: i64,
    pub(crate) currency: Currency,
    pub(crate) reason: String,
    pub(crate) status: DisputeStatus,
    pub(crate) due_by: Option<OffsetDateTime>,
    /// Whether the platform's own account was charged, so that its staff answers. Otherwise the seller does.
    pub(crate) is_platforms: bool,
}

impl Disputed {
    fn facts(&self) -> Part {
        let mut facts = vec![("Disputed", amount(self.amount, self.currency)), ("Paid", amount(self.paid, self.currency))];
        if !self.reason.is_empty() {
            facts.push(("The bank’s reason", self.reason.replace('_', " ")));
        }
        facts.extend(self.due_by.filter(|_| self.status.needs_answer()).map(|due_by| ("Answer by", until(due_by))));
        facts.push((self.of.0, self.of.1.clone()));
        Part::Facts(facts)
    }

    /// What the recipient can do about it.
    fn to_do(&self, to: Recipient) -> &'static str {
        if !self.status.needs_answer() {
            return "There is nothing to answer at the moment.";
        }
        match (self.is_platforms, to, self.status.is_appeal()) {
            (true, Recipient::Staff, true) => "The appeal is made in the platform's Stripe Dashboard.",
            (true, Recipient::Staff, false) => {
                "Evidence is what decides, and it can be submitted only once. The staff desk has put a draft together: complete it and submit it by the day above. Without an answer, the buyer gets the money."
            }
            (true, _, _) => {
                "The platform answers the bank. If you have something that proves the sale, such as messages of the buyer, send it to the platform's staff before the day above."
            }
            (false, Recipient::Staff, _) => "The payment was made on the seller's own account, so the seller answers the bank.",
            (false, _, _) => {
                "The payment was made on your own Stripe account, so you answer the bank, in your Stripe Dashboard by the day above. Evidence is what decides, and it can be submitted only once. If your dashboard does not let you, ask the platform's staff. Without an answer, the buyer gets the money."
            }
        }
    }
}

/// A time by which something must be done, in UTC.
fn until(at: OffsetDateTime) -> String {
    format!("{}, {:02}:{:02} UTC", day(at), at.hour(), at.minute())
}

/// The recipient's link, and why they got the letter.
fn end(shop: &str, to: Recipient) -> (Part, &'static str) {
    match to {
        Recipient::Staff => (Part::Link("Open the staff desk", format!("{shop}/staff.html#disputes")), STAFF),
        Recipient::Seller | Recipient::Buyer => (Part::Link("View your sales", format!("{shop}/seller.html")), SELLS),
    }
}

pub(crate) fn opened(shop: &str, one: &Disputed, stage: DisputeStage, recipient: Recipient, to: &str) -> Letter {
    let title = format!("\u{201c}{}\u{201d}", one.title);
    let (subject, says) = match (stage, one.status.is_inquiry()) {
        (DisputeStage::Opened, true) => (
            "A bank asks about a payment",
            format!(
                "The buyer's bank asks about the payment for {title}. No money has moved. An unanswered inquiry can become a dispute; a full refund ends it."
            ),
        ),
        (DisputeStage::Opened, false) => (
            "A payment is disputed",
            format!("The buyer disputed the payment for {title} with their bank. The bank holds the money until the dispute is decided."),
        ),
        (DisputeStage::Escalated, _) => (
            "An inquiry became a dispute",
            format!("The bank's inquiry about the payment for {title} became a dispute. The bank holds the money until it is decided."),
        ),
        (DisputeStage::Appealed, _) => (
            "A lost dispute can be appealed",
            format!("The lost dispute about the payment for {title} can be appealed. The bank keeps the money for now."),
        ),
    };
    let (link, why) = end(shop, recipient);
    let parts = [Part::Says(says), one.facts(), Part::Says(one.to_do(recipient).to_owned()), link];
    letter(to, &format!("{subject}: {}", one.title), &parts, why)
}

pub(crate) fn closed(shop: &str, one: &Disputed, won: bool, recipient: Recipient, to: &str) -> Letter {
    let (subject, says) = match (won, one.status.is_inquiry()) {
        (true, true) => ("Inquiry closed", "The bank closed its inquiry without a dispute. The payment stands."),
        (true, false) => ("Dispute won", "The dispute was decided against the buyer. The payment stands."),
        (false, _) => ("Dispute lost", "The dispute was decided in the buyer's favor. The bank returned the money to the buyer."),
    };
    let (link, why) = end(shop, recipient);
    let parts = [Part::Says(says.to_owned()), one.facts(), link];
    letter(to, &format!("{subject}: {}", one.title), &parts, why)
}

/// A payment whose card's issuer warns of fraud. Amounts are in the minor unit.
#[derive(Clone, Debug)]
pub(crate) struct Warned {
    pub(crate) title: String,
    /// What it belongs to, and its id.
    pub(crate) of: (&'static str, String),
    pub(crate) paid: i64,
    pub(crate) currency: Currency,
    pub(crate) reason: String,
    /// Whether the platform's own account was charged. Otherwise a dispute would be the seller's.
    pub(crate) is_platforms: bool,
    /// Whether it is refunded because of the warning.
    pub(crate) is_refunded: bool,
}

pub(crate) fn fraud_warning(shop: &str, one: &Warned, recipient: Recipient, to: &str) -> Letter {
    let says = format!(
        "The bank that issued the card says that the payment for \u{201c}{}\u{201d} was fraud. Nobody has disputed it yet, but most such payments are disputed later.",
        one.title
    );
    let to_do = match (one.is_refunded, one.is_platforms, recipient) {
        (true, ..) => "It is refunded in full, as the platform's settings say. There is nothing to do.",
        (false, true, _) => "A full refund now can prevent a dispute and its fee. Refund the payment unless you know that it is genuine.",
        (false, false, Recipient::Staff) => {
            "The payment was made on the seller's own account, so a dispute would be the seller's. The seller is told. You can refund it, too."
        }
        (false, false, _) => {
            "The payment was made on your own Stripe account, so a dispute would be yours. A full refund now can prevent a dispute and its fee. Refund the payment unless you know that it is genuine."
        }
    };
    let mut facts = vec![("Paid", amount(one.paid, one.currency))];
    if !one.reason.is_empty() {
        facts.push(("The bank’s reason", one.reason.replace('_', " ")));
    }
    facts.push((one.of.0, one.of.1.clone()));
    let (link, why) = match recipient {
        Recipient::Staff => (Part::Link("Open the staff desk", format!("{shop}/staff.html#findings")), STAFF),
        Recipient::Seller | Recipient::Buyer => end(shop, recipient),
    };
    letter(
        to,
        &format!("A bank warns of fraud: {}", one.title),
        &[Part::Says(says), Part::Facts(facts), Part::Says(to_do.to_owned()), link],
        why,
    )
}
