//! `POST /sellers/{id}/membership/subscribe`

use futures_util::future::{join, join_all};
use local::proxy::{Fault, Gate, Kind};
use serde_json::{Value, json};

use super::{Club, DIRECT, offer, pass};
use crate::harness::World;

#[tokio::test]
async fn a_saved_card_subscribes_at_once_and_opens_the_sellers_courses() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    assert!(!club.is_open(&world).await);
    world.operations();
    let answer = club.subscribe(&world, "month").await;
    let expected = json!({"subscription": {
        "id": "[any]", "seller_id": club.shop.seller.id, "title": "Membership", "status": "active", "interval": "month", "amount": 1000,
        "currency": "usd", "charge_type": "destination", "cancel_at_period_end": false, "current_period_end": "[time]",
        "paid_until": "[time]", "created_at": "[time]", "updated_at": "[time]",
    }});
    answer.is(201, &expected);
    let mut operations = world.operations();
    // The first two run side by side.
    operations[..2].sort();
    assert_eq!(operations, ["BatchGetItem", "Query", "TransactWriteItems", "TransactWriteItems", "TransactWriteItems"]);
    let subscription = &answer.json()["subscription"];
    assert_eq!(subscription["paid_until"], subscription["current_period_end"]);
    assert!(club.is_open(&world).await, "before any event");

    // One subscription at Stripe. Its metadata names buyer and seller, and half of the price goes to the seller.
    let at_stripe = club.at_stripe(&world, None).await;
    assert_eq!(at_stripe.len(), 1);
    assert_eq!(
        at_stripe[0]["metadata"],
        json!({"subscription_id": subscription["id"], "seller_id": club.shop.seller.id, "buyer_id": club.shop.buyer.id, "stack_id": "under-test"})
    );
    assert_eq!(at_stripe[0]["application_fee_percent"], json!(50.0));
    assert_eq!(at_stripe[0]["transfer_data"]["destination"], json!(club.shop.account));
    let books = world.books().await;
    assert_eq!(books["accounts"][&club.shop.account]["usd"]["balance"], 500);

    // Stripe's events change nothing, and a second request is refused.
    world.deliver().await;
    let id = subscription["id"].as_str().expect("an id");
    let after = club.subscription(&world, id).await;
    assert_eq!((&after["status"], &after["paid_until"]), (&json!("active"), &subscription["paid_until"]));
    for interval in ["month", "year"] {
        club.subscribe(&world, interval).await.is_problem(409, "already_subscribed", "you already subscribe to this membership");
    }
    let totals = world.get("/sales").bearer(&club.shop.seller.token).await.json()["totals"][0].clone();
    assert_eq!((&totals["gross"], &totals["application_fee"], &totals["net"]), (&json!(1000), &json!(500), &json!(500)));
}

#[tokio::test]
async fn the_price_is_created_once() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    club.joined(&world, "month").await;
    let second = world.buyer("second@example.com").await;
    let body = json!({"interval": "month", "payment_method": "pm_card_visa"});
    let answer = world.post(club.path(), body).bearer(&second.token).await;
    assert_eq!(answer.status, 201, "the new card is saved: {}", answer.body);
    assert_eq!(world.get("/users/me/payment-methods").bearer(&second.token).await.json()["items"].as_array().map(Vec::len), Some(1));
    let list = async |what: &str| world.stripe(&format!("/{what}?limit=100"), None).await["data"].as_array().expect("a list").len();
    assert_eq!((list("products").await, list("prices").await), (1, 1));
    // A new amount creates a new price; existing subscribers keep theirs.
    offer(&world, &club.shop.seller, json!({"monthly": {"amount": 2000}, "currency": "usd"})).await;
    let third = world.buyer("third@example.com").await;
    let body = json!({"interval": "month", "payment_method": "pm_card_visa"});
    assert_eq!(world.post(club.path(), body).bearer(&third.token).await.json()["subscription"]["amount"], 2000);
    assert_eq!((list("products").await, list("prices").await), (1, 2));
    pass(&world, &mut club, 32).await;
    let amounts: Vec<Value> = world.succeeded(None).await.iter().map(|payment| payment["amount"].clone()).collect();
    assert_eq!(amounts.iter().filter(|amount| **amount == 1000).count(), 4);
    assert_eq!(amounts.iter().filter(|amount| **amount == 2000).count(), 2);
}

