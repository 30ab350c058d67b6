//! A buyer's memberships in several currencies, and customers with a credit balance.

use serde_json::{Value, json};

use super::{Club, offer, pass};
use crate::harness::{Person, World};

pub(super) async fn seller_in(world: &World, currency: &str) -> Person {
    let seller = world.seller(&format!("{currency}@example.com")).await;
    world.link(&seller).await;
    world.course(&seller, &format!("Course in {currency}"), 5000, currency, 10).await;
    offer(world, &seller, json!({"monthly": {"amount": 1000}, "currency": currency})).await;
    seller
}

pub(super) async fn subscribe(world: &World, club: &Club, seller: &Person, card: Option<&str>) -> Value {
    let mut body = json!({"interval": "month"});
    if let Some(card) = card {
        body["payment_method"] = card.into();
    }
    let answer = world.post(format!("/sellers/{}/membership/subscribe", seller.id), body).bearer(&club.shop.buyer.token).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()
}

async fn pay_page(world: &World) {
    let sessions = world.stripe("/checkout/sessions?status=open", None).await;
    let session = sessions["data"][0]["id"].as_str().expect("a page is open");
    world.admin("POST", &format!("checkout/sessions/{session}/pay"), json!({})).await;
    world.deliver().await;
}

async fn customers_of(world: &World, club: &Club) -> Vec<Value> {
    let mut all = club.at_stripe(world, None).await;
    all.iter_mut().map(|one| json!([one["currency"].take(), one["customer"].take(), one["status"].take()])).collect()
}

#[tokio::test]
async fn a_buyer_has_memberships_in_any_number_of_currencies() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    club.joined(&world, "month").await;
    let (eur, gbp) = (seller_in(&world, "eur").await, seller_in(&world, "gbp").await);
    // A new card is saved for the customer of that currency.
    assert_eq!(subscribe(&world, &club, &eur, Some("pm_card_visa")).await["subscription"]["status"], "active");
    // At Stripe, the saved card belongs to the customer of another currency, so Stripe's page asks for it again.
    let page = subscribe(&world, &club, &gbp, Some(&club.card)).await;
    assert!(page["checkout_url"].is_string(), "{page}");
    pay_page(&world).await;
    // A second membership in the same currency uses the same customer and card.
    let more = world.seller("more@example.com").await;
    world.link(&more).await;
    offer(&world, &more, json!({"monthly": {"amount": 700}, "currency": "eur"})).await;
    assert_eq!(subscribe(&world, &club, &more, Some("pm_card_mastercard")).await["subscription"]["status"], "active");
    world.deliver().await;

    let all = customers_of(&world, &club).await;
    assert_eq!(all.len(), 4);
    for one in &all {
        assert_eq!(one[2], "active", "{one}");
        for other in &all {
            assert_eq!(one[0] == other[0], one[1] == other[1], "one customer for each currency: {one}, {other}");
        }
    }
    pass(&world, &mut club, 32).await;
    assert_eq!(world.succeeded(None).await.len(), 8, "all are renewed");
    let list = world.get("/subscriptions").bearer(&club.shop.buyer.token).await.json();
    assert!(list["items"].as_array().expect("a list").iter().all(|one| one["status"] == "active"), "{list}");

    // A card of another currency's customer cannot be used here.
    let of_eur = list["items"].as_array().expect("a list").iter().find(|one| one["seller_id"] == json!(eur.id)).expect("it is there");
    let path = format!("/subscriptions/{}/resume", of_eur["id"].as_str().expect("an id"));
    let refused = world.post(&path, json!({"payment_method": club.card})).bearer(&club.shop.buyer.token).await;
    assert_eq!((refused.status, refused.text("code")), (422, "payment_method_refused".to_owned()), "{}", refused.body);
    let taken = world.post(&path, json!({"payment_method": "pm_card_amex"})).bearer(&club.shop.buyer.token).await;
    assert_eq!(taken.status, 200, "{}", taken.body);
}

