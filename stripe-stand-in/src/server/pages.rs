//! The pages that people see: Checkout and 3-D Secure. (OAuth's consent page is in `oauth`.)

use hyper::Method;
use serde_json::Value;
use url::Url;

use crate::engine::checkout::{self, Payment};
use crate::engine::checkout_rows;
use crate::engine::checkout_subscribe;
use crate::engine::consequences::AFTER;
use crate::engine::payments;
use crate::engine::setup_intents;
use crate::engine::time;
use crate::events::context::Context;
use crate::server::account_pages;
use crate::server::host::Server;
use crate::server::invoice_pages;
use crate::state::all;
use crate::words::cards::{self, TestCard};
use crate::words::form::Node;
use crate::words::html;
use crate::words::http::{self, Answer, Incomer};
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;

/// Answers every request that is not for an API.
pub(crate) fn answer(server: &Server, request: &Incomer) -> Answer {
    let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        ["c", "pay", session] => checkout_page(server, request, session),
        ["3ds", intent] => authentication_page(server, request, intent),
        ["setup", ..] => {
            let mut state = server.state();
            time::catch_up(&mut state);
            let platform = state.platform.clone();
            account_pages::onboarding(&mut context(server, request, &mut state, &platform), request)
        }
        ["express", _, _] => account_pages::dashboard(&mut server.state(), request),
        ["i", invoice, ..] => invoice_page(server, request, invoice),
        ["receipts", charge] => Answer::html(200, html::page("Receipt", &format!("<p>Charge {}</p>", html::escape(charge)))),
        [""] => Answer::html(200, html::page("Stripe stand-in", "<p>It answers as Stripe's API under <code>/v1</code>.</p>")),
        _ => http::unknown_url(request),
    }
}

fn invoice_page(server: &Server, request: &Incomer, id: &str) -> Answer {
    let mut state = server.state();
    time::catch_up(&mut state);
    match state.owner_of(Kind::Invoice, id) {
        Some(account) => invoice_pages::answer(&mut context(server, request, &mut state, &account), request, id),
        None => Answer::html(404, html::page("Not found", "<p class=\"error\">There is no such invoice.</p>")),
    }
}

/// The context of a page: nobody is authenticated, and the current account is the object's.
fn context<'a>(server: &Server, request: &Incomer, state: &'a mut all::State, account: &str) -> Context<'a> {
    let mut ctx = Context::internal(state, account, &AFTER);
    ctx.origin = request.origin(server.address);
    ctx.client_id = server.options.client_id.clone();
    ctx
}

/// The success URL with the session's id filled in.
fn success_url(session: &Value) -> String {
    session.text("success_url").replace("{CHECKOUT_SESSION_ID}", session.text("id"))
}

fn checkout_page(server: &Server, request: &Incomer, id: &str) -> Answer {
    let mut state = server.state();
    time::catch_up(&mut state);
    let Some(account) = state.owner_of(Kind::CheckoutSession, id) else {
        return Answer::html(404, html::page("Not found", "<p class=\"error\">There is no such Checkout Session.</p>"));
    };
    let mut ctx = context(server, request, &mut state, &account);
    if request.method == Method::POST {
        return pay(&mut ctx, request, id);
    }
    // The buyer returns from 3-D Secure, having paid, or with the reason for failure.
    let failed = request.query.contains("redirect_status=failed");
    let message = failed.then(|| last_error(&ctx, id)).flatten();
    show(&ctx, id, message.as_deref())
}

fn last_error(ctx: &Context, id: &str) -> Option<String> {
    let session = ctx.state.object(&ctx.account, Kind::CheckoutSession, id)?;
    if session.text("mode") == "subscription" {
        return checkout_subscribe::last_error(ctx, id);
    }
    if let Some(intent) = session.maybe("setup_intent") {
        let intent = ctx.state.object(&ctx.account, Kind::SetupIntent, intent)?;
        return intent["last_setup_error"].maybe("message").map(str::to_owned);
    }
    let intent = ctx.state.object(&ctx.account, Kind::PaymentIntent, session.maybe("payment_intent")?)?;
    intent["last_payment_error"].maybe("message").map(str::to_owned)
}

