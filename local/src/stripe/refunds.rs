//! Refunds: <https://docs.stripe.com/api/refunds>.

use serde_json::{Map, Value, json};

use super::application_fees;
use super::cards::{Aftermath, TestCard};
use super::context::Context;
use super::errors::ApiError;
use super::jobs::Job;
use super::ledger::{self, Counterparty, Fee, Posting};
use super::list;
use super::money;
use super::params::Params;
use super::state::{Fields, Kind, new_id};
use super::transfers::{self, Reversal};

/// Parameters of `POST /v1/refunds`.
pub(crate) const CREATE: &str = "amount:i charge currency customer instructions_email metadata:m origin payment_intent \
    reason:(duplicate|fraudulent|requested_by_customer) refund_application_fee:b reverse_transfer:b";

/// A refund that succeeded.
pub(crate) fn blank(id: &str, charge: &str, amount: i64, currency: &str, now: i64) -> Value {
    json!({
        "id": id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": null,
        "charge": charge,
        "created": now,
        "currency": currency,
        "customer": null,
        "customer_account": null,
        "destination_details": null,
        "metadata": {},
        "payment_intent": null,
        "payment_method": null,
        "reason": null,
        "receipt_number": null,
        "source_transfer_reversal": null,
        "status": "succeeded",
        "transfer_reversal": null,
    })
}

/// A charge's refunds, newest first.
pub(crate) fn of_charge(ctx: &Context, charge: &str) -> Vec<Value> {
    let account = ctx.state.owner_of(Kind::Charge, charge).unwrap_or_else(|| ctx.account.clone());
    let rows = ctx.state.rows(&account, Kind::Refund).iter().rev().map(|row| &row.object);
    rows.filter(|refund| refund["charge"] == charge).cloned().collect()
}

/// The charge that the parameters name.
fn charge_of(ctx: &Context, params: &Params) -> Result<Value, ApiError> {
    match (params.text("charge"), params.text("payment_intent")) {
        (Some(id), None) => ctx.fetch_param(Kind::Charge, id, "charge"),
        (None, Some(id)) => {
            let intent = ctx.fetch_param(Kind::PaymentIntent, id, "payment_intent")?;
            if !["succeeded", "requires_capture"].contains(&intent.text("status")) {
                return Err(ApiError::invalid(format!("This PaymentIntent ({id}) does not have a successful charge to refund."))
                    .param("payment_intent"));
            }
            ctx.fetch_param(Kind::Charge, intent.text("latest_charge"), "payment_intent")
        }
        (Some(id), Some(intent)) => {
            let charge = ctx.fetch_param(Kind::Charge, id, "charge")?;
            if charge["payment_intent"] != intent {
                return Err(ApiError::invalid(format!("The charge {id} does not belong to the PaymentIntent {intent}.")));
            }
            Ok(charge)
        }
        (None, None) => {
            Err(ApiError::invalid("One of the following params should be provided for this request: payment_intent or charge."))
        }
    }
}

/// `POST /v1/refunds`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let charge = charge_of(ctx, params)?;
    let charge_id = charge.text("id").to_owned();
    let currency = charge.text("currency").to_owned();
    if charge.text("status") != "succeeded" || !charge.flag("captured") {
        return Err(ApiError::invalid(format!("Charge {charge_id} has no captured payment to refund.")));
    }
    let left = charge.int("amount_captured") - charge.int("amount_refunded");
    if left == 0 {
        return Err(ApiError::invalid(format!("Charge {charge_id} has already been refunded.")).code("charge_already_refunded"));
    }
    if charge.flag("disputed") {
        return Err(ApiError::invalid(format!("Charge {charge_id} has been charged back; cannot issue a refund.")).code("charge_disputed"));
    }
    let amount = params.int("amount").unwrap_or(left);
    if amount < 1 {
        return Err(ApiError::invalid("Invalid positive integer").code("parameter_invalid_integer").param("amount"));
    }
    if amount > left {
        return Err(ApiError::invalid(format!(
            "Refund amount ({}) is greater than unrefunded amount on charge ({})",
            money::display(amount, &currency),
            money::display(left, &currency)
        ))
        .param("amount"));
    }
    let transfer = charge.maybe("transfer").map(str::to_owned);
    let reverse = params.is("reverse_transfer");
    if reverse && transfer.is_none() {
        return Err(ApiError::invalid(format!(
            "Cannot reverse transfer on charge {charge_id} because it does not have an associated transfer."
        ))
        .param("reverse_transfer"));
    }
    let fee = charge.maybe("application_fee").map(str::to_owned);
    let give_back = params.is("refund_application_fee");
    if give_back && fee.is_none() {
        return Err(ApiError::invalid(format!("Charge {charge_id} has no application fee. You cannot pass refund_application_fee."))
            .param("refund_application_fee"));
    }
    let parts = Parts { charge: &charge, amount, fee: if give_back { fee } else { None }, transfer: if reverse { transfer } else { None } };
    let id = make(ctx, &parts, params)?;
    ctx.fetch(Kind::Refund, &id, "id")
}

struct Parts<'a> {
    charge: &'a Value,
    amount: i64,
    fee: Option<String>,
    transfer: Option<String>,
}

/// The part that goes with this refund, so that the parts of a whole add up to the whole: the share of all that was
/// given back this way so far, less what was given back before.
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

