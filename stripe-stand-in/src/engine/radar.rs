//! What Radar and the card networks report about charges: early fraud warnings, and
//! reviews of high-risk payments (<https://docs.stripe.com/radar/risk-evaluation>).

use serde_json::{Map, Value, json};

use crate::events::context::Context;
use crate::words::errors::ApiError;
use crate::words::ids::new_id;
use crate::words::json::Fields;
use crate::words::kind::Kind;

/// The kinds of fraud that issuers report (<https://docs.stripe.com/api/radar/early_fraud_warnings/object>).
const FRAUD_TYPES: [&str; 7] = [
    "card_never_received",
    "fraudulent_card_application",
    "made_with_counterfeit_card",
    "made_with_lost_card",
    "made_with_stolen_card",
    "misc",
    "unauthorized_use_of_card",
];

/// The kind reported for the test card, and by default: the one that was recorded.
pub(crate) const USUAL_FRAUD: &str = "made_with_stolen_card";

/// Whether anything can still be done: a refund helps until there is a dispute or a full refund.
fn is_actionable(charge: &Value) -> bool {
    !charge.flag("disputed") && !charge.flag("refunded")
}

/// The card's issuer warns of a charge, on request.
///
/// # Errors
/// 400 if no card paid the charge, if there already is a warning, or for an unknown kind of fraud.
pub(crate) fn warn_at_will(ctx: &mut Context, charge: &str, fraud_type: &str) -> Result<Value, ApiError> {
    let object = ctx.fetch(Kind::Charge, charge, "charge")?;
    let paid_by_card = object["payment_method_details"].text("type") == "card" && object.text("status") == "succeeded";
    if !paid_by_card || warning_of(ctx, charge).is_some() {
        return Err(ApiError::invalid(format!("No issuer warns of charge {charge}.")));
    }
    if !FRAUD_TYPES.contains(&fraud_type) {
        return Err(ApiError::invalid(format!("Invalid fraud_type: must be one of {}", FRAUD_TYPES.join(", "))));
    }
    let id = warn(ctx, &object, fraud_type);
    ctx.fetch(Kind::EarlyFraudWarning, &id, "early_fraud_warning")
}

/// The card's issuer warns of a charge. Returns the warning's id.
pub(crate) fn warn(ctx: &mut Context, charge: &Value, fraud_type: &str) -> String {
    let account = ctx.account.clone();
    let id = new_id("issfr");
    let warning = json!({
        "id": id,
        "object": "radar.early_fraud_warning",
        "actionable": is_actionable(charge),
        "charge": charge["id"],
        "created": ctx.now(),
        "fraud_type": fraud_type,
        "livemode": false,
        "payment_intent": charge["payment_intent"],
    });
    ctx.insert(Kind::EarlyFraudWarning, warning);
    ctx.state.hide(&account, Kind::Charge, charge.text("id"), "warning", id.as_str().into());
    ctx.emit("radar.early_fraud_warning.created", Kind::EarlyFraudWarning, &id);
    id
}

fn warning_of(ctx: &Context, charge: &str) -> Option<String> {
    Some(ctx.state.hidden(&ctx.account, Kind::Charge, charge, "warning")?.as_str()?.to_owned())
}

/// A charge was disputed or refunded, or its refund was returned: updates its warning and review.
pub(crate) fn look_again(ctx: &mut Context, charge: &str) {
    let account = ctx.account.clone();
    let Some(object) = ctx.state.object(&account, Kind::Charge, charge).cloned() else { return };
    if let Some(id) = warning_of(ctx, charge)
        && let Some(before) = ctx.state.object(&account, Kind::EarlyFraudWarning, &id).cloned()
        && before.flag("actionable") != is_actionable(&object)
    {
        ctx.set(Kind::EarlyFraudWarning, &id, json!({ "actionable": is_actionable(&object) }));
        ctx.emit_change(&account, "radar.early_fraud_warning.updated", Kind::EarlyFraudWarning, &id, &before);
    }
    if let Some(review) = object.maybe("review").map(str::to_owned) {
        let reason = match (object.flag("disputed"), object.flag("refunded"), object["fraud_details"].maybe("user_report")) {
            (true, ..) => "disputed",
            (_, true, Some(_)) => "refunded_as_fraud",
            (_, true, None) => "refunded",
            _ => return,
        };
        close_review(ctx, &review, reason);
    }
}

/// Opens a review of a paid charge.
pub(crate) fn open_review(ctx: &mut Context, charge: &str) {
    let account = ctx.account.clone();
    let Some(object) = ctx.state.object(&account, Kind::Charge, charge).cloned() else { return };
    let id = new_id("prv");
    let review = json!({
        "id": id,
        "object": "review",
        "billing_zip": object["billing_details"]["address"]["postal_code"],
        "charge": charge,
        "closed_reason": null,
        "created": ctx.now(),
        "ip_address": null,
        "ip_address_location": null,
        "livemode": false,
        "open": true,
        "opened_reason": "rule",
        "payment_intent": object["payment_intent"],
        "reason": "rule",
        "session": null,
    });
    ctx.state.insert(&account, Kind::Review, review, Map::new());
    ctx.set(Kind::Charge, charge, json!({ "review": id }));
    ctx.set(Kind::PaymentIntent, object.text("payment_intent"), json!({ "review": id }));
    ctx.emit("review.opened", Kind::Review, &id);
}

/// Closes a review if it is open, and removes it from the charge.
pub(crate) fn close_review(ctx: &mut Context, id: &str, reason: &str) {
    let Some(review) = ctx.state.object(&ctx.account, Kind::Review, id).filter(|review| review.flag("open")).cloned() else { return };
    ctx.set(Kind::Review, id, json!({ "closed_reason": reason, "open": false, "reason": reason }));
    ctx.set(Kind::Charge, review.text("charge"), json!({ "review": null }));
    ctx.set(Kind::PaymentIntent, review.text("payment_intent"), json!({ "review": null }));
    ctx.emit("review.closed", Kind::Review, id);
}
