//! Payouts that a bank sent back.

use time::OffsetDateTime;

use super::findings::Found;
use super::table::{Store, StoreError};
use crate::domain::ids::UserId;
use crate::domain::mail::Mail;

impl Store {
    /// Tells staff, and the seller whose account it is, in one transaction. Telling it again changes nothing.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn payout_failed(&self, found: &Found, payout: &str, seller: Option<UserId>, now: OffsetDateTime) -> Result<(), StoreError> {
        let mut items = vec![self.keep_finding_with(found, now)?];
        if let Some(user) = seller {
            items.push(self.ask_for(&Mail::PayoutFailed { user, payout: payout.to_owned() }, now)?);
        }
        let _unconditional = self.transact(&items).await?;
        Ok(())
    }
}
