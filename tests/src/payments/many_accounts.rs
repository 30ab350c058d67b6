//! The reconciliation of many connected accounts, and of more than one run can read.

use std::time::{Duration as RealDuration, Instant};

use futures_util::{StreamExt as _, stream};
use reconcile::{Asked, Report};
use serde_json::{Value, json};
use shared::store::reconciliation::Reading;
use time::{Duration, OffsetDateTime};

use crate::harness::{Person, World};

const DIRECT: [(&str, &str); 1] = [("CHARGE_TYPE", "direct")];

/// Between two runs.
const QUARTER: Duration = Duration::minutes(15);

/// A seller with an account, a course, a buyer, and the purchase.
struct Sale {
    seller: Person,
    account: String,
    buyer: Person,
    course: String,
    payment: String,
}

/// A seller who has sold a course.
async fn sale(world: &World, name: &str) -> Sale {
    let seller = world.seller(&format!("{name}@example.com")).await;
    let account = world.link(&seller).await;
    let course = world.course(&seller, &format!("Course of {name}"), 5000, "usd", 10).await;
    let course = course["id"].as_str().expect("an id").to_owned();
    let buyer = world.buyer(&format!("buyer-of-{name}@example.com")).await;
    let sale = Sale { seller, account, buyer, course, payment: String::new() };
    sold(world, &sale.buyer, &sale.course).await;
    let payment = world.succeeded(Some(&sale.account)).await[0]["id"].as_str().expect("an id").to_owned();
    Sale { payment, ..sale }
}

async fn sold(world: &World, buyer: &Person, course: &str) {
    let answer = world.buy(buyer, course, "pm_card_bypassPending").await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    world.deliver().await;
}

async fn purchase_of(world: &World, sale: &Sale) -> Value {
    world.get("/purchases").bearer(&sale.buyer.token).await.json()["items"][0].clone()
}

async fn reading(world: &World, account: &str) -> Reading {
    world.app.store.readings(&[account.to_owned()]).await.expect("the table").remove(account).expect("it was linked")
}

/// Runs the reconciliation once with this much time.
async fn run_within(world: &World, time: RealDuration) -> Report {
    reconcile::handle(&world.payments.reconcile, Asked::default(), Instant::now() + time).await.expect("the table is there")
}

/// Creates accounts at Stripe.
async fn accounts(world: &World, count: usize) -> Vec<String> {
    let create = |_| async { world.admin("POST", "accounts", json!({"connected": true})).await["id"].as_str().expect("an id").to_owned() };
    stream::iter(0..count).map(create).buffered(16).collect().await
}

/// How far accounts with payments were read, all until the same time, and each with its own time when it is due.
fn import_readings(world: &World, accounts: &[String], until: OffsetDateTime, due: impl Fn(usize) -> OffsetDateTime) {
    let item = |(number, account): (usize, &String)| {
        json!({
            "pk": {"S": format!("ACCOUNT#{account}")}, "sk": {"S": "READ"}, "until": {"N": until.unix_timestamp().to_string()},
            "has_payments": {"BOOL": true},
            "gsi2pk": {"S": "READS"}, "gsi2sk": {"S": format!("{:020}#{account}", due(number).unix_timestamp_nanos())},
        })
    };
    world.import(accounts.iter().enumerate().map(item).collect());
}

/// All events of a charge, a refund and a dispute are lost, on the first, a middle and the last of many accounts: as many as `ACCOUNTS`
/// says. With 10,000, a run may make 10,400 calls: 25 per second in three quarters of its time, see `docs/operations.md`.
#[tokio::test]
async fn lost_events_of_any_of_many_accounts_are_found_within_an_hour() {
    let many: usize = std::env::var("ACCOUNTS").map_or(1000, |text| text.parse().expect("a number of accounts"));
    let calls_of_a_run = many * 104 / 100;
    let world = World::with(&DIRECT).await;
    let first = sale(&world, "first").await;
    let some = accounts(&world, many / 2).await;
    let middle = sale(&world, "middle").await;
    let others = accounts(&world, many - many / 2 - 3).await;
    let last = sale(&world, "last").await;
    // As earlier runs left them: each account is read in every second run.
    let now = world.app.clock.now();
    let all: Vec<String> = [vec![first.account.clone()], some, vec![middle.account.clone()], others, vec![last.account.clone()]].concat();
    let due = |number: usize| {
        now + Duration::seconds(i64::from(number >= many / 2) * 900 + 60)
            + Duration::milliseconds(i64::try_from(number % (many / 2)).expect("few"))
    };
    import_readings(&world, &all, now - Duration::minutes(25), due);

    world.admin("POST", "webhooks/mode", json!({"drop_next": 100, "own_clock": true})).await;
    let lost = json!({"match": {"method": "POST", "path": "/v1/payment_intents"}, "times": 3, "fault": {"kind": "drop_after"}});
    world.admin("POST", "faults", lost).await;
    let another = world.course(&first.seller, "Another", 3000, "usd", 10).await;
    assert_eq!(world.buy(&first.buyer, another["id"].as_str().expect("an id"), "pm_card_visa").await.status, 503);
    let form = [("payment_intent", middle.payment.clone()), ("amount", "1000".to_owned())];
    assert_eq!(world.in_dashboard("/refunds", Some(&middle.account), &form).await["amount"], 1000);
    let charge = world.stripe(&format!("/payment_intents/{}", last.payment), Some(&last.account)).await["latest_charge"].clone();
    world.admin("POST", &format!("charges/{}/dispute", charge.as_str().expect("a charge")), json!({"amount": 700})).await;

    let mut read = 0;
    for run in 0..4 {
        world.stripe_proxy.clear();
        world.pass(QUARTER).await;
        let report = world.reconcile().await;
        let calls = world.stripe_proxy.calls().len();
        assert!(calls <= calls_of_a_run, "{calls} calls in run {run}");
        read += report.accounts;
    }
    assert!(read as usize >= 2 * many, "each is read twice: {read}");
    assert_eq!(purchase_of(&world, &first).await["status"], "paid");
    assert_eq!(purchase_of(&world, &middle).await["refunded"], 1000);
    assert_eq!(purchase_of(&world, &last).await["status"], "disputed");
}

