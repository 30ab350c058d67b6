//! Money in several currencies, to the smallest unit: as recorded at Stripe, and according to its documentation.

use serde_json::{Value, json};
use stripe_stand_in::Options;

use crate::client::{CARD, Stripe, id};

/// A stand-in with these rates.
async fn at(rates: Value) -> Stripe {
    let stripe = Stripe::start().await;
    stripe.admin("POST", "rates", rates).await.ok();
    stripe
}

async fn seller(stripe: &Stripe, country: &str) -> String {
    id(&stripe.admin("POST", "accounts", json!({ "country": country })).await.ok()).to_owned()
}

/// A charge and its results, on an account or the platform.
async fn charge(stripe: &Stripe, account: Option<&str>, amount: &str, currency: &str, more: &[(&str, &str)]) -> Value {
    let mut form = vec![("amount", amount), ("currency", currency), ("confirm", "true"), ("payment_method", "pm_card_visa"), CARD];
    form.extend(more);
    let intent = match account {
        Some(account) => stripe.post_on(account, "/v1/payment_intents", &form).await.ok(),
        None => stripe.post("/v1/payment_intents", &form).await.ok(),
    };
    charge_of(stripe, account, intent["latest_charge"].as_str().unwrap()).await
}

async fn charge_of(stripe: &Stripe, account: Option<&str>, charge: &str) -> Value {
    read(stripe, account, &format!("/v1/charges/{charge}?expand[]=balance_transaction&expand[]=transfer&expand[]=application_fee")).await
}

async fn read(stripe: &Stripe, account: Option<&str>, path: &str) -> Value {
    match account {
        Some(account) => stripe.get_on(account, path).await.ok(),
        None => stripe.get(path).await.ok(),
    }
}

async fn refund(stripe: &Stripe, account: Option<&str>, charge: &Value, more: &[(&str, &str)]) -> Value {
    let mut form =
        vec![("charge", id(charge)), ("expand[]", "balance_transaction"), ("expand[]", "transfer_reversal.destination_payment_refund")];
    form.extend(more);
    match account {
        Some(account) => stripe.post_on(account, "/v1/refunds", &form).await.ok(),
        None => stripe.post("/v1/refunds", &form).await.ok(),
    }
}

async fn transaction(stripe: &Stripe, account: Option<&str>, of: &Value) -> Value {
    let id = of["balance_transaction"].as_str().unwrap_or_else(|| panic!("{of:#}"));
    read(stripe, account, &format!("/v1/balance_transactions/{id}")).await
}

/// Amount, currency and rate of a transaction.
fn leg(transaction: &Value) -> (i64, &str, Option<f64>) {
    (transaction["amount"].as_i64().unwrap(), transaction["currency"].as_str().unwrap(), transaction["exchange_rate"].as_f64())
}

fn money(object: &Value) -> (i64, &str) {
    (object["amount"].as_i64().unwrap(), object["currency"].as_str().unwrap())
}

/// All balances of an account, by currency.
async fn balance(stripe: &Stripe, account: Option<&str>) -> Vec<(String, i64)> {
    let books = stripe.books().await;
    let platform = stripe.admin("GET", "accounts", Value::Null).await.ok()["platform"].as_str().unwrap().to_owned();
    let all = books["accounts"][account.unwrap_or(&platform)].as_object().unwrap();
    let all = all.iter().map(|(currency, funds)| (currency.clone(), funds["balance"].as_i64().unwrap()));
    all.filter(|(_, amount)| *amount != 0).collect()
}

fn pairs(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(currency, amount)| ((*currency).to_owned(), *amount)).collect()
}

/// The last transaction of that type.
async fn last(stripe: &Stripe, account: Option<&str>, kind: &str) -> Value {
    read(stripe, account, &format!("/v1/balance_transactions?type={kind}&limit=1")).await["data"][0].clone()
}

