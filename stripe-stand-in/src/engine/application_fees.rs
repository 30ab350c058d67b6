//! Application fees: the platform's share of connected accounts' payments, and its refunds.

use serde_json::{Map, Value, json};

use crate::engine::exchange::{self, Settled};
use crate::engine::ledger::{self, Counterparty, Posting};
use crate::events::context::Context;
use crate::words::ids::new_id;
use crate::words::json::{Fields, list_object};
use crate::words::kind::Kind;
use crate::words::money;

/// A fee to be taken.
#[derive(Clone, Debug)]
pub(crate) struct New<'a> {
    /// Chosen beforehand, because the charge contains it too.
    pub(crate) id: &'a str,
    /// The connected account that it is taken from.
    pub(crate) account: &'a str,
    pub(crate) amount: i64,
    pub(crate) currency: &'a str,
    /// The connected account's charge or payment.
    pub(crate) charge: &'a str,
    /// The platform's charge, if the money passed through it.
    pub(crate) originating_transaction: Option<&'a str>,
    pub(crate) available_on: i64,
    /// What the connected account pays, in its own currency.
    pub(crate) taken: i64,
    /// That currency, and the rate at which the fee was converted to it.
    pub(crate) there: &'a Settled,
}

/// Posts a fee to the platform. The connected account's side is part of its charge's transaction.
pub(crate) fn make(ctx: &mut Context, new: &New) {
    let platform = ctx.state.platform.clone();
    let got = exchange::incoming(ctx, &platform, new.amount, new.currency);
    let transaction = ledger::post(
        ctx,
        &platform,
        &Posting {
            kind: "application_fee",
            category: "platform_earning",
            amount: got.amount,
            fees: Vec::new(),
            currency: &got.currency,
            source: new.id,
            description: Some("Application fee".to_owned()),
            available_on: new.available_on,
            counterparty: Counterparty::Account,
            // If the platform converts nothing, the transaction shows the connected account's rate.
            exchange_rate: got.rate.or(new.there.rate),
            converted: Some((new.taken, &new.there.currency)),
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
    let taken = json!({ "amount": new.taken, "currency": new.there.currency, "rate": new.there.rate });
    ctx.state.insert(&platform, Kind::ApplicationFee, object, Map::from_iter([("taken".to_owned(), taken)]));
    ctx.emit_in(&platform, "application_fee.created", Kind::ApplicationFee, id);
}

/// The fee of a connected account's charge, and the fee's share of a part of that charge.
pub(crate) fn share_of_payment(ctx: &Context, account: &str, charge: &str, part: i64) -> Option<(String, i64)> {
    let charge = ctx.state.object(account, Kind::Charge, charge)?;
    let fee = ctx.state.object(&ctx.state.platform, Kind::ApplicationFee, charge.maybe("application_fee")?)?;
    let share = money::share(fee.int("amount"), part, charge.int("amount_captured"));
    Some((fee.text("id").to_owned(), share.min(fee.int("amount") - fee.int("amount_refunded"))))
}

/// What the connected account gets back with this much of a fee, so that the parts add up to what was taken.
fn there(fee: &Value, taken: &Value, amount: i64) -> i64 {
    let whole = taken.int("amount");
    let up_to = |part: i64| match taken["rate"].as_f64() {
        _ if part >= fee.int("amount") => whole,
        Some(rate) => exchange::at(part, rate).min(whole),
        None => part.min(whole),
    };
    let before = fee.int("amount_refunded");
    up_to(before + amount) - up_to(before)
}

/// Refunds part of a fee to the account that paid it. Returns the refund's id.
pub(crate) fn give_back(ctx: &mut Context, fee: &str, amount: i64, metadata: Value) -> String {
    let platform = ctx.state.platform.clone();
    let Some(object) = ctx.state.object(&platform, Kind::ApplicationFee, fee).cloned() else { return String::new() };
    let currency = object.text("currency");
    let taken = ctx.state.hidden(&platform, Kind::ApplicationFee, fee, "taken").cloned().unwrap_or_default();
    let own = taken.maybe("currency").unwrap_or(currency);
    let part = if taken.is_null() { amount } else { there(&object, &taken, amount) };
    let id = new_id("fr");
    let paid = exchange::outgoing(ctx, &platform, amount, currency);
    let rate = (own != currency).then(|| exchange::rate(ctx, currency, own, 1.0));
    let available_on = ledger::available_on(ctx, &platform, object.text("balance_transaction"));
    let transaction = ledger::post(
        ctx,
        &platform,
        &Posting {
            kind: "application_fee_refund",
            category: "platform_earning_refund",
            amount: -paid.amount,
            fees: Vec::new(),
            currency: &paid.currency,
            source: fee,
            description: Some("REFUND FOR APPLICATION FEE".to_owned()),
            available_on,
            counterparty: Counterparty::Account,
            exchange_rate: paid.rate.or(rate),
            converted: Some((-part, own)),
        },
    );
    credit(ctx, &object, part, own);
    let refund = json!({
        "id": id,
        "object": "fee_refund",
        "amount": part,
        "balance_transaction": transaction,
        "created": ctx.now(),
        "currency": own,
        "fee": fee,
        "metadata": metadata,
    });
    ctx.state.insert(&platform, Kind::FeeRefund, refund.clone(), Map::new());
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

/// The connected account's side is a separate transaction, not part of the refund's.
fn credit(ctx: &mut Context, fee: &Value, amount: i64, currency: &str) {
    let (account, charge) = (fee.text("account"), fee.text("charge"));
    let paid = ctx.state.object(account, Kind::Charge, charge).map(|charge| charge.text("balance_transaction").to_owned());
    let available_on = ledger::available_on(ctx, account, &paid.unwrap_or_default());
    ledger::post(
        ctx,
        account,
        &Posting {
            kind: "adjustment",
            category: "other_adjustment",
            amount,
            fees: Vec::new(),
            currency,
            source: charge,
            description: Some("Application fee refund".to_owned()),
            available_on,
            counterparty: Counterparty::Account,
            exchange_rate: None,
            converted: None,
        },
    );
}
