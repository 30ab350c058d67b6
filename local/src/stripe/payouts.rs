//! Payouts to bank accounts: <https://docs.stripe.com/api/payouts>. None happens by itself, so that a test's balance stays
//! where it is: the admin API makes the automatic one.

use serde_json::{Map, Value, json};

use super::context::Context;
use super::errors::ApiError;
use super::jobs::Job;
use super::ledger::{self, Counterparty, Posting};
use super::list;
use super::money;
use super::params::Params;
use super::state::{Fields, Kind, new_id};

/// Parameters of `POST /v1/payouts`.
pub(crate) const CREATE: &str = "amount:i currency description destination metadata:m method:(instant|standard) \
    payout_method source_type:(bank_account|card|fpx) statement_descriptor";

/// A bank takes so many seconds.
const ARRIVAL: i64 = 24 * 60 * 60;

/// `POST /v1/payouts`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let amount = params.int("amount").ok_or_else(|| ApiError::missing("amount"))?;
    let currency = money::currency(params.required("currency")?, "currency")?;
    if amount < 1 {
        let error = ApiError::invalid("This value must be greater than or equal to 1.");
        return Err(error.code("parameter_invalid_integer").param("amount"));
    }
    let id = make(ctx, amount, &currency, params, false)?;
    ctx.fetch(Kind::Payout, &id, "payout")
}

/// Sends money to the bank: the payout's id.
fn make(ctx: &mut Context, amount: i64, currency: &str, params: &Params, automatic: bool) -> Result<String, ApiError> {
    let account = ctx.account.clone();
    let owner = ctx.state.account(&account).cloned().unwrap_or_default();
    if !owner.flag("payouts_enabled") {
        return Err(ApiError::invalid(
            "Cannot create payouts: this account has requirements that need to be completed before it can be paid out.",
        )
        .code("payouts_not_allowed"));
    }
    if ledger::available(ctx, &account, currency) < amount {
        return Err(ApiError::invalid(
            "You have insufficient funds in your Stripe account for this transfer. Your card balance is too low. You can \
             use the /v1/balance endpoint to view your Stripe balance (for more details, see stripe.com/docs/api#balance).",
        )
        .code("balance_insufficient")
        .param("amount"));
    }
    let id = new_id("po");
    let now = ctx.now();
    let transaction = post(ctx, &id, "payout", -amount, currency);
    let object = json!({
        "id": id,
        "object": "payout",
        "amount": amount,
        "application_fee": null,
        "application_fee_amount": null,
        "arrival_date": now + ARRIVAL,
        "automatic": automatic,
        "balance_transaction": transaction,
        "created": now,
        "currency": currency,
        "description": params.json("description"),
        "destination": owner["external_accounts"]["data"][0]["id"],
        "failure_balance_transaction": null,
        "failure_code": null,
        "failure_message": null,
        "livemode": false,
        "metadata": params.metadata(),
        "method": params.text("method").unwrap_or("standard"),
        "original_payout": null,
        "payout_method": null,
        "reconciliation_status": if automatic { "completed" } else { "not_applicable" },
        "reversed_by": null,
        "source_type": "card",
        "statement_descriptor": params.json("statement_descriptor"),
        "status": "pending",
        "trace_id": null,
        "type": "bank_account",
    });
    ctx.state.insert(&account, Kind::Payout, object, Map::new());
    ctx.emit("payout.created", Kind::Payout, &id);
    ctx.state.jobs.push(Job::PayOut { at: now + ARRIVAL, account, payout: id.clone() });
    Ok(id)
}

fn post(ctx: &mut Context, id: &str, kind: &str, amount: i64, currency: &str) -> String {
    let account = ctx.account.clone();
    let available_on = ctx.now();
    let posting = Posting {
        kind,
        category: if kind == "payout" { "payout" } else { "payout_reversal" },
        amount,
        fees: Vec::new(),
        currency,
        source: id,
        description: Some("STRIPE PAYOUT".to_owned()),
        available_on,
        counterparty: Counterparty::Bank,
    };
    ledger::post(ctx, &account, &posting)
}

