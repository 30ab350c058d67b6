//! A seller's sales and totals as the API shows them.

use serde::Serialize;

use super::view::DisputeView;
use crate::base::clock::written;
use crate::domain::charging::ChargeType;
use crate::domain::purchase::{Purchase, Status, Sums};

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
