//! Stripe's data about erased users is deleted too, whatever happens at the same time.

use erasures::Report;
use futures_util::future::join;
use local::proxy::{self, Fault, Gate};
use serde_json::{Value, json};
use time::Duration;

use crate::harness::{PASSWORD, Person, World};

const CARD: &str = "pm_card_visa";
const DIRECT: [(&str, &str); 1] = [("CHARGE_TYPE", "direct")];

const DONE: Report = Report { done: 1, waiting: 0, given_up: 0 };
const WAITING: Report = Report { done: 0, waiting: 1, given_up: 0 };
const NOTHING: Report = Report { done: 0, waiting: 0, given_up: 0 };

async fn erase(world: &World, person: &Person) {
    world.erase(&person.token).await.is_empty(204);
    assert_eq!(world.erase_at_stripe().await, NOTHING, "payments in progress end first");
    world.pass(Duration::minutes(5)).await;
}

/// The customers of an account or the platform that are not deleted.
pub(super) async fn customers(world: &World, account: Option<&str>) -> Vec<Value> {
    world.stripe("/customers?limit=100", account).await["data"].as_array().expect("a list").clone()
}

/// A buyer with a saved card on the platform and a purchase on the seller's account.
pub(super) async fn known_to_both(world: &World) -> crate::harness::Shop {
    let shop = world.shop().await;
    let card = world.post("/users/me/payment-methods", json!({"payment_method": CARD})).bearer(&shop.buyer.token).await;
    let card = card.json()["payment_method"]["id"].as_str().expect("an id").to_owned();
    let bought = world.buy(&shop.buyer, &shop.course_id, &card).await;
    assert_eq!(bought.status, 201, "{}", bought.body);
    world.deliver().await;
    assert_eq!((customers(world, None).await.len(), customers(world, Some(&shop.account)).await.len()), (1, 1));
    shop
}

#[tokio::test]
async fn stripe_forgets_the_person_and_the_cards_and_keeps_what_was_paid() {
    let world = World::with(&DIRECT).await;
    let shop = known_to_both(&world).await;
    let platform = customers(&world, None).await.remove(0);
    let id = world.get("/purchases").bearer(&shop.buyer.token).await.json()["items"][0]["id"].as_str().expect("an id").to_owned();
    world.asked_stripe().await;
    world.operations();
    erase(&world, &shop.buyer).await;
    assert!(world.asked_stripe().await.is_empty(), "the request does not wait for Stripe");

    assert_eq!(world.erase_at_stripe().await, DONE);
    let asked = world.asked_stripe().await;
    let (looked, deleted) = asked.split_at(2);
    assert!(looked.iter().all(|one| one.starts_with("GET /v1/customers/search")), "{asked:?}");
    // Each customer is read first, because it may belong to another deployment.
    let kinds: Vec<&str> = deleted.iter().filter_map(|one| one.split_once(" /v1/customers/cus_")).map(|(method, _)| method).collect();
    assert_eq!(kinds, ["GET", "DELETE", "GET", "DELETE"], "{asked:?}");
    assert!(customers(&world, None).await.is_empty() && customers(&world, Some(&shop.account)).await.is_empty());
    let path = format!("/customers/{}", platform["id"].as_str().expect("an id"));
    let deleted = world.stripe(&path, None).await;
    assert_eq!((&deleted["deleted"], deleted.get("email")), (&json!(true), None));
    let cards = world.stripe("/payment_methods?limit=100", None).await;
    assert!(cards["data"].as_array().is_some_and(|cards| cards.iter().all(|card| card["customer"].is_null())), "{cards}");
    world.asked_stripe().await;
    assert_eq!(world.erase_at_stripe().await, NOTHING);
    assert!(world.asked_stripe().await.is_empty());

    // Payments can still be refunded.
    world.pass(Duration::days(3)).await;
    let seller = world.log_in(&shop.seller).await;
    let refund = world.post(format!("/purchases/{id}/refund"), json!({})).bearer(&seller).await;
    assert_eq!((refund.status, &refund.json()["status"]), (200, &json!("refunded")), "{}", refund.body);
    world.deliver().await;
    world.books().await;
}

