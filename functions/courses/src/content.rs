//! `/courses/{slug}/content`: the content that buyers paid for.

use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::base::clock::written;
use shared::base::text;
use shared::domain::course::{CONTENT_MAX, Content, Course};
use shared::domain::error::Error;
use shared::domain::purchase::Ownership;
use shared::domain::user::User;
use shared::http::{Request, Response, identity, request, response};

#[derive(Serialize)]
struct Answer {
    course_id: String,
    slug: String,
    title: String,
    content: String,
    updated_at: Option<String>,
}

impl Answer {
    fn new(course: Course, content: Option<Content>) -> Self {
        Self {
            course_id: course.id.to_string(),
            slug: course.slug,
            title: course.title,
            updated_at: content.as_ref().map(|content| written(content.updated_at)),
            content: content.map(|content| content.markdown).unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
struct Body {
    content: String,
}

/// `GET /courses/{slug}/content`: for buyers whose purchase is paid, the seller's members, the seller and staff. Two trips to
/// DynamoDB: user and course, then content, purchase and subscription.
///
/// While a bank disputes the payment, the platform's policy decides. Buyers can still read a deleted or unpublished course under its id,
/// `crs_…`.
pub(crate) async fn show(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    let (reader, course) = reader_and_course(app, request, slug).await?;
    let read = app.store.content_for(&course.id, &reader.id).await?;
    let ownership = read.slot.map(|slot| slot.ownership()).unwrap_or_default();
    let is_offered = course.is_offered();
    // A membership gives access to what is in the catalogue.
    let member = read.member.filter(|_| is_offered).map(|member| member.ownership(app.clock.now(), app.config.membership_grace));
    let ownership = ownership.max(member.unwrap_or_default());
    if course.seller_id != reader.id && !reader.is_staff {
        match ownership {
            Ownership::Owned => {}
            Ownership::Contested if app.config.disputed_access => {}
            Ownership::Contested => return Err(Error::AccessSuspended),
            Ownership::None if is_offered => return Err(Error::NotOwned),
            Ownership::None => return Err(Error::NotFound("course")),
        }
    }
    Ok(response::json(200, &Answer::new(course, read.content)))
}

/// `PUT /courses/{slug}/content`: replaces it. Two trips to DynamoDB.
pub(crate) async fn replace(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    let (seller, course) = reader_and_course(app, request, slug).await?;
    if course.seller_id != seller.id {
        return Err(if course.is_offered() { Error::Forbidden } else { Error::NotFound("course") });
    }
    if !seller.is_seller {
        return Err(Error::NotASeller);
    }
    let body: Body = request::json(request)?;
    if body.content.len() > CONTENT_MAX {
        return Err(Error::InvalidRequest(format!("content must have at most {CONTENT_MAX} bytes")));
    }
    if !text::is_sound(&body.content) {
        return Err(Error::InvalidRequest(
            "content must be visible text, without control characters and overrides of direction".to_owned(),
        ));
    }
    let content = Content { markdown: body.content, updated_at: app.clock.now() };
    app.store.put_content(&course.id, &content).await?;
    Ok(response::json(200, &Answer::new(course, Some(content))))
}

async fn reader_and_course(app: &App, request: &Request, slug: &str) -> Result<(User, Course), Error> {
    let session = identity::required(request, &app.config)?;
    let (course, user) = app.store.course_by_slug(slug, Some(&session.token), app.clock.now()).await?;
    let user = identity::in_role(user.ok_or(Error::NotSignedIn)?, &app.config);
    Ok((user, course.ok_or(Error::NotFound("course"))?))
}
