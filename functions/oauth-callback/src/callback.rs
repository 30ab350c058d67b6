//! `GET /users/oauth/callback`: the browser returns from Stripe.
//!
//! Everything that can be checked without Stripe is checked first, so that a failed check does not use up the code. Then the state
//! is taken, which only one of several concurrent requests can do, and the code is sent to Stripe once.

use shared::base::entropy::digest;
use shared::domain::error::Error;
use shared::domain::sealed::SealedTokens;
use shared::domain::user::{AccountState, AccountType, AccountsApi, StripeLink, User};
use shared::http::cookie::Cookie;
use shared::http::{Request, Response, identity, problem, request, request_id, response};
use shared::settings::seal::seal;
use shared::store::links::Linked;
use shared::store::oauth::{ParkedLink, State, Taken};
use shared::stripe::error::StripeError;
use shared::stripe::oauth::TokenError;
use shared::stripe::objects::OAuthToken;
use shared::work::debts;

use crate::OAuthCallback;

/// Why nothing was linked: the `reason` in the URL that the browser is sent to. These are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The seller declined at Stripe.
    AccessDenied,
    /// Stripe sent a different error, or the parameters are invalid or repeated.
    InvalidRequest,
    /// The `state` is missing.
    MissingState,
    /// The `state` was never issued or has been used.
    InvalidState,
    /// The `state` is older than ten minutes.
    ExpiredState,
    /// The flow was started in another browser.
    WrongBrowser,
    /// The flow was started with a session that no longer exists.
    SignedOut,
    /// The browser has another user's session.
    WrongUser,
    /// The user is not, or no longer, a seller.
    NotASeller,
    /// The seller has already linked another account.
    AlreadyLinked,
    /// Another seller has linked this account.
    AccountTaken,
    /// Another account of the seller's owes the platform something.
    DebtsOpen,
    /// The code was used, has expired, or belongs to another platform.
    InvalidGrant,
    /// Stripe refused for another reason.
    StripeError,
    /// Stripe failed or took too long.
    StripeUnavailable,
    /// An internal error.
    ServerError,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 16] = [
        Self::AccessDenied,
        Self::InvalidRequest,
        Self::MissingState,
        Self::InvalidState,
        Self::ExpiredState,
        Self::WrongBrowser,
        Self::SignedOut,
        Self::WrongUser,
        Self::NotASeller,
        Self::AlreadyLinked,
        Self::AccountTaken,
        Self::DebtsOpen,
        Self::InvalidGrant,
        Self::StripeError,
        Self::StripeUnavailable,
        Self::ServerError,
    ];

    /// The reason as it appears in the URL.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::InvalidRequest => "invalid_request",
            Self::MissingState => "missing_state",
            Self::InvalidState => "invalid_state",
            Self::ExpiredState => "expired_state",
            Self::WrongBrowser => "wrong_browser",
            Self::SignedOut => "signed_out",
            Self::WrongUser => "wrong_user",
            Self::NotASeller => "not_a_seller",
            Self::AlreadyLinked => "already_linked",
            Self::AccountTaken => "account_taken",
            Self::DebtsOpen => "debts_open",
            Self::InvalidGrant => "invalid_grant",
            Self::StripeError => "stripe_error",
            Self::StripeUnavailable => "stripe_unavailable",
            Self::ServerError => "server_error",
        }
    }
}

enum Outcome {
    Linked,
    Parked(String),
}

/// Why a callback failed. An internal error carries its cause, which is logged.
struct Stopped(Reason, Option<Error>);

impl From<Reason> for Stopped {
    fn from(reason: Reason) -> Self {
        Self(reason, None)
    }
}

impl<E: Into<Error>> From<E> for Stopped
where
    E: std::error::Error,
{
    fn from(error: E) -> Self {
        Self(Reason::ServerError, Some(error.into()))
    }
}

/// Links the account and sends the browser back to the storefront: five DynamoDB trips, two at once, and two Stripe calls, one more for
/// each account that the platform created for the seller before.
pub async fn callback(oauth: &OAuthCallback, request: &Request) -> Response {
    let storefront = &oauth.app.config.storefront_url;
    let location = match link(oauth, request).await {
        Ok(Outcome::Linked) => format!("{storefront}/?connect=success"),
        Ok(Outcome::Parked(code)) => format!("{storefront}/?connect=confirm&code={code}"),
        Err(Stopped(reason, cause)) => {
            let id = request_id(request);
            if let Some(error) = &cause {
                problem::log(error, &id);
            }
            tracing::info!(request_id = id, reason = reason.code(), "nothing was linked");
            format!("{storefront}/?connect=error&reason={}", reason.code())
        }
    };
    response::with_cookie(response::redirect(&location), &Cookie::OAuth.set("", 0, &oauth.app.config))
}

