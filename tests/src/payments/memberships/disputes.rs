//! Disputes of membership payments.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::events::told;
use super::refunds::{give_back, members};
use super::{Club, DIRECT, offer, pass, refund};
use crate::harness::{Person, World};

/// A member who paid 10.00 USD, half of which is the platform's.
struct Joined {
    club: Club,
    id: String,
    account: Option<String>,
    payment: Value,
}

async fn joined(world: &World) -> Joined {
    let club = Club::open(world).await;
    let is_direct = world.app.config.terms.charge_type == Some(shared::domain::charging::ChargeType::Direct);
    let account = is_direct.then(|| club.shop.account.clone());
    let id = club.joined(world, "month").await;
    world.deliver().await;
    let payment = world.succeeded(account.as_deref()).await.remove(0);
    Joined { club, id, account, payment }
}

impl Joined {
    /// Makes the newest payments such as earlier versions recorded them.
    async fn forget_what_was_credited(&self, world: &World) {
        let key = [("pk", format!("USER#{}", self.club.shop.buyer.id)), ("sk", format!("SUBSCRIPTION#{}", self.id))];
        let mut update = world.database().update_item().table_name(&world.app.config.table_name);
        for (name, value) in key {
            update = update.key(name, AttributeValue::S(value));
        }
        let forget = "REMOVE payments[0].credited, payments[0].period_start, payments[1].period_start";
        update.update_expression(forget).send().await.expect("it is there");
    }

    /// The member's bank disputes all or part of the payment. Returns the dispute's id.
    async fn dispute(&self, world: &World, body: Value) -> String {
        let charge = self.payment["latest_charge"].as_str().expect("it was charged");
        let dispute = world.admin("POST", &format!("charges/{charge}/dispute"), body).await;
        dispute["id"].as_str().unwrap_or_else(|| panic!("{dispute}")).to_owned()
    }

    /// The newest payment, as the seller sees it.
    async fn paid(&self, world: &World) -> Value {
        members(world, &self.club.shop.seller, &self.club.shop.seller.id).await[0]["payments"][0].clone()
    }

    /// What the seller received from the charge's transfer and all others, less reversals.
    async fn transferred(&self, world: &World) -> i64 {
        let list = world.stripe("/transfers?limit=100", None).await;
        let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone();
        all.iter().map(|one| one["amount"].as_i64().unwrap_or(0) - one["amount_reversed"].as_i64().unwrap_or(0)).sum()
    }

    async fn totals(&self, world: &World) -> Value {
        world.get("/sales").bearer(&self.club.shop.seller.token).await.json()["totals"][0].clone()
    }

    /// Checks that the seller's totals are the sum of the periods, and that the books match Stripe's.
    async fn adds_up(&self, world: &World) {
        let (paid, totals) = (self.paid(world).await, self.totals(world).await);
        assert_eq!((&totals["net"], &totals["disputed"]), (&paid["net"], &paid["disputed"]), "{totals}, {paid}");
        world.books().await;
    }
}

async fn close(world: &World, dispute: &str, outcome: &str) {
    world.admin("POST", &format!("disputes/{dispute}/close"), json!({"outcome": outcome})).await;
}

async fn end(world: &World, dispute: &str, outcome: &str) {
    close(world, dispute, outcome).await;
    world.deliver().await;
}

async fn findings(world: &World, staff: &Person, kind: &str) -> Vec<Value> {
    let list = world.get("/admin/findings").bearer(&staff.token).await.json();
    list["items"].as_array().unwrap_or_else(|| panic!("{list}")).iter().filter(|one| one["kind"] == kind).cloned().collect()
}

async fn debts(world: &World, seller: &Person) -> Vec<Value> {
    world.get("/sales").bearer(&seller.token).await.json()["debts"].as_array().cloned().unwrap_or_default()
}

fn reversals(asked: &[String]) -> usize {
    asked.iter().filter(|one| one.starts_with("POST") && one.contains("reversals")).count()
}

