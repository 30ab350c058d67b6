//! Test cards: <https://docs.stripe.com/testing>.

use serde_json::{Value, json};

use super::errors::ApiError;

/// What the bank says to a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Approve,
    Decline(Decline),
}

/// Why a charge is declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decline {
    pub(crate) code: &'static str,
    pub(crate) decline_code: Option<&'static str>,
    pub(crate) message: &'static str,
}

impl Decline {
    /// The error that the API answers.
    pub(crate) fn error(self) -> ApiError {
        ApiError::card(self.code, self.decline_code, self.message)
    }
}

/// When the cardholder must authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authentication {
    Never,
    Always,
    /// Not once the card was set up for later use with authentication.
    UnlessSetUp,
}

/// What happens after a charge succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aftermath {
    None,
    /// A dispute for this reason.
    Dispute(&'static str),
    /// The funds are available at once.
    AvailableAtOnce,
    /// A refund is made, and fails a moment later.
    RefundFails,
    /// A refund is pending, and arrives a moment later.
    RefundPends,
}

/// A test card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TestCard {
    /// `visa` of `pm_card_visa` and `tok_visa`.
    pub(crate) name: &'static str,
    pub(crate) number: &'static str,
    pub(crate) brand: &'static str,
    pub(crate) funding: &'static str,
    pub(crate) country: &'static str,
    pub(crate) verdict: Verdict,
    /// Whether a decline comes already when it is attached to a customer.
    pub(crate) declines_attach: bool,
    pub(crate) authentication: Authentication,
    pub(crate) aftermath: Aftermath,
}

const PLAIN: TestCard = TestCard {
    name: "visa",
    number: "4242424242424242",
    brand: "visa",
    funding: "credit",
    country: "US",
    verdict: Verdict::Approve,
    declines_attach: true,
    authentication: Authentication::Never,
    aftermath: Aftermath::None,
};

const fn brand(name: &'static str, number: &'static str, brand: &'static str, funding: &'static str) -> TestCard {
    TestCard { name, number, brand, funding, ..PLAIN }
}

const fn of(name: &'static str, number: &'static str, country: &'static str) -> TestCard {
    TestCard { name, number, country, ..PLAIN }
}

const fn declined(name: &'static str, number: &'static str, decline_code: &'static str) -> TestCard {
    let decline = Decline { code: "card_declined", decline_code: Some(decline_code), message: "Your card was declined." };
    TestCard { name, number, verdict: Verdict::Decline(decline), ..PLAIN }
}

const fn refused(name: &'static str, number: &'static str, code: &'static str, message: &'static str) -> TestCard {
    TestCard { name, number, verdict: Verdict::Decline(Decline { code, decline_code: None, message }), ..PLAIN }
}

const fn authenticates(name: &'static str, number: &'static str) -> TestCard {
    TestCard { name, number, authentication: Authentication::Always, ..PLAIN }
}

const fn then(name: &'static str, number: &'static str, aftermath: Aftermath) -> TestCard {
    TestCard { name, number, aftermath, ..PLAIN }
}

const INSUFFICIENT: Verdict = Verdict::Decline(Decline {
    code: "card_declined",
    decline_code: Some("insufficient_funds"),
    message: "Your card has insufficient funds.",
});

const CARDS: &[TestCard] = &[
    PLAIN,
    brand("visa_debit", "4000056655665556", "visa", "debit"),
    brand("mastercard", "5555555555554444", "mastercard", "credit"),
    brand("mastercard_debit", "5200828282828210", "mastercard", "debit"),
    brand("mastercard_prepaid", "5105105105105100", "mastercard", "prepaid"),
    brand("amex", "378282246310005", "amex", "credit"),
    brand("discover", "6011111111111117", "discover", "credit"),
    brand("diners", "3056930009020004", "diners", "credit"),
    brand("jcb", "3566002020360505", "jcb", "credit"),
    brand("unionpay", "6200000000000005", "unionpay", "credit"),
    of("us", "4242424242424242", "US"),
    of("ca", "4000001240000000", "CA"),
    of("gb", "4000008260000000", "GB"),
    of("de", "4000002760000016", "DE"),
    of("fr", "4000002500000003", "FR"),
    of("jp", "4000003920000003", "JP"),
    declined("chargeDeclined", "4000000000000002", "generic_decline"),
    TestCard { verdict: INSUFFICIENT, ..declined("chargeDeclinedInsufficientFunds", "4000000000009995", "") },
    declined("chargeDeclinedLostCard", "4000000000009987", "lost_card"),
    declined("chargeDeclinedStolenCard", "4000000000009979", "stolen_card"),
    declined("chargeDeclinedFraudulent", "4100000000000019", "fraudulent"),
    declined("chargeDeclinedVelocityLimitExceeded", "4000000000006975", "card_velocity_exceeded"),
    refused("chargeDeclinedExpiredCard", "4000000000000069", "expired_card", "Your card has expired."),
    refused("chargeDeclinedIncorrectCvc", "4000000000000127", "incorrect_cvc", "Your card's security code is incorrect."),
    refused(
        "chargeDeclinedProcessingError",
        "4000000000000119",
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
    ),
    TestCard { declines_attach: false, ..declined("chargeCustomerFail", "4000000000000341", "generic_decline") },
    authenticates("threeDSecure2Required", "4000000000003220"),
    authenticates("threeDSecureRequired", "4000000000003063"),
    authenticates("authenticationRequired", "4000002760003184"),
    TestCard { authentication: Authentication::UnlessSetUp, ..authenticates("authenticationRequiredOnSetup", "4000002500003155") },
    TestCard {
        authentication: Authentication::UnlessSetUp,
        ..authenticates("authenticationRequiredSetupForOffSession", "4000003800000446")
    },
    brand("threeDSecureOptional", "4000000000003055", "visa", "credit"),
    TestCard {
        authentication: Authentication::Always,
        declines_attach: false,
        ..declined("threeDSecureRequiredChargeDeclined", "4000008400001629", "generic_decline")
    },
    TestCard {
        authentication: Authentication::Always,
        verdict: INSUFFICIENT,
        declines_attach: false,
        ..authenticates("authenticationRequiredChargeDeclinedInsufficientFunds", "4000008260003178")
    },
    then("createDispute", "4000000000000259", Aftermath::Dispute("fraudulent")),
    then("createDisputeProductNotReceived", "4000000000002685", Aftermath::Dispute("product_not_received")),
    then("bypassPending", "4000000000000077", Aftermath::AvailableAtOnce),
    then("refundFail", "4000000000005126", Aftermath::RefundFails),
    then("pendingRefund", "4000000000007726", Aftermath::RefundPends),
];

