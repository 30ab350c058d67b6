//! The initial state of a membership for a request, event or run.

use serde_json::{Value, json};
use shared::store::reconciliation::{Next, Reading};
use shared::store::{Store, Written};
use time::{Duration, OffsetDateTime};

use super::{CARD, CARD_THAT_FAILS, Kind, Membership, Play};

/// Longer than Stripe remembers a key, and than a hosted page stays open.
const DAY: Duration = Duration::hours(25);

/// Longer than the reconciliation waits before comparing an hour's books.
const BOOKS: Duration = Duration::hours(4);

const SUBSCRIPTIONS: &str = "/v1/subscriptions";
const SESSIONS: &str = "/v1/checkout/sessions";

impl Membership {
    /// Sets it up.
    pub(super) async fn set_up(&self, play: &mut Play) {
        if self.kind == Kind::Offered {
            return;
        }
        if self.kind.has_own_seller() {
            assert_eq!(self.offer(&play.seller).await.status, 200);
        }
        if !self.kind.is_about_members() {
            return;
        }
        if self.kind.has_saved_card() {
            let card = self.new_card().await;
            let saved = self.world.post("/users/me/payment-methods", json!({"payment_method": card})).bearer(&play.buyer.token).await;
            assert_eq!(saved.status, 201, "{}", saved.body);
            play.saved = Some(card);
        }
        if !self.kind.is_hosted() {
            play.card = self.kind.first_card().map(str::to_owned).or_else(|| play.saved.clone());
        }
        if self.kind.is_reconciliation() {
            self.before_a_run(play).await;
        } else if let Some(name) = self.kind.event() {
            self.before_an_event(play).await;
            play.event = Some(self.event_of(play, name).await.unwrap_or_else(|| panic!("{:?}: no {name}", self.kind)));
        } else {
            self.before_a_request(play).await;
            self.before_a_change(play).await;
        }
        if self.kind.takes_days() {
            // Sessions do not last that long.
            play.buyer.token = self.world.log_in(&play.buyer).await;
            self.other_runs(play).await;
        }
    }

