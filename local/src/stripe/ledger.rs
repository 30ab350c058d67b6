//! Balance transactions: every movement of money in an account, and the other side of it.
//!
//! The balance of an account is kept as a running total beside its transactions, and what cardholders paid in and
//! Stripe kept as fees beside that: `GET /_admin/books` holds the three against each other.

use serde_json::{Map, Value, json};

use super::context::Context;
use super::state::{Fields, Kind, State, new_id};

/// Charges are paid out to the balance after so many seconds (two days, as for a US account).
pub(crate) const SETTLEMENT: i64 = 2 * 24 * 60 * 60;

/// Where the amount of a transaction comes from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counterparty {
    /// The card's holder.
    Cardholder,
    /// The account's bank.
    Bank,
    /// Another account, which has a transaction of its own.
    Account,
}

/// A part of a transaction's fee.
#[derive(Clone, Debug)]
pub(crate) enum Fee {
    /// Kept by Stripe.
    Stripe(i64),
    /// Passed on to the platform (negative when it gives it back).
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
    /// When the money can be used, in epoch seconds.
    pub(crate) available_on: i64,
    pub(crate) counterparty: Counterparty,
}

/// Posts a movement to an account and answers the transaction's id.
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
        "exchange_rate": null,
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
    } else {
        funds.available += net;
    }
    let outside = ctx.state.outside.entry(posting.currency.to_owned()).or_default();
    if posting.counterparty == Counterparty::Cardholder {
        outside.cardholders += posting.amount;
    }
    if posting.counterparty == Counterparty::Bank {
        outside.banks -= posting.amount;
    }
    for fee in &posting.fees {
        if let Fee::Stripe(amount) = fee {
            outside.stripe += amount;
        }
    }
    id
}

/// Makes funds available whose time has come.
pub(crate) fn settle(state: &mut State) {
    let now = state.now();
    let due: Vec<(String, String)> = state
        .unsettled
        .iter()
        .filter(|(account, id)| state.object(account, Kind::BalanceTransaction, id).is_none_or(|txn| txn.int("available_on") <= now))
        .cloned()
        .collect();
    if due.is_empty() {
        return;
    }
    state.unsettled.retain(|entry| !due.contains(entry));
    for (account, id) in due {
        let Some(txn) = state.object(&account, Kind::BalanceTransaction, &id) else { continue };
        let (net, currency) = (txn.int("net"), txn.text("currency").to_owned());
        state.set(&account, Kind::BalanceTransaction, &id, json!({ "status": "available" }));
        let funds = state.store_mut(&account).funds.entry(currency).or_default();
        funds.pending -= net;
        funds.available += net;
    }
}

/// When the money of a transaction can be used.
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

/// Every account's balance against its transactions, and all of them against what came in from outside.
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
    let mut outside = json!({});
    for (currency, total) in totals {
        let sides = state.outside.get(&currency).copied().unwrap_or_default();
        balanced &= total == sides.cardholders - sides.stripe - sides.banks;
        outside[currency.as_str()] = json!({ "banks": sides.banks, "cardholders": sides.cardholders, "stripe": sides.stripe });
    }
    json!({ "balanced": balanced, "accounts": accounts, "outside": outside })
}
