//! Test clocks: <https://docs.stripe.com/api/test_clocks>. Subscriptions and invoices of
//! their customers use the clock's time; payments, and so balances, use the stand-in's.

use serde_json::{Value, json};

use crate::engine::billing::cycle;
use crate::events::context::Context;
use crate::resources::customers;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::ids::new_id;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// A clock is deleted automatically after this many seconds.
const LIFETIME: i64 = 30 * 24 * 60 * 60;

/// `POST /v1/test_helpers/test_clocks`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let frozen = params.int("frozen_time").ok_or_else(|| ApiError::missing("frozen_time"))?;
    let id = new_id("clock");
    let now = ctx.now();
    let object = json!({
        "id": id,
        "object": "test_helpers.test_clock",
        "created": now,
        "deletes_after": now + LIFETIME,
        "frozen_time": frozen,
        "livemode": false,
        "name": params.json("name"),
        "status": "ready",
        "status_details": {},
    });
    ctx.insert(Kind::TestClock, object);
    ctx.emit("test_helpers.test_clock.created", Kind::TestClock, &id);
    ctx.fetch(Kind::TestClock, &id, "id")
}

/// `GET /v1/test_helpers/test_clocks/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let clock = ctx.fetch(Kind::TestClock, path[0], "id")?;
    if clock.flag("deleted") { Err(ApiError::no_such(Kind::TestClock, path[0], "id")) } else { Ok(clock) }
}

/// `GET /v1/test_helpers/test_clocks`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    list::page(ctx, Kind::TestClock, params, "/v1/test_helpers/test_clocks", |row| !row.flag("deleted"))
}

/// `POST /v1/test_helpers/test_clocks/{id}/advance`: done at once, but returned as `advancing`.
pub(crate) fn advance(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = path[0];
    let clock = retrieve(ctx, path, params)?;
    let target = params.int("frozen_time").ok_or_else(|| ApiError::missing("frozen_time"))?;
    if target <= clock.int("frozen_time") {
        return Err(ApiError::invalid("The test clock can only be advanced to a time after its frozen_time.").param("frozen_time"));
    }
    let details = json!({ "advancing": { "target_frozen_time": target } });
    ctx.set(Kind::TestClock, id, json!({ "status": "advancing", "status_details": details }));
    ctx.emit("test_helpers.test_clock.advancing", Kind::TestClock, id);
    let answer = ctx.fetch(Kind::TestClock, id, "id")?;
    let account = ctx.account.clone();
    while let Some((at, subscription, step)) = next(ctx, id).filter(|(at, ..)| *at <= target) {
        let at = at.max(clock.int("frozen_time"));
        ctx.set(Kind::TestClock, id, json!({ "frozen_time": at }));
        let after = ctx.after;
        cycle::take(&mut cycle::context(ctx.state, &account, &subscription, after), &subscription, &step, at);
    }
    ctx.set(Kind::TestClock, id, json!({ "frozen_time": target, "status": "ready", "status_details": {} }));
    ctx.emit("test_helpers.test_clock.ready", Kind::TestClock, id);
    Ok(answer)
}

/// What happens next to any subscription on that clock.
fn next(ctx: &Context, clock: &str) -> Option<(i64, String, cycle::Step)> {
    let own = ctx.state.live.iter().filter(|(account, _)| *account == ctx.account);
    own.filter(|(account, id)| ctx.state.object(account, Kind::Subscription, id).is_some_and(|one| one["test_clock"] == clock))
        .filter_map(|(_, id)| cycle::next(ctx, id).map(|(at, step)| (at, id.clone(), step)))
        .min_by_key(|(at, ..)| *at)
}

/// `DELETE /v1/test_helpers/test_clocks/{id}`: also deletes its customers and their subscriptions.
pub(crate) fn delete(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = path[0];
    retrieve(ctx, path, params)?;
    let rows = ctx.state.rows(&ctx.account, Kind::Customer).iter().map(|row| &row.object);
    let customers: Vec<String> = rows.filter(|one| one["test_clock"] == id).map(|one| one.text("id").to_owned()).collect();
    for customer in customers {
        customers::delete(ctx, &[&customer], params)?;
    }
    let account = ctx.account.clone();
    let deleted = json!({ "id": id, "object": "test_helpers.test_clock", "deleted": true });
    ctx.emit("test_helpers.test_clock.deleted", Kind::TestClock, id);
    if let Some(row) = ctx.state.row_mut(&account, Kind::TestClock, id) {
        row.object = deleted.clone();
    }
    Ok(deleted)
}
