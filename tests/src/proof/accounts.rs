//! Accounts that the platform creates for sellers.

use serde_json::{Value, json};
use time::Duration;

use super::engine::Scenario;
use super::faults::How;
use super::scenarios::kinds;
use crate::harness::{Answer, Person, World};

kinds![
    Made,
    LinkAgain,
    Lost,
    Forgotten,
    StoredFailure,
    Refused,
    ComesBack,
    Gone,
    Shown,
    Balance,
    Dashboard,
    Session,
    Unlinked,
    // The answer was lost, and by now Stripe lets the platform make no accounts with v2.
    LostAndBlocked,
    // On a platform that has Accounts v1 alone.
    MadeOlder,
    LostOlder,
    ForgottenOlder,
    StoredFailureOlder,
    // On a platform that has neither.
    MadeNowhere,
];

impl Kind {
    /// Which of Accounts v1 and v2 the platform has.
    fn has(self) -> (bool, bool) {
        match self {
            Self::MadeOlder | Self::LostOlder | Self::ForgottenOlder | Self::StoredFailureOlder => (true, false),
            Self::MadeNowhere => (false, false),
            _ => (true, true),
        }
    }

    /// Where accounts are created.
    fn path(self) -> &'static str {
        if self.has().1 { "/v2/core/accounts" } else { "/v1/accounts" }
    }
}

/// A world with sellers.
pub(super) struct Accounts {
    world: World,
    kind: Kind,
    played: u32,
}

/// One seller.
#[derive(Clone, Debug)]
pub(super) struct Play {
    seller: Person,
}

impl Accounts {
    pub(super) async fn start(kind: Kind, how: How) -> Self {
        let world = World::with(&[("STRIPE_TIMEOUT_MS", how.patience())]).await;
        let (v1, v2) = kind.has();
        world.admin("POST", "settings", json!({"accounts_v1": v1, "accounts_v2": v2})).await;
        Self { world, kind, played: 0 }
    }

    async fn onboard(&self, seller: &Person) -> Answer {
        self.world.post("/users/me/stripe/onboarding", json!({"type": "express"})).bearer(&seller.token).await
    }

    /// The accounts at Stripe that were created for a seller.
    async fn made(&self, seller: &Person) -> Vec<Value> {
        let list = self.world.admin("GET", "accounts", json!({})).await;
        let all = list["accounts"].as_array().unwrap_or_else(|| panic!("{list}")).clone();
        all.into_iter().filter(|account| account["metadata"]["user_id"] == seller.id.as_str()).collect()
    }

    async fn fault(&self, times: u32, fault: Value) {
        let matches = json!({"method": "POST", "path": self.kind.path(), "exact": true});
        self.world.admin("POST", "faults", json!({"match": matches, "times": times, "fault": fault})).await;
    }

    async fn ask(&self, play: &Play) -> Answer {
        let (world, token) = (&self.world, play.seller.token.as_str());
        match self.kind {
            Kind::Shown => world.get("/users/me/stripe").bearer(token).await,
            Kind::Balance => world.get("/users/me/stripe/balance").bearer(token).await,
            Kind::Dashboard => world.post("/users/me/stripe/dashboard", json!({})).bearer(token).await,
            Kind::Session => world.post("/users/me/stripe/session", json!({})).bearer(token).await,
            Kind::Unlinked => world.delete("/users/me/stripe").bearer(token).await,
            _ => self.onboard(&play.seller).await,
        }
    }
}

impl Scenario for Accounts {
    type Play = Play;

