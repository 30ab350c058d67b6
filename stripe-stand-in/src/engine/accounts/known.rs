//! What an account has provided to Stripe, and what is missing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::state::all::State;
use crate::words::json::Fields;
use crate::words::kind::Kind;

const ALWAYS: [&str; 4] = ["business_type", "external_account", "tos_acceptance.date", "tos_acceptance.ip"];

/// Required for card payments, but not for accounts that only receive transfers.
const FOR_CARDS: [&str; 2] = ["business_profile.mcc", "business_profile.url"];

const OF_PERSONS: [&str; 6] = [
    "individual.dob.day",
    "individual.dob.month",
    "individual.dob.year",
    "individual.email",
    "individual.first_name",
    "individual.last_name",
];

const OF_COMPANIES: [&str; 3] = ["company.name", "company.phone", "company.tax_id"];

/// What Stripe knows about an account; stored in its hidden part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Known {
    /// The requested capabilities.
    pub(crate) requested: BTreeSet<String>,
    /// The provided fields: `individual.first_name`.
    pub(crate) given: BTreeSet<String>,
    /// What Stripe additionally requires of an account that was complete before.
    pub(crate) extra: BTreeSet<String>,
    /// The deadline for that, in epoch seconds.
    pub(crate) deadline: Option<i64>,
    /// What Stripe will require of it, and from when on, in epoch seconds.
    pub(crate) later: BTreeSet<String>,
    pub(crate) later_from: Option<i64>,
    /// What Stripe will require of it at some point.
    pub(crate) eventually: BTreeSet<String>,
    /// What was wrong: `{"code", "reason", "requirement"}`.
    pub(crate) errors: Vec<Value>,
    /// Whether Stripe is verifying it.
    pub(crate) verifying: bool,
    /// Why the platform rejected the account.
    pub(crate) rejected: Option<String>,
    /// Whether all was complete once.
    pub(crate) submitted: bool,
}

impl Known {
    /// What is known about an account, if that is stored.
    pub(crate) fn of(state: &State, account: &str) -> Option<Self> {
        serde_json::from_value(state.hidden(account, Kind::Account, account, "known")?.clone()).ok()
    }

    /// Stores it.
    pub(crate) fn keep(&self, state: &mut State, account: &str) {
        state.hide(account, Kind::Account, account, "known", json!(self));
    }

    /// Stripe additionally requires these fields from now on.
    pub(crate) fn require(&mut self, names: &BTreeSet<String>) {
        self.extra.extend(names.iter().cloned());
        self.eventually.retain(|name| !names.contains(name));
        self.given.retain(|name| !names.contains(name));
    }

    pub(crate) fn wanted(&self, business_type: &str) -> Vec<&str> {
        let mut wanted: Vec<&str> = ALWAYS.to_vec();
        if self.requested.contains("card_payments") {
            wanted.extend(FOR_CARDS);
        }
        wanted.extend::<&[&str]>(if business_type == "company" { &OF_COMPANIES } else { &OF_PERSONS });
        wanted.retain(|name| !self.given.contains(*name));
        wanted.sort_unstable();
        wanted
    }

    /// The account's fields that follow from it at a time.
    pub(crate) fn fields(&self, account: &Value, now: i64) -> Value {
        let basic = self.wanted(account.text("business_type"));
        let wrong: BTreeSet<&str> = self.errors.iter().map(|error| error.text("requirement")).collect();
        let extra: BTreeSet<&str> = self.extra.iter().map(String::as_str).filter(|name| !self.given.contains(*name)).collect();
        let late = self.deadline.is_some_and(|deadline| deadline <= now);
        let due: BTreeSet<&str> = basic.iter().copied().chain(wrong.iter().copied()).chain(extra.iter().copied()).collect();
        let mut past: BTreeSet<&str> = basic.iter().copied().chain(wrong.iter().copied()).collect();
        if late {
            past.extend(&extra);
        }
        let eventually = self.eventually.iter().map(String::as_str).filter(|name| !self.given.contains(*name));
        let all: BTreeSet<&str> = due.iter().copied().chain(eventually).collect();
        let reason = if let Some(reason) = &self.rejected {
            json!(format!("rejected.{reason}"))
        } else if !past.is_empty() {
            json!("requirements.past_due")
        } else if self.verifying {
            json!("requirements.pending_verification")
        } else {
            Value::Null
        };
        let blocked = !past.is_empty() || self.rejected.is_some();
        let status = match (!blocked, self.verifying) {
            (false, _) => "inactive",
            (true, true) => "pending",
            (true, false) => "active",
        };
        // An account that cannot take cards yet may still receive transfers.
        let only_cards = past.iter().all(|name| FOR_CARDS.contains(name)) && !self.verifying && self.rejected.is_none();
        let known = account["capabilities"].as_object().cloned().unwrap_or_default();
        let mut capabilities: Map<String, Value> = known.keys().map(|name| (name.clone(), "inactive".into())).collect();
        // The capabilities that Stripe gives Standard accounts by default appear only after onboarding.
        let unasked = |name: &String| account.text("type") == "standard" && !self.submitted && !known.contains_key(name);
        for name in self.requested.iter().filter(|name| !unasked(name)) {
            let status = if name == "transfers" && only_cards { "active" } else { status };
            capabilities.insert(name.clone(), status.into());
        }
        // An account that only receives transfers may be charged for with
        // `on_behalf_of` and transfers, so Stripe says that it can be charged.
        let main = if self.requested.contains("card_payments") { "card_payments" } else { "transfers" };
        json!({
            "charges_enabled": capabilities.get(main).is_some_and(|status| status == "active"),
            "payouts_enabled": status == "active" || only_cards,
            "details_submitted": self.submitted,
            "capabilities": capabilities,
            "future_requirements": {
                "alternatives": [],
                "current_deadline": self.later_from,
                "currently_due": self.later,
                "disabled_reason": null,
                "errors": [],
                "eventually_due": self.later,
                "past_due": [],
                "pending_verification": [],
            },
            "requirements": {
                "alternatives": [],
                "current_deadline": if extra.is_empty() { None } else { self.deadline },
                "currently_due": due,
                "disabled_reason": reason,
                "errors": self.errors,
                "eventually_due": all,
                "past_due": past,
                "pending_verification": if self.verifying { json!(["individual.verification.document"]) } else { json!([]) },
            },
        })
    }
}
