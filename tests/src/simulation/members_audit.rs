//! Compares our records of memberships with Stripe's subscriptions and invoices.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::domain::charging::ChargeType;
use shared::domain::membership::{Interval, Move, Payment, Status, Subscription};

use super::audit::{Stripe, text, whole};

/// How long a member keeps access while a renewal is unpaid, in seconds.
const GRACE: i64 = 7 * 24 * 60 * 60;

/// Each subscription at Stripe matches its record, and everything on record is at Stripe.
pub(super) fn check(stripe: &Stripe, records: &[Subscription]) {
    for (account, at_stripe) in &stripe.subscriptions {
        let id = text(&at_stripe["metadata"]["subscription_id"]);
        let record = records.iter().find(|record| record.id.as_str() == id);
        let record = record.unwrap_or_else(|| panic!("{} is a subscription without a record", at_stripe["id"]));
        if record.status == Status::Failed && record.stripe_id.is_none() {
            // It was withdrawn before its creation became known.
            let is_over = ["canceled", "incomplete_expired"].contains(&text(&at_stripe["status"]));
            assert!(is_over && invoices(stripe, at_stripe).all(|invoice| invoice["status"] == "void"), "{record:#?}, {at_stripe:#}");
            continue;
        }
        assert_eq!(record.stripe_id.as_deref(), at_stripe["id"].as_str(), "{record:#?}");
        assert_eq!(record.account.as_deref().unwrap_or_default(), account, "{record:#?}");
    }
    let mut members: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for record in records {
        let at_stripe = stripe.subscriptions.iter().find(|(_, one)| one["id"].as_str() == record.stripe_id.as_deref());
        match at_stripe {
            Some((_, at_stripe)) => check_one(stripe, record, at_stripe),
            None => assert!(!record.status.is_open() && record.payments.is_empty(), "Stripe has no such subscription: {record:#?}"),
        }
        *members.entry((record.buyer_id.as_str(), record.seller_id.as_str())).or_default() += usize::from(record.status.is_open());
    }
    assert!(members.values().all(|count| *count <= 1), "a member has one subscription: {members:?}");
}

fn check_one(stripe: &Stripe, record: &Subscription, at_stripe: &Value) {
    let whose = |message: &str| format!("{message}: {record:#?}, {at_stripe:#}");
    let status = match text(&at_stripe["status"]) {
        "active" | "trialing" => Status::Active,
        "past_due" => Status::PastDue,
        "canceled" => Status::Canceled,
        "incomplete_expired" => Status::Failed,
        other => panic!("{}", whose(&format!("{other} does not last"))),
    };
    assert_eq!(record.status, status, "{}", whose("the status"));
    if record.status.runs() {
        let item = &at_stripe["items"]["data"][0];
        let interval = if record.interval == Interval::Year { "year" } else { "month" };
        assert_eq!(item["price"]["recurring"]["interval"], interval, "{}", whose("the interval"));
        assert_eq!(
            (record.amount, record.currency.code()),
            (whole(&item["price"]["unit_amount"]), text(&item["price"]["currency"])),
            "{}",
            whose("the price")
        );
        assert_eq!(at_stripe["cancel_at_period_end"], record.ending, "{}", whose("whether it ends"));
        let period_end = record.period_end.map(time::OffsetDateTime::unix_timestamp);
        assert_eq!(period_end, item["current_period_end"].as_i64(), "{}", whose("the period"));
    }

    let paid: Vec<&Value> = invoices(stripe, at_stripe).filter(|invoice| invoice["status"] == "paid").collect();
    let ids: BTreeSet<&str> = record.payments.iter().map(|payment| payment.invoice.as_str()).collect();
    assert_eq!(ids, paid.iter().map(|invoice| text(&invoice["id"])).collect(), "{}", whose("the invoices that were paid"));
    assert_eq!(ids.len(), record.payments.len(), "{}", whose("an invoice is on record twice"));
    // Switching there and back is invoiced for the difference, possibly zero, within a period that was already paid.
    let begun = paid.iter().filter(|invoice| invoice["billing_reason"] != "subscription_update");
    let periods: Vec<i64> = begun.filter_map(|invoice| period_end(invoice)).collect();
    assert_eq!(BTreeSet::from_iter(&periods).len(), periods.len(), "{}", whose("a period was charged twice"));
    let (mut net, mut kept) = (0, 0);
    for invoice in paid {
        let ours = record.payments.iter().find(|payment| payment.invoice == text(&invoice["id"])).expect("it is among them");
        assert_eq!(ours.amount, whole(&invoice["amount_paid"]), "{}", whose("what was paid"));
        let Some(payment) = payment_of(stripe, invoice) else {
            assert_eq!((ours.amount, ours.payment_intent.as_deref()), (0, None), "{}", whose("nothing was charged"));
            continue;
        };
        assert_eq!(ours.payment_intent.as_deref(), payment["id"].as_str(), "{}", whose("the payment"));
        let charge = &stripe.charges[text(&payment["latest_charge"])];
        assert_eq!((ours.amount, ours.refunded()), (whole(&charge["amount"]), whole(&charge["amount_refunded"])), "{}", whose("the money"));
        let fee = charge["application_fee"].as_str().map(|id| &stripe.fees[id]);
        let (fee, fee_back) = fee.map_or((0, 0), |fee| (whole(&fee["amount"]), whole(&fee["amount_refunded"])));
        assert_eq!((ours.application_fee, ours.fee_refunded), (fee, fee_back), "{}", whose("the fee"));
        let refunds: BTreeSet<(&str, i64, bool)> = stripe
            .refunds
            .iter()
            .filter(|refund| refund["payment_intent"] == payment["id"])
            .map(|refund| (text(&refund["id"]), whole(&refund["amount"]), refund["status"] == "failed"))
            .collect();
        assert_eq!(refunds, ours.refunds.iter().map(|one| (one.id.as_str(), one.amount, one.failed)).collect(), "{}", whose("refunds"));
        assert_eq!(ours.settled, stripe.settled(&charge["balance_transaction"]), "{}", whose("what the charge brought"));
        if record.charge_type != ChargeType::Direct {
            let group = stripe.transferred(text(&charge["transfer_group"]), Some(&record.seller_account));
            if is_converted(record, ours) {
                assert_eq!(group, transferred(ours), "{}", whose("what the seller was sent"));
            } else {
                kept += group - fee + fee_back;
                net += ours.sums(record.charge_type).net;
            }
        }
    }
    // What was transferred again, after a bank returned a refund or a lost dispute was won, is in a group of the
    // subscription's.
    let again = stripe.transferred(record.id.as_str(), Some(&record.seller_account));
    let converted = record.payments.iter().filter(|one| is_converted(record, one)).flat_map(|one| &one.moves);
    let of_converted: i64 = converted.filter(|one| one.state.is_done()).map(moved_again).sum();
    assert_eq!(net, kept + again - of_converted, "{}", whose("the seller's part"));
}

