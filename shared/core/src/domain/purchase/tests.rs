use time::OffsetDateTime;

use super::record::KEPT_ATTEMPTS;
use super::*;
use crate::base::entropy::Entropy;
use crate::domain::charging::{AMOUNT_CHANGED, ChargeType, NEVER_MADE};
use crate::domain::ids::{CourseId, PurchaseId, UserId};
use crate::domain::money::{Currency, Settled};

mod booking;

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
        named: None,
        sent_again_at: None,
        amount: 5000,
        application_fee: 2500,
        payees: Vec::new(),
        started_at: AT,
        leased_until: AT,
        payment_intent: None,
        checkout_session: None,
        charge: None,
        status: AttemptStatus::Pending,
        failure: None,
        sold: None,
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

fn seen(status: AttemptStatus, payment_intent: &str) -> Observation {
    Observation { payment_intent: Some(payment_intent.into()), ..Observation::of(status) }
}

fn settled(amount: i64, currency: &str) -> Settled {
    Settled { amount, currency: currency.to_owned() }
}

/// A dispute of this amount with this status.
fn heard(amount: i64, status: DisputeStatus) -> SeenDispute<'static> {
    SeenDispute { id: "dp_1", amount, status, reason: "fraudulent", as_of: AT, due_by: None, moves: &[] }
}

fn paid(charge_type: ChargeType) -> Purchase {
    let mut purchase = purchase_of(charge_type);
    let charge = ChargeFacts {
        id: "ch_1".into(),
        transfer: Some("tr_0".into()),
        settled: Some(settled(5000, "usd")),
        stripe_fee: Some(175),
        created: Some(7),
        ..ChargeFacts::default()
    };
    purchase.observe(1, &Observation { charge: Some(charge), ..seen(AttemptStatus::Paid, "pi_1") }, "event", AT);
    purchase.plan(true, "event", AT);
    purchase
}

/// Carries out everything that is planned, with a Stripe that never refuses.
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

/// All permutations of `items`.
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
    let statuses =
        [AttemptStatus::Pending, AttemptStatus::RequiresAction, AttemptStatus::Failed, AttemptStatus::Canceled, AttemptStatus::Paid];
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
fn a_repeated_report_changes_nothing() {
    let mut purchase = purchase();
    assert!(purchase.observe(1, &seen(AttemptStatus::Paid, "pi_1"), "event", AT));
    for status in
        [AttemptStatus::Pending, AttemptStatus::RequiresAction, AttemptStatus::Failed, AttemptStatus::Canceled, AttemptStatus::Paid]
    {
        assert!(!purchase.observe(1, &seen(status, "pi_1"), "event", AT), "{status:?}");
    }
}

#[test]
fn an_old_attempt_that_fails_late_leaves_the_new_one_alone() {
    let mut purchase = purchase();
    purchase.observe(1, &seen(AttemptStatus::RequiresAction, "pi_1"), "request", AT);
    purchase.begin(attempt(2, Means::PaymentIntent), "request");
    purchase.observe(1, &seen(AttemptStatus::Failed, "pi_1"), "event", AT);
    assert_eq!(purchase.status(), Status::Pending);
    assert_eq!(purchase.attempts()[0].status, AttemptStatus::Failed);
    purchase.observe(2, &seen(AttemptStatus::Paid, "pi_2"), "event", AT);
    assert_eq!(purchase.status(), Status::Paid);
}

#[test]
fn an_old_attempt_that_is_paid_after_all_counts() {
    let mut purchase = purchase();
    purchase.begin(attempt(2, Means::Checkout), "request");
    purchase.observe(1, &seen(AttemptStatus::Paid, "pi_1"), "event", AT);
    assert_eq!(purchase.status(), Status::Paid);
    assert!(purchase.paid_at().is_some());
}

