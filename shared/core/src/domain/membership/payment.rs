//! A subscription's paid invoices.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::moves::Move;
use crate::domain::charging::ChargeType;
use crate::domain::ids::UserId;
use crate::domain::money::Settled;
use crate::domain::purchase::{DisputeMove, DisputeStatus, Sums, share};

/// A payment of an invoice; an invoice that several paid has several. Amounts are in the minor unit.
/// <https://docs.stripe.com/invoicing/partial-payments>
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// `in_…`
    pub invoice: String,
    /// Its `pi_…`; `None` if it was paid with the buyer's credit, or outside of Stripe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_intent: Option<String>,
    /// The beginning of the period that it pays; `None` also in records of earlier versions.
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub period_start: Option<OffsetDateTime>,
    /// The end of the period that it pays; `None` if it contains only prorations.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub period_end: Option<OffsetDateTime>,
    /// What it credits for time that an earlier invoice paid.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub credited: i64,
    /// The amount paid, by a charge.
    pub amount: i64,
    /// What counts as paid although no charge paid it: somebody marked the invoice as paid outside of Stripe.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub marked: i64,
    /// The platform's share of it.
    pub application_fee: i64,
    /// Stripe's own fee, if known.
    #[serde(default)]
    pub stripe_fee: Option<i64>,
    /// What the charge added to the balance on which it settled, once its balance transaction is known.
    /// <https://docs.stripe.com/connect/currencies>
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// The `tr_…` of a destination charge: the full amount, in the currency of settlement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
    /// How much of its share the platform has returned.
    #[serde(default)]
    pub fee_refunded: i64,
    /// Its refunds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<Refund>,
    /// The refunds that were requested here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<AskedRefund>,
    /// Its disputes, open or closed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disputes: Vec<Dispute>,
    /// The reversals of the transfer, except those made by refunds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reversals: Vec<Reversal>,
    /// The moves between the platform and the seller after disputes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Move>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(amount: &i64) -> bool {
    *amount == 0
}

/// A refund to a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    /// In the minor unit.
    pub amount: i64,
    /// Whether the member's bank returned it.
    pub failed: bool,
    /// How much of its share the platform returned with it; `None` if it is older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_refunded: Option<i64>,
    /// How much of the seller's transfer was reversed with it, in the transfer's currency.
    pub transfer_reversed: i64,
    /// What left the charged account's balance, once known, if that is in another currency than the subscription's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// The same for its return: what the charged account's balance got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<Settled>,
}

/// A reversal of the seller's transfer that was not made by a refund.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reversal {
    /// `trr_…`
    pub id: String,
    /// In the minor unit of the transfer's currency.
    pub amount: i64,
    /// The number of the subscription's move that it belongs to; `None` if it was made elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
}

/// A refund that was requested here. Recorded before Stripe is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedRefund {
    /// Numbers the payment's refunds.
    pub number: u32,
    /// In the minor unit.
    pub amount: i64,
    /// The user who requested it.
    pub by: UserId,
    /// Whether they did as staff, which the audit log says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_staff: bool,
    /// The client's idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key: Option<String>,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The outcome.
    pub state: AskedState,
}

/// The outcome of a requested refund.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedState {
    /// Stripe may have made it.
    Planned,
    /// Stripe made it: `re_…`
    Made(String),
    /// Stripe refused it, with this code.
    Refused(String),
}

impl AskedState {
    /// Whether its outcome is unknown.
    #[must_use]
    pub fn is_planned(&self) -> bool {
        match self {
            Self::Planned => true,
            Self::Made(_) | Self::Refused(_) => false,
        }
    }

    /// Whether Stripe refused it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Planned | Self::Made(_) => false,
        }
    }
}

