//! Refunds of separate charges and transfers: the buyer is refunded as far as the payees have returned their shares. The tests
//! play sellers who are after the platform's money.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Answer, Person, World};

/// 1,000 USD.
const PRICE: i64 = 100_000;

/// A seller who is the only payee of a course and is paid by a transfer.
struct Stall {
    seller: Person,
    account: String,
    staff: Person,
    course_id: String,
}

async fn stall(world: &World, slug: &str, amount: i64, currency: &str) -> Stall {
    let seller = world.seller(&format!("{slug}@example.com")).await;
    let account = world.link(&seller).await;
    let course = world.course(&seller, slug, amount, currency, 10).await;
    let staff = world.staff(&format!("staff-{slug}@example.com")).await;
    Stall { seller, account, staff, course_id: course["id"].as_str().expect("an id").to_owned() }
}

async fn buy(world: &World, stall: &Stall, buyer: &Person, card: &str) -> String {
    let answer = world.buy(buyer, &stall.course_id, card).await;
    assert_eq!((answer.status, &answer.json()["purchase"]["charge_type"]), (201, &json!("separate")), "{}", answer.body);
    world.deliver().await;
    answer.json()["purchase"]["id"].as_str().expect("an id").to_owned()
}

/// The only charge.
async fn charged(world: &World) -> String {
    let charge = world.succeeded(None).await.remove(0)["latest_charge"].clone();
    charge["id"].as_str().or(charge.as_str()).expect("it was charged").to_owned()
}

/// How the bank decides about the only dispute of a charge.
async fn decide(world: &World, charge: &str, outcome: &str) {
    let dispute = world.stripe(&format!("/disputes?charge={charge}"), None).await["data"][0]["id"].as_str().expect("an id").to_owned();
    world.admin("POST", &format!("disputes/{dispute}/close"), json!({"outcome": outcome})).await;
}

async fn refund(world: &World, token: &str, id: &str, body: Value) -> Answer {
    world.post(format!("/purchases/{id}/refund"), body).bearer(token).await
}

/// The sum of an account's balance transactions, without Stripe's fees.
async fn held(world: &World, account: Option<&str>) -> i64 {
    let list = world.stripe("/balance_transactions?limit=100", account).await;
    let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone();
    all.iter().map(|one| one["amount"].as_i64().unwrap_or(0)).sum()
}

async fn seen(world: &World, buyer: &Person, id: &str) -> Value {
    world.get(format!("/purchases/{id}")).bearer(&buyer.token).await.json()
}

async fn findings(world: &World, staff: &Person, kind: &str) -> Vec<Value> {
    let answer = world.get("/admin/findings").bearer(&staff.token).await;
    let all = answer.json()["items"].as_array().expect("a list").clone();
    all.into_iter().filter(|one| one["kind"] == kind).collect()
}

async fn debts(world: &World, seller: &Person) -> Vec<Value> {
    world.get("/sales").bearer(&seller.token).await.json()["debts"].as_array().cloned().unwrap_or_default()
}

fn separate() -> [(&'static str, &'static str); 1] {
    [("CHARGE_TYPE", "separate")]
}

