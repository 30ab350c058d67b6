//! Memberships: a seller's offer, and a buyer's subscription to it, which gives access to all of the seller's courses.
//!
//! Stripe is the source of a subscription's state: the state is read there as a whole, never
//! derived from an event or a redirect. What it gives access to follows from its paid invoices.

mod access;
mod agreed;
mod moves;
mod observe;
mod offer;
mod payment;
mod refund;
mod slot;
mod subscription;
mod taking;

pub use agreed::{Agreed, Difference, Term};
pub use moves::{Move, MoveCause, MoveOutcome, MoveState};
pub use observe::{Observation, Seen};
pub use offer::{Interval, Offer, TITLE_MAX};
pub use payment::{AskedRefund, AskedState, Dispute, Payment, Refund, Reversal};
pub use refund::RefundRequest;
pub use slot::Slot;
pub use subscription::{Earlier, EndCause, News, Standing, Status, Subscription, Terms};
