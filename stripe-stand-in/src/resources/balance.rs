//! Balances and balance transactions: <https://docs.stripe.com/api/balance>.

use serde_json::{Value, json};

use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// `GET /v1/balance`
pub(crate) fn retrieve(ctx: &mut Context, _: &[&str], _: &Params) -> Result<Value, ApiError> {
    let mut funds = ctx.state.store(&ctx.account).map(|store| store.funds.clone()).unwrap_or_default();
    if funds.is_empty() {
        let default = ctx.state.account(&ctx.account).map_or("usd", |account| account.text("default_currency"));
        funds.insert(default.to_owned(), Default::default());
    }
    let amount = |currency: &str, amount: i64| json!({ "amount": amount, "currency": currency, "source_types": { "card": amount } });
    let available: Vec<Value> = funds.iter().map(|(currency, f)| amount(currency, f.available)).collect();
    let pending: Vec<Value> = funds.iter().map(|(currency, f)| amount(currency, f.pending)).collect();
    let mut balance = json!({
        "object": "balance",
        "available": available,
        "livemode": false,
        "pending": pending,
    });
    // What a debit card or an instant bank account could receive at once. Stripe keeps three percent.
    let owner = ctx.state.account(&ctx.account).cloned().unwrap_or_default();
    let banks = owner["external_accounts"]["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    let instant = |bank: &&Value| bank["available_payout_methods"].as_array().is_some_and(|methods| methods.contains(&json!("instant")));
    if let Some(bank) = banks.iter().find(instant) {
        let at_once = funds.iter().map(|(currency, f)| {
            let mut entry = amount(currency, f.available);
            let net = (f.available * 100 / 103).max(0);
            entry["net_available"] = json!([{ "amount": net, "destination": bank["id"], "source_types": { "card": net } }]);
            entry
        });
        balance["instant_available"] = at_once.collect();
    }
    if !ctx.is_connected() {
        let reserved = funds.keys().map(|currency| json!({ "amount": 0, "currency": currency }));
        balance["connect_reserved"] = reserved.collect();
    }
    Ok(balance)
}

/// `GET /v1/balance_transactions/{id}`
pub(crate) fn retrieve_transaction(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::BalanceTransaction, path[0], "id")
}

/// `GET /v1/balance_transactions`. With `payout`, what an automatic payout paid out, and the payout itself.
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let wanted = |name: &str| params.text(name).map(str::to_owned);
    let (currency, source, kind) = (wanted("currency"), wanted("source"), wanted("type"));
    let payout = wanted("payout");
    let rows = payout.iter().flat_map(|_| ctx.state.rows(&ctx.account, Kind::BalanceTransaction));
    let paid_out = rows.filter(|row| row.hidden.get("payout").and_then(Value::as_str) == payout.as_deref());
    let paid_out: std::collections::BTreeSet<String> = paid_out.map(|row| row.object.text("id").to_owned()).collect();
    let fits = |row: &Value| {
        (payout.is_none() || paid_out.contains(row.text("id")))
            && currency.as_deref().is_none_or(|currency| row["currency"] == currency)
            && kind.as_deref().is_none_or(|kind| row["type"] == kind)
    };
    match source {
        Some(source) => list::page_of_children(ctx, Kind::BalanceTransaction, &source, params, "/v1/balance_transactions", fits),
        None => list::page(ctx, Kind::BalanceTransaction, params, "/v1/balance_transactions", fits),
    }
}
