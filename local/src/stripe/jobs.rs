//! What happens by itself as time passes: funds settle, sessions expire, refunds fail.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::accounts::requirements;
use super::billing::cycle;
use super::context::Context;
use super::server::Server;
use super::state::{Fields, Kind, State};
use super::{checkout, ledger, payouts, refunds};

/// Something that is to happen at a time, in epoch seconds of the stand-in's clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Job {
    ExpireSession { at: i64, account: String, session: String },
    FailRefund { at: i64, account: String, refund: String },
    SucceedRefund { at: i64, account: String, refund: String },
    ReviewAccount { at: i64, account: String },
    PayOut { at: i64, account: String, payout: String },
}

impl Job {
    fn at(&self) -> i64 {
        match self {
            Self::ExpireSession { at, .. }
            | Self::FailRefund { at, .. }
            | Self::SucceedRefund { at, .. }
            | Self::ReviewAccount { at, .. }
            | Self::PayOut { at, .. } => *at,
        }
    }

    fn account(&self) -> &str {
        match self {
            Self::ExpireSession { account, .. }
            | Self::FailRefund { account, .. }
            | Self::SucceedRefund { account, .. }
            | Self::ReviewAccount { account, .. }
            | Self::PayOut { account, .. } => account,
        }
    }
}

/// Does everything whose time has come.
pub(crate) fn catch_up(state: &mut State) {
    ledger::settle(state);
    let now = state.now();
    let (due, later): (Vec<Job>, Vec<Job>) = std::mem::take(&mut state.jobs).into_iter().partition(|job| job.at() <= now);
    state.jobs = later;
    for job in due {
        state.version += 1;
        let mut ctx = Context::internal(state, job.account());
        match &job {
            Job::ExpireSession { session, account, .. } => {
                let object = ctx.state.object(account, Kind::CheckoutSession, session);
                if object.is_some_and(|session| session.text("status") == "open") {
                    checkout::close(&mut ctx, session);
                }
            }
            Job::FailRefund { refund, .. } => refunds::fail(&mut ctx, refund, refunds::USUAL_FAILURE),
            Job::PayOut { payout, .. } => payouts::arrive(&mut ctx, payout),
            Job::ReviewAccount { account, .. } => requirements::review(&mut ctx, account, serde_json::json!({})),
            Job::SucceedRefund { refund, .. } => refunds::succeed(&mut ctx, refund),
        }
    }
    cycle::catch_up(state);
}

/// Catches up a few times a second, for as long as the server lives; a clock that is held does so whenever it is moved.
pub(crate) async fn run(server: Arc<Server>) {
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut state = server.state();
        if state.held_at.is_none() {
            catch_up(&mut state);
        }
    }
}