/// A dispute of a payment, as Stripe last described it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// `du_…` or `dp_…`
    pub id: String,
    /// In the minor unit.
    pub amount: i64,
    /// The status.
    pub status: DisputeStatus,
    /// The bank's reason: `fraudulent`, `subscription_canceled`, …
    #[serde(default)]
    pub reason: String,
    /// What it has moved on the charged account's balance so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<DisputeMove>,
    /// When we learned of it.
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<OffsetDateTime>,
    /// The last moment to answer it, if the bank takes an answer.
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub due_by: Option<OffsetDateTime>,
    /// When Stripe was last asked about it.
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<OffsetDateTime>,
}

/// How long an open dispute goes without events before Stripe is asked. Banks take weeks.
const SILENCE: Duration = Duration::days(7);

/// When to ask again about the unknown settlement of a lost dispute's charge.
/// <https://docs.stripe.com/payments/payment-intents/asynchronous-capture>
const UNBOOKED: Duration = Duration::hours(1);

impl Dispute {
    fn moved(&self) -> i64 {
        self.moves.iter().map(|one| one.moved.amount).sum()
    }

    /// Whether the bank has the money, for now or permanently. Inquiries move no money, and won disputes return it.
    #[must_use]
    pub fn has_withdrawn(&self) -> bool {
        self.status.has_withdrawn_with(self.moved())
    }

    /// Whether the bank has decided, so far, that the member gets the money.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.status.is_lost_with(self.moved())
    }

    /// Whether money was ever withdrawn for it.
    #[must_use]
    pub fn withdrew(&self) -> bool {
        self.status.withdrew() || self.has_withdrawn()
    }

    /// Whether it is still undecided.
    fn is_undecided(&self) -> bool {
        self.status.is_open() && !self.is_lost()
    }
}

impl Payment {
    /// The invoices that these payments paid, each once and in the same order, with what all of its payments took and returned.
    pub(super) fn invoices(payments: &[Self]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for payment in payments {
            let Some(whole) = all.iter_mut().find(|one| one.invoice == payment.invoice) else {
                all.push(payment.clone());
                continue;
            };
            whole.amount += payment.amount;
            whole.marked += payment.marked;
            whole.credited += payment.credited;
            whole.application_fee += payment.application_fee;
            whole.fee_refunded += payment.fee_refunded;
            whole.refunds.extend_from_slice(&payment.refunds);
            whole.disputes.extend_from_slice(&payment.disputes);
        }
        all
    }

    /// Whether it pays for this moment.
    pub(super) fn covers(&self, at: OffsetDateTime) -> bool {
        self.period_start.is_some_and(|start| start <= at) && self.period_end.is_some_and(|end| at < end)
    }

