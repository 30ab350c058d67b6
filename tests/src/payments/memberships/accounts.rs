//! What the owner of a connected account can do there to a membership, and what it changes.

use serde_json::{Value, json};
use time::Duration;

use super::{Club, DIRECT, pass};
use crate::harness::{Answer, Person, World};

/// Creates or changes something on the seller's account, as its owner.
pub(super) async fn as_owner(world: &World, club: &Club, path: &str, form: &[(&str, &str)]) -> Value {
    let form: Vec<(&str, String)> = form.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let made = world.in_dashboard(path, Some(&club.shop.account), &form).await;
    assert!(made["error"].is_null(), "{path}: {made}");
    made
}

/// The amounts that the account has taken, smallest first.
pub(super) async fn taken(world: &World, club: &Club) -> Vec<i64> {
    let mut amounts: Vec<i64> =
        world.succeeded(Some(&club.shop.account)).await.iter().map(|payment| payment["amount"].as_i64().expect("an amount")).collect();
    amounts.sort_unstable();
    amounts
}

/// The owner gives the lookup key of each price to another.
async fn plant(world: &World, club: &Club, terms: &[(&str, &str)]) {
    let prices = world.stripe("/prices?limit=100", Some(&club.shop.account)).await;
    let prices = prices["data"].as_array().expect("a list");
    assert!(!prices.is_empty());
    for price in prices {
        let Some(key) = price["lookup_key"].as_str() else { continue };
        let interval = price["recurring"]["interval"].as_str().expect("an interval");
        let product = price["product"].as_str().expect("a product");
        let amount = price["unit_amount"].to_string();
        let usual = [
            ("currency", "usd"),
            ("lookup_key", key),
            ("product", product),
            ("recurring[interval]", interval),
            ("transfer_lookup_key", "true"),
            ("unit_amount", amount.as_str()),
        ];
        let other = terms.iter().filter(|(name, _)| usual.iter().all(|(known, _)| known != name));
        let form: Vec<(&str, &str)> = usual
            .iter()
            .map(|(name, value)| (*name, terms.iter().find(|(changed, _)| changed == name).map_or(*value, |(_, value)| *value)))
            .chain(other.copied())
            .collect();
        as_owner(world, club, "/prices", &form).await;
    }
}

async fn switch(world: &World, club: &Club, id: &str, interval: &str) -> Answer {
    world.post(format!("/subscriptions/{id}/switch"), json!({"interval": interval})).bearer(&club.shop.buyer.token).await
}

#[tokio::test]
async fn a_price_of_the_owners_is_never_charged() {
    let planted: [&[(&str, &str)]; 4] =
        [&[("unit_amount", "99900")], &[("recurring[interval]", "week")], &[("recurring[interval_count]", "2")], &[("currency", "eur")]];
    for terms in planted {
        let world = World::with(&DIRECT).await;
        let club = Club::open(&world).await;
        for (email, interval) in [("first@example.com", "month"), ("second@example.com", "year")] {
            let accomplice = world.buyer(email).await;
            let body = json!({"interval": interval, "payment_method": "pm_card_visa"});
            assert_eq!(world.post(club.path(), body).bearer(&accomplice.token).await.status, 201);
        }
        plant(&world, &club, terms).await;
        let id = club.joined(&world, "month").await;
        assert_eq!(taken(&world, &club).await, [1000, 1000, 10_000], "{terms:?}");
        let price = async || {
            let all = club.at_stripe(&world, Some(&club.shop.account)).await;
            let mine = all.into_iter().find(|one| one["metadata"]["subscription_id"] == id).expect("it is there");
            let price = mine["items"]["data"][0]["price"].clone();
            (price["unit_amount"].clone(), price["recurring"]["interval"].clone(), price["recurring"]["interval_count"].clone())
        };
        assert_eq!(price().await, (json!(1000), json!("month"), json!(1)));
        // A switch looks prices up in the same way.
        plant(&world, &club, terms).await;
        let switched = switch(&world, &club, &id, "year").await;
        assert_eq!((switched.status, &switched.json()["amount"]), (200, &json!(10_000)), "{}", switched.body);
        assert_eq!(price().await, (json!(10_000), json!("year"), json!(1)));
        assert!(taken(&world, &club).await.iter().all(|amount| *amount <= 10_000));
    }
}

