//! A sale that has been approved but not charged yet.

use shared::app::App;
use shared::base::entropy::digest;
use shared::domain::course::Course;
use shared::domain::user::User;
use shared::store::declines::CardTry;
use shared::work::declines;

/// How the buyer wants to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payment {
    /// On Stripe's hosted Checkout page.
    Checkout,
    /// Immediately, with a payment method, `pm_…`.
    Method(String),
    /// Immediately, with a legacy token, `tok_…`, which is first converted to a payment method.
    Token(String),
}

impl Payment {
    /// What the buyer named, to be compared with a later request: the payment method, or the digest of the token.
    #[must_use]
    pub fn named(&self) -> Option<String> {
        match self {
            Self::Checkout => None,
            Self::Method(method) => Some(method.clone()),
            Self::Token(token) => Some(digest(token)),
        }
    }
}

/// An approved sale.
#[derive(Debug)]
pub struct Order {
    /// The buyer.
    pub buyer: User,
    /// The course.
    pub course: Course,
    /// The seller; `None` if the seller no longer exists.
    pub seller: Option<User>,
    /// The sellers who share the sale, if the course has payees.
    pub payees: Vec<User>,
    /// How the buyer pays.
    pub payment: Payment,
    /// Whether the buyer wants to save the card.
    pub save_card: bool,
    /// The buyer's address.
    pub address: String,
    /// The cause to record in the purchase's history.
    pub cause: String,
}

impl Order {
    /// The card that it tries; `None` on Stripe's page.
    #[must_use]
    pub fn card_try<'a>(&'a self, app: &App) -> Option<CardTry<'a>> {
        match &self.payment {
            Payment::Checkout => None,
            Payment::Method(card) | Payment::Token(card) => Some(declines::card_try(app, &self.buyer.id, &self.address, card)),
        }
    }
}
