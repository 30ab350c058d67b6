//! Stripe's objects for recurring payments, with the fields we read: <https://docs.stripe.com/api/subscriptions>,
//! <https://docs.stripe.com/api/invoices>.

use std::collections::HashMap;

use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use super::objects::{Expandable, List};
use super::read;
use crate::domain::ids::SubscriptionId;
use crate::domain::membership::{Interval, Payment, Seen, Status, Subscription};
use crate::domain::money::Currency;

/// Allowed difference between Stripe's clock and ours.
const SLACK: Duration = Duration::minutes(1);

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
    /// The `ca_…` of the platform that created it on a connected account.
    #[serde(default, deserialize_with = "read::id")]
    application: Option<String>,
    /// In Unix seconds.
    #[serde(default)]
    created: i64,
    /// In Unix seconds.
    #[serde(default)]
    cancel_at: Option<i64>,
    /// The customer that it charges.
    #[serde(default, deserialize_with = "read::id")]
    customer: Option<String>,
    /// The payment method that pays it, if not the customer's default.
    #[serde(default)]
    default_payment_method: Option<String>,
    #[serde(default)]
    items: List<Item>,
    #[serde(default)]
    latest_invoice: Option<Expandable<Invoice>>,
    #[serde(default)]
    application_fee_percent: Option<serde_json::Number>,
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
    #[serde(default = "one")]
    quantity: i64,
}

fn one() -> i64 {
    1
}

/// <https://docs.stripe.com/api/prices/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Price {
    /// `price_…`
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    currency: String,
    #[serde(default)]
    unit_amount: Option<i64>,
    #[serde(default)]
    recurring: Option<Recurring>,
    #[serde(default, deserialize_with = "read::id")]
    product: Option<String>,
    /// Divides the quantity before it is priced.
    #[serde(default)]
    transform_quantity: Option<serde::de::IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Recurring {
    #[serde(default)]
    interval: String,
    #[serde(default = "one")]
    interval_count: i64,
    /// `licensed`, or `metered` for what is charged by use.
    #[serde(default)]
    usage_type: String,
}

impl Price {
    /// The interval, if it is one of ours.
    fn interval(&self) -> Option<Interval> {
        let recurring = self.recurring.as_ref().filter(|recurring| recurring.interval_count == 1 && recurring.usage_type != "metered")?;
        match recurring.interval.as_str() {
            "month" => Some(Interval::Month),
            "year" => Some(Interval::Year),
            _ => None,
        }
    }

    /// Whether it charges this amount for each interval, and nothing else. A price with tiers has no `unit_amount`.
    pub(super) fn charges(&self, amount: i64, currency: Currency, interval: Interval) -> bool {
        let is_plain = self.transform_quantity.is_none() && self.currency == currency.code();
        is_plain && self.unit_amount == Some(amount) && self.interval() == Some(interval)
    }

