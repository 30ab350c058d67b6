//! PaymentMethods, of cards only: <https://docs.stripe.com/api/payment_methods>.

use serde_json::{Map, Value, json};

use super::cards::{TestCard, Verdict};
use super::context::Context;
use super::customers::{self, address};
use super::errors::ApiError;
use super::params::Params;
use super::state::{Fields, Kind, new_id};
use super::{list, tokens};

/// Parameters of `POST /v1/payment_methods`.
pub(crate) const CREATE: &str = "allow_redisplay billing_details{address{city country line1 line2 postal_code state} \
    email name phone tax_id} card{cvc exp_month:i exp_year:i networks:any number token} customer metadata:m \
    payment_method radar_options:any type";

/// Parameters of `POST /v1/payment_methods/{id}`.
pub(crate) const UPDATE: &str = "allow_redisplay billing_details{address{city country line1 line2 postal_code state} \
    email name phone tax_id} card{exp_month:i exp_year:i networks:any} metadata:m";

/// A PaymentMethod was charged once and may not be again.
const SPENT: &str = "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, \
    shared with a connected account without Customer attachment, or was detached from a Customer. It may not be used \
    again. To use a PaymentMethod multiple times, you must attach it to a Customer first.";

/// A year in which cards are still valid.
pub(crate) fn next_year() -> i64 {
    // Near enough to a year: the day does not matter.
    1971 + super::state::real_now() / 31_556_952
}

/// What a new PaymentMethod is like.
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
            exp_year: next_year(),
            billing: billing_details(&Params::none()),
            metadata: json!({}),
            allow_redisplay: "unspecified",
        }
    }
}

/// `billing_details` with every field that Stripe answers.
pub(crate) fn billing_details(given: &Params) -> Value {
    let mut street = address(given, "address");
    if street.is_null() {
        street = json!({
            "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
        });
    }
    json!({
        "address": street,
        "email": given.text("email"),
        "name": given.text("name"),
        "phone": given.text("phone"),
        "tax_id": given.text("tax_id"),
    })
}

/// Makes a PaymentMethod that belongs to no customer.
pub(crate) fn make(ctx: &mut Context, new: &New) -> String {
    let id = new_id("pm");
    let object = json!({
        "id": id,
        "object": "payment_method",
        "allow_redisplay": new.allow_redisplay,
        "billing_details": new.billing,
        "card": new.card.payment_method(new.exp_month, new.exp_year),
        "created": ctx.now(),
        "customer": null,
        "livemode": false,
        "metadata": new.metadata,
        "type": "card",
    });
    let mut hidden = Map::new();
    hidden.insert("card".into(), new.card.name.into());
    let account = ctx.account.clone();
    ctx.state.insert(&account, Kind::PaymentMethod, object, hidden);
    id
}

/// The test card behind a stored PaymentMethod.
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

/// The stored PaymentMethod that a parameter names; a test id (`pm_card_visa`) makes one.
///
/// # Errors
/// 400 `resource_missing`, also for tokens and for PaymentMethods of other accounts.
pub(crate) fn resolve(ctx: &mut Context, id: &str, param: &str) -> Result<String, ApiError> {
    if let Some(card) = TestCard::of_id(id).filter(|_| id.starts_with("pm_")) {
        return Ok(make(ctx, &New::plain(card)));
    }
    ctx.fetch_param(Kind::PaymentMethod, id, param)?;
    Ok(id.to_owned())
}

/// Whether a payment of this customer (or of none) may use it.
///
/// # Errors
/// 400 where it belongs to another customer, or was used up.
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

/// Whether it may be attached to a customer.
///
/// # Errors
/// 400 where it is attached or used up; 402 where the bank declines it.
pub(crate) fn check_attach(ctx: &Context, id: &str, param: &str) -> Result<(), ApiError> {
    let test = TestCard::of_id(id).filter(|_| id.starts_with("pm_"));
    let card = match test {
        Some(card) => Some(card),
        None => {
            let method = ctx.fetch_param(Kind::PaymentMethod, id, param)?;
            if method.maybe("customer").is_some() {
                return Err(ApiError::invalid("The payment method you provided has already been attached to a customer.")
                    .code("payment_method_unexpected_state"));
            }
            if mark(ctx, id, "spent") {
                return Err(ApiError::invalid(SPENT));
            }
            card(ctx, id)
        }
    };
    match card.map(|card| (card.declines_attach, card.verdict)) {
        Some((true, Verdict::Decline(decline))) => Err(decline.error()),
        _ => Ok(()),
    }
}

/// Attaches it, making it first where a test id is given.
pub(crate) fn attach_to(ctx: &mut Context, id: &str, customer: &str) -> Result<String, ApiError> {
    let id = resolve(ctx, id, "payment_method")?;
    ctx.set(Kind::PaymentMethod, &id, json!({ "customer": customer }));
    ctx.emit("payment_method.attached", Kind::PaymentMethod, &id);
    Ok(id)
}

