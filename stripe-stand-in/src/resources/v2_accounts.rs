//! Accounts of the newer API: <https://docs.stripe.com/api/v2/core/accounts>. Each is also an
//! account of `/v1`, where it can be read and changed. Accounts created by `/v1` do not exist here.

use serde_json::{Map, Value, json};

use crate::engine::accounts::known::Known;
use crate::engine::accounts::requirements;
use crate::engine::accounts::rows;
use crate::engine::accounts::thin;
use crate::engine::accounts::v2_shape::{self, CONFIGURATIONS, INCLUDES};
use crate::engine::borders;
use crate::events::context::Context;
use crate::resources::accounts;
use crate::resources::v2_list;
use crate::state::row::Link;
use crate::words::countries;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::params::Params;

/// Parameters of `POST /v2/core/accounts`.
pub(crate) fn create_fields() -> String {
    let responsibilities = "responsibilities{fees_collector:(stripe|application|application_custom|application_express) \
        losses_collector:(stripe|application)}";
    format!("account_token dashboard:(express|full|none) {}", fields().replace("profile{", &format!("{responsibilities} profile{{")))
}

/// Parameters of `POST /v2/core/accounts/{id}`: an account's dashboard and responsibilities can never change.
pub(crate) fn update_fields() -> String {
    fields().replace("capabilities:any", "applied:b capabilities:any")
}

fn fields() -> String {
    format!(
        "configuration{{customer{{automatic_indirect_tax:any billing:any capabilities:any shipping:any}} \
         merchant{{branding:any capabilities:any card_payments:any mcc script_statement_descriptor:any statement_descriptor:any support:any}} \
         recipient{{capabilities:any}}}} contact_email contact_phone \
         defaults{{currency locales[] profile{{business_url doing_business_as product_description}}}} display_name \
         identity{{attestations:any business_details:any country entity_type:(individual|company|non_profit|government_entity) \
         individual:any}} {} metadata:m",
        include_field()
    )
}

/// The parameter that selects what a response includes.
pub(crate) fn include_field() -> String {
    format!("include[]:({INCLUDES})")
}

/// Parameters of `GET /v2/core/accounts`.
pub(crate) const LIST: &str = "applied_configurations[]:(customer|merchant|recipient) closed:b limit:i page";

fn refused(code: &str, message: impl Into<String>) -> ApiError {
    ApiError::invalid(message).code(code)
}

/// Checks that the platform has this API. The code is Stripe's, the message is the stand-in's own.
pub(crate) fn check_access(ctx: &Context) -> Result<(), ApiError> {
    if ctx.state.settings.accounts_v2 {
        return Ok(());
    }
    Err(refused("accounts_v2_access_blocked", "Your platform cannot use Accounts v2."))
}

/// An account of `/v2` that the caller may see.
///
/// # Errors
/// 404, or 400 for one created by `/v1`, or where the platform does not have this API.
pub(crate) fn visible(ctx: &Context, id: &str) -> Result<Value, ApiError> {
    check_access(ctx)?;
    rows::visible(ctx, id).map_err(|_| ApiError::new(404, "invalid_request_error", format!("Account {id} was not found.")))?;
    v2_shape::given(ctx.state, id)
        .cloned()
        .ok_or_else(|| refused("v1_account_instead_of_v2_account", "V1 Account ID cannot be used in V2 Account APIs."))
}

fn answer(ctx: &Context, id: &str, params: &Params) -> Value {
    v2_shape::answer(ctx.state, id, &params.texts("include"))
}

/// Checks who collects fees and losses, given the configurations (<https://docs.stripe.com/connect/accounts-v2/account-creation>).
fn check_responsibilities(params: &Params) -> Result<(), ApiError> {
    let configuration = params.object("configuration");
    let (merchant, recipient) = (configuration.has("merchant"), configuration.has("recipient"));
    if !merchant && !recipient {
        return Ok(());
    }
    let all = params.object("defaults").object("responsibilities");
    let (fees, losses) = (all.required("fees_collector"), all.required("losses_collector"));
    let missing = |name: &str| ApiError::missing(&format!("defaults[responsibilities][{name}]"));
    let (fees, losses) = (fees.map_err(|_| missing("fees_collector"))?, losses.map_err(|_| missing("losses_collector"))?);
    let dashboard = params.required("dashboard")?;
    let by_platform = fees.starts_with("application") && losses == "application";
    if dashboard == "express" && !by_platform {
        return Err(refused(
            "account_controller_express_dash_without_application_losses_or_fees",
            "Accounts with the Express Dashboard need your platform to collect fees and losses.",
        ));
    }
    if !merchant && !by_platform {
        return Err(ApiError::invalid("Losses/Fees collector can only be \"application\" for the set of configurations this account has"));
    }
    if losses == "application" && !fees.starts_with("application") {
        return Err(ApiError::invalid("The fees collector must be \"application\" where the losses collector is."));
    }
    Ok(())
}

