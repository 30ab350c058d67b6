//! The initial state for a sale's request, event or run.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::store::{Store, Written};
use time::Duration;

use super::sale::{CARD, CARD_TO_AUTHENTICATE, Play, Sale};
use super::scenarios::Kind;

/// Longer than Stripe remembers a key, and than the reconciliation waits for a buyer.
const DAY: Duration = Duration::hours(25);

/// Longer than the reconciliation waits before comparing an hour's books.
const BOOKS: Duration = Duration::hours(4);

const PAYMENTS: &str = "/v1/payment_intents";
const SESSIONS: &str = "/v1/checkout/sessions";

impl Sale {
    /// Sets it up.
    pub(super) async fn set_up(&self, play: &mut Play) {
        if self.kind.is_refund() {
            self.before_a_refund(play).await;
        } else if self.kind.is_reconciliation() {
            self.before_a_run(play).await;
        } else if let Some(name) = self.kind.event() {
            self.before_an_event(play).await;
            let sent = self.event_of(play, self.kind.told_as().unwrap_or(name)).await;
            let mut event = sent.or_else(|| play.event.take()).unwrap_or_else(|| panic!("{:?}: no {name}", self.kind));
            if self.kind.told_as().is_some() {
                // Stripe sends it when a bank is slow.
                event["type"] = name.into();
                event["id"] = format!("{}_{name}", event["id"].as_str().expect("an id")).into();
                if self.kind == Kind::PaymentProcessing {
                    event["data"]["object"]["status"] = "processing".into();
                }
            }
            play.event = Some(event);
        } else {
            self.before_a_charge(play).await;
        }
    }

    async fn before_a_charge(&self, play: &mut Play) {
        let world = &self.world;
        match self.kind {
            Kind::ReturningBuyer => self.bought_another(play).await,
            Kind::CustomerDeleted => {
                self.bought_another(play).await;
                self.delete_customer(play).await;
            }
            Kind::AfterADecline => {
                assert_eq!(self.buy(play, "pm_card_visa_chargeDeclined").await.status, 402);
                world.deliver().await;
            }
            Kind::TurnFromCheckout | Kind::CheckoutAgain => assert_eq!(self.ask_checkout(play).await.status, 201),
            Kind::AnotherCard => assert_eq!(self.buy(play, CARD_TO_AUTHENTICATE).await.status, 201),
            Kind::AuthenticationFailed => {
                assert_eq!(self.buy(play, CARD_TO_AUTHENTICATE).await.status, 201);
                let payment = self.payment(play).await;
                world.admin("POST", &format!("payment_intents/{payment}/authenticate"), json!({"outcome": "fail"})).await;
                world.deliver().await;
            }
            Kind::DirectWithPlatformCard => play.card = self.new_card().await,
            Kind::DirectWithSavedCard => self.save_a_card(play).await,
            Kind::DirectSavingTheCard => (play.card, play.save_card) = (self.new_card().await, true),
            Kind::DirectSavingAfterDeletion => {
                self.save_a_card(play).await;
                self.delete_customer(play).await;
                (play.card, play.save_card) = (self.new_card().await, true);
            }
            Kind::SharedCourse => self.share(play).await,
            Kind::LostCharge | Kind::LostAuthentication | Kind::LostCheckout => {
                self.lost(play).await;
                // The lease of that request expires.
                world.pass(Duration::seconds(40)).await;
            }
            Kind::ForgottenKey | Kind::ForgottenKeyOfCheckout => {
                self.lost(play).await;
                world.pass(DAY).await;
            }
            Kind::ForgottenKeyOfNothing => {
                let fault = json!({"match": {"method": "POST", "path": PAYMENTS}, "times": 3, "fault": {"kind": "drop_before"}});
                world.admin("POST", "faults", fault).await;
                assert_eq!(self.ask(play).await.status, 503);
                world.pass(DAY).await;
            }
            Kind::StoredFailureOfCustomer => self.store_failure("/v1/customers").await,
            Kind::StoredFailure => self.store_failure(PAYMENTS).await,
            Kind::StoredFailureOfCheckout => self.store_failure(SESSIONS).await,
            _ => {}
        }
    }

