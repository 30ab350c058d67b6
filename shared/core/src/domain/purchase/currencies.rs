//! Sales that settle in a different currency from the one charged. The figures were recorded at Stripe.
//! <https://docs.stripe.com/connect/currencies>

use time::OffsetDateTime;

use super::*;
use crate::base::entropy::Entropy;
use crate::domain::charging::ChargeType;
use crate::domain::ids::{CourseId, PurchaseId, UserId};
use crate::domain::money::{Currency, Settled};

const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn cad(amount: i64) -> Settled {
    Settled { amount, currency: "cad".to_owned() }
}

/// A purchase of 10.00 USD with a fee of 0.30 that settled as `settled`.
fn sold(charge_type: ChargeType, settled: &Settled, stripe_fee: i64, shares: &[i64]) -> Purchase {
    let entropy = Entropy::seeded(1);
    let (buyer, seller) = (UserId::generate(&entropy), UserId::generate(&entropy));
    let mut purchase = Purchase::new(Terms {
        id: PurchaseId::generate(&buyer, AT, &entropy),
        course_id: CourseId::generate(&seller, AT, &entropy),
        course_title: "Course".into(),
        course_slug: "course".into(),
        buyer_id: buyer,
        seller_id: seller.clone(),
        seller_account: "acct_0".into(),
        charge_type,
        currency: Currency::Usd,
        at: AT,
    });
    let payee = |(place, amount): (usize, &i64)| Payee { user_id: seller.clone(), account: format!("acct_{place}"), amount: *amount };
    purchase.begin(
        Attempt {
            number: 1,
            means: Means::PaymentIntent,
            account: None,
            idempotency_key: "platform:pur:1".into(),
            body: String::new(),
            customer: "cus_1".into(),
            payment_method: None,
            named: None,
            sent_again_at: None,
            amount: 1000,
            application_fee: 30,
            payees: shares.iter().enumerate().map(payee).collect(),
            started_at: AT,
            leased_until: AT,
            payment_intent: None,
            checkout_session: None,
            charge: None,
            status: AttemptStatus::Pending,
            failure: None,
            sold: None,
        },
        "request:1",
    );
    let charge = ChargeFacts {
        id: "ch_1".into(),
        transfer: (charge_type == ChargeType::Destination).then(|| "tr_own".into()),
        settled: Some(settled.clone()),
        stripe_fee: Some(stripe_fee),
        created: Some(7),
        ..ChargeFacts::default()
    };
    let paid = Observation { payment_intent: Some("pi_1".into()), charge: Some(charge), ..Observation::of(AttemptStatus::Paid) };
    purchase.observe(1, &paid, "event", AT);
    purchase.plan(true, "event", AT);
    purchase
}

/// Plans a refund and observes the outcome that Stripe would report.
fn refunded(purchase: &mut Purchase, amount: Option<i64>, reversed: i64, fee: i64) -> u32 {
    let seller = purchase.seller_id.clone();
    let number = purchase.plan_refund(amount, &seller, None, "request", AT).expect("it is left");
    let id = format!("re_{number}");
    let made = Outcome::Made { id, state: MovementState::Done, transfer_reversed: Some(reversed), fee_refunded: Some(fee) };
    assert!(purchase.observe_movement(number, &made, "request", AT));
    purchase.plan(true, "request", AT);
    number
}

/// The planned requests: path, amount and currency.
fn planned(purchase: &Purchase) -> Vec<(String, String)> {
    let requests = purchase.movements().iter().filter_map(|one| purchase.request(one.number));
    requests
        .map(|one| {
            (one.path, one.body.split("&destination").next().unwrap_or_default().split("&metadata").next().unwrap_or_default().to_owned())
        })
        .collect()
}

#[test]
fn a_full_refund_leaves_a_seller_who_settles_in_another_currency_nothing() {
    let mut purchase = sold(ChargeType::Destination, &cad(1356), 69, &[]);
    assert_eq!(purchase.net(), 970);
    refunded(&mut purchase, None, 1356, 30);
    assert_eq!((purchase.net(), purchase.refunded(), purchase.fee_refunded()), (0, 1000, 30));
    assert_eq!(planned(&purchase), []);
}