#[tokio::test]
async fn a_hosted_page_never_asks_for_a_price_of_the_owners() {
    let world = World::with(&DIRECT).await;
    let club = Club::open(&world).await;
    let accomplice = world.buyer("first@example.com").await;
    let body = json!({"interval": "month", "payment_method": "pm_card_visa"});
    assert_eq!(world.post(club.path(), body).bearer(&accomplice.token).await.status, 201);
    plant(&world, &club, &[("unit_amount", "99900")]).await;
    assert_eq!(club.ask(&world, json!({"interval": "month"})).await.status, 201);
    let session = world.stripe("/checkout/sessions?status=open", Some(&club.shop.account)).await["data"][0].clone();
    assert_eq!(session["amount_total"], 1000, "{session}");
}

/// The buyer has bought a course, so there is a customer on the seller's account, to which the owner adds something.
async fn with_addition(world: &World, club: &Club, what: &str) -> String {
    let account = Some(club.shop.account.as_str());
    if world.stripe("/customers", account).await["data"].as_array().is_some_and(Vec::is_empty) {
        assert_eq!(world.buy(&club.shop.buyer, &club.shop.course_id, &club.card).await.status, 201);
    }
    let customer = world.stripe("/customers", account).await["data"][0]["id"].as_str().expect("an id").to_owned();
    match what {
        "debt" => drop(as_owner(world, club, &format!("/customers/{customer}"), &[("balance", "90000")]).await),
        "credit" => drop(as_owner(world, club, &format!("/customers/{customer}"), &[("balance", "-300")]).await),
        _ => {
            let item = [("amount", "90000"), ("currency", "usd"), ("customer", customer.as_str())];
            as_owner(world, club, "/invoiceitems", &item).await;
        }
    }
    customer
}

#[tokio::test]
async fn a_new_member_pays_nothing_that_the_owner_added() {
    for what in ["debt", "credit", "item"] {
        for method in [true, false] {
            let world = World::with(&DIRECT).await;
            let club = Club::open(&world).await;
            let account = Some(club.shop.account.as_str());
            let customer = with_addition(&world, &club, what).await;
            if method {
                club.joined(&world, "month").await;
            } else {
                assert_eq!(club.ask(&world, json!({"interval": "month"})).await.status, 201);
                let session = world.stripe("/checkout/sessions?status=open", account).await["data"][0].clone();
                let path = format!("checkout/sessions/{}/pay", session["id"].as_str().expect("an id"));
                world.admin("POST", &path, json!({})).await;
                world.deliver().await;
            }
            assert_eq!(taken(&world, &club).await, [1000, 5000], "{what}: the month and the course");
            let subscription = club.at_stripe(&world, account).await[0].clone();
            assert_ne!(subscription["customer"], json!(customer), "{what}");
            assert!(club.is_open(&world).await);
        }
    }
}

#[tokio::test]
async fn a_member_resumes_and_switches_to_nothing_that_the_owner_added() {
    for what in ["debt", "credit", "item"] {
        let world = World::with(&DIRECT).await;
        let club = Club::open(&world).await;
        let id = club.joined(&world, "month").await;
        let path = |what: &str| format!("/subscriptions/{id}/{what}");
        let post = async |what: &str, body: Value| world.post(path(what), body).bearer(&club.shop.buyer.token).await;
        let customer = with_addition(&world, &club, what).await;
        let detail = "the seller has added other charges or credits to your payments at Stripe; ask the seller to remove them, or cancel";
        post("switch", json!({"interval": "year"})).await.is_problem(409, "other_charges", detail);
        assert_eq!(post("cancel", json!({})).await.status, 200);
        post("resume", json!({})).await.is_problem(409, "other_charges", detail);
        post("resume", json!({"payment_method": club.card})).await.is_problem(409, "other_charges", detail);
        assert_eq!(club.subscription(&world, &id).await["cancel_at_period_end"], true);
        assert_eq!(taken(&world, &club).await, [1000]);
        if what != "item" {
            as_owner(&world, &club, &format!("/customers/{customer}"), &[("balance", "0")]).await;
            assert_eq!(post("resume", json!({})).await.json()["cancel_at_period_end"], false);
        }
    }
}