#[test]
fn a_second_payment_is_reported_and_changes_nothing() {
    let mut purchase = purchase();
    purchase.observe(1, &seen(AttemptStatus::Failed, "pi_1"), "event", AT);
    // The seller connects another account and raises the price.
    purchase.seller_account = "acct_2".into();
    purchase.begin(Attempt { amount: 9000, ..attempt(2, Means::PaymentIntent) }, "request");
    purchase.observe(2, &seen(AttemptStatus::Paid, "pi_2"), "event", AT);
    purchase.take_news();
    // Somebody pays the attempt that was declined.
    assert!(purchase.observe(1, &seen(AttemptStatus::Paid, "pi_1"), "event", AT));
    assert_eq!(purchase.take_news(), [News::OffRecord { attempt: 1, amount: 5000 }]);
    assert_eq!((purchase.paid_attempt().map(|paid| paid.number), purchase.amount()), (Some(2), 9000));
    assert_eq!(purchase.seller_account, "acct_2");
    assert!(!purchase.observe(1, &seen(AttemptStatus::Paid, "pi_1"), "event", AT), "it is reported once");
}

#[test]
fn an_old_attempt_is_paid_as_it_was_asked_for() {
    let mut purchase = purchase();
    purchase.observe(1, &seen(AttemptStatus::Failed, "pi_1"), "event", AT);
    (purchase.seller_account, purchase.charge_type, purchase.currency) = ("acct_2".into(), ChargeType::Direct, Currency::Eur);
    purchase.begin(attempt(2, Means::PaymentIntent), "request");
    purchase.observe(1, &seen(AttemptStatus::Paid, "pi_1"), "event", AT);
    let sold = (purchase.seller_account.as_str(), purchase.charge_type, purchase.currency, purchase.charged_account());
    assert_eq!(sold, ("acct_1", ChargeType::Destination, Currency::Usd, None));
}

#[test]
fn a_changed_amount_pays_for_nothing_and_is_reported_once() {
    let mut purchase = purchase();
    let charge = ChargeFacts { id: "ch_1".into(), ..ChargeFacts::default() };
    let taken = Observation {
        payment_intent: Some("pi_1".into()),
        charge: Some(charge),
        taken_otherwise: Some(50),
        ..Observation::refused(AMOUNT_CHANGED)
    };
    assert!(purchase.observe(1, &taken, "event", AT));
    assert!(!purchase.observe(1, &taken, "event", AT));
    assert_eq!((purchase.status(), purchase.ownership()), (Status::Failed, Ownership::None));
    let news = purchase.take_news();
    assert_eq!(news, [News::OffRecord { attempt: 1, amount: 50 }, News::NotPaid(AMOUNT_CHANGED.into())]);
}

#[test]
fn a_payment_counts_only_for_the_attempt_that_made_it() {
    let mut purchase = purchase();
    let made = Made {
        payment_intent: Some("pi_1"),
        checkout_session: None,
        attempt: Some(1),
        account: None,
        by_platform: true,
        amount: 5000,
        currency: "usd",
        customer: Some("cus_1"),
        division: Some((Some(2500), Some("acct_1"))),
        created: AT.unix_timestamp(),
    };
    assert_eq!(purchase.find_maker(&made), Some(1));
    let others = [
        Made { attempt: None, ..made },
        Made { attempt: Some(2), ..made },
        Made { account: Some("acct_1"), ..made },
        Made { by_platform: false, ..made },
        Made { amount: 4999, ..made },
        Made { currency: "eur", ..made },
        Made { customer: Some("cus_2"), ..made },
        Made { customer: None, ..made },
        Made { division: Some((Some(1), Some("acct_1"))), ..made },
        Made { division: Some((Some(2500), Some("acct_2"))), ..made },
        Made { division: Some((None, None)), ..made },
        Made { created: AT.unix_timestamp() - 61, ..made },
        Made { created: AT.unix_timestamp() + 100_000, ..made },
        Made { payment_intent: None, checkout_session: Some("cs_1"), ..made },
    ];
    for other in others {
        assert_eq!(purchase.find_maker(&other), None, "{other:?}");
    }
    purchase.observe(1, &Observation::refused("rate_limit"), "request", AT);
    assert_eq!(purchase.find_maker(&made), None, "an attempt that has ended takes none");
    let mut unknown = self::purchase();
    unknown.observe(1, &Observation::refused(NEVER_MADE), "request", AT);
    assert_eq!(unknown.find_maker(&made), Some(1), "Stripe may carry out what it answered with a 500");
    unknown.begin(attempt(2, Means::PaymentIntent), "request");
    assert_eq!(unknown.find_maker(&made), None, "the buyer is paying otherwise");
    unknown.observe(2, &seen(AttemptStatus::Paid, "pi_2"), "request", AT);
    assert_eq!(unknown.find_maker(&made), None, "it would be a second payment");
    purchase.observe(1, &seen(AttemptStatus::Failed, "pi_1"), "request", AT);
    assert_eq!(purchase.find_maker(&Made { amount: 1, attempt: None, ..made }), Some(1), "but it keeps its own");
}

