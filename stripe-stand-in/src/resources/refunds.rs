//! Refunds: <https://docs.stripe.com/api/refunds>.

use serde_json::{Value, json};

use crate::engine::disputes;
use crate::engine::refund_row;
use crate::engine::refunds::{self, Parts};
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;
use crate::words::params::Params;

/// Parameters of `POST /v1/refunds`.
pub(crate) const CREATE: &str = "amount:i charge currency customer instructions_email metadata:m origin payment_intent \
    reason:(duplicate|fraudulent|requested_by_customer) refund_application_fee:b reverse_transfer:b";

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
    if disputes::forbids_refund(ctx, &charge_id) {
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
    let id = refunds::make(ctx, &parts, params)?;
    ctx.fetch(Kind::Refund, &id, "id")
}

/// Parameters of `POST /v1/charges/{id}/refunds`, an older endpoint for the same.
pub(crate) const OF_CHARGE: &str = "amount:i metadata:m payment_intent \
    reason:(duplicate|fraudulent|requested_by_customer) refund_application_fee:b reverse_transfer:b";

/// `POST /v1/charges/{id}/refunds`
pub(crate) fn of_charge_create(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let charge = ctx.fetch(Kind::Charge, path[0], "id")?;
    let mut form = params.value().clone();
    form["charge"] = charge["id"].clone();
    create(ctx, &[], &Params::from_value(form))
}

/// `GET /v1/charges/{id}/refunds`
pub(crate) fn of_charge_index(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Charge, path[0], "id")?;
    list::page_of(Kind::Refund, &refund_row::of_charge(ctx, path[0]), params, &format!("/v1/charges/{}/refunds", path[0]))
}

/// `GET /v1/refunds/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Refund, path[0], "id")
}

/// `POST /v1/refunds/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Refund, path[0], "id")?;
    ctx.set(Kind::Refund, path[0], json!({ "metadata": params.merged_metadata(&before["metadata"]) }));
    let account = ctx.account.clone();
    for event in ["refund.updated", "charge.refund.updated"] {
        ctx.emit_change(&account, event, Kind::Refund, path[0], &before);
    }
    ctx.fetch(Kind::Refund, path[0], "id")
}

/// `GET /v1/refunds`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let wanted =
        |row: &Value| ["charge", "payment_intent"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted));
    match params.text("charge") {
        Some(charge) => list::page_of_children(ctx, Kind::Refund, charge, params, "/v1/refunds", wanted),
        None => list::page(ctx, Kind::Refund, params, "/v1/refunds", wanted),
    }
}
