//! A seller's Stripe account and which charges it can take. <https://docs.stripe.com/connect/accounts>

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::domain::charging::ChargeType;
use crate::domain::country::reaches;

/// Stripe's types of connected account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountType {
    /// The seller's own account, with Stripe's full Dashboard.
    Standard,
    /// Onboarded on Stripe's pages, with the Express Dashboard. The platform is liable for negative balances.
    Express,
    /// Without a Dashboard. The platform is liable for negative balances.
    Custom,
}

impl AccountType {
    /// The type in Stripe's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Express => "express",
            Self::Custom => "custom",
        }
    }

    /// Whether Stripe bears the losses that the account's balance cannot cover. Of the others the platform bears them.
    /// <https://docs.stripe.com/connect/risk-management#identify-negative-balance-responsibility>
    #[must_use]
    pub fn has_losses_borne_by_stripe(self) -> bool {
        match self {
            Self::Standard => true,
            Self::Express | Self::Custom => false,
        }
    }
}

/// Which of Stripe's Accounts APIs made an account. Both read it in the form of v1.
/// <https://docs.stripe.com/connect/accounts-v2>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountsApi {
    /// `POST /v1/accounts`, or OAuth
    #[default]
    V1,
    /// `POST /v2/core/accounts`
    V2,
}

impl AccountsApi {
    /// The name of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// The Stripe account that a seller has linked. Its tokens are stored separately, encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripeLink {
    /// `acct_…`
    pub account_id: String,
    /// The type of the account.
    pub account_type: AccountType,
    /// Whether the platform created it. Otherwise its owner granted access through OAuth.
    #[serde(default)]
    pub made_by_platform: bool,
    /// The API that made it; only that one makes its Account Links.
    #[serde(default)]
    pub accounts_api: AccountsApi,
    /// The granted scope: `read_write`, `express` or `read_only`. With `read_only` nothing can be charged.
    pub scope: String,
    /// Whether the account was linked in live mode.
    pub livemode: bool,
    /// When the account was linked.
    #[serde(with = "time::serde::rfc3339")]
    pub linked_at: OffsetDateTime,
    /// The account's state, as last reported by Stripe.
    #[serde(flatten)]
    pub state: AccountState,
}

/// The state of an account, as last reported by Stripe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// Whether it can take payments itself.
    pub charges_enabled: bool,
    /// Whether its balance can be paid out to a bank.
    #[serde(default)]
    pub payouts_enabled: bool,
    /// Whether its owner has completed Stripe's form once.
    #[serde(default)]
    pub details_submitted: bool,
    /// Its capabilities; `None` if Stripe has not reported them yet.
    #[serde(default)]
    pub capabilities: Option<Capabilities>,
    /// The information that Stripe requires.
    #[serde(default)]
    pub requirements: Requirements,
    /// Upper-case ISO 3166.
    #[serde(default)]
    pub country: Option<String>,
    /// When Stripe was asked, in Unix milliseconds. An older answer does not replace a newer one.
    #[serde(default)]
    pub asked_at: i64,
}

/// The capabilities that sales need. <https://docs.stripe.com/connect/account-capabilities>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Needed for direct charges, and for charges on behalf of the account.
    pub card_payments: CapabilityStatus,
    /// Needed to receive destination charges and transfers.
    pub transfers: CapabilityStatus,
}

/// The status of a capability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CapabilityStatus {
    /// It can be used.
    Active,
    /// Stripe is verifying the submitted information.
    Pending,
    /// Something is missing or was refused. Also used for a status that is newer than this program.
    Inactive,
    /// It was never requested.
    #[default]
    Unrequested,
}

impl CapabilityStatus {
    fn is_settled(self) -> bool {
        matches!(self, Self::Active | Self::Unrequested)
    }
}

/// The name of a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// `card_payments`
    CardPayments,
    /// `transfers`
    Transfers,
}

impl Capability {
    /// The capability in Stripe's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CardPayments => "card_payments",
            Self::Transfers => "transfers",
        }
    }
}

/// The information that Stripe requires about an account, under Stripe's own field names.
/// <https://docs.stripe.com/api/accounts/object#account_object-requirements>
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requirements {
    /// Needed by `current_deadline`.
    pub currently_due: Vec<String>,
    /// Overdue: something is disabled because of it.
    pub past_due: Vec<String>,
    /// Needed at some point.
    pub eventually_due: Vec<String>,
    /// Submitted and being verified.
    pub pending_verification: Vec<String>,
    /// Why charges or payouts are disabled.
    pub disabled_reason: Option<String>,
    /// Unix seconds.
    pub current_deadline: Option<i64>,
}

