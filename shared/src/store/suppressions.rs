//! Addresses to which nothing is mailed any more, as items of their own: a mail may go to somebody without an account.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use super::keys::{profile, suppressed_key};
use super::table::{Store, StoreError, number, string, to_item};
use crate::domain::user::{Email, MailSuppression};

/// How long an address is suppressed after the last bounce or complaint.
const KEPT: Duration = Duration::days(365);

/// As stored. DynamoDB deletes expired items some time later.
#[derive(Deserialize)]
struct Suppressed {
    #[serde(flatten)]
    suppression: MailSuppression,
    ttl: i64,
}

impl Store {
    /// Suppresses an address, and shows that to its user. Two trips, and two more if it has a user. Repeating it does no harm.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn suppress(&self, email: &Email, suppression: &MailSuppression) -> Result<(), StoreError> {
        let mut item = to_item(&suppressed_key(email), suppression)?;
        item.insert("ttl".to_owned(), number((suppression.at + KEPT).unix_timestamp()));
        let _always = self.transact(&[self.put(item).always()]).await?;
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
    pub async fn suppression_of(&self, email: &Email, now: OffsetDateTime) -> Result<Option<MailSuppression>, StoreError> {
        let found: Option<Suppressed> = self.get(&suppressed_key(email)).await?;
        Ok(found.filter(|found| found.ttl > now.unix_timestamp()).map(|found| found.suppression))
    }
}
