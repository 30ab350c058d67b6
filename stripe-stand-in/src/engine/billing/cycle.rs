//! What happens to a subscription over time: renewals, payment retries, ends.

use serde_json::{Value, json};

use crate::engine::billing::invoices;
use crate::engine::billing::lines;
use crate::engine::billing::pending;
use crate::engine::billing::periods;
use crate::engine::billing::rows::{self, change, names};
use crate::engine::billing::subscriptions;
use crate::events::context::{After, Context};
use crate::state::all::State;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;

const DAY: i64 = 24 * 60 * 60;

/// How long the first payment can be made.
const INCOMPLETE: i64 = 23 * 60 * 60;

/// How long before a renewal `invoice.upcoming` is sent. At Stripe, this is a setting in the Dashboard.
const NOTICE: i64 = 7 * DAY;

/// How long before the end of a trial the notice is sent.
const TRIAL_NOTICE: i64 = 3 * DAY;

/// Something that will happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    AnnounceInvoice,
    AnnounceTrialEnd,
    Renew,
    End,
    Expire,
    Finalize(String),
    Retry(String),
}

/// What happens to a subscription next, and when.
pub(crate) fn next(ctx: &Context, id: &str) -> Option<(i64, Step)> {
    let subscription = ctx.state.object(&ctx.account, Kind::Subscription, id)?;
    let status = subscription.text("status");
    if status == "incomplete" {
        return Some((subscription.int("created") + INCOMPLETE, Step::Expire));
    }
    let (start, end) = periods::period(subscription);
    let mut steps = vec![(end, Step::Renew)];
    if let Some(at) = subscription["cancel_at"].as_i64() {
        steps.push((at, Step::End));
    }
    let told = |name: &str| ctx.state.hidden(&ctx.account, Kind::Subscription, id, name).and_then(Value::as_i64) == Some(end);
    if end - start > 2 * NOTICE && !told("upcoming") && subscription["cancel_at"].is_null() {
        steps.push((end - NOTICE, Step::AnnounceInvoice));
    }
    if status == "trialing" && !told("trial") {
        steps.push(((end - TRIAL_NOTICE).max(start), Step::AnnounceTrialEnd));
    }
    for invoice in rows::open_invoices(ctx, id) {
        if !invoice.flag("auto_advance") {
            continue;
        }
        match (invoice.text("status"), invoice["automatically_finalizes_at"].as_i64(), invoice["next_payment_attempt"].as_i64()) {
            ("draft", Some(at), _) => steps.push((at, Step::Finalize(invoice.text("id").to_owned()))),
            ("open", _, Some(at)) => steps.push((at, Step::Retry(invoice.text("id").to_owned()))),
            _ => {}
        }
    }
    // An end precedes a renewal at the same time.
    steps.into_iter().min_by_key(|(at, step)| (*at, *step != Step::End))
}

/// Performs a step of a subscription at a time.
pub(crate) fn take(ctx: &mut Context, id: &str, step: &Step, at: i64) {
    let account = ctx.account.clone();
    match step {
        Step::AnnounceInvoice => {
            let Some(mut subscription) = ctx.state.object(&account, Kind::Subscription, id).cloned() else { return };
            ctx.state.hide(&account, Kind::Subscription, id, "upcoming", periods::period(&subscription).1.into());
            periods::next_period(&mut subscription);
            let lines = lines::of_period(&subscription, &names(ctx), false);
            let mut invoice = invoices::build(ctx, "", &subscription, lines, "upcoming", at);
            if let Some(fields) = invoice.as_object_mut() {
                fields.remove("id");
            }
            ctx.emit_object(&account, "invoice.upcoming", invoice, Value::Null);
        }
        Step::AnnounceTrialEnd => {
            let end = ctx.state.object(&account, Kind::Subscription, id).map(|subscription| periods::period(subscription).1);
            ctx.state.hide(&account, Kind::Subscription, id, "trial", end.into());
            ctx.emit("customer.subscription.trial_will_end", Kind::Subscription, id);
        }
        Step::Renew => renew(ctx, id),
        Step::End => subscriptions::end(ctx, id, "cancellation_requested", at),
        Step::Expire => expire(ctx, id, at),
        Step::Finalize(invoice) => {
            if let Err(error) = invoices::finalize(ctx, invoice, at) {
                let fields = json!({ "auto_advance": false, "last_finalization_error": error.fields() });
                ctx.set(Kind::Invoice, invoice, fields);
                ctx.emit("invoice.finalization_failed", Kind::Invoice, invoice);
                return;
            }
            // The outcome is recorded in the invoice.
            let _ = invoices::pay(ctx, invoice, None, true, at);
        }
        Step::Retry(invoice) => drop(invoices::pay(ctx, invoice, None, true, at)),
    }
}

