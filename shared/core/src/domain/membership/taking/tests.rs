use time::Duration;

use super::*;
use crate::base::entropy::Entropy;
use crate::domain::ids::{SubscriptionId, UserId};
use crate::domain::membership::{AskedRefund, AskedState, Interval, Refund, Terms};
use crate::domain::money::Currency;
use crate::domain::purchase::DisputeMove;

const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// A member who has paid 10.00 USD, of which the platform keeps 0.30. The charge settled as this many Canadian cents,
/// or unconverted.
fn paid(settled: Option<i64>) -> Subscription {
    let entropy = Entropy::seeded(1);
    let (buyer, seller) = (UserId::generate(&entropy), UserId::generate(&entropy));
    let mut subscription = Subscription::new(Terms {
        id: SubscriptionId::generate(&buyer, AT, &entropy),
        buyer_id: buyer,
        seller_id: seller,
        title: "All courses".into(),
        interval: Interval::Month,
        amount: 1000,
        currency: Currency::Usd,
        fee_percent: Some("10".to_owned()),
        charge_type: ChargeType::Destination,
        seller_account: "acct_1".into(),
        customer: "cus_1".into(),
        payment_method: None,
        earlier: std::collections::BTreeMap::new(),
        contested_earlier: std::collections::BTreeSet::new(),
        at: AT,
        lease: Duration::ZERO,
    });
    let currency = if settled.is_some() { "cad" } else { "usd" };
    subscription.payments.push(Payment {
        invoice: "in_1".into(),
        payment_intent: Some("pi_1".into()),
        amount: 1000,
        application_fee: 30,
        settled: Some(Settled { amount: settled.unwrap_or(1000), currency: currency.into() }),
        transfer: Some("tr_1".into()),
        ..Payment::default()
    });
    subscription
}

fn dispute(subscription: &mut Subscription, id: &str, amount: i64, status: DisputeStatus) {
    let moved = Settled { amount: -amount, currency: "usd".into() };
    let moves = vec![DisputeMove { id: format!("txn_{id}"), moved, fee: 1500 }];
    subscription.payments[0].disputes.retain(|known| known.id != id);
    let (id, reason) = (id.to_owned(), String::new());
    subscription.payments[0].disputes.push(Dispute {
        id,
        amount,
        status,
        reason,
        moves,
        opened_at: Some(AT),
        due_by: None,
        asked_at: None,
    });
}

/// The planned moves: path and amount, as Stripe is asked for them.
fn planned(subscription: &Subscription) -> Vec<(String, String)> {
    let requests = subscription.moves().filter_map(|one| subscription.move_request(one.number));
    requests.map(|one| (one.path, one.body.split("&metadata").next().unwrap_or_default().to_owned())).collect()
}

fn made(subscription: &mut Subscription, number: u32, id: &str) {
    assert!(subscription.observe_move(number, &MoveOutcome::Made(id.to_owned()), AT));
    assert!(!subscription.observe_move(number, &MoveOutcome::Made(id.to_owned()), AT), "once");
}

#[test]
fn a_lost_dispute_takes_back_in_the_transfers_currency() {
    let mut subscription = paid(Some(1356));
    dispute(&mut subscription, "dp_1", 1000, DisputeStatus::Lost);
    assert!(subscription.plan(true, AT) && !subscription.plan(true, AT), "once");
    // All that the seller has: 970 of 1000, converted as the transfer settled.
    assert_eq!(planned(&subscription), [("/transfers/tr_1/reversals".to_owned(), "amount=1315".to_owned())]);
    made(&mut subscription, 1, "trr_1");
    assert_eq!(subscription.payments[0].net(ChargeType::Destination), 0);
    dispute(&mut subscription, "dp_1", 1000, DisputeStatus::Won);
    assert!(subscription.plan(true, AT) && !subscription.plan(true, AT));
    let again = planned(&subscription);
    assert_eq!((again.len(), again[0].0.as_str()), (1, "/transfers"));
    assert!(again[0].1.starts_with("amount=1315&currency=cad&destination=acct_1"), "{again:?}");
    made(&mut subscription, 2, "tr_2");
    assert_eq!(subscription.payments[0].net(ChargeType::Destination), 970);
}

