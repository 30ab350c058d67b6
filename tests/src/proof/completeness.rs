//! That nothing is forgotten: each place in the code that waits for DynamoDB, SES or Stripe is reached by a scenario, and so
//! broken by the matrix. Who adds a call adds a scenario, or says below why there is none.

use std::collections::BTreeSet;

use super::calls::{Chain, Place};
use super::source::{self, Function, Site};

/// The functions that neither move nor record money. Every other one is in the matrix.
const LEFT_OUT: [&str; 3] = ["accounts", "courses", "purchases"];

/// Who waits for whom, where no scenario comes: file, function, call; and why.
const NOT_BROKEN: [(&str, &str, &str, &str); 11] = [
    ("functions/charge/src/charge.rs", "charge", "user_by_token", "there is no such course: nothing follows"),
    ("functions/memberships/src/subscribe.rs", "subscribe", "user_by_token", "there is no such seller: nothing follows"),
    ("functions/memberships/src/subscriptions.rs", "own", "user", "there is no such subscription: nothing follows"),
    ("functions/notify/src/deliver.rs", "deliver", "give_up", "it was tried ten times: what follows, follows a refusal for good as well"),
    ("functions/reconcile/src/accounts.rs", "run", "save", "there are more accounts than a page has, and the place is kept as elsewhere"),
    ("functions/refunds/src/refund.rs", "refund", "user", "there is no such purchase: nothing follows"),
    ("functions/refunds/src/refund.rs", "refund", "change", "the account took its access away: see payments/tokens.rs"),
    ("shared/src/customers.rs", "replace", "of_somebody", "the buyer erased their account meanwhile: what follows, follows `keep` as well"),
    ("shared/src/stripe/cards.rs", "save_card", "customer", "Stripe expands the customer where it is asked to, so that nobody asks"),
    ("shared/src/stripe/mod.rs", "repeat", "once", "the key was rolled: see payments/rotation.rs"),
    ("shared/src/stripe/oauth.rs", "connect_post", "connect_once", "the key was rolled: see payments/rotation.rs, also of Connect"),
];

/// The innermost function that a place lies in.
fn function_at<'a>(functions: &'a [Function], (file, line): &Place) -> Option<&'a Function> {
    let around = functions.iter().filter(|function| function.file == *file && function.lines.contains(line));
    around.min_by_key(|function| function.lines.end() - function.lines.start())
}

fn is_reached(functions: &[Function], function: &Function, site: &Site, chains: &BTreeSet<Chain>) -> bool {
    let here = |(file, line): &Place| *file == function.file && site.lines.contains(line);
    if site.sends() {
        // The gateway tells of an answer some lines after it has waited for it.
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

/// Looks whether the chains of all scenarios pass every place that asks somebody.
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
    eprintln!("{places} places ask DynamoDB, SES or Stripe; {} of them are left out, {} are forgotten", known.len(), missing.len());
    assert!(places > 100, "the source was not read");
    assert!(missing.is_empty(), "no scenario comes here:\n{}", missing.join("\n"));
    let idle: Vec<_> = NOT_BROKEN.iter().filter(|one| !known.contains(&one.3)).collect();
    assert!(idle.is_empty(), "scenarios come here by now: {idle:?}");
}
