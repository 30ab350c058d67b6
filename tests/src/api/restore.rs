//! `make restore`: what the tables have lost comes back from a restored copy, and what is missing on purpose does not.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join;
use local::proxy::{Fault, Gate, Kind};
use operator::restore::{Mode, Outcome, Report, Tables};
use serde_json::json;
use shared::base::totp;
use shared::settings::config::credentials_beside;

use crate::harness::{PASSWORD, Person, World, token_in};

type Item = HashMap<String, AttributeValue>;

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

fn live(world: &World) -> [String; 2] {
    [world.app.config.table_name.clone(), world.app.config.credentials_table.clone()]
}

async fn stored(world: &World, table: &str) -> BTreeMap<(String, String), Item> {
    let mut found = BTreeMap::new();
    let mut pages = world.database().scan().table_name(table).into_paginator().send();
    while let Some(page) = pages.next().await {
        let items = page.expect("the table can be read").items.unwrap_or_default();
        found.extend(items.into_iter().map(|item| ((text(&item, "pk").to_owned(), text(&item, "sk").to_owned()), item)));
    }
    found
}

/// Both tables as they are now, in tables of their own, as DynamoDB restores them.
async fn restored(world: &World) -> Tables {
    let items = "courses-restored".to_owned();
    operator::table::create(world.database(), &items).await.expect("the tables can be made");
    let tables = Tables { credentials: credentials_beside(&items), items };
    for (from, to) in live(world).iter().zip([&tables.items, &tables.credentials]) {
        for item in stored(world, from).await.into_values() {
            world.database().put_item().table_name(to).set_item(Some(item)).send().await.expect("the table can be written");
        }
    }
    tables
}

/// Deletes these items from the live tables, and returns them.
async fn lose(world: &World, lost: impl Fn(&Item) -> bool) -> Vec<Item> {
    let mut items = Vec::new();
    for table in live(world) {
        for (_, item) in stored(world, &table).await.into_iter().filter(|(_, item)| lost(item)) {
            let delete = world.database().delete_item().table_name(&table);
            delete.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).send().await.expect("the table can be written");
            items.push(item);
        }
    }
    items
}

async fn restore(world: &World, from: &Tables, mode: Mode) -> Report {
    operator::restore::run(&world.app, world.database(), from, mode).await.expect("the tables can be read")
}

fn count(kinds: &[(&str, usize)]) -> BTreeMap<String, usize> {
    kinds.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
}