#[tokio::test]
async fn refunding_accomplices_while_funds_are_pending_costs_the_platform_nothing() {
    let world = World::with(&separate()).await;
    let stall = stall(&world, "theft", PRICE, "usd").await;
    let mut rounds = Vec::new();
    for round in 0..5 {
        let accomplice = world.buyer(&format!("accomplice{round}@example.com")).await;
        let id = buy(&world, &stall, &accomplice, "pm_card_visa").await;
        let answer = refund(&world, &stall.seller.token, &id, json!({})).await;
        let waits = answer.status == 202 && answer.json()["refunds"][0]["status"] == "waiting";
        assert!(waits || answer.text("code") == "refund_limit_reached", "{round}: {}", answer.body);
        rounds.push((accomplice, id));
    }
    world.deliver().await;
    world.reconcile().await;
    assert_eq!(world.stripe("/refunds", None).await["data"], json!([]), "nothing went back");
    assert_eq!(held(&world, None).await, 5 * PRICE / 10, "the platform has its fees");
    let (first, id) = &rounds[0];
    let waiting = seen(&world, first, id).await;
    assert_eq!(
        (&waiting["status"], &waiting["refunded"], &waiting["refunds"][0]["status"]),
        (&json!("paid"), &json!(0), &json!("waiting"))
    );

    // The finding appears at once, with its reason, and the amount counts as the seller's debt.
    let found = findings(&world, &stall.staff, "reversal_refused").await;
    assert!(!found.is_empty());
    let one = found.iter().find(|one| one["purchase_id"] == **id).expect("of the first round");
    assert_eq!(
        (&one["reason"], &one["payee_id"], &one["amount"]),
        (&json!("balance_insufficient"), &json!(stall.seller.id), &json!(90_000))
    );
    assert_eq!(debts(&world, &stall.seller).await.len(), found.len());

    // Once the funds are available, both movements happen by themselves, the payee's first.
    world.pass(Duration::days(3)).await;
    world.reconcile().await;
    world.deliver().await;
    let done = seen(&world, first, id).await;
    assert_eq!((&done["status"], &done["refunds"][0]["status"]), (&json!("refunded"), &json!("succeeded")), "{done}");
    let refunded = world.stripe("/refunds", None).await["data"].as_array().map_or(0, Vec::len);
    assert_eq!(held(&world, None).await, (5 - i64::try_from(refunded).expect("few")) * PRICE / 10, "the platform is not poorer");
    assert!(findings(&world, &stall.staff, "reversal_refused").await.iter().all(|one| one["settled_at"].is_string()));
    assert_eq!(debts(&world, &stall.seller).await, Vec::<Value>::new());
    world.books().await;
}

/// A lost dispute during a waiting refund takes everything, including what was reserved for the refund.
#[tokio::test]
async fn a_waiting_refund_withholds_nothing_from_a_lost_dispute() {
    for (slug, amount, by_staff) in [("nearly", 9_900, false), ("part", 4_000, false), ("pushed", 4_000, true)] {
        let world = World::with(&[("CHARGE_TYPE", "separate"), ("REFUND_MINIMUM", "usd:1")]).await;
        let stall = stall(&world, slug, 10_000, "usd").await;
        let buyer = world.buyer("accomplice@example.com").await;
        let id = buy(&world, &stall, &buyer, "pm_card_visa").await;
        assert_eq!(refund(&world, &stall.seller.token, &id, json!({"amount": amount})).await.status, 202);
        let charge = charged(&world).await;
        world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
        world.deliver().await;
        decide(&world, &charge, "lost").await;
        world.deliver().await;
        if by_staff {
            let pushed = refund(&world, &stall.staff.token, &id, json!({"amount": amount, "platform_pays": true})).await;
            assert_eq!(pushed.status, 409, "{}", pushed.body);
        }
        for _ in 0..3 {
            world.pass(Duration::days(3)).await;
            world.reconcile().await;
            world.deliver().await;
        }
        assert_eq!(held(&world, Some(&stall.account)).await, 0, "{slug}: a sale that was lost in full leaves its payee nothing");
        world.books().await;
    }
}