/// The requested capabilities, by their names in `/v1`.
fn wishes(configuration: &Params) -> Result<Map<String, Value>, ApiError> {
    let mut all = Map::new();
    let mut wish = |name: &str, place: &str, given: &Value| match given {
        Value::Object(fields) if fields.keys().all(|key| key == "requested") && fields.values().all(Value::is_boolean) => {
            all.insert(name.to_owned(), json!({ "requested": given.flag("requested").to_string() }));
            Ok(())
        }
        _ => Err(ApiError::invalid(format!("Invalid value for {place}: only `requested` is allowed."))),
    };
    for (name, given) in configuration.object("merchant").json("capabilities").as_object().into_iter().flatten() {
        wish(name, &format!("configuration.merchant.capabilities.{name}"), given)?;
    }
    for (group, given) in configuration.object("recipient").json("capabilities").as_object().into_iter().flatten() {
        for (name, given) in given.as_object().into_iter().flatten() {
            let place = format!("configuration.recipient.capabilities.{group}.{name}");
            if place != "configuration.recipient.capabilities.stripe_balance.stripe_transfers" {
                return Err(ApiError::invalid(format!("The stand-in has no {place}.")));
            }
            wish("transfers", &place, given)?;
        }
    }
    Ok(all)
}

/// The same parameters in the format of `/v1`.
fn as_v1(params: &Params, kept: &Value, now: i64) -> Result<Params, ApiError> {
    let mut form = json!({});
    let mut tell = |path: &[&str], value: &Value| {
        if value.is_null() || value.as_str() == Some("") {
            return;
        }
        let mut place = &mut form;
        for name in path {
            place = &mut place[*name];
        }
        *place = texts(value);
    };
    let (identity, defaults) = (params.json("identity"), params.json("defaults"));
    tell(&["email"], &params.json("contact_email"));
    tell(&["country"], &kept["identity"]["country"]);
    tell(&["business_type"], &identity["entity_type"]);
    tell(&["default_currency"], &defaults["currency"]);
    tell(&["business_profile", "name"], &params.json("display_name"));
    tell(&["business_profile", "url"], &defaults["profile"]["business_url"]);
    tell(&["business_profile", "product_description"], &defaults["profile"]["product_description"]);
    tell(&["business_profile", "mcc"], &params.object("configuration").json("merchant")["mcc"]);
    for (theirs, ours) in [("given_name", "first_name"), ("surname", "last_name"), ("email", "email"), ("phone", "phone")] {
        tell(&["individual", ours], &identity["individual"][theirs]);
    }
    tell(&["individual", "dob"], &identity["individual"]["date_of_birth"]);
    tell(&["individual", "address"], &identity["individual"]["address"]);
    for (theirs, ours) in [("registered_name", "name"), ("phone", "phone"), ("address", "address")] {
        tell(&["company", ours], &identity["business_details"][theirs]);
    }
    tell(&["company", "tax_id"], &identity["business_details"]["id_numbers"][0]["value"]);
    let terms = &identity["attestations"]["terms_of_service"]["account"];
    if terms.maybe("date").is_some() {
        tell(&["tos_acceptance", "date"], &now.into());
    }
    tell(&["tos_acceptance", "ip"], &terms["ip"]);
    let capabilities = wishes(&params.object("configuration"))?;
    if !capabilities.is_empty() {
        form["capabilities"] = capabilities.into();
    }
    if params.has("metadata") {
        form["metadata"] = params.value()["metadata"].clone();
    }
    Ok(Params::from_value(form))
}

/// In the format of a form, which only has strings.
fn texts(value: &Value) -> Value {
    match value {
        Value::Bool(_) | Value::Number(_) => value.to_string().into(),
        Value::Object(fields) => Value::Object(fields.iter().map(|(name, value)| (name.clone(), texts(value))).collect()),
        Value::Array(items) => items.iter().map(texts).collect(),
        other => other.clone(),
    }
}

/// Unset values become `null`.
fn unset(value: Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::Null,
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(name, value)| (name, unset(value))).collect()),
        other => other,
    }
}

/// Merges the sent values into the previous ones.
fn lay(over: &Value, before: &mut Value) {
    match (over, before) {
        (Value::Object(fields), Value::Object(before)) => {
            for (name, value) in fields {
                lay(value, before.entry(name.clone()).or_insert(Value::Null));
            }
        }
        (over, before) => *before = over.clone(),
    }
}