    async fn before_a_refund(&self, play: &mut Play) {
        self.bought(play).await;
        self.world.deliver().await;
        match self.kind {
            Kind::LostRefund => {
                self.deafen("/v1/refunds").await;
                let answer = self.ask(play).await;
                assert_eq!(answer.status, 503, "{}", answer.body);
            }
            Kind::RefundAfterALostOne => {
                self.deafen("/v1/refunds").await;
                let answer = self.give_back(play, Some(1234), "another").await;
                assert_eq!(answer.status, 503, "{}", answer.body);
            }
            Kind::StoredFailureOfRefund => self.store_failure("/v1/refunds").await,
            Kind::RefundOfAnUnheardDispute => drop(self.dispute(play).await),
            Kind::RefundAfterDashboard => {
                let payment = self.payment(play).await;
                let form = [("payment_intent", payment.as_str()), ("amount", "1000"), ("reverse_transfer", "true")];
                self.at_stripe("/refunds", &form).await;
            }
            _ => {}
        }
    }

    async fn before_an_event(&self, play: &mut Play) {
        let world = &self.world;
        match self.kind {
            Kind::PaymentSucceeded
            | Kind::PaymentSucceededOfDirect
            | Kind::PaymentSucceededOfSeparate
            | Kind::PaymentFailed
            | Kind::PaymentProcessing
            | Kind::PaymentRequiresAction
            | Kind::ChargeUpdated => self.lost(play).await,
            Kind::PaymentSucceededAfterItsAnswer => {
                self.bought(play).await;
            }
            Kind::PaymentFailedInTheBrowser => {
                assert_eq!(self.buy(play, CARD_TO_AUTHENTICATE).await.status, 201);
                let payment = self.payment(play).await;
                world.admin("POST", &format!("payment_intents/{payment}/authenticate"), json!({"outcome": "fail"})).await;
            }
            Kind::StoredFailureOfTransfer => {
                self.lost(play).await;
                self.store_failure("/v1/transfers").await;
            }
            Kind::PaymentCanceled => {
                self.lost(play).await;
                let payment = self.payment(play).await;
                self.at_stripe(&format!("/payment_intents/{payment}/cancel"), &[]).await;
            }
            Kind::CheckoutCompleted
            | Kind::CheckoutCompletedOfDirect
            | Kind::CheckoutCompletedOfSeparate
            | Kind::CheckoutAsyncSucceeded => {
                self.lost(play).await;
                self.pay_session(play).await;
            }
            Kind::CheckoutAsyncFailed => {
                self.lost(play).await;
                let id = self.open_session(play).await.expect("it was made");
                let session = world.stripe(&format!("/checkout/sessions/{id}"), None).await;
                let (name, at) = ("checkout.session.async_payment_failed", world.app.clock.now().unix_timestamp());
                play.event = Some(json!({
                    "id": format!("evt_{id}"), "object": "event", "type": name, "created": at, "livemode": false, "data": {"object": session},
                }));
            }
            Kind::CheckoutExpired => {
                self.lost(play).await;
                let session = self.open_session(play).await.expect("it was made");
                world.admin("POST", &format!("checkout/sessions/{session}/expire"), json!({})).await;
            }
            Kind::ChargeRefunded | Kind::ChargeRefundedOfDirect | Kind::RefundCreated => {
                self.refunded_in_dashboard(play).await;
            }
            Kind::RefundOutOfReach => {
                let refund = self.refunded_in_dashboard(play).await;
                let error = json!({"error": {"type": "invalid_request_error", "code": "account_invalid"}}).to_string();
                let revoked = json!({"kind": "raw", "status": 403, "content_type": "application/json", "body": error});
                world.fault("GET", &format!("/v1/refunds/{refund}"), revoked).await;
            }
            Kind::RefundUpdated | Kind::RefundFailed => {
                let refund = self.refunded_in_dashboard(play).await;
                world.deliver().await;
                self.fail_refund(&refund).await;
            }
            Kind::DisputeCreated | Kind::DisputeCreatedOfDirect | Kind::DisputeFundsWithdrawn => {
                self.bought(play).await;
                world.deliver().await;
                self.dispute(play).await;
            }
            Kind::DisputeUpdated => {
                self.bought(play).await;
                let dispute = self.dispute(play).await;
                world.deliver().await;
                self.at_stripe(&format!("/disputes/{dispute}"), &[("evidence[uncategorized_text]", "It was delivered.")]).await;
            }
            Kind::DisputeOfALostCharge => {
                self.lost(play).await;
                self.dispute(play).await;
            }
            Kind::DisputeLost | Kind::DisputeLostOfDirect | Kind::DisputeLostOfSeparate => self.closed_dispute(play, "lost").await,
            Kind::DisputeWon | Kind::DisputeFundsReinstated => self.closed_dispute(play, "won").await,
            Kind::FraudWarned | Kind::FraudWarnedOfDirect | Kind::FraudRefunded => {
                self.bought(play).await;
                world.deliver().await;
                self.warn_of_fraud(play).await;
            }
            Kind::FraudWarningOver => {
                self.bought(play).await;
                self.warn_of_fraud(play).await;
                world.deliver().await;
                assert_eq!(self.give_back(play, None, "fraud").await.status, 200);
            }
            Kind::TransferCreated => self.lost_transfer(play).await,
            Kind::TransferReversed => {
                self.bought(play).await;
                world.deliver().await;
                let transfer = self.transfer_of(play).await;
                self.at_stripe(&format!("/transfers/{transfer}/reversals"), &[("amount", "500")]).await;
            }
            kind => unreachable!("{kind:?} is not an event"),
        }
    }

