//! What an account must still tell Stripe, and what follows from it: capabilities, charges, payouts
//! (<https://docs.stripe.com/connect/handling-api-verification>).
//!
//! Kept for accounts that the platform made through the API. Those that came by OAuth, and the admin API's, are as they
//! were made until somebody changes them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::stripe::context::Context;
use crate::stripe::jobs::Job;
use crate::stripe::params::Params;
use crate::stripe::state::{Fields, Kind, State, random_text};

const ALWAYS: [&str; 4] = ["business_type", "external_account", "tos_acceptance.date", "tos_acceptance.ip"];
/// Asked of those who take card payments, not of those who are only sent money.
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

/// What is known of an account, in its hidden part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Known {
    /// The capabilities that were asked for.
    pub(crate) requested: BTreeSet<String>,
    /// The fields that were given: `individual.first_name`.
    pub(crate) given: BTreeSet<String>,
    /// What Stripe wants on top, of an account that was complete once.
    pub(crate) extra: BTreeSet<String>,
    /// By when, in epoch seconds.
    pub(crate) deadline: Option<i64>,
    /// What was wrong: `{"code", "reason", "requirement"}`.
    pub(crate) errors: Vec<Value>,
    /// Stripe is looking at it.
    pub(crate) verifying: bool,
    /// Why the platform turned the account away.
    pub(crate) rejected: Option<String>,
    /// All was complete once.
    pub(crate) submitted: bool,
}

impl Known {
    /// What is known of that account, where it is kept.
    pub(crate) fn of(state: &State, account: &str) -> Option<Self> {
        serde_json::from_value(state.hidden(account, Kind::Account, account, "known")?.clone()).ok()
    }

    /// Keeps it.
    pub(crate) fn keep(&self, state: &mut State, account: &str) {
        state.hide(account, Kind::Account, account, "known", json!(self));
    }

    fn wanted(&self, business_type: &str) -> Vec<&str> {
        let mut wanted: Vec<&str> = ALWAYS.to_vec();
        if self.requested.contains("card_payments") {
            wanted.extend(FOR_CARDS);
        }
        wanted.extend::<&[&str]>(if business_type == "company" { &OF_COMPANIES } else { &OF_PERSONS });
        wanted.retain(|name| !self.given.contains(*name));
        wanted.sort_unstable();
        wanted
    }

    /// The account's fields as they follow from it at that time.
    fn fields(&self, account: &Value, now: i64) -> Value {
        let basic = self.wanted(account.text("business_type"));
        let wrong: BTreeSet<&str> = self.errors.iter().map(|error| error.text("requirement")).collect();
        let extra: BTreeSet<&str> = self.extra.iter().map(String::as_str).filter(|name| !self.given.contains(*name)).collect();
        let late = self.deadline.is_some_and(|deadline| deadline <= now);
        let due: BTreeSet<&str> = basic.iter().copied().chain(wrong.iter().copied()).chain(extra.iter().copied()).collect();
        let mut past: BTreeSet<&str> = basic.iter().copied().chain(wrong.iter().copied()).collect();
        if late {
            past.extend(&extra);
        }
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
        // Money can be sent to an account that may not take cards yet.
        let only_cards = past.iter().all(|name| FOR_CARDS.contains(name)) && !self.verifying && self.rejected.is_none();
        let known = account["capabilities"].as_object().cloned().unwrap_or_default();
        let mut capabilities: Map<String, Value> = known.keys().map(|name| (name.clone(), "inactive".into())).collect();
        for name in &self.requested {
            let status = if name == "transfers" && only_cards { "active" } else { status };
            capabilities.insert(name.clone(), status.into());
        }
        json!({
            "charges_enabled": capabilities.get("card_payments").is_some_and(|status| status == "active"),
            "payouts_enabled": status == "active" || only_cards,
            "details_submitted": self.submitted,
            "capabilities": capabilities,
            "requirements": {
                "alternatives": [],
                "current_deadline": if extra.is_empty() { None } else { self.deadline },
                "currently_due": due,
                "disabled_reason": reason,
                "errors": self.errors,
                "eventually_due": due,
                "past_due": past,
                "pending_verification": if self.verifying { json!(["individual.verification.document"]) } else { json!([]) },
            },
        })
    }
}

/// Works out what follows from what is known, and tells the Connect endpoint what changed.
pub(crate) fn review(ctx: &mut Context, account: &str, more: Value) {
    let fields = follow(ctx, account, more);
    super::change(ctx, account, fields);
}

/// Works out what follows for an account that nobody knows of yet.
pub(crate) fn review_silently(ctx: &mut Context, account: &str, more: Value) {
    let fields = follow(ctx, account, more);
    ctx.state.set(account, Kind::Account, account, fields);
}

