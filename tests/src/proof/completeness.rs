//! Checks that each place in the code that waits for DynamoDB, SES or Stripe is reached by a scenario
//! and so broken by the matrix. A new call needs a scenario, or a reason below why there is none.

use std::collections::BTreeSet;

use super::calls::{Chain, Place};
use super::source::{self, Function, Site};

/// The functions that neither move nor record money. Every other one is in the matrix.
const LEFT_OUT: [&str; 4] = ["accounts", "courses", "pages", "purchases"];

/// Calls that no scenario reaches: file, function, callee; and the reason.
const NOT_BROKEN: &[(&str, &str, &str, &str)] = &[
    ("functions/charge/src/begin.rs", "send", "keep", "the buyer tries too many cards in a minute: the same steps as after a lost race"),
    ("functions/charge/src/outcome.rs", "answer", "withdraw", "the buyer was handed too many secrets: the same steps as for another card"),
    (
        "functions/memberships/src/answer.rs",
        "answer",
        "settle",
        "the member was handed too many secrets: the same steps as for another card",
    ),
    ("functions/charge/src/charge.rs", "charge", "user_by_token", "there is no such course: nothing follows"),
    ("functions/memberships/src/subscribe.rs", "subscribe", "user_by_token", "there is no such seller: nothing follows"),
    ("functions/memberships/src/subscriptions.rs", "own", "user", "there is no such subscription: nothing follows"),
    ("functions/memberships/src/refund.rs", "refund", "user", "there is no such subscription: nothing follows"),
    ("shared/src/work/subscriptions.rs", "change", "subscription", "another write came first: the same steps, from what it wrote"),
    ("functions/memberships/src/refund.rs", "plan", "subscription", "another write came first: the same steps as after the first read"),
    (
        "functions/notify/src/deliver.rs",
        "ready",
        "take_nameless",
        "the address is not confirmed: counted once, however often the mail is tried, see mail/letters.rs",
    ),
    ("shared/src/store/outbox.rs", "take_nameless", "transact", "the same"),
    ("functions/notify/src/deliver.rs", "deliver", "give_up", "it was tried ten times: the same steps as after a final refusal"),
    ("functions/reconcile/src/accounts.rs", "run", "note_payments", "the books note the same"),
    (
        "functions/reconcile/src/accounts.rs",
        "read",
        "save_reading",
        "more happened than one step reads: the position is saved as elsewhere",
    ),
    ("functions/reconcile/src/accounts.rs", "list", "save_reading", "an earlier version linked it: see payments/many_accounts.rs"),
    (
        "functions/reconcile/src/accounts.rs",
        "list",
        "save",
        "there are more accounts than fit on a page, and the position is saved as elsewhere",
    ),
    ("functions/reconcile/src/books.rs", "visit", "save", "an account could not be read: it is retried whether that is saved or not"),
    ("functions/reconcile/src/movements.rs", "tell_unread", "unreadable", "an object at Stripe cannot be parsed: see payments/arrivals.rs"),
    (
        "functions/reconcile/src/accounts.rs",
        "read",
        "tell_unread",
        "an object at Stripe cannot be parsed, after an account was linked again",
    ),
    ("functions/reconcile/src/books.rs", "part", "tell_unread", "an object at Stripe cannot be parsed, within an hour"),
    (
        "functions/reconcile/src/orphans.rs",
        "look_through",
        "unreadable",
        "an object at Stripe cannot be parsed: the same finding each time",
    ),
    (
        "functions/reconcile/src/orphans.rs",
        "unreadable",
        "keep_finding",
        "an object at Stripe cannot be parsed: found again by the next run",
    ),
    ("functions/reconcile/src/stuck.rs", "look_at", "rest", "it is another deployment's purchase: see payments/stacks.rs"),
    (
        "functions/oauth-callback/src/disconnect.rs",
        "check_promises",
        "get",
        "a refund waits on the account: read, before anything is written",
    ),
    ("functions/reconcile/src/subscriptions.rs", "run", "keep_finding", "a check failed: kept again by the next run that fails"),
    ("functions/reconcile/src/subscriptions.rs", "look_at", "settle_finding", "a check failed before: see payments/late_capture.rs"),
    ("functions/reconcile/src/subscriptions.rs", "check", "write_subscription", "it is another deployment's: nothing follows"),
    ("functions/refunds/src/refund.rs", "refund", "user", "there is no such purchase: nothing follows"),
    ("functions/refunds/src/refund.rs", "bear", "change_by_staff", "staff have the platform pay: the same steps as after a lost refund"),
    ("functions/refunds/src/refund.rs", "plan", "bear", "the same"),
    ("functions/refunds/src/refund.rs", "write", "write_by_staff", "staff ask: the same steps as for a seller"),
    ("shared/src/work/settlement.rs", "change_by_staff", "write", "staff have the platform pay: see `bear`"),
    ("shared/src/work/settlement.rs", "write", "write_by_staff", "staff have the platform pay: see `bear`, too"),
    ("functions/memberships/src/resume.rs", "lease", "subscription", "an event came first: the same steps, from what it wrote"),
    ("functions/memberships/src/begin.rs", "send", "send", "an event came first: the same steps as the first time"),
    ("functions/memberships/src/refund.rs", "write", "write_subscription_by_staff", "staff ask: the same steps as for a seller"),
    (
        "shared/src/work/subscriptions.rs",
        "give_back",
        "write_subscription_by_staff",
        "Stripe refuses a member's refund of the staff's: the same steps as for a seller's",
    ),
    ("shared/src/work/debts.rs", "check_refund", "get", "the seller has left the account: read, before anything is written"),
    ("functions/refunds/src/refund.rs", "write", "check_refund", "the same"),
    ("functions/memberships/src/refund.rs", "write", "check_refund", "the same"),
    ("shared/src/work/refund_caps.rs", "write_within_caps", "totals_of", "a day's limit is reached: nothing is written"),
    (
        "shared/src/work/subscriptions.rs",
        "set_renewals_fee",
        "settle",
        "the platform keeps almost nothing: it is set by the reconciliation, see payments/memberships/changes.rs",
    ),
    ("functions/memberships/src/change.rs", "switch_to", "set_renewals_fee", "the same"),
    ("functions/refunds/src/refund.rs", "refund", "observe", "the account revoked access: see payments/tokens.rs"),
    (
        "shared/src/work/settlement.rs",
        "observe",
        "change_by_staff",
        "Stripe refuses a refund of the staff's: the same steps as for a seller's",
    ),
    ("functions/webhook/src/events/invoice.rs", "of_our_version", "get", "an endpoint of another API version: see payments/arrivals.rs"),
    ("functions/webhook/src/events/invoice.rs", "paid", "of_our_version", "an endpoint of another API version"),
    ("functions/webhook/src/events/invoice.rs", "payment_failed", "of_our_version", "an endpoint of another API version, too"),
    ("functions/webhook/src/events/invoice.rs", "payment_action_required", "of_our_version", "an endpoint of another API version, as well"),
    ("shared/src/work/settlement.rs", "rest", "write_outcome", "it is another deployment's purchase: nothing follows"),
    ("shared/src/work/customers.rs", "replace", "of_somebody", "the buyer has erased their account: the same steps as after `keep`"),
    ("shared/src/work/customers.rs", "make_for", "of_somebody", "the buyer has erased their account"),
    ("shared/src/work/customers.rs", "kept_instead", "of_somebody", "the buyer has erased their account, too"),
    (
        "shared/src/work/declines.rs",
        "is_human",
        "send",
        "the challenge's provider, before anything is written: see payments/card_testing.rs",
    ),
    ("shared/src/work/declines.rs", "check", "is_human", "the challenge's provider"),
    ("functions/charge/src/charge.rs", "charge", "check", "the challenge's provider, asked by charge"),
    ("functions/payment-methods/src/save.rs", "save", "check", "the challenge's provider, asked by payment-methods"),
    ("functions/memberships/src/subscribe.rs", "subscribe", "check", "the challenge's provider, asked by memberships"),
    ("functions/memberships/src/change.rs", "resume", "check", "the challenge's provider, asked by memberships for another card"),
    ("functions/memberships/src/change.rs", "switch", "check", "the challenge's provider, asked by memberships for a switch"),
    ("functions/memberships/src/change.rs", "resume", "count", "the other card is declined: the same steps as for a new member"),
    (
        "functions/webhook/src/events/invoice.rs",
        "payment_failed",
        "count_in_browser",
        "a member did not authenticate: the same steps as for a card to be saved",
    ),
    (
        "functions/refunds/src/evidence.rs",
        "give",
        "refused",
        "other evidence was submitted in Stripe's Dashboard: the same steps as after a refusal, see payments/dispute_desk.rs",
    ),
    ("shared/src/store/audit.rs", "write_by_staff", "write_with", "the staff asks: the same transaction as a seller's, with one item more"),
    (
        "shared/src/store/audit.rs",
        "write_subscription_by_staff",
        "write_subscription_with",
        "the staff asks for a member: the same transaction as a seller's, with one item more",
    ),
    ("shared/src/store/users.rs", "owner_of", "get", "an address under a key of earlier versions: read, before anything is written"),
    ("shared/src/work/subscriptions.rs", "end", "subscription", "another write came first: the same steps as after `settle`"),
    ("shared/src/work/subscriptions.rs", "give_back", "learn_booking", "Stripe had not booked the payment: see payments/late_capture.rs"),
    (
        "shared/src/work/subscriptions.rs",
        "learn_booking",
        "write_subscription",
        "Stripe has booked the payment meanwhile: what is not written is read again by the next run",
    ),
    (
        "shared/src/work/subscriptions.rs",
        "learn_booking",
        "subscription",
        "another write came first: the same steps, from what it wrote, too",
    ),
    ("shared/src/work/subscriptions.rs", "give_back", "subscription", "another write came first: the same steps as after `settle`"),
    (
        "functions/reconcile/src/subscriptions.rs",
        "run",
        "put_last",
        "only after a failure: without it, the subscription is due again, and first",
    ),
    ("functions/reconcile/src/subscriptions.rs", "put_last", "subscription", "the same, when the record is read"),
    ("functions/reconcile/src/subscriptions.rs", "put_last", "write_subscription", "the same, when the record is written"),
    ("functions/reconcile/src/addresses.rs", "run", "retry_moved", "only after a failure: without it, the user is due again, and first"),
    ("shared/src/store/moved.rs", "retry_moved", "send", "the same, when the note is written"),
    ("shared/src/stripe/cards.rs", "save_card", "customer", "Stripe expands the customer if asked, so this is not called"),
    ("shared/src/stripe/gateway.rs", "repeat", "with_keys", "the key was rolled: see payments/rotation.rs"),
    ("shared/src/stripe/oauth.rs", "connect_post", "connect_once", "the key was rolled: see payments/rotation.rs, also for Connect"),
];

