//! Refunds: what returns to the cardholder, and what sellers and fees contribute.

use serde_json::{Map, Value, json};

use crate::engine::application_fees;
use crate::engine::charges;
use crate::engine::disputes;
use crate::engine::exchange;
use crate::engine::ledger::{self, Counterparty, Posting};
use crate::engine::radar;
use crate::engine::refund_row;
use crate::engine::transfers::{self, Reversal};
use crate::events::context::Context;
use crate::state::agenda::Job;
use crate::words::cards::{Aftermath, TestCard};
use crate::words::errors::ApiError;
use crate::words::ids::new_id;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;
use crate::words::params::Params;

pub(crate) struct Parts<'a> {
    pub(crate) charge: &'a Value,
    pub(crate) amount: i64,
    pub(crate) fee: Option<String>,
    pub(crate) transfer: Option<String>,
}

/// The part that belongs to this refund, so that the parts add up to the whole: the
/// share of everything refunded this way so far, minus what was returned before.
fn next_part(ctx: &mut Context, charge: &Value, name: &str, whole: i64, amount: i64, given: i64) -> i64 {
    let account = ctx.account.clone();
    let id = charge.text("id").to_owned();
    let before = ctx.state.hidden(&account, Kind::Charge, &id, name).and_then(Value::as_i64).unwrap_or(0);
    let so_far = before + amount;
    ctx.state.hide(&account, Kind::Charge, &id, name, so_far.into());
    let captured = charge.int("amount_captured");
    let part = money::share(whole, so_far, captured) - money::share(whole, before, captured);
    part.min(whole - given)
}

pub(crate) fn make(ctx: &mut Context, parts: &Parts, params: &Params) -> Result<String, ApiError> {
    let charge = parts.charge;
    let charge_id = charge.text("id").to_owned();
    let currency = charge.text("currency").to_owned();
    let account = ctx.account.clone();
    let id = new_id("re");
    let fee = match &parts.fee {
        Some(fee) => {
            let platform = ctx.state.platform.clone();
            let object = ctx.state.object(&platform, Kind::ApplicationFee, fee).cloned().unwrap_or_default();
            let (whole, given) = (object.int("amount"), object.int("amount_refunded"));
            let part = next_part(ctx, charge, "fee_base", whole, parts.amount, given);
            (part > 0).then(|| (fee.clone(), part))
        }
        None => None,
    };
    let reversal = match &parts.transfer {
        Some(transfer) => {
            let object = ctx.fetch_param(Kind::Transfer, transfer, "charge")?;
            let (whole, given) = (object.int("amount"), object.int("amount_reversed"));
            let amount = next_part(ctx, charge, "transfer_base", whole, parts.amount, given);
            let reversal = Reversal { amount, metadata: json!({}), source_refund: Some(&id) };
            if amount > 0 { Some(transfers::take_back(ctx, transfer, &reversal)?) } else { None }
        }
        None => None,
    };
    if let Some((fee, part)) = &fee {
        application_fees::give_back(ctx, fee, *part, json!({}));
    }
    let available_on = ledger::available_on(ctx, &account, charge.text("balance_transaction"));
    let merchant = charges::merchant(ctx, charge);
    let paid = exchange::outgoing(ctx, &merchant, parts.amount, &currency);
    let transaction = ledger::post(
        ctx,
        &account,
        &Posting {
            kind: "refund",
            category: "refund",
            amount: -paid.amount,
            fees: Vec::new(),
            currency: &paid.currency,
            source: &id,
            description: Some("REFUND FOR CHARGE".to_owned()),
            available_on,
            counterparty: Counterparty::Cardholder,
            exchange_rate: paid.rate,
            converted: paid.rate.map(|_| (-parts.amount, currency.as_str())),
        },
    );
    let mut refund = refund_row::blank(&id, &charge_id, parts.amount, &currency, ctx.now());
    refund["balance_transaction"] = transaction.into();
    refund["destination_details"] = match charge["payment_method_details"].text("type") {
        kind @ ("klarna" | "link") => json!({ kind: {}, "type": kind }),
        _ => json!({
            "card": { "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund" },
            "type": "card",
        }),
    };
    refund["metadata"] = params.metadata();
    for name in ["customer", "payment_intent", "payment_method"] {
        refund[name] = charge[name].clone();
    }
    refund["reason"] = params.json("reason");
    refund["transfer_reversal"] = reversal.into();
    ctx.state.insert(&account, Kind::Refund, refund, Map::new());
    let refunded = charge.int("amount_refunded") + parts.amount;
    let whole = refunded == charge.int("amount_captured");
    ctx.set(Kind::Charge, &charge_id, json!({ "amount_refunded": refunded, "refunded": whole }));
    if params.text("reason") == Some("fraudulent") {
        let mut said = charge["fraud_details"].clone();
        said["user_report"] = "fraudulent".into();
        ctx.set(Kind::Charge, &charge_id, json!({ "fraud_details": said }));
    }
    let card = ctx.state.hidden(&account, Kind::Charge, &charge_id, "card").and_then(Value::as_str);
    let aftermath = card.and_then(TestCard::of_name).map_or(Aftermath::None, |card| card.aftermath);
    let at = ctx.now() + 1;
    if aftermath == Aftermath::RefundPends {
        ctx.set(Kind::Refund, &id, json!({ "pending_reason": "processing", "status": "pending" }));
        ctx.state.jobs.push(Job::SucceedRefund { at, account: account.clone(), refund: id.clone() });
    }
    ctx.emit("refund.created", Kind::Refund, &id);
    ctx.emit("charge.refunded", Kind::Charge, &charge_id);
    if whole {
        disputes::end_inquiries(ctx, &charge_id);
        radar::look_again(ctx, &charge_id);
    }
    if aftermath != Aftermath::RefundPends {
        name_reference(ctx, &id);
        changed(ctx, &id);
    }
    if aftermath == Aftermath::RefundFails {
        ctx.state.jobs.push(Job::FailRefund { at, account, refund: id.clone() });
    }
    Ok(id)
}

