//! A user as stored.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::account::{StripeLink, Unable};
use super::email::Email;
use super::suppression::MailSuppression;
use super::terms_of_use::Accepted;
use crate::base::entropy::{digest, keyed_digest};
use crate::domain::charging::{ChargeType, PLATFORM, PlatformTerms};
use crate::domain::course::Course;
use crate::domain::ids::UserId;
use crate::domain::money::{Currency, Fee, FeePercent, Least, PerCurrency};

/// A user as stored. Its debug output is only the id, because nothing else belongs in a log.
#[derive(Clone, Serialize, Deserialize)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// As the user wrote it. Compared without case, see [`Email`].
    pub email: String,
    /// Whether the user received a mail at the address.
    #[serde(default)]
    pub email_confirmed: bool,
    /// The address that the user wants instead. It replaces the other once it is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_email: Option<String>,
    /// When the user asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub new_email_at: Option<OffsetDateTime>,
    /// The addresses that the user has left, some of which are still reserved for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_emails: Vec<String>,
    /// When a change of address was last undone. Links mailed before then no longer undo anything.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub email_restored_at: Option<OffsetDateTime>,
    /// Set if nothing is mailed to the user's address any more, for the user and staff to see. What decides is the address's own item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail_suppressed: Option<MailSuppression>,
    /// A digest of the password's hash. A session is only valid for the password it
    /// began with. The hash itself is in a separate table, see `store::credentials`.
    #[serde(default)]
    pub password_digest: String,
    /// The hash, for users who set their password before that table existed and have not logged in since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// How many recovery codes are left, while the user has a second factor. The factor itself is stored with the password's hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_codes: Option<usize>,
    /// May list courses and link a Stripe account.
    pub is_seller: bool,
    /// May appoint and dismiss sellers.
    pub is_staff: bool,
    /// When the user signed up.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// The linked Stripe account. It stays linked if the user is no longer a seller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe: Option<StripeLink>,
    /// What staff has agreed with this seller, where it differs from the platform's terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<SellerTerms>,
    /// The user's Stripe customers: the platform's under [`PLATFORM`], a
    /// connected account's under its id. A customer that pays memberships on the platform is under `platform:`
    /// and the currency, and may be the same as the platform's. Customers are never looked up by listing.
    #[serde(default)]
    pub customers: BTreeMap<String, String>,
    /// The connected accounts on which a customer was requested for the
    /// user. The erasure searches them for customers that were never stored.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub customers_asked: BTreeSet<String>,
    /// Counts the changes to saved cards requested from Stripe, for idempotency keys. Only Stripe stores the cards.
    #[serde(default)]
    pub card_changes: u64,
    /// When the user's cards were declined, in Unix seconds. Those of the last day count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declined_at: Vec<i64>,
    /// Set if staff suspended the user: they cannot sign in, and their courses are not sold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Suspension>,
    /// When staff ended the user's sessions. Sessions that began before or at that time are invalid.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub sessions_ended_at: Option<OffsetDateTime>,
    /// The terms of use that the user has accepted, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_terms: Vec<Accepted>,
}

/// Why and since when a user is suspended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// The reason that staff gave; the user does not see it.
    pub reason: String,
    /// When the user was suspended.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl std::fmt::Debug for User {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("User").field(&self.id).finish()
    }
}

/// Individual terms of one seller. Those that are `None` are the platform's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellerTerms {
    /// How their sales are charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge_type: Option<ChargeType>,
    /// The platform's percentage. It takes precedence over the courses' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_percent: Option<FeePercent>,
    /// The fixed part of the fee, by currency, in the minor unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_fixed: Option<PerCurrency>,
    /// The minimum fee, by currency, in the minor unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_minimum: Option<PerCurrency>,
}

impl User {
    /// A buyer who signs up, with the hash of their password.
    #[must_use]
    pub fn new(id: UserId, email: &Email, password_hash: &str, created_at: OffsetDateTime) -> Self {
        Self {
            id,
            email: email.written().to_owned(),
            email_confirmed: false,
            new_email: None,
            new_email_at: None,
            left_emails: Vec::new(),
            email_restored_at: None,
            mail_suppressed: None,
            password_digest: digest(password_hash),
            password_hash: None,
            recovery_codes: None,
            is_seller: false,
            is_staff: false,
            created_at,
            stripe: None,
            terms: None,
            customers: BTreeMap::new(),
            customers_asked: BTreeSet::new(),
            card_changes: 0,
            declined_at: Vec::new(),
            suspended: None,
            sessions_ended_at: None,
            accepted_terms: Vec::new(),
        }
    }

    /// A digest of the password's hash.
    #[must_use]
    pub fn password_digest(&self) -> String {
        self.password_hash.as_deref().map_or_else(|| self.password_digest.clone(), digest)
    }

    /// Whether a log-in needs a second factor.
    #[must_use]
    pub fn has_second_factor(&self) -> bool {
        self.recovery_codes.is_some()
    }

    /// What a device keeps to show that its user has logged in there with the current password, and since all sessions were
    /// last ended: a second factor that is switched on, or staff, end a thief's, whose device is not known from then on. Somebody
    /// guessing passwords elsewhere does not have it, because nothing reveals the digest of the password's hash.
    #[must_use]
    pub fn device_mark(&self) -> String {
        let since = self.sessions_ended_at.map(|at| format!(" since {}", at.unix_timestamp_nanos())).unwrap_or_default();
        keyed_digest(&self.password_digest(), &format!("device of {}{since}", self.id))
    }