/// Starts the next period and drafts its invoice.
fn renew(ctx: &mut Context, id: &str) {
    let account = ctx.account.clone();
    let Some(mut subscription) = ctx.state.object(&account, Kind::Subscription, id).cloned() else { return };
    periods::next_period(&mut subscription);
    let (start, _) = periods::period(&subscription);
    let mut all = lines::of_period(&subscription, &names(ctx), false);
    all.extend(pending::take_pending(ctx, id));
    let mut fields = json!({ "items": subscription["items"] });
    if subscription.text("status") == "trialing" {
        fields["status"] = "active".into();
    }
    invoices::draft(ctx, &subscription, all, "subscription_cycle", start);
    change(ctx, id, fields);
}

/// Ends a trial early.
///
/// # Errors
/// 400 if the payment is impossible.
pub(crate) fn end_trial(ctx: &mut Context, id: &str, now: i64) -> Result<(), ApiError> {
    let mut subscription = ctx.fetch(Kind::Subscription, id, "id")?;
    subscription["billing_cycle_anchor"] = now.into();
    for item in subscription["items"]["data"].as_array_mut().into_iter().flatten() {
        item["current_period_end"] = now.into();
    }
    let fields = json!({ "billing_cycle_anchor": now, "items": subscription["items"], "trial_end": now });
    ctx.set(Kind::Subscription, id, fields);
    renew(ctx, id);
    let subscription = ctx.fetch(Kind::Subscription, id, "id")?;
    let invoice = subscription.text("latest_invoice").to_owned();
    invoices::finalize(ctx, &invoice, now)?;
    let _ = invoices::pay(ctx, &invoice, None, true, now);
    Ok(())
}

/// The first payment never came, so the subscription expires.
pub(crate) fn expire(ctx: &mut Context, id: &str, now: i64) {
    let account = ctx.account.clone();
    for invoice in rows::open_invoices(ctx, id) {
        invoices::give_up(ctx, invoice.text("id"), "void", now);
    }
    change(ctx, id, json!({ "ended_at": now, "status": "incomplete_expired" }));
    ctx.state.live.remove(&(account, id.to_owned()));
}

/// A context for something that no request caused, on a subscription's account.
pub(crate) fn context<'a>(state: &'a mut State, account: &str, id: &str, after: &'static After) -> Context<'a> {
    let fact = |name: &str| {
        let fact = state.hidden(account, Kind::Subscription, id, name).and_then(Value::as_str);
        fact.unwrap_or_default().to_owned()
    };
    let (client_id, origin) = (fact("client_id"), fact("origin"));
    let mut ctx = Context::internal(state, account, after);
    ctx.client_id = client_id;
    ctx.origin = origin;
    ctx
}

/// Does everything that is due by the stand-in's own time; test clocks have their own.
pub(crate) fn catch_up(state: &mut State, after: &'static After) {
    let now = state.now();
    loop {
        for (account, id) in state.calls.take_unknown() {
            let object = state.object(&account, Kind::Subscription, &id);
            let in_this_time = object.is_some_and(|one| one["test_clock"].is_null());
            if in_this_time && state.live.contains(&(account.clone(), id.clone())) {
                let at = next(&context(state, &account, &id, after), &id);
                if let Some((at, _)) = at {
                    state.calls.note((account, id), at);
                }
            }
        }
        let Some((account, id)) = state.calls.take_due(now) else { return };
        let mut ctx = context(state, &account, &id, after);
        if let Some((at, step)) = next(&ctx, &id).filter(|_| ctx.state.live.contains(&(account.clone(), id.clone()))) {
            take(&mut ctx, &id, &step, at);
            ctx.state.version += 1;
        }
        // Whether or not it changed.
        state.calls.forget((account, id));
    }
}
