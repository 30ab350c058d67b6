//! One charge at Stripe with its refunds, fee and transfers. This model does its own arithmetic and knows nothing about plans.

use std::collections::BTreeMap;

use super::{AT, Sale};
use crate::domain::charging::ChargeType;
use crate::domain::purchase::movement::{MovementKind, MovementState, Outcome};
use crate::domain::purchase::record::Purchase;

/// What happens to a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    PendsFirst,
    /// The bank returns it after it succeeded.
    SentBack,
}

/// Which parts a refund includes: the reversal of the transfer, the fee.
#[derive(Clone, Copy, Debug)]
pub(super) struct With {
    pub(super) transfer: bool,
    pub(super) fee: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) state: MovementState,
    pub(super) reversed: Option<i64>,
    /// The movement that its metadata names.
    pub(super) movement: Option<u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Stripe {
    charge_type: ChargeType,
    amount: i64,
    fee: i64,
    pub(super) refunds: Vec<Refund>,
    /// The sums of the refunds that were requested with the fee, and with the transfer.
    with_fee: i64,
    with_transfer: i64,
    /// How much of the fee was refunded.
    pub(super) fee_given: i64,
    /// By id: the account, the amount transferred, and the amount reversed.
    transfers: BTreeMap<String, (String, i64, i64)>,
}

/// `amount × part / whole`, rounded half up.
fn rounded(amount: i64, part: i64, whole: i64) -> i64 {
    let (exact, whole) = (i128::from(amount) * i128::from(part), i128::from(whole));
    let up = i128::from(2 * (exact % whole) >= whole);
    i64::try_from(exact / whole + up).expect("it is no more than the amount")
}

impl Stripe {
    pub(super) fn new(sale: &Sale) -> Self {
        let own = ("tr_own".to_owned(), ("acct_0".to_owned(), sale.amount, 0));
        Self {
            charge_type: sale.charge_type,
            amount: sale.amount,
            fee: sale.fee,
            refunds: Vec::new(),
            with_fee: 0,
            with_transfer: 0,
            fee_given: 0,
            transfers: (sale.charge_type == ChargeType::Destination).then_some(own).into_iter().collect(),
        }
    }

    /// The charge's `amount_refunded`.
    pub(super) fn refunded(&self) -> i64 {
        self.refunds.iter().filter(|refund| refund.state != MovementState::Failed).map(|refund| refund.amount).sum()
    }

    /// What an account holds of its transfers.
    pub(super) fn has(&self, account: &str) -> i64 {
        self.transfers.values().filter(|(owner, ..)| owner == account).map(|(_, amount, taken)| amount - taken).sum()
    }

    /// What the seller's account has gained.
    pub(super) fn net(&self) -> i64 {
        match self.charge_type {
            ChargeType::Direct => self.amount - self.fee - self.refunded() + self.fee_given,
            ChargeType::Destination => self.has("acct_0") - self.fee + self.fee_given,
            ChargeType::Separate => self.has("acct_0"),
        }
    }

    /// The refunded part of the fee, as reading the charge shows it.
    pub(super) fn fee_seen(&self) -> Option<i64> {
        let collected = self.charge_type != ChargeType::Separate && self.fee > 0;
        collected.then_some(self.fee_given)
    }

    /// Makes a refund. Refuses one that exceeds what is left.
    pub(super) fn refund(&mut self, amount: i64, with: With, movement: Option<u32>, fate: Fate) -> Option<usize> {
        if amount < 1 || amount > self.amount - self.refunded() {
            return None;
        }
        if with.fee && self.charge_type != ChargeType::Separate {
            let part = rounded(self.fee, self.with_fee + amount, self.amount) - rounded(self.fee, self.with_fee, self.amount);
            self.with_fee += amount;
            self.fee_given += part.min(self.fee - self.fee_given);
        }
        let mut reversed = None;
        if let (true, Some((_, whole, taken))) = (with.transfer, self.transfers.get_mut("tr_own")) {
            let part = amount.min(*whole - *taken);
            self.with_transfer += amount;
            *taken += part;
            reversed = (part > 0).then_some(part);
        }
        let state = if fate == Fate::PendsFirst { MovementState::Pending } else { MovementState::Done };
        let id = format!("re_{}", self.refunds.len());
        self.refunds.push(Refund { id, amount, state, reversed, movement });
        Some(self.refunds.len() - 1)
    }

    /// Carries out a planned refund and returns its outcome.
    pub(super) fn make(&mut self, purchase: &Purchase, number: u32, fate: Fate) -> Outcome {
        let asked = purchase.movement(number).expect("it is planned");
        let body = purchase.request(number).expect("it is planned").body;
        let with = With { transfer: body.contains("reverse_transfer=true"), fee: body.contains("refund_application_fee=true") };
        match self.refund(asked.amount, with, Some(number), fate) {
            Some(place) => {
                let refund = &self.refunds[place];
                let (id, state, transfer_reversed) = (refund.id.clone(), refund.state, refund.reversed);
                Outcome::Made { id, state, transfer_reversed, fee_refunded: self.fee_seen() }
            }
            None => Outcome::Refused { code: "charge_already_refunded".into() },
        }
    }

    /// Carries out planned transfers and reversals until none are left.
    pub(super) fn settle(&mut self, purchase: &mut Purchase) {
        loop {
            purchase.plan(true, "settle", AT);
            let is_next = |number: &u32| {
                let movement = purchase.movement(*number).expect("it is there");
                movement.kind != MovementKind::Refund && purchase.request(*number).is_some()
            };
            let Some(number) = purchase.movements().iter().map(|movement| movement.number).find(is_next) else { return };
            let (movement, request) = (purchase.movement(number).expect("it is there"), purchase.request(number).expect("it is planned"));
            let id = match movement.kind {
                MovementKind::Transfer => {
                    let account = movement.payee_account.clone().expect("a transfer goes to an account");
                    let id = format!("tr_{number}");
                    self.transfers.insert(id.clone(), (account, movement.amount, 0));
                    id
                }
                MovementKind::Reversal | MovementKind::Refund => {
                    let of = request.path.split('/').nth(2).expect("it names its transfer");
                    let (_, whole, taken) = self.transfers.get_mut(of).expect("it was made");
                    *taken += movement.amount;
                    assert!(*taken <= *whole, "more was reversed than transferred: {purchase:#?}");
                    format!("trr_{number}")
                }
            };
            let made = Outcome::Made { id, state: MovementState::Done, transfer_reversed: None, fee_refunded: None };
            assert!(purchase.observe_movement(number, &made, "settle", AT));
        }
    }
}
