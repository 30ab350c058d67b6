//! Ids and other random strings.

use std::cell::RefCell;

use fastrand::Rng;

/// A new id: the prefix and 24 random letters and digits.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", random_text(24))
}

/// Random letters and digits. Not cryptographically secure, because this Stripe has no real secrets.
pub(crate) fn random_text(length: usize) -> String {
    IDS.with_borrow_mut(|ids| std::iter::repeat_with(|| ids.alphanumeric()).take(length).collect())
}

thread_local! {
    static IDS: RefCell<Rng> = RefCell::new(Rng::new());
}

/// Makes the stand-in on this thread generate the same ids each time.
pub fn seed_ids(seed: u64) {
    IDS.with_borrow_mut(|ids| ids.seed(seed));
}