/// The innermost function around a place.
fn function_at<'a>(functions: &'a [Function], (file, line): &Place) -> Option<&'a Function> {
    let around = functions.iter().filter(|function| function.file == *file && function.lines.contains(line));
    around.min_by_key(|function| function.lines.end() - function.lines.start())
}

fn is_reached(functions: &[Function], function: &Function, site: &Site, chains: &BTreeSet<Chain>) -> bool {
    let here = |(file, line): &Place| *file == function.file && site.lines.contains(line);
    if site.sends() {
        // The gateway reports a response some lines after waiting for it.
        let by_gateway = function.file.starts_with("shared/src/stripe/");
        return chains.iter().filter_map(|chain| chain.last()).any(|last| {
            here(last)
                || (by_gateway && function_at(functions, last).is_some_and(|of| (&of.file, &of.lines) == (&function.file, &function.lines)))
        });
    }
    let leads_to = |place: &Place| function_at(functions, place).is_some_and(|next| next.name == site.callee);
    let is_passed = |(at, place): (usize, &Place), chain: &Chain| {
        let further = &chain[at + 1..];
        here(place) && if site.is_handed_on { further.iter().any(leads_to) } else { further.first().is_some_and(leads_to) }
    };
    chains.iter().any(|chain| chain.iter().enumerate().any(|place| is_passed(place, chain)))
}

