//! Coupons, promotion codes, and orders that cost nothing.

use serde_json::{Value, json};

use crate::checkout::session;
use crate::client::{Answer, Stripe, form_body, id, location, parameter, send};

async fn coupon(stripe: &Stripe, form: &[(&str, &str)]) -> String {
    id(&stripe.post("/v1/coupons", form).await.ok()).to_owned()
}

async fn code(stripe: &Stripe, coupon: &str, code: &str, more: &[(&str, &str)]) -> String {
    let mut form = vec![("promotion[type]", "coupon"), ("promotion[coupon]", coupon), ("code", code)];
    form.extend(more);
    id(&stripe.post("/v1/promotion_codes", &form).await.ok()).to_owned()
}

async fn pay(stripe: &Stripe, session: &Value, body: Value) -> Answer {
    stripe.admin("POST", &format!("checkout/sessions/{}/pay", id(session)), body).await
}

async fn refused(stripe: &Stripe, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![
        ("mode", "payment"),
        ("line_items[0][price_data][currency]", "usd"),
        ("line_items[0][price_data][unit_amount]", "5000"),
        ("line_items[0][price_data][product_data][name]", "Course"),
        ("line_items[0][quantity]", "1"),
        ("success_url", "http://localhost/done"),
    ];
    form.extend(more);
    let answer = stripe.post("/v1/checkout/sessions", &form).await;
    assert_eq!(answer.status, 400, "{more:?}: {:#}", answer.body);
    answer
}

#[tokio::test]
async fn a_discount_reduces_every_line_and_the_amount_paid() {
    let stripe = Stripe::start().await;
    let third = coupon(&stripe, &[("percent_off", "33.33")]).await;
    let lines = [
        ("discounts[0][coupon]", third.as_str()),
        ("line_items[1][price_data][currency]", "usd"),
        ("line_items[1][price_data][unit_amount]", "99"),
        ("line_items[1][price_data][product_data][name]", "Sticker"),
        ("line_items[1][quantity]", "1"),
    ];
    let open = session(&stripe, &lines).await;
    // 33.33 % of 50.99 is slightly less than 16.995.
    assert_eq!(
        (&open["amount_subtotal"], &open["amount_total"], &open["total_details"]["amount_discount"]),
        (&json!(5099), &json!(3400), &json!(1699))
    );
    assert_eq!(open["discounts"], json!([{ "coupon": third, "promotion_code": null }]));
    let items = stripe.get(&format!("/v1/checkout/sessions/{}/line_items", id(&open))).await.ok();
    let parts: Vec<i64> = items["data"].as_array().unwrap().iter().map(|item| item["amount_discount"].as_i64().unwrap()).collect();
    assert_eq!((parts.iter().sum::<i64>(), parts.len()), (1699, 2));
    for item in items["data"].as_array().unwrap() {
        assert_eq!(
            item["amount_subtotal"].as_i64().unwrap() - item["amount_discount"].as_i64().unwrap(),
            item["amount_total"].as_i64().unwrap()
        );
    }
    assert_eq!(stripe.get(&format!("/v1/coupons/{third}")).await.ok()["times_redeemed"], 0);
    let paid = pay(&stripe, &open, json!({})).await.ok();
    let intent = stripe.get(&format!("/v1/payment_intents/{}", paid["payment_intent"].as_str().unwrap())).await.ok();
    assert_eq!((&paid["payment_status"], &intent["amount"]), (&json!("paid"), &json!(3400)));
    assert_eq!(stripe.get(&format!("/v1/coupons/{third}")).await.ok()["times_redeemed"], 1);
}