#[tokio::test]
async fn a_dispute_is_recorded_and_a_lost_one_ends_access_to_the_period() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let play = joined(&world).await;
        let dispute = play.dispute(&world, json!({})).await;
        world.deliver().await;
        let paid = play.paid(&world).await;
        assert_eq!((&paid["disputed"], &paid["refundable"]), (&json!(1000), &json!(0)), "{paid}");
        assert_eq!([&paid["dispute"]["id"], &paid["dispute"]["status"]], [&json!(dispute), &json!("needs_response")], "{paid}");
        assert!(play.club.is_open(&world).await, "nothing is decided");
        let refused = give_back(&world, &play.club.shop.seller, &play.id, json!({})).await;
        assert_eq!((refused.status, refused.text("code")), (409, "purchase_disputed".to_owned()), "{}", refused.body);
        play.adds_up(&world).await;
        end(&world, &dispute, "lost").await;
        assert!(!play.club.is_open(&world).await);
        assert_eq!(play.paid(&world).await["dispute"]["status"], "lost");
        play.adds_up(&world).await;
        world.pass(Duration::hours(4)).await;
        assert_eq!(world.reconcile().await.differences, 0);
    }
}

#[tokio::test]
async fn a_dispute_reported_before_its_invoice_is_found_with_the_invoice() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut play = joined(&world).await;
        world.pass(Duration::days(32)).await;
        play.club.log_in(&world).await;
        let renewal = world.succeeded(play.account.as_deref()).await.into_iter().find(|one| one["id"] != play.payment["id"]);
        play.payment = renewal.expect("it was renewed");
        let dispute = play.dispute(&world, json!({})).await;
        let events = world.admin("GET", "events", json!({})).await["events"].as_array().expect("a list").clone();
        let mut opened = events.into_iter().filter(|event| event["type"].as_str().is_some_and(|kind| kind.starts_with("charge.dispute")));
        let mut opened = opened.next().expect("Stripe reports it");
        opened.as_object_mut().expect("an object").remove("deliveries");
        assert_eq!(world.tell(&opened).await.status, 200);
        assert_eq!(play.paid(&world).await["disputed"], 0, "the renewal is not on record");
        let paid = told(&world).await.into_iter().find(|event| event["type"] == "invoice.paid").expect("Stripe reports it");
        assert_eq!(world.tell(&paid).await.status, 200);
        let known = play.paid(&world).await;
        assert_eq!((&known["dispute"]["id"], &known["disputed"]), (&json!(dispute), &json!(1000)), "{known}");
    }
}

#[tokio::test]
async fn a_lost_dispute_reverses_the_sellers_part_once() {
    for (disputed, refunded, taken) in [(1000, 0, 500), (400, 0, 200), (600, 400, 300)] {
        let world = World::start().await;
        world.reconcile().await;
        let play = joined(&world).await;
        if refunded > 0 {
            let given = give_back(&world, &play.club.shop.seller, &play.id, json!({ "amount": refunded })).await;
            assert_eq!(given.status, 200, "{}", given.body);
            world.deliver().await;
        }
        let (before, had) = (play.transferred(&world).await, play.paid(&world).await["net"].clone());
        let dispute = play.dispute(&world, json!({ "amount": disputed })).await;
        world.deliver().await;
        assert_eq!(play.transferred(&world).await, before, "nothing is reversed before it is lost");
        end(&world, &dispute, "lost").await;
        assert_eq!(before - play.transferred(&world).await, taken, "{disputed} after {refunded}");
        let paid = play.paid(&world).await;
        assert_eq!(had.as_i64().unwrap_or(0) - paid["net"].as_i64().unwrap_or(0), taken, "{paid}");
        assert_eq!(play.club.is_open(&world).await, disputed + refunded < 1000, "a partial dispute does not end access");
        play.adds_up(&world).await;

        // Repeated events and reconciliations move nothing.
        let event = world.event("charge.dispute.closed", |one| one["id"] == dispute.as_str()).await.expect("it happened");
        world.asked_stripe().await;
        for number in 0..3 {
            let mut again = event.clone();
            again["id"] = format!("evt_again{number}").into();
            assert_eq!(world.tell(&again).await.status, 200);
        }
        world.pass(Duration::hours(5)).await;
        let report = world.reconcile().await;
        assert_eq!((report.differences, reversals(&world.asked_stripe().await)), (0, 0));
        assert_eq!(before - play.transferred(&world).await, taken);
    }
}

