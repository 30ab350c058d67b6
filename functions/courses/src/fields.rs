//! The fields of a course that sellers and staff can set.

use serde::Deserialize;
use shared::app::App;
use shared::base::text;
use shared::domain::charging::ChargeType;
use shared::domain::course::{CONTENT_MAX, Course, Share, TakenDown, fault_of_shares};
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::domain::money::{FeePercent, Price};
use shared::domain::slug::SLUGS;
use shared::domain::user::{StripeLink, User};
use shared::http::request::Object;
use shared::http::{Request, identity};
use time::OffsetDateTime;

/// In characters.
const TITLE_MAX: usize = 200;
const DESCRIPTION_MAX: usize = 10_000;
const REASON_MAX: usize = 500;

/// A trimmed title; `field` is its name in the request.
///
/// # Errors
/// [`Error::InvalidRequest`].
pub(crate) fn sound_title<'a>(title: &'a str, field: &str) -> Result<&'a str, Error> {
    let fault = || Error::InvalidRequest(format!("{field} must be one line of 1 to {TITLE_MAX} characters, without hidden ones"));
    text::line(title, TITLE_MAX).ok_or_else(fault)
}

/// Markdown that buyers read, checked.
///
/// # Errors
/// [`Error::InvalidRequest`].
pub(crate) fn sound_content(content: String) -> Result<String, Error> {
    if content.len() > CONTENT_MAX {
        return Err(Error::InvalidRequest(format!("content must have at most {CONTENT_MAX} bytes")));
    }
    if !text::is_sound(&content) {
        return Err(Error::InvalidRequest(
            "content must be visible text, without control characters and overrides of direction".to_owned(),
        ));
    }
    Ok(content)
}

