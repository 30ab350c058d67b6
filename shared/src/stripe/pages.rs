//! Lists that are read completely: <https://docs.stripe.com/api/pagination>.

use serde::de::DeserializeOwned;

use super::error::StripeError;
use super::gateway::Gateway;
use super::objects::List;

impl Gateway {
    /// All pages of a list, a hundred elements at a time. `query` must already contain a `?`.
    ///
    /// # Errors
    /// See [`StripeError`]; [`StripeError::Unreadable`] if an element cannot be parsed, because incomplete lists lead to wrong decisions.
    pub async fn all<T: DeserializeOwned>(&self, query: &str, account: Option<&str>) -> Result<Vec<T>, StripeError> {
        let mut all: Vec<T> = Vec::new();
        let mut after = String::new();
        loop {
            let page: List<T> = self.get(&format!("{query}&limit=100{after}"), account).await?;
            if !page.unread.is_empty() {
                return Err(StripeError::Unreadable);
            }
            after = page.next().map(|last| format!("&starting_after={last}")).unwrap_or_default();
            all.extend(page.data);
            if after.is_empty() {
                return Ok(all);
            }
        }
    }
}
