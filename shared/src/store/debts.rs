//! What payees owe the platform: parts of transfers that Stripe could not reverse,
//! until they are returned. Written in the transaction that records the refusal.

use aws_sdk_dynamodb::types::{Delete, TransactWriteItem};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::keys::debt_key;
use super::table::{Store, StoreError, to_item};
use crate::domain::ids::{PurchaseId, SubscriptionId, UserId};
use crate::domain::purchase::{Movement, Purchase};

/// A part of a transfer that a payee must return and that could not be reversed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debt {
    /// The purchase,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchase_id: Option<PurchaseId>,
    /// or the subscription to a membership.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<SubscriptionId>,
    /// The reversal's number there.
    pub movement: u32,
    /// The account it must come from.
    pub account: String,
    /// In the minor unit of the transfer's currency.
    pub amount: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// Stripe's code for the last refusal.
    pub reason: String,
    /// When it should have been returned.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

impl Store {
    /// Records a refused reversal as its payee's debt.
    pub(super) fn owe(&self, purchase: &Purchase, reversal: &Movement) -> Result<Option<TransactWriteItem>, StoreError> {
        let (Some(payee), Some(account)) = (&reversal.payee, &reversal.payee_account) else { return Ok(None) };
        let moves = reversal.as_settled(purchase.currency);
        let debt = Debt {
            purchase_id: Some(purchase.id.clone()),
            subscription_id: None,
            movement: reversal.number,
            account: account.clone(),
            amount: moves.amount,
            currency: moves.currency,
            reason: reversal.failure.clone().unwrap_or_default(),
            since: purchase.updated_at(),
        };
        Ok(Some(self.put_debt(payee, purchase.id.as_str(), &debt)?))
    }

    /// Records a debt from a purchase or a subscription.
    pub(super) fn put_debt(&self, payee: &UserId, whose: &str, debt: &Debt) -> Result<TransactWriteItem, StoreError> {
        Ok(self.put(to_item(&debt_key(payee, whose, debt.movement), debt)?).always())
    }

    /// Deletes the debt of a reversal.
    pub(super) fn owe_no_more(&self, purchase: &Purchase, reversal: &Movement) -> Option<TransactWriteItem> {
        Some(self.owe_no_more_of(reversal.payee.as_ref()?, purchase.id.as_str(), reversal.number))
    }

    /// The same for a purchase or a subscription.
    pub(super) fn owe_no_more_of(&self, payee: &UserId, whose: &str, movement: u32) -> TransactWriteItem {
        let delete = Delete::builder().table_name(&self.table).set_key(Some(debt_key(payee, whose, movement).attributes()));
        TransactWriteItem::builder().delete(delete.build().expect("a table and a key are given")).build()
    }
}
