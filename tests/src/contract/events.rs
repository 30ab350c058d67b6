//! The event types that `webhook` handles, and that `make stripe-setup` subscribes to.

use std::collections::BTreeSet;

use webhook::events::{EVENTS, Stream};

use super::file;

#[test]
fn every_handled_event_exists_at_stripe_and_is_listed_once() {
    let snapshots = file("stripe-stand-in/src/resources/webhook_endpoints/event_types.txt");
    let thin = file("stripe-stand-in/src/resources/event_destinations/event_types.txt");
    let of_stripe = |stream: Stream| -> BTreeSet<&str> { if stream == Stream::Thin { &thin } else { &snapshots }.lines().collect() };
    let names: Vec<&str> = EVENTS.iter().map(|handled| handled.name).collect();
    assert!(names.contains(&"payment_intent.succeeded"), "{names:?}");
    assert!(names.is_sorted_by(|one, next| one < next), "they are not in order, or one is listed twice: {names:?}");
    for handled in EVENTS {
        assert!(of_stripe(handled.stream).contains(handled.name), "Stripe has no such event: {handled:?}");
    }
}
