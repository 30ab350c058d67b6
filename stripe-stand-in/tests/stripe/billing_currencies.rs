//! One customer, one currency: <https://docs.stripe.com/invoicing/multi-currency-customers>.

use serde_json::{Value, json};

use crate::client::{Answer, Stripe, id};

const REFUSED: &str = "You cannot combine currencies on a single customer. This customer has an active subscription, subscription schedule, \
    discount, quote, or invoice item with currency ";

async fn customer(stripe: &Stripe, more: &[(&str, &str)]) -> String {
    let card = "pm_card_visa";
    let mut form = vec![("payment_method", card), ("invoice_settings[default_payment_method]", card)];
    form.extend(more);
    id(&stripe.post("/v1/customers", &form).await.ok()).to_owned()
}

async fn subscribe(stripe: &Stripe, customer: &str, currency: &str) -> Answer {
    let product = stripe.post("/v1/products", &[("name", "Membership")]).await.ok();
    let form = [("product", id(&product)), ("currency", currency), ("unit_amount", "1000"), ("recurring[interval]", "month")];
    let price = stripe.post("/v1/prices", &form).await.ok();
    let form = [("customer", customer), ("items[0][price]", id(&price)), ("expand[]", "latest_invoice")];
    stripe.post("/v1/subscriptions", &form).await
}

async fn item(stripe: &Stripe, customer: &str, amount: &str, currency: &str) -> Value {
    stripe.post("/v1/invoiceitems", &[("customer", customer), ("amount", amount), ("currency", currency)]).await.ok()
}

async fn invoice(stripe: &Stripe, customer: &str, more: &[(&str, &str)]) -> Value {
    let mut form = vec![("customer", customer), ("pending_invoice_items_behavior", "include")];
    form.extend(more);
    stripe.post("/v1/invoices", &form).await.ok()
}

async fn see(stripe: &Stripe, customer: &str) -> Value {
    stripe.get(&format!("/v1/customers/{customer}?expand[]=invoice_credit_balance")).await.ok()
}

#[tokio::test]
async fn a_second_subscription_is_in_the_currency_of_the_first_until_that_has_ended() {
    let stripe = Stripe::start().await;
    let buyer = customer(&stripe, &[]).await;
    let first = subscribe(&stripe, &buyer, "usd").await.ok();
    let refused = subscribe(&stripe, &buyer, "eur").await;
    assert_eq!((refused.status, refused.message().to_owned()), (400, format!("{REFUSED}usd.")));
    let rows = [
        ("mode", "subscription"),
        ("customer", buyer.as_str()),
        ("success_url", "http://localhost/done"),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", "eur"),
        ("line_items[0][price_data][unit_amount]", "5000"),
        ("line_items[0][price_data][product_data][name]", "Course"),
        ("line_items[0][price_data][recurring][interval]", "month"),
    ];
    assert_eq!(stripe.post("/v1/checkout/sessions", &rows).await.message(), format!("{REFUSED}usd."));
    stripe.delete(&format!("/v1/subscriptions/{}", id(&first))).await.ok();
    assert_eq!(subscribe(&stripe, &buyer, "eur").await.ok()["status"], "active");
    assert_eq!(see(&stripe, &buyer).await["currency"], "eur");
}

#[tokio::test]
async fn pending_items_and_credits_fix_a_customers_currency() {
    let stripe = Stripe::start().await;
    let waiting = customer(&stripe, &[]).await;
    let made = item(&stripe, &waiting, "700", "gbp").await;
    assert_eq!(see(&stripe, &waiting).await["currency"], "gbp");
    assert_eq!(subscribe(&stripe, &waiting, "usd").await.message(), format!("{REFUSED}gbp."));
    stripe.delete(&format!("/v1/invoiceitems/{}", id(&made))).await.ok();
    assert_eq!(subscribe(&stripe, &waiting, "usd").await.ok()["status"], "active");

    let credited = customer(&stripe, &[("balance", "-300")]).await;
    assert_eq!(see(&stripe, &credited).await["currency"], "usd");
    assert_eq!(subscribe(&stripe, &credited, "eur").await.message(), format!("{REFUSED}usd."));
    assert_eq!(subscribe(&stripe, &credited, "usd").await.ok()["latest_invoice"]["amount_paid"], 700);
}

#[tokio::test]
async fn an_invoice_of_another_currency_leaves_the_credit_alone() {
    let stripe = Stripe::start().await;
    let buyer = customer(&stripe, &[("balance", "-300")]).await;
    item(&stripe, &buyer, "2000", "cad").await;
    item(&stripe, &buyer, "1000", "usd").await;
    // It includes items in its own currency, which is the customer's by default.
    let own = invoice(&stripe, &buyer, &[]).await;
    assert_eq!((&own["currency"], &own["total"], &own["amount_due"]), (&json!("usd"), &json!(1000), &json!(700)));
    let other = invoice(&stripe, &buyer, &[("currency", "cad")]).await;
    assert_eq!((&other["starting_balance"], &other["total"], &other["amount_due"]), (&json!(0), &json!(2000), &json!(2000)));
    stripe.post(&format!("/v1/invoices/{}/pay", id(&other)), &[]).await.ok();
    assert_eq!(see(&stripe, &buyer).await["balance"], -300);
    stripe.post(&format!("/v1/invoices/{}/pay", id(&own)), &[]).await.ok();
    assert_eq!(see(&stripe, &buyer).await["balance"], 0);
    // As with a credit note, the rest of a negative invoice is kept in its currency.
    item(&stripe, &buyer, "-900", "cad").await;
    let negative = invoice(&stripe, &buyer, &[("currency", "cad")]).await;
    stripe.post(&format!("/v1/invoices/{}/pay", id(&negative)), &[]).await.ok();
    let seen = see(&stripe, &buyer).await;
    assert_eq!((&seen["balance"], &seen["invoice_credit_balance"]), (&json!(0), &json!({ "usd": 0, "cad": 900 })));
    item(&stripe, &buyer, "2000", "cad").await;
    assert_eq!(invoice(&stripe, &buyer, &[("currency", "cad")]).await["amount_due"], 1100);
    stripe.books().await;
}
