//! Addresses to which nothing is mailed any more, as items of their own: a mail may go to somebody without an account. An item is deleted when its
//! user has moved to another address, or is erased.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};

use super::keys::{profile, suppressed_key};
use super::table::{Store, StoreError, string, to_item};
use crate::domain::user::{Email, MailSuppression};

impl Store {
    /// Suppresses an address, and shows that to its user. Two trips, and two more if it has a user. Repeating it does no harm.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn suppress(&self, email: &Email, suppression: &MailSuppression) -> Result<(), StoreError> {
        let _always = self.transact(&[self.put(to_item(&suppressed_key(email), suppression)?).always()]).await?;
        self.show_suppressed(email, suppression).await
    }

    /// Shows its user that an address is suppressed. One trip, and two more if it has a user.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn show_suppressed(&self, email: &Email, suppression: &MailSuppression) -> Result<(), StoreError> {
        let Some(user) = self.user_by_email(email).await? else { return Ok(()) };
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(&user.id).attributes()))
            .update_expression("SET mail_suppressed = :suppression")
            // They may have moved to another address meanwhile.
            .condition_expression("email = :email")
            .expression_attribute_values(":suppression", serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(suppression)?)
            .expression_attribute_values(":email", string(&user.email))
            .build()
            .expect("a table, a key and an expression are given");
        let _moved = self.transact(&[TransactWriteItem::builder().update(update).build()]).await?;
        Ok(())
    }

    /// Why nothing is mailed to an address; `None` if it is. One trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn suppression_of(&self, email: &Email) -> Result<Option<MailSuppression>, StoreError> {
        self.get(&suppressed_key(email)).await
    }
}
