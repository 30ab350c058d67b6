//! What a seller's Stripe account is, and what can be charged with it. <https://docs.stripe.com/connect/accounts>

use serde::{Deserialize, Serialize};

use super::StripeLink;
use crate::purchase::ChargeType;

/// Stripe's kinds of connected account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountType {
    /// The seller's own, with Stripe's full Dashboard.
    Standard,
    /// Stripe's pages collect what is needed and show the Express Dashboard; the platform answers for its debts.
    Express,
    /// The seller has no Dashboard; the platform answers for its debts.
    Custom,
}

impl AccountType {
    /// As Stripe writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Express => "express",
            Self::Custom => "custom",
        }
    }
}

/// How an account stands at Stripe, as last heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// Whether it can take payments itself.
    pub charges_enabled: bool,
    /// Whether its balance can go to a bank.
    #[serde(default)]
    pub payouts_enabled: bool,
    /// Whether its owner has been through Stripe's form once.
    #[serde(default)]
    pub details_submitted: bool,
    /// What it may do; none where Stripe has not told yet.
    #[serde(default)]
    pub capabilities: Option<Capabilities>,
    /// What Stripe wants to know.
    #[serde(default)]
    pub requirements: Requirements,
    /// Upper-case ISO 3166.
    #[serde(default)]
    pub country: Option<String>,
    /// When Stripe was asked, in Unix milliseconds: an older answer does not replace a newer one.
    #[serde(default)]
    pub asked_at: i64,
}

/// The capabilities that sales need. <https://docs.stripe.com/connect/account-capabilities>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Taking card payments: direct charges, and charges on behalf of the account.
    pub card_payments: CapabilityStatus,
    /// Being sent money: destination charges and transfers.
    pub transfers: CapabilityStatus,
}

/// Where a capability stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CapabilityStatus {
    /// It can be used.
    Active,
    /// Stripe is looking at what was told.
    Pending,
    /// Something is missing, or was refused; also a status that is newer than this program.
    Inactive,
    /// Nobody has asked for it.
    #[default]
    Unrequested,
}

/// A capability, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// `card_payments`
    CardPayments,
    /// `transfers`
    Transfers,
}

impl Capability {
    /// As Stripe writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CardPayments => "card_payments",
            Self::Transfers => "transfers",
        }
    }
}

/// What Stripe wants to know of an account, by the names of Stripe's own fields.
/// <https://docs.stripe.com/api/accounts/object#account_object-requirements>
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requirements {
    /// Needed by `current_deadline`.
    pub currently_due: Vec<String>,
    /// Needed, and too late: something does not work because of it.
    pub past_due: Vec<String>,
    /// Needed some day.
    pub eventually_due: Vec<String>,
    /// Told, and being looked at.
    pub pending_verification: Vec<String>,
    /// Why the account cannot be charged for or paid out.
    pub disabled_reason: Option<String>,
    /// Unix seconds.
    pub current_deadline: Option<i64>,
}

/// Why a sale cannot be charged with an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unable {
    /// Stripe does not let it be charged for at all.
    Disabled,
    /// It lacks what this charge type needs.
    Lacks(Capability),
}

impl AccountState {
    /// Whether nothing is missing and nothing is wanted: Stripe will tell where that changes.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let wanted = &self.requirements;
        self.charges_enabled
            && self.payouts_enabled
            && self.details_submitted
            && self.has(Capability::CardPayments)
            && self.has(Capability::Transfers)
            && [&wanted.currently_due, &wanted.past_due, &wanted.pending_verification].iter().all(|list| list.is_empty())
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
    /// Whether a sale can be charged this way, as far as is known. Where Stripe has not told of capabilities yet, the
    /// first charge will.
    ///
    /// # Errors
    /// What is missing.
    pub fn check(&self, charge_type: ChargeType, platform_country: &str) -> Result<(), Unable> {
        let takes_cards = self.state.has(Capability::CardPayments);
        if self.state.capabilities.is_none() {
            return if self.state.charges_enabled { Ok(()) } else { Err(Unable::Disabled) };
        }
        // An account that may only be sent money has no `charges_enabled`. One that may take cards and has none was closed.
        if !self.state.charges_enabled && takes_cards {
            return Err(Unable::Disabled);
        }
        let on_platform = charge_type != ChargeType::Direct;
        if on_platform && !self.state.has(Capability::Transfers) {
            return Err(Unable::Lacks(Capability::Transfers));
        }
        if (!on_platform || self.is_foreign(platform_country)) && !takes_cards {
            return Err(Unable::Lacks(Capability::CardPayments));
        }
        Ok(())
    }

    /// The settlement merchant of a charge on the platform: the account itself where it is in another country than the
    /// platform, and the platform otherwise.
    /// <https://docs.stripe.com/connect/destination-charges#settlement-merchant>
    #[must_use]
    pub fn on_behalf_of(&self, charge_type: ChargeType, platform_country: &str) -> Option<&str> {
        let wanted = charge_type != ChargeType::Direct && self.is_foreign(platform_country);
        wanted.then_some(self.account_id.as_str())
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
}