#[tokio::test]
async fn a_won_dispute_changes_nothing() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let play = joined(&world).await;
        let (before, had) = (play.transferred(&world).await, play.paid(&world).await["net"].clone());
        let dispute = play.dispute(&world, json!({})).await;
        world.deliver().await;
        world.asked_stripe().await;
        end(&world, &dispute, "won").await;
        assert!(world.asked_stripe().await.iter().all(|one| one.starts_with("GET")), "nothing is moved");
        let paid = play.paid(&world).await;
        assert_eq!((&paid["net"], &paid["disputed"], &paid["refundable"]), (&had, &json!(0), &json!(1000)), "{paid}");
        assert_eq!(play.transferred(&world).await, before);
        assert!(play.club.is_open(&world).await);
        play.adds_up(&world).await;
    }
}

#[tokio::test]
async fn nothing_is_reversed_for_a_direct_charge_or_if_the_platform_bears_the_loss() {
    for settings in [[("CHARGE_TYPE", "direct")], [("LOST_DISPUTES", "platform")]] {
        let world = World::with(&settings).await;
        let play = joined(&world).await;
        let before = play.transferred(&world).await;
        let dispute = play.dispute(&world, json!({})).await;
        world.deliver().await;
        end(&world, &dispute, "lost").await;
        world.pass(Duration::hours(5)).await;
        world.reconcile().await;
        assert_eq!((reversals(&world.asked_stripe().await), play.transferred(&world).await), (0, before), "{settings:?}");
        // For a direct charge, the bank takes the money from the seller, who has already paid the fee.
        let net = if play.account.is_some() { -500 } else { 500 };
        assert_eq!(play.paid(&world).await["net"], net, "{settings:?}");
        play.adds_up(&world).await;
    }
}

#[tokio::test]
async fn a_dispute_without_events_is_found() {
    let world = World::start().await;
    world.reconcile().await;
    let mut play = joined(&world).await;
    world.admin("POST", "webhooks/mode", json!({"drop_next": 1000, "own_clock": true})).await;
    let before = play.transferred(&world).await;
    let dispute = play.dispute(&world, json!({})).await;
    world.pass(Duration::hours(5)).await;
    let report = world.reconcile().await;
    assert_eq!((report.differences, report.repaired), (0, 1), "its money is in Stripe's books");
    assert_eq!(play.paid(&world).await["disputed"], 1000);
    // A lost dispute moves no money, and is read from Stripe.
    close(&world, &dispute, "lost").await;
    world.pass(Duration::days(8)).await;
    play.club.log_in(&world).await;
    world.reconcile().await;
    assert_eq!(play.paid(&world).await["dispute"]["status"], "lost");
    assert_eq!(before - play.transferred(&world).await, 500);
    play.adds_up(&world).await;
}

#[tokio::test]
async fn a_reversal_whose_response_was_lost_is_found_and_made_once() {
    for hours in [0, 30] {
        let world = World::start().await;
        let play = joined(&world).await;
        let (before, dispute) = (play.transferred(&world).await, play.dispute(&world, json!({})).await);
        world.deliver().await;
        let fault = json!({"match": {"method": "POST", "path": "/v1/transfers"}, "times": 3, "fault": {"kind": "drop_after"}});
        world.admin("POST", "faults", fault).await;
        close(&world, &dispute, "lost").await;
        let event = world.event("charge.dispute.closed", |one| one["id"] == dispute.as_str()).await.expect("it happened");
        assert_eq!(world.tell(&event).await.status, 200, "the event is recorded anyway");
        world.pass(Duration::hours(hours) + Duration::minutes(10)).await;
        world.reconcile().await;
        assert_eq!((before - play.transferred(&world).await, &play.paid(&world).await["net"]), (500, &json!(0)), "once");
        world.deliver().await;
        play.adds_up(&world).await;
    }
}