/// Sets the reference by which the cardholder's bank knows the refund.
fn name_reference(ctx: &mut Context, id: &str) {
    let by_card = ctx.state.object(&ctx.account, Kind::Refund, id).is_some_and(|one| one["destination_details"]["type"] == "card");
    if !by_card {
        return;
    }
    ctx.set(
        Kind::Refund,
        id,
        json!({ "destination_details": {
            "card": { "reference": "7000000000000000", "reference_status": "available",
                "reference_type": "acquirer_reference_number", "type": "refund" },
            "type": "card",
        } }),
    );
}

fn changed(ctx: &mut Context, id: &str) {
    ctx.emit("refund.updated", Kind::Refund, id);
    ctx.emit("charge.refund.updated", Kind::Refund, id);
}

/// A pending refund arrives at the cardholder's bank.
pub(crate) fn succeed(ctx: &mut Context, id: &str) {
    let account = ctx.account.clone();
    let pending = ctx.state.object(&account, Kind::Refund, id).is_some_and(|refund| refund.text("status") == "pending");
    if !pending {
        return;
    }
    if let Some(row) = ctx.state.row_mut(&account, Kind::Refund, id)
        && let Some(fields) = row.object.as_object_mut()
    {
        fields.remove("pending_reason");
    }
    ctx.set(Kind::Refund, id, json!({ "status": "succeeded" }));
    name_reference(ctx, id);
    changed(ctx, id);
}

/// The default reason of a failed refund.
pub(crate) const USUAL_FAILURE: &str = "expired_or_canceled_card";

/// The cardholder's bank returns a refund, so the money goes back to the account.
pub(crate) fn fail(ctx: &mut Context, id: &str, reason: &str) {
    let account = ctx.account.clone();
    let Some(refund) = ctx.state.object(&account, Kind::Refund, id).cloned() else { return };
    if !["pending", "succeeded"].contains(&refund.text("status")) {
        return;
    }
    let available_on = ctx.now();
    let charge = ctx.state.object(&account, Kind::Charge, refund.text("charge")).cloned().unwrap_or_default();
    let merchant = charges::merchant(ctx, &charge);
    let back = exchange::incoming(ctx, &merchant, refund.int("amount"), refund.text("currency"));
    let transaction = ledger::post(
        ctx,
        &account,
        &Posting {
            kind: "refund_failure",
            category: "refund_failure",
            amount: back.amount,
            fees: Vec::new(),
            currency: &back.currency,
            source: id,
            description: Some("REFUND FAILURE".to_owned()),
            available_on,
            counterparty: Counterparty::Cardholder,
            exchange_rate: back.rate,
            converted: back.rate.map(|_| (refund.int("amount"), refund.text("currency"))),
        },
    );
    ctx.set(
        Kind::Refund,
        id,
        json!({
            "failure_balance_transaction": transaction,
            "failure_reason": reason,
            "status": "failed",
        }),
    );
    let charge = refund.text("charge");
    let refunded = ctx.state.object(&account, Kind::Charge, charge).map_or(0, |c| c.int("amount_refunded"));
    let left = refunded - refund.int("amount");
    ctx.set(Kind::Charge, charge, json!({ "amount_refunded": left, "refunded": false }));
    ctx.emit("refund.failed", Kind::Refund, id);
    radar::look_again(ctx, charge);
    changed(ctx, id);
}
