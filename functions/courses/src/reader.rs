//! Who may read a course, and who may write what is in it.

use shared::app::App;
use shared::domain::course::Course;
use shared::domain::error::Error;
use shared::domain::outline::Opened;
use shared::domain::purchase::Ownership;
use shared::domain::user::User;
use shared::http::{Request, identity};
use shared::store::Written;
use shared::store::courses::Rights;

/// The signed-in user and the course: one trip to DynamoDB.
///
/// # Errors
/// [`Error::NotSignedIn`], [`Error::NotFound`], or if DynamoDB fails.
pub(crate) async fn with_course(app: &App, request: &Request, slug: &str) -> Result<(User, Course), Error> {
    let session = identity::required(request, &app.config)?;
    let (course, user) = app.store.course_by_slug(slug, Some(&session.token), app.clock.now()).await?;
    let user = identity::in_role(user.ok_or(Error::NotSignedIn)?, &app.config);
    Ok((user, course.ok_or(Error::NotFound("course"))?))
}

/// The course, if it is the signed-in seller's own: one trip to DynamoDB.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::NotASeller`], and the errors of [`with_course`].
pub(crate) async fn own_course(app: &App, request: &Request, slug: &str) -> Result<Course, Error> {
    let (seller, course) = with_course(app, request, slug).await?;
    if course.seller_id != seller.id {
        return Err(if course.is_offered() { Error::Forbidden } else { Error::NotFound("course") });
    }
    if !seller.is_seller {
        return Err(Error::NotASeller);
    }
    Ok(course)
}

/// Refuses everybody but buyers whose purchase is paid, the seller's members, the seller and staff.
///
/// While a bank disputes the payment, the platform's policy decides. Buyers can still read a deleted or unpublished course, a deleted one
/// under its id, `crs_…`. A membership gives access to what is in the catalogue.
///
/// # Errors
/// [`Error::NotOwned`], [`Error::AccessSuspended`], and [`Error::NotFound`] for a course that is not offered.
pub(crate) fn check(app: &App, reader: &User, course: &Course, rights: Rights) -> Result<(), Error> {
    if course.seller_id == reader.id || reader.is_staff {
        return Ok(());
    }
    let is_offered = course.is_offered();
    let bought = rights.slot.map(|slot| slot.ownership()).unwrap_or_default();
    let member = rights.member.filter(|_| is_offered).map(|member| member.ownership(app.clock.now(), app.config.membership_grace));
    match bought.max(member.unwrap_or_default()) {
        Ownership::Owned => Ok(()),
        Ownership::Contested if app.config.disputed_access => Ok(()),
        Ownership::Contested => Err(Error::AccessSuspended),
        Ownership::None if is_offered => Err(Error::NotOwned),
        Ownership::None => Err(Error::NotFound("course")),
    }
}

/// Notes that somebody opened what they have paid for: one trip to DynamoDB on the first visit of a day, otherwise none. It is evidence in a
/// dispute. If it cannot be written, the course is shown nevertheless.
pub(crate) async fn note(app: &App, reader: &User, course: &Course, seen: Option<&Opened>) {
    if course.seller_id == reader.id || reader.is_staff {
        return;
    }
    let Some(opened) = Opened::again(seen, &course.id, app.clock.now()) else { return };
    match app.store.put_opened(&reader.id, &opened, seen.map(|seen| seen.version)).await {
        // Another request on the same day was first.
        Ok(Written::Yes | Written::No(_)) => {}
        Err(error) => tracing::warn!(course_id = %course.id, %error, "it is not noted that a buyer opened a course"),
    }
}
