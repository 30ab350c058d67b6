//! Every combination of account type, of the API that made the account, charge type and card, compared with the table in `docs/charge-types.md`,
//! which was written by hand from Stripe's documentation.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Person, World};

const AMOUNT: i64 = 5000;
const CARDS_PATH: &str = "/users/me/payment-methods";

/// A row of the table: account type, charge type, the owner of each object, and the balances of platform and seller.
#[derive(Clone, Debug)]
struct Row {
    account: String,
    charge: String,
    customer_of: String,
    charge_on: String,
    refund_from: String,
    sold: (i64, i64),
    part_back: (i64, i64),
    all_back: (i64, i64),
}

fn table() -> Vec<Row> {
    let document = include_str!("../../../docs/charge-types.md");
    let section = document.split("### In numbers").nth(1).expect("the section is there");
    let lines = section.lines().skip_while(|line| !line.starts_with("| ---")).skip(1).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [account, charge, customer_of, charge_on, refund_from] = std::array::from_fn(|place| cells[place].to_owned());
        let pair = |place: usize| (cells[place].parse().expect("a number"), cells[place + 1].parse().expect("a number"));
        Row { account, charge, customer_of, charge_on, refund_from, sold: pair(5), part_back: pair(7), all_back: pair(9) }
    };
    lines.map(row).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Card {
    New,
    Saved,
    ThreeDSecure,
    Declined,
    NoFunds,
}

const CARDS: [Card; 5] = [Card::New, Card::Saved, Card::ThreeDSecure, Card::Declined, Card::NoFunds];

/// Where an account comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MadeBy {
    /// It belongs to the seller, as a Standard account usually does.
    OAuth,
    /// `POST /v1/accounts`
    V1,
    /// `POST /v2/core/accounts`
    V2,
}

/// What is needed to play a row.
struct Stage {
    world: World,
    seller: Person,
    account: String,
    buyer: Person,
    course_id: String,
}

impl Stage {
    async fn set(row: &Row, made_by: MadeBy) -> Self {
        let api = if made_by == MadeBy::V2 { "v2" } else { "v1" };
        let world = World::with(&[("CHARGE_TYPE", &row.charge), ("ACCOUNTS_API", api)]).await;
        let seller = world.seller("seller@example.com").await;
        // Some accounts can never be charged for it, which is refused once they are known.
        let course = world.course(&seller, "Django", AMOUNT, "usd", 50).await;
        let account =
            if made_by == MadeBy::OAuth { world.link(&seller).await } else { world.made_account(&seller, &row.account, "US").await };
        let stripes = world.stripe(&format!("/accounts/{account}"), None).await;
        assert_eq!(stripes["type"], json!(row.account));
        let buyer = world.buyer("buyer@example.com").await;
        let course_id = course["id"].as_str().expect("an id").to_owned();
        Self { world, seller, account, buyer, course_id }
    }

    fn on(&self, whose: &str) -> Option<&str> {
        match whose {
            "platform" => None,
            "seller" => Some(&self.account),
            other => panic!("the table has no {other}"),
        }
    }

    /// The platform's and the seller's balance. Together with the rest of the books they always add up to zero.
    async fn balances(&self) -> (i64, i64) {
        let books = self.world.books().await;
        let mut all: Vec<(String, i64)> = Vec::new();
        for (id, currencies) in books["accounts"].as_object().expect("accounts") {
            all.push((id.clone(), currencies["usd"]["balance"].as_i64().unwrap_or(0)));
        }
        let of = |test: &dyn Fn(&str) -> bool| all.iter().filter(|(id, _)| test(id)).map(|(_, balance)| balance).sum::<i64>();
        (of(&|id| id != self.account), of(&|id| id == self.account))
    }

    /// Saves a card for the buyer and returns its id.
    async fn saved_card(&self) -> String {
        let answer = self.world.post(CARDS_PATH, json!({"payment_method": "pm_card_visa"})).bearer(&self.buyer.token).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()["payment_method"]["id"].as_str().expect("an id").to_owned()
    }

