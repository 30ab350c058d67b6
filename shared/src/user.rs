//! Users: buyers, who may also be sellers or staff.

mod account;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::config::Config;
use crate::ids::UserId;
use crate::money::{Currency, Fee, FeePercent, PerCurrency};
use crate::purchase::ChargeType;

pub use account::{AccountState, AccountType, Capabilities, Capability, CapabilityStatus, Requirements, Unable};

/// A user as stored. What it prints of itself is its id: the rest is nobody's business in a log.
#[derive(Clone, Serialize, Deserialize)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// As the user wrote it; compared without case, see [`Email`].
    pub email: String,
    /// Whether a mail to the address reached its owner.
    #[serde(default)]
    pub email_confirmed: bool,
    /// Argon2id, in the PHC string format.
    pub password_hash: String,
    /// May list courses and link a Stripe account.
    pub is_seller: bool,
    /// May make and unmake sellers.
    pub is_staff: bool,
    /// When the user signed up.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// The linked Stripe account. It stays where the user is no longer a seller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe: Option<StripeLink>,
    /// What the staff has agreed with this seller, where that differs from the platform's own terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<SellerTerms>,
    /// The user's customer at Stripe for each account that charged them: the platform's own under [`PLATFORM`], a
    /// connected account's under its id. Customers are never looked up by listing.
    #[serde(default)]
    pub customers: BTreeMap<String, String>,
    /// The connected accounts on which a customer of the user's was asked for: the erasure finds one there that came to be
    /// remembered by nobody.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", with = "serde_dynamo::string_set")]
    pub customers_asked: BTreeSet<String>,
    /// Counts what was asked of Stripe about the saved cards, for idempotency keys. The cards themselves only Stripe has.
    #[serde(default)]
    pub card_changes: u64,
}

impl std::fmt::Debug for User {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("User").field(&self.id).finish()
    }
}

/// Terms of one seller's own; what is not given is as everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellerTerms {
    /// On whose account their sales are charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge_type: Option<ChargeType>,
    /// The platform's percentage, before what their courses say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_percent: Option<FeePercent>,
    /// The fixed part of the fee, by currency, in the minor unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_fixed: Option<PerCurrency>,
    /// The least fee, by currency, in the minor unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_minimum: Option<PerCurrency>,
}

impl User {
    /// The fee of this seller's sales in a currency, of a course with a percentage of its own.
    #[must_use]
    pub fn fee(&self, config: &Config, of_course: FeePercent, currency: Currency) -> Fee {
        let terms = self.terms.clone().unwrap_or_default();
        Fee {
            percent: terms.fee_percent.unwrap_or(of_course),
            fixed: terms.fee_fixed.as_ref().unwrap_or(&config.fee_fixed).of(currency),
            minimum: terms.fee_minimum.as_ref().unwrap_or(&config.fee_minimum).of(currency),
        }
    }

    /// On whose account this seller's sales are charged.
    #[must_use]
    pub fn charge_type(&self, config: &Config) -> ChargeType {
        self.terms.as_ref().and_then(|terms| terms.charge_type).unwrap_or(config.charge_type)
    }
}

/// The key of the platform's own account in [`User::customers`] and in idempotency keys.
pub const PLATFORM: &str = "platform";

/// The Stripe account that a seller has linked. Its tokens are stored apart, encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripeLink {
    /// `acct_…`
    pub account_id: String,
    /// What kind of account it is.
    pub account_type: AccountType,
    /// Whether the platform made it. Otherwise its owner granted access to it through OAuth.
    #[serde(default)]
    pub made_by_platform: bool,
    /// What the seller granted: `read_write`, `express` or `read_only`. With `read_only` nothing can be charged.
    pub scope: String,
    /// Whether the link was made in live mode.
    pub livemode: bool,
    /// When the link was made.
    #[serde(with = "time::serde::rfc3339")]
    pub linked_at: OffsetDateTime,
    /// How the account stands at Stripe, as last heard.
    #[serde(flatten)]
    pub state: AccountState,
}

impl User {
    /// The account that the platform may act for, if there is one. What it can do is another question, see
    /// [`StripeLink::check`].
    #[must_use]
    pub fn connected_account(&self) -> Option<&StripeLink> {
        self.stripe.as_ref().filter(|link| self.is_seller && link.scope != "read_only")
    }
}

/// An e-mail address in the form that makes it unique: without the white space around it, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    written: String,
    key: String,
}

impl Email {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence for its owner. Only a mail sent there could tell whether it exists.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let written = text.trim();
        let (local, domain) = written.rsplit_once('@').ok_or("email must be an address such as name@example.com")?;
        let sound = !local.is_empty()
            && domain.split('.').count() > 1
            && domain.split('.').all(|label| !label.is_empty())
            && !written.chars().any(|letter| letter.is_whitespace() || letter.is_control());
        if !sound {
            return Err("email must be an address such as name@example.com");
        }
        if written.len() > 254 {
            return Err("email must have at most 254 characters");
        }
        Ok(Self { written: written.to_owned(), key: written.to_lowercase() })
    }

    /// As its owner wrote it.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// The form in which two writings of one address are equal.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_without_case() {
        let one = Email::parse(" Test@Buyer.com ").expect("an address");
        assert_eq!(one.written(), "Test@Buyer.com");
        assert_eq!(one.key(), Email::parse("test@bUYER.COM").expect("an address").key());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "@", "a@", "@b.c", "a@b", "a@b..c", "a b@c.d", "a@b.c\n@d.e\u{7}", &format!("{}@b.c", "a".repeat(254))] {
            assert!(Email::parse(text).is_err(), "{text}");
        }
    }
}