#[tokio::test]
async fn a_customers_credit_pays_no_other_seller() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    club.joined(&world, "month").await;
    // A credit left by a switch in an earlier version, or by somebody in the Dashboard.
    let customer = club.at_stripe(&world, None).await[0]["customer"].as_str().expect("a customer").to_owned();
    world.in_dashboard(&format!("/customers/{customer}"), None, &[("balance", "-5000".to_owned())]).await;
    let other = world.seller("other@example.com").await;
    world.link(&other).await;
    offer(&world, &other, json!({"monthly": {"amount": 1000}, "currency": "usd"})).await;
    assert!(subscribe(&world, &club, &other, Some(&club.card)).await["checkout_url"].is_string());
    pay_page(&world).await;
    let totals = world.get("/sales").bearer(&other.token).await.json()["totals"][0].clone();
    assert_eq!((&totals["gross"], world.succeeded(None).await.len()), (&json!(1000), 2));
    let kept = world.stripe(&format!("/customers/{customer}"), None).await;
    assert_eq!(kept["balance"], -5000, "the credit is where it was");
}

#[tokio::test]
async fn a_buyer_whose_customer_has_another_currency_gets_a_new_customer() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    // A membership from before the customer's currency was recorded.
    club.joined(&world, "month").await;
    let mut buyer = world.app.store.user(&club.shop.buyer.id.parse().expect("an id")).await.expect("the table").expect("a buyer");
    assert_eq!(buyer.customers.remove("platform:usd"), buyer.customers.get("platform").cloned());
    let key = aws_sdk_dynamodb::types::AttributeValue::S;
    let update = world.database().update_item().table_name(&world.app.config.table_name);
    let update = update.key("pk", key(format!("USER#{}", buyer.id))).key("sk", key("PROFILE".to_owned()));
    update
        .update_expression("REMOVE customers.#place")
        .expression_attribute_names("#place", "platform:usd")
        .send()
        .await
        .expect("the table");
    let eur = seller_in(&world, "eur").await;
    assert_eq!(subscribe(&world, &club, &eur, Some("pm_card_visa")).await["subscription"]["status"], "active");
    let all = customers_of(&world, &club).await;
    assert_ne!(all[0][1], all[1][1]);
}

#[tokio::test]
async fn a_credit_that_would_pay_a_renewal_is_a_finding_until_it_is_removed() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let staff = world.staff("staff@example.com").await;
    world.reconcile().await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    let customer = club.at_stripe(&world, None).await[0]["customer"].as_str().expect("a customer").to_owned();
    let path = format!("/customers/{customer}");
    world.in_dashboard(&path, None, &[("balance", "-5000".to_owned())]).await;
    let found = async |staff: &Person| {
        let list = world.get("/admin/findings").bearer(&staff.token).await.json();
        let all = list["items"].as_array().unwrap_or_else(|| panic!("{list}")).clone();
        all.into_iter().filter(|one| one["kind"] == "customer_credit").collect::<Vec<_>>()
    };
    assert_eq!(found(&staff).await.len(), 0);
    // One day before the renewal.
    let end = club.subscription(&world, &id).await["current_period_end"].as_str().expect("a time").to_owned();
    let end = time::OffsetDateTime::parse(&end, &time::format_description::well_known::Rfc3339).expect("a time");
    world.pass(end - time::Duration::hours(20) - world.app.clock.now()).await;
    world.reconcile().await;
    let mut staff = staff;
    staff.token = world.log_in(&staff).await;
    club.log_in(&world).await;
    let one = found(&staff).await.remove(0);
    assert_eq!(
        [&one["stripe_id"], &one["amount"], &one["currency"], &one["subscription_id"], &one["buyer_id"], &one["settled_at"]],
        [&json!(customer), &json!(5000), &json!("usd"), &json!(id), &json!(club.shop.buyer.id), &Value::Null],
        "{one}"
    );
    // Somebody refunds the payment and sets the balance to zero. The card pays the renewal, and the event is lost.
    world.in_dashboard(&path, None, &[("balance", "0".to_owned())]).await;
    world.admin("POST", "webhooks/mode", json!({"drop_next": 1000, "own_clock": true})).await;
    world.pass(time::Duration::hours(24)).await;
    world.reconcile().await;
    assert_eq!(world.succeeded(None).await.len(), 2);
    let all = found(&staff).await;
    assert_eq!((all.len(), all[0]["settled_at"].is_string()), (1, true), "{all:?}");
}

