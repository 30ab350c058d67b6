//! What payments belong to: a purchase or a subscription.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{PurchaseId, SubscriptionId};
use crate::domain::purchase::Purchase;

/// What a payment belongs to. Once paid, it contains a copy of the purchase: events of disputes
/// and of refunds that were made elsewhere only name the payment, and the copy saves them a trip.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PaymentOwner {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purchase_id: Option<PurchaseId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purchase: Option<Purchase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subscription_id: Option<SubscriptionId>,
}

pub(super) fn payment_of_subscription(id: &SubscriptionId) -> PaymentOwner {
    PaymentOwner { subscription_id: Some(id.clone()), ..PaymentOwner::default() }
}

impl PaymentOwner {
    pub(super) fn into_known(self) -> Option<OfPayment> {
        let paid = self.purchase.map(|purchase| OfPayment::Paid(Box::new(purchase)));
        paid.or(self.purchase_id.map(OfPayment::Known)).or(self.subscription_id.map(OfPayment::Subscription))
    }
}

/// What a payment is for.
#[derive(Clone, Debug)]
pub enum OfPayment {
    /// A purchase that was paid.
    Paid(Box<Purchase>),
    /// A purchase on record, to be read by its id.
    Known(PurchaseId),
    /// An invoice of this subscription to a membership.
    Subscription(SubscriptionId),
}