#[tokio::test]
async fn a_destination_charge_converts_at_the_seller_as_recorded() {
    let stripe = at(json!({ "usd": { "cad": 1.38656 } })).await;
    let canada = seller(&stripe, "CA").await;
    let to = [("transfer_data[destination]", canada.as_str()), ("transfer_data[amount]", "61")];
    let charge = charge(&stripe, None, "100", "usd", &to).await;
    assert_eq!(leg(&charge["balance_transaction"]), (100, "usd", None));
    assert_eq!(money(&charge["transfer"]), (61, "usd"));
    assert_eq!(charge["transfer"]["source_transaction"], charge["id"]);
    let payment = charge_of(&stripe, Some(&canada), charge["transfer"]["destination_payment"].as_str().unwrap()).await;
    assert_eq!((money(&payment), &payment["source_transfer"]), ((61, "usd"), &charge["transfer"]["id"]));
    assert_eq!(leg(&payment["balance_transaction"]), (83, "cad", Some(1.35883)));
    assert_eq!((&payment["balance_transaction"]["type"], &payment["balance_transaction"]["fee"]), (&json!("payment"), &json!(0)));

    let refund = refund(&stripe, None, &charge, &[("reverse_transfer", "true")]).await;
    assert_eq!(leg(&refund["balance_transaction"]), (-100, "usd", None));
    let reversal = &refund["transfer_reversal"];
    assert_eq!((money(reversal), &reversal["source_refund"]), ((61, "usd"), &refund["id"]));
    let back = read(&stripe, Some(&canada), &format!("/v1/refunds/{}", id(&reversal["destination_payment_refund"]))).await;
    assert_eq!(money(&back), (61, "usd"));
    assert_eq!(leg(&transaction(&stripe, Some(&canada), &back).await), (-85, "cad", Some(1.38656)));
    // What arrived as 83 was returned as 85.
    assert_eq!(balance(&stripe, Some(&canada)).await, pairs(&[("cad", -2)]));
}

#[tokio::test]
async fn a_charge_on_behalf_of_a_seller_settles_in_the_sellers_currency_as_recorded() {
    let stripe = at(json!({ "usd": { "cad": 1.38343 } })).await;
    let canada = seller(&stripe, "CA").await;
    let form = [("transfer_data[destination]", canada.as_str()), ("on_behalf_of", canada.as_str()), ("application_fee_amount", "30")];
    let one = charge(&stripe, None, "1000", "usd", &form).await;
    assert_eq!(leg(&one["balance_transaction"]), (1356, "cad", Some(1.35576)));
    assert_eq!((&one["balance_transaction"]["fee"], &one["balance_transaction"]["net"]), (&json!(69), &json!(1287)));
    assert_eq!(one["balance_transaction"]["fee_details"][0]["currency"], "cad");
    assert_eq!(money(&one["transfer"]), (1356, "cad"));
    let payment = charge_of(&stripe, Some(&canada), one["transfer"]["destination_payment"].as_str().unwrap()).await;
    assert_eq!((money(&payment), &payment["application_fee_amount"]), ((1356, "cad"), &json!(41)));
    assert_eq!(leg(&payment["balance_transaction"]), (1356, "cad", None));
    assert_eq!(payment["balance_transaction"]["fee_details"][0]["amount"], 41);
    let fee = &one["application_fee"];
    assert_eq!((money(fee), &fee["originating_transaction"], &fee["charge"]), ((30, "usd"), &one["id"], &payment["id"]));
    assert_eq!(leg(&transaction(&stripe, None, fee).await), (30, "usd", Some(1.35576)));
    assert_eq!(one["application_fee_amount"], 30);

    let both = [("reverse_transfer", "true"), ("refund_application_fee", "true")];
    let all = refund(&stripe, None, &one, &both).await;
    assert_eq!(leg(&all["balance_transaction"]), (-1383, "cad", Some(1.38343)));
    assert_eq!(money(&all["transfer_reversal"]), (1356, "cad"));
    let fee = read(&stripe, None, &format!("/v1/application_fees/{}", id(fee))).await;
    assert_eq!((&fee["amount_refunded"], &fee["refunded"]), (&json!(30), &json!(true)));
    assert_eq!(money(&fee["refunds"]["data"][0]), (41, "cad"));
    assert_eq!(leg(&last(&stripe, None, "application_fee_refund").await), (-30, "usd", Some(1.38343)));
    // The platform bears the difference in rates and Stripe's fee; the seller has the same as before.
    assert_eq!(balance(&stripe, None).await, pairs(&[("cad", -69 - 27)]));
    assert_eq!(balance(&stripe, Some(&canada)).await, pairs(&[]));

    // Half of it.
    let two = charge(&stripe, None, "1000", "usd", &form).await;
    let half = refund(&stripe, None, &two, &[both[0], both[1], ("amount", "500")]).await;
    assert_eq!(leg(&half["balance_transaction"]), (-692, "cad", Some(1.38343)));
    assert_eq!(money(&half["transfer_reversal"]), (678, "cad"));
    let fee = read(&stripe, None, &format!("/v1/application_fees/{}", id(&two["application_fee"]))).await;
    assert_eq!((&fee["amount_refunded"], money(&fee["refunds"]["data"][0])), (&json!(15), (20, "cad")));
    let rest = refund(&stripe, None, &two, &both).await;
    assert_eq!(money(&rest["transfer_reversal"]), (678, "cad"));
    let fee = read(&stripe, None, &format!("/v1/application_fees/{}", id(&two["application_fee"]))).await;
    assert_eq!(money(&fee["refunds"]["data"][0]), (21, "cad"));
    assert_eq!(balance(&stripe, Some(&canada)).await, pairs(&[]));
}