#[tokio::test]
async fn a_direct_charge_uses_a_clone_of_the_card() {
    let world = World::with(&DIRECT).await;
    let mut club = Club::open(&world).await;
    let account = Some(club.shop.account.clone());
    let account = account.as_deref();
    let id = club.joined(&world, "year").await;
    world.deliver().await;
    assert_eq!(club.subscription(&world, &id).await["charge_type"], "direct");
    assert!(club.at_stripe(&world, None).await.is_empty());
    assert_eq!(club.at_stripe(&world, account).await.len(), 1);
    assert!(club.is_open(&world).await);
    let (platform, seller) = (world.succeeded(None).await, world.succeeded(account).await);
    assert_eq!((platform.len(), seller.len(), &seller[0]["application_fee_amount"]), (0, 1, &json!(5000)));
    // The renewal is on the same account.
    pass(&world, &mut club, 366).await;
    assert_eq!(world.succeeded(account).await.len(), 2);
    assert!(club.is_open(&world).await);
}

#[tokio::test]
async fn checkout_subscribes_once_stripe_confirms_it() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let club = Club::open(&world).await;
        let account = club.account(settings);
        let account = account.as_deref();
        let answer = club.ask(&world, json!({"interval": "month"})).await;
        assert_eq!((answer.status, &answer.json()["subscription"]["status"]), (201, &json!("pending")), "{}", answer.body);
        let url = answer.text("checkout_url");
        let id = answer.json()["subscription"]["id"].as_str().expect("an id").to_owned();
        assert!(!club.is_open(&world).await);
        // The same request returns the same page; a different one returns a new page.
        assert_eq!(club.ask(&world, json!({"interval": "month"})).await.text("checkout_url"), url);
        let other = club.ask(&world, json!({"interval": "year"})).await;
        assert_ne!(other.text("checkout_url"), url);
        assert_eq!(club.subscription(&world, &id).await["status"], "failed");
        let sessions = world.stripe("/checkout/sessions?status=open", account).await["data"].as_array().expect("a list").clone();
        assert_eq!(sessions.len(), 1, "never two at the same time");

        let session = sessions[0]["id"].as_str().expect("an id");
        world.admin("POST", &format!("checkout/sessions/{session}/pay"), json!({"card": "pm_card_chargeCustomerFail"})).await;
        world.deliver().await;
        assert!(!club.is_open(&world).await, "a decline on the page gives no access");
        world.admin("POST", &format!("checkout/sessions/{session}/pay"), json!({})).await;
        assert!(!club.is_open(&world).await, "no event has arrived");
        world.deliver().await;
        assert!(club.is_open(&world).await);
        let id = other.json()["subscription"]["id"].as_str().expect("an id").to_owned();
        let subscription = club.subscription(&world, &id).await;
        assert_eq!((&subscription["status"], &subscription["interval"]), (&json!("active"), &json!("year")));
        assert_eq!(world.succeeded(account).await.len(), 1);
    }
}

#[tokio::test]
async fn an_unpaid_checkout_expires_and_another_can_begin() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let answer = club.ask(&world, json!({"interval": "month"})).await;
    let id = answer.json()["subscription"]["id"].as_str().expect("an id").to_owned();
    world.pass(time::Duration::hours(25)).await;
    world.deliver().await;
    let subscription = club.subscription(&world, &id).await;
    assert_eq!((&subscription["status"], &subscription["failure"]["code"]), (&json!("failed"), &json!("expired")));
    club.joined(&world, "month").await;
}

#[tokio::test]
async fn a_card_whose_holder_must_authenticate_waits_for_that() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let club = Club::open(&world).await;
        let account = club.account(settings);
        let account = account.as_deref();
        let body = json!({"interval": "month", "payment_method": "pm_card_authenticationRequired"});
        let answer = club.ask(&world, body.clone()).await;
        assert_eq!((answer.status, &answer.json()["subscription"]["status"]), (201, &json!("incomplete")), "{}", answer.body);
        let secret = answer.text("client_secret");
        assert_eq!(answer.json()["stripe_account"].as_str(), account);
        assert!(!club.is_open(&world).await);
        assert!(!world.stored().await.contains("_secret_"), "client secrets are not stored");
        world.deliver().await;
        // A buyer who lost the page gets the same one again.
        let again = club.ask(&world, body).await;
        assert_eq!((again.status, again.text("client_secret")), (201, secret.clone()), "{}", again.body);
        let intent = secret.split("_secret_").next().expect("an id");
        world.admin("POST", &format!("payment_intents/{intent}/authenticate"), json!({"outcome": "succeed"})).await;
        assert!(!club.is_open(&world).await, "no event has arrived");
        world.deliver().await;
        assert!(club.is_open(&world).await);
        assert_eq!((world.succeeded(account).await.len(), club.at_stripe(&world, account).await.len()), (1, 1));
    }
}

