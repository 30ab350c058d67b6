//! What an account must still provide to Stripe, and what follows: capabilities,
//! charges, payouts (<https://docs.stripe.com/connect/handling-api-verification>).
//!
//! Only accounts that the platform created through the API have this. Accounts that
//! came by OAuth or from the admin API stay as created until somebody changes them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::accounts::banks;
use crate::engine::accounts::known::Known;
use crate::engine::accounts::rows;
use crate::events::context::Context;
use crate::state::agenda::Job;
use crate::state::door::Collects;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Derives what follows from what is known, and sends the changes to the Connect endpoint.
pub(crate) fn review(ctx: &mut Context, account: &str, more: Value) {
    let fields = follow(ctx, account, more);
    rows::change(ctx, account, fields);
}

/// Derives what follows for an account that was not announced yet.
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
        if let Some(asked) = fields.get("capabilities") {
            after["capabilities"] = asked.clone();
        }
        // From then on, what was to come is required: <https://docs.stripe.com/connect/handle-verification-updates>.
        if known.later_from.is_some_and(|from| from <= ctx.now()) {
            let names = std::mem::take(&mut known.later);
            known.require(&names);
            known.later_from = None;
        }
        let complete = known.wanted(after.text("business_type")).is_empty();
        // Once its owner has completed onboarding, it stays submitted.
        known.submitted |= complete;
        known.keep(ctx.state, account);
        for (name, value) in known.fields(&after, ctx.now()).as_object().into_iter().flatten() {
            fields[name.as_str()] = value.clone();
        }
    }
    fields
}

/// The names of the fields that parameters contain, with dots: `individual.first_name`.
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
    if banks::given(params).is_some() {
        out.insert("external_account".to_owned());
    }
    out
}

/// What is wrong with the provided information.
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

/// Stripe's verdict on the provided information.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Complete,
    /// Not verified yet.
    Pending,
    Failed(Failure),
}

/// Provides everything that a page asks for, as a person on the onboarding page would.
pub(crate) fn fulfil(ctx: &mut Context, account: &str, verdict: Verdict, collects: Collects) {
    let Some(mut known) = Known::of(ctx.state, account) else { return };
    let object = ctx.state.account(account).cloned().unwrap_or_default();
    let mut more = json!({ "tos_acceptance": { "date": ctx.now(), "ip": "127.0.0.1", "user_agent": null } });
    if let Some(agreement) = object["tos_acceptance"].get("service_agreement") {
        more["tos_acceptance"]["service_agreement"] = agreement.clone();
    }
    if object["business_type"].is_null() {
        more["business_type"] = "individual".into();
    }
    let business_type = more.maybe("business_type").unwrap_or(object.text("business_type")).to_owned();
    let missing: Vec<String> = known.wanted(&business_type).into_iter().map(str::to_owned).collect();
    if missing.iter().any(|name| name == "external_account") {
        more["external_accounts"] = banks::with(&object, &Value::Null);
    }
    if missing.iter().any(|name| name.starts_with("business_profile")) {
        more["business_profile"] = object["business_profile"].clone();
        more["business_profile"]["mcc"] = "8299".into();
        more["business_profile"]["url"] = "https://seller.example.com".into();
    }
    known.given.extend(missing);
    known.given.extend(std::mem::take(&mut known.extra));
    known.deadline = None;
    if collects.eventually_due {
        known.eventually.clear();
    }
    if collects.future_requirements {
        known.later.clear();
        known.later_from = None;
    }
    known.verifying = matches!(verdict, Verdict::Pending);
    known.errors = match verdict {
        Verdict::Failed(failure) => vec![json!(failure)],
        Verdict::Complete | Verdict::Pending => Vec::new(),
    };
    known.keep(ctx.state, account);
    review(ctx, account, more);
}

/// When Stripe requires more information; times in epoch seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Due {
    /// Now, and past due from then on.
    By(Option<i64>),
    /// Only from then on.
    From(Option<i64>),
    /// At some point.
    Eventually,
}

/// Stripe requires more information from an account.
pub(crate) fn demand(ctx: &mut Context, account: &str, names: BTreeSet<String>, due: Due) {
    let Some(mut known) = Known::of(ctx.state, account) else { return };
    match due {
        Due::By(deadline) => {
            known.require(&names);
            known.deadline = deadline;
        }
        Due::From(from) => {
            known.later.extend(names);
            known.later_from = from;
        }
        Due::Eventually => {
            known.given.retain(|name| !names.contains(name));
            known.eventually.extend(names);
        }
    }
    known.keep(ctx.state, account);
    if let Due::By(Some(at)) | Due::From(Some(at)) = due {
        ctx.state.jobs.push(Job::ReviewAccount { at, account: account.to_owned() });
    }
    review(ctx, account, json!({}));
}