    /// Sets up a request to subscribe.
    async fn before_a_request(&self, play: &mut Play) {
        let world = &self.world;
        match self.kind {
            Kind::NewCard | Kind::DirectNewCard => play.card = Some(self.new_card().await),
            Kind::StoredFailureOfAttaching => {
                play.card = Some(self.new_card().await);
                self.store_failure("/v1/payment_methods/pm_", false).await;
            }
            Kind::NewCardOfADeletedCustomer => {
                self.delete_customer(play, None).await;
                play.card = Some(self.new_card().await);
            }
            Kind::HostedOfADeletedCustomer => self.delete_customer(play, None).await,
            Kind::DirectOfADeletedCustomer => {
                assert_eq!(self.subscribe(play, "month", None).await.status, 201);
                self.delete_customer(play, self.charged(&play.seller)).await;
            }
            Kind::DirectOfAnIndebtedCustomer => {
                assert_eq!(self.subscribe(play, "month", None).await.status, 201);
                for customer in self.customers_of(play, self.charged(&play.seller)).await {
                    let path = format!("/customers/{customer}");
                    let changed = self.world.in_dashboard(&path, self.charged(&play.seller), &[("balance", "90000".to_owned())]).await;
                    assert_eq!(changed["balance"], 90_000, "{changed}");
                }
            }
            Kind::DirectHostedOfADeletedCustomer => {
                assert_eq!(self.ask(play).await.status, 201);
                let session = self.open_session(play).await.expect("it was made");
                world.admin("POST", &format!("checkout/sessions/{session}/expire"), json!({})).await;
                self.hear(play, "checkout.session.expired").await;
                self.delete_customer(play, self.charged(&play.seller)).await;
            }
            Kind::AfterADecline => {
                assert_eq!(self.ask(play).await.status, 402);
                play.card.clone_from(&play.saved);
            }
            Kind::HostedAgain => assert_eq!(self.ask(play).await.status, 201),
            Kind::TurnFromHosted => assert_eq!(self.subscribe(play, "month", None).await.status, 201),
            Kind::StoredFailureOfExpiring => {
                assert_eq!(self.subscribe(play, "month", None).await.status, 201);
                self.store_failure("/v1/checkout/sessions/", false).await;
            }
            Kind::PaidBeforeTheCard => {
                assert_eq!(self.subscribe(play, "month", None).await.status, 201);
                self.pay_session(play).await;
            }
            Kind::TurnFromAuthentication | Kind::WithdrawalRacedByAuthentication | Kind::VoidingRacedByAuthentication => {
                assert_eq!(self.ask(play).await.status, 201);
                play.card.clone_from(&play.saved);
            }
            Kind::AuthenticationAgain => assert_eq!(self.ask(play).await.status, 201),
            Kind::AuthenticationFailed => {
                assert_eq!(self.ask(play).await.status, 201);
                self.authenticate(play, "fail").await;
            }
            Kind::DeclineAfterItsEvent => {
                self.lost(play).await;
                self.hear(play, "customer.subscription.created").await;
            }
            Kind::Lost | Kind::LostDecline | Kind::LostHosted | Kind::LostDirect => self.lost(play).await,
            Kind::LostToAnotherCard => {
                self.lost(play).await;
                play.card = Some(self.new_card().await);
            }
            Kind::ForgottenKey | Kind::ForgottenKeyOfHosted => {
                self.lost(play).await;
                world.pass(DAY).await;
            }
            Kind::ForgottenKeyOfNothing => {
                self.fail(SUBSCRIPTIONS, 3, json!({"kind": "drop_before"})).await;
                assert_eq!(self.ask(play).await.status, 503);
                world.pass(DAY).await;
            }
            Kind::StoredFailure => self.fail(SUBSCRIPTIONS, 1, json!({"kind": "status_after", "status": 500})).await,
            Kind::StoredFailureOfHosted => self.fail(SESSIONS, 1, json!({"kind": "status_after", "status": 500})).await,
            Kind::StoredFailureOfProduct => self.store_failure("/v1/products", true).await,
            Kind::StoredFailureOfPrice => self.store_failure("/v1/prices", true).await,
            Kind::StoredFailureOfCloning => self.store_failure("/v1/payment_methods", true).await,
            Kind::StoredFailureOfVoiding => self.store_failure("/v1/invoices/", false).await,
            _ => {}
        }
    }

    /// Sets up a member's change.
    async fn before_a_change(&self, play: &mut Play) {
        match self.kind {
            Kind::Listed
            | Kind::Shown
            | Kind::Canceled
            | Kind::CanceledOfDirect
            | Kind::Switched
            | Kind::SwitchedOfDirect
            | Kind::RacingSwitches
            | Kind::SwitchRacedByItsEvent => self.joined(play, "month").await,
            Kind::CanceledAfterItsEnd => {
                self.joined(play, "month").await;
                self.end_all(play).await;
            }
            Kind::Resumed => {
                self.joined(play, "month").await;
                assert_eq!(self.change(play, "cancel", json!({})).await.status, 200);
            }
            Kind::ResumedWithACard => {
                self.joined(play, "month").await;
                assert_eq!(self.change(play, "cancel", json!({})).await.status, 200);
                play.card = Some(self.new_card().await);
            }
            Kind::Owed | Kind::OwedOfDirect | Kind::StoredFailureOfPaying => {
                self.joined(play, "month").await;
                self.renew(play, Some(CARD_THAT_FAILS)).await;
                if self.kind == Kind::StoredFailureOfPaying {
                    self.store_failure("/v1/invoices/", false).await;
                }
            }
            Kind::SwitchedToMonths => {
                self.joined(play, "year").await;
                self.world.pass(Duration::days(73)).await;
            }
            Kind::SwitchLost => {
                self.joined(play, "month").await;
                self.fail("/v1/subscriptions/", 3, json!({"kind": "drop_after"})).await;
                assert_eq!(self.ask(play).await.status, 503);
            }
            Kind::SwitchDeclined => {
                self.joined(play, "month").await;
                self.pay_with(play, CARD_THAT_FAILS).await;
            }
            Kind::StoredFailureOfSwitching => {
                self.joined(play, "month").await;
                self.fail("/v1/subscriptions/", 1, json!({"kind": "status_after", "status": 500})).await;
            }
            _ => {}
        }
    }

