//! Recovery: nothing goes wrong any more, Stripe delivers what is waiting, the reconciliation runs, and everything comes to rest.

use serde_json::{Value, json};
use shared::domain::ids::{PurchaseId, SubscriptionId};
use shared::domain::membership::Subscription;
use shared::domain::purchase::{Movement, MovementState, Purchase};
use time::Duration;

use super::market::{CURRENCIES, Market};
use crate::harness::Person;

/// Eight days. The longest waits are twelve hours after a refusal and a day for a pending refund.
const ROUNDS: usize = 32;

/// Additional funds of each account: more than any reversal takes.
const FUNDS: i64 = 50_000_000;

impl Market {
    /// Gives everybody the time, events and funds they need until nothing is open. Returns the purchases.
    pub(super) async fn recover(&mut self) -> Vec<Purchase> {
        self.note("from here on nothing goes wrong".to_owned());
        for place in 0..self.sellers.len() {
            if !self.sellers[place].is_connected {
                self.link_again(place).await;
            }
        }
        self.add_funds().await;
        let mut left = Vec::new();
        for round in 0..ROUNDS {
            self.deliver_all().await;
            self.world.pass(Duration::hours(6)).await;
            self.deliver_all().await;
            let report = self.world.reconcile().await;
            self.note(format!("round {round}: {report:?}"));
            assert_eq!((report.differences, report.recorded, report.returned), (0, 0, 0), "round {round}: {report:?}");
            let beside = match &self.neighbour {
                Some(neighbour) => neighbour.reconcile().await,
                None => 0,
            };
            self.listen().await;
            let purchases = self.purchases().await;
            left = purchases.iter().filter(|purchase| !is_at_rest(purchase)).cloned().collect();
            let waiting = self.subscriptions().await.iter().filter(|one| one.status.is_open() && !one.status.runs()).count();
            // Two more quiet rounds, in which the last hours' books are compared.
            if left.is_empty() && waiting == 0 && self.post.waiting.is_empty() && report.repaired + beside == 0 && round > 4 {
                return purchases;
            }
        }
        panic!("{} purchases do not come to rest: {:#?}; {:?} wait", left.len(), left.first(), self.post.waiting.len());
    }

    /// Account owners sell other things too, and the platform has its own funds in the currencies in which its
    /// charges settle. So there is enough for all reversals and repeated transfers.
    async fn add_funds(&mut self) {
        self.world.admin("POST", "settings", json!({"capture_delay": 0})).await;
        let sellers: Vec<_> = self.sellers.iter().map(|seller| (seller.account.clone(), seller.country)).collect();
        self.add(None, None, self.country).await;
        for (account, country) in &sellers {
            self.add(Some(account), None, country).await;
            // What is charged on behalf of an account settles in its country, on the platform.
            self.add(None, Some(account), country).await;
        }
    }

    async fn add(&mut self, account: Option<&str>, on_behalf_of: Option<&str>, country: &str) {
        let (_, currency) = CURRENCIES.iter().find(|(one, _)| *one == country).expect("a country with a currency");
        let mut form = vec![
            ("amount", FUNDS.to_string()),
            ("currency", currency.code().to_owned()),
            ("payment_method", "pm_card_bypassPending".to_owned()),
            ("allowed_payment_method_types[]", "card".to_owned()),
            ("confirm", "true".to_owned()),
        ];
        form.extend(on_behalf_of.map(|account| ("on_behalf_of", account.to_owned())));
        let made = self.world.in_dashboard("/payment_intents", account, &form).await;
        assert_eq!(made["status"], "succeeded", "{made}");
        *self.elsewhere.entry((account.unwrap_or_default().to_owned(), currency.code().to_owned())).or_default() += FUNDS;
    }

    async fn deliver_all(&mut self) {
        self.listen().await;
        while !self.post.waiting.is_empty() {
            let mut letters = std::mem::take(&mut self.post.waiting);
            self.chance.shuffle(&mut letters);
            for letter in letters {
                for _ in 0..=self.chance.u32(..8) / 7 {
                    let answer = letter.deliver(&self.world).await;
                    assert_eq!(answer.status, 200, "{}: {}", letter.kind, answer.body);
                    if let Some(neighbour) = &self.neighbour {
                        neighbour.hear(&letter).await;
                    }
                }
            }
            self.listen().await;
        }
    }

    /// All purchases that their buyers can see.
    async fn purchases(&self) -> Vec<Purchase> {
        let mut all = Vec::new();
        for buyer in self.buyers.iter().chain([&self.thief.person]) {
            for line in self.pages("/purchases", buyer).await {
                let id: PurchaseId = line["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
                all.push(self.world.app.store.purchase(&id).await.expect("the table").expect("it is listed"));
            }
        }
        all
    }

    /// All subscriptions that their buyers can see.
    pub(super) async fn subscriptions(&self) -> Vec<Subscription> {
        let mut all = Vec::new();
        for buyer in &self.buyers {
            for line in self.pages("/subscriptions", buyer).await {
                let id: SubscriptionId = line["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
                all.push(self.world.app.store.subscription(&id).await.expect("the table").expect("it is listed"));
            }
        }
        all
    }

    /// All items of one of the API's lists.
    pub(super) async fn pages(&self, path: &str, reader: &Person) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let answer = self.world.get(format!("{path}?limit=100{cursor}")).bearer(&reader.token).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let page = answer.json();
            all.extend(page["items"].as_array().expect("a list").clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }
}

pub(super) fn is_at_rest(purchase: &Purchase) -> bool {
    // A refund waits as long as a bank has not decided about a dispute.
    let waits = |movement: &Movement| purchase.is_held() && movement.state == MovementState::Waiting;
    let moves = purchase.movements().iter().any(|one| one.state.stands() && !one.state.is_done() && !waits(one));
    !purchase.status().is_open() && !moves && !purchase.lacks_facts()
}
