//! Disputes: money is withdrawn, and reinstated when they are won.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::engine::charges;
use crate::engine::exchange;
use crate::engine::ledger::{self, Counterparty, Fee, Posting};
use crate::engine::radar;
use crate::events::context::Context;
use crate::words::cards::TestCard;
use crate::words::errors::ApiError;
use crate::words::ids::new_id;
use crate::words::json::Fields;
use crate::words::kind::Kind;

/// The fee of a dispute, in minor units. Returned if the dispute is won.
const FEE: i64 = 1500;

const DAY: i64 = 24 * 60 * 60;

pub(crate) const EVIDENCE: [&str; 27] = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
];

/// How a dispute starts (<https://docs.stripe.com/disputes/how-disputes-work>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Stage {
    /// The money is withdrawn at once.
    #[default]
    #[serde(rename = "needs_response")]
    Chargeback,
    /// The bank only asks. Nothing is withdrawn, and a full refund ends it.
    #[serde(rename = "warning_needs_response")]
    Inquiry,
    /// It was resolved before it became a dispute: the money is gone, and there is no fee.
    #[serde(rename = "prevented")]
    Prevented,
}

/// How a dispute ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Won,
    Lost,
    /// An inquiry that was closed.
    WarningClosed,
}

/// Why a cardholder disputes a charge (<https://docs.stripe.com/disputes/categories>).
const REASONS: [&str; 9] = [
    "credit_not_processed",
    "duplicate",
    "fraudulent",
    "general",
    "noncompliant",
    "product_not_received",
    "product_unacceptable",
    "subscription_canceled",
    "unrecognized",
];

/// Opens a dispute on request, optionally for part of the charge.
///
/// # Errors
/// 400 if the charge cannot be disputed, or not for that reason or amount.
pub(crate) fn open_at_will(ctx: &mut Context, charge: &str, reason: &str, amount: Option<i64>, stage: Stage) -> Result<Value, ApiError> {
    let object = ctx.fetch(Kind::Charge, charge, "charge")?;
    let left = object.int("amount_captured") - object.int("amount_refunded");
    let amount = amount.unwrap_or(left);
    let paid_by_card = object["payment_method_details"].text("type") == "card" && object.text("status") == "succeeded";
    if !paid_by_card || object.flag("disputed") || !(1..=left).contains(&amount) {
        return Err(ApiError::invalid(format!("Charge {charge} has nothing of that amount to dispute.")));
    }
    if !REASONS.contains(&reason) {
        return Err(ApiError::invalid(format!("Invalid reason: must be one of {}", REASONS.join(", "))));
    }
    let id = open_for(ctx, &object, reason, amount, stage);
    ctx.fetch(Kind::Dispute, &id, "dispute")
}

/// The cardholder disputes a charge. Returns the dispute's id.
pub(crate) fn open(ctx: &mut Context, charge: &str, reason: &str, stage: Stage) -> Option<String> {
    let object = ctx.state.object(&ctx.account, Kind::Charge, charge).cloned()?;
    let amount = object.int("amount_captured") - object.int("amount_refunded");
    Some(open_for(ctx, &object, reason, amount, stage))
}

/// The cardholder disputes a charge in two parts.
pub(crate) fn open_twice(ctx: &mut Context, charge: &str, reason: &str) {
    let Some(object) = ctx.state.object(&ctx.account, Kind::Charge, charge).cloned() else { return };
    let amount = object.int("amount_captured") - object.int("amount_refunded");
    for part in [amount / 2, amount - amount / 2] {
        open_for(ctx, &object, reason, part, Stage::Chargeback);
    }
}