    async fn before_a_run(&self, play: &mut Play) {
        let world = &self.world;
        let mut waits = Duration::minutes(15);
        match self.kind {
            Kind::ReconciledCharge | Kind::ReconciledAuthentication => self.lost(play).await,
            Kind::ReconciledAbandonment => {
                assert_eq!(self.buy(play, &play.card).await.status, 201);
                waits = DAY;
            }
            Kind::ReconciledPaidAtLast => {
                assert_eq!(self.buy(play, &play.card).await.status, 201);
                self.authenticate(play).await;
                waits = DAY;
            }
            Kind::ReconciledForgottenKey => {
                self.lost(play).await;
                waits = DAY;
            }
            Kind::ReconciledFailure => {
                self.lost(play).await;
                self.stop_payments().await;
            }
            Kind::ReconciledAfterAFailure => {
                self.lost(play).await;
                // It is due, but too recent to be searched for among all payments.
                world.pass(Duration::minutes(7)).await;
                self.stop_payments().await;
                assert_eq!(world.reconcile().await.repaired, 0);
                waits = Duration::minutes(40);
            }
            Kind::ReconciledCheckout => {
                assert_eq!(self.ask_checkout(play).await.status, 201);
                self.pay_session(play).await;
                waits = Duration::minutes(40);
            }
            Kind::ReconciledAbandonedCheckout => {
                assert_eq!(self.ask_checkout(play).await.status, 201);
                // It is still open then.
                waits = Duration::hours(24) - Duration::seconds(30);
            }
            Kind::ReconciledOfferGone => {
                assert_eq!(self.ask_checkout(play).await.status, 201);
                self.publish(play, false).await;
            }
            Kind::ReconciledOfferPaid => {
                assert_eq!(self.ask_checkout(play).await.status, 201);
                self.pay_session(play).await;
                self.publish(play, false).await;
            }
            Kind::ReconciledTransfer => self.lost_transfer(play).await,
            Kind::ReconciledForgottenTransfer => {
                self.lost_transfer(play).await;
                waits = DAY;
            }
            Kind::ReconciledRefusedTransfer => {
                world.fault("POST", "/v1/transfers", json!({"kind": "status", "status": 400})).await;
                self.lost(play).await;
                let event = self.event_of(play, "payment_intent.succeeded").await.expect("it happened");
                assert_eq!(world.tell(&event).await.status, 200);
            }
            Kind::ReconciledPendingRefund => {
                self.bought(play).await;
                world.deliver().await;
                let answer = self.give_back(play, Some(1234), "pending").await;
                assert_eq!(answer.status, 200, "{}", answer.body);
                waits = DAY;
            }
            Kind::ReconciledSilentDispute => {
                self.closed_dispute(play, "lost").await;
                waits = Duration::days(7) + Duration::minutes(5);
            }
            Kind::ReconciledOffTheList => {
                self.lost(play).await;
                self.take_off_the_list(play).await;
            }
            Kind::ReconciledOrphan | Kind::ReconciledOrphanOfDirect => {
                self.lost(play).await;
                world.forget_purchase(&self.purchase_at_stripe(play).await).await;
                if self.kind == Kind::ReconciledOrphanOfDirect {
                    // An account of whose payments nothing is known is asked once a day.
                    waits = DAY;
                }
            }
            Kind::ReconciledOrphanReturned | Kind::ReconciledOrphanCanceled | Kind::ReconciledOrphanReturnedBefore => {
                let card = if self.kind == Kind::ReconciledOrphanCanceled { CARD_TO_AUTHENTICATE } else { CARD };
                assert_eq!(self.buy(play, card).await.status, 201);
                let id = self.purchase_at_stripe(play).await;
                world.forget_purchase(&id).await;
                if self.kind == Kind::ReconciledOrphanReturnedBefore {
                    let payment = self.payment(play).await;
                    self.at_stripe("/refunds", &[("payment_intent", payment.as_str()), ("reverse_transfer", "true")]).await;
                }
                play.earlier = Some(id);
                assert_eq!(self.buy(play, CARD).await.status, 201);
            }
            Kind::BooksOfACheckout => {
                assert_eq!(self.ask_checkout(play).await.status, 201);
                self.pay_session(play).await;
                world.deliver().await;
                waits = BOOKS;
            }
            Kind::BooksOfALateCheckout => {
                assert_eq!(self.ask_checkout(play).await.status, 201);
                self.pay_session(play).await;
                waits = self.heard_late().await;
            }
            Kind::BooksOfASecondPurchase => {
                assert_eq!(self.ask_checkout(play).await.status, 201);
                self.pay_session(play).await;
                world.deliver().await;
                play.purchase = Some(self.purchase_at_stripe(play).await);
                assert_eq!(self.give_back(play, None, "first").await.status, 200);
                play.earlier = play.purchase.take();
                assert_eq!(self.buy(play, CARD).await.status, 201);
                world.deliver().await;
                waits = BOOKS;
            }
            Kind::BooksOfAnUnheardPayment | Kind::BooksOfAnUnheardSale => {
                assert_eq!(self.buy(play, &play.card).await.status, 201);
                self.take_off_the_list(play).await;
                self.authenticate(play).await;
                waits = BOOKS;
            }
            Kind::BooksOfAnUnheardRefund => {
                self.refunded_in_dashboard(play).await;
                waits = BOOKS;
            }
            Kind::BooksOfAnUnheardDispute => {
                self.bought(play).await;
                world.deliver().await;
                self.dispute(play).await;
                waits = BOOKS;
            }
            Kind::BooksOfALostIndex => {
                self.bought(play).await;
                world.deliver().await;
                self.forget_payment(play).await;
                waits = BOOKS;
            }
            Kind::BooksOfALateRefund | Kind::BooksOfALateRefundFailure => {
                let refund = self.refunded_in_dashboard(play).await;
                if self.kind == Kind::BooksOfALateRefundFailure {
                    self.fail_refund(&refund).await;
                }
                waits = self.heard_late().await;
            }
            Kind::BooksOfAForeignRefund => {
                self.bought(play).await;
                world.deliver().await;
                assert_eq!(self.give_back(play, None, "all").await.status, 200);
                world.deliver().await;
                waits = BOOKS;
            }
            Kind::BooksOfALateDispute => {
                self.bought(play).await;
                world.deliver().await;
                self.dispute(play).await;
                waits = self.heard_late().await;
            }
            Kind::BooksOfALateWin => {
                self.closed_dispute(play, "won").await;
                waits = self.heard_late().await;
            }
            kind => unreachable!("{kind:?} is not a run"),
        }
        world.pass(waits).await;
        if self.kind.takes_days() {
            self.other_runs().await;
        }
    }