#[tokio::test]
async fn a_lost_buyer_comes_back_whole_and_what_exists_stays_as_it_is() {
    let world = World::start().await;
    let shop = world.shop().await;
    let bought = world.buy(&shop.buyer, &shop.course_id, "pm_card_bypassPending").await;
    let purchase = bought.json()["purchase"]["id"].as_str().expect("an id").to_owned();
    world.deliver().await;
    world.pump().await;
    let copy = restored(&world).await;
    let price = json!({"price": {"amount": 100, "currency": "usd"}});
    assert_eq!(world.patch("/courses/flask-microservices", price).bearer(&shop.seller.token).await.status, 200);

    let partition = format!("USER#{}", shop.buyer.id);
    let is_theirs =
        |item: &Item| text(item, "pk") == partition || text(item, "user_id") == shop.buyer.id || text(item, "purchase_id") == purchase;
    let lost = lose(&world, is_theirs).await;
    let (passing, lasting): (Vec<_>, Vec<_>) =
        lost.iter().partition(|item| text(item, "sk").starts_with("SESSION#") || text(item, "pk").starts_with("MAIL#"));
    for kind in ["EMAIL", "OWNS", "PASSWORD", "PAYMENT", "PROFILE", "PURCHASE"] {
        assert!(lasting.iter().any(|item| text(item, "sk").starts_with(kind)), "there was no {kind}");
    }
    let before = stored(&world, &live(&world)[0]).await;
    let report = restore(&world, &copy, Mode::Report).await;
    assert_eq!(report.missing[&Outcome::Back].values().sum::<usize>(), lasting.len(), "{report}");
    assert_eq!(report.missing[&Outcome::Passing].values().sum::<usize>(), passing.len(), "{report}");
    assert_eq!(report.missing.len(), 2, "{report}");
    assert!(report.to_string().contains("\n  Can be put back: ") && report.to_string().contains("1 PURCHASE"), "{report}");
    assert_eq!(stored(&world, &live(&world)[0]).await, before, "a report writes nothing");

    assert_eq!(restore(&world, &copy, Mode::Copy).await.missing, report.missing);
    let mut after = stored(&world, &live(&world)[0]).await;
    after.extend(stored(&world, &live(&world)[1]).await);
    for (key, item) in &before {
        assert_eq!(after.get(key), Some(item), "{key:?}");
    }
    for item in lost.iter().cloned() {
        let key = (text(&item, "pk").to_owned(), text(&item, "sk").to_owned());
        let mut expected = lasting.contains(&&item).then_some(item);
        // The copy in a payment may be older than the purchase, so it is left out.
        if let Some(item) = expected.as_mut().filter(|_| key.1 == "PAYMENT") {
            item.remove("purchase");
        }
        // What ended their sessions since then is not known.
        if let Some(item) = expected.as_mut().filter(|_| key.1 == "PROFILE") {
            item.insert("sessions_ended_at".to_owned(), after[&key]["sessions_ended_at"].clone());
        }
        assert_eq!(after.get(&key), expected.as_ref(), "{key:?}");
    }
    let course = world.get("/courses/flask-microservices").await.json();
    assert_eq!(course["price"]["amount"], 100);
    let token = world.post("/sessions", json!({"email": shop.buyer.email, "password": PASSWORD})).await.text("token");
    let purchases = world.get("/purchases").bearer(&token).await.json();
    assert_eq!((&purchases["items"][0]["id"], &purchases["items"][0]["status"]), (&json!(purchase), &json!("paid")));
    // Record, slot and payment agree, so the purchase can change.
    let refunded = world.post(format!("/purchases/{purchase}/refund"), json!({})).bearer(&shop.seller.token).await;
    assert_eq!(refunded.status, 200, "{}", refunded.body);
    world.deliver().await;
    let purchases = world.get("/purchases").bearer(&token).await.json();
    assert_eq!(purchases["items"][0]["status"], "refunded");

    let again = restore(&world, &copy, Mode::Copy).await;
    assert_eq!(again.missing.get(&Outcome::Back), None, "{again}");
    let same = Tables { items: live(&world)[0].clone(), credentials: live(&world)[1].clone() };
    let refusal = operator::restore::run(&world.app, world.database(), &same, Mode::Copy).await.expect_err("they are live");
    assert!(refusal.to_string().contains("live tables"), "{refusal}");
}

#[tokio::test]
async fn what_was_deleted_on_purpose_stays_away() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (gone, mover) = (world.buyer("gone@example.com").await, world.buyer("old@example.com").await);
    let copy = restored(&world).await;

    world.erase(&gone.token).await.is_empty(204);
    let change = json!({"email": "new@example.com", "current_password": PASSWORD});
    assert_eq!(world.patch("/users/me", change).bearer(&mover.token).await.status, 200);
    world.pump().await;
    let link = world.mails_to("new@example.com").pop().expect("a link");
    world.put("/email-confirmations", json!({"token": token_in(&link)})).await.is_empty(204);
    assert_eq!(world.delete("/courses/flask-microservices").bearer(&shop.seller.token).await.status, 204);
    assert_eq!(world.delete("/users/me/stripe").bearer(&shop.seller.token).await.status, 204);
    assert_eq!(world.delete("/sessions/current").bearer(&shop.buyer.token).await.status, 204);
    // The reservation of the old address ends.
    lose(&world, |item| text(item, "pk") == "EMAIL#old@example.com").await;
    // Sessions of users who are still there, as the table deletes them after a while.
    lose(&world, |item| text(item, "sk").starts_with("SESSION#")).await;

    let before = [stored(&world, &live(&world)[0]).await, stored(&world, &live(&world)[1]).await];
    let report = restore(&world, &copy, Mode::Copy).await;
    assert_eq!(report.missing.get(&Outcome::Back), None, "{report}");
    assert_eq!(report.missing[&Outcome::Erased], count(&[("EMAIL", 1), ("PASSWORD", 1), ("PROFILE", 1)]), "{report}");
    assert_eq!(report.missing[&Outcome::Unfit], count(&[("ACCOUNT", 1), ("EMAIL", 1)]), "{report}");
    assert!(["SESSION", "STRIPE"].iter().all(|kind| report.missing[&Outcome::Passing].contains_key(*kind)), "{report}");
    assert_eq!([stored(&world, &live(&world)[0]).await, stored(&world, &live(&world)[1]).await], before);
}

