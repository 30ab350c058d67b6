//! Memberships: sellers' offers, and what buyers, their cards and time do with them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::domain::money::Currency;
use time::Duration;

use super::faults::Fault;
use super::market::Market;
use super::steps::{one_of, short, told};

const CARDS: [&str; 8] = [
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_mastercard",
    "pm_card_bypassPending",
    "pm_card_chargeCustomerFail",
    "pm_card_visa_chargeDeclinedInsufficientFunds",
    "pm_card_authenticationRequired",
];

/// What is known of memberships from outside.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// `sub_…` with its account; `None` for the platform's.
    subscriptions: Vec<(String, Option<String>)>,
    /// Payments that belong to no purchase.
    payments: Vec<Payment>,
    /// Buyer and seller of each invoice that was ever paid.
    pub(super) paid: BTreeSet<(String, String)>,
}

/// An invoice's payment that took money.
#[derive(Clone, Debug)]
struct Payment {
    charge: String,
    account: Option<String>,
    amount: i64,
    has_fee: bool,
    has_transfer: bool,
}

impl Members {
    /// Processes an event.
    pub(super) fn listen(&mut self, event: &Value) {
        let object = &event["data"]["object"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let account = event["account"].as_str().map(str::to_owned);
        match event["type"].as_str().unwrap_or_default() {
            "customer.subscription.created" => self.subscriptions.push((text(&object["id"]), account)),
            "charge.succeeded" if !object["metadata"]["purchase_id"].is_string() => self.payments.push(Payment {
                charge: text(&object["id"]),
                account,
                amount: object["amount"].as_i64().unwrap_or(0),
                has_fee: object["application_fee"].is_string() || object["application_fee_amount"].as_i64() > Some(0),
                has_transfer: object["transfer"].is_string() || object["transfer_data"]["destination"].is_string(),
            }),
            "invoice.paid" => {
                let of = &object["parent"]["subscription_details"]["metadata"];
                self.paid.insert((text(&of["buyer_id"]), text(&of["seller_id"])));
            }
            _ => {}
        }
    }
}

impl Market {
    /// A seller offers a membership, changes its prices, or ends it.
    pub(super) async fn offer(&mut self) {
        let place = self.chance.usize(..self.sellers.len());
        let ends = self.chance.u32(..10) == 0;
        self.offer_of(place, ends).await;
    }

    pub(super) async fn offer_of(&mut self, place: usize, ends: bool) {
        let currency = if self.chance.u32(..8) == 0 { Currency::Eur } else { Currency::Usd };
        let mut offer = json!({"title": "All courses", "currency": currency.code()});
        let both = self.chance.u32(..4);
        if both != 0 {
            offer["monthly"] = json!({"amount": self.price(currency)});
        }
        if both != 1 {
            offer["yearly"] = json!({"amount": self.price(currency)});
        }
        let (path, token) = (self.membership(place), self.sellers[place].person.token.clone());
        let call = if ends { self.world.delete(path) } else { self.world.post(path, offer.clone()) };
        let answer = call.bearer(&token).await;
        self.note(format!("seller {place} offers {}: {}", if ends { "nothing".to_owned() } else { offer.to_string() }, answer.status));
        assert_eq!(answer.status, if ends { 204 } else { 200 }, "{}", answer.body);
    }

    fn membership(&self, seller: usize) -> String {
        format!("/sellers/{}/membership", self.sellers[seller].person.id)
    }

    pub(super) async fn subscribe(&mut self) {
        let (buyer, seller) = (self.chance.usize(..self.buyers.len()), self.chance.usize(..self.sellers.len()));
        let card = (self.chance.u32(..4) != 0).then(|| one_of(&mut self.chance, &CARDS));
        let mut body = json!({"interval": self.interval()});
        if let Some(card) = card {
            body["payment_method"] = card.into();
        }
        let path = format!("{}/subscribe", self.membership(seller));
        let what = format!("buyer {buyer} subscribes to seller {seller}");
        let answers = self.click(what, &path, &body, &self.buyers[buyer].token.clone(), self.sellers[seller].is_connected).await;
        for answer in answers {
            if let Some(url) = answer["checkout_url"].as_str() {
                let session = url.rsplit('/').next().unwrap_or_default().to_owned();
                if !self.known.sessions.contains(&session) {
                    self.known.sessions.push(session);
                }
            }
        }
    }

    fn interval(&mut self) -> &'static str {
        if self.chance.u32(..3) == 0 { "year" } else { "month" }
    }