    fn name(&self) -> String {
        format!("Account{:?}", self.kind)
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn is_alone(&self) -> bool {
        matches!(self.kind, Kind::Forgotten | Kind::ForgottenOlder)
    }

    async fn prepare(&mut self) -> Play {
        self.played += 1;
        let world = &self.world;
        world.admin("DELETE", "faults", json!({})).await;
        let seller = world.seller(&format!("seller{}@example.com", self.played)).await;
        match self.kind {
            Kind::Made | Kind::MadeOlder | Kind::MadeNowhere => {}
            Kind::Lost | Kind::Forgotten | Kind::LostAndBlocked | Kind::LostOlder | Kind::ForgottenOlder => {
                self.fault(3, json!({"kind": "drop_after"})).await;
                let answer = self.onboard(&seller).await;
                assert_eq!(answer.status, 503, "{}", answer.body);
                if self.is_alone() {
                    world.pass(Duration::hours(25)).await;
                    world.enter_password(&seller).await;
                }
                if self.kind == Kind::LostAndBlocked {
                    let body = json!({"error": {"code": "accounts_v2_access_blocked", "message": "Not any more."}}).to_string();
                    self.fault(1, json!({"kind": "raw", "status": 400, "body": body})).await;
                }
            }
            Kind::StoredFailure | Kind::StoredFailureOlder => self.fault(1, json!({"kind": "status_after", "status": 500})).await,
            Kind::Refused => self.fault(1, json!({"kind": "status", "status": 400, "code": "account_rate_limit_exceeded"})).await,
            Kind::LinkAgain | Kind::Shown => {
                let answer = self.onboard(&seller).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
            Kind::Balance | Kind::Dashboard | Kind::Session | Kind::Unlinked | Kind::ComesBack | Kind::Gone => {
                let account = world.made_account(&seller, "express", "US").await;
                if matches!(self.kind, Kind::ComesBack | Kind::Gone) {
                    world.delete("/users/me/stripe").bearer(&seller.token).await.is_empty(204);
                }
                if self.kind == Kind::Gone {
                    world.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await;
                }
            }
        }
        Play { seller }
    }

    async fn act(&self, play: &Play) {
        let _may_fail = self.ask(play).await;
    }

    /// The seller tries again.
    async fn recover(&self, plays: &[Play]) {
        self.world.pass(Duration::seconds(40)).await;
        for play in plays {
            let mut again = self.ask(play).await;
            if self.kind == Kind::MadeNowhere {
                assert_eq!((again.status, again.text("code").as_str()), (409, "accounts_refused"));
                continue;
            }
            if self.kind == Kind::Refused && again.status == 502 {
                // Only now was it refused.
                again = self.ask(play).await;
            }
            assert!([200, 204].contains(&again.status), "{:?}: {}", self.kind, again.body);
        }
        self.world.deliver().await;
    }

    async fn check(&self, play: &Play, case: &str) {
        let made = self.made(&play.seller).await;
        // An account deleted at Stripe was replaced by another.
        let expected = match self.kind {
            Kind::Gone => 2,
            Kind::MadeNowhere => 0,
            _ => 1,
        };
        assert_eq!(made.len(), expected, "{case}: an account is made once: {made:?}");
        let link = self.world.get("/users/me").bearer(&play.seller.token).await.json()["stripe"].clone();
        let id = link["account_id"].as_str();
        assert_eq!(id.is_some(), !matches!(self.kind, Kind::Unlinked | Kind::MadeNowhere), "{case}: {link}");
        for account in &made {
            let owner = self.world.app.store.owner_of_account(account["id"].as_str().expect("an id")).await.expect("the table");
            let is_linked = account["id"].as_str() == id;
            assert_eq!(owner.map(|owner| owner.to_string()), is_linked.then(|| play.seller.id.clone()), "{case}");
            if is_linked {
                assert_eq!(link["charges_enabled"], account["charges_enabled"], "{case}: what we say of it is what Stripe says");
            }
        }
        assert!(id.is_none() || made.iter().any(|account| account["id"].as_str() == id), "{case}: {link}");
    }

    async fn check_all(&self) {
        if self.kind == Kind::MadeNowhere {
            let page = shared::store::page::Page { limit: 10, after: None };
            let found = self.world.app.store.findings(&page).await.expect("the table can be read");
            assert_eq!(found.items.len(), 1, "staff are told once: {:?}", found.items);
        }
    }
}