#[tokio::test]
async fn a_former_slug_that_was_lost_is_reserved_again_also_after_its_seller_was_erased() {
    let world = World::start().await;
    let shop = world.shop().await;
    let seller = world.seller("gone@example.com").await;
    world.post("/courses", json!({"title": "Gone", "price": {"amount": 5000, "currency": "usd"}})).bearer(&seller.token).await;
    world.erase(&seller.token).await.is_empty(204);
    assert_eq!(world.patch("/courses/flask-microservices", json!({"slug": "moved"})).bearer(&shop.seller.token).await.status, 200);
    let copy = restored(&world).await;

    lose(&world, |item| ["SLUG#flask-microservices", "SLUG#gone"].contains(&text(item, "pk"))).await;
    let report = restore(&world, &copy, Mode::Copy).await;
    assert_eq!(report.missing[&Outcome::Back], count(&[("SLUG", 2)]), "{report}");
    assert_eq!(world.get("/courses/flask-microservices").await.json()["slug"], "moved");
    let again = json!({"title": "Gone", "slug": "gone", "price": {"amount": 5000, "currency": "usd"}});
    assert_eq!(world.post("/courses", again).bearer(&shop.seller.token).await.status, 409);
}

#[tokio::test]
async fn what_contradicts_a_newer_record_stays_away() {
    let world = World::start().await;
    let shop = world.shop().await;
    let other = world.buyer("other@example.com").await;
    for buyer in [&shop.buyer, &other] {
        assert_eq!(world.buy(buyer, &shop.course_id, "pm_card_bypassPending").await.status, 201);
    }
    world.deliver().await;
    let copy = restored(&world).await;
    for buyer in [&shop.buyer, &other] {
        let id = world.get("/purchases").bearer(&buyer.token).await.json()["items"][0]["id"].as_str().expect("an id").to_owned();
        let refunded = world.post(format!("/purchases/{id}/refund"), json!({"amount": 100})).bearer(&shop.seller.token).await;
        assert_eq!(refunded.status, 200, "{}", refunded.body);
    }
    world.deliver().await;
    let change = json!({"password": "another horse", "current_password": PASSWORD});
    assert_eq!(world.patch("/users/me", change).bearer(&shop.seller.token).await.status, 200);
    let [seller, buyer, other] = [&shop.seller, &shop.buyer, &other].map(|person| format!("USER#{}", person.id));
    let lost = lose(&world, |item| match (text(item, "pk"), text(item, "sk")) {
        (pk, "PASSWORD") => pk == seller,
        (pk, sk) if sk.starts_with("PURCHASE#") => pk == buyer,
        (pk, sk) if sk.starts_with("OWNS#") => pk == other,
        _ => false,
    })
    .await;
    let expected = count(&[("OWNS", 1), ("PASSWORD", 1), ("PURCHASE", 1)]);
    assert_eq!(lost.len(), 3);
    let report = restore(&world, &copy, Mode::Copy).await;
    assert_eq!(report.missing[&Outcome::Unfit], expected, "{report}");
    assert_eq!(report.missing.get(&Outcome::Back), None, "{report}");
    let old = world.post("/sessions", json!({"email": shop.seller.email, "password": PASSWORD})).await;
    assert_eq!(old.status, 401, "the old password does not work again");
}

