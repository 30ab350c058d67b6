//! Compares the objects in openapi.yaml with what the functions answer.

use std::collections::{BTreeMap, BTreeSet};

use oauth_callback::callback::Reason;
use serde_json::{Value, json};
use shared::domain::charging::ChargeType;
use shared::domain::membership::{Offer, Subscription};
use shared::domain::money::Currency;
use shared::domain::purchase::Purchase;
use shared::http::sale_view::SaleView;
use shared::http::view::{CourseView, MembershipView, PaymentMethodView, PurchaseView, SubscriptionView, UserView};
use shared::settings::config::Config;

use super::{entries, file, list, strings, text};

const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];

pub fn read() -> Value {
    yaml_serde::from_str(&file("openapi.yaml")).expect("it is YAML")
}

/// Resolves a `$ref`. Returns any other value unchanged.
pub fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref") {
        Some(reference) => {
            let pointer = text(reference).strip_prefix('#').expect("the document refers to itself only");
            document.pointer(pointer).unwrap_or_else(|| panic!("there is no {reference}"))
        }
        None => value,
    }
}

/// Every operation by its method, in upper case, and its path.
pub fn operations(document: &Value) -> BTreeMap<(String, String), &Value> {
    let items = entries(&document["paths"]);
    let operations = items.flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| Some(((method.to_uppercase(), path.to_owned()), item.get(*method)?)))
    });
    operations.collect()
}

/// Compares the field names of an object with its schema: none may be unknown, and no required one may be missing.
fn assert_described(document: &Value, schema: &str, sent: &Value) {
    let schema_value = &document["components"]["schemas"][schema];
    let known: BTreeSet<_> = entries(&schema_value["properties"]).map(|(name, _)| name).collect();
    let sent: BTreeSet<_> = entries(sent).map(|(name, _)| name).collect();
    let required = schema_value.get("required").map(strings).unwrap_or_default();
    assert_eq!(sent.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new(), "{schema} does not describe these");
    assert_eq!(required.difference(&sent).collect::<Vec<_>>(), Vec::<&&str>::new(), "{schema} promises these");
}

fn purchase(status: &str) -> Purchase {
    let at = "2026-11-02T09:30:00Z";
    let of_attempt = if matches!(status, "partially_refunded" | "refunded" | "disputed") { "paid" } else { status };
    let attempt = json!({
        "number": 1, "means": "checkout", "account": null, "idempotency_key": "k", "body": "", "customer": "cus_1", "payment_method": null,
        "amount": 5000, "application_fee": 2500, "started_at": at, "leased_until": at, "payment_intent": null, "checkout_session": null,
        "status": of_attempt, "failure": { "code": "card_declined", "decline_code": null, "declined": true },
    });
    let purchase = json!({
        "id": "pur_0000000000000000_000000000000000000", "course_id": "crs_0000000000000000_000000000000000000", "course_title": "T", "course_slug": "t",
        "buyer_id": "usr_0000000000000000", "seller_id": "usr_0000000000000000", "seller_account": "acct_1", "charge_type": "direct",
        "amount": 5000, "currency": "usd", "application_fee": 2500, "status": status, "refunded": 0, "created_at": at, "updated_at": at,
        "paid_at": at, "attempts": [attempt], "history": [], "version": 1,
    });
    serde_json::from_value(purchase).expect("it is a purchase")
}

