//! The API's objects as clients see them.

use serde::Serialize;

use crate::base::clock::written;
use crate::domain::audit::{Actor, Deed, Entry};
use crate::domain::card::Card;
use crate::domain::charging::{ChargeType, Failure};
use crate::domain::course::{Course, Share, TakenDown};
use crate::domain::ids::{CourseId, PurchaseId, SubscriptionId, UserId};
use crate::domain::membership::{self, EndCause, Interval, Offer, Subscription};
use crate::domain::money::{FeePercent, Price};
use crate::domain::purchase::{Dispute, DisputeStatus, MovementKind, MovementState, Purchase, Reason, Status, Sums};
use crate::domain::user::{AccountType, SellerTerms, Suspension, User};
use crate::store::books::LineKind;
use crate::store::findings::{Finding, Found};

/// `user`
#[derive(Debug, Serialize)]
pub struct UserView {
    id: UserId,
    email: String,
    email_confirmed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_email: Option<String>,
    is_seller: bool,
    is_staff: bool,
    second_factor: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes_left: Option<usize>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    terms: Option<SellerTerms>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended: Option<ReasonView>,
    stripe: StripeView,
}

/// Why and since when something is in its state.
#[derive(Debug, Serialize)]
struct ReasonView {
    reason: String,
    at: String,
}

#[derive(Debug, Serialize)]
struct StripeView {
    connected: bool,
    account_id: Option<String>,
    account_type: Option<AccountType>,
    charges_enabled: bool,
    scope: Option<String>,
    livemode: Option<bool>,
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        let link = user.stripe.as_ref();
        Self {
            id: user.id.clone(),
            email: user.email.clone(),
            email_confirmed: user.email_confirmed,
            new_email: user.new_email.clone(),
            is_seller: user.is_seller,
            is_staff: user.is_staff,
            second_factor: user.has_second_factor(),
            recovery_codes_left: None,
            created_at: written(user.created_at),
            terms: user.terms.clone(),
            suspended: user.suspended.as_ref().map(|one| ReasonView { reason: one.reason.clone(), at: written(one.at) }),
            stripe: StripeView {
                connected: link.is_some(),
                account_id: link.map(|link| link.account_id.clone()),
                account_type: link.map(|link| link.account_type),
                charges_enabled: link.is_some_and(|link| link.state.charges_enabled),
                scope: link.map(|link| link.scope.clone()),
                livemode: link.map(|link| link.livemode),
            },
        }
    }
}

impl UserView {
    /// The user as they see themselves.
    #[must_use]
    pub fn own(user: &User) -> Self {
        Self { recovery_codes_left: user.recovery_codes, ..user.into() }
    }
}

/// `course`
#[derive(Debug, Serialize)]
pub struct CourseView {
    id: String,
    slug: String,
    title: String,
    description: String,
    price: Price,
    #[serde(skip_serializing_if = "Option::is_none")]
    fee_percent: Option<i64>,
    seller: SellerView,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    payees: Vec<Share>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    proposed_payees: Vec<ProposedShareView>,
    published: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_down: Option<ReasonView>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owned: Option<bool>,
}

/// A proposed share. It takes effect once every payee has accepted.
#[derive(Debug, Serialize)]
struct ProposedShareView {
    #[serde(flatten)]
    share: Share,
    accepted: bool,
}

#[derive(Debug, Serialize)]
struct SellerView {
    id: String,
}

impl CourseView {
    /// As everybody sees it, with `owned` if somebody is signed in.
    #[must_use]
    pub fn new(course: Course, owned: Option<bool>) -> Self {
        Self { fee_percent: None, payees: Vec::new(), proposed_payees: Vec::new(), taken_down: None, ..Self::of_its_own(course, owned) }
    }

    /// As its seller and staff see it: includes what the platform and the payees get.
    #[must_use]
    pub fn of_its_own(course: Course, owned: Option<bool>) -> Self {
        let proposal = course.proposed.map(|proposal| (proposal.shares, proposal.accepted)).unwrap_or_default();
        let (proposed, accepted) = proposal;
        let proposed = proposed.into_iter().map(|share| ProposedShareView { accepted: accepted.contains(&share.seller), share });
        Self {
            proposed_payees: proposed.collect(),
            id: course.id.to_string(),
            slug: course.slug,
            title: course.title,
            description: course.description,
            price: course.price,
            fee_percent: Some(course.fee_percent.into()),
            seller: SellerView { id: course.seller_id.to_string() },
            payees: course.payees,
            published: course.published,
            taken_down: course.taken_down.map(|one| ReasonView { reason: one.reason, at: written(one.at) }),
            created_at: written(course.created_at),
            updated_at: written(course.updated_at),
            owned,
        }
    }
}