#[test]
fn partial_refunds_are_computed_from_the_transfer() {
    let mut purchase = sold(ChargeType::Destination, &cad(1342), 69, &[]);
    refunded(&mut purchase, Some(500), 671, 15);
    assert_eq!((purchase.net(), purchase.fee_refunded()), (485, 15));
    refunded(&mut purchase, None, 671, 30);
    assert_eq!((purchase.net(), purchase.fee_refunded()), (0, 30));
    assert_eq!(planned(&purchase), []);
}

#[test]
fn a_refund_that_the_bank_returns_restores_the_sellers_part() {
    let mut purchase = sold(ChargeType::Destination, &cad(1356), 69, &[]);
    let number = refunded(&mut purchase, None, 1356, 30);
    let id = format!("re_{number}");
    let failed = SeenRefund { id: &id, amount: 1000, state: MovementState::Failed, transfer_reversed: None, fee_refunded: None };
    assert!(purchase.observe_refund(&failed, Some(number), "event", AT));
    purchase.plan(true, "event", AT);
    // 1356 less the 41 of the fee already refunded to the seller.
    assert_eq!(planned(&purchase), [("/transfers".to_owned(), "amount=1315&currency=cad".to_owned())]);
}

#[test]
fn a_lost_dispute_takes_back_in_the_transfers_currency() {
    let mut purchase = sold(ChargeType::Destination, &cad(1356), 69, &[]);
    let moves = [DisputeMove { id: "txn_1".into(), moved: cad(-1356), fee: 1500 }];
    let lost = SeenDispute { id: "dp_1", amount: 1000, status: DisputeStatus::Lost, reason: "", as_of: AT, due_by: None, moves: &moves };
    assert!(purchase.observe_dispute(&lost, "event", AT));
    purchase.plan(true, "event", AT);
    // Everything the seller has: 970 of 1000, in the transfer's currency.
    assert_eq!(planned(&purchase), [("/transfers/tr_own/reversals".to_owned(), "amount=1315".to_owned())]);
    assert_eq!((purchase.disputes()[0].moves[0].moved.clone(), purchase.disputes()[0].moves[0].fee), (cad(-1356), 1500));
}

#[test]
fn stripes_fee_is_in_the_currency_that_it_was_taken_in() {
    let purchase = sold(ChargeType::Destination, &cad(1356), 69, &[]);
    assert_eq!((purchase.stripe_fee(), purchase.sums().stripe_fee), (Some(cad(69)), 0), "and is never added to dollars");
    let (currency, sums) = purchase.settled_sums().expect("it settled in another currency");
    assert_eq!((currency.as_str(), sums.stripe_fee), ("cad", 69));
    let direct = sold(ChargeType::Direct, &Settled { amount: 1000, currency: "usd".into() }, 55, &[]);
    assert_eq!((direct.sums().stripe_fee, direct.settled_sums()), (55, None));
}

#[test]
fn transfers_of_a_separate_charge_are_in_the_currency_that_it_settled_in() {
    let mut purchase = sold(ChargeType::Separate, &cad(1356), 69, &[485, 291, 194]);
    // ⌊1356 × 970 / 1000⌋ = 1315, with nothing left over.
    let requests = planned(&purchase);
    let amounts: Vec<&str> = requests.iter().map(|(_, body)| body.as_str()).collect();
    assert_eq!(amounts, ["amount=658&currency=cad", "amount=394&currency=cad", "amount=263&currency=cad"]);
    for number in purchase.movements().iter().map(|one| one.number).collect::<Vec<_>>() {
        let made = Outcome::Made { id: format!("tr_{number}"), state: MovementState::Done, transfer_reversed: None, fee_refunded: None };
        purchase.observe_movement(number, &made, "event", AT);
    }
    assert_eq!(purchase.net(), 485);
    let seller = purchase.seller_id.clone();
    let mut back = 0;
    for amount in [Some(333), None] {
        let number = purchase.plan_refund(amount, &seller, None, "request", AT).expect("it is left");
        for reversal in purchase.taken_back(&Reason::Refund(number)).cloned().collect::<Vec<_>>() {
            back += reversal.settled.as_ref().expect("it moves Canadian dollars").amount;
            let made = Outcome::Made {
                id: format!("trr_{}", reversal.number),
                state: MovementState::Done,
                transfer_reversed: None,
                fee_refunded: None,
            };
            purchase.observe_movement(reversal.number, &made, "event", AT);
        }
        purchase.plan(true, "event", AT);
        let made = Outcome::Made { id: format!("re_{number}"), state: MovementState::Done, transfer_reversed: None, fee_refunded: None };
        assert!(purchase.observe_movement(number, &made, "request", AT));
    }
    assert_eq!((back, purchase.net(), purchase.refunded()), (1315, 0, 1000), "all that was transferred, to the unit");
}

