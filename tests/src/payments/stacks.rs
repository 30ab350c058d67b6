//! Several deployments on one Stripe account: staging next to production, or a restored table next to the old one. Each receives all
//! events, but never touches another's money.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{PASSWORD, Person, Shop, World, token_in};

/// Everything with metadata that `POST /courses/{id}/charge` created at Stripe.
async fn made(world: &World, account: Option<&str>) -> Vec<Value> {
    let mut all = Vec::new();
    for list in ["customers", "payment_intents", "charges", "refunds", "transfers", "checkout/sessions"] {
        let found = world.stripe(&format!("/{list}?limit=100"), account).await;
        all.extend(found["data"].as_array().expect("a list").iter().cloned());
    }
    all
}

async fn refund(world: &World, shop: &Shop, status: u16) {
    let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    let path = format!("/purchases/{}/refund", purchases["items"][0]["id"].as_str().expect("an id"));
    let answer = world.post(path, json!({"amount": 1000})).bearer(&shop.seller.token).await;
    assert_eq!(answer.status, status, "{}", answer.body);
}

/// Checks that a day later the reconciliation finds nothing.
async fn nothing_is_found(worlds: &[&World], what: &str) {
    for hours in [1, 3, 24] {
        worlds[0].pass(Duration::hours(hours)).await;
        for world in worlds {
            let report = world.reconcile().await;
            assert_eq!((report.recorded, report.returned, report.differences), (0, 0, 0), "{what}: {report:?}");
            assert_eq!(
                world.app.store.findings(&shared::store::page::Page { limit: 100, after: None }).await.expect("the table").items,
                [],
                "{what}"
            );
        }
    }
}

#[tokio::test]
async fn two_stacks_on_one_stripe_account_never_touch_each_others_money() {
    for (charge_type, heard) in [("destination", true), ("direct", false)] {
        let own = [("CHARGE_TYPE", charge_type), ("ORPHAN_POLICY", "refund")];
        let first = World::with(&[&own[..], &[("STACK_ID", "first")]].concat()).await;
        let second = first.beside(&[&own[..], &[("STACK_ID", "second"), ("TABLE_NAME", "courses-beside")]].concat()).await;
        let shops = [first.shop().await, second.shop().await];
        for world in [&first, &second] {
            world.reconcile().await;
        }
        for (world, shop) in [&first, &second].into_iter().zip(&shops) {
            assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
            refund(world, shop, 200).await;
            let asked = world
                .post("/courses/charge", json!({"course_id": shop.course_id}))
                .bearer(&world.buyer("second@buyer.com").await.token)
                .await;
            assert_eq!(asked.status, 201, "{}", asked.body);
        }
        if heard {
            first.deliver().await;
        }
        nothing_is_found(&[&first, &second], charge_type).await;
        for (world, shop, other) in [(&first, &shops[0], "second"), (&second, &shops[1], "first")] {
            let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
            assert_eq!(
                (&purchases["items"][0]["status"], &purchases["items"][0]["refunded"]),
                (&json!("partially_refunded"), &json!(1000))
            );
            let account = (charge_type == "direct").then_some(shop.account.as_str());
            let all = made(world, account).await;
            assert!(all.len() > 4, "{all:?}");
            for one in all {
                // Stripe itself creates the transfer of a destination charge.
                if one["object"] != "transfer" || charge_type != "destination" {
                    assert!(one["metadata"]["stack_id"].is_string(), "{one}");
                    assert!(account.is_none() || one["metadata"]["stack_id"] != other, "{one}");
                }
            }
        }
        first.books().await;
    }
}