/// Why an account cannot take a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unable {
    /// Stripe does not allow charges for it at all.
    Disabled,
    /// It lacks the capability that this charge type needs.
    Lacks(Capability),
}

impl AccountState {
    /// Whether both say the same, whenever they were asked for.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        *self == Self { asked_at: self.asked_at, ..other.clone() }
    }

    /// Whether nothing that was requested is missing or being verified. Stripe sends an event if that changes.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let wanted = &self.requirements;
        self.charges_enabled
            && self.payouts_enabled
            && self.details_submitted
            && self.capabilities.is_some_and(|all| [all.card_payments, all.transfers].iter().all(|status| status.is_settled()))
            && [&wanted.currently_due, &wanted.past_due, &wanted.pending_verification].iter().all(|list| list.is_empty())
    }

    /// Whether Stripe needs something from its owner, or the owner has not completed Stripe's form yet.
    #[must_use]
    pub fn waits_for_owner(&self) -> bool {
        !(self.details_submitted && self.requirements.currently_due.is_empty() && self.requirements.past_due.is_empty())
    }

    /// Whether Stripe rejected it permanently.
    /// <https://docs.stripe.com/connect/handling-api-verification#determine-if-verification-is-needed>
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.requirements.disabled_reason.as_deref().is_some_and(|reason| reason.starts_with("rejected."))
    }

    /// Why Stripe stopped charges or payouts of an account whose owner had completed its form. `None` if nothing is stopped, or the owner
    /// can only wait for a verification.
    /// <https://docs.stripe.com/api/accounts/object#account_object-requirements-disabled_reason>
    #[must_use]
    pub fn stopped_by(&self) -> Option<&str> {
        let reason = self.requirements.disabled_reason.as_deref()?;
        (self.details_submitted && reason != "requirements.pending_verification").then_some(reason)
    }

    /// By when its owner must submit something, in Unix seconds, so that nothing is stopped.
    #[must_use]
    pub fn wanted_by(&self) -> Option<i64> {
        let wanted = &self.requirements;
        let is_wanted = self.details_submitted && wanted.disabled_reason.is_none() && !wanted.currently_due.is_empty();
        wanted.current_deadline.filter(|_| is_wanted)
    }

    /// Whether a capability is known to be active.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        let status = self.capabilities.map(|all| match capability {
            Capability::CardPayments => all.card_payments,
            Capability::Transfers => all.transfers,
        });
        status == Some(CapabilityStatus::Active)
    }
}

impl StripeLink {
    /// The charge type that fits the account, for a sale without payees: direct where Stripe bears its losses, destination where the
    /// platform does. An account that is only paid out to never takes cards, so it cannot be charged directly, whatever its type; abroad
    /// it can only be sent its part afterwards, because a destination charge would settle there.
    /// <https://docs.stripe.com/connect/integration-recommendations>
    #[must_use]
    pub fn fitting_charge_type(&self, platform_country: &str) -> ChargeType {
        if self.is_only_paid_out() {
            if self.is_foreign(platform_country) { ChargeType::Separate } else { ChargeType::Destination }
        } else if self.account_type.has_losses_borne_by_stripe() {
            ChargeType::Direct
        } else {
            ChargeType::Destination
        }
    }

    /// Whether Stripe advises against such a charge for the account: with destination and separate charges the platform bears all
    /// losses, whatever the account's settings say.
    /// <https://docs.stripe.com/connect/configuration-migration-guide>
    #[must_use]
    pub fn rules_out(&self, charge_type: ChargeType) -> bool {
        charge_type != ChargeType::Direct && self.account_type.has_losses_borne_by_stripe()
    }

    /// Whether the account is known to have asked for transfers and never for cards, as one with the recipient agreement.
    /// <https://docs.stripe.com/connect/service-agreement-types#recipient>
    fn is_only_paid_out(&self) -> bool {
        use CapabilityStatus::Unrequested;
        self.state.capabilities.is_some_and(|all| all.card_payments == Unrequested && all.transfers != Unrequested)
    }

    /// Whether transfers to the account fail until its owner or the platform asks Stripe for them, as for a Standard account of v2.
    /// One that is being verified, or lacks something, may receive them later.
    #[must_use]
    pub fn asks_for_no_transfers(&self) -> bool {
        self.state.capabilities.is_some_and(|all| all.transfers == CapabilityStatus::Unrequested)
    }

