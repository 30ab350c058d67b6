//! `/admin/users`: what staff can see and do.

use serde::Deserialize;
use shared::app::App;
use shared::base::text;
use shared::domain::audit::{Actor, Deed, Entry};
use shared::domain::charging::ChargeType;
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::domain::money::{FeePercent, PerCurrency};
use shared::domain::user::{SellerTerms, Suspension};
use shared::http::request::Object;
use shared::http::view::UserView;
use shared::http::{Request, Response, identity, request, response};
use shared::store::users::{Change, Changed};
use time::OffsetDateTime;

use crate::applications;

/// The longest search text, in characters.
const SEARCH_MAX: usize = 254;

/// The longest reason, in characters.
const REASON_MAX: usize = 500;

/// `GET /admin/users`: all users, newest first. `?q=` finds a part of the
/// e-mail address. Two trips to DynamoDB: the staff member, then the page.
pub(crate) async fn list(app: &App, request: &Request) -> Result<Response, Error> {
    identity::staff(request, app).await?;
    let page = request::page(request)?;
    let part = request::parameter(request, "q")?.map(|part| part.trim().to_owned()).filter(|part| !part.is_empty());
    if part.as_ref().is_some_and(|part| part.chars().count() > SEARCH_MAX) {
        return Err(Error::InvalidRequest(format!("q must have at most {SEARCH_MAX} characters")));
    }

    let users = app.store.users(&page, part.as_deref()).await?;
    Ok(response::json(200, &response::list(users, |user| UserView::for_staff(&user, &app.config.terms))))
}

/// `GET /admin/users/{id}`: one user. One trip to DynamoDB: the staff member and the user are read in parallel.
pub(crate) async fn show(app: &App, request: &Request, id: &str) -> Result<Response, Error> {
    identity::required(request, &app.config)?;
    let Ok(id) = id.parse::<UserId>() else {
        identity::staff(request, app).await?;
        return Err(Error::NotFound("user"));
    };

    let (staff, user) = tokio::join!(identity::staff(request, app), app.store.user(&id));
    staff?;
    let user = user?.ok_or(Error::NotFound("user"))?;
    Ok(response::json(200, &UserView::for_staff(&user, &app.config.terms)))
}

#[derive(Deserialize)]
struct Body {
    is_seller: Option<bool>,
    is_staff: Option<bool>,
    /// `null` removes a seller's individual terms.
    #[serde(default, deserialize_with = "given")]
    terms: Option<Option<Object<Terms>>>,
    /// `null` lifts the suspension.
    #[serde(default, deserialize_with = "given")]
    suspended: Option<Option<Object<Suspend>>>,
    /// The `at` of the application that is accepted.
    application: Option<String>,
    /// What its user is told.
    note: Option<String>,
    /// Removes text and links of the seller's page.
    #[serde(default)]
    clear_page: bool,
}

/// A seller's individual terms. Unknown names are refused: a misspelled field would be removed instead of set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms {
    charge_type: Option<ChargeType>,
    fee_percent: Option<FeePercent>,
    fee_fixed: Option<PerCurrency>,
    fee_minimum: Option<PerCurrency>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suspend {
    reason: String,
}

/// Distinguishes `null` from a missing field.
fn given<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Body {
    fn into_change(self, now: OffsetDateTime) -> Result<Change, Error> {
        let invalid = |fault: &str| Error::InvalidRequest(fault.to_owned());
        let amounts = self.terms.iter().flatten().flat_map(|Object(terms)| [&terms.fee_fixed, &terms.fee_minimum]).flatten();
        if amounts.into_iter().any(|amounts| !amounts.is_sound()) {
            return Err(invalid("terms: amounts must lie between 0 and 99999999 minor units"));
        }
        let terms = |Object(terms): Object<Terms>| SellerTerms {
            charge_type: terms.charge_type,
            fee_percent: terms.fee_percent,
            fee_fixed: terms.fee_fixed,
            fee_minimum: terms.fee_minimum,
        };
        let suspended = match self.suspended {
            Some(Some(Object(Suspend { reason }))) => {
                let reason =
                    text::line(&reason, REASON_MAX).ok_or_else(|| invalid("suspended.reason must be one line of 1 to 500 characters"))?;
                Some(Some(Suspension { reason: reason.to_owned(), at: now }))
            }
            Some(None) => Some(None),
            None => None,
        };
        let terms = self.terms.map(|given| given.map(terms));
        if self.application.is_some() && self.is_seller != Some(true) {
            return Err(invalid("application goes with is_seller: true"));
        }
        if self.note.is_some() && self.application.is_none() {
            return Err(invalid("note goes with application"));
        }
        let note = self.note.as_deref().map(|note| applications::sound("note", note)).transpose()?;
        let application = self.application.as_deref().map(|at| applications::at("application", at)).transpose()?;
        let Self { is_seller, is_staff, clear_page, .. } = self;
        Ok(Change { is_seller, is_staff, terms, suspended, application, note, clear_page })
    }
}

