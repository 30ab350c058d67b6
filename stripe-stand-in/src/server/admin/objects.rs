//! The admin API for single objects: `POST /_admin/{kind}/{id}/{what}`.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::engine::accounts::known::Known;
use crate::engine::accounts::requirements::{self, Due, Failure, Verdict};
use crate::engine::checkout::{self, Payment};
use crate::engine::debits;
use crate::engine::disputes::{self, Outcome, Stage};
use crate::engine::payments;
use crate::engine::payouts;
use crate::engine::radar;
use crate::engine::refunds;
use crate::engine::setup_intents;
use crate::events::context::Context;
use crate::resources::checkout_sessions;
use crate::server::admin::read::{Refusal, context, read};
use crate::server::host::Server;
use crate::server::invoice_pages;
use crate::state::all::State;
use crate::state::door::Collects;
use crate::words::cards::{self, TestCard};
use crate::words::http::Incomer;
use crate::words::kind::Kind;
use crate::words::params::Params;

#[derive(Deserialize)]
struct Authenticated {
    outcome: Answered,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Answered {
    Succeed,
    Fail,
}

#[derive(Deserialize)]
struct Closed {
    outcome: Decided,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Decided {
    Won,
    Lost,
    WarningClosed,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Paying {
    card: Option<String>,
    email: Option<String>,
    /// Entered before paying.
    promotion_code: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Disputing {
    reason: Option<String>,
    /// By default everything that was not refunded.
    amount: Option<i64>,
    status: Stage,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Warning {
    fraud_type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Failing {
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Judged {
    verdict: Option<Verdicts>,
    failure: Option<Failure>,
    #[serde(default)]
    demand: BTreeSet<String>,
    /// How many seconds from now the demanded fields become past due.
    seconds: Option<i64>,
    /// Whether they become due then instead: until then they are in `future_requirements`.
    #[serde(default)]
    later: bool,
    /// Whether they are only due at some point: until they are demanded again.
    #[serde(default)]
    eventually: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdicts {
    Complete,
    Pending,
    Failed,
}

/// Stripe's verdict on an account created through the API, or its demand for more.
pub(crate) fn judge(ctx: &mut Context, account: &str, judged: Judged) -> Result<(), Refusal> {
    if Known::of(ctx.state, account).is_none() {
        return Err(Refusal::Bad(format!("{account} was not created through the API: set its fields instead")));
    }
    let verdict = judged.verdict.map(|verdict| match verdict {
        Verdicts::Complete => Verdict::Complete,
        Verdicts::Pending => Verdict::Pending,
        Verdicts::Failed => Verdict::Failed(judged.failure.unwrap_or_default()),
    });
    if let Some(verdict) = verdict {
        requirements::fulfil(ctx, account, verdict, Collects::default());
    }
    if !judged.demand.is_empty() {
        let at = judged.seconds.map(|seconds| ctx.now() + seconds);
        let due = match (judged.later, judged.eventually) {
            (_, true) => Due::Eventually,
            (true, _) => Due::From(at),
            (false, false) => Due::By(at),
        };
        requirements::demand(ctx, account, judged.demand, due);
    }
    Ok(())
}

/// Acts on an existing object, whichever account it belongs to.
pub(crate) fn act(server: &Server, request: &Incomer, state: &mut State, kind: &str, rest: &[&str]) -> Result<Value, Refusal> {
    let at = |state: &State, kind: Kind, id: &str| state.owner_of(kind, id).ok_or(Refusal::NotFound);
    match (kind, rest) {
        ("payment_intents", [id, "authenticate"]) => {
            let outcome = read::<Authenticated>(request)?.outcome;
            let account = at(state, Kind::PaymentIntent, id)?;
            let mut ctx = context(server, request, state, &account);
            payments::authenticate(&mut ctx, id, outcome == Answered::Succeed)?;
            Ok(ctx.fetch(Kind::PaymentIntent, id, "intent")?)
        }
        ("payment_intents", [id, "clear"]) => {
            let outcome = read::<Authenticated>(request)?.outcome;
            let account = at(state, Kind::PaymentIntent, id)?;
            let mut ctx = context(server, request, state, &account);
            debits::clear(&mut ctx, id, outcome == Answered::Succeed)?;
            Ok(ctx.fetch(Kind::PaymentIntent, id, "intent")?)
        }
        ("setup_intents", [id, "authenticate"]) => {
            let outcome = read::<Authenticated>(request)?.outcome;
            let account = at(state, Kind::SetupIntent, id)?;
            let mut ctx = context(server, request, state, &account);
            setup_intents::authenticate(&mut ctx, id, outcome == Answered::Succeed)?;
            Ok(ctx.fetch(Kind::SetupIntent, id, "intent")?)
        }
        ("checkout", ["sessions", id, what @ ("pay" | "expire")]) => {
            let account = at(state, Kind::CheckoutSession, id)?;
            let mut ctx = context(server, request, state, &account);
            if *what == "pay" {
                pay(&mut ctx, id, &read(request)?)?;
            } else {
                checkout_sessions::expire(&mut ctx, &[id], &Params::none())?;
            }
            Ok(ctx.fetch(Kind::CheckoutSession, id, "session")?)
        }
        ("invoices", [id, "pay"]) => {
            let card = card(&read(request)?)?;
            let account = at(state, Kind::Invoice, id)?;
            let mut ctx = context(server, request, state, &account);
            invoice_pages::pay(&mut ctx, id, card)?;
            Ok(ctx.fetch(Kind::Invoice, id, "invoice")?)
        }
        ("charges", [id, "dispute"]) => {
            let wanted = read::<Disputing>(request)?;
            let account = at(state, Kind::Charge, id)?;
            let mut ctx = context(server, request, state, &account);
            let reason = wanted.reason.as_deref().unwrap_or("fraudulent");
            Ok(disputes::open_at_will(&mut ctx, id, reason, wanted.amount, wanted.status)?)
        }
        ("charges", [id, "fraud_warning"]) => {
            let wanted = read::<Warning>(request)?;
            let account = at(state, Kind::Charge, id)?;
            let mut ctx = context(server, request, state, &account);
            Ok(radar::warn_at_will(&mut ctx, id, wanted.fraud_type.as_deref().unwrap_or(radar::USUAL_FRAUD))?)
        }
        ("disputes", [id, "close"]) => {
            let outcome = match read::<Closed>(request)?.outcome {
                Decided::Won => Outcome::Won,
                Decided::Lost => Outcome::Lost,
                Decided::WarningClosed => Outcome::WarningClosed,
            };
            let account = at(state, Kind::Dispute, id)?;
            Ok(disputes::close(&mut context(server, request, state, &account), id, outcome)?)
        }
        ("disputes", [id, what @ ("escalate" | "appeal")]) => {
            let account = at(state, Kind::Dispute, id)?;
            let mut ctx = context(server, request, state, &account);
            Ok(if *what == "escalate" { disputes::escalate(&mut ctx, id)? } else { disputes::appeal(&mut ctx, id)? })
        }
        ("refunds", [id, what @ ("fail" | "succeed")]) => {
            let account = at(state, Kind::Refund, id)?;
            let reason = read::<Failing>(request)?.reason;
            let mut ctx = context(server, request, state, &account);
            if *what == "fail" {
                refunds::fail(&mut ctx, id, reason.as_deref().unwrap_or(refunds::USUAL_FAILURE));
            } else {
                refunds::succeed(&mut ctx, id);
            }
            Ok(ctx.fetch(Kind::Refund, id, "id")?)
        }
        ("payouts", [id, what @ ("fail" | "arrive")]) => {
            let account = at(state, Kind::Payout, id)?;
            let reason = read::<Failing>(request)?.reason;
            let mut ctx = context(server, request, state, &account);
            if *what == "fail" {
                return Ok(payouts::fail(&mut ctx, id, reason.as_deref().unwrap_or("account_closed"))?);
            }
            payouts::arrive(&mut ctx, id);
            Ok(ctx.fetch(Kind::Payout, id, "payout")?)
        }
        _ => Err(Refusal::NotFound),
    }
}

fn card(paying: &Paying) -> Result<TestCard, Refusal> {
    let name = paying.card.as_deref().unwrap_or("pm_card_visa");
    TestCard::of_id(name).or_else(|| TestCard::of_number(name)).ok_or_else(|| Refusal::Bad(format!("no such card: {name}")))
}

fn pay(ctx: &mut Context, id: &str, paying: &Paying) -> Result<(), Refusal> {
    let card = card(paying)?;
    if let Some(code) = &paying.promotion_code {
        checkout::apply_code(ctx, id, code)?;
    }
    let payment =
        Payment { card, exp_month: 12, exp_year: cards::next_year(), email: Some(paying.email.as_deref().unwrap_or("buyer@example.com")) };
    checkout::pay(ctx, id, &payment)?;
    Ok(())
}