#[tokio::test]
async fn a_reversal_that_stripe_refuses_is_a_finding_and_a_debt_until_it_is_made() {
    let world = World::start().await;
    let play = joined(&world).await;
    let staff = world.staff("staff@example.com").await;
    let (before, dispute) = (play.transferred(&world).await, play.dispute(&world, json!({})).await);
    world.deliver().await;
    let refusal = json!({"kind": "status", "status": 400, "code": "balance_insufficient"});
    world.admin("POST", "faults", json!({"match": {"method": "POST", "path": "/v1/transfers"}, "times": 2, "fault": refusal})).await;
    end(&world, &dispute, "lost").await;
    for minutes in [0, 20] {
        world.pass(Duration::minutes(minutes)).await;
        if minutes > 0 {
            world.reconcile().await;
        }
        let found = findings(&world, &staff, "reversal_refused").await;
        assert_eq!((found.len(), &found[0]["subscription_id"], &found[0]["settled_at"]), (1, &json!(play.id), &Value::Null), "{found:?}");
        assert_eq!(
            [&found[0]["amount"], &found[0]["reason"], &found[0]["payee_id"], &found[0]["purchase_id"]],
            [&json!(500), &json!("balance_insufficient"), &json!(play.club.shop.seller.id), &Value::Null]
        );
        let owed = debts(&world, &play.club.shop.seller).await;
        assert_eq!((owed.len(), &owed[0]["subscription_id"], &owed[0]["amount"]), (1, &json!(play.id), &json!(500)), "{owed:?}");
        assert_eq!(play.transferred(&world).await, before);
        assert_eq!(play.paid(&world).await["net"], 500, "the seller has it until it is reversed");
    }
    world.pass(Duration::minutes(20)).await;
    world.reconcile().await;
    assert_eq!((before - play.transferred(&world).await, &play.paid(&world).await["net"]), (500, &json!(0)));
    assert!(findings(&world, &staff, "reversal_refused").await[0]["settled_at"].is_string());
    assert_eq!(debts(&world, &play.club.shop.seller).await, Vec::<Value>::new());
    play.adds_up(&world).await;
}

