//! Accounts: the platform's own and those connected to it (<https://docs.stripe.com/api/accounts>).

use serde_json::{Map, Value, json};

use super::context::Context;
use super::errors::ApiError;
use super::list;
use super::params::Params;
use super::state::{Fields, Kind, Link, State, random_text};

/// Parameters of `POST /v1/accounts`.
pub(crate) const CREATE: &str = "account_token business_profile:any business_type capabilities:any company:any \
    controller{fees{payer} losses{payments} requirement_collection stripe_dashboard{type}} country default_currency \
    documents:any email external_account:any groups:any individual:any metadata:m settings:any tos_acceptance:any \
    type:(standard|express|custom)";

/// Parameters of `POST /v1/accounts/{id}`.
pub(crate) const UPDATE: &str = "account_token business_profile:any business_type capabilities:any company:any \
    default_currency documents:any email external_account:any groups:any individual:any metadata:m settings:any \
    tos_acceptance:any";

/// What a new account is like.
#[derive(Clone, Debug, Default)]
pub(crate) struct New {
    /// `standard` unless set.
    pub(crate) kind: Option<String>,
    pub(crate) email: Option<String>,
    /// `US` unless set.
    pub(crate) country: Option<String>,
    pub(crate) name: Option<String>,
    /// Capabilities and their status; card payments and transfers, active, unless set.
    pub(crate) capabilities: Option<Map<String, Value>>,
    /// True unless set.
    pub(crate) charges_enabled: Option<bool>,
    pub(crate) metadata: Option<Value>,
}

/// A new account's id.
pub(crate) fn new_id() -> String {
    format!("acct_1{}", random_text(15))
}

/// The account object.
pub(crate) fn build(id: &str, new: &New, now: i64) -> Value {
    let kind = new.kind.as_deref().unwrap_or("standard");
    let country = new.country.as_deref().unwrap_or("US");
    let enabled = new.charges_enabled.unwrap_or(true);
    let capabilities = new.capabilities.clone().map_or_else(|| json!({ "card_payments": "active", "transfers": "active" }), Value::Object);
    let controller = if kind == "standard" {
        json!({ "type": "account" })
    } else {
        json!({
            "type": "application",
            "is_controller": true,
            "fees": { "payer": if kind == "express" { "application_express" } else { "application_custom" } },
            "losses": { "payments": "application" },
            "requirement_collection": if kind == "express" { "stripe" } else { "application" },
            "stripe_dashboard": { "type": if kind == "express" { "express" } else { "none" } },
        })
    };
    let due: &[&str] = if enabled { &[] } else { &["external_account", "tos_acceptance.date", "tos_acceptance.ip"] };
    let address = json!({
        "city": null, "country": country, "line1": null, "line2": null, "postal_code": null, "state": null,
    });
    json!({
        "id": id,
        "object": "account",
        "business_profile": {
            "annual_revenue": null,
            "estimated_worker_count": null,
            "mcc": null,
            "minority_owned_business_designation": null,
            "name": new.name,
            "product_description": null,
            "support_address": address,
            "support_email": null,
            "support_phone": null,
            "support_url": null,
            "url": null,
        },
        "business_type": null,
        "capabilities": capabilities,
        "charges_enabled": enabled,
        "controller": controller,
        "country": country,
        "created": now,
        "default_currency": currency_of(country),
        "details_submitted": enabled,
        "email": new.email,
        "external_accounts": {
            "object": "list", "data": [], "has_more": false, "total_count": 0,
            "url": format!("/v1/accounts/{id}/external_accounts"),
        },
        "future_requirements": requirements(&[], None),
        "metadata": new.metadata.clone().unwrap_or_else(|| json!({})),
        "payouts_enabled": enabled,
        "requirements": requirements(due, if enabled { None } else { Some("requirements.past_due") }),
        "settings": {
            "bacs_debit_payments": { "display_name": null, "service_user_number": null },
            "branding": { "icon": null, "logo": null, "primary_color": null, "secondary_color": null },
            "card_issuing": { "tos_acceptance": { "date": null, "ip": null } },
            "card_payments": {
                "decline_on": { "avs_failure": false, "cvc_failure": false },
                "statement_descriptor_prefix": null,
                "statement_descriptor_prefix_kana": null,
                "statement_descriptor_prefix_kanji": null,
            },
            "dashboard": { "display_name": new.name, "timezone": "Etc/UTC" },
            "invoices": { "default_account_tax_ids": null, "hosted_payment_method_save": null },
            "payments": {
                "statement_descriptor": null,
                "statement_descriptor_kana": null,
                "statement_descriptor_kanji": null,
            },
            "payouts": {
                "debit_negative_balances": true,
                "schedule": { "delay_days": 2, "interval": "daily" },
                "statement_descriptor": null,
            },
            "sepa_debit_payments": {},
        },
        "tos_acceptance": { "date": null, "ip": null, "user_agent": null },
        "type": kind,
    })
}

