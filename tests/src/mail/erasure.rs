//! `DELETE /users/me`: the person is erased, the books stay.

use serde_json::json;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use shared::store::mailed::{Purpose, SentTo};
use shared::store::token::Token;
use time::Duration;

use crate::harness::{PASSWORD, Person, Shop, World, token_in};

#[tokio::test]
async fn an_erased_buyer_is_on_no_record_and_the_payments_stay() {
    let world = World::start().await;
    let shop = world.shop().await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let other = world.log_in(&shop.buyer).await;
    world.pump().await;

    world.erase(&shop.buyer.token).await.is_empty(204);
    for session in [&shop.buyer.token, &other] {
        assert_eq!(world.get("/users/me").bearer(session).await.status, 401);
        assert_eq!(world.get("/purchases").bearer(session).await.status, 401);
    }
    assert_eq!(world.post("/sessions", json!({"email": shop.buyer.email, "password": PASSWORD})).await.status, 401);
    assert!(!world.stored().await.contains(&shop.buyer.email), "the address is nowhere");
    let sales = world.get("/sales").bearer(&shop.seller.token).await.json();
    assert_eq!((&sales["items"][0]["status"], &sales["items"][0]["net"]), (&json!("paid"), &json!(2500)));
    world.books().await;

    let staff = world.staff("staff@example.com").await;
    let users = world.get("/admin/users").bearer(&staff.token).await;
    assert!(!users.body.contains(&shop.buyer.id), "{}", users.body);
    let again = world.stranger(&shop.buyer.email).await;
    assert_ne!(again.id, shop.buyer.id, "the address is free for a new account");
    assert_eq!(world.get("/purchases").bearer(&again.token).await.json()["items"], json!([]));
}

#[tokio::test]
async fn erasing_takes_the_current_password() {
    let world = World::start().await;
    let person = world.stranger("a@example.com").await;
    let erase = |body: serde_json::Value| world.delete("/users/me").json(&body).cookie(&person.token);
    let missing = world.delete("/users/me").cookie(&person.token).await;
    missing.is_problem(422, "invalid_request", "current_password is missing");
    assert_eq!(erase(json!({})).await.status, 422);
    // A stolen cookie is a Bearer token, too.
    assert_eq!(world.delete("/users/me").bearer(&person.token).await.status, 422);
    assert_eq!(erase(json!({"current_password": "wrong one"})).await.status, 401);
    assert_eq!(erase(json!({"current_password": PASSWORD})).origin("https://evil.example").await.status, 403);
    assert_eq!(world.get("/users/me").bearer(&person.token).await.status, 200);
    let erased = erase(json!({"current_password": PASSWORD})).await;
    erased.is_empty(204);
    assert!(erased.header("set-cookie").is_some_and(|cookie| cookie.starts_with("session=;") && cookie.contains("Max-Age=0")));
    assert_eq!(world.get("/users/me").bearer(&person.token).await.status, 401);
    assert_eq!(world.erase(&person.token).await.status, 401);
}

#[tokio::test]
async fn a_seller_disconnects_first_and_the_courses_go_with_the_account() {
    let world = World::start().await;
    let shop = world.shop().await;
    world.erase(&shop.seller.token).await.is_problem(409, "still_connected", "disconnect your Stripe account first");
    assert_eq!(world.get("/courses/flask-microservices").await.status, 200);
    assert_eq!(world.delete("/users/me/stripe").bearer(&shop.seller.token).await.status, 204);
    world.erase(&shop.seller.token).await.is_empty(204);
    assert_eq!(world.get("/courses/flask-microservices").await.status, 404);
    assert_eq!(world.get("/courses").await.json()["items"], json!([]));
    assert!(!world.stored().await.contains(&shop.seller.email));
}

#[tokio::test]
async fn the_staff_cannot_vanish_by_itself() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    assert_eq!(world.erase(&staff.token).await.status, 422);
    assert_eq!(world.get("/admin/users").bearer(&staff.token).await.status, 200);
}

#[tokio::test]
async fn mails_to_an_erased_person_are_not_sent() {
    let world = World::start().await;
    let person = world.stranger("a@example.com").await;
    world.erase(&person.token).await.is_empty(204);
    world.pump().await;
    world.sweep().await;
    assert!(world.mailbox().mails().is_empty());
}

