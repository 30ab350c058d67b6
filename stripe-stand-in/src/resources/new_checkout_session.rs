//! Validates and stores new Checkout Sessions.

use serde_json::{Map, Value, json};

use crate::engine::billing::prices;
use crate::engine::billing::subscriptions;
use crate::engine::checkout_rows::intent_params;
use crate::engine::customer_rows;
use crate::engine::discounts::{self, Chosen, Sale};
use crate::engine::new_payment_intent;
use crate::engine::setup_intents;
use crate::events::context::Context;
use crate::state::agenda::Job;
use crate::words::email;
use crate::words::errors::ApiError;
use crate::words::ids::{new_id, random_text};
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;
use crate::words::params::Params;

/// Parameters of `POST /v1/checkout/sessions`.
pub(crate) const CREATE: &str = "adaptive_pricing{enabled:b} after_expiration:any allow_promotion_codes:b \
    allowed_payment_method_types[] automatic_tax{enabled:b liability:any} billing_address_collection:(auto|required) \
    branding_settings:any cancel_url client_reference_id consent_collection:any currency custom_fields:any \
    custom_text:any customer customer_account customer_creation:(always|if_required) customer_email customer_update:any \
    discounts[]{coupon promotion_code} excluded_payment_method_types[] expires_at:i integration_identifier \
    invoice_creation{enabled:(false) invoice_data:any} line_items[]{adjustable_quantity{enabled:b maximum:i minimum:i} dynamic_tax_rates[] metadata:m \
    price price_data{currency product product_data{description images[] metadata:m name tax_code tax_details:any \
    unit_label} recurring{interval interval_count:i} tax_behavior unit_amount:i unit_amount_decimal} quantity:i \
    tax_rates[]} locale managed_payments:any metadata:m mode:(payment|setup|subscription) name_collection:any \
    optional_items:any origin_context payment_intent_data{application_fee_amount:i \
    capture_method:(automatic|automatic_async|manual) description metadata:m on_behalf_of receipt_email \
    setup_future_usage:(off_session|on_session) shipping:any statement_descriptor statement_descriptor_suffix \
    transfer_data{amount:i destination} transfer_group} payment_method_collection:(always|if_required) \
    payment_method_configuration payment_method_data{allow_redisplay} payment_method_options:any payment_method_types[] \
    permissions:any phone_number_collection{enabled:b} redirect_on_completion return_url \
    saved_payment_method_options:any setup_intent_data:any shipping_address_collection:any shipping_options:any \
    submit_type subscription_data{application_fee_percent billing_cycle_anchor:i \
    billing_mode:any default_tax_rates[] description invoice_settings:any metadata:m on_behalf_of pending_invoice_item_interval:any \
    proration_behavior:(create_prorations|none) transfer_data{amount_percent destination} trial_end:i \
    trial_period_days:i trial_settings:any} success_url tax_id_collection{enabled:(false) required:any} \
    ui_mode:(hosted|hosted_page|embedded|embedded_page|custom|elements|form) wallet_options:any";

/// A session expires after a day, or at a chosen time after at least half an hour.
const LONGEST: i64 = 24 * 60 * 60;

const SHORTEST: i64 = 30 * 60;

/// An item that a session sells, for the state's hidden part.
fn line_item(ctx: &mut Context, given: &Params, place: usize, mode: &str) -> Result<Value, ApiError> {
    let at = |name: &str| format!("line_items[{place}][{name}]");
    if given.has("price") || mode == "subscription" {
        return priced_item(ctx, given, place, mode);
    }
    let price = given.object("price_data");
    if !given.has("price_data") {
        return Err(ApiError::missing(&at("price_data")));
    }
    let currency = money::currency(
        price.text("currency").ok_or_else(|| ApiError::missing(&at("price_data][currency")))?,
        &at("price_data][currency"),
    )?;
    let product = price.object("product_data");
    let name = match product.text("name") {
        Some(name) => name.to_owned(),
        None => return Err(ApiError::missing(&at("price_data][product_data][name"))),
    };
    let unit = price.int("unit_amount").ok_or_else(|| ApiError::missing(&at("price_data][unit_amount")))?;
    if unit < 0 {
        return Err(ApiError::invalid("This value must be greater than or equal to 0.")
            .code("parameter_invalid_integer")
            .param(&at("price_data][unit_amount")));
    }
    let quantity = given.int("quantity").ok_or_else(|| ApiError::missing(&at("quantity")))?;
    if quantity < 1 {
        return Err(ApiError::invalid("This value must be greater than or equal to 1.")
            .code("parameter_invalid_integer")
            .param(&at("quantity")));
    }
    let total = unit.saturating_mul(quantity);
    Ok(json!({
        "id": new_id("li"),
        "object": "item",
        "adjustable_quantity": null,
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": currency,
        "description": name,
        "metadata": given.metadata(),
        "price": {
            "id": new_id("price"),
            "object": "price",
            "active": false,
            "billing_scheme": "per_unit",
            "created": ctx.now(),
            "currency": currency,
            "custom_unit_amount": null,
            "livemode": false,
            "lookup_key": null,
            "metadata": {},
            "nickname": null,
            "product": new_id("prod"),
            "recurring": null,
            "tax_behavior": price.text("tax_behavior").unwrap_or("unspecified"),
            "tiers_mode": null,
            "transform_quantity": null,
            "type": "one_time",
            "unit_amount": unit,
            "unit_amount_decimal": unit.to_string(),
        },
        "quantity": quantity,
    }))
}

