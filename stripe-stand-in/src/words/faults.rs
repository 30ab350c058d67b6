//! Injected faults (`POST /_admin/faults`): what networks and Stripe do to requests on a bad day.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which requests a fault applies to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Match {
    #[serde(default)]
    pub(crate) method: Option<String>,
    /// A prefix of the path, or the whole path with `exact`.
    #[serde(default)]
    pub(crate) path: Option<String>,
    #[serde(default)]
    pub(crate) exact: bool,
    /// The current account (the platform's id for the platform).
    #[serde(default)]
    pub(crate) account: Option<String>,
}

/// What happens to the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Effect {
    /// The work is done after a delay. Until then the request is in flight.
    Delay { ms: u64 },
    /// The work is done at once and answered after a delay.
    DelayAfter { ms: u64 },
    /// An error in Stripe's format without any work. A 5xx is stored under the idempotency key, a 4xx is not.
    Status {
        status: u16,
        #[serde(default)]
        code: Option<String>,
        #[serde(default)]
        message: Option<String>,
        /// The `Stripe-Should-Retry` header.
        #[serde(default)]
        should_retry: Option<bool>,
    },
    /// The work is done, and an error in Stripe's format is returned and stored under the idempotency key.
    StatusAfter {
        status: u16,
        #[serde(default)]
        should_retry: Option<bool>,
    },
    /// A page of HTML with status 503, from in front of the API: nothing done, nothing stored.
    #[serde(rename = "html_503")]
    Html503,
    /// A page of HTML with any status: nothing done, nothing stored.
    Html { status: u16 },
    /// Any status and body: nothing done, nothing stored.
    Raw {
        status: u16,
        #[serde(default)]
        content_type: Option<String>,
        body: String,
    },
    /// The connection is closed before anything is done.
    DropBefore,
    /// The work is done, and the connection is closed without a response.
    DropAfter,
    /// No response ever comes; the work is done unless `work` is false.
    NoAnswer {
        #[serde(default = "yes")]
        work: bool,
    },
    /// The work is done, and the response ends in the middle of its body.
    Truncate,
}

fn yes() -> bool {
    true
}

impl Effect {
    /// Its name in the request log.
    pub(crate) fn name(&self) -> String {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields["kind"].as_str().unwrap_or_default().to_owned(),
            _ => String::new(),
        }
    }
}

/// A pending fault.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    #[serde(rename = "match", default)]
    pub(crate) matches: Match,
    /// How many requests it applies to.
    #[serde(default = "one")]
    pub(crate) times: u64,
    /// How many matching requests pass first.
    #[serde(default)]
    pub(crate) skip: u64,
    #[serde(rename = "fault")]
    pub(crate) effect: Effect,
}

fn one() -> u64 {
    1
}

/// Takes the first fault that applies to this request.
pub(crate) fn take(faults: &mut Vec<Fault>, method: &str, path: &str, account: &str) -> Option<Effect> {
    let mut hit = None;
    for fault in faults.iter_mut() {
        let wanted = &fault.matches;
        let path_matches = wanted.path.as_deref().is_none_or(|p| if wanted.exact { p == path } else { path.starts_with(p) });
        if !path_matches
            || wanted.method.as_deref().is_some_and(|m| !m.eq_ignore_ascii_case(method))
            || wanted.account.as_deref().is_some_and(|a| a != account)
        {
            continue;
        }
        if fault.skip > 0 {
            fault.skip -= 1;
        } else if fault.times > 0 {
            fault.times -= 1;
            hit = Some(fault.effect.clone());
            break;
        }
    }
    faults.retain(|fault| fault.times > 0);
    hit
}
