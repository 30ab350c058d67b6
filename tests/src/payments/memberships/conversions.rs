//! Periods in euros on accounts that hold only dollars: what a refund or a dispute moves is converted at the rate of its own day.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::store::books::LineKind;
use time::Duration;

use super::currencies::{seller_in, subscribe};
use super::events::told;
use super::refunds::{give_back, members};
use super::{Club, DIRECT, refund};
use crate::harness::{Person, World};

/// A member who paid 10.00 EUR, which brought 10.78 USD: 1.10 dollars a euro, less 2 % for the conversion.
struct Joined {
    club: Club,
    seller: Person,
    seller_account: String,
    /// The charged account; `None` for the platform.
    account: Option<String>,
    id: String,
    payment: Value,
}

impl Joined {
    async fn at(world: &World) -> Self {
        world.admin("POST", "settings", json!({"every_currency": false})).await;
        rate(world, 1.1).await;
        let club = Club::open(world).await;
        let seller = seller_in(world, "eur").await;
        world.reconcile().await;
        let joined = subscribe(world, &club, &seller, Some("pm_card_visa")).await;
        world.deliver().await;
        let user = world.app.store.user(&seller.id.parse().expect("an id")).await.expect("the table").expect("a seller");
        let seller_account = user.connected_account().expect("it is linked").account_id.clone();
        let is_direct = world.app.config.terms.charge_type == Some(shared::domain::charging::ChargeType::Direct);
        let account = is_direct.then(|| seller_account.clone());
        let payment = world.succeeded(account.as_deref()).await.remove(0);
        let id = joined["subscription"]["id"].as_str().expect("an id").to_owned();
        let mut play = Self { club, seller, seller_account, account, id, payment };
        // Money can be taken back from the seller once it is available.
        world.pass(Duration::days(8)).await;
        world.reconcile().await;
        play.log_in(world).await;
        play
    }

    async fn log_in(&mut self, world: &World) {
        self.club.log_in(world).await;
        self.seller.token = world.log_in(&self.seller).await;
    }

    fn payment_intent(&self) -> &str {
        self.payment["id"].as_str().expect("an id")
    }

    /// What the seller sees of how the period settled: amount, currency, and the difference.
    async fn settled(&self, world: &World) -> Value {
        let settled = members(world, &self.seller, &self.seller.id).await[0]["payments"][0]["settled"].clone();
        json!([settled["amount"], settled["currency"], settled["currency_difference"]])
    }

    /// The differences in the ledger, oldest first.
    async fn differences(&self, world: &World) -> Vec<i64> {
        let lines = world.ledger_of("subscription_id").await;
        let mut lines: Vec<_> = lines.into_iter().filter(|line| line.kind == LineKind::CurrencyDifference).collect();
        lines.sort_by_key(|line| (line.at, -line.amount));
        for line in &lines {
            assert_eq!((line.whose(), line.currency.as_str(), &line.account), (self.id.as_str(), "usd", &self.account), "{line:?}");
        }
        lines.into_iter().map(|line| line.amount).collect()
    }

    /// What Stripe's charge, refunds and disputes moved on the charged account, before fees.
    async fn moved(&self, world: &World) -> i64 {
        let list = world.stripe("/balance_transactions?limit=100", self.account.as_deref()).await;
        let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}"));
        let of_member =
            |one: &&Value| ["charge", "refund", "dispute", "dispute_reversal"].iter().any(|kind| one["reporting_category"] == *kind);
        all.iter().filter(of_member).map(|one| one["amount"].as_i64().expect("an amount")).sum()
    }

    async fn balance_of_seller(&self, world: &World) -> i64 {
        world.books().await["accounts"][&self.seller_account]["usd"]["balance"].as_i64().unwrap_or(0)
    }

    async fn dispute(&self, world: &World) -> String {
        let charge = self.payment["latest_charge"].as_str().expect("it was charged");
        let dispute = world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
        world.deliver().await;
        dispute["id"].as_str().unwrap_or_else(|| panic!("{dispute}")).to_owned()
    }
}

/// How many dollars a euro is worth.
async fn rate(world: &World, dollars: f64) {
    world.admin("POST", "rates", json!({"eur": {"usd": dollars}, "usd": {"eur": 1.0 / dollars}})).await;
}

