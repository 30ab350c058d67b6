//! Stripe's objects, with the fields that we use. Lenient on purpose: a field that is new, missing or of another
//! kind must never make a charge that was made look failed.

use std::collections::HashMap;

use serde::Deserialize;

use super::error::Body;
use crate::purchase::{Failure, Means, Observation, Status};

/// <https://docs.stripe.com/api/payment_intents/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PaymentIntent {
    /// `pi_…`
    pub id: String,
    /// `succeeded`, `requires_action`, …
    #[serde(default)]
    pub status: String,
    /// In the minor unit.
    #[serde(default)]
    pub amount: i64,
    /// For the buyer's browser only: never stored, never logged.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// What the buyer must do.
    #[serde(default)]
    pub next_action: Option<NextAction>,
    /// Why the last try failed.
    #[serde(default)]
    last_payment_error: Option<Body>,
    /// Ours.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

/// What the buyer must do: go to a page, where a `return_url` was given.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct NextAction {
    #[serde(default)]
    redirect_to_url: Option<RedirectToUrl>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct RedirectToUrl {
    #[serde(default)]
    url: Option<String>,
}

impl PaymentIntent {
    /// Where the buyer authenticates.
    #[must_use]
    pub fn next_action_url(&self) -> Option<String> {
        self.next_action.as_ref()?.redirect_to_url.as_ref()?.url.clone()
    }

    /// What it says of the attempt that made it. In hosted Checkout the buyer may try again and again until the
    /// session ends, so there only success and cancellation count.
    #[must_use]
    pub fn observe(&self, means: Means) -> Observation {
        let failure = self.last_payment_error.as_ref().map(|error| Failure {
            code: error.code.clone().or_else(|| error.kind.clone()).unwrap_or_else(|| "unknown".to_owned()),
            decline_code: error.decline_code.clone(),
            declined: true,
        });
        let status = match (self.status.as_str(), means) {
            ("succeeded", _) => Status::Paid,
            ("canceled", Means::PaymentIntent) => Status::Canceled,
            ("requires_action", Means::PaymentIntent) => Status::RequiresAction,
            ("requires_payment_method", Means::PaymentIntent) if failure.is_some() => Status::Failed,
            _ => Status::Pending,
        };
        Observation { status, payment_intent: Some(self.id.clone()), checkout_session: None, failure }
    }
}

/// <https://docs.stripe.com/api/checkout/sessions/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct CheckoutSession {
    /// `cs_…`
    pub id: String,
    /// `open`, `complete` or `expired`
    #[serde(default)]
    pub status: Option<String>,
    /// `paid`, `unpaid` or `no_payment_required`
    #[serde(default)]
    pub payment_status: String,
    /// The hosted page, while it is open.
    #[serde(default)]
    pub url: Option<String>,
    /// Made when the buyer pays.
    #[serde(default)]
    payment_intent: Option<Expandable>,
    /// Ours.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

/// An id, or the object itself where it was expanded.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Expandable {
    Id(String),
    Object { id: String },
}

impl CheckoutSession {
    /// What it says of the attempt that made it.
    #[must_use]
    pub fn observe(&self) -> Observation {
        let status = match (self.status.as_deref(), self.payment_status.as_str()) {
            (Some("complete"), "paid" | "no_payment_required") => Status::Paid,
            (Some("expired"), _) => Status::Canceled,
            _ => Status::Pending,
        };
        let payment_intent = self.payment_intent.as_ref().map(|payment_intent| match payment_intent {
            Expandable::Id(id) | Expandable::Object { id } => id.clone(),
        });
        Observation { status, payment_intent, checkout_session: Some(self.id.clone()), failure: None }
    }

    /// Whether the buyer can still pay there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.status.as_deref() == Some("open")
    }
}

/// An object of which only the id matters: a customer, a payment method.
#[derive(Clone, Debug, Deserialize)]
pub struct Identified {
    /// `cus_…`, `pm_…`
    pub id: String,
}

/// <https://docs.stripe.com/api/accounts/object>
#[derive(Clone, Debug, Deserialize)]
pub struct Account {
    /// `acct_…`
    pub id: String,
    /// Whether it can be charged for.
    #[serde(default)]
    pub charges_enabled: Option<bool>,
}

/// A charge, as events carry it. <https://docs.stripe.com/api/charges/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Charge {
    /// Whose charge it is.
    #[serde(default)]
    pub payment_intent: Option<String>,
    /// In the minor unit, so far.
    #[serde(default)]
    pub amount_refunded: i64,
    /// Copied from the PaymentIntent.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

/// A page of a list.
#[derive(Clone, Debug, Deserialize)]
pub struct List<T> {
    /// The newest first.
    pub data: Vec<T>,
    /// Whether there are older ones.
    #[serde(default)]
    pub has_more: bool,
}

/// <https://docs.stripe.com/connect/oauth-reference>
#[derive(Clone, Deserialize)]
pub struct OAuthToken {
    /// `acct_…`
    pub stripe_user_id: String,
    /// `read_write` or `read_only`
    #[serde(default)]
    pub scope: String,
    /// Whether it was granted in live mode.
    #[serde(default)]
    pub livemode: bool,
    /// Deprecated at Stripe; stored sealed.
    #[serde(default)]
    pub access_token: Option<String>,
    /// Stored sealed.
    #[serde(default)]
    pub refresh_token: Option<String>,
    /// The account's publishable key.
    #[serde(default)]
    pub stripe_publishable_key: Option<String>,
}