fn follow(ctx: &mut Context, account: &str, more: Value) -> Value {
    let mut fields = more;
    let Some(object) = ctx.state.account(account).cloned() else { return fields };
    if let Some(mut known) = Known::of(ctx.state, account) {
        let mut after = object.clone();
        if let Some(kind) = fields.get("business_type") {
            after["business_type"] = kind.clone();
        }
        let complete = known.wanted(after.text("business_type")).is_empty();
        // Once its holder has been through it, it stays submitted.
        known.submitted |= complete;
        known.keep(ctx.state, account);
        for (name, value) in known.fields(&after, ctx.now()).as_object().into_iter().flatten() {
            fields[name.as_str()] = value.clone();
        }
    }
    fields
}

/// The names of the fields that parameters give, with dots: `individual.first_name`.
pub(crate) fn given(params: &Params) -> BTreeSet<String> {
    fn walk(value: &Value, path: &str, out: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(value, &path, out);
                }
            }
            Value::String(text) if text.is_empty() => {}
            Value::Null => {}
            _ => {
                out.insert(path.to_owned());
            }
        }
    }
    let mut out = BTreeSet::new();
    for name in ["business_profile", "business_type", "company", "individual", "tos_acceptance"] {
        walk(&params.json(name), name, &mut out);
    }
    if params.has("external_account") {
        out.insert("external_account".to_owned());
    }
    out
}

/// What is wrong with what was given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Failure {
    requirement: String,
    code: String,
    reason: String,
}

impl Default for Failure {
    fn default() -> Self {
        Self {
            requirement: "individual.verification.document".to_owned(),
            code: "verification_document_not_readable".to_owned(),
            reason: "The image supplied was not readable.".to_owned(),
        }
    }
}

/// How Stripe takes what it was given.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Complete,
    /// It has yet to look at it.
    Pending,
    Failed(Failure),
}

/// Everything that is still missing is given, in the way of a person at the onboarding page.
pub(crate) fn fulfil(ctx: &mut Context, account: &str, verdict: Verdict) {
    let Some(mut known) = Known::of(ctx.state, account) else { return };
    let object = ctx.state.account(account).cloned().unwrap_or_default();
    let mut more = json!({ "tos_acceptance": { "date": ctx.now(), "ip": "127.0.0.1", "user_agent": null } });
    if object["business_type"].is_null() {
        more["business_type"] = "individual".into();
    }
    let business_type = more.maybe("business_type").unwrap_or(object.text("business_type")).to_owned();
    let missing: Vec<String> = known.wanted(&business_type).into_iter().map(str::to_owned).collect();
    if missing.iter().any(|name| name == "external_account") {
        more["external_accounts"] = with_bank_account(&object, &Value::Null);
    }
    if missing.iter().any(|name| name.starts_with("business_profile")) {
        more["business_profile"] = object["business_profile"].clone();
        more["business_profile"]["mcc"] = "8299".into();
        more["business_profile"]["url"] = "https://seller.example.com".into();
    }
    known.given.extend(missing);
    known.given.extend(std::mem::take(&mut known.extra));
    known.deadline = None;
    known.verifying = matches!(verdict, Verdict::Pending);
    known.errors = match verdict {
        Verdict::Failed(failure) => vec![json!(failure)],
        Verdict::Complete | Verdict::Pending => Vec::new(),
    };
    known.keep(ctx.state, account);
    review(ctx, account, more);
}

/// Stripe wants more of an account, by a time.
pub(crate) fn demand(ctx: &mut Context, account: &str, names: &[String], deadline: Option<i64>) {
    let Some(mut known) = Known::of(ctx.state, account) else { return };
    known.extra.extend(names.iter().cloned());
    known.given.retain(|name| !names.contains(name));
    known.deadline = deadline;
    known.keep(ctx.state, account);
    if let Some(at) = deadline {
        ctx.state.jobs.push(Job::ReviewAccount { at, account: account.to_owned() });
    }
    review(ctx, account, json!({}));
}

/// The account's external accounts with one more: a bank account as it was described, or any.
pub(crate) fn with_bank_account(account: &Value, given: &Value) -> Value {
    let number = given.maybe("account_number").unwrap_or("000123456789");
    let bank = json!({
        "id": format!("ba_1{}", random_text(23)),
        "object": "bank_account",
        "account": account["id"],
        "account_holder_name": given.maybe("account_holder_name"),
        "account_holder_type": given.maybe("account_holder_type"),
        "account_type": null,
        "available_payout_methods": ["standard"],
        "bank_name": "STRIPE TEST BANK",
        "country": given.maybe("country").unwrap_or(account.text("country")),
        "currency": given.maybe("currency").unwrap_or(account.text("default_currency")),
        "default_for_currency": true,
        "fingerprint": random_text(16),
        "future_requirements": { "currently_due": [], "errors": [], "past_due": [], "pending_verification": [] },
        "last4": number.get(number.len().saturating_sub(4)..).unwrap_or(number),
        "metadata": {},
        "requirements": { "currently_due": [], "errors": [], "past_due": [], "pending_verification": [] },
        "routing_number": given.maybe("routing_number").unwrap_or("110000000"),
        "status": "new",
    });
    let mut all = account["external_accounts"].clone();
    all["data"] = json!([bank]);
    all["total_count"] = 1.into();
    all
}
