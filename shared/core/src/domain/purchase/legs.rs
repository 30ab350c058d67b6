//! Each amount of a purchase is known twice: as charged, in the purchase's currency, and as settled, in the currency of the
//! balance that it moves on. The two are never added. <https://docs.stripe.com/connect/currencies>

use time::OffsetDateTime;

use super::division::share;
use super::movement::{Movement, MovementKind};
use super::record::{News, Purchase};
use crate::domain::charging::ChargeType;
use crate::domain::money::Settled;

/// One amount in the minor units of both currencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pair {
    /// In the purchase's currency.
    pub(super) charged: i64,
    /// In the transfers' currency.
    pub(super) settled: i64,
}

impl Pair {
    /// Converts a part of it from charged to settled, in proportion, as Stripe reverses transfers with refunds.
    /// <https://docs.stripe.com/connect/separate-charges-and-transfers>
    pub(super) fn settles(self, charged: i64) -> i64 {
        share(self.settled, charged, self.charged)
    }

    fn plus(self, other: Self) -> Self {
        Self { charged: self.charged + other.charged, settled: self.settled + other.settled }
    }
}

impl Purchase {
    /// What the charge brought to the balance on which it settled, before fees, once its balance transaction is known.
    #[must_use]
    pub fn settled(&self) -> Option<&Settled> {
        self.paid_attempt()?.charge.as_ref()?.settled.as_ref()
    }

    /// The currency of the platform's transfers: the purchase's own until the settlement currency is known.
    pub(super) fn settled_currency(&self) -> String {
        self.settled().map_or_else(|| self.currency.code().to_owned(), |settled| settled.currency.clone())
    }

    /// A movement's amount in both currencies.
    pub(super) fn pair(&self, movement: &Movement) -> Pair {
        Pair { charged: movement.amount, settled: movement.as_settled(self.currency).amount }
    }

    /// The transfer that Stripe made with a destination charge: the whole charge, in the currency of its balance transaction.
    pub(super) fn own_pair(&self) -> Pair {
        Pair { charged: self.amount, settled: self.settled().map_or(self.amount, |settled| settled.amount) }
    }

    /// What Stripe reversed of that transfer with a refund. Stripe reports it in the transfer's currency, in proportion to the refund.
    pub(super) fn reversed_with(&self, refund: &Movement) -> Pair {
        let (own, settled) = (self.own_pair(), refund.transfer_reversed);
        // Stripe reverses less than the refund's proportion if less is left of the transfer.
        let is_whole = (own.settles(refund.amount) - settled).abs() <= 1;
        let charged = match own.charged == own.settled {
            true => settled,
            false if is_whole => refund.amount,
            false => share(own.charged, settled, own.settled),
        };
        Pair { charged, settled }
    }

    /// The charged side of that amount.
    #[must_use]
    pub fn reversed_by_stripe(&self, refund: &Movement) -> i64 {
        self.reversed_with(refund).charged
    }

    /// What a transfer or reversal moves or moved at Stripe, as charged: what was deducted from a transfer before it was made is in neither.
    #[must_use]
    pub fn at_stripe(&self, movement: &Movement) -> i64 {
        if movement.netted { 0 } else { movement.amount - self.netted_of(movement.number).charged }
    }

    /// What was deducted from a transfer before it was made.
    pub(super) fn netted_of(&self, transfer: u32) -> Pair {
        let netted = self.reversals_of(Some(transfer)).filter(|reversal| reversal.netted);
        netted.fold(Pair::default(), |sum, reversal| sum.plus(self.pair(reversal)))
    }

    /// What the transfer with this number moves or moved, in its own currency.
    #[must_use]
    pub fn left_to_transfer(&self, number: u32) -> i64 {
        self.movement(number).map_or(0, |transfer| self.pair(transfer).settled) - self.netted_of(number).settled
    }

