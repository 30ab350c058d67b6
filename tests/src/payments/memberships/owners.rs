//! What the owner of a connected account can do there to the payments of a membership: each is booked from what its charge took.

use serde_json::{Value, json};
use time::Duration;

use super::accounts::{as_owner, findings, taken};
use super::{Club, DIRECT, pass};
use crate::harness::World;

async fn subscription(world: &World, club: &Club) -> (Value, String) {
    let at_stripe = club.at_stripe(world, Some(&club.shop.account)).await[0].clone();
    let path = format!("/subscriptions/{}", at_stripe["id"].as_str().expect("an id"));
    (at_stripe, path)
}

async fn totals(world: &World, club: &Club) -> Value {
    let totals = world.get("/sales").bearer(&club.shop.seller.token).await.json()["totals"][0].clone();
    json!([totals["sales"], totals["gross"], totals["application_fee"], totals["net"]])
}

#[tokio::test]
async fn a_period_that_the_owner_begins_anew_is_a_finding_for_each_payment() {
    let world = World::with(&DIRECT).await;
    let mut club = Club::open(&world).await;
    club.joined(&world, "month").await;
    world.deliver().await;
    let mut staff = world.staff("staff@example.com").await;
    let (_, path) = subscription(&world, &club).await;
    let mut due = Vec::new();
    for times in 1..3 {
        world.pass(Duration::days(5)).await;
        as_owner(&world, &club, &path, &[("billing_cycle_anchor", "now"), ("proration_behavior", "none")]).await;
        for _ in 0..2 {
            world.deliver().await;
            world.pass(Duration::hours(7)).await;
            world.reconcile().await;
        }
        assert_eq!(taken(&world, &club).await, vec![1000; 1 + times]);
        let found = findings(&world, &staff).await;
        due = found.iter().map(|one| one[1].as_i64().expect("an amount")).collect();
        assert_eq!(found, due.iter().map(|due| json!(["payment", due, 1000, false])).collect::<Vec<_>>());
        assert_eq!(due.len(), times, "one for each payment, however often it is heard of");
    }
    assert!(due.iter().all(|due| (150..200).contains(due)), "five days of a month were used: {due:?}");
    let all = world.get("/admin/findings").bearer(&staff.token).await.json();
    assert!(all["items"][0]["stripe_id"].as_str().is_some_and(|id| id.starts_with("in_")), "{all}");
    // What was paid is credited, so nobody loses anything.
    world.pass(Duration::days(5)).await;
    staff.token = world.log_in(&staff).await;
    as_owner(&world, &club, &path, &[("billing_cycle_anchor", "now"), ("proration_behavior", "create_prorations")]).await;
    world.deliver().await;
    assert_eq!((taken(&world, &club).await.len(), findings(&world, &staff).await.len()), (4, 2));
    pass(&world, &mut club, 40).await;
    staff.token = world.log_in(&staff).await;
    assert_eq!((taken(&world, &club).await.len(), findings(&world, &staff).await.len()), (5, 2), "a renewal begins where a period ends");
}

#[tokio::test]
async fn an_invoice_that_is_marked_as_paid_opens_the_courses_and_is_no_sale() {
    let world = World::with(&DIRECT).await;
    let mut club = Club::open(&world).await;
    let account = club.shop.account.clone();
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    let before = totals(&world, &club).await;
    let (at_stripe, path) = subscription(&world, &club).await;
    let customer = at_stripe["customer"].as_str().expect("a customer");
    let attached = as_owner(&world, &club, "/payment_methods/pm_card_chargeCustomerFail/attach", &[("customer", customer)]).await;
    as_owner(&world, &club, &path, &[("default_payment_method", attached["id"].as_str().expect("an id"))]).await;
    pass(&world, &mut club, 32).await;
    let open = world.stripe("/invoices?status=open", Some(&account)).await["data"][0]["id"].as_str().expect("it is open").to_owned();
    as_owner(&world, &club, &format!("/invoices/{open}/pay"), &[("paid_out_of_band", "true")]).await;
    world.deliver().await;
    let now = club.subscription(&world, &id).await;
    assert_eq!((&now["status"], &now["paid_until"]), (&json!("active"), &now["current_period_end"]));
    assert!(club.is_open(&world).await);
    assert_eq!(taken(&world, &club).await, [1000]);
    assert_eq!(totals(&world, &club).await, before);
    let members = world.get(format!("/sellers/{}/members", club.shop.seller.id)).bearer(&club.shop.seller.token).await.json();
    let payments = &members["items"][0]["payments"];
    assert_eq!((&payments[0]["amount"], &payments[0]["refundable"], &payments[1]["amount"]), (&json!(0), &json!(0), &json!(1000)));
    for hours in [1, 3] {
        world.pass(Duration::hours(hours)).await;
        world.reconcile().await;
    }
    let staff = world.staff("staff@example.com").await;
    assert_eq!(findings(&world, &staff).await, [json!(["payment", 1000, 0, false])]);
    let all = world.get("/admin/findings").bearer(&staff.token).await.json();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(1), "our books and Stripe's agree: {all}");
}

