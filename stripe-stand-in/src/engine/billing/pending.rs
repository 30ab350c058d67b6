//! Lines waiting for a subscription's next invoice.

use serde_json::{Value, json};

use crate::events::context::Context;
use crate::words::kind::Kind;

pub(crate) fn pending(ctx: &Context, id: &str) -> Vec<Value> {
    ctx.state.hidden(&ctx.account, Kind::Subscription, id, "pending").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Adds lines for the next invoice.
pub(crate) fn add_pending(ctx: &mut Context, id: &str, lines: Vec<Value>) {
    let mut all = pending(ctx, id);
    all.extend(lines);
    let account = ctx.account.clone();
    ctx.state.hide(&account, Kind::Subscription, id, "pending", all.into());
}

/// Removes and returns the waiting lines.
pub(crate) fn take_pending(ctx: &mut Context, id: &str) -> Vec<Value> {
    let all = pending(ctx, id);
    let account = ctx.account.clone();
    ctx.state.hide(&account, Kind::Subscription, id, "pending", json!([]));
    all
}
