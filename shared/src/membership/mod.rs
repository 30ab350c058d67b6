//! Memberships: a seller's offer, and a buyer's subscription to it, which opens all of the seller's courses.
//!
//! What a subscription is, Stripe decides: it is read there and taken in whole, never concluded from an event or a
//! redirect. What it opens follows from the invoices that were paid.

mod observe;
mod offer;
mod payment;
mod slot;
mod subscription;

pub use observe::{Observation, Seen};
pub use offer::{Interval, Offer, TITLE_MAX};
pub use payment::{Payment, Refund};
pub use slot::{Earlier, Slot};
pub use subscription::{News, Status, Subscription, Terms};
