//! One rule of the fee for all types of charge, by what the accounts have at Stripe in the end.

use serde_json::{Value, json};

use crate::harness::World;

/// A sale, the seller's own terms, and the fee, worked out by hand: ⌊price × percent / 100⌋ and the fixed part, at least the
/// minimum, at most all but one unit.
fn sales() -> [(i64, &'static str, i64, Value, i64); 9] {
    [
        (5000, "usd", 10, json!(null), 530),
        // 329.67
        (999, "usd", 33, json!(null), 359),
        (5000, "usd", 0, json!(null), 100),
        (200, "usd", 5, json!(null), 100),
        (50, "usd", 0, json!(null), 49),
        (1001, "jpy", 33, json!(null), 335),
        (5000, "usd", 50, json!({"fee_percent": 10, "fee_fixed": {"usd": 7}}), 507),
        (1001, "usd", 50, json!({"fee_percent": 0, "fee_fixed": {}, "fee_minimum": {"usd": 250}}), 250),
        // No fee at all.
        (1001, "usd", 50, json!({"fee_percent": 0, "fee_fixed": {}, "fee_minimum": {}}), 0),
    ]
}

#[tokio::test]
async fn percent_fixed_part_and_minimum_are_the_same_for_every_type_of_charge() {
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
            // Whoever has the charge pays Stripe's fee; the other one has their part to the last unit.
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
