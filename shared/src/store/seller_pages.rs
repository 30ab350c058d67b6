//! Sellers' pages, and what else everybody may see of a seller: these items have a partition of their own, so that a function which renders
//! pages for everybody can read them and nothing else of a person.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, TransactWriteItem};
use serde::{Deserialize, Serialize};

use super::courses::Address;
use super::keys::{handle_key, page_key, profile, public_offer_key, public_outline_key};
use super::table::{Store, StoreError, Written, from_item, taken, to_item};
use crate::domain::course::Course;
use crate::domain::ids::UserId;
use crate::domain::membership::Offer;
use crate::domain::outline::Outline;
use crate::domain::seller_page::SellerPage;
use crate::domain::slug::HANDLES;
use crate::domain::user::User;

/// Whose a handle is. After their erasure it is nobody's, and stays so. The handle itself may be a person's name, so its item is stored under
/// a digest, and the handle only in the page.
#[derive(Serialize, Deserialize)]
struct HandleOwner {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seller_id: Option<UserId>,
}

/// What everybody sees under a handle.
#[derive(Clone, Debug)]
pub struct PublicSeller {
    /// The page.
    pub page: SellerPage,
    /// The membership that the seller offers.
    pub offer: Option<Offer>,
}

/// The indexes in [`Written::No`] of [`Store::write_page`].
pub const RACED: usize = 0;
/// See [`RACED`].
pub const NOT_SELLING: usize = 1;

impl Store {
    /// A seller's page.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn page_of(&self, seller: &UserId) -> Result<Option<SellerPage>, StoreError> {
        self.get(&page_key(seller)).await
    }

    /// A seller with their page, hidden or not: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn seller_with_page(&self, seller: &UserId) -> Result<(Option<User>, Option<SellerPage>), StoreError> {
        let (user, page) = (profile(seller), page_key(seller));
        let mut found = self.get_all([user.clone(), page.clone()]).await?;
        Ok((taken(&mut found, &user)?, taken(&mut found, &page)?))
    }

    /// The pages of these sellers, in any order; those without one are left out. One trip for a hundred.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn pages_of(&self, sellers: &BTreeSet<UserId>) -> Result<Vec<SellerPage>, StoreError> {
        let keys: Vec<_> = sellers.iter().map(page_key).collect();
        let mut pages = Vec::new();
        for some in keys.chunks(100) {
            for item in self.get_all(some.iter().cloned()).await?.into_values() {
                pages.push(from_item(item)?);
            }
        }
        Ok(pages)
    }

    /// Whose a handle is: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn owner_of_handle(&self, handle: &str) -> Result<Option<UserId>, StoreError> {
        if HANDLES.check(handle).is_err() {
            return Ok(None);
        }
        Ok(self.get::<HandleOwner>(&handle_key(handle)).await?.and_then(|owner| owner.seller_id))
    }

    /// What everybody sees of a seller under one of their handles: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn public_seller(&self, seller: &UserId, handle: &str) -> Result<Address<PublicSeller>, StoreError> {
        let (page, offer) = (page_key(seller), public_offer_key(seller));
        let mut found = self.get_all([page.clone(), offer.clone()]).await?;
        let page = taken::<SellerPage>(&mut found, &page)?.filter(|page| !page.hidden);
        Ok(match page {
            Some(page) if page.handle == handle => {
                let offer = taken(&mut found, &offer)?;
                Address::Offered(Box::new(PublicSeller { page, offer }))
            }
            Some(page) => Address::Moved(page.handle),
            None => Address::Nothing,
        })
    }

    /// What everybody sees next to a course: its seller's page and its outline. One trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn beside_course(&self, course: &Course) -> Result<(Option<SellerPage>, Option<Outline>), StoreError> {
        let (page, outline) = (page_key(&course.seller_id), public_outline_key(&course.id));
        let mut found = self.get_all([page.clone(), outline.clone()]).await?;
        Ok((taken::<SellerPage>(&mut found, &page)?.filter(|page| !page.hidden), taken(&mut found, &outline)?))
    }

    /// Writes a page that was read in the version `seen`, or was not there, while its seller may sell. `is_taken` says whether its handle is
    /// a new one, which nobody may have, or have had.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] with [`RACED`] or [`NOT_SELLING`], or with another index if somebody else has the handle.
    pub async fn write_page(&self, seen: Option<u64>, page: &SellerPage, is_taken: bool) -> Result<Written, StoreError> {
        let mut items = vec![self.put(to_item(&page_key(&page.seller_id), page)?).if_version(seen), self.still_sells(&page.seller_id)];
        if is_taken {
            let owner = HandleOwner { seller_id: Some(page.seller_id.clone()) };
            items.push(self.put(to_item(&handle_key(&page.handle), &owner)?).if_absent());
        }
        self.transact(&items).await
    }

    /// Erases a seller's page. Its handles stay reserved, for nobody: neither they nor whose they were can be read any more. Doing it twice
    /// does no harm.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if another request changed the page.
    pub async fn erase_page(&self, seller: &UserId) -> Result<Written, StoreError> {
        let Some(page) = self.page_of(seller).await? else { return Ok(Written::Yes) };
        let mut items = vec![self.remove_if_version(&page_key(seller), page.version)];
        for handle in page.handles() {
            items.push(self.put(to_item(&handle_key(handle), &HandleOwner { seller_id: None })?).always());
        }
        self.transact(&items).await
    }

    /// Fails unless the user is a seller who is not suspended.
    fn still_sells(&self, seller: &UserId) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(profile(seller).attributes()))
            .condition_expression("is_seller = :true AND attribute_not_exists(suspended)")
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .build();
        TransactWriteItem::builder().condition_check(check.expect("a table, a key and a condition are given")).build()
    }
}
