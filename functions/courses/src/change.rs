//! `PATCH` and `DELETE /courses/{slug}`

use shared::app::App;
use shared::course::Course;
use shared::error::Error;
use shared::http::view::CourseView;
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;
use shared::user::User;

use crate::fields::Fields;

/// How often a change is made anew that another one has overtaken.
const TRIES: u32 = 5;

/// Changes what is given and leaves the rest, what other requests change at the same moment too. Two trips to
/// DynamoDB: who asks and the course, and the change; both again for each change that came first.
pub(crate) async fn edit(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    let (seller, course) = seller_and_course(app, request, slug).await?;
    let fields: Fields = request::json(request)?;
    let course = own(seller, course)?;
    fields.check_payees(app).await?;
    let course = replace(app, request, slug, course, |course| fields.apply(course)).await?;
    Ok(response::json(200, &CourseView::new(course, None)))
}

/// Takes a course out of the catalogue for good and frees its slug. It stays with those who bought it. Two trips to
/// DynamoDB, as [`edit`].
pub(crate) async fn delete(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    let (seller, course) = seller_and_course(app, request, slug).await?;
    replace(app, request, slug, own(seller, course)?, |course| {
        course.deleted = true;
        Ok(())
    })
    .await?;
    Ok(response::no_content())
}

async fn seller_and_course(app: &App, request: &Request, slug: &str) -> Result<(User, Option<Course>), Error> {
    let session = identity::required(request, &app.config)?;
    let (course, user) = app.store.course_by_slug(slug, Some(&session.token), app.clock.now()).await?;
    let user = user.ok_or(Error::NotSignedIn)?;
    let course = course.filter(|course| !course.deleted);
    if user.is_seller { Ok((user, course)) } else { Err(Error::NotASeller) }
}

/// The course, if it is the seller's. Another's that is not published does not exist for them.
fn own(seller: User, course: Option<Course>) -> Result<Course, Error> {
    match course {
        Some(course) if course.seller_id == seller.id => Ok(course),
        Some(course) if course.published => Err(Error::Forbidden),
        _ => Err(Error::NotFound("course")),
    }
}

/// Writes a change of the course as it is now: where another change came first, reads it again and makes the change
/// on that.
async fn replace(
    app: &App,
    request: &Request,
    slug: &str,
    mut seen: Course,
    change: impl Fn(&mut Course) -> Result<(), Error>,
) -> Result<Course, Error> {
    for _ in 0..TRIES {
        let mut course = seen.clone();
        change(&mut course)?;
        if course == seen {
            return Ok(course);
        }
        course.version += 1;
        course.updated_at = app.clock.now();
        match app.store.replace_course(&seen, &course).await? {
            Written::Yes => return Ok(course),
            Written::No(0) => {}
            Written::No(_) => return Err(Error::SlugTaken),
        }
        let (seller, course) = seller_and_course(app, request, slug).await?;
        // Another course may have the slug by now.
        seen = own(seller, course.filter(|course| course.id == seen.id))?;
    }
    Err(Error::Conflict)
}
