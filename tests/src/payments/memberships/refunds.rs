//! Refunding members through the API.

use futures_util::future::{join, join_all};
use local::proxy::{Fault, Gate, Kind};
use serde_json::{Value, json};
use time::Duration;

use super::{Club, DIRECT, pass};
use crate::harness::{Answer, Person, World};

pub(super) async fn give_back(world: &World, who: &Person, id: &str, body: Value) -> Answer {
    world.post(format!("/subscriptions/{id}/refund"), body).bearer(&who.token).await
}

pub(super) async fn members(world: &World, who: &Person, seller: &str) -> Vec<Value> {
    let answer = world.get(format!("/sellers/{seller}/members")).bearer(&who.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["items"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn a_period_is_refunded_in_part_and_in_full_with_fee_and_transfer() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let club = Club::open(&world).await;
        let account = club.account(settings);
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        let part = give_back(&world, &club.shop.seller, &id, json!({"amount": 400})).await;
        assert_eq!(part.status, 200, "{}", part.body);
        let paid = &part.json()["payments"][0];
        assert_eq!([&paid["amount"], &paid["refunded"], &paid["refundable"], &paid["application_fee"]], [1000, 400, 600, 300], "{paid}");
        assert!(club.is_open(&world).await, "a partial refund does not end access");
        let too_much = give_back(&world, &club.shop.seller, &id, json!({"amount": 601})).await;
        assert_eq!((too_much.status, too_much.text("code")), (422, "refund_too_large".to_owned()), "{}", too_much.body);
        let rest = give_back(&world, &club.shop.seller, &id, json!({})).await;
        assert_eq!((rest.status, &rest.json()["payments"][0]["refunded"]), (200, &json!(1000)), "{}", rest.body);
        assert!(!club.is_open(&world).await, "a refunded period gives no access");
        assert_eq!(give_back(&world, &club.shop.seller, &id, json!({})).await.text("code"), "already_refunded");

        // Nobody keeps a share of it, and events bring nothing new.
        world.deliver().await;
        let totals = world.get("/sales").bearer(&club.shop.seller.token).await.json()["totals"][0].clone();
        assert_eq!(
            ["gross", "refunded", "application_fee", "net"].map(|name| totals[name].as_i64()),
            [1000, 1000, 0, 0].map(Some),
            "{totals}"
        );
        let refunds = world.stripe("/refunds?limit=100", account.as_deref()).await;
        assert_eq!(refunds["data"].as_array().map(Vec::len), Some(2));
        world.books().await;
        assert_eq!(club.subscription(&world, &id).await["status"], "active", "the membership continues");
    }
}

/// Nothing would fill the account up again. The staff can still refund the member.
#[tokio::test]
async fn a_seller_whose_account_is_out_of_reach_refunds_nothing_from_it() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    world.delete("/users/me/stripe").bearer(&club.shop.seller.token).await.is_empty(204);
    let refused = give_back(&world, &club.shop.seller, &id, json!({})).await;
    assert_eq!((refused.status, refused.text("code")), (409, "refund_refused".to_owned()), "{}", refused.body);
    assert_eq!(world.stripe("/refunds?limit=100", None).await["data"], json!([]));
    let staff = world.staff("staff@example.com").await;
    let refunded = give_back(&world, &staff, &id, json!({})).await;
    assert_eq!((refunded.status, &refunded.json()["payments"][0]["refunded"]), (200, &json!(1000)), "{}", refunded.body);
    world.books().await;
}

/// The answer gets lost on its way to the client, which repeats the request without a key.
#[tokio::test]
async fn a_repeated_partial_refund_of_a_period_without_a_key_is_made_once() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    let ask = async || {
        let answer = give_back(&world, &club.shop.seller, &id, json!({"amount": 300})).await;
        let made = world.stripe("/refunds?limit=100", None).await["data"].as_array().map(Vec::len);
        (answer.status, answer.json()["payments"][0]["refunded"].clone(), made)
    };
    assert_eq!(ask().await, (200, json!(300), Some(1)));
    world.pass(Duration::minutes(9)).await;
    assert_eq!(ask().await, (200, json!(300), Some(1)));
    world.pass(Duration::minutes(1)).await;
    assert_eq!(ask().await, (200, json!(600), Some(2)), "it is another one");
}