fn requirements(due: &[&str], disabled_reason: Option<&str>) -> Value {
    json!({
        "alternatives": [],
        "current_deadline": null,
        "currently_due": due,
        "disabled_reason": disabled_reason,
        "errors": [],
        "eventually_due": due,
        "past_due": due,
        "pending_verification": [],
    })
}

fn currency_of(country: &str) -> &'static str {
    match country {
        "GB" => "gbp",
        "CA" => "cad",
        "JP" => "jpy",
        "AU" => "aud",
        "CH" => "chf",
        _ if region(country) == "EEA" => "eur",
        _ => "usd",
    }
}

/// The region within which funds cross borders without `on_behalf_of`.
pub(crate) fn region(country: &str) -> &str {
    const EUROPE: [&str; 31] = [
        "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GI", "GR", "HU", "IS", "IE", "IT", "LV", "LI", "LT", "LU", "MT",
        "NL", "NO", "PL", "PT", "RO", "SK", "SI", "ES", "SE",
    ];
    if EUROPE.contains(&country) || country == "GB" || country == "CH" { "EEA" } else { country }
}

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

fn visible(ctx: &Context, id: &str) -> Result<Value, ApiError> {
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
    let requested = params.json("capabilities");
    let requested = requested.as_object().into_iter().flatten().filter(|(_, wish)| wish.text("requested") == "true");
    let id = add(
        ctx.state,
        &New {
            kind: kind.map(str::to_owned),
            email: params.text("email").map(str::to_owned),
            country: params.text("country").map(str::to_owned),
            name: params.json("business_profile").maybe("name").map(str::to_owned),
            capabilities: Some(requested.map(|(name, _)| (name.clone(), "inactive".into())).collect()),
            charges_enabled: Some(false),
            metadata: Some(params.metadata()),
        },
    );
    ctx.state.links.insert(id.clone(), Link::ReadWrite);
    visible(ctx, &id)
}

/// `POST /v1/accounts/{id}`: what the stand-in keeps of it is the e-mail address, the name and the metadata.
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = visible(ctx, path[0])?;
    let mut after = json!({ "metadata": params.merged_metadata(&before["metadata"]) });
    if let Some(email) = params.text("email") {
        after["email"] = email.into();
    }
    if let Some(name) = params.json("business_profile").maybe("name") {
        after["business_profile"] = before["business_profile"].clone();
        after["business_profile"]["name"] = name.into();
    }
    let requested = params.json("capabilities");
    let mut capabilities = before["capabilities"].clone();
    for (name, wish) in requested.as_object().into_iter().flatten() {
        if wish.text("requested") == "true" && capabilities.get(name).is_none() {
            capabilities[name] = "inactive".into();
        }
    }
    after["capabilities"] = capabilities;
    change(ctx, path[0], after);
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
    let due = account["requirements"]["currently_due"].as_array().map(Vec::len).unwrap_or_default();
    let missing: &[&str] = if due == 0 { &[] } else { &["external_account"] };
    json!({
        "id": name,
        "object": "capability",
        "account": account["id"],
        "future_requirements": requirements(&[], None),
        "requested": true,
        "requested_at": account["created"],
        "requirements": requirements(missing, None),
        "status": status,
    })
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
