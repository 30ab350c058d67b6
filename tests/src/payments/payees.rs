//! Who gets what from a sale: shares of several payees, a seller's individual terms, and fees.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Person, World};

const CARD: &str = "pm_card_bypassPending";

/// A course that three sellers share.
struct Shared {
    sellers: Vec<Person>,
    accounts: Vec<String>,
    buyer: Person,
    course_id: String,
}

async fn shared(world: &World, amount: i64, shares: [u8; 3]) -> Shared {
    let (mut sellers, mut accounts) = (Vec::new(), Vec::new());
    for name in ["one", "two", "three"] {
        let seller = world.seller(&format!("{name}@example.com")).await;
        accounts.push(world.link(&seller).await);
        sellers.push(seller);
    }
    let course = world.course(&sellers[0], "Shared", amount, "usd", 33).await;
    let payees: Vec<_> = sellers.iter().zip(shares).collect();
    let offered = world.share("shared", &sellers[0], &payees).await;
    assert_eq!((offered.status, offered.json().get("payees")), (200, None), "{}", offered.body);
    let payees: Vec<Value> = payees.iter().map(|(seller, share)| json!({"seller": seller.id, "share": share})).collect();
    assert_eq!(world.get("/courses/shared").bearer(&sellers[0].token).await.json()["payees"], json!(payees));
    let buyer = world.buyer("buyer@example.com").await;
    Shared { sellers, accounts, buyer, course_id: course["id"].as_str().expect("an id").to_owned() }
}

/// What was transferred to each account, less reversals.
async fn transferred(world: &World, accounts: &[String]) -> Vec<i64> {
    let list = world.stripe("/transfers?limit=100", None).await;
    let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone();
    let left = |one: &Value| one["amount"].as_i64().unwrap_or(0) - one["amount_reversed"].as_i64().unwrap_or(0);
    accounts.iter().map(|account| all.iter().filter(|one| one["destination"] == **account).map(left).sum()).collect()
}

#[tokio::test]
async fn a_sale_is_shared_to_the_last_cent_and_so_is_its_refund() {
    let world = World::with(&[("REFUND_MINIMUM", "usd:1")]).await;
    let shop = shared(&world, 10_001, [50, 30, 20]).await;
    let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    assert_eq!((answer.status, &answer.json()["purchase"]["charge_type"]), (201, &json!("separate")), "{}", answer.body);
    assert_eq!(answer.json()["purchase"]["application_fee"], 3300);
    world.deliver().await;
    // 6701 is left to share: 3350.5, 2010.3 and 1340.2.
    assert_eq!(transferred(&world, &shop.accounts).await, [3351, 2010, 1340]);

    let id = answer.json()["purchase"]["id"].as_str().expect("an id").to_owned();
    for (amount, left) in [(json!({"amount": 1}), 6700), (json!({"amount": 3333}), 4467), (json!({}), 0)] {
        let refund = world.post(format!("/purchases/{id}/refund"), amount).bearer(&shop.sellers[0].token).await;
        assert_eq!(refund.status, 200, "{}", refund.body);
        assert_eq!(transferred(&world, &shop.accounts).await.iter().sum::<i64>(), left);
    }
    assert_eq!(transferred(&world, &shop.accounts).await, [0, 0, 0]);
    world.books().await;
}

#[tokio::test]
async fn a_payee_who_cannot_be_paid_waits_without_delaying_others() {
    let world = World::start().await;
    let shop = shared(&world, 10_000, [50, 30, 20]).await;
    let fault = json!({"match": {"method": "POST", "path": "/v1/transfers"}, "times": 1, "skip": 1,
        "fault": {"kind": "status", "status": 400}});
    world.admin("POST", "faults", fault).await;
    let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    world.deliver().await;
    assert_eq!(transferred(&world, &shop.accounts).await, [3350, 0, 1340]);
    assert_eq!(world.reconcile().await.checked, 0, "not at once");
    world.pass(Duration::minutes(5)).await;
    assert_eq!(world.reconcile().await.repaired, 1);
    assert_eq!(transferred(&world, &shop.accounts).await, [3350, 2010, 1340]);
    world.pass(Duration::days(1)).await;
    assert_eq!(world.reconcile().await.checked, 0);
    world.books().await;
}

