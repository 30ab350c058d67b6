//! Accounts: the platform's own and those connected to it (<https://docs.stripe.com/api/accounts>).

mod build;
pub(crate) mod links;
pub(crate) mod requirements;

use serde_json::{Map, Value, json};

use build::no_requirements;
pub(crate) use build::{New, build, new_id, region};
use requirements::Known;

use super::context::Context;
use super::errors::ApiError;
use super::list;
use super::params::Params;
use super::state::{Fields, Kind, Link, State};

/// Parameters of `POST /v1/accounts`.
pub(crate) const CREATE: &str = "account_token business_profile:any business_type capabilities:any company:any \
    controller{fees{payer} losses{payments} requirement_collection stripe_dashboard{type}} country default_currency \
    documents:any email external_account:any groups:any individual:any metadata:m settings:any tos_acceptance:any \
    type:(standard|express|custom)";

/// Parameters of `POST /v1/accounts/{id}`.
pub(crate) const UPDATE: &str = "account_token business_profile:any business_type capabilities:any company:any \
    default_currency documents:any email external_account:any groups:any individual:any metadata:m settings:any \
    tos_acceptance:any";

/// Adds an account that is not linked to the platform yet.
pub(crate) fn add(state: &mut State, new: &New) -> String {
    let id = new_id();
    let object = build(&id, new, state.now());
    state.insert(&id, Kind::Account, object, Map::new());
    id
}

/// The platform's application, as `account.application.deauthorized` carries it.
pub(crate) fn application(client_id: &str) -> Value {
    json!({ "id": client_id, "object": "application", "name": "Local platform" })
}

/// Takes the platform's access to an account away and tells the Connect endpoint.
pub(crate) fn deauthorize(ctx: &mut Context, account: &str) {
    ctx.state.links.insert(account.to_owned(), Link::None);
    for grant in ctx.state.grants.values_mut() {
        if grant.account == account {
            grant.revoked = true;
        }
    }
    let application = application(&ctx.client_id);
    ctx.emit_object(account, "account.application.deauthorized", application, Value::Null);
}

/// Whether one of an account's capabilities is active.
pub(crate) fn has_capability(account: &Value, name: &str) -> bool {
    account["capabilities"].text(name) == "active"
}

pub(crate) fn visible(ctx: &Context, id: &str) -> Result<Value, ApiError> {
    let linked = !ctx.is_connected() && ctx.state.link(id) != Link::None;
    if let Some(account) = ctx.state.account(id).filter(|_| id == ctx.account || linked) {
        return Ok(account.clone());
    }
    Err(ApiError::new(
        403,
        "invalid_request_error",
        format!(
            "The provided key does not have access to account '{id}' (or that account does not exist). Application \
             access may have been revoked."
        ),
    )
    .code("account_invalid"))
}

/// `GET /v1/account`
pub(crate) fn retrieve_own(ctx: &mut Context, _: &[&str], _: &Params) -> Result<Value, ApiError> {
    let account = ctx.account.clone();
    visible(ctx, &account)
}

/// `GET /v1/accounts/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    visible(ctx, path[0])
}

/// `GET /v1/accounts`: those connected to the platform, newest first.
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let linked = ctx.state.account_ids().into_iter().filter(|id| ctx.state.link(id) != Link::None);
    let mut accounts: Vec<Value> = linked.filter_map(|id| ctx.state.account(&id).cloned()).collect();
    accounts.sort_by_key(|account| std::cmp::Reverse((account.int("created"), account.text("id").to_owned())));
    if ctx.is_connected() {
        accounts.clear();
    }
    list::page_of(Kind::Account, &accounts, params, "/v1/accounts")
}

