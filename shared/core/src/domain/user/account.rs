//! A seller's Stripe account and which charges it can take. <https://docs.stripe.com/connect/accounts>

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::account_state::{AccountState, Capability, CapabilityStatus};
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

/// Why an account cannot take a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unable {
    /// Stripe does not allow charges for it at all.
    Disabled,
    /// It lacks the capability that this charge type needs.
    Lacks(Capability),
}

impl Unable {
    /// What is missing, in the spelling of Stripe's account object.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "charges_enabled",
            Self::Lacks(capability) => capability.as_str(),
        }
    }
}

/// Who has which part of an account, in the words of Accounts v2. An account of v1 has them by its type.
/// <https://docs.stripe.com/connect/accounts-v2/connected-account-configuration>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Responsibilities {
    /// Which Dashboard its owner has: `full`, `express` or `none`.
    pub dashboard: &'static str,
    /// Whom Stripe charges its fees of direct charges: the owner if it is `stripe`, `application_express` or `application_custom`, and the platform if it is
    /// `application`. <https://docs.stripe.com/connect/direct-charges-fee-payer-behavior>
    pub fees_collector: &'static str,
    /// Who bears the losses that its balance cannot cover: `stripe`, or the platform, which is `application`.
    pub losses_collector: &'static str,
}

impl StripeLink {
    /// Who has which part of the account.
    #[must_use]
    pub fn responsibilities(&self) -> Responsibilities {
        let (dashboard, fees_collector) = match (self.account_type, self.accounts_api) {
            (AccountType::Standard, _) => ("full", "stripe"),
            (AccountType::Express, AccountsApi::V1) => ("express", "application_express"),
            (AccountType::Express, AccountsApi::V2) => ("express", "application"),
            (AccountType::Custom, AccountsApi::V1) => ("none", "application_custom"),
            (AccountType::Custom, AccountsApi::V2) => ("none", "application"),
        };
        let losses_collector = if self.account_type.has_losses_borne_by_stripe() { "stripe" } else { "application" };
        Responsibilities { dashboard, fees_collector, losses_collector }
    }

    /// The charge type that fits the account, for a sale without payees: direct where Stripe bears its losses, destination where the
    /// platform does. An account that is only paid out to never takes cards, so it cannot be charged directly, whatever its type; abroad
    /// it can only be sent its part afterwards, because a destination charge would settle there.
    /// <https://docs.stripe.com/connect/integration-recommendations>
    #[must_use]
    pub fn fitting_charge_type(&self, platform_country: &str) -> ChargeType {
        if self.state.is_only_paid_out() {
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
        let is_recipient = self.state.is_only_paid_out();
        self.state.country.as_deref().filter(|country| !reaches(platform_country, country, is_recipient))
    }

    /// The same for an account that sells, and so takes cards for what is charged on its behalf, if it can.
    #[must_use]
    pub fn never_paid_in(&self, platform_country: &str) -> Option<&str> {
        self.out_of_reach(platform_country).filter(|_| self.state.is_only_paid_out())
    }

    /// Whether a sale can be charged this way, as far as is known. If Stripe has not reported capabilities yet, the first charge decides.
    ///
    /// # Errors
    /// What is missing.
    pub fn check(&self, charge_type: ChargeType, platform_country: &str) -> Result<(), Unable> {
        if self.state.capabilities.is_none() {
            return if self.state.charges_enabled { Ok(()) } else { Err(Unable::Disabled) };
        }
        // An account that only receives transfers has no `charges_enabled`. One with active `card_payments` but without it was closed.
        if !self.state.charges_enabled && self.state.has(Capability::CardPayments) {
            return Err(Unable::Disabled);
        }
        match self.needed(charge_type, platform_country).find(|capability| !self.state.has(*capability)) {
            Some(capability) => Err(Unable::Lacks(capability)),
            None => Ok(()),
        }
    }

    /// The capability without which no sale can ever be charged this way, because the account has not asked Stripe for it: nothing that
    /// its owner submits changes that. Standard accounts get theirs only with Stripe's form.
    #[must_use]
    pub fn never_takes(&self, charge_type: ChargeType, platform_country: &str) -> Option<Capability> {
        let is_known = self.state.details_submitted || self.state.is_only_paid_out();
        let is_unrequested = |capability: &Capability| self.state.status(*capability) == Some(CapabilityStatus::Unrequested);
        self.needed(charge_type, platform_country).filter(|_| is_known).find(is_unrequested)
    }

    /// The capabilities that a sale charged this way needs.
    fn needed(&self, charge_type: ChargeType, platform_country: &str) -> impl Iterator<Item = Capability> {
        let on_platform = charge_type != ChargeType::Direct;
        let is_sent_abroad =
            charge_type == ChargeType::Separate && self.state.is_only_paid_out() && self.out_of_reach(platform_country).is_none();
        let with_cards = (!on_platform || self.is_foreign(platform_country)) && !is_sent_abroad;
        let transfers = on_platform.then_some(Capability::Transfers);
        transfers.into_iter().chain(with_cards.then_some(Capability::CardPayments))
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
        self.is_foreign(platform_country) && !self.state.is_only_paid_out()
    }

    fn is_foreign(&self, platform_country: &str) -> bool {
        self.state.country.as_deref().is_some_and(|country| country != platform_country)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::super::account_state::Capabilities;
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
    fn what_the_account_never_asked_for_is_told_apart_from_what_it_may_get() {
        use CapabilityStatus::Unrequested;
        use ChargeType::{Destination, Direct, Separate};
        let never = |link: &StripeLink, platform: &str| [Direct, Destination, Separate].map(|kind| link.never_takes(kind, platform));
        let (cards, transfers) = (Some(Capability::CardPayments), Some(Capability::Transfers));
        let recipient = link(Unrequested, Pending, "PH");
        assert_eq!(never(&recipient, "US"), [cards, cards, None], "its part can be sent to it");
        assert_eq!(never(&recipient, "DE"), [cards, cards, cards]);
        assert_eq!(never(&recipient, "PH"), [cards, None, None]);
        assert_eq!(never(&link(Inactive, Inactive, "DE"), "US"), [None, None, None], "these may become active");
        // Before Stripe's form a Standard account has no capabilities yet.
        let mut standard = StripeLink { account_type: AccountType::Standard, ..link(Unrequested, Unrequested, "US") };
        assert_eq!(never(&standard, "US"), [None, None, None]);
        standard.state.details_submitted = true;
        assert_eq!(never(&standard, "US"), [cards, transfers, transfers]);
        standard.state.capabilities = None;
        assert_eq!(never(&standard, "US"), [None, None, None], "Stripe has not told");
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
            [("PH", "US", Ok(())), ("PH", "JP", lacks_cards), ("PH", "DE", lacks_cards), ("DE", "US", lacks_cards), ("PH", "PH", Ok(()))]
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
