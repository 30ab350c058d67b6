//! Account Links with their onboarding page, and login links to the Express Dashboard
//! (<https://docs.stripe.com/api/account_links>).

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::requirements::{self, Failure, Verdict};
use crate::stripe::context::Context;
use crate::stripe::errors::ApiError;
use crate::stripe::form::Node;
use crate::stripe::pages::{escape, page};
use crate::stripe::params::Params;
use crate::stripe::server::{Answer, Incomer};
use crate::stripe::state::{Fields, Kind, Link, State, random_text};

/// Parameters of `POST /v1/account_links`.
pub(crate) const CREATE: &str = "account collect:(currently_due|eventually_due) collection_options{fields \
    future_requirements requirements:any} refresh_url return_url type:(account_onboarding|account_update)";

/// A link can be opened for so many seconds.
const LIFETIME: i64 = 5 * 60;

/// Once opened, its page stays for so many seconds.
const SESSION: i64 = 60 * 60;

/// What an address under `/setup/` or `/express/` leads to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Door {
    account: String,
    refresh_url: String,
    return_url: String,
    expires_at: i64,
    /// An opened page rather than a link that opens one.
    opened: bool,
}

/// `POST /v1/account_links`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let account = params.required("account")?.to_owned();
    let kind = params.required("type")?;
    if ctx.is_connected() || ctx.state.link(&account) == Link::None || ctx.state.account(&account).is_none() {
        return Err(ApiError::no_such_param(Kind::Account, &account, "account"));
    }
    for name in ["refresh_url", "return_url"] {
        let address = params.required(name)?;
        if url::Url::parse(address).is_err() {
            return Err(ApiError::invalid("Not a valid URL").code("url_invalid").param(name));
        }
    }
    let owner = ctx.state.account(&account).map(|account| account.text("type").to_owned()).unwrap_or_default();
    if kind == "account_update" && owner != "custom" {
        return Err(ApiError::invalid(
            "You cannot create `account_update` type Account Links for this account. `account_update` is only available \
             for accounts where your platform is responsible for collecting requirements.",
        )
        .param("type"));
    }
    let letter = owner.chars().next().unwrap_or('s');
    let path = format!("/setup/{letter}/{account}/{}", random_text(12));
    let now = ctx.now();
    let door = Door {
        account,
        refresh_url: params.required("refresh_url")?.to_owned(),
        return_url: params.required("return_url")?.to_owned(),
        expires_at: now + LIFETIME,
        opened: false,
    };
    let url = format!("{}{path}", ctx.origin);
    ctx.state.doors.insert(path, door);
    Ok(json!({ "object": "account_link", "created": now, "expires_at": now + LIFETIME, "url": url }))
}

/// `POST /v1/accounts/{id}/login_links`
pub(crate) fn login(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let account = super::visible(ctx, path[0])?;
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
    };
    let url = format!("{}{address}", ctx.origin);
    ctx.state.doors.insert(address, door);
    Ok(json!({ "object": "login_link", "created": now, "url": url }))
}

/// The Express Dashboard, to whom a login link brings once.
pub(crate) fn dashboard(state: &mut State, request: &Incomer) -> Answer {
    let now = state.now();
    let Some(door) = state.doors.remove(&request.path).filter(|door| door.expires_at > now) else {
        return Answer::html(404, page("Express Dashboard", "<p class=\"error\">This link has expired or was used already.</p>"));
    };
    state.version += 1;
    let account = state.account(&door.account).cloned().unwrap_or_default();
    let name = account["business_profile"].maybe("name").or(account.maybe("email")).unwrap_or(&door.account);
    Answer::html(200, page("Express Dashboard", &format!("<p>{} ({})</p>", escape(name), escape(&door.account))))
}

/// The onboarding page: a link opens it once, and it leads back to the platform.
pub(crate) fn onboarding(ctx: &mut Context, request: &Incomer) -> Answer {
    ctx.state.version += 1;
    let now = ctx.now();
    let Some(door) = ctx.state.doors.get(&request.path).cloned() else {
        return Answer::html(404, page("Not found", "<p class=\"error\">There is no such Account Link.</p>"));
    };
    let linked = ctx.state.link(&door.account) != Link::None;
    if door.expires_at <= now || !linked {
        return Answer::redirect(&door.refresh_url);
    }
    if !door.opened {
        // Opened a second time, it leads to the refresh address as an expired one does.
        if let Some(link) = ctx.state.doors.get_mut(&request.path) {
            link.expires_at = now;
        }
        let path = format!("/setup/page/{}", random_text(24));
        let address = format!("{}{path}", ctx.origin);
        ctx.state.doors.insert(path, Door { opened: true, expires_at: now + SESSION, ..door });
        return Answer::redirect(&address);
    }
    if request.method == Method::POST {
        let form = Node::parse(&[&request.body]).to_value();
        let account = door.account.clone();
        ctx.account.clone_from(&account);
        match form.text("decision") {
            "submit" => requirements::fulfil(ctx, &account, Verdict::Complete),
            "fail" => requirements::fulfil(ctx, &account, Verdict::Failed(Failure::default())),
            "pending" => requirements::fulfil(ctx, &account, Verdict::Pending),
            "later" => {}
            _ => return show(ctx, request, &door),
        }
        ctx.state.doors.remove(&request.path);
        return Answer::redirect(&door.return_url);
    }
    show(ctx, request, &door)
}

fn show(ctx: &Context, request: &Incomer, door: &Door) -> Answer {
    let account = ctx.state.account(&door.account).cloned().unwrap_or_default();
    let due = account["requirements"]["currently_due"].as_array().cloned().unwrap_or_default();
    let list: String = due.iter().filter_map(Value::as_str).map(|name| format!("<li>{}</li>", escape(name))).collect();
    let asked = if list.is_empty() { "<p>Nothing is due.</p>".to_owned() } else { format!("<p>Still due:</p><ul>{list}</ul>") };
    let body = format!(
        "<p>Account {}.</p>{asked}<form method=\"post\" action=\"{}\">\
         <p><button type=\"submit\" name=\"decision\" value=\"submit\">Submit everything</button></p>\
         <p><button type=\"submit\" name=\"decision\" value=\"pending\" class=\"plain\">Submit, verification pending</button> \
         <button type=\"submit\" name=\"decision\" value=\"fail\" class=\"plain\">Submit, verification fails</button> \
         <button type=\"submit\" name=\"decision\" value=\"later\" class=\"plain\">Save for later</button></p></form>",
        escape(&door.account),
        escape(&request.path),
    );
    Answer::html(200, page("Complete your account", &body))
}