    /// The buyer's saved cards.
    async fn kept_cards(&self) -> Vec<Value> {
        let answer = self.world.get(CARDS_PATH).bearer(&self.buyer.token).await.json();
        answer["items"].as_array().expect("a list").iter().map(|card| card["id"].clone()).collect()
    }

    /// Buys with that card and authenticates if required. Returns the purchase's id if it was paid.
    async fn sell(&self, row: &Row, card: Card) -> Option<String> {
        let method = match card {
            Card::New => "pm_card_visa".to_owned(),
            Card::Saved => self.saved_card().await,
            Card::ThreeDSecure => "pm_card_threeDSecure2Required".to_owned(),
            Card::Declined => "pm_card_visa_chargeDeclined".to_owned(),
            Card::NoFunds => "pm_card_visa_chargeDeclinedInsufficientFunds".to_owned(),
        };
        let answer = self.world.buy(&self.buyer, &self.course_id, &method).await;
        let body = answer.json();
        match card {
            Card::Declined | Card::NoFunds => {
                let code = if card == Card::Declined { "generic_decline" } else { "insufficient_funds" };
                assert_eq!((answer.status, body["code"].as_str(), body["decline_code"].as_str()), (402, Some("card_declined"), Some(code)));
                self.world.deliver().await;
                return None;
            }
            Card::ThreeDSecure => {
                assert_eq!((answer.status, &body["purchase"]["status"]), (201, &json!("requires_action")), "{}", answer.body);
                assert_eq!(self.balances().await, (0, 0), "nothing before the buyer has authenticated");
                let on_account = body.get("stripe_account").and_then(Value::as_str);
                assert_eq!(on_account, self.on(&row.charge_on));
                let id = body["client_secret"].as_str().and_then(|secret| secret.split("_secret_").next()).expect("an id");
                self.world.admin("POST", &format!("payment_intents/{id}/authenticate"), json!({"outcome": "succeed"})).await;
            }
            Card::New | Card::Saved => assert_eq!(answer.status, 201, "{}", answer.body),
        }
        self.world.deliver().await;
        let id = body["purchase"]["id"].as_str().expect("an id").to_owned();
        let purchase = self.world.get(format!("/purchases/{id}")).bearer(&self.buyer.token).await.json();
        assert_eq!((&purchase["status"], &purchase["charge_type"]), (&json!("paid"), &json!(row.charge)));
        Some(id)
    }

    /// Checks whose customer paid, with which card, and which account has the charge.
    async fn check_charge(&self, row: &Row, card: Card) {
        let other = if row.charge_on == "platform" { "seller" } else { "platform" };
        assert!(self.world.succeeded(self.on(other)).await.is_empty(), "{row:?}");
        let charges = self.world.succeeded(self.on(&row.charge_on)).await;
        assert_eq!((charges.len(), &charges[0]["amount"]), (1, &json!(AMOUNT)), "{row:?}");
        let customer = charges[0]["customer"].as_str().expect("a customer");
        let found = self.world.stripe(&format!("/customers/{customer}"), self.on(&row.customer_of)).await;
        assert_eq!((&found["id"], &found["email"]), (&json!(customer), &json!(self.buyer.email)), "{row:?}");
        // Saved cards stay on the platform; a connected account is paid with a clone.
        let kept = self.kept_cards().await;
        assert_eq!(kept.len(), usize::from(card == Card::Saved), "{row:?} {card:?}");
        let paid_with_it = kept.contains(&charges[0]["payment_method"]);
        assert_eq!(paid_with_it, card == Card::Saved && row.charge_on == "platform", "{row:?} {card:?}");
    }

