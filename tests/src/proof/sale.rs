//! A sale: its setup, the action, and the recovery.

use local::proxy::{self, Fault, Gate};
use serde_json::{Value, json};
use time::Duration;

use super::engine::Scenario;
use super::faults::How;
use super::invariants;
use super::scenarios::Kind;
use crate::harness::{Answer, Person, World};

pub(super) const CARD: &str = "pm_card_bypassPending";

pub(super) const CARD_TO_AUTHENTICATE: &str = "pm_card_threeDSecure2Required";

/// A world in which a scenario is played repeatedly, each time with its own course and buyer.
pub(super) struct Sale {
    pub(super) world: World,
    pub(super) kind: Kind,
    pub(super) seller: Person,
    pub(super) account: String,
    /// Another seller, who has a share in shared courses.
    pub(super) partner: Option<Person>,
    pub(super) played: u32,
}

/// The data of one play.
#[derive(Clone, Debug)]
pub(super) struct Play {
    pub(super) buyer: Person,
    pub(super) course_id: String,
    /// By Stripe's clock.
    began: i64,
    /// The earlier purchase, if there is one.
    pub(super) purchase: Option<String>,
    /// The payment method to pay with.
    pub(super) card: String,
    /// Whether to save it.
    pub(super) save_card: bool,
    /// The event to deliver.
    pub(super) event: Option<Value>,
    /// A purchase before this one whose payment was or must be refunded.
    pub(super) earlier: Option<String>,
}

impl Play {
    /// Whether a payment at Stripe belongs to the earlier purchase.
    pub(super) fn is_earlier(&self, payment: &Value) -> bool {
        self.earlier.is_some() && payment["metadata"]["purchase_id"].as_str() == self.earlier.as_deref()
    }
}

impl Sale {
    pub(super) async fn start(kind: Kind, how: How) -> Self {
        // Here one seller makes hundreds of refunds in a day.
        let caps = [("REFUNDS_PER_DAY", "1000000"), ("REFUND_AMOUNT_PER_DAY", "usd:99999999"), ("REFUND_MINIMUM", "usd:1")];
        // The seller's account is a Standard one, so direct is what fits.
        let charge_type = if kind.charge_type() == "direct" { "auto" } else { kind.charge_type() };
        let settings = [("CHARGE_TYPE", charge_type), ("ORPHAN_POLICY", "record"), ("STRIPE_TIMEOUT_MS", how.patience())];
        let policy = [("FRAUD_WARNINGS", if kind == Kind::FraudRefunded { "refund" } else { "tell" })];
        let world = World::with(&[&settings[..], &caps, &policy].concat()).await;
        let seller = world.seller("seller@example.com").await;
        let account = world.link(&seller).await;
        let mut partner = None;
        if kind == Kind::SharedCourse {
            let other = world.seller("partner@example.com").await;
            world.link(&other).await;
            partner = Some(other);
        }
        if kind.currency() != "usd" {
            // It settles in dollars, like any account in the US without a bank account in that currency.
            world.admin("POST", "settings", json!({"every_currency": false})).await;
        }
        // The reconciliation reads from here on.
        world.reconcile().await;
        Self { world, kind, seller, account, partner, played: 0 }
    }

    pub(super) fn charged_account(&self) -> Option<&str> {
        (self.kind.charge_type() == "direct").then_some(self.account.as_str())
    }

    pub(super) async fn bought(&self, play: &mut Play) -> String {
        let answer = if self.kind.is_hosted() { self.ask_checkout(play).await } else { self.buy(play, &play.card).await };
        assert_eq!(answer.status, 201, "{}", answer.body);
        play.purchase = answer.json()["purchase"]["id"].as_str().map(str::to_owned);
        self.payment(play).await
    }

    pub(super) async fn buy(&self, play: &Play, card: &str) -> Answer {
        let mut body = json!({"course_id": play.course_id, "payment_method": card});
        if play.save_card {
            body["save_card"] = true.into();
        }
        self.world.post("/courses/charge", body).bearer(&play.buyer.token).await
    }

    pub(super) async fn ask_checkout(&self, play: &Play) -> Answer {
        self.world.post("/courses/charge", json!({"course_id": play.course_id})).bearer(&play.buyer.token).await
    }

    /// Lets Stripe carry out each POST to `path`, but loses the responses.
    pub(super) async fn deafen(&self, path: &str) {
        let fault = json!({"match": {"method": "POST", "path": path}, "times": 3, "fault": {"kind": "drop_after"}});
        self.world.admin("POST", "faults", fault).await;
    }

    /// Buys, but the response is lost.
    pub(super) async fn lost(&self, play: &Play) {
        let path = if self.kind.is_hosted() { "/v1/checkout/sessions" } else { "/v1/payment_intents" };
        self.deafen(path).await;
        let answer = if self.kind.is_hosted() { self.ask_checkout(play).await } else { self.buy(play, &play.card).await };
        assert_eq!(answer.status, 503, "{}", answer.body);
    }

