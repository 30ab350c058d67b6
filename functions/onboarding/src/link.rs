//! The account that a seller has linked.

use shared::domain::error::Error;
use shared::domain::user::{StripeLink, User};

/// The seller's linked account.
///
/// # Errors
/// [`Error::NotASeller`], [`Error::NotConnected`].
pub(crate) fn link_of(user: &User) -> Result<&StripeLink, Error> {
    if !user.is_seller {
        return Err(Error::NotASeller);
    }
    user.stripe.as_ref().ok_or(Error::NotConnected)
}
