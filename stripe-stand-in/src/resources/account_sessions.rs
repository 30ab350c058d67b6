//! Account Sessions: <https://docs.stripe.com/api/account_sessions>.

use serde_json::{Map, Value, json};

use crate::events::context::Context;
use crate::state::embedded::Embedded;
use crate::state::row::Link;
use crate::words::errors::ApiError;
use crate::words::ids::random_text;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// How long a page can use a session, in seconds.
const LIFETIME: i64 = 60 * 60;

const NOTHING: &str = "";
const INFORMATION: &str = "disable_stripe_user_authentication external_account_collection";
const PAYMENTS: &str =
    "capture_payments destination_on_behalf_of_charge_management dispute_management refund_management smart_disputes_management";
const DISPUTES: &str = "destination_on_behalf_of_charge_management dispute_management refund_management smart_disputes_management";
const PAYOUTS: &str =
    "disable_stripe_user_authentication edit_payout_schedule external_account_collection instant_payouts standard_payouts";

/// The components with their features.
const COMPONENTS: [(&str, &str); 22] = [
    ("account_management", INFORMATION),
    ("account_onboarding", INFORMATION),
    ("balance_report", NOTHING),
    ("balances", PAYOUTS),
    ("disputes_list", PAYMENTS),
    ("documents", NOTHING),
    ("financial_account", "disable_stripe_user_authentication external_account_collection send_money transfer_balance"),
    ("financial_account_transactions", "card_spend_dispute_management"),
    ("instant_payouts_promotion", "disable_stripe_user_authentication external_account_collection instant_payouts"),
    ("issuing_card", "card_management card_spend_dispute_management cardholder_management spend_control_management"),
    (
        "issuing_cards_list",
        "card_management card_spend_dispute_management cardholder_management disable_stripe_user_authentication spend_control_management",
    ),
    ("notification_banner", INFORMATION),
    ("payment_details", PAYMENTS),
    ("payment_disputes", DISPUTES),
    ("payment_method_settings", "disable_stripe_user_authentication"),
    ("payments", PAYMENTS),
    ("payout_details", NOTHING),
    ("payout_reconciliation_report", NOTHING),
    ("payouts", PAYOUTS),
    ("payouts_list", NOTHING),
    ("tax_registrations", NOTHING),
    ("tax_settings", NOTHING),
];

/// Only for accounts with capabilities that the stand-in does not have.
const OF_CAPABILITIES: [&str; 4] = ["financial_account", "financial_account_transactions", "issuing_card", "issuing_cards_list"];

/// Forms for what Stripe requires of an account.
const FORMS: [&str; 3] = ["account_management", "account_onboarding", "notification_banner"];

/// Parameters of `POST /v1/account_sessions`.
pub(crate) fn fields() -> String {
    let component = |(name, features): &(&str, &str)| {
        let features: String = features.split_whitespace().map(|feature| format!("{feature}:b ")).collect();
        format!("{name}{{enabled:b features{{{features}}}}} ")
    };
    format!("account components{{{}}}", COMPONENTS.iter().map(component).collect::<String>())
}

/// `POST /v1/account_sessions`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = params.required("account")?;
    let missing = || ApiError::no_such_param(Kind::Account, id, "account");
    if ctx.is_connected() || ctx.state.link(id) == Link::None {
        return Err(missing());
    }
    let account = ctx.state.account(id).cloned().ok_or_else(missing)?;
    if !params.has("components") {
        return Err(ApiError::missing("components"));
    }
    let wanted = params.object("components");
    let mut components = Map::new();
    for (name, features) in COMPONENTS {
        let asked = wanted.object(name);
        let is_enabled = match asked.flag("enabled") {
            Some(is_enabled) => is_enabled,
            None if wanted.has(name) => return Err(ApiError::missing(&format!("components[{name}][enabled]"))),
            None => false,
        };
        if is_enabled {
            check_component(&account, name)?;
        }
        let features = read_features(&account, name, features, &asked.object("features"))?;
        components.insert(name.to_owned(), json!({ "enabled": is_enabled, "features": features }));
    }
    let components = Value::Object(components);
    let expires_at = ctx.now() + LIFETIME;
    let client_secret = format!("accs_secret__{}", random_text(48));
    let session = Embedded { account: id.to_owned(), components: components.clone(), expires_at, page: None };
    ctx.state.embedded.insert(client_secret.clone(), session);
    Ok(json!({
        "object": "account_session",
        "account": id,
        "client_secret": client_secret,
        "components": components,
        "expires_at": expires_at,
        "livemode": false,
    }))
}

fn check_component(account: &Value, name: &str) -> Result<(), ApiError> {
    let refused = |why: &str| Err(ApiError::invalid(format!("The component `{name}` {why}")).param(&format!("components[{name}]")));
    if OF_CAPABILITIES.contains(&name) {
        return refused("needs a capability that this account does not have.");
    }
    if FORMS.contains(&name) && account["controller"]["type"] != "application" {
        return refused("is not available for accounts that your platform does not control.");
    }
    Ok(())
}

fn read_features(account: &Value, component: &str, features: &str, asked: &Params) -> Result<Value, ApiError> {
    let controller = &account["controller"];
    let platform_collects = controller.text("requirement_collection") == "application";
    // An account that came by OAuth controls itself.
    let stripe_bears_losses = controller.text("type") == "account" || controller["losses"].text("payments") == "stripe";
    let collects_banks = asked.flag("external_account_collection").unwrap_or(true);
    let default = |feature: &str| match feature {
        "destination_on_behalf_of_charge_management" => false,
        "disable_stripe_user_authentication" => features.contains("external_account_collection") && !collects_banks,
        "edit_payout_schedule" | "instant_payouts" | "standard_payouts" => stripe_bears_losses,
        "smart_disputes_management" => asked.flag("dispute_management").unwrap_or(true),
        _ => true,
    };
    let mut read = Map::new();
    for feature in features.split_whitespace() {
        let value = asked.flag(feature).unwrap_or_else(|| default(feature));
        let is_the_platforms = matches!(
            (feature, asked.flag(feature)),
            ("disable_stripe_user_authentication", Some(true)) | ("external_account_collection", Some(false))
        );
        if is_the_platforms && !platform_collects {
            let message = format!(
                "The feature `{feature}` can only be `{value}` for accounts where your platform is responsible for collecting requirements."
            );
            return Err(ApiError::invalid(message).param(&format!("components[{component}][features][{feature}]")));
        }
        read.insert(feature.to_owned(), value.into());
    }
    Ok(Value::Object(read))
}