#[tokio::test]
async fn a_direct_charge_settles_at_the_seller_as_recorded() {
    let stripe = at(json!({ "usd": { "sgd": 1.32373 } })).await;
    let singapore = seller(&stripe, "SG").await;
    let one = charge(&stripe, Some(&singapore), "100", "usd", &[("application_fee_amount", "25")]).await;
    let settled = &one["balance_transaction"];
    assert_eq!((leg(settled), &settled["fee"], &settled["net"]), ((130, "sgd", Some(1.29726)), &json!(87), &json!(43)));
    let of = |kind: &str| {
        let details = settled["fee_details"].as_array().unwrap().iter();
        details.filter(|fee| fee["type"] == kind).map(|fee| fee["amount"].as_i64().unwrap()).sum::<i64>()
    };
    assert_eq!((of("application_fee"), of("stripe_fee")), (32, 55));
    let fee = read(&stripe, None, &format!("/v1/application_fees/{}", id(&one["application_fee"]))).await;
    assert_eq!((money(&fee), &fee["originating_transaction"]), ((25, "usd"), &Value::Null));
    assert_eq!(leg(&transaction(&stripe, None, &fee).await), (25, "usd", Some(1.29726)));

    let back = refund(&stripe, Some(&singapore), &one, &[("refund_application_fee", "true")]).await;
    assert_eq!((leg(&back["balance_transaction"]), &back["balance_transaction"]["fee"]), ((-132, "sgd", Some(1.32373)), &json!(0)));
    let fee = read(&stripe, None, &format!("/v1/application_fees/{}", id(&fee))).await;
    assert_eq!(money(&fee["refunds"]["data"][0]), (32, "sgd"));
    assert_eq!(leg(&last(&stripe, None, "application_fee_refund").await), (-25, "usd", Some(1.32373)));
    assert_eq!(balance(&stripe, None).await, pairs(&[]));
    assert_eq!(balance(&stripe, Some(&singapore)).await, pairs(&[("sgd", -2 - 55)]));
}

#[tokio::test]
async fn a_dispute_is_withdrawn_in_the_settlement_currency_as_recorded() {
    let stripe = at(json!({ "usd": { "cad": 1.38343 } })).await;
    let canada = seller(&stripe, "CA").await;
    let form = [("transfer_data[destination]", canada.as_str()), ("on_behalf_of", canada.as_str())];
    let one = charge(&stripe, None, "1000", "usd", &form).await;
    let dispute = stripe.admin("POST", &format!("charges/{}/dispute", id(&one)), json!({ "reason": "fraudulent" })).await.ok();
    assert_eq!(money(&dispute), (1000, "usd"));
    let taken = &dispute["balance_transactions"][0];
    assert_eq!((leg(taken), &taken["fee"], &taken["net"]), ((-1356, "cad", None), &json!(1500), &json!(-2856)));
    assert_eq!(taken["type"], "adjustment");
    // At another day's rate, less is returned.
    stripe.admin("POST", "rates", json!({ "usd": { "cad": 1.3 } })).await.ok();
    let closed = stripe.admin("POST", &format!("disputes/{}/close", id(&dispute)), json!({ "outcome": "won" })).await.ok();
    assert_eq!(leg(&closed["balance_transactions"][1]), (1274, "cad", None));
    stripe.books().await;
}

