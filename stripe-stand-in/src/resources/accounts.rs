//! Accounts: the platform's own and those connected to it (<https://docs.stripe.com/api/accounts>).

use serde_json::{Map, Value, json};

use crate::engine::accounts::banks;
use crate::engine::accounts::build::New;
use crate::engine::accounts::known::Known;
use crate::engine::accounts::people;
use crate::engine::accounts::requirements;
use crate::engine::accounts::rows;
use crate::engine::borders;
use crate::events::context::Context;
use crate::resources::list;
use crate::state::row::Link;
use crate::words::countries;
use crate::words::email;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Parameters of `POST /v1/accounts`.
pub(crate) const CREATE: &str = "account_token business_profile:any business_type capabilities:any company:any \
    bank_account:any controller{fees{payer} losses{payments} requirement_collection stripe_dashboard{type}} country default_currency \
    documents:any email external_account:any groups:any individual:any metadata:m settings:any tos_acceptance:any \
    type:(standard|express|custom)";

/// Parameters of `POST /v1/accounts/{id}`.
pub(crate) const UPDATE: &str = "account_token bank_account:any business_profile:any business_type capabilities:any company:any \
    default_currency documents:any email external_account:any groups:any individual:any metadata:m settings:any \
    tos_acceptance:any";

/// `GET /v1/account`
pub(crate) fn retrieve_own(ctx: &mut Context, _: &[&str], _: &Params) -> Result<Value, ApiError> {
    let account = ctx.account.clone();
    rows::visible(ctx, &account)
}

/// `GET /v1/accounts/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    rows::visible(ctx, path[0])
}

/// `GET /v1/accounts`: the platform's connected accounts, newest first.
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let linked = ctx.state.account_ids().into_iter().filter(|id| ctx.state.link(id) != Link::None);
    let mut accounts: Vec<Value> = linked.filter_map(|id| ctx.state.account(&id).cloned()).collect();
    accounts.sort_by_key(|account| std::cmp::Reverse((account.int("created"), account.text("id").to_owned())));
    if ctx.is_connected() {
        accounts.clear();
    }
    list::page_of(Kind::Account, &accounts, params, "/v1/accounts")
}

/// The error for platforms that were created after Accounts v2 (<https://docs.stripe.com/connect/accounts-v2/account-creation>).
const NOT_RECOMMENDED: &str = "Stripe no longer recommends Accounts v1 for new Connect integrations. Create connected accounts with \
    POST /v2/core/accounts instead: https://docs.stripe.com/api/v2/core/accounts. Read more about Accounts v2: \
    https://docs.stripe.com/connect/accounts-v2/account-creation. If your integration requires v1 account creation for a supported \
    compatibility scenario, enable Accounts v1 support in the Dashboard: \
    https://dashboard.stripe.com/settings/features/feat_accounts_v1_support.";

/// `POST /v1/accounts`: a connected account before onboarding.
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let dashboard = params.object("controller").object("stripe_dashboard");
    let kind = params.text("type").or_else(|| match dashboard.text("type") {
        Some("express") => Some("express"),
        Some("none") => Some("custom"),
        _ => None,
    });
    if !ctx.state.settings.accounts_v1 {
        return Err(ApiError::invalid(NOT_RECOMMENDED));
    }
    if params.has("controller") && params.has("type") {
        return Err(ApiError::invalid("You may not provide the `type` parameter and `controller` parameters simultaneously."));
    }
    let id = make(ctx, params, kind, true)?;
    rows::visible(ctx, &id)
}

/// Creates a connected account before onboarding. Returns its id. With `unasked`, a Standard account gets capabilities by default.
pub(crate) fn make(ctx: &mut Context, params: &Params, kind: Option<&str>, unasked: bool) -> Result<String, ApiError> {
    check_terms(params, kind.unwrap_or("standard"))?;
    borders::check_agreement(ctx, params, params.text("country").unwrap_or("US"), None)?;
    email::check(params, "email")?;
    if let Some(country) = params.text("country") {
        countries::check(country, "country")?;
    }
    banks::check(params)?;
    let id = rows::add(
        ctx.state,
        &New {
            kind: kind.map(str::to_owned),
            email: params.text("email").map(str::to_owned),
            country: params.text("country").map(str::to_owned),
            name: params.json("business_profile").maybe("name").map(str::to_owned),
            capabilities: Some(Map::new()),
            charges_enabled: Some(false),
            metadata: Some(params.metadata()),
            default_currency: params.text("default_currency").map(str::to_owned),
            by_platform: true,
        },
    );
    ctx.state.links.insert(id.clone(), Link::ReadWrite);
    let mut known = Known::default();
    // Standard accounts have these by default.
    if unasked && kind.is_none_or(|kind| kind == "standard") {
        known.requested.extend(["card_payments", "transfers"].map(str::to_owned));
    }
    known.keep(ctx.state, &id);
    let fields = told(ctx, &id, params)?;
    // It is announced as it is, before anything happens to it.
    requirements::review_silently(ctx, &id, fields);
    Ok(id)
}

/// `POST /v1/accounts/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = rows::visible(ctx, path[0])?;
    check_terms(params, before.text("type"))?;
    borders::check_agreement(ctx, params, before.text("country"), Some(&before))?;
    email::check(params, "email")?;
    banks::check(params)?;
    let mut fields = told(ctx, path[0], params)?;
    fields["metadata"] = params.merged_metadata(&before["metadata"]);
    requirements::review(ctx, path[0], fields);
    rows::visible(ctx, path[0])
}

