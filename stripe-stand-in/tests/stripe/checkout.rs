//! Checkout Sessions and their page.

use serde_json::{Value, json};

use crate::client::{Answer, Stripe, form_body, id, location, parameter, send};

/// A session that sells one course.
pub async fn session(stripe: &Stripe, more: &[(&str, &str)]) -> Value {
    let mut form = vec![
        ("mode", "payment"),
        ("line_items[0][price_data][currency]", "usd"),
        ("line_items[0][price_data][unit_amount]", "5000"),
        ("line_items[0][price_data][product_data][name]", "Flask <Microservices>"),
        ("line_items[0][quantity]", "1"),
        ("success_url", "http://localhost:3000/purchase.html?id=p1&session={CHECKOUT_SESSION_ID}"),
        ("cancel_url", "http://localhost:3000/course.html?slug=a&checkout=canceled"),
        ("payment_intent_data[metadata][purchase_id]", "p1"),
        ("metadata[purchase_id]", "p1"),
    ];
    form.extend(more);
    stripe.post("/v1/checkout/sessions", &form).await.ok()
}

async fn submit(stripe: &Stripe, url: &str, form: &[(&str, &str)]) -> Answer {
    send(form_body(stripe.http.post(url), form)).await
}

#[tokio::test]
async fn checkout_declines_then_takes_another_card_and_returns_to_the_shop() {
    let stripe = Stripe::start().await;
    let session = session(&stripe, &[]).await;
    let url = session["url"].as_str().unwrap().to_owned();
    let page = send(stripe.http.get(&url)).await.body.as_str().unwrap().to_owned();
    assert!(page.contains("Flask &lt;Microservices&gt;") && page.contains("$50.00"), "{page}");
    assert!(page.contains("name=\"card_number\"") && page.contains("value=\"4242 4242 4242 4242\""), "{page}");
    assert!(page.contains("slug=a&amp;checkout=canceled"), "{page}");

    let form = |number| [("action", "pay"), ("card_number", number), ("card_expiry", "12 / 40"), ("card_cvc", "123")];
    let declined = submit(&stripe, &url, &form("4000 0000 0000 0002")).await;
    assert_eq!(declined.status, 200);
    assert!(declined.body.as_str().unwrap().contains("Your card was declined."), "{}", declined.body);
    let path = format!("/v1/checkout/sessions/{}", id(&session));
    let open = stripe.get(&path).await.ok();
    assert_eq!((&open["status"], &open["payment_status"]), (&json!("open"), &json!("unpaid")));

    let redirect = location(&submit(&stripe, &url, &form("4242424242424242")).await);
    assert_eq!(parameter(&redirect, "session").as_deref(), Some(id(&session)));
    assert_eq!(parameter(&redirect, "id").as_deref(), Some("p1"));
    let done = stripe.get(&format!("{path}?expand[]=payment_intent&expand[]=line_items")).await.ok();
    assert_eq!((&done["status"], &done["payment_status"], &done["url"]), (&json!("complete"), &json!("paid"), &Value::Null));
    assert_eq!(done["payment_intent"]["metadata"]["purchase_id"], "p1");
    assert_eq!(done["line_items"]["data"][0]["amount_total"], 5000);
    assert_eq!(
        stripe.event_types(None).await,
        [
            "payment_intent.created",
            "charge.failed",
            "payment_intent.payment_failed",
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.completed"
        ]
    );
    // A second payment redirects to the shop and charges nothing.
    assert_eq!(location(&submit(&stripe, &url, &form("4242424242424242")).await), redirect);
    assert_eq!(stripe.books().await["outside"]["usd"]["cardholders"], 5000);
    assert_eq!(stripe.post(&format!("{path}/expire"), &[]).await.status, 400);
}

#[tokio::test]
async fn a_session_expires_by_request_and_by_itself() {
    let stripe = Stripe::start().await;
    let (first, second) = (session(&stripe, &[]).await, session(&stripe, &[]).await);
    let expired = stripe.post(&format!("/v1/checkout/sessions/{}/expire", id(&first)), &[]).await.ok();
    assert_eq!((&expired["status"], &expired["url"]), (&json!("expired"), &Value::Null));
    let page = send(stripe.http.get(first["url"].as_str().unwrap())).await;
    assert!(page.body.as_str().unwrap().contains("has expired"), "{}", page.body);
    let pay =
        submit(&stripe, first["url"].as_str().unwrap(), &[("action", "pay"), ("card_number", "4242424242424242"), ("card_expiry", "1/40")]);
    assert!(pay.await.body.as_str().unwrap().contains("has expired"));

    let path = format!("/v1/checkout/sessions/{}", id(&second));
    stripe.admin("POST", "clock/advance", json!({ "seconds": 24 * 60 * 60 - 60 })).await.ok();
    assert_eq!(stripe.get(&path).await.ok()["status"], "open");
    stripe.admin("POST", "clock/advance", json!({ "seconds": 61 })).await.ok();
    assert_eq!(stripe.get(&path).await.ok()["status"], "expired");
    assert_eq!(stripe.event_types(None).await, ["checkout.session.expired", "checkout.session.expired"]);
}