    /// The buyer's only payment so far.
    pub(super) async fn payment(&self, play: &Play) -> String {
        let payments = self.payments_of(play).await;
        assert_eq!(payments.len(), 1, "{payments:?}");
        payments[0]["id"].as_str().expect("an id").to_owned()
    }

    pub(super) async fn dispute(&self, play: &Play) -> String {
        let payment = &self.payments_of(play).await[0];
        let charge = payment["latest_charge"]["id"].as_str().expect("it was paid");
        self.world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
        let path = format!("/disputes?payment_intent={}", payment["id"].as_str().expect("an id"));
        let disputes = self.world.stripe(&path, self.charged_account()).await;
        disputes["data"][0]["id"].as_str().unwrap_or_else(|| panic!("{disputes}")).to_owned()
    }

    /// The card's issuer says that the payment was fraud.
    pub(super) async fn warn_of_fraud(&self, play: &Play) {
        let payment = &self.payments_of(play).await[0];
        let charge = payment["latest_charge"]["id"].as_str().expect("it was paid");
        self.world.admin("POST", &format!("charges/{charge}/fraud_warning"), json!({})).await;
    }

    /// A change in the platform's Dashboard.
    pub(super) async fn at_stripe(&self, path: &str, form: &[(&str, &str)]) -> Value {
        self.at_account(None, path, form).await
    }

    /// A change in an account's Dashboard.
    async fn at_account(&self, account: Option<&str>, path: &str, form: &[(&str, &str)]) -> Value {
        let url = format!("{}/v1{path}", self.world.app.config.stripe_api_base);
        let mut request = self.world.app.http.post(url).bearer_auth("sk_test_local").form(form);
        if let Some(account) = account {
            request = request.header("stripe-account", account);
        }
        let answer = request.send().await.expect("it runs");
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        serde_json::from_str(&answer.text().await.expect("it is text")).expect("it is JSON")
    }

    pub(super) async fn refunded_in_dashboard(&self, play: &mut Play) -> String {
        let payment = self.bought(play).await;
        self.world.deliver().await;
        let mut form = vec![("payment_intent", payment.as_str()), ("amount", "1000")];
        if self.charged_account().is_none() {
            form.push(("reverse_transfer", "true"));
        }
        if self.kind == Kind::RefundOutOfReach {
            form.push(("refund_application_fee", "true"));
        }
        self.at_account(self.charged_account(), "/refunds", &form).await["id"].as_str().expect("an id").to_owned()
    }

    pub(super) async fn transfer_of(&self, play: &Play) -> String {
        let group = play.purchase.as_ref().expect("it was bought");
        let transfers = self.world.stripe(&format!("/transfers?transfer_group={group}"), None).await;
        transfers["data"][0]["id"].as_str().unwrap_or_else(|| panic!("{transfers}")).to_owned()
    }

    pub(super) async fn open_session(&self, play: &Play) -> Option<String> {
        let sessions = self.world.stripe("/checkout/sessions?limit=100", self.charged_account()).await;
        let all = sessions["data"].as_array().expect("a list").clone();
        let mine = |session: &&Value| {
            session["status"] == "open"
                && session["metadata"]["buyer_id"] == play.buyer.id.as_str()
                && session["metadata"]["course_id"] == play.course_id.as_str()
        };
        all.iter().find(mine).and_then(|session| session["id"].as_str().map(str::to_owned))
    }

    pub(super) async fn pay_session(&self, play: &Play) {
        if let Some(id) = self.open_session(play).await {
            self.world.admin("POST", &format!("checkout/sessions/{id}/pay"), json!({"card": CARD})).await;
        }
    }

    pub(super) async fn authenticate(&self, play: &Play) {
        for payment in self.payments_of(play).await.iter().filter(|payment| payment["status"] == "requires_action") {
            let id = payment["id"].as_str().expect("an id");
            self.world.admin("POST", &format!("payment_intents/{id}/authenticate"), json!({"outcome": "succeed"})).await;
        }
    }

    /// The buyer's payments for the course, at Stripe.
    pub(super) async fn payments_of(&self, play: &Play) -> Vec<Value> {
        let path = format!("/payment_intents?limit=100&expand[]=data.latest_charge&created[gte]={}", play.began);
        let list = self.world.stripe(&path, self.charged_account()).await;
        let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone();
        let mine = |payment: &Value| {
            payment["metadata"]["buyer_id"] == play.buyer.id.as_str() && payment["metadata"]["course_id"] == play.course_id.as_str()
        };
        all.into_iter().filter(mine).collect()
    }