/// Whether a payment settled in another currency than the member paid in.
fn is_converted(record: &Subscription, payment: &Payment) -> bool {
    payment.settled.as_ref().is_some_and(|settled| settled.currency != record.currency.code())
}

/// What is left of a payment's own transfer, by our record, in its currency.
fn transferred(payment: &Payment) -> i64 {
    let whole = payment.settled.as_ref().map_or(0, |settled| settled.amount);
    let by_refunds: i64 = payment.refunds.iter().map(|refund| refund.transfer_reversed).sum();
    whole - by_refunds - payment.reversals.iter().map(|reversal| reversal.amount).sum::<i64>()
}

/// What a move added to what the seller was sent again, in the transfer's currency.
fn moved_again(one: &Move) -> i64 {
    match (one.gives_back(), one.of) {
        (false, _) => one.settled.amount,
        (true, Some(_)) => -one.settled.amount,
        // A reversal of the payment's own transfer.
        (true, None) => 0,
    }
}

/// A subscription's invoices, newest first.
pub(super) fn invoices<'a>(stripe: &'a Stripe, subscription: &'a Value) -> impl Iterator<Item = &'a Value> {
    stripe.invoices.iter().filter(|invoice| invoice["parent"]["subscription_details"]["subscription"] == subscription["id"])
}

/// The payment that took the money for an invoice.
pub(super) fn payment_of<'a>(stripe: &'a Stripe, invoice: &Value) -> Option<&'a Value> {
    let payments = invoice["payments"]["data"].as_array().expect("it is expanded");
    let paid = payments.iter().find(|payment| payment["status"] == "paid")?;
    let id = &paid["payment"]["payment_intent"];
    stripe.payments.iter().map(|(_, payment)| payment).find(|payment| payment["id"] == *id)
}

fn is_proration(line: &Value) -> bool {
    ["subscription_item_details", "invoice_item_details"].iter().any(|details| line["parent"][*details]["proration"] == true)
}

fn lines(invoice: &Value) -> impl Iterator<Item = &Value> {
    invoice["lines"]["data"].as_array().expect("a list").iter()
}

/// The period that an invoice pays for; `None` if it only prorates earlier payments or is free.
fn period(invoice: &Value) -> Option<(i64, i64)> {
    let own = lines(invoice).filter(|line| whole(&line["amount"]) > 0 && !is_proration(line)).map(|line| &line["period"]);
    own.map(|period| (whole(&period["start"]), whole(&period["end"]))).max_by_key(|(_, end)| *end)
}