/// While a bank decides, a refund waits and its payees get nothing back: what they were paid out could not be had back if the dispute is lost.
/// The dispute is heard of before the refund is sent, or only because Stripe refuses it.
#[tokio::test]
async fn a_waiting_refund_waits_for_the_decision_of_a_dispute() {
    for (outcome, is_heard) in [("lost", true), ("won", true), ("lost", false), ("won", false)] {
        let world = World::with(&separate()).await;
        let stall = stall(&world, outcome, 10_000, "usd").await;
        let buyer = world.buyer("accomplice@example.com").await;
        let id = buy(&world, &stall, &buyer, "pm_card_visa").await;
        assert_eq!(refund(&world, &stall.seller.token, &id, json!({})).await.status, 202);
        let charge = charged(&world).await;
        world.admin("POST", "webhooks/mode", json!({"hold": true, "own_clock": true})).await;
        world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
        if is_heard {
            world.deliver().await;
        }

        // The funds are available, so the payee's part comes back.
        world.pass(Duration::days(3)).await;
        world.asked_stripe().await;
        world.reconcile().await;
        let is_sent = world.asked_stripe().await.contains(&"POST /v1/refunds".to_owned());
        assert_eq!(is_sent, !is_heard, "Stripe refuses it, so it is not sent if the dispute is known");
        world.deliver().await;
        let waiting = seen(&world, &buyer, &id).await;
        assert_eq!((&waiting["status"], &waiting["refunds"][0]["status"]), (&json!("disputed"), &json!("waiting")), "{waiting}");
        assert_eq!(held(&world, Some(&stall.account)).await, 0, "{outcome}: the payee returned their part, and has not got it again");

        decide(&world, &charge, outcome).await;
        for _ in 0..3 {
            world.deliver().await;
            world.pass(Duration::minutes(15)).await;
            world.reconcile().await;
        }
        world.deliver().await;
        let decided = seen(&world, &buyer, &id).await;
        assert_eq!(held(&world, Some(&stall.account)).await, 0, "{outcome}: the buyer has the money, and the payee nothing: {decided}");
        assert_eq!(findings(&world, &stall.staff, "reversal_refused").await.iter().filter(|one| one["settled_at"].is_null()).count(), 0);
        if outcome == "won" {
            assert_eq!((&decided["status"], &decided["refunds"][0]["status"]), (&json!("refunded"), &json!("succeeded")), "{decided}");
            assert_eq!(held(&world, None).await, 0, "the refund that was promised is made");
        } else {
            assert_eq!((&decided["refunded"], &decided["dispute"]["status"]), (&json!(0), &json!("lost")), "{decided}");
            assert_eq!(held(&world, None).await, 0, "the platform has lost no more than its fee");
        }
        world.books().await;
    }
}

/// The payee returns their part at once, Stripe refuses the refund because of a dispute that nobody has heard of, and the seller is told so.
#[tokio::test]
async fn a_refund_that_is_refused_for_an_unheard_dispute_gives_nothing_back_before_the_decision() {
    for (outcome, theirs) in [("lost", 0), ("won", 9_000)] {
        let world = World::with(&separate()).await;
        let stall = stall(&world, outcome, 10_000, "usd").await;
        let buyer = world.buyer("accomplice@example.com").await;
        let id = buy(&world, &stall, &buyer, "pm_card_visa").await;
        world.pass(Duration::days(3)).await;
        let charge = charged(&world).await;
        world.admin("POST", "webhooks/mode", json!({"hold": true, "own_clock": true})).await;
        world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
        let refused = refund(&world, &stall.seller.token, &id, json!({})).await;
        assert_eq!((refused.status, refused.text("code")), (409, "refund_refused".to_owned()), "{}", refused.body);
        assert_eq!(seen(&world, &buyer, &id).await["status"], "disputed");
        world.reconcile().await;
        assert_eq!(held(&world, Some(&stall.account)).await, 0, "{outcome}: until the decision");
        decide(&world, &charge, outcome).await;
        world.deliver().await;
        world.reconcile().await;
        assert_eq!(held(&world, Some(&stall.account)).await, theirs, "{outcome}");
        world.books().await;
    }
}

/// A refund that was released and then not sent for longer than its key lives is sent under another.
#[tokio::test]
async fn a_refund_that_was_never_sent_is_sent_under_a_new_key() {
    let world = World::with(&separate()).await;
    let stall = stall(&world, "unsent", 10_000, "usd").await;
    let buyer = world.buyer("buyer@example.com").await;
    let id = buy(&world, &stall, &buyer, "pm_card_visa").await;
    assert_eq!(refund(&world, &stall.seller.token, &id, json!({})).await.status, 202);
    world.pass(Duration::days(3)).await;
    let outage = json!({"match": {"method": "POST", "path": "/v1/refunds"}, "times": 3, "fault": {"kind": "drop_before"}});
    world.admin("POST", "faults", outage).await;
    world.reconcile().await;
    assert_eq!((held(&world, Some(&stall.account)).await, held(&world, None).await), (0, 10_000), "it is still to be sent");
    world.pass(Duration::days(2)).await;
    world.reconcile().await;
    assert_eq!(held(&world, Some(&stall.account)).await, 0, "the payee has not got it again");
    assert_eq!(seen(&world, &buyer, &id).await["refunds"][0]["status"], "pending");
    world.pass(Duration::hours(1)).await;
    world.reconcile().await;
    world.deliver().await;
    let done = seen(&world, &buyer, &id).await;
    assert_eq!((&done["status"], &done["refunds"][0]["status"]), (&json!("refunded"), &json!("succeeded")), "{done}");
    assert_eq!((held(&world, Some(&stall.account)).await, held(&world, None).await), (0, 0));
    assert_eq!(world.stripe("/refunds", None).await["data"].as_array().map(Vec::len), Some(1), "once");
    world.books().await;
}

