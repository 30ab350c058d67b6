//! Users who erased their account and must be erased at Stripe too, and those whose new address Stripe must have.

use local::proxy::{self, Fault, Gate};
use serde_json::{Value, json};
use shared::store::page::Page;
use time::Duration;

use super::engine::Scenario;
use super::faults::How;
use super::scenarios::kinds;
use crate::harness::{PASSWORD, Person, World, token_in};

kinds![ErasedAtStripe, ErasedWhilePaying, ErasedWhileSaving, Readdressed];

const CARDS: &str = "/users/me/payment-methods";

/// A world with a seller who is charged directly, so that a buyer has two customers.
pub(super) struct Erasing {
    world: World,
    kind: Kind,
    account: String,
    course_id: String,
    lesson_id: String,
    played: u32,
}

/// A buyer.
#[derive(Clone, Debug)]
pub(super) struct Play {
    buyer: Person,
    /// By Stripe's clock.
    began: i64,
}

impl Erasing {
    pub(super) async fn start(kind: Kind, how: How) -> Self {
        let world = World::with(&[("CHARGE_TYPE", "direct"), ("STRIPE_TIMEOUT_MS", how.patience())]).await;
        let seller = world.seller("seller@example.com").await;
        let account = world.link(&seller).await;
        let course = world.course(&seller, "Course", 5001, "usd", 33).await;
        let outline = json!({"version": 0, "sections": [{"title": "Basics", "lessons": [{"title": "Routes"}]}]});
        let outline = world.put("/courses/course/outline", outline).bearer(&seller.token).await.json();
        let lesson_id = outline["sections"][0]["lessons"][0]["id"].as_str().expect("an id").to_owned();
        world.deliver().await;
        world.reconcile().await;
        Self { world, kind, account, course_id: course["id"].as_str().expect("an id").to_owned(), lesson_id, played: 0 }
    }

    async fn save(&self, buyer: &Person) -> Option<String> {
        let answer = self.world.post(CARDS, json!({"payment_method": "pm_card_visa"})).bearer(&buyer.token).await;
        (answer.status == 201).then(|| answer.json()["payment_method"]["id"].as_str().expect("an id").to_owned())
    }

    async fn erase(&self, buyer: &Person) -> u16 {
        self.world.erase(&buyer.token).await.status
    }

    /// Confirms another address of the buyer.
    async fn readdress(&self, buyer: &Person) {
        let new = address_after(buyer);
        let asked = self.world.patch("/users/me", json!({"email": new, "current_password": PASSWORD})).bearer(&buyer.token).await;
        assert_eq!(asked.status, 200, "{}", asked.body);
        self.world.pump().await;
        let token = token_in(&self.world.mails_to(&new)[0]);
        self.world.put("/email-confirmations", json!({"token": token})).await.is_empty(204);
    }

    /// The buyer's customers at Stripe that were not deleted.
    async fn customers(&self, play: &Play) -> Vec<Value> {
        let mut all = Vec::new();
        for account in [None, Some(self.account.as_str())] {
            let list = self.world.stripe(&format!("/customers?limit=100&created[gte]={}", play.began), account).await;
            all.extend(list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone());
        }
        all.into_iter().filter(|customer| customer["metadata"]["buyer_id"] == play.buyer.id.as_str()).collect()
    }

    /// The buyer's payments on the seller's account.
    async fn payments(&self, play: &Play) -> Vec<Value> {
        let path = format!("/payment_intents?limit=100&created[gte]={}", play.began);
        let list = self.world.stripe(&path, Some(&self.account)).await;
        let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone();
        all.into_iter().filter(|payment| payment["metadata"]["buyer_id"] == play.buyer.id.as_str()).collect()
    }

    async fn run(&self) {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        if self.kind == Kind::Readdressed {
            let _may_fail = reconcile::addresses::run(&self.world.payments.reconcile, until).await;
        } else {
            let _may_fail = ::erasures::run(&self.world.payments.erasures, until).await;
        }
    }

    /// Saves a card, but the account is erased before the customer is remembered.
    async fn save_while_erasing(&self, play: &Play) {
        let gate = Gate::new();
        self.world.proxy.inject(Fault::next("UpdateItem", proxy::Kind::Hold(gate.clone())));
        let mut ours = std::pin::pin!(self.save(&play.buyer));
        tokio::select! {
            // It failed before it got that far.
            _ = &mut ours => return,
            () = gate.reached() => {}
        }
        let _may_fail = self.erase(&play.buyer).await;
        gate.open();
        let _may_fail = ours.await;
    }
}

