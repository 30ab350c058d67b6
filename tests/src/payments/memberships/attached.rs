//! Payments that the owner of a connected account attaches to a membership's invoice: <https://docs.stripe.com/api/invoices/attach_payment>.

use serde_json::{Value, json};
use shared::domain::charging::ChargeType;
use time::Duration;

use super::accounts::{as_owner, findings};
use super::{Club, DIRECT, pass};
use crate::harness::World;

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text")).to_owned()
}

/// Makes or changes something at Stripe as the owner of the charged account does; as staff, if that is the platform's.
async fn made(world: &World, account: Option<&str>, path: &str, form: &[(&str, &str)]) -> Value {
    let form: Vec<(&str, String)> = form.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let made = world.in_dashboard(path, account, &form).await;
    assert!(made["error"].is_null(), "{path}: {made}");
    made
}

/// A member whose renewal could not be charged: the subscription's id, its customer at Stripe, and the open invoice.
async fn owing(world: &World, club: &mut Club) -> (String, String, String) {
    let id = club.joined(world, "month").await;
    world.deliver().await;
    let account = charged(world, club);
    let account = account.as_deref();
    let at_stripe = club.at_stripe(world, account).await[0].clone();
    let customer = text(&at_stripe["customer"]);
    let attached = made(world, account, "/payment_methods/pm_card_chargeCustomerFail/attach", &[("customer", &customer)]).await;
    let path = format!("/subscriptions/{}", text(&at_stripe["id"]));
    made(world, account, &path, &[("default_payment_method", &text(&attached["id"]))]).await;
    pass(world, club, 32).await;
    let open = text(&world.stripe("/invoices?status=open", account).await["data"][0]["id"]);
    (id, customer, open)
}

/// The account that is charged; `None` is the platform.
fn charged(world: &World, club: &Club) -> Option<String> {
    let is_direct = world.app.config.terms.charge_type == Some(ChargeType::Direct);
    is_direct.then(|| club.shop.account.clone())
}

/// Attaches a payment and delivers the events.
async fn attach(world: &World, club: &Club, invoice: &str, payment_intent: &str) -> Value {
    let (path, account) = (format!("/invoices/{invoice}/attach_payment"), charged(world, club));
    let invoice = made(world, account.as_deref(), &path, &[("payment_intent", payment_intent)]).await;
    world.deliver().await;
    invoice
}

async fn totals(world: &World, club: &Club) -> Value {
    let totals = world.get("/sales").bearer(&club.shop.seller.token).await.json()["totals"][0].clone();
    json!([totals["sales"], totals["gross"], totals["application_fee"], totals["net"], totals["disputed"]])
}

async fn periods(world: &World, club: &Club) -> Vec<Value> {
    let members = world.get(format!("/sellers/{}/members", club.shop.seller.id)).bearer(&club.shop.seller.token).await.json();
    members["items"][0]["payments"].as_array().unwrap_or_else(|| panic!("{members}")).clone()
}

/// A course's payment is not a membership's as well, whatever its metadata say by then.
#[tokio::test]
async fn a_courses_payment_that_pays_a_membership_is_still_the_courses_alone() {
    for stripped in [false, true] {
        let world = World::with(&DIRECT).await;
        let mut club = Club::open(&world).await;
        let account = club.shop.account.clone();
        let bought = world.buy(&club.shop.buyer, &club.shop.course_id, &club.card).await;
        assert_eq!(bought.status, 201, "{}", bought.body);
        let purchase = text(&bought.json()["purchase"]["id"]);
        let course = world.succeeded(Some(&account)).await.remove(0);
        let (id, _, open) = owing(&world, &mut club).await;
        let before = totals(&world, &club).await;
        let payment = text(&course["id"]);
        if stripped {
            let names = course["metadata"].as_object().expect("it has metadata").keys().map(|name| format!("metadata[{name}]"));
            let form: Vec<(String, &str)> = names.map(|name| (name, "")).collect();
            let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            as_owner(&world, &club, &format!("/payment_intents/{payment}"), &form).await;
        }
        assert_eq!(attach(&world, &club, &open, &payment).await["status"], "paid");

        // The owner gave the period away; nobody paid for it.
        assert_eq!(club.subscription(&world, &id).await["status"], "active");
        assert_eq!(totals(&world, &club).await, before, "stripped: {stripped}");
        let newest = periods(&world, &club).await[0].clone();
        assert_eq!((&newest["invoice"], &newest["amount"], &newest["refundable"]), (&json!(open), &json!(0), &json!(0)));
        let staff = world.staff("staff@example.com").await;
        assert_eq!(findings(&world, &staff).await, [json!(["payment", 1000, 0, false])]);

        // A dispute and a refund of that payment are the purchase's.
        let charge = text(&course["latest_charge"]);
        let dispute = text(&world.admin("POST", &format!("charges/{charge}/dispute"), json!({"amount": 2000})).await["id"]);
        world.deliver().await;
        assert_eq!(periods(&world, &club).await[0]["disputed"], 0);
        world.admin("POST", &format!("disputes/{dispute}/close"), json!({"outcome": "won"})).await;
        world.deliver().await;
        as_owner(&world, &club, "/refunds", &[("payment_intent", &payment), ("amount", "700")]).await;
        world.deliver().await;
        let sold = world.get(format!("/purchases/{purchase}")).bearer(&club.shop.buyer.token).await.json();
        assert_eq!((&sold["refunded"], &sold["dispute"]["id"]), (&json!(700), &json!(dispute)), "{sold}");
        assert_eq!(periods(&world, &club).await[0]["refunded"], 0);
        for hours in [1, 7] {
            world.pass(Duration::hours(hours)).await;
            world.reconcile().await;
        }
        world.books().await;
        assert_eq!(findings(&world, &staff).await.len(), 1, "told once");
    }
}

