//! Idempotency keys: <https://docs.stripe.com/api/idempotent_requests>.
//!
//! The first response is stored once execution begins, including 402, 500 and the 400s from the
//! execution, and replayed for 24 hours. Refusals before execution (401, 429, parameters) are not stored.
//! Keys are scoped to the current account here; Stripe does not document whether it does the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::words::errors::ApiError;

/// How long a key is kept, in seconds.
const LIFETIME: i64 = 24 * 60 * 60;

/// How often expired keys are removed, in seconds.
const SWEEP: i64 = 60 * 60;

/// The longest key that Stripe accepts.
const LONGEST: usize = 255;

/// What a key has stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    request: String,
    path: String,
    fingerprint: String,
    created: i64,
    status: u16,
    body: String,
}

/// A response to replay.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    /// The id of the original request.
    pub(crate) request: String,
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// All keys.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Keys {
    stored: BTreeMap<String, Stored>,
    #[serde(skip)]
    in_flight: BTreeSet<String>,
    /// When expired keys were last removed.
    #[serde(skip)]
    swept_at: i64,
}

/// One use of a key.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    /// The current account.
    pub(crate) account: String,
    pub(crate) key: String,
    pub(crate) request: String,
    pub(crate) path: String,
    /// The parameters, normalized so that equal ones compare equal.
    pub(crate) fingerprint: String,
}

impl Use {
    fn scoped(&self) -> String {
        format!("{} {}", self.account, self.key)
    }
}

impl Keys {
    /// Begins a request. `None` if it must be executed, and then [`Keys::end`] must follow.
    ///
    /// # Errors
    /// 400 if the key is too long or was used with other parameters; 409 while its first use is in flight.
    pub(crate) fn begin(&mut self, used: &Use, now: i64) -> Result<Option<Replay>, ApiError> {
        if used.key.len() > LONGEST {
            return Err(ApiError::invalid(format!(
                "Idempotency key may be at most {LONGEST} characters; you passed one of {} characters.",
                used.key.len()
            )));
        }
        let scoped = used.scoped();
        if self.in_flight.contains(&scoped) {
            return Err(ApiError::new(
                409,
                "idempotency_error",
                format!(
                    "There is currently another in-progress request using this Idempotent Key (that probably means you \
                     submitted twice, and the other request is still going through): {}. Please try again later.",
                    used.key
                ),
            )
            .code("idempotency_key_in_use"));
        }
        if now >= self.swept_at + SWEEP {
            self.stored.retain(|_, stored| now - stored.created < LIFETIME);
            self.swept_at = now;
        }
        if let Some(stored) = self.stored.get(&scoped).filter(|stored| now - stored.created < LIFETIME) {
            let key = &used.key;
            if stored.path != used.path {
                return Err(ApiError::new(
                    400,
                    "idempotency_error",
                    format!(
                        "Keys for idempotent requests can only be used for the same endpoint they were first used for \
                         ('{}' vs '{}'). Try using a key other than '{key}' if you meant to execute a different request.",
                        used.path, stored.path
                    ),
                ));
            }
            if stored.fingerprint != used.fingerprint {
                return Err(ApiError::new(
                    400,
                    "idempotency_error",
                    format!(
                        "Keys for idempotent requests can only be used with the same parameters they were first used \
                         with. Try using a key other than '{key}' if you meant to execute a different request."
                    ),
                ));
            }
            return Ok(Some(Replay { request: stored.request.clone(), status: stored.status, body: stored.body.clone() }));
        }
        self.in_flight.insert(scoped);
        Ok(None)
    }

    /// Ends a request and stores the response for later uses, if any.
    pub(crate) fn end(&mut self, used: &Use, now: i64, answer: Option<(u16, &str)>) {
        let scoped = used.scoped();
        self.in_flight.remove(&scoped);
        if let Some((status, body)) = answer {
            self.stored.insert(
                scoped,
                Stored {
                    request: used.request.clone(),
                    path: used.path.clone(),
                    fingerprint: used.fingerprint.clone(),
                    created: now,
                    status,
                    body: body.to_owned(),
                },
            );
        }
    }
}

/// Whether a response with this status is always stored, because execution had begun.
pub(crate) fn is_stored(status: u16) -> bool {
    status < 400 || status == 402 || status >= 500
}
