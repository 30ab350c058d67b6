//! Transfers to connected accounts and their reversals: <https://docs.stripe.com/api/transfers>.

use serde_json::{Value, json};

use crate::engine::application_fees;
use crate::engine::borders;
use crate::engine::exchange;
use crate::engine::ledger;
use crate::engine::transfers::{self, New, Reversal};
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;
use crate::words::params::Params;

/// Parameters of `POST /v1/transfers`.
pub(crate) const CREATE: &str = "amount:i currency description destination metadata:m source_transaction \
    source_type:(card) transfer_group";

/// Parameters of `POST /v1/transfers/{id}/reversals`.
pub(crate) const REVERSE: &str = "amount:i description metadata:m refund_application_fee:b";

/// `POST /v1/transfers`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let currency = money::currency(params.required("currency")?, "currency")?;
    let destination = params.required("destination")?.to_owned();
    let source = params.text("source_transaction").map(str::to_owned);
    let source = match source {
        Some(id) => Some(usable_source(ctx, &id, &currency)?),
        None => None,
    };
    let amount = match (params.int("amount"), &source) {
        (Some(amount), _) => amount,
        (None, Some((_, settled))) => settled.int("amount"),
        (None, None) => return Err(ApiError::missing("amount")),
    };
    if amount < 1 {
        let error = ApiError::invalid("This value must be greater than or equal to 1.");
        return Err(error.code("parameter_invalid_integer").param("amount"));
    }
    let account = transfers::check_destination(ctx, &destination, "destination")?;
    borders::check_transfer(ctx, &account, source.as_ref().map(|(charge, _)| charge))?;
    let available_on = match &source {
        Some((charge, settled)) => {
            let sent: i64 = ctx
                .state
                .children(&ctx.account, Kind::Transfer, charge.text("id"))
                .map(|row| row.object.int("amount") - row.object.int("amount_reversed"))
                .sum();
            if sent + amount > settled.int("amount") {
                return Err(ApiError::invalid(format!(
                    "Cannot create transfers of more than the amount of the source transaction {}: {} of {} are \
                     transferred already.",
                    charge.text("id"),
                    money::display(sent, &currency),
                    money::display(settled.int("amount"), &currency)
                ))
                .param("amount"));
            }
            settled.int("available_on")
        }
        None => {
            if ledger::available(ctx, &ctx.account, &currency) < amount {
                return Err(ApiError::invalid(
                    "You have insufficient available funds in your Stripe account. Try adding funds directly to your \
                     available balance by creating Charges using the 4000000000000077 test card. See: \
                     https://stripe.com/docs/testing#available-balance",
                )
                .code("balance_insufficient"));
            }
            ctx.now()
        }
    };
    let group = params.text("transfer_group").map(str::to_owned);
    // Without a group the charge and its transfers get one (<https://docs.stripe.com/connect/separate-charges-and-transfers>).
    let inherited = source.as_ref().map(|(charge, _)| {
        charge.maybe("transfer_group").map_or_else(|| format!("group_{}", charge.text("payment_intent")), str::to_owned)
    });
    if let (Some((charge, _)), Some(group)) = (&source, &inherited) {
        ctx.set(Kind::Charge, charge.text("id"), json!({ "transfer_group": group }));
    }
    let made = transfers::make(
        ctx,
        &New {
            amount,
            currency,
            destination,
            description: params.text("description").map(str::to_owned),
            metadata: params.metadata(),
            source_transaction: source.map(|(charge, _)| charge.text("id").to_owned()),
            transfer_group: group.or(inherited),
            available_on,
            fee: None,
            by_charge: false,
        },
    );
    ctx.fetch(Kind::Transfer, &made.transfer, "id")
}

