//! Balance transactions: every movement of money in an account, and its counterpart.
//!
//! Each account's balance is a running total next to its transactions. What cardholders paid
//! and what Stripe kept as fees is recorded as well. `GET /_admin/books` compares all of these.

use serde_json::{Map, Value, json};

use crate::events::context::Context;
use crate::state::all::State;
use crate::words::ids::new_id;
use crate::words::json::Fields;
use crate::words::kind::Kind;

const DAY: i64 = 24 * 60 * 60;

/// When a charge's money becomes available: at midnight UTC, one to seven days later. The days per currency come from recordings.
pub(crate) fn settlement(now: i64, currency: &str) -> i64 {
    let days = match currency {
        "usd" => 2,
        "jpy" => 3,
        _ => 7,
    };
    (now / DAY + days) * DAY
}

/// Where a transaction's amount comes from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counterparty {
    /// The card's holder.
    Cardholder,
    /// The account's bank.
    Bank,
    /// Another account, which has its own transaction.
    Account,
}

/// A part of a transaction's fee.
#[derive(Clone, Debug)]
pub(crate) enum Fee {
    /// Kept by Stripe.
    Stripe(i64),
    /// Passed on to the platform; negative if it is returned.
    Application(i64),
}

impl Fee {
    fn amount(&self) -> i64 {
        match self {
            Self::Stripe(amount) | Self::Application(amount) => *amount,
        }
    }

    fn detail(&self, currency: &str, application: &str) -> Value {
        match self {
            Self::Stripe(amount) => json!({
                "amount": amount, "application": null, "currency": currency, "description": "Stripe processing fees",
                "type": "stripe_fee",
            }),
            Self::Application(amount) => json!({
                "amount": amount, "application": application, "currency": currency,
                "description": "Local platform application fee", "type": "application_fee",
            }),
        }
    }
}

/// A movement of money.
#[derive(Clone, Debug)]
pub(crate) struct Posting<'a> {
    /// The transaction's `type`.
    pub(crate) kind: &'a str,
    pub(crate) category: &'a str,
    /// Gross, in minor units; negative when money leaves.
    pub(crate) amount: i64,
    pub(crate) fees: Vec<Fee>,
    pub(crate) currency: &'a str,
    /// The object that caused it.
    pub(crate) source: &'a str,
    pub(crate) description: Option<String>,
    /// When the money becomes available, in epoch seconds.
    pub(crate) available_on: i64,
    pub(crate) counterparty: Counterparty,
    /// The exchange rate that the transaction shows.
    pub(crate) exchange_rate: Option<f64>,
    /// The amount before conversion, if there was one.
    pub(crate) converted: Option<(i64, &'a str)>,
}

/// Posts a movement to an account and returns the transaction's id.
pub(crate) fn post(ctx: &mut Context, account: &str, posting: &Posting) -> String {
    let now = ctx.now();
    let id = new_id("txn");
    let fee: i64 = posting.fees.iter().map(Fee::amount).sum();
    let net = posting.amount - fee;
    let pending = posting.available_on > now;
    let details: Vec<Value> = posting.fees.iter().map(|fee| fee.detail(posting.currency, &ctx.client_id)).collect();
    let object = json!({
        "id": id,
        "object": "balance_transaction",
        "amount": posting.amount,
        "available_on": posting.available_on.max(now),
        "balance_type": "payments",
        "created": now,
        "currency": posting.currency,
        "description": posting.description,
        "exchange_rate": posting.exchange_rate,
        "fee": fee,
        "fee_details": details,
        "net": net,
        "reporting_category": posting.category,
        "source": posting.source,
        "status": if pending { "pending" } else { "available" },
        "type": posting.kind,
    });
    ctx.state.insert(account, Kind::BalanceTransaction, object, Map::new());
    let funds = ctx.state.store_mut(account).funds.entry(posting.currency.to_owned()).or_default();
    if pending {
        funds.pending += net;
        ctx.state.unsettled.push((account.to_owned(), id.clone()));
        ctx.state.settles_at = ctx.state.settles_at.map(|at| at.min(posting.available_on));
    } else {
        funds.available += net;
    }
    let (moved, from) = posting.converted.unwrap_or((posting.amount, posting.currency));
    let outside = ctx.state.outside.entry(from.to_owned()).or_default();
    match posting.counterparty {
        Counterparty::Cardholder => outside.cardholders += moved,
        Counterparty::Bank => outside.banks -= moved,
        Counterparty::Account => {}
    }
    if posting.converted.is_some() {
        outside.exchanged += moved;
        ctx.state.outside.entry(posting.currency.to_owned()).or_default().exchanged -= posting.amount;
    }
    let outside = ctx.state.outside.entry(posting.currency.to_owned()).or_default();
    for fee in &posting.fees {
        if let Fee::Stripe(amount) = fee {
            outside.stripe += amount;
        }
    }
    id
}