#[test]
fn the_fee_is_what_the_charge_has() {
    let with = |fee| ChargeFacts { id: "ch_1".into(), application_fee: fee, ..ChargeFacts::default() };
    let paid = |fee| Observation { charge: Some(with(fee)), ..seen(AttemptStatus::Paid, "pi_1") };
    let differs = |purchase: &mut Purchase| {
        purchase.take_news().into_iter().filter(|news| matches!(news, News::FeeDiffers { .. })).collect::<Vec<_>>()
    };
    let mut purchase = purchase();
    purchase.observe(1, &paid(None), "event", AT);
    assert_eq!((purchase.application_fee(), differs(&mut purchase)), (2500, vec![]), "it is not known yet");
    purchase.observe(1, &paid(Some(1)), "event", AT);
    assert_eq!((purchase.application_fee(), purchase.sums().application_fee, purchase.net()), (1, 1, 4999));
    assert_eq!(differs(&mut purchase), [News::FeeDiffers { asked: 2500, taken: 1 }]);
    purchase.observe(1, &paid(Some(2500)), "event", AT);
    assert_eq!((purchase.application_fee(), differs(&mut purchase)), (1, vec![]), "a charge's fee never changes");
    let mut as_asked = self::purchase();
    as_asked.observe(1, &paid(Some(2500)), "event", AT);
    assert_eq!((as_asked.application_fee(), differs(&mut as_asked)), (2500, vec![]));
}

#[test]
fn the_refunded_total_only_grows_and_never_exceeds_the_charge() {
    let mut purchase = purchase();
    assert!(!purchase.observe_refunded(100, "event", AT), "an unpaid amount cannot be refunded");
    purchase.observe(1, &seen(AttemptStatus::Paid, "pi_1"), "event", AT);
    assert_eq!(purchase.net(), 2500);
    assert!(purchase.observe_refunded(1000, "event", AT));
    assert_eq!((purchase.status(), purchase.ownership()), (Status::PartiallyRefunded, Ownership::Owned));
    assert!(!purchase.observe_refunded(400, "event", AT));
    assert!(purchase.observe_refunded(9999, "event", AT));
    assert_eq!((purchase.status(), purchase.refunded(), purchase.ownership()), (Status::Refunded, 5000, Ownership::None));
}

#[test]
fn endless_declines_do_not_fill_the_table() {
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
        assert_eq!(purchase.refundable(), 3999, "and is deducted from what is left");
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
fn a_failed_refund_restores_everybodys_part() {
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
        assert_eq!(purchase.net(), expected, "{charge_type:?}: a direct charge's fee stays refunded");
    }
}

/// Refunds this amount, or all that is left, and carries it out.
fn refund(purchase: &mut Purchase, amount: Option<i64>) -> u32 {
    let seller = purchase.seller_id.clone();
    let number = purchase.plan_refund(amount, &seller, None, "request:2", AT).expect("it is left");
    settle(purchase);
    number
}

/// The bank returns a refund. Nothing that follows is carried out yet.
fn send_back(purchase: &mut Purchase, number: u32) {
    let (id, amount) =
        purchase.movement(number).map(|refund| (refund.stripe_id.clone().expect("it was made"), refund.amount)).expect("it is there");
    let failed = SeenRefund { id: &id, amount, state: MovementState::Failed, transfer_reversed: None, fee_refunded: None };
    assert!(purchase.observe_refund(&failed, Some(number), "event:1", AT));
    purchase.plan(true, "event:1", AT);
}

