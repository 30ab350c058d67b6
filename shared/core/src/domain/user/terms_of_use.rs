//! The operator's terms of use, and who has accepted them.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::domain::error::Error;

/// How many acceptances a user's record keeps: more versions than an operator has in years.
const KEPT: usize = 20;

/// The terms that hold now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TermsOfUse {
    /// Where they can be read.
    pub url: String,
    /// Which ones these are. Another version must be accepted anew.
    pub version: String,
}

/// That a user accepted the terms of use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The version that they saw.
    pub version: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl TermsOfUse {
    /// What is recorded of somebody who names the version that they accept.
    ///
    /// # Errors
    /// [`Error::TermsNotAccepted`] if they name none, or another version.
    pub fn accept(&self, version: Option<&str>, at: OffsetDateTime) -> Result<Accepted, Error> {
        if version == Some(self.version.as_str()) { Ok(Accepted { version: self.version.clone(), at }) } else { Err(self.missing()) }
    }

    /// Refuses users whose last acceptance is not of this version.
    ///
    /// # Errors
    /// [`Error::TermsNotAccepted`]
    pub fn check(&self, all: &[Accepted]) -> Result<(), Error> {
        if all.last().is_some_and(|accepted| accepted.version == self.version) { Ok(()) } else { Err(self.missing()) }
    }

    fn missing(&self) -> Error {
        Error::TermsNotAccepted { url: self.url.clone(), version: self.version.clone() }
    }
}

/// What had been accepted last at a time.
#[must_use]
pub fn accepted_before(all: &[Accepted], at: OffsetDateTime) -> Option<&Accepted> {
    all.iter().rfind(|accepted| accepted.at <= at)
}

/// Adds an acceptance. The oldest of very many are forgotten.
pub fn add(all: &mut Vec<Accepted>, accepted: Accepted) {
    all.push(accepted);
    all.drain(..all.len().saturating_sub(KEPT));
}