#[tokio::test]
async fn a_reversal_made_in_the_dashboard_is_not_repeated() {
    let world = World::start().await;
    let play = joined(&world).await;
    let dispute = play.dispute(&world, json!({})).await;
    world.deliver().await;
    let transfer = world.stripe("/transfers", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
    let reversed = world.in_dashboard(&format!("/transfers/{transfer}/reversals"), None, &[("amount", "500".to_owned())]).await;
    assert_eq!(reversed["amount"], 500, "{reversed}");
    world.deliver().await;
    assert_eq!(play.paid(&world).await["net"], 0, "it is recorded as soon as Stripe reports it");
    world.asked_stripe().await;
    end(&world, &dispute, "lost").await;
    assert_eq!(reversals(&world.asked_stripe().await), 0);
    play.adds_up(&world).await;
}

#[tokio::test]
async fn a_lost_dispute_that_is_won_after_all_returns_the_sellers_part() {
    for is_refused in [false, true] {
        let world = World::start().await;
        let play = joined(&world).await;
        let staff = world.staff("staff@example.com").await;
        let (before, dispute) = (play.transferred(&world).await, play.dispute(&world, json!({})).await);
        world.deliver().await;
        if is_refused {
            let refusal = json!({"kind": "status", "status": 400, "code": "balance_insufficient"});
            world.admin("POST", "faults", json!({"match": {"method": "POST", "path": "/v1/transfers"}, "fault": refusal})).await;
        }
        end(&world, &dispute, "lost").await;
        world.admin("POST", &format!("disputes/{dispute}/appeal"), json!({})).await;
        world.deliver().await;
        assert!(!play.club.is_open(&world).await, "it stays lost until Stripe reports otherwise");
        // By then the platform has its own funds.
        world.pass(Duration::days(8)).await;
        end(&world, &dispute, "won").await;
        world.pass(Duration::minutes(20)).await;
        world.reconcile().await;
        assert_eq!((play.transferred(&world).await, &play.paid(&world).await["net"]), (before, &json!(500)), "refused: {is_refused}");
        assert!(play.club.is_open(&world).await);
        assert!(findings(&world, &staff, "reversal_refused").await.iter().all(|one| one["settled_at"].is_string()));
        assert_eq!(debts(&world, &play.club.shop.seller).await, Vec::<Value>::new());
        play.adds_up(&world).await;
        // Stripe's refund would not reverse the second transfer. If nothing was withdrawn, there is no second transfer.
        let refund = super::refunds::give_back(&world, &play.club.shop.seller, &play.id, json!({})).await;
        let code = refund.json()["code"].clone();
        let expected = if is_refused { (200, json!(null)) } else { (409, json!("refund_by_staff")) };
        assert_eq!((refund.status, code), expected, "{}", refund.body);
    }
}

#[tokio::test]
async fn an_open_dispute_may_close_a_membership() {
    let world = World::with(&[("DISPUTED_ACCESS", "suspend")]).await;
    let play = joined(&world).await;
    let dispute = play.dispute(&world, json!({})).await;
    world.deliver().await;
    let content = async || {
        let path = format!("/courses/{}/content", play.club.shop.course_id);
        let answer = world.get(path).bearer(&play.club.shop.buyer.token).await;
        (answer.status, if answer.status == 200 { String::new() } else { answer.text("code") })
    };
    assert_eq!(content().await, (403, "access_suspended".to_owned()));
    // A new subscription does not end the dispute.
    let newest = play.club.at_stripe(&world, None).await.remove(0);
    world.delete_in_dashboard(&format!("/subscriptions/{}", newest["id"].as_str().expect("an id")), None).await;
    world.deliver().await;
    assert_eq!(play.club.ask(&world, json!({"interval": "month"})).await.status, 201, "hosted Checkout waits");
    assert_eq!(content().await, (403, "access_suspended".to_owned()));
    end(&world, &dispute, "won").await;
    assert_eq!(content().await, (200, String::new()));
}

/// Stripe credits the month towards the year, and does not take that back when the month is returned.
#[tokio::test]
async fn a_year_lasts_for_what_is_left_of_it_once_the_month_that_it_credits_is_returned() {
    for settings in [&[("DISPUTED_ACCESS", "suspend")][..], &[("DISPUTED_ACCESS", "suspend"), DIRECT[0]]] {
        for is_refunded in [false, true] {
            let world = World::with(settings).await;
            let mut club = Club::open(&world).await;
            let account = (settings.len() > 1).then(|| club.shop.account.clone());
            offer(&world, &club.shop.seller, json!({"monthly": {"amount": 9000}, "yearly": {"amount": 10_000}, "currency": "usd"})).await;
            let id = club.joined(&world, "month").await;
            world.deliver().await;
            let payment = world.succeeded(account.as_deref()).await.remove(0);
            let begun = world.app.clock.now();
            let path = format!("/subscriptions/{id}/switch");
            let year = world.post(path.as_str(), json!({"interval": "year"})).bearer(&club.shop.buyer.token).await;
            assert_eq!((year.status, &year.json()["interval"]), (200, &json!("year")), "{}", year.body);
            world.deliver().await;
            let whole = club.subscription(&world, &id).await["paid_until"].clone();
            let play = Joined { club, id, account, payment };
            let dispute = if is_refunded {
                let payment = play.payment["id"].as_str().expect("an id");
                refund(&world, play.account.as_deref(), payment, "9000").await;
                world.deliver().await;
                None
            } else {
                let dispute = play.dispute(&world, json!({})).await;
                world.deliver().await;
                let content = world.get(format!("/courses/{}/content", play.club.shop.course_id)).bearer(&play.club.shop.buyer.token).await;
                assert_eq!(
                    (content.status, content.text("code")),
                    (403, "access_suspended".to_owned()),
                    "the month pays for most of the year"
                );
                end(&world, &dispute, "lost").await;
                Some(dispute)
            };
            assert!(play.club.is_open(&world).await, "something is left");
            let left = play.club.subscription(&world, &play.id).await;
            let until = left["paid_until"].as_str().and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok()).expect("a time");
            let days = (until - begun).whole_days();
            assert!((36..=37).contains(&days), "a tenth of the year: {days} days");
            offer(&world, &play.club.shop.seller, json!({"monthly": {"amount": 20_000}, "yearly": {"amount": 30_000}, "currency": "usd"}))
                .await;
            let again = world.post(path.as_str(), json!({"interval": "month"})).bearer(&play.club.shop.buyer.token).await;
            assert_eq!((again.status, again.text("code")), (409, "period_refunded".to_owned()), "{}", again.body);
            club = play.club;
            pass(&world, &mut club, 35).await;
            assert!(club.is_open(&world).await);
            pass(&world, &mut club, 3).await;
            assert!(!club.is_open(&world).await, "no grace for a renewal that is not due");
            if let Some(dispute) = dispute {
                world.admin("POST", &format!("disputes/{dispute}/appeal"), json!({})).await;
                end(&world, &dispute, "won").await;
                assert!(club.is_open(&world).await, "won on appeal");
                assert_eq!(club.subscription(&world, &id_of(&left)).await["paid_until"], whole);
            }
            world.books().await;
        }
    }
}

