//! What happens between a payment and its booking. Stripe creates a charge's balance transaction, transfer and application fee up to an
//! hour after the payment. <https://docs.stripe.com/payments/payment-intents/asynchronous-capture>

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Answer, Person, Shop, World};

/// Stripe books payments this many seconds late.
const LATE: i64 = 3600;

async fn late(settings: &[(&str, &str)]) -> World {
    let world = World::with(settings).await;
    world.admin("POST", "settings", json!({"capture_delay": LATE})).await;
    world
}

async fn bought(world: &World, shop: &Shop) -> String {
    let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_bypassPending").await;
    assert_eq!((answer.status, &answer.json()["purchase"]["status"]), (201, &json!("paid")), "{}", answer.body);
    world.deliver().await;
    answer.json()["purchase"]["id"].as_str().expect("an id").to_owned()
}

async fn refund(world: &World, who: &Person, id: &str, body: Value) -> Answer {
    world.post(format!("/purchases/{id}/refund"), body).bearer(&who.token).await
}

/// The buyer joins the seller's membership, at 10.00 a month.
async fn joined(world: &World, shop: &Shop) -> String {
    let offer = json!({"monthly": {"amount": 1000}, "currency": "usd"});
    let path = format!("/sellers/{}/membership", shop.seller.id);
    assert_eq!(world.post(path.as_str(), offer).bearer(&shop.seller.token).await.status, 200);
    let joins = json!({"interval": "month", "payment_method": "pm_card_bypassPending"});
    let joined = world.post(format!("{path}/subscribe"), joins).bearer(&shop.buyer.token).await;
    assert_eq!((joined.status, &joined.json()["subscription"]["status"]), (201, &json!("active")), "{}", joined.body);
    world.deliver().await;
    joined.json()["subscription"]["id"].as_str().expect("an id").to_owned()
}

async fn seen(world: &World, buyer: &Person, id: &str) -> Value {
    world.get(format!("/purchases/{id}")).bearer(&buyer.token).await.json()
}

/// An account's balance without Stripe's fees.
async fn held(world: &World, account: Option<&str>) -> i64 {
    let list = world.stripe("/balance_transactions?limit=100", account).await;
    let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone();
    let stripes = |one: &Value| -> i64 {
        let fees = one["fee_details"].as_array().expect("a list").iter().filter(|fee| fee["type"] == "stripe_fee");
        fees.map(|fee| fee["amount"].as_i64().expect("an amount")).sum()
    };
    all.iter().map(|one| one["net"].as_i64().expect("an amount") + stripes(one)).sum()
}

/// With an event, or if that is lost, with the reconciliation.
async fn booked(world: &World, is_lost: bool) {
    if is_lost {
        world.admin("POST", "webhooks/mode", json!({"drop_next": 100, "own_clock": true})).await;
    }
    world.pass(Duration::seconds(LATE)).await;
    if is_lost {
        world.admin("POST", "webhooks/mode", json!({"drop_next": 0, "hold": true, "own_clock": true})).await;
    } else {
        world.deliver().await;
    }
    // The event plans the refund, and leaves it to the reconciliation.
    world.pass(Duration::minutes(5)).await;
    world.reconcile().await;
    world.deliver().await;
}