/// `POST /v1/accounts`: a connected account that has yet to be onboarded.
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let dashboard = params.object("controller").object("stripe_dashboard");
    let kind = params.text("type").or_else(|| match dashboard.text("type") {
        Some("express") => Some("express"),
        Some("none") => Some("custom"),
        _ => None,
    });
    if params.has("controller") && params.has("type") {
        return Err(ApiError::invalid("You may not provide the `type` parameter and `controller` parameters simultaneously."));
    }
    check_terms(params, kind.unwrap_or("standard"))?;
    let id = add(
        ctx.state,
        &New {
            kind: kind.map(str::to_owned),
            email: params.text("email").map(str::to_owned),
            country: params.text("country").map(str::to_owned),
            name: params.json("business_profile").maybe("name").map(str::to_owned),
            capabilities: Some(Map::new()),
            charges_enabled: Some(false),
            metadata: Some(params.metadata()),
        },
    );
    ctx.state.links.insert(id.clone(), Link::ReadWrite);
    let mut known = Known::default();
    // A Standard account gets these without being asked.
    if kind.is_none_or(|kind| kind == "standard") {
        known.requested.extend(["card_payments", "transfers"].map(str::to_owned));
    }
    known.keep(ctx.state, &id);
    let fields = told(ctx, &id, params)?;
    // Told of as it is, before anything happens to it.
    requirements::review_silently(ctx, &id, fields);
    visible(ctx, &id)
}

/// `POST /v1/accounts/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = visible(ctx, path[0])?;
    check_terms(params, before.text("type"))?;
    let mut fields = told(ctx, path[0], params)?;
    fields["metadata"] = params.merged_metadata(&before["metadata"]);
    requirements::review(ctx, path[0], fields);
    visible(ctx, path[0])
}

/// Only a platform that collects the requirements accepts Stripe's terms for its sellers.
fn check_terms(params: &Params, kind: &str) -> Result<(), ApiError> {
    if params.has("tos_acceptance") && kind != "custom" {
        return Err(ApiError::invalid("You cannot accept the Terms of Service on behalf of Standard and Express connected accounts.")
            .param("tos_acceptance"));
    }
    Ok(())
}

/// Keeps what parameters tell of an account: the fields that change by it.
fn told(ctx: &mut Context, id: &str, params: &Params) -> Result<Value, ApiError> {
    let before = ctx.state.account(id).cloned().unwrap_or_default();
    let mut after = json!({});
    for name in ["email", "business_type"] {
        if params.has(name) {
            after[name] = params.json(name);
        }
    }
    let profile = params.json("business_profile");
    if let Some(fields) = profile.as_object() {
        after["business_profile"] = before["business_profile"].clone();
        for name in ["mcc", "name", "product_description", "support_email", "support_phone", "support_url", "url"] {
            if let Some(value) = fields.get(name) {
                after["business_profile"][name] = value.clone();
            }
        }
    }
    let terms = params.json("tos_acceptance");
    if terms.is_object() {
        let date = terms.text("date").parse::<i64>().ok();
        after["tos_acceptance"] = json!({ "date": date, "ip": terms["ip"], "user_agent": terms["user_agent"] });
    }
    if params.has("external_account") {
        after["external_accounts"] = requirements::with_bank_account(&before, &params.json("external_account"));
    }
    let mut capabilities = before["capabilities"].clone();
    let mut known = Known::of(ctx.state, id);
    for (name, wish) in params.json("capabilities").as_object().into_iter().flatten() {
        check_capability(name)?;
        let wanted = wish.text("requested") == "true";
        match &mut known {
            Some(known) if wanted => drop(known.requested.insert(name.clone())),
            Some(known) => drop(known.requested.remove(name)),
            None => {}
        }
        if wanted && capabilities.get(name).is_none() {
            capabilities[name.as_str()] = "inactive".into();
        }
    }
    after["capabilities"] = capabilities;
    if let Some(mut known) = known {
        known.given.extend(requirements::given(params));
        known.keep(ctx.state, id);
    }
    Ok(after)
}

fn check_capability(name: &str) -> Result<(), ApiError> {
    if ["card_payments", "transfers", "link_payments", "legacy_payments", "us_bank_account_ach_payments"].contains(&name) {
        return Ok(());
    }
    Err(ApiError::invalid(format!("Unrecognized capability: {name}")).param("capabilities"))
}