fn pay(ctx: &mut Context, request: &Incomer, id: &str) -> Answer {
    let form = Node::parse(&[&request.body]).to_value();
    if form.text("action") == "apply" {
        return match checkout::apply_code(ctx, id, form.text("promotion_code")) {
            Ok(()) => show(ctx, id, None),
            Err(error) => show(ctx, id, error.fields().get("message").and_then(Value::as_str)),
        };
    }
    if form.text("action") != "pay" {
        return show(ctx, id, Some("Press Pay to pay."));
    }
    let Some(card) = TestCard::of_number(form.text("card_number")) else {
        return show(ctx, id, Some("Your card number is invalid."));
    };
    let default = (12, cards::next_year());
    let Some((exp_month, exp_year)) = form.maybe("card_expiry").map_or(Some(default), read_expiry) else {
        return show(ctx, id, Some("Your card's expiration date is incomplete."));
    };
    let payment = Payment { card, exp_month, exp_year, email: form.maybe("email") };
    match checkout::pay(ctx, id, &payment) {
        Err(error) => {
            let message = error.fields().get("message").and_then(Value::as_str).unwrap_or("The payment failed.");
            show(ctx, id, Some(message))
        }
        Ok(intent) => {
            let Some(object) = ctx.state.object(&ctx.account, kind_of(&intent), &intent) else {
                return show(ctx, id, None);
            };
            match object["next_action"]["redirect_to_url"].maybe("url") {
                Some(url) => Answer::redirect(url),
                None => show(ctx, id, None),
            }
        }
    }
}

/// The kind of an id, which is a PaymentIntent's or a SetupIntent's.
fn kind_of(intent: &str) -> Kind {
    if intent.starts_with("seti_") { Kind::SetupIntent } else { Kind::PaymentIntent }
}

/// `12 / 34`, `12/2034`
fn read_expiry(text: &str) -> Option<(i64, i64)> {
    let (month, year) = text.split_once('/')?;
    let (month, year): (i64, i64) = (month.trim().parse().ok()?, year.trim().parse().ok()?);
    let year = if year < 100 { year + 2000 } else { year };
    ((1..=12).contains(&month) && year >= 2000).then_some((month, year))
}

/// The page for the session's current state: the form, or a redirect to where it ended.
fn show(ctx: &Context, id: &str, message: Option<&str>) -> Answer {
    let Some(session) = ctx.state.object(&ctx.account, Kind::CheckoutSession, id) else {
        return Answer::html(404, html::page("Not found", ""));
    };
    match session.text("status") {
        "complete" => return Answer::redirect(&success_url(session)),
        "open" => {}
        _ => {
            let back = cancel_link(session);
            let body = format!("<p class=\"error\">This Checkout Session has expired.</p>{back}");
            return Answer::html(200, html::page("Checkout expired", &body));
        }
    }
    let currency = session.text("currency");
    let items: String = checkout_rows::items(ctx, id)
        .iter()
        .map(|item| {
            format!(
                "<li>{} × {}: {}</li>",
                item.int("quantity"),
                html::escape(item.text("description")),
                html::escape(&money::display(item.int("amount_total"), currency))
            )
        })
        .collect();
    let known = session["customer_details"].maybe("email").or(session.maybe("customer_email"));
    let email = match known {
        Some(email) => format!("<p>{}</p>", html::escape(email)),
        None => "<p><label for=\"email\">E-mail</label> <input id=\"email\" name=\"email\" type=\"email\" \
                 autocomplete=\"email\" value=\"buyer@example.com\"></p>"
            .to_owned(),
    };
    let error = message.map(|text| format!("<p class=\"error\" role=\"alert\">{}</p>", html::escape(text))).unwrap_or_default();
    let total = html::escape(&money::display(session.int("amount_total"), currency));
    let (heading, button) = if session.text("mode") == "setup" {
        ("<p>Save a card for later.</p>".to_owned(), "Save card".to_owned())
    } else {
        let verb = if session.text("mode") == "subscription" { "Subscribe for" } else { "Pay" };
        (format!("<ul>{items}</ul><p>Total: <strong>{total}</strong></p>"), format!("{verb} {total}"))
    };
    let year = (cards::next_year() + 5) % 100;
    let body = format!(
        "{heading}{error}<form method=\"post\" action=\"/c/pay/{id}\">{email}\
         <p><label for=\"card_number\">Card number</label> <input id=\"card_number\" name=\"card_number\" \
         inputmode=\"numeric\" autocomplete=\"cc-number\" value=\"4242 4242 4242 4242\" required></p>\
         <p><label for=\"card_expiry\">Expiry (MM / YY)</label> <input id=\"card_expiry\" name=\"card_expiry\" \
         autocomplete=\"cc-exp\" value=\"12 / {year:02}\" required></p>\
         <p><label for=\"card_cvc\">CVC</label> <input id=\"card_cvc\" name=\"card_cvc\" inputmode=\"numeric\" \
         autocomplete=\"cc-csc\" value=\"123\" required></p>\
         <p><button type=\"submit\" name=\"action\" value=\"pay\">{button}</button></p></form>{}{}",
        code_form(session),
        cancel_link(session)
    );
    Answer::html(200, html::page("Checkout", &body))
}

