//! Disputes: <https://docs.stripe.com/api/disputes>. A test card opens one; the admin API closes it.

use serde_json::{Map, Value, json};

use super::cards::TestCard;
use super::context::Context;
use super::errors::ApiError;
use super::ledger::{self, Counterparty, Fee, Posting};
use super::list;
use super::params::Params;
use super::state::{Fields, Kind, new_id};

/// What a dispute costs, in minor units. It is not given back when the dispute is won.
const FEE: i64 = 1500;

/// Parameters of `POST /v1/disputes/{id}`.
pub(crate) const UPDATE: &str = "evidence:any metadata:m submit:b";

const EVIDENCE: [&str; 27] = [
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

/// How a dispute ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Won,
    Lost,
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

/// Opens a dispute because somebody wants one, of a part of the charge where they say so.
///
/// # Errors
/// 400 for a charge that cannot be disputed, for that reason or for that much.
pub(crate) fn open_at_will(ctx: &mut Context, charge: &str, reason: &str, amount: Option<i64>) -> Result<Value, ApiError> {
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
    let id = open_for(ctx, &object, reason, amount);
    ctx.fetch(Kind::Dispute, &id, "dispute")
}

/// The cardholder disputes a charge.
pub(crate) fn open(ctx: &mut Context, charge: &str, reason: &str) {
    if let Some(object) = ctx.state.object(&ctx.account, Kind::Charge, charge).cloned() {
        let amount = object.int("amount_captured") - object.int("amount_refunded");
        open_for(ctx, &object, reason, amount);
    }
}

/// Takes the amount and a fee from the account that made the charge: the dispute's id.
fn open_for(ctx: &mut Context, object: &Value, reason: &str, amount: i64) -> String {
    let account = ctx.account.clone();
    let charge = object.text("id");
    let id = new_id("dp");
    let now = ctx.now();
    let transaction = withdraw_or_reinstate(ctx, &id, object, -amount);
    let evidence: Map<String, Value> = EVIDENCE.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    let card = ctx.state.hidden(&account, Kind::Charge, charge, "card").and_then(Value::as_str);
    let brand = card.and_then(TestCard::of_name).map_or("visa", |card| card.brand);
    let mut dispute = json!({
        "id": id,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [transaction],
        "charge": charge,
        "created": now,
        "currency": object["currency"],
        "enhanced_eligibility_types": [],
        "evidence": evidence,
        "evidence_details": {
            "due_by": now + 7 * 24 * 60 * 60,
            "enhanced_eligibility": {},
            "has_evidence": false,
            "past_due": false,
            "submission_count": 0,
        },
        "is_charge_refundable": false,
        "livemode": false,
        "metadata": {},
        "payment_intent": object["payment_intent"],
        "payment_method_details": {
            "card": { "brand": brand, "case_type": "chargeback", "network": brand, "network_reason_code": "83" },
            "type": "card",
        },
        "reason": reason,
        "status": "needs_response",
    });
    dispute["evidence"]["enhanced_evidence"] = json!({});
    ctx.insert(Kind::Dispute, dispute);
    ctx.set(Kind::Charge, charge, json!({ "disputed": true }));
    ctx.emit("charge.dispute.created", Kind::Dispute, &id);
    ctx.emit("charge.dispute.funds_withdrawn", Kind::Dispute, &id);
    id
}

/// Takes the disputed amount (negative) with the fee, or gives it back: the transaction.
fn withdraw_or_reinstate(ctx: &mut Context, id: &str, charge: &Value, amount: i64) -> Value {
    let account = ctx.account.clone();
    let withdrawn = amount < 0;
    let available_on = ledger::available_on(ctx, &account, charge.text("balance_transaction"));
    let transaction = ledger::post(
        ctx,
        &account,
        &Posting {
            kind: "adjustment",
            category: if withdrawn { "dispute" } else { "dispute_reversal" },
            amount,
            fees: if withdrawn { vec![Fee::Stripe(FEE)] } else { Vec::new() },
            currency: charge.text("currency"),
            source: id,
            description: Some(format!(
                "{} for {}",
                if withdrawn { "Chargeback withdrawal" } else { "Chargeback reversal" },
                charge.text("id")
            )),
            available_on,
            counterparty: Counterparty::Cardholder,
        },
    );
    ctx.state.object(&account, Kind::BalanceTransaction, &transaction).cloned().unwrap_or_default()
}

/// Ends a dispute.
///
/// # Errors
/// 400 for one that has ended already.
pub(crate) fn close(ctx: &mut Context, id: &str, outcome: Outcome) -> Result<Value, ApiError> {
    let dispute = ctx.fetch(Kind::Dispute, id, "dispute")?;
    if ["won", "lost"].contains(&dispute.text("status")) {
        return Err(ApiError::invalid(format!("This dispute is already closed: {}.", dispute.text("status"))));
    }
    match outcome {
        Outcome::Lost => ctx.set(Kind::Dispute, id, json!({ "status": "lost" })),
        Outcome::Won => {
            let charge = ctx.fetch(Kind::Charge, dispute.text("charge"), "charge")?;
            let transaction = withdraw_or_reinstate(ctx, id, &charge, dispute.int("amount"));
            let mut all = dispute["balance_transactions"].as_array().cloned().unwrap_or_default();
            all.push(transaction);
            ctx.set(Kind::Dispute, id, json!({ "balance_transactions": all, "status": "won" }));
            ctx.emit("charge.dispute.funds_reinstated", Kind::Dispute, id);
        }
    }
    ctx.emit("charge.dispute.closed", Kind::Dispute, id);
    ctx.fetch(Kind::Dispute, id, "dispute")
}

/// `GET /v1/disputes/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Dispute, path[0], "dispute")
}

/// `POST /v1/disputes/{id}`: the texts of Stripe's test mode decide it at once (<https://docs.stripe.com/testing#disputes>).
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Dispute, path[0], "dispute")?;
    let mut evidence = before["evidence"].clone();
    for (name, value) in params.json("evidence").as_object().into_iter().flatten() {
        if !EVIDENCE.contains(&name.as_str()) {
            let param = format!("evidence[{name}]");
            return Err(ApiError::invalid(format!("Received unknown parameter: {param}")).code("parameter_unknown").param(&param));
        }
        evidence[name.as_str()] = value.clone();
    }
    let mut details = before["evidence_details"].clone();
    details["has_evidence"] = true.into();
    let text = evidence.text("uncategorized_text").to_owned();
    let mut after = json!({
        "evidence": evidence,
        "evidence_details": details,
        "metadata": params.merged_metadata(&before["metadata"]),
    });
    let submit = params.flag("submit").unwrap_or(true) && params.has("evidence");
    if submit {
        after["status"] = "under_review".into();
        after["evidence_details"]["submission_count"] = (details.int("submission_count") + 1).into();
    }
    ctx.set(Kind::Dispute, path[0], after);
    let account = ctx.account.clone();
    ctx.emit_change(&account, "charge.dispute.updated", Kind::Dispute, path[0], &before);
    match text.as_str() {
        "winning_evidence" if submit => close(ctx, path[0], Outcome::Won),
        "losing_evidence" if submit => close(ctx, path[0], Outcome::Lost),
        _ => ctx.fetch(Kind::Dispute, path[0], "dispute"),
    }
}

/// `POST /v1/disputes/{id}/close`: the seller gives in.
pub(crate) fn concede(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    close(ctx, path[0], Outcome::Lost)
}

/// `GET /v1/disputes`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    list::page(ctx, Kind::Dispute, params, "/v1/disputes", |row| {
        ["charge", "payment_intent"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
    })
}
