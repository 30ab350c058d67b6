use time::OffsetDateTime;

use super::*;
use crate::entropy::Entropy;

const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn attempt(number: u32, means: Means) -> Attempt {
    Attempt {
        number,
        means,
        account: None,
        idempotency_key: format!("platform:pur:{number}"),
        body: String::new(),
        customer: "cus_1".into(),
        payment_method: None,
        amount: 5000,
        application_fee: 2500,
        payees: Vec::new(),
        started_at: AT,
        leased_until: AT,
        payment_intent: None,
        checkout_session: None,
        charge: None,
        status: Status::Pending,
        failure: None,
    }
}

fn purchase_of(charge_type: ChargeType) -> Purchase {
    let entropy = Entropy::seeded(1);
    let (buyer, seller) = (UserId::generate(&entropy), UserId::generate(&entropy));
    let mut purchase = Purchase::new(Terms {
        id: PurchaseId::generate(&buyer, AT, &entropy),
        course_id: CourseId::generate(&seller, AT, &entropy),
        course_title: "Course".into(),
        course_slug: "course".into(),
        buyer_id: buyer,
        seller_id: seller.clone(),
        seller_account: "acct_1".into(),
        charge_type,
        currency: Currency::Usd,
        at: AT,
    });
    let mut first = attempt(1, Means::PaymentIntent);
    if charge_type == ChargeType::Separate {
        first.payees = vec![
            Payee { user_id: seller.clone(), account: "acct_1".into(), amount: 1501 },
            Payee { user_id: UserId::generate(&entropy), account: "acct_2".into(), amount: 999 },
        ];
    }
    purchase.begin(first, "request:1");
    purchase
}

fn purchase() -> Purchase {
    purchase_of(ChargeType::Destination)
}

fn seen(status: Status, payment_intent: &str) -> Observation {
    Observation { payment_intent: Some(payment_intent.into()), ..Observation::of(status) }
}

fn paid(charge_type: ChargeType) -> Purchase {
    let mut purchase = purchase_of(charge_type);
    let charge = ChargeFacts { id: "ch_1".into(), transfer: Some("tr_0".into()), stripe_fee: Some(175), created: Some(7) };
    purchase.observe(1, &Observation { charge: Some(charge), ..seen(Status::Paid, "pi_1") }, "event", AT);
    purchase.plan(true, "event", AT);
    purchase
}

/// Has a Stripe that never refuses carry out what is planned, until nothing is.
fn settle(purchase: &mut Purchase) {
    loop {
        purchase.plan(true, "settle", AT);
        let next = purchase.movements().iter().map(|movement| movement.number).find(|number| purchase.request(*number).is_some());
        let Some(number) = next else { return };
        let kind = purchase.movement(number).expect("it is there").kind;
        let reversed = (kind == MovementKind::Refund && purchase.charge_type == ChargeType::Destination)
            .then(|| purchase.movement(number).expect("it is there").amount.min(purchase.left_of_own_transfer()));
        let made =
            Outcome::Made { id: format!("obj_{number}"), state: MovementState::Done, transfer_reversed: reversed, fee_refunded: None };
        assert!(purchase.observe_movement(number, &made, "settle", AT));
    }
}

/// Every order of `items`.
fn orders<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    (0..items.len())
        .flat_map(|first| {
            let mut rest = items.to_vec();
            let first = rest.remove(first);
            orders(&rest).into_iter().map(move |mut order| {
                order.insert(0, first.clone());
                order
            })
        })
        .collect()
}

#[test]
fn any_order_and_repetition_of_events_ends_the_same() {
    let statuses = [Status::Pending, Status::RequiresAction, Status::Failed, Status::Canceled, Status::Paid];
    for order in orders(&statuses) {
        let mut purchase = purchase();
        for status in order.iter().chain(&order) {
            purchase.observe(1, &seen(*status, "pi_1"), "event", AT);
        }
        assert_eq!(purchase.status(), Status::Paid, "{order:?}");
        let paid = purchase.history().iter().filter(|step| step.status == Status::Paid).count();
        assert_eq!(paid, 1, "{order:?}");
    }
}

#[test]
fn what_is_heard_twice_changes_nothing() {
    let mut purchase = purchase();
    assert!(purchase.observe(1, &seen(Status::Paid, "pi_1"), "event", AT));
    for status in [Status::Pending, Status::RequiresAction, Status::Failed, Status::Canceled, Status::Paid] {
        assert!(!purchase.observe(1, &seen(status, "pi_1"), "event", AT), "{status:?}");
    }
}