/// The findings about the membership: what differs, what was agreed, what Stripe has, and whether that is over.
pub(super) async fn findings(world: &World, staff: &Person) -> Vec<Value> {
    let all = world.get("/admin/findings").bearer(&staff.token).await.json();
    let all = all["items"].as_array().expect("a list").iter().filter(|one| one["kind"] == "membership_differs");
    all.map(|one| json!([one["reason"], one["ours"], one["stripe"], one["settled_at"].is_string()])).collect()
}

#[tokio::test]
async fn a_renewal_with_a_debt_of_the_owners_is_a_finding() {
    let world = World::with(&DIRECT).await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    with_addition_to_member(&world, &club).await;
    pass(&world, &mut club, 32).await;
    assert_eq!(taken(&world, &club).await, [1000, 91_000]);
    assert_eq!(club.subscription(&world, &id).await["amount"], 1000);
    let staff = world.staff("staff@example.com").await;
    assert_eq!(findings(&world, &staff).await, [json!(["payment", 1000, 91_000, false])]);
}

async fn with_addition_to_member(world: &World, club: &Club) {
    let customer = world.stripe("/customers", Some(&club.shop.account)).await["data"][0]["id"].as_str().expect("an id").to_owned();
    as_owner(world, club, &format!("/customers/{customer}"), &[("balance", "90000")]).await;
}

#[tokio::test]
async fn no_percentage_is_taken_from_the_metadata() {
    let world = World::with(&DIRECT).await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    let account = Some(club.shop.account.clone());
    let at_stripe = club.at_stripe(&world, account.as_deref()).await[0].clone();
    assert_eq!(at_stripe["application_fee_percent"], 50.0);
    let path = format!("/subscriptions/{}", at_stripe["id"].as_str().expect("an id"));
    as_owner(&world, &club, &path, &[("metadata[renewals_fee_percent]", "0"), ("metadata[switch_fee_percent]", "50")]).await;
    world.deliver().await;
    for _ in 0..3 {
        world.pass(Duration::hours(7)).await;
        world.reconcile().await;
    }
    assert_eq!(club.at_stripe(&world, account.as_deref()).await[0]["application_fee_percent"], 50.0);
    pass(&world, &mut club, 32).await;
    let payments = world.succeeded(account.as_deref()).await;
    assert!(payments.len() == 2 && payments.iter().all(|payment| payment["application_fee_amount"] == 500), "{payments:?}");
    assert_eq!(club.subscription(&world, &id).await["status"], "active");
    let staff = world.staff("staff@example.com").await;
    assert_eq!(findings(&world, &staff).await, Vec::<Value>::new());
}

