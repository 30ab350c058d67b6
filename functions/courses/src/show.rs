//! `GET /courses/{slug}`

use shared::app::App;
use shared::domain::course::Course;
use shared::domain::error::Error;
use shared::domain::user::User;
use shared::http::view::CourseView;
use shared::http::{Request, Response, identity, response};

/// One course. Two trips to DynamoDB: the course, then its seller with their page. Without a session, the answer may be cached. With one, it
/// includes `owned`: the user is read together with the course, and their purchase of it and subscription to its seller's membership together
/// with the seller. Either one makes it `owned`.
///
/// A course that is unpublished or taken down is visible only to its seller, staff and
/// its buyers. Only its seller and staff see what the platform and payees get of a sale.
pub(crate) async fn show(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    let session = identity::presented(request, &app.config);
    let token = session.as_ref().map(|session| &session.token);

    let (course, user) = app.store.course_by_slug(slug, token, app.clock.now()).await?;
    let course = course.ok_or(Error::NotFound("course"))?;
    let access_of = async {
        match &user {
            Some(user) => access(app, user, &course).await.map(Some),
            None => Ok(None),
        }
    };
    let (access, seller) = tokio::join!(access_of, app.store.seller_with_page(&course.seller_id));
    let (access, (seller, page)) = (access?, seller?);
    let page = page.as_ref().filter(|page| !page.hidden);
    let user = user.map(|user| identity::in_role(user, &app.config));
    let is_staff = user.as_ref().is_some_and(|user| user.is_staff);
    let is_its_own = user.is_some_and(|user| user.id == course.seller_id) || is_staff;
    if !course.is_offered() && !is_its_own && !access.is_some_and(|access| access.bought) {
        return Err(Error::NotFound("course"));
    }
    let for_sale = course.is_offered() && seller.is_some_and(|seller| seller.can_sell_course(&course, &app.config.terms));
    let owned = access.map(|access| access.bought || access.is_member);
    Ok(match session {
        Some(_) if is_its_own => response::json(200, &CourseView::of_its_own(course, owned).by(page).for_sale(for_sale)),
        Some(_) => response::json(200, &CourseView::new(course, owned).by(page).for_sale(for_sale)),
        None => response::cacheable(request, &CourseView::new(course, None).by(page).for_sale(for_sale)),
    })
}

/// Why a user has access to a course.
#[derive(Clone, Copy, Default)]
struct Access {
    bought: bool,
    is_member: bool,
}

async fn access(app: &App, user: &User, course: &Course) -> Result<Access, Error> {
    // Sellers cannot buy their own courses.
    if user.id == course.seller_id {
        return Ok(Access::default());
    }
    let (slot, member) = app.store.access(&user.id, &course.id).await?;
    Ok(Access {
        bought: slot.is_some_and(|slot| slot.ownership().is_paid()),
        is_member: member.is_some_and(|member| member.ownership(app.clock.now(), app.config.membership_grace).is_paid()),
    })
}
