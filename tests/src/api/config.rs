//! `GET /config`

use serde_json::json;

use crate::harness::World;

#[tokio::test]
async fn frontends_learn_what_they_need_and_no_secret() {
    let world = World::with(&[("CHARGE_TYPE", "direct"), ("DEFAULT_FEE_PERCENT", "12")]).await;
    world.proxy.clear();
    let answer = world.get("/config").await;
    answer.is(
        200,
        &json!({
            "publishable_key": "pk_test_local",
            "charge_types": ["destination", "direct", "separate"],
            "charge_type": "direct",
            "currencies": [
                "aud", "brl", "cad", "chf", "czk", "dkk", "eur", "gbp", "hkd", "inr",
                "jpy", "krw", "mxn", "nok", "nzd", "pln", "sek", "sgd", "usd", "vnd",
            ],
            "default_fee_percent": 12,
            "fee_fixed": {},
            "fee_minimum": {},
            "livemode": false,
            "api_version": "2026-09-30.endive",
        }),
    );
    assert_eq!(shared::stripe::API_VERSION, "2026-09-30.endive", "what is asked of Stripe is what frontends are told");
    assert_eq!(answer.header("cache-control"), Some("public, max-age=0, s-maxage=60, stale-while-revalidate=60"));
    assert_eq!(world.operations(), Vec::<String>::new());

    let live = World::with(&[("STRIPE_PUBLISHABLE_KEY", "pk_live_local")]).await;
    assert_eq!(live.get("/config").await.json()["livemode"], true);
}