/// The stored part of a request.
fn kept(params: &Params, mut before: Value) -> Result<Value, ApiError> {
    for name in ["configuration", "contact_phone", "dashboard", "defaults", "display_name", "identity"] {
        if params.has(name) {
            let sent = unset(params.json(name));
            if before.get(name).is_none() {
                before[name] = Value::Null;
            }
            lay(&sent, &mut before[name]);
        }
    }
    if let Some(country) = before["identity"].maybe("country").map(str::to_uppercase) {
        countries::check(&country, "identity[country]")?;
        before["identity"]["country"] = country.into();
    }
    let business = ["merchant", "recipient"].iter().any(|name| before["configuration"][*name].is_object());
    if business && before["identity"].maybe("country").is_none() {
        return Err(refused("identity_country_required", "A country is required in `identity` for these configurations."));
    }
    Ok(before)
}

/// `POST /v2/core/accounts`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    check_access(ctx)?;
    if ctx.is_connected() {
        return Err(refused("non_connect_platform_accounts_v2_access_blocked", "Only a platform can create accounts."));
    }
    if params.has("account_token") {
        return Err(ApiError::invalid("The stand-in has no account tokens.").param("account_token"));
    }
    check_responsibilities(params)?;
    let given = kept(params, json!({ "closed": false }))?;
    let kind = match params.text("dashboard") {
        Some("express") => "express",
        Some("full") => "standard",
        _ => "custom",
    };
    let mut form = as_v1(params, &given, ctx.now())?.value().clone();
    let country = given["identity"].text("country");
    let alone = given["configuration"]["recipient"].is_object() && !given["configuration"]["merchant"].is_object();
    if alone && borders::is_recipients_only(ctx, country) {
        form["tos_acceptance"]["service_agreement"] = "recipient".into();
    }
    let form = Params::from_value(form);
    let id = accounts::make(ctx, &form, Some(kind), false)?;
    v2_shape::keep(ctx.state, &id, given);
    thin::announce(ctx, &id, "created");
    Ok(answer(ctx, &id, params))
}

/// `GET /v2/core/accounts/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    visible(ctx, path[0])?;
    Ok(answer(ctx, path[0], params))
}

/// `POST /v2/core/accounts/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = visible(ctx, path[0])?;
    if before.flag("closed") {
        return Err(ApiError::invalid("This account is closed."));
    }
    if let Some(country) = params.object("identity").text("country").map(str::to_uppercase)
        && before["identity"].maybe("country").is_some_and(|known| known != country)
    {
        return Err(ApiError::invalid("The country of an account cannot be changed."));
    }
    let mut given = kept(params, before)?;
    for name in CONFIGURATIONS {
        if given["configuration"][name]["applied"] == false {
            given["configuration"][name] = Value::Null;
        }
    }
    let mut form = as_v1(params, &given, ctx.now())?.value().clone();
    if let Some(fields) = form.as_object_mut() {
        fields.remove("country");
    }
    accounts::update(ctx, path, &Params::from_value(form))?;
    let seen = thin::seen(ctx.state, path[0]);
    v2_shape::keep(ctx.state, path[0], given);
    thin::announce_changes(ctx, path[0], &seen);
    Ok(answer(ctx, path[0], params))
}

/// `POST /v2/core/accounts/{id}/close`
pub(crate) fn close(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let mut given = visible(ctx, path[0])?;
    let mut named = params.texts("applied_configurations");
    named.sort_unstable();
    if named != v2_shape::applied(&given) {
        return Err(ApiError::invalid("All the configurations that are applied to the account must be named to close it."));
    }
    if ctx.state.store(path[0]).is_some_and(|store| store.funds.values().any(|funds| funds.available != 0 || funds.pending != 0)) {
        return Err(ApiError::invalid("This account cannot be closed: its balance is not zero."));
    }
    given["closed"] = true.into();
    v2_shape::keep(ctx.state, path[0], given);
    if let Some(mut known) = Known::of(ctx.state, path[0]) {
        known.requested.clear();
        known.keep(ctx.state, path[0]);
        requirements::review(ctx, path[0], json!({}));
    }
    thin::announce(ctx, path[0], "closed");
    Ok(answer(ctx, path[0], params))
}

/// `GET /v2/core/accounts`: newest first.
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    check_access(ctx)?;
    let wanted = params.texts("applied_configurations");
    let fits = |id: &String| {
        let Some(given) = v2_shape::given(ctx.state, id).filter(|_| ctx.state.link(id) != Link::None) else { return false };
        let applied = v2_shape::applied(given);
        wanted.iter().all(|name| applied.contains(&name.as_str())) && given.flag("closed") == params.is("closed")
    };
    let mut ids: Vec<String> = ctx.state.account_ids().into_iter().filter(fits).collect();
    ids.sort_by_key(|id| std::cmp::Reverse((ctx.state.account(id).map_or(0, |account| account.int("created")), id.clone())));
    if ctx.is_connected() {
        ids.clear();
    }
    let mut filters = v2_list::repeated("applied_configurations", &wanted);
    if params.is("closed") {
        filters.push(("closed".to_owned(), "true".to_owned()));
    }
    v2_list::page("/v2/core/accounts", &ids, params, &filters, |id| v2_shape::answer(ctx.state, id, &[]))
}
