//! Transfers to connected accounts and their reversals: <https://docs.stripe.com/api/transfers>.

use serde_json::{Map, Value, json};

use super::accounts;
use super::application_fees;
use super::charges;
use super::context::Context;
use super::errors::ApiError;
use super::ledger::{self, Counterparty, Fee, Posting};
use super::list;
use super::money;
use super::params::Params;
use super::refunds;
use super::state::{Fields, Kind, Link, list_object, new_id};

/// Parameters of `POST /v1/transfers`.
pub(crate) const CREATE: &str = "amount:i currency description destination metadata:m source_transaction \
    source_type:(bank_account|card|fpx) transfer_group";

/// Parameters of `POST /v1/transfers/{id}/reversals`.
pub(crate) const REVERSE: &str = "amount:i description metadata:m refund_application_fee:b";

/// A transfer to be made.
#[derive(Clone, Debug)]
pub(crate) struct New {
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) destination: String,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Value,
    /// The charge whose funds it waits for.
    pub(crate) source_transaction: Option<String>,
    pub(crate) transfer_group: Option<String>,
    pub(crate) available_on: i64,
    /// The application fee that is taken from the payment, and its object.
    pub(crate) fee: Option<(String, i64)>,
    /// Whether a destination charge makes it.
    pub(crate) by_charge: bool,
}

/// Whether money can be sent to that account.
///
/// # Errors
/// 400 for an account that is not connected or may not take transfers.
pub(crate) fn check_destination(ctx: &Context, destination: &str, param: &str) -> Result<Value, ApiError> {
    let account = ctx.state.account(destination).filter(|_| ctx.state.link(destination) != Link::None);
    let Some(account) = account else {
        return Err(ApiError::invalid(format!("No such destination: '{destination}'")).code("resource_missing").param(param));
    };
    if !accounts::has_capability(account, "transfers") {
        return Err(ApiError::invalid(
            "Your destination account needs to have at least one of the following capabilities enabled: transfers, \
             crypto_transfers, legacy_payments",
        )
        .code("insufficient_capabilities_for_transfer"));
    }
    Ok(account.clone())
}

