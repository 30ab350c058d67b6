//! What payments belong to: a purchase or a subscription.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};

use super::keys::payment_key;
use super::table::{PutItem, Store, StoreError, string, to_item};
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

impl Store {
    /// Makes a payment a subscription's, unless it is a purchase's or another subscription's.
    pub(super) fn claim_payment(&self, payment_intent: &str, id: &SubscriptionId) -> Result<TransactWriteItem, StoreError> {
        let owner = PaymentOwner { subscription_id: Some(id.clone()), ..PaymentOwner::default() };
        let PutItem(put) = self.put(to_item(&payment_key(payment_intent), &owner)?);
        let put = put.condition_expression("attribute_not_exists(pk) OR subscription_id = :subscription");
        Ok(PutItem(put.expression_attribute_values(":subscription", string(id.as_str()))).always())
    }
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
