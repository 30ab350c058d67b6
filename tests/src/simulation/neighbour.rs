//! A second deployment on the same Stripe account. It gets all events too, and neither ever touches the other's money.

use serde_json::{Value, json};
use shared::domain::purchase::Purchase;
use shared::store::page::Page;

use super::market::Market;
use super::post::Letter;
use super::steps::one_of;
use crate::harness::{Person, World};

/// As many buyers and courses as the market needs now and then.
const BUYERS: usize = 3;

/// The other deployment, with its own people.
pub(super) struct Neighbour {
    pub(super) world: World,
    seller: Person,
    /// The seller's, which is not one of the market's.
    pub(super) account: String,
    buyers: Vec<Person>,
    courses: Vec<String>,
    /// `pur_…`
    sold: Vec<String>,
}

impl Neighbour {
    /// Opens it beside a market.
    pub(super) async fn open(market: &World, country: &str, seed: u64) -> Self {
        let settings = [("STACK_ID", "neighbour"), ("TABLE_NAME", "neighbours-courses"), ("PLATFORM_COUNTRY", country)];
        let caps = [("CHARGE_TYPE", "auto"), ("REFUNDS_PER_DAY", "1000000"), ("ORPHAN_POLICY", "refund"), ("STRIPE_TIMEOUT_MS", "4000")];
        let world = market.beside_seeded(&[&settings[..], &caps].concat(), seed).await;
        world.end_stream().await;
        world.reconcile().await;
        let seller = world.seller("neighbour@example.com").await;
        // An Express account, whose sales are charged on the platform, among the market's.
        let account = world.link_by(&seller, "/users/authorize?type=express", None).await;
        let (mut buyers, mut courses) = (Vec::new(), Vec::new());
        for (number, currency) in ["usd", "eur"].into_iter().enumerate() {
            let course = world.course(&seller, &format!("Neighbour {number}"), 4321, currency, 20).await;
            courses.push(course["id"].as_str().expect("an id").to_owned());
        }
        for number in 0..BUYERS {
            buyers.push(world.buyer(&format!("neighbour{number}@example.com")).await);
        }
        Self { world, seller, account, buyers, courses, sold: Vec::new() }
    }

    /// It gets an event that Stripe sends to both.
    pub(super) async fn hear(&self, letter: &Letter) {
        let answer = letter.deliver(&self.world).await;
        assert_eq!(answer.status, 200, "{}: {}", letter.kind, answer.body);
    }

    /// It reconciles, and finds nothing amiss.
    pub(super) async fn reconcile(&self) -> u32 {
        let report = self.world.reconcile().await;
        assert_eq!((report.differences, report.recorded, report.returned), (0, 0, 0), "the neighbour: {report:?}");
        report.repaired
    }

    /// Its purchases, also those whose answers were lost.
    pub(super) async fn purchases(&self) -> Vec<Purchase> {
        let mut all = Vec::new();
        for buyer in &self.buyers {
            let mut page = Page { limit: 100, after: None };
            loop {
                let found = self.world.app.store.purchases_of(&buyer.id.parse().expect("an id"), &page).await.expect("the table");
                all.extend(found.items);
                page.after = found.next;
                if page.after.is_none() {
                    break;
                }
            }
        }
        all
    }

    pub(super) async fn log_in_again(&mut self) {
        for person in self.buyers.iter_mut().chain([&mut self.seller]) {
            person.token = self.world.log_in(person).await;
        }
    }
}

impl Market {
    /// Somebody buys at the neighbour's, or is refunded there.
    pub(super) async fn trade_beside(&mut self) {
        let Some(beside) = &mut self.neighbour else { return };
        let (buyer, course) = (self.chance.usize(..beside.buyers.len()), self.chance.usize(..beside.courses.len()));
        let what = self.chance.u32(..4);
        let told = match what {
            0 if !beside.sold.is_empty() => {
                let id = &beside.sold[self.chance.usize(..beside.sold.len())];
                let body = if self.chance.bool() { json!({"amount": self.chance.i64(100..2000)}) } else { json!({}) };
                let answer = beside.world.post(format!("/purchases/{id}/refund"), body).bearer(&beside.seller.token).await;
                format!("refunds {id}: {}", answer.status)
            }
            1 => format!("reconciles: {}", beside.reconcile().await),
            _ => {
                let card = one_of(&mut self.chance, &["pm_card_visa", "pm_card_bypassPending", "pm_card_visa_chargeDeclined"]);
                let body: Value = json!({"course_id": beside.courses[course], "payment_method": card});
                let answer = beside.world.post("/courses/charge", body).bearer(&beside.buyers[buyer].token).await;
                let sold = answer.json()["purchase"]["id"].as_str().filter(|_| answer.status == 201).map(str::to_owned);
                beside.sold.extend(sold.filter(|id| !beside.sold.contains(id)));
                format!("sells: {}", answer.status)
            }
        };
        self.note(format!("the neighbour {told}"));
    }
}
