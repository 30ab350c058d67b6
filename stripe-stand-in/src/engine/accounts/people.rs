//! The company behind an account, and the person who represents it (<https://docs.stripe.com/api/persons>).

use serde_json::{Value, json};

use crate::words::ids::random_text;
use crate::words::json::Fields;
use crate::words::params::Params;

fn address(country: &str, given: &Value) -> Value {
    let field = |name: &str| given.maybe(name);
    json!({
        "city": field("city"),
        "country": field("country").unwrap_or(country),
        "line1": field("line1"),
        "line2": field("line2"),
        "postal_code": field("postal_code"),
        "state": field("state"),
    })
}

fn document() -> Value {
    json!({ "back": null, "details": null, "details_code": null, "front": null })
}

/// An account's `company`, as far as it is known.
pub(crate) fn company(country: &str, given: &Value) -> Value {
    let provided = |name: &str| given.get(name).is_some();
    let mut company = json!({
        "address": address(country, &given["address"]),
        "directors_provided": provided("directors_provided"),
        "executives_provided": provided("executives_provided"),
        "name": given.maybe("name"),
        "owners_provided": provided("owners_provided"),
        "tax_id_provided": provided("tax_id"),
        "verification": { "document": document() },
    });
    if let Some(phone) = given.maybe("phone") {
        company["phone"] = phone.into();
    }
    company
}

/// The person behind an individual's account.
fn person(account: &Value, given: &Value, now: i64) -> Value {
    let requirements = json!({
        "alternatives": [], "currently_due": [], "errors": [], "eventually_due": [], "past_due": [], "pending_verification": [],
    });
    let known = &account["individual"];
    let number = |name: &str| given["dob"].maybe(name).and_then(|text| text.parse::<i64>().ok());
    json!({
        "id": known.maybe("id").map_or_else(|| format!("person_1{}", random_text(22)), str::to_owned),
        "object": "person",
        "account": account["id"],
        "address": address(account.text("country"), &given["address"]),
        "created": known["created"].as_i64().unwrap_or(now),
        "dob": { "day": number("day"), "month": number("month"), "year": number("year") },
        "email": given.maybe("email"),
        "first_name": given.maybe("first_name"),
        "future_requirements": requirements,
        "id_number_provided": given.get("id_number").is_some(),
        "last_name": given.maybe("last_name"),
        "metadata": {},
        "phone": given.maybe("phone"),
        "relationship": {
            "authorizer": false,
            "director": false,
            "executive": false,
            "legal_guardian": false,
            "owner": false,
            "percent_ownership": null,
            "representative": true,
            "title": null,
        },
        "requirements": requirements,
        "ssn_last_4_provided": given.get("ssn_last_4").or(given.get("id_number")).is_some(),
        "verification": {
            "additional_document": document(),
            "details": null,
            "details_code": null,
            "document": document(),
            "status": "pending",
        },
    })
}

/// What a platform sees of the person behind an Express account, for which Stripe collects the requirements.
fn briefly(person: &Value) -> Value {
    let seen = ["id", "object", "account", "created", "first_name", "last_name", "relationship"];
    Value::Object(seen.iter().map(|name| ((*name).to_owned(), person[*name].clone())).collect())
}

/// Applies parameters about company and person to an account's changes.
pub(crate) fn tell(before: &Value, params: &Params, now: i64, after: &mut Value) {
    let country = before.text("country");
    if params.has("company") {
        after["company"] = company(country, &params.json("company"));
    }
    if params.has("individual") {
        let given = params.json("individual");
        after["individual"] = person(before, &given, now);
        if before["type"] == "express" {
            after["individual"] = briefly(&after["individual"]);
            return;
        }
        // An individual's company is that person's.
        if !params.has("company") {
            let mut own =
                json!({ "address": given["address"], "directors_provided": true, "executives_provided": true, "owners_provided": true });
            own["phone"] = given["phone"].clone();
            after["company"] = company(country, &own);
        }
    }
}
