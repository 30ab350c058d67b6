//! Accounts × charges: every kind of account, of both of Stripe's Accounts APIs and of OAuth, under every setting of the charge type, sells
//! a course alone and with a payee. Each sale is refunded in full, and the books end at zero but for Stripe's fee.

use super::*;

const SETTINGS: [&str; 4] = ["", "direct", "destination", "separate"];
const DIRECT: [&str; 2] = ["direct", "sales_not_shareable"];
const ON_PLATFORM: [&str; 2] = ["destination", "separate"];
const SEPARATE: [&str; 2] = ["separate", "separate"];
const NO_TRANSFERS: [&str; 2] = ["seller_capability_missing", "not_sellable"];

/// For each account and each of the [`SETTINGS`]: the charge, or the code of the refusal, without and with a payee.
///
/// <https://docs.stripe.com/connect/integration-recommendations>, and for accounts of v2 `docs/charge-types.md`.
const MATRIX: [(&str, &str, [[&str; 2]; 4]); 7] = [
    ("oauth", "standard", [DIRECT, DIRECT, ON_PLATFORM, SEPARATE]),
    ("v1", "standard", [DIRECT, DIRECT, ON_PLATFORM, SEPARATE]),
    ("v1", "express", [ON_PLATFORM, DIRECT, ON_PLATFORM, SEPARATE]),
    ("v1", "custom", [ON_PLATFORM, DIRECT, ON_PLATFORM, SEPARATE]),
    ("v2", "standard", [DIRECT, DIRECT, NO_TRANSFERS, NO_TRANSFERS]),
    ("v2", "express", [ON_PLATFORM, DIRECT, ON_PLATFORM, SEPARATE]),
    ("v2", "custom", [ON_PLATFORM, DIRECT, ON_PLATFORM, SEPARATE]),
];

/// Stripe's fee for 50.00 USD.
const FEE_OF_STRIPE: i64 = 175;

/// Buys, and gives everything back. Stripe's fee stays with the account that was charged.
async fn play(world: &World, case: &str, expected: &str, account: &str, partner: &str, author: &Person, course_id: &str) {
    let balances = async || (platforms(world, &[account, partner]).await, balance(world, account).await, balance(world, partner).await);
    let before = balances().await;
    let answer = sell(world, course_id).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["purchase"]["charge_type"]), (201, &json!(expected)), "{case}: {}", answer.body);
    world.deliver().await;
    // The fee is half. The rest is the author's, or in part the payee's.
    let direct = expected == "direct";
    let shared = case.ends_with("payee");
    let (platform, own, others) = if shared { (2500, 1750, 750) } else { (2500, 2500, 0) };
    let (of_platform, of_account) = if direct { (0, FEE_OF_STRIPE) } else { (FEE_OF_STRIPE, 0) };
    let expected = (before.0 + platform - of_platform, before.1 + own - of_account, before.2 + others);
    assert_eq!(balances().await, expected, "{case}: sold");
    let on_account = world.succeeded(Some(account)).await.len();
    assert_eq!(on_account > 0, direct, "{case}: where the charge is");

    world.pass(Duration::days(3)).await;
    let id = body["purchase"]["id"].as_str().expect("an id");
    let refunded = world.post(format!("/purchases/{id}/refund"), json!({})).bearer(&author.token).await;
    assert_eq!((refunded.status, &refunded.json()["status"]), (200, &json!("refunded")), "{case}: {}", refunded.body);
    world.deliver().await;
    let expected = (before.0 - of_platform, before.1 - of_account, before.2);
    assert_eq!(balances().await, expected, "{case}: all back");
}

async fn play_account((from, kind, settings): (&str, &str, [[&str; 2]; 4])) {
    let api = if from == "v1" { "v1" } else { "v2" };
    for (setting, [alone, shared]) in SETTINGS.into_iter().zip(settings) {
        let world = World::with(&[("CHARGE_TYPE", setting), ("ACCOUNTS_API", api)]).await;
        let staff = world.staff("staff@example.com").await;
        let (author, account, course_id) = seller(&world, from, kind).await;
        let (partner, partners, _) = seller(&world, api, "express").await;
        for (expected, payee) in [(alone, false), (shared, true)] {
            let case = format!("{from} {kind} under {setting:?}{}", if payee { ", with a payee" } else { "" });
            let offered = if payee { Some(world.share(&course_id, &author, &[(&author, 70), (&partner, 30)]).await) } else { None };
            let refused = match offered.filter(|offered| offered.status != 200) {
                Some(offered) => Some(offered),
                None if expected.contains('_') => Some(sell(&world, &course_id).await),
                None => None,
            };
            match refused {
                Some(refused) => {
                    assert_eq!((refused.status, refused.text("code").as_str()), (409, expected), "{case}");
                }
                None => Box::pin(play(&world, &case, expected, &account, &partners, &author, &course_id)).await,
            }
        }
        // What was recorded is what happened at Stripe.
        world.pass(Duration::hours(3)).await;
        world.reconcile().await;
        let found = world.get("/admin/findings").bearer(&staff.token).await.json();
        assert_eq!(found["items"], json!([]), "{from} {kind} under {setting:?}");
    }
}

#[tokio::test]
async fn accounts_of_oauth_and_v1_are_charged_as_the_matrix_says_and_refunded_to_the_end() {
    for row in MATRIX.into_iter().filter(|(from, ..)| *from != "v2") {
        Box::pin(play_account(row)).await;
    }
}

#[tokio::test]
async fn accounts_of_v2_are_charged_as_the_matrix_says_and_refunded_to_the_end() {
    for row in MATRIX.into_iter().filter(|(from, ..)| *from == "v2") {
        Box::pin(play_account(row)).await;
    }
}
