//! `PATCH` and `DELETE /courses/{slug}`

use shared::app::App;
use shared::domain::audit::{Actor, Deed, Entry};
use shared::domain::course::{Course, RENAMES_MAX};
use shared::domain::error::Error;
use shared::domain::user::User;
use shared::http::view::CourseView;
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;
use shared::store::courses::{NO_MORE_SLUGS, SLUGS_MAX};

use crate::fields::Fields;

/// How many times to retry when a concurrent write wins.
const TRIES: u32 = 5;

/// Changes the given fields and leaves the rest, including concurrent changes by other requests. Two trips to
/// DynamoDB: user and course, then the change. Both are repeated for each concurrent change that wins.
///
/// Staff may set the platform's fee on any course and take it down, each with an entry in the audit log; sellers may do neither. It needs
/// a password that was entered lately, which costs one more trip.
pub(crate) async fn edit(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    let (user, course) = user_and_course(app, request, slug).await?;
    if !user.is_seller && !user.is_staff {
        return Err(Error::NotASeller);
    }
    let fields: Fields = request::json(request)?;
    let by = if user.is_staff && fields.are_the_staffs() && !fields.are_the_sellers() { By::Staff } else { By::Seller };
    let course = by.theirs(&user, course)?;
    match by {
        By::Staff => drop(identity::staff_with_password(request, app).await?),
        By::Seller => {
            fields.check_sellers()?;
            fields.check_payees(app, request, &user, &course).await?;
        }
    }
    let now = app.clock.now();
    let change = |course: &mut Course| match by {
        By::Staff => fields.apply_staffs(course, now),
        By::Seller => {
            let was_published = course.published;
            fields.apply(course)?;
            if course.published && !was_published {
                app.config.check_terms(&user)?;
            }
            fields.check_price(app, &user, course)?;
            fields.check_sellable(app, &user, course)
        }
    };
    let course = replace(app, request, slug, (by, &user), course, change).await?;
    Ok(response::json(200, &CourseView::of_its_own(course, None)))
}

/// Removes a course from the catalogue permanently. Its buyers keep it, and its seller its slug. Two trips to DynamoDB, as
/// for [`edit`].
pub(crate) async fn delete(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    let (user, course) = user_and_course(app, request, slug).await?;
    let course = By::Seller.theirs(&user, course)?;
    replace(app, request, slug, (By::Seller, &user), course, |course| {
        course.deleted = true;
        Ok(())
    })
    .await?;
    Ok(response::no_content())
}

async fn user_and_course(app: &App, request: &Request, slug: &str) -> Result<(User, Option<Course>), Error> {
    let session = identity::required(request, &app.config)?;
    let (course, user) = app.store.course_by_slug(slug, Some(&session.token), app.clock.now()).await?;
    let user = identity::in_role(user.ok_or(Error::NotSignedIn)?, &app.config);
    Ok((user, course.filter(|course| !course.deleted)))
}

/// The role in which somebody changes a course.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Seller,
    Staff,
}

impl By {
    /// The course, if it is the seller's own or staff asks. For other sellers, a course that is not offered is not found.
    fn theirs(self, user: &User, course: Option<Course>) -> Result<Course, Error> {
        match (self, course) {
            (Self::Staff, Some(course)) if user.is_staff => Ok(course),
            (Self::Staff, None) if user.is_staff => Err(Error::NotFound("course")),
            (_, _) if !user.is_seller => Err(Error::NotASeller),
            (_, Some(course)) if course.seller_id == user.id => Ok(course),
            (_, Some(course)) if course.is_offered() => Err(Error::Forbidden),
            _ => Err(Error::NotFound("course")),
        }
    }
}

/// Applies a change to the current version of the course. If another change is written first, reads the course again and retries.
async fn replace(
    app: &App,
    request: &Request,
    slug: &str,
    (by, user): (By, &User),
    mut seen: Course,
    change: impl Fn(&mut Course) -> Result<(), Error>,
) -> Result<Course, Error> {
    for _ in 0..TRIES {
        let mut course = seen.clone();
        change(&mut course)?;
        if course == seen {
            return Ok(course);
        }
        if course.slug != seen.slug {
            if course.renames >= RENAMES_MAX {
                return Err(Error::InvalidRequest(format!("the slug of a course can be changed {RENAMES_MAX} times")));
            }
            course.renames += 1;
        }
        course.version += 1;
        course.updated_at = app.clock.now();
        let written = match by {
            By::Seller => app.store.replace_course(&seen, &course).await?,
            By::Staff => app.store.replace_course_by_staff(&seen, &course, &entries(app, user, &seen, &course)).await?,
        };
        match written {
            Written::Yes => return Ok(course),
            Written::No(0) => {}
            Written::No(NO_MORE_SLUGS) => return Err(no_more_slugs()),
            Written::No(_) => return Err(Error::SlugTaken),
        }
        let (user, course) = user_and_course(app, request, slug).await?;
        // Another course may have taken the slug.
        seen = by.theirs(&user, course.filter(|course| course.id == seen.id))?;
    }
    Err(Error::Conflict)
}

/// Refuses another slug to a seller who has taken the most.
pub(crate) fn no_more_slugs() -> Error {
    Error::InvalidRequest(format!("slug: a seller can take {SLUGS_MAX} of them, and you have taken all"))
}

/// What the audit log says of a change by staff, or of a course that they create, which is compared with the same without their fields.
pub(crate) fn entries(app: &App, staff: &User, old: &Course, new: &Course) -> Vec<Entry> {
    let mut deeds = Vec::new();
    if new.taken_down != old.taken_down {
        deeds.push(Deed::CourseTakenDown { course_id: new.id.clone(), from: old.taken_down.clone(), to: new.taken_down.clone() });
    }
    if new.fee_percent != old.fee_percent {
        deeds.push(Deed::CourseFee { course_id: new.id.clone(), from: old.fee_percent, to: new.fee_percent });
    }
    let by = Actor::Staff { id: staff.id.clone() };
    deeds.into_iter().map(|deed| Entry::new(&by, &new.seller_id, deed, new.updated_at, &app.entropy)).collect()
}
