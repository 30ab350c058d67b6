//! Test cards, test bank accounts for debits, Klarna and Link: <https://docs.stripe.com/testing>.

use serde_json::{Value, json};

use crate::words::clock;
use crate::words::errors::ApiError;

/// The bank's response to a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Approve,
    Decline(Decline),
    /// The bank answers after this many seconds, with this failure code if any.
    Later {
        seconds: i64,
        failure: Option<&'static str>,
    },
}

/// Why a charge is declined: <https://docs.stripe.com/declines/codes>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decline {
    pub(crate) code: &'static str,
    pub(crate) decline_code: &'static str,
    pub(crate) message: &'static str,
    /// The parameter at fault.
    param: Option<&'static str>,
    advice: Advice,
    /// Whether Radar blocks it, so that the bank is not asked.
    pub(crate) blocked: bool,
}

/// What Stripe, the card network and the bank advise about a decline. Some declines never reached the bank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Advice {
    advice_code: Option<&'static str>,
    network_advice_code: Option<&'static str>,
    network_decline_code: Option<&'static str>,
}

impl Advice {
    const NONE: Self = Self { advice_code: None, network_advice_code: None, network_decline_code: None };

    /// As recorded for that `decline_code`; 41 is ISO 8583's code for a lost card.
    const fn of(decline: &'static str) -> Self {
        let (advice, network_advice, network_decline) = match decline.as_bytes() {
            b"generic_decline" => ("try_again_later", None, "01"),
            b"insufficient_funds" => ("try_again_later", Some("02"), "51"),
            b"card_velocity_exceeded" => ("try_again_later", Some("02"), "61"),
            b"processing_error" => ("try_again_later", None, "06"),
            b"lost_card" => ("do_not_try_again", Some("01"), "41"),
            b"stolen_card" => ("do_not_try_again", Some("01"), "43"),
            b"expired_card" => ("confirm_card_data", Some("03"), "54"),
            b"incorrect_cvc" => ("confirm_card_data", Some("03"), "N7"),
            _ => return Self::NONE,
        };
        Self { advice_code: Some(advice), network_advice_code: network_advice, network_decline_code: Some(network_decline) }
    }
}

impl Decline {
    /// The bank requires authentication, but the cardholder is not present.
    pub(crate) const UNAUTHENTICATED: Self =
        Self::of("authentication_required", "authentication_required", "Your card was declined. This transaction requires authentication.");

    /// `error_on_requires_action` was set, and the bank requires authentication.
    pub(crate) const UNHANDLED: Self = Self::of(
        "authentication_required",
        "authentication_not_handled",
        "This payment required an authentication action to complete, but `error_on_requires_action` was set. When you're ready, you can \
         upgrade your integration to handle actions at https://stripe.com/docs/payments/payment-intents/upgrade-to-handle-actions.",
    );

    const fn of(code: &'static str, decline_code: &'static str, message: &'static str) -> Self {
        let param = match code.as_bytes() {
            b"expired_card" => Some("exp_month"),
            b"incorrect_cvc" => Some("cvc"),
            _ => None,
        };
        Self { code, decline_code, message, param, advice: Advice::of(decline_code), blocked: false }
    }

    /// The error that the API returns.
    pub(crate) fn error(self) -> ApiError {
        let mut error = ApiError::card(self.code, Some(self.decline_code), self.message);
        for (name, value) in [
            ("param", self.param),
            ("advice_code", self.advice.advice_code),
            ("network_advice_code", self.advice.network_advice_code),
            ("network_decline_code", self.advice.network_decline_code),
        ] {
            if let Some(value) = value {
                error = error.with(name, value);
            }
        }
        error
    }

    /// The `outcome` of such a declined charge: as recorded, including blocks by Radar.
    pub(crate) fn outcome(self) -> Value {
        if self.blocked {
            return json!({
                "advice_code": null,
                "network_advice_code": null,
                "network_decline_code": null,
                "network_status": "not_sent_to_network",
                "reason": "highest_risk_level",
                "risk_level": "highest",
                "risk_score": 91,
                "rule": "block_if_high_risk",
                "seller_message": "Stripe blocked this payment as too risky.",
                "type": "blocked",
            });
        }
        json!({
            "advice_code": self.advice.advice_code,
            "network_advice_code": self.advice.network_advice_code,
            "network_decline_code": self.advice.network_decline_code,
            "network_status": "declined_by_network",
            "reason": self.decline_code,
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        })
    }
}

