//! PaymentMethods: created, attached, used, and used up.

use serde_json::{Map, Value, json};

use crate::engine::customer_rows;
use crate::engine::tokens;
use crate::events::context::Context;
use crate::words::cards::{self, TestCard, Verdict};
use crate::words::errors::ApiError;
use crate::words::ids::new_id;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// The error for a PaymentMethod that was charged and may not be used again.
const SPENT: &str = "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, \
    shared with a connected account without Customer attachment, or was detached from a Customer. It may not be used \
    again. To use a PaymentMethod multiple times, you must attach it to a Customer first.";

/// The properties of a new PaymentMethod.
#[derive(Clone, Debug)]
pub(crate) struct New<'a> {
    pub(crate) card: TestCard,
    pub(crate) exp_month: i64,
    pub(crate) exp_year: i64,
    pub(crate) billing: Value,
    pub(crate) metadata: Value,
    pub(crate) allow_redisplay: &'a str,
}

impl New<'_> {
    /// A test card without anything else.
    pub(crate) fn plain(card: TestCard) -> Self {
        New {
            card,
            exp_month: 12,
            exp_year: cards::next_year(),
            billing: customer_rows::billing_details(&Params::none()),
            metadata: json!({}),
            allow_redisplay: "unspecified",
        }
    }
}

/// Creates a PaymentMethod that belongs to no customer.
pub(crate) fn make(ctx: &mut Context, new: &New) -> String {
    let id = new_id("pm");
    let mut object = json!({
        "id": id,
        "object": "payment_method",
        "allow_redisplay": new.allow_redisplay,
        "billing_details": new.billing,
        "card": new.card.payment_method(new.exp_month, new.exp_year),
        "created": ctx.now(),
        "customer": null,
        "customer_account": null,
        "livemode": false,
        "metadata": new.metadata,
        "type": "card",
    });
    if !new.card.is_card() {
        object["type"] = new.card.kind.into();
        object[new.card.kind] = new.card.method_details(&new.billing);
        if let Some(fields) = object.as_object_mut() {
            fields.remove("card");
        }
    }
    let mut hidden = Map::new();
    hidden.insert("card".into(), new.card.name.into());
    let account = ctx.account.clone();
    ctx.state.insert(&account, Kind::PaymentMethod, object, hidden);
    id
}

/// The test card or bank account behind a stored PaymentMethod.
pub(crate) fn card(ctx: &Context, id: &str) -> Option<TestCard> {
    TestCard::of_name(ctx.state.hidden(&ctx.account, Kind::PaymentMethod, id, "card")?.as_str()?)
}

fn mark(ctx: &Context, id: &str, name: &str) -> bool {
    ctx.state.hidden(&ctx.account, Kind::PaymentMethod, id, name).is_some()
}

/// Whether it was set up for later use with authentication.
pub(crate) fn is_set_up(ctx: &Context, id: &str) -> bool {
    mark(ctx, id, "set_up")
}

/// Sets a mark: `spent` or `set_up`.
pub(crate) fn set_mark(ctx: &mut Context, id: &str, name: &str) {
    let account = ctx.account.clone();
    ctx.state.hide(&account, Kind::PaymentMethod, id, name, true.into());
}

/// The stored PaymentMethod that a parameter names; a test id (`pm_card_visa`) creates one.
///
/// # Errors
/// 400 `resource_missing`, also for tokens and for PaymentMethods of other accounts.
pub(crate) fn resolve(ctx: &mut Context, id: &str, param: &str) -> Result<String, ApiError> {
    if let Some(card) = TestCard::of_id(id).filter(|_| id.starts_with("pm_")) {
        return Ok(make(ctx, &New::plain(card)));
    }
    if ctx.state.object(&ctx.account, Kind::PaymentMethod, id).is_none() {
        return Err(missing(ctx, id, 400, param));
    }
    Ok(id.to_owned())
}

/// The error for one that the account does not have, with a hint where it may be.
pub(crate) fn missing(ctx: &Context, id: &str, status: u16, param: &str) -> ApiError {
    let elsewhere = if ctx.is_connected() && ctx.state.object(&ctx.state.platform, Kind::PaymentMethod, id).is_some() {
        "; OAuth key or Stripe-Account header was used but API request was provided with a platform-owned payment method ID. Please \
         ensure that the provided payment method matches the specified account."
    } else if ctx.is_connected() {
        ""
    } else {
        "; It's possible this PaymentMethod exists on one of your connected accounts, in which case you should retry this request on \
         that connected account. Learn more at https://stripe.com/docs/connect/authentication"
    };
    let error = ApiError::new(status, "invalid_request_error", format!("No such PaymentMethod: '{id}'{elsewhere}"));
    error.code("resource_missing").param(param).of_parameters()
}

