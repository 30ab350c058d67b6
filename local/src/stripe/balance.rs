//! Balances and balance transactions: <https://docs.stripe.com/api/balance>.

use serde_json::{Value, json};

use super::context::Context;
use super::errors::ApiError;
use super::list;
use super::params::Params;
use super::state::{Fields, Kind};

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

/// `GET /v1/balance_transactions`. By payout: what an automatic one paid out, and itself.
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let wanted = |name: &str| params.text(name).map(str::to_owned);
    let (currency, source, kind) = (wanted("currency"), wanted("source"), wanted("type"));
    let payout = wanted("payout");
    let rows = ctx.state.rows(&ctx.account, Kind::BalanceTransaction).iter();
    let paid_out = rows.filter(|row| payout.is_some() && row.hidden.get("payout").and_then(Value::as_str) == payout.as_deref());
    let paid_out: std::collections::BTreeSet<String> = paid_out.map(|row| row.object.text("id").to_owned()).collect();
    list::page(ctx, Kind::BalanceTransaction, params, "/v1/balance_transactions", |row| {
        (payout.is_none() || paid_out.contains(row.text("id")))
            && currency.as_deref().is_none_or(|currency| row["currency"] == currency)
            && source.as_deref().is_none_or(|source| row["source"] == source)
            && kind.as_deref().is_none_or(|kind| row["type"] == kind)
    })
}