/// A charge of 50.00 EUR with a fee of 10 %, for a platform in the US and a seller in Germany.
async fn euros(destination: bool) -> (Stripe, String) {
    let stripe = at(json!({ "eur": { "usd": 1.10 }, "usd": { "eur": 0.90 } })).await;
    // Without `on_behalf_of`, the money cannot leave the platform's region.
    let country = if destination { "US" } else { "DE" };
    let account = stripe.admin("POST", "accounts", json!({ "country": country, "default_currency": "eur" })).await.ok();
    (stripe, id(&account).to_owned())
}

#[tokio::test]
async fn a_direct_charge_in_euros_brings_the_platform_dollars() {
    let (stripe, germany) = euros(false).await;
    let one = charge(&stripe, Some(&germany), "5000", "eur", &[("application_fee_amount", "500")]).await;
    assert_eq!(leg(&one["balance_transaction"]), (5000, "eur", None));
    let fee = read(&stripe, None, &format!("/v1/application_fees/{}", id(&one["application_fee"]))).await;
    assert_eq!((money(&fee), leg(&transaction(&stripe, None, &fee).await)), ((500, "eur"), (539, "usd", Some(1.078))));
    refund(&stripe, Some(&germany), &one, &[("refund_application_fee", "true")]).await;
    assert_eq!(balance(&stripe, None).await, pairs(&[("usd", 539 - 550)]));
    assert_eq!(balance(&stripe, Some(&germany)).await, pairs(&[("eur", -175)]));
}

#[tokio::test]
async fn a_destination_charge_in_euros_is_dollars_on_the_platform() {
    let (stripe, germany) = euros(true).await;
    let one = charge(&stripe, None, "5000", "eur", &[("transfer_data[destination]", &germany), ("transfer_data[amount]", "4500")]).await;
    assert_eq!(leg(&one["balance_transaction"]), (5390, "usd", Some(1.078)));
    assert_eq!(money(&one["transfer"]), (4851, "usd"));
    assert_eq!(balance(&stripe, Some(&germany)).await, pairs(&[("eur", 4279)]));
    refund(&stripe, None, &one, &[("reverse_transfer", "true")]).await;
    let fee = one["balance_transaction"]["fee"].as_i64().unwrap();
    assert_eq!(balance(&stripe, None).await, pairs(&[("usd", 5390 - 4851 - 5500 + 4851 - fee)]));
    assert_eq!(balance(&stripe, Some(&germany)).await, pairs(&[("eur", 4279 - 4366)]));
}

#[tokio::test]
async fn a_transfer_is_in_the_currency_of_its_charges_transaction() {
    let (stripe, germany) = euros(true).await;
    let one = charge(&stripe, None, "5000", "eur", &[]).await;
    let send = async |amount: &str, currency: &str| {
        let form = [("amount", amount), ("currency", currency), ("destination", &germany), ("source_transaction", id(&one))];
        stripe.post("/v1/transfers", &form).await
    };
    let refused = send("4500", "eur").await;
    assert_eq!(refused.status, 400);
    let said = "The currency of source_transaction's balance transaction (usd) must be the same as the transfer currency (eur)";
    assert_eq!((refused.message(), &refused.body["error"]["param"]), (said, &json!("currency")));
    assert_eq!(send("5391", "usd").await.status, 400);
    let transfer = send("4851", "usd").await.ok();
    assert_eq!(money(&transfer), (4851, "usd"));
    assert_eq!(balance(&stripe, Some(&germany)).await, pairs(&[("eur", 4279)]));
    stripe.admin("POST", "clock/advance", json!({ "seconds": 3 * 24 * 60 * 60 })).await.ok();
    // The conversion of a cent leaves nothing.
    stripe.admin("POST", "rates", json!({ "usd": { "eur": 0.4 } })).await.ok();
    let tiny = stripe.post(&format!("/v1/transfers/{}/reversals", id(&transfer)), &[("amount", "1")]).await;
    assert_eq!(tiny.status, 400);
    stripe.books().await;
}

