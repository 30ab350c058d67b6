//! Which missing items were lost, by the kind of item. The kinds are listed in `docs/architecture.md`.

/// When an item that is missing from the live table belongs back into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Always: nothing but time deletes such items.
    Lasts,
    /// Unless its user was erased, which is all that deletes such items. A course of an erased seller comes back as deleted, for its buyers.
    UntilErased,
    /// If it agrees with the record that it belongs to, because it can also be missing on purpose, or be from another time.
    IfItFits,
    /// Never: the shop deletes such items itself, and either writes them again or does without them.
    Passing,
}

/// The part of a key before its first variable: `PURCHASE` of `PURCHASE#…`.
fn stem(key: &str) -> &str {
    key.split('#').next().unwrap_or_default()
}

/// The kind of an item, as operators read it.
#[must_use]
pub fn kind(pk: &str, sk: &str) -> String {
    match (stem(pk), stem(sk)) {
        ("USER", "TOTALS") if sk.starts_with("TOTALS#DEBT#") => "DEBT".to_owned(),
        ("USER" | "SELLER", of_user) => of_user.to_owned(),
        ("ACCOUNT", "READ") => "READ".to_owned(),
        (other, _) => other.to_owned(),
    }
}

impl Rule {
    /// The rule for items with these keys. `None` if there are no such items.
    #[must_use]
    pub fn of(pk: &str, sk: &str) -> Option<Self> {
        Some(match (stem(pk), kind(pk, sk).as_str()) {
            ("USER", "CONTENT" | "ERASED" | "MOVED" | "OUTLINE" | "REFUNDED" | "SHARE" | "SLUGS" | "TOTALS")
            | ("SELLER", "OUTLINE")
            | ("ACCOUNT", "READ")
            | ("AUDIT" | "DISPUTE" | "EVENT" | "FINDING" | "LEDGER", _) => Self::Lasts,
            ("USER", "COURSE" | "MADE" | "OPENED" | "PROFILE" | "PROGRESS") | ("SELLER", "PAGE") | ("HANDLE", _) => Self::UntilErased,
            ("USER", "LESSON" | "MEMBER" | "OWNS" | "PASSWORD" | "PURCHASE" | "SECOND-FACTOR" | "SUBSCRIPTION")
            | ("ACCOUNT" | "EMAIL" | "PAYMENT" | "SLUG", _) => Self::IfItFits,
            ("USER", "APPLICATION" | "CONFIRM" | "DEBT" | "GOING" | "MEMBERSHIP" | "RESET" | "SESSION" | "STRIPE" | "UNDO")
            | ("SELLER", "MEMBERSHIP")
            | ("MAIL" | "OAUTH" | "RECONCILE" | "SUPPRESSED" | "THROTTLE", _) => Self::Passing,
            _ => return None,
        })
    }
}