/// Checks that a payment of this customer, or of none, may use it.
///
/// # Errors
/// 400 if it belongs to another customer or was used up.
pub(crate) fn check_use(ctx: &Context, id: &str, customer: Option<&str>) -> Result<(), ApiError> {
    let method = ctx.fetch_param(Kind::PaymentMethod, id, "payment_method")?;
    match (method.maybe("customer"), customer) {
        (Some(owner), Some(customer)) if owner != customer => Err(ApiError::invalid(format!(
            "The customer does not have a payment method with the ID {id}. The payment method must be attached to the \
             customer."
        ))
        .param("payment_method")),
        (Some(owner), None) => Err(ApiError::invalid(format!(
            "The PaymentMethod {id} belongs to the Customer {owner}. Please include the Customer in the `customer` \
             parameter on the PaymentIntent."
        ))
        .param("payment_method")),
        (None, _) if mark(ctx, id, "spent") => Err(ApiError::invalid(SPENT)),
        _ => Ok(()),
    }
}

/// Checks that it may be attached to a customer.
///
/// # Errors
/// 400 if it is attached or used up; 402 if the bank declines it.
pub(crate) fn check_attach(ctx: &Context, id: &str, param: &str) -> Result<(), ApiError> {
    let test = TestCard::of_id(id).filter(|_| id.starts_with("pm_"));
    let card = match test {
        Some(card) => Some(card),
        None => {
            let method = ctx.fetch_param(Kind::PaymentMethod, id, param)?;
            if method.maybe("customer").is_some() {
                return Err(ApiError::invalid("The payment method you provided has already been attached to a customer."));
            }
            if mark(ctx, id, "spent") {
                return Err(ApiError::invalid(SPENT));
            }
            card(ctx, id)
        }
    };
    if let Some(card) = card.filter(|card| !card.can_be_kept()) {
        return Err(ApiError::invalid(format!("PaymentMethods of type {} cannot be saved to customers.", card.kind)).param(param));
    }
    match card.map(|card| (card.declines_attach, card.verdict)) {
        Some((true, Verdict::Decline(decline))) => Err(decline.error()),
        _ => Ok(()),
    }
}

/// Attaches it; a test id creates it first.
pub(crate) fn attach_to(ctx: &mut Context, id: &str, customer: &str) -> Result<String, ApiError> {
    let id = resolve(ctx, id, "payment_method")?;
    ctx.set(Kind::PaymentMethod, &id, json!({ "customer": customer }));
    ctx.emit("payment_method.attached", Kind::PaymentMethod, &id);
    Ok(id)
}

/// Detaches it from its customer; it cannot be used again.
pub(crate) fn detach_from(ctx: &mut Context, id: &str) {
    let account = ctx.account.clone();
    let customer = ctx.state.object(&account, Kind::PaymentMethod, id).map(|pm| pm["customer"].clone()).unwrap_or_default();
    let before = json!({ "customer": customer });
    ctx.set(Kind::PaymentMethod, id, json!({ "customer": null }));
    set_mark(ctx, id, "spent");
    if let Some(customer) = customer.as_str() {
        customer_rows::forget_card(ctx, customer, id);
    }
    ctx.emit_change(&account, "payment_method.detached", Kind::PaymentMethod, id, &before);
}

/// A customer's PaymentMethods.
pub(crate) fn of_customer(ctx: &Context, customer: &str) -> Vec<Value> {
    let rows = ctx.state.rows(&ctx.account, Kind::PaymentMethod).iter().map(|row| &row.object);
    rows.filter(|method| method["customer"] == customer).cloned().collect()
}

/// Creates one from a token, from a card's number, or as a clone of the platform's.
///
/// # Errors
/// 400 for anything else, and whatever error the token or number causes.
pub(crate) fn from_params(ctx: &mut Context, params: &Params) -> Result<String, ApiError> {
    let id = if params.has("payment_method") {
        clone(ctx, params)?
    } else {
        match params.required("type")? {
            "card" => {}
            kind @ ("sepa_debit" | "us_bank_account") => return from_account(ctx, kind, params),
            kind @ ("klarna" | "link") => return other(ctx, kind, params),
            other => {
                let message = format!("Invalid type: the stand-in has cards, Klarna, Link, SEPA and ACH debits only, not {other}.");
                return Err(ApiError::invalid(message).param("type"));
            }
        }
        if !params.has("card") {
            return Err(ApiError::missing("card"));
        }
        let given = params.object("card");
        let (card, exp_month, exp_year) = match given.text("token") {
            Some(token) => tokens::redeem(ctx, token)?,
            None => tokens::raw_card(ctx, &given)?,
        };
        let new = New {
            card,
            exp_month,
            exp_year,
            billing: customer_rows::billing_details(&params.object("billing_details")),
            metadata: params.metadata(),
            allow_redisplay: params.text("allow_redisplay").unwrap_or("unspecified"),
        };
        make(ctx, &new)
    };
    Ok(id)
}