/// `POST /v1/accounts/{id}/reject`: the platform turns a seller away.
pub(crate) fn reject(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let account = visible(ctx, path[0])?;
    let reason = params.required("reason")?.to_owned();
    if let Some(mut known) = Known::of(ctx.state, path[0]) {
        known.rejected = Some(reason);
        known.keep(ctx.state, path[0]);
        requirements::review(ctx, path[0], json!({}));
        return visible(ctx, path[0]);
    }
    let mut requirements = account["requirements"].clone();
    requirements["disabled_reason"] = format!("rejected.{reason}").into();
    let inactive = account["capabilities"].as_object().into_iter().flatten();
    let inactive: Map<String, Value> = inactive.map(|(name, _)| (name.clone(), "inactive".into())).collect();
    let fields = json!({
        "capabilities": inactive, "charges_enabled": false, "payouts_enabled": false, "requirements": requirements,
    });
    change(ctx, path[0], fields);
    visible(ctx, path[0])
}

/// Changes an account and tells the Connect endpoint, also about each capability.
pub(crate) fn change(ctx: &mut Context, id: &str, fields: Value) {
    let Some(before) = ctx.state.account(id).cloned() else { return };
    ctx.state.set(id, Kind::Account, id, fields);
    let Some(after) = ctx.state.account(id).cloned() else { return };
    if after == before {
        return;
    }
    ctx.emit_change(id, "account.updated", Kind::Account, id, &before);
    for (name, status) in after["capabilities"].as_object().into_iter().flatten() {
        if before["capabilities"][name.as_str()] != *status {
            let object = capability_object(&after, name, status);
            ctx.emit_object(id, "capability.updated", object, Value::Null);
        }
    }
}

fn capability_object(account: &Value, name: &str, status: &Value) -> Value {
    let mut requirements = no_requirements(&[], None);
    for (name, value) in account["requirements"].as_object().into_iter().flatten() {
        requirements[name.as_str()] = value.clone();
    }
    // A capability has words of its own.
    requirements["disabled_reason"] = match account["requirements"].maybe("disabled_reason") {
        _ if status == "active" => Value::Null,
        Some("requirements.pending_verification") => "pending.review".into(),
        Some(reason) if reason.starts_with("rejected.") => "rejected.other".into(),
        Some(_) => "requirements.fields_needed".into(),
        None => Value::Null,
    };
    json!({
        "id": name,
        "object": "capability",
        "account": account["id"],
        "future_requirements": no_requirements(&[], None),
        "requested": true,
        "requested_at": account["created"],
        "requirements": requirements,
        "status": status,
    })
}

/// `POST /v1/accounts/{id}/capabilities/{capability}`
pub(crate) fn update_capability(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    visible(ctx, path[0])?;
    let mut wish = json!({ "capabilities": {} });
    wish["capabilities"][path[1]] = json!({ "requested": params.is("requested").to_string() });
    let fields = told(ctx, path[0], &Params::from_value(wish))?;
    requirements::review(ctx, path[0], fields);
    capability(ctx, path, params)
}

/// `GET /v1/accounts/{id}/capabilities`
pub(crate) fn capabilities(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let account = visible(ctx, path[0])?;
    let all = account["capabilities"].as_object().into_iter().flatten();
    let data: Vec<Value> = all.map(|(name, status)| capability_object(&account, name, status)).collect();
    list::page_of(Kind::Account, &data, params, &format!("/v1/accounts/{}/capabilities", path[0]))
}

/// `GET /v1/accounts/{id}/capabilities/{capability}`
pub(crate) fn capability(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let account = visible(ctx, path[0])?;
    match account["capabilities"].get(path[1]) {
        Some(status) => Ok(capability_object(&account, path[1], status)),
        None => Err(ApiError::new(404, "invalid_request_error", format!("No such capability: '{}'", path[1]))
            .code("resource_missing")
            .param("capability")),
    }
}
