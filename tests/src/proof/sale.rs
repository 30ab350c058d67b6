//! A sale on its stage: what comes before, what is done, and what brings it right again.

use serde_json::{Value, json};
use time::Duration;

use super::engine::Scenario;
use super::faults::How;
use super::invariants;
use super::scenarios::Kind;
use crate::harness::{Answer, Person, World};

pub(super) const CARD: &str = "pm_card_bypassPending";

/// A world in which a scenario is played again and again, each time with a course and a buyer of its own.
pub(super) struct Sale {
    pub(super) world: World,
    pub(super) kind: Kind,
    pub(super) seller: Person,
    pub(super) account: String,
    played: u32,
}

/// What one play is about.
#[derive(Clone, Debug)]
pub(super) struct Play {
    pub(super) buyer: Person,
    pub(super) course_id: String,
    /// By Stripe's clock.
    began: i64,
    /// The purchase that was there before, if one was.
    purchase: Option<String>,
    /// The payment method to pay with.
    card: String,
    /// The event to tell.
    event: Option<Value>,
}

impl Sale {
    pub(super) async fn start(kind: Kind, how: How) -> Self {
        let world = World::with(&[("CHARGE_TYPE", kind.charge_type()), ("STRIPE_TIMEOUT_MS", how.patience())]).await;
        let seller = world.seller("seller@example.com").await;
        let account = world.link(&seller).await;
        // From here on the reconciliation looks.
        world.reconcile().await;
        Self { world, kind, seller, account, played: 0 }
    }

    pub(super) fn charged_account(&self) -> Option<&str> {
        (self.kind.charge_type() == "direct").then_some(self.account.as_str())
    }

    async fn bought(&self, play: &mut Play) -> String {
        let answer = self.buy(play, CARD).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        play.purchase = answer.json()["purchase"]["id"].as_str().map(str::to_owned);
        self.payment(play).await
    }

    async fn buy(&self, play: &Play, card: &str) -> Answer {
        self.world.buy(&play.buyer, &play.course_id, card).await
    }

    async fn ask_checkout(&self, play: &Play) -> Answer {
        self.world.post("/courses/charge", json!({"course_id": play.course_id})).bearer(&play.buyer.token).await
    }

    /// Has Stripe do the work of each POST to `path`, and nobody hear of it.
    async fn deafen(&self, path: &str) {
        let fault = json!({"match": {"method": "POST", "path": path}, "times": 3, "fault": {"kind": "drop_after"}});
        self.world.admin("POST", "faults", fault).await;
    }

    /// Buys, and nobody hears what came of it.
    async fn lost(&self, play: &Play) {
        let path = if self.kind.is_hosted() { "/v1/checkout/sessions" } else { "/v1/payment_intents" };
        self.deafen(path).await;
        let answer = if self.kind.is_hosted() { self.ask_checkout(play).await } else { self.buy(play, &play.card).await };
        assert_eq!(answer.status, 503, "{}", answer.body);
    }

    /// The buyer's only payment so far.
    async fn payment(&self, play: &Play) -> String {
        let payments = self.payments_of(play).await;
        assert_eq!(payments.len(), 1, "{payments:?}");
        payments[0]["id"].as_str().expect("an id").to_owned()
    }

    async fn dispute(&self, play: &Play) -> String {
        let payment = &self.payments_of(play).await[0];
        let charge = payment["latest_charge"]["id"].as_str().expect("it was paid");
        self.world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
        let disputes = self.world.stripe(&format!("/disputes?payment_intent={}", payment["id"].as_str().expect("an id")), None).await;
        disputes["data"][0]["id"].as_str().unwrap_or_else(|| panic!("{disputes}")).to_owned()
    }

    /// What somebody does in Stripe's dashboard.
    async fn at_stripe(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let url = format!("{}/v1{path}", self.world.app.config.stripe_api_base);
        let answer = self.world.app.http.post(url).bearer_auth("sk_test_local").form(form).send().await.expect("it runs");
        assert_eq!(answer.status().as_u16(), 200);
        serde_json::from_str(&answer.text().await.expect("it is text")).expect("it is JSON")
    }

    async fn refunded_in_dashboard(&self, play: &mut Play) -> String {
        let payment = self.bought(play).await;
        self.world.deliver().await;
        let form = [("payment_intent", payment.as_str()), ("amount", "1000"), ("reverse_transfer", "true")];
        self.at_stripe("/refunds", &form).await["id"].as_str().expect("an id").to_owned()
    }

    async fn transfer_of(&self, play: &Play) -> String {
        let group = play.purchase.as_ref().expect("it was bought");
        let transfers = self.world.stripe(&format!("/transfers?transfer_group={group}"), None).await;
        transfers["data"][0]["id"].as_str().unwrap_or_else(|| panic!("{transfers}")).to_owned()
    }

