//! Subscriptions on a test clock, with everything that can happen to them.

use reqwest::Method;

use crate::{Stripe, id};

const START: i64 = 1_801_396_800;
const DAY: i64 = 24 * 60 * 60;

async fn advance(stripe: &mut Stripe, account: Option<&str>, clock: &str, to: i64) {
    stripe.post(account, &format!("/v1/test_helpers/test_clocks/{clock}/advance"), &[("frozen_time", &to.to_string())]).await;
}

/// On the platform with a destination, and on a connected account.
pub async fn all(stripe: &mut Stripe, seller: &str) {
    for account in [None, Some(seller)] {
        subscriptions(stripe, account, seller).await;
    }
}

async fn subscriptions(stripe: &mut Stripe, account: Option<&str>, seller: &str) {
    let clock = id(&stripe.post(account, "/v1/test_helpers/test_clocks", &[("frozen_time", &START.to_string()), ("name", "A year")]).await);
    let card = "pm_card_visa";
    let form =
        [("payment_method", card), ("invoice_settings[default_payment_method]", card), ("test_clock", &clock), ("email", "b@example.com")];
    let customer = id(&stripe.post(account, "/v1/customers", &form).await);
    let product =
        id(&stripe.post(account, "/v1/products", &[("name", "Membership"), ("description", "All of it"), ("metadata[a]", "b")]).await);
    stripe.post(account, &format!("/v1/products/{product}"), &[("name", "Everything")]).await;
    let mut prices = Vec::new();
    for (interval, amount) in [("month", "1000"), ("year", "10000")] {
        let form = [("product", product.as_str()), ("currency", "usd"), ("unit_amount", amount), ("recurring[interval]", interval)];
        let price = id(&stripe.post(account, "/v1/prices", &form).await);
        stripe.post(account, &format!("/v1/prices/{price}"), &[("nickname", interval), ("expand[]", "product")]).await;
        prices.push(price);
    }
    let everything = [
        ("expand[]", "latest_invoice.payments.data.payment.payment_intent"),
        ("expand[]", "latest_invoice.confirmation_secret"),
        ("expand[]", "customer"),
        ("expand[]", "default_payment_method"),
    ];
    let mut form =
        vec![("customer", customer.as_str()), ("items[0][price]", &prices[0]), ("application_fee_percent", "12.5"), ("metadata[m]", "1")];
    if account.is_none() {
        form.push(("transfer_data[destination]", seller));
    }
    form.extend(everything);
    let made = stripe.post(account, "/v1/subscriptions", &form).await;
    let path = format!("/v1/subscriptions/{}", id(&made));
    let item = id(&made["items"]["data"][0]);
    let trial = [&form[..], &[("trial_period_days", "10")]].concat();
    stripe.post(account, "/v1/subscriptions", &trial).await;
    let waiting = stripe.post(account, "/v1/subscriptions", &[&form[..], &[("payment_behavior", "default_incomplete")]].concat()).await;
    let method = stripe.post(account, "/v1/payment_methods/pm_card_authenticationRequired/attach", &[("customer", &customer)]).await;
    let invoice = format!("/v1/invoices/{}", id(&waiting["latest_invoice"]));
    stripe.post(account, &format!("{invoice}/pay"), &[("payment_method", &id(&method))]).await;
    stripe.post(account, &invoice, &[("metadata[a]", "b")]).await;
    stripe.post(account, &format!("{invoice}/mark_uncollectible"), &[]).await;
    advance(stripe, account, &clock, START + 8 * DAY).await;
    let change = [("items[0][id]", item.as_str()), ("items[0][price]", &prices[1])];
    let preview: Vec<(String, &str)> =
        change.iter().map(|(name, value)| (format!("subscription_details[{}", name.replacen('[', "][", 1)), *value)).collect();
    let id_of_made = id(&made);
    let mut named: Vec<(&str, &str)> = preview.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    named.push(("subscription", &id_of_made));
    stripe.post(account, "/v1/invoices/create_preview", &named).await;
    stripe.post(account, &path, &[("items[0][id]", item.as_str()), ("items[0][quantity]", "2")]).await;
    stripe.post(account, &path, &change).await;
    stripe.post(account, &path, &[change[0], ("items[0][price]", &prices[0])]).await;
    stripe.post(account, &path, &[("cancel_at_period_end", "true"), ("cancellation_details[feedback]", "unused")]).await;
    stripe.post(account, &path, &[("cancel_at_period_end", "false")]).await;
    // Expensive enough that the card must pay again.
    stripe
        .post(account, &path, &[("items[0][id]", item.as_str()), ("items[0][quantity]", "20"), ("proration_behavior", "always_invoice")])
        .await;
    let fails = stripe.post(account, "/v1/payment_methods/pm_card_chargeCustomerFail/attach", &[("customer", &customer)]).await;
    stripe.post(account, &format!("/v1/customers/{customer}"), &[("invoice_settings[default_payment_method]", &id(&fails))]).await;
    advance(stripe, account, &clock, START + 45 * DAY).await;
    stripe.get(account, &format!("{path}?expand[]=latest_invoice.payments")).await;
    advance(stripe, account, &clock, START + 70 * DAY).await;
    for list in [
        "subscriptions?status=all&",
        "invoices?",
        "invoice_payments?",
        "prices?expand[]=data.product&",
        "products?",
        "test_helpers/test_clocks?",
    ] {
        stripe.get(account, &format!("/v1/{list}limit=100")).await;
    }
    let draft = stripe.get(account, "/v1/invoices?status=open&limit=1").await["data"][0].clone();
    stripe.get(account, &format!("/v1/invoices/{}/lines", id(&draft))).await;
    stripe.post(account, &format!("/v1/invoices/{}/void", id(&draft)), &[]).await;

    let checkout = [
        ("mode", "subscription"),
        ("line_items[0][price]", prices[0].as_str()),
        ("line_items[0][quantity]", "1"),
        ("success_url", "http://localhost:3000/"),
    ];
    let session = stripe.post(account, "/v1/checkout/sessions", &checkout).await;
    stripe.admin(&format!("checkout/sessions/{}/pay", id(&session)), serde_json::json!({})).await;
    stripe
        .get(account, &format!("/v1/checkout/sessions/{}?expand[]=subscription&expand[]=invoice&expand[]=line_items", id(&session)))
        .await;
    stripe.call(Method::DELETE, account, &format!("/v1/test_helpers/test_clocks/{clock}"), &[]).await;
}
