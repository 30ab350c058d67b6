//! Buyers who ask to become sellers. An application is deleted when its user becomes a seller, or is erased.

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::keys::{application_key, profile};
use super::page::{List, Page, Paged};
use super::table::{PutItem, Store, StoreError, Written, from_item, moment, string, to_item};
use crate::domain::audit::Entry;
use crate::domain::ids::UserId;
use crate::domain::mail::Mail;
use crate::domain::user::User;

/// The index partition of those that wait for the staff.
const LIST: &str = "APPLICATIONS";

/// An application to sell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Whose.
    pub user_id: UserId,
    /// What they wrote.
    pub text: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Set once staff declined it. After [`PAUSE`] they may apply again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declined: Option<Declined>,
}

/// How long after a decline the user may not apply again.
pub const PAUSE: Duration = Duration::days(7);

/// The staff's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declined {
    /// What they wrote to the user.
    pub note: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// What became of a request to sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It waits for the staff.
    Yes,
    /// The user is a seller, or was erased.
    NoBuyer,
    /// Another one is waiting, or was decided at this moment.
    Waiting,
}

/// The condition that the application of a time is waiting: its user may have written another since staff read it.
const IS_WAITING: &str = "#at = :at AND attribute_not_exists(declined)";

impl Store {
    /// Records an application of somebody who is no seller, in place of the declined one that was `seen`.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn apply(&self, application: &Application, seen: Option<&Application>) -> Result<Applied, StoreError> {
        let (user, at) = (&application.user_id, application.at);
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(profile(user).attributes()))
            .condition_expression("is_seller = :false")
            .expression_attribute_values(":false", AttributeValue::Bool(false))
            .build();
        let check = TransactWriteItem::builder().condition_check(check.expect("a table, a key and a condition are given")).build();
        let mut item = to_item(&application_key(user), application)?;
        item.insert("gsi1pk".to_owned(), string(LIST));
        item.insert("gsi1sk".to_owned(), string(format!("{:020}#{user}", at.unix_timestamp_nanos())));
        let PutItem(put) = self.put(item);
        let put = match seen {
            None => PutItem(put).if_absent(),
            Some(seen) => {
                let put = put.condition_expression("#at = :seen AND attribute_exists(declined)").expression_attribute_names("#at", "at");
                PutItem(put.expression_attribute_values(":seen", moment(seen.at)?)).always()
            }
        };
        Ok(match self.transact(&[check, put]).await? {
            Written::Yes => Applied::Yes,
            Written::No(0) => Applied::NoBuyer,
            Written::No(_) => Applied::Waiting,
        })
    }

    /// Deletes the application of a user who becomes a seller. If staff accept the one of a time, only that.
    pub(super) fn application_goes(&self, user: &UserId, accepted: Option<OffsetDateTime>) -> Result<TransactWriteItem, StoreError> {
        let Some(at) = accepted else { return Ok(self.remove(&application_key(user))) };
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(application_key(user).attributes()))
            .condition_expression(IS_WAITING)
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":at", moment(at)?)
            .build();
        Ok(TransactWriteItem::builder().delete(delete.expect("a table and a key are given")).build())
    }

    /// A user's application, waiting or declined.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn application(&self, user: &UserId) -> Result<Option<Application>, StoreError> {
        self.get(&application_key(user)).await
    }

    /// The applications that wait, oldest first, with their users: two trips.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn applications(&self, page: &Page) -> Result<Paged<(Application, Option<User>)>, StoreError> {
        let found: Paged<Application> = self.list_ascending(List::Index { pk: LIST.to_owned() }, page).await?;
        let mut users = self.get_all(found.items.iter().map(|one| profile(&one.user_id))).await?;
        let with_user = |one: Application| {
            let user = users.remove(&profile(&one.user_id)).map(from_item).transpose()?;
            Ok((one, user))
        };
        Ok(Paged { items: found.items.into_iter().map(with_user).collect::<Result<_, StoreError>>()?, next: found.next })
    }

    /// Declines the application of this time if it is waiting, with the audit log's entry and a mail to the user. False if it is not.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn decline_application(&self, at: OffsetDateTime, declined: &Declined, entry: &Entry) -> Result<bool, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(application_key(&entry.user_id).attributes()))
            .update_expression("SET declined = :declined REMOVE gsi1pk, gsi1sk")
            .condition_expression(IS_WAITING)
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":at", moment(at)?)
            .expression_attribute_values(":declined", AttributeValue::M(serde_dynamo::aws_sdk_dynamodb_1::to_item(declined)?))
            .build();
        let update = update.expect("a table, a key and an expression are given");
        let mail = self.ask_for(&Mail::application_declined(entry, &declined.note), entry.at)?;
        let items = [TransactWriteItem::builder().update(update).build(), self.audited(entry)?, mail];
        Ok(self.transact(&items).await? == Written::Yes)
    }
}