/// Releases funds that have become available.
pub(crate) fn settle(state: &mut State) {
    let now = state.now();
    if state.settles_at.is_some_and(|at| at > now) {
        return;
    }
    let when = |state: &State, (account, id): &(String, String)| {
        state.object(account, Kind::BalanceTransaction, id).map_or(now, |transaction| transaction.int("available_on"))
    };
    let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut state.unsettled).into_iter().partition(|entry| when(state, entry) <= now);
    state.settles_at = Some(later.iter().map(|entry| when(state, entry)).min().unwrap_or(i64::MAX));
    state.unsettled = later;
    for (account, id) in due {
        let Some(txn) = state.object(&account, Kind::BalanceTransaction, &id) else { continue };
        let (net, currency) = (txn.int("net"), txn.text("currency").to_owned());
        state.set(&account, Kind::BalanceTransaction, &id, json!({ "status": "available" }));
        let funds = state.store_mut(&account).funds.entry(currency).or_default();
        funds.pending -= net;
        funds.available += net;
    }
}

/// When a transaction's money becomes available.
pub(crate) fn available_on(ctx: &Context, account: &str, transaction: &str) -> i64 {
    ctx.state
        .object(account, Kind::BalanceTransaction, transaction)
        .map_or_else(|| ctx.now(), |transaction| transaction.int("available_on"))
}

/// What an account can spend now.
pub(crate) fn available(ctx: &Context, account: &str, currency: &str) -> i64 {
    let store = ctx.state.store(account);
    store.and_then(|store| store.funds.get(currency)).map_or(0, |funds| funds.available)
}

/// Compares every account's balance with its transactions, and all of them with what came in from outside.
pub(crate) fn books(state: &State) -> Value {
    let mut balanced = true;
    let mut accounts = json!({});
    let mut totals = std::collections::BTreeMap::<String, i64>::new();
    for account in state.account_ids() {
        let mut sums = std::collections::BTreeMap::<String, (i64, i64)>::new();
        for row in state.rows(&account, Kind::BalanceTransaction) {
            let sum = sums.entry(row.object.text("currency").to_owned()).or_default();
            let part = if row.object.text("status") == "available" { &mut sum.0 } else { &mut sum.1 };
            *part += row.object.int("net");
        }
        let funds = state.store(&account).map(|store| store.funds.clone()).unwrap_or_default();
        let mut by_currency = json!({});
        let currencies: std::collections::BTreeSet<&String> = sums.keys().chain(funds.keys()).collect();
        for currency in currencies {
            let sum = sums.get(currency).copied().unwrap_or_default();
            let balance = funds.get(currency).copied().unwrap_or_default();
            balanced &= (balance.available, balance.pending) == sum;
            *totals.entry(currency.clone()).or_default() += balance.available + balance.pending;
            by_currency[currency.as_str()] = json!({
                "available": balance.available,
                "pending": balance.pending,
                "balance": balance.available + balance.pending,
                "transactions": sum.0 + sum.1,
            });
        }
        accounts[account.as_str()] = by_currency;
    }
    for currency in state.outside.keys() {
        totals.entry(currency.clone()).or_default();
    }
    let mut outside = json!({});
    for (currency, total) in totals {
        let sides = state.outside.get(&currency).copied().unwrap_or_default();
        balanced &= total == sides.cardholders - sides.stripe - sides.banks - sides.exchanged;
        outside[currency.as_str()] = json!({
            "banks": sides.banks, "cardholders": sides.cardholders, "exchanged": sides.exchanged, "stripe": sides.stripe,
        });
    }
    json!({ "balanced": balanced, "accounts": accounts, "outside": outside })
}
