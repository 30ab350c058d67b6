//! The page on which an invoice's customer pays it: <https://docs.stripe.com/invoicing/hosted-invoice-page>.

use hyper::Method;
use serde_json::Value;

use crate::engine::billing::invoices;
use crate::engine::customer_rows;
use crate::engine::payment_methods::{self, New};
use crate::events::context::Context;
use crate::words::cards::{self, TestCard};
use crate::words::errors::ApiError;
use crate::words::form::Node;
use crate::words::html;
use crate::words::http::{Answer, Incomer};
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;

/// Shows the invoice, or processes the card entered on its page.
pub(crate) fn answer(ctx: &mut Context, request: &Incomer, id: &str) -> Answer {
    if request.method != Method::POST {
        return show(ctx, id, None);
    }
    let form = Node::parse(&[&request.body]).to_value();
    let Some(card) = TestCard::of_number(form.text("card_number")) else {
        return show(ctx, id, Some("Your card number is invalid."));
    };
    match pay(ctx, id, card) {
        Ok(()) => show(ctx, id, None),
        Err(error) => show(ctx, id, error.fields().get("message").and_then(Value::as_str)),
    }
}

/// Pays an open invoice with a new card.
///
/// # Errors
/// 400 if the invoice is not open or is waiting for its bank; 402 for a decline.
pub(crate) fn pay(ctx: &mut Context, id: &str, card: TestCard) -> Result<(), ApiError> {
    let invoice = ctx.fetch(Kind::Invoice, id, "invoice")?;
    let waits = intent(ctx, id).is_some_and(|intent| intent.text("status") == "processing");
    if invoice.text("status") != "open" || waits {
        return Err(ApiError::invalid(format!(
            "This invoice cannot be paid: it is {}.",
            if waits { "processing" } else { invoice.text("status") }
        )));
    }
    let method = payment_methods::make(ctx, &New { exp_year: cards::next_year(), ..New::plain(card) });
    let now = customer_rows::now_of(ctx, invoice.text("customer"));
    keep_return_url(ctx, id);
    invoices::pay(ctx, id, Some(&method), false, now)
}

fn intent(ctx: &Context, id: &str) -> Option<Value> {
    ctx.state.object(&ctx.account, Kind::PaymentIntent, &invoices::intent_of(ctx, id)?).cloned()
}

/// After authentication, the customer returns to the page.
fn keep_return_url(ctx: &mut Context, id: &str) {
    if let Some(intent) = invoices::intent_of(ctx, id) {
        let (account, back) = (ctx.account.clone(), format!("{}/i/{id}", ctx.origin));
        ctx.state.hide(&account, Kind::PaymentIntent, &intent, "return_url", back.into());
    }
}

fn show(ctx: &mut Context, id: &str, message: Option<&str>) -> Answer {
    let intent = intent(ctx, id);
    let status = intent.as_ref().map_or("", |intent| intent.text("status")).to_owned();
    if let Some(intent) = intent.as_ref().filter(|_| status == "requires_action") {
        keep_return_url(ctx, id);
        return Answer::redirect(&format!("{}/3ds/{}?client_secret={}", ctx.origin, intent.text("id"), intent.text("client_secret")));
    }
    let Some(invoice) = ctx.state.object(&ctx.account, Kind::Invoice, id) else { return Answer::html(404, html::page("Not found", "")) };
    let due = html::escape(&money::display(invoice.int("amount_due"), invoice.text("currency")));
    let state = if status == "processing" { "processing" } else { invoice.text("status") };
    let text = format!("<p>{}: {due}, {}</p>", html::escape(invoice.text("number")), html::escape(state));
    let last = intent.as_ref().and_then(|intent| intent["last_payment_error"].maybe("message"));
    let error = message.or(last).map(|text| format!("<p class=\"error\" role=\"alert\">{}</p>", html::escape(text))).unwrap_or_default();
    let form = format!(
        "{error}<form method=\"post\" action=\"/i/{id}\"><p><label for=\"card_number\">Card number</label> \
         <input id=\"card_number\" name=\"card_number\" inputmode=\"numeric\" autocomplete=\"cc-number\" value=\"4242 4242 4242 4242\" \
         required></p><p><button type=\"submit\" name=\"action\" value=\"pay\">Pay {due}</button></p></form>"
    );
    Answer::html(200, html::page("Invoice", &if state == "open" { text + &form } else { text }))
}
