//! For any course, payees, fee and refunds, the gains of all sides add up to zero.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::json;

use crate::harness::{Person, World};

/// The number of courses per charge type. `PROPTEST_RNG_SEED` selects different ones.
const CASES: u32 = 12;

/// Its funds are available at once, so payees can return them.
const CARD: &str = "pm_card_bypassPending";

/// A course, its terms, and the refunds of its sale.
#[derive(Clone, Debug)]
struct Sale {
    currency: &'static str,
    price: i64,
    percent: i64,
    fixed: i64,
    minimum: i64,
    /// The payees' percentages, if there are any; the first is the seller's.
    shares: Vec<i64>,
    /// In thousandths of the price. More than is left is refused; zero means everything that is left.
    refunds: Vec<i64>,
}

/// Positive whole percentages that add up to 100.
fn shares() -> impl Strategy<Value = Vec<i64>> {
    prop::collection::btree_set(1_i64..100, 1..4).prop_map(|cuts| {
        let ends: Vec<i64> = cuts.into_iter().chain([100]).collect();
        ends.iter().scan(0, |before, end| Some(end - std::mem::replace(before, *end))).collect()
    })
}

fn sale(with_payees: bool) -> impl Strategy<Value = Sale> {
    let price = prop_oneof![100_i64..=1_000, 1_001_i64..=99_999_999];
    let part = || prop_oneof![3 => Just(0_i64), 3 => 0_i64..200, 1 => 0_i64..99_999_999];
    let shares = if with_payees { prop_oneof![1 => Just(Vec::new()), 3 => shares()].boxed() } else { Just(Vec::new()).boxed() };
    let refunds = prop::collection::vec(prop_oneof![2 => 1_i64..700, 1 => Just(0), 1 => 900_i64..1_100], 0..6);
    (prop::sample::select(&["usd", "eur", "jpy"][..]), price, 0_i64..100, part(), part(), shares, refunds).prop_map(
        |(currency, price, percent, fixed, minimum, shares, refunds)| Sale { currency, price, percent, fixed, minimum, shares, refunds },
    )
}

/// The balances in the sale's currency: the platform's, and those of the accounts.
async fn balances(world: &World, accounts: &[String], currency: &str) -> (i64, Vec<i64>) {
    let books = world.books().await;
    let mut platform = 0;
    let mut others = vec![0; accounts.len()];
    for (id, currencies) in books["accounts"].as_object().expect("accounts") {
        for (other, sums) in currencies.as_object().expect("currencies") {
            let balance = sums["balance"].as_i64().expect("a balance");
            assert!(other == currency || balance == 0, "{id} has {balance} {other}");
            match accounts.iter().position(|account| account == id) {
                Some(place) if other == currency => others[place] += balance,
                None if other == currency => platform += balance,
                _ => {}
            }
        }
    }
    (platform, others)
}

/// Stripe's fees, according to the accounts' own transactions.
async fn fees_of_stripe(world: &World, accounts: &[String]) -> i64 {
    let mut sum = 0;
    for account in accounts.iter().map(|account| Some(account.as_str())).chain([None]) {
        let list = world.stripe("/balance_transactions?limit=100", account).await;
        assert_eq!(list["has_more"], false);
        for fee in list["data"].as_array().expect("a list").iter().flat_map(|one| one["fee_details"].as_array().expect("a list")) {
            if fee["type"] == "stripe_fee" {
                sum += fee["amount"].as_i64().expect("an amount");
            }
        }
    }
    sum
}

async fn check(world: &World, buyer: &Person, id: &str, accounts: &[String], sale: &Sale) -> (i64, i64, i64) {
    world.deliver().await;
    // The buyer's side is what they paid and were refunded, according to the API.
    let purchase = world.get(format!("/purchases/{id}")).bearer(&buyer.token).await.json();
    let number = |name: &str| purchase[name].as_i64().unwrap_or_else(|| panic!("no {name} in {purchase}"));
    assert_eq!(number("amount"), sale.price);
    let buyers = number("refunded") - sale.price;
    let (platform, others) = balances(world, accounts, sale.currency).await;
    let stripe = fees_of_stripe(world, accounts).await;
    let sellers: i64 = others.iter().sum();
    assert_eq!(buyers + platform + sellers + stripe, 0, "buyer {buyers}, platform {platform}, sellers {others:?}, Stripe {stripe}");
    (platform, sellers, stripe)
}

