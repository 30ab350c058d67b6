//! External accounts: the bank accounts that receive an account's payouts (<https://docs.stripe.com/api/external_accounts>).

use serde_json::{Value, json};

use crate::words::errors::ApiError;
use crate::words::ids::random_text;
use crate::words::json::Fields;
use crate::words::params::Params;

/// The account numbers that Stripe's test mode accepts, and those of the tokens
/// `btok_…` (<https://docs.stripe.com/connect/testing#account-numbers>).
const NUMBERS: [&str; 8] =
    ["000123456789", "000111111116", "000111111113", "000222222227", "000999999991", "00012345", "DE89370400440532013000", "0001234567"];

/// The bank account that parameters describe or name by a token. `bank_account` is the older name.
pub(crate) fn given(params: &Params) -> Option<Value> {
    ["external_account", "bank_account"].into_iter().find(|name| params.has(name)).map(|name| params.json(name))
}

/// Refuses the numbers of real bank accounts, because this is test mode.
pub(crate) fn check(params: &Params) -> Result<(), ApiError> {
    for name in ["external_account", "bank_account"] {
        let Some(number) = params.json(name).maybe("account_number").map(str::to_owned) else { continue };
        if !NUMBERS.contains(&number.as_str()) {
            return Err(ApiError::invalid(
                "You must use a test bank account number in test mode. Try 000123456789 or see more options at \
                 https://stripe.com/docs/connect/testing#account-numbers.",
            )
            .code("account_number_invalid")
            .param(&format!("{name}[account_number]")));
        }
    }
    Ok(())
}

/// The account's external accounts with one more: the described bank account, or a default one.
pub(crate) fn with(account: &Value, given: &Value) -> Value {
    let number = given.maybe("account_number").unwrap_or("000123456789");
    let currency = given.maybe("currency").unwrap_or(account.text("default_currency"));
    let mut data = account["external_accounts"]["data"].as_array().cloned().unwrap_or_default();
    let first = !data.iter().any(|bank| bank["currency"] == currency);
    data.push(json!({
        "id": format!("ba_1{}", random_text(23)),
        "object": "bank_account",
        "account": account["id"],
        "account_holder_name": given.maybe("account_holder_name"),
        "account_holder_type": given.maybe("account_holder_type"),
        "account_type": null,
        "available_payout_methods": if account["country"] == "US" { json!(["standard", "instant"]) } else { json!(["standard"]) },
        "bank_name": "STRIPE TEST BANK",
        "country": given.maybe("country").unwrap_or(account.text("country")),
        "currency": currency,
        "default_for_currency": first,
        "fingerprint": random_text(16),
        "future_requirements": { "currently_due": [], "errors": [], "past_due": [], "pending_verification": [] },
        "last4": number.get(number.len().saturating_sub(4)..).unwrap_or(number),
        "metadata": {},
        "requirements": { "currently_due": [], "errors": [], "past_due": [], "pending_verification": [] },
        "routing_number": given.maybe("routing_number").unwrap_or("110000000"),
        "status": "new",
    }));
    let mut all = account["external_accounts"].clone();
    all["total_count"] = data.len().into();
    all["data"] = data.into();
    all
}

/// Applies parameters to an account's settings: its payout schedule, and the name that buyers see.
pub(crate) fn tell_settings(before: &Value, params: &Params, after: &mut Value) {
    let given = params.json("settings");
    let payouts = &given["payouts"];
    let mut settings = before["settings"].clone();
    let profile = params.json("business_profile");
    if let Some(name) = profile.maybe("name").or(profile.maybe("url")) {
        settings["dashboard"]["display_name"] = name.into();
        let words: String =
            name.to_uppercase().chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == ' ').take(22).collect();
        settings["payments"]["statement_descriptor"] = words.as_str().into();
        settings["card_payments"]["statement_descriptor_prefix"] = words.chars().take(10).collect::<String>().into();
    }
    if let Some(interval) = payouts["schedule"].maybe("interval") {
        settings["payouts"]["schedule"]["interval"] = interval.into();
    }
    if let Some(debit) = payouts.maybe("debit_negative_balances") {
        settings["payouts"]["debit_negative_balances"] = (debit == "true").into();
    }
    after["settings"] = settings;
}