#[tokio::test]
async fn other_terms_at_stripe_are_a_finding_until_they_are_undone() {
    let world = World::with(&DIRECT).await;
    let club = Club::open(&world).await;
    club.joined(&world, "month").await;
    world.deliver().await;
    let account = Some(club.shop.account.as_str());
    let at_stripe = club.at_stripe(&world, account).await[0].clone();
    let item = &at_stripe["items"]["data"][0];
    let (item, price) = (item["id"].as_str().expect("an id"), item["price"]["id"].as_str().expect("an id"));
    let product = at_stripe["items"]["data"][0]["price"]["product"].as_str().expect("a product");
    let path = format!("/subscriptions/{}", at_stripe["id"].as_str().expect("an id"));
    let dear = [("currency", "usd"), ("product", product), ("recurring[interval]", "month"), ("unit_amount", "7000")];
    let dear = as_owner(&world, &club, "/prices", &dear).await["id"].as_str().expect("an id").to_owned();
    let change = async |form: &[(&str, &str)]| {
        as_owner(&world, &club, &path, form).await;
        world.deliver().await;
    };

    let staff = world.staff("staff@example.com").await;
    change(&[("application_fee_percent", "1.5")]).await;
    assert_eq!(findings(&world, &staff).await, [json!(["application_fee_percent", 5000, 150, false])]);
    change(&[("application_fee_percent", "50")]).await;
    assert_eq!(findings(&world, &staff).await, [json!(["application_fee_percent", 5000, 150, true])]);

    let with = |price| [("items[0][id]", item), ("items[0][price]", price), ("proration_behavior", "none")];
    change(&with(dear.as_str())).await;
    assert!(findings(&world, &staff).await.contains(&json!(["price", 1000, 7000, false])));
    change(&with(price)).await;
    change(&[("items[0][id]", item), ("items[0][quantity]", "3"), ("proration_behavior", "none")]).await;
    assert!(findings(&world, &staff).await.contains(&json!(["price", 1000, 3000, false])));
    change(&[("items[0][id]", item), ("items[0][quantity]", "1"), ("proration_behavior", "none")]).await;
    assert!(findings(&world, &staff).await.iter().all(|one| one[3] == true));
}

#[tokio::test]
async fn a_new_card_does_not_pay_what_the_owner_added_to_a_renewal() {
    let world = World::with(&DIRECT).await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    let at_stripe = club.at_stripe(&world, Some(&club.shop.account)).await[0].clone();
    let customer = at_stripe["customer"].as_str().expect("a customer");
    let attached = as_owner(&world, &club, "/payment_methods/pm_card_chargeCustomerFail/attach", &[("customer", customer)]).await;
    let path = format!("/subscriptions/{}", at_stripe["id"].as_str().expect("an id"));
    as_owner(&world, &club, &path, &[("default_payment_method", attached["id"].as_str().expect("an id"))]).await;
    with_addition_to_member(&world, &club).await;
    pass(&world, &mut club, 32).await;
    assert_eq!(club.subscription(&world, &id).await["status"], "past_due");
    let resumed =
        world.post(format!("/subscriptions/{id}/resume"), json!({"payment_method": club.card})).bearer(&club.shop.buyer.token).await;
    assert_eq!((resumed.status, resumed.text("code")), (409, "other_charges".to_owned()), "{}", resumed.body);
    assert_eq!(taken(&world, &club).await, [1000]);
}

#[tokio::test]
async fn a_smaller_refund_of_the_owners_is_not_the_one_that_was_asked_for() {
    for heard in [true, false] {
        let world = World::with(&DIRECT).await;
        let club = Club::open(&world).await;
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        let staff = world.staff("staff@example.com").await;
        for _ in 0..3 {
            world.fault("POST", "/v1/refunds", json!({"kind": "drop_before"})).await;
        }
        let asked = world.post(format!("/subscriptions/{id}/refund"), json!({"amount": 400})).bearer(&staff.token).await;
        assert_eq!(asked.status, 503, "{}", asked.body);
        let paid = world.succeeded(Some(&club.shop.account)).await[0]["id"].as_str().expect("an id").to_owned();
        let form =
            [("amount", "1"), ("metadata[number]", "1"), ("metadata[subscription_id]", id.as_str()), ("payment_intent", paid.as_str())];
        as_owner(&world, &club, "/refunds", &form).await;
        if heard {
            world.deliver().await;
        }
        world.pass(Duration::hours(1)).await;
        world.reconcile().await;
        let refunds = world.stripe("/refunds", Some(&club.shop.account)).await;
        let mut amounts: Vec<i64> =
            refunds["data"].as_array().expect("a list").iter().map(|refund| refund["amount"].as_i64().expect("an amount")).collect();
        amounts.sort_unstable();
        assert_eq!(amounts, [1, 400]);
    }
}

