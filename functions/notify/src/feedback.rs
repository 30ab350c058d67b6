//! What becomes of mails after SES took them: bounces and complaints, as SES tells EventBridge.
//! <https://docs.aws.amazon.com/ses/latest/dg/monitoring-eventbridge.html>

use serde::Deserialize;
use shared::domain::user::{Email, MailSuppression, SuppressionReason};
use shared::store::StoreError;

use crate::Notify;

/// An event's `detail`, which has one of both.
/// <https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html>
#[derive(Debug, Deserialize)]
pub(crate) struct Feedback {
    #[serde(default)]
    bounce: Option<Bounce>,
    #[serde(default)]
    complaint: Option<Complaint>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    /// `Permanent`, `Transient` or `Undetermined`.
    #[serde(default)]
    bounce_type: String,
    #[serde(default)]
    bounced_recipients: Vec<Addressee>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    /// `abuse`, `not-spam` and others, if the mailbox's provider says.
    #[serde(default)]
    complaint_feedback_type: Option<String>,
    #[serde(default)]
    complained_recipients: Vec<Addressee>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Addressee {
    email_address: String,
}

impl Feedback {
    /// The addresses to suppress, and why. A full mailbox and a busy server are no reason: SES has tried for hours, and the next mail may arrive.
    fn suppressed(&self) -> impl Iterator<Item = (&str, SuppressionReason)> {
        let bounce = self.bounce.iter().filter(|bounce| bounce.bounce_type == "Permanent").flat_map(|bounce| &bounce.bounced_recipients);
        // "Not spam" takes an earlier complaint back.
        let is_serious = |complaint: &&Complaint| complaint.complaint_feedback_type.as_deref() != Some("not-spam");
        let complaint = self.complaint.iter().filter(is_serious).flat_map(|complaint| &complaint.complained_recipients);
        let bounce = bounce.map(|one| (one.email_address.as_str(), SuppressionReason::Bounce));
        bounce.chain(complaint.map(|one| (one.email_address.as_str(), SuppressionReason::Complaint)))
    }
}

/// Suppresses the addresses. Lambda tries twice more after a failure; if that fails, too, the next mail to the address bounces again.
///
/// # Errors
/// If DynamoDB fails.
pub(crate) async fn heard(notify: &Notify, feedback: &Feedback) -> Result<(), StoreError> {
    for (address, reason) in feedback.suppressed() {
        // Some servers answer with a name before the address.
        let bare = address.rsplit_once('<').map_or(address, |(_, rest)| rest.trim_end_matches('>'));
        let Ok(email) = Email::parse(bare) else { continue };
        notify.app.store.suppress(&email, &MailSuppression { reason, at: notify.app.clock.now() }).await?;
        tracing::warn!(?reason, "nothing is mailed to an address any more");
    }
    Ok(())
}
