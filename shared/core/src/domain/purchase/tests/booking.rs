//! What happens to a separate charge before Stripe has booked it.

use super::*;

/// A separate charge that is paid, and whose amount on the platform's balance is not known yet.
fn unbooked() -> Purchase {
    let mut purchase = purchase_of(ChargeType::Separate);
    let charge = ChargeFacts { id: "ch_1".into(), created: Some(7), ..ChargeFacts::default() };
    purchase.observe(1, &Observation { charge: Some(charge), ..seen(AttemptStatus::Paid, "pi_1") }, "event", AT);
    purchase.plan(true, "event", AT);
    assert!(purchase.movements().is_empty(), "payees are paid once it is known");
    purchase
}

fn book(purchase: &mut Purchase) {
    let charge = ChargeFacts {
        id: "ch_1".into(),
        settled: Some(settled(5000, "usd")),
        stripe_fee: Some(175),
        created: Some(7),
        ..ChargeFacts::default()
    };
    purchase.observe(1, &Observation { charge: Some(charge), ..seen(AttemptStatus::Paid, "pi_1") }, "event", AT);
    purchase.plan(true, "event", AT);
}

/// What the transfers to the payees would send now.
fn to_send(purchase: &Purchase) -> i64 {
    let transfers = purchase.movements().iter().filter(|one| one.kind == MovementKind::Transfer && purchase.request(one.number).is_some());
    transfers
        .map(|one| purchase.request(one.number).expect("it is planned").body)
        .map(|body| body.strip_prefix("amount=").and_then(|rest| rest.split_once('&')?.0.parse::<i64>().ok()).expect("an amount"))
        .sum()
}

#[test]
fn payees_wait_while_the_bank_holds_what_is_not_booked_yet() {
    for (end, left) in [(DisputeStatus::Won, 2500), (DisputeStatus::Lost, 0)] {
        let mut purchase = unbooked();
        purchase.observe_dispute(&heard(5000, DisputeStatus::NeedsResponse), "event", AT);
        purchase.plan(true, "event", AT);
        book(&mut purchase);
        assert_eq!((to_send(&purchase), purchase.lacks_facts()), (0, false), "nothing is sent that would have to be taken back");
        let ended = SeenDispute { as_of: AT + time::Duration::days(60), ..heard(5000, end) };
        assert!(purchase.observe_dispute(&ended, "event", AT));
        purchase.plan(true, "event", AT);
        assert_eq!(to_send(&purchase), left, "{end:?}");
    }
    // The platform bears lost disputes, and an inquiry takes nothing.
    for (status, take_back) in [(DisputeStatus::NeedsResponse, false), (DisputeStatus::WarningNeedsResponse, true)] {
        let mut purchase = unbooked();
        purchase.observe_dispute(&heard(5000, status), "event", AT);
        let charge = ChargeFacts { id: "ch_1".into(), settled: Some(settled(5000, "usd")), ..ChargeFacts::default() };
        purchase.observe(1, &Observation { charge: Some(charge), ..seen(AttemptStatus::Paid, "pi_1") }, "event", AT);
        purchase.plan(take_back, "event", AT);
        assert_eq!(to_send(&purchase), 2500, "{status:?}");
    }
}

#[test]
fn payees_wait_for_a_refund_that_only_the_charges_total_tells() {
    let mut purchase = unbooked();
    purchase.observe_refunded(2000, "event", AT);
    book(&mut purchase);
    assert_eq!(to_send(&purchase), 0);
    let refund = SeenRefund { id: "re_1", amount: 2000, state: MovementState::Done, transfer_reversed: None, fee_refunded: None };
    purchase.observe_refund(&refund, None, "event", AT);
    purchase.plan(true, "event", AT);
    let share = to_send(&purchase);
    assert!(0 < share && share < 2500, "{share}");
    settle(&mut purchase);
    assert_eq!(purchase.net(), part_of_seller(&purchase));
}

#[test]
fn payees_get_nothing_of_what_was_given_back_before_the_charge_was_booked() {
    for amount in [Some(2000), None] {
        let left = if amount.is_some() { 1500 } else { 0 };
        // Asked for here: it is made at once, because nobody has to return anything.
        let mut asked = unbooked();
        let seller = asked.seller_id.clone();
        let number = asked.plan_refund(amount, &seller, None, "request", AT).expect("it is left");
        assert_eq!(asked.request(number), None, "it waits");
        book(&mut asked);
        assert_eq!(to_send(&asked), left, "{amount:?}");
        assert!(asked.request(number).is_some(), "{amount:?}: it waits no longer");

        // Made in the Dashboard.
        let mut elsewhere = unbooked();
        let refund = SeenRefund {
            id: "re_1",
            amount: amount.unwrap_or(5000),
            state: MovementState::Done,
            transfer_reversed: None,
            fee_refunded: None,
        };
        assert!(elsewhere.observe_refund(&refund, None, "event", AT));
        elsewhere.plan(true, "event", AT);
        book(&mut elsewhere);
        let share = to_send(&elsewhere);
        assert!(share < 2500 && (amount.is_some() || share == 0), "{amount:?}: {share}");

        // Taken by the bank.
        let mut disputed = unbooked();
        disputed.observe_dispute(&heard(amount.unwrap_or(5000), DisputeStatus::Lost), "event", AT);
        disputed.plan(true, "event", AT);
        book(&mut disputed);
        assert_eq!(to_send(&disputed), left, "{amount:?}");

        for mut purchase in [asked, elsewhere, disputed] {
            let sent = to_send(&purchase);
            settle(&mut purchase);
            assert_eq!(purchase.net(), part_of_seller(&purchase), "{amount:?}");
            assert_eq!(to_send(&purchase), 0, "{amount:?}: {sent} was sent once");
        }
    }
}

/// What the course's seller should have after their transfer was reduced.
fn part_of_seller(purchase: &Purchase) -> i64 {
    let theirs = |one: &&Movement| one.kind == MovementKind::Transfer && one.payee.as_ref() == Some(&purchase.seller_id);
    purchase.movements().iter().filter(theirs).map(|one| purchase.left_to_transfer(one.number)).sum()
}