/// An item with a stored price: an existing one, or one created for a subscription.
fn priced_item(ctx: &mut Context, given: &Params, place: usize, mode: &str) -> Result<Value, ApiError> {
    let at = |name: &str| format!("line_items[{place}][{name}]");
    let price = prices::of_item(ctx, given, &format!("line_items[{place}]"))?;
    match (mode, price.text("type")) {
        ("subscription", "one_time") => {
            return Err(ApiError::invalid("You must provide at least one recurring price in `subscription` mode when using prices.")
                .param(&at("price")));
        }
        ("payment", "recurring") => {
            return Err(ApiError::invalid(
                "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use \
                 only one-time prices.",
            )
            .param(&at("price")));
        }
        _ => {}
    }
    let quantity = given.int("quantity").ok_or_else(|| ApiError::missing(&at("quantity")))?;
    if quantity < 1 {
        let error = ApiError::invalid("This value must be greater than or equal to 1.");
        return Err(error.code("parameter_invalid_integer").param(&at("quantity")));
    }
    let total = price.int("unit_amount").saturating_mul(quantity);
    let product = ctx.state.object(&ctx.account, Kind::Product, price.text("product"));
    Ok(json!({
        "id": new_id("li"),
        "object": "item",
        "adjustable_quantity": null,
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": price["currency"],
        "description": product.map(|product| product["name"].clone()),
        "metadata": given.metadata(),
        "price": price,
        "quantity": quantity,
    }))
}

/// What a session sells; nothing in setup mode.
struct Cart {
    items: Vec<Value>,
    currency: Option<String>,
    total: Option<i64>,
}

fn cart(ctx: &mut Context, params: &Params, mode: &str) -> Result<Cart, ApiError> {
    let given = params.objects("line_items");
    if mode == "setup" {
        if !given.is_empty() {
            return Err(ApiError::invalid("You can not pass `line_items` in `setup` mode.").param("line_items"));
        }
        let currency = params.text("currency").map(|code| money::currency(code, "currency")).transpose()?;
        if currency.is_none() && ["allowed_payment_method_types", "payment_method_types"].iter().all(|name| params.texts(name).is_empty()) {
            return Err(ApiError::missing("currency"));
        }
        return Ok(Cart { items: Vec::new(), currency, total: None });
    }
    if given.is_empty() {
        return Err(ApiError::missing("line_items"));
    }
    let items: Result<Vec<Value>, ApiError> = given.iter().enumerate().map(|(place, item)| line_item(ctx, item, place, mode)).collect();
    let items = items?;
    let currency = items[0].text("currency").to_owned();
    if items.iter().any(|item| item.text("currency") != currency) {
        return Err(ApiError::invalid("All line items of a Checkout Session must have the same currency.").param("line_items"));
    }
    let total: i64 = items.iter().map(|item| item.int("amount_total")).fold(0, i64::saturating_add);
    Ok(Cart { items, currency: Some(currency), total: Some(total) })
}

/// In setup mode the SetupIntent exists from the start.
fn begin_setup(ctx: &mut Context, id: &str, params: &Params) -> Result<(), ApiError> {
    let mut value = json!({ "payment_method_types": ["card"] });
    let data = params.json("setup_intent_data");
    for name in ["description", "metadata", "on_behalf_of"] {
        if let Some(given) = data.get(name) {
            value[name] = given.clone();
        }
    }
    if params.has("customer") {
        value["customer"] = params.json("customer");
    }
    let intent = setup_intents::make(ctx, &Params::from_value(value))?;
    let account = ctx.account.clone();
    ctx.state.hide(&account, Kind::SetupIntent, &intent, "session", id.into());
    ctx.set(Kind::CheckoutSession, id, json!({ "setup_intent": intent }));
    Ok(())
}

/// Tax is computed once the buyer's location is known. No account is registered for tax,
/// so none is collected, which is not an error (<https://docs.stripe.com/tax/checkout>).
fn automatic_tax(params: &Params) -> Value {
    let asked = params.object("automatic_tax");
    if !asked.is("enabled") {
        return json!({ "enabled": false, "liability": null, "provider": null, "status": null });
    }
    let liability = asked.json("liability");
    json!({
        "enabled": true,
        "liability": if liability.is_null() { json!({ "type": "self" }) } else { liability },
        "provider": "stripe",
        "status": "requires_location_inputs",
    })
}