/// The books agree with Stripe's, hours later. Returns how much was added from them.
async fn compare(world: &World) -> u32 {
    world.pass(Duration::hours(4)).await;
    let report = world.reconcile().await;
    assert_eq!((report.hours >= 2, report.differences), (true, 0), "{report:?}");
    report.repaired
}

#[tokio::test]
async fn a_periods_refunds_at_another_rate_leave_their_difference_in_the_ledger_once() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut play = Box::pin(Joined::at(&world)).await;
        assert_eq!((play.settled(&world).await, play.differences(&world).await), (json!([1078, "usd", 0]), Vec::new()));
        rate(&world, 1.2).await;
        let part = give_back(&world, &play.seller, &play.id, json!({"amount": 400})).await;
        assert_eq!(part.status, 200, "{}", part.body);
        world.deliver().await;
        // 400 of 1000 had brought 431, and cost 480.
        assert_eq!((play.settled(&world).await, play.differences(&world).await), (json!([1078, "usd", -49]), vec![-49]));
        world.pass(Duration::hours(1)).await;
        rate(&world, 1.0).await;
        let rest = give_back(&world, &play.seller, &play.id, json!({})).await;
        assert_eq!(rest.status, 200, "{}", rest.body);
        world.deliver().await;
        // The rest had brought 647, and cost 600.
        assert_eq!((play.settled(&world).await, play.differences(&world).await), (json!([1078, "usd", -2]), vec![-49, 47]));
        assert_eq!(play.moved(&world).await, -2, "so much is left of what the charge brought");

        world.pass(Duration::hours(2)).await;
        for event in told(&world).await {
            assert_eq!(world.tell(&event).await.status, 200, "{event}");
        }
        compare(&world).await;
        play.log_in(&world).await;
        assert_eq!((play.settled(&world).await, play.differences(&world).await), (json!([1078, "usd", -2]), vec![-49, 47]));
    }
}

#[tokio::test]
async fn the_difference_of_a_periods_refund_that_no_event_reports_is_found_in_stripes_books() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut play = Box::pin(Joined::at(&world)).await;
        rate(&world, 1.2).await;
        world.admin("POST", "webhooks/mode", json!({"drop_next": 1000, "own_clock": true})).await;
        refund(&world, play.account.as_deref(), play.payment_intent(), "400").await;
        assert_eq!(play.differences(&world).await, [0; 0]);
        assert_eq!(compare(&world).await, 1, "the refund");
        play.log_in(&world).await;
        assert_eq!((play.settled(&world).await, play.differences(&world).await), (json!([1078, "usd", -49]), vec![-49]));
        assert_eq!(compare(&world).await, 0);
        assert_eq!(play.differences(&world).await, vec![-49]);
    }
}

#[tokio::test]
async fn a_periods_refund_that_the_bank_returns_leaves_the_difference_of_both_days() {
    for (settings, is_told) in [(&[][..], true), (&DIRECT, true), (&DIRECT, false)] {
        let world = World::with(settings).await;
        let mut play = Box::pin(Joined::at(&world)).await;
        rate(&world, 1.2).await;
        assert_eq!(give_back(&world, &play.seller, &play.id, json!({"amount": 400})).await.status, 200);
        world.deliver().await;
        let refund = world.stripe("/refunds", play.account.as_deref()).await["data"][0]["id"].as_str().expect("an id").to_owned();
        rate(&world, 1.0).await;
        if !is_told {
            world.admin("POST", "webhooks/mode", json!({"drop_next": 1000, "own_clock": true})).await;
        }
        world.pass(Duration::hours(1)).await;
        world.admin("POST", &format!("refunds/{refund}/fail"), json!({})).await;
        world.deliver().await;
        assert_eq!(compare(&world).await, u32::from(!is_told));
        play.log_in(&world).await;
        // 400 had brought 431 and cost 480. They brought back 392: 88 less than they had cost.
        assert_eq!((play.settled(&world).await, play.differences(&world).await), (json!([1078, "usd", -88]), vec![-49, -39]));
        assert_eq!(compare(&world).await, 0);
        assert_eq!(play.differences(&world).await, vec![-49, -39]);
    }
}

