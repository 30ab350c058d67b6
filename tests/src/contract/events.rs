//! The event types that `webhook` handles, and that `make stripe-setup` subscribes to.

use std::collections::BTreeSet;

use webhook::events::EVENTS;

use super::file;

#[test]
fn every_handled_event_exists_at_stripe_and_is_listed_once() {
    let of_stripe = file("stripe-stand-in/src/resources/webhook_endpoints/event_types.txt");
    let of_stripe: BTreeSet<&str> = of_stripe.lines().collect();
    let names: Vec<&str> = EVENTS.iter().map(|handled| handled.name).collect();
    assert!(names.contains(&"payment_intent.succeeded"), "{names:?}");
    assert!(names.is_sorted_by(|one, next| one < next), "they are not in order, or one is listed twice: {names:?}");
    for name in names {
        assert!(of_stripe.contains(name), "Stripe has no event {name}");
    }
}