/// The seller cannot end a year that a credit has paid for by returning the small difference alone.
#[tokio::test]
async fn a_year_lasts_for_what_its_credit_paid_once_the_difference_is_returned() {
    for settings in [&[][..], &DIRECT] {
        for is_refunded in [false, true] {
            let world = World::with(settings).await;
            let mut club = Club::open(&world).await;
            let account = club.account(settings);
            offer(&world, &club.shop.seller, json!({"monthly": {"amount": 9000}, "yearly": {"amount": 10_000}, "currency": "usd"})).await;
            let id = club.joined(&world, "month").await;
            world.deliver().await;
            let begun = world.app.clock.now();
            let month = club.subscription(&world, &id).await;
            let path = format!("/subscriptions/{id}/switch");
            let year = world.post(path.as_str(), json!({"interval": "year"})).bearer(&club.shop.buyer.token).await;
            assert_eq!((year.status, &year.json()["interval"]), (200, &json!("year")), "{}", year.body);
            world.deliver().await;
            let payments = world.succeeded(account.as_deref()).await;
            let payment = payments.into_iter().find(|one| one["amount"] == 1000).expect("the difference");
            let play = Joined { club, id, account, payment };
            play.forget_what_was_credited(&world).await;
            if is_refunded {
                refund(&world, play.account.as_deref(), play.payment["id"].as_str().expect("an id"), "1000").await;
            } else {
                let dispute = play.dispute(&world, json!({})).await;
                end(&world, &dispute, "lost").await;
            }
            world.deliver().await;
            let left = play.club.subscription(&world, &play.id).await;
            let until = left["paid_until"].as_str().and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok()).expect("a time");
            let days = (until - begun).whole_days();
            assert!((328..=329).contains(&days), "nine tenths of the year: {days} days");
            assert!(left["paid_until"].as_str() > month["paid_until"].as_str());
            club = play.club;
            pass(&world, &mut club, 328).await;
            assert!(club.is_open(&world).await);
            pass(&world, &mut club, 2).await;
            assert!(!club.is_open(&world).await, "no grace for a renewal that is not due");
            world.books().await;
        }
    }
}