#[tokio::test]
async fn a_buyer_who_must_authenticate_can_use_another_card_and_pays_once() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let waits = club.ask(&world, json!({"interval": "month", "payment_method": "pm_card_authenticationRequired"})).await;
    assert_eq!(waits.status, 201, "{}", waits.body);
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    let all = club.at_stripe(&world, None).await;
    let running: Vec<&Value> = all.iter().filter(|one| one["status"] == "active").collect();
    assert_eq!((all.len(), running.len(), &running[0]["metadata"]["subscription_id"]), (2, 1, &json!(id)));
    // The first one can no longer be paid.
    let intent = waits.text("client_secret").split("_secret_").next().expect("an id").to_owned();
    assert_eq!(world.stripe(&format!("/payment_intents/{intent}"), None).await["status"], "canceled");
    assert_eq!(world.succeeded(None).await.len(), 1);
}

#[tokio::test]
async fn a_declined_card_leaves_nothing_behind() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let club = Club::open(&world).await;
        let account = club.account(settings);
        let account = account.as_deref();
        for card in ["pm_card_chargeCustomerFail", "pm_card_visa_chargeDeclinedInsufficientFunds"] {
            let declined = club.ask(&world, json!({"interval": "month", "payment_method": card})).await;
            assert_eq!((declined.status, declined.text("code")), (402, "card_declined".to_owned()), "{card}: {}", declined.body);
            world.deliver().await;
            assert!(!club.is_open(&world).await);
        }
        let running = club.at_stripe(&world, account).await.into_iter().filter(|one| one["ended_at"].is_null()).count();
        assert_eq!(running, 0, "nothing is left that could be paid unexpectedly");
        club.joined(&world, "month").await;
        world.deliver().await;
        assert_eq!((club.is_open(&world).await, world.succeeded(account).await.len()), (true, 1));
    }
}

#[tokio::test]
async fn a_double_click_makes_one_subscription() {
    for body in [json!({"interval": "month"}), json!({"interval": "month", "payment_method": null})] {
        let world = World::start().await;
        let club = Club::open(&world).await;
        let mut body = body;
        if body.get("payment_method").is_some() {
            body["payment_method"] = club.card.as_str().into();
        }
        let answers = join_all((0..30).map(|_| club.ask(&world, body.clone()))).await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        assert!(made >= 1, "{:?}", answers[0]);
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            assert!([409, 503].contains(&answer.status), "{}", answer.body);
        }
        world.deliver().await;
        let (subscriptions, sessions) =
            (club.at_stripe(&world, None).await.len(), world.stripe("/checkout/sessions?limit=100", None).await["data"].clone());
        let sessions = sessions.as_array().expect("a list").iter().filter(|one| one["mode"] == "subscription").count();
        assert_eq!(subscriptions + sessions, 1);
        let list = world.get("/subscriptions").bearer(&club.shop.buyer.token).await.json();
        assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    }
}