/// The discount that a session starts with.
fn discount(ctx: &Context, params: &Params, mode: &str) -> Result<Option<Chosen>, ApiError> {
    let given = params.objects("discounts");
    if params.is("allow_promotion_codes") && !given.is_empty() {
        return Err(ApiError::invalid("You may only specify one of these parameters: allow_promotion_codes, discounts."));
    }
    if mode != "payment" && (params.is("allow_promotion_codes") || !given.is_empty()) {
        return Err(ApiError::invalid("The stand-in only supports discounts in `payment` mode.").param("discounts"));
    }
    if given.len() > 1 {
        return Err(ApiError::invalid("A Checkout Session has one discount at most.").param("discounts"));
    }
    let Some(given) = given.first() else { return Ok(None) };
    match (given.text("coupon"), given.text("promotion_code")) {
        (Some(coupon), None) => Ok(Some(Chosen { coupon: coupon.to_owned(), promotion_code: None })),
        (None, Some(code)) => {
            let code = ctx.fetch_param(Kind::PromotionCode, code, "discounts[0][promotion_code]")?;
            let coupon = code["promotion"].text("coupon").to_owned();
            Ok(Some(Chosen { coupon, promotion_code: Some(code.text("id").to_owned()) }))
        }
        _ => Err(ApiError::invalid("You may only specify one of these parameters: coupon, promotion_code.").param("discounts[0]")),
    }
}

