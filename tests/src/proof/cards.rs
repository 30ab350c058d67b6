//! A buyer's saved cards: saving, listing, choosing and removing them.

use serde_json::{Value, json};
use time::Duration;

use super::engine::Scenario;
use super::faults::How;
use super::scenarios::kinds;
use crate::harness::{Answer, Person, World};

const CARDS: &str = "/users/me/payment-methods";

const CARD_TO_AUTHENTICATE: &str = "pm_card_threeDSecure2Required";

kinds![
    FirstCard,
    AnotherCardSaved,
    CardDeclined,
    CardAtCheckout,
    CardAttached,
    CardNotAuthenticated,
    CardBegunAgain,
    CardOfADeletedCustomer,
    CardsListed,
    CardChosen,
    CardTakenAway
];

/// A world with buyers.
pub(super) struct Cards {
    world: World,
    kind: Kind,
    played: u32,
}

/// One buyer, with a card.
#[derive(Clone, Debug)]
pub(super) struct Play {
    buyer: Person,
    card: String,
    /// A card that was saved earlier.
    other: Option<String>,
    /// The event to deliver.
    event: Option<Value>,
}

impl Cards {
    pub(super) async fn start(kind: Kind, how: How) -> Self {
        Self { world: World::with(&[("STRIPE_TIMEOUT_MS", how.patience())]).await, kind, played: 0 }
    }

    /// One of the platform's cards that no customer holds.
    async fn new_card(&self) -> String {
        let url = format!("{}/v1/payment_methods", self.world.app.config.stripe_api_base);
        let form = [("type", "card"), ("card[token]", "tok_visa")];
        let answer = self.world.app.http.post(url).bearer_auth("sk_test_local").form(&form).send().await.expect("it runs");
        let made: Value = serde_json::from_str(&answer.text().await.expect("it is text")).expect("it is JSON");
        made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    async fn save(&self, buyer: &Person, card: &str) -> Answer {
        self.world.post(CARDS, json!({"payment_method": card})).bearer(&buyer.token).await
    }

    async fn saved(&self, buyer: &Person) -> String {
        let card = self.new_card().await;
        let answer = self.save(buyer, &card).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        card
    }

    /// The buyer's customers at Stripe.
    async fn customers(&self, buyer: &Person) -> Vec<String> {
        let list = self.world.stripe("/customers?limit=100", None).await;
        let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}"));
        let mine = all.iter().filter(|one| one["metadata"]["buyer_id"] == buyer.id.as_str());
        mine.filter_map(|one| one["id"].as_str().map(str::to_owned)).collect()
    }

    /// Visits the hosted page and saves a card there.
    async fn pay(&self, url: &str) {
        let sessions = self.world.stripe("/checkout/sessions?limit=100", None).await;
        let all = sessions["data"].as_array().unwrap_or_else(|| panic!("{sessions}")).clone();
        let session = all.iter().find(|session| session["url"] == url).expect("the page is there");
        let path = format!("checkout/sessions/{}/pay", session["id"].as_str().expect("an id"));
        self.world.admin("POST", &path, json!({"card": "pm_card_visa"})).await;
    }

    async fn ask(&self, play: &Play) -> Answer {
        let (world, token) = (&self.world, play.buyer.token.as_str());
        let path = format!("{CARDS}/{}", play.card);
        match self.kind {
            Kind::FirstCard | Kind::AnotherCardSaved | Kind::CardDeclined | Kind::CardBegunAgain | Kind::CardOfADeletedCustomer => {
                self.save(&play.buyer, &play.card).await
            }
            Kind::CardAttached | Kind::CardNotAuthenticated => world.tell(play.event.as_ref().expect("it happened")).await,
            Kind::CardAtCheckout => world.post(CARDS, json!({})).bearer(token).await,
            Kind::CardsListed => world.get(CARDS).bearer(token).await,
            Kind::CardChosen => world.patch(path, json!({"is_default": true})).bearer(token).await,
            Kind::CardTakenAway => world.delete(path).bearer(token).await,
        }
    }
}

impl Scenario for Cards {
    type Play = Play;

    fn name(&self) -> String {
        format!("{:?}", self.kind)
    }

    fn world(&self) -> &World {
        &self.world
    }

