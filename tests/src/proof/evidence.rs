//! Evidence that staff give for a dispute.

use serde_json::{Value, json};
use time::Duration;

use super::engine::Scenario;
use super::faults::How;
use super::scenarios::kinds;
use crate::harness::{Answer, Person, Shop, World};

kinds![Drafted, DraftedForAMember, Staged, Submitted, SubmittedForAMember, LostAnswer, StoredFailure, StoredFailureOfStaged, Refused];

/// A world with a shop and its staff.
pub(super) struct Disputes {
    world: World,
    kind: Kind,
    shop: Shop,
    staff: Person,
    played: u32,
}

/// A dispute.
#[derive(Clone, Debug)]
pub(super) struct Play {
    dispute: String,
    path: String,
}

impl Disputes {
    pub(super) async fn start(kind: Kind, how: How) -> Self {
        let world = World::with(&[("STRIPE_TIMEOUT_MS", how.patience())]).await;
        let (shop, staff) = (world.shop().await, world.staff("staff@example.com").await);
        Self { world, kind, shop, staff, played: 0 }
    }

    fn submits(&self) -> bool {
        !matches!(self.kind, Kind::Drafted | Kind::DraftedForAMember | Kind::Staged | Kind::StoredFailureOfStaged)
    }

    fn is_of_a_member(&self) -> bool {
        matches!(self.kind, Kind::DraftedForAMember | Kind::SubmittedForAMember)
    }

    async fn ask(&self, play: &Play) -> Answer {
        let (world, token) = (&self.world, self.staff.token.as_str());
        if matches!(self.kind, Kind::Drafted | Kind::DraftedForAMember) {
            return world.get(play.path.as_str()).bearer(token).await;
        }
        let body = json!({"evidence": {"product_description": "A course"}, "submit": self.submits()});
        world.post(play.path.as_str(), body).bearer(token).await
    }

    async fn at_stripe(&self, play: &Play) -> Value {
        self.world.stripe(&format!("/disputes/{}", play.dispute), None).await
    }

    async fn fault(&self, play: &Play, times: u32, fault: Value) {
        let matches = json!({"method": "POST", "path": format!("/v1/disputes/{}", play.dispute)});
        self.world.admin("POST", "faults", json!({"match": matches, "times": times, "fault": fault})).await;
    }
}

impl Scenario for Disputes {
    type Play = Play;

    fn name(&self) -> String {
        format!("Evidence{:?}", self.kind)
    }

    fn world(&self) -> &World {
        &self.world
    }

    async fn prepare(&mut self) -> Play {
        self.played += 1;
        let world = &self.world;
        world.admin("DELETE", "faults", json!({})).await;
        world.enter_password(&self.staff).await;
        let buyer = world.buyer(&format!("buyer{}@example.com", self.played)).await;
        if self.is_of_a_member() {
            let path = format!("/sellers/{}/membership", self.shop.seller.id);
            let offer = json!({"title": "All courses", "monthly": {"amount": 1000}, "currency": "usd"});
            assert_eq!(world.post(path.as_str(), offer).bearer(&self.shop.seller.token).await.status, 200);
            let body = json!({"interval": "month", "payment_method": "pm_card_visa"});
            assert_eq!(world.post(format!("{path}/subscribe"), body).bearer(&buyer.token).await.status, 201);
        } else {
            assert_eq!(world.buy(&buyer, &self.shop.course_id, "pm_card_visa").await.status, 201);
        }
        let charge = world.succeeded(None).await[0]["latest_charge"].as_str().expect("it was charged").to_owned();
        let dispute = world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
        world.deliver().await;
        let dispute = dispute["id"].as_str().unwrap_or_else(|| panic!("{dispute}")).to_owned();
        let play = Play { path: format!("/admin/disputes/{dispute}/evidence"), dispute };
        match self.kind {
            Kind::LostAnswer => {
                self.fault(&play, 3, json!({"kind": "drop_after"})).await;
                let lost = self.ask(&play).await;
                assert_eq!(lost.status, 503, "{}", lost.body);
            }
            Kind::StoredFailure | Kind::StoredFailureOfStaged => self.fault(&play, 1, json!({"kind": "status_after", "status": 500})).await,
            Kind::Refused => self.fault(&play, 1, json!({"kind": "status", "status": 400, "code": "parameter_invalid_string"})).await,
            _ => {}
        }
        play
    }

    async fn act(&self, play: &Play) {
        let _may_fail = self.ask(play).await;
    }

    /// Staff send the same request again.
    async fn recover(&self, plays: &[Play]) {
        self.world.pass(Duration::seconds(40)).await;
        self.world.enter_password(&self.staff).await;
        for play in plays {
            let mut again = self.ask(play).await;
            if [409, 502].contains(&again.status) && matches!(self.kind, Kind::Refused | Kind::StoredFailureOfStaged) {
                // Only now was it refused, or did the failure replay.
                again = self.ask(play).await;
            }
            assert_eq!(again.status, 200, "{:?}: {}", self.kind, again.body);
        }
        self.world.deliver().await;
    }

    async fn check(&self, play: &Play, case: &str) {
        let dispute = self.at_stripe(play).await;
        let submitted = self.submits();
        let status = if submitted { "under_review" } else { "needs_response" };
        assert_eq!(
            (&dispute["status"], &dispute["evidence_details"]["submission_count"]),
            (&json!(status), &json!(i32::from(submitted))),
            "{case}"
        );
        let known = self.world.app.store.dispute(&play.dispute).await.expect("the table").expect("it is on record");
        assert_eq!(serde_json::to_value(known.status).expect("it is JSON"), status, "{case}");
        let entries = self.world.get("/admin/audit?limit=100").bearer(&self.staff.token).await.json();
        let entries = entries["items"].as_array().expect("a list").iter().filter(|one| one["dispute_id"] == play.dispute.as_str());
        let given = entries.filter(|one| one["action"] == "dispute_evidence").count();
        match self.kind {
            Kind::Drafted | Kind::DraftedForAMember => assert_eq!((&known.evidence, given), (&None, 0), "{case}"),
            Kind::Staged | Kind::StoredFailureOfStaged | Kind::Refused => assert!((1..=3).contains(&given), "{case}: {given}"),
            _ => assert_eq!(given, 1, "{case}: it was one request"),
        }
        if let Some(evidence) = known.evidence {
            assert_eq!((evidence.submit, evidence.state.is_asked()), (submitted, false), "{case}");
        }
    }

    async fn check_all(&self) {
        self.world.books().await;
    }
}