    /// Earlier runs of the reconciliation found nothing in the books.
    async fn other_runs(&self) {
        let (store, now) = (&self.world.app.store, self.world.app.clock.now());
        let mut progress = store.progress().await.expect("the table").expect("it has run");
        (progress.orphans_until, progress.books_hour) = (now - Duration::minutes(15), Store::hour_of(now) - 2);
        assert_eq!(store.save_progress(&mut progress).await.expect("the table"), Written::Yes);
    }

    /// Stripe's events arrive hours later. Returns how long to wait then.
    async fn heard_late(&self) -> Duration {
        self.world.pass(BOOKS).await;
        self.world.deliver().await;
        BOOKS
    }

    async fn bought_another(&self, play: &Play) {
        let other = self.world.course(&self.seller, &format!("Other {}", self.played), 1000, "usd", 10).await;
        assert_eq!(self.world.buy(&play.buyer, other["id"].as_str().expect("an id"), CARD).await.status, 201);
        self.world.deliver().await;
    }

    /// One of the platform's cards that no customer holds.
    async fn new_card(&self) -> String {
        let form = [("type", "card"), ("card[token]", "tok_bypassPending")];
        self.at_stripe("/payment_methods", &form).await["id"].as_str().expect("an id").to_owned()
    }

    async fn save_a_card(&self, play: &mut Play) {
        let card = self.new_card().await;
        let answer = self.world.post("/users/me/payment-methods", json!({"payment_method": card})).bearer(&play.buyer.token).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        play.card = card;
    }

