//! Creates customers.

use serde_json::json;

use crate::engine::customer_rows;
use crate::events::context::Context;
use crate::words::errors::ApiError;
use crate::words::ids::{new_id, random_text};
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Creates a customer.
pub(crate) fn make(ctx: &mut Context, params: &Params) -> String {
    let id = new_id("cus");
    let object = json!({
        "id": id,
        "object": "customer",
        "address": customer_rows::address(params, "address"),
        "balance": params.int("balance").unwrap_or(0),
        "created": ctx.now(),
        // A balance is in the account's own currency, which then becomes the customer's.
        "currency": params.int("balance").filter(|owed| *owed != 0).map(|_| own_currency(ctx)),
        "customer_account": null,
        "default_source": null,
        "delinquent": false,
        "description": params.json("description"),
        "discount": null,
        "email": params.json("email"),
        "invoice_prefix": params.text("invoice_prefix").map_or_else(|| random_text(8).to_uppercase(), str::to_owned),
        "invoice_settings": {
            "custom_fields": null,
            "default_payment_method": null,
            "footer": null,
            "rendering_options": null,
        },
        "livemode": false,
        "metadata": params.metadata(),
        "name": params.json("name"),
        "next_invoice_sequence": params.int("next_invoice_sequence").unwrap_or(1),
        "phone": params.json("phone"),
        "preferred_locales": params.texts("preferred_locales"),
        "shipping": customer_rows::shipping(params, "shipping"),
        "tax_exempt": params.text("tax_exempt").unwrap_or("none"),
        "test_clock": params.json("test_clock"),
    });
    ctx.insert(Kind::Customer, object);
    ctx.emit("customer.created", Kind::Customer, &id);
    id
}

/// The default billing currency of an account.
pub(crate) fn own_currency(ctx: &Context) -> String {
    ctx.state.account(&ctx.account).map_or("usd", |account| account.text("default_currency")).to_owned()
}

/// Checks that the default payment method for invoices belongs to the customer.
pub(crate) fn check_default(ctx: &Context, customer: &str, settings: &Params) -> Result<(), ApiError> {
    let Some(id) = settings.text("default_payment_method") else { return Ok(()) };
    let method = ctx.fetch_param(Kind::PaymentMethod, id, "invoice_settings[default_payment_method]")?;
    if method.maybe("customer") == Some(customer) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "The customer does not have a payment method with the ID {id}. The payment method must be attached to the customer."
    ))
    .code("resource_missing")
    .param("invoice_settings[default_payment_method]"))
}