fn id_of(subscription: &Value) -> String {
    subscription["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn seller_and_staff_are_notified_once_of_each_dispute_and_its_outcome() {
    let world = World::with(&[("STAFF_EMAIL", "money@example.com")]).await;
    let play = joined(&world).await;
    world.pump().await;
    world.mailbox().clear();
    let dispute = play.dispute(&world, json!({"amount": 400})).await;
    world.deliver().await;
    end(&world, &dispute, "lost").await;
    world.pump().await;
    world.sweep().await;
    for address in [play.club.shop.seller.email.as_str(), "money@example.com"] {
        let mails = world.mails_to(address);
        let mut subjects: Vec<&str> = mails.iter().map(|mail| mail.subject.as_str()).collect();
        subjects.sort_unstable();
        assert_eq!(subjects.len(), 2, "{address}: {subjects:?}");
        assert!(subjects[0].starts_with("A payment is disputed:") && subjects[1].starts_with("Dispute lost:"), "{subjects:?}");
        for mail in &mails {
            assert!(mail.text.contains("4.00 USD") && mail.text.contains("10.00 USD") && mail.text.contains(&play.id), "{}", mail.text);
        }
    }
    assert_eq!(world.mails_to(&play.club.shop.buyer.email).len(), 0, "the member learns of it from the bank");
}

#[tokio::test]
async fn staff_see_a_members_dispute_and_answer_it_like_a_purchases() {
    let world = World::start().await;
    let play = joined(&world).await;
    let staff = world.staff("staff@example.com").await;
    let dispute = play.dispute(&world, json!({"amount": 400})).await;
    world.deliver().await;
    let listed = async |state: &str| {
        let list = world.get(format!("/admin/disputes?state={state}")).bearer(&staff.token).await.json();
        list["items"].as_array().unwrap_or_else(|| panic!("{list}")).clone()
    };
    let one = listed("open").await.remove(0);
    assert_eq!([&one["id"], &one["subscription_id"], &one["purchase_id"]], [&json!(dispute), &json!(play.id), &Value::Null]);
    assert_eq!([&one["seller_id"], &one["buyer_id"]], [&json!(play.club.shop.seller.id), &json!(play.club.shop.buyer.id)]);
    assert_eq!((&one["amount"]["amount"], one["due_by"].is_string()), (&json!(400), true), "{one}");
    let path = format!("/admin/disputes/{dispute}/evidence");
    let draft = world.get(path.as_str()).bearer(&staff.token).await;
    assert_eq!(draft.status, 200, "{}", draft.body);
    let sold = draft.json()["evidence"]["product_description"].as_str().expect("text").to_owned();
    assert!(sold.starts_with("A membership with access to all of a seller's online courses"), "{sold}");
    let given = world.post(path, json!({"evidence": draft.json()["evidence"], "submit": true})).bearer(&staff.token).await;
    assert_eq!((given.status, &given.json()["status"]), (200, &json!("under_review")), "{}", given.body);
    world.deliver().await;
    end(&world, &dispute, "won").await;
    let closed = listed("closed").await;
    assert_eq!((closed.len(), &closed[0]["status"], &closed[0]["evidence"]["state"]), (1, &json!("won"), &json!("submitted")));
    assert!(listed("open").await.is_empty());
}

#[tokio::test]
async fn a_warning_of_fraud_about_a_members_payment_is_told_and_refunds_nothing() {
    for settings in [&[][..], &DIRECT] {
        let policy = [("FRAUD_WARNINGS", "refund"), ("STAFF_EMAIL", "desk@example.com")];
        let world = World::with(&[settings, &policy].concat()).await;
        let (play, staff) = (joined(&world).await, world.staff("staff@example.com").await);
        let charge = play.payment["latest_charge"].as_str().expect("it was charged");
        world.admin("POST", &format!("charges/{charge}/fraud_warning"), json!({})).await;
        let event = world.event("radar.early_fraud_warning.created", |_| true).await.expect("it was reported");
        for id in ["evt_1", "evt_1", "evt_2"] {
            let mut again = event.clone();
            again["id"] = id.into();
            assert_eq!(world.tell(&again).await.status, 200);
            world.pump().await;
        }
        let found = findings(&world, &staff, "fraud_warning").await;
        assert_eq!(found.len(), 1, "{found:?}");
        let expected = (&json!(play.id), &json!(play.account), &json!(1000), &serde_json::Value::Null);
        assert_eq!((&found[0]["subscription_id"], &found[0]["account"], &found[0]["amount"], &found[0]["settled_at"]), expected);
        let told = |address: &str| world.mails_to(address).iter().filter(|mail| mail.subject.starts_with("A bank warns of fraud")).count();
        let sellers = usize::from(play.account.is_some());
        assert_eq!((told("desk@example.com"), told(&play.club.shop.seller.email)), (1, sellers));
        world.pass(Duration::minutes(40)).await;
        world.reconcile().await;
        assert_eq!(world.stripe("/refunds", play.account.as_deref()).await["data"], json!([]));
        // The bank disputes it: the warning is over.
        play.dispute(&world, json!({})).await;
        world.deliver().await;
        assert!(findings(&world, &staff, "fraud_warning").await[0]["settled_at"].is_string());
    }
}