/// When the cardholder must authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authentication {
    Never,
    Always,
    /// Unless the card was set up for later use with authentication.
    UnlessSetUp,
}

/// What happens after a charge succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aftermath {
    None,
    /// A dispute for this reason.
    Dispute(&'static str),
    /// Two disputes for this reason, each for half.
    Disputes(&'static str),
    /// An inquiry for this reason.
    Inquiry(&'static str),
    /// The funds are available at once.
    AvailableAtOnce,
    /// The card's issuer warns of it.
    FraudWarning,
    /// A review is opened.
    Review,
    /// A refund is created, and fails a moment later.
    RefundFails,
    /// A refund is pending, and succeeds a moment later.
    RefundPends,
}

/// A test card, or a bank account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TestCard {
    /// `visa` of `pm_card_visa` and `tok_visa`.
    pub(crate) name: &'static str,
    pub(crate) number: &'static str,
    pub(crate) brand: &'static str,
    pub(crate) funding: &'static str,
    pub(crate) country: &'static str,
    /// `card`, `sepa_debit`, `us_bank_account`, `klarna` or `link`.
    pub(crate) kind: &'static str,
    pub(crate) verdict: Verdict,
    /// Whether attaching it to a customer is already declined.
    pub(crate) declines_attach: bool,
    pub(crate) authentication: Authentication,
    pub(crate) aftermath: Aftermath,
    /// The check that fails because the entered data differ from the bank's.
    failed_check: Option<&'static str>,
}

const PLAIN: TestCard = TestCard {
    name: "visa",
    number: "4242424242424242",
    brand: "visa",
    funding: "credit",
    country: "US",
    kind: "card",
    verdict: Verdict::Approve,
    declines_attach: true,
    authentication: Authentication::Never,
    aftermath: Aftermath::None,
    failed_check: None,
};

const fn brand(name: &'static str, number: &'static str, brand: &'static str, funding: &'static str) -> TestCard {
    TestCard { name, number, brand, funding, ..PLAIN }
}

const fn of(name: &'static str, number: &'static str, country: &'static str) -> TestCard {
    TestCard { name, number, country, ..PLAIN }
}

const fn declined(name: &'static str, number: &'static str, decline_code: &'static str) -> TestCard {
    let decline = Decline::of("card_declined", decline_code, "Your card was declined.");
    TestCard { name, number, verdict: Verdict::Decline(decline), ..PLAIN }
}

const fn refused(name: &'static str, number: &'static str, code: &'static str, message: &'static str) -> TestCard {
    TestCard { name, number, verdict: Verdict::Decline(Decline::of(code, code, message)), ..PLAIN }
}

const fn authenticates(name: &'static str, number: &'static str) -> TestCard {
    TestCard { name, number, authentication: Authentication::Always, ..PLAIN }
}

const fn then(name: &'static str, number: &'static str, aftermath: Aftermath) -> TestCard {
    TestCard { name, number, aftermath, ..PLAIN }
}

/// A card that Radar's default rule blocks (<https://docs.stripe.com/testing#fraud-prevention>).
const fn blocked(name: &'static str, number: &'static str) -> TestCard {
    let decline = Decline { blocked: true, ..Decline::of("card_declined", "fraudulent", "Your card was declined.") };
    TestCard { name, number, verdict: Verdict::Decline(decline), ..PLAIN }
}

const fn fails_check(name: &'static str, number: &'static str, check: &'static str) -> TestCard {
    TestCard { name, number, failed_check: Some(check), ..PLAIN }
}

/// A bank account in Germany (<https://docs.stripe.com/payments/sepa-debit/accept-a-payment>).
const fn iban(name: &'static str, number: &'static str, seconds: i64, failure: Option<&'static str>) -> TestCard {
    TestCard { name, number, country: "DE", kind: "sepa_debit", verdict: Verdict::Later { seconds, failure }, ..PLAIN }
}

/// A bank account in the US (<https://docs.stripe.com/payments/ach-direct-debit/accept-a-payment>).
const fn us_account(name: &'static str, number: &'static str, failure: Option<&'static str>) -> TestCard {
    TestCard { name, number, kind: "us_bank_account", verdict: Verdict::Later { seconds: 0, failure }, ..PLAIN }
}

/// Another payment method that answers at once. Its name replaces the card number.
const fn other(kind: &'static str, authentication: Authentication) -> TestCard {
    TestCard { name: kind, number: kind, kind, authentication, ..PLAIN }
}

/// Klarna's currencies (<https://docs.klarna.com/klarna-payments/in-depth-knowledge/puchase-countries-currencies-locales>).
const KLARNA: &[&str] = &["aud", "cad", "chf", "czk", "dkk", "eur", "gbp", "nok", "nzd", "pln", "ron", "sek", "usd"];

const INSUFFICIENT: Verdict = Verdict::Decline(Decline::of("card_declined", "insufficient_funds", "Your card has insufficient funds."));

const VELOCITY: Verdict = Verdict::Decline(Decline::of(
    "card_declined",
    "card_velocity_exceeded",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
));

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
    // Two names of the same card.
    blocked("radarBlock", "4100000000000019"),
    blocked("chargeDeclinedFraudulent", "4100000000000019"),
    blocked("riskLevelHighest", "4000000000004954"),
    then("riskLevelElevated", "4000000000009235", Aftermath::Review),
    fails_check("cvcCheckFail", "4000000000000101", "cvc_check"),
    fails_check("avsZipFail", "4000000000000036", "address_postal_code_check"),
    TestCard { verdict: VELOCITY, ..declined("chargeDeclinedVelocityLimitExceeded", "4000000000006975", "") },
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
    then("createDisputeInquiry", "4000000000001976", Aftermath::Inquiry("fraudulent")),
    then("createMultipleDisputes", "4000004040000079", Aftermath::Disputes("fraudulent")),
    then("createIssuerFraudRecord", "4000000000005423", Aftermath::FraudWarning),
    then("bypassPending", "4000000000000077", Aftermath::AvailableAtOnce),
    then("refundFail", "4000000000005126", Aftermath::RefundFails),
    then("pendingRefund", "4000000000007726", Aftermath::RefundPends),
    iban("success_de", "DE89370400440532013000", 0, None),
    iban("successDelayed_de", "DE08370400440532013003", 180, None),
    iban("failed_de", "DE62370400440532013001", 0, Some("insufficient_funds")),
    iban("failedDelayed_de", "DE78370400440532013004", 180, Some("insufficient_funds")),
    TestCard { aftermath: Aftermath::Dispute("general"), ..iban("disputed_de", "DE35370400440532013002", 0, None) },
    us_account("usBankAccount_success", "000123456789", None),
    us_account("usBankAccount_accountClosed", "000111111113", Some("account_closed")),
    us_account("usBankAccount_noAccount", "000111111116", Some("no_account")),
    us_account("usBankAccount_insufficientFunds", "000222222227", Some("insufficient_funds")),
    us_account("usBankAccount_debitNotAuthorized", "000333333335", Some("debit_not_authorized")),
    TestCard { aftermath: Aftermath::Dispute("debit_not_authorized"), ..us_account("usBankAccount_dispute", "000555555559", None) },
    other("klarna", Authentication::Always),
    other("link", Authentication::Never),
];

