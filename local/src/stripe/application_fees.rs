//! Application fees of the platform and their refunds: <https://docs.stripe.com/api/application_fees>.

use serde_json::{Value, json};

use super::context::Context;
use super::errors::ApiError;
use super::ledger::{self, Counterparty, Fee, Posting};
use super::list;
use super::money;
use super::params::Params;
use super::state::{Fields, Kind, list_object, new_id};

/// A fee to be taken.
#[derive(Clone, Debug)]
pub(crate) struct New<'a> {
    /// Set beforehand, because the charge names the fee as well.
    pub(crate) id: &'a str,
    /// The connected account that it is taken from.
    pub(crate) account: &'a str,
    pub(crate) amount: i64,
    pub(crate) currency: &'a str,
    /// The connected account's charge or payment.
    pub(crate) charge: &'a str,
    /// The platform's charge, where the money passed through it.
    pub(crate) originating_transaction: Option<&'a str>,
    pub(crate) available_on: i64,
}

/// Takes a fee: posts it to the platform. The connected account's side is part of its charge's transaction.
pub(crate) fn make(ctx: &mut Context, new: &New) {
    let platform = ctx.state.platform.clone();
    let transaction = ledger::post(
        ctx,
        &platform,
        &Posting {
            kind: "application_fee",
            category: "platform_earning",
            amount: new.amount,
            fees: Vec::new(),
            currency: new.currency,
            source: new.id,
            description: Some("Application fee".to_owned()),
            available_on: new.available_on,
            counterparty: Counterparty::Account,
        },
    );
    let id = new.id;
    let object = json!({
        "id": id,
        "object": "application_fee",
        "account": new.account,
        "amount": new.amount,
        "amount_refunded": 0,
        "application": ctx.client_id,
        "balance_transaction": transaction,
        "charge": new.charge,
        "created": ctx.now(),
        "currency": new.currency,
        "fee_source": { "charge": new.charge, "type": "charge" },
        "livemode": false,
        "originating_transaction": new.originating_transaction,
        "refunded": false,
        "refunds": list_object(Vec::new(), &format!("/v1/application_fees/{id}/refunds")),
    });
    ctx.state.insert(&platform, Kind::ApplicationFee, object, serde_json::Map::new());
    ctx.emit_in(&platform, "application_fee.created", Kind::ApplicationFee, id);
}

/// The fee of a connected account's charge, and the share of it that belongs to a part of that charge.
pub(crate) fn share_of_payment(ctx: &Context, account: &str, charge: &str, part: i64) -> Option<(String, i64)> {
    let charge = ctx.state.object(account, Kind::Charge, charge)?;
    let fee = ctx.state.object(&ctx.state.platform, Kind::ApplicationFee, charge.maybe("application_fee")?)?;
    let share = money::share(fee.int("amount"), part, charge.int("amount_captured"));
    Some((fee.text("id").to_owned(), share.min(fee.int("amount") - fee.int("amount_refunded"))))
}

/// Gives a part of a fee back on the platform's side: the refund's id.
pub(crate) fn give_back(ctx: &mut Context, fee: &str, amount: i64, metadata: Value) -> String {
    let platform = ctx.state.platform.clone();
    let Some(object) = ctx.state.object(&platform, Kind::ApplicationFee, fee).cloned() else { return String::new() };
    let currency = object.text("currency");
    let id = new_id("fr");
    let taken = ledger::available_on(ctx, &platform, object.text("balance_transaction"));
    let transaction = ledger::post(
        ctx,
        &platform,
        &Posting {
            kind: "application_fee_refund",
            category: "platform_earning_refund",
            amount: -amount,
            fees: Vec::new(),
            currency,
            source: &id,
            description: Some("Application fee refund".to_owned()),
            available_on: taken,
            counterparty: Counterparty::Account,
        },
    );
    let refund = json!({
        "id": id,
        "object": "fee_refund",
        "amount": amount,
        "balance_transaction": transaction,
        "created": ctx.now(),
        "currency": currency,
        "fee": fee,
        "metadata": metadata,
    });
    ctx.state.insert(&platform, Kind::FeeRefund, refund.clone(), serde_json::Map::new());
    let back = object.int("amount_refunded") + amount;
    let mut all = object["refunds"].clone();
    all["total_count"] = (all.int("total_count") + 1).into();
    if let Some(data) = all["data"].as_array_mut() {
        data.insert(0, refund);
    }
    ctx.state.set(
        &platform,
        Kind::ApplicationFee,
        fee,
        json!({ "amount_refunded": back, "refunded": back == object.int("amount"), "refunds": all }),
    );
    ctx.emit_in(&platform, "application_fee.refunded", Kind::ApplicationFee, fee);
    id
}

/// `GET /v1/application_fees`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let charge = params.text("charge").map(str::to_owned);
    list::page(ctx, Kind::ApplicationFee, params, "/v1/application_fees", |row| {
        charge.as_deref().is_none_or(|charge| row["charge"] == charge || row["originating_transaction"] == charge)
    })
}

/// `GET /v1/application_fees/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::ApplicationFee, path[0], "id")
}

/// `GET /v1/application_fees/{id}/refunds`
pub(crate) fn refunds(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::ApplicationFee, path[0], "id")?;
    let url = format!("/v1/application_fees/{}/refunds", path[0]);
    list::page(ctx, Kind::FeeRefund, params, &url, |row| row["fee"] == path[0])
}

/// `POST /v1/application_fees/{id}/refunds`: the money goes back to the connected account.
pub(crate) fn refund(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let fee = ctx.fetch(Kind::ApplicationFee, path[0], "id")?;
    let left = fee.int("amount") - fee.int("amount_refunded");
    let amount = params.int("amount").unwrap_or(left);
    let currency = fee.text("currency");
    if left == 0 {
        return Err(ApiError::invalid(format!("Application fee {} has already been refunded.", path[0])));
    }
    if amount < 1 || amount > left {
        return Err(ApiError::invalid(format!(
            "Refund amount ({}) is greater than unrefunded amount on fee ({})",
            money::display(amount, currency),
            money::display(left, currency)
        ))
        .param("amount"));
    }
    let id = give_back(ctx, path[0], amount, params.metadata());
    credit(ctx, fee.text("account"), fee.text("charge"), amount, currency);
    ctx.fetch(Kind::FeeRefund, &id, "id")
}

/// A fee that goes back to a connected account by itself, without a refund of the charge there.
pub(crate) fn credit(ctx: &mut Context, account: &str, charge: &str, amount: i64, currency: &str) {
    let available_on = ctx.now();
    ledger::post(
        ctx,
        account,
        &Posting {
            kind: "adjustment",
            category: "other_adjustment",
            amount: 0,
            fees: vec![Fee::Application(-amount)],
            currency,
            source: charge,
            description: Some("Application fee refund".to_owned()),
            available_on,
            counterparty: Counterparty::Account,
        },
    );
}

/// `GET /v1/application_fees/{id}/refunds/{refund}`
pub(crate) fn retrieve_refund(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let refund = ctx.fetch(Kind::FeeRefund, path[1], "id")?;
    if refund["fee"] == path[0] { Ok(refund) } else { Err(ApiError::no_such(Kind::FeeRefund, path[1], "id")) }
}
