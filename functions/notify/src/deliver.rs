//! One mail, from its row to its mark.

use shared::store::StoreError;
use shared::store::outbox::{Lease, MailRow};
use time::Duration;

use crate::Notify;
use crate::compose::compose;
use crate::mailer::Unsent;

/// For how long nobody else sends the mail: longer than the function may run.
pub const LEASE: Duration = Duration::minutes(3);

/// How often a mail is tried. With the pauses of [`pause`], for about nine hours.
pub(crate) const ATTEMPTS: u32 = 10;

/// How often the mark of a sent mail is tried: without it the mail is sent again once the lease ends.
const MARKS: u32 = 5;

/// After the first try a minute, and twice as long after each.
fn pause(attempts: u32) -> Duration {
    Duration::minutes(1 << attempts.saturating_sub(1).min(8))
}

/// Sends the mail with this id, unless that was done, is being done, or must wait. Trips to DynamoDB: the lease, what the
/// mail tells of (one or two), the mark.
///
/// # Errors
/// Where DynamoDB fails before anything was sent.
pub(crate) async fn deliver(notify: &Notify, id: &str) -> Result<(), StoreError> {
    let (store, clock) = (&notify.app.store, &notify.app.clock);
    let Lease::Taken(row) = store.lease_mail(id, LEASE, clock.now()).await? else { return Ok(()) };
    if row.attempts > ATTEMPTS {
        // Each of its tries ended with the function's own end.
        return give_up(notify, &row, "no try came to an end").await;
    }
    let letter = match compose(notify, &row.mail).await {
        Ok(Some(letter)) => letter,
        Ok(None) => {
            tracing::info!(mail = id, "there is nobody to send the mail to");
            return store.mail_is_sent(&row, clock.now()).await;
        }
        Err(error) => {
            // The stream brings it again at once, or the sweep finds it.
            store.mail_waits(&row, clock.now()).await?;
            return Err(error);
        }
    };
    match notify.mailer.send(&letter).await {
        Ok(message) => {
            tracing::info!(mail = id, message, "mail sent");
            mark(notify, &row).await;
            Ok(())
        }
        Err(Unsent::ForGood(reason)) => give_up(notify, &row, &reason).await,
        Err(Unsent::ForNow(reason)) if row.attempts >= ATTEMPTS => give_up(notify, &row, &reason).await,
        Err(Unsent::ForNow(reason)) => {
            tracing::warn!(mail = id, attempts = row.attempts, reason, "the mail could not be sent and waits");
            store.mail_waits(&row, clock.now() + pause(row.attempts)).await
        }
    }
}

async fn mark(notify: &Notify, row: &MailRow) {
    for attempt in 1..=MARKS {
        match notify.app.store.mail_is_sent(row, notify.app.clock.now()).await {
            Ok(()) => return,
            Err(error) => tracing::error!(mail = row.mail.id(), attempt, %error, "a sent mail could not be marked"),
        }
    }
}

async fn give_up(notify: &Notify, row: &MailRow, reason: &str) -> Result<(), StoreError> {
    tracing::error!(mail = row.mail.id(), attempts = row.attempts, reason, "the mail is given up");
    notify.app.store.mail_has_failed(row, reason, notify.app.clock.now()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end() {
        let pauses: Vec<i64> = (1..=ATTEMPTS).map(|attempts| pause(attempts).whole_minutes()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 256]);
    }
}
