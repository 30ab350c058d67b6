//! Lists that are read to their end: <https://docs.stripe.com/api/pagination>.

use serde::de::DeserializeOwned;

use super::Gateway;
use super::billing::{Invoice, StripeSubscription};
use super::error::StripeError;
use super::objects::{CheckoutSession, List, Refund};
use super::webhook::Event;

/// An object that a list's next page can begin after.
pub trait HasId {
    /// Stripe's id of it.
    fn id(&self) -> &str;
}

macro_rules! have_ids {
    ($($object:ty),+) => {
        $(impl HasId for $object {
            fn id(&self) -> &str {
                &self.id
            }
        })+
    };
}

have_ids![CheckoutSession, Event, Invoice, Refund, StripeSubscription];

impl Gateway {
    /// Every page of a list, a hundred at a time; `query` has parameters already.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn all<T: DeserializeOwned + HasId>(&self, query: &str, account: Option<&str>) -> Result<Vec<T>, StripeError> {
        let mut all: Vec<T> = Vec::new();
        loop {
            let after = all.last().map(|last| format!("&starting_after={}", last.id())).unwrap_or_default();
            let page: List<T> = self.get(&format!("{query}&limit=100{after}"), account).await?;
            let (more, empty) = (page.has_more, page.data.is_empty());
            all.extend(page.data);
            if !more || empty {
                return Ok(all);
            }
        }
    }
}
