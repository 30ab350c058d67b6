//! Accounts in the format of `/v2`: <https://docs.stripe.com/api/v2/core/accounts/object>. What was
//! provided to `/v2` is stored next to the account that `/v1` reads, from which everything else follows.

use serde_json::{Map, Value, json};

use crate::state::all::State;
use crate::words::calendar;
use crate::words::json::Fields;
use crate::words::kind::Kind;

/// What a response only includes on request.
pub(crate) const INCLUDES: &str =
    "configuration.customer|configuration.merchant|configuration.recipient|defaults|future_requirements|identity|requirements";

/// The configurations that an account can have.
pub(crate) const CONFIGURATIONS: [&str; 3] = ["customer", "merchant", "recipient"];

/// What was provided to `/v2`, for an account that was created there.
pub(crate) fn given<'a>(state: &'a State, id: &str) -> Option<&'a Value> {
    state.hidden(id, Kind::Account, id, "v2")
}

/// Stores it.
pub(crate) fn keep(state: &mut State, id: &str, given: Value) {
    state.hide(id, Kind::Account, id, "v2", given);
}

/// The configurations that an account has.
pub(crate) fn applied(given: &Value) -> Vec<&'static str> {
    CONFIGURATIONS.into_iter().filter(|name| given["configuration"][*name].is_object()).collect()
}

/// The account, with what should be included.
pub(crate) fn answer(state: &State, id: &str, include: &[String]) -> Value {
    let (Some(account), Some(given)) = (state.account(id), given(state, id)) else { return Value::Null };
    let wanted = |name: &str| include.iter().any(|one| one == name);
    let mut configuration = Value::Null;
    if include.iter().any(|name| name.starts_with("configuration.")) {
        let of = |name: &str| if wanted(&format!("configuration.{name}")) { of_configuration(account, given, name) } else { Value::Null };
        configuration = CONFIGURATIONS.iter().map(|name| ((*name).to_owned(), of(name))).collect::<Map<_, _>>().into();
    }
    json!({
        "id": id,
        "object": "v2.core.account",
        "applied_configurations": applied(given),
        "closed": given.flag("closed"),
        "configuration": configuration,
        "contact_email": account["email"],
        "contact_phone": given["contact_phone"],
        "created": calendar::timestamp(account.int("created")),
        "dashboard": given["dashboard"],
        "defaults": if wanted("defaults") { defaults(given) } else { Value::Null },
        "display_name": given["display_name"],
        "future_requirements": if wanted("future_requirements") { future_requirements(account, given) } else { Value::Null },
        "identity": if wanted("identity") { identity(given) } else { Value::Null },
        "livemode": false,
        "metadata": account["metadata"],
        "requirements": if wanted("requirements") { requirements(&account["requirements"], given) } else { Value::Null },
    })
}

/// A capability in the format of `/v2`, from its status in `/v1`.
fn capability(account: &Value, status: &str) -> Value {
    let reason = account["requirements"].text("disabled_reason");
    let (status, details) = match status {
        "active" => ("active", None),
        "pending" => ("pending", Some(("requirements_pending_verification", "no_resolution"))),
        _ if reason.starts_with("rejected.") => ("rejected", Some(("rejected_other", "contact_stripe"))),
        _ => ("restricted", Some(("requirements_past_due", "provide_info"))),
    };
    let details: Vec<Value> = details.into_iter().map(|(code, resolution)| json!({ "code": code, "resolution": resolution })).collect();
    json!({ "status": status, "status_details": details })
}

fn payouts(account: &Value) -> Value {
    capability(account, if account.flag("payouts_enabled") { "active" } else { "inactive" })
}

fn of_configuration(account: &Value, given: &Value, name: &str) -> Value {
    let settings = &given["configuration"][name];
    let Some(mut shown) = settings.as_object().cloned() else { return Value::Null };
    shown.insert("applied".into(), true.into());
    match name {
        "merchant" => {
            let asked = settings["capabilities"].as_object().into_iter().flatten();
            let asked = asked.filter(|(_, wish)| wish.flag("requested"));
            let mut all: Map<String, Value> =
                asked.map(|(name, _)| (name.clone(), capability(account, account["capabilities"].text(name)))).collect();
            all.insert("stripe_balance".into(), json!({ "payouts": payouts(account) }));
            shown.insert("capabilities".into(), all.into());
            for (field, usual) in [
                ("card_payments", json!({ "decline_on": { "avs_failure": false, "cvc_failure": false } })),
                ("mcc", Value::Null),
                ("statement_descriptor", json!({ "descriptor": null, "prefix": null })),
                ("support", json!({ "address": null, "email": null, "phone": null, "url": null })),
            ] {
                shown.entry(field).or_insert(usual);
            }
        }
        "recipient" => {
            let mut balance = json!({ "payouts": payouts(account) });
            if settings["capabilities"]["stripe_balance"]["stripe_transfers"].flag("requested") {
                balance["stripe_transfers"] = capability(account, account["capabilities"].text("transfers"));
            }
            shown.insert("capabilities".into(), json!({ "stripe_balance": balance }));
            shown.insert("default_outbound_destination".into(), Value::Null);
        }
        _ => {}
    }
    shown.into()
}

