//! The pages that Account Links and login links lead to.

use hyper::Method;
use serde_json::Value;

use crate::engine::accounts::requirements::{self, Failure, Verdict};
use crate::events::context::Context;
use crate::state::all::State;
use crate::state::door::Door;
use crate::state::row::Link;
use crate::words::form::Node;
use crate::words::html::{escape, page};
use crate::words::http::{Answer, Incomer};
use crate::words::ids::random_text;
use crate::words::json::Fields;

/// How long an opened page stays valid, in seconds.
const SESSION: i64 = 60 * 60;

/// The Express Dashboard, which a login link opens once.
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

/// The onboarding page, which a link opens once. It leads back to the platform.
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
        // Opening it again leads to the refresh URL, as for an expired link.
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
            "submit" => requirements::fulfil(ctx, &account, Verdict::Complete, door.collects),
            "fail" => requirements::fulfil(ctx, &account, Verdict::Failed(Failure::default()), door.collects),
            "pending" => requirements::fulfil(ctx, &account, Verdict::Pending, door.collects),
            "later" => {}
            _ => return show(ctx, request, &door),
        }
        ctx.state.doors.remove(&request.path);
        if door.return_url.is_empty() {
            return Answer::html(200, page("Complete your account", "<p>Thank you. You can close this page.</p>"));
        }
        return Answer::redirect(&door.return_url);
    }
    show(ctx, request, &door)
}

fn show(ctx: &Context, request: &Incomer, door: &Door) -> Answer {
    let account = ctx.state.account(&door.account).cloned().unwrap_or_default();
    let due = if door.collects.eventually_due { "eventually_due" } else { "currently_due" };
    let mut asked = account["requirements"][due].as_array().cloned().unwrap_or_default();
    if door.collects.future_requirements {
        asked.extend(account["future_requirements"][due].as_array().cloned().unwrap_or_default());
    }
    let list: String = asked.iter().filter_map(Value::as_str).map(|name| format!("<li>{}</li>", escape(name))).collect();
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
