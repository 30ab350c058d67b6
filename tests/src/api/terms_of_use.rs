//! The operator's terms of use: accepted at the sign-up, and again when they change.

use futures_util::future::join;
use serde_json::{Value, json};
use shared::domain::user::TermsOfUse;
use time::Duration;

use crate::harness::{Answer, Call, Person, World};

const URL: &str = "https://shop.example.com/terms";
const SETTINGS: [(&str, &str); 2] = [("TERMS_OF_USE_URL", URL), ("TERMS_OF_USE_VERSION", "2033-06")];
const PATH: &str = "/users/me/terms-of-use";

fn refused(answer: &Answer, version: &str) {
    assert_eq!((answer.status, answer.text("code").as_str()), (403, "terms_not_accepted"), "{}", answer.body);
    assert_eq!(answer.text("detail"), format!("accept the terms of use first: version {version}"));
    assert_eq!(answer.json()["terms_of_use"], json!({"url": URL, "version": version}));
}

fn accept<'a>(world: &'a World, person: &Person, version: &str) -> Call<'a> {
    world.put(PATH, json!({"version": version})).bearer(&person.token)
}

/// The operator deploys other terms.
fn hold(world: &mut World, version: &str) {
    world.reconfigure(|config| config.terms_of_use = Some(TermsOfUse { url: URL.to_owned(), version: version.to_owned() }));
}

async fn accepted(world: &World, token: &str) -> Value {
    world.get("/users/me").bearer(token).await.json()["accepted_terms"].clone()
}

#[tokio::test]
async fn whoever_signs_up_accepts_the_terms_that_hold() {
    let world = World::with(&SETTINGS).await;
    assert_eq!(world.get("/config").await.json()["terms_of_use"], json!({"url": URL, "version": "2033-06"}));
    let sign_up = |terms: Value| {
        let mut body = json!({"email": "new@example.com", "password": "battery staple"});
        body["terms_version"] = terms;
        world.post("/users", body)
    };
    world.operations();
    for terms in [Value::Null, json!(""), json!("2033-05")] {
        refused(&sign_up(terms).await, "2033-06");
    }
    refused(&world.post("/users", json!({"email": "new@example.com", "password": "battery staple"})).await, "2033-06");
    assert_eq!(world.operations(), Vec::<String>::new(), "nothing is written");
    let answer = sign_up(json!("2033-06")).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let user = &answer.json()["user"];
    assert_eq!(user["accepted_terms"], json!({"version": "2033-06", "at": user["created_at"]}));
    assert_eq!(accepted(&world, &answer.text("token")).await, user["accepted_terms"]);
}

#[tokio::test]
async fn without_terms_nothing_is_asked() {
    let world = World::start().await;
    let shop = world.shop().await;
    assert_eq!(world.get("/config").await.json().get("terms_of_use"), None);
    let body = json!({"email": "new@example.com", "password": "battery staple"});
    let answer = world.post("/users", body).await;
    assert_eq!((answer.status, answer.json()["user"].get("accepted_terms")), (201, None), "{}", answer.body);
    accept(&world, &shop.buyer, "1").await.is_problem(404, "not_found", "there is no such terms of use");
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
}