/// The charge that funds a transfer, and its balance transaction.
fn usable_source(ctx: &Context, id: &str, currency: &str) -> Result<(Value, Value), ApiError> {
    let charge = ctx.fetch_param(Kind::Charge, id, "source_transaction")?;
    if charge.text("status") != "succeeded" || !charge.flag("captured") {
        return Err(
            ApiError::invalid(format!("The source transaction {id} must be a captured, successful charge.")).param("source_transaction")
        );
    }
    let settled = ctx.state.object(&ctx.account, Kind::BalanceTransaction, charge.text("balance_transaction")).cloned();
    let Some(settled) = settled else {
        return Err(ApiError::invalid(format!(
            "The source transaction {id} has no balance transaction yet: its capture is not finished. Please try again later."
        ))
        .param("source_transaction"));
    };
    if settled.text("currency") != currency {
        return Err(ApiError::invalid(format!(
            "The currency of source_transaction's balance transaction ({}) must be the same as the transfer currency \
             ({currency})",
            settled.text("currency")
        ))
        .param("currency"));
    }
    Ok((charge, settled))
}

/// `GET /v1/transfers/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Transfer, path[0], "id")
}

/// `POST /v1/transfers/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Transfer, path[0], "id")?;
    let mut after = json!({ "metadata": params.merged_metadata(&before["metadata"]) });
    if params.has("description") {
        after["description"] = params.json("description");
    }
    ctx.set(Kind::Transfer, path[0], after);
    let account = ctx.account.clone();
    ctx.emit_change(&account, "transfer.updated", Kind::Transfer, path[0], &before);
    ctx.fetch(Kind::Transfer, path[0], "id")
}

/// `GET /v1/transfers`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    list::page(ctx, Kind::Transfer, params, "/v1/transfers", |row| {
        ["destination", "transfer_group"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
    })
}

/// `POST /v1/transfers/{id}/reversals`
pub(crate) fn reverse(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let transfer = ctx.fetch(Kind::Transfer, path[0], "id")?;
    let left = transfer.int("amount") - transfer.int("amount_reversed");
    let amount = params.int("amount").unwrap_or(left);
    if amount < 1 && left > 0 {
        let error = ApiError::invalid("This value must be greater than or equal to 1.");
        return Err(error.code("parameter_invalid_integer").param("amount"));
    }
    let account = ctx.account.clone();
    let by_charge = ctx.state.hidden(&account, Kind::Transfer, path[0], "by_charge").is_some();
    let destination = transfer.text("destination").to_owned();
    // A destination charge's transfer can be reversed while its funds are pending; any other needs balance there.
    let paid = exchange::outgoing(ctx, &destination, amount, transfer.text("currency"));
    if !by_charge && ledger::available(ctx, &destination, &paid.currency) < paid.amount {
        return Err(ApiError::invalid("The connected account does not have enough available balance for this reversal.")
            .code("balance_insufficient"));
    }
    let fee = if params.is("refund_application_fee") {
        application_fees::share_of_payment(ctx, &destination, transfer.text("destination_payment"), amount)
    } else {
        None
    };
    let reversal = Reversal { amount, metadata: params.metadata(), source_refund: None };
    let id = transfers::take_back(ctx, path[0], &reversal)?;
    if let Some((fee, amount)) = fee.filter(|(_, amount)| *amount > 0) {
        application_fees::give_back(ctx, &fee, amount, json!({}));
    }
    ctx.fetch(Kind::TransferReversal, &id, "id")
}

/// `GET /v1/transfers/{id}/reversals`
pub(crate) fn reversals(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Transfer, path[0], "id")?;
    let url = format!("/v1/transfers/{}/reversals", path[0]);
    list::page_of_children(ctx, Kind::TransferReversal, path[0], params, &url, |_| true)
}

/// `GET /v1/transfers/{id}/reversals/{reversal}`
pub(crate) fn retrieve_reversal(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let reversal = ctx.fetch(Kind::TransferReversal, path[1], "id")?;
    if reversal["transfer"] == path[0] { Ok(reversal) } else { Err(ApiError::no_such(Kind::TransferReversal, path[1], "id")) }
}