/// The owner pays the member's invoice with a payment of somebody else's, of which the platform gets nothing.
#[tokio::test]
async fn a_payment_without_the_members_customer_is_no_sale() {
    let world = World::with(&DIRECT).await;
    let mut club = Club::open(&world).await;
    let (id, _, open) = owing(&world, &mut club).await;
    let before = totals(&world, &club).await;
    let own = [("amount", "1000"), ("currency", "usd"), ("payment_method", "pm_card_visa"), ("confirm", "true")];
    let own = [own.as_slice(), &[("automatic_payment_methods[enabled]", "true"), ("automatic_payment_methods[allow_redirects]", "never")]];
    let own = text(&as_owner(&world, &club, "/payment_intents", &own.concat()).await["id"]);
    assert_eq!(attach(&world, &club, &open, &own).await["status"], "paid");
    assert_eq!(club.subscription(&world, &id).await["status"], "active");
    assert_eq!(totals(&world, &club).await, before);
    assert_eq!(periods(&world, &club).await[0]["amount"], 0);
    let staff = world.staff("staff@example.com").await;
    assert_eq!(findings(&world, &staff).await, [json!(["payment", 1000, 0, false])]);
}

/// Somebody on the platform lets the member pay 4.00 of 10.00 USD by a payment of its own. The member pays the rest with another card.
async fn in_two_payments(world: &World, club: &mut Club) -> (String, [Value; 2]) {
    let (id, customer, open) = owing(world, club).await;
    let card = text(&made(world, None, "/payment_methods/pm_card_bypassPending/attach", &[("customer", &customer)]).await["id"]);
    let form = [
        ("amount", "400"),
        ("application_fee_amount", "200"),
        ("confirm", "true"),
        ("currency", "usd"),
        ("customer", customer.as_str()),
        ("off_session", "true"),
        ("payment_method", card.as_str()),
        ("automatic_payment_methods[allow_redirects]", "never"),
        ("automatic_payment_methods[enabled]", "true"),
        ("transfer_data[destination]", club.shop.account.as_str()),
    ];
    let first = made(world, None, "/payment_intents", &form).await;
    let invoice = attach(world, club, &open, &text(&first["id"])).await;
    assert_eq!((&invoice["status"], &invoice["amount_paid"], &invoice["amount_remaining"]), (&json!("open"), &json!(400), &json!(600)));
    assert_eq!(club.subscription(world, &id).await["status"], "past_due", "a part of the price opens nothing");
    let resumed =
        world.post(format!("/subscriptions/{id}/resume"), json!({"payment_method": club.card})).bearer(&club.shop.buyer.token).await;
    assert_eq!(resumed.status, 200, "{}", resumed.body);
    world.deliver().await;
    let rest = world.succeeded(None).await.into_iter().find(|one| one["amount"] == 600).expect("the rest was paid");
    (id, [first, rest])
}