/// A payee's share, as they see it.
#[derive(Debug, Serialize)]
pub struct ShareView {
    course_id: String,
    course_slug: String,
    course_title: String,
    seller_id: UserId,
    /// In whole percents of what is left after the platform's fee; 0 if the payee has left or has not accepted yet.
    share: u8,
    /// What the course's seller offers, if it has not been accepted yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    offered: Option<u8>,
}

impl ShareView {
    /// The share that this payee has, was offered or has left.
    #[must_use]
    pub fn new(course: Course, payee: &UserId) -> Self {
        let of = |shares: &[Share]| shares.iter().find(|share| share.seller == *payee).map(|share| share.share);
        let offered =
            course.proposed.as_ref().filter(|proposal| !proposal.accepted.contains(payee)).and_then(|proposal| of(&proposal.shares));
        Self {
            share: of(&course.payees).unwrap_or(0),
            offered,
            course_id: course.id.to_string(),
            course_slug: course.slug,
            course_title: course.title,
            seller_id: course.seller_id,
        }
    }
}

/// `purchase`
#[derive(Debug, Serialize)]
pub struct PurchaseView {
    id: String,
    course_id: String,
    course_slug: String,
    course_title: String,
    status: Status,
    processing: bool,
    amount: i64,
    currency: &'static str,
    application_fee: i64,
    charge_type: ChargeType,
    refunded: i64,
    refunds: Vec<RefundView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dispute: Option<DisputeView>,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    created_at: String,
    updated_at: String,
    paid_at: Option<String>,
}

impl PurchaseView {
    /// The same for staff, with Stripe's own reason for a decline.
    #[must_use]
    pub fn for_staff(purchase: &Purchase) -> Self {
        let failure = purchase.attempt().failure.clone().filter(|_| purchase.status().is_failed());
        Self { failure, ..Self::from(purchase) }
    }
}

impl From<&Purchase> for PurchaseView {
    fn from(purchase: &Purchase) -> Self {
        let attempt = purchase.attempt();
        Self {
            id: purchase.id.to_string(),
            course_id: purchase.course_id.to_string(),
            course_slug: purchase.course_slug.clone(),
            course_title: purchase.course_title.clone(),
            status: purchase.status(),
            processing: purchase.processing_since().is_some(),
            amount: purchase.amount(),
            currency: purchase.currency.code(),
            application_fee: purchase.application_fee(),
            charge_type: purchase.charge_type,
            refunded: purchase.refunded(),
            refunds: refunds(purchase),
            dispute: purchase.disputes().last().map(DisputeView::from),
            attempts: attempt.number,
            failure: attempt.failure.as_ref().filter(|_| purchase.status().is_failed()).map(Failure::told),
            created_at: written(purchase.created_at),
            updated_at: written(purchase.updated_at()),
            paid_at: purchase.paid_at().map(written),
        }
    }
}

/// A refund of a purchase and what moved with it.
#[derive(Debug, Serialize)]
struct RefundView {
    id: Option<String>,
    amount: i64,
    status: &'static str,
    application_fee_refunded: i64,
    transfer_reversed: i64,
    created_at: String,
}

fn refunds(purchase: &Purchase) -> Vec<RefundView> {
    let refunds = purchase.movements().iter().filter(|movement| movement.kind == MovementKind::Refund);
    // A refund that Stripe never made does not count.
    let made = refunds.filter(|refund| refund.state.stands() || refund.stripe_id.is_some());
    made.map(|refund| {
        let theirs = purchase.movements().iter().filter(|movement| {
            movement.kind == MovementKind::Reversal && movement.state.is_done() && movement.reason == Reason::Refund(refund.number)
        });
        RefundView {
            id: refund.stripe_id.clone(),
            amount: refund.amount,
            status: match refund.state {
                // It waits for the payees' reversals.
                MovementState::Waiting => "waiting",
                MovementState::Planned | MovementState::Pending => "pending",
                MovementState::Done => "succeeded",
                MovementState::Failed => "failed",
            },
            application_fee_refunded: refund.fee_refunded,
            transfer_reversed: purchase.reversed_by_stripe(refund) + theirs.map(|reversal| reversal.amount).sum::<i64>(),
            created_at: written(refund.planned_at),
        }
    })
    .collect()
}

