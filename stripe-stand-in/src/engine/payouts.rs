//! Payouts to bank accounts. None is automatic, so that balances in tests stay predictable; the admin API triggers the automatic payout.

use serde_json::{Map, Value, json};

use crate::engine::ledger::{self, Counterparty, Posting};
use crate::events::context::Context;
use crate::state::agenda::Job;
use crate::words::errors::ApiError;
use crate::words::ids::new_id;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// How long a bank takes, in seconds.
const ARRIVAL: i64 = 24 * 60 * 60;

/// Sends money to the bank. Returns the payout's id.
pub(crate) fn make(ctx: &mut Context, amount: i64, currency: &str, params: &Params, automatic: bool) -> Result<String, ApiError> {
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
            "You have insufficient funds in your Stripe account for this transfer. Your card balance is too low.  You can \
             use the /v1/balance endpoint to view your Stripe balance (for more details, see stripe.com/docs/api#balance).",
        )
        .code("balance_insufficient"));
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
        "description": if automatic { "STRIPE PAYOUT".into() } else { params.json("description") },
        "destination": params.text("destination").map_or_else(|| owner["external_accounts"]["data"][0]["id"].clone(), Into::into),
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
        "trace_id": { "status": "pending", "value": null },
        "type": "bank_account",
    });
    ctx.state.insert(&account, Kind::Payout, object, Map::new());
    ctx.emit("payout.created", Kind::Payout, &id);
    ctx.state.jobs.push(Job::PayOut { at: now + ARRIVAL, account, payout: id.clone() });
    Ok(id)
}

pub(crate) fn post(ctx: &mut Context, id: &str, kind: &str, amount: i64, currency: &str) -> String {
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
        exchange_rate: None,
        converted: None,
    };
    ledger::post(ctx, &account, &posting)
}

/// Pays out everything available, as the account's schedule would. Returns the payouts' ids, one per currency.
///
/// # Errors
/// 400 if the account cannot have payouts.
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

/// The payout arrives at the bank.
pub(crate) fn arrive(ctx: &mut Context, id: &str) {
    if ctx.state.object(&ctx.account, Kind::Payout, id).is_some_and(|payout| payout.text("status") == "pending") {
        ctx.set(Kind::Payout, id, json!({ "status": "paid" }));
        ctx.emit("payout.paid", Kind::Payout, id);
    }
}

/// The bank returns the payout.
///
/// # Errors
/// 400 if it has already failed or was canceled.
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
