//! The letters about members' payments: plain text, no markup.

use shared::domain::mail::Recipient;
use shared::domain::membership::Payment;
use shared::domain::money::Currency;

use crate::letters::{MEMBER, SELLS, STAFF, about, amount, day, named};
use crate::render::{Letter, Part};

/// What a member paid for a period. Amounts are in the minor unit.
#[derive(Clone, Debug)]
pub(crate) struct Period {
    pub(crate) subscription: String,
    /// `None` in a letter to an address that nobody has confirmed.
    pub(crate) title: Option<String>,
    pub(crate) currency: Currency,
    pub(crate) payment: Payment,
}

impl Period {
    fn money(&self, minor: i64) -> String {
        amount(minor, self.currency)
    }

    /// The amount, what was paid, until when, and the membership's id.
    fn facts(&self, of: &'static str, minor: i64) -> Part {
        let mut facts = vec![(of, self.money(minor)), ("Paid", self.money(self.payment.amount))];
        facts.extend(self.payment.period_end.map(|end| ("Paid until", day(end))));
        facts.push(("Membership", self.subscription.clone()));
        Part::Facts(facts)
    }
}

/// The recipient's link, and why they got the letter.
fn end(shop: &str, recipient: Recipient) -> (Part, &'static str) {
    match recipient {
        Recipient::Buyer => (Part::Link("View your memberships", format!("{shop}/account.html#memberships")), MEMBER),
        Recipient::Seller => (Part::Link("View your members", format!("{shop}/seller.html")), SELLS),
        Recipient::Staff => (Part::Link("Open the staff desk", format!("{shop}/staff.html")), STAFF),
    }
}

pub(crate) fn refunded(shop: &str, period: &Period, total: i64, to: &str) -> Letter {
    let membership = named(period.title.as_deref(), "a membership");
    let says = if total >= period.payment.amount {
        format!(
            "Your payment for one period of {membership} was refunded in full. That period no longer gives you access. The membership itself continues until you cancel it."
        )
    } else {
        format!("Part of your payment for {membership} was refunded. Your membership does not change.")
    };
    let (link, why) = end(shop, Recipient::Buyer);
    let parts = [
        Part::Says(says),
        period.facts("Refunded so far", total),
        Part::Says(
            "The money goes back to your original payment method. It can take five to ten days to appear on your statement.".to_owned(),
        ),
        link,
    ];
    about(to, "Your refund", period.title.as_deref(), &parts, why)
}

/// A bank returns a refund if the card or account is closed. <https://docs.stripe.com/refunds#failed-refunds>
pub(crate) fn refund_failed(shop: &str, period: &Period, refund: &str, recipient: Recipient, to: &str) -> Letter {
    let says = match recipient {
        Recipient::Buyer => {
            "Your bank could not accept the money and returned it. The period counts as paid again. The person who refunded you will have to pay you back in another way."
        }
        Recipient::Seller => {
            "The member's bank could not accept the money and returned it. The period counts as paid again. If the refund took back your share, the platform holds it now, and its staff has been notified. If you still want to refund the member, agree with them on another way."
        }
        Recipient::Staff => {
            "The member's bank could not accept the money and returned it to the account that made the charge. The refund took back the seller's share, and Stripe does not return that share automatically. Please agree with the member on another way, or transfer the share to the seller again."
        }
    };
    let given_back = period.payment.refunds.iter().find(|one| one.id == refund).map_or(0, |one| one.amount);
    let (link, why) = end(shop, recipient);
    let title = period.title.as_deref();
    let says = format!("A refund for {} failed. {says}", named(title, "a membership"));
    about(to, "A refund has failed", title, &[Part::Says(says), period.facts("Refund", given_back), link], why)
}