/// The items in both tables that contain an address, in any form that it is sent or stored in.
async fn with_address(world: &World, address: &str) -> Vec<String> {
    let lower = address.to_lowercase();
    let (local, domain) = lower.split_once('@').expect("an address");
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().to_lowercase();
    let forms = [lower.clone(), encoded(&lower), format!("{local}%40{domain}"), format!("{local}\\u0040{domain}")];
    let base = [address, lower.as_str()].map(|text| [STANDARD_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(text)]);
    let is_there = |item: &String| {
        let small = item.to_lowercase();
        forms.iter().any(|form| small.contains(form.as_str())) || base.iter().flatten().any(|form| item.contains(form.as_str()))
    };
    world.items().await.into_iter().filter(is_there).collect()
}

/// Buys, is refunded, saves a card, and joins and leaves a membership.
async fn buys(world: &World, person: &Person, shop: &Shop, staff: &Person) {
    assert_eq!(world.buy(person, &shop.course_id, "pm_card_chargeDeclined").await.status, 402);
    let bought = world.buy(person, &shop.course_id, "pm_card_visa").await;
    assert_eq!(bought.status, 201, "{}", bought.body);
    let purchase = bought.json()["purchase"]["id"].as_str().expect("an id").to_owned();
    let refund = world.post(format!("/purchases/{purchase}/refund"), json!({"amount": 500})).bearer(&staff.token).await;
    assert_eq!(refund.status, 200, "{}", refund.body);
    let card = world.post("/users/me/payment-methods", json!({"payment_method": "pm_card_mastercard"})).bearer(&person.token).await;
    assert!([200, 201].contains(&card.status), "{}", card.body);
    let club = format!("/sellers/{}/membership", shop.seller.id);
    let offer = json!({"title": "Club", "monthly": {"amount": 1000}, "currency": "usd"});
    assert_eq!(world.post(club.as_str(), offer).bearer(&shop.seller.token).await.status, 200);
    let joins = json!({"interval": "month", "payment_method": "pm_card_visa"});
    let joined = world.post(format!("{club}/subscribe"), joins).bearer(&person.token).await;
    assert_eq!(joined.status, 201, "{}", joined.body);
    let subscription = joined.json()["subscription"]["id"].as_str().expect("an id").to_owned();
    world.deliver().await;
    let ended = world.post(format!("/subscriptions/{subscription}/cancel"), json!({"at_once": true})).bearer(&person.token).await;
    assert_eq!(ended.status, 200, "{}", ended.body);
}

/// Sells, with an account that the platform makes, and with one of their own.
async fn sells(world: &World, person: &Person, shop: &Shop, staff: &Person, first: &str) {
    let path = format!("/admin/users/{}", person.id);
    let terms = json!({"is_seller": true, "terms": {"fee_percent": 20}});
    assert_eq!(world.patch(path.as_str(), terms).bearer(&staff.token).await.status, 200);
    world.made_account(person, "express", "US").await;
    let course = world.course(person, "Of theirs", 2000, "usd", 10).await;
    let (id, slug) = (course["id"].as_str().expect("an id"), course["slug"].as_str().expect("text"));
    assert_eq!(world.put(format!("/courses/{slug}/content"), json!({"content": "# One"})).bearer(&person.token).await.status, 200);
    assert_eq!(world.share(slug, person, &[(person, 70), (&shop.seller, 30)]).await.status, 200);
    let sold = world.buy(&shop.buyer, id, "pm_card_visa").await;
    assert_eq!(sold.status, 201, "{}", sold.body);
    let club = format!("/sellers/{}/membership", person.id);
    let offer = json!({"title": "Other club", "monthly": {"amount": 1000}, "currency": "usd"});
    let joins = json!({"interval": "month", "payment_method": "pm_card_visa"});
    assert_eq!(world.post(club.as_str(), offer).bearer(&person.token).await.status, 200);
    let member = world.post(format!("{club}/subscribe"), joins).bearer(&shop.buyer.token).await;
    assert_eq!(member.status, 201, "{}", member.body);
    for body in [json!({"fee_percent": 12}), json!({"taken_down": {"reason": format!("Ask {first} first")}}), json!({"taken_down": null})] {
        assert_eq!(world.patch(format!("/courses/{slug}"), body).bearer(&staff.token).await.status, 200);
    }
    world.deliver().await;
    world.enter_password(person).await;
    assert_eq!(world.delete("/users/me/stripe").bearer(&person.token).await.status, 204);
    world.link(person).await;
    world.deliver().await;
    world.enter_password(person).await;
    assert_eq!(world.delete("/users/me/stripe").bearer(&person.token).await.status, 204);
}

