//! The letters about sellers' Stripe accounts.

use std::collections::BTreeSet;

use shared::domain::mail::Recipient;
use shared::domain::user::User;
use time::OffsetDateTime;

use crate::letters::{SELLS, STAFF, day};
use crate::render::{Letter, Part, letter};

pub(crate) fn onboarding(shop: &str, to: &str) -> Letter {
    let parts = [
        Part::Says("Stripe needs some more information from you before you can receive payments. It takes a few minutes.".to_owned()),
        Part::Link("Finish setup at the seller desk", format!("{shop}/seller.html")),
    ];
    letter(to, "Your Stripe account is not ready yet", &parts, "You received this email because you started to sell courses.")
}

pub(crate) fn connected(shop: &str, account: &str, to: &str) -> Letter {
    let parts = [
        Part::Says(format!(
            "The Stripe account {account} is now connected, and your sales are paid to it. If that was you, there is nothing to do."
        )),
        Part::Says("If this was not you, request a new password at once, which ends all sessions. Then disconnect the account.".to_owned()),
        Part::Link("It was not me: request a new password", format!("{shop}/forgot.html")),
    ];
    letter(to, "A Stripe account was connected", &parts, SELLS)
}

pub(crate) fn disconnected(shop: &str, account: &str, to: &str) -> Letter {
    let parts = [
        Part::Says(format!("The Stripe account {account} is no longer connected. Until you connect one, nobody can buy your courses.")),
        Part::Link("Connect a Stripe account", format!("{shop}/seller.html")),
        Part::Says("If this was not you, request a new password at once. That ends all sessions.".to_owned()),
        Part::Link("It was not me: request a new password", format!("{shop}/forgot.html")),
    ];
    letter(to, "Your Stripe account was disconnected", &parts, SELLS)
}

pub(crate) fn payout_failed(shop: &str, payout: &str, to: &str) -> Letter {
    let parts = [
        Part::Says(format!(
            "Your bank sent the payout {payout} back, so the money is in your Stripe balance again. Stripe makes no more payouts to that bank \
             account until you correct its details."
        )),
        Part::Link("Go to your seller desk", format!("{shop}/seller.html")),
    ];
    letter(to, "A payout did not reach your bank", &parts, SELLS)
}

/// `now` is the share that the payee has meanwhile.
pub(crate) fn share_offered(shop: &str, title: Option<&str>, share: u8, now: Option<u8>, to: &str) -> Letter {
    let meanwhile = now.map(|now| format!(" Until then your share stays {now}%.")).unwrap_or_default();
    let teacher = title.map_or_else(|| "A teacher".to_owned(), |title| format!("The teacher of \"{title}\""));
    let parts = [
        Part::Says(format!(
            "{teacher} offers you {share}% of what is left of each sale after the platform's fee. It counts from the first sale after \
             everybody who shares in the course has accepted.{meanwhile}"
        )),
        Part::Link("Accept or decline the offer", format!("{shop}/account.html#shares")),
        Part::Says("If you did not expect this, you can ignore it: an offer binds nobody until you accept.".to_owned()),
    ];
    Letter { nameless: title.is_none(), ..letter(to, "You are offered a share of a course", &parts, SELLS) }
}

/// What was wrong with what the seller submitted, in Stripe's words, each once.
fn refused(seller: &User) -> impl Iterator<Item = (&'static str, String)> {
    let errors = seller.stripe.iter().flat_map(|link| &link.state.requirements.errors);
    let reasons: BTreeSet<&str> = errors.map(|error| error.reason.as_str()).filter(|reason| !reason.is_empty()).collect();
    reasons.into_iter().map(|reason| ("What was wrong", reason.to_owned()))
}

/// <https://docs.stripe.com/api/accounts/object#account_object-requirements-disabled_reason>
pub(crate) fn stopped(shop: &str, seller: &User, reason: &str, to: Recipient, address: &str) -> Letter {
    let parts = match to {
        Recipient::Staff => [
            Part::Says(
                "Stripe stopped charges or payouts of a seller's account. Sales that need them are refused until it works again."
                    .to_owned(),
            ),
            Part::Facts(vec![("Seller", seller.email.clone()), ("Reason", reason.to_owned())]),
            Part::Link("Open the seller's page", format!("{shop}/staff-user.html?id={}", seller.id)),
        ],
        Recipient::Buyer | Recipient::Seller => {
            let says = match reason {
                "platform_paused" => "The staff of this site paused your Stripe account. Contact them.",
                _ if reason.starts_with("rejected.platform_") => {
                    "The staff of this site rejected your Stripe account, so your courses can no longer be sold with it. Contact them."
                }
                _ if reason.starts_with("rejected.") => {
                    "Stripe rejected your account, so your courses can no longer be sold with it. Contact Stripe's support."
                }
                "requirements.past_due" | "action_required.requested_capabilities" => {
                    "Stripe stopped charges or payouts of your account, because it waits for information from you. Submit what is missing, and Stripe lets them continue."
                }
                "charges_enabled" | "card_payments" | "transfers" => {
                    "Stripe no longer lets your account take part in sales, so nobody can buy your courses. Your seller desk says what Stripe needs. If nothing is missing there, contact Stripe's support."
                }
                _ => {
                    "Stripe stopped charges or payouts of your account while it reviews the account. Stripe writes to you if it needs anything."
                }
            };
            [
                Part::Says(says.to_owned()),
                Part::Facts([("Reason", reason.to_owned())].into_iter().chain(refused(seller)).collect()),
                Part::Link("Go to your seller desk", format!("{shop}/seller.html")),
            ]
        }
    };
    let (subject, why) = match to {
        Recipient::Staff => ("A seller's Stripe account was stopped", STAFF),
        Recipient::Buyer | Recipient::Seller => ("Your Stripe account was stopped", SELLS),
    };
    letter(address, subject, &parts, why)
}

pub(crate) fn due(shop: &str, by: OffsetDateTime, seller: &User) -> Letter {
    let parts = [
        Part::Says(format!(
            "Stripe needs some more information from you by {}. After that it stops charges or payouts of your account. It takes a few minutes.",
            day(by)
        )),
        Part::Facts(refused(seller).collect()),
        Part::Link("See what is missing at the seller desk", format!("{shop}/seller.html")),
    ];
    letter(&seller.email, "Stripe needs information from you", &parts, SELLS)
}