#[test]
fn a_returned_partial_refund_leaves_no_unit_behind() {
    for sent_back in 0..3 {
        let mut purchase = paid(ChargeType::Separate);
        settle(&mut purchase);
        // Out of a fee of 50 %, these refunds take 1, 0 and 1.
        let parts = [1, 1, 1].map(|amount| refund(&mut purchase, Some(amount)));
        send_back(&mut purchase, parts[sent_back]);
        refund(&mut purchase, None);
        let moved = |kind: MovementKind| -> i64 {
            let done = purchase.movements().iter().filter(|movement| movement.kind == kind && movement.state == MovementState::Done);
            done.map(|movement| movement.amount).sum()
        };
        let theirs = moved(MovementKind::Transfer) - moved(MovementKind::Reversal);
        assert_eq!((purchase.refunded(), theirs, purchase.fee_refunded()), (5000, 0, 2500), "the refund {sent_back} was returned");
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
fn what_a_seller_gets_again_too_late_is_reversed() {
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
fn disputes_and_refunds_reverse_later_transfers_too() {
    let dispute = |status| heard(5000, status);
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
        assert_eq!((purchase.net(), purchase.refunded()), (0, 5000), "{charge_type:?}: fully refunded");
    }
}

#[test]
fn never_more_than_the_fee_is_refunded() {
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
fn a_lost_dispute_takes_the_sellers_part_and_a_won_one_returns_it() {
    let dispute = |status| heard(5000, status);
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
fn disputes_may_be_reported_in_any_order() {
    let statuses = [DisputeStatus::NeedsResponse, DisputeStatus::UnderReview, DisputeStatus::Won];
    for order in orders(&statuses) {
        let mut purchase = paid(ChargeType::Destination);
        for status in order.iter().chain(&order) {
            purchase.observe_dispute(&heard(5000, *status), "event", AT);
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
fn a_dispute_has_an_outcome_once_it_is_closed() {
    let open = [DisputeStatus::WarningNeedsResponse, DisputeStatus::WarningUnderReview, DisputeStatus::NeedsResponse];
    let more = [DisputeStatus::UnderReview, DisputeStatus::AppealNeedsResponse, DisputeStatus::AppealUnderReview];
    let closed = [DisputeStatus::WarningClosed, DisputeStatus::Prevented, DisputeStatus::Lost, DisputeStatus::Won];
    for status in open.into_iter().chain(more).chain(closed) {
        assert_eq!(status.outcome().is_none(), status.is_open(), "{status:?}");
        // As Stripe spells it.
        let spelt = serde_json::to_value(status).expect("a text");
        assert!(status.outcome().is_none_or(|outcome| outcome == spelt), "{status:?}");
    }
}

#[test]
fn an_inquiry_moves_no_money() {
    let mut purchase = paid(ChargeType::Destination);
    let inquiry = |status| heard(5000, status);
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
fn a_transfer_is_not_reversed_before_it_is_made() {
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
fn dividing_neither_loses_nor_creates_money() {
    for (whole, weights) in
        [(100, vec![1, 1, 1]), (5, vec![3, 3]), (7, vec![10, 0, 5]), (1, vec![1, 1]), (999, vec![333, 333, 333]), (10, vec![3, 3])]
    {
        let parts = divide(whole, &weights);
        assert_eq!(parts.iter().sum::<i64>(), whole.min(weights.iter().sum()), "{whole} {weights:?}");
        assert!(parts.iter().zip(&weights).all(|(part, weight)| (0..=*weight).contains(part)), "{whole} {weights:?} {parts:?}");
    }
    assert_eq!(divide(5, &[]), Vec::<i64>::new());
}

/// A purchase as stored in today's tables; newer fields are missing.
const STORED: &str = r#"{
    "id": "pur_0000000000000000_000000000000000001", "course_id": "crs_0000000000000001_000000000000000001", "course_title": "Rust",
    "course_slug": "rust", "buyer_id": "usr_0000000000000000", "seller_id": "usr_0000000000000001", "seller_account": "acct_1",
    "charge_type": "destination", "amount": 5000, "currency": "usd", "application_fee": 2500, "status": "partially_refunded",
    "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:06Z", "paid_at": "2026-01-02T03:04:06Z",
    "attempts": [
        {
            "number": 1, "means": "payment_intent", "account": null, "idempotency_key": "platform:pur:1", "body": "amount=5000",
            "customer": "cus_1", "payment_method": "pm_1", "amount": 5000, "application_fee": 2500,
            "started_at": "2026-01-02T03:04:05Z", "leased_until": "2026-01-02T03:04:06Z", "payment_intent": "pi_1",
            "checkout_session": null, "status": "failed",
            "failure": {"code": "card_declined", "decline_code": "generic_decline", "declined": true}
        },
        {
            "number": 2, "means": "checkout", "account": null, "idempotency_key": "platform:pur:2", "body": "mode=payment",
            "customer": "cus_1", "payment_method": null, "amount": 5000, "application_fee": 2500,
            "started_at": "2026-01-02T03:04:05Z", "leased_until": "2026-01-02T03:04:06Z", "payment_intent": "pi_2",
            "checkout_session": "cs_1", "status": "paid", "charge": {"id": "ch_1", "transfer": "tr_1", "stripe_fee": 175}, "failure": null
        }
    ],
    "movements": [{
        "number": 1, "kind": "refund", "reason": {"type": "asked", "of": "usr_0000000000000001"}, "amount": 1000, "body": "amount=1000",
        "planned_at": "2026-01-03T03:04:05Z", "state": "done", "stripe_id": "re_1", "transfer_reversed": 1000, "fee_refunded": 500
    }],
    "disputes": [{"id": "dp_1", "amount": 5000, "status": "warning_closed", "reason": "fraudulent", "opened_at": "2026-01-04T03:04:05Z"}],
    "history": [{"at": "2026-01-02T03:04:06Z", "attempt": 2, "status": "paid", "cause": "event:evt_1"}],
    "version": 7
}"#;

#[test]
fn stored_purchases_are_read_unchanged() {
    let mut purchase: Purchase = serde_json::from_str(STORED).expect("it is read");
    let statuses: Vec<AttemptStatus> = purchase.attempts().iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [AttemptStatus::Failed, AttemptStatus::Paid]);
    assert_eq!((purchase.refunded(), purchase.net(), purchase.disputed()), (1000, 2000, 0));
    purchase.add_up();
    assert_eq!((purchase.status(), purchase.ownership()), (Status::PartiallyRefunded, Ownership::Owned));
    let written = serde_json::to_value(&purchase).expect("it is written");
    let stored: serde_json::Value = serde_json::from_str(STORED).expect("it is JSON");
    for (name, value) in stored.as_object().expect("it is an object") {
        if !matches!(name.as_str(), "attempts" | "movements" | "disputes" | "history") {
            assert_eq!(written[name], *value, "{name}");
        }
    }
    for list in ["attempts", "movements", "disputes"] {
        for (number, entry) in stored[list].as_array().expect("it is a list").iter().enumerate() {
            for (name, value) in entry.as_object().expect("it is an object").iter().filter(|(name, _)| *name != "charge") {
                assert_eq!(written[list][number][name], *value, "{list} {name}");
            }
        }
    }
}

/// Stripe refuses the planned movement with this number.
fn refuse(purchase: &mut Purchase, number: u32) {
    purchase.observe_movement(number, &Outcome::Refused { code: "balance_insufficient".into() }, "event", AT);
    purchase.plan(true, "event", AT);
}

/// Stripe makes the planned movement with this number.
fn make(purchase: &mut Purchase, number: u32) {
    let made = Outcome::Made { id: format!("obj_{number}"), state: MovementState::Done, transfer_reversed: None, fee_refunded: None };
    assert!(purchase.observe_movement(number, &made, "event", AT));
    purchase.plan(true, "event", AT);
}

#[test]
fn payees_return_their_parts_of_a_separate_charge_before_its_refund() {
    let mut purchase = paid(ChargeType::Separate);
    settle(&mut purchase);
    let seller = purchase.seller_id.clone();
    let number = purchase.plan_refund(Some(1000), &seller, None, "request", AT).expect("it is left");
    let reversals: Vec<u32> = purchase.taken_back(&Reason::Refund(number)).map(|one| one.number).collect();
    assert_eq!((reversals.len(), purchase.request(number)), (2, None), "it waits");
    assert_eq!(purchase.refundable(), 4000, "and is deducted from what is left");
    make(&mut purchase, reversals[0]);
    refuse(&mut purchase, reversals[1]);
    assert_eq!(purchase.movement(number).expect("it is there").state, MovementState::Waiting, "one payee is not enough");
    assert!(purchase.news().contains(&News::MoveRefused(reversals[1])));
    let later = AT + time::Duration::days(3);
    assert!(purchase.try_again(reversals[1], later));
    let made = Outcome::Made { id: "trr_2".into(), state: MovementState::Done, transfer_reversed: None, fee_refunded: None };
    purchase.observe_movement(reversals[1], &made, "reconcile", later);
    purchase.plan(true, "reconcile", later);
    assert!(purchase.request(number).is_some() && purchase.movement(number).is_some_and(|one| one.key_lives(later)), "its key is new");
    assert!(purchase.news().contains(&News::MoveDone(reversals[1])));
}

#[test]
fn a_refused_refund_restores_the_payees_parts() {
    let mut purchase = paid(ChargeType::Separate);
    settle(&mut purchase);
    let before = purchase.net();
    let seller = purchase.seller_id.clone();
    let number = purchase.plan_refund(None, &seller, None, "request", AT).expect("it is left");
    for reversal in purchase.taken_back(&Reason::Refund(number)).map(|one| one.number).collect::<Vec<_>>() {
        make(&mut purchase, reversal);
    }
    assert_eq!(purchase.net(), 0);
    purchase.observe_movement(number, &Outcome::Refused { code: "charge_disputed".into() }, "request", AT);
    settle(&mut purchase);
    assert_eq!((purchase.net(), purchase.status(), purchase.refunded()), (before, Status::Paid, 0));
}

#[test]
fn staff_may_have_the_platform_pay_a_waiting_refund() {
    let mut purchase = paid(ChargeType::Separate);
    settle(&mut purchase);
    let (seller, staff) = (purchase.seller_id.clone(), purchase.buyer_id.clone());
    let number = purchase.plan_refund(None, &seller, None, "request", AT).expect("it is left");
    for reversal in purchase.taken_back(&Reason::Refund(number)).map(|one| one.number).collect::<Vec<_>>() {
        refuse(&mut purchase, reversal);
    }
    assert_eq!(purchase.request(number), None);
    assert!(purchase.bear(number, &staff, "request:staff", AT) && !purchase.bear(number, &staff, "request:staff", AT));
    assert_eq!(purchase.movement(number).and_then(|one| one.borne_by.clone()), Some(staff));
    make(&mut purchase, number);
    assert_eq!((purchase.status(), purchase.net()), (Status::Refunded, 1501), "and the payees still owe it");
    assert!(purchase.taken_back(&Reason::Refund(number)).all(Movement::is_refused));
}

#[test]
fn a_part_that_was_never_transferred_delays_no_refund() {
    let mut purchase = paid(ChargeType::Separate);
    let transfers: Vec<u32> = purchase.movements().iter().map(|one| one.number).collect();
    for transfer in &transfers {
        refuse(&mut purchase, *transfer);
    }
    let seller = purchase.seller_id.clone();
    let part = purchase.plan_refund(Some(2000), &seller, None, "request", AT).expect("it is left");
    assert!(purchase.request(part).is_some(), "nobody has it");
    make(&mut purchase, part);
    assert_eq!(transfers.iter().map(|number| purchase.left_to_transfer(*number)).sum::<i64>(), 1500, "of 2500, their part of 2000 less");
    assert!(transfers.iter().all(|number| purchase.try_again(*number, AT)));
    let request = purchase.request(transfers[0]).expect("it is planned");
    assert!(request.body.starts_with(&format!("amount={}&currency=usd&", purchase.left_to_transfer(transfers[0]))), "{}", request.body);
    for transfer in &transfers {
        refuse(&mut purchase, *transfer);
    }
    let rest = purchase.plan_refund(None, &seller, None, "request", AT).expect("it is left");
    make(&mut purchase, rest);
    assert!(transfers.iter().all(|number| purchase.movement(*number).is_some_and(|one| one.state == MovementState::Failed)));
    assert_eq!((purchase.status(), purchase.net()), (Status::Refunded, 0));
}

#[test]
fn sixty_refunds_neither_break_nor_fill_a_purchase() {
    let mut purchase = paid(ChargeType::Separate);
    settle(&mut purchase);
    let seller = purchase.seller_id.clone();
    for asked in 0..60 {
        let limit = purchase.check_refund(Some(1), 1, MOST_REFUNDS);
        assert_eq!(limit.is_ok(), asked < MOST_REFUNDS, "{asked}");
        purchase.plan_refund(Some(1), &seller, None, "request", AT).expect("it is left");
        settle(&mut purchase);
    }
    assert_eq!((purchase.refunded(), purchase.fee_refunded()), (60, 30));
    assert_eq!(purchase.check_refund(Some(49), 50, 100), Err(RefundCap::TooMany { most: MOST_REFUNDS }));
    let size = serde_json::to_string(&purchase).expect("it is JSON").len();
    assert!(size < 100_000, "{size} bytes of the 400 KB that an item has");
}

#[test]
fn partial_refunds_have_a_minimum_except_the_last() {
    let mut purchase = paid(ChargeType::Destination);
    assert_eq!(purchase.check_refund(Some(49), 50, 10), Err(RefundCap::TooSmall { least: 50 }));
    assert_eq!(purchase.check_refund(Some(50), 50, 10), Ok(()));
    assert_eq!(purchase.check_refund(Some(50), 50, 0), Err(RefundCap::TooMany { most: 0 }));
    refund(&mut purchase, Some(4990));
    assert_eq!((purchase.check_refund(Some(10), 50, 10), purchase.check_refund(None, 50, 10)), (Ok(()), Ok(())));
}

#[test]
fn a_returned_refund_counts_towards_the_maximum_and_a_refused_one_does_not() {
    let mut purchase = paid(ChargeType::Destination);
    let seller = purchase.seller_id.clone();
    let refused = purchase.plan_refund(Some(1000), &seller, None, "request", AT).expect("it is left");
    purchase.observe_movement(refused, &Outcome::Refused { code: "charge_disputed".into() }, "request", AT);
    assert_eq!(purchase.check_refund(Some(1000), 1, 1), Ok(()));
    let returned = purchase.plan_refund(Some(1000), &seller, None, "request", AT).expect("it is left");
    for state in [MovementState::Pending, MovementState::Failed] {
        let made = Outcome::Made { id: "re_2".into(), state, transfer_reversed: None, fee_refunded: None };
        purchase.observe_movement(returned, &made, "event", AT);
    }
    assert_eq!((purchase.refunded(), purchase.refundable()), (0, purchase.amount()), "all of it is left");
    assert_eq!(purchase.check_refund(Some(1000), 1, 1), Err(RefundCap::TooMany { most: 1 }));
}

#[test]
fn a_part_lost_to_a_dispute_counts_like_a_refunded_part() {
    for charge_type in [ChargeType::Destination, ChargeType::Separate] {
        let mut purchase = paid(charge_type);
        settle(&mut purchase);
        let before = purchase.net();
        purchase.observe_dispute(&heard(500, DisputeStatus::NeedsResponse), "event:1", AT);
        assert_eq!((purchase.status(), purchase.ownership()), (Status::Disputed, Ownership::Contested));
        purchase.observe_dispute(&heard(500, DisputeStatus::Lost), "event:2", AT);
        settle(&mut purchase);
        assert_eq!((purchase.status(), purchase.ownership()), (Status::PartiallyRefunded, Ownership::Owned), "{charge_type:?}");
        assert_eq!((purchase.lost(), purchase.refundable()), (500, 4500), "{charge_type:?}");
        assert_eq!(purchase.net(), before - before / 10, "{charge_type:?}: and their part is reversed");
        purchase.observe_dispute(&heard(500, DisputeStatus::Won), "event:3", AT);
        settle(&mut purchase);
        assert_eq!((purchase.status(), purchase.net()), (Status::Paid, before), "{charge_type:?}");
    }
}

#[test]
fn a_loss_can_be_appealed_and_lost_again_or_won() {
    let at = |hours| AT + time::Duration::hours(hours);
    let told = |status, hours| SeenDispute { as_of: at(hours), ..heard(5000, status) };
    let way = [
        told(DisputeStatus::NeedsResponse, 1),
        told(DisputeStatus::Lost, 2),
        told(DisputeStatus::AppealNeedsResponse, 3),
        told(DisputeStatus::AppealUnderReview, 4),
        told(DisputeStatus::Lost, 5),
    ];
    for order in orders(&[0, 1, 2, 3, 4]) {
        let mut purchase = paid(ChargeType::Destination);
        for place in order.iter().chain(&order) {
            purchase.observe_dispute(&way[*place], "event", AT);
        }
        assert_eq!(purchase.disputes()[0].status, DisputeStatus::Lost, "{order:?}");
        assert_eq!((purchase.disputed(), purchase.ownership()), (5000, Ownership::None), "{order:?}");
    }
    let mut purchase = paid(ChargeType::Destination);
    for seen in &way[..4] {
        purchase.observe_dispute(seen, "event", AT);
    }
    assert_eq!((purchase.status(), purchase.ownership()), (Status::Disputed, Ownership::None), "the bank has the money");
    purchase.observe_dispute(&told(DisputeStatus::Won, 6), "event", AT);
    assert_eq!((purchase.status(), purchase.ownership()), (Status::Paid, Ownership::Owned));
}

#[test]
fn a_dispute_that_was_prevented_is_on_record_and_costs_nothing() {
    let mut purchase = paid(ChargeType::Destination);
    purchase.observe_dispute(&heard(5000, DisputeStatus::Prevented), "event", AT);
    assert_eq!((purchase.status(), purchase.disputed(), purchase.ownership()), (Status::Paid, 0, Ownership::Owned));
    assert_eq!(purchase.disputes().len(), 1);
    // Unless its balance transactions say otherwise.
    let moves = [DisputeMove { id: "txn_1".into(), moved: settled(-5000, "usd"), fee: 0 }];
    assert!(purchase.observe_dispute(&SeenDispute { moves: &moves, ..heard(5000, DisputeStatus::Prevented) }, "event", AT));
    assert_eq!((purchase.status(), purchase.disputed(), purchase.ownership()), (Status::Disputed, 5000, Ownership::None));
}

#[test]
fn a_dispute_has_the_time_by_which_to_answer_and_each_answer_is_asked_for_once() {
    let at = |hours| AT + time::Duration::hours(hours);
    let told = |status, hours, due: Option<i64>| SeenDispute { as_of: at(hours), due_by: due.map(at), ..heard(5000, status) };
    let way = [
        told(DisputeStatus::WarningNeedsResponse, 1, Some(100)),
        // The bank allows more time.
        told(DisputeStatus::WarningNeedsResponse, 2, Some(150)),
        told(DisputeStatus::NeedsResponse, 3, Some(200)),
    ];
    for order in orders(&[0, 1, 2]) {
        let mut purchase = paid(ChargeType::Destination);
        purchase.take_news();
        for place in order.iter().chain(&order) {
            purchase.observe_dispute(&way[*place], "event", AT);
        }
        assert_eq!(purchase.disputes()[0].due_by, Some(at(200)), "{order:?}");
        assert!(!purchase.observe_dispute(&way[2], "event", AT), "{order:?}: nothing is new");
        let asked = purchase.take_news().into_iter().filter(|news| matches!(news, News::DisputeNeedsAnswer(_))).count();
        assert_eq!(asked, usize::from(order[0] != 2), "{order:?}: it is told once that the inquiry became a dispute");
    }
    let mut purchase = paid(ChargeType::Destination);
    for seen in &way[..2] {
        purchase.observe_dispute(seen, "event", AT);
    }
    assert_eq!(purchase.disputes()[0].due_by, Some(at(150)));
    purchase.observe_dispute(&told(DisputeStatus::Lost, 300, None), "event", AT);
    assert_eq!(purchase.disputes()[0].due_by, None);
    purchase.take_news();
    purchase.observe_dispute(&told(DisputeStatus::AppealNeedsResponse, 310, Some(400)), "event", AT);
    assert_eq!(purchase.disputes()[0].due_by, Some(at(400)));
    assert!(purchase.take_news().contains(&News::DisputeNeedsAnswer("dp_1".into())));
}