#[test]
fn parts_add_up_to_what_the_seller_had() {
    for settled in [None, Some(1356), Some(7)] {
        let mut subscription = paid(settled);
        let whole = settled.unwrap_or(1000);
        let mut taken = 0;
        for (place, amount) in [333, 333, 334].into_iter().enumerate() {
            dispute(&mut subscription, &format!("dp_{place}"), amount, DisputeStatus::Lost);
            subscription.plan(true, AT);
            for one in subscription.moves().filter(|one| one.state == MoveState::Planned).cloned().collect::<Vec<_>>() {
                taken += one.settled.amount;
                made(&mut subscription, one.number, &format!("trr_{}", one.number));
            }
        }
        let net = subscription.payments[0].net(ChargeType::Destination);
        assert!(taken <= whole && (0..=1000 / whole).contains(&net), "{settled:?}: {taken} was taken, and {net} is left");
    }
}

#[test]
fn a_refunds_reversal_is_not_repeated() {
    let mut subscription = paid(Some(1356));
    // 400 of 1000, with its part of the fee.
    let refund = Refund {
        id: "re_1".into(),
        amount: 400,
        failed: false,
        fee_refunded: Some(12),
        transfer_reversed: 542,
        settled: None,
        returned: None,
    };
    subscription.payments[0].refunds.push(refund);
    subscription.payments[0].fee_refunded = 12;
    assert_eq!(subscription.payments[0].net(ChargeType::Destination), 582);
    dispute(&mut subscription, "dp_1", 600, DisputeStatus::Lost);
    assert!(subscription.plan(true, AT));
    // 582 of the remaining 600.
    assert_eq!(planned(&subscription), [("/transfers/tr_1/reversals".to_owned(), "amount=790".to_owned())]);
}

#[test]
fn a_failed_refund_returns_the_sellers_part() {
    for (settled, reversed, given) in [(None, 1000, 970), (Some(1356), 1356, 1315)] {
        let mut subscription = paid(settled);
        let refund = |id: &str, failed: bool, fee_refunded: i64, transfer_reversed: i64| Refund {
            id: id.into(),
            amount: 1000,
            failed,
            fee_refunded: Some(fee_refunded),
            transfer_reversed,
            settled: None,
            returned: None,
        };
        subscription.payments[0].refunds.push(refund("re_1", false, 30, reversed));
        subscription.payments[0].fee_refunded = 30;
        assert!(!subscription.plan(true, AT), "it may arrive");
        subscription.payments[0].refunds[0].failed = true;
        assert!(subscription.plan(true, AT) && !subscription.plan(true, AT), "once");
        let again = planned(&subscription);
        assert!(again.len() == 1 && again[0].0 == "/transfers" && again[0].1.starts_with(&format!("amount={given}&")), "{again:?}");
        made(&mut subscription, 1, "tr_2");
        assert_eq!(subscription.payments[0].net(ChargeType::Destination), 970);

        // The charge's own transfer is fully reversed, so the rest is reversed from the other one.
        let mut lost = subscription.clone();
        dispute(&mut lost, "dp_1", 1000, DisputeStatus::Lost);
        assert!(lost.plan(true, AT) && !lost.plan(true, AT));
        assert_eq!(planned(&lost), [("/transfers/tr_2/reversals".to_owned(), format!("amount={given}"))]);
        made(&mut lost, 2, "trr_1");
        assert_eq!(lost.payments[0].net(ChargeType::Destination), 0);

        let by = subscription.seller_id.clone();
        let state = AskedState::Made("re_2".into());
        let asked = AskedRefund { number: 1, amount: 1000, by, by_staff: false, client_key: None, at: AT, state };
        subscription.payments[0].asked.push(asked);
        assert_eq!(subscription.payments[0].refundable(), 0, "it was made, but is not in the list yet");
        subscription.payments[0].refunds.insert(0, refund("re_2", false, 0, 0));
        assert!(subscription.plan(true, AT) && !subscription.plan(true, AT));
        assert_eq!(planned(&subscription), [("/transfers/tr_2/reversals".to_owned(), format!("amount={given}"))]);
        // The bank returns this one as well, after its reversal was refused, or was made.
        let mut refused = subscription.clone();
        refused.payments[0].refunds[0].failed = true;
        assert!(!refused.plan(true, AT), "it may have been made");
        assert!(refused.observe_move(2, &MoveOutcome::Refused("balance_insufficient".into()), AT));
        assert!(refused.plan(true, AT) && !refused.plan(true, AT));
        assert_eq!((planned(&refused).len(), refused.payments[0].net(ChargeType::Destination)), (0, 970));
        made(&mut subscription, 2, "trr_1");
        assert_eq!(subscription.payments[0].net(ChargeType::Destination), 0);
        subscription.payments[0].refunds[0].failed = true;
        assert!(subscription.plan(true, AT) && !subscription.plan(true, AT), "once");
        let again = planned(&subscription);
        assert!(again.len() == 1 && again[0].0 == "/transfers" && again[0].1.starts_with(&format!("amount={given}&")), "{again:?}");
        made(&mut subscription, 3, "tr_3");
        assert_eq!(subscription.payments[0].net(ChargeType::Destination), 970);
    }
}