#[derive(Debug, Serialize)]
struct DisputeView {
    id: String,
    status: DisputeStatus,
    amount: i64,
    reason: String,
    opened_at: String,
}

impl From<&Dispute> for DisputeView {
    fn from(dispute: &Dispute) -> Self {
        Self {
            id: dispute.id.clone(),
            status: dispute.status,
            amount: dispute.amount,
            reason: dispute.reason.clone(),
            opened_at: written(dispute.opened_at),
        }
    }
}

/// `membership`: what a seller offers.
#[derive(Debug, Serialize)]
pub struct MembershipView {
    offered: bool,
    seller_id: UserId,
    title: String,
    monthly: Option<AmountView>,
    yearly: Option<AmountView>,
    currency: &'static str,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct AmountView {
    amount: i64,
}

impl From<Offer> for MembershipView {
    fn from(offer: Offer) -> Self {
        Self {
            offered: true,
            seller_id: offer.seller_id,
            title: offer.title,
            monthly: offer.monthly.map(|amount| AmountView { amount }),
            yearly: offer.yearly.map(|amount| AmountView { amount }),
            currency: offer.currency.code(),
            updated_at: written(offer.updated_at),
        }
    }
}

/// `subscription`
#[derive(Debug, Serialize)]
pub struct SubscriptionView {
    id: SubscriptionId,
    seller_id: UserId,
    title: String,
    status: membership::Status,
    interval: Interval,
    amount: i64,
    currency: &'static str,
    charge_type: ChargeType,
    cancel_at_period_end: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<EndCause>,
    current_period_end: Option<String>,
    /// When the new interval and amount take effect, if a switch is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    switches_at: Option<String>,
    paid_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    created_at: String,
    updated_at: String,
}

impl From<&Subscription> for SubscriptionView {
    fn from(subscription: &Subscription) -> Self {
        Self {
            id: subscription.id.clone(),
            seller_id: subscription.seller_id.clone(),
            title: subscription.title.clone(),
            status: subscription.status,
            interval: subscription.interval,
            amount: subscription.amount,
            currency: subscription.currency.code(),
            charge_type: subscription.charge_type,
            cancel_at_period_end: subscription.ending || subscription.end.is_some(),
            ended_by: subscription.end,
            current_period_end: subscription.period_end.map(written),
            switches_at: subscription.period_end.filter(|_| subscription.switching).map(written),
            paid_until: subscription.paid_until().map(written),
            failure: subscription.failure.as_ref().map(Failure::told),
            created_at: written(subscription.created_at),
            updated_at: written(subscription.updated_at),
        }
    }
}

/// `member`: a subscription as its seller and staff see it.
#[derive(Debug, Serialize)]
pub struct MemberView {
    #[serde(flatten)]
    subscription: SubscriptionView,
    buyer_id: UserId,
    payments: Vec<PeriodView>,
}

/// The payment for one period. Amounts are in the minor unit of the subscription's currency.
#[derive(Debug, Serialize)]
struct PeriodView {
    invoice: String,
    paid_until: Option<String>,
    amount: i64,
    application_fee: i64,
    refunded: i64,
    refundable: i64,
    disputed: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dispute: Option<DisputeView>,
    net: i64,
}

impl From<&Subscription> for MemberView {
    fn from(subscription: &Subscription) -> Self {
        let period = |payment: &membership::Payment| PeriodView {
            invoice: payment.invoice.clone(),
            paid_until: payment.period_end.map(written),
            amount: payment.amount,
            application_fee: payment.application_fee - payment.fee_refunded,
            refunded: payment.refunded(),
            refundable: if payment.payment_intent.is_some() && !payment.is_held() { payment.refundable() } else { 0 },
            disputed: payment.disputed(),
            // Stripe lists the newest first.
            dispute: payment.disputes.first().map(|dispute| DisputeView {
                id: dispute.id.clone(),
                status: dispute.status,
                amount: dispute.amount,
                reason: dispute.reason.clone(),
                opened_at: written(dispute.opened_at.unwrap_or(subscription.updated_at)),
            }),
            net: payment.net(subscription.charge_type),
        };
        Self {
            subscription: subscription.into(),
            buyer_id: subscription.buyer_id.clone(),
            payments: subscription.payments.iter().map(period).collect(),
        }
    }
}

