//! Events that do not concern us, or whose objects have unusual fields, are acknowledged. Stripe disables an endpoint that
//! fails for days. <https://docs.stripe.com/webhooks#retries>

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{CONNECT, PLATFORM, World};

/// Events that no function handles, some of every sort.
const OTHERS: [&str; 12] = [
    "account.application.authorized",
    "account.external_account.created",
    "balance.available",
    "charge.failed",
    "charge.pending",
    "charge.refund.updated",
    "charge.succeeded",
    "customer.subscription.trial_will_end",
    "customer.updated",
    "invoice.created",
    "setup_intent.succeeded",
    "v2.core.account.updated",
];

/// Every kind of event that a function handles, and the others.
fn kinds() -> impl Iterator<Item = &'static str> {
    webhook::events::EVENTS.iter().map(|handled| handled.name).chain(OTHERS)
}

fn event(number: usize, kind: &str, account: Option<&str>, object: &Value) -> Value {
    json!({
        "id": format!("evt_arrival_{number}"), "object": "event", "type": kind, "account": account, "api_version": "2020-08-27",
        "created": 1_700_000_000, "livemode": false, "request": null, "data": { "object": object, "previous_attributes": null },
    })
}

/// Sends a body to both endpoints. Each must acknowledge it.
async fn arrives(world: &World, body: &Value, what: &str) {
    for endpoint in [PLATFORM, CONNECT] {
        let answer = world.send_event(endpoint, &body.to_string()).await;
        assert_eq!(answer.status, 200, "{what} at {}: {} of {body}", endpoint.0, answer.body);
    }
}

/// Objects from a seller's own use of their Stripe account, with every field null that Stripe's types allow to be null.
fn bare_objects() -> Vec<Value> {
    vec![
        json!({ "id": "in_own", "object": "invoice", "parent": null, "metadata": null, "lines": null, "payments": null, "status": null,
                "billing_reason": "manual", "amount_paid": 1000, "subscription": null }),
        json!({ "id": "in_old", "object": "invoice", "subscription": "sub_of_another", "metadata": {}, "lines": { "data": [null, 7] } }),
        json!({ "id": "sub_own", "object": "subscription", "status": null, "metadata": null, "customer": null, "latest_invoice": null,
                "items": { "object": "list", "data": [{ "id": "si_1", "price": null, "current_period_end": null }], "has_more": false } }),
        json!({ "id": "pi_own", "object": "payment_intent", "status": null, "amount": null, "currency": null, "metadata": null,
                "latest_charge": { "id": "ch_own", "balance_transaction": null, "metadata": null, "amount_refunded": null },
                "last_payment_error": null, "next_action": null, "transfer_data": null, "customer": { "id": "cus_1", "deleted": true } }),
        json!({ "id": "ch_own", "object": "charge", "payment_intent": "pi_own", "amount_refunded": null, "metadata": null, "transfer": null,
                "application_fee": null, "balance_transaction": null }),
        json!({ "id": "ch_without", "object": "charge", "payment_intent": null, "amount_refunded": 100, "metadata": null }),
        json!({ "id": "ch_expanded", "object": "charge", "payment_intent": { "id": "pi_own", "object": "payment_intent" } }),
        json!({ "id": "re_own", "object": "refund", "amount": 100, "payment_intent": "pi_own", "charge": "ch_own", "status": null, "metadata": null,
                "transfer_reversal": null }),
        json!({ "id": "re_odd", "object": "refund", "amount": null, "payment_intent": "pi_own" }),
        json!({ "id": "dp_own", "object": "dispute", "amount": 100, "payment_intent": "pi_own", "status": "appeal_under_review", "reason": null }),
        json!({ "id": "dp_null", "object": "dispute", "amount": 100, "payment_intent": null, "status": null, "reason": null, "metadata": null }),
        json!({ "id": "tr_own", "object": "transfer", "amount": 100, "metadata": null, "reversals": null, "transfer_group": null }),
        json!({ "id": "cs_own", "object": "checkout.session", "status": null, "payment_status": null, "mode": null, "metadata": null,
                "payment_intent": null, "subscription": null, "url": null }),
        json!({ "id": "pm_own", "object": "payment_method", "customer": "cus_nobody", "card": { "brand": null, "exp_month": null } }),
        json!({ "id": "acct_own", "object": "account", "capabilities": null, "requirements": null, "metadata": null, "country": null }),
        json!({ "id": "issfr_own", "object": "radar.early_fraud_warning", "actionable": true, "fraud_type": null, "payment_intent": "pi_own" }),
        json!({ "id": "issfr_odd", "object": "radar.early_fraud_warning", "actionable": null, "charge": "ch_own", "payment_intent": null }),
        json!({ "id": "po_own", "object": "payout", "status": null, "failure_code": null, "metadata": null }),
        json!({ "object": "balance", "available": [] }),
        Value::Null,
        json!([]),
        json!("text"),
    ]
}

