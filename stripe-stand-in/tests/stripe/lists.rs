//! Lists and expansion.

use serde_json::{Value, json};

use crate::client::{CARD, Stripe, id};

fn emails(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|customer| customer["email"].as_str().unwrap()).collect()
}

async fn customers(stripe: &Stripe, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..count {
        let email = format!("{n}@example.com");
        ids.push(id(&stripe.post("/v1/customers", &[("email", &email)]).await.ok()).to_owned());
    }
    ids
}

#[tokio::test]
async fn pages_go_from_new_to_old_and_back_without_gaps() {
    let stripe = Stripe::start().await;
    let ids = customers(&stripe, 12).await;
    let first = stripe.get("/v1/customers").await.ok();
    assert_eq!((first["data"].as_array().unwrap().len(), &first["has_more"], &first["url"]), (10, &json!(true), &json!("/v1/customers")));
    assert_eq!(emails(&first)[0], "11@example.com");

    let rest = stripe.get(&format!("/v1/customers?starting_after={}", ids[2])).await.ok();
    assert_eq!((emails(&rest), &rest["has_more"]), (vec!["1@example.com", "0@example.com"], &json!(false)));
    let back = stripe.get(&format!("/v1/customers?limit=2&ending_before={}", ids[2])).await.ok();
    assert_eq!((emails(&back), &back["has_more"]), (vec!["4@example.com", "3@example.com"], &json!(true)));
    let newest = stripe.get(&format!("/v1/customers?limit=3&ending_before={}", ids[10])).await.ok();
    assert_eq!((emails(&newest), &newest["has_more"]), (vec!["11@example.com"], &json!(false)));
    // A deleted customer is not listed, but still works as a cursor.
    stripe.delete(&format!("/v1/customers/{}", ids[5])).await.ok();
    let after = stripe.get(&format!("/v1/customers?limit=1&starting_after={}", ids[6])).await.ok();
    assert_eq!(emails(&after), ["4@example.com"]);
}

#[tokio::test]
async fn nonsensical_limits_and_cursors_are_refused() {
    let stripe = Stripe::start().await;
    let ids = customers(&stripe, 2).await;
    for query in ["limit=0", "limit=101", "limit=ten", "starting_after=cus_none", "sort=asc"] {
        assert_eq!(stripe.get(&format!("/v1/customers?{query}")).await.status, 400, "{query}");
    }
    let both = format!("/v1/customers?starting_after={}&ending_before={}", ids[1], ids[0]);
    assert_eq!(stripe.get(&both).await.status, 400);
    // Another account's object is not a valid cursor.
    let account = stripe.account().await;
    assert_eq!(stripe.get_on(&account, &format!("/v1/customers?starting_after={}", ids[0])).await.status, 400);
}

#[tokio::test]
async fn lists_are_filtered_by_time_and_by_what_they_belong_to() {
    let stripe = Stripe::start().await;
    let ids = customers(&stripe, 1).await;
    let created = stripe.get(&format!("/v1/customers/{}", ids[0])).await.ok()["created"].as_i64().unwrap();
    stripe.admin("POST", "clock/advance", json!({ "seconds": 100 })).await.ok();
    customers(&stripe, 2).await;
    let count = async |query: String| stripe.get(&format!("/v1/customers?{query}")).await.ok()["data"].as_array().unwrap().len();
    assert_eq!(count(format!("created[gt]={created}")).await, 2);
    assert_eq!(count(format!("created[gte]={created}&created[lt]={}", created + 100)).await, 1);
    assert_eq!(count(format!("created={created}")).await, 1);
    assert_eq!(count("email=1@example.com".to_owned()).await, 1);

    for customer in [Some(ids[0].as_str()), None] {
        let mut form = vec![("amount", "500"), ("currency", "usd"), CARD];
        form.extend(customer.map(|customer| ("customer", customer)));
        stripe.post("/v1/payment_intents", &form).await.ok();
    }
    let theirs = stripe.get(&format!("/v1/payment_intents?customer={}", ids[0])).await.ok();
    assert_eq!(theirs["data"].as_array().unwrap().len(), 1);
    let events = stripe.get("/v1/events?types[]=payment_intent.created&limit=100").await.ok();
    assert_eq!(events["data"].as_array().unwrap().len(), 2);
    assert_eq!(stripe.get("/v1/events?type=customer.*").await.ok()["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn ids_are_expanded_in_objects_and_in_lists() {
    let stripe = Stripe::start().await;
    let customer = customers(&stripe, 1).await.remove(0);
    let form = [
        ("amount", "500"),
        ("currency", "usd"),
        ("customer", &customer),
        ("confirm", "true"),
        ("payment_method", "pm_card_visa"),
        ("expand[]", "customer"),
        ("expand[0]", "latest_charge.balance_transaction"),
        CARD,
    ];
    let intent = stripe.post("/v1/payment_intents", &form).await.ok();
    assert_eq!(intent["latest_charge"]["balance_transaction"]["net"], 500 - 45);
    let list = stripe.get("/v1/payment_intents?expand[]=data.customer&expand[]=data.latest_charge.refunds").await.ok();
    assert_eq!(list["data"][0]["customer"]["email"], "0@example.com");
    assert_eq!(list["data"][0]["latest_charge"]["refunds"]["data"], json!([]));
    for path in ["amount", "nothing", "customer.email", "data.customer"] {
        let answer = stripe.get(&format!("/v1/payment_intents/{}?expand[]={path}", id(&intent))).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.message().contains("cannot be expanded"), "{}", answer.message());
    }
    // An empty expandable field stays empty.
    let path = format!("/v1/payment_intents/{}?expand[]=on_behalf_of", id(&intent));
    assert_eq!(stripe.get(&path).await.ok()["on_behalf_of"], Value::Null);
}