    /// The account's country, if it is one to which the platform can never transfer money. What was charged on behalf of the account
    /// itself always reaches it.
    #[must_use]
    pub fn out_of_reach(&self, platform_country: &str) -> Option<&str> {
        let is_recipient = self.is_only_paid_out();
        self.state.country.as_deref().filter(|country| !reaches(platform_country, country, is_recipient))
    }

    /// The same for an account that sells, and so takes cards for what is charged on its behalf, if it can.
    #[must_use]
    pub fn never_paid_in(&self, platform_country: &str) -> Option<&str> {
        self.out_of_reach(platform_country).filter(|_| self.is_only_paid_out())
    }

    /// Whether a sale can be charged this way, as far as is known. If Stripe has not reported capabilities yet, the first charge decides.
    ///
    /// # Errors
    /// What is missing.
    pub fn check(&self, charge_type: ChargeType, platform_country: &str) -> Result<(), Unable> {
        let takes_cards = self.state.has(Capability::CardPayments);
        if self.state.capabilities.is_none() {
            return if self.state.charges_enabled { Ok(()) } else { Err(Unable::Disabled) };
        }
        // An account that only receives transfers has no `charges_enabled`. One with active `card_payments` but without it was closed.
        if !self.state.charges_enabled && takes_cards {
            return Err(Unable::Disabled);
        }
        let on_platform = charge_type != ChargeType::Direct;
        if on_platform && !self.state.has(Capability::Transfers) {
            return Err(Unable::Lacks(Capability::Transfers));
        }
        let is_sent_abroad =
            charge_type == ChargeType::Separate && self.is_only_paid_out() && self.out_of_reach(platform_country).is_none();
        if (!on_platform || self.is_foreign(platform_country)) && !takes_cards && !is_sent_abroad {
            return Err(Unable::Lacks(Capability::CardPayments));
        }
        Ok(())
    }

    /// The settlement merchant of a charge on the platform: the account itself if it is in a different country from the
    /// platform and takes cards, and the platform otherwise.
    /// <https://docs.stripe.com/connect/destination-charges#settlement-merchant>
    #[must_use]
    pub fn on_behalf_of(&self, charge_type: ChargeType, platform_country: &str) -> Option<&str> {
        let wanted = charge_type != ChargeType::Direct && self.settles_abroad(platform_country);
        wanted.then_some(self.account_id.as_str())
    }

    /// The country in whose currency a sale settles, if known.
    #[must_use]
    pub fn settles_in<'a>(&'a self, charge_type: ChargeType, platform_country: &'a str) -> Option<&'a str> {
        if charge_type == ChargeType::Direct || self.settles_abroad(platform_country) {
            self.state.country.as_deref()
        } else {
            Some(platform_country)
        }
    }

    fn settles_abroad(&self, platform_country: &str) -> bool {
        self.is_foreign(platform_country) && !self.is_only_paid_out()
    }