/// Withdraws the amount and a fee from the charging account. Returns the dispute's id.
fn open_for(ctx: &mut Context, object: &Value, reason: &str, amount: i64, stage: Stage) -> String {
    let account = ctx.account.clone();
    let charge = object.text("id");
    let id = new_id("dp");
    let now = ctx.now();
    let transactions = match stage {
        Stage::Chargeback => vec![withdraw_or_reinstate(ctx, &id, object, -amount, FEE)],
        Stage::Inquiry => Vec::new(),
        Stage::Prevented => vec![withdraw_or_reinstate(ctx, &id, object, -amount, 0)],
    };
    let (status, case_type, code) = match stage {
        Stage::Chargeback => ("needs_response", "chargeback", "83"),
        Stage::Inquiry => ("warning_needs_response", "inquiry", "10"),
        Stage::Prevented => ("prevented", "resolution", "83"),
    };
    let evidence: Map<String, Value> = EVIDENCE.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    let card = ctx.state.hidden(&account, Kind::Charge, charge, "card").and_then(Value::as_str);
    let brand = card.and_then(TestCard::of_name).map_or("visa", |card| card.brand);
    let mut dispute = json!({
        "id": id,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": transactions,
        "charge": charge,
        "created": now,
        "currency": object["currency"],
        "enhanced_eligibility_types": [],
        "evidence": evidence,
        "evidence_details": {
            // The end of a day, in UTC.
            "due_by": if stage == Stage::Prevented { Value::Null } else { ((now / DAY + 9) * DAY - 1).into() },
            "enhanced_eligibility": {},
            "has_evidence": false,
            "past_due": false,
            "submission_count": 0,
        },
        "is_charge_refundable": stage == Stage::Inquiry,
        "livemode": false,
        "metadata": {},
        "payment_intent": object["payment_intent"],
        "payment_method_details": {
            "card": { "brand": brand, "case_type": case_type, "network": brand, "network_reason_code": code },
            "type": "card",
        },
        "reason": reason,
        "status": status,
    });
    dispute["evidence"]["enhanced_evidence"] = json!({});
    ctx.insert(Kind::Dispute, dispute);
    ctx.set(Kind::Charge, charge, json!({ "disputed": true }));
    ctx.emit("charge.dispute.created", Kind::Dispute, &id);
    radar::look_again(ctx, charge);
    if stage != Stage::Inquiry {
        ctx.emit("charge.dispute.funds_withdrawn", Kind::Dispute, &id);
    }
    if stage == Stage::Prevented {
        ctx.emit("charge.dispute.closed", Kind::Dispute, &id);
    }
    id
}

/// The bank did not accept the answer to an inquiry, so the money is withdrawn.
///
/// # Errors
/// 400 if it is not an open inquiry.
pub(crate) fn escalate(ctx: &mut Context, id: &str) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Dispute, id, "dispute")?;
    if !["warning_needs_response", "warning_under_review"].contains(&before.text("status")) {
        return Err(ApiError::invalid(format!("This dispute is not an open inquiry: {}.", before.text("status"))));
    }
    let charge = ctx.fetch(Kind::Charge, before.text("charge"), "charge")?;
    let taken = withdraw_or_reinstate(ctx, id, &charge, -before.int("amount"), FEE);
    let mut details = before["payment_method_details"].clone();
    details["card"]["case_type"] = "chargeback".into();
    ctx.set(
        Kind::Dispute,
        id,
        json!({ "balance_transactions": [taken], "is_charge_refundable": false, "payment_method_details": details, "status": "needs_response" }),
    );
    let account = ctx.account.clone();
    ctx.emit_change(&account, "charge.dispute.updated", Kind::Dispute, id, &before);
    ctx.emit("charge.dispute.funds_withdrawn", Kind::Dispute, id);
    ctx.fetch(Kind::Dispute, id, "dispute")
}

/// A decided dispute is reviewed again.
///
/// # Errors
/// 400 if it was not lost.
pub(crate) fn appeal(ctx: &mut Context, id: &str) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Dispute, id, "dispute")?;
    if before.text("status") != "lost" {
        return Err(ApiError::invalid(format!("Only a lost dispute can be appealed: {}.", before.text("status"))));
    }
    ctx.set(Kind::Dispute, id, json!({ "status": "appeal_needs_response" }));
    let account = ctx.account.clone();
    ctx.emit_change(&account, "charge.dispute.updated", Kind::Dispute, id, &before);
    ctx.fetch(Kind::Dispute, id, "dispute")
}

