//! Carrying out what a purchase has planned: whoever comes first does it, and doing it twice is doing it once.

use time::OffsetDateTime;

use crate::app::App;
use crate::error::Error;
use crate::ids::PurchaseId;
use crate::purchase::{Outcome, Purchase};
use crate::store::Written;
use crate::stripe::Gateway;
use crate::stripe::error::StripeError;

/// How often a record that others write as well is read again.
const TRIES: usize = 8;

/// More movements than a purchase can plan in one go: a guard against a plan that feeds itself.
const MOST_STEPS: usize = 64;

/// Changes a purchase as it is now: writes what `change` makes of it, anew where another write came first. Answers
/// whether there was anything to change.
///
/// # Errors
/// Where DynamoDB fails, or the purchase is gone.
pub async fn change(
    app: &App,
    purchase: &mut Purchase,
    cause: &str,
    change: impl Fn(&mut Purchase, OffsetDateTime) -> bool,
) -> Result<bool, Error> {
    for _ in 0..TRIES {
        let now = app.clock.now();
        let changed = change(purchase, now);
        if !(purchase.plan(app.config.take_back_lost_disputes, cause, now) || changed) {
            return Ok(false);
        }
        match app.store.write_outcome(purchase, None).await? {
            Written::Yes => return Ok(true),
            Written::No(_) => *purchase = read(app, &purchase.id).await?,
        }
    }
    Err(Error::Internal(format!("the purchase {} changes too fast to be written", purchase.id)))
}

async fn read(app: &App, id: &PurchaseId) -> Result<Purchase, Error> {
    app.store.purchase(id).await?.ok_or_else(|| Error::Internal(format!("the purchase {id} is gone")))
}

/// Has Stripe do what is planned, one after the other, and records each outcome before the next: a Stripe call and a
/// DynamoDB trip each. `wanted` says of which numbers; others wait for their own time.
///
/// A movement whose outcome stays unknown keeps its key and is found by the next who comes.
///
/// # Errors
/// The first movement's unknown outcome, after the others were tried.
pub async fn carry_out(
    app: &App,
    stripe: &Gateway,
    purchase: &mut Purchase,
    cause: &str,
    wanted: impl Fn(&Purchase, u32) -> bool,
) -> Result<(), Error> {
    learn_facts(app, stripe, purchase, cause).await?;
    let mut tried: Vec<u32> = Vec::new();
    let mut unknown: Option<StripeError> = None;
    for _ in 0..MOST_STEPS {
        let next = purchase
            .movements()
            .iter()
            .map(|movement| movement.number)
            .find(|number| !tried.contains(number) && wanted(purchase, *number) && purchase.request(*number).is_some());
        let Some(number) = next else { break };
        tried.push(number);
        // What was refused is tried under a new key. That it may be at Stripe from now on is written before it is sent.
        if purchase.movement(number).is_some_and(|movement| !movement.may_be_at_stripe())
            && !change(app, purchase, cause, |purchase, now| purchase.try_again(number, now)).await?
        {
            continue;
        }
        let (Some(movement), Some(request)) = (purchase.movement(number).cloned(), purchase.request(number)) else { continue };
        match stripe.move_money(purchase, &movement, &request, app.clock.now()).await {
            Ok(outcome) => {
                change(app, purchase, cause, |purchase, now| purchase.observe_movement(number, &outcome, cause, now)).await?;
                let refused = matches!(outcome, Outcome::Refused { .. });
                tracing::info!(purchase_id = %purchase.id, movement = number, kind = ?movement.kind, amount = movement.amount, refused, "money moved");
            }
            Err(error) => {
                tracing::warn!(purchase_id = %purchase.id, movement = number, kind = ?movement.kind, %error, "it is not known whether money moved");
                unknown.get_or_insert(error);
            }
        }
    }
    unknown.map_or(Ok(()), |error| Err(error.into()))
}

async fn learn_facts(app: &App, stripe: &Gateway, purchase: &mut Purchase, cause: &str) -> Result<(), Error> {
    let Some(paid) = purchase.paid_attempt().filter(|_| purchase.lacks_facts()) else { return Ok(()) };
    let number = paid.number;
    if let Some(seen) = stripe.charge_facts(paid).await? {
        change(app, purchase, cause, |purchase, now| purchase.observe(number, &seen, cause, now)).await?;
    }
    Ok(())
}