    async fn open_session(&self, play: &Play) -> Option<String> {
        let sessions = self.world.stripe("/checkout/sessions?limit=100", self.charged_account()).await;
        let all = sessions["data"].as_array().expect("a list").clone();
        let mine = |session: &&Value| {
            session["status"] == "open"
                && session["metadata"]["buyer_id"] == play.buyer.id.as_str()
                && session["metadata"]["course_id"] == play.course_id.as_str()
        };
        all.iter().find(mine).and_then(|session| session["id"].as_str().map(str::to_owned))
    }

    async fn pay_session(&self, play: &Play) {
        if let Some(id) = self.open_session(play).await {
            self.world.admin("POST", &format!("checkout/sessions/{id}/pay"), json!({"card": CARD})).await;
        }
    }

    async fn authenticate(&self, play: &Play) {
        for payment in self.payments_of(play).await.iter().filter(|payment| payment["status"] == "requires_action") {
            let id = payment["id"].as_str().expect("an id");
            self.world.admin("POST", &format!("payment_intents/{id}/authenticate"), json!({"outcome": "succeed"})).await;
        }
    }

    /// The payments at Stripe that the buyer has made for the course.
    pub(super) async fn payments_of(&self, play: &Play) -> Vec<Value> {
        let path = format!("/payment_intents?limit=100&expand[]=data.latest_charge&created[gte]={}", play.began);
        let list = self.world.stripe(&path, self.charged_account()).await;
        let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone();
        let mine = |payment: &Value| {
            payment["metadata"]["buyer_id"] == play.buyer.id.as_str() && payment["metadata"]["course_id"] == play.course_id.as_str()
        };
        all.into_iter().filter(mine).collect()
    }

    /// The state in which the event, the request or the run finds things.
    async fn set_up(&self, play: &mut Play) {
        let world = &self.world;
        match self.kind {
            Kind::ReturningBuyer => {
                let other = world.course(&self.seller, &format!("Other {}", self.played), 1000, "usd", 10).await;
                assert_eq!(world.buy(&play.buyer, other["id"].as_str().expect("an id"), CARD).await.status, 201);
                world.deliver().await;
            }
            Kind::AfterADecline => {
                assert_eq!(self.buy(play, "pm_card_visa_chargeDeclined").await.status, 402);
                world.deliver().await;
            }
            Kind::TurnFromCheckout => assert_eq!(self.ask_checkout(play).await.status, 201),
            Kind::DirectWithPlatformCard => {
                let form = [("type", "card"), ("card[token]", "tok_bypassPending")];
                play.card = self.at_stripe("/payment_methods", &form).await["id"].as_str().expect("an id").to_owned();
            }
            kind if kind.is_refund() => {
                self.bought(play).await;
                world.deliver().await;
            }
            Kind::PaymentSucceeded
            | Kind::PaymentSucceededOfSeparate
            | Kind::PaymentFailed
            | Kind::PaymentRequiresAction
            | Kind::ReconciledCharge => self.lost(play).await,
            Kind::PaymentCanceled => {
                self.lost(play).await;
                let payment = self.payment(play).await;
                self.at_stripe(&format!("/payment_intents/{payment}/cancel"), &[]).await;
            }
            Kind::CheckoutCompleted => {
                self.lost(play).await;
                self.pay_session(play).await;
            }
            Kind::CheckoutExpired => {
                self.lost(play).await;
                let session = self.open_session(play).await.expect("it was made");
                world.admin("POST", &format!("checkout/sessions/{session}/expire"), json!({})).await;
            }
            Kind::ChargeRefunded | Kind::RefundCreated => {
                self.refunded_in_dashboard(play).await;
            }
            Kind::RefundUpdated | Kind::RefundFailed => {
                let refund = self.refunded_in_dashboard(play).await;
                world.deliver().await;
                world.admin("POST", &format!("refunds/{refund}/fail"), json!({"reason": "expired_or_canceled_card"})).await;
            }
            Kind::DisputeCreated | Kind::DisputeFundsWithdrawn => {
                self.bought(play).await;
                world.deliver().await;
                self.dispute(play).await;
            }
            Kind::DisputeOfALostCharge => {
                self.lost(play).await;
                self.dispute(play).await;
            }
            Kind::DisputeLost | Kind::DisputeLostOfSeparate | Kind::DisputeWon | Kind::DisputeFundsReinstated => {
                self.bought(play).await;
                world.deliver().await;
                let dispute = self.dispute(play).await;
                world.deliver().await;
                let lost = matches!(self.kind, Kind::DisputeLost | Kind::DisputeLostOfSeparate);
                world.admin("POST", &format!("disputes/{dispute}/close"), json!({"outcome": if lost { "lost" } else { "won" }})).await;
            }
            Kind::TransferCreated => {
                self.lost(play).await;
                let id = self.payments_of(play).await[0]["metadata"]["purchase_id"].as_str().expect("an id").to_owned();
                play.purchase = Some(id);
                self.deafen("/v1/transfers").await;
                let event = world.event("payment_intent.succeeded", |object| self.is_mine(play, object)).await.expect("it happened");
                assert_eq!(world.tell(&event).await.status, 200);
            }
            Kind::TransferReversed => {
                self.bought(play).await;
                world.deliver().await;
                let transfer = self.transfer_of(play).await;
                self.at_stripe(&format!("/transfers/{transfer}/reversals"), &[("amount", "500")]).await;
            }
            Kind::ReconciledTransfer => {
                self.lost(play).await;
                self.deafen("/v1/transfers").await;
                let event = world.event("payment_intent.succeeded", |object| self.is_mine(play, object)).await.expect("it happened");
                assert_eq!(world.tell(&event).await.status, 200);
            }
            Kind::ReconciledOrphan => {
                self.lost(play).await;
                let id = self.payments_of(play).await[0]["metadata"]["purchase_id"].as_str().expect("an id").to_owned();
                world.forget_purchase(&id).await;
            }
            _ => {}
        }
        if self.kind.is_reconciliation() {
            world.pass(Duration::minutes(15)).await;
        }
        if let Some(kind) = self.kind.event() {
            let id = play.purchase.clone();
            let payment = self.payments_of(play).await.first().and_then(|payment| payment["id"].as_str().map(str::to_owned));
            let event = world.event(kind, |object| {
                self.is_mine(play, object)
                    || object["payment_intent"].as_str().is_some_and(|one| Some(one) == payment.as_deref())
                    || (id.is_some() && object["transfer_group"].as_str() == id.as_deref())
            });
            play.event = Some(event.await.unwrap_or_else(|| panic!("{:?}: no {kind}", self.kind)));
        }
    }