/// `payment_method`
#[derive(Debug, Serialize)]
pub struct PaymentMethodView {
    id: String,
    brand: String,
    last4: String,
    exp_month: i64,
    exp_year: i64,
    is_default: bool,
    created_at: String,
}

impl From<&Card> for PaymentMethodView {
    fn from(card: &Card) -> Self {
        Self {
            id: card.id.clone(),
            brand: card.brand.clone(),
            last4: card.last4.clone(),
            exp_month: card.exp_month,
            exp_year: card.exp_year,
            is_default: card.is_default,
            created_at: written(card.created_at),
        }
    }
}

/// A seller's totals in one currency.
#[derive(Debug, Serialize)]
pub struct TotalsView {
    currency: String,
    #[serde(flatten)]
    sums: Sums,
}

impl TotalsView {
    /// The totals of the currency with this code.
    #[must_use]
    pub fn new(currency: String, sums: Sums) -> Self {
        Self { currency, sums }
    }
}

/// A line of `/sales`.
#[derive(Debug, Serialize)]
pub struct SaleView {
    purchase_id: String,
    course_id: String,
    course_title: String,
    status: Status,
    processing: bool,
    amount: i64,
    currency: &'static str,
    application_fee: i64,
    charge_type: ChargeType,
    application_fee_refunded: i64,
    refunded: i64,
    disputed: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dispute: Option<DisputeView>,
    stripe_fee: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<SettledView>,
    net: i64,
    created_at: String,
    paid_at: Option<String>,
}

/// How a sale settled, if that is in a different currency from the one charged.
#[derive(Debug, Serialize)]
struct SettledView {
    amount: i64,
    currency: String,
    stripe_fee: Option<i64>,
    transferred: i64,
    currency_difference: i64,
}

impl SettledView {
    fn of(purchase: &Purchase) -> Option<Self> {
        let settled = purchase.settled().filter(|settled| settled.currency != purchase.currency.code())?;
        Some(Self {
            amount: settled.amount,
            currency: settled.currency.clone(),
            stripe_fee: purchase.stripe_fee().map(|fee| fee.amount),
            transferred: purchase.transferred(),
            currency_difference: purchase.currency_difference(),
        })
    }
}

impl From<&Purchase> for SaleView {
    fn from(purchase: &Purchase) -> Self {
        Self {
            purchase_id: purchase.id.to_string(),
            course_id: purchase.course_id.to_string(),
            course_title: purchase.course_title.clone(),
            status: purchase.status(),
            processing: purchase.processing_since().is_some(),
            amount: purchase.amount(),
            currency: purchase.currency.code(),
            application_fee: purchase.application_fee(),
            charge_type: purchase.charge_type,
            application_fee_refunded: purchase.fee_refunded(),
            refunded: purchase.refunded(),
            disputed: purchase.disputed(),
            dispute: purchase.disputes().last().map(DisputeView::from),
            stripe_fee: purchase.stripe_fee().filter(|fee| fee.currency == purchase.currency.code()).map(|fee| fee.amount),
            settled: SettledView::of(purchase),
            net: purchase.net(),
            created_at: written(purchase.created_at),
            paid_at: purchase.paid_at().map(written),
        }
    }
}