#[tokio::test]
async fn an_order_that_costs_nothing_has_no_payment() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let all = coupon(&stripe, &[("percent_off", "100")]).await;
    let form = [
        ("discounts[0][coupon]", all.as_str()),
        ("payment_intent_data[application_fee_amount]", "500"),
        ("payment_intent_data[transfer_data][destination]", &seller),
    ];
    let open = session(&stripe, &form).await;
    assert_eq!((&open["amount_total"], &open["status"]), (&json!(0), &json!("open")));
    let done = pay(&stripe, &open, json!({})).await.ok();
    assert_eq!(
        (&done["status"], &done["payment_status"], &done["payment_intent"]),
        (&json!("complete"), &json!("no_payment_required"), &Value::Null)
    );
    assert_eq!(stripe.get("/v1/payment_intents").await.ok()["data"], json!([]));
    let types = stripe.event_types(None).await;
    assert!(
        types.ends_with(&["checkout.session.completed".to_owned()]) && !types.iter().any(|kind| kind.starts_with("charge")),
        "{types:?}"
    );
    // An amount below the minimum charge is refused, and so is one below the fee.
    let most = coupon(&stripe, &[("amount_off", "4980"), ("currency", "usd")]).await;
    assert_eq!(refused(&stripe, &[("discounts[0][coupon]", &most)]).await.error(), (400, "amount_too_small"));
    let much = coupon(&stripe, &[("amount_off", "4600"), ("currency", "usd")]).await;
    refused(&stripe, &[("discounts[0][coupon]", &much), form[1], form[2]]).await;
}

#[tokio::test]
async fn a_buyer_enters_a_code_on_the_page() {
    let stripe = Stripe::start().await;
    let ten = coupon(&stripe, &[("amount_off", "1000"), ("currency", "usd")]).await;
    let made = code(&stripe, &ten, "SUMMER", &[("max_redemptions", "1")]).await;
    let open = session(&stripe, &[("allow_promotion_codes", "true")]).await;
    let url = open["url"].as_str().unwrap();
    let apply = async |code: &str| {
        let form = [("action", "apply"), ("promotion_code", code)];
        send(form_body(stripe.http.post(url), &form)).await.body.as_str().unwrap().to_owned()
    };
    assert!(apply("WINTER").await.contains("This code is invalid."));
    let page = apply(" summer ").await;
    assert!(page.contains("Pay $40.00") && page.contains("name=\"promotion_code\""), "{page}");
    let second = session(&stripe, &[("allow_promotion_codes", "true")]).await;
    stripe.admin("POST", &format!("checkout/sessions/{}/pay", id(&second)), json!({ "promotion_code": "SUMMER" })).await.ok();
    let used = stripe.get(&format!("/v1/promotion_codes/{made}?expand[]=promotion.coupon")).await.ok();
    assert_eq!(
        (&used["active"], &used["times_redeemed"], &used["promotion"]["coupon"]["times_redeemed"]),
        (&json!(false), &json!(1), &json!(1))
    );
    // Meanwhile the code was used up.
    let form = [("action", "pay"), ("card_number", "4242424242424242")];
    let late = send(form_body(stripe.http.post(url), &form)).await;
    assert!(late.body.as_str().unwrap().contains("cannot be redeemed"), "{:#}", late.body);
    // The code's name is free again, and the buyer of the first session uses the new one.
    code(&stripe, &ten, "summer", &[]).await;
    apply("Summer").await;
    let there = location(&send(form_body(stripe.http.post(url), &form)).await);
    assert_eq!(parameter(&there, "session").as_deref(), Some(id(&open)));
    let done = stripe.get(&format!("/v1/checkout/sessions/{}?expand[]=payment_intent", id(&open))).await.ok();
    assert_eq!((&done["amount_total"], &done["payment_intent"]["amount"]), (&json!(4000), &json!(4000)));
    let none = session(&stripe, &[]).await;
    assert_eq!(pay(&stripe, &none, json!({ "promotion_code": "SUMMER" })).await.status, 400);
}