#[tokio::test]
async fn stripes_fee_is_added_up_in_the_currency_in_which_it_was_taken() {
    let world = World::start().await;
    world.admin("POST", "settings", json!({"every_currency": false})).await;
    let club = Club::open(&world).await;
    let eur = seller_in(&world, "eur").await;
    assert_eq!(subscribe(&world, &club, &eur, Some("pm_card_visa")).await["subscription"]["status"], "active");
    world.deliver().await;
    let payment = world.succeeded(None).await.remove(0);
    let path = format!("/charges/{}?expand[]=balance_transaction", payment["latest_charge"].as_str().expect("an id"));
    let booked = world.stripe(&path, None).await["balance_transaction"].clone();
    assert_eq!((&payment["currency"], &booked["currency"]), (&json!("eur"), &json!("usd")), "{booked}");
    let totals = world.get("/sales").bearer(&eur.token).await.json()["totals"].clone();
    let of = |currency: &str| {
        let all = totals.as_array().expect("a list");
        all.iter().find(|one| one["currency"] == currency).unwrap_or_else(|| panic!("{totals}")).clone()
    };
    assert_eq!([&of("eur")["gross"], &of("eur")["stripe_fee"]], [&json!(1000), &json!(0)], "{totals}");
    assert_eq!([&of("usd")["gross"], &of("usd")["stripe_fee"]], [&json!(0), &booked["fee"]], "{totals}");
}

/// Adds one unit to an amount in a buyer's item.
pub(super) async fn add_one(world: &World, pk: String, sk: String, amount: &str) {
    let text = aws_sdk_dynamodb::types::AttributeValue::S;
    let update = world.database().update_item().table_name(&world.app.config.table_name);
    let update = update.key("pk", text(pk)).key("sk", text(sk)).update_expression(format!("SET {amount} = {amount} + :one"));
    let one = aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned());
    update.expression_attribute_values(":one", one).send().await.expect("the amount is there");
}

#[tokio::test]
async fn a_settled_amount_that_is_wrong_by_one_unit_is_a_difference_of_the_books() {
    for is_wrong in [false, true] {
        let world = World::start().await;
        world.admin("POST", "settings", json!({"every_currency": false})).await;
        let club = Club::open(&world).await;
        let staff = world.staff("staff@example.com").await;
        world.reconcile().await;
        let eur = seller_in(&world, "eur").await;
        let joined = subscribe(&world, &club, &eur, Some("pm_card_visa")).await;
        let course = world.course(&eur, "Another", 5000, "eur", 10).await;
        let bought = world.buy(&club.shop.buyer, course["id"].as_str().expect("an id"), "pm_card_visa").await;
        assert_eq!(bought.status, 201, "{}", bought.body);
        world.deliver().await;
        let (user, member) = (format!("USER#{}", club.shop.buyer.id), joined["subscription"]["id"].as_str().expect("an id").to_owned());
        let purchase = bought.json()["purchase"]["id"].as_str().expect("an id").to_owned();
        if is_wrong {
            add_one(&world, user.clone(), format!("PURCHASE#{purchase}"), "attempts[0].charge.settled.amount").await;
            // The copy that payments lead to is written together with the purchase.
            let paid = world.succeeded(None).await.into_iter().find(|one| one["metadata"]["purchase_id"] == json!(purchase));
            let paid = paid.and_then(|paid| paid["id"].as_str().map(str::to_owned)).expect("it was paid");
            add_one(&world, format!("PAYMENT#{paid}"), "PAYMENT".to_owned(), "purchase.attempts[0].charge.settled.amount").await;
            add_one(&world, user, format!("SUBSCRIPTION#{member}"), "payments[0].settled.amount").await;
        }
        world.pass(time::Duration::hours(5)).await;
        let report = world.reconcile().await;
        let list = world.get("/admin/findings").bearer(&staff.token).await.json();
        assert_eq!((report.hours >= 2, report.differences), (true, if is_wrong { 2 } else { 0 }), "{report:?}, {list}");
        let all = list["items"].as_array().unwrap_or_else(|| panic!("{list}"));
        for (id, name) in [(&purchase, "purchase_id"), (&member, "subscription_id")].into_iter().filter(|_| is_wrong) {
            let found = all.iter().find(|one| one[name] == json!(id)).unwrap_or_else(|| panic!("{list}"));
            let off = found["ours"].as_i64().zip(found["stripe"].as_i64()).map(|(ours, stripe)| ours - stripe);
            assert_eq!((&found["kind"], &found["currency"], off), (&json!("books_difference"), &json!("usd"), Some(1)), "{found}");
        }
        assert_eq!(all.len(), report.differences as usize, "{list}");
    }
}

