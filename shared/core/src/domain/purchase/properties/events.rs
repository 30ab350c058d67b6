//! Refunds and disputes as Stripe's events report them: in any order, repeated, early or late.

use proptest::prelude::*;

use super::stripe::{Fate, Stripe, With};
use super::{AT, Sale, paid, sale};
use crate::base::trials::trials;
use crate::domain::charging::ChargeType;
use crate::domain::purchase::attempt::Observation;
use crate::domain::purchase::dispute::DisputeStatus;
use crate::domain::purchase::movement::MovementState;
use crate::domain::purchase::record::Purchase;
use crate::domain::purchase::status::AttemptStatus;
use crate::domain::purchase::sums::Sums;
use crate::domain::purchase::{SeenDispute, SeenRefund};

/// The refunds that the buyer keeps.
const KEPT: [Fate; 2] = [Fate::Done, Fate::PendsFirst];
const FATES: [Fate; 3] = [Fate::Done, Fate::PendsFirst, Fate::SentBack];

/// A refund, and who makes it.
#[derive(Clone, Copy, Debug)]
struct Giving {
    /// In thousandths of what is left; 1000 is all of it.
    part: i64,
    fate: Fate,
    by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// Requested here, and the answer arrived.
    Us,
    /// Requested here, and the answer was lost.
    UsUnheard,
    /// Made in Stripe's Dashboard: whether with the transfer, and whether with the fee.
    Others(bool, bool),
}

#[derive(Clone, Debug)]
enum Event {
    /// `charge.refunded`
    Charge { refunded: i64 },
    /// `refund.created|updated|failed`: the index of the refund.
    Refund { place: usize },
    /// `charge.dispute.*`
    Dispute { id: &'static str, amount: i64, status: DisputeStatus },
}

fn giving(fates: &'static [Fate]) -> impl Strategy<Value = Giving> {
    let fate = proptest::sample::select(fates);
    let by = prop_oneof![2 => Just(By::Us), 1 => Just(By::UsUnheard), 2 => any::<(bool, bool)>().prop_map(|(transfer, fee)| By::Others(transfer, fee))];
    let part = prop_oneof![Just(1000), 1_i64..1000];
    (part, fate, by).prop_map(|(part, fate, by)| Giving { part, fate, by })
}

/// The possible courses of a dispute at Stripe.
fn dispute() -> impl Strategy<Value = Vec<DisputeStatus>> {
    use DisputeStatus::{Lost, NeedsResponse, UnderReview, WarningClosed, WarningNeedsResponse, WarningUnderReview, Won};
    proptest::sample::select(vec![
        vec![NeedsResponse],
        vec![NeedsResponse, UnderReview, Won],
        vec![NeedsResponse, Lost],
        vec![NeedsResponse, UnderReview, Lost, Won],
        vec![WarningNeedsResponse, WarningUnderReview, WarningClosed],
        vec![WarningNeedsResponse, NeedsResponse, Lost],
    ])
}

/// What happened to a sale, at Stripe and here, before any event arrived.
struct Played {
    purchase: Purchase,
    stripe: Stripe,
    events: Vec<Event>,
}

fn play(sale: &Sale, givings: &[Giving], disputes: &[Vec<DisputeStatus>]) -> Played {
    let (mut purchase, mut stripe) = sale.paid();
    let seller = purchase.seller_id.clone();
    let mut events = Vec::new();
    for giving in givings {
        let left = sale.amount - stripe.refunded();
        let amount = (left * giving.part / 1000).max(1);
        let place = match giving.by {
            By::Others(transfer, fee) => stripe.refund(amount, With { transfer, fee }, None, giving.fate),
            By::Us | By::UsUnheard => {
                let Ok(number) = purchase.plan_refund(Some(amount), &seller, None, "request:2", AT) else { continue };
                // With separate transfers the refund waits for its reversals.
                stripe.settle(&mut purchase);
                let outcome = stripe.make(&purchase, number, giving.fate);
                let was_made = stripe.refunds.last().filter(|refund| refund.movement == Some(number)).is_some();
                if giving.by == By::Us || !was_made {
                    purchase.observe_movement(number, &outcome, "request:2", AT);
                    stripe.settle(&mut purchase);
                }
                was_made.then(|| stripe.refunds.len() - 1)
            }
        };
        let Some(place) = place else { continue };
        events.push(Event::Refund { place });
        events.push(Event::Charge { refunded: stripe.refunded() });
        if giving.fate != Fate::Done {
            let last = if giving.fate == Fate::SentBack { MovementState::Failed } else { MovementState::Done };
            stripe.refunds[place].state = last;
            events.push(Event::Refund { place });
        }
    }
    let left = sale.amount - stripe.refunded();
    for ((id, amount), statuses) in [("dp_1", left - left / 3), ("dp_2", left / 3)].into_iter().zip(disputes) {
        events.extend(statuses.iter().filter(|_| amount > 0).map(|status| Event::Dispute { id, amount, status: *status }));
    }
    Played { purchase, stripe, events }
}

impl Played {
    /// Processes an event as the webhook does. Objects are read from Stripe in their current state.
    fn hear(&mut self, event: &Event) {
        let purchase = &mut self.purchase;
        match event {
            Event::Charge { refunded } => {
                let amount = purchase.amount();
                purchase.observe(1, &paid(amount), "event", AT);
                purchase.observe_refunded(*refunded, "event", AT);
            }
            Event::Refund { place } => {
                let refund = &self.stripe.refunds[*place];
                // Whatever the event says, the current state is read from Stripe.
                let seen = SeenRefund {
                    id: &refund.id,
                    amount: refund.amount,
                    state: refund.state,
                    transfer_reversed: refund.reversed,
                    fee_refunded: self.stripe.fee_seen(),
                };
                purchase.observe(1, &Observation::of(AttemptStatus::Paid), "event", AT);
                purchase.observe_refund(&seen, refund.movement, "event", AT);
            }
            Event::Dispute { id, amount, status } => {
                purchase.observe(1, &Observation::of(AttemptStatus::Paid), "event", AT);
                purchase.observe_dispute(
                    &SeenDispute { id, amount: *amount, status: *status, reason: "", as_of: AT, due_by: None, moves: &[] },
                    "event",
                    AT,
                );
            }
        }
    }