/// Checks that the chains of all scenarios cover every place that makes a call.
pub(super) fn check(chains: &BTreeSet<Chain>) {
    let crates = source::crates_but(&LEFT_OUT);
    let functions = source::read(&crates);
    let mut known: Vec<&str> = Vec::new();
    let (mut places, mut missing) = (0, Vec::new());
    for (function, site) in source::that_ask(&functions, &crates) {
        let function = &functions[function];
        let site = &function.sites[site];
        places += 1;
        if is_reached(&functions, function, site, chains) {
            continue;
        }
        let is_meant = |one: &&(&str, &str, &str, &str)| {
            (one.0, one.1, one.2) == (function.file.as_str(), function.name.as_str(), site.callee.as_str())
        };
        match NOT_BROKEN.iter().find(is_meant) {
            Some((.., why)) => known.push(why),
            None => missing.push(format!("{}:{} {} waits for {}", function.file, site.lines.start(), function.name, site.callee)),
        }
    }
    eprintln!("{places} places call DynamoDB, SES or Stripe; {} of them are left out, {} are missed", known.len(), missing.len());
    assert!(places > 100, "the source was not read");
    assert!(missing.is_empty(), "no scenario reaches these places:\n{}", missing.join("\n"));
    let idle: Vec<_> = NOT_BROKEN.iter().filter(|one| !known.contains(&one.3)).collect();
    assert!(idle.is_empty(), "scenarios reach these places now: {idle:?}");
}
