//! What must hold in the end, whatever was broken on the way.

use serde_json::Value;

use super::sale::{Play, Sale};
use super::scenarios::Kind;

fn whole(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn items(list: &Value) -> Vec<Value> {
    list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone()
}

/// Checks one play.
pub(super) async fn check(sale: &Sale, play: &Play, case: &str) {
    let world = &sale.world;
    let (status, platform, seller) = sale.kind.end();
    let all = sale.payments_of(play).await;
    let is_given_back = |payment: &Value| payment["status"] == "canceled" || payment["latest_charge"]["refunded"] == true;
    // What was paid for nothing was refunded.
    let (returned, payments): (Vec<Value>, Vec<Value>) = all.into_iter().partition(|payment| play.is_earlier(payment));
    assert!(returned.iter().all(is_given_back), "{case}: {returned:?}");
    let taken: Vec<&Value> = payments.iter().filter(|payment| payment["status"] == "succeeded").collect();
    assert_eq!(taken.len(), 1, "{case}: one purchase is one charge: {payments:?}");
    let (payment, charge) = (taken[0], &taken[0]["latest_charge"]);

    // The record matches Stripe.
    let purchases = world.get("/purchases").bearer(&play.buyer.token).await.json();
    let mine: Vec<&Value> =
        purchases["items"].as_array().expect("a list").iter().filter(|one| one["course_id"] == play.course_id.as_str()).collect();
    let mine: Vec<&Value> = mine.into_iter().filter(|one| one["id"].as_str() != play.earlier.as_deref()).collect();
    assert_eq!(mine.len(), 1, "{case}: {purchases}");
    let view = mine[0];
    let id = view["id"].as_str().expect("an id").parse().expect("an id");
    let purchase = world.app.store.purchase(&id).await.expect("the table").expect("it is there");
    assert_eq!(view["amount"], payment["amount"], "{case}");
    assert_eq!(view["refunded"], charge["amount_refunded"], "{case}");
    assert_eq!(view["status"], status, "{case}: {purchase:#?}");

    // Nothing is at Stripe without a record, or on record without its cause.
    for payment in &payments {
        let known = purchase.attempts().iter().any(|attempt| attempt.payment_intent.as_deref() == payment["id"].as_str());
        assert!(known, "{case}: {} is an orphan", payment["id"]);
    }
    for attempt in purchase.attempts() {
        let began = purchase.history().iter().any(|step| step.attempt == attempt.number && !step.cause.is_empty());
        assert!(began, "{case}: attempt {} has no cause", attempt.number);
    }
    let caused = |what: &str| purchase.history().iter().filter(|step| step.what.as_deref() == Some(what)).count();
    for movement in purchase.movements() {
        let done = format!("{:?} {} done", movement.kind, movement.number).to_lowercase();
        assert!(caused(&done) <= 1, "{case}: {done} twice");
    }
    orphans(sale, &purchase, payment, case).await;

    // Fee and shares, at Stripe and in our books.
    assert_eq!(parts(sale, payment, charge).await, (platform, seller), "{case}: the platform's and the seller's shares");
    let sales = world.get("/sales?limit=40").bearer(&sale.seller.token).await.json();
    let line = sales["items"].as_array().expect("a list").iter().find(|line| line["purchase_id"] == view["id"]).cloned();
    let line = line.unwrap_or_else(|| panic!("{case}: no line in {sales}"));
    assert_eq!(whole(&line["net"]), sale.kind.of_the_seller(), "{case}: what the seller's account has gained");

    // Access follows the payment.
    let content = world.get(format!("/courses/{}/content", play.course_id)).bearer(&play.buyer.token).await;
    let lost = purchase.disputes().iter().any(|dispute| dispute.status == shared::domain::purchase::DisputeStatus::Lost);
    let opens = matches!(status, "paid" | "partially_refunded") || (status == "disputed" && !lost);
    assert_eq!(content.status, if opens { 200 } else { 403 }, "{case}");
}

/// Nobody has access before Stripe has the money, whatever the browser was told or wherever it returns from.
pub(super) async fn check_access(sale: &Sale, play: &Play, case: &str) {
    let content = sale.world.get(format!("/courses/{}/content", play.course_id)).bearer(&play.buyer.token).await;
    if content.status == 200 {
        let is_paid = sale.payments_of(play).await.iter().any(|payment| payment["status"] == "succeeded");
        assert!(is_paid, "{case}: access without money");
    }
}

/// Each refund, transfer and reversal at Stripe is on record once.
async fn orphans(sale: &Sale, purchase: &shared::domain::purchase::Purchase, payment: &Value, case: &str) {
    let (world, account) = (&sale.world, sale.charged_account());
    let known = |id: &Value| purchase.movements().iter().filter(|movement| movement.stripe_id.as_deref() == id.as_str()).count();
    let intent = payment["id"].as_str().expect("an id");
    for refund in items(&world.stripe(&format!("/refunds?limit=100&payment_intent={intent}"), account).await) {
        assert_eq!(known(&refund["id"]), 1, "{case}: {refund} is not a movement on record");
    }
    for transfer in items(&world.stripe(&format!("/transfers?limit=100&transfer_group={}", purchase.id), None).await) {
        assert_eq!(known(&transfer["id"]), 1, "{case}: {transfer} is not a movement on record");
        for reversal in items(&transfer["reversals"]) {
            assert_eq!(known(&reversal["id"]), 1, "{case}: {reversal} is not a movement on record");
        }
    }
}

/// The platform's and the seller's parts of a payment, from Stripe's objects, before Stripe's own fee.
async fn parts(sale: &Sale, payment: &Value, charge: &Value) -> (i64, i64) {
    let world = &sale.world;
    let (amount, refunded) = (whole(&payment["amount"]), whole(&charge["amount_refunded"]));
    let mut transfers = items(
        &world
            .stripe(&format!("/transfers?limit=100&transfer_group={}", payment["metadata"]["purchase_id"].as_str().expect("ours")), None)
            .await,
    );
    if let Some(own) = charge["transfer"].as_str() {
        transfers.push(world.stripe(&format!("/transfers/{own}"), None).await);
    }
    // A charge's own transfer is all of it, converted if it settled in another currency.
    let left = |one: &Value| whole(&one["amount"]) - whole(&one["amount_reversed"]);
    let converted =
        |one: &Value| if one["currency"] == charge["currency"] { left(one) } else { left(one) * amount / whole(&one["amount"]) };
    let transferred: i64 = transfers.iter().map(converted).sum();
    let fee = match charge["application_fee"].as_str() {
        Some(id) => {
            let fee = world.stripe(&format!("/application_fees/{id}"), None).await;
            whole(&fee["amount"]) - whole(&fee["amount_refunded"])
        }
        None => 0,
    };
    let path = format!("/disputes?payment_intent={}", payment["id"].as_str().unwrap_or_default());
    let lost = items(&world.stripe(&path, sale.charged_account()).await)
        .iter()
        .filter(|dispute| dispute["status"] != "won")
        .map(|dispute| whole(&dispute["amount"]))
        .sum::<i64>();
    if sale.charged_account().is_some() {
        (fee, amount - refunded - lost - fee)
    } else {
        // The platform has what it did not transfer, and its fee on what it did.
        (amount - refunded - lost - transferred + fee, transferred - fee)
    }
}

/// Checks all plays together.
pub(super) async fn check_books(sale: &Sale) {
    let world = &sale.world;
    world.books().await;
    if sale.kind.loses_sales() {
        return;
    }
    let (mut lines, mut path) = (Vec::new(), "/sales?limit=100".to_owned());
    let totals = loop {
        let page = world.get(path.as_str()).bearer(&sale.seller.token).await.json();
        lines.extend(page["items"].as_array().expect("a list").clone());
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/sales?limit=100&cursor={cursor}"),
            None => break page["totals"][0].clone(),
        }
    };
    let sum = |name: &str| lines.iter().map(|line| whole(&line[name])).sum::<i64>();
    let kept = sum("application_fee") - sum("application_fee_refunded");
    for (name, expected) in [
        ("gross", sum("amount")),
        ("refunded", sum("refunded")),
        ("net", sum("net")),
        ("disputed", sum("disputed")),
        ("stripe_fee", sum("stripe_fee")),
        ("application_fee", kept),
    ] {
        assert_eq!(whole(&totals[name]), expected, "{:?}: the total of {name}", sale.kind);
    }
    if sale.kind == Kind::ReconciledOrphanCanceled {
        // A payment that was paid before it could be canceled was refunded, and the books report its charge once, hours later.
        world.pass(time::Duration::hours(4)).await;
        world.reconcile().await;
    }
    world.pass(time::Duration::hours(4)).await;
    let report = world.reconcile().await;
    assert_eq!((report.differences, report.recorded, report.returned), (0, 0, 0), "{:?}: our books are Stripe's", sale.kind);
}
