//! A course in euros at a platform in the United States, compared with the table in `docs/charge-types.md`, which was calculated by hand
//! from Stripe's documentation. Nobody here has an account for every currency, so money is converted.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::store::books::LineKind;
use time::Duration;

use crate::harness::{Person, World};

const AMOUNT: i64 = 5000;

/// Balances in the smallest units, by currency. Those of zero are left out.
type Balances = BTreeMap<String, i64>;

/// A row of the table: the seller's country, the charge type, and the balances of platform and seller after each event.
struct Row {
    country: String,
    charge: String,
    sold: [Balances; 2],
    part_back: [Balances; 2],
    all_back: [Balances; 2],
    lost: [Balances; 2],
}

/// A cell such as `-175 eur, 539 usd`, or `0`.
fn balances(cell: &str) -> Balances {
    let parts = cell.split(", ").filter(|part| *part != "0");
    let one = |part: &str| {
        let (amount, currency) = part.split_once(' ').unwrap_or_else(|| panic!("{cell}"));
        (currency.to_owned(), amount.parse().unwrap_or_else(|_| panic!("{cell}")))
    };
    parts.map(one).collect()
}

fn table() -> Vec<Row> {
    let document = include_str!("../../../docs/charge-types.md");
    let section = document.split("### In other currencies").nth(1).expect("the section is there");
    let lines = section.lines().skip_while(|line| !line.starts_with("| ---")).skip(1).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let pair = |place: usize| [balances(cells[place]), balances(cells[place + 1])];
        Row {
            country: cells[0].to_owned(),
            charge: cells[1].to_owned(),
            sold: pair(2),
            part_back: pair(4),
            all_back: pair(6),
            lost: pair(8),
        }
    };
    lines.map(row).collect()
}

struct Stage {
    world: World,
    seller: Person,
    account: String,
    purchase: String,
    direct: bool,
}

impl Stage {
    /// Sells the course of a seller in that country.
    async fn sold(row: &Row) -> Self {
        let world = World::with(&[("CHARGE_TYPE", &row.charge), ("PLATFORM_COUNTRY", "US")]).await;
        world.admin("POST", "settings", json!({"every_currency": false})).await;
        world.admin("POST", "rates", json!({"eur": {"usd": 1.1}, "usd": {"eur": 0.9}})).await;
        let seller = world.seller("seller@example.com").await;
        let account = world.made_account(&seller, "express", &row.country).await;
        let course = world.course(&seller, "Kurs", AMOUNT, "eur", 10).await;
        let buyer = world.buyer("buyer@example.com").await;
        // The reconciliation reads from here on.
        world.reconcile().await;
        let bought = world.buy(&buyer, course["id"].as_str().expect("an id"), "pm_card_visa").await;
        assert_eq!(bought.status, 201, "{}", bought.body);
        world.deliver().await;
        let purchase = bought.json()["purchase"]["id"].as_str().expect("an id").to_owned();
        let stage = Self { world, seller, account, purchase, direct: row.charge == "direct" };
        assert_eq!(stage.balances().await, row.sold, "{row}: sold");
        // The seller's part can be reversed once it is available.
        stage.world.pass(Duration::days(8)).await;
        stage
    }

    /// The balances of the platform and of the seller.
    async fn balances(&self) -> [Balances; 2] {
        let books = self.world.books().await;
        let mut found = [Balances::new(), Balances::new()];
        for (id, currencies) in books["accounts"].as_object().expect("accounts") {
            for (currency, sums) in currencies.as_object().expect("currencies") {
                let balance = sums["balance"].as_i64().expect("a balance");
                if balance != 0 {
                    *found[usize::from(*id == self.account)].entry(currency.clone()).or_default() += balance;
                }
            }
        }
        found
    }

