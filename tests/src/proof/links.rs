//! A seller's link to Stripe: created, confirmed, removed, and changed by Stripe's events.

use std::time::Instant;

use serde_json::{Value, json};
use shared::domain::mail::Mail;
use shared::store::findings::{Finding, Found};
use time::Duration;

use super::engine::Scenario;
use super::faults::How;
use super::scenarios::kinds;
use crate::harness::{Consent, Person, World};

kinds![
    Authorized,
    Ticketed,
    Redeemed,
    Linked,
    Parked,
    Confirmed,
    Disconnected,
    DisconnectedWithAPayment,
    AccountUpdated,
    AccountUpdatedThin,
    AccountListed,
    CapabilityUpdated,
    PayoutFailed,
    ApplicationDeauthorized,
    DeauthorizedAtOnce,
    LinkedAnew,
    ParkedAnew
];

impl Kind {
    fn ends_linked(self) -> bool {
        !matches!(self, Self::Disconnected | Self::DisconnectedWithAPayment | Self::ApplicationDeauthorized | Self::DeauthorizedAtOnce)
    }
}

/// A world with sellers.
pub(super) struct Link {
    world: World,
    kind: Kind,
    played: u32,
}

/// One seller.
#[derive(Clone, Debug)]
pub(super) struct Play {
    seller: Person,
    account: Option<String>,
    consent: Option<(String, String)>,
    /// Whether the browser lost its session on the way.
    without_session: bool,
    confirm: Option<String>,
    ticket: Option<String>,
    event: Option<Value>,
    /// Who has yet to authenticate a payment on the seller's account.
    buyer: Option<Person>,
}

impl Link {
    pub(super) async fn start(kind: Kind, how: How) -> Self {
        let charge_type = if kind == Kind::DisconnectedWithAPayment { "direct" } else { "destination" };
        Self { world: World::with(&[("STRIPE_TIMEOUT_MS", how.patience()), ("CHARGE_TYPE", charge_type)]).await, kind, played: 0 }
    }

    async fn consent(&self, seller: &Person) -> Consent {
        let authorize = self.world.get("/users/authorize").cookie(&seller.token).await;
        self.world.consent(authorize, "allow").await
    }

    /// The URL that a ticket opens, once.
    async fn ticket(&self, seller: &Person) -> String {
        let ticket = self.world.post("/users/authorize", json!({})).bearer(&seller.token).await.text("url");
        ticket.strip_prefix("http://localhost:9000").unwrap_or_else(|| panic!("{ticket} is not ours")).to_owned()
    }

    /// Starts with a ticket, so that the browser needs no session.
    async fn consent_by_ticket(&self, seller: &Person) -> Consent {
        let authorize = self.world.get(self.ticket(seller).await).await;
        self.world.consent(authorize, "allow").await
    }

    /// Returns without a session, so that the link is parked until its user confirms.
    async fn park(&self, seller: &Person) -> String {
        let consent = self.consent_by_ticket(seller).await;
        let answer = self.world.get(consent.path.as_str()).header("cookie", consent.cookie).await;
        let location = answer.header("location").expect("it sends on").to_owned();
        location.split_once("connect=confirm&code=").unwrap_or_else(|| panic!("{location}")).1.to_owned()
    }

    async fn stripe_of(&self, seller: &Person) -> Value {
        self.world.get("/users/me").bearer(&seller.token).await.json()["stripe"].clone()
    }

    async fn reconcile(&self) {
        let until = Instant::now() + std::time::Duration::from_secs(600);
        let _left_to_the_next = reconcile::handle(&self.world.payments.reconcile, reconcile::Asked::default(), until).await;
    }

    async fn change(&self, account: &str) {
        self.world.admin("POST", &format!("accounts/{account}"), json!({"charges_enabled": false})).await;
    }
}

impl Scenario for Link {
    type Play = Play;

    fn name(&self) -> String {
        format!("{:?}", self.kind)
    }

    fn world(&self) -> &World {
        &self.world
    }

