//! Refunds in any sequence.

use proptest::prelude::*;

use super::stripe::{Fate, With};
use super::{AT, sale};
use crate::base::trials::trials;
use crate::domain::charging::ChargeType;
use crate::domain::purchase::movement::{MovementKind, MovementState, Outcome};
use crate::domain::purchase::observe::SeenRefund;
use crate::domain::purchase::plan::RefundFault;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody asks for a refund of this amount, or of all that is left.
    Ask(Option<i64>),
    /// Stripe answers the request; the flag says whether the answer arrives.
    Answer(Fate, bool),
    /// Stripe refuses the request.
    Refuse,
    /// A refund is made elsewhere.
    Elsewhere(i64, Fate),
    /// The bank returns the last refund.
    SendBack,
    /// An event reports the last refund.
    Tell,
}

fn step() -> impl Strategy<Value = Step> {
    let amount = || prop_oneof![-10_i64..10, 1_i64..200, 1_i64..30_000, any::<i64>()];
    let fate = || prop_oneof![Just(Fate::Done), Just(Fate::PendsFirst)];
    prop_oneof![
        4 => proptest::option::weighted(0.7, amount()).prop_map(Step::Ask),
        4 => (fate(), any::<bool>()).prop_map(|(fate, heard)| Step::Answer(fate, heard)),
        1 => Just(Step::Refuse),
        1 => (amount(), fate()).prop_map(|(amount, fate)| Step::Elsewhere(amount, fate)),
        1 => Just(Step::SendBack),
        3 => Just(Step::Tell),
    ]
}

proptest! {
    #![proptest_config(trials(500))]

    #[test]
    fn no_sequence_of_refunds_exceeds_what_was_paid(sale in sale(), steps in proptest::collection::vec(step(), 1..20)) {
        let (mut purchase, mut stripe) = sale.paid();
        let seller = purchase.seller_id.clone();
        for step in steps {
            let planned = purchase.movements().iter().find(|one| one.kind == MovementKind::Refund && one.is_planned()).map(|one| one.number);
            match step {
                Step::Ask(amount) => {
                    let left = purchase.refundable();
                    let asked = purchase.plan_refund(amount, &seller, None, "request", AT);
                    match planned {
                        Some(number) => prop_assert_eq!(asked, Err(RefundFault::InProgress(number))),
                        None if left > 0 && amount.is_none_or(|amount| (1..=left).contains(&amount)) => {
                            let number = asked.expect("it is left");
                            prop_assert_eq!(purchase.movement(number).map(|one| one.amount), Some(amount.unwrap_or(left)));
                        }
                        None => prop_assert_eq!(asked, Err(RefundFault::TooMuch { left })),
                    }
                }
                Step::Answer(fate, heard) => {
                    let made_already = |number| stripe.refunds.iter().any(|refund| refund.movement == Some(number));
                    if let Some(number) = planned.filter(|number| !made_already(*number)) {
                        let outcome = stripe.make(&purchase, number, fate);
                        if heard || matches!(outcome, Outcome::Refused { .. }) {
                            purchase.observe_movement(number, &outcome, "request", AT);
                        }
                    }
                }
                Step::Refuse => {
                    let was_made = |number| stripe.refunds.iter().any(|refund| refund.movement == Some(number));
                    if let Some(number) = planned.filter(|number| !was_made(*number)) {
                        purchase.observe_movement(number, &Outcome::Refused { code: "charge_disputed".into() }, "request", AT);
                    }
                }
                Step::Elsewhere(amount, fate) => {
                    let with = With { transfer: sale.charge_type == ChargeType::Destination, fee: true };
                    stripe.refund(amount, with, None, fate);
                }
                Step::SendBack => {
                    if let Some(refund) = stripe.refunds.last_mut() {
                        refund.state = MovementState::Failed;
                    }
                }
                Step::Tell => {
                    if let Some(refund) = stripe.refunds.last() {
                        let (id, amount, state, transfer_reversed) = (refund.id.as_str(), refund.amount, refund.state, refund.reversed);
                        let seen = SeenRefund { id, amount, state, transfer_reversed, fee_refunded: stripe.fee_seen() };
                        purchase.observe_refund(&seen, refund.movement, "event", AT);
                        purchase.observe_refunded(stripe.refunded(), "event", AT);
                    }
                }
            }
            stripe.settle(&mut purchase);
            prop_assert!((0..=sale.amount).contains(&purchase.refunded()));
            prop_assert!(purchase.refundable() >= 0 && purchase.refundable() <= sale.amount - purchase.refunded());
            prop_assert!((0..=sale.fee).contains(&purchase.fee_refunded()));
            prop_assert!(stripe.refunded() <= sale.amount);
            prop_assert!(stripe.fee_given <= sale.fee);
        }
    }
}