    async fn refund(&self, amount: Option<i64>) {
        let body = amount.map_or_else(|| json!({}), |amount| json!({"amount": amount}));
        let answer = self.world.post(format!("/purchases/{}/refund", self.purchase), body).bearer(&self.seller.token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.world.deliver().await;
    }

    /// How many dollars a euro is worth from now on.
    async fn rate(&self, dollars: f64) {
        self.world.admin("POST", "rates", json!({"eur": {"usd": dollars}})).await;
    }

    /// The exchange-rate differences in the ledger, oldest first, and their sum as the seller sees it.
    async fn differences(&self) -> (Vec<i64>, Value) {
        let mut lines = self.world.ledger_of("purchase_id").await;
        lines.retain(|line| line.kind == LineKind::CurrencyDifference);
        lines.sort_by_key(|line| line.at);
        (lines.into_iter().map(|line| line.amount).collect(), self.sale().await["settled"]["currency_difference"].clone())
    }

    async fn lose_a_dispute(&self) {
        let account = self.direct.then_some(self.account.as_str());
        let charge = self.world.succeeded(account).await[0]["latest_charge"].as_str().expect("an id").to_owned();
        self.world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
        self.world.deliver().await;
        let disputes = self.world.stripe("/disputes", account).await;
        let dispute = disputes["data"][0]["id"].as_str().unwrap_or_else(|| panic!("{disputes}"));
        self.world.admin("POST", &format!("disputes/{dispute}/close"), json!({"outcome": "lost"})).await;
        self.world.deliver().await;
    }

    async fn sale(&self) -> Value {
        self.world.get("/sales").bearer(&self.seller.token).await.json()["items"][0].clone()
    }

    /// The books agree with Stripe, hours later.
    async fn nothing_differs(&self, row: &Row) {
        for _ in 0..3 {
            self.world.pass(Duration::hours(2)).await;
            let report = self.world.reconcile().await;
            assert_eq!((report.recorded, report.returned, report.differences), (0, 0, 0), "{row}: {report:?}");
        }
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} for a seller in {}", self.charge, self.country)
    }
}

async fn refund_in_parts(row: &Row) {
    let stage = Box::pin(Stage::sold(row)).await;
    let settled = stage.sale().await["settled"].clone();
    let expected = if row.country == "DE" { json!(null) } else { json!([AMOUNT * 1078 / 1000, "usd"]) };
    let shown = if settled.is_null() { json!(null) } else { json!([settled["amount"], settled["currency"]]) };
    assert_eq!(shown, expected, "{row}");
    stage.refund(Some(2000)).await;
    assert_eq!(stage.balances().await, row.part_back, "{row}: a part back");
    stage.refund(None).await;
    assert_eq!(stage.balances().await, row.all_back, "{row}: the rest back");
    Box::pin(stage.nothing_differs(row)).await;
}

async fn refund_all_at_once(row: &Row) {
    let stage = Box::pin(Stage::sold(row)).await;
    stage.refund(None).await;
    assert_eq!(stage.balances().await, row.all_back, "{row}: all back at once");
    Box::pin(stage.nothing_differs(row)).await;
}

async fn lose_a_dispute(row: &Row) {
    let stage = Box::pin(Stage::sold(row)).await;
    stage.lose_a_dispute().await;
    assert_eq!(stage.balances().await, row.lost, "{row}: a dispute lost");
    Box::pin(stage.nothing_differs(row)).await;
}

async fn play_all(country: &str) {
    let rows: Vec<Row> = table().into_iter().filter(|row| row.country == country).collect();
    let charges: Vec<&str> = rows.iter().map(|row| row.charge.as_str()).collect();
    assert_eq!(charges, ["direct", "destination", "separate"]);
    for row in &rows {
        // On the heap, because the unoptimised future is too large for a test's stack.
        Box::pin(refund_in_parts(row)).await;
        Box::pin(refund_all_at_once(row)).await;
        Box::pin(lose_a_dispute(row)).await;
    }
}

#[tokio::test]
async fn a_course_in_euros_of_a_german_seller_settles_as_the_table_says() {
    play_all("DE").await;
}

#[tokio::test]
async fn a_course_in_euros_of_an_american_seller_settles_as_the_table_says() {
    play_all("US").await;
}

#[tokio::test]
async fn a_converted_refund_that_the_bank_returns_leaves_the_difference_of_both_days() {
    for row in table().iter().filter(|row| row.country == "US" && row.charge != "separate") {
        let stage = Box::pin(Stage::sold(row)).await;
        stage.rate(1.2).await;
        stage.refund(Some(2000)).await;
        Box::pin(stage.nothing_differs(row)).await;
        // 2000 had brought 2156, and cost 2400.
        assert_eq!(stage.differences().await, (vec![-244], json!(-244)), "{row}");
        let account = stage.direct.then_some(stage.account.as_str());
        let refund = stage.world.stripe("/refunds", account).await["data"][0]["id"].as_str().expect("an id").to_owned();
        stage.rate(1.0).await;
        stage.world.admin("POST", &format!("refunds/{refund}/fail"), json!({})).await;
        stage.world.deliver().await;
        Box::pin(stage.nothing_differs(row)).await;
        // They brought back 1960: 440 less than they had cost.
        assert_eq!(stage.differences().await, (vec![-244, -196], json!(-440)), "{row}");
    }
}
