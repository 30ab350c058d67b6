//! The account object as it is created.

use serde_json::{Map, Value, json};

use crate::engine::accounts::people;
use crate::words::ids::random_text;

/// The properties of a new account.
#[derive(Clone, Debug, Default)]
pub(crate) struct New {
    /// `standard` unless set.
    pub(crate) kind: Option<String>,
    pub(crate) email: Option<String>,
    /// `US` unless set.
    pub(crate) country: Option<String>,
    pub(crate) name: Option<String>,
    /// Capabilities and their status; by default active card payments and transfers.
    pub(crate) capabilities: Option<Map<String, Value>>,
    /// True unless set.
    pub(crate) charges_enabled: Option<bool>,
    pub(crate) metadata: Option<Value>,
    /// By default its country's.
    pub(crate) default_currency: Option<String>,
    /// Whether the platform created it through the API and so controls it. Other Standard accounts control themselves.
    pub(crate) by_platform: bool,
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
    let controller = |payer: &str, losses: &str, requirements: &str, dashboard: &str| {
        json!({
            "type": "application",
            "is_controller": true,
            "fees": { "payer": payer },
            "losses": { "payments": losses },
            "requirement_collection": requirements,
            "stripe_dashboard": { "type": dashboard },
        })
    };
    let controller = match kind {
        "standard" if new.by_platform => controller("account", "stripe", "stripe", "full"),
        "standard" => json!({ "type": "account" }),
        "express" => controller("application_express", "application", "stripe", "express"),
        _ => controller("application_custom", "application", "application", "none"),
    };
    // An account that has completed onboarding has a name that buyers see.
    let shown = new.name.as_deref().or(enabled.then_some("Local account"));
    let due: &[&str] = if enabled { &[] } else { &["external_account", "tos_acceptance.date", "tos_acceptance.ip"] };
    let mut account = json!({
        "id": id,
        "object": "account",
        "business_profile": {
            "annual_revenue": null,
            "estimated_worker_count": null,
            "mcc": null,
            "minority_owned_business_designation": null,
            "name": new.name,
            "product_description": null,
            "specified_commercial_transactions_act_url": null,
            "support_address": null,
            "support_email": null,
            "support_phone": null,
            "support_url": null,
            "url": null,
        },
        "business_type": null,
        "capabilities": capabilities,
        "charges_enabled": enabled,
        // Stripe shows the platform only the name of an Express account's company.
        "company": if kind == "express" { json!({ "name": null }) } else { people::company(country, &Value::Null) },
        "controller": controller,
        "country": country,
        "created": now,
        "default_currency": new.default_currency.as_deref().unwrap_or_else(|| currency_of(country)),
        "details_submitted": enabled,
        "email": new.email,
        "external_accounts": {
            "object": "list", "data": [], "has_more": false, "total_count": 0,
            "url": format!("/v1/accounts/{id}/external_accounts"),
        },
        "future_requirements": no_requirements(&[], None),
        "metadata": new.metadata.clone().unwrap_or_else(|| json!({})),
        "payouts_enabled": enabled,
        "requirements": no_requirements(due, if enabled { None } else { Some("requirements.past_due") }),
        "settings": {
            "bacs_debit_payments": { "display_name": null, "service_user_number": null },
            "branding": { "icon": null, "logo": null, "primary_color": null, "secondary_color": null },
            "card_issuing": { "tos_acceptance": { "date": null, "ip": null } },
            "card_payments": {
                "decline_on": { "avs_failure": false, "cvc_failure": false },
                "statement_descriptor_prefix": shown.map(|_| "LOCAL"),
                "statement_descriptor_prefix_kana": null,
                "statement_descriptor_prefix_kanji": null,
            },
            "dashboard": { "display_name": shown, "timezone": "Etc/UTC" },
            "invoices": { "default_account_tax_ids": null, "hosted_payment_method_save": "offer" },
            "payments": {
                "statement_descriptor": shown.map(|name| name.to_uppercase()),
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
        "tos_acceptance": if kind == "express" {
            json!({ "date": enabled.then_some(now) })
        } else {
            json!({ "date": null, "ip": null, "user_agent": null })
        },
        "type": kind,
    });
    if kind == "express"
        && let Some(profile) = account["business_profile"].as_object_mut()
    {
        profile.remove("product_description");
    }
    account
}

/// Requirements with these fields due.
pub(crate) fn no_requirements(due: &[&str], disabled_reason: Option<&str>) -> Value {
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
        "CH" | "LI" => "chf",
        "AE" => "aed",
        "BR" => "brl",
        "CZ" => "czk",
        "DK" => "dkk",
        "GI" => "gip",
        "HK" => "hkd",
        "HU" => "huf",
        "ID" => "idr",
        "IN" => "inr",
        "KR" => "krw",
        "MX" => "mxn",
        "MY" => "myr",
        "NO" => "nok",
        "NZ" => "nzd",
        "PH" => "php",
        "PL" => "pln",
        "RO" => "ron",
        "SE" => "sek",
        "SG" => "sgd",
        "TH" => "thb",
        "ZA" => "zar",
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
    match country {
        // Seen with a platform in the US and a seller in Canada.
        "US" | "CA" => "North America",
        "GB" | "CH" => "EEA",
        _ if EUROPE.contains(&country) => "EEA",
        _ => country,
    }
}