#[test]
fn no_transfer_is_planned_before_stripe_says_what_the_charge_settled_as() {
    let mut purchase = sold(ChargeType::Separate, &cad(1356), 69, &[970]);
    let facts = purchase.attempts()[0].charge.clone().expect("it is known");
    // Like an answer within the first hour.
    let unsettled = ChargeFacts { settled: None, stripe_fee: None, ..facts.clone() };
    let mut early = serde_json::to_value(&purchase).expect("it is JSON");
    early["movements"] = serde_json::json!([]);
    early["attempts"][0]["charge"] = serde_json::to_value(&unsettled).expect("it is JSON");
    purchase = serde_json::from_value(early).expect("the course is bought");
    assert!(!purchase.plan(true, "event", AT) && purchase.lacks_facts());
    let seller = purchase.seller_id.clone();
    let refund = purchase.plan_refund(None, &seller, None, "request", AT).expect("it is left");
    assert_eq!(purchase.request(refund), None, "a refund within that hour waits");
    let seen = Observation { charge: Some(facts), ..Observation::of(AttemptStatus::Paid) };
    assert!(purchase.observe(1, &seen, "event", AT) && purchase.plan(true, "event", AT) && !purchase.lacks_facts());
    assert_eq!(
        planned(&purchase),
        [("/refunds".to_owned(), "payment_intent=pi_1&amount=1000".to_owned())],
        "nobody is paid what goes back"
    );
    assert!(purchase.request(refund).is_some(), "and nobody has to return anything");
}

#[test]
fn the_exchange_rate_difference_of_a_refund_is_recorded_separately() {
    let mut purchase = sold(ChargeType::Destination, &cad(1356), 69, &[]);
    let number = refunded(&mut purchase, None, 1356, 30);
    let id = format!("re_{number}");
    assert!(purchase.observe_conversion(&id, &cad(-1383), "reconcile", AT), "what its balance transaction says");
    assert!(!purchase.observe_conversion(&id, &cad(-1383), "reconcile", AT), "once");
    assert_eq!((purchase.currency_difference(), purchase.net(), purchase.refunded()), (-27, 0, 1000), "the platform bears 27");
}

#[test]
fn the_exchange_rate_difference_is_recorded_once_both_amounts_are_known() {
    let mut purchase = sold(ChargeType::Destination, &cad(1356), 69, &[]);
    let number = refunded(&mut purchase, None, 1356, 30);
    let booked = purchase.attempts[0].charge.clone().expect("it was paid");
    purchase.attempts[0].charge.as_mut().expect("it was paid").settled = None;
    assert!(purchase.observe_conversion(&format!("re_{number}"), &cad(-1383), "reconcile", AT));
    purchase.take_news();
    let seen = Observation { charge: Some(booked), ..Observation::of(AttemptStatus::Paid) };
    assert!(purchase.observe(1, &seen, "event", AT));
    assert_eq!((purchase.currency_difference(), purchase.take_news()), (-27, vec![News::Converted(number)]));
}

#[test]
fn a_payees_part_that_converts_to_nothing_is_not_sent() {
    let mut purchase = sold(ChargeType::Separate, &cad(5), 1, &[1]);
    purchase.plan(true, "event", AT);
    assert_eq!((planned(&purchase), purchase.transferred(), purchase.lacks_facts()), (vec![], 0, false));
    refunded(&mut purchase, None, 0, 0);
    assert_eq!(planned(&purchase), vec![], "and nothing is taken back");
}