    async fn before_an_event(&self, play: &mut Play) {
        match self.kind {
            Kind::InvoicePaid | Kind::InvoicePaidOfDirect | Kind::PaymentFailed | Kind::SubscriptionCreated => self.lost(play).await,
            Kind::PaymentFailedOfRenewal | Kind::SubscriptionUpdated => {
                self.joined(play, "month").await;
                self.renew(play, Some(CARD_THAT_FAILS)).await;
            }
            Kind::InvoicePaidOfRenewal | Kind::InvoicePaidOfRenewalOfDirect => {
                self.joined(play, "month").await;
                self.renew(play, None).await;
            }
            Kind::SubscriptionDeleted => {
                self.joined(play, "month").await;
                assert_eq!(self.change(play, "cancel", json!({})).await.status, 200);
                self.renew(play, None).await;
            }
            Kind::InvoicePaidOfHosted => {
                assert_eq!(self.ask(play).await.status, 201);
                self.pay_session(play).await;
            }
            Kind::CheckoutCompleted | Kind::CheckoutCompletedOfDirect => {
                self.lost(play).await;
                self.pay_session(play).await;
            }
            Kind::CheckoutExpired => {
                assert_eq!(self.subscribe(play, "month", None).await.status, 201);
                let session = self.open_session(play).await.expect("it was made");
                self.world.admin("POST", &format!("checkout/sessions/{session}/expire"), json!({})).await;
            }
            Kind::RefundCreated => {
                self.joined(play, "month").await;
                self.refund(play, 400).await;
            }
            Kind::RefundOvertakes => {
                self.lost(play).await;
                self.refund(play, 400).await;
            }
            Kind::RefundOfAnEarlierOne => {
                self.joined(play, "month").await;
                self.end_all(play).await;
                self.hear(play, "customer.subscription.deleted").await;
                let earlier = self.payments_of(play).await.remove(0);
                self.joined(play, "month").await;
                self.refund_of(play, &earlier, 400).await;
            }
            Kind::ChargeRefunded | Kind::ChargeRefundedOfDirect => {
                self.joined(play, "month").await;
                self.refund(play, 1000).await;
            }
            Kind::RefundFailed => {
                self.joined(play, "month").await;
                let refund = self.refund(play, 1000).await;
                self.hear(play, "refund.created").await;
                self.world.admin("POST", &format!("refunds/{refund}/fail"), json!({"reason": "expired_or_canceled_card"})).await;
            }
            Kind::DisputeCreated => {
                self.joined(play, "month").await;
                let charge = self.payments_of(play).await[0]["latest_charge"]["id"].as_str().expect("it was paid").to_owned();
                self.world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
            }
            kind => unreachable!("{kind:?} is not an event"),
        }
    }

