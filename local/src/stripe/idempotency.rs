//! Idempotency keys: <https://docs.stripe.com/api/idempotent_requests>.
//!
//! The first answer is stored once execution begins, 402 and 500 included, and replayed for 24 hours. Refusals before
//! execution (401, 429, validation) are not stored. Keys are scoped here to the account that is acted on; whether
//! Stripe does so is not documented.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::errors::ApiError;

/// How long a key is kept, in seconds.
const LIFETIME: i64 = 24 * 60 * 60;

/// The longest key that Stripe takes.
const LONGEST: usize = 255;

/// What a key stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    request: String,
    path: String,
    fingerprint: String,
    created: i64,
    status: u16,
    body: String,
}

/// An answer that is replayed.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    /// The id of the request that was answered first.
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
}

/// One use of a key.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    /// The account that is acted on.
    pub(crate) account: String,
    pub(crate) key: String,
    pub(crate) request: String,
    pub(crate) path: String,
    /// The parameters in a form that is equal for equal parameters.
    pub(crate) fingerprint: String,
}

impl Use {
    fn scoped(&self) -> String {
        format!("{} {}", self.account, self.key)
    }
}

impl Keys {
    /// Begins a request: `None` where it is to be executed, and then [`Keys::end`] must follow.
    ///
    /// # Errors
    /// 400 for a key that is too long or was used with other parameters; 409 while its first use is in flight.
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
        self.stored.retain(|_, stored| now - stored.created < LIFETIME);
        if let Some(stored) = self.stored.get(&scoped) {
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

    /// Ends a request that was begun, storing the answer that later uses get, if any.
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

/// Whether an answer of that status is stored: execution had begun.
pub(crate) fn is_stored(status: u16) -> bool {
    status < 400 || status == 402 || status >= 500
}
