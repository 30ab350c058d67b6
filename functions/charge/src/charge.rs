//! Everything that is decided before Stripe is called: buyer, course, seller and price.

use serde::Deserialize;
use shared::domain::course::Course;
use shared::domain::error::Error;
use shared::domain::ids::CourseId;
use shared::domain::money::Currency;
use shared::domain::purchase::Slot;
use shared::http::{Request, Response, identity, request, request_id};
use shared::work::Services;
use shared::work::declines;

use crate::order::{Order, Payment};
use crate::{begin, outcome, resume};

#[derive(Deserialize)]
struct Body {
    course_id: String,
    #[serde(default)]
    payment_method: Option<String>,
    #[serde(default)]
    expected_amount: Option<i64>,
    #[serde(default)]
    expected_currency: Option<Currency>,
    #[serde(default)]
    save_card: bool,
    /// The answer to the browser's challenge, see [`declines`].
    #[serde(default)]
    challenge: Option<String>,
}

/// Sells a course.
///
/// Buyers whose cards keep being declined are stopped before Stripe is called, see [`declines`]. Counting a decline costs two more trips.
///
/// With a known customer and a payment method: three DynamoDB trips (read, intent, outcome) and one Stripe call.
/// Creating the customer on a first purchase and converting a legacy token cost one call each. Several payees cost
/// one more trip, and so does a first direct charge on an account. For a direct charge to a buyer who is already
/// the platform's customer, one call checks whether the card is saved, and a second clones it if it is. Saving a
/// card costs the same two calls, plus one call and one trip if the buyer is not yet the platform's customer. A payment that the buyer
/// must authenticate costs one more trip.
///
/// # Errors
/// See `POST /courses/charge` in `openapi.yaml`. Work in progress is stored, and repeating the request continues it.
pub async fn charge(services: &Services, request: &Request) -> Result<Response, Error> {
    let app = &services.app;
    let presented = identity::required(request, &app.config)?;
    let body: Body = request::json(request)?;
    let payment = payment(body.payment_method)?;
    let now = app.clock.now();
    let Ok(course_id) = body.course_id.parse::<CourseId>() else {
        app.store.user_by_token(&presented.token, now).await?.ok_or(Error::NotSignedIn)?;
        return Err(Error::NotFound("course"));
    };

    let address = identity::address(request, &app.config);
    let read = app.store.read_for_charge(&presented.token, &course_id, &address, now).await?;
    let buyer = read.buyer.ok_or(Error::NotSignedIn)?;
    let course = read.course.filter(Course::is_offered).ok_or(Error::NotFound("course"))?;
    if read.slot.as_ref().is_some_and(|slot| slot.ownership().is_paid()) {
        return Err(Error::AlreadyOwned);
    }
    if course.seller_id == buyer.id {
        return Err(Error::OwnCourse);
    }
    app.config.check_terms(&buyer)?;
    course.price.check_shown(body.expected_amount, body.expected_currency)?;

    if payment != Payment::Checkout {
        declines::check(app, &buyer, &address, read.declines, body.challenge.as_deref()).await?;
    }

    let ids: Vec<_> = course.payees.iter().map(|share| share.seller.clone()).collect();
    let payees = if ids.is_empty() { Vec::new() } else { app.store.users_by_id(&ids).await? };
    let cause = format!("request:{}", request_id(request));
    let order = Order { buyer, course, seller: read.seller, payees, payment, save_card: body.save_card, address, cause };
    let answer = sell(services, &order, read.slot.as_ref()).await;
    declines::count(app, &order.buyer, &order.address, &answer).await?;
    answer
}

async fn sell(services: &Services, order: &Order, slot: Option<&Slot>) -> Result<Response, Error> {
    let (purchase, browser) = match slot {
        None => begin::first(services, order).await?,
        Some(slot) => resume::resume(services, order, slot).await?,
    };
    outcome::answer(services, order, purchase, browser).await
}

fn payment(method: Option<String>) -> Result<Payment, Error> {
    let Some(method) = method else { return Ok(Payment::Checkout) };
    let sound = method.len() <= 255 && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match method.split_once('_') {
        Some(("tok", rest)) if sound && !rest.is_empty() => Ok(Payment::Token(method)),
        Some(("pm" | "card" | "src", rest)) if sound && !rest.is_empty() => Ok(Payment::Method(method)),
        _ => Err(Error::InvalidRequest("payment_method must be a Stripe payment method (pm_…) or token (tok_…)".to_owned())),
    }
}