fn period_end(invoice: &Value) -> Option<i64> {
    period(invoice).map(|(_, end)| end)
}

/// What is still paid of the first of these invoices, newest first, and what it cost: both as a charge, and as a credit for the one before.
fn paid_of(paid: &[(&Value, bool)]) -> (i64, i64) {
    let [(invoice, given_back), earlier @ ..] = paid else { return (0, 0) };
    let credit: i64 = lines(invoice).filter(|line| is_proration(line)).map(|line| -whole(&line["amount"]).min(0)).sum();
    let charged = whole(&invoice["amount_paid"]);
    let start = period(invoice).map_or(0, |(start, _)| start);
    let before = earlier.iter().position(|(one, _)| period(one).is_some_and(|(from, end)| from <= start && start < end));
    let credited = match before.map(|place| paid_of(&earlier[place..])) {
        Some((kept, cost)) if credit > 0 && cost > 0 => (2 * credit * kept + cost) / (2 * cost),
        _ => credit,
    };
    (if *given_back { 0 } else { charged } + credited, charged + credit)
}

/// Whether a buyer's subscriptions open a seller's courses, according to docs/memberships.md and Stripe.
pub(super) fn opens(stripe: &Stripe, buyer: &str, seller: &str, now: i64) -> bool {
    let of = |subscription: &Value| subscription["metadata"]["buyer_id"] == buyer && subscription["metadata"]["seller_id"] == seller;
    stripe.subscriptions.iter().map(|(_, subscription)| subscription).filter(|one| of(one)).any(|subscription| {
        let paid = invoices(stripe, subscription).filter(|invoice| invoice["status"] == "paid" && period_end(invoice).is_some());
        let given_back = |invoice: &Value| {
            payment_of(stripe, invoice).is_some_and(|payment| {
                let charge = &stripe.charges[text(&payment["latest_charge"])];
                charge["amount_refunded"] == charge["amount"]
            })
        };
        let paid: Vec<(&Value, bool)> = paid.map(|invoice| (invoice, given_back(invoice))).collect();
        // Newest first: what is paid, until when, and whether all of it is.
        let left: Vec<(i64, bool)> = (0..paid.len())
            .filter_map(|place| {
                let ((start, end), (kept, cost)) = (period(paid[place].0)?, paid_of(&paid[place..]));
                let until = if kept < cost { start + (2 * (end - start) * kept + cost) / (2 * cost) } else { end };
                (kept > 0 || cost == 0).then_some((until, kept == cost))
            })
            .collect();
        let whole = left.iter().position(|(_, whole)| *whole).map_or(left.len(), |place| place + 1);
        let Some(until) = left[..whole].iter().map(|(until, _)| *until).max() else { return false };
        let is_newest_whole = paid.first().is_some_and(|newest| period_end(newest.0) == Some(until)) && left[0].1;
        let renews = match text(&subscription["status"]) {
            "past_due" => true,
            // A switch is waiting for the end of the paid period.
            "active" | "trialing" => subscription["cancel_at_period_end"] == false,
            _ => false,
        };
        let has_grace = renews && is_newest_whole;
        now < until + if has_grace { GRACE } else { 0 }
    })
}

/// What each account has of a subscription's payments: by our record if nothing was converted, otherwise by Stripe's transactions.
pub(super) fn shares(stripe: &Stripe, record: &Subscription) -> Vec<((String, String), i64)> {
    let currency = record.currency.code().to_owned();
    let (mut all, mut group) = (Vec::new(), vec![record.id.as_str()]);
    for payment in record.payments.iter().filter(|payment| payment.amount > 0) {
        let charge = payment.payment_intent.as_deref().and_then(|id| stripe.charge_of(id)).expect("it was paid");
        let mut groups = vec![text(&charge["transfer_group"])];
        groups.retain(|group| !group.is_empty());
        let own = stripe.moved_by(record.account.as_deref().unwrap_or_default(), charge, &groups);
        let again = stripe.transferred(record.id.as_str(), None);
        if again == 0 && own.keys().all(|(_, code)| *code == currency) {
            let sums = payment.sums(record.charge_type);
            let platform = match record.charge_type {
                ChargeType::Direct => sums.application_fee,
                ChargeType::Destination | ChargeType::Separate => sums.gross - sums.refunded - sums.net,
            };
            all.extend([((record.seller_account.clone(), currency.clone()), sums.net), ((String::new(), currency.clone()), platform)]);
            continue;
        }
        // What was transferred again belongs to all payments together.
        groups.append(&mut group);
        all.extend(stripe.moved_by(record.account.as_deref().unwrap_or_default(), charge, &groups));
    }
    all
}