/// An account with more pages than are read at once, among others, and runs that have time for only a few calls.
#[tokio::test]
async fn runs_that_are_always_too_short_finish_together() {
    let world = World::with(&DIRECT).await;
    world.reconcile().await;
    let one = sale(&world, "one").await;
    let busy = accounts(&world, 1).await.remove(0);
    let others = accounts(&world, 30).await;
    let now = world.app.clock.now();
    let all: Vec<String> = others.iter().chain([&busy]).cloned().collect();
    import_readings(&world, &all, now, |_| now);
    // Seven pages.
    for _ in 0..13 {
        let pay = |_| async {
            let form = [
                ("amount", "1000"),
                ("currency", "usd"),
                ("payment_method", "pm_card_visa"),
                ("automatic_payment_methods[enabled]", "true"),
                ("automatic_payment_methods[allow_redirects]", "never"),
                ("confirm", "true"),
            ];
            let form = form.map(|(name, value)| (name, value.to_owned()));
            let paid = world.in_dashboard("/payment_intents", Some(&busy), &form).await;
            assert_eq!(paid["status"], "succeeded", "{paid}");
        };
        stream::iter(0..50).for_each_concurrent(16, pay).await;
        world.pass(Duration::minutes(1)).await;
    }
    let form = [("payment_intent", one.payment.clone()), ("amount", "1000".to_owned())];
    world.admin("POST", "webhooks/mode", json!({"drop_next": 100, "own_clock": true})).await;
    assert_eq!(world.in_dashboard("/refunds", Some(&one.account), &form).await["amount"], 1000);
    world.pass(Duration::hours(5)).await;

    // Some ten calls after each other.
    let slow = json!({"match": {"method": "GET"}, "times": 100_000, "fault": {"kind": "delay", "ms": 150}});
    world.admin("POST", "faults", slow).await;
    let (mut runs, mut hours) = (0, 0);
    let read = loop {
        runs += 1;
        assert!(runs < 30, "it never ends");
        hours += run_within(&world, RealDuration::from_secs(3)).await.hours;
        let readings = world.app.store.readings(&all).await.expect("the table");
        if readings.values().all(|reading| reading.until > world.app.clock.now() - Duration::minutes(11)) && hours >= 3 {
            break readings;
        }
    };
    assert!(runs > 2, "they were not too short: {runs}");
    assert!(read.values().all(|reading| reading.from.is_none() && reading.failures == 0), "{read:?}");
    assert_eq!(purchase_of(&world, &one).await["refunded"], 1000);
}