/// Pays out all that is available, as the account's schedule would: the payouts' ids, one a currency.
///
/// # Errors
/// 400 for an account that may not be paid out.
pub(crate) fn run_schedule(ctx: &mut Context) -> Result<Vec<String>, ApiError> {
    let account = ctx.account.clone();
    let funds = ctx.state.store(&account).map(|store| store.funds.clone()).unwrap_or_default();
    let mut made = Vec::new();
    for (currency, funds) in funds.into_iter().filter(|(_, funds)| funds.available > 0) {
        let rows = ctx.state.rows(&account, Kind::BalanceTransaction).iter();
        let settled = rows.filter(|row| !row.hidden.contains_key("payout") && row.object.text("status") == "available");
        let inside: Vec<String> =
            settled.filter(|row| row.object["currency"] == *currency).map(|row| row.object.text("id").to_owned()).collect();
        let id = make(ctx, funds.available, &currency, &Params::none(), true)?;
        let own = ctx.fetch(Kind::Payout, &id, "payout")?.text("balance_transaction").to_owned();
        for transaction in inside.iter().chain([&own]) {
            ctx.state.hide(&account, Kind::BalanceTransaction, transaction, "payout", id.as_str().into());
        }
        made.push(id);
    }
    Ok(made)
}

/// The bank has it.
pub(crate) fn arrive(ctx: &mut Context, id: &str) {
    if ctx.state.object(&ctx.account, Kind::Payout, id).is_some_and(|payout| payout.text("status") == "pending") {
        ctx.set(Kind::Payout, id, json!({ "status": "paid" }));
        ctx.emit("payout.paid", Kind::Payout, id);
    }
}

/// The bank sends it back.
///
/// # Errors
/// 400 for one that came to nothing already.
pub(crate) fn fail(ctx: &mut Context, id: &str, code: &str) -> Result<Value, ApiError> {
    let payout = ctx.fetch(Kind::Payout, id, "payout")?;
    if !["pending", "paid"].contains(&payout.text("status")) {
        return Err(ApiError::invalid(format!("This payout is {} already.", payout.text("status"))));
    }
    let transaction = post(ctx, id, "payout_failure", payout.int("amount"), payout.text("currency"));
    let fields = json!({
        "failure_balance_transaction": transaction, "failure_code": code,
        "failure_message": "The bank account has been closed.", "status": "failed",
    });
    ctx.set(Kind::Payout, id, fields);
    ctx.emit("payout.failed", Kind::Payout, id);
    ctx.fetch(Kind::Payout, id, "payout")
}

/// `POST /v1/payouts/{id}/cancel`
pub(crate) fn cancel(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let payout = ctx.fetch(Kind::Payout, path[0], "payout")?;
    if payout.text("status") != "pending" || payout.flag("automatic") {
        return Err(ApiError::invalid("Payouts can only be canceled while they are pending, and automatic ones not at all."));
    }
    let transaction = post(ctx, path[0], "payout_cancel", payout.int("amount"), payout.text("currency"));
    ctx.set(Kind::Payout, path[0], json!({ "failure_balance_transaction": transaction, "status": "canceled" }));
    ctx.emit("payout.canceled", Kind::Payout, path[0]);
    ctx.fetch(Kind::Payout, path[0], "payout")
}

/// `GET /v1/payouts/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Payout, path[0], "payout")
}

/// `POST /v1/payouts/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Payout, path[0], "payout")?;
    ctx.set(Kind::Payout, path[0], json!({ "metadata": params.merged_metadata(&before["metadata"]) }));
    let account = ctx.account.clone();
    ctx.emit_change(&account, "payout.updated", Kind::Payout, path[0], &before);
    ctx.fetch(Kind::Payout, path[0], "payout")
}

/// `GET /v1/payouts`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    list::page(ctx, Kind::Payout, params, "/v1/payouts", |row| {
        ["destination", "status"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
    })
}