/// Nobody waits for the answer when a refund that had waited is refused, so seller and staff are told.
#[tokio::test]
async fn a_waiting_refund_that_stripe_refuses_is_told_to_seller_and_staff() {
    let world = World::with(&[("CHARGE_TYPE", "separate"), ("STAFF_EMAIL", "desk@example.com")]).await;
    let stall = stall(&world, "refused", 10_000, "usd").await;
    let buyer = world.buyer("buyer@example.com").await;
    let id = buy(&world, &stall, &buyer, "pm_card_visa").await;
    assert_eq!(refund(&world, &stall.seller.token, &id, json!({})).await.status, 202);
    world.pass(Duration::days(3)).await;
    world.fault("POST", "/v1/refunds", json!({"kind": "status", "status": 400, "code": "resource_missing", "message": "no"})).await;
    world.pump().await;
    let before = world.mailbox().mails().len();
    world.reconcile().await;
    world.deliver().await;
    world.pump().await;
    let refused = seen(&world, &buyer, &id).await;
    assert_eq!((&refused["status"], &refused["refunds"]), (&json!("paid"), &json!([])), "{refused}");
    let found = findings(&world, &stall.staff, "refund_failed").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (&found[0]["purchase_id"], &found[0]["stripe_id"], &found[0]["amount"], &found[0]["reason"]),
        (&json!(id), &json!(null), &json!(10_000), &json!("resource_missing"))
    );
    let mut told: Vec<_> = world.mailbox().mails()[before..].iter().map(|mail| (mail.to.join(","), mail.subject.clone())).collect();
    told.sort();
    let subject = "A refund was refused: refused".to_owned();
    assert_eq!(told, [("desk@example.com".to_owned(), subject.clone()), (stall.seller.email.clone(), subject)]);
    // It can be asked for again.
    assert_eq!(refund(&world, &stall.seller.token, &id, json!({})).await.status, 200);
    world.reconcile().await;
    assert_eq!(held(&world, Some(&stall.account)).await, 0);
    world.books().await;
}

#[tokio::test]
async fn staff_may_have_the_platform_pay_and_the_seller_owes_it() {
    let world = World::with(&separate()).await;
    let stall = stall(&world, "borne", 5000, "usd").await;
    let buyer = world.buyer("buyer@example.com").await;
    let id = buy(&world, &stall, &buyer, "pm_card_visa").await;
    let bold = refund(&world, &stall.seller.token, &id, json!({"platform_pays": true})).await;
    assert_eq!((bold.status, bold.text("code")), (403, "forbidden".to_owned()), "sellers do not decide what the platform pays");
    assert_eq!(refund(&world, &stall.seller.token, &id, json!({})).await.status, 202);
    let other = refund(&world, &stall.seller.token, &id, json!({"amount": 100})).await;
    assert_eq!((other.status, other.text("code")), (409, "refund_in_progress".to_owned()));

    let paid = refund(&world, &stall.staff.token, &id, json!({"platform_pays": true})).await;
    assert_eq!((paid.status, &paid.json()["status"]), (200, &json!("refunded")), "{}", paid.body);
    assert_eq!(held(&world, None).await, -4500, "the platform bears the payee's part");
    let repeated = refund(&world, &stall.staff.token, &id, json!({"platform_pays": true})).await;
    assert_eq!((repeated.status, repeated.text("code")), (409, "already_refunded".to_owned()));
    let audit = world.get("/admin/audit").bearer(&stall.staff.token).await.json();
    let (entries, amount) = (audit["items"].as_array().expect("a list"), json!({"amount": 5000, "currency": "usd"}));
    assert_eq!(entries.len(), 1, "{audit}");
    let facts = (&entries[0]["action"], &entries[0]["purchase_id"], &entries[0]["amount"], &entries[0]["staff_id"]);
    assert_eq!(facts, (&json!("refund_borne"), &json!(id), &amount, &json!(stall.staff.id)));
    let owed = debts(&world, &stall.seller).await;
    assert_eq!((owed.len(), &owed[0]["amount"], &owed[0]["account"]), (1, &json!(4500), &json!(stall.account)));
    world.pass(Duration::days(3)).await;
    world.reconcile().await;
    assert_eq!((held(&world, None).await, debts(&world, &stall.seller).await), (0, Vec::new()), "and it was reversed");
    assert_eq!(world.stripe("/refunds", None).await["data"].as_array().map(Vec::len), Some(1), "once");
    world.books().await;
}

