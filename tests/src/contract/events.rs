//! What `make stripe-setup` has Stripe send, and what `webhook` handles.

use std::collections::BTreeSet;

use operator::endpoints::{CONNECT_EVENTS, EVENTS};

use super::file;

#[test]
fn stripe_sends_what_is_handled_and_nothing_else() {
    let dispatch = file("functions/webhook/src/events/mod.rs");
    let arms = dispatch.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" => "));
    let handled: BTreeSet<&str> = arms.map(|(kind, _)| kind).collect();
    assert!(handled.contains("payment_intent.succeeded"), "{handled:?}");
    let sent: BTreeSet<&str> = EVENTS.into_iter().chain(CONNECT_EVENTS).collect();
    assert_eq!(sent, handled);
    assert_eq!(sent.len(), EVENTS.len() + CONNECT_EVENTS.len(), "one is named twice");
}

#[test]
fn the_operator_reads_the_same_lists() {
    let docs = file("docs/operations.md");
    let row = |output: &str| {
        let start = format!("| `{output}` |");
        let row = docs.lines().find(|line| line.trim().starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("docs/operations.md says nothing of {output}"));
        row.trim().trim_start_matches(&start).split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert_eq!(row("WebhookUrl"), EVENTS.map(str::to_owned).into());
    assert_eq!(row("ConnectWebhookUrl"), CONNECT_EVENTS.map(str::to_owned).into());
}
