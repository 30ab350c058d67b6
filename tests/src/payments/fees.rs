//! The fee follows the same rule for all charge types, as the balances at Stripe show.

use serde_json::{Value, json};

use crate::harness::World;

/// Sales, the seller's individual terms, and the expected fee, calculated by hand: ⌊price × percent / 100⌋ plus the fixed part, at least
/// the minimum, and at most the price less one unit.
fn sales() -> [(i64, &'static str, i64, Value, i64); 9] {
    [
        (5000, "usd", 10, json!(null), 530),
        // 329.67, rounded down.
        (999, "usd", 33, json!(null), 359),
        (5000, "usd", 0, json!(null), 100),
        (200, "usd", 5, json!(null), 100),
        (50, "usd", 0, json!(null), 49),
        (1001, "jpy", 33, json!(null), 335),
        (5000, "usd", 50, json!({"fee_percent": 10, "fee_fixed": {"usd": 7}}), 507),
        (1001, "usd", 50, json!({"fee_percent": 0, "fee_fixed": {}, "fee_minimum": {"usd": 250}}), 250),
        // No fee.
        (1001, "usd", 50, json!({"fee_percent": 0, "fee_fixed": {}, "fee_minimum": {}}), 0),
    ]
}

#[tokio::test]
async fn percentage_fixed_part_and_minimum_are_the_same_for_every_charge_type() {
    for charge_type in ["direct", "destination", "separate"] {
        let settings = [("CHARGE_TYPE", charge_type), ("FEE_FIXED", "usd:30,jpy:5"), ("FEE_MINIMUM", "usd:100")];
        let world = World::with(&settings).await;
        let shop = world.shop().await;
        let staff = world.staff("staff@example.com").await;
        let mut sellers_before = json!({});
        let mut platforms_before = json!({});
        for (number, (price, currency, percent, terms, fee)) in sales().into_iter().enumerate() {
            let case = format!("{charge_type}: {price} {currency} at {percent} % with {terms}");
            let agreed = world.patch(format!("/admin/users/{}", shop.seller.id), json!({"terms": terms})).bearer(&staff.token).await;
            assert_eq!(agreed.status, 200, "{}", agreed.body);
            let course = world.course(&shop.seller, &format!("Course {number}"), price, currency, percent).await;
            let bought = world.buy(&shop.buyer, course["id"].as_str().expect("an id"), "pm_card_visa").await;
            assert_eq!(bought.status, 201, "{case}: {}", bought.body);
            let purchase = &bought.json()["purchase"];
            assert_eq!((&purchase["application_fee"], &purchase["charge_type"]), (&json!(fee), &json!(charge_type)), "{case}");
            world.deliver().await;

            let accounts = world.books().await["accounts"].take();
            let all = accounts.as_object().expect("accounts");
            let (platform, platforms) = all.iter().find(|(id, _)| **id != shop.account).expect("the platform has one");
            let sellers = &all[&shop.account];
            let gained = |now: &Value, before: &Value| {
                let balance = |of: &Value| of[currency]["balance"].as_i64().unwrap_or(0);
                balance(now) - balance(before)
            };
            // The owner of the charge pays Stripe's fee; the other side gets exactly its share.
            let (sellers_part, platforms_part) = (gained(sellers, &sellers_before), gained(platforms, &platforms_before));
            if charge_type == "direct" {
                assert_eq!(platforms_part, fee, "{case} {platform}");
                assert!(sellers_part < price - fee, "{case}");
            } else {
                assert_eq!(sellers_part, price - fee, "{case}");
                assert!(platforms_part < fee, "{case}");
            }
            (sellers_before, platforms_before) = (sellers.clone(), platforms.clone());
        }
    }
}

#[tokio::test]
async fn the_minimum_price_of_every_currency_can_be_charged() {
    let world = World::start().await;
    let shop = world.shop().await;
    let rules = world.get("/config").await.json()["currency_rules"].clone();
    for (currency, rules) in rules.as_object().expect("they are named") {
        assert!(stripe_stand_in::knows_rate(currency), "stripe-stand-in/src/words/rates.rs lacks {currency}");
        let least = rules["minimum"].as_i64().expect("a number");
        let offer = |amount: i64| json!({"title": format!("Least {amount} {currency}"), "price": {"amount": amount, "currency": currency}});
        let too_little = world.post("/courses", offer(least - 1)).bearer(&shop.seller.token).await;
        assert_eq!(too_little.status, 422, "{currency}: {}", too_little.body);
        // If the platform settles in dollars, the price must also reach Stripe's minimum in dollars.
        let refused = world.post("/courses", offer(least)).bearer(&shop.seller.token).await;
        let detail = refused.json()["detail"].as_str().unwrap_or_default().to_owned();
        let least = detail.split(' ').find_map(|word| word.parse().ok()).unwrap_or(least);
        let course = if refused.status == 201 { refused } else { world.post("/courses", offer(least)).bearer(&shop.seller.token).await };
        let bought = world.buy(&shop.buyer, &course.text("id"), "pm_card_visa").await;
        // A buyer may only try a few cards per minute.
        world.pass(time::Duration::seconds(10)).await;
        assert_eq!(bought.status, 201, "Stripe takes {least} {currency}: {}", bought.body);
    }
}

#[tokio::test]
async fn by_default_no_sale_costs_the_platform_more_than_it_earns() {
    for charge_type in ["destination", "separate"] {
        let world = World::with(&[("CHARGE_TYPE", charge_type), ("FEE_MINIMUM", "")]).await;
        let shop = world.shop().await;
        let mut before = 0;
        for (number, price) in [50, 99, 500, 5000, 99_999].into_iter().enumerate() {
            let course = world.course(&shop.seller, &format!("Course {number}"), price, "usd", 0).await;
            let bought = world.buy(&shop.buyer, course["id"].as_str().expect("an id"), "pm_card_visa").await;
            assert_eq!(bought.status, 201, "{}", bought.body);
            world.deliver().await;
            let accounts = world.books().await["accounts"].take();
            let platform =
                accounts.as_object().expect("accounts").iter().find(|(id, _)| **id != shop.account).expect("the platform has one").1;
            let balance = platform["usd"]["balance"].as_i64().expect("a balance");
            assert!(balance >= before, "{charge_type}: {price} brings {}", balance - before);
            before = balance;
        }
    }
}