    async fn prepare(&mut self) -> Play {
        self.played += 1;
        let buyer = self.world.buyer(&format!("buyer{}@example.com", self.played)).await;
        let other = match self.kind {
            Kind::FirstCard
            | Kind::CardDeclined
            | Kind::CardAtCheckout
            | Kind::CardAttached
            | Kind::CardNotAuthenticated
            | Kind::CardBegunAgain => None,
            _ => Some(self.saved(&buyer).await),
        };
        let card = match self.kind {
            Kind::CardChosen | Kind::CardTakenAway | Kind::CardsListed => self.saved(&buyer).await,
            Kind::CardDeclined => "pm_card_visa_chargeDeclined".to_owned(),
            Kind::CardBegunAgain => CARD_TO_AUTHENTICATE.to_owned(),
            _ => self.new_card().await,
        };
        if self.kind == Kind::CardOfADeletedCustomer {
            for customer in self.customers(&buyer).await {
                let url = format!("{}/v1/customers/{customer}", self.world.app.config.stripe_api_base);
                let answer = self.world.app.http.delete(url).bearer_auth("sk_test_local").send().await.expect("it runs");
                assert_eq!(answer.status().as_u16(), 200);
            }
        }
        let mut event = None;
        if self.kind == Kind::CardAttached {
            let page = self.world.post(CARDS, json!({})).bearer(&buyer.token).await;
            self.pay(&page.text("checkout_url")).await;
            let customer = self.customers(&buyer).await.remove(0);
            event = self.world.event("payment_method.attached", |method| method["customer"] == customer.as_str()).await;
        }
        if self.kind == Kind::CardNotAuthenticated {
            let asked = self.save(&buyer, CARD_TO_AUTHENTICATE).await.text("client_secret");
            let id = asked.split("_secret_").next().expect("an id").to_owned();
            self.world.admin("POST", &format!("setup_intents/{id}/authenticate"), json!({"outcome": "fail"})).await;
            event = self.world.event("setup_intent.setup_failed", |intent| intent["id"] == id.as_str()).await;
        }
        if self.kind == Kind::CardBegunAgain {
            let begun = self.save(&buyer, &card).await;
            assert_eq!(begun.status, 201, "{}", begun.body);
        }
        Play { buyer, card, other, event }
    }

    async fn act(&self, play: &Play) {
        let _may_fail = self.ask(play).await;
    }

    /// The buyer tries again.
    async fn recover(&self, plays: &[Play]) {
        self.world.pass(Duration::seconds(40)).await;
        for play in plays {
            let again = self.ask(play).await;
            let was_done = self.kind == Kind::CardTakenAway && again.status == 404;
            let was_declined = self.kind == Kind::CardDeclined && again.status == 402;
            assert!(was_done || was_declined || [200, 201, 204].contains(&again.status), "{:?}: {}", self.kind, again.body);
            if self.kind == Kind::CardAtCheckout {
                self.pay(&again.text("checkout_url")).await;
            }
        }
    }

    async fn check(&self, play: &Play, case: &str) {
        let customers = self.customers(&play.buyer).await;
        assert_eq!(customers.len(), 1, "{case}: a buyer has one customer");
        let user = self.world.app.store.user(&play.buyer.id.parse().expect("an id")).await.expect("the table").expect("the buyer");
        assert_eq!(user.customers.get("platform"), customers.first(), "{case}: and it is on record");
        let list = self.world.get(CARDS).bearer(&play.buyer.token).await.json();
        let items = list["items"].as_array().unwrap_or_else(|| panic!("{case}: {list}"));
        let ids: Vec<&str> = items.iter().filter_map(|card| card["id"].as_str()).collect();
        let default: Vec<&str> = items.iter().filter(|card| card["is_default"] == true).filter_map(|card| card["id"].as_str()).collect();
        let (card, other) = (play.card.as_str(), play.other.as_deref());
        match self.kind {
            Kind::FirstCard | Kind::CardOfADeletedCustomer => assert_eq!((ids, default), (vec![card], vec![card]), "{case}"),
            Kind::AnotherCardSaved | Kind::CardsListed => {
                assert_eq!((ids, default), (vec![card, other.expect("one before")], other.into_iter().collect()), "{case}");
            }
            Kind::CardChosen => assert_eq!((ids.len(), default), (2, vec![card]), "{case}"),
            Kind::CardTakenAway => assert_eq!(ids, other.into_iter().collect::<Vec<_>>(), "{case}"),
            Kind::CardAttached => assert_eq!((ids.len(), &default), (1, &ids), "{case}"),
            Kind::CardAtCheckout => assert_eq!(ids.len(), 1, "{case}"),
            // A count that is lost with the process, or repeated with each lost answer, is harmless.
            Kind::CardNotAuthenticated => {
                assert!(ids.is_empty() && user.declined_at.len() <= 5, "{case}: {:?}", user.declined_at);
            }
            Kind::CardBegunAgain => {
                let list = self.world.stripe(&format!("/setup_intents?limit=100&customer={}", customers[0]), None).await;
                let all = list["data"].as_array().unwrap_or_else(|| panic!("{case}: {list}"));
                let open = all.iter().filter(|intent| intent["status"] != "canceled").count();
                assert_eq!((ids.len(), open), (0, 1), "{case}: one of {} can be confirmed", all.len());
            }
            Kind::CardDeclined => {
                assert!(ids.is_empty() && (1..=5).contains(&user.declined_at.len()), "{case}: {:?}", user.declined_at);
            }
        }
    }

    async fn check_all(&self) {}
}