#[tokio::test]
async fn what_changes_while_an_item_is_put_back_wins() {
    let world = World::start().await;
    world.buyer("a@example.com").await;
    let person = world.buyer("b@example.com").await;
    let copy = restored(&world).await;
    let client = shared::cloud::aws::dynamodb(&world.app.aws, Some(world.proxy.url()));
    let held = |gate: &Gate| world.proxy.inject(Fault::next("TransactWriteItems", Kind::Hold(gate.clone())));
    let raced = count(&[("EMAIL", 1)]);

    // Somebody else signs up with the address.
    lose(&world, |item| text(item, "pk") == "EMAIL#a@example.com").await;
    let gate = Gate::new();
    held(&gate);
    let meanwhile = async {
        gate.reached().await;
        let other = world.stranger("a@example.com").await;
        gate.open();
        other
    };
    let (report, other) = join(operator::restore::run(&world.app, &client, &copy, Mode::Copy), meanwhile).await;
    assert_eq!(report.expect("the tables can be read").missing[&Outcome::Raced], raced);
    let owners = stored(&world, &live(&world)[0]).await;
    assert_eq!(text(&owners[&("EMAIL#a@example.com".to_owned(), "EMAIL".to_owned())], "user_id"), other.id);

    // Its user is erased.
    lose(&world, |item| text(item, "pk") == "EMAIL#b@example.com").await;
    let gate = Gate::new();
    held(&gate);
    let meanwhile = async {
        gate.reached().await;
        world.erase(&person.token).await.is_empty(204);
        gate.open();
    };
    let (report, ()) = join(operator::restore::run(&world.app, &client, &copy, Mode::Copy), meanwhile).await;
    assert_eq!(report.expect("the tables can be read").missing[&Outcome::Raced], raced);
    let again = restore(&world, &copy, Mode::Copy).await;
    assert_eq!(again.missing.get(&Outcome::Back), None, "{again}");
    assert!(!world.stored().await.contains("b@example.com"), "the address is nowhere");
}

