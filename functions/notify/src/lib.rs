//! Sends the mails of the outbox. The table's stream brings new rows; a schedule brings the sweep, which finds what the stream
//! lost and what must be tried again.
//!
//! A mail is sent by who holds its lease, and marked right after: however often and in whatever order the stream repeats itself,
//! it is sent once. Only who dies between SES's answer and the mark leaves one that is sent again.

mod compose;
mod deliver;
mod letters;
mod mailer;
mod render;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::store::outbox::mail_id;

pub use deliver::LEASE;
pub use mailer::Mailer;

/// The table's mails and SES.
#[derive(Clone, Debug)]
pub struct Notify {
    /// Settings and the table.
    pub app: App,
    /// SES.
    pub mailer: Mailer,
}

impl Notify {
    /// From the environment.
    ///
    /// # Errors
    /// Where a setting cannot be used.
    pub fn from_env() -> Result<Self, lambda_runtime::Error> {
        let app = App::from_env()?;
        let mailer = Mailer::new(&app, shared::aws::endpoint("SESV2"));
        Ok(Self { app, mailer })
    }
}

/// What the function is invoked with: a batch of the table's stream, or `{"sweep":true}` from the schedule.
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>
#[derive(Debug, Default, Deserialize)]
pub struct Event {
    #[serde(default, rename = "Records")]
    records: Vec<Record>,
    #[serde(default)]
    sweep: bool,
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

/// Which records Lambda must bring again.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Those that could not be taken on.
    pub batch_item_failures: Vec<Failure>,
}

/// A record that must come again.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Its sequence number.
    pub item_identifier: String,
}

/// How long a sweep goes on beginning mails: less than the function may run, so that the last one can end.
const SWEEP: Duration = Duration::from_secs(15);

/// Answers one invocation.
///
/// A mail that SES refuses is no failure of its record: it waits in the table for the sweep, and the stream goes on. Failures are
/// records whose mail could not be read or taken because DynamoDB failed.
pub async fn handle(notify: &Notify, event: Event) -> Answer {
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
    answer
}

/// Sends what is due. What it does not come to is due for the next one.
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
