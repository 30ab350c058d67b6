//! Transfers and their reversals: money between the platform and connected accounts.

use serde_json::{Map, Value, json};

use crate::engine::accounts::rows;
use crate::engine::borders;
use crate::engine::charges;
use crate::engine::exchange::{self, Settled};
use crate::engine::ledger::{self, Counterparty, Fee, Posting};
use crate::engine::refund_row;
use crate::events::context::Context;
use crate::state::row::Link;
use crate::words::errors::ApiError;
use crate::words::ids::new_id;
use crate::words::json::{Fields, list_object};
use crate::words::kind::Kind;
use crate::words::money;

const DAY: i64 = 24 * 60 * 60;

/// A transfer to create.
#[derive(Clone, Debug)]
pub(crate) struct New {
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) destination: String,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Value,
    /// The charge for whose funds it waits.
    pub(crate) source_transaction: Option<String>,
    pub(crate) transfer_group: Option<String>,
    pub(crate) available_on: i64,
    /// The application fee taken from the payment: its id and amount.
    pub(crate) fee: Option<(String, i64)>,
    /// Whether it belongs to a destination charge.
    pub(crate) by_charge: bool,
}

/// Checks that money can be sent to an account.
///
/// # Errors
/// 400 if the account is not connected or cannot receive transfers.
pub(crate) fn check_destination(ctx: &Context, destination: &str, param: &str) -> Result<Value, ApiError> {
    // A connected account may send money to its platform.
    let to_platform = ctx.is_connected() && destination == ctx.state.platform;
    let account = ctx.state.account(destination).filter(|_| to_platform || ctx.state.link(destination) != Link::None);
    let Some(account) = account else {
        let error = ApiError::invalid(format!("No such destination: '{destination}'")).code("resource_missing").param(param);
        // For a transfer itself, this is only detected when it is created.
        return Err(if param == "destination" { error } else { error.of_parameters() });
    };
    if !rows::has_capability(account, "transfers") {
        return Err(ApiError::invalid(
            "Your destination account needs to have at least one of the following capabilities enabled: transfers, \
             crypto_transfers, legacy_payments",
        )
        .code("insufficient_capabilities_for_transfer"));
    }
    Ok(account.clone())
}

/// A created transfer.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) transfer: String,
    /// The payment (`py_…`) at its destination.
    pub(crate) payment: String,
    /// The amount that arrived there.
    pub(crate) arrived: Settled,
}

/// Moves money from the current account to a connected account, which converts it if it settles in another currency.
pub(crate) fn make(ctx: &mut Context, new: &New) -> Made {
    let now = ctx.now();
    let (id, payment) = (new_id("tr"), new_id("py"));
    let platform = ctx.account.clone();
    let arrived = exchange::incoming(ctx, &new.destination, new.amount, &new.currency);
    let fees = new.fee.iter().map(|(_, amount)| Fee::Application(arrived.same_rate(*amount))).collect();
    let out = Posting {
        kind: "transfer",
        category: "transfer",
        amount: -new.amount,
        fees: Vec::new(),
        currency: &new.currency,
        source: &id,
        description: new.description.clone(),
        available_on: new.available_on,
        counterparty: Counterparty::Account,
        exchange_rate: None,
        converted: None,
    };
    let transaction = ledger::post(ctx, &platform, &out);
    // A recipient receives it a day later (<https://docs.stripe.com/connect/service-agreement-types#recipient>).
    let later = if ctx.state.account(&new.destination).is_some_and(borders::is_recipient) { DAY } else { 0 };
    let inward = Posting {
        kind: "payment",
        category: "charge",
        amount: arrived.amount,
        fees,
        currency: &arrived.currency,
        source: &payment,
        exchange_rate: arrived.rate,
        converted: arrived.rate.map(|_| (new.amount, new.currency.as_str())),
        available_on: new.available_on + later,
        ..out
    };
    let received = ledger::post(ctx, &new.destination, &inward);

    let mut charge = charges::blank(&payment, new.amount, &new.currency, now);
    let fields = json!({
        "amount_captured": new.amount,
        "application": ctx.client_id,
        "application_fee": new.fee.as_ref().map(|(fee, _)| fee),
        "application_fee_amount": new.fee.as_ref().map(|(_, amount)| amount),
        "balance_transaction": received,
        "captured": true,
        "paid": true,
        "payment_method_details": { "stripe_account": {}, "type": "stripe_account" },
        "receipt_url": format!("{}/receipts/{payment}", ctx.origin),
        "source_transfer": id,
        "status": "succeeded",
    });
    for (name, value) in fields.as_object().into_iter().flatten() {
        charge[name.as_str()] = value.clone();
    }
    ctx.state.insert(&new.destination, Kind::Charge, charge, Map::new());
    let object = json!({
        "id": id,
        "object": "transfer",
        "amount": new.amount,
        "amount_reversed": 0,
        "balance_transaction": transaction,
        "created": now,
        "currency": new.currency,
        "description": new.description,
        "destination": new.destination,
        "destination_payment": payment,
        "livemode": false,
        "metadata": new.metadata,
        "reversals": list_object(Vec::new(), &format!("/v1/transfers/{id}/reversals")),
        "reversed": false,
        "source_transaction": new.source_transaction,
        "source_type": "card",
        "transfer_group": new.transfer_group,
    });
    let mut hidden = Map::new();
    if new.by_charge {
        hidden.insert("by_charge".into(), true.into());
    }
    ctx.state.insert(&platform, Kind::Transfer, object, hidden);
    ctx.emit("transfer.created", Kind::Transfer, &id);
    Made { transfer: id, payment, arrived }
}

