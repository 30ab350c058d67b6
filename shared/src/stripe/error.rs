//! What Stripe's failures say about the outcome.
//! <https://docs.stripe.com/error-low-level>, <https://docs.stripe.com/api/errors>

use serde::Deserialize;

use super::objects::{Body, PaymentIntent};
use super::read;
use crate::domain::error::Error;

/// Stripe's code if an account cannot be paid, which we may not have heard of yet. <https://docs.stripe.com/error-codes>
pub const NO_TRANSFERS: &str = "insufficient_capabilities_for_transfer";

/// A request to Stripe that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// 402: the bank or Stripe's rules declined. The attempt has ended.
    #[error("declined: {code}")]
    Declined {
        /// `card_declined`, `expired_card`, …
        code: String,
        /// `insufficient_funds`, …
        decline_code: Option<String>,
        /// The PaymentIntent that was created, if any.
        payment_intent: Option<Box<PaymentIntent>>,
        /// The card's fingerprint, if Stripe returned it.
        fingerprint: Option<String>,
    },
    /// Another 4xx: Stripe did nothing.
    #[error("refused with {status} {code}: {message}")]
    Refused {
        /// The status.
        status: u16,
        /// Stripe's `code`, or its `type`.
        code: String,
        /// The parameter at fault, if any.
        param: Option<String>,
        /// For the log.
        message: String,
    },
    /// 403: the account has revoked the platform's access.
    #[error("the account has revoked the platform's access")]
    AccountRevoked,
    /// 429 on every try: Stripe did nothing.
    #[error("rate limited")]
    RateLimited,
    /// 409 `idempotency_key_in_use` on every try: an earlier request is still in progress.
    #[error("an earlier copy of this request is still in progress")]
    InUse,
    /// 5xx: it is unknown whether anything was done. If `replayed`, the key will never show it.
    #[error("failed with {status}")]
    Failed {
        /// The status.
        status: u16,
        /// Whether it is the stored response to an earlier request.
        replayed: bool,
    },
    /// The connection failed or timed out: it is unknown whether anything was done.
    #[error("no answer{}", if *timeout { " in time" } else { "" })]
    NoAnswer {
        /// Whether it timed out.
        timeout: bool,
    },
    /// A 2xx that cannot be parsed: something was done.
    #[error("the response cannot be parsed")]
    Unreadable,
    /// The request could not be built.
    #[error("the request could not be built: {0}")]
    Unsent(String),
}

#[derive(Default, Deserialize)]
struct Envelope {
    #[serde(default)]
    error: Body,
}

impl StripeError {
    pub(super) fn from_answer(status: u16, replayed: bool, body: &[u8]) -> Self {
        // Some failures are HTML or empty; then only the status is known.
        let error = read::bytes::<Envelope>(body).unwrap_or_default().error;
        let fingerprint = error.fingerprint();
        let code = error.code.or_else(|| error.kind.clone()).unwrap_or_else(|| "unknown".to_owned());
        match status {
            402 => Self::Declined { code, decline_code: error.decline_code, payment_intent: error.payment_intent, fingerprint },
            409 => Self::InUse,
            429 => Self::RateLimited,
            403 if revoked(&code, error.message.as_deref().unwrap_or_default()) => Self::AccountRevoked,
            400..=499 => Self::Refused { status, code, param: error.param, message: error.message.unwrap_or_default() },
            _ => Self::Failed { status, replayed },
        }
    }

    /// Whether Stripe does not have the object that a parameter names.
    #[must_use]
    pub fn is_missing(&self, name: &str) -> bool {
        matches!(self, Self::Refused { code, param, .. } if code == "resource_missing" && param.as_deref() == Some(name))
    }

    /// Whether Stripe rejected the request without looking at it (429, 401, or 403 for an account
    /// that revoked access). That says nothing about an earlier request with the same key.
    #[must_use]
    pub fn is_turned_away(&self) -> bool {
        matches!(self, Self::RateLimited | Self::AccountRevoked | Self::Refused { status: 401, .. })
    }

    /// Whether Stripe may have done something that we do not know of.
    #[must_use]
    pub fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::InUse | Self::Failed { .. } | Self::NoAnswer { .. } | Self::Unreadable)
    }
}

fn revoked(code: &str, message: &str) -> bool {
    code == "account_invalid" || message.contains("does not have access to account") || message.contains("access may have been revoked")
}

impl From<StripeError> for Error {
    fn from(error: StripeError) -> Self {
        let cause = error.to_string();
        match error {
            StripeError::Declined { code, decline_code, fingerprint, .. } => Self::CardDeclined { reason: code, decline_code, fingerprint },
            StripeError::AccountRevoked => Self::SellerNotConnected,
            StripeError::Refused { code, .. } if code == NO_TRANSFERS => Self::SellerCapabilityMissing { capability: "transfers" },
            StripeError::RateLimited | StripeError::InUse => Self::PaymentProviderUnavailable(cause),
            StripeError::NoAnswer { timeout: true } => Self::PaymentProviderTimeout(cause),
            StripeError::NoAnswer { timeout: false } | StripeError::Failed { status: 503, .. } => Self::PaymentProviderUnavailable(cause),
            StripeError::Refused { .. } | StripeError::Failed { .. } | StripeError::Unreadable | StripeError::Unsent(_) => {
                Self::PaymentProviderError(cause)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_and_empty_bodies_are_failures_like_others() {
        for body in [&b"<html>503</html>"[..], b"", b"{\"error\":\"text\"}"] {
            let error = StripeError::from_answer(503, false, body);
            assert!(error.outcome_is_unknown(), "{error}");
        }
    }

    #[test]
    fn a_decline_with_a_partial_payment_intent_is_a_decline() {
        let body =
            br#"{"error":{"type":"card_error","code":"card_declined","decline_code":"generic_decline","payment_intent":{"id":"pi_1"},"payment_method":{"id":"pm_1","card":{"fingerprint":"fp"}}}}"#;
        let StripeError::Declined { code, decline_code, payment_intent, fingerprint } = StripeError::from_answer(402, false, body) else {
            panic!("a 402 is a decline");
        };
        assert_eq!((code.as_str(), decline_code.as_deref()), ("card_declined", Some("generic_decline")));
        assert_eq!(payment_intent.map(|payment_intent| payment_intent.id), Some("pi_1".to_owned()));
        assert_eq!(fingerprint.as_deref(), Some("fp"));
    }
}
