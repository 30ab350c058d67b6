//! Sellers in countries where Stripe only pays accounts out, and money across borders. The stand-in enforces the borders.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Answer, Person, World};

const CARD: &str = "pm_card_visa";
const APIS: [&str; 2] = ["v1", "v2"];

/// A platform in a country, under the functions' own default of the charge type.
async fn platform(api: &str, country: &str) -> World {
    let world = World::with(&[("CHARGE_TYPE", ""), ("ACCOUNTS_API", api), ("PLATFORM_COUNTRY", country)]).await;
    world.admin("POST", "settings", json!({"borders": true})).await;
    world
}

/// A seller with an account in a country, which has been through Stripe's form.
async fn seller_in(world: &World, country: &str) -> (Person, String) {
    let seller = world.seller(&format!("{}@example.com", country.to_lowercase())).await;
    let account = world.made_account(&seller, "express", country).await;
    (seller, account)
}

async fn course_of(world: &World, seller: &Person) -> String {
    let course = world.course(seller, "Django", 5000, "usd", 50).await;
    course["id"].as_str().expect("an id").to_owned()
}

async fn balance(world: &World, account: &str) -> i64 {
    world.books().await["accounts"][account]["usd"]["balance"].as_i64().unwrap_or(0)
}

async fn agree(world: &World, staff: &Person, seller: &Person, charge_type: &str) {
    let terms = json!({"terms": {"charge_type": charge_type}});
    assert_eq!(world.patch(format!("/admin/users/{}", seller.id), terms).bearer(&staff.token).await.status, 200);
}

async fn sell(world: &World, course_id: &str, number: u32) -> Answer {
    let buyer = world.buyer(&format!("buyer{number}@example.com")).await;
    world.buy(&buyer, course_id, CARD).await
}