    /// Sends a request, and holds the write with this number while something else happens, as in another process.
    async fn race(&self, play: &Play, write: usize) {
        let gate = Gate::new();
        let held = Fault::next("TransactWriteItems", proxy::Kind::Hold(gate.clone())).skip(write);
        self.world.proxy.inject(held);
        let mut ours = std::pin::pin!(self.ask(play));
        tokio::select! {
            // It failed before it got that far.
            _ = &mut ours => return,
            () = gate.reached() => {}
        }
        match self.kind {
            Kind::RacingCharges | Kind::RacingRefunds => {
                let _may_fail = self.ask(play).await;
            }
            kind => {
                let name = if kind == Kind::ChargeRacedByItsEvent { "payment_intent.succeeded" } else { "refund.created" };
                if let Some(event) = self.event_of(play, name).await {
                    let _may_fail = self.world.tell(&event).await;
                }
            }
        }
        gate.open();
        let _may_fail = ours.await;
    }

    /// The newest event with that name about this play.
    pub(super) async fn event_of(&self, play: &Play, name: &str) -> Option<Value> {
        let id = play.purchase.clone();
        let payment = self.payments_of(play).await.first().and_then(|payment| payment["id"].as_str().map(str::to_owned));
        let event = self.world.event(name, |object| {
            self.is_mine(play, object)
                || object["payment_intent"].as_str().is_some_and(|one| Some(one) == payment.as_deref())
                || (id.is_some() && object["transfer_group"].as_str() == id.as_deref())
        });
        event.await
    }

    pub(super) fn is_mine(&self, play: &Play, object: &Value) -> bool {
        object["metadata"]["buyer_id"] == play.buyer.id.as_str() && object["metadata"]["course_id"] == play.course_id.as_str()
    }

    /// The seller refunds part of it, or everything that is left.
    pub(super) async fn give_back(&self, play: &Play, part: Option<i64>, key: &str) -> Answer {
        let amount = part.map_or(json!({}), |part| json!({"amount": part}));
        let id = play.purchase.as_ref().expect("it was bought");
        let request = self.world.post(format!("/purchases/{id}/refund"), amount).bearer(&self.seller.token);
        request.header("idempotency-key", format!("{key} {}", play.course_id)).await
    }

    pub(super) async fn ask(&self, play: &Play) -> Answer {
        match self.kind {
            kind if kind.is_refund() => self.give_back(play, kind.refunded_part(), "refund").await,
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
        // The next play's events would tell of the dispute.
        self.kind.is_reconciliation() || self.kind.takes_days() || self.kind == Kind::RefundOfAnUnheardDispute
    }

    async fn prepare(&mut self) -> Play {
        self.played += 1;
        if self.is_alone() {
            // Sessions do not last for so many plays, each of which takes hours or days.
            self.seller.token = self.world.log_in(&self.seller).await;
        }
        let (world, number) = (&self.world, self.played);
        // Removes faults that an earlier play did not reach.
        world.admin("DELETE", "faults", json!({})).await;
        let course = world.course(&self.seller, &format!("Course {number}"), 5001, self.kind.currency(), 33).await;
        let buyer = world.buyer(&format!("buyer{number}@example.com")).await;
        // Every event is sent twice.
        world.admin("POST", "webhooks/mode", json!({"hold": true, "own_clock": true, "duplicate": 1})).await;
        let mut play = Play {
            buyer,
            course_id: course["id"].as_str().expect("an id").to_owned(),
            began: world.app.clock.now().unix_timestamp() - 60,
            purchase: None,
            card: self.kind.card().to_owned(),
            save_card: false,
            event: None,
            earlier: None,
        };
        self.set_up(&mut play).await;
        play
    }

    async fn act(&self, play: &Play) {
        if let Some(event) = &play.event {
            let _may_fail = self.world.tell(event).await;
        } else if self.kind.is_reconciliation() {
            let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
            let _may_fail = reconcile::handle(&self.world.payments.reconcile, self.kind.asked(), until).await;
        } else if let Some(write) = self.kind.write_that_is_raced() {
            self.race(play, write).await;
        } else {
            let _may_fail = self.ask(play).await;
        }
    }

    async fn check_meanwhile(&self, play: &Play, case: &str) {
        invariants::check_access(self, play, case).await;
    }

    /// The client retries, Stripe sends its events again, in another order and twice, and the reconciliation runs.
    async fn recover(&self, plays: &[Play]) {
        let world = &self.world;
        // Lets the lease of a dead process expire.
        world.pass(Duration::seconds(40)).await;
        if matches!(self.kind, Kind::ReconciledFailure | Kind::ReconciledAfterAFailure) {
            // Stripe answers again.
            world.admin("DELETE", "faults", json!({})).await;
        }
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
            if matches!(self.kind, Kind::ReconciledOfferGone | Kind::ReconciledOfferPaid) {
                self.publish(play, true).await;
            }
            if self.kind.needs_another_page() {
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