fn defaults(given: &Value) -> Value {
    let kept = &given["defaults"];
    let mut responsibilities = kept["responsibilities"].clone();
    if responsibilities.is_object() {
        // Only in responses, never in requests.
        responsibilities["requirements_collector"] = if given["dashboard"] == "none" { "application" } else { "stripe" }.into();
    }
    json!({
        "currency": kept["currency"],
        "locales": kept["locales"],
        "profile": {
            "business_url": kept["profile"]["business_url"],
            "doing_business_as": kept["profile"]["doing_business_as"],
            "product_description": kept["profile"]["product_description"],
        },
        "responsibilities": responsibilities,
    })
}

/// The identity, without the numbers of identity documents.
fn identity(given: &Value) -> Value {
    let mut identity = given["identity"].clone();
    for name in ["business_details", "individual"] {
        for number in identity[name].get_mut("id_numbers").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(fields) = number.as_object_mut() {
                fields.remove("value");
            }
        }
    }
    json!({
        "attestations": identity["attestations"],
        "business_details": identity["business_details"],
        "country": identity["country"],
        "entity_type": identity["entity_type"],
        "individual": identity["individual"],
    })
}

/// The `/v2` path of a field that `/v1` lacks.
fn path_of(field: &str) -> &str {
    match field {
        "business_type" => "identity.entity_type",
        "business_profile.mcc" => "configuration.merchant.mcc",
        "business_profile.url" => "defaults.profile.business_url",
        "company.name" => "identity.business_details.registered_name",
        "company.phone" => "identity.business_details.phone",
        "company.tax_id" => "identity.business_details.id_numbers",
        "individual.dob.day" => "identity.individual.date_of_birth.day",
        "individual.dob.month" => "identity.individual.date_of_birth.month",
        "individual.dob.year" => "identity.individual.date_of_birth.year",
        "individual.email" => "identity.individual.email",
        "individual.first_name" => "identity.individual.given_name",
        "individual.last_name" => "identity.individual.surname",
        "tos_acceptance.date" => "identity.attestations.terms_of_service.account.date",
        "tos_acceptance.ip" => "identity.attestations.terms_of_service.account.ip",
        other => other,
    }
}

fn future_requirements(account: &Value, given: &Value) -> Value {
    let of = &account["future_requirements"];
    let shown = requirements(of, given);
    let from = of["current_deadline"].as_i64().map(calendar::timestamp);
    json!({ "entries": shown["entries"], "minimum_transition_date": from, "summary": shown["summary"] })
}

/// The requirements that `/v1` shows like this.
fn requirements(of: &Value, given: &Value) -> Value {
    let texts = |name: &str| {
        let list = of[name].as_array().into_iter().flatten();
        list.filter_map(|one| one.as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let (past, due) = (texts("past_due"), texts("currently_due"));
    let mut restricted = Vec::new();
    for (configuration, capability) in [("merchant", "card_payments"), ("recipient", "stripe_balance.stripe_transfers")] {
        if given["configuration"][configuration].is_object() {
            restricted.push((configuration, capability));
        }
    }
    let deadline = |field: &String| {
        let is_due = if due.contains(field) { "currently_due" } else { "eventually_due" };
        if past.contains(field) { "past_due" } else { is_due }
    };
    let entry = |field: &String| {
        let impact: Vec<Value> = restricted
            .iter()
            .map(|(configuration, capability)| {
                json!({ "capability": capability, "configuration": configuration, "deadline": { "status": deadline(field) } })
            })
            .collect();
        let all = of["errors"].as_array().into_iter().flatten();
        let errors: Vec<Value> = all
            .filter(|error| error["requirement"] == field.as_str())
            .map(|error| json!({ "code": error["code"], "description": error["reason"] }))
            .collect();
        json!({
            "awaiting_action_from": "user",
            "description": path_of(field),
            "errors": errors,
            "impact": { "restricts_capabilities": impact },
            "minimum_deadline": { "status": deadline(field) },
            "reference": null,
            "requested_reasons": [{ "code": "routine_onboarding" }],
        })
    };
    let all = texts("eventually_due");
    let entries: Vec<Value> = all.iter().map(entry).collect();
    let soonest =
        ["past_due", "currently_due", "eventually_due"].into_iter().find(|status| all.iter().any(|field| deadline(field) == *status));
    json!({
        "alternatives": [],
        "entries": entries,
        "summary": soonest.map(|status| json!({ "minimum_deadline": { "status": status } })),
    })
}
