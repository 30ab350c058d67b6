//! Payments that wait for the buyer, on a hosted page or at the bank, when their course is no longer sold, and payments that take days.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{CONNECT, PLATFORM, Person, Shop, World};

/// The buyer opens the hosted page.
async fn open(world: &World, buyer: &Person, course_id: &str) -> Value {
    let asked = world.post("/courses/charge", json!({"course_id": course_id})).bearer(&buyer.token).await;
    assert_eq!(asked.status, 201, "{}", asked.body);
    assert!(asked.json()["checkout_url"].is_string(), "{}", asked.body);
    asked.json()["purchase"].clone()
}

async fn session(world: &World, account: Option<&str>) -> Value {
    world.stripe("/checkout/sessions", account).await["data"][0].clone()
}

async fn purchase(world: &World, buyer: &Person) -> Value {
    world.get("/purchases").bearer(&buyer.token).await.json()["items"][0].clone()
}

/// What can happen to an offer or its buyer while a page is open.
const CHANGES: [&str; 11] = [
    "unpublished",
    "taken down",
    "deleted",
    "dearer",
    "another currency",
    "unmade",
    "unlinked",
    "restricted",
    "erased",
    "buyer erased",
    "buyer suspended",
];

async fn change(world: &World, shop: &Shop, what: &str) {
    let course = format!("/courses/{}", shop.course_id);
    let patch = async |body: Value| world.patch(course.as_str(), body).bearer(&shop.seller.token).await.status;
    let status = match what {
        "unpublished" => patch(json!({"published": false})).await,
        "dearer" => patch(json!({"price": {"amount": 6000, "currency": "usd"}})).await,
        "another currency" => patch(json!({"price": {"amount": 5000, "currency": "eur"}})).await,
        "deleted" => world.delete(course.as_str()).bearer(&shop.seller.token).await.status,
        "unmade" => {
            world.roles(&shop.seller, Some(false), None).await;
            200
        }
        "unlinked" => world.delete("/users/me/stripe").bearer(&shop.seller.token).await.status,
        "restricted" => {
            let restricted = json!({"charges_enabled": false, "capabilities": {"card_payments": "inactive", "transfers": "inactive"}});
            world.admin("POST", &format!("accounts/{}", shop.account), restricted).await;
            world.deliver().await;
            200
        }
        "erased" => {
            assert_eq!(world.delete("/users/me/stripe").bearer(&shop.seller.token).await.status, 204);
            world.erase(&shop.seller.token).await.status
        }
        "taken down" => {
            let staff = world.staff("staff@example.com").await;
            world.patch(course.as_str(), json!({"taken_down": {"reason": "Copied"}})).bearer(&staff.token).await.status
        }
        "buyer erased" => world.erase(&shop.buyer.token).await.status,
        "buyer suspended" => {
            let staff = world.staff("staff@example.com").await;
            let suspended = json!({"suspended": {"reason": "Pays with cards of others"}});
            world.patch(format!("/admin/users/{}", shop.buyer.id), suspended).bearer(&staff.token).await.status
        }
        other => panic!("{other} is none"),
    };
    assert!((200..300).contains(&status), "{what}: {status}");
}

#[tokio::test]
async fn a_page_is_closed_when_its_course_is_no_longer_sold() {
    is_withdrawn_after_each_change(Waits::OnThePage).await;
}

#[tokio::test]
async fn an_authentication_is_canceled_when_its_course_is_no_longer_sold() {
    is_withdrawn_after_each_change(Waits::AtTheBank).await;
}

#[tokio::test]
async fn a_payment_that_failed_in_the_browser_is_canceled_within_a_minute() {
    let world = World::start().await;
    let shop = world.shop().await;
    let id = payment_intent(&world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await.json());
    // The event cancels it at once, unless Stripe cannot be reached then.
    let outage = json!({"match": {"method": "POST", "path": format!("/v1/payment_intents/{id}/cancel")}, "times": 1000, "fault": {"kind": "drop_before"}});
    world.admin("POST", "faults", outage).await;
    world.admin("POST", &format!("payment_intents/{id}/authenticate"), json!({"outcome": "fail"})).await;
    world.deliver().await;
    assert_eq!(purchase(&world, &shop.buyer).await["status"], "failed");
    // Until then a browser could try card after card.
    let declined = [("payment_method", "pm_card_chargeDeclined".to_owned())];
    let again = world.in_dashboard(&format!("/payment_intents/{id}/confirm"), None, &declined).await;
    assert_eq!(again["error"]["code"], "card_declined", "{again}");
    world.deliver().await;
    world.admin("DELETE", "faults", json!({})).await;
    world.pass(Duration::minutes(1)).await;
    assert_eq!(world.close_pages().await.repaired, 1);
    assert_eq!(world.stripe(&format!("/payment_intents/{id}"), None).await["status"], "canceled");
    assert_eq!(purchase(&world, &shop.buyer).await["status"], "canceled");
    world.deliver().await;
    let bought = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    assert_eq!((bought.status, &bought.json()["purchase"]["status"]), (201, &json!("paid")), "{}", bought.body);
}