impl TestCard {
    /// The card of a test PaymentMethod (`pm_card_…`) or token (`tok_…`).
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        let name = id.strip_prefix("pm_card_").or_else(|| id.strip_prefix("tok_"))?;
        // Declines are also named after the card that they decline: `pm_card_visa_chargeDeclined`.
        let short = name.strip_prefix("visa_").unwrap_or(name);
        let find = |name: &str| CARDS.iter().find(|card| card.name == name).copied();
        find(name).or_else(|| find(short).filter(|card| card.verdict != Verdict::Approve))
    }

    /// The card of that name, as it was stored.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        CARDS.iter().find(|card| card.name == name).copied()
    }

    /// The card of that number; spaces do not count. An unknown number is no card.
    pub(crate) fn of_number(number: &str) -> Option<Self> {
        let digits: String = number.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        CARDS.iter().find(|card| card.number == digits).copied()
    }

    /// The last four digits.
    pub(crate) fn last4(&self) -> &'static str {
        &self.number[self.number.len() - 4..]
    }

    /// The same for the same number, on every account.
    pub(crate) fn fingerprint(&self) -> String {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(self.number.as_bytes());
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef";
        digest.iter().take(16).map(|byte| char::from(letters[usize::from(byte % 32)])).collect()
    }

    /// The `card` of a PaymentMethod.
    pub(crate) fn payment_method(&self, exp_month: i64, exp_year: i64) -> Value {
        json!({
            "brand": self.brand,
            "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "unchecked" },
            "country": self.country,
            "display_brand": self.brand,
            "exp_month": exp_month,
            "exp_year": exp_year,
            "fingerprint": self.fingerprint(),
            "funding": self.funding,
            "generated_from": null,
            "last4": self.last4(),
            "networks": { "available": [self.brand], "preferred": null },
            "regulated_status": "unregulated",
            "three_d_secure_usage": { "supported": true },
            "wallet": null,
        })
    }

    /// The `card` of a charge's `payment_method_details`.
    pub(crate) fn charge_details(&self, card: &Value, authenticated: bool, amount: i64) -> Value {
        let three_d_secure = if authenticated {
            json!({
                "authentication_flow": "challenge",
                "electronic_commerce_indicator": "05",
                "exemption_indicator": null,
                "result": "authenticated",
                "result_reason": null,
                "transaction_id": "d2e0d1f4-0000-4000-8000-000000000000",
                "version": "2.2.0",
            })
        } else {
            Value::Null
        };
        json!({
            "amount_authorized": amount,
            "authorization_code": null,
            "brand": self.brand,
            "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": null },
            "country": self.country,
            "exp_month": card["exp_month"],
            "exp_year": card["exp_year"],
            "extended_authorization": { "status": "disabled" },
            "fingerprint": self.fingerprint(),
            "funding": self.funding,
            "incremental_authorization": { "status": "unavailable" },
            "installments": null,
            "last4": self.last4(),
            "mandate": null,
            "multicapture": { "status": "unavailable" },
            "network": self.brand,
            "network_token": { "used": false },
            "network_transaction_id": "000000000000000",
            "overcapture": { "maximum_amount_capturable": amount, "status": "unavailable" },
            "regulated_status": "unregulated",
            "three_d_secure": three_d_secure,
            "wallet": null,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_found_by_payment_method_token_and_number() {
        let decline = TestCard::of_number("4000 0000 0000 0002");
        assert!(decline.is_some_and(|card| card.verdict != Verdict::Approve));
        assert_eq!(TestCard::of_id("pm_card_visa_chargeDeclined"), decline);
        assert_eq!(TestCard::of_id("pm_card_chargeDeclined"), decline);
        assert_eq!(TestCard::of_id("tok_chargeDeclined"), decline);
        assert_eq!(TestCard::of_id("pm_card_nothing"), None);
        assert_eq!(TestCard::of_number("4242424242424243"), None);
    }
}