/// The record of a refund from before its cost was kept, or of one that Stripe had not booked when it was read.
#[tokio::test]
async fn what_a_periods_refund_cost_is_learned_from_stripes_books() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut play = Box::pin(Joined::at(&world)).await;
        rate(&world, 1.2).await;
        assert_eq!(give_back(&world, &play.seller, &play.id, json!({"amount": 400})).await.status, 200);
        world.deliver().await;
        forget_cost(&world, &play).await;
        assert_eq!((play.settled(&world).await, play.differences(&world).await), (json!([1078, "usd", 0]), Vec::new()));
        assert_eq!(compare(&world).await, 0, "the refund itself was known");
        play.log_in(&world).await;
        assert_eq!((play.settled(&world).await, play.differences(&world).await), (json!([1078, "usd", -49]), vec![-49]));
    }
}

async fn forget_cost(world: &World, play: &Joined) {
    let (database, table) = (world.database(), &world.app.config.table_name);
    let text = AttributeValue::S;
    let update = database.update_item().table_name(table).key("pk", text(format!("USER#{}", play.club.shop.buyer.id)));
    let update = update.key("sk", text(format!("SUBSCRIPTION#{}", play.id))).update_expression("REMOVE payments[0].refunds[0].settled");
    update.send().await.expect("it is there");
    let scan = database.scan().table_name(table).filter_expression("begins_with(pk, :ledger) AND contains(sk, :kind)");
    let scan = scan.expression_attribute_values(":ledger", text("LEDGER#".to_owned()));
    let lines = scan.expression_attribute_values(":kind", text("#currency_difference#".to_owned())).send().await.expect("the table");
    assert_eq!(lines.items().len(), 1);
    for line in lines.items() {
        let delete = database.delete_item().table_name(table).key("pk", line["pk"].clone()).key("sk", line["sk"].clone());
        delete.send().await.expect("it is there");
    }
}

#[tokio::test]
async fn what_a_periods_refund_cost_is_compared_to_the_unit() {
    let world = World::start().await;
    let play = Box::pin(Joined::at(&world)).await;
    rate(&world, 1.2).await;
    assert_eq!(give_back(&world, &play.seller, &play.id, json!({"amount": 400})).await.status, 200);
    world.deliver().await;
    let record = (format!("USER#{}", play.club.shop.buyer.id), format!("SUBSCRIPTION#{}", play.id));
    super::currencies::add_one(&world, record.0, record.1, "payments[0].refunds[0].settled.amount").await;
    world.pass(Duration::hours(4)).await;
    assert_eq!(world.reconcile().await.differences, 1);
}

#[tokio::test]
async fn a_converted_periods_dispute_that_is_lost_or_won_leaves_the_books_balanced() {
    for settings in [&[][..], &DIRECT] {
        for outcome in ["lost", "won"] {
            let world = World::with(settings).await;
            let mut play = Box::pin(Joined::at(&world)).await;
            let before = play.balance_of_seller(&world).await;
            rate(&world, 1.2).await;
            let dispute = play.dispute(&world).await;
            rate(&world, 1.0).await;
            world.admin("POST", &format!("disputes/{dispute}/close"), json!({"outcome": outcome})).await;
            world.deliver().await;
            compare(&world).await;
            play.log_in(&world).await;
            let paid = members(&world, &play.seller, &play.seller.id).await[0]["payments"][0].clone();
            let totals = world.get("/sales").bearer(&play.seller.token).await.json()["totals"].clone();
            let totals = totals.as_array().expect("a list").iter().find(|one| one["currency"] == "eur").expect("it is there").clone();
            let disputed = if outcome == "lost" { 1000 } else { 0 };
            assert_eq!([&paid["disputed"], &totals["disputed"]], [disputed, disputed], "{paid}, {totals}");
            assert_eq!(paid["net"], totals["net"], "{paid}, {totals}");
            assert_eq!(play.differences(&world).await, [0; 0], "only refunds have one, as with sales");
            if play.account.is_none() {
                let kept = if outcome == "lost" { 0 } else { before };
                assert_eq!(play.balance_of_seller(&world).await, kept, "{outcome}");
            }
        }
    }
}