/// Takes it from its customer; it cannot be used again.
pub(crate) fn detach_from(ctx: &mut Context, id: &str) {
    let account = ctx.account.clone();
    let customer = ctx.state.object(&account, Kind::PaymentMethod, id).map(|pm| pm["customer"].clone()).unwrap_or_default();
    let before = json!({ "customer": customer });
    ctx.set(Kind::PaymentMethod, id, json!({ "customer": null }));
    set_mark(ctx, id, "spent");
    if let Some(customer) = customer.as_str() {
        customers::forget_card(ctx, customer, id);
    }
    ctx.emit_change(&account, "payment_method.detached", Kind::PaymentMethod, id, &before);
}

/// A customer's PaymentMethods.
pub(crate) fn of_customer(ctx: &Context, customer: &str) -> Vec<Value> {
    let rows = ctx.state.rows(&ctx.account, Kind::PaymentMethod).iter().map(|row| &row.object);
    rows.filter(|method| method["customer"] == customer).cloned().collect()
}

/// `POST /v1/payment_methods`: from a token, from a card's number (a browser's key), or as a clone of a platform's.
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = if params.has("payment_method") {
        clone(ctx, params)?
    } else {
        match params.required("type")? {
            "card" => {}
            other => {
                return Err(ApiError::invalid(format!("Invalid type: the stand-in has cards only, not {other}.")).param("type"));
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
            billing: billing_details(&params.object("billing_details")),
            metadata: params.metadata(),
            allow_redisplay: params.text("allow_redisplay").unwrap_or("unspecified"),
        };
        make(ctx, &new)
    };
    ctx.fetch(Kind::PaymentMethod, &id, "id")
}

/// Clones a platform's PaymentMethod to the connected account
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
            customers::living(ctx, customer, "customer")?;
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

/// `GET /v1/payment_methods/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::PaymentMethod, path[0], "payment_method")
}

/// `POST /v1/payment_methods/{id}`: only one that belongs to a customer.
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::PaymentMethod, path[0], "payment_method")?;
    if before["customer"].is_null() {
        return Err(ApiError::invalid("You must save this PaymentMethod to a customer before you can update it."));
    }
    let mut after = json!({ "metadata": params.merged_metadata(&before["metadata"]) });
    if params.has("billing_details") {
        after["billing_details"] = billing_details(&params.object("billing_details"));
    }
    if let Some(choice) = params.text("allow_redisplay") {
        after["allow_redisplay"] = choice.into();
    }
    let card = params.object("card");
    after["card"] = before["card"].clone();
    for name in ["exp_month", "exp_year"] {
        if let Some(number) = card.int(name) {
            after["card"][name] = number.into();
        }
    }
    ctx.set(Kind::PaymentMethod, path[0], after);
    let account = ctx.account.clone();
    ctx.emit_change(&account, "payment_method.updated", Kind::PaymentMethod, path[0], &before);
    ctx.fetch(Kind::PaymentMethod, path[0], "payment_method")
}

/// `POST /v1/payment_methods/{id}/attach`
pub(crate) fn attach(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let customer = params.required("customer")?.to_owned();
    customers::living(ctx, &customer, "customer")?;
    // Attaching again to the same customer changes nothing.
    if let Some(method) = ctx.state.object(&ctx.account, Kind::PaymentMethod, path[0])
        && method.maybe("customer") == Some(&customer)
    {
        return Ok(method.clone());
    }
    if TestCard::of_id(path[0]).is_none() {
        ctx.fetch(Kind::PaymentMethod, path[0], "payment_method")?;
    }
    check_attach(ctx, path[0], "payment_method")?;
    let id = attach_to(ctx, path[0], &customer)?;
    ctx.fetch(Kind::PaymentMethod, &id, "payment_method")
}

/// `POST /v1/payment_methods/{id}/detach`
pub(crate) fn detach(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let method = ctx.fetch(Kind::PaymentMethod, path[0], "payment_method")?;
    if method["customer"].is_null() {
        return Err(ApiError::invalid("The payment method you provided is not attached to a customer so detachment is impossible."));
    }
    detach_from(ctx, path[0]);
    ctx.fetch(Kind::PaymentMethod, path[0], "payment_method")
}

/// `GET /v1/payment_methods`: a customer's, or all of the account.
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let customer = params.text("customer").map(str::to_owned);
    if let Some(customer) = &customer {
        ctx.fetch_param(Kind::Customer, customer, "customer")?;
    }
    let kind = params.text("type").map(str::to_owned);
    list::page(ctx, Kind::PaymentMethod, params, "/v1/payment_methods", |row| {
        customer.as_deref().is_none_or(|customer| row["customer"] == customer) && kind.as_deref().is_none_or(|kind| row["type"] == kind)
    })
}