#[tokio::test]
async fn events_of_a_sellers_own_use_of_their_account_are_acknowledged() {
    let world = World::start().await;
    let shop = world.shop().await;
    let gone = world.seller("gone@seller.com").await;
    let gone_account = world.link(&gone).await;
    world.admin("POST", &format!("accounts/{gone_account}/deauthorize"), json!({})).await;
    let mut number = 0;
    for object in bare_objects() {
        for kind in kinds() {
            // For a typed object, only the events about that type are tried; for an untyped one, all of them.
            let subject = object["object"].as_str().unwrap_or_default();
            if !subject.is_empty() && !concerns(kind, subject) {
                continue;
            }
            for account in [None, Some(shop.account.as_str()), Some(gone_account.as_str()), Some("acct_of_nobody")] {
                number += 1;
                arrives(&world, &event(number, kind, account, &object), kind).await;
            }
        }
    }
    assert!(number > 100, "{number}");
}

/// Whether events of this type are about this type of object.
fn concerns(kind: &str, object: &str) -> bool {
    let of = |prefix: &str| kind.starts_with(prefix);
    match object {
        "dispute" => of("charge.dispute."),
        "refund" => of("refund.") || kind == "charge.refund.updated",
        "charge" => of("charge.") && !of("charge.dispute.") && !of("charge.refund."),
        "subscription" => of("customer.subscription."),
        "customer" => kind == "customer.updated",
        "account" => of("account.") || of("v2."),
        other => of(&format!("{other}.")),
    }
}

#[tokio::test]
async fn an_event_may_have_a_megabyte_and_other_bodies_keep_their_limit() {
    let world = World::start().await;
    let shop = world.shop().await;
    let bought = world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await.json();
    let id = bought["client_secret"].as_str().and_then(|secret| secret.split("_secret_").next()).expect("an id").to_owned();
    let mut payment = world.stripe(&format!("/payment_intents/{id}"), None).await;
    payment["status"] = "succeeded".into();
    payment["amount_received"] = payment["amount"].clone();
    let mut body = event(1, "payment_intent.succeeded", None, &payment);
    body["padding"] = "x".repeat(1_000_000).into();
    assert_eq!(world.send_event(PLATFORM, &body.to_string()).await.status, 200);
    let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    assert_eq!(purchases["items"][0]["status"], "paid");
    body["padding"] = "x".repeat(1_100_000).into();
    assert_eq!(world.send_event(PLATFORM, &body.to_string()).await.status, 413);
    let other = json!({ "course_id": shop.course_id, "padding": "x".repeat(70_000) });
    assert_eq!(world.post("/courses/charge", other).bearer(&shop.buyer.token).await.status, 413);
}

#[tokio::test]
async fn a_dispute_on_a_disconnected_account_is_acknowledged_and_recorded_if_it_is_ours() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let paid = world.succeeded(Some(&shop.account)).await.remove(0);
    world.admin("POST", &format!("accounts/{}/deauthorize", shop.account), json!({})).await;
    let dispute = |id: &str, payment: &Value| json!({ "id": id, "object": "dispute", "amount": 5000, "payment_intent": payment, "status": "needs_response", "reason": "fraudulent" });
    arrives(&world, &event(1, "charge.dispute.created", Some(&shop.account), &dispute("dp_other", &json!("pi_other"))), "another's").await;
    arrives(&world, &event(2, "charge.dispute.created", Some(&shop.account), &dispute("dp_ours", &paid["id"])), "ours").await;
    let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    assert_eq!(purchases["items"][0]["status"], "disputed");
}

/// The JSON files in the folder `RECORDED`: exchanges with the real Stripe, which are not part of this repository.
fn recorded() -> Vec<(String, Value)> {
    let Some(folder) = std::env::var_os("RECORDED") else { return Vec::new() };
    let mut files: Vec<_> =
        std::fs::read_dir(Path::new(&folder)).expect("RECORDED is a folder").map(|entry| entry.expect("a file").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    assert!(!files.is_empty(), "RECORDED has no JSON files");
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("it can be read");
        (path.file_name().expect("a name").to_string_lossy().into_owned(), serde_json::from_str(&text).expect("it is JSON"))
    };
    files.into_iter().map(read).collect()
}