#[tokio::test]
async fn a_user_without_customers_is_searched_for_once() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    erase(&world, &person).await;
    assert_eq!(world.erase_at_stripe().await, DONE);
    assert_eq!(world.asked_stripe().await, ["GET /v1/customers/search"]);
    world.pass(Duration::days(2)).await;
    assert_eq!(world.erase_at_stripe().await, NOTHING);
}

#[tokio::test]
async fn a_customer_of_a_request_that_died_is_found_and_deleted() {
    for direct in [true, false] {
        let world = if direct { World::with(&DIRECT).await } else { World::start().await };
        let shop = world.shop().await;
        let account = direct.then_some(shop.account.as_str());
        // The process dies after Stripe has created the customer and before anything else is written.
        let gate = local::proxy::Gate::new();
        world.proxy.inject(local::proxy::Fault::next("TransactWriteItems", local::proxy::Kind::Hold(gate.clone())));
        tokio::select! {
            answer = async { world.buy(&shop.buyer, &shop.course_id, CARD).await } => panic!("{}", answer.body),
            () = gate.reached() => {}
        }
        world.proxy.clear();
        let stranger = world.buyer("other@example.com").await;
        let bought = world.buy(&stranger, &shop.course_id, CARD).await;
        assert_eq!((bought.status, customers(&world, account).await.len()), (201, 2), "{}", bought.body);
        erase(&world, &shop.buyer).await;
        assert_eq!(world.erase_at_stripe().await, DONE);
        let left = customers(&world, account).await;
        assert_eq!((left.len(), &left[0]["metadata"]["buyer_id"]), (1, &json!(stranger.id)), "the other buyer's stays");
    }
}

#[tokio::test]
async fn while_stripe_is_down_the_account_is_erased_and_the_rest_waits() {
    let world = World::with(&DIRECT).await;
    let shop = known_to_both(&world).await;
    let outages = [json!({"kind": "html_503"}), json!({"kind": "drop_before"}), json!({"kind": "status", "status": 500})];
    erase(&world, &shop.buyer).await;
    assert_eq!(world.post("/sessions", json!({"email": shop.buyer.email, "password": PASSWORD})).await.status, 401);
    let again = world.buyer(&shop.buyer.email).await;
    assert_ne!(again.id, shop.buyer.id, "the address is free anyway");

    for (number, outage) in outages.into_iter().enumerate() {
        let fault = json!({"match": {"method": "DELETE", "path": "/v1/customers/"}, "times": 100, "fault": outage});
        world.admin("POST", "faults", fault).await;
        assert_eq!(world.erase_at_stripe().await, WAITING);
        assert_eq!(world.erase_at_stripe().await, NOTHING, "not retried immediately");
        assert_eq!(customers(&world, None).await.len(), 1);
        world.admin("DELETE", "faults", json!({})).await;
        world.pass(Duration::minutes(15 << number)).await;
    }
    assert_eq!(world.erase_at_stripe().await, DONE);
    assert!(customers(&world, None).await.is_empty() && customers(&world, Some(&shop.account)).await.is_empty());
}

#[tokio::test]
async fn lost_responses_and_killed_runs_are_recovered() {
    for lost in [json!({"kind": "drop_after"}), json!({"kind": "status_after", "status": 500}), json!({"kind": "truncate"})] {
        let world = World::with(&DIRECT).await;
        let shop = known_to_both(&world).await;
        erase(&world, &shop.buyer).await;
        let fault = json!({"match": {"method": "DELETE", "path": "/v1/customers/"}, "times": 1, "fault": lost});
        world.admin("POST", "faults", fault).await;
        // The result is not recorded.
        let unwritten = local::proxy::Fault::next("TransactWriteItems", local::proxy::Kind::InternalServerError).times(3);
        world.proxy.inject(unwritten);
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        assert!(erasures::run(&world.payments.erasures, until).await.is_err(), "{lost}");
        assert_eq!(world.erase_at_stripe().await, DONE, "{lost}");
        assert!(customers(&world, None).await.is_empty() && customers(&world, Some(&shop.account)).await.is_empty());
    }
}