    /// What transfers have left with the course's seller, in their currency; for a destination charge, before the platform's fee.
    #[must_use]
    pub fn transferred(&self) -> i64 {
        let theirs = self.movements.iter().filter(|one| one.state.is_done() && !one.netted);
        let theirs = theirs.filter(|one| one.payee_account.as_deref() == Some(self.seller_account.as_str()));
        let moved: i64 = theirs
            .map(|one| match one.kind {
                MovementKind::Transfer => self.left_to_transfer(one.number),
                MovementKind::Refund | MovementKind::Reversal => -self.pair(one).settled,
            })
            .sum();
        match self.charge_type {
            ChargeType::Destination => {
                let by_refunds: i64 = self.refunds().map(|refund| refund.transfer_reversed).sum();
                self.own_pair().settled - by_refunds + moved
            }
            ChargeType::Direct | ChargeType::Separate => moved,
        }
    }

    /// Takes in what a refund cost in the charge's settlement currency, as a negative amount, or what the account got once the bank
    /// returned it. Returns whether that was new.
    pub fn observe_conversion(&mut self, refund: &str, moved: &Settled, cause: &str, at: OffsetDateTime) -> bool {
        let code = self.currency.code();
        let is_it = |one: &&mut Movement| one.kind == MovementKind::Refund && one.stripe_id.as_deref() == Some(refund);
        let Some(movement) = self.movements.iter_mut().find(is_it) else { return false };
        let (number, is_return) = (movement.number, moved.amount > 0);
        let known = if is_return { &mut movement.returned } else { &mut movement.settled };
        if known.is_some() || moved.currency == code {
            return false;
        }
        *known = Some(Settled { amount: moved.amount.abs(), currency: moved.currency.clone() });
        self.news.push(if is_return { News::ReturnConverted(number) } else { News::Converted(number) });
        let verb = if is_return { "brought back" } else { "cost" };
        self.enter_status(cause, at, format!("refund {number} {verb} {} {}", moved.amount.abs(), moved.currency));
        true
    }

    /// The exchange rate difference of a refund: what its part of the charge had brought, less what the refund cost.
    #[must_use]
    pub fn difference_of_refund(&self, refund: &Movement) -> Option<i64> {
        let cost = refund.settled.as_ref()?;
        Some(self.brought(refund, &cost.currency)? - cost.amount)
    }

    /// The exchange rate difference of a refund's return: what the bank brought back, less what the refund's part of the charge had brought.
    #[must_use]
    pub fn difference_of_return(&self, refund: &Movement) -> Option<i64> {
        let returned = refund.returned.as_ref()?;
        Some(returned.amount - self.brought(refund, &returned.currency)?)
    }

    /// What a refund's part of the charge had brought, in the currency of the charge's settlement.
    fn brought(&self, refund: &Movement, currency: &str) -> Option<i64> {
        let whole = self.settled().filter(|whole| whole.currency == currency)?;
        Some(share(whole.amount, refund.amount, self.amount))
    }

    /// The exchange rate difference of all refunds and of their returns, in the charge's settlement currency. One that was returned counts
    /// once both amounts are known.
    #[must_use]
    pub fn currency_difference(&self) -> i64 {
        let known = self.refunds().filter(|refund| refund.state.stands() || refund.returned.is_some());
        known.flat_map(|refund| [self.difference_of_refund(refund), self.difference_of_return(refund)]).flatten().sum()
    }

    /// What to move back for `part` of a transfer, as charged. Once the whole transfer is reversed, the parts add up to it exactly.
    pub(super) fn moves_back(&self, of: Option<u32>, part: i64) -> Settled {
        let taken = self.reversals_of(of).fold(Pair::default(), |sum, reversal| sum.plus(self.pair(reversal)));
        let (whole, taken) = match of.and_then(|number| self.movement(number)) {
            Some(transfer) => (self.pair(transfer), taken),
            None => (self.own_pair(), self.refunds().fold(taken, |sum, refund| sum.plus(self.reversed_with(refund)))),
        };
        let amount = whole.settles(taken.charged + part) - taken.settled;
        Settled { amount: amount.clamp(0, (whole.settled - taken.settled).max(0)), currency: self.settled_currency() }
    }

    /// Reversals, planned or made, of one of the platform's transfers, or of the destination charge's own.
    fn reversals_of(&self, of: Option<u32>) -> impl Iterator<Item = &Movement> {
        let reversals = self.movements.iter().filter(|one| one.kind == MovementKind::Reversal && one.state.stands());
        reversals.filter(move |reversal| reversal.of == of)
    }
}
