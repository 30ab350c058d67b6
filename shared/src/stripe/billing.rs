//! Stripe's objects of recurring payments, as far as they are read here: <https://docs.stripe.com/api/subscriptions>,
//! <https://docs.stripe.com/api/invoices>.

use std::collections::HashMap;

use serde::Deserialize;
use time::OffsetDateTime;

use super::objects::{Expandable, List};
use crate::ids::SubscriptionId;
use crate::membership::{Interval, Payment, Seen, Status, Subscription};

/// <https://docs.stripe.com/api/subscriptions/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct StripeSubscription {
    /// `sub_…`
    pub id: String,
    /// `active`, `past_due`, …
    #[serde(default)]
    status: String,
    #[serde(default)]
    cancel_at_period_end: bool,
    /// In Unix seconds.
    #[serde(default)]
    cancel_at: Option<i64>,
    /// Whom it charges.
    #[serde(default)]
    customer: Option<String>,
    #[serde(default)]
    items: List<Item>,
    #[serde(default)]
    latest_invoice: Option<Expandable<Invoice>>,
    /// Ours.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Item {
    id: String,
    #[serde(default)]
    current_period_end: Option<i64>,
    #[serde(default)]
    price: Price,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Price {
    #[serde(default)]
    unit_amount: Option<i64>,
    #[serde(default)]
    recurring: Option<Recurring>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Recurring {
    #[serde(default)]
    interval: String,
}

/// <https://docs.stripe.com/api/invoices/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Invoice {
    /// `in_…`
    pub id: String,
    /// `draft`, `open`, `paid`, `void` or `uncollectible`
    #[serde(default)]
    status: Option<String>,
    /// `subscription_create`, `subscription_cycle`, `subscription_update`, …
    #[serde(default)]
    pub billing_reason: Option<String>,
    #[serde(default)]
    pub(super) amount_paid: i64,
    #[serde(default)]
    lines: List<Line>,
    /// Expanded where it was asked for.
    #[serde(default)]
    payments: List<InvoicePayment>,
    #[serde(default)]
    parent: Parent,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Line {
    #[serde(default)]
    period: Period,
    #[serde(default)]
    parent: Option<Parent>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Period {
    #[serde(default)]
    end: i64,
}

/// What an invoice, or a line of one, comes from.
#[derive(Clone, Debug, Default, Deserialize)]
struct Parent {
    #[serde(default)]
    subscription_details: Option<SubscriptionDetails>,
    #[serde(default)]
    subscription_item_details: Option<LineDetails>,
    #[serde(default)]
    invoice_item_details: Option<LineDetails>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct SubscriptionDetails {
    #[serde(default)]
    subscription: Option<String>,
    #[serde(default)]
    metadata: Option<HashMap<String, String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct LineDetails {
    #[serde(default)]
    proration: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct InvoicePayment {
    #[serde(default)]
    status: String,
    #[serde(default)]
    payment: PaymentOfInvoice,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct PaymentOfInvoice {
    #[serde(default)]
    payment_intent: Option<String>,
}

impl Line {
    fn is_proration(&self) -> bool {
        let Some(parent) = &self.parent else { return false };
        [&parent.subscription_item_details, &parent.invoice_item_details].into_iter().flatten().any(|details| details.proration)
    }
}

impl Invoice {
    /// Which subscription of ours it is for: Stripe's id, and our metadata.
    #[must_use]
    pub fn subscription(&self) -> Option<(&str, &HashMap<String, String>)> {
        let details = self.parent.subscription_details.as_ref()?;
        Some((details.subscription.as_deref()?, details.metadata.as_ref()?))
    }

    pub(super) fn is_paid(&self) -> bool {
        self.status.as_deref() == Some("paid")
    }

    /// Until when it pays; none where all of it are prorations.
    pub(super) fn period_end(&self) -> Option<OffsetDateTime> {
        let ends = self.lines.data.iter().filter(|line| !line.is_proration()).map(|line| line.period.end);
        ends.max().and_then(|end| OffsetDateTime::from_unix_timestamp(end).ok())
    }

    /// The PaymentIntent that paid it, or that would.
    pub(super) fn payment_intent(&self) -> Option<&str> {
        let with = |wanted: fn(&str) -> bool| {
            let mut fitting = self.payments.data.iter().filter(|payment| wanted(&payment.status));
            fitting.find_map(|payment| payment.payment.payment_intent.as_deref())
        };
        // One that is canceled tells why nobody pays it any more.
        with(|status| status == "paid").or_else(|| with(|status| status == "open")).or_else(|| with(|status| status == "canceled"))
    }
}

impl StripeSubscription {
    pub(super) fn status(&self) -> Status {
        match self.status.as_str() {
            "active" | "trialing" => Status::Active,
            "canceled" => Status::Canceled,
            "incomplete" => Status::Incomplete,
            "incomplete_expired" => Status::Failed,
            // `past_due`, `unpaid`, `paused`, and what is newer than this program.
            _ => Status::PastDue,
        }
    }

    pub(super) fn first_invoice(&self) -> Option<&Invoice> {
        match self.latest_invoice.as_ref()? {
            Expandable::Object(invoice) => Some(invoice),
            Expandable::Id(_) => None,
        }
    }

    /// Whether it is the one that a record asked for.
    pub(super) fn is_of(&self, record: &Subscription) -> bool {
        is_named(&self.metadata, record) && self.customer.as_deref() == Some(record.customer.as_str())
    }

    pub(super) fn seen(&self, payments: Vec<Payment>) -> Seen {
        let item = self.items.data.first();
        let interval = item.and_then(|item| item.price.recurring.as_ref()).and_then(|recurring| match recurring.interval.as_str() {
            "month" => Some(Interval::Month),
            "year" => Some(Interval::Year),
            _ => None,
        });
        let period_end = item.and_then(|item| item.current_period_end);
        Seen {
            stripe_id: self.id.clone(),
            status: self.status(),
            item: item.map(|item| item.id.clone()),
            interval,
            amount: item.and_then(|item| item.price.unit_amount),
            ending: self.cancel_at_period_end || self.cancel_at.is_some(),
            period_end: period_end.and_then(|end| OffsetDateTime::from_unix_timestamp(end).ok()),
            payments,
        }
    }
}

/// The subscription that our metadata names.
#[must_use]
pub fn named(metadata: &HashMap<String, String>) -> Option<SubscriptionId> {
    metadata.get("subscription_id")?.parse().ok()
}

/// Whether it carries a record's id.
pub(super) fn is_named(metadata: &HashMap<String, String>, record: &Subscription) -> bool {
    metadata.get("subscription_id").map(String::as_str) == Some(record.id.as_str())
}
