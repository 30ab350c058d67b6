//! `GET /config`

use serde_json::json;

use crate::harness::World;

#[tokio::test]
async fn frontends_learn_what_they_need_and_no_secret() {
    let world =
        World::with(&[("CHARGE_TYPE", "direct"), ("DEFAULT_FEE_PERCENT", "12"), ("EMBED_HOSTS", "player.vimeo.com,videos.example.com")])
            .await;
    world.proxy.clear();
    let answer = world.get("/config").await;
    answer.is(
        200,
        &json!({
            "publishable_key": "pk_test_local",
            "platform_country": "US",
            "charge_types": ["destination", "direct", "separate"],
            "charge_type": "direct",
            "currencies": [
                "aud", "brl", "cad", "chf", "czk", "dkk", "eur", "gbp", "hkd", "inr",
                "jpy", "krw", "mxn", "nok", "nzd", "pln", "sek", "sgd", "usd", "vnd",
            ],
            "currency_rules": "[any]",
            "default_fee_percent": 12,
            "fee_fixed": {},
            "fee_minimum": {},
            "fee_minimum_percent": 0.0,
            "livemode": false,
            "embed_hosts": ["player.vimeo.com", "videos.example.com"],
            "api_version": "2026-09-30.endive",
        }),
    );
    let rules = answer.json()["currency_rules"].clone();
    assert_eq!(rules.as_object().map(serde_json::Map::len), Some(20));
    // Two decimals, except for Stripe's zero-decimal currencies: <https://docs.stripe.com/currencies#zero-decimal>.
    for (currency, decimals, minimum) in
        [("usd", 2, 50), ("gbp", 2, 30), ("jpy", 0, 50), ("krw", 0, 700), ("vnd", 0, 13_000), ("czk", 2, 1500)]
    {
        assert_eq!(rules[currency], json!({"decimals": decimals, "minimum": minimum}), "{currency}");
    }
    assert_eq!(shared::stripe::API_VERSION, "2026-09-30.endive", "frontends see the API version that is used");
    assert_eq!(answer.header("cache-control"), Some("public, max-age=0, s-maxage=60, stale-while-revalidate=60"));
    assert_eq!(world.operations(), Vec::<String>::new());

    let default = World::with(&[("CHARGE_TYPE", "")]).await;
    assert_eq!(default.get("/config").await.json()["charge_type"], "auto");
    let german = World::with(&[("PLATFORM_COUNTRY", "DE")]).await;
    assert_eq!(german.get("/config").await.json()["platform_country"], "DE");
    let live = World::with(&[("STRIPE_PUBLISHABLE_KEY", "pk_live_local")]).await;
    assert_eq!(live.get("/config").await.json()["livemode"], true);
}
