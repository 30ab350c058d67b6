//! How a Stripe account stands, and since when it lacks something.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The state of an account, as last reported by Stripe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// Whether it can take payments itself.
    pub charges_enabled: bool,
    /// Whether its balance can be paid out to a bank.
    #[serde(default)]
    pub payouts_enabled: bool,
    /// Whether its owner has completed Stripe's form once.
    #[serde(default)]
    pub details_submitted: bool,
    /// Its capabilities; `None` if Stripe has not reported them yet.
    #[serde(default)]
    pub capabilities: Option<Capabilities>,
    /// The information that Stripe requires.
    #[serde(default)]
    pub requirements: Requirements,
    /// The information that Stripe will require.
    #[serde(default)]
    pub future_requirements: FutureRequirements,
    /// Upper-case ISO 3166.
    #[serde(default)]
    pub country: Option<String>,
    /// When Stripe was asked, in Unix milliseconds. An older answer does not replace a newer one.
    #[serde(default)]
    pub asked_at: i64,
    /// Since when it lacks something.
    #[serde(default)]
    pub since: Since,
    /// Counts the recorded answers, so that each is compared with the one before it.
    #[serde(default)]
    pub version: u64,
}

/// Since when an account lacks something, in Unix seconds. Stripe does not tell: it is the time of the first answer that said so, and none
/// where that was recorded by a version that did not note it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Since {
    /// Without sales that can be charged for it.
    pub charges: Option<i64>,
    /// Without payouts.
    pub payouts: Option<i64>,
    /// Without what is due, by Stripe's names.
    pub missing: BTreeMap<String, i64>,
}

/// The capabilities that sales need. <https://docs.stripe.com/connect/account-capabilities>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Needed for direct charges, and for charges on behalf of the account.
    pub card_payments: CapabilityStatus,
    /// Needed to receive destination charges and transfers.
    pub transfers: CapabilityStatus,
}

/// The status of a capability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CapabilityStatus {
    /// It can be used.
    Active,
    /// Stripe is verifying the submitted information.
    Pending,
    /// Something is missing or was refused. Also used for a status that is newer than this program.
    Inactive,
    /// It was never requested.
    #[default]
    Unrequested,
}

impl CapabilityStatus {
    fn is_settled(self) -> bool {
        matches!(self, Self::Active | Self::Unrequested)
    }
}

/// The name of a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// `card_payments`
    CardPayments,
    /// `transfers`
    Transfers,
}

impl Capability {
    /// The capability in Stripe's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CardPayments => "card_payments",
            Self::Transfers => "transfers",
        }
    }
}

/// The information that Stripe requires about an account, under Stripe's own field names.
/// <https://docs.stripe.com/api/accounts/object#account_object-requirements>
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requirements {
    /// Needed by `current_deadline`.
    pub currently_due: Vec<String>,
    /// Overdue: something is disabled because of it.
    pub past_due: Vec<String>,
    /// Needed at some point.
    pub eventually_due: Vec<String>,
    /// Submitted and being verified.
    pub pending_verification: Vec<String>,
    /// Why charges or payouts are disabled.
    pub disabled_reason: Option<String>,
    /// Unix seconds.
    pub current_deadline: Option<i64>,
    /// What was wrong with what was submitted.
    pub errors: Vec<RequirementError>,
}

/// Why something that was submitted must be submitted again.
/// <https://docs.stripe.com/api/accounts/object#account_object-requirements-errors>
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequirementError {
    /// The name of what is required.
    pub requirement: String,
    /// Such as `verification_document_not_readable`.
    pub code: String,
    /// Stripe's sentence.
    pub reason: String,
}

/// What becomes required at a known time. It stops nothing before.
/// <https://docs.stripe.com/api/accounts/object#account_object-future_requirements>
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FutureRequirements {
    /// By Stripe's names.
    pub currently_due: Vec<String>,
    /// When they become [`Requirements`], in Unix seconds.
    pub current_deadline: Option<i64>,
}

impl Requirements {
    /// What is due now, overdue first, each once.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        let due = self.currently_due.iter().filter(|name| !self.past_due.contains(name));
        self.past_due.iter().chain(due).map(String::as_str)
    }
}