    /// Whether this is the mark. Compares digests, so that the time it takes reveals nothing.
    #[must_use]
    pub fn knows_device(&self, mark: &str) -> bool {
        digest(mark) == digest(&self.device_mark())
    }

    /// Whether the user may sell, refund sales and be paid for them: a seller whom staff has neither dismissed nor suspended.
    #[must_use]
    pub fn may_sell(&self) -> bool {
        self.is_seller && self.suspended.is_none()
    }

    /// The fee of this seller's sales in a currency, for a course with its own percentage.
    #[must_use]
    pub fn fee(&self, platform: &PlatformTerms, platform_country: &str, of_course: FeePercent, currency: Currency) -> Fee {
        let settled = self.settles_in(platform_country, self.charge_type(platform), currency);
        let terms = self.terms.clone().unwrap_or_default();
        Fee {
            percent: terms.fee_percent.unwrap_or(of_course),
            fixed: terms.fee_fixed.as_ref().unwrap_or(&platform.fee_fixed).of(currency),
            least: terms
                .fee_minimum
                .as_ref()
                .map_or_else(|| platform.fee_minimum.of(currency, settled), |amounts| Least::amount(amounts.of(currency))),
        }
    }

    /// The smallest price for this seller's sales, in the minor unit. Takes the settlement currency into account if it is known.
    #[must_use]
    pub fn least_price(&self, platform_country: &str, charge_type: ChargeType, currency: Currency) -> i64 {
        currency.least_settled_in(self.settles_in(platform_country, charge_type, currency))
    }

    /// The currency in which this seller's sales settle; their own if that is not known.
    fn settles_in(&self, platform_country: &str, charge_type: ChargeType, currency: Currency) -> Currency {
        let country = match &self.stripe {
            Some(link) => link.settles_in(charge_type, platform_country),
            None => (charge_type != ChargeType::Direct).then_some(platform_country),
        };
        country.and_then(Currency::of_country).unwrap_or(currency)
    }

    /// How this seller's sales without payees are charged: as staff has agreed, else as the operator says for all, else as fits the
    /// account. Without an account nothing is charged, and what is computed in advance is that of a charge on the platform.
    #[must_use]
    pub fn charge_type(&self, platform: &PlatformTerms) -> ChargeType {
        let agreed = self.terms.as_ref().and_then(|terms| terms.charge_type).or(platform.charge_type);
        let fitting = || self.stripe.as_ref().map_or(ChargeType::Destination, |link| link.fitting_charge_type(&platform.country));
        agreed.unwrap_or_else(fitting)
    }

    /// How sales of one of their courses are charged. `None` if it has payees and the seller is on direct charges, so that it cannot be
    /// sold: a direct charge pays one account, and naming payees must not move the seller's losses to the platform.
    #[must_use]
    pub fn charge_type_of(&self, course: &Course, platform: &PlatformTerms) -> Option<ChargeType> {
        match self.charge_type(platform) {
            own if course.payees.is_empty() => Some(own),
            ChargeType::Direct => None,
            ChargeType::Destination | ChargeType::Separate => Some(ChargeType::Separate),
        }
    }

    /// How their memberships are charged: these have one payee, so a seller on separate charges is paid by destination charges.
    #[must_use]
    pub fn charge_type_of_memberships(&self, platform: &PlatformTerms) -> ChargeType {
        match self.charge_type(platform) {
            ChargeType::Direct => ChargeType::Direct,
            ChargeType::Destination | ChargeType::Separate => ChargeType::Destination,
        }
    }
}

/// The key in [`User::customers`] for memberships that are paid on the platform in a currency.
#[must_use]
pub fn payer_place(currency: Currency) -> String {
    format!("{PLATFORM}:{}", currency.code())
}

impl User {
    /// The account that the platform may act for, if any. For what it can do, see [`StripeLink::check`].
    #[must_use]
    pub fn connected_account(&self) -> Option<&StripeLink> {
        self.stripe.as_ref().filter(|link| self.may_sell() && link.scope != "read_only")
    }

    /// Whether sales without payees can be charged, as far as is known.
    ///
    /// # Errors
    /// What is missing.
    pub fn can_sell(&self, platform: &PlatformTerms) -> Result<(), Unable> {
        self.connected_account().ok_or(Unable::Disabled)?.check(self.charge_type(platform), &platform.country)
    }

    /// Whether one of their courses can be bought, as far as is known of their own account.
    #[must_use]
    pub fn can_sell_course(&self, course: &Course, platform: &PlatformTerms) -> bool {
        let Some(charge_type) = self.charge_type_of(course, platform) else { return false };
        self.connected_account().is_some_and(|link| link.check(charge_type, &platform.country).is_ok())
            && course.price.amount >= self.least_price(&platform.country, charge_type, course.price.currency)
    }

    /// Why the linked account's charges or payouts are stopped, in Stripe's words: its `disabled_reason`, see [`AccountState::stopped_by`](super::AccountState::stopped_by), or if it gives none,
    /// what sales lack.
    #[must_use]
    pub fn stopped_by(&self, platform: &PlatformTerms) -> Option<&str> {
        let state = &self.stripe.as_ref()?.state;
        match state.requirements.disabled_reason {
            Some(_) => state.stopped_by(),
            None => self.can_sell(platform).err().map(Unable::as_str),
        }
    }
}