#[tokio::test]
async fn two_runs_at_once_do_no_harm() {
    let world = World::with(&DIRECT).await;
    let shop = known_to_both(&world).await;
    erase(&world, &shop.buyer).await;
    let (one, two) = join(world.erase_at_stripe(), world.erase_at_stripe()).await;
    assert!(one.done + two.done >= 1 && one.given_up + two.given_up == 0, "{one:?} {two:?}");
    world.pass(Duration::days(1)).await;
    world.erase_at_stripe().await;
    assert!(customers(&world, None).await.is_empty() && customers(&world, Some(&shop.account)).await.is_empty());
}

#[tokio::test]
async fn an_unreachable_account_delays_nothing_and_is_retried_for_a_month() {
    for comes_back in [true, false] {
        let world = World::with(&DIRECT).await;
        let shop = known_to_both(&world).await;
        let gone = customers(&world, Some(&shop.account)).await.remove(0);
        world.admin("POST", &format!("accounts/{}/deauthorize", shop.account), json!({})).await;
        world.deliver().await;
        erase(&world, &shop.buyer).await;
        assert_eq!(world.erase_at_stripe().await, WAITING);
        assert!(customers(&world, None).await.is_empty(), "the platform's is deleted");
        if comes_back {
            world.pass(Duration::days(20)).await;
            let seller = Person { token: world.log_in(&shop.seller).await, ..shop.seller.clone() };
            world.link_by(&seller, "/users/authorize", Some(&shop.account)).await;
            assert_eq!(world.erase_at_stripe().await, DONE);
            assert!(customers(&world, Some(&shop.account)).await.is_empty());
        } else {
            world.pass(Duration::days(31)).await;
            assert_eq!(world.erase_at_stripe().await, Report { given_up: 1, ..NOTHING });
            world.pass(Duration::days(31)).await;
            assert_eq!(world.erase_at_stripe().await, NOTHING);
            let id = gone["id"].as_str().expect("an id");
            assert!(world.stored().await.contains(id), "an operator can see what is left");
        }
    }
}

#[tokio::test]
async fn a_payment_in_progress_is_completed_first() {
    let world = World::start().await;
    let shop = world.shop().await;
    let lost = json!({"match": {"method": "POST", "path": "/v1/payment_intents"}, "times": 3, "fault": {"kind": "drop_after"}});
    world.admin("POST", "faults", lost).await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 503);
    erase(&world, &shop.buyer).await;
    assert_eq!(world.erase_at_stripe().await, WAITING);
    assert_eq!(customers(&world, None).await.len(), 1, "the payment is found by it");

    world.pass(Duration::minutes(30)).await;
    world.reconcile().await;
    let sales = world.get("/sales").bearer(&shop.seller.token).await.json();
    assert_eq!(sales["items"][0]["status"], "paid", "{sales}");
    assert_eq!(world.erase_at_stripe().await, DONE);
    assert!(customers(&world, None).await.is_empty());
    world.books().await;
}

/// A debit takes days, and then nobody could open what it has paid for.
#[tokio::test]
async fn nobody_is_erased_while_a_bank_processes_their_payment() {
    let world = World::start().await;
    let shop = world.shop().await;
    world.admin("POST", "settings", json!({"debit_delay": 4 * 24 * 60 * 60})).await;
    let asked = world.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&shop.buyer.token).await;
    assert_eq!(asked.status, 201, "{}", asked.body);
    let session = world.stripe("/checkout/sessions?status=open", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
    world.admin("POST", &format!("checkout/sessions/{session}/pay"), json!({"card": "pm_usBankAccount_success"})).await;
    world.deliver().await;
    let erase = || world.erase(&shop.buyer.token);
    let waits = "you have paid, and the bank is still processing it, which can take days; you are not charged again";
    erase().await.is_problem(409, "payment_processing", waits);
    world.pass(Duration::days(5)).await;
    world.deliver().await;
    let token = world.log_in(&shop.buyer).await;
    world.erase(&token).await.is_empty(204);
    world.books().await;
}

