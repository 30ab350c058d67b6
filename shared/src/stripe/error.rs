//! What Stripe's failures say about the outcome.
//! <https://docs.stripe.com/error-low-level>, <https://docs.stripe.com/api/errors>

use serde::Deserialize;

use super::objects::PaymentIntent;
use crate::error::Error;

/// A request to Stripe that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// 402: the bank or Stripe's rules said no. The attempt has ended.
    #[error("declined: {code}")]
    Declined {
        /// `card_declined`, `expired_card`, …
        code: String,
        /// `insufficient_funds`, …
        decline_code: Option<String>,
        /// The PaymentIntent that was made, if one was.
        payment_intent: Option<Box<PaymentIntent>>,
    },
    /// Another 4xx: Stripe did nothing.
    #[error("refused with {status} {code}: {message}")]
    Refused {
        /// The status.
        status: u16,
        /// Stripe's `code`, or its `type`.
        code: String,
        /// Which parameter, if one is to blame.
        param: Option<String>,
        /// For the log.
        message: String,
    },
    /// 403: the account has taken the platform's access away.
    #[error("the account has revoked the platform's access")]
    AccountRevoked,
    /// 429 to the end: Stripe did nothing.
    #[error("rate limited")]
    RateLimited,
    /// 409 `idempotency_key_in_use` to the end: an earlier sending is still at work.
    #[error("an earlier sending of this request is still at work")]
    InUse,
    /// 5xx: not known whether anything was done. Where it is `replayed`, the key will never tell.
    #[error("failed with {status}")]
    Failed {
        /// The status.
        status: u16,
        /// Whether it is the stored answer of an earlier sending.
        replayed: bool,
    },
    /// The connection broke or nothing came in time: not known whether anything was done.
    #[error("no answer{}", if *timeout { " in time" } else { "" })]
    NoAnswer {
        /// Whether time ran out.
        timeout: bool,
    },
    /// A 2xx that cannot be read: something was done.
    #[error("the answer cannot be read")]
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

/// Stripe's error object, in an answer or in a PaymentIntent's `last_payment_error`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Body {
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) decline_code: Option<String>,
    #[serde(default)]
    pub(super) param: Option<String>,
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) payment_intent: Option<Box<PaymentIntent>>,
}

impl StripeError {
    pub(super) fn from_answer(status: u16, replayed: bool, body: &[u8]) -> Self {
        // Some failures are HTML, or empty: then the status is all that is known.
        let error = serde_json::from_slice::<Envelope>(body).unwrap_or_default().error;
        let code = error.code.or_else(|| error.kind.clone()).unwrap_or_else(|| "unknown".to_owned());
        match status {
            402 => Self::Declined { code, decline_code: error.decline_code, payment_intent: error.payment_intent },
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

    /// Whether Stripe did not look at the request at all (429, 401, 403 of an account that took its access away): that says
    /// nothing of an earlier sending under its key.
    #[must_use]
    pub fn is_turned_away(&self) -> bool {
        matches!(self, Self::RateLimited | Self::AccountRevoked | Self::Refused { status: 401, .. })
    }

    /// Whether Stripe may have done something that we have not heard of.
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
            StripeError::Declined { code, decline_code, .. } => Self::CardDeclined { reason: code, decline_code },
            StripeError::AccountRevoked => Self::SellerNotConnected,
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
            br#"{"error":{"type":"card_error","code":"card_declined","decline_code":"generic_decline","payment_intent":{"id":"pi_1"}}}"#;
        let StripeError::Declined { code, decline_code, payment_intent } = StripeError::from_answer(402, false, body) else {
            panic!("a 402 is a decline");
        };
        assert_eq!((code.as_str(), decline_code.as_deref()), ("card_declined", Some("generic_decline")));
        assert_eq!(payment_intent.map(|payment_intent| payment_intent.id), Some("pi_1".to_owned()));
    }
}
