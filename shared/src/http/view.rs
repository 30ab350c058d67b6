//! Our objects as clients see them.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::card::Card;
use crate::course::{Course, Share};
use crate::ids::{PurchaseId, SubscriptionId, UserId};
use crate::membership::{self, Interval, Offer, Subscription};
use crate::money::Price;
use crate::purchase::{ChargeType, Dispute, DisputeStatus, Failure, MovementKind, MovementState, Purchase, Reason, Status, Sums};
use crate::store::books::LineKind;
use crate::store::findings::{Finding, Found};
use crate::user::{AccountType, SellerTerms, User};

/// RFC 3339 in UTC.
///
/// # Panics
/// Never within the next eight thousand years.
#[must_use]
pub fn written(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).expect("the year has four digits")
}

/// `user`
#[derive(Debug, Serialize)]
pub struct UserView {
    id: UserId,
    email: String,
    email_confirmed: bool,
    is_seller: bool,
    is_staff: bool,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    terms: Option<SellerTerms>,
    stripe: StripeView,
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
            is_seller: user.is_seller,
            is_staff: user.is_staff,
            created_at: written(user.created_at),
            terms: user.terms.clone(),
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

/// `course`
#[derive(Debug, Serialize)]
pub struct CourseView {
    id: String,
    slug: String,
    title: String,
    description: String,
    price: Price,
    fee_percent: i64,
    seller: SellerView,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    payees: Vec<Share>,
    published: bool,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owned: Option<bool>,
}

#[derive(Debug, Serialize)]
struct SellerView {
    id: String,
}

impl CourseView {
    /// With `owned` where somebody is signed in.
    #[must_use]
    pub fn new(course: Course, owned: Option<bool>) -> Self {
        Self {
            id: course.id.to_string(),
            slug: course.slug,
            title: course.title,
            description: course.description,
            price: course.price,
            fee_percent: course.fee_percent.into(),
            seller: SellerView { id: course.seller_id.to_string() },
            payees: course.payees,
            published: course.published,
            created_at: written(course.created_at),
            updated_at: written(course.updated_at),
            owned,
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

impl From<&Purchase> for PurchaseView {
    fn from(purchase: &Purchase) -> Self {
        let attempt = purchase.attempt();
        Self {
            id: purchase.id.to_string(),
            course_id: purchase.course_id.to_string(),
            course_slug: purchase.course_slug.clone(),
            course_title: purchase.course_title.clone(),
            status: purchase.status(),
            amount: purchase.amount(),
            currency: purchase.currency.code(),
            application_fee: purchase.application_fee(),
            charge_type: purchase.charge_type,
            refunded: purchase.refunded(),
            refunds: refunds(purchase),
            dispute: purchase.disputes().last().map(DisputeView::from),
            attempts: attempt.number,
            failure: attempt.failure.clone().filter(|_| purchase.status() == Status::Failed),
            created_at: written(purchase.created_at),
            updated_at: written(purchase.updated_at()),
            paid_at: purchase.paid_at().map(written),
        }
    }
}

/// A refund of a purchase, and what moved with it.
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
    // One that Stripe never made is no refund.
    let made = refunds.filter(|refund| refund.state != MovementState::Failed || refund.stripe_id.is_some());
    made.map(|refund| {
        let theirs = purchase.movements().iter().filter(|movement| {
            movement.kind == MovementKind::Reversal
                && movement.state == MovementState::Done
                && movement.reason == Reason::Refund(refund.number)
        });
        RefundView {
            id: refund.stripe_id.clone(),
            amount: refund.amount,
            status: match refund.state {
                MovementState::Planned | MovementState::Pending => "pending",
                MovementState::Done => "succeeded",
                MovementState::Failed => "failed",
            },
            application_fee_refunded: refund.fee_refunded,
            transfer_reversed: refund.transfer_reversed + theirs.map(|reversal| reversal.amount).sum::<i64>(),
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
    current_period_end: Option<String>,
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
            cancel_at_period_end: subscription.ending,
            current_period_end: subscription.period_end.map(written),
            paid_until: subscription.paid_until().map(written),
            failure: subscription.failure.clone(),
            created_at: written(subscription.created_at),
            updated_at: written(subscription.updated_at),
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

/// What a seller has made in all, in one currency.
#[derive(Debug, Serialize)]
pub struct TotalsView {
    currency: String,
    #[serde(flatten)]
    sums: Sums,
}

impl TotalsView {
    /// Of a currency, by its code.
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
    net: i64,
    created_at: String,
    paid_at: Option<String>,
}

impl From<&Purchase> for SaleView {
    fn from(purchase: &Purchase) -> Self {
        Self {
            purchase_id: purchase.id.to_string(),
            course_id: purchase.course_id.to_string(),
            course_title: purchase.course_title.clone(),
            status: purchase.status(),
            amount: purchase.amount(),
            currency: purchase.currency.code(),
            application_fee: purchase.application_fee(),
            charge_type: purchase.charge_type,
            application_fee_refunded: purchase.fee_refunded(),
            refunded: purchase.refunded(),
            disputed: purchase.disputed(),
            dispute: purchase.disputes().last().map(DisputeView::from),
            stripe_fee: purchase.stripe_fee(),
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
    buyer_id: Option<UserId>,
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
            buyer_id: None,
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
        let of = |purchase_id: Option<PurchaseId>| Self { buyer_id: purchase_id.as_ref().map(PurchaseId::buyer), purchase_id, ..view };
        match finding.found {
            Found::BooksDifference { line, stripe_id, account, purchase_id, currency, ours, stripe } => Self {
                kind: "books_difference",
                message: difference(line, ours, stripe),
                account,
                stripe_id: Some(stripe_id),
                currency: Some(currency),
                amount: Some(ours.unwrap_or(0) - stripe.unwrap_or(0)),
                ours,
                stripe,
                ..of(purchase_id)
            },
            Found::PaymentOffRecord { payment_intent, account, purchase_id, currency, amount } => Self {
                kind: "payment_off_record",
                message: "a payment at Stripe belongs to no purchase on record".to_owned(),
                account,
                stripe_id: Some(payment_intent),
                currency: Some(currency),
                amount: Some(amount),
                ..of(Some(purchase_id))
            },
            Found::RepairFailed { purchase_id, reason } => Self {
                kind: "repair_failed",
                message: "a purchase that waits for something could not be brought on".to_owned(),
                reason: Some(reason),
                ..of(Some(purchase_id))
            },
        }
    }
}

fn difference(line: LineKind, ours: Option<i64>, stripe: Option<i64>) -> String {
    let what = match line {
        LineKind::Charge => "a charge",
        LineKind::Refund => "a refund",
        LineKind::RefundFailure => "a refund that came back",
        LineKind::Dispute => "what a dispute took",
        LineKind::DisputeReversal => "what a dispute gave back",
    };
    match (ours, stripe) {
        (None, _) => format!("{what} at Stripe is not in our books"),
        (_, None) => format!("{what} in our books is not at Stripe"),
        _ => format!("{what} has another amount in our books than at Stripe"),
    }
}