#[tokio::test]
async fn a_currency_that_an_account_can_hold_is_not_converted() {
    let stripe = Stripe::start().await;
    let both = stripe.admin("POST", "accounts", json!({ "country": "DE", "settlement_currencies": ["usd"] })).await.ok();
    for (currency, held) in [("usd", "usd"), ("eur", "eur"), ("gbp", "eur")] {
        let one = charge(&stripe, Some(id(&both)), "1000", currency, &[]).await;
        assert_eq!(one["balance_transaction"]["currency"], held, "{currency}");
        assert_eq!(one["balance_transaction"]["exchange_rate"].is_null(), currency == held);
    }
    let every = Stripe::with(Options { every_currency: true, ..Options::default() }).await;
    let one = charge(&every, None, "1000", "gbp", &[]).await;
    assert_eq!(leg(&one["balance_transaction"]), (1000, "gbp", None));
    let abroad = Stripe::with(Options { country: "JP".to_owned(), ..Options::default() }).await;
    let one = charge(&abroad, None, "1000", "usd", &[]).await;
    assert_eq!(one["balance_transaction"]["currency"], "jpy");
    // Dollars have cents; the yen has no smaller unit.
    let rate = one["balance_transaction"]["exchange_rate"].as_f64().unwrap();
    assert!((1.0..2.0).contains(&rate), "{rate}");
    abroad.books().await;
}

#[tokio::test]
async fn the_minimum_amount_is_that_of_the_settlement_currency() {
    let stripe = at(json!({ "huf": { "usd": 0.0028 } })).await;
    let form = |amount| [("amount", amount), ("currency", "huf"), CARD];
    // 175.00 HUF can be charged, but are worth 48 cents.
    let small = stripe.post("/v1/payment_intents", &form("17500")).await;
    assert_eq!(small.error(), (400, "amount_too_small"));
    assert!(small.message().starts_with("Amount must convert to at least $0.50"), "{}", small.message());
    stripe.post("/v1/payment_intents", &form("18500")).await.ok();
}

/// Charges, refunds, reversals, fees and disputes of all kinds while rates change: the books still balance.
#[tokio::test]
async fn the_books_hold_while_rates_move() {
    let stripe = Stripe::start().await;
    let sellers = [seller(&stripe, "US").await, seller(&stripe, "CA").await];
    let mut chance = fastrand::Rng::with_seed(7);
    let mut charges: Vec<(Option<String>, Value)> = Vec::new();
    for step in 0..60 {
        let rate = 1.0 + chance.f64();
        stripe.admin("POST", "rates", json!({ "usd": { "cad": rate }, "eur": { "usd": 2.0 - rate / 2.0, "cad": 3.0 - rate } })).await.ok();
        let to = &sellers[chance.usize(..2)];
        let currency = ["usd", "cad", "eur"][chance.usize(..3)];
        let amount = chance.u32(200..20_000).to_string();
        let destination = ("transfer_data[destination]", to.as_str());
        let fee = ("application_fee_amount", "77");
        match chance.u32(..7) {
            0 => charges.push((Some(to.clone()), charge(&stripe, Some(to), &amount, currency, &[fee]).await)),
            1 => charges.push((None, charge(&stripe, None, &amount, currency, &[destination, fee]).await)),
            2 => charges.push((None, charge(&stripe, None, &amount, currency, &[destination, fee, ("on_behalf_of", to)]).await)),
            3 => {
                let one = charge(&stripe, None, &amount, currency, &[("on_behalf_of", to)]).await;
                let settled = &one["balance_transaction"];
                let half = (settled["amount"].as_i64().unwrap() / 2).to_string();
                let currency = settled["currency"].as_str().unwrap();
                let form = [("amount", half.as_str()), ("currency", currency), ("destination", to), ("source_transaction", id(&one))];
                stripe.post("/v1/transfers", &form).await.ok();
            }
            4 if !charges.is_empty() => {
                let (account, one) = charges.swap_remove(chance.usize(..charges.len()));
                if account.is_none() {
                    stripe.admin("POST", &format!("charges/{}/dispute", id(&one)), json!({ "reason": "general" })).await.ok();
                }
            }
            _ if !charges.is_empty() => {
                let (account, one) = &charges[chance.usize(..charges.len())];
                let part = chance.u32(1..60).to_string();
                let mut form = vec![("amount", part.as_str()), ("charge", id(one)), ("refund_application_fee", "true")];
                if account.is_none() {
                    form.push(("reverse_transfer", "true"));
                }
                let answer = match account {
                    Some(account) => stripe.post_on(account, "/v1/refunds", &form).await,
                    None => stripe.post("/v1/refunds", &form).await,
                };
                assert!([200, 400].contains(&answer.status), "{:#}", answer.body);
            }
            _ => {}
        }
        let books = stripe.admin("GET", "books", Value::Null).await.ok();
        assert_eq!(books["balanced"], true, "after step {step}: {books:#}");
    }
}
