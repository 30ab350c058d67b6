//! The API's objects as clients see them.

use serde::Serialize;

use crate::base::clock::written;
use crate::domain::card::Card;
use crate::domain::charging::{ChargeType, Failure, PlatformTerms};
use crate::domain::course::{Course, Share};
use crate::domain::ids::{CourseId, SubscriptionId, UserId};
use crate::domain::membership::{self, EndCause, Interval, Offer, Subscription};
use crate::domain::money::{Price, Settled};
use crate::domain::outline::{Outline, Section};
use crate::domain::purchase::{Dispute, DisputeStatus, MovementKind, MovementState, Purchase, Reason, Status};
use crate::domain::seller_page::{Link, SellerPage};
use crate::domain::user::{Accepted, AccountType, MailSuppression, SellerTerms, User};

/// `user`
#[derive(Debug, Serialize)]
pub struct UserView {
    id: UserId,
    email: String,
    email_confirmed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mail_suppressed: Option<MailSuppression>,
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
    /// Only for staff, and only of users with an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    charges: Option<ChargesView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_terms: Option<AcceptedView>,
    stripe: StripeView,
}

/// The terms of use that a user accepted last.
#[derive(Debug, Serialize)]
pub struct AcceptedView {
    version: String,
    at: String,
}

impl From<&Accepted> for AcceptedView {
    fn from(accepted: &Accepted) -> Self {
        Self { version: accepted.version.clone(), at: written(accepted.at) }
    }
}

/// How a seller's sales without payees are charged.
#[derive(Debug, Serialize)]
struct ChargesView {
    #[serde(rename = "type")]
    charge_type: ChargeType,
    /// Whether Stripe advises against such charges for the seller's account.
    ruled_out: bool,
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
            mail_suppressed: user.mail_suppressed.clone(),
            is_seller: user.is_seller,
            is_staff: user.is_staff,
            second_factor: user.has_second_factor(),
            recovery_codes_left: None,
            created_at: written(user.created_at),
            terms: user.terms.clone(),
            suspended: user.suspended.as_ref().map(|one| ReasonView { reason: one.reason.clone(), at: written(one.at) }),
            charges: None,
            accepted_terms: user.accepted_terms.last().map(AcceptedView::from),
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

    /// The user as staff see them.
    #[must_use]
    pub fn for_staff(user: &User, platform: &PlatformTerms) -> Self {
        let charge_type = user.charge_type(platform);
        let charges = user.stripe.as_ref().map(|link| ChargesView { charge_type, ruled_out: link.rules_out(charge_type) });
        Self { charges, ..user.into() }
    }

    /// Whether Stripe advises against how this seller's sales are charged, as far as [`Self::for_staff`] says.
    #[must_use]
    pub fn is_ruled_out(&self) -> bool {
        self.charges.as_ref().is_some_and(|charges| charges.ruled_out)
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
    for_sale: Option<bool>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl CourseView {
    /// The same with what leads to its seller's page, if there is one.
    #[must_use]
    pub fn by(mut self, page: Option<&SellerPage>) -> Self {
        (self.seller.handle, self.seller.name) = page.map(|page| (page.handle.clone(), page.name.clone())).unzip();
        self
    }

    /// The same with whether it can be bought at the moment.
    #[must_use]
    pub fn for_sale(self, for_sale: bool) -> Self {
        Self { for_sale: Some(for_sale), ..self }
    }

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
            seller: SellerView { id: course.seller_id.to_string(), handle: None, name: None },
            payees: course.payees,
            published: course.published,
            for_sale: None,
            taken_down: course.taken_down.map(|one| ReasonView { reason: one.reason, at: written(one.at) }),
            created_at: written(course.created_at),
            updated_at: written(course.updated_at),
            owned,
        }
    }
}

/// `seller_page`
#[derive(Debug, Serialize)]
pub struct SellerPageView {
    seller_id: UserId,
    /// `None` if there is no page.
    handle: Option<String>,
    name: String,
    text: String,
    links: Vec<Link>,
    updated_at: Option<String>,
}

