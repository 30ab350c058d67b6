//! Accounts that Stripe restricts because something is overdue: of each type and each of Stripe's Accounts APIs, whatever happens to the events.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Person, World};

/// What happens to Stripe's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Events {
    ComeOnce,
    ComeOftenAndInAnyOrder,
    /// So the reconciliation asks.
    AreLost,
}

struct Case {
    world: World,
    events: Events,
    seller: Person,
    name: String,
}

impl Case {
    async fn start(api: &str, kind: &str, events: Events) -> (Self, String) {
        let world = World::with(&[("ACCOUNTS_API", api), ("CHARGE_TYPE", ""), ("STAFF_EMAIL", "staff@example.com")]).await;
        let seller = world.seller("seller@example.com").await;
        let account = world.made_account(&seller, kind, "US").await;
        if events == Events::AreLost {
            world.admin("PUT", "webhooks", json!({"endpoints": []})).await;
        }
        let case = Self { world, events, seller, name: format!("{api}, {kind}, events {events:?}") };
        case.hold().await;
        (case, account)
    }

    async fn hold(&self) {
        let often = self.events == Events::ComeOftenAndInAnyOrder;
        let mode = json!({"hold": true, "duplicate": if often { 2 } else { 0 }, "shuffle": often, "own_clock": true});
        self.world.admin("POST", "webhooks/mode", mode).await;
    }

    /// Lets everything arrive, and all mails be sent.
    async fn settle(&self) {
        self.world.deliver().await;
        self.hold().await;
        if self.events == Events::AreLost {
            self.world.reconcile().await;
        }
        self.world.pump().await;
        self.world.sweep().await;
    }

    /// Whether the account on record takes payments, and is paid out.
    async fn stands(&self) -> (bool, bool) {
        let user = self.world.app.store.user(&self.seller.id.parse().expect("an id")).await.expect("the table").expect("there is one");
        let state = user.stripe.expect("it is linked").state;
        (state.charges_enabled, state.payouts_enabled)
    }

    /// The status of a sale to somebody new.
    async fn sell(&self, course: &Value, buyer: &str) -> u16 {
        let buyer = self.world.buyer(buyer).await;
        self.world.buy(&buyer, course["id"].as_str().expect("an id"), "pm_card_visa").await.status
    }

    /// How many mails said that the account was stopped: to the seller, and to the staff.
    fn told(&self) -> [usize; 2] {
        let mails =
            [(&*self.seller.email, "Your Stripe account was stopped"), ("staff@example.com", "A seller's Stripe account was stopped")];
        mails.map(|(address, subject)| self.world.mails_to(address).iter().filter(|mail| mail.subject == subject).count())
    }
}

#[tokio::test]
async fn an_overdue_account_stops_is_told_of_once_recovers_and_sells_again() {
    for api in ["v1", "v2"] {
        for kind in ["standard", "express", "custom"] {
            for events in [Events::ComeOnce, Events::ComeOftenAndInAnyOrder, Events::AreLost] {
                let (case, account) = Case::start(api, kind, events).await;
                Box::pin(is_stopped_and_recovers(&case, kind, &account)).await;
            }
        }
    }
}

async fn is_stopped_and_recovers(case: &Case, kind: &str, account: &str) {
    let Case { world, seller, name, .. } = case;
    let course = world.course(seller, "Django", 4000, "usd", 50).await;
    case.settle().await;
    assert_eq!((case.stands().await, case.sell(&course, "first@example.com").await), ((true, true), 201), "{name}");

    let demand = json!({"demand": ["individual.verification.document"], "seconds": 60});
    world.admin("POST", &format!("accounts/{account}/requirements"), demand).await;
    world.pass(Duration::minutes(2)).await;
    world.stripe(&format!("/accounts/{account}"), None).await;
    for _ in 0..2 {
        case.settle().await;
        assert_eq!((case.stands().await, case.told()), ((false, false), [1, 1]), "{name}");
    }
    assert_eq!(case.sell(&course, "second@example.com").await, 409, "{name}");

    let answer = world.post("/users/me/stripe/onboarding", json!({"type": kind})).bearer(&seller.token).await;
    world.onboard(&answer.text("url"), "submit").await;
    for _ in 0..2 {
        case.settle().await;
        assert_eq!((case.stands().await, case.told()), ((true, true), [1, 1]), "{name}");
    }
    assert_eq!(case.sell(&course, "third@example.com").await, 201, "{name}");
}