/// Gets mails, tries wrong passwords, is suspended for a while, and changes address and password. Returns the person as they are then.
async fn changes(world: &World, person: Person, staff: &Person, first: &str, last: &str) -> Person {
    let path = format!("/admin/users/{}", person.id);
    assert_eq!(world.post("/password-resets", json!({"email": first})).await.status, 202);
    assert_eq!(world.post("/sessions", json!({"email": first, "password": "wrong password"})).await.status, 401);
    world.pump().await;
    let suspend = json!({"suspended": {"reason": format!("Was {first} before")}});
    for body in [suspend, json!({"suspended": null})] {
        assert_eq!(world.patch(path.as_str(), body).bearer(&staff.token).await.status, 200);
    }
    world.pass(Duration::minutes(2)).await;
    let person = Person { token: world.log_in(&person).await, ..person };
    let moves = json!({"email": last, "current_password": PASSWORD});
    assert_eq!(world.patch("/users/me", moves).bearer(&person.token).await.status, 200);
    world.pump().await;
    world.put("/email-confirmations", json!({"token": token_in(&world.mails_to(last)[0])})).await.is_empty(204);
    world.pump().await;
    let other = json!({"password": "battery staple", "current_password": PASSWORD});
    assert_eq!(world.patch("/users/me", other).bearer(&person.token).await.status, 200);
    assert_eq!(world.post("/password-resets", json!({"email": last})).await.status, 202);
    world.pump().await;
    let next =
        world.patch("/users/me", json!({"email": "next@example.com", "current_password": "battery staple"})).bearer(&person.token).await;
    assert_eq!(next.status, 200, "{}", next.body);
    Person { email: last.to_owned(), ..person }
}

/// Uses everything that takes or keeps an address, and leaves nothing that holds up an erasure. Returns the person as they are then.
async fn lives_through_everything(world: &World, first: &str, last: &str) -> Person {
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    let person = world.stranger(first).await;
    world.pump().await;
    world.put("/email-confirmations", json!({"token": token_in(&world.mails_to(first)[0])})).await.is_empty(204);
    buys(world, &person, &shop, &staff).await;
    sells(world, &person, &shop, &staff, first).await;
    changes(world, person, &staff, first, last).await
}

#[test]
fn after_an_erasure_no_item_of_either_table_has_an_address_of_the_persons() {
    // In a debug build, so long a story needs more stack than a test has.
    let story = std::thread::Builder::new().stack_size(32 * 1024 * 1024).spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(erased_everywhere());
    });
    story.expect("a thread").join().expect("it passes");
}

async fn erased_everywhere() {
    let world = World::start().await;
    let addresses = ["Jane.Doe+one@Example.org", "jane@xn--bcher-kva.example", "next@example.com"];
    let person = lives_through_everything(&world, addresses[0], addresses[1]).await;
    for address in addresses {
        assert!(!with_address(&world, address).await.is_empty(), "the search finds {address} while it is there");
    }
    let erased = world.delete("/users/me").json(&json!({"current_password": "battery staple"})).bearer(&person.token).await;
    erased.is_empty(204);
    world.deliver().await;
    world.pump().await;
    world.sweep().await;
    world.pass(Duration::minutes(6)).await;
    world.reconcile().await;
    world.erase_at_stripe().await;
    world.deliver().await;
    world.pump().await;
    for address in addresses {
        assert_eq!(with_address(&world, address).await, Vec::<String>::new(), "{address}");
    }
    // Whoever has the first address may sign up with it at once.
    assert_eq!(world.post("/users", json!({"email": addresses[0], "password": PASSWORD})).await.status, 201);
}

#[tokio::test]
async fn an_erasure_forgets_every_link_that_returns_to_an_address_however_many_there_are() {
    let world = World::start().await;
    let person = world.buyer("owner@example.com").await;
    let user = world.app.store.user(&person.id.parse().expect("an id")).await.expect("the table").expect("a user");
    for _ in 0..130 {
        let token = Token::generate(&user.id, &world.app.entropy);
        let to = SentTo { email: "left@example.org", asked_at: None };
        world.app.store.issue(&token, Purpose::Undo, &user, to, world.app.clock.now()).await.expect("the table");
    }
    assert_eq!(with_address(&world, "left@example.org").await.len(), 130);
    world.erase(&person.token).await.is_empty(204);
    assert_eq!(with_address(&world, "left@example.org").await, Vec::<String>::new());
}