    fn is_foreign(&self, platform_country: &str) -> bool {
        self.state.country.as_deref().is_some_and(|country| country != platform_country)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use CapabilityStatus::{Active, Inactive, Pending};

    fn link(card_payments: CapabilityStatus, transfers: CapabilityStatus, country: &str) -> StripeLink {
        StripeLink {
            account_id: "acct_1".to_owned(),
            account_type: AccountType::Express,
            made_by_platform: true,
            accounts_api: AccountsApi::V2,
            scope: "read_write".to_owned(),
            livemode: false,
            linked_at: OffsetDateTime::UNIX_EPOCH,
            state: AccountState {
                charges_enabled: card_payments == Active,
                capabilities: Some(Capabilities { card_payments, transfers }),
                country: Some(country.to_owned()),
                ..AccountState::default()
            },
        }
    }

    #[test]
    fn each_charge_type_needs_its_capability() {
        use ChargeType::{Destination, Direct, Separate};
        let lacks = |capability| Err(Unable::Lacks(capability));
        for (card_payments, transfers, direct, others) in [
            (Active, Active, Ok(()), Ok(())),
            (Inactive, Active, lacks(Capability::CardPayments), Ok(())),
            (Active, Pending, Ok(()), lacks(Capability::Transfers)),
            (Pending, Inactive, lacks(Capability::CardPayments), lacks(Capability::Transfers)),
        ] {
            let link = link(card_payments, transfers, "US");
            assert_eq!(link.check(Direct, "US"), direct);
            assert_eq!((link.check(Destination, "US"), link.check(Separate, "US")), (others, others));
        }
        let mut closed = link(Active, Active, "US");
        closed.state.charges_enabled = false;
        assert_eq!(closed.check(Destination, "US"), Err(Unable::Disabled));
        closed.state.capabilities = None;
        assert_eq!(closed.check(Direct, "US"), Err(Unable::Disabled));
        closed.state.charges_enabled = true;
        assert_eq!(closed.check(Destination, "US"), Ok(()), "the first charge will tell");
    }

    #[test]
    fn the_fitting_charge_type_is_the_one_whose_losses_are_borne_by_the_same() {
        use AccountType::{Custom, Express, Standard};
        use CapabilityStatus::Unrequested;
        use ChargeType::{Destination, Direct, Separate};
        for (account_type, card_payments, transfers, fitting) in [
            (Standard, Active, Active, Direct),
            (Standard, Active, Unrequested, Direct),
            (Standard, Inactive, Active, Direct),
            (Standard, Unrequested, Unrequested, Direct),
            (Standard, Unrequested, Active, Destination),
            (Standard, Unrequested, Pending, Destination),
            (Express, Active, Active, Destination),
            (Express, Unrequested, Active, Destination),
            (Custom, Active, Active, Destination),
        ] {
            let link = StripeLink { account_type, ..link(card_payments, transfers, "US") };
            assert_eq!(link.fitting_charge_type("US"), fitting, "{link:?}");
            let abroad = if fitting == Direct {
                Direct
            } else if card_payments == Unrequested {
                Separate
            } else {
                Destination
            };
            assert_eq!(link.fitting_charge_type("GB"), abroad, "{link:?}");
            let ruled_out = [Direct, Destination, Separate].map(|charge_type| link.rules_out(charge_type));
            assert_eq!(ruled_out, [false, account_type == Standard, account_type == Standard]);
            assert_eq!(link.asks_for_no_transfers(), transfers == Unrequested);
        }
        let mut new = StripeLink { account_type: Standard, ..link(Active, Active, "US") };
        new.state.capabilities = None;
        assert_eq!((new.fitting_charge_type("US"), new.asks_for_no_transfers()), (Direct, false), "Stripe has not reported them yet");
    }

    #[test]
    fn an_account_abroad_settles_its_charges_and_takes_cards_for_it() {
        let here = link(Active, Active, "US");
        let abroad = link(Active, Active, "DE");
        assert_eq!(here.on_behalf_of(ChargeType::Destination, "US"), None);
        assert_eq!(abroad.on_behalf_of(ChargeType::Destination, "US"), Some("acct_1"));
        assert_eq!(abroad.on_behalf_of(ChargeType::Separate, "US"), Some("acct_1"));
        assert_eq!(abroad.on_behalf_of(ChargeType::Direct, "US"), None);
        let recipient = link(Inactive, Active, "DE");
        assert_eq!(recipient.check(ChargeType::Destination, "US"), Err(Unable::Lacks(Capability::CardPayments)));
        assert_eq!(recipient.check(ChargeType::Destination, "DE"), Ok(()));
    }

    #[test]
    fn an_account_that_is_only_paid_out_is_sent_money_abroad_where_stripe_allows_it() {
        use CapabilityStatus::Unrequested;
        use ChargeType::{Destination, Direct, Separate};
        let lacks_cards = Err(Unable::Lacks(Capability::CardPayments));
        for (country, platform, separate) in
            [("PH", "US", Ok(())), ("PH", "JP", lacks_cards), ("DE", "US", lacks_cards), ("PH", "PH", Ok(()))]
        {
            let link = link(Unrequested, Active, country);
            assert_eq!(link.check(Separate, platform), separate, "{country} {platform}");
            assert_eq!(link.check(Destination, platform).is_ok(), country == platform);
            assert_eq!(link.check(Direct, platform), lacks_cards);
            assert_eq!(link.on_behalf_of(Separate, platform), None);
            assert_eq!(link.settles_in(Separate, platform), Some(platform));
            assert_eq!(link.never_paid_in(platform), separate.is_err().then_some(country));
        }
        // One with cards is paid by a charge on its behalf, but not as another's payee.
        let abroad = link(Active, Active, "AU");
        assert_eq!((abroad.never_paid_in("US"), abroad.out_of_reach("US")), (None, Some("AU")));
    }
}