/// Where a payment waits for the buyer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    OnThePage,
    AtTheBank,
}

fn payment_intent(answer: &Value) -> String {
    let secret = answer["client_secret"].as_str().unwrap_or_else(|| panic!("{answer}"));
    secret.split_once("_secret_").expect("it names its PaymentIntent").0.to_owned()
}

async fn is_withdrawn_after_each_change(waits: Waits) {
    for what in CHANGES {
        let world = World::start().await;
        let shop = world.shop().await;
        let payment_intent = match waits {
            Waits::OnThePage => {
                open(&world, &shop.buyer, &shop.course_id).await;
                None
            }
            Waits::AtTheBank => {
                Some(payment_intent(&world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await.json()))
            }
        };
        let at_stripe = async || match &payment_intent {
            Some(id) => world.stripe(&format!("/payment_intents/{id}"), None).await["status"].clone(),
            None => session(&world, None).await["status"].clone(),
        };
        world.pass(Duration::minutes(1)).await;
        assert_eq!(world.close_pages().await.repaired, 0, "nothing has changed yet");
        let expected = match waits {
            Waits::OnThePage => "open",
            Waits::AtTheBank => "requires_action",
        };
        assert_eq!(at_stripe().await, expected);
        change(&world, &shop, what).await;
        assert_eq!(world.close_pages().await.repaired, 1, "{what}");
        assert_eq!(at_stripe().await, if waits == Waits::OnThePage { "expired" } else { "canceled" }, "{what}");
        let is_gone = what.starts_with("buyer");
        let status = async || (!is_gone).then_some(purchase(&world, &shop.buyer).await["status"].clone());
        assert_eq!(status().await, (!is_gone).then_some(json!("canceled")), "{what}");
        world.asked_stripe().await;
        assert_eq!(world.close_pages().await.repaired, 0);
        assert_eq!(world.asked_stripe().await, Vec::<String>::new(), "{what}: it is closed once");
        // Stripe's events change nothing.
        world.deliver().await;
        assert_eq!(status().await, (!is_gone).then_some(json!("canceled")), "{what}");
    }
}

#[tokio::test]
async fn a_direct_sellers_page_is_closed_on_their_account() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    open(&world, &shop.buyer, &shop.course_id).await;
    world.pass(Duration::minutes(1)).await;
    change(&world, &shop, "unpublished").await;
    assert_eq!(world.close_pages().await.repaired, 1);
    assert_eq!(session(&world, Some(&shop.account)).await["status"], "expired");
}

#[tokio::test]
async fn a_page_that_stripe_does_not_close_is_closed_by_the_next_run() {
    let world = World::start().await;
    let shop = world.shop().await;
    open(&world, &shop.buyer, &shop.course_id).await;
    world.pass(Duration::minutes(1)).await;
    change(&world, &shop, "deleted").await;
    let id = session(&world, None).await["id"].as_str().expect("an id").to_owned();
    let fault = json!({"match": {"method": "POST", "path": format!("/v1/checkout/sessions/{id}/expire")}, "times": 3, "fault": {"kind": "html_503"}});
    world.admin("POST", "faults", fault).await;
    assert_eq!(world.close_pages().await.repaired, 0);
    assert_eq!(purchase(&world, &shop.buyer).await["status"], "pending");
    assert_eq!(world.reconcile().await.repaired, 1);
    assert_eq!(
        (&purchase(&world, &shop.buyer).await["status"], &session(&world, None).await["status"]),
        (&json!("canceled"), &json!("expired"))
    );
}