#[test]
fn an_old_attempt_that_fails_late_leaves_the_new_one_alone() {
    let mut purchase = purchase();
    purchase.observe(1, &seen(Status::RequiresAction, "pi_1"), "request", AT);
    purchase.begin(attempt(2, Means::PaymentIntent), "request");
    purchase.observe(1, &seen(Status::Failed, "pi_1"), "event", AT);
    assert_eq!(purchase.status(), Status::Pending);
    assert_eq!(purchase.attempts()[0].status, Status::Failed);
    purchase.observe(2, &seen(Status::Paid, "pi_2"), "event", AT);
    assert_eq!(purchase.status(), Status::Paid);
}

#[test]
fn an_old_attempt_that_is_paid_after_all_counts() {
    let mut purchase = purchase();
    purchase.begin(attempt(2, Means::Checkout), "request");
    purchase.observe(1, &seen(Status::Paid, "pi_1"), "event", AT);
    assert_eq!(purchase.status(), Status::Paid);
    assert!(purchase.paid_at().is_some());
}

#[test]
fn a_metadata_number_does_not_stand_in_for_another_payment() {
    let mut purchase = purchase();
    assert_eq!(purchase.find_attempt(Some("pi_1"), None, Some(1)), Some(1));
    purchase.observe(1, &seen(Status::Failed, "pi_1"), "request", AT);
    assert_eq!(purchase.find_attempt(Some("pi_forged"), None, Some(1)), None);
    assert_eq!(purchase.find_attempt(Some("pi_1"), None, None), Some(1));
}

#[test]
fn what_stripe_says_was_given_back_only_grows_and_never_beyond_the_charge() {
    let mut purchase = purchase();
    assert!(!purchase.observe_refunded(100, "event", AT), "what was not paid cannot be given back");
    purchase.observe(1, &seen(Status::Paid, "pi_1"), "event", AT);
    assert_eq!(purchase.net(), 2500);
    assert!(purchase.observe_refunded(1000, "event", AT));
    assert_eq!((purchase.status(), purchase.ownership()), (Status::PartiallyRefunded, Ownership::Owned));
    assert!(!purchase.observe_refunded(400, "event", AT));
    assert!(purchase.observe_refunded(9999, "event", AT));
    assert_eq!((purchase.status(), purchase.refunded(), purchase.ownership()), (Status::Refunded, 5000, Ownership::None));
}

#[test]
fn a_buyer_who_is_declined_for_ever_does_not_fill_the_table() {
    let mut purchase = purchase();
    for number in 2..300 {
        purchase.begin(attempt(number, Means::PaymentIntent), "request");
    }
    assert!(purchase.attempts().len() <= KEPT_ATTEMPTS && purchase.history().len() <= 4 * KEPT_ATTEMPTS);
    assert_eq!(purchase.attempt().number, 299);
}

#[test]
fn a_refund_takes_the_sellers_part_with_it() {
    for charge_type in [ChargeType::Direct, ChargeType::Destination, ChargeType::Separate] {
        let mut purchase = paid(charge_type);
        settle(&mut purchase);
        let seller = purchase.seller_id.clone();
        let of_seller = if charge_type == ChargeType::Separate { 1501 } else { 2500 };
        assert_eq!(purchase.net(), of_seller, "{charge_type:?}");
        purchase.plan_refund(Some(1001), &seller, None, "request:2", AT).expect("it is left");
        assert_eq!(purchase.status(), Status::Paid, "what is planned has not moved");
        assert_eq!(purchase.refundable(), 3999, "and is taken off what is left");
        settle(&mut purchase);
        assert_eq!((purchase.status(), purchase.refunded(), purchase.fee_refunded()), (Status::PartiallyRefunded, 1001, 501));
        purchase.plan_refund(None, &seller, None, "request:3", AT).expect("it is left");
        settle(&mut purchase);
        assert_eq!((purchase.status(), purchase.refunded(), purchase.fee_refunded()), (Status::Refunded, 5000, 2500));
        assert_eq!(purchase.net(), 0, "{charge_type:?}");
        assert_eq!(purchase.plan_refund(None, &seller, None, "request:4", AT), Err(RefundFault::TooMuch { left: 0 }));
    }
}

