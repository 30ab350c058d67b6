//! Properties of every purchase, whatever was sold, requested and reported, in any order.
//!
//! [`Stripe`] models one charge at Stripe with its own arithmetic. The purchase must arrive at the same result.

mod division;
mod events;
mod payments;
mod refunds;
mod stripe;

use proptest::prelude::*;
use time::OffsetDateTime;

use super::attempt::{Attempt, ChargeFacts, Means, Observation, Payee};
use super::division::divide;
use super::record::{Purchase, Terms};
use super::status::AttemptStatus;
use crate::base::entropy::Entropy;
use crate::domain::charging::ChargeType;
use crate::domain::ids::{CourseId, PurchaseId, UserId};
use crate::domain::money::{Currency, MAXIMUM, Settled};
use stripe::Stripe;

const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// What is sold, and how the money is divided.
#[derive(Clone, Debug)]
struct Sale {
    charge_type: ChargeType,
    amount: i64,
    fee: i64,
    /// For separate transfers: whole percentages.
    shares: Vec<i64>,
}

/// Shares that add up to 100, none of them zero.
fn shares() -> impl Strategy<Value = Vec<i64>> {
    proptest::collection::btree_set(1_i64..100, 0..10).prop_map(|cuts| {
        let ends: Vec<i64> = cuts.into_iter().chain([100]).collect();
        ends.iter().scan(0, |last, end| Some(end - std::mem::replace(last, *end))).collect()
    })
}

fn sale() -> impl Strategy<Value = Sale> {
    let charge_type = proptest::sample::select(vec![ChargeType::Direct, ChargeType::Destination, ChargeType::Separate]);
    let amount = prop_oneof![30_i64..200, 30_i64..20_000, 30..=MAXIMUM];
    (charge_type, amount, 0_i64..100, shares()).prop_map(|(charge_type, amount, percent, shares)| Sale {
        charge_type,
        amount,
        fee: amount * percent / 100,
        shares,
    })
}

fn attempt(sale: &Sale, number: u32, payees: Vec<Payee>) -> Attempt {
    Attempt {
        number,
        means: Means::PaymentIntent,
        account: None,
        idempotency_key: format!("platform:pur:{number}"),
        body: String::new(),
        customer: "cus_1".into(),
        payment_method: None,
        named: None,
        sent_again_at: None,
        amount: sale.amount,
        application_fee: sale.fee,
        payees,
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

impl Sale {
    /// A purchase whose first attempt is under way.
    fn purchase(&self) -> Purchase {
        let entropy = Entropy::seeded(1);
        let (buyer, seller) = (UserId::generate(&entropy), UserId::generate(&entropy));
        let rest = self.amount - self.fee;
        let weights: Vec<i64> = self.shares.iter().map(|share| rest * share).collect();
        let payee = |(place, amount)| Payee {
            user_id: if place == 0 { seller.clone() } else { UserId::generate(&entropy) },
            account: format!("acct_{place}"),
            amount,
        };
        let payees = divide(rest, &weights).into_iter().enumerate().map(payee);
        let payees = if self.charge_type == ChargeType::Separate { payees.collect() } else { Vec::new() };
        let mut purchase = Purchase::new(Terms {
            id: PurchaseId::generate(&buyer, AT, &entropy),
            course_id: CourseId::generate(&seller, AT, &entropy),
            course_title: "Course".into(),
            course_slug: "course".into(),
            buyer_id: buyer,
            seller_id: seller.clone(),
            seller_account: "acct_0".into(),
            charge_type: self.charge_type,
            currency: Currency::Usd,
            at: AT,
        });
        purchase.begin(attempt(self, 1, payees), "request:1");
        purchase
    }

    /// A paid purchase whose transfers have been made.
    fn paid(&self) -> (Purchase, Stripe) {
        let (mut purchase, mut stripe) = (self.purchase(), Stripe::new(self));
        purchase.observe(1, &paid(self.amount), "event:1", AT);
        stripe.settle(&mut purchase);
        (purchase, stripe)
    }
}

fn paid(amount: i64) -> Observation {
    let settled = Some(Settled { amount, currency: "usd".into() });
    let charge = ChargeFacts {
        id: "ch_1".into(),
        transfer: Some("tr_own".into()),
        settled,
        stripe_fee: Some(175),
        created: Some(7),
        ..ChargeFacts::default()
    };
    Observation { payment_intent: Some("pi_1".into()), charge: Some(charge), ..Observation::of(AttemptStatus::Paid) }
}
