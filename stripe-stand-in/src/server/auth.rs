//! Identifies the caller and the current account: <https://docs.stripe.com/api/authentication>.

use base64::Engine;

use crate::state::all::State;
use crate::state::row::Link;
use crate::words::errors::ApiError;
use crate::words::http::Incomer;
use crate::words::kind::Kind;
use crate::words::options::Options;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    /// A secret key: everything.
    Secret,
    /// A publishable key: what a browser may do.
    Publishable,
}

/// The caller.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The current account.
    pub(crate) account: String,
    /// The account that the key belongs to.
    pub(crate) owner: String,
    pub(crate) power: Power,
}

/// The key that was sent, and how: `bearer`, `basic` or `none`.
pub(crate) fn sent_key(request: &Incomer) -> (Option<String>, &'static str) {
    let Some(header) = request.header("authorization") else { return (None, "none") };
    let Some((scheme, rest)) = header.split_once(' ') else { return (None, "none") };
    if scheme.eq_ignore_ascii_case("bearer") {
        return (Some(rest.trim().to_owned()), "bearer");
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = base64::engine::general_purpose::STANDARD.decode(rest.trim()).unwrap_or_default();
        let text = String::from_utf8_lossy(&decoded).into_owned();
        let key = text.split(':').next().unwrap_or_default().to_owned();
        return (Some(key), "basic");
    }
    (None, "none")
}

/// Identifies the caller.
///
/// # Errors
/// 401 without a valid key; 403 if the key has no access to the account, or only read access for a write.
pub(crate) fn authenticate(
    options: &Options,
    state: &State,
    key: Option<&str>,
    header: Option<&str>,
    write: bool,
) -> Result<Caller, ApiError> {
    let key = key.filter(|key| !key.is_empty()).ok_or_else(|| {
        unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer \
             auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        )
    })?;
    let (own, power) = if is_secret_key(options, state, key)? {
        (state.platform.clone(), Power::Secret)
    } else if key == options.publishable_key {
        (state.platform.clone(), Power::Publishable)
    } else if let Some(grant) = state.grants.get(key).filter(|grant| !grant.refresh) {
        if grant.revoked {
            return Err(no_access(key, &grant.account));
        }
        if write && grant.scope == "read_only" {
            return Err(read_only(&grant.account));
        }
        (grant.account.clone(), Power::Secret)
    } else {
        return Err(unauthorized(&format!("Invalid API Key provided: {}", masked(key))));
    };
    let Some(account) = header.filter(|account| *account != own) else {
        return Ok(Caller { account: own.clone(), owner: own, power });
    };
    if own != state.platform || state.object(account, Kind::Account, account).is_none() {
        return Err(no_access(key, account));
    }
    match state.link(account) {
        Link::None => Err(no_access(key, account)),
        Link::ReadOnly if write => Err(read_only(account)),
        Link::ReadOnly | Link::ReadWrite => Ok(Caller { account: account.to_owned(), owner: own, power }),
    }
}

/// Whether it is one of the platform's secret keys.
///
/// # Errors
/// 401 if it was one and has expired.
pub(crate) fn is_secret_key(options: &Options, state: &State, key: &str) -> Result<bool, ApiError> {
    match state.rolled_keys.get(key) {
        Some(true) => Ok(true),
        Some(false) => Err(unauthorized(&format!("Expired API Key provided: {}", masked(key))).code("api_key_expired")),
        None => Ok(key == options.secret_key),
    }
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(401, "invalid_request_error", message)
}

fn no_access(key: &str, account: &str) -> ApiError {
    ApiError::new(
        403,
        "invalid_request_error",
        format!(
            "The provided key '{}' does not have access to account '{account}' (or that account does not exist). \
             Application access may have been revoked.",
            masked(key)
        ),
    )
    .code("account_invalid")
}

fn read_only(account: &str) -> ApiError {
    ApiError::new(
        403,
        "invalid_request_error",
        format!("This application does not have the required permissions for this endpoint on account '{account}'."),
    )
}

/// A key as error messages show it, with only the ends readable.
pub(crate) fn masked(key: &str) -> String {
    let count = key.chars().count();
    let shown = |n: usize| (n < 8 && count > 12) || n + 4 >= count;
    key.chars().enumerate().map(|(n, letter)| if shown(n) { letter } else { '*' }).collect()
}
