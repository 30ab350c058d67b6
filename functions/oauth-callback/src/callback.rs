//! `GET /users/oauth/callback`: the browser comes back from Stripe.
//!
//! All that can be known without Stripe is checked first, so that a wrong turn spends no code. The state is taken,
//! which only one of any number of requests can, and then Stripe is asked, once.

use shared::entropy::digest;
use shared::error::Error;
use shared::http::cookie::Cookie;
use shared::http::{Request, Response, identity, problem, request, request_id, response};
use shared::seal::seal;
use shared::store::links::{Linked, SealedTokens};
use shared::store::oauth::{ParkedLink, State, Taken};
use shared::stripe::error::StripeError;
use shared::stripe::oauth::TokenError;
use shared::stripe::objects::OAuthToken;
use shared::user::{AccountState, AccountType, StripeLink, User};

use crate::OAuthCallback;

/// Why nothing was linked: `reason` in the address that the browser is sent to. Stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The seller said no at Stripe.
    AccessDenied,
    /// Stripe sent another error, or the parameters make no sense, or stand twice.
    InvalidRequest,
    /// No `state`.
    MissingState,
    /// A `state` that was never issued, or was used.
    InvalidState,
    /// A `state` older than ten minutes.
    ExpiredState,
    /// Another browser started.
    WrongBrowser,
    /// The browser started with a session and has none now.
    SignedOut,
    /// The browser has another user's session.
    WrongUser,
    /// The user is no seller (any more).
    NotASeller,
    /// The seller has another account linked.
    AlreadyLinked,
    /// Another seller has linked this account.
    AccountTaken,
    /// The code is no good: used, expired, or another platform's.
    InvalidGrant,
    /// Stripe refused for another reason.
    StripeError,
    /// Stripe failed or took too long.
    StripeUnavailable,
    /// A fault of ours.
    ServerError,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 15] = [
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
        Self::InvalidGrant,
        Self::StripeError,
        Self::StripeUnavailable,
        Self::ServerError,
    ];

    /// As it stands in the address.
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

/// Why a callback stopped; a fault of ours carries its cause to the log.
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

/// Links the account and sends the browser back to the storefront: three DynamoDB trips and two Stripe calls.
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

    // Look before taking: a wrong browser must not be able to spend somebody else's state.
    let kept = checked(app.store.peek::<State>(&state, now).await?)?;
    let browser = Cookie::OAuth.read(request, &app.config).ok_or(Reason::WrongBrowser)?;
    if digest(&browser) != kept.browser {
        return Err(Reason::WrongBrowser.into());
    }
    let signed_in = signed_in(oauth, request).await?;
    let confirmed = match signed_in {
        Some(user) if user.id != kept.user_id => return Err(Reason::WrongUser.into()),
        Some(user) => {
            check_user(oauth, &user).await?;
            true
        }
        None if kept.with_session => return Err(Reason::SignedOut.into()),
        None => {
            check_user(oauth, &app.store.user(&kept.user_id).await?.ok_or(Reason::InvalidState)?).await?;
            false
        }
    };
    let kept = checked(app.store.take::<State>(&state, now).await?)?;

    let token = oauth.stripe.trade_code(&code).await.map_err(|error| match error {
        TokenError::Refused(code) if code == "invalid_grant" => Reason::InvalidGrant,
        TokenError::Refused(_) => Reason::StripeError,
        TokenError::Failed | TokenError::Timeout => Reason::StripeUnavailable,
    })?;
    let (account_type, account_state) = account(oauth, &token.stripe_user_id, kept.express).await;
    let link = StripeLink {
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

/// The code and the state, where Stripe says yes. A denial may come without a state.
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

/// Whether this user may link an account. A link whose access was taken away at Stripe, and whose event nobody heard, is none:
/// it is forgotten. That costs a call to Stripe, where there is a link.
async fn check_user(oauth: &OAuthCallback, user: &User) -> Result<(), Stopped> {
    if !user.is_seller {
        return Err(Reason::NotASeller.into());
    }
    let Some(link) = &user.stripe else { return Ok(()) };
    match oauth.stripe.account(&link.account_id).await {
        Err(StripeError::AccountRevoked) => {
            let _by_another = oauth.app.store.unlink(&user.id, &link.account_id).await?;
            tracing::info!(user_id = %user.id, "the access of a link was taken away unheard");
            Ok(())
        }
        _ => Err(Reason::AlreadyLinked.into()),
    }
}

/// What kind of account it is, and how it stands. Where Stripe does not say, it is what was asked for, the first charge
/// will tell the rest, and `account.updated` keeps it current.
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