    /// Refunds an amount, or everything.
    async fn refund(&self, id: &str, amount: Option<i64>) {
        let body = amount.map_or_else(|| json!({}), |amount| json!({"amount": amount}));
        let answer = self.world.post(format!("/purchases/{id}/refund"), body).bearer(&self.seller.token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.world.deliver().await;
    }

    /// The amount refunded out of the balance of the platform or of the seller.
    async fn refunded_from(&self, whose: &str) -> i64 {
        let list = self.world.stripe("/balance_transactions?limit=100&type=refund", self.on(whose)).await;
        list["data"].as_array().expect("a list").iter().map(|one| -one["amount"].as_i64().expect("an amount")).sum()
    }
}

async fn play(row: &Row, made_by: MadeBy, card: Card) {
    let stage = Stage::set(row, made_by).await;
    let Some(id) = stage.sell(row, card).await else {
        assert_eq!(stage.balances().await, (0, 0), "{row:?} {card:?}");
        assert!(stage.world.succeeded(stage.on(&row.charge_on)).await.is_empty());
        return;
    };
    assert_eq!(stage.balances().await, row.sold, "{row:?} {card:?}: sold");
    stage.check_charge(row, card).await;
    // Payees can return funds once they have settled.
    stage.world.pass(Duration::days(3)).await;
    stage.refund(&id, Some(2000)).await;
    assert_eq!(stage.balances().await, row.part_back, "{row:?} {card:?}: a part back");
    let other = if row.refund_from == "platform" { "seller" } else { "platform" };
    assert_eq!((stage.refunded_from(&row.refund_from).await, stage.refunded_from(other).await), (2000, 0), "{row:?}");
    stage.refund(&id, None).await;
    assert_eq!(stage.balances().await, row.all_back, "{row:?} {card:?}: the rest back");

    // A full refund at once.
    let stage = Stage::set(row, made_by).await;
    let id = stage.sell(row, card).await.expect("it was paid before");
    stage.world.pass(Duration::days(3)).await;
    stage.refund(&id, None).await;
    assert_eq!(stage.balances().await, row.all_back, "{row:?} {card:?}: all back");
    assert_eq!(stage.refunded_from(&row.refund_from).await, AMOUNT, "{row:?}");
}

fn rows_of(account: &str) -> Vec<Row> {
    let rows: Vec<Row> = table().into_iter().filter(|row| row.account == account).collect();
    let charges: Vec<&str> = rows.iter().map(|row| row.charge.as_str()).collect();
    assert_eq!(charges, ["direct", "destination", "separate"]);
    rows
}

async fn play_all(account: &str, made_by: MadeBy) {
    for row in &rows_of(account) {
        for card in CARDS {
            // On the heap, because the unoptimised future is too large for a test's stack.
            Box::pin(play(row, made_by, card)).await;
        }
    }
}

#[tokio::test]
async fn standard_accounts_are_charged_for_as_the_table_says() {
    play_all("standard", MadeBy::OAuth).await;
    play_all("standard", MadeBy::V1).await;
}

/// Stripe bears their losses and recommends no other charges for them, so they ask for no transfers.
#[tokio::test]
async fn standard_accounts_of_v2_are_charged_directly_and_not_otherwise() {
    for row in rows_of("standard") {
        if row.charge == "direct" {
            for card in CARDS {
                Box::pin(play(&row, MadeBy::V2, card)).await;
            }
        } else {
            Box::pin(lacks_transfers(&row)).await;
        }
    }
}

async fn lacks_transfers(row: &Row) {
    let stage = Stage::set(row, MadeBy::V2).await;
    let answer = stage.world.buy(&stage.buyer, &stage.course_id, "pm_card_visa").await;
    assert_eq!((answer.status, answer.text("code").as_str()), (409, "seller_capability_missing"), "{row:?}");
    assert_eq!(answer.text("capability"), "transfers");
    let course = json!({"title": "Flask", "price": {"amount": AMOUNT, "currency": "usd"}});
    let refused = stage.world.post("/courses", course).bearer(&stage.seller.token).await;
    assert_eq!((refused.status, refused.text("code").as_str()), (409, "not_sellable"), "{row:?}");
    assert_eq!(refused.text("capability"), "transfers");
}

#[tokio::test]
async fn express_accounts_are_charged_for_as_the_table_says() {
    play_all("express", MadeBy::V1).await;
    play_all("express", MadeBy::V2).await;
}

#[tokio::test]
async fn custom_accounts_are_charged_for_as_the_table_says() {
    play_all("custom", MadeBy::V1).await;
    play_all("custom", MadeBy::V2).await;
}
