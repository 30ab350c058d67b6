//! Who buys what from whom at which price: everything that is decided before Stripe is asked.

use serde::Deserialize;
use shared::course::Course;
use shared::error::Error;
use shared::http::{Request, Response, identity, request, request_id};
use shared::ids::CourseId;
use shared::user::User;

use crate::{Charge, begin, resume};

#[derive(Deserialize)]
struct Body {
    course_id: String,
    #[serde(default)]
    payment_method: Option<String>,
    #[serde(default)]
    expected_amount: Option<i64>,
    #[serde(default)]
    save_card: bool,
}

/// How the buyer wants to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payment {
    /// On Stripe's hosted page.
    Checkout,
    /// Now, with a payment method, `pm_…`.
    Method(String),
    /// Now, with a legacy token, `tok_…`, that is first made into a payment method.
    Token(String),
}

/// A sale that may be made.
#[derive(Debug)]
pub struct Order {
    /// Who buys.
    pub buyer: User,
    /// What.
    pub course: Course,
    /// From whom; none where the seller is gone.
    pub seller: Option<User>,
    /// Who shares it, where the course has payees.
    pub payees: Vec<User>,
    /// How.
    pub payment: Payment,
    /// Whether the buyer wants the card kept for later.
    pub save_card: bool,
    /// For the purchase's history.
    pub cause: String,
}

/// Sells a course.
///
/// With a known customer and a payment method: three DynamoDB trips (read, intent, outcome) and one Stripe call. A
/// first purchase on an account makes the customer first, and a legacy token its payment method: a call each. A course with
/// several payees is one trip more, and so is a first direct charge on an account. For a direct charge a buyer who is the platform's customer costs a call, which asks whether the card is
/// a saved one, and a saved one a second, which clones it; to save one costs the same, and a call and a trip more for who is no
/// customer of the platform's yet.
///
/// # Errors
/// See `POST /courses/charge` in `openapi.yaml`. Whatever was begun is on record, and the same request finds it.
pub async fn charge(charge: &Charge, request: &Request) -> Result<Response, Error> {
    let app = &charge.app;
    let presented = identity::required(request, &app.config)?;
    let body: Body = request::json(request)?;
    let payment = payment(body.payment_method)?;
    let now = app.clock.now();
    let Ok(course_id) = body.course_id.parse::<CourseId>() else {
        app.store.user_by_token(&presented.token, now).await?.ok_or(Error::NotSignedIn)?;
        return Err(Error::NotFound("course"));
    };

    let read = app.store.read_for_charge(&presented.token, &course_id, now).await?;
    let buyer = read.buyer.ok_or(Error::NotSignedIn)?;
    let course = read.course.filter(|course| course.published && !course.deleted).ok_or(Error::NotFound("course"))?;
    if read.slot.as_ref().is_some_and(|slot| slot.ownership().is_paid()) {
        return Err(Error::AlreadyOwned);
    }
    if course.seller_id == buyer.id {
        return Err(Error::OwnCourse);
    }
    if body.expected_amount.is_some_and(|expected| expected != course.price.amount) {
        return Err(Error::PriceChanged { amount: course.price.amount, currency: course.price.currency.code() });
    }

    let ids: Vec<_> = course.payees.iter().map(|share| share.seller.clone()).collect();
    let payees = if ids.is_empty() { Vec::new() } else { app.store.users_by_id(&ids).await? };
    let cause = format!("request:{}", request_id(request));
    let order = Order { buyer, course, seller: read.seller, payees, payment, save_card: body.save_card, cause };
    match read.slot {
        None => begin::first(charge, &order).await,
        Some(slot) => resume::resume(charge, &order, &slot).await,
    }
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