/// A refund by the seller: its status and code, if it was refused.
async fn ask_back(world: &World, club: &Club, path: &str, body: Value) -> (u16, String) {
    let answer = world.post(path, body).bearer(&club.shop.seller.token).await;
    (answer.status, if answer.status == 200 { String::new() } else { answer.text("code") })
}

#[tokio::test]
async fn periods_and_purchases_share_the_operators_caps_and_staff_go_beyond() {
    let ok = || (200, String::new());
    let caps = [("REFUNDS_PER_PURCHASE", "2"), ("REFUND_MINIMUM", "usd:200"), ("REFUND_AMOUNT_PER_DAY", "usd:5400")];
    let world = World::with(&[&caps[..], &[("REFUND_PERCENT_PER_DAY", "0")]].concat()).await;
    let club = Club::open(&world).await;
    let period = format!("/subscriptions/{}/refund", club.joined(&world, "month").await);
    let bought = world.buy(&world.buyer("second@example.com").await, &club.shop.course_id, "pm_card_visa").await;
    let course = format!("/purchases/{}/refund", bought.json()["purchase"]["id"].as_str().expect("an id"));
    world.deliver().await;
    assert_eq!(ask_back(&world, &club, &period, json!({"amount": 199})).await, (422, "refund_too_small".to_owned()));
    assert_eq!(ask_back(&world, &club, &period, json!({"amount": 200})).await, ok());
    assert_eq!(ask_back(&world, &club, &period, json!({"amount": 300})).await, ok());
    assert_eq!(ask_back(&world, &club, &period, json!({})).await, (409, "too_many_refunds".to_owned()));
    // 500 of 5400 are used up.
    assert_eq!(ask_back(&world, &club, &course, json!({"amount": 4901})).await, (429, "refund_limit_reached".to_owned()));
    assert_eq!(ask_back(&world, &club, &course, json!({"amount": 4900})).await, ok());
    let staff = world.staff("staff@example.com").await;
    assert_eq!(world.post(period.as_str(), json!({"amount": 1})).bearer(&staff.token).await.status, 200, "staff are not limited");
    let audit = world.get("/admin/audit").bearer(&staff.token).await.json();
    let actions: Vec<_> =
        audit["items"].as_array().expect("a list").iter().map(|entry| (&entry["action"], &entry["amount"]["amount"])).collect();
    assert!(actions.contains(&(&json!("membership_refund"), &json!(1))), "{audit}");
}

#[tokio::test]
async fn a_seller_refunds_no_more_periods_in_a_day_than_the_operator_allows() {
    let world = World::with(&[("REFUNDS_PER_DAY", "1"), ("REFUND_PERCENT_PER_DAY", "0")]).await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    pass(&world, &mut club, 32).await;
    let payments = members(&world, &club.shop.seller, &club.shop.seller.id).await[0]["payments"].clone();
    let earlier = json!({"invoice": payments[1]["invoice"]});
    assert_eq!(give_back(&world, &club.shop.seller, &id, json!({})).await.status, 200);
    let over = give_back(&world, &club.shop.seller, &id, earlier.clone()).await;
    assert_eq!((over.status, over.text("code")), (429, "refund_limit_reached".to_owned()), "{}", over.body);
    assert!(over.header("retry-after").is_some());
    let made = world.stripe("/refunds?limit=100", None).await;
    assert_eq!(made["data"].as_array().map(Vec::len), Some(1), "Stripe was not asked");
    world.pass(Duration::days(1)).await;
    assert_eq!(give_back(&world, &club.shop.seller, &id, earlier).await.status, 200, "a new day");
}

#[tokio::test]
async fn a_seller_with_more_sales_may_refund_more_periods_in_a_day() {
    let world = World::with(&[("REFUND_AMOUNT_PER_DAY", "usd:1"), ("REFUND_PERCENT_PER_DAY", "75"), ("REFUNDS_PER_DAY", "2")]).await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    pass(&world, &mut club, 32).await;
    let payments = members(&world, &club.shop.seller, &club.shop.seller.id).await[0]["payments"].clone();
    // Three quarters of two periods are 1500.
    assert_eq!(give_back(&world, &club.shop.seller, &id, json!({})).await.status, 200);
    let earlier = |amount: i64| json!({"invoice": payments[1]["invoice"], "amount": amount});
    assert_eq!(give_back(&world, &club.shop.seller, &id, earlier(501)).await.text("code"), "refund_limit_reached");
    assert_eq!(give_back(&world, &club.shop.seller, &id, earlier(500)).await.status, 200);
}