#[tokio::test]
async fn a_buyer_who_pays_before_the_page_is_closed_has_bought() {
    for what in ["unpublished", "deleted", "dearer", "unmade"] {
        for heard in [true, false] {
            let world = World::start().await;
            let shop = world.shop().await;
            open(&world, &shop.buyer, &shop.course_id).await;
            world.pass(Duration::minutes(1)).await;
            change(&world, &shop, what).await;
            let id = session(&world, None).await["id"].as_str().expect("an id").to_owned();
            world.admin("POST", &format!("checkout/sessions/{id}/pay"), json!({"card": "pm_card_visa"})).await;
            if heard {
                world.deliver().await;
            }
            world.close_pages().await;
            let bought = purchase(&world, &shop.buyer).await;
            assert_eq!((&bought["status"], &bought["amount"]), (&json!("paid"), &json!(5000)), "{what}");
            let content = world.get(format!("/courses/{}/content", shop.course_id)).bearer(&shop.buyer.token).await;
            assert_eq!(content.status, 200, "{what}: {}", content.body);
            world.books().await;
        }
    }
}

fn event(id: &str, kind: &str, account: Option<&str>, object: &Value) -> String {
    json!({ "id": id, "object": "event", "type": kind, "account": account, "created": 1_700_000_000, "livemode": false, "data": { "object": object } })
        .to_string()
}

#[tokio::test]
async fn a_payment_that_takes_days_says_so_to_buyer_and_seller() {
    for (charge_type, ends) in [("destination", "paid"), ("destination", "failed"), ("direct", "paid"), ("direct", "failed")] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let shop = world.shop().await;
        let account = (charge_type == "direct").then_some(shop.account.as_str());
        let endpoint = if account.is_some() { CONNECT } else { PLATFORM };
        assert_eq!(open(&world, &shop.buyer, &shop.course_id).await["processing"], false);
        let mut page = session(&world, account).await;
        page["status"] = "complete".into();
        page["payment_status"] = "unpaid".into();
        page["payment_intent"] = "pi_delayed".into();
        assert_eq!(world.send_event(endpoint, &event("evt_1", "checkout.session.completed", account, &page)).await.status, 200);

        let waiting = purchase(&world, &shop.buyer).await;
        assert_eq!((&waiting["status"], &waiting["processing"]), (&json!("pending"), &json!(true)));
        let sales = world.get("/sales").bearer(&shop.seller.token).await.json();
        let sale = &sales["items"][0];
        assert_eq!((&sale["status"], &sale["processing"], &sale["net"]), (&json!("pending"), &json!(true), &json!(0)), "{sales}");
        assert_eq!(sales["totals"], json!([]), "nothing is earned yet");
        let content = format!("/courses/{}/content", shop.course_id);
        assert_eq!(world.get(content.as_str()).bearer(&shop.buyer.token).await.status, 403);
        // The page is closed, so a change of the course does not affect it.
        change(&world, &shop, "dearer").await;
        assert_eq!(world.close_pages().await.repaired, 0);

        page["payment_status"] = if ends == "paid" { "paid" } else { "unpaid" }.into();
        let kind = if ends == "paid" { "checkout.session.async_payment_succeeded" } else { "checkout.session.async_payment_failed" };
        assert_eq!(world.send_event(endpoint, &event("evt_2", kind, account, &page)).await.status, 200);
        let ended = purchase(&world, &shop.buyer).await;
        assert_eq!((&ended["status"], &ended["processing"]), (&json!(ends), &json!(false)));
        let sales = world.get("/sales").bearer(&shop.seller.token).await.json();
        assert_eq!(sales["items"].as_array().map(Vec::len), Some(usize::from(ends == "paid")), "{sales}");
        let access = if ends == "paid" { 200 } else { 403 };
        assert_eq!(world.get(content.as_str()).bearer(&shop.buyer.token).await.status, access);
    }
}