    /// Somebody changes one of their subscriptions.
    pub(super) async fn change_a_subscription(&mut self) {
        let buyer = self.chance.usize(..self.buyers.len());
        let token = self.buyers[buyer].token.clone();
        let list = self.world.get("/subscriptions").bearer(&token).await.json();
        let runs = |view: &&Value| ["active", "past_due"].contains(&view["status"].as_str().unwrap_or_default());
        let running: Vec<Value> = list["items"].as_array().expect("a list").iter().filter(runs).cloned().collect();
        let Some(view) = Self::pick(&mut self.chance, &running) else { return };
        let id = view["id"].as_str().expect("an id").to_owned();
        let (what, body) = match self.chance.u32(..8) {
            ..2 => ("cancel", json!({})),
            2 => ("resume", json!({})),
            3..6 => ("resume", json!({"payment_method": one_of(&mut self.chance, &CARDS)})),
            _ => ("switch", json!({"interval": self.interval()})),
        };
        // Nothing can be changed on an account that is out of reach.
        let is_connected =
            self.sellers.iter().any(|seller| Some(seller.person.id.as_str()) == view["seller_id"].as_str() && seller.is_connected);
        self.click(format!("buyer {buyer} {what}s {id}"), &format!("/subscriptions/{id}/{what}"), &body, &token, is_connected).await;
    }

    /// Sends one or more concurrent requests. Returns the successful responses.
    async fn click(&mut self, what: String, path: &str, body: &Value, token: &str, is_connected: bool) -> Vec<Value> {
        let clicks = [1, 1, 1, 2, 3][self.chance.usize(..5)];
        let fault = Fault::any(&mut self.chance);
        let click = |_| self.world.post(path, body.clone()).bearer(token).into_future();
        let answers = fault.strike(&self.world, &mut self.chance, (0..clicks).map(click)).await;
        self.note(format!("{what} with {body}, {clicks} clicks, {fault:?}: {}", told(&answers)));
        let answers: Vec<_> = answers.into_iter().flatten().collect();
        for answer in &answers {
            if answer.status != 502 || is_connected {
                self.check(answer, &fault);
            }
        }
        answers.iter().filter(|answer| answer.status < 300).map(crate::harness::Answer::json).collect()
    }

    /// In Stripe's Dashboard, another card starts to pay for a subscription, or it ends at once.
    pub(super) async fn change_in_the_dashboard(&mut self) {
        let Some((id, account)) = Self::pick(&mut self.chance, &self.members.subscriptions) else { return };
        if !self.is_within_reach(account.as_deref()) {
            return;
        }
        let account = account.as_deref();
        let subscription = self.world.stripe(&format!("/subscriptions/{id}"), account).await;
        if !subscription["ended_at"].is_null() {
            return;
        }
        if self.chance.u32(..4) == 0 {
            let ended = self.world.delete_in_dashboard(&format!("/subscriptions/{id}"), account).await;
            self.note(format!("dashboard: {id} ends: {}", short(&ended)));
            return;
        }
        let card = one_of(&mut self.chance, &["pm_card_visa", "pm_card_chargeCustomerFail", "pm_card_chargeCustomerFail"]);
        let customer = subscription["customer"].as_str().expect("a customer").to_owned();
        let attached = self.world.in_dashboard(&format!("/payment_methods/{card}/attach"), account, &[("customer", customer)]).await;
        let method = attached["id"].as_str().unwrap_or_else(|| panic!("{attached}")).to_owned();
        let changed = self.world.in_dashboard(&format!("/subscriptions/{id}"), account, &[("default_payment_method", method)]).await;
        self.note(format!("dashboard: {card} pays {id}: {}", short(&changed)));
    }

    pub(super) async fn refund_a_membership(&mut self) {
        let Some(payment) = Self::pick(&mut self.chance, &self.members.payments) else { return };
        if !self.is_within_reach(payment.account.as_deref()) {
            return;
        }
        let part = self.chance.bool().then(|| self.chance.i64(1..=payment.amount));
        let answer = self.give_back(&payment.charge, payment.account.as_deref(), part, (payment.has_fee, payment.has_transfer)).await;
        self.note(format!("dashboard: refund of a membership {answer}"));
    }

    /// Renewals come due. The reconciliation keeps running, and most events arrive.
    pub(super) async fn a_month(&mut self) {
        self.note("a month passes".to_owned());
        for _ in 0..31 {
            self.world.pass(Duration::hours(24)).await;
            self.listen().await;
            for _ in 0..self.post.waiting.len() {
                self.deliver_one().await;
            }
            let report = self.world.reconcile().await;
            assert_eq!((report.recorded, report.returned), (0, 0), "nothing is lost here: {report:?}");
        }
        self.log_in_again().await;
    }

    /// Sessions last two weeks.
    async fn log_in_again(&mut self) {
        let sellers = self.sellers.iter_mut().map(|seller| &mut seller.person);
        let everybody = sellers.chain(&mut self.buyers).chain([&mut self.staff, &mut self.thief.person]);
        for person in everybody {
            person.token = self.world.log_in(person).await;
        }
        if let Some(neighbour) = &mut self.neighbour {
            neighbour.log_in_again().await;
        }
    }
}