impl TestCard {
    /// The card of a test PaymentMethod (`pm_card_…`) or token (`tok_…`), or the bank account of one (`pm_success_de`).
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        let account = CARDS.iter().find(|account| !account.is_card() && id.strip_prefix("pm_") == Some(account.name));
        if account.is_some() {
            return account.copied();
        }
        let name = id.strip_prefix("pm_card_").or_else(|| id.strip_prefix("tok_"))?;
        // Declines are also named after the declined card: `pm_card_visa_chargeDeclined`.
        let short = name.strip_prefix("visa_").unwrap_or(name);
        let find = |name: &str| CARDS.iter().find(|card| card.name == name && card.is_card()).copied();
        find(name).or_else(|| find(short).filter(|card| card.verdict != Verdict::Approve))
    }

    /// The card with a stored name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        CARDS.iter().find(|card| card.name == name).copied()
    }

    /// The card with a number; spaces do not count. Unknown numbers are not cards.
    pub(crate) fn of_number(number: &str) -> Option<Self> {
        let digits: String = number.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        CARDS.iter().find(|card| card.number == digits).copied()
    }

    /// Whether it is a card.
    pub(crate) fn is_card(&self) -> bool {
        self.kind == "card"
    }

    /// Whether it can be saved for a customer. Klarna is for single payments
    /// (<https://docs.stripe.com/payments/klarna/accept-a-payment>).
    pub(crate) fn can_be_kept(&self) -> bool {
        self.kind != "klarna"
    }

    /// The only currencies it supports; all if empty.
    pub(crate) fn only_currencies(&self) -> &'static [&'static str] {
        match self.kind {
            "sepa_debit" => &["eur"],
            "us_bank_account" => &["usd"],
            "klarna" => KLARNA,
            _ => &[],
        }
    }

    /// The details in a PaymentMethod, for methods other than cards.
    pub(crate) fn method_details(&self, billing: &Value) -> Value {
        match self.kind {
            "klarna" => json!({ "dob": null }),
            "link" => json!({ "email": billing["email"] }),
            _ => self.bank_details(),
        }
    }

    /// The details in a charge, for methods other than cards.
    pub(crate) fn payment_details(&self, billing: &Value) -> Value {
        let country = &billing["address"]["country"];
        match self.kind {
            "klarna" => json!({
                "payer_details": { "address": { "country": country } },
                "payment_method_category": "pay_later",
                "preferred_locale": "en-US",
            }),
            "link" => json!({ "country": country }),
            _ => self.bank_details(),
        }
    }

    fn bank_details(&self) -> Value {
        if self.kind == "us_bank_account" {
            return json!({
                "account_holder_type": "individual", "account_type": "checking", "bank_name": "STRIPE TEST BANK",
                "fingerprint": self.fingerprint(), "last4": self.last4(), "routing_number": "110000000",
            });
        }
        json!({
            "bank_code": "37040044", "branch_code": "", "country": self.country, "fingerprint": self.fingerprint(),
            "last4": self.last4(),
        })
    }

    /// The last four digits.
    pub(crate) fn last4(&self) -> &'static str {
        &self.number[self.number.len() - 4..]
    }

    /// The same for the same number on all accounts.
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

    /// The `outcome` of a charge that its bank approves.
    pub(crate) fn outcome(&self) -> Value {
        let risky = self.aftermath == Aftermath::Review;
        let mut outcome = json!({
            "advice_code": null,
            "network_advice_code": null,
            "network_decline_code": null,
            "network_status": "approved_by_network",
            "reason": if risky { "elevated_risk_level".into() } else { Value::Null },
            "risk_level": if risky { "elevated" } else { "normal" },
            "risk_score": if risky { 70 } else { 20 },
            "seller_message": if risky {
                "Stripe evaluated this payment as having elevated risk, and placed it in your manual review queue."
            } else {
                "Payment complete."
            },
            "type": if risky { "manual_review" } else { "authorized" },
        });
        if risky {
            outcome["rule"] = "manual_review_if_elevated_risk".into();
        }
        outcome
    }

    /// The bank's checks of the entered data. The address is only checked if it is expected to be wrong.
    fn checks(&self) -> Value {
        let mut checks = json!({ "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" });
        if let Some(failed) = self.failed_check {
            checks[failed] = "fail".into();
        }
        checks
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
        let mut details = json!({
            "amount_authorized": amount,
            "authorization_code": "000000",
            "brand": self.brand,
            "checks": self.checks(),
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
        });
        // Mastercard's id for related transactions.
        if self.brand == "mastercard" {
            details["transaction_link_id"] = "0000000000000000000000".into();
        }
        details
    }
}

/// A year in which cards are still valid.
pub(crate) fn next_year() -> i64 {
    // Accurate enough for a year.
    1971 + clock::real_now() / 31_556_952
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