/// Reading one account always fails.
#[tokio::test]
async fn an_account_that_always_fails_holds_up_no_other() {
    let world = World::with(&DIRECT).await;
    world.reconcile().await;
    let (bad, good) = (sale(&world, "bad").await, sale(&world, "good").await);
    let fault = |path: &str| json!({"match": {"path": path, "account": bad.account}, "times": 10_000, "fault": {"kind": "status", "status": 500, "code": "api_error", "message": "no"}});
    world.admin("POST", "faults", json!([fault("/v1/payment_intents"), fault("/v1/balance_transactions")])).await;
    world.admin("POST", "webhooks/mode", json!({"drop_next": 100, "own_clock": true})).await;
    for sale in [&bad, &good] {
        let form = [("payment_intent", sale.payment.clone()), ("amount", "1000".to_owned())];
        world.in_dashboard("/refunds", Some(&sale.account), &form).await;
    }
    let before = reading(&world, &bad.account).await;
    world.pass(QUARTER).await;
    let report = world.reconcile().await;
    assert_eq!((report.accounts, report.unread, report.repaired), (2, 1, 1), "{report:?}");
    let refunded = async |sale: &Sale| purchase_of(&world, sale).await["refunded"].clone();
    assert_eq!((refunded(&good).await, refunded(&bad).await), (json!(1000), json!(0)));
    let after = reading(&world, &bad.account).await;
    assert_eq!((after.until, after.failures), (before.until, 1));

    // The hours in which it sold are closed without it after two hours of tries.
    world.pass(Duration::hours(4)).await;
    for run in 1..8 {
        let report = world.reconcile().await;
        assert_eq!((report.hours, report.unread >= 1), (u32::from(run == 1), true), "{run}, only the hour before the sales: {report:?}");
        world.pass(QUARTER).await;
    }
    assert!(world.reconcile().await.hours > 1);

    // What happened meanwhile is read once Stripe answers.
    world.admin("DELETE", "faults", json!({})).await;
    world.pass(2 * QUARTER).await;
    assert_eq!(world.reconcile().await.unread, 0);
    assert_eq!(refunded(&bad).await, 1000);
    let after = reading(&world, &bad.account).await;
    assert_eq!(after.failures, 0);
}

/// One of two accounts cannot be compared at first.
#[tokio::test]
async fn a_days_sums_are_added_once_although_an_account_is_compared_later() {
    let world = World::with(&DIRECT).await;
    world.reconcile().await;
    let (late, early) = (sale(&world, "late").await, sale(&world, "early").await);
    world.pass(Duration::hours(4)).await;
    // Three tries of the account's reading, and three of its books.
    let fault = json!({"match": {"path": "/v1/balance_transactions", "account": late.account}, "times": 6, "fault": {"kind": "html_503"}});
    world.admin("POST", "faults", fault).await;
    let report = world.reconcile().await;
    assert_eq!((report.hours, report.unread), (1, 2), "only the hour before the sales: {report:?}");
    world.asked_stripe().await;
    let report = world.reconcile().await;
    assert_eq!((report.hours, report.differences), (2, 0), "{report:?}");
    let log = world.admin("GET", "requests", json!({})).await;
    let again = log["requests"].as_array().expect("a list").iter().filter(|one| one["account"] == json!(early.account));
    assert_eq!(again.count(), 0, "what was compared is not compared again");
    let progress = world.app.store.progress().await.expect("the table").expect("it has run");
    let sums = progress.day["usd"];
    assert_eq!((sums.ours, sums.stripe), (10_000, 10_000));
}

/// Earlier versions kept no list of the accounts to be read.
#[tokio::test]
async fn an_account_that_an_earlier_version_linked_keeps_its_place() {
    let world = World::with(&DIRECT).await;
    world.reconcile().await;
    let mut sale = sale(&world, "seller").await;
    let until = world.app.clock.now();
    let item =
        json!({"pk": {"S": format!("ACCOUNT#{}", sale.account)}, "sk": {"S": "READ"}, "until": {"N": until.unix_timestamp().to_string()}});
    world.import(vec![item]);
    assert!(!reading(&world, &sale.account).await.is_listed());
    world.admin("POST", "webhooks/mode", json!({"drop_next": 100, "own_clock": true})).await;
    let form = [("payment_intent", sale.payment.clone()), ("amount", "1000".to_owned())];
    world.in_dashboard("/refunds", Some(&sale.account), &form).await;
    world.pass(Duration::days(3)).await;
    world.reconcile().await;
    sale.buyer.token = world.log_in(&sale.buyer).await;
    assert_eq!(purchase_of(&world, &sale).await["refunded"], 1000);
}

/// Accounts without payments have nothing that could be lost.
#[tokio::test]
async fn accounts_without_payments_are_asked_once_a_day() {
    let world = World::with(&[("CHARGE_TYPE", "destination")]).await;
    world.reconcile().await;
    let shop = world.shop().await;
    let reads = async || -> Vec<String> {
        world.asked_stripe().await;
        world.pass(QUARTER).await;
        world.reconcile().await;
        let log = world.admin("GET", "requests", json!({})).await;
        let of = |one: &&Value| one["account"] == json!(shop.account);
        log["requests"].as_array().expect("a list").iter().filter(of).map(|one| one["path"].as_str().expect("a path").to_owned()).collect()
    };
    let few = ["/v1/payment_intents".to_owned()];
    assert_eq!(reads().await, few);
    for _ in 0..4 {
        assert_eq!(reads().await, Vec::<String>::new());
    }
    world.pass(Duration::days(1)).await;
    assert_eq!(reads().await, few);
}
