//! Carries out what a purchase has planned. Anyone may do it, and doing it twice has the same effect as doing it once.

use time::OffsetDateTime;

use crate::app::App;
use crate::domain::audit::{Actor, Deed, Entry};
use crate::domain::charging::CHARGE_DISPUTED;
use crate::domain::error::Error;
use crate::domain::ids::PurchaseId;
use crate::domain::money::Price;
use crate::domain::purchase::{MovementKind, Outcome, Purchase};
use crate::store::Written;
use crate::stripe::Gateway;

/// How many times to reread a record that others write as well.
const TRIES: usize = 8;

/// More steps than one purchase can plan at once. Guards against a plan that never ends.
const MOST_STEPS: usize = 64;

/// Applies `change` to a purchase and writes the result, rereading and
/// retrying if another write came first. Returns whether anything changed.
///
/// # Errors
/// If DynamoDB fails, or the purchase is gone.
pub async fn change(
    app: &App,
    purchase: &mut Purchase,
    cause: &str,
    change: impl Fn(&mut Purchase, OffsetDateTime) -> bool,
) -> Result<bool, Error> {
    write(app, purchase, cause, None, change).await
}

/// The same for a change by staff, whose entry in the audit log is written with it.
///
/// # Errors
/// As of [`change`].
pub async fn change_by_staff(
    app: &App,
    purchase: &mut Purchase,
    cause: &str,
    entry: &Entry,
    change: impl Fn(&mut Purchase, OffsetDateTime) -> bool,
) -> Result<bool, Error> {
    write(app, purchase, cause, Some(entry), change).await
}

async fn write(
    app: &App,
    purchase: &mut Purchase,
    cause: &str,
    entry: Option<&Entry>,
    change: impl Fn(&mut Purchase, OffsetDateTime) -> bool,
) -> Result<bool, Error> {
    for _ in 0..TRIES {
        let now = app.clock.now();
        let changed = change(purchase, now);
        if !(purchase.plan(app.config.take_back_lost_disputes, cause, now) || changed) {
            return Ok(false);
        }
        let written = match entry.filter(|_| changed) {
            Some(entry) => app.store.write_by_staff(purchase, entry).await?,
            None => app.store.write_outcome(purchase, None).await?,
        };
        match written {
            Written::Yes => return Ok(true),
            Written::No(_) => *purchase = read(app, &purchase.id).await?,
        }
    }
    Err(Error::Internal(format!("the purchase {} changes too fast to be written", purchase.id)))
}

/// Withdraws the newest attempt so that it can no longer be paid. If it was paid first, that counts. Another
/// deployment's purchase is left alone. Returns whether anything changed.
///
/// # Errors
/// If DynamoDB fails, or the attempt's outcome stays unknown.
pub async fn withdraw(app: &App, stripe: &Gateway, purchase: &mut Purchase, cause: &str) -> Result<bool, Error> {
    if !purchase.is_of_stack(&app.config.stack_id) {
        return Ok(false);
    }
    let attempt = purchase.attempt().clone();
    let heard = stripe.withdraw_attempt(purchase, &attempt, app.clock.now()).await?;
    change(app, purchase, cause, |purchase, now| purchase.observe(attempt.number, &heard.observation, cause, now)).await
}

/// Postpones the reconciliation's next look at a purchase, without planning
/// anything. If another write came first, the purchase simply stays due.
///
/// # Errors
/// If DynamoDB fails.
pub async fn rest(app: &App, purchase: &mut Purchase) -> Result<(), Error> {
    purchase.checked(app.clock.now());
    let _by_another = app.store.write_outcome(purchase, None).await?;
    Ok(())
}

async fn read(app: &App, id: &PurchaseId) -> Result<Purchase, Error> {
    app.store.purchase(id).await?.ok_or_else(|| Error::Internal(format!("the purchase {id} is gone")))
}