#[tokio::test]
async fn a_discount_that_does_not_fit_is_refused() {
    let stripe = Stripe::start().await;
    let ten = coupon(&stripe, &[("percent_off", "10")]).await;
    let eur = coupon(&stripe, &[("amount_off", "1000"), ("currency", "eur"), ("currency_options[gbp][amount_off]", "900")]).await;
    let once = coupon(&stripe, &[("percent_off", "10"), ("max_redemptions", "1")]).await;
    refused(&stripe, &[("discounts[0][coupon]", &eur)]).await;
    assert_eq!(refused(&stripe, &[("discounts[0][coupon]", "none")]).await.error(), (400, "resource_missing"));
    let both = refused(&stripe, &[("discounts[0][coupon]", &ten), ("allow_promotion_codes", "true")]).await;
    assert_eq!(both.message(), "You may only specify one of these parameters: allow_promotion_codes, discounts.");
    refused(&stripe, &[("discounts[0][coupon]", &ten), ("discounts[1][coupon]", &once)]).await;
    pay(&stripe, &session(&stripe, &[("discounts[0][coupon]", &once)]).await, json!({})).await.ok();
    assert_eq!(refused(&stripe, &[("discounts[0][coupon]", &once)]).await.error(), (400, "coupon_expired"));

    let customer = stripe.post("/v1/customers", &[]).await.ok();
    let large = [("restrictions[minimum_amount]", "6000"), ("restrictions[minimum_amount_currency]", "usd")];
    let large = code(&stripe, &ten, "LARGE", &large).await;
    let own = code(&stripe, &ten, "OWN", &[("customer", id(&customer))]).await;
    let first = code(&stripe, &ten, "FIRST", &[("restrictions[first_time_transaction]", "true")]).await;
    let at = |code: &str| [("discounts[0][promotion_code]".to_owned(), code.to_owned())];
    for code in [&large, &own] {
        let form = at(code);
        refused(&stripe, &[(&form[0].0, &form[0].1)]).await;
    }
    let mine = [("customer", id(&customer)), ("discounts[0][promotion_code]", own.as_str())];
    pay(&stripe, &session(&stripe, &mine).await, json!({})).await.ok();
    refused(&stripe, &[("customer", id(&customer)), ("discounts[0][promotion_code]", &first)]).await;
    stripe.post(&format!("/v1/promotion_codes/{own}"), &[("active", "false")]).await.ok();
    refused(&stripe, &mine).await;
    // Invalid coupons and codes.
    let bad = async |path: &str, form: &[(&str, &str)]| assert_eq!(stripe.post(path, form).await.status, 400, "{path} {form:?}");
    bad("/v1/coupons", &[]).await;
    bad("/v1/coupons", &[("percent_off", "10"), ("amount_off", "5"), ("currency", "usd")]).await;
    bad("/v1/coupons", &[("percent_off", "101")]).await;
    bad("/v1/coupons", &[("amount_off", "5")]).await;
    bad("/v1/coupons", &[("percent_off", "10"), ("duration", "repeating")]).await;
    bad("/v1/promotion_codes", &[("promotion[type]", "coupon"), ("promotion[coupon]", &ten), ("code", "large")]).await;
}

#[tokio::test]
async fn without_a_tax_registration_no_tax_is_collected() {
    let stripe = Stripe::start().await;
    let open = session(&stripe, &[("automatic_tax[enabled]", "true")]).await;
    let tax = json!({ "enabled": true, "liability": { "type": "self" }, "provider": "stripe", "status": "requires_location_inputs" });
    assert_eq!(open["automatic_tax"], tax);
    let done = pay(&stripe, &open, json!({})).await.ok();
    assert_eq!((&done["automatic_tax"]["status"], &done["total_details"]["amount_tax"]), (&json!("complete"), &json!(0)));
    assert_eq!((&done["amount_total"], &done["payment_status"]), (&json!(5000), &json!("paid")));
    assert_eq!(session(&stripe, &[]).await["automatic_tax"]["enabled"], false);
}