/// `POST /v1/checkout/sessions`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let mode = params.required("mode")?.to_owned();
    let hosted = params.text("ui_mode").is_none_or(|mode| mode.starts_with("hosted"));
    if !hosted {
        return Err(ApiError::invalid("The stand-in only has hosted pages.").param("ui_mode"));
    }
    let success_url = params.required("success_url")?.to_owned();
    for (name, address) in [("success_url", Some(success_url.as_str())), ("cancel_url", params.text("cancel_url"))] {
        // `{CHECKOUT_SESSION_ID}` is not yet part of the URL.
        let address = address.map(|address| address.replace(['{', '}'], ""));
        if address.is_some_and(|address| url::Url::parse(&address).is_err()) {
            return Err(ApiError::invalid("Not a valid URL").code("url_invalid").param(name));
        }
    }
    let Cart { mut items, currency, total: subtotal } = cart(ctx, params, &mode)?;
    let customer = params.text("customer").map(str::to_owned);
    let discount = discount(ctx, params, &mode)?;
    if let (Some(chosen), Some(currency)) = (&discount, &currency) {
        let sale = Sale { items: &items, currency, customer: customer.as_deref() };
        discounts::check(ctx, chosen, &sale)?;
        items = discounts::take_off(ctx, chosen, &sale);
    }
    let discounted: i64 = items.iter().map(|item| item.int("amount_discount")).sum();
    let total = subtotal.map(|subtotal| subtotal - discounted);
    let free = mode == "payment" && total == Some(0);
    if let (Some(customer), Some(currency), "subscription") = (&customer, &currency, mode.as_str()) {
        subscriptions::check_currency(ctx, customer, currency)?;
    }
    if customer.is_some() && params.has("customer_email") {
        return Err(ApiError::invalid("You may only specify one of these parameters: customer, customer_email."));
    }
    let now = ctx.now();
    let expires_at = params.int("expires_at").unwrap_or(now + LONGEST);
    // A minute of tolerance, because the caller's clock differs.
    if expires_at < now + SHORTEST - 60 || expires_at > now + LONGEST + 60 {
        return Err(ApiError::invalid(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.",
        )
        .param("expires_at"));
    }
    for (name, only) in [("payment_intent_data", "payment"), ("setup_intent_data", "setup"), ("subscription_data", "subscription")] {
        if params.has(name) && mode != only {
            return Err(ApiError::invalid(format!("You can not pass `{name}` in `{mode}` mode.")).param(name));
        }
    }
    let data = params.object("payment_intent_data");
    let subscription = params.object("subscription_data");
    subscriptions::money_flow(ctx, &subscription)?;
    if let (Some(currency), Some(total), "payment", false) = (&currency, total, mode.as_str(), free) {
        check_intent(ctx, &intent_params(total, currency, customer.as_deref(), &data))?;
    }
    let id = format!("cs_test_a1{}", random_text(58));
    let details = match &customer {
        Some(customer) => {
            let customer = customer_rows::living(ctx, customer, "customer")?;
            json!({
                "address": null, "business_name": null, "email": customer["email"], "individual_name": null,
                "name": null, "phone": null, "tax_exempt": "none", "tax_ids": null,
            })
        }
        None => Value::Null,
    };
    new_payment_intent::check_types(params)?;
    let types = [params.texts("allowed_payment_method_types"), params.texts("payment_method_types")].concat();
    email::check(params, "customer_email")?;
    let object = json!({
        "id": id,
        "object": "checkout.session",
        "allowed_payment_method_types": new_payment_intent::allowed(params),
        "adaptive_pricing": { "enabled": false },
        "after_expiration": null,
        "allow_promotion_codes": params.json("allow_promotion_codes"),
        "amount_subtotal": subtotal,
        "amount_total": total,
        "automatic_tax": automatic_tax(params),
        "billing_address_collection": params.json("billing_address_collection"),
        "branding_settings": {
            "background_color": "#ffffff", "border_style": "rounded", "button_color": "#0074d4", "display_name": "Local platform",
            "font_family": "default", "icon": null, "logo": null,
        },
        "cancel_url": params.json("cancel_url"),
        "client_reference_id": params.json("client_reference_id"),
        "client_secret": null,
        "collected_information": { "business_name": null, "individual_name": null, "shipping_details": null },
        "consent": null,
        "consent_collection": null,
        "created": now,
        "currency": currency,
        "currency_conversion": null,
        "custom_fields": [],
        "custom_text": {
            "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null,
        },
        "customer": customer,
        "customer_account": null,
        "customer_creation": match (&customer, mode.as_str()) {
            (Some(_), _) => Value::Null,
            (None, "subscription") => "always".into(),
            (None, _) => params.text("customer_creation").unwrap_or("if_required").into(),
        },
        "customer_details": details,
        "customer_email": params.json("customer_email"),
        "discounts": discount.iter().map(|one| json!({ "coupon": one.coupon, "promotion_code": one.promotion_code })).collect::<Vec<_>>(),
        "expires_at": expires_at,
        "integration_identifier": params.json("integration_identifier"),
        "invoice": null,
        "invoice_creation": (mode == "payment").then(|| json!({
            "enabled": false,
            "invoice_data": {
                "account_tax_ids": null, "custom_fields": null, "description": null, "footer": null, "issuer": null,
                "metadata": {}, "rendering_options": null,
            },
        })),
        "livemode": false,
        "locale": params.json("locale"),
        "metadata": params.metadata(),
        "mode": mode,
        "origin_context": null,
        "payment_intent": null,
        "payment_link": null,
        "payment_method_collection": if mode == "payment" { "if_required" } else { "always" },
        "payment_method_configuration_details": if types.is_empty() { new_payment_intent::configuration() } else { Value::Null },
        "payment_method_options": { "card": { "request_three_d_secure": "automatic" } },
        "payment_method_types": if types.is_empty() { vec!["card".to_owned()] } else { types },
        "payment_status": if mode == "setup" || free { "no_payment_required" } else { "unpaid" },
        "permissions": null,
        "phone_number_collection": { "enabled": false },
        "recovered_from": null,
        "saved_payment_method_options": customer.as_ref().map(|_| json!({
            "allow_redisplay_filters": ["always"], "payment_method_remove": "disabled", "payment_method_save": null,
        })),
        "setup_intent": null,
        "shipping_address_collection": null,
        "shipping_cost": null,
        "shipping_options": [],
        "status": "open",
        "submit_type": params.json("submit_type"),
        "subscription": null,
        "success_url": success_url,
        "total_details": total.map(|_| json!({ "amount_discount": discounted, "amount_shipping": 0, "amount_tax": 0 })),
        "ui_mode": "hosted_page",
        "url": format!("{}/c/pay/{id}", ctx.origin),
        "wallet_options": null,
    });
    let mut hidden = Map::new();
    hidden.insert("items".into(), items.into());
    hidden.insert("intent".into(), data.value().clone());
    hidden.insert("subscription_data".into(), subscription.value().clone());
    let account = ctx.account.clone();
    ctx.state.insert(&account, Kind::CheckoutSession, object, hidden);
    if mode == "setup" {
        begin_setup(ctx, &id, params)?;
    }
    ctx.state.jobs.push(Job::ExpireSession { at: expires_at, account, session: id.clone() });
    ctx.fetch(Kind::CheckoutSession, &id, "session")
}

/// Checks that a PaymentIntent could be created, with the same checks, before anybody pays.
fn check_intent(ctx: &Context, params: &Params) -> Result<(), ApiError> {
    new_payment_intent::check(ctx, params).map(drop).map_err(|error| {
        let too_small = error.fields()["message"].as_str().unwrap_or_default().strip_prefix("Amount must be at least ").map(str::to_owned);
        match too_small {
            Some(least) => ApiError::invalid(format!("The Checkout Session's total amount due must add up to at least {least}"))
                .code("amount_too_small"),
            None => error,
        }
    })
}
