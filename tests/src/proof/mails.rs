//! Mails of the outbox. A mail is sent once; only where it is not known whether SES has it, or its mark was lost, a second
//! time.

use time::Duration;

use super::engine::Scenario;
use crate::harness::{Person, World};

/// A world with a shop.
pub(super) struct Mails {
    world: World,
    seller: Person,
    course_id: String,
    played: u32,
}

impl Mails {
    pub(super) async fn start() -> Self {
        let world = World::start().await;
        let shop = world.shop().await;
        Self { world, seller: shop.seller, course_id: shop.course_id, played: 0 }
    }
}

impl Scenario for Mails {
    /// The buyer, and the records of their mails in the table's stream.
    type Play = (Person, Vec<serde_json::Value>);

    fn name(&self) -> String {
        "Mails".to_owned()
    }

    fn world(&self) -> &World {
        &self.world
    }

    async fn prepare(&mut self) -> Self::Play {
        self.played += 1;
        let buyer = self.world.buyer(&format!("buyer{}@example.com", self.played)).await;
        // The mail that confirms the address.
        self.world.pump().await;
        assert_eq!(self.world.buy(&buyer, &self.course_id, super::sale::CARD).await.status, 201);
        let records = self.world.new_mails();
        assert_eq!(records.len(), 2, "a receipt and a sale's notice");
        (buyer, records)
    }

    async fn act(&self, (_, records): &Self::Play) {
        self.world.notify(records).await;
    }

    /// The stream hands over again what it does not know to be done, and the sweep finds what it lost.
    async fn recover(&self, plays: &[Self::Play]) {
        for (_, records) in plays {
            self.world.notify(records).await;
        }
        for _ in 0..3 {
            self.world.pass(Duration::minutes(10)).await;
            self.world.sweep().await;
        }
    }

    async fn check(&self, (buyer, _): &Self::Play, case: &str) {
        let receipts = self.world.mails_to(&buyer.email).into_iter().filter(|mail| mail.subject.contains("receipt")).count();
        let purchases = self.world.get("/purchases").bearer(&buyer.token).await.json();
        let id = purchases["items"][0]["id"].as_str().expect("an id").to_owned();
        let notices = self.world.mails_to(&self.seller.email).into_iter().filter(|mail| mail.text.contains(&id)).count();
        // The mark is the last thing that is written: whoever dies before it, or never hears of it, leaves a mail that goes again.
        let may_repeat = case.contains("Killed") || case.contains("Outage") || case.contains("Errors") || case.contains("Throttle at");
        let most = if may_repeat { 2 } else { 1 };
        assert!((1..=most).contains(&receipts), "{case}: {receipts} receipts");
        assert!((1..=most).contains(&notices), "{case}: {notices} notices");
    }

    async fn check_all(&self) {
        let lost = self.world.app.store.due_mails(self.world.app.clock.now() + Duration::days(30)).await.expect("the table");
        assert!(lost.is_empty(), "{lost:?} were never sent");
    }
}