#[tokio::test]
async fn a_settled_amount_of_a_refund_or_a_dispute_that_is_wrong_by_one_unit_is_a_difference_of_the_books() {
    for (amount, is_disputed, off) in [("movements[0].settled.amount", false, -1), ("disputes[0].moves[0].moved.amount", true, 1)] {
        let world = World::start().await;
        world.admin("POST", "settings", json!({"every_currency": false})).await;
        let staff = world.staff("staff@example.com").await;
        let (eur, buyer) = (seller_in(&world, "eur").await, world.buyer("buyer@example.com").await);
        let course = world.course(&eur, "Another", 5000, "eur", 10).await;
        world.reconcile().await;
        let bought = world.buy(&buyer, course["id"].as_str().expect("an id"), "pm_card_bypassPending").await;
        assert_eq!(bought.status, 201, "{}", bought.body);
        world.deliver().await;
        let purchase = bought.json()["purchase"]["id"].as_str().expect("an id").to_owned();
        let paid = world.succeeded(None).await.remove(0);
        if is_disputed {
            let charge = paid["latest_charge"].as_str().expect("an id");
            world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
        } else {
            let back = world.post(format!("/purchases/{purchase}/refund"), json!({"amount": 2000})).bearer(&eur.token).await;
            assert_eq!(back.status, 200, "{}", back.body);
        }
        world.deliver().await;
        // What a refund settled as is learned from the books.
        world.pass(time::Duration::hours(5)).await;
        let report = world.reconcile().await;
        assert_eq!((report.hours >= 2, report.differences), (true, 0), "{amount}: {report:?}");
        add_one(&world, format!("USER#{}", buyer.id), format!("PURCHASE#{purchase}"), amount).await;
        // The copy that payments lead to is written together with the purchase.
        let payment = paid["id"].as_str().expect("an id");
        add_one(&world, format!("PAYMENT#{payment}"), "PAYMENT".to_owned(), &format!("purchase.{amount}")).await;
        let mut progress = world.app.store.progress().await.expect("the table is there").expect("it has run");
        progress.books_hour -= 4;
        let _version = world.app.store.save_progress(&mut progress).await.expect("the table is there");
        world.pass(time::Duration::hours(1)).await;
        assert_eq!(world.reconcile().await.differences, 1, "{amount}");
        let list = world.get("/admin/findings").bearer(&staff.token).await.json();
        let one = &list["items"][0];
        let found = one["ours"].as_i64().zip(one["stripe"].as_i64()).map(|(ours, stripe)| ours - stripe);
        assert_eq!((&one["purchase_id"], &one["currency"], found), (&json!(purchase), &json!("usd"), Some(off)), "{amount}: {list}");
        assert_eq!((&one["kind"], list["items"].as_array().map(Vec::len)), (&json!("books_difference"), Some(1)), "{list}");
    }
}
