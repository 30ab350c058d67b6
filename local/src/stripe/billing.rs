//! Billing: products, prices, subscriptions, invoices, and test clocks that let a year pass
//! (<https://docs.stripe.com/billing>).
//!
//! A subscription lives in the time of its customer: of the customer's test clock, or of the stand-in.

pub(crate) mod calendar;
pub(crate) mod changes;
pub(crate) mod clocks;
pub(crate) mod cycle;
pub(crate) mod invoice_endpoints;
pub(crate) mod invoices;
pub(crate) mod lines;
pub(crate) mod prices;
pub(crate) mod products;
pub(crate) mod subscription_endpoints;
pub(crate) mod subscriptions;

use super::context::Context;
use super::state::{Fields, Kind};

/// The time in which a customer of the account acted on lives.
pub(crate) fn now_of(ctx: &Context, customer: &str) -> i64 {
    let customer = ctx.state.object(&ctx.account, Kind::Customer, customer);
    let clock = customer.and_then(|customer| customer.maybe("test_clock"));
    let clock = clock.and_then(|clock| ctx.state.object(&ctx.account, Kind::TestClock, clock));
    clock.map_or_else(|| ctx.now(), |clock| clock.int("frozen_time"))
}