#[tokio::test]
async fn sellers_refund_within_the_operators_caps_and_staff_beyond() {
    let caps = [
        ("REFUNDS_PER_PURCHASE", "2"),
        ("REFUND_MINIMUM", "usd:200"),
        ("REFUND_AMOUNT_PER_DAY", "usd:6000"),
        ("REFUND_PERCENT_PER_DAY", "0"),
    ];
    let world = World::with(&caps).await;
    let shop = world.shop().await;
    let second = world.buyer("second@example.com").await;
    let mut ids = Vec::new();
    for buyer in [&shop.buyer, &second] {
        let answer = world.buy(buyer, &shop.course_id, "pm_card_visa").await;
        ids.push(answer.json()["purchase"]["id"].as_str().unwrap_or_else(|| panic!("{}", answer.body)).to_owned());
        world.deliver().await;
    }
    let code = async |id: &str, body: Value| {
        let answer = refund(&world, &shop.seller.token, id, body).await;
        (answer.status, if answer.status == 200 { String::new() } else { answer.text("code") })
    };
    assert_eq!(code(&ids[0], json!({"amount": 199})).await, (422, "refund_too_small".to_owned()));
    assert_eq!(code(&ids[0], json!({"amount": 200})).await, (200, String::new()));
    assert_eq!(code(&ids[0], json!({"amount": 800})).await, (200, String::new()));
    assert_eq!(code(&ids[0], json!({})).await, (409, "too_many_refunds".to_owned()));
    // 1000 of 6000 have been used.
    assert_eq!(code(&ids[1], json!({"amount": 4999})).await, (200, String::new()));
    let staff = world.staff("staff@example.com").await;
    assert_eq!(refund(&world, &staff.token, &ids[0], json!({"amount": 1})).await.status, 200, "staff are not limited");
    let third = world.buyer("third@example.com").await;
    let answer = world.buy(&third, &shop.course_id, "pm_card_visa").await;
    let id = answer.json()["purchase"]["id"].as_str().expect("an id").to_owned();
    world.deliver().await;
    let over = refund(&world, &shop.seller.token, &id, json!({})).await;
    assert_eq!((over.status, over.text("code")), (429, "refund_limit_reached".to_owned()));
    assert!(over.header("retry-after").is_some());
    world.pass(Duration::days(1)).await;
    assert_eq!(code(&id, json!({})).await, (200, String::new()), "a new day");
}