#[tokio::test]
async fn a_seller_who_is_only_paid_out_joins_and_is_sent_the_part_of_each_sale() {
    for api in APIS {
        let world = platform(api, "US").await;
        let staff = world.staff("staff@example.com").await;
        let (seller, account) = seller_in(&world, "PH").await;
        let stripes = world.stripe(&format!("/accounts/{account}"), None).await;
        assert_eq!(stripes["capabilities"], json!({"transfers": "active"}), "{api}");
        assert_eq!((&stripes["country"], &stripes["tos_acceptance"]["service_agreement"]), (&json!("PH"), &json!("recipient")), "{api}");
        if api == "v2" {
            let made = world.stripe(&format!("/v2/core/accounts/{account}"), None).await;
            assert_eq!((&made["applied_configurations"], &made["dashboard"]), (&json!(["recipient"]), &json!("express")));
        }
        let shown = world.get(format!("/admin/users/{}", seller.id)).bearer(&staff.token).await.json();
        assert_eq!(shown["charges"], json!({"type": "separate", "ruled_out": false}), "{api}");

        // With a card, and at hosted Checkout.
        let course_id = course_of(&world, &seller).await;
        let bought = sell(&world, &course_id, 1).await;
        assert_eq!((bought.status, &bought.json()["purchase"]["charge_type"]), (201, &json!("separate")), "{api}: {}", bought.body);
        let buyer = world.buyer("buyer2@example.com").await;
        let opened = world.post("/courses/charge", json!({"course_id": course_id})).bearer(&buyer.token).await;
        assert_eq!(opened.status, 201, "{}", opened.body);
        let session = world.stripe("/checkout/sessions", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
        world.admin("POST", &format!("checkout/sessions/{session}/pay"), json!({"card": CARD})).await;
        world.deliver().await;
        let payments = world.succeeded(None).await;
        assert!(payments.len() == 2 && payments.iter().all(|one| one["on_behalf_of"] == Value::Null), "{api}: {payments:?}");
        assert!(world.succeeded(Some(&account)).await.is_empty(), "{api}: nothing is charged there");
        assert_eq!(balance(&world, &account).await, 5000, "{api}: two halves");

        // Neither the operator nor staff can have it charged directly, or on its behalf.
        for fixed in ["direct", "destination"] {
            agree(&world, &staff, &seller, fixed).await;
            let refused = sell(&world, &course_id, if fixed == "direct" { 3 } else { 4 }).await;
            assert_eq!((refused.status, refused.text("capability").as_str()), (409, "card_payments"), "{api} {fixed}: {}", refused.body);
        }
        assert_eq!((world.succeeded(None).await.len(), world.succeeded(Some(&account)).await.len()), (2, 0), "{api}");

        // Everything can be given back.
        world.pass(Duration::days(4)).await;
        let sales = world.get("/sales").bearer(&seller.token).await.json()["items"].take();
        for sale in sales.as_array().expect("a list") {
            let path = format!("/purchases/{}/refund", sale["purchase_id"].as_str().expect("an id"));
            let refunded = world.post(path, json!({})).bearer(&seller.token).await;
            assert_eq!((refunded.status, &refunded.json()["status"]), (200, &json!("refunded")), "{api}: {}", refunded.body);
        }
        world.deliver().await;
        assert_eq!(balance(&world, &account).await, 0, "{api}");
        let books = world.books().await;
        let sum: i64 =
            books["accounts"].as_object().expect("accounts").values().map(|one| one["usd"]["balance"].as_i64().unwrap_or(0)).sum();
        assert_eq!(sum, -350, "{api}: Stripe keeps its two fees");
    }
}

#[tokio::test]
async fn where_accounts_take_cards_they_are_asked_for() {
    for api in APIS {
        let world = platform(api, "US").await;
        for country in ["TH", "DE"] {
            let (_, account) = seller_in(&world, country).await;
            let stripes = world.stripe(&format!("/accounts/{account}"), None).await;
            assert_eq!(stripes["capabilities"], json!({"card_payments": "active", "transfers": "active"}), "{api} {country}");
        }
    }
}

#[tokio::test]
async fn a_country_that_stripe_does_not_pay_out_to_is_the_requests_mistake() {
    let world = platform("v1", "US").await;
    let seller = world.seller("seller@example.com").await;
    // As when the platform itself is there.
    let message = "The recipient ToS agreement is not supported for platforms in US creating accounts in PH.";
    let error = json!({"error": {"type": "invalid_request_error", "message": message, "param": "tos_acceptance[service_agreement]"}});
    world
        .fault("POST", "/v1/accounts", json!({"kind": "raw", "status": 400, "content_type": "application/json", "body": error.to_string()}))
        .await;
    let answer = world.post("/users/me/stripe/onboarding", json!({"type": "express", "country": "PH"})).bearer(&seller.token).await;
    answer.is_problem(422, "invalid_request", "country: Stripe makes no such account in PH");
}

#[tokio::test]
async fn a_platform_without_stripes_approval_is_told_that_there_are_no_such_accounts() {
    let world = platform("v1", "US").await;
    let seller = world.seller("seller@example.com").await;
    let message = "Your platform needs approval for accounts to have requested the `transfers` capability without the `card_payments` capability. If you would like to request transfers without card_payments, please contact us via https://support.stripe.com/contact.";
    let error = json!({"error": {"type": "invalid_request_error", "message": message}});
    world
        .fault("POST", "/v1/accounts", json!({"kind": "raw", "status": 400, "content_type": "application/json", "body": error.to_string()}))
        .await;
    let answer = world.post("/users/me/stripe/onboarding", json!({"type": "express", "country": "TW"})).bearer(&seller.token).await;
    answer.is_problem(422, "invalid_request", "country: Stripe makes no such account in TW");
}

/// Stripe has changed what the account can do.
async fn is_only_paid_out(world: &World, account: &str) {
    let capabilities = json!({"capabilities": {"card_payments": "unrequested", "transfers": "active"}, "charges_enabled": false});
    world.admin("POST", &format!("accounts/{account}"), capabilities).await;
    world.deliver().await;
}

fn is_never_sold(answer: &Answer) {
    assert_eq!((answer.status, answer.text("code").as_str()), (409, "not_sellable"), "{}", answer.body);
    assert_eq!(answer.text("capability"), "card_payments");
}

async fn offer(world: &World, seller: &Person) -> Answer {
    let body = json!({"monthly": {"amount": 1000}, "currency": "usd"});
    world.post(format!("/sellers/{}/membership", seller.id), body).bearer(&seller.token).await
}

#[tokio::test]
async fn a_membership_that_can_never_be_charged_for_is_refused_when_it_is_offered() {
    for api in APIS {
        let world = platform(api, "US").await;
        let seller = world.seller("seller@example.com").await;
        let prepared = offer(&world, &seller).await.json();
        assert_eq!(
            (&prepared["offered"], &prepared["available"]),
            (&json!(true), &json!(false)),
            "{api}: without an account it can be prepared"
        );
        let path = format!("/sellers/{}/membership", seller.id);
        world.delete(&path).bearer(&seller.token).await.is_empty(204);
        world.made_account(&seller, "express", "PH").await;
        world.deliver().await;
        is_never_sold(&offer(&world, &seller).await);
        world.get(&path).await.is(200, &json!({"offered": false}));

        // In the platform's own country the platform is charged, and nothing crosses a border.
        let (near, account) = seller_in(&world, "US").await;
        is_only_paid_out(&world, &account).await;
        assert_eq!(offer(&world, &near).await.json()["available"], true, "{api}");
        let buyer = world.buyer("buyer@example.com").await;
        let join =
            world.post(format!("/sellers/{}/membership/subscribe", near.id), json!({"interval": "month"})).bearer(&buyer.token).await;
        assert_eq!(join.status, 201, "{api}: {}", join.body);
    }
}

#[tokio::test]
async fn an_offer_whose_seller_is_only_paid_out_later_is_shown_as_unavailable() {
    for api in APIS {
        let world = platform(api, "US").await;
        let (seller, account) = seller_in(&world, "DE").await;
        let path = format!("/sellers/{}/membership", seller.id);
        assert_eq!(offer(&world, &seller).await.json()["available"], true, "{api}");
        world.operations();
        assert_eq!(world.get(&path).await.json()["available"], true, "{api}");
        let mut asked = world.operations();
        asked.sort_unstable();
        assert_eq!(asked, ["BatchGetItem", "Query"], "{api}: at the same time");
        is_only_paid_out(&world, &account).await;
        let shown = world.get(&path).await.json();
        assert_eq!((&shown["offered"], &shown["available"]), (&json!(true), &json!(false)), "{api}: {shown}");
        world.asked_stripe().await;
        let buyer = world.buyer("buyer@example.com").await;
        let join = world.post(format!("{path}/subscribe"), json!({"interval": "month"})).bearer(&buyer.token).await;
        assert_eq!((join.status, join.text("code").as_str()), (409, "seller_capability_missing"), "{api}: {}", join.body);
        assert!(world.asked_stripe().await.is_empty(), "{api}: Stripe is not asked for what it would refuse");
        is_never_sold(&offer(&world, &seller).await);
    }
}

#[tokio::test]
async fn a_course_that_can_never_be_charged_for_is_not_put_on_sale() {
    for api in APIS {
        let world = platform(api, "US").await;
        let staff = world.staff("staff@example.com").await;
        let (seller, _) = seller_in(&world, "PH").await;
        let sold = course_of(&world, &seller).await;
        agree(&world, &staff, &seller, "direct").await;
        let course = json!({"title": "Flask", "price": {"amount": 5000, "currency": "usd"}});
        is_never_sold(&world.post("/courses", course.clone()).bearer(&seller.token).await);
        let mut draft = course;
        draft["published"] = false.into();
        assert_eq!(world.post("/courses", draft).bearer(&seller.token).await.status, 201, "{api}");
        is_never_sold(&world.patch("/courses/flask", json!({"published": true})).bearer(&seller.token).await);
        // What is on sale already stays as it is, and can be described or taken from sale.
        assert_eq!(sell(&world, &sold, 1).await.text("capability"), "card_payments");
        let change = async |body: Value| world.patch("/courses/django", body).bearer(&seller.token).await.status;
        assert_eq!((change(json!({"title": "More"})).await, change(json!({"published": false})).await), (200, 200), "{api}");
        agree(&world, &staff, &seller, "separate").await;
        assert_eq!(change(json!({"published": true})).await, 200, "{api}");
    }
}

#[tokio::test]
async fn a_course_whose_seller_can_never_be_paid_is_not_put_on_sale() {
    for api in APIS {
        let world = platform(api, "JP").await;
        let (seller, account) = seller_in(&world, "PH").await;
        let stripes = world.stripe(&format!("/accounts/{account}"), None).await;
        let capabilities = json!({"card_payments": "active", "transfers": "active"});
        assert_eq!(stripes["capabilities"], capabilities, "{api}: nobody knows better, so that is what Stripe is asked for");
        is_only_paid_out(&world, &account).await;
        let detail = "your Stripe account is in PH, where this platform cannot send money: nobody could buy the course";
        let course = json!({"title": "Django", "price": {"amount": 5000, "currency": "usd"}});
        world.post("/courses", course.clone()).bearer(&seller.token).await.is_problem(422, "invalid_request", detail);
        // It can be prepared.
        let mut draft = course;
        draft["published"] = false.into();
        assert_eq!(world.post("/courses", draft).bearer(&seller.token).await.status, 201);
        let change = async |body: Value| world.patch("/courses/django", body).bearer(&seller.token).await;
        assert_eq!(change(json!({"title": "More Django"})).await.status, 200);
        change(json!({"published": true})).await.is_problem(422, "invalid_request", detail);
        assert_eq!(change(json!({"published": false, "price": {"amount": 6000, "currency": "usd"}})).await.status, 200);
        // In the platform's own country nothing crosses a border.
        let (near, _) = seller_in(&world, "JP").await;
        course_of(&world, &near).await;
    }
}

#[tokio::test]
async fn a_payee_to_whom_no_money_can_be_sent_is_refused_when_the_course_is_saved() {
    for api in APIS {
        let world = platform(api, "US").await;
        let (author, own) = seller_in(&world, "US").await;
        let course_id = course_of(&world, &author).await;
        let (far, _) = seller_in(&world, "AU").await;
        let refused = world.share(&course_id, &author, &[(&author, 50), (&far, 50)]).await;
        let detail = format!("payees: the Stripe account of {} is in AU, where this platform cannot send money", far.id);
        refused.is_problem(422, "invalid_request", &detail);
        // Within the regions between which Stripe allows it, and to an account that is only paid out, it arrives.
        let (near, nears) = seller_in(&world, "DE").await;
        let (recipient, recipients) = seller_in(&world, "PH").await;
        assert_eq!(world.share(&course_id, &author, &[(&author, 40), (&near, 40), (&recipient, 20)]).await.status, 200);
        assert_eq!(sell(&world, &course_id, 1).await.json()["purchase"]["charge_type"], "separate", "{api}");
        world.deliver().await;
        let parts = [balance(&world, &own).await, balance(&world, &nears).await, balance(&world, &recipients).await];
        assert_eq!(parts, [1000, 1000, 500], "{api}");

        // One who has accepted, and then moves to where they cannot be paid.
        world.enter_password(&near).await;
        world.delete("/users/me/stripe").bearer(&near.token).await.is_empty(204);
        world.enter_password(&near).await;
        world.made_account(&near, "express", "AU").await;
        let refused = sell(&world, &course_id, 2).await;
        refused.is_problem(409, "seller_not_connected", "the seller of this course cannot be paid at the moment");
        assert_eq!(world.succeeded(None).await.len(), 1);
    }
}