/// A reversal to create.
#[derive(Clone, Debug)]
pub(crate) struct Reversal<'a> {
    pub(crate) amount: i64,
    pub(crate) metadata: Value,
    /// The refund that causes it.
    pub(crate) source_refund: Option<&'a str>,
}

/// Reverses part of a transfer. Returns the reversal's id.
///
/// # Errors
/// 400 for more than is left.
pub(crate) fn take_back(ctx: &mut Context, transfer: &str, reversal: &Reversal) -> Result<String, ApiError> {
    let object = ctx.fetch_param(Kind::Transfer, transfer, "transfer")?;
    let left = object.int("amount") - object.int("amount_reversed");
    let currency = object.text("currency").to_owned();
    if left == 0 {
        return Err(ApiError::invalid(format!("Transfer {transfer} has already been fully reversed.")));
    }
    if reversal.amount > left {
        return Err(ApiError::invalid(format!(
            "Transfer reversal amount ({}) is greater than unreversed amount on transfer ({})",
            money::display(reversal.amount, &currency),
            money::display(left, &currency)
        ))
        .param("amount"));
    }
    let destination = object.text("destination").to_owned();
    let paid = exchange::outgoing(ctx, &destination, reversal.amount, &currency);
    if paid.amount == 0 {
        return Err(ApiError::invalid(format!(
            "The reversal of {} is too small: it converts to nothing in {}.",
            money::display(reversal.amount, &currency),
            paid.currency
        ))
        .param("amount"));
    }
    let platform = ctx.account.clone();
    let payment = object.text("destination_payment").to_owned();
    let (id, refund) = (new_id("trr"), new_id("pyr"));
    // Money that has not arrived yet is taken from what is pending.
    let incoming = ctx.state.object(&destination, Kind::Charge, &payment).map(|p| p.text("balance_transaction").to_owned());
    let available_on = ledger::available_on(ctx, &destination, &incoming.unwrap_or_default());
    let inward = Posting {
        kind: "transfer_refund",
        category: "transfer_reversal",
        amount: reversal.amount,
        fees: Vec::new(),
        currency: &currency,
        source: transfer,
        description: Some(format!("REFUND FOR TRANSFER ({transfer})")),
        available_on,
        counterparty: Counterparty::Account,
        exchange_rate: None,
        converted: None,
    };
    let transaction = ledger::post(ctx, &platform, &inward);
    let out = Posting {
        kind: "payment_refund",
        category: "refund",
        amount: -paid.amount,
        currency: &paid.currency,
        source: &refund,
        description: Some("REFUND FOR PAYMENT".to_owned()),
        exchange_rate: paid.rate,
        converted: paid.rate.map(|_| (-reversal.amount, currency.as_str())),
        ..inward
    };
    let paid_back = ledger::post(ctx, &destination, &out);
    let now = ctx.now();
    let given_back = refund_row::blank(&refund, &payment, reversal.amount, &currency, now);
    ctx.state.insert(&destination, Kind::Refund, given_back, Map::new());
    ctx.state.set(
        &destination,
        Kind::Refund,
        &refund,
        json!({ "balance_transaction": paid_back, "source_transfer_reversal": id, "transfer_reversal": id }),
    );
    let back = ctx.state.object(&destination, Kind::Charge, &payment).map_or(0, |p| p.int("amount_refunded"));
    let whole = back + reversal.amount == object.int("amount");
    ctx.state.set(&destination, Kind::Charge, &payment, json!({ "amount_refunded": back + reversal.amount, "refunded": whole }));
    let made = json!({
        "id": id,
        "object": "transfer_reversal",
        "amount": reversal.amount,
        "balance_transaction": transaction,
        "created": now,
        "currency": currency,
        "destination_payment_refund": refund,
        "metadata": reversal.metadata,
        "source_refund": reversal.source_refund,
        "transfer": transfer,
    });
    ctx.insert(Kind::TransferReversal, made.clone());
    let reversed = object.int("amount_reversed") + reversal.amount;
    let mut all = object["reversals"].clone();
    all["total_count"] = (all.int("total_count") + 1).into();
    if let Some(data) = all["data"].as_array_mut() {
        data.insert(0, made);
    }
    ctx.set(
        Kind::Transfer,
        transfer,
        json!({ "amount_reversed": reversed, "reversed": reversed == object.int("amount"), "reversals": all }),
    );
    ctx.emit("transfer.reversed", Kind::Transfer, transfer);
    ctx.emit_in(&destination, "charge.refunded", Kind::Charge, &payment);
    Ok(id)
}
