//! The keys of the table's items. Keys that contain the digest of a secret are in the secret's own file.
//! `docs/architecture.md` lists the items with their keys, and a test compares the list with the names here.

use time::OffsetDateTime;

use super::table::Key;
use crate::base::entropy::digest;
use crate::domain::ids::{CourseId, LessonId, PurchaseId, SubscriptionId, UserId};
use crate::domain::user::{AccountType, Email};

pub(super) fn profile(id: &UserId) -> Key {
    Key::new(format!("USER#{id}"), "PROFILE")
}

pub(super) fn application_key(user: &UserId) -> Key {
    Key::new(format!("USER#{user}"), "APPLICATION")
}

pub(super) fn email_key(email: &Email) -> Key {
    Key::new(format!("EMAIL#{}", email.key()), "EMAIL")
}

/// The former key of an address whose domain is not in ASCII.
pub(super) fn old_email_key(email: &Email) -> Option<Key> {
    email.old_key().map(|key| Key::new(format!("EMAIL#{key}"), "EMAIL"))
}

pub(super) fn password_key(user: &UserId) -> Key {
    Key::new(format!("USER#{user}"), "PASSWORD")
}

pub(super) fn second_factor_key(user: &UserId) -> Key {
    Key::new(format!("USER#{user}"), "SECOND-FACTOR")
}

pub(super) fn share_key(payee: &UserId, course: &CourseId) -> Key {
    Key::new(format!("USER#{payee}"), format!("SHARE#{course}"))
}

pub(super) fn made_key(user: &UserId, account_type: AccountType) -> Key {
    Key::new(format!("USER#{user}"), format!("MADE#{}", account_type.as_str()))
}

pub(super) fn course_key(id: &CourseId) -> Key {
    Key::new(format!("USER#{}", id.seller()), format!("COURSE#{id}"))
}

pub(super) fn slug_key(slug: &str) -> Key {
    Key::new(format!("SLUG#{slug}"), "SLUG")
}

/// How many slugs a seller has taken.
pub(super) fn slugs_key(seller: &UserId) -> Key {
    Key::new(format!("USER#{seller}"), "SLUGS")
}

pub(super) fn handle_key(handle: &str) -> Key {
    Key::new(format!("HANDLE#{}", digest(handle)), "HANDLE")
}

pub(super) fn page_key(seller: &UserId) -> Key {
    Key::new(format!("SELLER#{seller}"), "PAGE")
}

/// The copy for everybody of [`offer_key`].
pub(super) fn public_offer_key(seller: &UserId) -> Key {
    Key::new(format!("SELLER#{seller}"), "MEMBERSHIP")
}

/// The copy for everybody of [`outline_key`].
pub(super) fn public_outline_key(id: &CourseId) -> Key {
    Key::new(format!("SELLER#{}", id.seller()), format!("OUTLINE#{id}"))
}

pub(super) fn content_key(id: &CourseId) -> Key {
    Key::new(format!("USER#{}", id.seller()), format!("CONTENT#{id}"))
}

pub(super) fn outline_key(id: &CourseId) -> Key {
    Key::new(format!("USER#{}", id.seller()), format!("OUTLINE#{id}"))
}

pub(super) fn lesson_key(course: &CourseId, lesson: &LessonId) -> Key {
    Key::new(format!("USER#{}", course.seller()), format!("LESSON#{course}#{lesson}"))
}

pub(super) fn progress_key(reader: &UserId, course: &CourseId) -> Key {
    Key::new(format!("USER#{reader}"), format!("PROGRESS#{course}"))
}

/// The prefix of the sort keys of what a reader opened.
pub(super) const OPENED: &str = "OPENED#";

pub(super) fn opened_key(reader: &UserId, course: &CourseId) -> Key {
    Key::new(format!("USER#{reader}"), format!("{OPENED}{course}"))
}

pub(super) fn purchase_key(id: &PurchaseId) -> Key {
    Key::new(format!("USER#{}", id.buyer()), format!("PURCHASE#{id}"))
}

/// The prefix of the sort keys of a payee's debts.
pub(super) const DEBTS: &str = "TOTALS#DEBT#";

pub(super) fn debt_key(payee: &UserId, whose: &str, movement: u32) -> Key {
    // Next to the totals, so that one query reads both.
    Key::new(format!("USER#{payee}"), format!("{DEBTS}{whose}#{movement:04}"))
}

pub(super) fn refund_day_key(seller: &UserId, at: OffsetDateTime) -> Key {
    Key::new(format!("USER#{seller}"), format!("REFUNDED#{}", at.date()))
}

pub(super) fn slot_key(buyer: &UserId, course: &CourseId) -> Key {
    Key::new(format!("USER#{buyer}"), format!("OWNS#{course}"))
}

pub(super) fn payment_key(payment_intent: &str) -> Key {
    Key::new(format!("PAYMENT#{payment_intent}"), "PAYMENT")
}

pub(super) fn offer_key(seller: &UserId) -> Key {
    Key::new(format!("USER#{seller}"), "MEMBERSHIP")
}

pub(super) fn members_key(seller: &UserId) -> String {
    format!("MEMBERS#{seller}")
}

pub(super) fn going_key(seller: &UserId) -> Key {
    Key::new(format!("USER#{seller}"), "GOING")
}

pub(super) fn moved_key(user: &UserId) -> Key {
    Key::new(format!("USER#{user}"), "MOVED")
}

pub(super) fn subscription_key(id: &SubscriptionId) -> Key {
    Key::new(format!("USER#{}", id.buyer()), format!("SUBSCRIPTION#{id}"))
}

pub(super) fn member_key(buyer: &UserId, seller: &UserId) -> Key {
    Key::new(format!("USER#{buyer}"), format!("MEMBER#{seller}"))
}

pub(super) fn account_key(account: &str) -> Key {
    Key::new(format!("ACCOUNT#{account}"), "ACCOUNT")
}

pub(super) fn tokens_key(user: &UserId) -> Key {
    Key::new(format!("USER#{user}"), "STRIPE")
}

pub(super) fn event_key(id: &str) -> Key {
    Key::new(format!("EVENT#{id}"), "EVENT")
}

pub(super) fn finding_key(id: &str) -> Key {
    Key::new(format!("FINDING#{id}"), "FINDING")
}

pub(super) fn dispute_key(id: &str) -> Key {
    Key::new(format!("DISPUTE#{id}"), "DISPUTE")
}

pub(super) fn mail_key(id: &str) -> Key {
    Key::new(format!("MAIL#{id}"), "MAIL")
}

pub(super) fn suppressed_key(email: &Email) -> Key {
    // Whoever has no account cannot be erased, so it has no address.
    Key::new(format!("SUPPRESSED#{}", digest(email.key())), "SUPPRESSED")
}

pub(super) fn read_key(account: &str) -> Key {
    Key::new(format!("ACCOUNT#{account}"), "READ")
}

/// The prefix of the sort keys of [`compared_key`] for the hours from this one on.
pub(super) fn compared_of(hour: i64) -> String {
    format!("BOOKS#{hour}#")
}

pub(super) fn compared_key(hour: i64, end: i64, account: Option<&str>) -> Key {
    Key::new("RECONCILE".to_owned(), format!("{}{end}#{}", compared_of(hour), account.unwrap_or_default()))
}