#[tokio::test]
async fn a_former_seller_cannot_refund_members() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.roles(&club.shop.seller, Some(false), None).await;
    let refused = give_back(&world, &club.shop.seller, &id, json!({})).await;
    assert_eq!((refused.status, refused.text("code")), (403, "not_a_seller".to_owned()), "{}", refused.body);
    let staff = world.staff("staff@example.com").await;
    assert_eq!(give_back(&world, &staff, &id, json!({})).await.status, 200);
}

#[tokio::test]
async fn an_earlier_period_is_refunded_by_its_invoice() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    pass(&world, &mut club, 32).await;
    let all = members(&world, &club.shop.seller, &club.shop.seller.id).await;
    assert_eq!((all.len(), &all[0]["id"], &all[0]["buyer_id"]), (1, &json!(id), &json!(club.shop.buyer.id)));
    let payments = all[0]["payments"].as_array().expect("a list");
    assert_eq!(payments.len(), 2);
    let first = payments[1]["invoice"].as_str().expect("an id");
    let staff = world.staff("staff@example.com").await;
    let given = give_back(&world, &staff, &id, json!({"invoice": first})).await;
    assert_eq!(given.status, 200, "{}", given.body);
    let payments = &given.json()["payments"];
    assert_eq!((&payments[0]["refunded"], &payments[1]["refunded"]), (&json!(0), &json!(1000)));
    assert!(club.is_open(&world).await, "the current period is paid");
    let unknown = give_back(&world, &staff, &id, json!({"invoice": "in_unknown"})).await;
    assert_eq!(unknown.status, 404, "{}", unknown.body);
}

#[tokio::test]
async fn concurrent_period_refunds_never_exceed_what_was_paid() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    let path = format!("/subscriptions/{id}/refund");
    let keyed = &|amount: i64, key: String| {
        world.post(path.as_str(), json!({"amount": amount})).bearer(&club.shop.seller.token).header("idempotency-key", &key)
    };
    let all = join_all((0..8).map(|number| async move { keyed(300, number.to_string()).await })).await;
    assert!(
        all.iter().all(|answer| [200, 409, 422, 503].contains(&answer.status)),
        "{:?}",
        all.iter().map(|a| a.body.clone()).collect::<Vec<_>>()
    );
    let refunds = world.stripe("/refunds?limit=100", None).await;
    let sum: i64 = refunds["data"].as_array().expect("a list").iter().filter_map(|refund| refund["amount"].as_i64()).sum();
    assert!(sum <= 1000 && sum % 300 == 0 && sum > 0, "{sum}");
    // A request with a key is executed once, however often it is sent, also if it is then sent without.
    let before = sum;
    for _ in 0..3 {
        let named = keyed(50, "one".to_owned()).await;
        assert_eq!(named.status, 200, "{}", named.body);
        let unnamed = give_back(&world, &club.shop.seller, &id, json!({"amount": 50})).await;
        assert_eq!(unnamed.status, 200, "{}", unnamed.body);
    }
    world.deliver().await;
    let all = members(&world, &club.shop.seller, &club.shop.seller.id).await;
    assert_eq!(all[0]["payments"][0]["refunded"], json!(before + 50));
}