/// Carries out planned movements in sequence and records each outcome before starting the next: one
/// Stripe call and one DynamoDB trip each. `wanted` selects movements by number; the others wait.
///
/// A movement whose outcome stays unknown keeps its key, so the next caller finds it.
///
/// # Errors
/// The first unknown outcome, after the other movements were tried.
pub async fn carry_out(
    app: &App,
    stripe: &Gateway,
    purchase: &mut Purchase,
    cause: &str,
    wanted: impl Fn(&Purchase, u32) -> bool,
) -> Result<(), Error> {
    if !purchase.is_of_stack(&app.config.stack_id) {
        return Ok(());
    }
    learn_facts(app, stripe, purchase, cause).await?;
    let mut tried: Vec<u32> = Vec::new();
    let mut unknown: Option<Error> = None;
    for _ in 0..MOST_STEPS {
        let next = purchase
            .movements()
            .iter()
            .map(|movement| movement.number)
            .find(|number| !tried.contains(number) && wanted(purchase, *number) && purchase.request(*number).is_some());
        let Some(number) = next else { break };
        tried.push(number);
        // A refused movement is retried under a new key. Before it is sent, the record says that it may be at Stripe.
        if purchase.movement(number).is_some_and(|movement| !movement.may_be_at_stripe())
            && !change(app, purchase, cause, |purchase, now| purchase.try_again(number, now)).await?
        {
            continue;
        }
        let (Some(movement), Some(request)) = (purchase.movement(number).cloned(), purchase.request(number)) else { continue };
        let moved = match stripe.move_money(purchase, &movement, &request, app.clock.now()).await {
            Ok(outcome) => learn_disputes(app, stripe, purchase, &outcome, cause).await.map(|()| outcome),
            Err(error) => Err(error.into()),
        };
        match moved {
            Ok(outcome) => {
                observe(app, purchase, number, &outcome, cause).await?;
                let refused = matches!(outcome, Outcome::Refused { .. });
                tracing::info!(purchase_id = %purchase.id, movement = number, kind = ?movement.kind, amount = movement.amount, refused, "money moved");
            }
            Err(error) => {
                tracing::warn!(purchase_id = %purchase.id, movement = number, kind = ?movement.kind, %error, "it is unknown whether money moved");
                unknown.get_or_insert(error);
            }
        }
    }
    unknown.map_or(Ok(()), Err)
}

/// Records the outcome of a movement. If Stripe refused a refund that staff had asked for, the audit log says so.
///
/// # Errors
/// As of [`change`].
pub async fn observe(app: &App, purchase: &mut Purchase, number: u32, outcome: &Outcome, cause: &str) -> Result<bool, Error> {
    let observe = |purchase: &mut Purchase, now| purchase.observe_movement(number, outcome, cause, now);
    match refusal(app, purchase, number, outcome, cause) {
        Some(entry) => change_by_staff(app, purchase, cause, &entry, observe).await,
        None => change(app, purchase, cause, observe).await,
    }
}

/// The audit log's entry, if the outcome ends a refund that staff had asked for.
fn refusal(app: &App, purchase: &Purchase, number: u32, outcome: &Outcome, cause: &str) -> Option<Entry> {
    let Outcome::Refused { code } = outcome else { return None };
    let mut after = purchase.clone();
    after.observe_movement(number, outcome, cause, app.clock.now());
    let refund = after.movement(number).filter(|movement| movement.kind == MovementKind::Refund && !movement.state.stands())?;
    let deed = Deed::RefundRefused {
        purchase_id: purchase.id.clone(),
        refund: number,
        amount: Price { amount: refund.amount, currency: purchase.currency },
        code: code.clone(),
    };
    Some(Entry::new(&Actor::Staff { id: refund.staff()?.clone() }, &purchase.seller_id, deed, app.clock.now(), &app.entropy))
}

async fn learn_facts(app: &App, stripe: &Gateway, purchase: &mut Purchase, cause: &str) -> Result<(), Error> {
    let Some(paid) = purchase.paid_attempt().filter(|_| purchase.lacks_facts()) else { return Ok(()) };
    let number = paid.number;
    if let Some(seen) = stripe.charge_facts(paid).await? {
        change(app, purchase, cause, |purchase, now| purchase.observe(number, &seen, cause, now)).await?;
    }
    Ok(())
}

/// Stripe refused a refund because a bank disputes the charge, which may not have been heard of yet. It is recorded first, because
/// payees get nothing again while the bank decides.
async fn learn_disputes(app: &App, stripe: &Gateway, purchase: &mut Purchase, outcome: &Outcome, cause: &str) -> Result<(), Error> {
    let is_disputed = matches!(outcome, Outcome::Refused { code } if code == CHARGE_DISPUTED);
    let paid = purchase.paid_attempt().filter(|_| is_disputed);
    let Some(id) = paid.and_then(|paid| paid.payment_intent.clone()) else { return Ok(()) };
    for dispute in stripe.disputes_of_payment(&id, purchase.charged_account()).await? {
        change(app, purchase, cause, |purchase, now| dispute.tell(purchase, now, cause, now)).await?;
    }
    Ok(())
}
