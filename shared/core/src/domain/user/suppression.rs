//! Addresses to which nothing is mailed any more.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Why and since when nothing is mailed to an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailSuppression {
    /// Why.
    pub reason: SuppressionReason,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Why an address is suppressed, as SES's own list of suppressed addresses has it.
/// <https://docs.aws.amazon.com/ses/latest/dg/sending-email-suppression-list.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionReason {
    /// Its mail server refused a mail for good.
    Bounce,
    /// Its owner marked a mail as spam.
    Complaint,
}