/// Only platforms that collect the requirements accept Stripe's terms for their sellers.
fn check_terms(params: &Params, kind: &str) -> Result<(), ApiError> {
    // Platforms may still choose which agreement an Express account will have.
    let terms = params.json("tos_acceptance");
    let only_which = kind == "express" && terms.as_object().is_some_and(|terms| terms.keys().all(|name| name == "service_agreement"));
    if params.has("tos_acceptance") && kind != "custom" && !only_which {
        return Err(ApiError::invalid("You cannot accept the Terms of Service on behalf of Standard and Express connected accounts.")
            .param("tos_acceptance"));
    }
    Ok(())
}

/// Stores what parameters say about an account. Returns the fields that change.
fn told(ctx: &mut Context, id: &str, params: &Params) -> Result<Value, ApiError> {
    let before = ctx.state.account(id).cloned().unwrap_or_default();
    let mut after = json!({});
    for name in ["email", "business_type", "default_currency"] {
        if params.has(name) {
            after[name] = params.json(name);
        }
    }
    let profile = params.json("business_profile");
    if let Some(fields) = profile.as_object() {
        after["business_profile"] = before["business_profile"].clone();
        for name in ["mcc", "name", "product_description", "support_address", "support_email", "support_phone", "support_url", "url"] {
            if let Some(value) = fields.get(name) {
                after["business_profile"][name] = value.clone();
            }
        }
    }
    let terms = params.json("tos_acceptance");
    if terms.is_object() {
        let date = terms.text("date").parse::<i64>().ok();
        let accepted = json!({ "date": date, "ip": terms["ip"], "user_agent": terms["user_agent"] });
        let express = before.text("type") == "express";
        after["tos_acceptance"] = if express { before["tos_acceptance"].clone() } else { accepted };
        let kept = before["tos_acceptance"].maybe("service_agreement");
        if let Some(kept) = kept.filter(|_| !express) {
            after["tos_acceptance"]["service_agreement"] = kept.into();
        }
        if let Some(agreement) = terms.maybe("service_agreement") {
            after["tos_acceptance"]["service_agreement"] = agreement.into();
        }
    }
    if let Some(given) = banks::given(params) {
        after["external_accounts"] = banks::with(&before, &given);
    }
    people::tell(&before, params, ctx.now(), &mut after);
    banks::tell_settings(&before, params, &mut after);
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

/// Checks that a capability exists; those of single payment methods end in `_payments`.
fn check_capability(name: &str) -> Result<(), ApiError> {
    const OTHERS: [&str; 6] =
        ["card_issuing", "crypto_transfers", "tax_reporting_us_1099_k", "tax_reporting_us_1099_misc", "transfers", "treasury"];
    if name.ends_with("_payments") || OTHERS.contains(&name) {
        return Ok(());
    }
    Err(ApiError::invalid(format!("Unrecognized capability: {name}")).param("capabilities"))
}

/// `DELETE /v1/accounts/{id}`: only accounts that the platform controls and that hold no money.
pub(crate) fn delete(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let account = rows::visible(ctx, path[0])?;
    if account["controller"].text("type") != "application" {
        return Err(ApiError::invalid("This account cannot be deleted by your platform: you do not control it."));
    }
    let holds = ctx.state.store(path[0]).is_some_and(|store| store.funds.values().any(|funds| funds.available != 0 || funds.pending != 0));
    if holds {
        return Err(ApiError::invalid("This account cannot be deleted: its balance is not zero."));
    }
    rows::cut_off(ctx.state, path[0]);
    Ok(json!({ "id": path[0], "object": "account", "deleted": true }))
}

/// `POST /v1/accounts/{id}/reject`: the platform rejects a seller.
pub(crate) fn reject(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let account = rows::visible(ctx, path[0])?;
    let reason = params.required("reason")?.to_owned();
    if let Some(mut known) = Known::of(ctx.state, path[0]) {
        known.rejected = Some(reason);
        known.keep(ctx.state, path[0]);
        requirements::review(ctx, path[0], json!({}));
        return rows::visible(ctx, path[0]);
    }
    let mut requirements = account["requirements"].clone();
    requirements["disabled_reason"] = format!("rejected.{reason}").into();
    let inactive = account["capabilities"].as_object().into_iter().flatten();
    let inactive: Map<String, Value> = inactive.map(|(name, _)| (name.clone(), "inactive".into())).collect();
    let fields = json!({
        "capabilities": inactive, "charges_enabled": false, "payouts_enabled": false, "requirements": requirements,
    });
    rows::change(ctx, path[0], fields);
    rows::visible(ctx, path[0])
}

/// `POST /v1/accounts/{id}/capabilities/{capability}`
pub(crate) fn update_capability(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = rows::visible(ctx, path[0])?;
    let mut wish = json!({ "capabilities": {} });
    wish["capabilities"][path[1]] = json!({ "requested": params.is("requested").to_string() });
    let wish = Params::from_value(wish);
    borders::check_agreement(ctx, &wish, before.text("country"), Some(&before))?;
    let fields = told(ctx, path[0], &wish)?;
    requirements::review(ctx, path[0], fields);
    capability(ctx, path, params)
}

/// `GET /v1/accounts/{id}/capabilities`
pub(crate) fn capabilities(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let account = rows::visible(ctx, path[0])?;
    let all = account["capabilities"].as_object().into_iter().flatten();
    let data: Vec<Value> = all.map(|(name, status)| rows::capability_object(&account, name, status)).collect();
    list::page_of(Kind::Account, &data, params, &format!("/v1/accounts/{}/capabilities", path[0]))
}

/// `GET /v1/accounts/{id}/capabilities/{capability}`
pub(crate) fn capability(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let account = rows::visible(ctx, path[0])?;
    match account["capabilities"].get(path[1]) {
        Some(status) => Ok(rows::capability_object(&account, path[1], status)),
        None => Err(ApiError::new(404, "invalid_request_error", format!("No such capability: '{}'", path[1]))
            .code("resource_missing")
            .param("capability")),
    }
}