/// `finding`
#[derive(Debug, Serialize)]
pub struct FindingView {
    id: String,
    kind: &'static str,
    message: String,
    purchase_id: Option<PurchaseId>,
    subscription_id: Option<SubscriptionId>,
    buyer_id: Option<UserId>,
    payee_id: Option<UserId>,
    account: Option<String>,
    stripe_id: Option<String>,
    currency: Option<String>,
    amount: Option<i64>,
    ours: Option<i64>,
    stripe: Option<i64>,
    reason: Option<String>,
    found_at: String,
    last_found_at: String,
    settled_at: Option<String>,
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        let view = Self {
            id: finding.found.id(),
            kind: "",
            message: String::new(),
            purchase_id: None,
            subscription_id: None,
            buyer_id: None,
            payee_id: None,
            account: None,
            stripe_id: None,
            currency: None,
            amount: None,
            ours: None,
            stripe: None,
            reason: None,
            found_at: written(finding.found_at),
            last_found_at: written(finding.last_found_at),
            settled_at: finding.settled_at.map(written),
        };
        let of = |purchase_id: Option<PurchaseId>, subscription_id: Option<SubscriptionId>| {
            let buyer_id = purchase_id.as_ref().map(PurchaseId::buyer).or(subscription_id.as_ref().map(SubscriptionId::buyer));
            Self { buyer_id, purchase_id, subscription_id, ..view }
        };
        match finding.found {
            Found::BooksDifference { line, stripe_id, account, purchase_id, subscription_id, currency, ours, stripe } => Self {
                kind: "books_difference",
                message: difference(line, ours, stripe),
                account,
                stripe_id: Some(stripe_id),
                currency: Some(currency),
                amount: Some(ours.unwrap_or(0) - stripe.unwrap_or(0)),
                ours,
                stripe,
                ..of(purchase_id, subscription_id)
            },
            Found::PaymentOffRecord { payment_intent, account, purchase_id, currency, amount } => Self {
                kind: "payment_off_record",
                message: "a payment at Stripe belongs to no purchase on record".to_owned(),
                account,
                stripe_id: Some(payment_intent),
                currency: Some(currency),
                amount: Some(amount),
                ..of(Some(purchase_id), None)
            },
            Found::MoveRefused { purchase_id, subscription_id, gives_back, payee, account, currency, amount, reason, .. } => Self {
                kind: if gives_back { "reversal_refused" } else { "transfer_refused" },
                message: if gives_back {
                    "a payee owes what Stripe could not reverse; the reversal will be retried".to_owned()
                } else {
                    "a payee is waiting for a transfer that Stripe refused; it will be retried".to_owned()
                },
                payee_id: payee,
                account,
                currency: Some(currency),
                amount: Some(amount),
                reason: Some(reason),
                ..of(purchase_id, subscription_id)
            },
            Found::RefundFailed { purchase_id, subscription_id, refund, account, currency, amount } => Self {
                kind: "refund_failed",
                message: "the buyer's bank returned a refund; pay the buyer another way".to_owned(),
                stripe_id: Some(refund),
                account,
                currency: Some(currency),
                amount: Some(amount),
                ..of(purchase_id, subscription_id)
            },
            Found::PayoutFailed { payout, account, currency, amount, reason } => Self {
                kind: "payout_failed",
                message: "a bank returned a payout; the account's owner must correct the bank details at Stripe".to_owned(),
                stripe_id: Some(payout),
                account,
                currency: Some(currency),
                amount: Some(amount),
                reason: Some(reason),
                ..of(None, None)
            },
            Found::CustomerCredit { customer, subscription_id, currency, amount } => Self {
                kind: "customer_credit",
                message:
                    "a customer at Stripe has a credit, which would pay the member's next invoice; refund it, and set the balance to zero"
                        .to_owned(),
                stripe_id: Some(customer),
                currency: Some(currency),
                amount: Some(amount),
                ..of(None, Some(subscription_id))
            },
            Found::Unreadable { stripe_id, account } => Self {
                kind: "unreadable",
                message: "an object at Stripe could not be parsed and was not compared".to_owned(),
                account,
                stripe_id: Some(stripe_id),
                ..of(None, None)
            },
            Found::AccountsRefused { reason } => Self {
                kind: "accounts_refused",
                message: "Stripe lets the platform create no accounts for sellers: what it said is the reason".to_owned(),
                reason: Some(reason),
                ..of(None, None)
            },
            Found::RepairFailed { purchase_id, reason } => Self {
                kind: "repair_failed",
                message: "a purchase that is waiting for something could not be continued".to_owned(),
                reason: Some(reason),
                ..of(Some(purchase_id), None)
            },
        }
    }
}

fn difference(line: LineKind, ours: Option<i64>, stripe: Option<i64>) -> String {
    let what = match line {
        LineKind::Charge => "a charge",
        LineKind::Refund => "a refund",
        LineKind::RefundFailure => "a returned refund",
        LineKind::Dispute => "a dispute's withdrawal",
        LineKind::DisputeReversal => "a dispute's reinstatement",
        LineKind::CurrencyDifference => "the exchange-rate difference of a refund",
    };
    match (ours, stripe) {
        (None, _) => format!("{what} at Stripe is not in our books"),
        (_, None) => format!("{what} in our books is not at Stripe"),
        _ => format!("{what} has a different amount in our books than at Stripe"),
    }
}