#[tokio::test]
async fn shares_are_whole_percents_of_sellers_that_add_up() {
    let world = World::start().await;
    let (seller, other) = (world.seller("seller@example.com").await, world.seller("other@example.com").await);
    let buyer = world.buyer("buyer@example.com").await;
    world.course(&seller, "Shared", 5000, "usd", 10).await;
    let sum = "payees: the shares must be whole percents above 0 that add up to 100";
    let one = |person: &Person, share: u32| json!({"seller": person.id, "share": share});
    for (payees, detail) in [
        (json!([one(&seller, 50)]), sum.to_owned()),
        (json!([one(&seller, 100), one(&other, 0)]), sum.to_owned()),
        (json!([one(&seller, 50), one(&seller, 50)]), "payees: each seller can be listed once".to_owned()),
        (json!([one(&seller, 50), one(&buyer, 50)]), format!("payees: {} is not a seller", buyer.id)),
    ] {
        let answer = world.patch("/courses/shared", json!({"payees": payees})).bearer(&seller.token).await;
        answer.is_problem(422, "invalid_request", &detail);
    }
    let offered = world.share("shared", &seller, &[(&seller, 60), (&other, 40)]).await;
    assert_eq!(offered.status, 200, "{}", offered.body);
    let answer = world.patch("/courses/shared", json!({"payees": []})).bearer(&seller.token).await;
    assert_eq!((answer.status, answer.json().get("payees")), (200, None));
}

#[tokio::test]
async fn a_share_binds_only_those_who_accepted_and_ends_when_they_leave() {
    let world = World::start().await;
    let shop = world.shop().await;
    let partner = world.seller("partner@example.com").await;
    let account = world.link(&partner).await;
    let accounts = [shop.account.clone(), account];
    let (path, share) = ("/courses/flask-microservices", "/courses/flask-microservices/share");
    let sell = async |email: &str| {
        let buyer = world.buyer(email).await;
        let sold = world.buy(&buyer, &shop.course_id, CARD).await;
        assert_eq!(sold.status, 201, "{}", sold.body);
        world.deliver().await;
        sold.json()["purchase"]["charge_type"].as_str().expect("a charge type").to_owned()
    };

    let payees = json!({"payees": [{"seller": shop.seller.id, "share": 70}, {"seller": partner.id, "share": 30}]});
    let offered = world.patch(path, payees).bearer(&shop.seller.token).await;
    let proposed = json!([
        {"seller": shop.seller.id, "share": 70, "accepted": true},
        {"seller": partner.id, "share": 30, "accepted": false},
    ]);
    assert_eq!((offered.json().get("payees"), &offered.json()["proposed_payees"]), (None, &proposed), "{}", offered.body);
    assert_eq!(sell("one@example.com").await, "destination", "nobody is bound yet");
    let stranger = world.get(path).await.json();
    assert_eq!((stranger.get("payees"), stranger.get("proposed_payees")), (None, None));

    let list = || world.get("/users/me/shares").bearer(&partner.token);
    let mut mine = json!({
        "course_id": shop.course_id, "course_slug": "flask-microservices", "course_title": "Flask Microservices",
        "seller_id": shop.seller.id, "share": 0, "offered": 30,
    });
    list().await.is(200, &json!({"items": [mine], "next_cursor": null}));
    let accept = |token: &str, size: u8| world.put(share, json!({"share": size})).bearer(token);
    accept(&partner.token, 29).await.is_problem(409, "conflict", "another request changed it at the same time; read it again and retry");
    for other in [&shop.buyer, &shop.seller] {
        accept(&other.token, 30).await.is_problem(404, "not_found", "there is no such share");
        world.get(share).bearer(&other.token).await.is_problem(404, "not_found", "there is no such share");
    }
    mine.as_object_mut().expect("an object").remove("offered");
    mine["share"] = json!(30);
    accept(&partner.token, 30).await.is(200, &mine);
    accept(&partner.token, 30).await.is(200, &mine);

    assert_eq!(sell("two@example.com").await, "separate");
    assert_eq!(transferred(&world, &accounts).await, [5000 + 1750, 750], "the first sale was transferred with its charge, less the fee");
    let line = json!({
        "course_id": shop.course_id, "status": "paid", "amount": 5000, "currency": "usd",
        "transferred": 750, "taken_back": 0, "waiting": 0, "paid_at": "[time]",
    });
    world.get(share).bearer(&partner.token).await.is(200, &json!({"items": [line], "next_cursor": null}));

    world.delete(share).bearer(&partner.token).await.is_empty(204);
    world.delete(share).bearer(&partner.token).await.is_problem(404, "not_found", "there is no such share");
    assert_eq!(sell("three@example.com").await, "destination");
    world.get(share).bearer(&partner.token).await.is(200, &json!({"items": [line], "next_cursor": null}));
    world.books().await;
}