    async fn before_a_run(&self, play: &mut Play) {
        let mut waits = Duration::minutes(15);
        match self.kind {
            Kind::ReconciledLost | Kind::ReconciledDecline => self.lost(play).await,
            Kind::ReconciledForgottenKey => {
                self.lost(play).await;
                waits = DAY;
            }
            Kind::ReconciledHosted => {
                assert_eq!(self.ask(play).await.status, 201);
                self.pay_session(play).await;
                waits = DAY + Duration::minutes(5);
            }
            Kind::ReconciledAbandoned => {
                assert_eq!(self.subscribe(play, "month", None).await.status, 201);
                waits = DAY + Duration::minutes(5);
            }
            Kind::ReconciledAuthentication => {
                assert_eq!(self.ask(play).await.status, 201);
                self.authenticate(play, "succeed").await;
                waits = DAY;
            }
            Kind::ReconciledOfferGone => {
                assert_eq!(self.subscribe(play, "month", None).await.status, 201);
                let ended = self.world.delete(Self::path(&play.seller)).bearer(&play.seller.person.token).await;
                assert_eq!(ended.status, 204, "{}", ended.body);
                waits = Duration::minutes(1);
            }
            Kind::ReconciledRenewal => {
                self.joined(play, "month").await;
                self.renew(play, None).await;
                // The reconciliation no longer waits for the event.
                waits = Duration::hours(2);
            }
            Kind::ReconciledEndOfDirect => {
                self.joined(play, "month").await;
                self.world.deliver().await;
                self.end_all(play).await;
                // An account's subscriptions are checked every six hours.
                let round = 6 * 60 * 60;
                waits = Duration::seconds(round - self.world.app.clock.now().unix_timestamp().rem_euclid(round)) + Duration::minutes(30);
            }
            Kind::BooksOfAnUnheardRefund => {
                self.joined(play, "month").await;
                self.refund(play, 1000).await;
                waits = BOOKS;
            }
            kind => unreachable!("{kind:?} is not a run"),
        }
        self.world.pass(waits).await;
        if self.kind == Kind::ReconciledEndOfDirect {
            self.other_runs(play).await;
        }
    }

    /// Subscribes with the saved card.
    async fn joined(&self, play: &mut Play, interval: &str) {
        let answer = self.subscribe(play, interval, play.saved.as_deref()).await;
        let subscription = &answer.json()["subscription"];
        assert_eq!(subscription["status"], "active", "{}", answer.body);
        play.subscription = subscription["id"].as_str().map(str::to_owned);
    }

    /// Subscribes, but the response is lost.
    async fn lost(&self, play: &Play) {
        let path = if self.kind.is_hosted() { SESSIONS } else { SUBSCRIPTIONS };
        self.fail(path, 3, json!({"kind": "drop_after"})).await;
        let answer = self.subscribe(play, "month", play.card.as_deref()).await;
        assert_eq!(answer.status, 503, "{}", answer.body);
        // The lease of that request expires.
        self.world.pass(Duration::seconds(40)).await;
    }

    /// Lets the period pass, and the time in which its renewal is charged, to another card if one is given.
    async fn renew(&self, play: &Play, card: Option<&str>) {
        if let Some(card) = card {
            self.pay_with(play, card).await;
        }
        let subscription = self.subscriptions_of(play).await.remove(0);
        let end = subscription["items"]["data"][0]["current_period_end"].as_i64().expect("a time");
        let end = OffsetDateTime::from_unix_timestamp(end).expect("a time");
        self.world.pass(end + Duration::hours(2) - self.world.app.clock.now()).await;
    }

    /// Earlier runs of the reconciliation found nothing in the books.
    async fn other_runs(&self, play: &Play) {
        let (store, now) = (&self.world.app.store, self.world.app.clock.now());
        let mut reading = Reading::until(now - Duration::hours(2));
        reading.has_payments = Some(true);
        store.save_reading(&play.seller.account, &reading, Next::At(now - Duration::minutes(1))).await.expect("the table");
        let mut progress = store.progress().await.expect("the table").expect("it has run");
        (progress.orphans_until, progress.books_hour) = (now - Duration::minutes(15), Store::hour_of(now) - 2);
        assert_eq!(store.save_progress(&mut progress).await.expect("the table"), Written::Yes);
    }

    async fn fail(&self, path: &str, times: u32, fault: Value) {
        let matches = json!({"method": "POST", "path": path});
        self.world.admin("POST", "faults", json!({"match": matches, "times": times, "fault": fault})).await;
    }

