//! Account Links of the newer API: <https://docs.stripe.com/api/v2/core/account_links>.

use serde_json::{Value, json};

use crate::events::context::Context;
use crate::resources::account_links::{self, Wanted};
use crate::resources::v2_accounts;
use crate::state::door::Collects;
use crate::words::calendar;
use crate::words::errors::ApiError;
use crate::words::params::Params;

const CASE: &str = "{collection_options{fields:(currently_due|eventually_due) future_requirements:(include|omit)} refresh_url return_url}";

/// Parameters of `POST /v2/core/account_links`. `configurations` was removed from them in `2026-09-30.endive`.
pub(crate) fn fields() -> String {
    format!("account use_case{{type:(account_onboarding|account_update) account_onboarding{CASE} account_update{CASE}}}")
}

/// `POST /v2/core/account_links`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let account = params.required("account")?;
    v2_accounts::visible(ctx, account)?;
    let case = params.object("use_case");
    let kind = case.required("type").map_err(|_| ApiError::missing("use_case[type]"))?;
    let missing = |name: &str| ApiError::missing(&format!("use_case[{kind}]{name}"));
    if !case.has(kind) {
        return Err(missing(""));
    }
    let other = if kind == "account_update" { "account_onboarding" } else { "account_update" };
    if case.has(other) {
        return Err(ApiError::invalid(format!("`use_case` is of type {kind}: {other} cannot be set.")));
    }
    let settings = case.object(kind);
    let refresh_url = settings.required("refresh_url").map_err(|_| missing("[refresh_url]"))?;
    let collects = Collects::of(&settings.object("collection_options"));
    let wanted = Wanted { account, kind, refresh_url, return_url: settings.text("return_url").unwrap_or_default(), collects };
    let (url, expires_at) = account_links::open(ctx, &wanted)?;
    Ok(json!({
        "object": "v2.core.account_link",
        "account": account,
        "created": calendar::timestamp(ctx.now()),
        "expires_at": calendar::timestamp(expires_at),
        "livemode": false,
        "url": url,
        "use_case": case.value(),
    }))
}
