//! Buyers ask to become sellers, and staff decide.

use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::base::clock::written;
use shared::base::text;
use shared::domain::audit::{Actor, Deed, Entry};
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::domain::user::User;
use shared::http::{Request, Response, identity, request, response};
use shared::store::applications::{Application, Applied, Declined, PAUSE};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The longest application and note, in characters.
const TEXT_MAX: usize = 2000;

/// `application`
#[derive(Serialize)]
pub(crate) struct ApplicationView {
    text: String,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    declined: Option<DeclinedView>,
}

#[derive(Serialize)]
struct DeclinedView {
    note: String,
    at: String,
    apply_again_at: String,
}

impl From<Application> for ApplicationView {
    fn from(one: Application) -> Self {
        let declined = one.declined.map(|declined| DeclinedView {
            note: declined.note,
            at: written(declined.at),
            apply_again_at: written(declined.at + PAUSE),
        });
        Self { text: one.text, at: written(one.at), declined }
    }
}

#[derive(Serialize)]
struct Answer {
    application: Option<ApplicationView>,
}

#[derive(Deserialize)]
struct Wanted {
    text: String,
}

/// What somebody wrote, if it shows something and is not too long.
pub(crate) fn sound(name: &str, given: &str) -> Result<String, Error> {
    let given = given.trim();
    if !given.is_empty() && given.chars().count() <= TEXT_MAX && text::is_sound(given) {
        return Ok(given.to_owned());
    }
    Err(Error::InvalidRequest(format!("{name} must have 1 to {TEXT_MAX} characters, without hidden ones")))
}

/// `GET /users/me/application`: the user's application to sell. One trip to DynamoDB: user and application are read in parallel.
pub(crate) async fn show(app: &App, request: &Request) -> Result<Response, Error> {
    let session = identity::required(request, &app.config)?;
    let (user, application) = tokio::join!(identity::user(request, app), app.store.application(session.token.user_id()));
    user?;
    Ok(response::json(200, &Answer { application: application?.map(ApplicationView::from) }))
}

/// `POST /users/me/application`: asks to become a seller. The address must be confirmed, because the answer goes there. Two trips to
/// DynamoDB: user and application are read in parallel.
pub(crate) async fn apply(app: &App, request: &Request) -> Result<Response, Error> {
    let session = identity::required(request, &app.config)?;
    let (user, seen) = tokio::join!(identity::user(request, app), app.store.application(session.token.user_id()));
    let (user, seen) = (user?, seen?);
    let wanted: Wanted = request::json(request)?;
    let text = sound("text", &wanted.text)?;
    if user.is_seller {
        return Err(Error::AlreadySeller);
    }
    if !user.email_confirmed {
        return Err(Error::EmailNotConfirmed);
    }
    let now = app.clock.now();
    if let Some(seen) = &seen {
        let again_at = seen.declined.as_ref().ok_or(Error::ApplicationWaiting)?.at + PAUSE;
        if now < again_at {
            return Err(Error::TooManyApplications { retry_after: (again_at - now).whole_seconds().max(1) });
        }
    }
    let application = Application { user_id: user.id, text, at: now, declined: None };
    match app.store.apply(&application, seen.as_ref()).await? {
        Applied::Yes => Ok(response::json(201, &Answer { application: Some(application.into()) })),
        Applied::NoBuyer => Err(Error::AlreadySeller),
        Applied::Waiting => Err(Error::ApplicationWaiting),
    }
}

#[derive(Serialize)]
struct ApplicantView {
    user_id: UserId,
    email: Option<String>,
    text: String,
    at: String,
}

impl From<(Application, Option<User>)> for ApplicantView {
    fn from((one, user): (Application, Option<User>)) -> Self {
        Self { user_id: one.user_id, email: user.map(|user| user.email), text: one.text, at: written(one.at) }
    }
}

/// `GET /admin/applications`: those that wait, oldest first. Three trips to DynamoDB: the staff member, the page, and its users.
pub(crate) async fn list(app: &App, request: &Request) -> Result<Response, Error> {
    identity::staff(request, app).await?;
    let page = request::page(request)?;
    let applications = app.store.applications(&page).await?;
    Ok(response::json(200, &response::list(applications, ApplicantView::from)))
}

#[derive(Deserialize)]
struct Note {
    note: String,
    at: String,
}

/// The time of an application, which says which one of its user's it is.
pub(crate) fn at(name: &str, given: &str) -> Result<OffsetDateTime, Error> {
    OffsetDateTime::parse(given, &Rfc3339).map_err(|_| Error::InvalidRequest(format!("{name} must be the application's at")))
}

/// `POST /admin/applications/{id}/decline`: declines a user's application, with a note that they are mailed. Needs a password that was
/// entered lately. It names the application that staff read, because its user may have written another since. `PATCH /admin/users/{id}` with `is_seller` accepts one, also with a note. Two trips to DynamoDB.
pub(crate) async fn decline(app: &App, request: &Request, id: &str) -> Result<Response, Error> {
    let staff = identity::staff_with_password(request, app).await?;
    let id: UserId = id.parse().map_err(|_| Error::NotFound("application"))?;
    let given: Note = request::json(request)?;
    let now = app.clock.now();
    let (which, declined) = (at("at", &given.at)?, Declined { note: sound("note", &given.note)?, at: now });
    let deed = Deed::ApplicationDeclined { note: declined.note.clone() };
    let entry = Entry::new(&Actor::Staff { id: staff.id }, &id, deed, now, &app.entropy);
    if app.store.decline_application(which, &declined, &entry).await? {
        Ok(response::no_content())
    } else {
        Err(Error::NotFound("application"))
    }
}