#[tokio::test]
async fn a_refund_whose_answer_was_lost_is_found_and_made_once() {
    for hours in [0, 30] {
        let world = World::start().await;
        let club = Club::open(&world).await;
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        for _ in 0..3 {
            world.fault("POST", "/v1/refunds", json!({"kind": "drop_after"})).await;
        }
        let lost = give_back(&world, &club.shop.seller, &id, json!({"amount": 300})).await;
        assert!([503, 504].contains(&lost.status), "{}", lost.body);
        world.pass(Duration::hours(hours) + Duration::minutes(10)).await;
        if hours == 0 {
            world.reconcile().await;
        } else {
            let again = give_back(&world, &club.shop.seller, &id, json!({"amount": 300})).await;
            assert_eq!(again.status, 200, "{}", again.body);
        }
        let all = members(&world, &club.shop.seller, &club.shop.seller.id).await;
        assert_eq!(all[0]["payments"][0]["refunded"], 300);
        let refunds = world.stripe("/refunds?limit=100", None).await;
        assert_eq!(refunds["data"].as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn only_the_seller_and_staff_can_refund_members() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    let stranger = world.seller("stranger@example.com").await;
    assert_eq!(give_back(&world, &club.shop.buyer, &id, json!({})).await.status, 403);
    assert_eq!(give_back(&world, &stranger, &id, json!({})).await.status, 404);
    assert_eq!(give_back(&world, &club.shop.seller, &id, json!({"amount": 0})).await.status, 422);
    assert_eq!(give_back(&world, &club.shop.seller, "mem_unknown", json!({})).await.status, 404);
    world.post(format!("/subscriptions/{id}/refund"), json!({})).await.is_problem(401, "not_signed_in", "log in first");
    let path = format!("/sellers/{}/members", club.shop.seller.id);
    for (who, status) in [(&stranger, 403), (&club.shop.buyer, 403), (&club.shop.seller, 200)] {
        assert_eq!(world.get(path.as_str()).bearer(&who.token).await.status, status);
    }
    let refunds = world.stripe("/refunds?limit=100", None).await;
    assert_eq!(refunds["data"], json!([]));
}

#[tokio::test]
async fn each_refund_is_mailed_to_the_member_once_with_the_total_so_far() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    world.pump().await;
    world.mailbox().clear();
    for amount in [300, 700] {
        assert_eq!(give_back(&world, &club.shop.seller, &id, json!({ "amount": amount })).await.status, 200);
        world.deliver().await;
        world.pump().await;
        world.sweep().await;
    }
    let mails = world.mails_to(&club.shop.buyer.email);
    assert_eq!(mails.len(), 2, "{mails:?}");
    assert!(mails.iter().all(|mail| mail.subject.starts_with("Your refund: ") && mail.text.contains(&id)));
    assert!(mails[0].text.contains("Part of your payment") && mails[0].text.contains("3.00 USD"), "{}", mails[0].text);
    assert!(mails[1].text.contains("in full") && mails[1].text.contains("10.00 USD"), "{}", mails[1].text);
    assert!(world.mails_to(&club.shop.seller.email).is_empty());
}

#[tokio::test]
async fn member_seller_and_staff_are_notified_of_a_returned_refund() {
    for settings in [&[("STAFF_EMAIL", "money@example.com")][..], &[("STAFF_EMAIL", "money@example.com"), ("CHARGE_TYPE", "direct")]] {
        let world = World::with(settings).await;
        let club = Club::open(&world).await;
        let staff = world.staff("staff@example.com").await;
        let account = (settings.len() > 1).then(|| club.shop.account.clone());
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        assert_eq!(give_back(&world, &club.shop.seller, &id, json!({})).await.status, 200);
        world.deliver().await;
        assert!(!club.is_open(&world).await);
        let made = world.stripe("/refunds", account.as_deref()).await["data"][0]["id"].as_str().expect("an id").to_owned();
        world.admin("POST", &format!("refunds/{made}/fail"), json!({})).await;
        for _ in 0..2 {
            world.deliver().await;
            world.pump().await;
            world.sweep().await;
        }
        for address in [club.shop.buyer.email.as_str(), club.shop.seller.email.as_str(), "money@example.com"] {
            let mails = world.mails_to(address);
            let failed: Vec<_> = mails.iter().filter(|mail| mail.subject.starts_with("A refund has failed")).collect();
            assert_eq!(failed.len(), 1, "{address}");
            assert!(failed[0].text.contains("10.00 USD") && failed[0].text.contains(&id), "{}", failed[0].text);
        }
        let list = world.get("/admin/findings").bearer(&staff.token).await.json();
        let found: Vec<Value> =
            list["items"].as_array().expect("a list").iter().filter(|one| one["kind"] == "refund_failed").cloned().collect();
        assert_eq!(
            (found.len(), &found[0]["stripe_id"], &found[0]["amount"], &found[0]["subscription_id"]),
            (1, &json!(made), &json!(1000), &json!(id))
        );
        assert!(club.is_open(&world).await, "the period is paid again");
    }
}

#[tokio::test]
async fn a_failed_refund_returns_the_sellers_part() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    let paid = async || members(&world, &club.shop.seller, &club.shop.seller.id).await[0]["payments"][0].clone();
    assert_eq!(give_back(&world, &club.shop.seller, &id, json!({})).await.status, 200);
    world.deliver().await;
    assert_eq!(paid().await["net"], 0);
    let made = world.stripe("/refunds", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
    world.admin("POST", &format!("refunds/{made}/fail"), json!({})).await;
    world.deliver().await;
    // The reversed amount is transferred again once funds are available.
    world.pass(Duration::days(8)).await;
    world.reconcile().await;
    let sent_back = paid().await;
    assert_eq!([&sent_back["net"], &sent_back["refunded"], &sent_back["refundable"]], [500, 0, 1000], "{sent_back}");
    let transfers = async || {
        let list = world.stripe("/transfers?limit=100", None).await["data"].as_array().expect("a list").clone();
        let left = |one: &Value| one["amount"].as_i64().unwrap_or(0) - one["amount_reversed"].as_i64().unwrap_or(0);
        (list.len(), list.iter().map(left).sum::<i64>())
    };
    assert_eq!(transfers().await, (2, 500), "the first one was reversed in full");
    for _ in 0..2 {
        world.deliver().await;
        world.reconcile().await;
    }
    assert_eq!(transfers().await, (2, 500), "once");
    let totals = world.get("/sales").bearer(&club.shop.seller.token).await.json()["totals"][0].clone();
    assert_eq!((&totals["net"], &totals["refunded"]), (&json!(500), &json!(0)), "{totals}");
    world.books().await;

    // The next refund reverses the transfer that returned it only afterwards, when the seller may already have been paid out.
    let refused = give_back(&world, &club.shop.seller, &id, json!({})).await;
    assert_eq!((refused.status, refused.text("code")), (409, "refund_by_staff".to_owned()), "{}", refused.body);
    let staff = world.staff("staff@example.com").await;
    assert_eq!(give_back(&world, &staff, &id, json!({})).await.status, 200);
    world.deliver().await;
    world.pass(Duration::hours(2)).await;
    world.reconcile().await;
    let refunded = paid().await;
    assert_eq!([&refunded["net"], &refunded["refunded"], &refunded["refundable"]], [0, 1000, 0], "{refunded}");
    assert_eq!(transfers().await, (2, 0));
    world.books().await;
}

#[tokio::test]
async fn a_refund_that_another_write_overtakes_is_recorded_as_stripe_made_it() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    pass(&world, &mut club, 32).await;
    // Of an earlier period, whose refunds no other request reads.
    let earlier = members(&world, &club.shop.seller, &club.shop.seller.id).await[0]["payments"][1]["invoice"].clone();
    // Stripe has the refund, and the member cancels before it is written down.
    let gate = Gate::new();
    world.stripe_proxy.inject(Fault::next("POST /v1/refunds", Kind::HoldAnswer(gate.clone())));
    let meanwhile = async {
        gate.reached().await;
        let canceled = world.post(format!("/subscriptions/{id}/cancel"), json!({})).bearer(&club.shop.buyer.token).await;
        assert_eq!(canceled.status, 200, "{}", canceled.body);
        gate.open();
    };
    let (given, ()) = join(give_back(&world, &club.shop.seller, &id, json!({"invoice": earlier, "amount": 400})), meanwhile).await;
    assert_eq!(given.status, 200, "{}", given.body);
    let paid = &given.json()["payments"][1];
    assert_eq!([&paid["refunded"], &paid["refundable"], &paid["application_fee"], &paid["net"]], [400, 600, 300, 300], "{paid}");
    let stored = members(&world, &club.shop.seller, &club.shop.seller.id).await[0].clone();
    assert_eq!((&stored["payments"][1], &stored["cancel_at_period_end"]), (paid, &json!(true)));
}