/// How many times to retry when a concurrent write wins.
const TRIES: u32 = 5;

/// `PATCH /admin/users/{id}`: appoints and dismisses sellers and staff, sets a seller's individual terms, and
/// suspends users, and clears their pages. Needs a password that was entered lately. A suspension ends their sessions and their sales. Their data stays as it is, except that
/// the reconciliation ends the memberships of sellers who may no longer sell. Two trips to DynamoDB: the staff member and
/// the user in parallel, then the change with its entries in the audit log. Removing the role of seller and a suspension cost one
/// more. Both trips are repeated for each concurrent change that wins. A change that changes nothing is not written. With `application`,
/// only that application is accepted, and none that its user has written since.
///
/// Staff cannot remove their own role (422) and must still have it, and their second factor, when they remove somebody else's (409). So the last
/// member cannot lock everybody out, and two cannot lock each other out. A staff member must lose the role before being suspended.
pub(crate) async fn change(app: &App, request: &Request, id: &str) -> Result<Response, Error> {
    identity::required(request, &app.config)?;
    let Ok(id) = id.parse::<UserId>() else {
        identity::staff(request, app).await?;
        return Err(Error::NotFound("user"));
    };
    let (staff, seen) = tokio::join!(identity::staff_with_password(request, app), app.store.user_to_change(&id));
    let (staff, mut seen) = (staff?, seen?);
    let body: Body = request::json(request)?;
    let is_about_user = body.is_seller.is_some() || body.is_staff.is_some() || body.terms.is_some() || body.suspended.is_some();
    if !is_about_user && !body.clear_page {
        return Err(Error::InvalidRequest("is_seller, is_staff, terms, suspended or clear_page is required".to_owned()));
    }
    let now = app.clock.now();
    let change = body.into_change(now)?;
    if id == staff.id && change.is_staff == Some(false) {
        return Err(Error::InvalidRequest("is_staff: another staff member must remove this role".to_owned()));
    }
    for _ in 0..TRIES {
        let user = seen.ok_or(Error::NotFound("user"))?;
        let suspends = matches!(change.suspended, Some(Some(_)));
        if suspends && (user.user.is_staff || change.is_staff == Some(true)) {
            return Err(Error::InvalidRequest("suspended: remove their staff role first".to_owned()));
        }
        if change.is_seller == Some(false) || suspends {
            app.store.seller_goes(&id, now).await?;
        }
        match app.store.change_user(&user, &change, Some(&staff), now, &app.entropy).await? {
            Changed::Yes(user) => {
                let view = UserView::for_staff(&user, &app.config.terms);
                if change.terms.is_some() && view.is_ruled_out() {
                    tracing::warn!(user_id = %user.id, "Stripe rules out the charges agreed with a seller, whose losses it bears");
                }
                return Ok(response::json(200, &view));
            }
            Changed::NotStaff => return Err(Error::Conflict),
            Changed::NoApplication => return Err(Error::NotFound("application")),
            Changed::Raced => seen = app.store.user_to_change(&id).await?,
        }
    }
    Err(Error::Conflict)
}

/// `DELETE /admin/users/{id}/sessions`: ends all sessions of a user, with an entry in the audit log. Needs a password that was entered
/// lately. Two trips to DynamoDB.
pub(crate) async fn end_sessions(app: &App, request: &Request, id: &str) -> Result<Response, Error> {
    let staff = identity::staff_with_password(request, app).await?;
    let id: UserId = id.parse().map_err(|_| Error::NotFound("user"))?;
    let entry = Entry::new(&Actor::Staff { id: staff.id }, &id, Deed::SessionsEnded, app.clock.now(), &app.entropy);
    match app.store.end_sessions(&entry).await? {
        true => Ok(response::no_content()),
        false => Err(Error::NotFound("user")),
    }
}