async fn play(charge_type: &str, sale: &Sale) {
    let (fixed, minimum) = (format!("{}:{}", sale.currency, sale.fixed), format!("{}:{}", sale.currency, sale.minimum));
    let any = format!("{}:1", sale.currency);
    let world =
        World::with(&[("CHARGE_TYPE", charge_type), ("FEE_FIXED", &fixed), ("FEE_MINIMUM", &minimum), ("REFUND_MINIMUM", &any)]).await;
    let (mut sellers, mut accounts) = (Vec::new(), Vec::new());
    for number in 0..sale.shares.len().max(1) {
        let seller = world.seller(&format!("{number}@example.com")).await;
        accounts.push(world.link(&seller).await);
        sellers.push(seller);
    }
    let course = world.course(&sellers[0], "Course", sale.price, sale.currency, sale.percent).await;
    if !sale.shares.is_empty() {
        let payees: Vec<_> = sellers.iter().zip(sale.shares.iter().map(|share| u8::try_from(*share).expect("a percentage"))).collect();
        let shared = world.share("course", &sellers[0], &payees).await;
        assert_eq!(shared.status, 200, "{}", shared.body);
    }
    let buyer = world.buyer("buyer@example.com").await;
    let bought = world.buy(&buyer, course["id"].as_str().expect("an id"), CARD).await;
    assert_eq!(bought.status, 201, "{}", bought.body);
    let purchase = &bought.json()["purchase"];
    let id = purchase["id"].as_str().expect("an id").to_owned();
    let fee = purchase["application_fee"].as_i64().expect("a fee");
    assert!((0..sale.price).contains(&fee));

    let (platforms, sellers_part, stripes) = check(&world, &buyer, &id, &accounts, sale).await;
    // The owner of the charge pays Stripe's fee.
    let of_stripe = |direct: bool| if (charge_type == "direct") == direct { stripes } else { 0 };
    assert_eq!((platforms + of_stripe(false), sellers_part + of_stripe(true)), (fee, sale.price - fee));

    let mut left = sale.price;
    for thousandths in &sale.refunds {
        let amount = sale.price * thousandths / 1000;
        let wanted = if *thousandths == 0 { left } else { amount };
        let body = if *thousandths == 0 { json!({}) } else { json!({"amount": amount}) };
        let answer = world.post(format!("/purchases/{id}/refund"), body).bearer(&sellers[0].token).await;
        let is_made = (1..=left).contains(&wanted);
        assert_eq!(answer.status == 200, is_made, "{wanted} of {left}: {}", answer.body);
        assert!(is_made || matches!(answer.status, 409 | 422), "{}", answer.body);
        if is_made {
            left -= wanted;
        }
        let (platform, others, _) = check(&world, &buyer, &id, &accounts, sale).await;
        // Nobody bears more of a refund than their share of the sale.
        let (platform, others) = (platform + of_stripe(false), others + of_stripe(true));
        assert!((0..=fee).contains(&platform) && (0..=sale.price - fee).contains(&others), "platform {platform}, sellers {others}");
        assert_eq!(platform + others, left);
    }
}

fn any_sale_adds_up(charge_type: &str, with_payees: bool) {
    let config = Config { cases: CASES, rng_seed: RngSeed::Fixed(1), failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    let tried = TestRunner::new(config).run(&sale(with_payees), |sale| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(play(charge_type, &sale));
        Ok(())
    });
    tried.unwrap_or_else(|failure| panic!("{charge_type}: {failure}"));
}

#[test]
fn any_direct_sale_and_its_refunds_add_up_to_nothing() {
    any_sale_adds_up("direct", false);
}

#[test]
fn any_sale_to_a_destination_and_its_refunds_add_up_to_nothing() {
    any_sale_adds_up("destination", false);
}

#[test]
fn any_sale_with_payees_and_its_refunds_add_up_to_nothing() {
    any_sale_adds_up("separate", true);
}