#[tokio::test]
async fn another_deployments_refunds_are_ignored() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    assert_eq!(give_back(&world, &club.shop.seller, &id, json!({"amount": 300})).await.status, 200);
    let refunds = world.stripe("/refunds", None).await;
    let metadata = &refunds["data"][0]["metadata"];
    assert_eq!((&metadata["stack_id"], &metadata["subscription_id"]), (&json!(world.app.config.stack_id), &json!(id)), "{metadata}");
    // A refund with our numbers, from a deployment that runs on a copy of our table.
    let payment = world.succeeded(None).await[0]["id"].as_str().expect("an id").to_owned();
    let form = [
        ("payment_intent", payment),
        ("amount", "200".to_owned()),
        ("metadata[number]", "2".to_owned()),
        ("metadata[subscription_id]", id.clone()),
        ("metadata[stack_id]", "another".to_owned()),
    ];
    let other = world.in_dashboard("/refunds", None, &form).await;
    assert_eq!(other["amount"], 200, "{other}");
    // Our request gets no response and must not mistake the other refund for its own.
    world.fault("POST", "/v1/refunds", json!({"kind": "status", "status": 500})).await;
    let ours = give_back(&world, &club.shop.seller, &id, json!({"amount": 200})).await;
    assert!([(200, false), (502, true)].contains(&(ours.status, ours.json()["code"] == "payment_provider_error")), "{}", ours.body);
    world.deliver().await;
    let all = members(&world, &club.shop.seller, &club.shop.seller.id).await;
    let made = world.stripe("/refunds?limit=100", None).await;
    let own = made["data"].as_array().expect("a list").iter().filter(|one| one["metadata"]["stack_id"] != "another");
    assert_eq!(all[0]["payments"][0]["refunded"], own.filter_map(|one| one["amount"].as_i64()).sum::<i64>(), "{made}");
}