    /// Processes all events. What follows is carried out immediately or, if `later` says so, at the end.
    fn hear_all(mut self, events: &[Event], later: &[bool]) -> Self {
        for (event, later) in events.iter().zip(later.iter().chain(std::iter::repeat(&false))) {
            self.hear(event);
            self.purchase.plan(true, "event", AT);
            if !later {
                self.stripe.settle(&mut self.purchase);
            }
        }
        self.stripe.settle(&mut self.purchase);
        self
    }
}

/// What clients see.
fn standing(played: &Played) -> impl PartialEq + std::fmt::Debug + use<> {
    let purchase = &played.purchase;
    (purchase.status(), purchase.ownership(), purchase.refunded(), purchase.refundable(), purchase.disputed(), purchase.fee_refunded())
}

/// What the books say: the seller's part or, for separate transfers, the total of all payees. Each payee's own sum depends on
/// rounding, and so on the order in which the refunds were reported.
fn books(played: &Played) -> Sums {
    let sums = played.purchase.sums();
    let net = match played.purchase.charge_type {
        ChargeType::Separate => (0..10).map(|place| played.stripe.has(&format!("acct_{place}"))).sum(),
        ChargeType::Direct | ChargeType::Destination => sums.net,
    };
    Sums { net, ..sums }
}

/// One way in which events arrive: an order with repetitions, and when the consequences are carried out.
fn hearing(events: usize) -> impl Strategy<Value = (Vec<usize>, Vec<bool>)> {
    let all: Vec<usize> = (0..events).collect();
    let again = proptest::sample::subsequence(all.clone(), 0..=events);
    let order = (Just(all), again).prop_map(|(all, again)| [all, again].concat()).prop_shuffle();
    (order, proptest::collection::vec(any::<bool>(), 2 * events))
}

type Case = (Sale, Vec<Giving>, Vec<Vec<DisputeStatus>>, (Vec<usize>, Vec<bool>));

fn case(givings: std::ops::Range<usize>, fates: &'static [Fate], disputes: std::ops::Range<usize>) -> impl Strategy<Value = Case> {
    (sale(), proptest::collection::vec(giving(fates), givings), proptest::collection::vec(dispute(), disputes)).prop_flat_map(
        |(sale, givings, disputes)| {
            let events = play(&sale, &givings, &disputes).events.len();
            (Just(sale), Just(givings), Just(disputes), hearing(events))
        },
    )
}

/// Processes the events in order, and in the other way.
fn both((sale, givings, disputes, (order, later)): &Case) -> (Played, Played) {
    let events = play(sale, givings, disputes).events;
    let straight = play(sale, givings, disputes).hear_all(&events, &[]);
    let shuffled: Vec<Event> = order.iter().map(|place| events[*place].clone()).collect();
    (straight, play(sale, givings, disputes).hear_all(&shuffled, later))
}

proptest! {
    #![proptest_config(trials(400))]

    #[test]
    fn refunds_end_the_same_in_any_order_and_match_stripe(case in case(1..5, &FATES, 0..1)) {
        let (straight, other) = both(&case);
        prop_assert_eq!(standing(&straight), standing(&other));
        prop_assert_eq!(other.purchase.refunded(), other.stripe.refunded());
        // If the bank returns a refund, its part of the fee stays refunded and payees are paid by new transfers.
        if case.1.iter().all(|giving| giving.fate != Fate::SentBack) {
            prop_assert_eq!(books(&straight), books(&other));
            prop_assert_eq!(other.purchase.net(), other.stripe.net());
            if case.0.charge_type != ChargeType::Separate {
                prop_assert_eq!(other.purchase.fee_refunded(), other.stripe.fee_given);
            }
        }
    }

    #[test]
    fn disputes_end_the_same_in_any_order(case in case(0..1, &KEPT, 1..3)) {
        let (straight, other) = both(&case);
        prop_assert_eq!(standing(&straight), standing(&other));
        prop_assert_eq!(books(&straight), books(&other));
        if case.0.charge_type != ChargeType::Direct {
            prop_assert_eq!(other.purchase.net(), other.stripe.net());
            let lost = other.purchase.disputes().iter().filter(|dispute| dispute.status == DisputeStatus::Lost);
            if lost.map(|dispute| dispute.amount).sum::<i64>() == case.0.amount {
                prop_assert_eq!(books(&other).net, 0, "payees keep nothing of what was lost");
            }
        }
    }

    #[test]
    fn refunds_and_disputes_end_the_same_in_any_order(case in case(0..4, &KEPT, 0..3)) {
        let (straight, other) = both(&case);
        prop_assert_eq!(standing(&straight), standing(&other));
    }
}