/// A member's first request whose response was lost. Returns its id, which stands in all metadata.
async fn lost(world: &World, club: &Club) -> String {
    for _ in 0..3 {
        world.fault("POST", "/v1/subscriptions", json!({"kind": "drop_before"})).await;
    }
    assert_eq!(club.subscribe(world, "month").await.status, 503);
    let list = world.get("/subscriptions").bearer(&club.shop.buyer.token).await.json();
    assert_eq!(list["items"][0]["status"], "pending");
    list["items"][0]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn an_earlier_subscription_does_not_take_the_place_of_a_new_one() {
    let world = World::with(&DIRECT).await;
    let club = Club::open(&world).await;
    let earlier = club.joined(&world, "month").await;
    world.deliver().await;
    let account = Some(club.shop.account.as_str());
    let ended = world.post(format!("/subscriptions/{earlier}/cancel"), json!({"at_once": true})).bearer(&club.shop.buyer.token).await;
    assert_eq!(ended.status, 200, "{}", ended.body);
    world.deliver().await;
    world.pass(Duration::minutes(10)).await;
    let id = lost(&world, &club).await;
    let old = club.at_stripe(&world, account).await[0]["id"].as_str().expect("an id").to_owned();
    as_owner(&world, &club, &format!("/subscriptions/{old}"), &[("metadata[subscription_id]", id.as_str())]).await;
    world.deliver().await;
    assert_eq!(club.subscription(&world, &id).await["status"], "pending");
    world.pass(Duration::minutes(10)).await;
    assert_eq!(club.joined(&world, "month").await, id);
    assert_eq!(club.at_stripe(&world, account).await.len(), 2);
    world.deliver().await;
    assert!(club.is_open(&world).await);
}

#[tokio::test]
async fn a_subscription_that_another_platform_made_is_not_taken_for_ours() {
    let first = World::with(&DIRECT).await;
    let club = Club::open(&first).await;
    // The same records, but what the first one makes at Stripe was made by another platform for this one.
    let other = [&DIRECT[..], &[("STRIPE_CLIENT_ID", "ca_of_another"), ("TABLE_NAME", "courses-of-another")]].concat();
    let second = first.beside(&other).await;
    for _ in 0..3 {
        first.fault("POST", "/v1/subscriptions", json!({"kind": "drop_after"})).await;
    }
    assert_eq!(club.subscribe(&first, "month").await.status, 503);
    second.copy_of(&first).await;
    first.deliver().await;
    for (world, status) in [(&first, "active"), (&second, "pending")] {
        let list = world.get("/subscriptions").bearer(&club.shop.buyer.token).await.json();
        assert_eq!(list["items"][0]["status"], status);
    }
}

#[tokio::test]
async fn a_declined_switch_is_not_agreed_later() {
    let world = World::with(&DIRECT).await;
    let club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    let account = Some(club.shop.account.as_str());
    let at_stripe = club.at_stripe(&world, account).await[0].clone();
    let text = |value: &Value| value.as_str().expect("it is text").to_owned();
    let (path, customer) = (format!("/subscriptions/{}", text(&at_stripe["id"])), text(&at_stripe["customer"]));
    let attach = async |card: &str| {
        let attached = as_owner(&world, &club, &format!("/payment_methods/{card}/attach"), &[("customer", &customer)]).await;
        as_owner(&world, &club, &path, &[("default_payment_method", &text(&attached["id"]))]).await;
    };
    attach("pm_card_chargeCustomerFail").await;
    assert_eq!(switch(&world, &club, &id, "year").await.status, 402);
    attach("pm_card_visa").await;
    let prices = world.stripe("/prices?limit=100", account).await;
    let yearly = prices["data"].as_array().expect("a list").iter().find(|price| price["unit_amount"] == 10_000).expect("it was made");
    let item = text(&at_stripe["items"]["data"][0]["id"]);
    as_owner(&world, &club, &path, &[("items[0][id]", &item), ("items[0][price]", &text(&yearly["id"]))]).await;
    world.deliver().await;
    let staff = world.staff("staff@example.com").await;
    assert!(findings(&world, &staff).await.contains(&json!(["price", 1000, 10_000, false])));
}