#[tokio::test]
async fn staff_enter_their_password_again_before_they_refund_and_a_refusal_is_on_record() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    let staff = world.staff("staff@example.com").await;
    world.app.clock.advance(Duration::minutes(16));
    let asked = give_back(&world, &staff, &id, json!({})).await;
    asked.is_problem(403, "password_required", "enter your password again first: PUT /sessions/current");
    world.enter_password(&staff).await;
    // Somebody was faster in the Dashboard, and the events are on their way.
    let payment = world.succeeded(None).await.remove(0);
    super::refund(&world, None, payment["id"].as_str().expect("an id"), "1000").await;
    let refused = give_back(&world, &staff, &id, json!({})).await;
    assert_eq!((refused.status, refused.text("code")), (409, "refund_refused".to_owned()), "{}", refused.body);
    let audit = world.get("/admin/audit").bearer(&staff.token).await.json()["items"].clone();
    let mut facts: Vec<_> = audit.as_array().expect("a list").iter().map(|entry| entry["action"].as_str().expect("text")).collect();
    facts.sort_unstable();
    assert_eq!(facts, ["membership_refund", "membership_refund_refused"], "{audit}");
    let of_refusal = audit.as_array().expect("a list").iter().find(|entry| entry["code"].is_string()).expect("it is there");
    assert_eq!((&of_refusal["code"], &of_refusal["subscription_id"]), (&json!("charge_already_refunded"), &json!(id)));
}

#[tokio::test]
async fn the_seller_has_their_part_again_however_often_the_bank_returns_a_refund() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let staff = world.staff("staff@example.com").await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    let net = async || members(&world, &club.shop.seller, &club.shop.seller.id).await[0]["payments"][0]["net"].clone();
    let held = async || world.books().await["accounts"][&club.shop.account]["usd"]["balance"].clone();
    let before = (net().await, held().await);
    for round in 1..=3 {
        let refund = give_back(&world, &staff, &id, json!({"amount": 600})).await;
        assert_eq!(refund.status, 200, "{}", refund.body);
        world.deliver().await;
        let made = world.stripe("/refunds", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
        world.admin("POST", &format!("refunds/{made}/fail"), json!({})).await;
        for _ in 0..3 {
            world.deliver().await;
            world.sweep().await;
        }
        assert_eq!((net().await, held().await), before, "return {round}");
    }
    world.books().await;
}