fn address_after(buyer: &Person) -> String {
    format!("new.{}", buyer.email)
}

impl Scenario for Erasing {
    type Play = Play;

    fn name(&self) -> String {
        format!("{:?}", self.kind)
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn is_alone(&self) -> bool {
        true
    }

    async fn prepare(&mut self) -> Play {
        self.played += 1;
        let buyer = self.world.buyer(&format!("buyer{}@example.com", self.played)).await;
        let play = Play { buyer, began: self.world.app.clock.now().unix_timestamp() - 60 };
        if self.kind == Kind::ErasedWhileSaving {
            return play;
        }
        let card = self.save(&play.buyer).await.expect("it is saved");
        let card = if self.kind == Kind::ErasedWhilePaying { "pm_card_threeDSecure2Required" } else { &card };
        assert_eq!(self.world.buy(&play.buyer, &self.course_id, card).await.status, 201);
        self.world.deliver().await;
        if self.kind == Kind::ErasedAtStripe {
            let done = json!({"lesson": self.lesson_id, "done": true});
            let noted = self.world.put(format!("/courses/{}/progress", self.course_id), done).bearer(&play.buyer.token).await;
            assert_eq!(noted.status, 200, "{}", noted.body);
        }
        assert_eq!(self.customers(&play).await.len(), 2);
        if self.kind == Kind::Readdressed {
            self.readdress(&play.buyer).await;
        } else {
            assert_eq!(self.erase(&play.buyer).await, 204);
        }
        self.world.pass(Duration::minutes(5)).await;
        play
    }

    async fn act(&self, play: &Play) {
        if self.kind == Kind::ErasedWhileSaving {
            self.save_while_erasing(play).await;
        } else {
            self.run().await;
        }
    }

    /// The schedule runs again. A payment in progress is completed first.
    async fn recover(&self, plays: &[Play]) {
        let world = &self.world;
        world.pass(Duration::seconds(40)).await;
        for play in plays {
            if self.kind == Kind::ErasedWhileSaving {
                // A user who was not erased saves the card again and is erased then.
                let again = world.post(CARDS, json!({"payment_method": "pm_card_visa"})).bearer(&play.buyer.token).await;
                assert!([201, 401].contains(&again.status), "{}", again.body);
                assert!([204, 401].contains(&self.erase(&play.buyer).await));
            }
            for payment in self.payments(play).await.iter().filter(|payment| payment["status"] == "requires_action") {
                assert_eq!(self.customers(play).await.len(), 2, "Stripe finds the payment by its customer");
                let path = format!("payment_intents/{}/authenticate", payment["id"].as_str().expect("an id"));
                world.admin("POST", &path, json!({"outcome": "succeed"})).await;
            }
        }
        world.deliver().await;
        for minutes in [16, 31, 61] {
            world.pass(Duration::minutes(minutes)).await;
            self.run().await;
        }
    }

    async fn check(&self, play: &Play, case: &str) {
        if self.kind == Kind::Readdressed {
            let now = self.customers(play).await;
            let new = address_after(&play.buyer);
            assert!(now.len() == 2 && now.iter().all(|customer| customer["email"] == new.as_str()), "{case}: {now:?}");
            return;
        }
        let left = self.customers(play).await;
        assert!(left.is_empty(), "{case}: Stripe still has {left:?}");
        let gone = self.world.app.store.user(&play.buyer.id.parse().expect("an id")).await.expect("the table");
        assert!(gone.is_none(), "{case}");
        let progress = self.world.app.store.progress_of(&play.buyer.id.parse().expect("an id"), &Page { limit: 1, after: None }).await;
        assert!(progress.expect("the table").items.is_empty(), "{case}");
        if self.kind != Kind::ErasedWhileSaving {
            let paid = self.payments(play).await.iter().filter(|payment| payment["status"] == "succeeded").count();
            assert_eq!(paid, 1, "{case}: what was paid stays");
        }
    }

    async fn check_all(&self) {
        let moved = self.world.app.store.moved(self.world.app.clock.now() + Duration::days(60), 100).await.expect("the table");
        assert!(moved.is_empty(), "{moved:?} are never handled");
        let due = self.world.app.store.due_erasures(self.world.app.clock.now() + Duration::days(60), 100).await.expect("the table");
        assert!(due.is_empty(), "{due:?} are never handled");
    }
}
