//! The admin API's part about single objects: `POST /_admin/{kind}/{id}/{what}`.

use serde::Deserialize;
use serde_json::Value;

use super::{Refusal, context, read};
use crate::stripe::accounts::requirements::{self, Failure, Known, Verdict};
use crate::stripe::cards::TestCard;
use crate::stripe::checkout::{self, Payment};
use crate::stripe::context::Context;
use crate::stripe::disputes::{self, Outcome};
use crate::stripe::params::Params;
use crate::stripe::payment_methods;
use crate::stripe::payments;
use crate::stripe::payouts;
use crate::stripe::refunds;
use crate::stripe::server::{Incomer, Server};
use crate::stripe::setup_intents;
use crate::stripe::state::{Kind, State};

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
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Paying {
    card: Option<String>,
    email: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Disputing {
    reason: Option<String>,
    /// All that was not refunded unless set.
    amount: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Failing {
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Judged {
    verdict: Option<Verdicts>,
    failure: Option<Failure>,
    #[serde(default)]
    demand: Vec<String>,
    /// When what is demanded is past due, from now.
    seconds: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdicts {
    Complete,
    Pending,
    Failed,
}

/// Stripe's verdict on an account that was made through the API, or its demand for more.
pub(super) fn judge(ctx: &mut Context, account: &str, judged: Judged) -> Result<(), Refusal> {
    if Known::of(ctx.state, account).is_none() {
        return Err(Refusal::Bad(format!("{account} was not made through the API: set its fields instead")));
    }
    match judged.verdict {
        Some(Verdicts::Complete) => requirements::fulfil(ctx, account, Verdict::Complete),
        Some(Verdicts::Pending) => requirements::fulfil(ctx, account, Verdict::Pending),
        Some(Verdicts::Failed) => requirements::fulfil(ctx, account, Verdict::Failed(judged.failure.unwrap_or_default())),
        None => {}
    }
    if !judged.demand.is_empty() {
        let deadline = judged.seconds.map(|seconds| ctx.now() + seconds);
        requirements::demand(ctx, account, &judged.demand, deadline);
    }
    Ok(())
}

/// Does something to an object that exists, whichever account it belongs to.
pub(super) fn act(server: &Server, request: &Incomer, state: &mut State, kind: &str, rest: &[&str]) -> Result<Value, Refusal> {
    let at = |state: &State, kind: Kind, id: &str| state.owner_of(kind, id).ok_or(Refusal::NotFound);
    match (kind, rest) {
        ("payment_intents", [id, "authenticate"]) => {
            let outcome = read::<Authenticated>(request)?.outcome;
            let account = at(state, Kind::PaymentIntent, id)?;
            let mut ctx = context(server, request, state, &account);
            payments::authenticate(&mut ctx, id, outcome == Answered::Succeed)?;
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
                checkout::expire(&mut ctx, &[id], &Params::none())?;
            }
            Ok(ctx.fetch(Kind::CheckoutSession, id, "session")?)
        }
        ("charges", [id, "dispute"]) => {
            let wanted = read::<Disputing>(request)?;
            let account = at(state, Kind::Charge, id)?;
            let mut ctx = context(server, request, state, &account);
            let reason = wanted.reason.as_deref().unwrap_or("fraudulent");
            Ok(disputes::open_at_will(&mut ctx, id, reason, wanted.amount)?)
        }
        ("disputes", [id, "close"]) => {
            let outcome = match read::<Closed>(request)?.outcome {
                Decided::Won => Outcome::Won,
                Decided::Lost => Outcome::Lost,
            };
            let account = at(state, Kind::Dispute, id)?;
            Ok(disputes::close(&mut context(server, request, state, &account), id, outcome)?)
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

fn pay(ctx: &mut Context, id: &str, paying: &Paying) -> Result<(), Refusal> {
    let name = paying.card.as_deref().unwrap_or("pm_card_visa");
    let card = TestCard::of_id(name).or_else(|| TestCard::of_number(name)).ok_or_else(|| Refusal::Bad(format!("no such card: {name}")))?;
    let payment = Payment {
        card,
        exp_month: 12,
        exp_year: payment_methods::next_year(),
        email: Some(paying.email.as_deref().unwrap_or("buyer@example.com")),
    };
    checkout::pay(ctx, id, &payment)?;
    Ok(())
}