#[tokio::test]
async fn a_lesson_comes_back_if_its_course_still_lists_it() {
    let world = World::start().await;
    let shop = world.shop().await;
    let outline = "/courses/flask-microservices/outline";
    let put = async |version: u64, lessons: serde_json::Value| {
        let body = json!({"version": version, "sections": [{"title": "All", "lessons": lessons}]});
        let answer = world.put(outline, body).bearer(&shop.seller.token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["sections"][0]["lessons"].clone()
    };
    let lessons = put(0, json!([{"title": "Kept"}, {"title": "Removed"}])).await;
    let address = |number: usize| format!("/courses/flask-microservices/lessons/{}", lessons[number]["id"].as_str().expect("an id"));
    for number in [0, 1] {
        let answer = world.put(address(number), json!({"content": "What it says", "version": 0})).bearer(&shop.seller.token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let copy = restored(&world).await;
    put(1, json!([lessons[0]])).await;
    let lost = lose(&world, |item| text(item, "sk").starts_with("LESSON#")).await;
    assert_eq!(lost.len(), 1);
    let report = restore(&world, &copy, Mode::Copy).await;
    assert_eq!(report.missing[&Outcome::Back], count(&[("LESSON", 1)]), "{report}");
    assert_eq!(world.get(address(0)).bearer(&shop.seller.token).await.json()["content"], "What it says");
    let texts = stored(&world, &live(&world)[0]).await.into_keys().filter(|(_, sk)| sk.starts_with("LESSON#")).count();
    assert_eq!(texts, 1);
}

/// Sets up a second factor, and returns its secret.
async fn enrol(world: &World, person: &Person) -> String {
    let secret = world.post("/users/me/second-factor", json!({})).bearer(&person.token).await.text("secret");
    let code = totp::code(&secret, world.app.clock.now()).expect("a code");
    let on = world.put("/users/me/second-factor", json!({"code": code})).bearer(&person.token).await;
    assert_eq!(on.status, 200, "{}", on.body);
    secret
}

#[tokio::test]
async fn a_membership_and_a_second_factor_come_back_unless_they_were_given_up() {
    let world = World::start().await;
    let shop = world.shop().await;
    let other = world.buyer("other@example.com").await;
    let offer = json!({"monthly": {"amount": 1000}, "currency": "usd"});
    let path = format!("/sellers/{}/membership", shop.seller.id);
    assert_eq!(world.post(path.as_str(), offer).bearer(&shop.seller.token).await.status, 200);
    let subscribe = json!({"interval": "month", "payment_method": "pm_card_visa"});
    let subscribed = world.post(format!("{path}/subscribe"), subscribe).bearer(&shop.buyer.token).await;
    assert_eq!(subscribed.status, 201, "{}", subscribed.body);
    world.deliver().await;
    enrol(&world, &shop.buyer).await;
    let secret = enrol(&world, &other).await;
    let copy = restored(&world).await;

    world.app.clock.advance(time::Duration::seconds(totp::STEP));
    let off = json!({"code": totp::code(&secret, world.app.clock.now()).expect("a code")});
    assert_eq!(world.delete("/users/me/second-factor").json(&off).bearer(&other.token).await.status, 204);
    let kinds = ["SUBSCRIPTION#", "MEMBER#", "SECOND-FACTOR"];
    let partition = format!("USER#{}", shop.buyer.id);
    let lost = lose(&world, |item| text(item, "pk") == partition && kinds.iter().any(|kind| text(item, "sk").starts_with(kind))).await;
    assert_eq!(lost.len(), 3);
    let report = restore(&world, &copy, Mode::Copy).await;
    assert_eq!(report.missing[&Outcome::Back], count(&[("MEMBER", 1), ("SECOND-FACTOR", 1), ("SUBSCRIPTION", 1)]), "{report}");
    assert_eq!(report.missing[&Outcome::Unfit], count(&[("SECOND-FACTOR", 1)]), "{report}");

    let id = subscribed.json()["subscription"]["id"].as_str().expect("an id").to_owned();
    let canceled = world.post(format!("/subscriptions/{id}/cancel"), json!({})).bearer(&shop.buyer.token).await;
    assert_eq!(canceled.status, 200, "{}", canceled.body);
    let log_in = |email: &str| world.post("/sessions", json!({"email": email, "password": PASSWORD}));
    log_in(&shop.buyer.email).await.is_problem(
        401,
        "second_factor_required",
        "enter the code of your authenticator app, or a recovery code, as well",
    );
    assert_eq!(log_in(&other.email).await.status, 200);
}

#[tokio::test]
async fn a_session_that_was_ended_stays_so_though_its_users_profile_was_lost() {
    let world = World::start().await;
    let buyer = world.buyer("a@example.com").await;
    let stolen = world.log_in(&buyer).await;
    let copy = restored(&world).await;
    world.delete("/sessions").bearer(&buyer.token).await.is_empty(204);
    lose(&world, |item| text(item, "sk") == "PROFILE").await;
    assert_eq!(restore(&world, &copy, Mode::Copy).await.missing[&Outcome::Back], count(&[("PROFILE", 1)]));
    assert_eq!(world.get("/users/me").bearer(&stolen).await.status, 401);
    let token = world.log_in(&buyer).await;
    assert_eq!(world.get("/users/me").bearer(&token).await.status, 200);
}

#[tokio::test]
async fn what_an_erased_seller_sold_comes_back_for_its_buyers_only() {
    let world = World::start().await;
    let shop = world.shop().await;
    let content = format!("/courses/{}/content", shop.course_id);
    let written = world.put(content.as_str(), json!({"content": "What they paid for"})).bearer(&shop.seller.token).await;
    assert_eq!(written.status, 200, "{}", written.body);
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    world.deliver().await;
    let copy = restored(&world).await;
    world.enter_password(&shop.seller).await;
    world.delete("/users/me/stripe").bearer(&shop.seller.token).await.is_empty(204);
    world.erase(&shop.seller.token).await.is_empty(204);
    let is_the_courses = |item: &Item| ["COURSE#", "CONTENT#"].iter().any(|kind| text(item, "sk").starts_with(kind));
    assert_eq!(lose(&world, is_the_courses).await.len(), 2);
    let report = restore(&world, &copy, Mode::Copy).await;
    assert_eq!(report.missing[&Outcome::Back], count(&[("CONTENT", 1), ("COURSE", 1)]), "{report}");
    assert!(report.missing[&Outcome::Erased].contains_key("PROFILE"), "{report}");
    assert!(report.items.iter().any(|item| item.starts_with("Erased\t") && item.ends_with("\tPROFILE")), "{:?}", report.items);
    assert_eq!(world.get(content.as_str()).bearer(&shop.buyer.token).await.json()["content"], "What they paid for");
    assert_eq!(world.get("/courses").await.json()["items"], json!([]));
    let late = world.buyer("late@example.com").await;
    assert_eq!(world.buy(&late, &shop.course_id, "pm_card_visa").await.status, 404);
}
