//! `GET /courses/{slug}`

use shared::app::App;
use shared::course::Course;
use shared::error::Error;
use shared::http::view::CourseView;
use shared::http::{Request, Response, identity, response};
use shared::user::User;

/// One course. Signed out, or with a session that has ended: one trip to DynamoDB, and an answer that may be cached.
/// Signed in: with `owned`, in two trips: course and user, then the buyer's purchase of it and
/// subscription to its seller's membership, either of which makes it `owned`.
///
/// A course that is not published is there for its seller and for those who bought it.
pub(crate) async fn show(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    let session = identity::presented(request, &app.config);
    let token = session.as_ref().map(|session| &session.token);

    let (course, user) = app.store.course_by_slug(slug, token, app.clock.now()).await?;
    let course = course.ok_or(Error::NotFound("course"))?;
    let access = match &user {
        Some(user) => Some(access(app, user, &course).await?),
        None => None,
    };
    let sold_to = access.is_some_and(|access| access.bought) || user.is_some_and(|user| user.id == course.seller_id);
    if (!course.published || course.deleted) && !sold_to {
        return Err(Error::NotFound("course"));
    }
    Ok(match session {
        Some(_) => response::json(200, &CourseView::new(course, access.map(|access| access.bought || access.is_member))),
        None => response::cacheable(request, &CourseView::new(course, None)),
    })
}

/// Why a course is open to a user.
#[derive(Clone, Copy, Default)]
struct Access {
    bought: bool,
    is_member: bool,
}

async fn access(app: &App, user: &User, course: &Course) -> Result<Access, Error> {
    // Nobody buys from themselves.
    if user.id == course.seller_id {
        return Ok(Access::default());
    }
    let (slot, member) = app.store.access(&user.id, &course.id).await?;
    Ok(Access {
        bought: slot.is_some_and(|slot| slot.ownership().is_paid()),
        is_member: member.is_some_and(|member| member.opens(app.clock.now(), app.config.membership_grace)),
    })
}
