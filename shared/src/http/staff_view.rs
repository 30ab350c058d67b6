//! What staff see: the reconciliation's findings, disputes, and the audit log.

use serde::Serialize;

use crate::base::clock::written;
use crate::domain::audit::{Actor, Deed, Entry};
use crate::domain::course::TakenDown;
use crate::domain::ids::{CourseId, PurchaseId, SubscriptionId, UserId};
use crate::domain::membership::Term;
use crate::domain::money::{FeePercent, Price};
use crate::domain::purchase::DisputeStatus;
use crate::domain::user::{SellerTerms, Suspension};
use crate::store::books::LineKind;
use crate::store::disputes::{Case, Evidence, EvidenceState};
use crate::store::findings::{Finding, Found};

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
            Found::FeeDiffers { payment_intent, account, purchase_id, currency, ours, stripe } => Self {
                kind: "fee_differs",
                message: "a payment left the platform another fee than it was asked for; the books have what Stripe took".to_owned(),
                account,
                stripe_id: Some(payment_intent),
                currency: Some(currency),
                amount: Some(ours - stripe),
                ours: Some(ours),
                stripe: Some(stripe),
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
            Found::RefundFailed { purchase_id, subscription_id, refund, account, currency, amount, reason, .. } => Self {
                kind: "refund_failed",
                message: if refund.is_empty() {
                    "Stripe refused a refund that had been accepted here; refund the buyer again, or agree with them".to_owned()
                } else {
                    "the buyer's bank returned a refund; pay the buyer another way".to_owned()
                },
                stripe_id: Some(refund).filter(|refund| !refund.is_empty()),
                reason,
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
            Found::FraudWarning { warning, purchase_id, subscription_id, account, currency, amount, reason } => Self {
                kind: "fraud_warning",
                message: "the issuer of the card says that the payment was fraud; refund it unless you know better".to_owned(),
                stripe_id: Some(warning),
                account,
                currency: Some(currency),
                amount: Some(amount),
                reason: Some(reason),
                ..of(purchase_id, subscription_id)
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
            Found::MembershipDiffers { subscription_id, stripe_id, account, currency, term, ours, stripe, payment } => Self {
                kind: "membership_differs",
                message: match term {
                    Term::Price => "a membership at Stripe will charge something else than what its member agreed to",
                    Term::Payment if stripe < ours => "an invoice counts as paid, but not all of it was paid at Stripe",
                    Term::Payment => "a member paid more than what was due; refund the difference",
                    Term::ApplicationFeePercent if payment.is_some() => {
                        "a payment left the platform a lower percentage than what was agreed"
                    }
                    Term::ApplicationFeePercent => "a membership at Stripe leaves the platform a lower percentage than what was agreed",
                }
                .to_owned(),
                account,
                stripe_id: payment.or(stripe_id),
                currency: Some(currency),
                // The other is a percentage.
                amount: matches!(term, Term::Price | Term::Payment).then_some(ours - stripe),
                ours: Some(ours),
                stripe: Some(stripe),
                reason: Some(term.as_str().to_owned()),
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
            Found::RepairFailed { purchase_id, subscription_id, reason } => Self {
                kind: "repair_failed",
                message: format!(
                    "a {} that is waiting for something could not be continued",
                    if purchase_id.is_some() { "purchase" } else { "membership" }
                ),
                reason: Some(reason),
                ..of(purchase_id, subscription_id)
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

/// `dispute`
#[derive(Debug, Serialize)]
pub struct CaseView {
    id: String,
    purchase_id: Option<PurchaseId>,
    subscription_id: Option<SubscriptionId>,
    buyer_id: Option<UserId>,
    seller_id: UserId,
    title: String,
    amount: Price,
    reason: String,
    status: DisputeStatus,
    answered_by: &'static str,
    account: Option<String>,
    opened_at: String,
    due_by: Option<String>,
    evidence: Option<EvidenceView>,
}

/// The newest evidence that staff gave.
#[derive(Debug, Serialize)]
struct EvidenceView {
    state: &'static str,
    submit: bool,
    staff_id: UserId,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

impl From<Evidence> for EvidenceView {
    fn from(evidence: Evidence) -> Self {
        let (state, code) = match evidence.state {
            EvidenceState::Asked => ("unknown", None),
            EvidenceState::Made if evidence.submit => ("submitted", None),
            EvidenceState::Made => ("staged", None),
            EvidenceState::Refused(code) => ("refused", Some(code)),
        };
        Self { state, submit: evidence.submit, staff_id: evidence.by, at: written(evidence.at), code }
    }
}

impl From<Case> for CaseView {
    fn from(case: Case) -> Self {
        Self {
            buyer_id: case.buyer(),
            id: case.id,
            purchase_id: case.purchase_id,
            subscription_id: case.subscription_id,
            seller_id: case.seller_id,
            title: case.title,
            amount: case.amount,
            reason: case.reason,
            status: case.status,
            answered_by: if case.account.is_none() { "staff" } else { "seller" },
            account: case.account,
            opened_at: written(case.opened_at),
            due_by: case.due_by.map(written),
            evidence: case.evidence.map(EvidenceView::from),
        }
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
    dispute_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    submitted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_pays: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
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
            dispute_id: None,
            submitted: None,
            amount: None,
            platform_pays: None,
            code: None,
            note: None,
            from: None,
            to: None,
        };
        let changed = |view: Self, action, from, to| Self { action, from: Some(from), to: Some(to), ..view };
        match entry.deed {
            Deed::SellerRole { from, to, note } => {
                let side = |is| AuditedView { is_seller: Some(is), ..AuditedView::default() };
                Self { note, ..changed(view, "seller_role", side(from), side(to)) }
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
            Deed::ApplicationDeclined { note } => Self { action: "application_declined", note: Some(note), ..view },
            Deed::SessionsEnded => Self { action: "sessions_ended", ..view },
            Deed::SecondFactorOff => Self { action: "second_factor_off", ..view },
            Deed::PageCleared => Self { action: "page_cleared", ..view },
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
            Deed::RefundRefused { purchase_id, amount, code, .. } => {
                Self { action: "refund_refused", purchase_id: Some(purchase_id), amount: Some(amount), code: Some(code), ..view }
            }
            Deed::DisputeEvidence { dispute, purchase_id, subscription_id, submitted } => Self {
                action: "dispute_evidence",
                purchase_id,
                subscription_id,
                dispute_id: Some(dispute),
                submitted: Some(submitted),
                ..view
            },
            Deed::DisputeEvidenceRefused { dispute, purchase_id, subscription_id, code } => Self {
                action: "dispute_evidence_refused",
                purchase_id,
                subscription_id,
                dispute_id: Some(dispute),
                code: Some(code),
                ..view
            },
            Deed::MembershipRefund { subscription_id, amount, .. } => {
                Self { action: "membership_refund", subscription_id: Some(subscription_id), amount: Some(amount), ..view }
            }
            Deed::MembershipRefundRefused { subscription_id, amount, code, .. } => Self {
                action: "membership_refund_refused",
                subscription_id: Some(subscription_id),
                amount: Some(amount),
                code: Some(code),
                ..view
            },
        }
    }
}