    /// Somebody deletes the buyer's customer in the platform's Dashboard.
    async fn delete_customer(&self, play: &Play) {
        let list = self.world.stripe("/customers?limit=100", None).await;
        let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}"));
        let mine = all.iter().find(|one| one["metadata"]["buyer_id"] == play.buyer.id.as_str()).expect("the buyer has one");
        let url = format!("{}/v1/customers/{}", self.world.app.config.stripe_api_base, mine["id"].as_str().expect("an id"));
        let answer = self.world.app.http.delete(url).bearer_auth("sk_test_local").send().await.expect("it runs");
        assert_eq!(answer.status().as_u16(), 200);
    }

    /// The seller shares the course's revenue.
    async fn share(&self, play: &Play) {
        let partner = self.partner.as_ref().expect("there is one");
        let answer = self.world.share(&play.course_id, &self.seller, &[(&self.seller, 60), (partner, 40)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Lets Stripe carry out the next POST to `path` and answer 500, which its key stores.
    async fn store_failure(&self, path: &str) {
        self.world.fault("POST", path, json!({"kind": "status_after", "status": 500})).await;
    }

    /// Stripe fails to create payments during one request's tries.
    /// Payments cannot be listed at Stripe, three times.
    async fn stop_payments(&self) {
        let fault = json!({"match": {"method": "GET", "path": PAYMENTS}, "times": 3, "fault": {"kind": "html_503"}});
        self.world.admin("POST", "faults", fault).await;
    }

    async fn fail_refund(&self, refund: &str) {
        self.world.admin("POST", &format!("refunds/{refund}/fail"), json!({"reason": "expired_or_canceled_card"})).await;
    }

    async fn closed_dispute(&self, play: &mut Play, outcome: &str) {
        self.bought(play).await;
        self.world.deliver().await;
        let dispute = self.dispute(play).await;
        self.world.deliver().await;
        self.world.admin("POST", &format!("disputes/{dispute}/close"), json!({"outcome": outcome})).await;
    }

    /// Pays, but the response about the seller's transfer is lost.
    async fn lost_transfer(&self, play: &mut Play) {
        self.lost(play).await;
        play.purchase = Some(self.purchase_at_stripe(play).await);
        self.deafen("/v1/transfers").await;
        let event = self.event_of(play, "payment_intent.succeeded").await.expect("it happened");
        assert_eq!(self.world.tell(&event).await.status, 200);
    }

    /// The purchase that the buyer's first payment names.
    async fn purchase_at_stripe(&self, play: &Play) -> String {
        let payments = self.payments_of(play).await;
        payments.last().and_then(|payment: &Value| payment["metadata"]["purchase_id"].as_str()).expect("it names one").to_owned()
    }

    /// Deletes the item that says what the payment belongs to.
    async fn forget_payment(&self, play: &Play) {
        let key = AttributeValue::S(format!("PAYMENT#{}", self.payment(play).await));
        let delete = self.world.database().delete_item().table_name(&self.world.app.config.table_name);
        delete.key("pk", key).key("sk", AttributeValue::S("PAYMENT".to_owned())).send().await.expect("the table can be written");
    }

    /// Publishes or unpublishes the course.
    pub(super) async fn publish(&self, play: &Play, published: bool) {
        let path = format!("/courses/{}", play.course_id);
        let answer = self.world.patch(path, json!({"published": published})).bearer(&self.seller.token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    async fn take_off_the_list(&self, play: &Play) {
        let id = self.purchase_at_stripe(play).await;
        let key = |text: String| AttributeValue::S(text);
        let update = self.world.database().update_item().table_name(&self.world.app.config.table_name);
        let update = update.key("pk", key(format!("USER#{}", play.buyer.id))).key("sk", key(format!("PURCHASE#{id}")));
        update.update_expression("REMOVE gsi2pk, gsi2sk").send().await.expect("the table can be written");
    }
}