#[tokio::test]
async fn an_unreported_late_failure_is_found_by_the_reconciliation_or_the_next_attempt() {
    for by_buyer in [true, false] {
        let world = World::start().await;
        let shop = world.shop().await;
        open(&world, &shop.buyer, &shop.course_id).await;
        let mut page = session(&world, None).await;
        let id = page["id"].as_str().expect("an id").to_owned();
        page["status"] = "complete".into();
        page["payment_status"] = "unpaid".into();
        page["url"] = Value::Null;
        page["payment_intent"] = "pi_delayed".into();
        assert_eq!(world.send_event(PLATFORM, &event("evt_1", "checkout.session.completed", None, &page)).await.status, 200);
        let says = async |status: &str| {
            let mut page = page.clone();
            let error = json!({"type": "invalid_request_error", "code": "payment_intent_payment_attempt_failed"});
            page["payment_intent"] = json!({
                "id": "pi_delayed", "object": "payment_intent", "status": status, "amount": 5000, "metadata": page["metadata"],
                "last_payment_error": if status == "processing" { Value::Null } else { error }, "latest_charge": null,
            });
            let answer = json!({"kind": "raw", "status": 200, "content_type": "application/json", "body": page.to_string()});
            world.fault("GET", &format!("/v1/checkout/sessions/{id}"), answer).await;
        };
        // For days nothing happens: nobody pays twice, and nothing is withdrawn.
        world.pass(Duration::hours(30)).await;
        says("processing").await;
        let again = world.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&shop.buyer.token).await;
        assert_eq!((again.status, again.text("code")), (409, "payment_processing".to_owned()), "{}", again.body);
        assert_eq!(purchase(&world, &shop.buyer).await["processing"], true);

        world.pass(Duration::hours(72)).await;
        says("requires_payment_method").await;
        if by_buyer {
            let again = world.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&shop.buyer.token).await;
            assert_eq!(again.status, 201, "{}", again.body);
            assert_ne!(world.stripe("/checkout/sessions", None).await["data"][0]["id"], id.as_str());
        } else {
            // Stripe refuses to expire a completed session.
            let refused = json!({"error": {"type": "invalid_request_error", "message": "Only Checkout Sessions with a status in [open] can be expired."}});
            let answer = json!({"kind": "raw", "status": 400, "content_type": "application/json", "body": refused.to_string()});
            world.fault("POST", &format!("/v1/checkout/sessions/{id}/expire"), answer).await;
            world.reconcile().await;
            let failed = purchase(&world, &shop.buyer).await;
            assert_eq!((&failed["status"], &failed["processing"]), (&json!("failed"), &json!(false)), "{failed}");
            assert_eq!(failed["failure"]["code"], "payment_intent_payment_attempt_failed");
        }
    }
}

/// Open payments on a direct seller's account are canceled before access is given up, because we would not learn that they were paid.
#[tokio::test]
async fn disconnecting_a_direct_account_leaves_no_payment_open_there() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    let other = world.buyer("other@example.com").await;
    open(&world, &shop.buyer, &shop.course_id).await;
    let waits = world.buy(&other, &shop.course_id, "pm_card_threeDSecure2Required").await;
    assert_eq!(waits.json()["purchase"]["status"], "requires_action", "{}", waits.body);
    let disconnect = || world.delete("/users/me/stripe").bearer(&shop.seller.token);
    world.asked_stripe().await;
    let refused = disconnect().await;
    if refused.status == 409 {
        // Their requests were answered only a moment ago.
        refused.is_problem(409, "payments_in_progress", "payments or refunds on this account are not finished; try again later");
        world.pass(Duration::minutes(1)).await;
        disconnect().await.is_empty(204);
    }
    // The platform no longer has access.
    let asked = world.asked_stripe().await;
    let place = |end: &str| asked.iter().position(|one| one.ends_with(end)).unwrap_or_else(|| panic!("{end}: {asked:?}"));
    assert!(place("/expire").max(place("/cancel")) < place("/oauth/deauthorize"), "{asked:?}");
    for buyer in [&shop.buyer, &other] {
        assert_eq!(purchase(&world, buyer).await["status"], "canceled");
    }
}

/// Sellers can revoke access in their Dashboard at any time. Staff are notified of the payments that were open then.
#[tokio::test]
async fn a_payment_on_an_account_that_revoked_access_is_found() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    let opened = open(&world, &shop.buyer, &shop.course_id).await;
    world.admin("POST", &format!("accounts/{}/deauthorize", shop.account), json!({})).await;
    world.deliver().await;
    world.pass(Duration::hours(1)).await;
    world.reconcile().await;
    let list = world.get("/admin/findings").bearer(&staff.token).await.json();
    let found = list["items"].as_array().and_then(|all| all.iter().find(|one| one["purchase_id"] == opened["id"])).cloned();
    let found = found.unwrap_or_else(|| panic!("{list}"));
    assert_eq!((&found["kind"], &found["reason"]), (&json!("repair_failed"), &json!("seller_not_connected")));
}
