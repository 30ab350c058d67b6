//! Compares the ledger's lines of memberships, and the platform's share, with Stripe's invoices and refunds.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::store::books::{Line, LineKind};

use super::audit::{Stripe, text, whole};
use super::members_audit::{invoices, payment_of};

/// The outcome of the renewals, at Stripe.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Renewals {
    /// Paid, at the first attempt or a later one.
    pub(super) paid: usize,
    /// Not paid at the first attempt, whatever happened later.
    pub(super) failed: usize,
}

/// Each paid invoice and each of its refunds has a ledger line, and there are no others.
pub(super) fn check_ledger(stripe: &Stripe, ledger: &[Line]) {
    let mut expected = Vec::new();
    for (account, subscription) in &stripe.subscriptions {
        for invoice in invoices(stripe, subscription).filter(|invoice| invoice["status"] == "paid") {
            let Some(payment) = payment_of(stripe, invoice) else { continue };
            let mut add = |kind: LineKind, id: &Value, amount: i64| {
                let (whose, currency) = (text(&subscription["metadata"]["subscription_id"]), text(&invoice["currency"]));
                expected.push((whose, kind, text(id).to_owned(), account.as_str(), amount, currency));
            };
            add(LineKind::Charge, &payment["id"], whole(&invoice["amount_paid"]));
            for refund in stripe.refunds.iter().filter(|refund| refund["payment_intent"] == payment["id"]) {
                add(LineKind::Refund, &refund["id"], -whole(&refund["amount"]));
                if refund["status"] == "failed" {
                    add(LineKind::RefundFailure, &refund["id"], whole(&refund["amount"]));
                }
            }
        }
    }
    let is_moved = |line: &&Line| line.subscription_id.is_some() && line.kind != LineKind::CurrencyDifference;
    let ours = ledger.iter().filter(is_moved).map(|line| {
        let account = line.account.as_deref().unwrap_or_default();
        (line.whose(), line.kind, line.stripe_id.clone(), account, line.amount, line.currency.as_str())
    });
    let mut ours: Vec<_> = ours.collect();
    ours.sort();
    expected.sort();
    assert_eq!(ours, expected, "the ledger's lines of memberships, and what Stripe has");
}

/// Each refund of a payment that was converted has a line with its exchange-rate difference, so does each return of one, and there are no others.
pub(super) fn check_differences(stripe: &Stripe, ledger: &[Line]) {
    let lines = ledger.iter().filter(|line| line.subscription_id.is_some() && line.kind == LineKind::CurrencyDifference);
    let mut seen = BTreeSet::new();
    for line in lines.clone() {
        assert!(seen.insert(line.stripe_id.as_str()), "it is there twice: {line:#?}");
    }
    for (account, subscription) in &stripe.subscriptions {
        for invoice in invoices(stripe, subscription).filter(|invoice| invoice["status"] == "paid") {
            let Some(payment) = payment_of(stripe, invoice) else { continue };
            let charge = &stripe.charges[text(&payment["latest_charge"])];
            let Some(brought) = stripe.settled(&charge["balance_transaction"]) else { continue };
            if brought.currency == text(&invoice["currency"]) {
                continue;
            }
            for refund in stripe.refunds.iter().filter(|refund| refund["payment_intent"] == payment["id"]) {
                let part = (brought.amount * whole(&refund["amount"])).div_euclid(whole(&charge["amount"]));
                let id = text(&refund["id"]);
                let moved = |transaction: &str| stripe.settled(&refund[transaction]).expect("it was booked").amount;
                let mut expected = vec![(id.to_owned(), part + moved("balance_transaction"))];
                if refund["status"] == "failed" {
                    expected.push((format!("{id}#returned"), moved("failure_balance_transaction") - part));
                }
                for (name, difference) in expected {
                    seen.remove(name.as_str());
                    let line = lines.clone().find(|line| line.stripe_id == name);
                    let line = line.unwrap_or_else(|| panic!("{name} has no difference: {refund:#}"));
                    assert!((difference - line.amount).abs() <= 1, "{difference} is not {line:#?}");
                    assert_eq!(
                        (line.whose(), line.currency.as_str(), line.account.as_deref().unwrap_or_default()),
                        (text(&subscription["metadata"]["subscription_id"]), brought.currency.as_str(), account.as_str()),
                        "{line:#?}"
                    );
                }
            }
        }
    }
    assert!(seen.is_empty(), "differences of no refund: {seen:#?}");
}

/// The platform's share of a subscription's newest invoice is the percentage that Stripe has, rounded half
/// up. A switch sets a new percentage and creates an invoice, so older invoices may have other percentages.
pub(super) fn check_fees(stripe: &Stripe) {
    for (_, subscription) in &stripe.subscriptions {
        let Some(invoice) = invoices(stripe, subscription).find(|invoice| invoice["status"] == "paid") else { continue };
        let Some(payment) = payment_of(stripe, invoice) else { continue };
        let amount = whole(&invoice["amount_paid"]);
        // With at most two decimal places.
        let hundredths: i64 = match &subscription["application_fee_percent"] {
            Value::Null => 0,
            percent => format!("{:.2}", percent.as_f64().expect("a number")).replace('.', "").parse().expect("a number"),
        };
        let fee = ((amount * hundredths + 5000) / 10_000).min(amount - 1);
        let charge = &stripe.charges[text(&payment["latest_charge"])];
        let taken = charge["application_fee"].as_str().map_or(0, |id| whole(&stripe.fees[id]["amount"]));
        assert_eq!(taken, fee, "{amount} at {hundredths} hundredths of a percent: {invoice:#}");
    }
}

/// Counts the renewals.
pub(super) fn renewals(stripe: &Stripe) -> Renewals {
    let renewals = || stripe.invoices.iter().filter(|invoice| invoice["billing_reason"] == "subscription_cycle");
    let is_paid = |invoice: &&Value| invoice["status"] == "paid";
    Renewals {
        paid: renewals().filter(is_paid).count(),
        failed: renewals().filter(|invoice| whole(&invoice["attempt_count"]) > i64::from(is_paid(invoice))).count(),
    }
}