    pub(super) fn is_of(&self, product: &str) -> bool {
        self.product.as_deref() == Some(product)
    }
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
    pub(super) amount_remaining: i64,
    #[serde(default)]
    lines: List<Line>,
    /// Present if expanded.
    #[serde(default)]
    payments: List<InvoicePayment>,
    #[serde(default)]
    parent: Parent,
    /// Stripe's page for paying it; drafts have none.
    #[serde(default)]
    pub(super) hosted_invoice_url: Option<String>,
    /// Where API versions before 2025-03-31 put the subscription.
    #[serde(default, deserialize_with = "read::id")]
    subscription: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Line {
    #[serde(default)]
    amount: i64,
    #[serde(default)]
    period: Period,
    #[serde(default)]
    parent: Option<Parent>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Period {
    #[serde(default)]
    start: i64,
    #[serde(default)]
    end: i64,
}

/// The origin of an invoice or of one of its lines.
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
    #[serde(default, deserialize_with = "read::id")]
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
    /// What it paid of the invoice, once it is `paid`. The PaymentIntent may have taken more.
    #[serde(default)]
    amount_paid: Option<i64>,
    #[serde(default)]
    payment: PaymentOfInvoice,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct PaymentOfInvoice {
    #[serde(default, deserialize_with = "read::id")]
    payment_intent: Option<String>,
}

impl Line {
    fn is_proration(&self) -> bool {
        let Some(parent) = &self.parent else { return false };
        [&parent.subscription_item_details, &parent.invoice_item_details].into_iter().flatten().any(|details| details.proration)
    }
}

impl Invoice {
    /// Our subscription that it is for: Stripe's id, and our metadata.
    #[must_use]
    pub fn subscription(&self) -> Option<(&str, &HashMap<String, String>)> {
        let details = self.parent.subscription_details.as_ref()?;
        Some((details.subscription.as_deref()?, details.metadata.as_ref()?))
    }

    /// Whether it is a subscription's invoice in the format of another API version. Reading it again with our version shows which.
    #[must_use]
    pub fn is_of_another_version(&self) -> bool {
        self.subscription.is_some() && self.subscription().is_none()
    }

    pub(super) fn is_paid(&self) -> bool {
        self.status.as_deref() == Some("paid")
    }

    pub(super) fn is_draft(&self) -> bool {
        self.status.as_deref() == Some("draft")
    }

    /// Whether it is due now or will be.
    pub(super) fn is_owed(&self) -> bool {
        self.is_draft() || self.status.as_deref() == Some("open")
    }

    /// The end of the period that it pays. `None` if all lines are prorations or
    /// free: a pending switch has such an invoice, for time that an earlier one paid.
    pub(super) fn period_end(&self) -> Option<OffsetDateTime> {
        self.periods().map(|period| period.end).max().and_then(|end| OffsetDateTime::from_unix_timestamp(end).ok())
    }

    /// The beginning of that period.
    pub(super) fn period_start(&self) -> Option<OffsetDateTime> {
        self.periods().map(|period| period.start).min().and_then(|start| OffsetDateTime::from_unix_timestamp(start).ok())
    }

    fn periods(&self) -> impl Iterator<Item = &Period> {
        self.lines.data.iter().filter(|line| line.amount > 0 && !line.is_proration()).map(|line| &line.period)
    }

    /// What it credits for time that an earlier invoice paid.
    pub(super) fn credited(&self) -> i64 {
        self.lines.data.iter().filter(|line| line.is_proration()).map(|line| (-line.amount).max(0)).sum()
    }

    /// The PaymentIntents that paid it, and how much of it each did.
    pub(super) fn paid_by(&self) -> impl Iterator<Item = (&str, i64)> {
        let paid = self.payments.data.iter().filter(|payment| payment.status == "paid");
        paid.filter_map(|payment| Some((payment.payment.payment_intent.as_deref()?, payment.amount_paid?)))
    }

    /// The PaymentIntent that paid or would pay it.
    pub(super) fn payment_intent(&self) -> Option<&str> {
        let with = |wanted: fn(&str) -> bool| {
            let mut fitting = self.payments.data.iter().filter(|payment| wanted(&payment.status));
            fitting.find_map(|payment| payment.payment.payment_intent.as_deref())
        };
        // A canceled one says why it cannot be paid any more.
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
            // `past_due`, `unpaid`, `paused`, and statuses newer than this program.
            _ => Status::PastDue,
        }
    }

    /// The platform's percentage that is in force, with at most two decimals; `0` if there is none.
    fn fee_percent(&self) -> String {
        let percent = self.application_fee_percent.as_ref().map(serde_json::Number::to_string).unwrap_or_default();
        let percent = percent.strip_suffix(".0").unwrap_or(&percent);
        if percent.is_empty() { "0".to_owned() } else { percent.to_owned() }
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        !self.status().is_open()
    }

    pub(super) fn first_invoice(&self) -> Option<&Invoice> {
        match self.latest_invoice.as_ref()? {
            Expandable::Object(invoice) => Some(invoice),
            Expandable::Id(_) => None,
        }
    }

    /// Whether a record created it. The owner of a connected account can write any metadata: on a subscription that they create, and on
    /// an earlier one of the same member.
    pub(super) fn is_of(&self, record: &Subscription, client_id: &str) -> bool {
        let by_platform = record.account.is_none() || client_id.is_empty() || self.application.as_deref() == Some(client_id);
        let is_earlier = self.created < (record.created_at - SLACK).unix_timestamp();
        is_named(&self.metadata, record) && self.customer.as_deref() == Some(record.customer.as_str()) && by_platform && !is_earlier
    }

    pub(super) fn seen(&self, invoices: &[Invoice], payments: Vec<Payment>) -> Seen {
        let item = self.items.data.first();
        let amount = item.and_then(|item| Some(item.price.unit_amount?.saturating_mul(item.quantity)));
        let period_end = item.and_then(|item| item.current_period_end);
        Seen {
            stripe_id: self.id.clone(),
            status: self.status(),
            item: item.map(|item| item.id.clone()),
            card: self.default_payment_method.clone(),
            interval: item.and_then(|item| item.price.interval()),
            amount,
            ending: self.cancel_at_period_end || self.cancel_at.is_some(),
            switching: self.status == "trialing",
            owes: invoices.iter().any(Invoice::is_owed),
            fee_percent: self.fee_percent(),
            period_end: period_end.and_then(|end| OffsetDateTime::from_unix_timestamp(end).ok()),
            payments,
        }
    }
}

/// Our subscription that the metadata names.
#[must_use]
pub fn named(metadata: &HashMap<String, String>) -> Option<SubscriptionId> {
    metadata.get("subscription_id")?.parse().ok()
}

/// Whether the metadata contains a record's id.
pub(super) fn is_named(metadata: &HashMap<String, String>, record: &Subscription) -> bool {
    metadata.get("subscription_id").map(String::as_str) == Some(record.id.as_str())
}
