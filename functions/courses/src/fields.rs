//! What a seller may write into a course.

use serde::Deserialize;
use shared::app::App;
use shared::course::{Course, Share, check_slug, fault_of_shares};
use shared::error::Error;
use shared::ids::UserId;
use shared::money::{FeePercent, Price};

/// In characters.
const TITLE_MAX: usize = 200;
const DESCRIPTION_MAX: usize = 10_000;

/// The fields of a request; what is not given stays as it is.
#[derive(Deserialize)]
pub(crate) struct Fields {
    title: Option<String>,
    description: Option<String>,
    slug: Option<String>,
    price: Option<Price>,
    fee_percent: Option<FeePercent>,
    payees: Option<Vec<Share>>,
    published: Option<bool>,
}

impl Fields {
    /// The title, without the white space around it.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`].
    pub(crate) fn title(&self) -> Result<Option<&str>, Error> {
        let Some(title) = self.title.as_deref().map(str::trim) else { return Ok(None) };
        if title.is_empty() || title.chars().count() > TITLE_MAX || title.contains(char::is_control) {
            return Err(Error::InvalidRequest(format!("title must be one line of 1 to {TITLE_MAX} characters")));
        }
        Ok(Some(title))
    }

    /// The slug, if the seller chose one.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`].
    pub(crate) fn slug(&self) -> Result<Option<&str>, Error> {
        let Some(slug) = self.slug.as_deref() else { return Ok(None) };
        check_slug(slug).map_err(|fault| Error::InvalidRequest(fault.to_owned()))?;
        Ok(Some(slug))
    }

    /// What a new course must have: title and price.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`].
    pub(crate) fn required(&self) -> Result<(&str, Price), Error> {
        let missing = |name: &str| Error::InvalidRequest(format!("missing field `{name}`"));
        let title = self.title()?.ok_or_else(|| missing("title"))?;
        Ok((title, self.price.ok_or_else(|| missing("price"))?))
    }

    /// Writes what is given into a course.
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
            course.description.clone_from(description);
        }
        if let Some(price) = self.price {
            if let Some(fault) = price.fault() {
                return Err(Error::InvalidRequest(fault));
            }
            course.price = price;
        }
        course.fee_percent = self.fee_percent.unwrap_or(course.fee_percent);
        if let Some(payees) = &self.payees {
            if let Some(fault) = fault_of_shares(payees) {
                return Err(Error::InvalidRequest(fault.to_owned()));
            }
            course.payees.clone_from(payees);
        }
        course.published = self.published.unwrap_or(course.published);
        Ok(())
    }

    /// That every payee is a seller. One trip to DynamoDB, where payees are given.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`], and where DynamoDB fails.
    pub(crate) async fn check_payees(&self, app: &App) -> Result<(), Error> {
        let ids: Vec<UserId> = self.payees.iter().flatten().map(|share| share.seller.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let users = app.store.users_by_id(&ids).await?;
        match ids.iter().find(|id| !users.iter().any(|user| user.id == **id && user.is_seller)) {
            Some(id) => Err(Error::InvalidRequest(format!("payees: {id} is no seller"))),
            None => Ok(()),
        }
    }
}
