//! Sends the mails of the outbox. The table's stream delivers new rows; a schedule
//! starts the sweep, which finds what the stream lost and what must be retried. EventBridge delivers SES's bounces and complaints.
//!
//! Only the holder of a mail's lease sends it, and marks it right afterwards. So it is sent once, however often and in
//! whatever order the stream delivers. Only a crash between SES's response and the mark causes a mail to be sent twice.

mod clients;
mod compose;
mod deliver;
mod feedback;
mod letters;
mod letters_of_accounts;
mod letters_of_disputes;
mod letters_of_members;
mod mailer;
mod render;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use shared::store::StoreError;
use shared::store::outbox::mail_id;

pub use clients::Notify;
pub use deliver::LEASE;
pub use mailer::Mailer;

/// The function's event: a batch of the table's stream, `{"sweep":true}` from the schedule, or what SES tells EventBridge.
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>
#[derive(Debug, Default, Deserialize)]
pub struct Event {
    #[serde(default, rename = "Records")]
    records: Vec<Record>,
    #[serde(default)]
    sweep: bool,
    #[serde(default)]
    detail: Option<feedback::Feedback>,
}

#[derive(Debug, Deserialize)]
struct Record {
    dynamodb: Change,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    keys: Keys,
    sequence_number: String,
}

#[derive(Debug, Deserialize)]
struct Keys {
    pk: Text,
}

#[derive(Debug, Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

/// The records that Lambda must deliver again.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Those that failed.
    pub batch_item_failures: Vec<Failure>,
}

/// A record that must be delivered again.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Its sequence number.
    pub item_identifier: String,
}

/// How long a sweep keeps starting mails: less than the function may run, so that the last one can finish.
const SWEEP: Duration = Duration::from_secs(15);

/// Handles one invocation.
///
/// A mail that SES refuses is not a failure of its record: it waits in the table for the sweep, and the
/// stream continues. Failures are records whose mail could not be read or leased because DynamoDB failed.
///
/// # Errors
/// If a bounce or complaint could not be recorded. Lambda tries again.
pub async fn handle(notify: &Notify, event: Event) -> Result<Answer, StoreError> {
    let mut answer = Answer::default();
    for record in event.records {
        let Some(id) = mail_id(&record.dynamodb.keys.pk.text) else { continue };
        if let Err(error) = deliver::deliver(notify, id).await {
            tracing::error!(mail = id, %error, "a mail could not be taken from the outbox");
            answer.batch_item_failures.push(Failure { item_identifier: record.dynamodb.sequence_number });
        }
    }
    if event.sweep {
        sweep(notify).await;
    }
    if let Some(feedback) = &event.detail {
        feedback::heard(notify, feedback).await?;
    }
    Ok(answer)
}

/// Sends what is due. The rest stays due for the next sweep.
async fn sweep(notify: &Notify) {
    let began = Instant::now();
    let due = match notify.app.store.due_mails(notify.app.clock.now()).await {
        Ok(due) => due,
        Err(error) => {
            tracing::error!(%error, "the outbox could not be read");
            return;
        }
    };
    for id in due {
        if began.elapsed() > SWEEP {
            return;
        }
        if let Err(error) = deliver::deliver(notify, &id).await {
            tracing::error!(mail = id, %error, "a mail could not be taken from the outbox");
        }
    }
}
