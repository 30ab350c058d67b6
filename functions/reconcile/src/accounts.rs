//! What happened on connected accounts that no event told: some accounts in each run, each read from where it was read to before.
//!
//! An account that took its access away, or whose seller has no link, cannot be read. What happened there meanwhile is read
//! once it is linked again.

use std::time::Instant;

use shared::error::Error;
use shared::store::reconciliation::Progress;
use shared::stripe::objects::{Identified, List};
use time::{Duration, OffsetDateTime};

use crate::orphans::{SLACK, YOUNG};
use crate::{Reconcile, Report, books, orphans, save, subscriptions};

/// How many are read in a run.
const PER_RUN: usize = 20;

/// How much of an account's past is read before that is written down.
const STEP: Duration = Duration::days(1);

/// Goes round the accounts.
///
/// # Errors
/// Where DynamoDB fails. What Stripe does not answer is left to the next round.
pub async fn run(reconcile: &Reconcile, until: Instant, progress: &mut Progress, report: &mut Report) -> Result<(), Error> {
    let mut left = PER_RUN;
    while left > 0 && Instant::now() < until {
        let after = progress.accounts_after.as_ref().map(|id| format!("&starting_after={id}")).unwrap_or_default();
        let page: List<Identified> = match reconcile.stripe.get(&format!("/accounts?limit={left}{after}"), None).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, "the connected accounts are left to the next run");
                return Ok(());
            }
        };
        let accounts: Vec<String> = page.data.into_iter().map(|account| account.id).collect();
        for (account, read_until) in reconcile.app.store.read_until(&accounts).await? {
            if let Err(error) = read(reconcile, &account, read_until, until, report).await {
                // It must not hold up the others.
                tracing::warn!(account, %error, "the account is left to the next round");
            }
        }
        left -= accounts.len().min(left);
        let after = accounts.last().filter(|_| page.has_more).cloned();
        // Where one page has them all, there is no place to be kept.
        if after != progress.accounts_after {
            progress.accounts_after = after;
            if !save(reconcile, progress).await? {
                return Ok(());
            }
        }
        if progress.accounts_after.is_none() {
            return Ok(());
        }
    }
    Ok(())
}

async fn read(reconcile: &Reconcile, account: &str, mut from: OffsetDateTime, until: Instant, report: &mut Report) -> Result<(), Error> {
    let newest = reconcile.app.clock.now() - YOUNG;
    while from < newest && Instant::now() < until {
        let to = newest.min(from + STEP);
        orphans::look_through(reconcile, Some(account), from - SLACK, to, report).await?;
        books::catch_up(reconcile, account, from - SLACK, to, report).await?;
        subscriptions::catch_up(reconcile, account, from - SLACK, to, report).await?;
        reconcile.app.store.save_read(account, to).await?;
        from = to;
    }
    Ok(())
}