#[tokio::test]
async fn a_copied_table_leaves_the_other_deployments_sales_alone() {
    let first = World::with(&[("STACK_ID", "first"), ("CHARGE_TYPE", "separate")]).await;
    let shop = first.shop().await;
    assert_eq!(first.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let open = first.buyer("open@buyer.com").await;
    assert_eq!(first.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&open.token).await.status, 201);
    let second = first.beside(&[("STACK_ID", "second"), ("TABLE_NAME", "courses-copied"), ("ORPHAN_POLICY", "refund")]).await;
    second.copy_of(&first).await;
    // The buyer may be paying at the first deployment right now, so the second neither continues nor replaces the purchase.
    second.asked_stripe().await;
    let again = second.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&open.token).await;
    assert_eq!((again.status, again.text("code")), (409, "purchase_in_progress".to_owned()), "{}", again.body);
    assert_eq!(second.asked_stripe().await, Vec::<String>::new());
    // Both deployments receive events about the first one's money, but only the first acts on them.
    // The payee's funds are not available yet: the refund waits, and only the first deployment makes it.
    refund(&first, &shop, 202).await;
    first.deliver().await;
    let expired = first.stripe("/checkout/sessions", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
    first.admin("POST", &format!("checkout/sessions/{expired}/expire"), json!({})).await;
    let event = first.event("checkout.session.expired", |session| session["id"] == expired.as_str()).await.expect("it expired");
    let versions = async |world: &World| world.get("/purchases").bearer(&open.token).await.json()["items"][0]["status"].clone();
    assert_eq!((second.tell(&event).await.status, versions(&second).await), (200, json!("pending")), "it is the first one's");
    assert_eq!((first.tell(&event).await.status, versions(&first).await), (200, json!("canceled")));
    // A refund in the Dashboard names no deployment. Its purchase does.
    let charge = first.stripe("/charges", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
    let made = first.in_dashboard("/refunds", None, &[("charge", charge), ("amount", "700".to_owned())]).await;
    let event = first.event("refund.created", |refund| refund["id"] == made["id"]).await.expect("it was made");
    let refunds = async |world: &World| {
        let mine = world.get("/purchases").bearer(&shop.buyer.token).await.json();
        mine["items"][0]["refunds"].as_array().expect("a list").len()
    };
    let before = refunds(&second).await;
    assert_eq!((second.tell(&event).await.status, refunds(&second).await), (200, before));
    assert_eq!((first.tell(&event).await.status, refunds(&first).await), (200, before + 2));
    assert_eq!(first.buy(&first.buyer("later@buyer.com").await, &shop.course_id, "pm_card_visa").await.status, 201);
    second.asked_stripe().await;
    second.pass(Duration::hours(30)).await;
    for _ in 0..3 {
        let report = second.reconcile().await;
        assert_eq!((report.recorded, report.returned), (0, 0), "{report:?}");
    }
    let asked = second.asked_stripe().await;
    assert!(asked.iter().all(|one| one.starts_with("GET")), "{asked:?}");
}

#[tokio::test]
async fn erasing_an_account_in_a_copied_table_keeps_the_other_deployments_customer() {
    let first = World::with(&[("STACK_ID", "first")]).await;
    let shop = first.shop().await;
    assert_eq!(first.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let second = first.beside(&[("STACK_ID", "second"), ("TABLE_NAME", "courses-copied")]).await;
    second.copy_of(&first).await;
    erase(&second, &shop.buyer).await;
    second.asked_stripe().await;
    second.pass(Duration::days(3)).await;
    second.erase_at_stripe().await;
    let asked = second.asked_stripe().await;
    assert!(asked.iter().all(|one| one.starts_with("GET")), "{asked:?}");
}

/// Password hashes are in a separate table, which was not copied.
async fn erase(world: &World, person: &Person) {
    world.post("/password-resets", json!({"email": person.email})).await.is_empty(202);
    world.pump().await;
    let token = token_in(&world.mails_to(&person.email).pop().expect("a mail"));
    world.put("/password-resets", json!({"token": token, "password": PASSWORD})).await.is_empty(204);
    world.erase(&world.log_in(person).await).await.is_empty(204);
}

#[tokio::test]
async fn payments_without_a_deployment_id_are_only_reported() {
    for policy in ["record", "refund", "report"] {
        let world = World::with(&[("ORPHAN_POLICY", policy)]).await;
        let shop = world.shop().await;
        world.reconcile().await;
        let form = |stack: &'static str| {
            let mut form = vec![
                ("amount", "5000".to_owned()),
                ("currency", "usd".to_owned()),
                ("payment_method", "pm_card_visa".to_owned()),
                ("confirm", "true".to_owned()),
                ("return_url", "http://localhost:3000/".to_owned()),
                ("metadata[purchase_id]", format!("pur_{}_01k0a2b3c4d5e6f7g8", shop.buyer.id.trim_start_matches("usr_"))),
                ("metadata[course_id]", shop.course_id.clone()),
                ("metadata[buyer_id]", shop.buyer.id.clone()),
                ("metadata[attempt]", "1".to_owned()),
            ];
            form.extend((!stack.is_empty()).then(|| ("metadata[stack_id]", stack.to_owned())));
            form
        };
        let silent = world.in_dashboard("/payment_intents", None, &form("")).await;
        let foreign = world.in_dashboard("/payment_intents", None, &form("another")).await;
        assert_eq!((&silent["status"], &foreign["status"]), (&json!("succeeded"), &json!("succeeded")), "{silent}");
        world.deliver().await;
        world.pass(Duration::minutes(30)).await;
        let report = world.reconcile().await;
        assert_eq!((report.recorded, report.returned, report.differences), (0, 0, 1), "{policy}: {report:?}");
        let staff = world.staff("staff@example.com").await;
        let found = world.get("/admin/findings").bearer(&staff.token).await.json();
        let ids: Vec<&Value> = found["items"].as_array().expect("a list").iter().map(|one| &one["stripe_id"]).collect();
        assert_eq!(ids, [&silent["id"]], "{policy}");
    }
}
