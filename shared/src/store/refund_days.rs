//! How much a seller has refunded in a day (UTC), for the daily caps. It is counted
//! in the transaction that plans a refund, so concurrent refunds cannot exceed a cap.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use time::{Duration, OffsetDateTime};

use super::keys::refund_day_key;
use super::table::{Store, StoreError, Written, number};
use crate::domain::ids::UserId;
use crate::domain::membership::Subscription;
use crate::domain::money::Price;
use crate::domain::purchase::Purchase;

/// What a seller may refund in a day.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// The number of refunds.
    pub refunds: i64,
    /// The total in the refund's currency, in the minor unit.
    pub amount: i64,
}

impl Allowance {
    fn is_too_little_for(self, refund: Price) -> bool {
        refund.amount > self.amount || self.refunds < 1
    }
}

/// The outcome of planning a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planned {
    /// It is recorded.
    Yes,
    /// Another request or event came first: read it and decide again.
    No,
    /// It exceeds the allowance.
    TooMuch,
}

impl From<Written> for Planned {
    fn from(written: Written) -> Self {
        match written {
            Written::Yes => Self::Yes,
            // Index 0 is the purchase or subscription itself, and the count comes next.
            Written::No(1) => Self::TooMuch,
            Written::No(_) => Self::No,
        }
    }
}

/// How long a day's count is kept.
const KEPT: Duration = Duration::days(3);

impl Store {
    /// Writes a purchase with a newly planned refund, and counts the refund for its seller's day.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn write_refund(&self, purchase: &mut Purchase, refund: Price, allowance: Allowance) -> Result<Planned, StoreError> {
        if allowance.is_too_little_for(refund) {
            return Ok(Planned::TooMuch);
        }
        let counted = self.count_refund(&purchase.seller_id, refund, allowance, purchase.updated_at());
        Ok(self.write_with(purchase, None, vec![counted]).await?.into())
    }

    /// The same for a subscription.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn write_member_refund(
        &self,
        subscription: &mut Subscription,
        refund: Price,
        allowance: Allowance,
    ) -> Result<Planned, StoreError> {
        if allowance.is_too_little_for(refund) {
            return Ok(Planned::TooMuch);
        }
        let counted = self.count_refund(&subscription.seller_id, refund, allowance, subscription.updated_at);
        Ok(self.write_subscription_with(subscription, None, vec![counted]).await?.into())
    }

    fn count_refund(&self, seller: &UserId, refund: Price, allowance: Allowance, at: OffsetDateTime) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(refund_day_key(seller, at).attributes()))
            .update_expression("SET #ttl = :ttl ADD refunds :one, #amount :amount")
            .condition_expression(
                "(attribute_not_exists(#amount) OR #amount <= :room) AND (attribute_not_exists(refunds) OR refunds < :number)",
            )
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_names("#amount", refund.currency.code())
            .expression_attribute_values(":ttl", number((at + KEPT).unix_timestamp()))
            .expression_attribute_values(":one", number(1_i64))
            .expression_attribute_values(":amount", number(refund.amount))
            .expression_attribute_values(":room", number(allowance.amount - refund.amount))
            .expression_attribute_values(":number", number(allowance.refunds));
        TransactWriteItem::builder().update(update.build().expect("a table, a key and an expression are given")).build()
    }
}