/// `audit_entry`
#[derive(Debug, Serialize)]
pub struct AuditView {
    id: String,
    at: String,
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    staff_id: Option<UserId>,
    user_id: UserId,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    course_id: Option<CourseId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purchase_id: Option<PurchaseId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_id: Option<SubscriptionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_pays: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<AuditedView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<AuditedView>,
}

/// What was before a change or after it.
#[derive(Debug, Default, Serialize)]
struct AuditedView {
    #[serde(skip_serializing_if = "Option::is_none")]
    is_seller: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_staff: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    terms: Option<SellerTerms>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended: Option<AuditedReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_down: Option<AuditedReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fee_percent: Option<i64>,
}

#[derive(Debug, Serialize)]
struct AuditedReason {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    at: String,
}

impl AuditView {
    /// As the user sees it whom it is about: without who of the staff it was, and without the reason of a suspension.
    #[must_use]
    pub fn for_user(entry: Entry) -> Self {
        let without_reason = |one: Option<AuditedView>| {
            let bare = |one: AuditedReason| AuditedReason { reason: None, ..one };
            one.map(|one| AuditedView { suspended: one.suspended.map(bare), ..one })
        };
        let view = Self::from(entry);
        Self { staff_id: None, from: without_reason(view.from), to: without_reason(view.to), ..view }
    }
}

impl From<Entry> for AuditView {
    fn from(entry: Entry) -> Self {
        let (by, staff_id) = match entry.by {
            Actor::Staff { id } => ("staff", Some(id)),
            Actor::Operator => ("operator", None),
        };
        let view = Self {
            id: entry.id,
            at: written(entry.at),
            by,
            staff_id,
            user_id: entry.user_id,
            action: "",
            course_id: None,
            purchase_id: None,
            subscription_id: None,
            amount: None,
            platform_pays: None,
            from: None,
            to: None,
        };
        let changed = |view: Self, action, from, to| Self { action, from: Some(from), to: Some(to), ..view };
        match entry.deed {
            Deed::SellerRole { from, to } => {
                let side = |is| AuditedView { is_seller: Some(is), ..AuditedView::default() };
                changed(view, "seller_role", side(from), side(to))
            }
            Deed::StaffRole { from, to } => {
                let side = |is| AuditedView { is_staff: Some(is), ..AuditedView::default() };
                changed(view, "staff_role", side(from), side(to))
            }
            Deed::Terms { from, to } => {
                let side = |terms| AuditedView { terms, ..AuditedView::default() };
                changed(view, "terms", side(from), side(to))
            }
            Deed::Suspension { from, to } => {
                let reason = |one: Suspension| AuditedReason { reason: Some(one.reason), at: written(one.at) };
                let side = |one: Option<Suspension>| AuditedView { suspended: one.map(reason), ..AuditedView::default() };
                changed(view, "suspension", side(from), side(to))
            }
            Deed::SessionsEnded => Self { action: "sessions_ended", ..view },
            Deed::CourseTakenDown { course_id, from, to } => {
                let reason = |one: TakenDown| AuditedReason { reason: Some(one.reason), at: written(one.at) };
                let side = |one: Option<TakenDown>| AuditedView { taken_down: one.map(reason), ..AuditedView::default() };
                Self { course_id: Some(course_id), ..changed(view, "course_taken_down", side(from), side(to)) }
            }
            Deed::CourseFee { course_id, from, to } => {
                let side = |fee: FeePercent| AuditedView { fee_percent: Some(fee.into()), ..AuditedView::default() };
                Self { course_id: Some(course_id), ..changed(view, "course_fee", side(from), side(to)) }
            }
            Deed::Refund { purchase_id, amount, platform_pays, .. } => {
                Self { action: "refund", purchase_id: Some(purchase_id), amount: Some(amount), platform_pays: Some(platform_pays), ..view }
            }
            Deed::RefundBorne { purchase_id, amount, .. } => {
                Self { action: "refund_borne", purchase_id: Some(purchase_id), amount: Some(amount), ..view }
            }
            Deed::MembershipRefund { subscription_id, amount, .. } => {
                Self { action: "membership_refund", subscription_id: Some(subscription_id), amount: Some(amount), ..view }
            }
        }
    }
}