#[test]
fn the_objects_match_their_description() {
    let document = read();
    let at = "2026-11-02T09:30:00Z";
    let course = json!({
        "id": "crs_0000000000000000_000000000000000000", "slug": "t", "title": "T", "description": "", "price": { "amount": 5000, "currency": "usd" },
        "fee_percent": 50, "seller_id": "usr_0000000000000000", "published": true, "created_at": at, "updated_at": at, "version": 1,
    });
    let course: shared::domain::course::Course = serde_json::from_value(course).expect("it is a course");
    let user = json!({
        "id": "usr_0000000000000000", "email": "test@seller.com", "password_hash": "$", "is_seller": true, "is_staff": false, "created_at": at,
        "stripe": { "account_id": "acct_1", "account_type": "standard", "charges_enabled": true, "scope": "read_write", "livemode": false, "linked_at": at },
    });
    let user: shared::domain::user::User = serde_json::from_value(user).expect("it is a user");
    let config = Config::from_lookup(|_| None).expect("the defaults are settings");
    let account = serde_json::to_value(onboarding::view::AccountView::new(&user, &config.terms)).expect("it is JSON");
    let user = serde_json::to_value(UserView::from(&user)).expect("it is JSON");
    assert_described(&document, "StripeLink", &user["stripe"]);
    assert_described(&document, "User", &user);
    assert_described(&document, "StripeAccount", &account);
    for (name, part) in entries(&account).filter(|(_, part)| part.is_object()) {
        let described = &document["components"]["schemas"]["StripeAccount"]["properties"][name]["properties"];
        assert_eq!(entries(part).map(|(name, _)| name).collect::<Vec<_>>(), entries(described).map(|(name, _)| name).collect::<Vec<_>>());
    }
    for owned in [None, Some(true)] {
        assert_described(&document, "Course", &serde_json::to_value(CourseView::new(course.clone(), owned)).expect("it is JSON"));
    }
    let card = shared::domain::card::Card {
        id: "pm_1".to_owned(),
        brand: "visa".to_owned(),
        last4: "4242".to_owned(),
        exp_month: 12,
        exp_year: 2030,
        is_default: true,
        created_at: time::OffsetDateTime::UNIX_EPOCH,
    };
    assert_described(&document, "PaymentMethod", &serde_json::to_value(PaymentMethodView::from(&card)).expect("it is JSON"));
    let seller = "usr_0000000000000000".parse().expect("it is an id");
    let offer = Offer {
        seller_id: seller,
        title: "T".to_owned(),
        monthly: Some(1000),
        yearly: None,
        currency: Currency::Usd,
        updated_at: card.created_at,
    };
    assert_described(&document, "Membership", &serde_json::to_value(MembershipView::new(offer, Some(true))).expect("it is JSON"));
    for failure in [None, Some(json!({ "code": "card_declined", "decline_code": null, "declined": true }))] {
        let subscription = json!({
            "id": "mem_0000000000000000_000000000000000000", "buyer_id": "usr_0000000000000000", "seller_id": "usr_0000000000000000", "title": "T",
            "interval": "month", "amount": 1000, "currency": "usd", "charge_type": "direct", "seller_account": "acct_1", "customer": "cus_1",
            "idempotency_key": "k", "body": "", "leased_until": at, "status": "failed", "failure": failure, "created_at": at, "updated_at": at,
            "version": 1,
        });
        let subscription: Subscription = serde_json::from_value(subscription).expect("it is a subscription");
        assert_described(&document, "Subscription", &serde_json::to_value(SubscriptionView::from(&subscription)).expect("it is JSON"));
    }
    for status in ["failed", "paid"] {
        let purchase = purchase(status);
        let sent = serde_json::to_value(PurchaseView::from(&purchase)).expect("it is JSON");
        assert_described(&document, "Purchase", &sent);
        assert_eq!(sent.get("failure").is_some(), status == "failed");
        if let Some(failure) = sent.get("failure") {
            assert_described(&document, "Failure", failure);
        }
        assert_described(&document, "Sale", &serde_json::to_value(SaleView::from(&purchase)).expect("it is JSON"));
    }
}

#[test]
fn statuses_and_charge_types_match_the_code() {
    let document = read();
    let schemas = &document["components"]["schemas"];
    for status in strings(&schemas["Status"]["enum"]) {
        assert_eq!(json!(purchase(status).status()), json!(status));
    }
    // In the other direction: serde's error lists every accepted value.
    let refusal = serde_json::from_value::<shared::domain::purchase::Status>(json!("?")).expect_err("it is not a status").to_string();
    let taken: BTreeSet<_> = refusal.split('`').skip(3).step_by(2).collect();
    assert_eq!(taken, strings(&schemas["Status"]["enum"]));
    let refusal = serde_json::from_value::<shared::domain::membership::Status>(json!("?")).expect_err("it is not a status").to_string();
    let taken: BTreeSet<_> = refusal.split('`').skip(3).step_by(2).collect();
    assert_eq!(taken, strings(&schemas["SubscriptionStatus"]["enum"]));
    let refusal = serde_json::from_value::<ChargeType>(json!("?")).expect_err("it is not a charge type").to_string();
    let taken: BTreeSet<_> = refusal.split('`').skip(3).step_by(2).collect();
    assert_eq!(taken, strings(&schemas["ChargeType"]["enum"]));
}

#[test]
fn the_examples_have_the_shape_that_they_illustrate() {
    let document = read();
    for (name, schema) in entries(&document["components"]["schemas"]) {
        for example in schema.get("examples").map(list).unwrap_or_default() {
            if example.is_object() {
                assert_described(&document, name, example);
            }
        }
    }
    let charged = &document["paths"]["/courses/charge"]["post"]["responses"]["201"]["content"]["application/json"]["examples"];
    for (_, example) in entries(charged) {
        assert_described(&document, "Charged", &example["value"]);
        assert_described(&document, "Purchase", &example["value"]["purchase"]);
    }
}

#[test]
fn a_price_can_be_as_high_as_the_document_says_and_no_higher() {
    let document = read();
    let maximum = document["components"]["schemas"]["Price"]["properties"]["amount"]["maximum"].as_i64().expect("a number");
    let price = |amount| shared::domain::money::Price { amount, currency: Currency::Usd };
    assert_eq!(price(maximum).fault(), None);
    assert!(price(maximum + 1).fault().is_some());
}

#[test]
fn the_reasons_of_a_failed_link_match_the_code() {
    let document = read();
    let description = text(&document["paths"]["/users/oauth/callback"]["get"]["description"]);
    let rows = description.lines().filter(|line| line.starts_with("| `"));
    let documented: BTreeSet<_> =
        rows.flat_map(|row| row.split('|').nth(1).expect("it has a first cell").split('`').skip(1).step_by(2)).collect();
    let answered: BTreeSet<_> = Reason::ALL.into_iter().map(Reason::code).collect();
    assert_eq!(documented, answered);
}