#[tokio::test]
async fn nobody_can_subscribe_to_a_missing_membership() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let body = json!({"interval": "month", "payment_method": club.card});
    world.post(club.path(), body.clone()).await.is_problem(401, "not_signed_in", "log in first");
    let own = world.post(club.path(), body.clone()).bearer(&club.shop.seller.token).await;
    own.is_problem(403, "own_membership", "you cannot subscribe to your own membership");
    let nobody = world.post("/sellers/nobody/membership/subscribe", body.clone()).bearer(&club.shop.buyer.token).await;
    nobody.is_problem(404, "not_found", "there is no such membership");
    for wrong in [json!({"interval": "week"}), json!({}), json!({"interval": "month", "payment_method": "tok_visa"})] {
        assert_eq!(club.ask(&world, wrong).await.status, 422);
    }
    // Somebody else's card.
    let thief = world.buyer("thief@example.com").await;
    let stolen = world.post(club.path(), body.clone()).bearer(&thief.token).await;
    assert_eq!((stolen.status, stolen.text("code")), (422, "payment_method_refused".to_owned()), "{}", stolen.body);

    offer(&world, &club.shop.seller, json!({"yearly": {"amount": 9000}, "currency": "usd"})).await;
    club.subscribe(&world, "month").await.is_problem(409, "interval_not_offered", "this membership is not offered for that interval");
    world.delete(format!("/sellers/{}/membership", club.shop.seller.id)).bearer(&club.shop.seller.token).await.is_empty(204);
    club.subscribe(&world, "year").await.is_problem(404, "not_found", "there is no such membership");
    let poor = world.seller("poor@example.com").await;
    offer(&world, &poor, json!({"yearly": {"amount": 9000}, "currency": "usd"})).await;
    let path = format!("/sellers/{}/membership/subscribe", poor.id);
    let unlinked = world.post(path, json!({"interval": "year"})).bearer(&club.shop.buyer.token).await;
    assert_eq!((unlinked.status, unlinked.text("code")), (409, "seller_not_connected".to_owned()));
    assert!(club.at_stripe(&world, None).await.is_empty() && world.succeeded(None).await.is_empty());
}

#[tokio::test]
async fn subscriptions_are_visible_only_to_their_buyers() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.operations();
    let list = world.get("/subscriptions").bearer(&club.shop.buyer.token).await.json();
    assert_eq!((&list["items"][0]["id"], &list["next_cursor"]), (&json!(id), &json!(null)));
    let path = format!("/subscriptions/{id}");
    for person in [&club.shop.seller, &world.buyer("stranger@example.com").await] {
        world.get(&path).bearer(&person.token).await.is_problem(404, "not_found", "there is no such subscription");
        let list = world.get("/subscriptions").bearer(&person.token).await.json();
        assert_eq!(list["items"], json!([]));
    }
    world.get(&path).await.is_problem(401, "not_signed_in", "log in first");
    world.get("/subscriptions").await.is_problem(401, "not_signed_in", "log in first");
}

#[tokio::test]
async fn a_membership_includes_only_its_sellers_published_courses() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    club.joined(&world, "month").await;
    let other = world.seller("other@example.com").await;
    world.course(&other, "Other", 4000, "usd", 50).await;
    assert_eq!(world.get("/courses/other/content").bearer(&club.shop.buyer.token).await.status, 403);
    // The membership includes later courses of the seller, until they leave the catalogue.
    world.course(&club.shop.seller, "Later", 4000, "usd", 50).await;
    assert_eq!(world.get("/courses/later/content").bearer(&club.shop.buyer.token).await.status, 200);
    world.patch("/courses/later", json!({"published": false})).bearer(&club.shop.seller.token).await;
    assert_eq!(world.get("/courses/later/content").bearer(&club.shop.buyer.token).await.status, 404);
    assert_eq!(world.get("/courses/later").bearer(&club.shop.buyer.token).await.status, 404);
}

#[tokio::test]
async fn another_way_to_pay_replaces_the_first_whatever_events_arrive_in_between() {
    // The writes of the second request: a lease and an outcome to look at the first, the same to withdraw it, and the new intent.
    for write in 0..5 {
        let world = World::start().await;
        let club = Club::open(&world).await;
        let first = club.ask(&world, json!({"interval": "month", "payment_method": "pm_card_authenticationRequired"})).await;
        assert_eq!(first.json()["subscription"]["status"], "incomplete", "{}", first.body);
        let gate = Gate::new();
        world.proxy.inject(Fault::next("TransactWriteItems", Kind::Hold(gate.clone())).skip(write));
        let meanwhile = async {
            gate.reached().await;
            world.deliver().await;
            gate.open();
        };
        let (page, ()) = join(club.ask(&world, json!({"interval": "month"})), meanwhile).await;
        assert_eq!((page.status, page.json()["checkout_url"].is_string()), (201, true), "write {write}: {}", page.body);
        let list = world.get("/subscriptions").bearer(&club.shop.buyer.token).await.json();
        let tries = list["items"].as_array().unwrap_or_else(|| panic!("{list}"));
        assert_eq!((tries.len(), &tries[1]["failure"]["code"]), (2, &json!("withdrawn")), "{list}");
    }
}
