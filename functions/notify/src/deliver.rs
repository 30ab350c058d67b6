//! Delivers one mail, from reading its row to marking it.

use shared::base::metrics::{self, Unit};
use shared::domain::mail::Mail;
use shared::domain::user::Email;
use shared::store::StoreError;
use shared::store::outbox::{Lease, MailRow};
use time::Duration;

use crate::Notify;
use crate::compose::compose;
use crate::mailer::Unsent;
use crate::render::Letter;

/// How long nobody else sends the mail: longer than the function may run.
pub const LEASE: Duration = Duration::minutes(3);

/// How many times SES is asked to send a mail: for a week, with the pauses of [`pause`]. A new domain is verified by then, and AWS has answered
/// whether the account may leave the sandbox. <https://docs.aws.amazon.com/ses/latest/dg/request-production-access.html>
const TRIES: u32 = 321;

/// How many tries in a row may end without an answer of SES, because the function ended.
const UNANSWERED: u32 = 10;

/// Why a mail is not sent to an address that is not confirmed.
const ENOUGH: &str = "its address is not confirmed and got enough of these today";

/// How many times to try to mark a sent mail. Without the mark it is sent again when the lease ends.
const MARKS: u32 = 5;

/// A minute after the first try, then twice as long each time, and at most half an hour: so long a mail waits once SES sends again.
fn pause(attempts: u32) -> Duration {
    Duration::minutes(1 << attempts.saturating_sub(1).min(5))
}

/// Sends the mail with this id, unless that was done, is being done, or must wait.
/// Trips to DynamoDB: the lease, what the mail is about (one or two), whether its address is suppressed, the mark. A letter without its
/// title is counted, which is one more.
///
/// # Errors
/// If DynamoDB fails before anything was sent.
pub(crate) async fn deliver(notify: &Notify, id: &str) -> Result<(), StoreError> {
    let (store, clock) = (&notify.app.store, &notify.app.clock);
    let Lease::Taken(row) = store.lease_mail(id, LEASE, clock.now()).await? else { return Ok(()) };
    if row.is_unanswered(UNANSWERED) {
        return give_up(notify, &row, "the function ended during each try").await;
    }
    let letter = match ready(notify, &row.mail).await {
        Ok(Ready::Letter(letter)) => letter,
        Ok(Ready::ToNobody(reason)) => {
            tracing::info!(mail = id, reason, "the mail is sent to nobody");
            return store.mail_is_sent(&row, clock.now()).await;
        }
        Ok(Ready::Suppressed) => {
            tracing::info!(mail = id, "the mail is not sent, because its address bounces or its owner complained");
            return store.mail_is_suppressed(&row, clock.now()).await;
        }
        Err(error) => {
            // The stream delivers it again immediately, or the sweep finds it.
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
        Err(Unsent::ForNow(reason)) if row.attempts >= TRIES => give_up(notify, &row, &reason).await,
        Err(Unsent::ForNow(reason)) => {
            tracing::warn!(mail = id, attempts = row.attempts, reason, "the mail could not be sent and will be retried");
            metrics::emit("MailsUnsent", Unit::Count, 1.0, &[], &[("reason", &reason)]);
            store.mail_is_refused(&row, clock.now() + pause(row.attempts)).await
        }
    }
}

/// What to do with a mail.
enum Ready {
    Letter(Letter),
    /// And why.
    ToNobody(&'static str),
    Suppressed,
}

async fn ready(notify: &Notify, mail: &Mail) -> Result<Ready, StoreError> {
    let store = &notify.app.store;
    let Some(letter) = compose(notify, mail).await? else { return Ok(Ready::ToNobody("it has no recipient")) };
    let Ok(email) = Email::parse(&letter.to) else { return Ok(Ready::Letter(letter)) };
    let Some(suppression) = store.suppression_of(&email).await? else {
        let is_counted = !letter.nameless || store.take_nameless(mail, &email, notify.app.clock.now()).await?;
        return Ok(if is_counted { Ready::Letter(letter) } else { Ready::ToNobody(ENOUGH) });
    };
    // Whoever has the address now may have signed up with it later.
    store.show_suppressed(&email, &suppression).await?;
    Ok(Ready::Suppressed)
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
    fn pauses_double_to_half_an_hour_and_end_after_a_week() {
        let pauses: Vec<i64> = (1..TRIES).map(|attempts| pause(attempts).whole_minutes()).collect();
        assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 32, 32, 32]);
        assert_eq!(Duration::minutes(pauses.iter().sum()).whole_days(), 7);
    }
}
