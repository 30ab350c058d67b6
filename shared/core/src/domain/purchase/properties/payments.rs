//! Attempts and the reports about them, in any order and however often.

use proptest::prelude::*;

use super::{AT, Sale, attempt, sale};
use crate::base::trials::trials;
use crate::domain::charging::{ChargeType, Failure};
use crate::domain::purchase::attempt::Observation;
use crate::domain::purchase::maker::Made;
use crate::domain::purchase::record::{News, Purchase};
use crate::domain::purchase::status::{AttemptStatus, Status};

/// What Stripe reports about one attempt's PaymentIntent.
#[derive(Clone, Debug)]
struct Heard {
    attempt: u32,
    status: AttemptStatus,
}

impl Heard {
    fn tell(&self, purchase: &mut Purchase) -> bool {
        let payment_intent = format!("pi_{}", self.attempt);
        let amount = purchase.attempts().iter().find(|one| one.number == self.attempt).map_or(0, |one| one.amount);
        let fee = purchase.attempts()[0].application_fee;
        let charge_type = purchase.charge_type;
        let number = purchase.find_maker(&Made {
            payment_intent: Some(&payment_intent),
            checkout_session: None,
            attempt: Some(self.attempt),
            account: None,
            by_platform: true,
            amount,
            currency: "usd",
            customer: Some("cus_1"),
            division: Some((
                (fee > 0 && charge_type != ChargeType::Separate).then_some(fee),
                (charge_type == ChargeType::Destination).then_some("acct_0"),
            )),
            created: AT.unix_timestamp(),
        });
        let number = number.expect("it is one of the purchase's");
        let failure = Failure { code: "card_declined".into(), decline_code: Some("generic_decline".into()), declined: true };
        let failure = (self.status == AttemptStatus::Failed).then_some(failure);
        let seen = Observation { payment_intent: Some(payment_intent), failure, ..Observation::of(self.status) };
        purchase.observe(number, &seen, "event", AT)
    }
}

const STATUSES: [AttemptStatus; 5] =
    [AttemptStatus::Pending, AttemptStatus::RequiresAction, AttemptStatus::Failed, AttemptStatus::Canceled, AttemptStatus::Paid];

/// The number of attempts, the reports about them, and the same reports reordered with repetitions.
fn story() -> impl Strategy<Value = (u32, Vec<Heard>, Vec<Heard>)> {
    let heard = |attempts| (1..=attempts, proptest::sample::select(STATUSES.as_slice()));
    (1_u32..5)
        .prop_flat_map(move |attempts| (Just(attempts), proptest::collection::vec(heard(attempts), 1..12)))
        .prop_map(|(attempts, heard)| (attempts, heard.into_iter().map(|(attempt, status)| Heard { attempt, status }).collect::<Vec<_>>()))
        .prop_flat_map(|(attempts, heard)| {
            let again = proptest::sample::subsequence(heard.clone(), 0..=heard.len());
            let other = (Just(heard.clone()), again).prop_map(|(all, again)| [all, again].concat()).prop_shuffle();
            (Just(attempts), Just(heard), other)
        })
}

/// A purchase with this many attempts, each at a different price.
fn tried(sale: &Sale, attempts: u32) -> Purchase {
    let mut purchase = sale.purchase();
    for number in 2..=attempts {
        let dearer = Sale { amount: sale.amount + i64::from(number), ..sale.clone() };
        let payees = purchase.attempt().payees.clone();
        purchase.begin(attempt(&dearer, number, payees), "request");
    }
    purchase
}

fn after(sale: &Sale, attempts: u32, heard: &[Heard]) -> Purchase {
    let mut purchase = tried(sale, attempts);
    for one in heard {
        one.tell(&mut purchase);
    }
    purchase
}

/// Which attempt is the first that was reported as paid.
fn first_paid(heard: &[Heard]) -> Option<u32> {
    heard.iter().find(|one| one.status == AttemptStatus::Paid).map(|one| one.attempt)
}

/// Everything except when and from where it was reported.
fn end(purchase: &Purchase) -> impl PartialEq + std::fmt::Debug + use<> {
    let attempts: Vec<_> =
        purchase.attempts().iter().map(|one| (one.number, one.status, one.payment_intent.clone(), one.failure.clone())).collect();
    (attempts, purchase.status(), purchase.amount(), purchase.application_fee(), purchase.ownership(), purchase.sums())
}

proptest! {
    #![proptest_config(trials(500))]

    #[test]
    fn any_order_and_repetition_of_reports_ends_the_same(sale in sale(), (attempts, heard, other) in story()) {
        // Of two payments the first that is heard of counts.
        prop_assume!(first_paid(&heard) == first_paid(&other));
        prop_assert_eq!(end(&after(&sale, attempts, &heard)), end(&after(&sale, attempts, &other)));
    }

    #[test]
    fn it_is_paid_where_stripe_said_so_and_only_there(sale in sale(), (attempts, heard, _) in story()) {
        let purchase = after(&sale, attempts, &heard);
        let paid = first_paid(&heard);
        prop_assert_eq!(purchase.paid_attempt().map(|attempt| attempt.number), paid);
        prop_assert_eq!(purchase.status() == Status::Paid, paid.is_some());
        prop_assert_eq!(purchase.ownership().is_paid(), paid.is_some());
        prop_assert_eq!(purchase.paid_at().is_some(), paid.is_some());
        let amount = paid.map_or(purchase.attempt().amount, |number| if number == 1 { sale.amount } else { sale.amount + i64::from(number) });
        prop_assert_eq!(purchase.amount(), amount);
    }

    #[test]
    fn attempts_never_go_back_and_each_change_is_reported_once(sale in sale(), (attempts, _, heard) in story()) {
        let mut purchase = tried(&sale, attempts);
        for one in &heard {
            let before: Vec<AttemptStatus> = purchase.attempts().iter().map(|attempt| attempt.status).collect();
            one.tell(&mut purchase);
            prop_assert!(!one.tell(&mut purchase), "repeating a report changes nothing: {:?}", one);
            let now = purchase.attempts().iter().map(|attempt| attempt.status);
            prop_assert!(before.iter().zip(now).all(|(before, now)| *before <= now));
        }
        let paid = purchase.news().iter().filter(|news| **news == News::Paid).count();
        prop_assert_eq!(paid, usize::from(purchase.paid_attempt().is_some()));
        let ended = purchase.attempts().iter().filter(|attempt| !attempt.status.is_open()).count();
        let not_paid = purchase.news().iter().filter(|news| matches!(news, News::NotPaid(_))).count();
        prop_assert!(not_paid <= ended, "{:?}", purchase.news());
    }
}
