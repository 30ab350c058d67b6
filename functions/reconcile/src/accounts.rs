//! Finds what happened on connected accounts without an event. Each run visits some accounts and continues each at its cursor.
//!
//! An account that revoked access, or whose seller has no link, cannot be
//! read. What happened there meanwhile is read once it is linked again.

use std::time::Instant;

use shared::domain::error::Error;
use shared::store::reconciliation::Progress;
use shared::stripe::objects::{Identified, List};
use shared::work::Services;
use time::{Duration, OffsetDateTime};

use crate::orphans::{SLACK, YOUNG};
use crate::{Report, books, orphans, save, subscriptions};

/// How many accounts a run visits.
const PER_RUN: usize = 20;

/// How much of an account's past is read before the cursor is saved.
const STEP: Duration = Duration::days(1);

/// Visits the next accounts.
///
/// # Errors
/// If DynamoDB fails. Stripe's failures are left to the next round.
pub async fn run(services: &Services, until: Instant, progress: &mut Progress, report: &mut Report) -> Result<(), Error> {
    let mut left = PER_RUN;
    while left > 0 && Instant::now() < until {
        let after = progress.accounts_after.as_ref().map(|id| format!("&starting_after={id}")).unwrap_or_default();
        let page: List<Identified> = match services.stripe.get(&format!("/accounts?limit={left}{after}"), None).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, "connected accounts are left to the next run");
                return Ok(());
            }
        };
        let next = page.next().map(str::to_owned);
        let accounts: Vec<String> = page.data.into_iter().map(|account| account.id).collect();
        for (account, read_until) in services.app.store.read_until(&accounts).await? {
            if let Err(error) = read(services, &account, read_until, until, report).await {
                // One account must not hold up the others.
                tracing::warn!(account, %error, "the account is left to the next round");
            }
        }
        left -= accounts.len().min(left);
        let after = next;
        // If one page lists all accounts, there is no cursor to save.
        if after != progress.accounts_after {
            progress.accounts_after = after;
            if !save(services, progress).await? {
                return Ok(());
            }
        }
        if progress.accounts_after.is_none() {
            return Ok(());
        }
    }
    Ok(())
}

async fn read(services: &Services, account: &str, mut from: OffsetDateTime, until: Instant, report: &mut Report) -> Result<(), Error> {
    let newest = services.app.clock.now() - YOUNG;
    while from < newest && Instant::now() < until {
        let to = newest.min(from + STEP);
        orphans::look_through(services, Some(account), from - SLACK, to, report).await?;
        books::catch_up(services, account, from - SLACK, to, report).await?;
        subscriptions::catch_up(services, account, from - SLACK, to, report).await?;
        services.app.store.save_read(account, to).await?;
        from = to;
    }
    Ok(())
}