/// A full refund ends a charge's inquiries.
pub(crate) fn end_inquiries(ctx: &mut Context, charge: &str) {
    let rows = ctx.state.children(&ctx.account, Kind::Dispute, charge).map(|row| &row.object);
    let open = rows.filter(|one| one.text("status").starts_with("warning_") && !is_closed(one));
    let ids: Vec<String> = open.map(|one| one.text("id").to_owned()).collect();
    for id in ids {
        let _ = close(ctx, &id, Outcome::WarningClosed);
    }
}

/// Whether a dispute prevents its charge from being refunded.
pub(crate) fn forbids_refund(ctx: &Context, charge: &str) -> bool {
    let mut rows = ctx.state.children(&ctx.account, Kind::Dispute, charge);
    rows.any(|row| !row.object.flag("is_charge_refundable"))
}

/// Whether nothing more happens to a dispute automatically.
pub(crate) fn is_closed(dispute: &Value) -> bool {
    ["won", "lost", "warning_closed", "prevented"].contains(&dispute.text("status"))
}

/// Withdraws the disputed amount (negative) with the fee, or returns it. Returns the transaction.
fn withdraw_or_reinstate(ctx: &mut Context, id: &str, charge: &Value, amount: i64, fee: i64) -> Value {
    let account = ctx.account.clone();
    let withdrawn = amount < 0;
    let available_on = ledger::available_on(ctx, &account, charge.text("balance_transaction"));
    let (merchant, currency) = (charges::merchant(ctx, charge), charge.text("currency"));
    // At the current rate. Stripe does not show it, but recordings show that it equals the rate of a charge at that moment.
    let settled = exchange::incoming(ctx, &merchant, amount, currency);
    let transaction = ledger::post(
        ctx,
        &account,
        &Posting {
            kind: "adjustment",
            category: if withdrawn { "dispute" } else { "dispute_reversal" },
            amount: settled.amount,
            fees: if fee == 0 { Vec::new() } else { vec![Fee::Stripe(fee)] },
            currency: &settled.currency,
            source: id,
            description: Some(format!(
                "{} for {}",
                if withdrawn { "Chargeback withdrawal" } else { "Chargeback reversal" },
                charge.text("id")
            )),
            available_on,
            counterparty: Counterparty::Cardholder,
            exchange_rate: None,
            converted: settled.rate.map(|_| (amount, currency)),
        },
    );
    ctx.state.object(&account, Kind::BalanceTransaction, &transaction).cloned().unwrap_or_default()
}

/// Closes a dispute.
///
/// # Errors
/// 400 if it is closed already.
pub(crate) fn close(ctx: &mut Context, id: &str, outcome: Outcome) -> Result<Value, ApiError> {
    let dispute = ctx.fetch(Kind::Dispute, id, "dispute")?;
    if is_closed(&dispute) {
        return Err(ApiError::invalid("This dispute is already closed"));
    }
    let inquiry = dispute.text("status").starts_with("warning_");
    match outcome {
        Outcome::WarningClosed if !inquiry => return Err(ApiError::invalid("Only an inquiry can be closed as one.")),
        // A seller who gives in to an inquiry returns the money with a refund.
        _ if inquiry => ctx.set(Kind::Dispute, id, json!({ "status": "warning_closed" })),
        Outcome::WarningClosed => {}
        Outcome::Lost => ctx.set(Kind::Dispute, id, json!({ "status": "lost" })),
        Outcome::Won => {
            let charge = ctx.fetch(Kind::Charge, dispute.text("charge"), "charge")?;
            let transaction = withdraw_or_reinstate(ctx, id, &charge, dispute.int("amount"), -FEE);
            let mut all = dispute["balance_transactions"].as_array().cloned().unwrap_or_default();
            all.push(transaction);
            ctx.set(Kind::Dispute, id, json!({ "balance_transactions": all, "is_charge_refundable": true, "status": "won" }));
            ctx.emit("charge.dispute.funds_reinstated", Kind::Dispute, id);
        }
    }
    let account = ctx.account.clone();
    ctx.emit_change(&account, "charge.dispute.closed", Kind::Dispute, id, &dispute);
    ctx.fetch(Kind::Dispute, id, "dispute")
}