    /// Whether it is the same payment, as known before.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.invoice == other.invoice && self.payment_intent == other.payment_intent
    }

    /// What an invoice for the time from `start` on would have to credit of it; `None` if that is not known.
    fn unused_from(&self, start: OffsetDateTime, price: i64) -> Option<i64> {
        let (from, end) = (self.period_start?, self.period_end?);
        let (left, whole) = ((end - start.max(from)).whole_seconds().max(0), (end - from).whole_seconds());
        let kept = (self.amount.min(price) - self.refunded() - self.disputed()).max(0);
        Some(share(kept, left, whole))
    }

    /// What was paid for once before, by one of the `earlier` payments, and is not credited. A payment of the `price` gives no more time than that.
    pub(super) fn paid_twice<'a>(&self, earlier: impl Iterator<Item = &'a Self>, price: i64) -> i64 {
        let Some(start) = self.period_start else { return 0 };
        let unused = earlier.filter_map(|one| one.unused_from(start, price)).max().unwrap_or(0);
        // Stripe rounds, too.
        Some(unused - self.credited).filter(|twice| *twice > 1).unwrap_or(0).min(self.amount)
    }

    /// What can still be refunded: the amount without refunds, those that are planned or not seen yet, and lost disputes.
    #[must_use]
    pub fn refundable(&self) -> i64 {
        // A refund that Stripe made is only in its list once the list has been read again.
        let is_unseen = |asked: &&AskedRefund| match &asked.state {
            AskedState::Planned => true,
            AskedState::Made(id) => !self.refunds.iter().any(|refund| refund.id == *id),
            AskedState::Refused(_) => false,
        };
        let asked = self.asked.iter().filter(is_unseen);
        (self.amount - self.refunded() - self.lost() - asked.map(|asked| asked.amount).sum::<i64>()).max(0)
    }

    /// Whether what a refund makes Stripe return is there: the platform's share, and the seller's transfer. Stripe makes both when it books
    /// the charge, up to an hour after the payment. What it does with a refund that returns them before is not documented.
    /// <https://docs.stripe.com/payments/payment-intents/asynchronous-capture>
    pub(super) fn can_be_returned(&self, charge_type: ChargeType) -> bool {
        match charge_type {
            ChargeType::Direct => self.application_fee == 0 || self.settled.is_some(),
            ChargeType::Destination | ChargeType::Separate => self.settled.is_some(),
        }
    }

    /// Whether the platform kept all of it: Stripe has booked the charge, and made no transfer. So it is with a payment that staff have
    /// attached, unless they made it for the seller.
    pub(super) fn is_kept(&self, charge_type: ChargeType) -> bool {
        charge_type != ChargeType::Direct && self.settled.is_some() && self.transfer.is_none()
    }

    /// What banks hold or have taken back.
    #[must_use]
    pub fn disputed(&self) -> i64 {
        self.disputes.iter().filter(|dispute| dispute.has_withdrawn()).map(|dispute| dispute.amount).sum()
    }

    /// What banks took back through lost disputes.
    #[must_use]
    pub fn lost(&self) -> i64 {
        self.disputes.iter().filter(|dispute| dispute.is_lost()).map(|dispute| dispute.amount).sum()
    }

    /// Whether a refund could return something of it.
    pub(super) fn can_be_refunded(&self) -> bool {
        self.payment_intent.is_some() && !self.is_held()
    }

    /// Whether a bank holds part of it and has not decided, so that it cannot be refunded.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.disputed() > self.lost()
    }

    /// Whether a dispute or inquiry about it is undecided.
    #[must_use]
    pub fn is_contested(&self) -> bool {
        self.disputes.iter().any(Dispute::is_undecided)
    }

    /// What was refunded to the member or is on its way.
    #[must_use]
    pub fn refunded(&self) -> i64 {
        self.refunds.iter().filter(|refund| !refund.failed).map(|refund| refund.amount).sum()
    }

    /// Whether all of it was returned, by refunds or lost disputes.
    #[must_use]
    pub fn is_refunded(&self) -> bool {
        self.amount > 0 && self.refunded() + self.lost() >= self.amount
    }

    /// When to ask Stripe about its disputes if no event arrives; `None` if
    /// nothing is open. With `is_direct`, nothing follows from a lost dispute.
    pub(super) fn asks_at(&self, is_direct: bool) -> Option<OffsetDateTime> {
        let is_missing = |dispute: &Dispute| dispute.is_lost() && !is_direct && self.settled.is_none();
        let due = self.disputes.iter().filter_map(|dispute| {
            let asked_at = dispute.asked_at.or(dispute.opened_at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
            if is_missing(dispute) { Some(asked_at + UNBOOKED) } else { dispute.status.is_open().then_some(asked_at + SILENCE) }
        });
        due.min()
    }

    /// Converts part of the transfer from its own currency to the charge's.
    /// What Stripe reversed proportionally with a refund counts as the refund.
    pub(super) fn as_charged(&self, part: i64) -> i64 {
        match &self.settled {
            Some(settled) if settled.amount != self.amount => share(self.amount, part, settled.amount),
            _ => part,
        }
    }

    /// How much a refund took from the transfer, in the charge's currency.
    pub(super) fn reversed_with(&self, refund: &Refund) -> i64 {
        let whole = self.settled.as_ref().map_or(self.amount, |settled| settled.amount);
        let is_whole = whole != self.amount && (share(whole, refund.amount, self.amount) - refund.transfer_reversed).abs() <= 1;
        if is_whole { refund.amount } else { self.as_charged(refund.transfer_reversed) }
    }

    /// The exchange rate difference of a refund: what its part of the charge had brought, less what the refund cost.
    #[must_use]
    pub fn difference_of_refund(&self, refund: &Refund) -> Option<i64> {
        let cost = refund.settled.as_ref()?;
        Some(self.brought(refund, &cost.currency)? - cost.amount)
    }

    /// The exchange rate difference of a refund's return: what the bank brought back, less what the refund's part of the charge had brought.
    #[must_use]
    pub fn difference_of_return(&self, refund: &Refund) -> Option<i64> {
        let returned = refund.returned.as_ref()?;
        Some(returned.amount - self.brought(refund, &returned.currency)?)
    }

    /// What a refund's part of the charge had brought, in the currency of settlement.
    fn brought(&self, refund: &Refund, currency: &str) -> Option<i64> {
        let whole = self.settled.as_ref().filter(|whole| whole.currency == currency)?;
        Some(share(whole.amount, refund.amount, self.amount))
    }

    /// The exchange rate difference of all refunds and of their returns, in the currency of settlement. One that was returned counts once
    /// both amounts are known.
    #[must_use]
    pub fn currency_difference(&self) -> i64 {
        let known = self.refunds.iter().filter(|refund| !refund.failed || refund.returned.is_some());
        known.flat_map(|refund| [self.difference_of_refund(refund), self.difference_of_return(refund)]).flatten().sum()
    }

    /// How much of the platform's share was returned to the seller with a refund.
    pub(super) fn fee_of(&self, refund: &Refund) -> i64 {
        refund.fee_refunded.unwrap_or_else(|| share(self.application_fee, refund.amount, self.amount).min(self.fee_refunded))
    }

    /// How much a reversal took from the transfer, in the charge's currency.
    pub(super) fn charged_of(&self, reversal: &Reversal) -> i64 {
        let ours = self.moves.iter().find(|one| one.stripe_id.as_ref() == Some(&reversal.id));
        ours.map_or_else(|| self.as_charged(reversal.amount), |ours| ours.amount)
    }

    /// What the seller's account has gained from it, before Stripe's own fee.
    #[must_use]
    pub fn net(&self, charge_type: ChargeType) -> i64 {
        if self.is_kept(charge_type) {
            return 0;
        }
        let moved = match charge_type {
            ChargeType::Direct => -(self.refunded() + self.disputed()),
            ChargeType::Destination | ChargeType::Separate => {
                let by_refunds: i64 = self.refunds.iter().map(|refund| self.reversed_with(refund)).sum();
                let by_reversals: i64 = self.reversals.iter().map(|reversal| self.charged_of(reversal)).sum();
                self.moves.iter().map(Move::given).sum::<i64>() - by_refunds - by_reversals
            }
        };
        self.amount - self.application_fee + self.fee_refunded + moved
    }

    /// Stripe's own fee, if known, in the currency in which it was taken; `None` is the subscription's.
    #[must_use]
    pub fn fee_of_stripe(&self) -> Option<(Option<&str>, i64)> {
        self.stripe_fee.map(|fee| (self.settled.as_ref().map(|settled| settled.currency.as_str()), fee))
    }

    /// What it adds to the seller's totals, without Stripe's own fee, which may have been taken in another currency.
    #[must_use]
    pub fn sums(&self, charge_type: ChargeType) -> Sums {
        Sums {
            sales: i64::from(self.amount > 0),
            gross: self.amount,
            application_fee: self.application_fee - self.fee_refunded,
            refunded: self.refunded(),
            disputed: self.disputed(),
            net: self.net(charge_type),
            stripe_fee: 0,
        }
    }
}