impl SellerPageView {
    /// Of a seller who has none.
    #[must_use]
    pub fn none(seller_id: UserId) -> Self {
        Self { seller_id, handle: None, name: String::new(), text: String::new(), links: Vec::new(), updated_at: None }
    }
}

impl From<SellerPage> for SellerPageView {
    fn from(page: SellerPage) -> Self {
        Self {
            seller_id: page.seller_id,
            handle: Some(page.handle),
            name: page.name,
            text: page.text,
            links: page.links,
            updated_at: Some(written(page.updated_at)),
        }
    }
}

/// A course's outline.
#[derive(Debug, Serialize)]
pub struct OutlineView {
    course_id: String,
    sections: Vec<Section>,
    version: u64,
    updated_at: Option<String>,
}

impl OutlineView {
    /// Without sections if there is none.
    #[must_use]
    pub fn new(course: &CourseId, outline: Option<Outline>) -> Self {
        let (version, updated_at) = outline.as_ref().map_or((0, None), |outline| (outline.version, Some(written(outline.updated_at))));
        Self { course_id: course.to_string(), sections: outline.map(|outline| outline.sections).unwrap_or_default(), version, updated_at }
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
        let failure = purchase.attempt().failure.clone().filter(|_| purchase.paid_attempt().is_none());
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
            failure: attempt.failure.as_ref().filter(|_| purchase.paid_attempt().is_none()).map(Failure::told),
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
            transfer_reversed: purchase.reversed_by_stripe(refund) + theirs.map(|reversal| purchase.at_stripe(reversal)).sum::<i64>(),
            created_at: written(refund.planned_at),
        }
    })
    .collect()
}

#[derive(Debug, Serialize)]
pub(super) struct DisputeView {
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
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<bool>,
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

impl MembershipView {
    /// `available` is whether buyers can join, if that was looked at.
    #[must_use]
    pub fn new(offer: Offer, available: Option<bool>) -> Self {
        Self {
            offered: true,
            available,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<PeriodSettledView>,
    net: i64,
}

/// How a period's payments settled, if that is in a different currency from the one charged.
#[derive(Debug, Serialize)]
struct PeriodSettledView {
    amount: i64,
    currency: String,
    currency_difference: i64,
}

impl PeriodSettledView {
    fn of(subscription: &Subscription, invoice: &str) -> Option<Self> {
        let own = subscription.currency.code();
        let all = || subscription.payments_of(invoice).filter_map(|payment| payment.settled.as_ref().map(|settled| (payment, settled)));
        // One account is charged in one currency, so all of them settled in the same.
        let currency = all().find(|(_, settled)| settled.currency != own)?.1.currency.clone();
        let converted = all().filter(|(_, settled)| settled.currency == currency);
        let sum = |sum: (i64, i64), (payment, settled): (&membership::Payment, &Settled)| {
            (sum.0 + settled.amount, sum.1 + payment.currency_difference())
        };
        let (amount, currency_difference) = converted.fold((0, 0), sum);
        Some(Self { amount, currency, currency_difference })
    }
}

impl From<&Subscription> for MemberView {
    fn from(subscription: &Subscription) -> Self {
        let invoices = subscription.invoices();
        let period = |payment: &membership::Payment| PeriodView {
            invoice: payment.invoice.clone(),
            paid_until: payment.period_end.map(written),
            amount: payment.amount,
            application_fee: payment.application_fee - payment.fee_refunded,
            refunded: payment.refunded(),
            refundable: subscription.refundable(&payment.invoice),
            disputed: payment.disputed(),
            // Stripe lists the newest first.
            dispute: payment.disputes.first().map(|dispute| DisputeView {
                id: dispute.id.clone(),
                status: dispute.status,
                amount: dispute.amount,
                reason: dispute.reason.clone(),
                opened_at: written(dispute.opened_at.unwrap_or(subscription.updated_at)),
            }),
            settled: PeriodSettledView::of(subscription, &payment.invoice),
            net: subscription.payments_of(&payment.invoice).map(|payment| payment.net(subscription.charge_type)).sum(),
        };
        Self { subscription: subscription.into(), buyer_id: subscription.buyer_id.clone(), payments: invoices.iter().map(period).collect() }
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
