//! What must hold in the end, whatever was broken on the way.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::domain::membership::Subscription;

use super::kinds::End;
use super::{Kind, Membership, Play, Seller};

fn whole(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The status that clients see for one of Stripe's.
fn status(at_stripe: &Value) -> &str {
    match text(&at_stripe["status"]) {
        "incomplete_expired" => "failed",
        "trialing" => "active",
        other => other,
    }
}

/// Checks one play.
pub(super) async fn check(this: &Membership, play: &Play, case: &str) {
    let world = &this.world;
    let end = this.kind.end();
    check_offer(this, play, case).await;
    let subscriptions = this.subscriptions_of(play).await;
    let running: Vec<&Value> = subscriptions.iter().filter(|one| one["ended_at"].is_null()).collect();
    assert_eq!(running.len(), usize::from(end.runs), "{case}: a member has one subscription: {running:?}");

    // The record matches Stripe.
    let list = world.get("/subscriptions").bearer(&play.buyer.token).await.json();
    let views = list["items"].as_array().unwrap_or_else(|| panic!("{case}: {list}"));
    let open = views.iter().filter(|view| !["canceled", "failed"].contains(&text(&view["status"]))).count();
    assert_eq!(open, running.len(), "{case}: nothing is pending that is not active: {list}");
    let mut records: Vec<Subscription> = Vec::new();
    for view in views {
        let id = text(&view["id"]).parse().expect("an id");
        records.push(world.app.store.subscription(&id).await.expect("the table").expect("it is there"));
    }
    for at_stripe in &running {
        let named = text(&at_stripe["metadata"]["subscription_id"]);
        let view = views.iter().find(|view| view["id"] == named).unwrap_or_else(|| panic!("{case}: {named} is not on record"));
        let record = records.iter().find(|record| record.id.as_str() == named).expect("it is listed");
        assert_eq!(record.stripe_id.as_deref(), at_stripe["id"].as_str(), "{case}");
        assert_eq!(text(&view["status"]), status(at_stripe), "{case}");
        let price = &at_stripe["items"]["data"][0]["price"];
        assert_eq!((&view["interval"], &view["amount"]), (&price["recurring"]["interval"], &price["unit_amount"]), "{case}");
        assert_eq!(text(&view["interval"]), end.interval, "{case}");
        assert_eq!(view["cancel_at_period_end"], at_stripe["cancel_at_period_end"], "{case}");
        assert_eq!(view["cancel_at_period_end"], end.ending, "{case}");
        let until = record.period_end.map(time::OffsetDateTime::unix_timestamp);
        assert_eq!(until, at_stripe["items"]["data"][0]["current_period_end"].as_i64(), "{case}");
    }

    check_money(this, play, &records, &end, case).await;
    check_prices(this, play, &running, case).await;

    // There is one customer per charging account, and no page that could be paid unexpectedly.
    for account in BTreeSet::from([None, this.charged(&play.seller)]) {
        let customers = this.customers_of(play, account).await;
        // One that the owner has made to owe something is left alone.
        let replaced = usize::from(account.is_some() && this.kind == Kind::DirectOfAnIndebtedCustomer);
        assert!(customers.len() <= 1 + replaced, "{case}: a buyer has one customer: {customers:?}");
        let id = play.buyer.id.parse().expect("an id");
        let user = world.app.store.user(&id).await.expect("the table").expect("the buyer");
        assert_eq!(user.customers.get(account.unwrap_or("platform")), customers.first(), "{case}: and it is on record");
    }
    assert_eq!(this.open_session(play).await, None, "{case}");

    // Access follows the payment.
    let path = format!("/courses/{}", play.seller.course_id);
    let content = world.get(format!("{path}/content")).bearer(&play.buyer.token).await.status;
    assert_eq!(content == 200, end.opens, "{case}: {content}, {records:#?}");
    let page = world.get(path.as_str()).bearer(&play.buyer.token).await.json();
    assert_eq!(page["owned"], end.opens, "{case}: the page agrees");
}

/// Checks the seller's offer.
async fn check_offer(this: &Membership, play: &Play, case: &str) {
    let offer = this.world.get(Membership::path(&play.seller)).await.json();
    let is_offered = !matches!(this.kind, Kind::OfferEnded | Kind::ReconciledOfferGone);
    assert_eq!(offer["offered"], is_offered, "{case}: {offer}");
    if is_offered {
        assert_eq!(offer["monthly"], json!({"amount": 1000}), "{case}");
    }
}

/// Each period was charged once, and each paid invoice is on record once and matches Stripe.
async fn check_money(this: &Membership, play: &Play, records: &[Subscription], end: &End, case: &str) {
    let invoices = this.invoices_of(play).await;
    let (paid, unpaid): (Vec<&Value>, Vec<&Value>) = invoices.iter().partition(|invoice| invoice["status"] == "paid");
    assert_eq!(paid.len(), end.invoices, "{case}: {paid:?}");
    // A waiting switch has a free invoice for time that is already paid.
    let charged: Vec<&&Value> = paid.iter().filter(|invoice| whole(&invoice["total"]) > 0).collect();
    let periods: BTreeSet<(&str, i64)> = charged.iter().map(|invoice| (of(invoice), period_of(invoice))).collect();
    assert_eq!(periods.len(), charged.len(), "{case}: a period was charged twice: {paid:?}");
    let running = records.iter().filter(|record| record.status.runs()).find_map(|record| record.stripe_id.as_deref());
    for invoice in unpaid.iter().filter(|invoice| ["draft", "open"].contains(&text(&invoice["status"]))) {
        assert_eq!(Some(of(invoice)), running, "{case}: it could still be paid: {invoice}");
    }

    let payments = this.payments_of(play).await;
    let taken: Vec<&Value> = payments.iter().filter(|payment| payment["status"] == "succeeded").collect();
    assert_eq!(taken.len(), end.payments, "{case}: {payments:?}");
    let recorded: Vec<_> = records.iter().flat_map(|record| &record.payments).collect();
    assert_eq!(recorded.len(), paid.len(), "{case}: each paid invoice is on record once: {recorded:?}");
    let (mut gross, mut fees, mut refunded) = (0, 0, 0);
    for invoice in &paid {
        let ours = recorded.iter().find(|payment| payment.invoice == text(&invoice["id"]));
        let ours = ours.unwrap_or_else(|| panic!("{case}: {invoice} is not on record"));
        assert_eq!(ours.amount, whole(&invoice["amount_paid"]), "{case}");
        let Some(payment_intent) = &ours.payment_intent else {
            assert_eq!(ours.amount, 0, "{case}: nothing was charged for it");
            continue;
        };
        let payment = taken.iter().find(|payment| payment["id"] == payment_intent.as_str());
        let payment = payment.unwrap_or_else(|| panic!("{case}: {payment_intent} took no money"));
        assert_eq!(ours.amount, whole(&payment["amount"]), "{case}");
        assert_eq!(ours.application_fee, whole(&payment["application_fee_amount"]), "{case}");
        assert_eq!(ours.application_fee, (ours.amount + 1) / 2, "{case}: the platform's half");
        let at_stripe = this.refunds_of(play, payment_intent).await;
        let ids = |refunds: Vec<&str>| refunds.into_iter().map(str::to_owned).collect::<BTreeSet<String>>();
        let known = ids(ours.refunds.iter().map(|refund| refund.id.as_str()).collect());
        assert_eq!(known, ids(at_stripe.iter().map(|refund| text(&refund["id"])).collect()), "{case}");
        assert_eq!(ours.refunded(), whole(&payment["latest_charge"]["amount_refunded"]), "{case}");
        let (amount, fee, back, fee_back) = (ours.amount, ours.application_fee, ours.refunded(), ours.fee_refunded);
        let fee_at_stripe = this.fee_refunded(payment).await;
        assert_eq!(fee_back, fee_at_stripe, "{case}: what the platform refunded of its fee");
        (gross, fees, refunded) = (gross + amount, fees + fee - fee_back, refunded + back);
    }
    assert_eq!(refunded, end.refunded, "{case}");
    if this.kind.has_own_seller() {
        let expected = Totals { gross, fees, refunded, sales: i64::try_from(taken.len()).expect("a few") };
        assert_eq!(totals(this, &play.seller).await, expected, "{case}: the seller's totals");
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    gross: i64,
    fees: i64,
    refunded: i64,
    sales: i64,
}

/// The seller's totals from the API.
async fn totals(this: &Membership, seller: &Seller) -> Totals {
    let token = this.world.log_in(&seller.person).await;
    let sales = this.world.get("/sales").bearer(&token).await.json();
    let told = |name: &str| whole(&sales["totals"][0][name]);
    Totals { gross: told("gross"), fees: told("application_fee"), refunded: told("refunded"), sales: told("sales") }
}

/// A seller's totals are the sums of what Stripe has.
pub(super) async fn check_totals(this: &Membership, seller: &Seller) {
    let mut expected = Totals::default();
    let mut after = String::new();
    loop {
        let path = format!("/payment_intents?limit=100&expand[]=data.latest_charge{after}");
        let page = this.world.stripe(&path, this.charged(seller)).await;
        let payments = page["data"].as_array().unwrap_or_else(|| panic!("{page}"));
        for payment in payments.iter().filter(|payment| payment["status"] == "succeeded") {
            expected.gross += whole(&payment["amount"]);
            expected.fees += whole(&payment["application_fee_amount"]) - this.fee_refunded(payment).await;
            expected.refunded += whole(&payment["latest_charge"]["amount_refunded"]);
            expected.sales += 1;
        }
        match payments.last() {
            Some(last) if page["has_more"] == true => after = format!("&starting_after={}", text(&last["id"])),
            _ => break,
        }
    }
    assert_eq!(totals(this, seller).await, expected, "{:?}: the seller's totals", this.kind);
}

/// The subscription that an invoice is for.
fn of(invoice: &Value) -> &str {
    text(&invoice["parent"]["subscription_details"]["subscription"])
}

/// The end of the period that an invoice pays for, apart from what it credits.
fn period_of(invoice: &Value) -> i64 {
    let lines = invoice["lines"]["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    let pays = |line: &&Value| line["parent"]["subscription_item_details"]["proration"] != true;
    lines.iter().filter(pays).map(|line| whole(&line["period"]["end"])).max().unwrap_or(0)
}

/// There is one product and one price of each kind, and the subscriptions use them.
async fn check_prices(this: &Membership, play: &Play, running: &[&Value], case: &str) {
    let (products, prices) = (this.offered(play, "products").await, this.offered(play, "prices").await);
    assert!(products.len() <= 1, "{case}: {products:?}");
    let keys: BTreeSet<&str> = prices.iter().filter_map(|price| price["lookup_key"].as_str()).collect();
    assert_eq!(keys.len(), prices.len(), "{case}: a price was created twice: {prices:?}");
    for subscription in running {
        let price = &subscription["items"]["data"][0]["price"]["id"];
        assert!(prices.iter().any(|known| known["id"] == *price), "{case}: {price} is none of {prices:?}");
    }
}

impl Membership {
    /// Nobody has access before Stripe has the money, whatever the browser was told or wherever it returns from.
    pub(super) async fn check_access_meanwhile(&self, play: &Play, case: &str) {
        let content = self.world.get(format!("/courses/{}/content", play.seller.course_id)).bearer(&play.buyer.token).await;
        if content.status == 200 {
            let is_paid = self.invoices_of(play).await.iter().any(|invoice| invoice["status"] == "paid");
            assert!(is_paid, "{case}: access without money");
        }
    }

    async fn fee_refunded(&self, payment: &Value) -> i64 {
        let Some(fee) = payment["latest_charge"]["application_fee"].as_str() else { return 0 };
        let fee = self.world.stripe(&format!("/application_fees/{fee}"), None).await;
        assert!(fee["id"].is_string(), "{payment}: {fee}");
        whole(&fee["amount_refunded"])
    }
}
