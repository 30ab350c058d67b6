//! Common parts of Checkout.

use serde_json::{Value, json};

use crate::engine::customers;
use crate::events::context::Context;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// The parameters of a session's PaymentIntent.
pub(crate) fn intent_params(amount: i64, currency: &str, customer: Option<&str>, data: &Params) -> Params {
    let mut value = data.value().clone();
    if !value.is_object() {
        value = json!({});
    }
    value["amount"] = amount.into();
    value["currency"] = currency.into();
    if let Some(customer) = customer {
        value["customer"] = customer.into();
    }
    Params::from_value(value)
}

/// What a session sells.
pub(crate) fn items(ctx: &Context, id: &str) -> Vec<Value> {
    let account = ctx.state.owner_of(Kind::CheckoutSession, id).unwrap_or_else(|| ctx.account.clone());
    let items = ctx.state.hidden(&account, Kind::CheckoutSession, id, "items");
    items.and_then(Value::as_array).cloned().unwrap_or_default()
}

/// The customer created from the page's details.
pub(crate) fn customer_of_page(ctx: &mut Context, session: &Value) -> String {
    let details = &session["customer_details"];
    let params = Params::from_value(json!({ "email": details["email"], "name": details["name"] }));
    customers::make(ctx, &params)
}
