//! Account Links and login links: <https://docs.stripe.com/api/account_links>.

use serde_json::{Value, json};

use crate::engine::accounts::rows;
use crate::events::context::Context;
use crate::state::door::{Collects, Door};
use crate::state::row::Link;
use crate::words::errors::ApiError;
use crate::words::ids::random_text;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Parameters of `POST /v1/account_links`.
pub(crate) const CREATE: &str = "account collect:(currently_due|eventually_due) collection_options{fields:(currently_due|eventually_due) \
    future_requirements:(include|omit)} refresh_url return_url type:(account_onboarding|account_update)";

/// How long a link can be opened, in seconds.
const LIFETIME: i64 = 5 * 60;

/// A link to create.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) account: &'a str,
    /// `account_onboarding` or `account_update`
    pub(crate) kind: &'a str,
    pub(crate) refresh_url: &'a str,
    /// Empty if its owner is not redirected.
    pub(crate) return_url: &'a str,
    pub(crate) collects: Collects,
}

/// `POST /v1/account_links`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let account = params.required("account")?;
    let kind = params.required("type")?;
    check_account(ctx, account)?;
    let (refresh_url, return_url) = (params.required("refresh_url")?, params.required("return_url")?);
    let mut collects = Collects::of(&params.object("collection_options"));
    // The deprecated form of it.
    collects.eventually_due |= params.text("collect") == Some("eventually_due");
    let (url, expires_at) = open(ctx, &Wanted { account, kind, refresh_url, return_url, collects })?;
    Ok(json!({ "object": "account_link", "created": ctx.now(), "expires_at": expires_at, "url": url }))
}

fn check_account(ctx: &Context, account: &str) -> Result<(), ApiError> {
    if ctx.is_connected() || ctx.state.link(account) == Link::None || ctx.state.account(account).is_none() {
        return Err(ApiError::no_such_param(Kind::Account, account, "account"));
    }
    Ok(())
}

/// Opens a page for a seller. Returns its URL and when it expires.
///
/// # Errors
/// 400 if the account is not connected, if a URL is invalid, or if the update belongs on Stripe's own page.
pub(crate) fn open(ctx: &mut Context, wanted: &Wanted) -> Result<(String, i64), ApiError> {
    let Wanted { account, kind, refresh_url, return_url, collects } = *wanted;
    check_account(ctx, account)?;
    for (name, address) in [("refresh_url", refresh_url), ("return_url", return_url)] {
        if !address.is_empty() && url::Url::parse(address).is_err() {
            return Err(ApiError::invalid("Not a valid URL").code("url_invalid").param(name));
        }
    }
    let owner = ctx.state.account(account).map(|account| account.text("type").to_owned()).unwrap_or_default();
    if kind == "account_update" && owner != "custom" {
        return Err(ApiError::invalid(
            "You cannot create `account_update` type Account Links for this account. `account_update` is only available \
             for accounts where your platform is responsible for collecting requirements.",
        )
        .param("type"));
    }
    let letter = owner.chars().next().unwrap_or('s');
    let path = format!("/setup/{letter}/{account}/{}", random_text(12));
    let expires_at = ctx.now() + LIFETIME;
    let door = Door {
        account: account.to_owned(),
        refresh_url: refresh_url.to_owned(),
        return_url: return_url.to_owned(),
        expires_at,
        opened: false,
        collects,
    };
    let url = format!("{}{path}", ctx.origin);
    ctx.state.doors.insert(path, door);
    Ok((url, expires_at))
}

/// `POST /v1/accounts/{id}/login_links`
pub(crate) fn login(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let account = rows::visible(ctx, path[0])?;
    if account.text("type") != "express" {
        return Err(ApiError::invalid("Cannot create a login link for an account that does not have access to the Express Dashboard."));
    }
    if !account.flag("details_submitted") {
        return Err(ApiError::invalid("Cannot create a login link for an account that has not completed onboarding."));
    }
    let address = format!("/express/{}/{}", path[0], random_text(12));
    let now = ctx.now();
    let door = Door {
        account: path[0].to_owned(),
        refresh_url: String::new(),
        return_url: String::new(),
        expires_at: now + LIFETIME,
        opened: false,
        collects: Collects::default(),
    };
    let url = format!("{}{address}", ctx.origin);
    ctx.state.doors.insert(address, door);
    Ok(json!({ "object": "login_link", "created": now, "url": url }))
}