#[test]
fn a_refund_that_fails_gives_everybody_theirs_again() {
    for charge_type in [ChargeType::Direct, ChargeType::Destination, ChargeType::Separate] {
        let mut purchase = paid(charge_type);
        settle(&mut purchase);
        let before = purchase.net();
        let seller = purchase.seller_id.clone();
        let number = purchase.plan_refund(None, &seller, None, "request:2", AT).expect("it is left");
        settle(&mut purchase);
        let id = purchase.movement(number).and_then(|refund| refund.stripe_id.clone()).expect("it was made");
        let failed = SeenRefund { id: &id, amount: 5000, state: MovementState::Failed, transfer_reversed: None, fee_refunded: None };
        assert!(purchase.observe_refund(&failed, Some(number), "event:1", AT));
        settle(&mut purchase);
        assert_eq!((purchase.status(), purchase.refunded(), purchase.ownership()), (Status::Paid, 0, Ownership::Owned), "{charge_type:?}");
        let expected = if charge_type == ChargeType::Direct { before + 2500 } else { before };
        assert_eq!(purchase.net(), expected, "{charge_type:?}: a direct charge's fee stays given back");
    }
}

/// Refunds a part, or all that is left, and carries it out.
fn refund(purchase: &mut Purchase, amount: Option<i64>) -> u32 {
    let seller = purchase.seller_id.clone();
    let number = purchase.plan_refund(amount, &seller, None, "request:2", AT).expect("it is left");
    settle(purchase);
    number
}

/// Has the bank send a refund back, with nothing carried out yet.
fn send_back(purchase: &mut Purchase, number: u32) {
    let (id, amount) =
        purchase.movement(number).map(|refund| (refund.stripe_id.clone().expect("it was made"), refund.amount)).expect("it is there");
    let failed = SeenRefund { id: &id, amount, state: MovementState::Failed, transfer_reversed: None, fee_refunded: None };
    assert!(purchase.observe_refund(&failed, Some(number), "event:1", AT));
    purchase.plan(true, "event:1", AT);
}

#[test]
fn a_part_that_comes_back_leaves_no_unit_behind() {
    for sent_back in 0..3 {
        let mut purchase = paid(ChargeType::Separate);
        settle(&mut purchase);
        // Of a fee of one half, these take 1, 0 and 1.
        let parts = [1, 1, 1].map(|amount| refund(&mut purchase, Some(amount)));
        send_back(&mut purchase, parts[sent_back]);
        refund(&mut purchase, None);
        let moved = |kind: MovementKind| -> i64 {
            let done = purchase.movements().iter().filter(|movement| movement.kind == kind && movement.state == MovementState::Done);
            done.map(|movement| movement.amount).sum()
        };
        let theirs = moved(MovementKind::Transfer) - moved(MovementKind::Reversal);
        assert_eq!((purchase.refunded(), theirs, purchase.fee_refunded()), (5000, 0, 2500), "the refund {sent_back} came back");
    }
}

#[test]
fn a_seller_keeps_nothing_of_what_is_refunded_in_the_end() {
    for charge_type in [ChargeType::Destination, ChargeType::Separate] {
        for parts in [vec![None], vec![Some(2000), None], vec![Some(1), Some(4998), None]] {
            let mut purchase = paid(charge_type);
            settle(&mut purchase);
            let before = purchase.net();
            let whole = refund(&mut purchase, None);
            send_back(&mut purchase, whole);
            settle(&mut purchase);
            assert_eq!(purchase.net(), before, "{charge_type:?}");
            let mut given_back = 0;
            for part in parts.iter().copied() {
                given_back += part.unwrap_or(5000 - given_back);
                refund(&mut purchase, part);
                let rest = before - share(before, given_back, 5000);
                assert!((purchase.net() - rest).abs() <= 1, "{charge_type:?}: {} of {rest} after {given_back}", purchase.net());
            }
            assert_eq!((purchase.net(), purchase.refunded()), (0, 5000), "{charge_type:?} {parts:?}");
            let moved = purchase.movements().len();
            settle(&mut purchase);
            assert_eq!(purchase.movements().len(), moved, "nothing moves twice");
        }
    }
}