/// Creates one of Klarna, which requires the buyer's country and e-mail address, or of Link
/// (<https://docs.stripe.com/payments/klarna/accept-a-payment>).
fn other(ctx: &mut Context, kind: &str, params: &Params) -> Result<String, ApiError> {
    let billing = params.object("billing_details");
    if kind == "klarna" && billing.text("email").is_none() {
        return Err(ApiError::missing("billing_details[email]"));
    }
    if kind == "klarna" && billing.object("address").text("country").is_none() {
        return Err(ApiError::missing("billing_details[address][country]"));
    }
    let Some(card) = TestCard::of_name(kind) else { return Err(ApiError::missing("type")) };
    let new = New {
        billing: customer_rows::billing_details(&billing),
        metadata: params.metadata(),
        allow_redisplay: params.text("allow_redisplay").unwrap_or("unspecified"),
        ..New::plain(card)
    };
    Ok(make(ctx, &new))
}

/// Creates one from a test bank account's number.
fn from_account(ctx: &mut Context, kind: &str, params: &Params) -> Result<String, ApiError> {
    let number = if kind == "sepa_debit" { "iban" } else { "account_number" };
    let param = format!("{kind}[{number}]");
    let given = params.object(kind).text(number).ok_or_else(|| ApiError::missing(&param))?.to_owned();
    let billing = params.object("billing_details");
    if billing.text("name").is_none() {
        return Err(ApiError::missing("billing_details[name]"));
    }
    let Some(card) = TestCard::of_number(&given).filter(|account| account.kind == kind) else {
        let code = if kind == "sepa_debit" { "invalid_bank_account_iban" } else { "account_number_invalid" };
        return Err(ApiError::invalid("The stand-in only knows Stripe's test bank accounts.").code(code).param(&param));
    };
    let new = New {
        billing: customer_rows::billing_details(&billing),
        metadata: params.metadata(),
        allow_redisplay: params.text("allow_redisplay").unwrap_or("unspecified"),
        ..New::plain(card)
    };
    Ok(make(ctx, &new))
}

/// Clones one of the platform's PaymentMethods to the connected account
/// (<https://docs.stripe.com/connect/direct-charges-multiple-accounts>).
fn clone(ctx: &mut Context, params: &Params) -> Result<String, ApiError> {
    let source = params.required("payment_method")?.to_owned();
    if !ctx.is_connected() {
        return Err(ApiError::invalid(
            "You must authenticate as a connected account to be able to clone a PaymentMethod. Please use the \
             Stripe-Account header.",
        ));
    }
    let customer = params.text("customer").map(str::to_owned);
    let platform = ctx.state.platform.clone();
    let new = ctx.as_account(&platform, |ctx| {
        if let Some(customer) = &customer {
            customer_rows::living(ctx, customer, "customer")?;
        }
        let source = if customer.is_none() { resolve(ctx, &source, "payment_method")? } else { source.clone() };
        let method = ctx.fetch_param(Kind::PaymentMethod, &source, "payment_method")?;
        if customer.is_some() && method.maybe("customer") != customer.as_deref() {
            return Err(ApiError::invalid(format!(
                "The customer does not have a payment method with the ID {source}. The payment method must be attached \
                 to the customer."
            ))
            .param("payment_method"));
        }
        check_use(ctx, &source, customer.as_deref())?;
        let card = card(ctx, &source).ok_or_else(|| ApiError::no_such_param(Kind::PaymentMethod, &source, "payment_method"))?;
        if customer.is_none() {
            set_mark(ctx, &source, "spent");
        }
        Ok((
            New {
                card,
                exp_month: method["card"].int("exp_month"),
                exp_year: method["card"].int("exp_year"),
                billing: method["billing_details"].clone(),
                metadata: json!({}),
                allow_redisplay: "unspecified",
            },
            is_set_up(ctx, &source),
        ))
    })?;
    let (new, set_up) = new;
    let id = make(ctx, &New { metadata: params.metadata(), ..new });
    if set_up {
        set_mark(ctx, &id, "set_up");
    }
    Ok(id)
}