#[test]
fn nothing_is_planned_before_its_time() {
    for (status, take_back) in [(DisputeStatus::NeedsResponse, true), (DisputeStatus::Won, true), (DisputeStatus::Lost, false)] {
        let mut subscription = paid(None);
        dispute(&mut subscription, "dp_1", 1000, status);
        assert!(!subscription.plan(take_back, AT), "{status:?}");
    }
    let mut direct = paid(None);
    direct.charge_type = ChargeType::Direct;
    dispute(&mut direct, "dp_1", 1000, DisputeStatus::Lost);
    assert!(!direct.plan(true, AT));
    // The settlement is not known yet, so Stripe is asked.
    let mut unbooked = paid(None);
    unbooked.payments[0].settled = None;
    dispute(&mut unbooked, "dp_1", 1000, DisputeStatus::Lost);
    assert!(!unbooked.plan(true, AT));
    assert_eq!(unbooked.silent_payments(AT + Duration::hours(2)), ["pi_1"]);
}

#[test]
fn a_refused_reversal_is_retried_under_another_key_and_dropped_if_the_dispute_is_won() {
    let mut subscription = paid(None);
    dispute(&mut subscription, "dp_1", 1000, DisputeStatus::Lost);
    subscription.plan(true, AT);
    let first = subscription.move_request(1).expect("it is planned");
    assert!(subscription.observe_move(1, &MoveOutcome::Refused("balance_insufficient".into()), AT));
    assert_eq!(subscription.take_news(), [News::MoveRefused(1)]);
    assert!(subscription.try_again(1, AT) && !subscription.try_again(1, AT));
    let second = subscription.move_request(1).expect("it is planned");
    assert!(first.key != second.key && first.body == second.body);
    // It may be at Stripe, so its outcome is found before anything else is decided.
    dispute(&mut subscription, "dp_1", 1000, DisputeStatus::Won);
    assert!(!subscription.plan(true, AT));
    assert!(subscription.observe_move(1, &MoveOutcome::Refused("balance_insufficient".into()), AT) && subscription.plan(true, AT));
    assert_eq!((planned(&subscription), subscription.take_news()), (Vec::new(), vec![News::MoveRefused(1), News::MoveDone(1)]));
}