    async fn prepare(&mut self) -> Play {
        self.played += 1;
        let world = &self.world;
        let seller = world.seller(&format!("seller{}@example.com", self.played)).await;
        let mut play =
            Play { seller, account: None, consent: None, without_session: false, confirm: None, ticket: None, event: None, buyer: None };
        match self.kind {
            Kind::Linked => {
                let consent = self.consent(&play.seller).await;
                play.consent = Some((consent.path, consent.cookie));
            }
            Kind::Parked => {
                let consent = self.consent_by_ticket(&play.seller).await;
                (play.consent, play.without_session) = (Some((consent.path, consent.cookie)), true);
            }
            Kind::LinkedAnew | Kind::ParkedAnew => {
                // The seller revoked access, but the event was lost.
                let account = world.link(&play.seller).await;
                world.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await;
                play.without_session = self.kind == Kind::ParkedAnew;
                let consent =
                    if play.without_session { self.consent_by_ticket(&play.seller).await } else { self.consent(&play.seller).await };
                (play.account, play.consent) = (Some(account), Some((consent.path, consent.cookie)));
            }
            Kind::Redeemed => play.ticket = Some(self.ticket(&play.seller).await),
            Kind::Authorized | Kind::Ticketed => {}
            Kind::Confirmed => play.confirm = Some(self.park(&play.seller).await),
            Kind::DisconnectedWithAPayment => {
                play.account = Some(world.link(&play.seller).await);
                let course = world.course(&play.seller, &format!("Course {}", self.played), 5000, "usd", 10).await;
                let buyer = world.buyer(&format!("buyer{}@example.com", self.played)).await;
                let course_id = course["id"].as_str().expect("an id");
                let waits = world.buy(&buyer, course_id, "pm_card_threeDSecure2Required").await;
                assert_eq!(waits.json()["purchase"]["status"], "requires_action", "{}", waits.body);
                play.buyer = Some(buyer);
                world.pass(Duration::minutes(1)).await;
            }
            _ => {
                let account = world.link(&play.seller).await;
                let event = match self.kind {
                    Kind::AccountUpdated => {
                        self.change(&account).await;
                        Some("account.updated")
                    }
                    Kind::AccountUpdatedThin => {
                        self.change(&account).await;
                        Some("v2.core.account.updated")
                    }
                    Kind::CapabilityUpdated => {
                        self.change(&account).await;
                        Some("capability.updated")
                    }
                    Kind::AccountListed => {
                        self.change(&account).await;
                        None
                    }
                    Kind::PayoutFailed => Some("payout.failed"),
                    Kind::ApplicationDeauthorized | Kind::DeauthorizedAtOnce => {
                        world.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await;
                        Some("account.application.deauthorized")
                    }
                    _ => None,
                };
                if let Some(kind) = event {
                    let object = match self.kind {
                        Kind::PayoutFailed => json!({
                            "id": format!("po_{}", self.played), "object": "payout", "amount": 2000, "currency": "usd",
                            "failure_code": "account_closed", "status": "failed",
                        }),
                        _ => json!({"id": "acct_any", "object": "account"}),
                    };
                    // An event this soon after linking may belong to the previous link, so Stripe is asked.
                    let later = if self.kind == Kind::DeauthorizedAtOnce { 0 } else { 90 };
                    let at = world.app.clock.now().unix_timestamp() + later;
                    let mut event = json!({
                        "id": format!("evt_{}", self.played), "object": "event", "type": kind, "created": at, "livemode": false,
                        "account": account, "data": {"object": object},
                    });
                    if kind.starts_with("v2.") {
                        event = json!({
                            "id": event["id"], "object": "v2.core.event", "type": kind, "created": "2026-11-01T08:00:00.000Z", "livemode": false,
                            "context": account, "related_object": {"id": account, "type": "v2.core.account"},
                        });
                    }
                    play.event = Some(event);
                }
                play.account = Some(account);
            }
        }
        play
    }