#[tokio::test]
async fn authentication_leads_from_checkout_to_the_bank_and_on_to_the_shop() {
    let stripe = Stripe::start().await;
    let session = session(&stripe, &[]).await;
    let url = session["url"].as_str().unwrap();
    let form = [("action", "pay"), ("card_number", "4000 0000 0000 3220"), ("card_expiry", "12 / 40"), ("card_cvc", "123")];
    let bank = location(&submit(&stripe, url, &form).await);
    let failed = location(&submit(&stripe, bank.as_str(), &[("outcome", "fail")]).await);
    assert_eq!(parameter(&failed, "redirect_status").as_deref(), Some("failed"));
    let page = send(stripe.http.get(failed)).await;
    assert!(page.body.as_str().unwrap().contains("has failed authentication"), "{}", page.body);

    let bank = location(&submit(&stripe, url, &form).await);
    let back = location(&submit(&stripe, bank.as_str(), &[("outcome", "succeed")]).await);
    let shop = location(&send(stripe.http.get(back)).await);
    assert!(shop.as_str().starts_with("http://localhost:3000/purchase.html?id=p1"), "{shop}");
    assert_eq!(stripe.books().await["outside"]["usd"]["cardholders"], 5000);
}

#[tokio::test]
async fn a_sessions_intent_is_created_on_payment_and_cannot_be_canceled_directly() {
    let stripe = Stripe::start().await;
    let session = session(&stripe, &[]).await;
    assert_eq!(session["payment_intent"], Value::Null);
    let declined =
        stripe.admin("POST", &format!("checkout/sessions/{}/pay", id(&session)), json!({ "card": "pm_card_chargeDeclined" })).await;
    assert_eq!(declined.error(), (402, "card_declined"));
    let session = stripe.get(&format!("/v1/checkout/sessions/{}", id(&session))).await.ok();
    let intent = session["payment_intent"].as_str().unwrap();
    assert_eq!(stripe.post(&format!("/v1/payment_intents/{intent}/cancel"), &[]).await.status, 400);
    stripe.post(&format!("/v1/checkout/sessions/{}/expire", id(&session)), &[]).await.ok();
    assert_eq!(stripe.get(&format!("/v1/payment_intents/{intent}")).await.ok()["status"], "canceled");
}

#[tokio::test]
async fn a_session_refuses_what_cannot_be_charged() {
    let stripe = Stripe::start().await;
    let refused = |more: Vec<(&'static str, &'static str)>, without: &'static str| {
        let stripe = &stripe;
        async move {
            let all = [
                ("mode", "payment"),
                ("success_url", "http://localhost:3000/"),
                ("line_items[0][price_data][currency]", "usd"),
                ("line_items[0][price_data][unit_amount]", "5000"),
                ("line_items[0][price_data][product_data][name]", "Course"),
                ("line_items[0][quantity]", "1"),
            ];
            let kept = all.into_iter().filter(|(name, _)| *name != without && !more.iter().any(|(n, _)| n == name));
            let form: Vec<(&str, &str)> = kept.chain(more.iter().copied()).collect();
            let answer = stripe.post("/v1/checkout/sessions", &form).await;
            (answer.status, answer.body["error"]["code"].clone(), answer.body["error"]["param"].clone())
        }
    };
    assert_eq!(refused(vec![("line_items[0][price_data][unit_amount]", "49")], "").await, (400, json!("amount_too_small"), Value::Null));
    assert_eq!(refused(vec![], "success_url").await, (400, json!("parameter_missing"), json!("success_url")));
    assert_eq!(
        refused(vec![("payment_intent_data[application_fee_amount]", "100")], "").await,
        (400, Value::Null, json!("application_fee_amount"))
    );
    assert_eq!(
        refused(vec![("line_items[0][price_data][name]", "x")], "").await,
        (400, json!("parameter_unknown"), json!("line_items[0][price_data][name]"))
    );
    assert_eq!(refused(vec![("customer", "cus_none")], "").await, (400, json!("resource_missing"), json!("customer")));
}
