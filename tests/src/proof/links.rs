//! A seller's link to Stripe: made, confirmed, ended, and told of by Stripe.

use serde_json::{Value, json};
use time::Duration;

use super::engine::Scenario;
use super::faults::How;
use crate::harness::{Consent, Person, World};

/// What happens to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Linked,
    Confirmed,
    Disconnected,
    AccountUpdated,
    CapabilityUpdated,
    ApplicationDeauthorized,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Linked, Self::Confirmed, Self::Disconnected, Self::AccountUpdated, Self::CapabilityUpdated, Self::ApplicationDeauthorized];

    fn ends_linked(self) -> bool {
        !matches!(self, Self::Disconnected | Self::ApplicationDeauthorized)
    }
}

/// A world with sellers.
pub(super) struct Link {
    world: World,
    kind: Kind,
    played: u32,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Play {
    seller: Person,
    account: Option<String>,
    consent: Option<(String, String)>,
    confirm: Option<String>,
    event: Option<Value>,
}

impl Link {
    pub(super) async fn start(kind: Kind, how: How) -> Self {
        Self { world: World::with(&[("STRIPE_TIMEOUT_MS", how.patience())]).await, kind, played: 0 }
    }

    async fn consent(&self, seller: &Person) -> Consent {
        let authorize = self.world.get("/users/authorize").cookie(&seller.token).await;
        self.world.consent(authorize, "allow").await
    }

    /// Sets out with a ticket and comes back without a session: the link is parked until its user confirms.
    async fn park(&self, seller: &Person) -> String {
        let ticket = self.world.post("/users/authorize", json!({})).bearer(&seller.token).await.text("url");
        let path = ticket.strip_prefix("http://localhost:9000").unwrap_or_else(|| panic!("{ticket} is not ours")).to_owned();
        let authorize = self.world.get(path).await;
        let consent = self.world.consent(authorize, "allow").await;
        let answer = self.world.get(consent.path.as_str()).header("cookie", consent.cookie).await;
        let location = answer.header("location").expect("it sends on").to_owned();
        location.split_once("connect=confirm&code=").unwrap_or_else(|| panic!("{location}")).1.to_owned()
    }

    async fn stripe_of(&self, seller: &Person) -> Value {
        self.world.get("/users/me").bearer(&seller.token).await.json()["stripe"].clone()
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
        let mut play = Play { seller, account: None, consent: None, confirm: None, event: None };
        match self.kind {
            Kind::Linked => {
                let consent = self.consent(&play.seller).await;
                play.consent = Some((consent.path, consent.cookie));
            }
            Kind::Confirmed => play.confirm = Some(self.park(&play.seller).await),
            _ => {
                let account = world.link(&play.seller).await;
                let event = match self.kind {
                    Kind::AccountUpdated => {
                        self.change(&account).await;
                        Some("account.updated")
                    }
                    Kind::CapabilityUpdated => {
                        self.change(&account).await;
                        Some("capability.updated")
                    }
                    Kind::ApplicationDeauthorized => {
                        world.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await;
                        Some("account.application.deauthorized")
                    }
                    _ => None,
                };
                if let Some(kind) = event {
                    let object = json!({"id": "acct_any", "object": "account"});
                    let at = world.app.clock.now().unix_timestamp() + 90;
                    play.event = Some(json!({
                        "id": format!("evt_{}", self.played), "object": "event", "type": kind, "created": at, "livemode": false,
                        "account": account, "data": {"object": object},
                    }));
                }
                play.account = Some(account);
            }
        }
        play
    }

    async fn act(&self, play: &Play) {
        let world = &self.world;
        if let Some((path, cookie)) = &play.consent {
            world.get(path.as_str()).header("cookie", format!("session={}; {cookie}", play.seller.token)).await;
        } else if let Some(code) = &play.confirm {
            world.post("/users/oauth/confirm", json!({"code": code})).bearer(&play.seller.token).await;
        } else if let Some(event) = &play.event {
            world.tell(event).await;
        } else {
            world.delete("/users/me/stripe").bearer(&play.seller.token).await;
        }
    }

    /// The seller does it again, from the beginning where it did not come to its end, and Stripe tells again.
    async fn recover(&self, plays: &[Play]) {
        let world = &self.world;
        world.pass(Duration::seconds(40)).await;
        for play in plays {
            let connected = self.stripe_of(&play.seller).await["connected"] == true;
            match self.kind {
                Kind::Linked | Kind::Confirmed if !connected => {
                    world.link(&play.seller).await;
                }
                Kind::Disconnected if connected => {
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
        let id = play.seller.id.parse().expect("an id");
        let tokens = world.app.store.sealed_tokens(&id).await.expect("the table");
        assert_eq!(tokens.is_some(), self.kind.ends_linked(), "{case}: a link and its tokens come and go together");
        let account = link["account_id"].as_str().or(play.account.as_deref()).expect("there was one");
        let owner = world.app.store.owner_of_account(account).await.expect("the table");
        assert_eq!(owner.map(|owner| owner.to_string()), self.kind.ends_linked().then(|| play.seller.id.clone()), "{case}");
        // What we say of the link is what Stripe says.
        let at_stripe = world.stripe("/account", Some(account)).await;
        assert_eq!(at_stripe["id"] == account, self.kind.ends_linked(), "{case}: {at_stripe}");
        if self.kind.ends_linked() {
            assert_eq!(link["charges_enabled"], at_stripe["charges_enabled"], "{case}");
        }
    }

    async fn check_all(&self) {}
}