/// The event comes while the account cannot be read, and Stripe sends it only once.
#[tokio::test]
async fn what_was_booked_while_an_account_was_out_of_reach_is_learned_when_it_is_linked_again() {
    let world = late(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    world.reconcile().await;
    let id = bought(&world, &shop).await;
    let settled = async || {
        let purchase = world.app.store.purchase(&id.parse().expect("an id")).await.expect("the table").expect("it is there");
        (purchase.settled().cloned(), purchase.stripe_fee().map(|fee| fee.amount))
    };
    world.admin("POST", &format!("accounts/{}/deauthorize", shop.account), json!({})).await;
    world.pass(Duration::seconds(LATE)).await;
    world.deliver().await;
    for _ in 0..3 {
        world.pass(Duration::days(1)).await;
        assert_eq!(world.reconcile().await.differences, 0, "the books of these hours are compared without the account");
    }
    assert_eq!(settled().await, (None, None), "nobody could know");
    assert_eq!(world.link_by(&shop.seller, "/users/authorize", Some(&shop.account)).await, shop.account);
    world.pass(Duration::hours(1)).await;
    assert_eq!(world.reconcile().await.differences, 0);
    let list = world.stripe("/balance_transactions?type=charge", Some(&shop.account)).await;
    let charge = &list["data"][0];
    let stripe_fee = charge["fee_details"].as_array().expect("a list").iter().find(|fee| fee["type"] == "stripe_fee");
    let stripe_fee = stripe_fee.and_then(|fee| fee["amount"].as_i64());
    let (found, fee) = settled().await;
    assert_eq!(found.map(|found| (found.amount, found.currency)), Some((5000, "usd".to_owned())), "{list}");
    assert_eq!((fee.is_some(), fee), (true, stripe_fee), "{list}");
}

#[tokio::test]
async fn a_refund_waits_until_stripe_has_booked_the_payment() {
    for charge_type in ["destination", "direct"] {
        for is_lost in [false, true] {
            let world = late(&[("CHARGE_TYPE", charge_type)]).await;
            let shop = world.shop().await;
            let id = bought(&world, &shop).await;
            let part = refund(&world, &shop.seller, &id, json!({"amount": 2000})).await;
            assert_eq!((part.status, &part.json()["refunds"][0]["status"]), (202, &json!("waiting")), "{charge_type}: {}", part.body);
            world.pass(Duration::minutes(5)).await;
            world.reconcile().await;
            let again = refund(&world, &shop.seller, &id, json!({"amount": 2000})).await;
            assert_eq!((again.status, again.json()["refunds"].as_array().map(Vec::len)), (202, Some(1)), "it is the same: {}", again.body);
            let direct = (charge_type == "direct").then_some(shop.account.as_str());
            assert_eq!(world.stripe("/refunds", direct).await["data"], json!([]), "Stripe has made none");

            booked(&world, is_lost).await;
            let purchase = seen(&world, &shop.buyer, &id).await;
            assert_eq!(
                (&purchase["status"], &purchase["refunds"][0]["status"], &purchase["refunded"]),
                (&json!("partially_refunded"), &json!("succeeded"), &json!(2000)),
                "{charge_type}, lost: {is_lost}: {purchase}"
            );
            assert_eq!((held(&world, None).await, held(&world, Some(&shop.account)).await), (1500, 1500));
            let rest = refund(&world, &shop.seller, &id, json!({})).await;
            assert_eq!((rest.status, &rest.json()["status"]), (200, &json!("refunded")), "{}", rest.body);
            assert_eq!((held(&world, None).await, held(&world, Some(&shop.account)).await), (0, 0));
            world.books().await;
        }
    }
}

/// The platform pays nothing for a refund that only waits for Stripe, so nothing is noted as borne by it.
#[tokio::test]
async fn staff_cannot_have_the_platform_pay_what_only_waits_for_stripe() {
    let world = late(&[]).await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    let id = bought(&world, &shop).await;
    assert_eq!(refund(&world, &staff, &id, json!({"platform_pays": true})).await.status, 202);
    assert_eq!(world.stripe("/refunds", None).await["data"], json!([]));
    booked(&world, false).await;
    assert_eq!(seen(&world, &shop.buyer, &id).await["status"], "refunded");
    assert_eq!((held(&world, None).await, held(&world, Some(&shop.account)).await), (0, 0));
}

#[tokio::test]
async fn a_refund_before_the_payees_are_paid_leaves_them_nothing() {
    let world = late(&[("CHARGE_TYPE", "separate")]).await;
    let shop = world.shop().await;
    let partner = world.seller("partner@example.com").await;
    let partners = world.link(&partner).await;
    assert_eq!(world.share("flask-microservices", &shop.seller, &[(&shop.seller, 60), (&partner, 40)]).await.status, 200);
    let id = bought(&world, &shop).await;
    assert_eq!(world.stripe("/transfers", None).await["data"], json!([]), "there is nothing to transfer yet");
    assert_eq!(refund(&world, &shop.seller, &id, json!({"amount": 1001})).await.status, 202);
    assert_eq!(world.stripe("/refunds", None).await["data"], json!([]), "the payees' part is not known yet");
    booked(&world, false).await;
    let purchase = seen(&world, &shop.buyer, &id).await;
    assert_eq!((&purchase["status"], &purchase["refunded"]), (&json!("partially_refunded"), &json!(1001)), "{purchase}");
    let all = [held(&world, None).await, held(&world, Some(&shop.account)).await, held(&world, Some(&partners)).await];
    // 3999 are left, of which the platform has a half, rounded down.
    assert_eq!((all.iter().sum::<i64>(), all[0]), (3999, 1999), "{all:?}");
    assert_eq!(refund(&world, &shop.seller, &id, json!({})).await.status, 200);
    let all = [held(&world, None).await, held(&world, Some(&shop.account)).await, held(&world, Some(&partners)).await];
    assert_eq!(all, [0, 0, 0]);
    world.books().await;
}

#[tokio::test]
async fn a_dispute_that_is_lost_before_the_booking_takes_the_sellers_part_back_after_it() {
    for charge_type in ["destination", "separate"] {
        let world = late(&[("CHARGE_TYPE", charge_type)]).await;
        let shop = world.shop().await;
        let id = bought(&world, &shop).await;
        let payment = world.succeeded(None).await.remove(0);
        let charge = payment["latest_charge"].as_str().expect("an id");
        let dispute = world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
        let dispute = dispute["id"].as_str().expect("an id").to_owned();
        world.deliver().await;
        assert_eq!(seen(&world, &shop.buyer, &id).await["status"], "disputed");
        assert_eq!(refund(&world, &shop.seller, &id, json!({})).await.text("code"), "purchase_disputed");
        world.admin("POST", &format!("disputes/{dispute}/close"), json!({"outcome": "lost"})).await;
        world.deliver().await;
        booked(&world, false).await;
        assert_eq!((held(&world, Some(&shop.account)).await, held(&world, None).await), (0, 0), "{charge_type}");
        world.books().await;
    }
}

/// What was promised to a buyer or member is not left behind: the platform could not refund it any more.
#[tokio::test]
async fn a_direct_seller_does_not_leave_while_a_refund_waits() {
    for is_membership in [false, true] {
        let world = late(&[("CHARGE_TYPE", "direct")]).await;
        let shop = world.shop().await;
        let refunded = if is_membership {
            let id = joined(&world, &shop).await;
            world.post(format!("/subscriptions/{id}/refund"), json!({})).bearer(&shop.seller.token).await
        } else {
            let id = bought(&world, &shop).await;
            refund(&world, &shop.seller, &id, json!({})).await
        };
        assert_eq!(refunded.status, 202, "{}", refunded.body);
        let disconnect = || world.delete("/users/me/stripe").bearer(&shop.seller.token);
        disconnect().await.is_problem(409, "payments_in_progress", "payments or refunds on this account are not finished; try again later");
        let lines = world.get("/subscriptions").bearer(&shop.buyer.token).await.json();
        assert!(!is_membership || lines["items"][0]["status"] == "active", "nothing has begun: {lines}");
        booked(&world, false).await;
        assert_eq!(held(&world, Some(&shop.account)).await, 0, "membership: {is_membership}: the money is back");
        world.books().await;
        world.enter_password(&shop.seller).await;
        disconnect().await.is_empty(204);
    }
}

/// The event that says so was lost.
#[tokio::test]
async fn a_seller_who_has_revoked_the_access_disconnects_whatever_waits() {
    let world = late(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    let id = bought(&world, &shop).await;
    assert_eq!(refund(&world, &shop.seller, &id, json!({})).await.status, 202);
    world.admin("POST", "webhooks/mode", json!({"drop_next": 100, "own_clock": true})).await;
    world.admin("POST", &format!("accounts/{}/deauthorize", shop.account), json!({})).await;
    world.delete("/users/me/stripe").bearer(&shop.seller.token).await.is_empty(204);
}

/// A seller can also revoke the access in their Dashboard. Nobody can make the refund then, and staff are told.
#[tokio::test]
async fn a_members_refund_that_is_out_of_reach_is_found_until_the_account_is_linked_again() {
    let world = late(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    let id = joined(&world, &shop).await;
    assert_eq!(world.post(format!("/subscriptions/{id}/refund"), json!({})).bearer(&shop.seller.token).await.status, 202);
    world.admin("POST", &format!("accounts/{}/deauthorize", shop.account), json!({})).await;
    world.deliver().await;
    let found = async || {
        let all = world.get("/admin/findings").bearer(&staff.token).await.json()["items"].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|one| one["kind"] == "repair_failed").collect::<Vec<_>>()
    };
    // First, the membership is ended here.
    world.reconcile().await;
    for _ in 0..2 {
        world.pass(Duration::hours(2)).await;
        world.reconcile().await;
        let found = found().await;
        assert_eq!(found.len(), 1, "{found:?}");
        let facts = (&found[0]["subscription_id"], &found[0]["purchase_id"], &found[0]["reason"], &found[0]["settled_at"]);
        assert_eq!(facts, (&json!(id), &Value::Null, &json!("seller_not_connected"), &Value::Null));
    }
    assert_eq!(world.link_by(&shop.seller, "/users/authorize", Some(&shop.account)).await, shop.account);
    for _ in 0..2 {
        world.pass(Duration::hours(7)).await;
        world.reconcile().await;
        world.deliver().await;
    }
    assert!(found().await.iter().all(|one| one["settled_at"].is_string()), "{:?}", found().await);
    assert_eq!(held(&world, Some(&shop.account)).await, 0, "the money is back");
}

#[tokio::test]
async fn a_members_refund_waits_until_stripe_has_booked_the_payment() {
    for settings in [&[][..], &[("CHARGE_TYPE", "direct")]] {
        for is_lost in [false, true] {
            let world = late(settings).await;
            let shop = world.shop().await;
            let id = joined(&world, &shop).await;
            let back = format!("/subscriptions/{id}/refund");
            let account = (!settings.is_empty()).then_some(shop.account.as_str());
            for _ in 0..2 {
                let asked = world.post(back.as_str(), json!({"amount": 400})).bearer(&shop.seller.token).await;
                let paid = &asked.json()["payments"][0];
                assert_eq!((asked.status, &paid["refunded"], &paid["refundable"]), (202, &json!(0), &json!(600)), "{}", asked.body);
                assert_eq!(world.stripe("/refunds", account).await["data"], json!([]), "Stripe has made none");
            }
            let other = world.post(back.as_str(), json!({"amount": 100})).bearer(&shop.seller.token).await;
            assert_eq!((other.status, other.text("code")), (409, "refund_in_progress".to_owned()), "{}", other.body);

            booked(&world, is_lost).await;
            let lines = world.get("/subscriptions").bearer(&shop.buyer.token).await.json();
            assert_eq!(lines["items"][0]["status"], "active", "{lines}");
            let totals = world.get("/sales").bearer(&shop.seller.token).await.json()["totals"][0].clone();
            let names = ["gross", "refunded", "application_fee", "net"].map(|name| totals[name].as_i64());
            assert_eq!(names, [1000, 400, 300, 300].map(Some), "lost: {is_lost}: {totals}");
            let rest = world.post(back.as_str(), json!({})).bearer(&shop.seller.token).await;
            assert_eq!((rest.status, &rest.json()["payments"][0]["refunded"]), (200, &json!(1000)), "{}", rest.body);
            assert_eq!((held(&world, None).await, held(&world, Some(&shop.account)).await), (0, 0));
            world.books().await;
        }
    }
}

/// An orphan: Stripe took the money, and no record of ours says so.
async fn forgotten(charge_type: &str, delay: i64) -> (World, Shop) {
    let world = World::with(&[("CHARGE_TYPE", charge_type), ("ORPHAN_POLICY", "refund")]).await;
    world.admin("POST", "settings", json!({"capture_delay": delay})).await;
    let shop = world.shop().await;
    let id = bought(&world, &shop).await;
    world.forget_purchase(&id).await;
    world.asked_stripe().await;
    (world, shop)
}

/// How many refunds were asked for since the last time.
async fn asked_for_refunds(world: &World) -> usize {
    world.asked_stripe().await.iter().filter(|one| *one == "POST /v1/refunds").count()
}

/// Whether each finding is settled.
async fn settled(world: &World, staff: &Person) -> Vec<bool> {
    let found = world.get("/admin/findings").bearer(&staff.token).await.json();
    found["items"].as_array().expect("a list").iter().map(|one| one["settled_at"].is_string()).collect()
}

/// Stripe repeats a refusal for a day.
#[tokio::test]
async fn a_payment_for_nothing_is_given_back_once_stripe_has_booked_it() {
    for charge_type in ["direct", "destination"] {
        let (world, shop) = forgotten(charge_type, LATE).await;
        let staff = world.staff("staff@example.com").await;
        for _ in 0..2 {
            world.pass(Duration::minutes(20)).await;
            let report = world.reconcile().await;
            assert_eq!((report.returned, report.differences), (0, 0), "{charge_type}: it waits");
            assert_eq!((asked_for_refunds(&world).await, settled(&world, &staff).await), (0, vec![false]), "{charge_type}");
        }
        world.pass(Duration::minutes(21)).await;
        assert_eq!(world.reconcile().await.returned, 1, "{charge_type}");
        assert_eq!((held(&world, None).await, held(&world, Some(&shop.account)).await), (0, 0), "{charge_type}");
        assert_eq!((asked_for_refunds(&world).await, settled(&world, &staff).await), (1, vec![true]), "{charge_type}");
        world.pass(Duration::minutes(20)).await;
        let report = world.reconcile().await;
        assert_eq!((report.returned, report.differences, asked_for_refunds(&world).await), (0, 0, 0), "{charge_type}");
    }
}

/// It must not hold up the search for others for ever.
#[tokio::test]
async fn a_payment_for_nothing_that_stripe_does_not_book_is_left_to_a_person() {
    for charge_type in ["direct", "destination"] {
        let (world, _) = forgotten(charge_type, 100 * LATE).await;
        let staff = world.staff("staff@example.com").await;
        let mut asked = Vec::new();
        for _ in 0..8 {
            world.pass(Duration::minutes(30)).await;
            let report = world.reconcile().await;
            asked.push((asked_for_refunds(&world).await, report.differences));
        }
        assert_eq!(asked, [(0, 0), (0, 0), (0, 0), (1, 1), (0, 0), (0, 0), (0, 0), (0, 0)], "{charge_type}");
        assert_eq!(settled(&world, &staff).await, [false], "{charge_type}");
    }
}

/// A separate charge has neither fee nor transfer yet.
#[tokio::test]
async fn a_payment_for_nothing_of_which_nobody_has_a_part_is_given_back_at_once() {
    let (world, _) = forgotten("separate", LATE).await;
    world.pass(Duration::minutes(20)).await;
    assert_eq!((world.reconcile().await.returned, asked_for_refunds(&world).await), (1, 1));
}