#[tokio::test]
async fn nobody_buys_or_offers_anything_under_terms_that_they_have_not_accepted() {
    let mut world = World::with(&SETTINGS).await;
    let (seller, buyer) = (world.seller("seller@example.com").await, world.buyer("buyer@example.com").await);
    for person in [&seller, &buyer] {
        assert_eq!(accept(&world, person, "2033-06").await.status, 200);
    }
    world.link(&seller).await;
    let course = world.course(&seller, "Sums", 5000, "usd", 50).await;
    let hidden = world.course(&seller, "Hidden", 5000, "usd", 50).await;
    let (id, path) = (course["id"].as_str().expect("an id"), format!("/courses/{}", hidden["slug"].as_str().expect("a slug")));
    assert_eq!(world.patch(path.as_str(), json!({"published": false})).bearer(&seller.token).await.status, 200);
    let membership = format!("/sellers/{}/membership", seller.id);
    let offer = json!({"monthly": {"amount": 1000}, "currency": "usd"});
    assert_eq!(world.post(&membership, offer.clone()).bearer(&seller.token).await.status, 200);
    assert_eq!(world.buy(&buyer, id, "pm_card_visa").await.status, 201);

    hold(&mut world, "2033-07");
    world.asked_stripe().await;
    let other = world.buyer("other@example.com").await;
    refused(&world.buy(&other, id, "pm_card_visa").await, "2033-07");
    refused(&world.post("/courses/charge", json!({"course_id": id})).bearer(&other.token).await, "2033-07");
    let joins = json!({"interval": "month", "payment_method": "pm_card_visa"});
    refused(&world.post(format!("{membership}/subscribe"), joins).bearer(&buyer.token).await, "2033-07");
    let new = json!({"title": "New", "price": {"amount": 5000, "currency": "usd"}});
    refused(&world.post("/courses", new).bearer(&seller.token).await, "2033-07");
    refused(&world.patch(path.as_str(), json!({"published": true})).bearer(&seller.token).await, "2033-07");
    refused(&world.post(&membership, offer).bearer(&seller.token).await, "2033-07");
    assert!(world.asked_stripe().await.is_empty());

    // Reading, changing, taking off the market, logging in and leaving stay open.
    let slug = course["slug"].as_str().expect("a slug");
    assert_eq!(world.get(format!("/courses/{slug}/content")).bearer(&buyer.token).await.status, 200);
    assert_eq!(world.patch(path.as_str(), json!({"title": "Still hidden"})).bearer(&seller.token).await.status, 200);
    assert_eq!(world.patch(format!("/courses/{slug}"), json!({"published": false})).bearer(&seller.token).await.status, 200);
    assert_eq!(world.delete(&membership).bearer(&seller.token).await.status, 204);
    world.log_in(&buyer).await;
    world.erase(&other.token).await.is_empty(204);

    assert_eq!(accept(&world, &seller, "2033-07").await.status, 200);
    assert_eq!(world.patch(path, json!({"published": true})).bearer(&seller.token).await.status, 200);
}

#[tokio::test]
async fn an_acceptance_is_kept_with_its_time_and_earlier_ones_stay() {
    let mut world = World::with(&SETTINGS).await;
    let person = world.buyer("a@example.com").await;
    assert_eq!(accepted(&world, &person.token).await, Value::Null);
    refused(&accept(&world, &person, "2033-05").await, "2033-06");
    world.operations();
    let first = accept(&world, &person, "2033-06").await;
    assert_eq!(world.operations(), ["BatchGetItem", "TransactWriteItems"]);
    assert_eq!(first.json()["accepted_terms"]["version"], "2033-06", "{}", first.body);
    world.app.clock.advance(Duration::hours(1));
    world.operations();
    let again = accept(&world, &person, "2033-06").await;
    assert_eq!(world.operations(), ["BatchGetItem"]);
    assert_eq!(again.json()["accepted_terms"], first.json()["accepted_terms"], "the first time counts");

    hold(&mut world, "2033-07");
    // A double click.
    let (one, two) = join(accept(&world, &person, "2033-07").into_future(), accept(&world, &person, "2033-07").into_future()).await;
    assert_eq!((one.status, two.status), (200, 200), "{} {}", one.body, two.body);
    let token = world.log_in(&person).await;
    let export = world.get("/users/me/export").bearer(&token).await.json();
    let all: Vec<&Value> = export["profile"]["accepted_terms"].as_array().expect("a list").iter().map(|one| &one["version"]).collect();
    assert_eq!(all, ["2033-06", "2033-07"]);
    assert_eq!(export["profile"]["user"]["accepted_terms"], export["profile"]["accepted_terms"][1]);

    // A page of another site accepts nothing.
    let forged = world.put(PATH, json!({"version": "2033-07"})).cookie(&token).origin("https://evil.example").await;
    assert_eq!((forged.status, forged.text("code").as_str()), (403, "foreign_origin"));
    assert_eq!(world.put(PATH, json!({"version": "2033-07"})).await.status, 401);
}

#[test]
fn terms_need_an_address_and_a_version() {
    let read = |url: &str, version: &str| {
        let (url, version) = (url.to_owned(), version.to_owned());
        shared::settings::config::Config::from_lookup(move |name| match name {
            "TERMS_OF_USE_URL" => Some(url.clone()),
            "TERMS_OF_USE_VERSION" => Some(version.clone()),
            _ => None,
        })
    };
    assert_eq!(read("", "").expect("none are needed").terms_of_use, None);
    for (url, version) in
        [(URL, ""), ("", "1"), ("javascript:alert(1)", "1"), ("https://a.example/ b", "1"), (URL, "1 2"), (URL, &"1".repeat(51))]
    {
        assert!(read(url, version).is_err(), "{url} {version}");
    }
    assert_eq!(read(URL, "1.2_3-4").expect("both are there").terms_of_use.map(|terms| terms.version), Some("1.2_3-4".to_owned()));
}