/// The fields of a request. Missing fields stay unchanged.
#[derive(Deserialize)]
pub(crate) struct Fields {
    title: Option<String>,
    description: Option<String>,
    slug: Option<String>,
    price: Option<Object<Price>>,
    payees: Option<Vec<Object<Share>>>,
    published: Option<bool>,
    fee_percent: Option<FeePercent>,
    /// `null` restores a course that was taken down.
    #[serde(default, deserialize_with = "given")]
    taken_down: Option<Option<Object<TakeDown>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TakeDown {
    reason: String,
}

/// Distinguishes `null` from a missing field.
fn given<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Fields {
    /// The trimmed title.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`].
    pub(crate) fn title(&self) -> Result<Option<&str>, Error> {
        self.title.as_deref().map(|title| sound_title(title, "title")).transpose()
    }

    /// The slug, if the seller chose one.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`].
    pub(crate) fn slug(&self) -> Result<Option<&str>, Error> {
        let Some(slug) = self.slug.as_deref() else { return Ok(None) };
        SLUGS.check(slug).map_err(Error::InvalidRequest)?;
        Ok(Some(slug))
    }

    /// The required fields of a new course: title and price.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`].
    pub(crate) fn required(&self) -> Result<(&str, Price), Error> {
        let missing = |name: &str| Error::InvalidRequest(format!("missing field `{name}`"));
        let title = self.title()?.ok_or_else(|| missing("title"))?;
        let Object(price) = self.price.as_ref().ok_or_else(|| missing("price"))?;
        Ok((title, *price))
    }

    /// Writes the given fields into a course.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`].
    pub(crate) fn apply(&self, course: &mut Course) -> Result<(), Error> {
        if let Some(title) = self.title()? {
            title.clone_into(&mut course.title);
        }
        if let Some(slug) = self.slug()? {
            slug.clone_into(&mut course.slug);
        }
        if let Some(description) = &self.description {
            if description.chars().count() > DESCRIPTION_MAX {
                return Err(Error::InvalidRequest(format!("description must have at most {DESCRIPTION_MAX} characters")));
            }
            if !text::is_sound(description) {
                return Err(Error::InvalidRequest(
                    "description must be visible text, without control characters and overrides of direction".to_owned(),
                ));
            }
            course.description.clone_from(description);
        }
        if let Some(Object(price)) = &self.price {
            if let Some(fault) = price.fault() {
                return Err(Error::InvalidRequest(fault));
            }
            course.price = *price;
        }
        if let Some(payees) = self.payees() {
            if let Some(fault) = fault_of_shares(&payees) {
                return Err(Error::InvalidRequest(fault.to_owned()));
            }
            course.propose(payees);
        }
        course.published = self.published.unwrap_or(course.published);
        Ok(())
    }

    /// Checks that the price can be charged in this seller's settlement currency.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`].
    pub(crate) fn check_price(&self, app: &App, seller: &User, course: &Course) -> Result<(), Error> {
        if self.price.is_none() {
            return Ok(());
        }
        let price = course.price;
        // With payees, a seller on direct charges sells nothing; without them, directly.
        let charge_type = seller.charge_type_of(course, &app.config.terms).unwrap_or(ChargeType::Direct);
        let (least, code) = (seller.least_price(&app.config.platform_country, charge_type, price.currency), price.currency.code());
        if price.amount >= least {
            return Ok(());
        }
        Err(Error::InvalidRequest(format!(
            "price.amount must be at least {least} minor units of {code}: your sales are settled in another currency, which has a minimum"
        )))
    }

    /// Checks that the seller's account can be charged for the course and paid for it across borders, if it is to be sold.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`], [`Error::NotSellable`].
    pub(crate) fn check_sellable(&self, app: &App, seller: &User, course: &Course) -> Result<(), Error> {
        let is_about_sales = self.price.is_some() || self.payees.is_some() || self.published == Some(true);
        let (Some(link), true) = (&seller.stripe, is_about_sales && course.published) else { return Ok(()) };
        let country = &app.config.platform_country;
        if let Some(abroad) = link.never_paid_in(country) {
            return Err(Error::InvalidRequest(format!(
                "your Stripe account is in {abroad}, where this platform cannot send money: nobody could buy the course"
            )));
        }
        let charge_type = seller.charge_type_of(course, &app.config.terms);
        match charge_type.and_then(|charge_type| link.never_takes(charge_type, country)) {
            Some(capability) => Err(Error::NotSellable { capability: capability.as_str() }),
            None => Ok(()),
        }
    }

    fn payees(&self) -> Option<Vec<Share>> {
        Some(self.payees.as_ref()?.iter().map(|Object(share)| share.clone()).collect())
    }

    /// Whether the request sets fields that only staff may set.
    pub(crate) fn are_the_staffs(&self) -> bool {
        self.fee_percent.is_some() || self.taken_down.is_some()
    }

    /// Whether the request sets fields that only the seller may set.
    pub(crate) fn are_the_sellers(&self) -> bool {
        // All fields are named, so that adding one does not compile until it is handled here.
        let Self { title, description, slug, price, payees, published, fee_percent: _, taken_down: _ } = self;
        let text = title.is_some() || description.is_some() || slug.is_some();
        text || price.is_some() || payees.is_some() || published.is_some()
    }

    /// Refuses a seller who sets the platform's fee or changes a takedown.
    ///
    /// # Errors
    /// [`Error::FeeIsThePlatforms`], [`Error::Forbidden`].
    pub(crate) fn check_sellers(&self) -> Result<(), Error> {
        match (&self.fee_percent, &self.taken_down) {
            (Some(_), _) => Err(Error::FeeIsThePlatforms),
            (None, Some(_)) => Err(Error::Forbidden),
            (None, None) => Ok(()),
        }
    }

    /// Writes staff's fields into a course.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`].
    pub(crate) fn apply_staffs(&self, course: &mut Course, now: OffsetDateTime) -> Result<(), Error> {
        course.fee_percent = self.fee_percent.unwrap_or(course.fee_percent);
        match &self.taken_down {
            Some(Some(Object(TakeDown { reason }))) => {
                let fault = || Error::InvalidRequest(format!("taken_down.reason must be one line of 1 to {REASON_MAX} characters"));
                let reason = text::line(reason, REASON_MAX).ok_or_else(fault)?;
                // The same reason again changes nothing.
                if course.taken_down.as_ref().is_none_or(|one| one.reason != reason) {
                    course.taken_down = Some(TakenDown { reason: reason.to_owned(), at: now });
                }
            }
            Some(None) => course.taken_down = None,
            None => {}
        }
        Ok(())
    }

    /// Checks that the seller's sales can be shared, that every payee is a seller who can be paid and that the password was entered
    /// recently, and lists the offer for the payees. Three trips to DynamoDB if there are other payees than the seller.
    ///
    /// # Errors
    /// [`Error::PasswordRequired`], [`Error::SalesNotShareable`], [`Error::InvalidRequest`], or if DynamoDB fails.
    pub(crate) async fn check_payees(&self, app: &App, request: &Request, seller: &User, course: &Course) -> Result<(), Error> {
        let Some(payees) = self.payees() else { return Ok(()) };
        let others = payees.iter().map(|share| &share.seller).filter(|payee| **payee != seller.id);
        let others: Vec<UserId> = others.cloned().collect();
        if others.is_empty() {
            // Whoever removes payees takes their income.
            if course.payees.iter().any(|share| share.seller != seller.id) {
                identity::user_with_password(request, app).await?;
            }
            return Ok(());
        }
        if seller.charge_type(&app.config.terms) == ChargeType::Direct {
            return Err(Error::SalesNotShareable);
        }
        identity::user_with_password(request, app).await?;
        let users = app.store.users_by_id(&others).await?;
        if let Some(id) = others.iter().find(|id| !users.iter().any(|user| user.id == **id && user.may_sell())) {
            return Err(Error::InvalidRequest(format!("payees: {id} is not a seller")));
        }
        let is_never_paid = |user: &&User| user.stripe.as_ref().is_some_and(StripeLink::asks_for_no_transfers);
        if let Some(user) = users.iter().find(is_never_paid) {
            return Err(Error::InvalidRequest(format!("payees: the Stripe account of {} receives no transfers", user.id)));
        }
        let abroad = |user: &User| user.stripe.as_ref()?.out_of_reach(&app.config.platform_country).map(str::to_owned);
        if let Some((user, country)) = users.iter().find_map(|user| Some((user, abroad(user)?))) {
            return Err(Error::InvalidRequest(format!(
                "payees: the Stripe account of {} is in {country}, where this platform cannot send money",
                user.id
            )));
        }
        if let Some(fault) = fault_of_shares(&payees) {
            return Err(Error::InvalidRequest(fault.to_owned()));
        }
        Ok(app.store.offer_shares(&course.id, &others).await?)
    }
}
