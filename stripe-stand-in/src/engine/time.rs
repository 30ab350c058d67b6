//! What happens automatically over time: funds settle, sessions expire, refunds fail.

use crate::engine::accounts::requirements;
use crate::engine::attempts;
use crate::engine::billing::cycle;
use crate::engine::checkout;
use crate::engine::consequences::AFTER;
use crate::engine::debits;
use crate::engine::ledger;
use crate::engine::payouts;
use crate::engine::refunds;
use crate::events::context::Context;
use crate::state::agenda::Job;
use crate::state::all::State;
use crate::words::json::Fields;
use crate::words::kind::Kind;

/// Does everything that is due.
pub(crate) fn catch_up(state: &mut State) {
    ledger::settle(state);
    let now = state.now();
    for job in state.jobs.take_due(now) {
        state.version += 1;
        let mut ctx = Context::internal(state, job.account(), &AFTER);
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
            // It may have been answered by hand already.
            Job::Clear { intent, succeeds, .. } => drop(debits::clear(&mut ctx, intent, *succeeds)),
            Job::Settle { intent, charge, .. } => attempts::settle_later(&mut ctx, intent, charge),
            Job::SucceedRefund { refund, .. } => refunds::succeed(&mut ctx, refund),
        }
    }
    cycle::catch_up(state, &AFTER);
}