#[tokio::test]
async fn a_seller_with_more_sales_may_refund_more_in_a_day() {
    let world = World::with(&[("REFUND_AMOUNT_PER_DAY", "usd:1"), ("REFUND_PERCENT_PER_DAY", "50"), ("REFUNDS_PER_DAY", "100")]).await;
    let shop = world.shop().await;
    let mut ids = Vec::new();
    for buyer in [shop.buyer.clone(), world.buyer("second@example.com").await, world.buyer("third@example.com").await] {
        let answer = world.buy(&buyer, &shop.course_id, "pm_card_visa").await;
        ids.push(answer.json()["purchase"]["id"].as_str().expect("an id").to_owned());
        world.deliver().await;
    }
    // Half of 15,000.
    assert_eq!(refund(&world, &shop.seller.token, &ids[0], json!({})).await.status, 200);
    let over = refund(&world, &shop.seller.token, &ids[1], json!({"amount": 2501})).await;
    assert_eq!((over.status, over.text("code")), (429, "refund_limit_reached".to_owned()), "more than half of what was sold");
    assert_eq!(refund(&world, &shop.seller.token, &ids[1], json!({"amount": 2500})).await.status, 200);
    let rest = refund(&world, &shop.seller.token, &ids[2], json!({"amount": 100})).await;
    assert_eq!((rest.status, rest.text("code")), (429, "refund_limit_reached".to_owned()));
}

#[tokio::test]
async fn a_former_seller_cannot_refund_separate_charges() {
    let world = World::start().await;
    let shop = world.shop().await;
    let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    let id = answer.json()["purchase"]["id"].as_str().expect("an id").to_owned();
    world.deliver().await;
    world.roles(&shop.seller, Some(false), None).await;
    let answer = refund(&world, &shop.seller.token, &id, json!({})).await;
    assert_eq!((answer.status, answer.text("code")), (403, "not_a_seller".to_owned()));
}

#[tokio::test]
async fn buyer_seller_and_staff_are_notified_of_a_returned_refund() {
    let world = World::with(&[("STAFF_EMAIL", "money@example.com")]).await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_bypassPending").await;
    let id = answer.json()["purchase"]["id"].as_str().expect("an id").to_owned();
    world.deliver().await;
    assert_eq!(refund(&world, &shop.seller.token, &id, json!({})).await.status, 200);
    world.deliver().await;
    let made = world.stripe("/refunds", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
    world.admin("POST", &format!("refunds/{made}/fail"), json!({})).await;
    world.deliver().await;
    world.pump().await;
    for address in [shop.buyer.email.as_str(), shop.seller.email.as_str(), "money@example.com"] {
        let mails = world.mails_to(address);
        let count = mails.iter().filter(|mail| mail.subject.starts_with("A refund has failed")).count();
        assert_eq!(count, 1, "{address}");
    }
    assert_eq!(seen(&world, &shop.buyer, &id).await["status"], "paid");
    let found = findings(&world, &staff, "refund_failed").await;
    assert_eq!((found.len(), &found[0]["stripe_id"], &found[0]["amount"]), (1, &json!(made), &json!(5000)));
    let content = world.get(format!("/courses/{}/content", shop.course_id)).bearer(&shop.buyer.token).await;
    assert_eq!(content.status, 200, "the course is the buyer's again");
}

#[tokio::test]
async fn a_partly_lost_dispute_keeps_the_course_and_nobody_pays_twice() {
    for charge_type in ["destination", "separate"] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let shop = world.shop().await;
        let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_bypassPending").await;
        let id = answer.json()["purchase"]["id"].as_str().expect("an id").to_owned();
        world.deliver().await;
        let charge = world.stripe("/charges", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
        world.admin("POST", &format!("charges/{charge}/dispute"), json!({"amount": 500})).await;
        let disputes = world.stripe("/disputes", None).await;
        let dispute = disputes["data"][0]["id"].as_str().unwrap_or_else(|| panic!("{disputes}")).to_owned();
        world.deliver().await;
        assert_eq!(seen(&world, &shop.buyer, &id).await["status"], "disputed", "{charge_type}");
        world.admin("POST", &format!("disputes/{dispute}/close"), json!({"outcome": "lost"})).await;
        world.deliver().await;
        let purchase = seen(&world, &shop.buyer, &id).await;
        assert_eq!((&purchase["status"], &purchase["dispute"]["status"]), (&json!("partially_refunded"), &json!("lost")), "{charge_type}");
        let content = world.get(format!("/courses/{}/content", shop.course_id)).bearer(&shop.buyer.token).await;
        assert_eq!(content.status, 200, "{charge_type}");
        let again = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
        assert_eq!((again.status, again.text("code")), (409, "already_owned".to_owned()), "{charge_type}");
        world.books().await;
    }
}