#[tokio::test]
async fn an_invoice_is_booked_and_refunded_by_all_of_its_payments() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let (id, _) = in_two_payments(&world, &mut club).await;
    assert_eq!(totals(&world, &club).await, json!([2, 2000, 1000, 1000, 0]), "two periods were sold");
    let newest = periods(&world, &club).await[0].clone();
    let seen = json!([newest["amount"], newest["application_fee"], newest["net"], newest["refundable"]]);
    assert_eq!(seen, json!([1000, 500, 500, 600]), "one refund returns one payment");
    assert_eq!(periods(&world, &club).await.len(), 2);
    let staff = world.staff("staff@example.com").await;
    assert_eq!(findings(&world, &staff).await, Vec::<Value>::new(), "both together are the price");

    let invoice = text(&newest["invoice"]);
    let refund = async |body: Value| world.post(format!("/subscriptions/{id}/refund"), body).bearer(&staff.token).await;
    assert_eq!(refund(json!({"invoice": invoice, "amount": 601})).await.status, 422);
    assert_eq!(refund(json!({"invoice": invoice, "amount": 100})).await.status, 200);
    world.deliver().await;
    let newest = periods(&world, &club).await[0].clone();
    assert_eq!((&newest["refunded"], &newest["application_fee"], &newest["net"]), (&json!(100), &json!(450), &json!(450)));
    for (left, open) in [(400, true), (0, false)] {
        assert_eq!(refund(json!({})).await.status, 200);
        world.deliver().await;
        let newest = periods(&world, &club).await[0].clone();
        assert_eq!((&newest["refundable"], club.is_open(&world).await), (&json!(left), open), "{newest}");
    }
    let refunds = world.stripe("/refunds", None).await;
    let mut amounts: Vec<i64> = refunds["data"].as_array().expect("a list").iter().filter_map(|one| one["amount"].as_i64()).collect();
    amounts.sort_unstable();
    assert_eq!(amounts, [100, 400, 500]);
    assert_eq!(totals(&world, &club).await, json!([2, 2000, 500, 500, 0]));
    world.books().await;
}

#[tokio::test]
async fn a_dispute_of_one_of_two_payments_leaves_the_other_to_be_refunded() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let (id, [first, _]) = in_two_payments(&world, &mut club).await;
    let charge = text(&first["latest_charge"]);
    let dispute = text(&world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await["id"]);
    world.deliver().await;
    let newest = periods(&world, &club).await[0].clone();
    assert_eq!((&newest["disputed"], &newest["refundable"], &newest["dispute"]["id"]), (&json!(400), &json!(600), &json!(dispute)));
    let staff = world.staff("staff@example.com").await;
    let refund = async |body: Value| world.post(format!("/subscriptions/{id}/refund"), body).bearer(&staff.token).await;
    assert_eq!(refund(json!({})).await.status, 200);
    world.deliver().await;
    assert_eq!(refund(json!({})).await.text("code"), "purchase_disputed");
    world.admin("POST", &format!("disputes/{dispute}/close"), json!({"outcome": "lost"})).await;
    world.deliver().await;
    assert!(!club.is_open(&world).await, "everything was returned");
    assert_eq!(totals(&world, &club).await[3], 500, "the seller returned their part of both, and keeps that of the first period");
    world.books().await;
}

/// Staff let the member pay by a payment that nobody transfers from: the platform has the money, and returns it alone.
#[tokio::test]
async fn a_payment_without_a_transfer_is_the_platforms() {
    for lost in [false, true] {
        let world = World::start().await;
        let mut club = Club::open(&world).await;
        let (id, customer, open) = owing(&world, &mut club).await;
        let card = text(&made(&world, None, "/payment_methods/pm_card_visa/attach", &[("customer", &customer)]).await["id"]);
        let form = [
            ("amount", "1000"),
            ("confirm", "true"),
            ("currency", "usd"),
            ("customer", customer.as_str()),
            ("off_session", "true"),
            ("payment_method", card.as_str()),
            ("automatic_payment_methods[allow_redirects]", "never"),
            ("automatic_payment_methods[enabled]", "true"),
        ];
        let own = made(&world, None, "/payment_intents", &form).await;
        assert_eq!(attach(&world, &club, &open, &text(&own["id"])).await["status"], "paid");
        world.pass(Duration::hours(2)).await;
        world.deliver().await;
        world.reconcile().await;
        club.log_in(&world).await;
        let staff = world.staff("staff@example.com").await;
        assert_eq!(totals(&world, &club).await, json!([2, 2000, 500, 500, 0]), "the seller has nothing of it");
        assert_eq!(findings(&world, &staff).await, [json!(["application_fee_percent", 5000, 0, false])]);
        if lost {
            let charge = text(&own["latest_charge"]);
            let dispute = text(&world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await["id"]);
            world.admin("POST", &format!("disputes/{dispute}/close"), json!({"outcome": "lost"})).await;
        } else {
            let refunded = world.post(format!("/subscriptions/{id}/refund"), json!({"invoice": open})).bearer(&staff.token).await;
            assert_eq!(refunded.status, 200, "{}", refunded.body);
            let refunds = world.stripe("/refunds", None).await;
            assert_eq!(refunds["data"][0]["amount"], 1000, "{refunds}");
        }
        world.deliver().await;
        assert!(!club.is_open(&world).await, "it was returned");
        assert_eq!(totals(&world, &club).await[3], 500, "the seller keeps their part of the first period");
        let record = world.app.store.subscription(&id.parse().expect("an id")).await.expect("the table is there").expect("it is there");
        assert!(
            record.due_at().is_none_or(|due_at| due_at > world.app.clock.now() + Duration::hours(6)),
            "nothing is left to do: {record:#?}"
        );
        world.books().await;
    }
}