#[tokio::test]
async fn payees_are_told_of_offers_once_a_day_and_of_nothing_else() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (partner, third) = (world.seller("partner@example.com").await, world.seller("third@example.com").await);
    for payee in [&partner, &third] {
        world.link(payee).await;
    }
    let path = format!("/courses/{}", shop.course_id);
    let offer = async |shares: &[(&Person, u8)]| {
        let payees: Vec<Value> = shares.iter().map(|(payee, share)| json!({"seller": payee.id, "share": share})).collect();
        let answer = world.patch(&path, json!({"payees": payees})).bearer(&shop.seller.token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    let accept = async |payee: &Person, share: u8| {
        let answer = world.put(format!("{path}/share"), json!({"share": share})).bearer(&payee.token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    let tomorrow = async || {
        world.app.clock.advance(Duration::days(1));
        world.enter_password(&shop.seller).await;
    };
    let told = async |payee: &Person| {
        world.pump().await;
        let mails = world.mails_to(&payee.email);
        mails.iter().filter(|mail| mail.subject == "You are offered a share of a course").map(|mail| mail.text.clone()).collect::<Vec<_>>()
    };

    offer(&[(&shop.seller, 70), (&partner, 30)]).await;
    let first = told(&partner).await;
    assert!(
        first.len() == 1 && first[0].contains("\"Flask Microservices\" offers you 30%") && !first[0].contains("Until then"),
        "{first:?}"
    );
    assert!(first[0].contains("/account.html#shares"), "{first:?}");
    assert_eq!((told(&shop.seller).await.len(), told(&third).await.len()), (0, 0));
    // The same offer, another change, and the acceptance are no news.
    offer(&[(&shop.seller, 70), (&partner, 30)]).await;
    assert_eq!(world.patch(&path, json!({"title": "Flask"})).bearer(&shop.seller.token).await.status, 200);
    accept(&partner, 30).await;
    assert_eq!(told(&partner).await.len(), 1);

    // Another payee joins: only those are told whose share changes.
    tomorrow().await;
    offer(&[(&shop.seller, 50), (&partner, 30), (&third, 20)]).await;
    assert_eq!((told(&partner).await.len(), told(&third).await.len()), (1, 1));
    offer(&[(&shop.seller, 60), (&partner, 20), (&third, 20)]).await;
    let changed = told(&partner).await;
    assert!(changed.len() == 2 && changed[1].contains("offers you 20%") && changed[1].contains("your share stays 30%"), "{changed:?}");
    assert_eq!(told(&third).await.len(), 1);

    // A seller who keeps changing an offer, or makes course after course, sends no more mails.
    for share in 21..30 {
        offer(&[(&shop.seller, 80 - share), (&partner, share), (&third, 20)]).await;
    }
    let fields = json!({"title": "Spam", "price": {"amount": 5000, "currency": "usd"}, "payees": [{"seller": shop.seller.id, "share": 90}, {"seller": partner.id, "share": 10}]});
    assert_eq!(world.post("/courses", fields).bearer(&shop.seller.token).await.status, 201);
    assert_eq!((told(&partner).await.len(), told(&third).await.len()), (2, 1));

    // An offer that is withdrawn before the mail is sent is not told. One that changes by then is told as it is.
    tomorrow().await;
    offer(&[(&shop.seller, 59), (&partner, 21), (&third, 20)]).await;
    offer(&[(&shop.seller, 70), (&partner, 30)]).await;
    assert_eq!((told(&partner).await.len(), told(&third).await.len()), (2, 1));

    // A new course can offer shares at once.
    tomorrow().await;
    let fields = json!({"title": "New", "price": {"amount": 5000, "currency": "usd"}, "payees": [{"seller": shop.seller.id, "share": 90}, {"seller": third.id, "share": 10}]});
    assert_eq!(world.post("/courses", fields).bearer(&shop.seller.token).await.status, 201);
    assert!(told(&third).await.len() == 2 && told(&third).await[1].contains("offers you 10%"));
}

#[tokio::test]
async fn a_stolen_session_neither_accepts_nor_ends_a_share() {
    let world = World::start().await;
    let shop = world.shop().await;
    let partner = world.seller("partner@example.com").await;
    world.link(&partner).await;
    assert_eq!(world.share(&shop.course_id, &shop.seller, &[(&shop.seller, 70), (&partner, 30)]).await.status, 200);
    world.pass(Duration::minutes(15)).await;
    world.enter_password(&shop.seller).await;
    let less = json!({"payees": [{"seller": shop.seller.id, "share": 99}, {"seller": partner.id, "share": 1}]});
    let path = format!("/courses/{}", shop.course_id);
    assert_eq!(world.patch(&path, less).bearer(&shop.seller.token).await.status, 200);

    let share = format!("{path}/share");
    let wanted = "enter your password again first: PUT /sessions/current";
    world.put(&share, json!({"share": 1})).bearer(&partner.token).await.is_problem(403, "password_required", wanted);
    world.delete(&share).bearer(&partner.token).await.is_problem(403, "password_required", wanted);
    // Nor does the seller's take all payees' shares at once.
    world.pass(Duration::minutes(15)).await;
    for payees in [json!([]), json!([{"seller": shop.seller.id, "share": 100}])] {
        world.patch(&path, json!({ "payees": payees })).bearer(&shop.seller.token).await.is_problem(403, "password_required", wanted);
    }
    let mine = world.get("/users/me/shares").bearer(&partner.token).await.json()["items"][0].clone();
    assert_eq!((&mine["share"], &mine["offered"]), (&json!(30), &json!(1)), "nothing has changed");

    world.enter_password(&partner).await;
    let accepted = world.put(&share, json!({"share": 1})).bearer(&partner.token).await;
    assert_eq!((accepted.status, &accepted.json()["share"]), (200, &json!(1)), "{}", accepted.body);
    world.delete(&share).bearer(&partner.token).await.is_empty(204);
}

#[tokio::test]
async fn naming_payees_does_not_move_a_seller_off_direct_charges() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (partner, staff) = (world.seller("partner@example.com").await, world.staff("staff@example.com").await);
    world.link(&partner).await;
    let agree = |charge_type: &str| {
        let terms = json!({"terms": {"charge_type": charge_type}});
        world.patch(format!("/admin/users/{}", shop.seller.id), terms).bearer(&staff.token)
    };
    assert_eq!(agree("direct").await.status, 200);
    let detail = "your sales are charged on your own Stripe account, where they cannot be shared; ask the staff";
    for payees in [vec![(&shop.seller, 1), (&partner, 99)], vec![(&partner, 100)]] {
        world.share(&shop.course_id, &shop.seller, &payees).await.is_problem(409, "sales_not_shareable", detail);
    }
    // Sharing with oneself changes nothing.
    assert_eq!(world.share(&shop.course_id, &shop.seller, &[(&shop.seller, 100)]).await.status, 200);
    let sold = world.buy(&shop.buyer, &shop.course_id, CARD).await.json();
    assert_eq!(sold["purchase"]["charge_type"], "direct");

    // Naming payees before the change to direct charges does not help either.
    assert_eq!(agree("destination").await.status, 200);
    assert_eq!(world.share(&shop.course_id, &shop.seller, &[(&shop.seller, 50), (&partner, 50)]).await.status, 200);
    assert_eq!(agree("direct").await.status, 200);
    let late = world.buyer("late@example.com").await;
    let answer = world.buy(&late, &shop.course_id, CARD).await;
    answer.is_problem(409, "seller_not_connected", "the seller of this course cannot be paid at the moment");
}

#[tokio::test]
async fn a_course_is_not_sold_while_a_payee_has_no_account() {
    let world = World::start().await;
    let shop = shared(&world, 10_000, [50, 30, 20]).await;
    assert_eq!(world.delete("/users/me/stripe").bearer(&shop.sellers[2].token).await.status, 204);
    let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    answer.is_problem(409, "seller_not_connected", "the seller of this course cannot be paid at the moment");
    assert!(world.succeeded(None).await.is_empty());
}

#[tokio::test]
async fn staff_agree_on_terms_with_one_seller() {
    let world = World::with(&[("FEE_FIXED", "usd:30"), ("FEE_MINIMUM", "usd:100")]).await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    let path = format!("/admin/users/{}", shop.seller.id);
    let first = world.buy(&shop.buyer, &shop.course_id, CARD).await.json();
    assert_eq!((&first["purchase"]["charge_type"], &first["purchase"]["application_fee"]), (&json!("destination"), &json!(2530)));

    let terms = json!({"charge_type": "direct", "fee_percent": 10, "fee_fixed": {"usd": 7}});
    let agreed = world.patch(path.as_str(), json!({"terms": terms})).bearer(&staff.token).await;
    assert_eq!((agreed.status, &agreed.json()["terms"]), (200, &terms), "{}", agreed.body);
    let second = world.buyer("second@example.com").await;
    let second = world.buy(&second, &shop.course_id, CARD).await.json();
    assert_eq!((&second["purchase"]["charge_type"], &second["purchase"]["application_fee"]), (&json!("direct"), &json!(507)));

    let none = world.patch(path.as_str(), json!({"terms": {"fee_percent": 0, "fee_fixed": {}}})).bearer(&staff.token).await;
    assert_eq!(none.status, 200, "{}", none.body);
    let third = world.buyer("third@example.com").await;
    assert_eq!(world.buy(&third, &shop.course_id, CARD).await.json()["purchase"]["application_fee"], 100, "the minimum");

    let taken = world.patch(path.as_str(), json!({"terms": null})).bearer(&staff.token).await;
    assert_eq!((taken.status, taken.json().get("terms")), (200, None));
    let fourth = world.buyer("fourth@example.com").await;
    assert_eq!(world.buy(&fourth, &shop.course_id, CARD).await.json()["purchase"]["application_fee"], 2530);
    let bad = world.patch(path.as_str(), json!({"terms": {"fee_fixed": {"usd": -1}}})).bearer(&staff.token).await;
    bad.is_problem(422, "invalid_request", "terms: amounts must lie between 0 and 99999999 minor units");
    world.patch(path.as_str(), json!({"terms": terms})).bearer(&shop.seller.token).await.is_problem(
        403,
        "forbidden",
        "you may not do this",
    );
    world.books().await;
}