/// Moves money from the account acted on to a connected account: the transfer's id.
pub(crate) fn make(ctx: &mut Context, new: &New) -> String {
    let now = ctx.now();
    let (id, payment) = (new_id("tr"), new_id("py"));
    let platform = ctx.account.clone();
    let fees = new.fee.iter().map(|(_, amount)| Fee::Application(*amount)).collect();
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
    };
    let transaction = ledger::post(ctx, &platform, &out);
    let inward = Posting { kind: "payment", category: "charge", amount: new.amount, fees, source: &payment, ..out };
    let received = ledger::post(ctx, &new.destination, &inward);

    let mut charge = charges::blank(&payment, new.amount, &new.currency, now);
    let fields = json!({
        "amount_captured": new.amount,
        "application": new.fee.as_ref().map(|_| ctx.client_id.clone()),
        "application_fee": new.fee.as_ref().map(|(fee, _)| fee),
        "application_fee_amount": new.fee.as_ref().map(|(_, amount)| amount),
        "balance_transaction": received,
        "captured": true,
        "outcome": { "network_status": "not_sent_to_network", "reason": null, "seller_message": "Payment complete.",
            "type": "authorized" },
        "paid": true,
        "payment_method_details": { "stripe_account": {}, "type": "stripe_account" },
        "source_transfer": id,
        "status": "succeeded",
        "transfer_group": new.transfer_group,
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
    id
}

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
        (None, Some(charge)) => charge.int("amount_captured"),
        (None, None) => return Err(ApiError::missing("amount")),
    };
    if amount < 1 {
        let error = ApiError::invalid("This value must be greater than or equal to 1.");
        return Err(error.code("parameter_invalid_integer").param("amount"));
    }
    check_destination(ctx, &destination, "destination")?;
    let available_on = match &source {
        Some(charge) => {
            let sent: i64 = ctx
                .state
                .rows(&ctx.account, Kind::Transfer)
                .iter()
                .filter(|row| row.object["source_transaction"] == charge["id"])
                .map(|row| row.object.int("amount") - row.object.int("amount_reversed"))
                .sum();
            if sent + amount > charge.int("amount_captured") {
                return Err(ApiError::invalid(format!(
                    "Cannot create transfers of more than the amount of the source transaction {}: {} of {} are \
                     transferred already.",
                    charge.text("id"),
                    money::display(sent, &currency),
                    money::display(charge.int("amount_captured"), &currency)
                ))
                .param("amount"));
            }
            ledger::available_on(ctx, &ctx.account, charge.text("balance_transaction"))
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
    let inherited = source.as_ref().and_then(|charge| charge.maybe("transfer_group").map(str::to_owned));
    let id = make(
        ctx,
        &New {
            amount,
            currency,
            destination,
            description: params.text("description").map(str::to_owned),
            metadata: params.metadata(),
            source_transaction: source.map(|charge| charge.text("id").to_owned()),
            transfer_group: group.or(inherited),
            available_on,
            fee: None,
            by_charge: false,
        },
    );
    ctx.fetch(Kind::Transfer, &id, "id")
}

fn usable_source(ctx: &Context, id: &str, currency: &str) -> Result<Value, ApiError> {
    let charge = ctx.fetch_param(Kind::Charge, id, "source_transaction")?;
    if charge.text("status") != "succeeded" || !charge.flag("captured") {
        return Err(
            ApiError::invalid(format!("The source transaction {id} must be a captured, successful charge.")).param("source_transaction")
        );
    }
    if charge.text("currency") != currency {
        return Err(ApiError::invalid(format!(
            "The currency of source_transaction's balance transaction ({}) must be the same as the transfer currency \
             ({currency})",
            charge.text("currency")
        ))
        .param("currency"));
    }
    Ok(charge)
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

/// A reversal to be made.
#[derive(Clone, Debug)]
pub(crate) struct Reversal<'a> {
    pub(crate) amount: i64,
    pub(crate) metadata: Value,
    /// The refund that causes it.
    pub(crate) source_refund: Option<&'a str>,
    /// How much of the application fee is given back with it.
    pub(crate) fee: i64,
}

/// Takes money of a transfer back: the reversal's id.
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
    let platform = ctx.account.clone();
    let destination = object.text("destination").to_owned();
    let payment = object.text("destination_payment").to_owned();
    let (id, refund) = (new_id("trr"), new_id("pyr"));
    // Money that is not there yet is taken from what is to come.
    let incoming = ctx.state.object(&destination, Kind::Charge, &payment).map(|p| p.text("balance_transaction").to_owned());
    let available_on = ledger::available_on(ctx, &destination, &incoming.unwrap_or_default());
    let inward = Posting {
        kind: "transfer_refund",
        category: "transfer_reversal",
        amount: reversal.amount,
        fees: Vec::new(),
        currency: &currency,
        source: &id,
        description: Some(format!("REFUND FOR TRANSFER ({transfer})")),
        available_on,
        counterparty: Counterparty::Account,
    };
    let transaction = ledger::post(ctx, &platform, &inward);
    let fees = if reversal.fee == 0 { Vec::new() } else { vec![Fee::Application(-reversal.fee)] };
    let out = Posting {
        kind: "payment_refund",
        category: "refund",
        amount: -reversal.amount,
        fees,
        source: &refund,
        description: Some("REFUND FOR PAYMENT".to_owned()),
        ..inward
    };
    let paid_back = ledger::post(ctx, &destination, &out);
    let now = ctx.now();
    let given_back = refunds::blank(&refund, &payment, reversal.amount, &currency, now);
    ctx.state.insert(&destination, Kind::Refund, given_back, Map::new());
    ctx.state.set(&destination, Kind::Refund, &refund, json!({ "balance_transaction": paid_back, "source_transfer_reversal": id }));
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
    if !by_charge && ledger::available(ctx, &destination, transfer.text("currency")) < amount {
        return Err(ApiError::invalid("The connected account does not have enough available balance for this reversal.")
            .code("balance_insufficient"));
    }
    let fee = if params.is("refund_application_fee") {
        application_fees::share_of_payment(ctx, &destination, transfer.text("destination_payment"), amount)
    } else {
        None
    };
    let reversal =
        Reversal { amount, metadata: params.metadata(), source_refund: None, fee: fee.as_ref().map_or(0, |(_, amount)| *amount) };
    let id = take_back(ctx, path[0], &reversal)?;
    if let Some((fee, amount)) = fee.filter(|(_, amount)| *amount > 0) {
        application_fees::give_back(ctx, &fee, amount, json!({}));
    }
    ctx.fetch(Kind::TransferReversal, &id, "id")
}

/// `GET /v1/transfers/{id}/reversals`
pub(crate) fn reversals(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Transfer, path[0], "id")?;
    let url = format!("/v1/transfers/{}/reversals", path[0]);
    list::page(ctx, Kind::TransferReversal, params, &url, |row| row["transfer"] == path[0])
}

/// `GET /v1/transfers/{id}/reversals/{reversal}`
pub(crate) fn retrieve_reversal(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let reversal = ctx.fetch(Kind::TransferReversal, path[1], "id")?;
    if reversal["transfer"] == path[0] { Ok(reversal) } else { Err(ApiError::no_such(Kind::TransferReversal, path[1], "id")) }
}