impl AccountState {
    /// Whether Stripe said the same both times.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        *self == Self { asked_at: self.asked_at, since: self.since.clone(), version: self.version, ..other.clone() }
    }

    /// This answer as the next after the one on record: what the account lacked then and still lacks, it has lacked since then.
    #[must_use]
    pub fn following(&self, before: &Self) -> Self {
        let now = self.asked_at / 1000;
        // Stripe did not answer when the account was linked.
        let is_first = before.asked_at == 0;
        let since = |is_lacking: bool, was_lacking: bool, then: Option<i64>| {
            let began = if was_lacking && !is_first { then } else { Some(now) };
            began.filter(|_| is_lacking)
        };
        let missing = self.requirements.missing().filter_map(|name| {
            let was_missing = before.requirements.missing().any(|other| other == name);
            Some((name.to_owned(), since(true, was_missing, before.since.missing.get(name).copied())?))
        });
        let since = Since {
            charges: since(!self.is_charged_for(), !before.is_charged_for(), before.since.charges),
            payouts: since(!self.payouts_enabled, !before.payouts_enabled, before.since.payouts),
            missing: missing.collect(),
        };
        Self { since, version: before.version + 1, ..self.clone() }
    }

    /// Whether nothing that was requested is missing or being verified. Stripe sends an event if that changes.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let wanted = &self.requirements;
        self.is_charged_for()
            && self.payouts_enabled
            && self.details_submitted
            && self.capabilities.is_some_and(|all| [all.card_payments, all.transfers].iter().all(|status| status.is_settled()))
            && [&wanted.currently_due, &wanted.past_due, &wanted.pending_verification].iter().all(|list| list.is_empty())
    }

    /// Whether Stripe needs something from its owner, or the owner has not completed Stripe's form yet.
    #[must_use]
    pub fn waits_for_owner(&self) -> bool {
        !(self.details_submitted && self.requirements.currently_due.is_empty() && self.requirements.past_due.is_empty())
    }

    /// Whether Stripe rejected it permanently.
    /// <https://docs.stripe.com/connect/handling-api-verification#determine-if-verification-is-needed>
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.requirements.disabled_reason.as_deref().is_some_and(|reason| reason.starts_with("rejected."))
    }

    /// Why Stripe stopped charges or payouts of an account whose owner had completed its form. `None` if nothing is stopped, or the owner
    /// can only wait for a verification.
    /// <https://docs.stripe.com/api/accounts/object#account_object-requirements-disabled_reason>
    #[must_use]
    pub fn stopped_by(&self) -> Option<&str> {
        let reason = self.requirements.disabled_reason.as_deref()?;
        (self.details_submitted && reason != "requirements.pending_verification").then_some(reason)
    }

    /// By when its owner must submit something, in Unix seconds, so that nothing is stopped.
    #[must_use]
    pub fn wanted_by(&self) -> Option<i64> {
        let wanted = &self.requirements;
        let is_wanted = self.details_submitted && wanted.disabled_reason.is_none() && !wanted.currently_due.is_empty();
        wanted.current_deadline.filter(|_| is_wanted)
    }

    /// Whether a capability is known to be active.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        self.status(capability) == Some(CapabilityStatus::Active)
    }

    pub(super) fn status(&self, capability: Capability) -> Option<CapabilityStatus> {
        self.capabilities.map(|all| match capability {
            Capability::CardPayments => all.card_payments,
            Capability::Transfers => all.transfers,
        })
    }

    /// Whether sales can be charged for it, in one way at least. One that is only paid out may have no `charges_enabled`.
    fn is_charged_for(&self) -> bool {
        self.charges_enabled || (self.is_only_paid_out() && self.has(Capability::Transfers))
    }

    /// Whether it is known to have asked for transfers and never for cards, as one with the recipient agreement.
    /// <https://docs.stripe.com/connect/service-agreement-types#recipient>
    pub(super) fn is_only_paid_out(&self) -> bool {
        use CapabilityStatus::Unrequested;
        self.capabilities.is_some_and(|all| all.card_payments == Unrequested && all.transfers != Unrequested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Stripe said at this second: whether it can be charged and paid out, and what is past due and currently due.
    fn said(at: i64, charges_enabled: bool, payouts_enabled: bool, past_due: &[&str], currently_due: &[&str]) -> AccountState {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let requirements = Requirements { past_due: names(past_due), currently_due: names(currently_due), ..Requirements::default() };
        AccountState { charges_enabled, payouts_enabled, requirements, asked_at: at * 1000 + 999, ..AccountState::default() }
    }

    fn since(state: &AccountState) -> (Option<i64>, Option<i64>, Vec<(&str, i64)>) {
        let missing = state.since.missing.iter().map(|(name, at)| (name.as_str(), *at)).collect();
        (state.since.charges, state.since.payouts, missing)
    }

    #[test]
    fn what_an_account_lacks_it_has_lacked_since_it_was_first_told() {
        let mut state = said(10, false, false, &["a"], &["a", "b"]).following(&AccountState::default());
        assert_eq!(since(&state), (Some(10), Some(10), vec![("a", 10), ("b", 10)]));
        for (said, expected) in [
            (said(20, false, false, &["a"], &["a", "b"]), (Some(10), Some(10), vec![("a", 10), ("b", 10)])),
            // One is provided, one is new, and one becomes overdue: it stays the same one.
            (said(30, true, false, &["b"], &["b", "c"]), (None, Some(10), vec![("b", 10), ("c", 30)])),
            (said(40, true, true, &[], &[]), (None, None, vec![])),
            (said(50, false, true, &[], &["a"]), (Some(50), None, vec![("a", 50)])),
        ] {
            let before = state.version;
            state = said.following(&state);
            assert_eq!((since(&state), state.version), (expected, before + 1));
            assert!(state.is_like(&said) && said.is_like(&state));
        }
    }

    #[test]
    fn what_was_missing_before_it_was_noted_has_no_time_until_it_is_missing_again() {
        // As an earlier version recorded it.
        let old = said(10, false, false, &["a"], &["a"]);
        let now = said(20, false, false, &["a"], &["a", "b"]).following(&old);
        assert_eq!(since(&now), (None, None, vec![("b", 20)]));
        let met = said(30, true, true, &[], &[]).following(&now);
        let again = said(40, false, false, &["a"], &["a"]).following(&met);
        assert_eq!(since(&again), (Some(40), Some(40), vec![("a", 40)]));
        // Stripe did not answer when the account was linked, which was taken for one that can be charged.
        let unheard = AccountState { charges_enabled: true, ..AccountState::default() };
        assert_eq!(since(&said(50, true, false, &[], &["a"]).following(&unheard)), (None, Some(50), vec![("a", 50)]));
    }

    #[test]
    fn an_account_that_is_only_paid_out_is_charged_for_while_it_receives_transfers() {
        use CapabilityStatus::{Active, Inactive, Unrequested};
        for (card_payments, transfers, lacks) in [(Unrequested, Active, false), (Unrequested, Inactive, true), (Inactive, Active, true)] {
            let capabilities = Some(Capabilities { card_payments, transfers });
            let state = AccountState { capabilities, ..said(10, false, true, &[], &[]) }.following(&AccountState::default());
            assert_eq!(state.since.charges.is_some(), lacks, "{card_payments:?} {transfers:?}");
        }
    }
}