fn make(ctx: &mut Context, parts: &Parts, params: &Params) -> Result<String, ApiError> {
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
    let given_back = fee.as_ref().map_or(0, |(_, part)| *part);
    // Of a destination charge, the fee goes back to where it came from: with the transfer, or by itself.
    let direct = charge["transfer"].is_null();
    let reversal = match &parts.transfer {
        Some(transfer) => {
            let object = ctx.fetch_param(Kind::Transfer, transfer, "charge")?;
            let (whole, given) = (object.int("amount"), object.int("amount_reversed"));
            let amount = next_part(ctx, charge, "transfer_base", whole, parts.amount, given);
            let reversal = Reversal { amount, metadata: json!({}), source_refund: Some(&id), fee: given_back };
            if amount > 0 { Some(transfers::take_back(ctx, transfer, &reversal)?) } else { None }
        }
        None => None,
    };
    if let Some((fee, part)) = &fee {
        application_fees::give_back(ctx, fee, *part, json!({}));
        if !direct && reversal.is_none() {
            credit_destination(ctx, fee, *part, &currency);
        }
    }
    let available_on = ledger::available_on(ctx, &account, charge.text("balance_transaction"));
    let fees = if direct && given_back > 0 { vec![Fee::Application(-given_back)] } else { Vec::new() };
    let transaction = ledger::post(
        ctx,
        &account,
        &Posting {
            kind: "refund",
            category: "refund",
            amount: -parts.amount,
            fees,
            currency: &currency,
            source: &id,
            description: Some("REFUND FOR CHARGE".to_owned()),
            available_on,
            counterparty: Counterparty::Cardholder,
        },
    );
    let mut refund = blank(&id, &charge_id, parts.amount, &currency, ctx.now());
    refund["balance_transaction"] = transaction.into();
    refund["destination_details"] = json!({
        "card": { "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund" },
        "type": "card",
    });
    refund["metadata"] = params.metadata();
    refund["payment_intent"] = charge["payment_intent"].clone();
    refund["reason"] = params.json("reason");
    refund["transfer_reversal"] = reversal.into();
    ctx.state.insert(&account, Kind::Refund, refund, Map::new());
    let refunded = charge.int("amount_refunded") + parts.amount;
    let whole = refunded == charge.int("amount_captured");
    ctx.set(Kind::Charge, &charge_id, json!({ "amount_refunded": refunded, "refunded": whole }));
    let card = ctx.state.hidden(&account, Kind::Charge, &charge_id, "card").and_then(Value::as_str);
    let aftermath = card.and_then(TestCard::of_name).map_or(Aftermath::None, |card| card.aftermath);
    let at = ctx.now() + 1;
    if aftermath == Aftermath::RefundPends {
        ctx.set(Kind::Refund, &id, json!({ "pending_reason": "processing", "status": "pending" }));
        ctx.state.jobs.push(Job::SucceedRefund { at, account: account.clone(), refund: id.clone() });
    }
    ctx.emit("refund.created", Kind::Refund, &id);
    ctx.emit("charge.refunded", Kind::Charge, &charge_id);
    if aftermath != Aftermath::RefundPends {
        name_reference(ctx, &id);
        changed(ctx, &id);
    }
    if aftermath == Aftermath::RefundFails {
        ctx.state.jobs.push(Job::FailRefund { at, account, refund: id.clone() });
    }
    Ok(id)
}

/// The reference by which the cardholder's bank knows it.
fn name_reference(ctx: &mut Context, id: &str) {
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

/// The fee of a destination charge whose transfer stays where it is.
fn credit_destination(ctx: &mut Context, fee: &str, amount: i64, currency: &str) {
    let platform = ctx.state.platform.clone();
    let Some(fee) = ctx.state.object(&platform, Kind::ApplicationFee, fee).cloned() else { return };
    application_fees::credit(ctx, fee.text("account"), fee.text("charge"), amount, currency);
}

/// Why a refund fails unless somebody says otherwise.
pub(crate) const USUAL_FAILURE: &str = "expired_or_canceled_card";

/// A refund that the cardholder's bank sends back: the money returns to the account.
pub(crate) fn fail(ctx: &mut Context, id: &str, reason: &str) {
    let account = ctx.account.clone();
    let Some(refund) = ctx.state.object(&account, Kind::Refund, id).cloned() else { return };
    if !["pending", "succeeded"].contains(&refund.text("status")) {
        return;
    }
    let available_on = ctx.now();
    let transaction = ledger::post(
        ctx,
        &account,
        &Posting {
            kind: "refund_failure",
            category: "refund_failure",
            amount: refund.int("amount"),
            fees: Vec::new(),
            currency: refund.text("currency"),
            source: id,
            description: Some("REFUND FAILURE".to_owned()),
            available_on,
            counterparty: Counterparty::Cardholder,
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
    changed(ctx, id);
}

/// `GET /v1/refunds/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Refund, path[0], "id")
}

/// `POST /v1/refunds/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Refund, path[0], "id")?;
    ctx.set(Kind::Refund, path[0], json!({ "metadata": params.merged_metadata(&before["metadata"]) }));
    ctx.emit("refund.updated", Kind::Refund, path[0]);
    ctx.fetch(Kind::Refund, path[0], "id")
}

/// `GET /v1/refunds`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    list::page(ctx, Kind::Refund, params, "/v1/refunds", |row| {
        ["charge", "payment_intent"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
    })
}