/// Collects every Stripe object in a value, including nested ones.
fn objects<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            if value["object"].is_string() {
                found.push(value);
            }
            fields.values().for_each(|value| objects(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| objects(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_recorded_event_is_acknowledged_and_so_is_every_recorded_object_as_one() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (mut number, mut seen) = (0, BTreeSet::new());
    for (name, exchange) in recorded() {
        let mut found = Vec::new();
        objects(&exchange, &mut found);
        for object in found {
            let subject = object["object"].as_str().expect("it is one").to_owned();
            if subject == "event" || subject == "v2.core.event" {
                arrives(&world, object, &name).await;
            }
            for kind in kinds().filter(|kind| concerns(kind, &subject)) {
                for account in [None, Some(shop.account.as_str()), Some("acct_of_nobody")] {
                    number += 1;
                    arrives(&world, &event(number, kind, account, object), &name).await;
                }
            }
            seen.insert(subject);
        }
        if exchange["event"].is_object() {
            arrives(&world, &exchange["event"], &name).await;
        }
    }
    println!("{number} events of {seen:?}");
}

/// Parses an object with the struct that the functions use for it. Only a few types need more than an id.
fn read(object: &Value) -> Result<(), serde_json::Error> {
    use shared::stripe::{accounts, billing, cards, objects, read};
    macro_rules! of {
        ($object:ty) => {
            read::value::<$object>(object.clone()).map(drop)
        };
    }
    match object["object"].as_str().unwrap_or_default() {
        "account" => of!(accounts::Account),
        "balance_transaction" => of!(objects::BalanceTransaction),
        "charge" => of!(objects::Charge),
        "checkout.session" => of!(objects::CheckoutSession),
        "customer" => of!(cards::Customer),
        "dispute" => of!(objects::Dispute),
        "event" => of!(shared::stripe::webhook::Event),
        "invoice" => of!(billing::Invoice),
        "list" => {
            let list: objects::List<Value> = read::value(object.clone())?;
            list.data.iter().try_for_each(read)
        }
        "payment_intent" => of!(objects::PaymentIntent),
        "payment_method" => of!(cards::PaymentMethod),
        "refund" => of!(objects::Refund),
        "subscription" => of!(billing::StripeSubscription),
        "transfer" => of!(objects::Transfer),
        "transfer_reversal" => of!(objects::Reversal),
        _ => Ok(()),
    }
}

#[test]
fn every_recorded_object_can_be_read() {
    for (name, exchange) in recorded() {
        let mut found = Vec::new();
        objects(&exchange, &mut found);
        for object in found {
            if let Err(error) = read(object) {
                panic!("{name}: {error}: {object}");
            }
        }
    }
}

#[tokio::test]
async fn one_unreadable_line_hides_no_other_and_is_a_finding() {
    let world = World::start().await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    world.reconcile().await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    world.pass(time::Duration::hours(4)).await;
    let mut page = world.stripe("/balance_transactions?limit=100&expand[]=data.source", None).await;
    let lines = page["data"].as_array_mut().expect("a list");
    assert!(!lines.is_empty());
    // A line with only the required fields, and one that lacks even the amount.
    lines.insert(
        0,
        json!({ "id": "txn_payout", "object": "balance_transaction", "type": "payout", "amount": -5, "currency": "usd", "created": 1,
        "source": null, "fee_details": null, "reporting_category": null }),
    );
    lines.insert(
        1,
        json!({ "id": "txn_odd", "object": "balance_transaction", "type": "charge", "amount": null, "currency": "usd", "created": 1 }),
    );
    lines.push(json!("txn_text"));
    let answer = json!({"kind": "raw", "status": 200, "content_type": "application/json", "body": page.to_string()});
    world.fault("GET", "/v1/balance_transactions", answer).await;
    let report = world.reconcile().await;
    assert_eq!((report.recorded, report.returned, report.differences), (0, 0, 2), "{report:?}");
    let found = world.get("/admin/findings").bearer(&staff.token).await.json();
    let found: BTreeSet<(&str, &str)> = found["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["kind"].as_str().unwrap_or_default(), one["stripe_id"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(found, BTreeSet::from([("unreadable", "txn_odd"), ("unreadable", "")]));
}