    fn is_mine(&self, play: &Play, object: &Value) -> bool {
        object["metadata"]["buyer_id"] == play.buyer.id.as_str() && object["metadata"]["course_id"] == play.course_id.as_str()
    }

    async fn ask(&self, play: &Play) -> Answer {
        match self.kind {
            kind if kind.is_refund() => {
                let is_full = matches!(kind, Kind::FullRefund | Kind::FullRefundOfSeparate);
                let amount = if is_full { json!({}) } else { json!({"amount": 1234}) };
                let id = play.purchase.as_ref().expect("it was bought");
                let request = self.world.post(format!("/purchases/{id}/refund"), amount).bearer(&self.seller.token);
                request.header("idempotency-key", format!("refund {}", play.course_id)).await
            }
            kind if kind.is_hosted() => self.ask_checkout(play).await,
            _ => self.buy(play, &play.card).await,
        }
    }
}

impl Scenario for Sale {
    type Play = Play;

    fn name(&self) -> String {
        format!("{:?}", self.kind)
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn is_alone(&self) -> bool {
        self.kind.is_reconciliation()
    }

    async fn prepare(&mut self) -> Play {
        self.played += 1;
        let (world, number) = (&self.world, self.played);
        let course = world.course(&self.seller, &format!("Course {number}"), 5001, "usd", 33).await;
        let buyer = world.buyer(&format!("buyer{number}@example.com")).await;
        // Whatever is told is told twice.
        world.admin("POST", "webhooks/mode", json!({"hold": true, "own_clock": true, "duplicate": 1})).await;
        let mut play = Play {
            buyer,
            course_id: course["id"].as_str().expect("an id").to_owned(),
            began: world.app.clock.now().unix_timestamp() - 60,
            purchase: None,
            card: self.kind.card().to_owned(),
            event: None,
        };
        self.set_up(&mut play).await;
        play
    }

    async fn act(&self, play: &Play) {
        if let Some(event) = &play.event {
            let _may_fail = self.world.tell(event).await;
        } else if self.kind.is_reconciliation() {
            let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
            let _may_fail = reconcile::run(&self.world.payments.reconcile, until).await;
        } else {
            let _may_fail = self.ask(play).await;
        }
    }

    /// The client asks again, Stripe tells again, in another order and twice, and the reconciliation looks.
    async fn recover(&self, plays: &[Play]) {
        let world = &self.world;
        // A process that died leaves its lease.
        world.pass(Duration::seconds(40)).await;
        for play in plays {
            let is_request = play.event.is_none() && !self.kind.is_reconciliation();
            if is_request {
                let again = self.ask(play).await;
                assert!(![500, 502, 503, 504].contains(&again.status), "{:?}: {}", self.kind, again.body);
            }
            if self.kind.needs_another_card() {
                let other = self.buy(play, CARD).await;
                assert_eq!(other.status, 201, "{:?}: another card is another attempt: {}", self.kind, other.body);
            }
            if self.kind == Kind::CheckoutExpired {
                let again = self.ask_checkout(play).await;
                assert_eq!(again.status, 201, "{:?}: {}", self.kind, again.body);
            }
            self.authenticate(play).await;
            if self.kind.is_hosted() {
                self.pay_session(play).await;
            }
        }
        world.admin("POST", "webhooks/mode", json!({"hold": true, "own_clock": true, "shuffle": true})).await;
        world.deliver().await;
        world.pass(Duration::minutes(40)).await;
        world.reconcile().await;
        world.deliver().await;
    }

    async fn check(&self, play: &Play, case: &str) {
        invariants::check(self, play, case).await;
    }

    async fn check_all(&self) {
        invariants::check_books(self).await;
    }
}
