//! A payee's share of another seller's course: the offer, accepting and leaving it, and the earnings.

use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::base::clock::written;
use shared::domain::course::Course;
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::domain::purchase::{MovementKind, MovementState, Purchase, Status};
use shared::http::view::ShareView;
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;

/// How many times to retry when a concurrent write wins.
const TRIES: u32 = 5;

/// `GET /users/me/shares`: other sellers' courses in which the signed-in user has, was offered or has left a share. Three trips to
/// DynamoDB: the user, then the list in two steps.
pub(crate) async fn list(app: &App, request: &Request) -> Result<Response, Error> {
    let user = identity::user(request, app).await?;
    let page = request::page(request)?;
    let courses = app.store.shared_courses(&user.id, &page).await?;
    Ok(response::json(200, &response::list(courses, |course| ShareView::new(course, &user.id))))
}

/// What a payee earned from a sale.
#[derive(Serialize)]
struct EarningView {
    course_id: String,
    status: Status,
    amount: i64,
    currency: &'static str,
    transferred: i64,
    taken_back: i64,
    waiting: i64,
    paid_at: Option<String>,
}

impl EarningView {
    fn new(purchase: &Purchase, payee: &UserId) -> Self {
        let sum = |kind: MovementKind, counts: fn(MovementState) -> bool| {
            let movements = purchase.movements().iter();
            let theirs = movements.filter(|one| one.kind == kind && one.payee.as_ref() == Some(payee) && counts(one.state));
            theirs.map(|one| purchase.at_stripe(one)).sum()
        };
        Self {
            course_id: purchase.course_id.to_string(),
            status: purchase.status(),
            amount: purchase.amount(),
            currency: purchase.currency.code(),
            transferred: sum(MovementKind::Transfer, MovementState::is_done),
            taken_back: sum(MovementKind::Reversal, MovementState::is_done),
            waiting: sum(MovementKind::Transfer, |state| state.stands() && !state.is_done()),
            paid_at: purchase.paid_at().map(written),
        }
    }
}

/// `GET /courses/{slug}/share`: what the signed-in payee earned from each sale of the course, newest first. Two trips to DynamoDB: user
/// and course, then the seller's sales; each page examines a limited number of them.
pub(crate) async fn show(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    let (payee, course) = payee_and_course(app, request, slug).await?;
    let page = request::page(request)?;
    let sales = app.store.shared_sales(&course, &payee, &page).await?;
    let shares = course.payees.iter().chain(course.proposed.iter().flat_map(|proposal| &proposal.shares));
    if sales.items.is_empty() && sales.next.is_none() && !shares.into_iter().any(|share| share.seller == payee) {
        return Err(Error::NotFound("share"));
    }
    Ok(response::json(200, &response::list(sales, |purchase| EarningView::new(&purchase, &payee))))
}

#[derive(Deserialize)]
struct Body {
    share: u8,
}

/// `PUT /courses/{slug}/share`: accepts an offered share. The request repeats the share, so nobody accepts a different one from the one
/// they saw. It applies to later sales once every payee has accepted. The password must have been entered recently. Three trips to DynamoDB.
pub(crate) async fn accept(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    identity::user_with_password(request, app).await?;
    let body: Body = request::json(request)?;
    let course = change(app, request, slug, |course, payee| {
        let is_asked =
            course.payees.iter().chain(course.proposed.iter().flat_map(|proposal| &proposal.shares)).any(|one| one.seller == *payee);
        match course.accept_share(payee, body.share) {
            true => Ok(()),
            false if is_asked => Err(Error::Conflict),
            false => Err(Error::NotFound("share")),
        }
    })
    .await?;
    Ok(response::json(200, &course))
}

/// `DELETE /courses/{slug}/share`: declines an offered share and returns an accepted one to
/// the course's seller, from the next sale on. Past earnings stay. The password must have been entered recently. Three trips to DynamoDB.
pub(crate) async fn leave(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    identity::user_with_password(request, app).await?;
    change(app, request, slug, |course, payee| if course.leave_share(payee) { Ok(()) } else { Err(Error::NotFound("share")) }).await?;
    Ok(response::no_content())
}

async fn change(
    app: &App,
    request: &Request,
    slug: &str,
    change: impl Fn(&mut Course, &UserId) -> Result<(), Error>,
) -> Result<ShareView, Error> {
    for _ in 0..TRIES {
        let (payee, seen) = payee_and_course(app, request, slug).await?;
        let mut course = seen.clone();
        change(&mut course, &payee)?;
        if course == seen {
            return Ok(ShareView::new(course, &payee));
        }
        course.version += 1;
        course.updated_at = app.clock.now();
        if app.store.replace_course(&seen, &course).await? == Written::Yes {
            return Ok(ShareView::new(course, &payee));
        }
    }
    Err(Error::Conflict)
}

async fn payee_and_course(app: &App, request: &Request, slug: &str) -> Result<(UserId, Course), Error> {
    let session = identity::required(request, &app.config)?;
    let (course, user) = app.store.course_by_slug(slug, Some(&session.token), app.clock.now()).await?;
    let user = user.ok_or(Error::NotSignedIn)?;
    // A seller's own courses do not count.
    let course = course.filter(|course| !course.deleted && course.seller_id != user.id);
    Ok((user.id, course.ok_or(Error::NotFound("share"))?))
}