    async fn act(&self, play: &Play) {
        let world = &self.world;
        if let Some((path, cookie)) = &play.consent {
            let session = if play.without_session { String::new() } else { format!("session={}; ", play.seller.token) };
            world.get(path.as_str()).header("cookie", format!("{session}{cookie}")).await;
        } else if let Some(path) = &play.ticket {
            world.get(path.as_str()).await;
        } else if self.kind == Kind::Authorized {
            world.get("/users/authorize").cookie(&play.seller.token).await;
        } else if self.kind == Kind::Ticketed {
            world.post("/users/authorize", json!({})).bearer(&play.seller.token).await;
        } else if let Some(code) = &play.confirm {
            world.post("/users/oauth/confirm", json!({"code": code})).bearer(&play.seller.token).await;
        } else if let Some(event) = &play.event {
            world.tell(event).await;
        } else if self.kind == Kind::AccountListed {
            self.reconcile().await;
        } else {
            world.delete("/users/me/stripe").bearer(&play.seller.token).await;
        }
    }

    /// The seller tries again, from the start if linking did not finish, and Stripe sends its events again.
    async fn recover(&self, plays: &[Play]) {
        let world = &self.world;
        world.pass(Duration::seconds(40)).await;
        for play in plays {
            let link = self.stripe_of(&play.seller).await;
            let is_stale = play.consent.is_some() && link["account_id"].as_str().is_some_and(|id| Some(id) == play.account.as_deref());
            let connected = link["connected"] == true && !is_stale;
            match self.kind {
                kind if kind.ends_linked() && !connected => {
                    world.link(&play.seller).await;
                }
                Kind::AccountListed => self.reconcile().await,
                Kind::Disconnected | Kind::DisconnectedWithAPayment if connected => {
                    let answer = world.delete("/users/me/stripe").bearer(&play.seller.token).await;
                    assert_eq!(answer.status, 204, "{}", answer.body);
                }
                _ => {}
            }
            if let Some(event) = &play.event {
                for _ in 0..2 {
                    assert_eq!(world.tell(event).await.status, 200);
                }
            }
        }
    }

    async fn check(&self, play: &Play, case: &str) {
        let world = &self.world;
        let link = self.stripe_of(&play.seller).await;
        assert_eq!(link["connected"], self.kind.ends_linked(), "{case}: {link}");
        if let Some(buyer) = &play.buyer {
            let purchases = world.get("/purchases").bearer(&buyer.token).await.json();
            assert_eq!(purchases["items"][0]["status"], "canceled", "{case}: its payment would go unnoticed");
        }
        let id = play.seller.id.parse().expect("an id");
        let tokens = world.app.store.sealed_tokens(&id).await.expect("the table");
        assert_eq!(tokens.is_some(), self.kind.ends_linked(), "{case}: a link and its tokens come and go together");
        let account = link["account_id"].as_str().or(play.account.as_deref()).expect("there was one");
        let owner = world.app.store.owner_of_account(account).await.expect("the table");
        assert_eq!(owner.map(|owner| owner.to_string()), self.kind.ends_linked().then(|| play.seller.id.clone()), "{case}");
        // What we say about the link matches Stripe.
        let at_stripe = world.stripe("/account", Some(account)).await;
        assert_eq!(at_stripe["id"] == account, self.kind.ends_linked(), "{case}: {at_stripe}");
        if self.kind.ends_linked() {
            assert_eq!(link["charges_enabled"], at_stripe["charges_enabled"], "{case}");
        }
        if let Some(payout) =
            play.event.as_ref().filter(|_| self.kind == Kind::PayoutFailed).and_then(|event| event["data"]["object"]["id"].as_str())
        {
            let mail = Mail::PayoutFailed { user: id, payout: payout.to_owned() };
            assert!(world.app.store.mail(&mail.id()).await.expect("the table").is_some(), "{case}: the seller is told");
            let page = shared::store::page::Page { limit: 100, after: None };
            let found = world.app.store.findings(&page).await.expect("the table").items;
            let about = |one: &&Finding| matches!(&one.found, Found::PayoutFailed { payout: of, .. } if of == payout);
            assert_eq!(found.iter().filter(about).count(), 1, "{case}: staff are told");
        }
    }

    async fn check_all(&self) {}
}