fn code_form(session: &Value) -> String {
    if !session.flag("allow_promotion_codes") {
        return String::new();
    }
    format!(
        "<form method=\"post\" action=\"/c/pay/{}\"><p><label for=\"promotion_code\">Promotion code</label> \
         <input id=\"promotion_code\" name=\"promotion_code\" autocomplete=\"off\" required></p>\
         <p><button type=\"submit\" name=\"action\" value=\"apply\" class=\"plain\">Apply</button></p></form>",
        session.text("id")
    )
}

fn cancel_link(session: &Value) -> String {
    session
        .maybe("cancel_url")
        .map(|address| format!("<p><a href=\"{}\">Cancel and go back</a></p>", html::escape(address)))
        .unwrap_or_default()
}

fn authentication_page(server: &Server, request: &Incomer, id: &str) -> Answer {
    let mut state = server.state();
    let query = Node::parse(&[request.query.as_bytes()]).to_value();
    let kind = kind_of(id);
    let found = state.owner_of(kind, id).and_then(|account| {
        let intent = state.object(&account, kind, id)?.clone();
        (intent.text("client_secret") == query.text("client_secret")).then_some((account, intent))
    });
    let Some((account, intent)) = found else {
        return Answer::html(404, html::page("Not found", "<p class=\"error\">There is no such payment.</p>"));
    };
    let mut ctx = context(server, request, &mut state, &account);
    if intent.text("status") != "requires_action" {
        return leave(&ctx, id);
    }
    if request.method == Method::POST {
        let form = Node::parse(&[&request.body]).to_value();
        let outcome = form.text("outcome");
        if outcome == "succeed" || outcome == "fail" {
            // It was in `requires_action` a moment ago, under the same lock.
            let _ = match kind {
                Kind::SetupIntent => setup_intents::authenticate(&mut ctx, id, outcome == "succeed"),
                _ => payments::authenticate(&mut ctx, id, outcome == "succeed"),
            };
            return leave(&ctx, id);
        }
    }
    let what = match kind {
        Kind::SetupIntent => "that your card may be kept".to_owned(),
        _ => format!("the payment of <strong>{}</strong>", html::escape(&money::display(intent.int("amount"), intent.text("currency")))),
    };
    let action = format!("/3ds/{id}?client_secret={}", intent.text("client_secret"));
    let method = ctx.state.object(&account, Kind::PaymentMethod, intent.text("payment_method"));
    let klarna = method.is_some_and(|method| method["type"] == "klarna");
    let (title, who) = if klarna { ("Klarna", "Klarna") } else { ("3-D Secure", "Your bank") };
    Answer::html(
        200,
        html::page(
            title,
            &format!(
                "<p>{who} asks you to confirm {what}.</p><form method=\"post\" action=\"{action}\">\
                 <p><button type=\"submit\" name=\"outcome\" value=\"succeed\">Complete authentication</button> \
                 <button type=\"submit\" name=\"outcome\" value=\"fail\" class=\"plain\">Fail authentication</button></p>\
                 </form>"
            ),
        ),
    )
}

/// Leads back to where the payment started, with its outcome.
fn leave(ctx: &Context, id: &str) -> Answer {
    let kind = kind_of(id);
    let name = if kind == Kind::SetupIntent { "setup_intent" } else { "payment_intent" };
    let intent = ctx.state.object(&ctx.account, kind, id).cloned().unwrap_or_default();
    let succeeded = ["succeeded", "requires_capture", "processing"].contains(&intent.text("status"));
    let status = if succeeded { "succeeded" } else { "failed" };
    let return_url = ctx.state.hidden(&ctx.account, kind, id, "return_url").and_then(Value::as_str);
    match return_url.and_then(|address| Url::parse(address).ok()) {
        Some(mut address) => {
            address
                .query_pairs_mut()
                .append_pair(name, id)
                .append_pair(&format!("{name}_client_secret"), intent.text("client_secret"))
                .append_pair("redirect_status", status);
            Answer::redirect(address.as_str())
        }
        None => Answer::html(200, html::page("3-D Secure", &format!("<p>The payment {status}. You can close this page.</p>"))),
    }
}
