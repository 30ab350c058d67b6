//! The account object as it is made.

use serde_json::{Map, Value, json};

use crate::stripe::state::random_text;

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

/// Requirements where these are due.
pub(super) fn no_requirements(due: &[&str], disabled_reason: Option<&str>) -> Value {
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