#[test]
fn what_a_seller_is_given_again_too_late_is_taken_back() {
    for charge_type in [ChargeType::Destination, ChargeType::Separate] {
        let mut purchase = paid(charge_type);
        settle(&mut purchase);
        let half = refund(&mut purchase, Some(2500));
        send_back(&mut purchase, half);
        // The platform's balance is empty.
        for number in purchase.movements().iter().filter(|one| one.is_planned()).map(|one| one.number).collect::<Vec<_>>() {
            purchase.observe_movement(number, &Outcome::Refused { code: "balance_insufficient".into() }, "event:1", AT);
        }
        let seller = purchase.seller_id.clone();
        let number = purchase.plan_refund(None, &seller, None, "request:3", AT).expect("it is left");
        let reversed = (charge_type == ChargeType::Destination).then_some(2500);
        let made = Outcome::Made { id: "re_2".into(), state: MovementState::Done, transfer_reversed: reversed, fee_refunded: None };
        purchase.observe_movement(number, &made, "request:3", AT);
        settle(&mut purchase);
        assert_eq!((purchase.net(), purchase.refunded()), (0, 5000), "{charge_type:?}");
    }
}

#[test]
fn disputes_and_refunds_take_what_was_given_again_too() {
    let dispute = |status| SeenDispute { id: "dp_1", amount: 5000, status, reason: "fraudulent" };
    for charge_type in [ChargeType::Destination, ChargeType::Separate] {
        let mut purchase = paid(charge_type);
        settle(&mut purchase);
        let before = purchase.net();
        let half = refund(&mut purchase, Some(2500));
        send_back(&mut purchase, half);
        settle(&mut purchase);
        assert!(purchase.observe_dispute(&dispute(DisputeStatus::Lost), "event:2", AT));
        settle(&mut purchase);
        assert_eq!(purchase.net(), 0, "{charge_type:?}: lost");
        assert!(purchase.observe_dispute(&dispute(DisputeStatus::Won), "event:3", AT));
        settle(&mut purchase);
        assert_eq!(purchase.net(), before, "{charge_type:?}: won");
        refund(&mut purchase, None);
        assert_eq!((purchase.net(), purchase.refunded()), (0, 5000), "{charge_type:?}: given back");
    }
}

#[test]
fn of_the_fee_no_more_is_given_back_than_there_is() {
    for charge_type in [ChargeType::Direct, ChargeType::Destination] {
        let mut purchase = paid(charge_type);
        let seller = purchase.seller_id.clone();
        for (state, again) in [(MovementState::Failed, "re_1"), (MovementState::Done, "re_2")] {
            let number = purchase.plan_refund(None, &seller, None, "request:2", AT).expect("it is left");
            let all = Some(2500);
            let made = Outcome::Made { id: again.into(), state, transfer_reversed: None, fee_refunded: all };
            assert!(purchase.observe_movement(number, &made, "request:2", AT));
        }
        assert_eq!((purchase.refunded(), purchase.fee_refunded()), (5000, 2500), "{charge_type:?}");
    }
}

#[test]
fn a_lost_dispute_takes_the_sellers_part_and_a_won_one_gives_it_again() {
    let dispute = |status| SeenDispute { id: "dp_1", amount: 5000, status, reason: "fraudulent" };
    for charge_type in [ChargeType::Destination, ChargeType::Separate] {
        let mut purchase = paid(charge_type);
        settle(&mut purchase);
        let before = purchase.net();
        assert!(purchase.observe_dispute(&dispute(DisputeStatus::NeedsResponse), "event:1", AT));
        settle(&mut purchase);
        assert_eq!((purchase.status(), purchase.ownership(), purchase.net()), (Status::Disputed, Ownership::Contested, before));
        let seller = purchase.seller_id.clone();
        assert_eq!(purchase.plan_refund(None, &seller, None, "request:2", AT), Err(RefundFault::Disputed));
        assert!(purchase.observe_dispute(&dispute(DisputeStatus::Lost), "event:2", AT));
        settle(&mut purchase);
        assert_eq!((purchase.status(), purchase.ownership(), purchase.net()), (Status::Disputed, Ownership::None, 0));
        assert!(purchase.observe_dispute(&dispute(DisputeStatus::Won), "event:3", AT));
        settle(&mut purchase);
        assert_eq!((purchase.status(), purchase.ownership(), purchase.net()), (Status::Paid, Ownership::Owned, before));
        let moved = purchase.movements().len();
        settle(&mut purchase);
        assert_eq!(purchase.movements().len(), moved, "nothing moves twice");
    }
}