#[tokio::test]
async fn an_open_page_delays_the_erasure_only_until_its_payment_ends() {
    let world = World::start().await;
    let shop = world.shop().await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await.status, 201);
    erase(&world, &shop.buyer).await;
    assert_eq!(world.erase_at_stripe().await, WAITING);
    world.pass(Duration::hours(25)).await;
    world.reconcile().await;
    assert_eq!(world.erase_at_stripe().await, DONE);
    assert!(customers(&world, None).await.is_empty());
}

#[tokio::test]
async fn a_customer_that_is_made_while_the_account_is_erased_is_deleted_too() {
    // The customer is created, and the user is erased before that is recorded.
    for (path, is_purchase, write) in [("/users/me/payment-methods", false, "UpdateItem"), ("/courses/charge", true, "TransactWriteItems")]
    {
        let world = World::start().await;
        let shop = world.shop().await;
        let body = if is_purchase { json!({"course_id": shop.course_id, "payment_method": CARD}) } else { json!({"payment_method": CARD}) };
        let gate = Gate::new();
        world.proxy.inject(Fault::next(write, proxy::Kind::Hold(gate.clone())));
        let asked = async { world.post(path, body).bearer(&shop.buyer.token).await };
        let meanwhile = async {
            gate.reached().await;
            assert_eq!(customers(&world, None).await.len(), 1);
            erase(&world, &shop.buyer).await;
            gate.open();
        };
        let (answer, ()) = join(asked, meanwhile).await;
        answer.is_problem(401, "not_signed_in", "log in first");
        assert_eq!(world.erase_at_stripe().await, DONE, "{path}");
        assert!(customers(&world, None).await.is_empty(), "{path}");
        assert!(world.succeeded(None).await.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn a_customer_created_for_a_failed_purchase_is_recorded_and_deleted() {
    let world = World::with(&DIRECT).await;
    let shop = world.shop().await;
    let refused = json!({"course_id": shop.course_id, "payment_method": "pm_unknown", "save_card": true});
    assert_eq!(world.post("/courses/charge", refused).bearer(&shop.buyer.token).await.status, 422);
    assert_eq!(customers(&world, Some(&shop.account)).await.len(), 1);
    erase(&world, &shop.buyer).await;
    assert_eq!(world.erase_at_stripe().await, DONE);
    assert!(customers(&world, None).await.is_empty() && customers(&world, Some(&shop.account)).await.is_empty());
}

#[tokio::test]
async fn an_erased_users_address_is_nowhere_in_the_table() {
    let world = World::start().await;
    let address = "Somebody.Rare@rare.example";
    let seller = world.seller(address).await;
    for kind in ["express", "custom"] {
        world.made_account(&seller, kind, "US").await;
        assert_eq!(world.delete("/users/me/stripe").bearer(&seller.token).await.status, 204);
    }
    let buyer = world.shop().await;
    let course = world.course(&buyer.seller, "Another", 5000, "usd", 50).await;
    assert_eq!(world.buy(&seller, course["id"].as_str().expect("an id"), CARD).await.status, 201);
    world.deliver().await;
    world.pump().await;
    assert!(world.stored().await.to_lowercase().contains("rare.example"));
    erase(&world, &seller).await;
    world.erase_at_stripe().await;
    let stored = world.stored().await.to_lowercase();
    let place = stored.find("rare.example").map(|at| &stored[at.saturating_sub(300)..(at + 100).min(stored.len())]);
    assert_eq!(place, None);
}