#[tokio::test]
async fn a_payment_with_a_lower_percentage_is_a_finding_although_it_was_put_back() {
    let world = World::with(&DIRECT).await;
    let mut club = Club::open(&world).await;
    club.joined(&world, "month").await;
    world.deliver().await;
    let (_, path) = subscription(&world, &club).await;
    as_owner(&world, &club, &path, &[("application_fee_percent", "0.01")]).await;
    world.pass(Duration::days(32)).await;
    as_owner(&world, &club, &path, &[("application_fee_percent", "50")]).await;
    world.deliver().await;
    club.log_in(&world).await;
    assert_eq!(totals(&world, &club).await, json!([2, 2000, 500, 1500]));
    let mut staff = world.staff("staff@example.com").await;
    assert_eq!(findings(&world, &staff).await, [json!(["application_fee_percent", 5000, 0, false])]);
    pass(&world, &mut club, 32).await;
    staff.token = world.log_in(&staff).await;
    assert_eq!((totals(&world, &club).await, findings(&world, &staff).await.len()), (json!([3, 3000, 1000, 2000]), 1));
}

/// The hosted page was asked for, and its answer is lost. The owner makes another, with a subscription of their own.
#[tokio::test]
async fn a_hosted_page_of_the_owners_does_not_begin_the_membership() {
    let world = World::with(&DIRECT).await;
    let club = Club::open(&world).await;
    for _ in 0..3 {
        world.fault("POST", "/v1/checkout/sessions", json!({"kind": "drop_before"})).await;
    }
    assert_eq!(club.ask(&world, json!({"interval": "month"})).await.status, 503);
    let list = world.get("/subscriptions").bearer(&club.shop.buyer.token).await.json();
    let id = list["items"][0]["id"].as_str().expect("an id").to_owned();
    let customer = world.stripe("/customers", Some(&club.shop.account)).await["data"][0]["id"].as_str().expect("an id").to_owned();
    let product = as_owner(&world, &club, "/products", &[("name", "Cheap")]).await["id"].as_str().expect("an id").to_owned();
    let cheap = [("currency", "usd"), ("product", product.as_str()), ("recurring[interval]", "month"), ("unit_amount", "100")];
    let price = as_owner(&world, &club, "/prices", &cheap).await["id"].as_str().expect("an id").to_owned();
    let form = [
        ("cancel_url", "http://localhost:3000/"),
        ("customer", customer.as_str()),
        ("line_items[0][price]", price.as_str()),
        ("line_items[0][quantity]", "1"),
        ("metadata[subscription_id]", id.as_str()),
        ("mode", "subscription"),
        ("success_url", "http://localhost:3000/"),
    ];
    let page = as_owner(&world, &club, "/checkout/sessions", &form).await["id"].as_str().expect("an id").to_owned();
    world.admin("POST", &format!("checkout/sessions/{page}/pay"), json!({"card": "pm_card_visa"})).await;
    world.deliver().await;
    assert_eq!(taken(&world, &club).await, [100]);
    assert_eq!(club.subscription(&world, &id).await["status"], "pending");
    assert!(!club.is_open(&world).await);
    world.pass(Duration::hours(26)).await;
    world.deliver().await;
    world.reconcile().await;
    let now = club.subscription(&world, &id).await;
    assert_eq!((&now["status"], club.is_open(&world).await), (&json!("failed"), false), "{now}");
}