#[test]
fn disputes_are_heard_in_any_order() {
    let statuses = [DisputeStatus::NeedsResponse, DisputeStatus::UnderReview, DisputeStatus::Won];
    for order in orders(&statuses) {
        let mut purchase = paid(ChargeType::Destination);
        for status in order.iter().chain(&order) {
            purchase.observe_dispute(&SeenDispute { id: "dp_1", amount: 5000, status: *status, reason: "" }, "event", AT);
        }
        assert_eq!((purchase.status(), purchase.disputed()), (Status::Paid, 0), "{order:?}");
        let count = |wanted: fn(&News) -> bool| purchase.news().iter().filter(|news| wanted(news)).count();
        assert_eq!(count(|news| matches!(news, News::DisputeOpened(_))), 1, "{order:?}");
        assert_eq!(count(|news| matches!(news, News::DisputeWithdrawn(_))), 1, "{order:?}");
        assert_eq!(count(|news| matches!(news, News::DisputeReinstated(_))), 1, "{order:?}");
        assert_eq!(count(|news| matches!(news, News::DisputeClosed(_))), 1, "{order:?}");
    }
}

#[test]
fn an_inquiry_moves_no_money() {
    let mut purchase = paid(ChargeType::Destination);
    let inquiry = |status| SeenDispute { id: "dp_1", amount: 5000, status, reason: "" };
    purchase.observe_dispute(&inquiry(DisputeStatus::WarningNeedsResponse), "event", AT);
    assert_eq!((purchase.status(), purchase.disputed()), (Status::Disputed, 0));
    let seller = purchase.seller_id.clone();
    assert!(purchase.plan_refund(Some(1), &seller, None, "request", AT).is_ok(), "an inquiry is best ended by a refund");
    purchase.observe_dispute(&inquiry(DisputeStatus::WarningClosed), "event", AT);
    assert_eq!(purchase.status(), Status::Paid);
}

#[test]
fn a_payee_who_cannot_be_paid_is_tried_again_under_another_key() {
    let mut purchase = paid(ChargeType::Separate);
    let number = purchase.movements()[0].number;
    let first = purchase.request(number).expect("it is planned");
    assert_eq!(purchase.request(number).expect("it is planned"), first, "an unknown outcome keeps its key");
    purchase.observe_movement(number, &Outcome::Refused { code: "balance_insufficient".into() }, "reconcile", AT);
    assert!(purchase.due_at().expect("it waits") > AT);
    assert!(purchase.try_again(number, AT));
    let second = purchase.request(number).expect("it is planned");
    assert_eq!(second.body, first.body);
    assert_ne!(second.key, first.key);
}

#[test]
fn what_a_payee_has_not_got_is_not_taken_back_before() {
    let mut purchase = paid(ChargeType::Separate);
    let seller = purchase.seller_id.clone();
    purchase.plan_refund(None, &seller, None, "request", AT).expect("it is left");
    let refund = purchase.movements().iter().find(|one| one.kind == MovementKind::Refund).expect("it is planned").number;
    let made = Outcome::Made { id: "re_1".into(), state: MovementState::Done, transfer_reversed: None, fee_refunded: None };
    purchase.observe_movement(refund, &made, "request", AT);
    purchase.plan(true, "request", AT);
    let reversals: Vec<u32> = purchase.taken_back(&Reason::Refund(refund)).map(|one| one.number).collect();
    assert_eq!(reversals.len(), 2);
    assert!(reversals.iter().all(|number| purchase.request(*number).is_none()), "they wait for the transfers");
    settle(&mut purchase);
    assert_eq!(purchase.net(), 0);
}

#[test]
fn nothing_is_lost_or_made_where_money_is_divided() {
    for (whole, weights) in
        [(100, vec![1, 1, 1]), (5, vec![3, 3]), (7, vec![10, 0, 5]), (1, vec![1, 1]), (999, vec![333, 333, 333]), (10, vec![3, 3])]
    {
        let parts = divide(whole, &weights);
        assert_eq!(parts.iter().sum::<i64>(), whole.min(weights.iter().sum()), "{whole} {weights:?}");
        assert!(parts.iter().zip(&weights).all(|(part, weight)| (0..=*weight).contains(part)), "{whole} {weights:?} {parts:?}");
    }
    assert_eq!(divide(5, &[]), Vec::<i64>::new());
}