    /// Lets Stripe answer 500 to the next POST without doing anything, which its key stores.
    async fn store_failure(&self, path: &str, exact: bool) {
        let matches = json!({"method": "POST", "path": path, "exact": exact});
        self.world.admin("POST", "faults", json!({"match": matches, "fault": {"kind": "status", "status": 500}})).await;
    }

    /// Delivers the newest event with that name.
    async fn hear(&self, play: &Play, name: &str) {
        let event = self.event_of(play, name).await.unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(self.world.tell(&event).await.status, 200);
    }

    /// One of the platform's cards that no customer holds.
    async fn new_card(&self) -> String {
        let form = [("type", "card".to_owned()), ("card[token]", CARD.to_owned())];
        let made = self.world.in_dashboard("/payment_methods", None, &form).await;
        made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    /// Somebody makes another card pay for the subscription, in the Dashboard.
    async fn pay_with(&self, play: &Play, card: &str) {
        let (world, account) = (&self.world, self.charged(&play.seller));
        let subscription = self.subscriptions_of(play).await.remove(0);
        let customer = subscription["customer"].as_str().expect("a customer").to_owned();
        let attached = world.in_dashboard(&format!("/payment_methods/{card}/attach"), account, &[("customer", customer)]).await;
        let id = attached["id"].as_str().unwrap_or_else(|| panic!("{attached}")).to_owned();
        let path = format!("/subscriptions/{}", subscription["id"].as_str().expect("an id"));
        let changed = world.in_dashboard(&path, account, &[("default_payment_method", id.clone())]).await;
        assert_eq!(changed["default_payment_method"], id.as_str(), "{changed}");
    }

    /// Refunds the newest payment in the Dashboard. Returns the refund's id.
    async fn refund(&self, play: &Play, amount: i64) -> String {
        let newest = self.payments_of(play).await.remove(0);
        self.refund_of(play, &newest, amount).await
    }

    async fn refund_of(&self, play: &Play, payment: &Value, amount: i64) -> String {
        let payment = payment["id"].as_str().expect("an id").to_owned();
        let mut form = vec![("payment_intent", payment), ("refund_application_fee", "true".to_owned()), ("amount", amount.to_string())];
        if self.charged(&play.seller).is_none() {
            form.push(("reverse_transfer", "true".to_owned()));
        }
        let refund = self.world.in_dashboard("/refunds", self.charged(&play.seller), &form).await;
        refund["id"].as_str().unwrap_or_else(|| panic!("{refund}")).to_owned()
    }

    /// Somebody deletes the buyer's customer in the Dashboard.
    async fn delete_customer(&self, play: &Play, account: Option<&str>) {
        for customer in self.customers_of(play, account).await {
            let deleted = self.world.delete_in_dashboard(&format!("/customers/{customer}"), account).await;
            assert_eq!(deleted["deleted"], true, "{deleted}");
        }
    }

    /// Somebody ends the buyer's subscriptions at once, in the Dashboard.
    pub(super) async fn end_all(&self, play: &Play) {
        for subscription in self.subscriptions_of(play).await.iter().filter(|one| one["ended_at"].is_null()) {
            let path = format!("/subscriptions/{}", subscription["id"].as_str().expect("an id"));
            let ended = self.world.delete_in_dashboard(&path, self.charged(&play.seller)).await;
            assert_eq!(ended["status"], "canceled", "{ended}");
        }
    }

    pub(super) async fn open_session(&self, play: &Play) -> Option<String> {
        let path = format!("/checkout/sessions?limit=100&status=open&created[gte]={}", play.began);
        let sessions = self.world.stripe(&path, self.charged(&play.seller)).await;
        let all = sessions["data"].as_array().unwrap_or_else(|| panic!("{sessions}"));
        all.iter().find(|session| is_of(play, &session["metadata"])).and_then(|session| session["id"].as_str().map(str::to_owned))
    }

    pub(super) async fn pay_session(&self, play: &Play) {
        if let Some(id) = self.open_session(play).await {
            self.world.admin("POST", &format!("checkout/sessions/{id}/pay"), json!({})).await;
        }
    }

    pub(super) async fn authenticate(&self, play: &Play, outcome: &str) {
        for payment in self.payments_of(play).await.iter().filter(|payment| payment["status"] == "requires_action") {
            let id = payment["id"].as_str().expect("an id");
            self.world.admin("POST", &format!("payment_intents/{id}/authenticate"), json!({"outcome": outcome})).await;
        }
    }

    async fn listed(&self, what: &str, account: Option<&str>) -> Vec<Value> {
        let list = self.world.stripe(what, account).await;
        assert_ne!(list["has_more"], true, "{what}: there are too many");
        list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone()
    }

    /// The buyer's subscriptions at Stripe, newest first.
    pub(super) async fn subscriptions_of(&self, play: &Play) -> Vec<Value> {
        let all =
            self.listed(&format!("/subscriptions?limit=100&status=all&created[gte]={}", play.began), self.charged(&play.seller)).await;
        all.into_iter().filter(|one| is_of(play, &one["metadata"])).collect()
    }

    /// Their invoices.
    pub(super) async fn invoices_of(&self, play: &Play) -> Vec<Value> {
        let mut all = Vec::new();
        for subscription in self.subscriptions_of(play).await {
            let path = format!("/invoices?limit=100&subscription={}&expand[]=data.payments", subscription["id"].as_str().expect("an id"));
            all.extend(self.listed(&path, self.charged(&play.seller)).await);
        }
        all
    }

    /// The buyer's customers.
    pub(super) async fn customers_of(&self, play: &Play, account: Option<&str>) -> Vec<String> {
        let all = self.listed(&format!("/customers?limit=100&created[gte]={}", play.began), account).await;
        let mine = all.iter().filter(|one| one["metadata"]["buyer_id"] == play.buyer.id.as_str());
        mine.filter_map(|one| one["id"].as_str().map(str::to_owned)).collect()
    }

    /// Their payments, newest first.
    pub(super) async fn payments_of(&self, play: &Play) -> Vec<Value> {
        let account = self.charged(&play.seller);
        let customers = self.customers_of(play, account).await;
        let path = format!("/payment_intents?limit=100&expand[]=data.latest_charge&created[gte]={}", play.began);
        let all = self.listed(&path, account).await;
        all.into_iter().filter(|one| one["customer"].as_str().is_some_and(|id| customers.iter().any(|mine| mine == id))).collect()
    }

    /// The refunds of a payment.
    pub(super) async fn refunds_of(&self, play: &Play, payment: &str) -> Vec<Value> {
        self.listed(&format!("/refunds?limit=100&payment_intent={payment}"), self.charged(&play.seller)).await
    }

    /// The newest event with that name about this play.
    pub(super) async fn event_of(&self, play: &Play, name: &str) -> Option<Value> {
        let payments = self.payments_of(play).await;
        let event = self.world.event(name, |object| {
            is_of(play, &object["metadata"])
                || is_of(play, &object["parent"]["subscription_details"]["metadata"])
                || (object["payment_intent"].is_string() && payments.iter().any(|payment| payment["id"] == object["payment_intent"]))
        });
        event.await
    }

    /// The seller's products, or their prices.
    pub(super) async fn offered(&self, play: &Play, what: &str) -> Vec<Value> {
        let since = if self.kind.has_own_seller() { play.began } else { 0 };
        let all = self.listed(&format!("/{what}?limit=100&created[gte]={since}"), self.charged(&play.seller)).await;
        let of = |one: &Value| {
            one[if what == "products" { "id" } else { "product" }].as_str().unwrap_or_default().contains(&play.seller.person.id)
        };
        all.into_iter().filter(of).collect()
    }
}

fn is_of(play: &Play, metadata: &Value) -> bool {
    metadata["buyer_id"] == play.buyer.id.as_str() && metadata["seller_id"] == play.seller.person.id.as_str()
}