async fn link(oauth: &OAuthCallback, request: &Request) -> Result<Outcome, Stopped> {
    let app = &oauth.app;
    let now = app.clock.now();
    let (code, state) = parameters(request)?;

    // Peek before taking: the wrong browser must not use up somebody else's state.
    let kept = checked(app.store.peek::<State>(&state, now).await?)?;
    let browser = Cookie::OAuth.read(request, &app.config).ok_or(Reason::WrongBrowser)?;
    if digest(&browser) != kept.browser {
        return Err(Reason::WrongBrowser.into());
    }
    let signed_in = signed_in(oauth, request).await?;
    let confirmed = signed_in.is_some();
    let seller = match signed_in {
        Some(user) if user.id != kept.user_id => return Err(Reason::WrongUser.into()),
        Some(user) => user,
        None if kept.with_session => return Err(Reason::SignedOut.into()),
        None => app.store.user(&kept.user_id).await?.ok_or(Reason::InvalidState)?,
    };
    check_user(oauth, &seller).await?;
    let owing = debts::owing(app, &oauth.stripe, &seller).await?;
    let kept = checked(app.store.take::<State>(&state, now).await?)?;

    let token = oauth.stripe.trade_code(&code).await.map_err(|error| match error {
        TokenError::Refused(code) if code == "invalid_grant" => Reason::InvalidGrant,
        TokenError::Refused(_) => Reason::StripeError,
        TokenError::Failed | TokenError::Timeout => Reason::StripeUnavailable,
    })?;
    // Only now is the account known, and whoever owes may link the one that owes again.
    if owing.iter().any(|account| *account != token.stripe_user_id) {
        return Err(Reason::DebtsOpen.into());
    }
    let (account_type, account_state) = account(oauth, &token.stripe_user_id, kept.express).await;
    let link = StripeLink {
        accounts_api: AccountsApi::V1,
        account_id: token.stripe_user_id.clone(),
        account_type,
        made_by_platform: false,
        scope: token.scope.clone(),
        livemode: token.livemode,
        linked_at: now,
        state: account_state,
    };
    let tokens = sealed(oauth, &kept, &token).await;

    if !confirmed {
        let code = app.entropy.secret();
        app.store.keep(&code, ParkedLink { user_id: kept.user_id, link, tokens }, now).await?;
        return Ok(Outcome::Parked(code));
    }
    match app.store.link(&kept.user_id, &link, &tokens).await? {
        Linked::Yes => Ok(Outcome::Linked),
        Linked::UserRefused => Err(Reason::AlreadyLinked.into()),
        Linked::AccountTaken => Err(Reason::AccountTaken.into()),
    }
}

/// The code and the state, if the seller agreed. A denial may come without a state.
fn parameters(request: &Request) -> Result<(String, String), Reason> {
    let (mut code, mut state, mut error) = (None, None, None);
    for (name, value) in request::query(request) {
        let place = match name.as_str() {
            "code" => &mut code,
            "state" => &mut state,
            "error" => &mut error,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err(Reason::InvalidRequest);
        }
    }
    match (error, code, state) {
        (Some(error), _, _) if error == "access_denied" => Err(Reason::AccessDenied),
        (Some(_), _, _) => Err(Reason::InvalidRequest),
        (None, _, None) => Err(Reason::MissingState),
        (None, Some(code), Some(state)) if !code.is_empty() => Ok((code, state)),
        (None, _, Some(_)) => Err(Reason::InvalidRequest),
    }
}

fn checked(taken: Taken<State>) -> Result<State, Reason> {
    match taken {
        Taken::Yes(state) => Ok(state),
        Taken::Expired => Err(Reason::ExpiredState),
        Taken::Unknown => Err(Reason::InvalidState),
    }
}

async fn signed_in(oauth: &OAuthCallback, request: &Request) -> Result<Option<User>, Stopped> {
    match identity::presented(request, &oauth.app.config) {
        Some(presented) => Ok(oauth.app.store.user_by_token(&presented.token, oauth.app.clock.now()).await?),
        None => Ok(None),
    }
}

/// Whether this user may link an account. If access to a linked account was revoked at Stripe but the event never arrived, the link
/// is removed here. Checking an existing link costs a call to Stripe.
async fn check_user(oauth: &OAuthCallback, user: &User) -> Result<(), Stopped> {
    if !user.is_seller {
        return Err(Reason::NotASeller.into());
    }
    let Some(link) = &user.stripe else { return Ok(()) };
    match oauth.stripe.account(&link.account_id).await {
        Err(StripeError::AccountRevoked) => {
            let _by_another = oauth.app.store.unlink(&user.id, &link.account_id, oauth.app.clock.now()).await?;
            tracing::info!(user_id = %user.id, "removed a link whose access had been revoked at Stripe");
            Ok(())
        }
        _ => Err(Reason::AlreadyLinked.into()),
    }
}

/// The type and state of the account. If Stripe does not answer, the requested type is assumed; the first charge
/// shows the rest, and `account.updated` keeps it current.
async fn account(oauth: &OAuthCallback, account: &str, express: bool) -> (AccountType, AccountState) {
    let asked_at = oauth.app.clock.now();
    let asked_for = if express { AccountType::Express } else { AccountType::Standard };
    match oauth.stripe.account(account).await {
        Ok(account) => (account.account_type().unwrap_or(asked_for), account.state(asked_at)),
        Err(_) => (asked_for, AccountState { charges_enabled: true, ..AccountState::default() }),
    }
}

async fn sealed(oauth: &OAuthCallback, state: &State, token: &OAuthToken) -> SealedTokens {
    let keys = oauth.token_keys.current().await;
    seal(&keys, &state.user_id, &token.to_be_sealed(), &oauth.app.entropy)
}
