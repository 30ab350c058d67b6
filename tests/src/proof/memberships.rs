//! Memberships: offers, subscriptions, changes, Stripe's events, and the reconciliation.

mod invariants;
mod kinds;
mod stage;

use local::proxy::{self, Fault, Gate};
use serde_json::{Value, json};
use time::Duration;

use super::engine::Scenario;
use super::faults::How;
use super::scenarios::kinds;
use crate::harness::{Answer, Person, World};

kinds![
    // A seller's offer.
    Offered,
    OfferEnded,
    OfferShown,
    // A buyer subscribes.
    SavedCard,
    NewCard,
    NewCardOfADeletedCustomer,
    Hosted,
    HostedAgain,
    HostedOfADeletedCustomer,
    Authentication,
    AuthenticationAgain,
    AuthenticationFailed,
    Decline,
    AfterADecline,
    DeclineAfterItsEvent,
    TurnFromHosted,
    TurnFromAuthentication,
    PaidBeforeTheCard,
    Direct,
    DirectNewCard,
    DirectHosted,
    DirectAuthentication,
    DirectDecline,
    DirectOfADeletedCustomer,
    DirectHostedOfADeletedCustomer,
    DirectOfAnIndebtedCustomer,
    // Retries after a lost response.
    Lost,
    LostDecline,
    LostHosted,
    LostDirect,
    LostToAnotherCard,
    ForgottenKey,
    ForgottenKeyOfNothing,
    ForgottenKeyOfHosted,
    StoredFailure,
    StoredFailureOfHosted,
    StoredFailureOfProduct,
    StoredFailureOfPrice,
    StoredFailureOfAttaching,
    StoredFailureOfCloning,
    StoredFailureOfVoiding,
    StoredFailureOfExpiring,
    // Concurrent requests and events.
    Racing,
    RacingOfDirect,
    RacedByItsEvent,
    DeclineRacedByItsEvent,
    WithdrawalRacedByAuthentication,
    VoidingRacedByAuthentication,
    // A member's changes.
    Listed,
    Shown,
    Canceled,
    CanceledOfDirect,
    CanceledAfterItsEnd,
    Resumed,
    ResumedWithACard,
    Owed,
    OwedOfDirect,
    StoredFailureOfPaying,
    Switched,
    SwitchedOfDirect,
    SwitchedToMonths,
    SwitchLost,
    SwitchDeclined,
    StoredFailureOfSwitching,
    RacingSwitches,
    SwitchRacedByItsEvent,
    // Stripe's events.
    InvoicePaid,
    InvoicePaidOfDirect,
    InvoicePaidOfHosted,
    InvoicePaidOfRenewal,
    InvoicePaidOfRenewalOfDirect,
    PaymentFailed,
    PaymentFailedOfRenewal,
    SubscriptionCreated,
    SubscriptionUpdated,
    SubscriptionDeleted,
    CheckoutCompleted,
    CheckoutCompletedOfDirect,
    CheckoutExpired,
    ChargeRefunded,
    ChargeRefundedOfDirect,
    RefundCreated,
    RefundOvertakes,
    RefundOfAnEarlierOne,
    RefundFailed,
    DisputeCreated,
    // Runs of the reconciliation.
    ReconciledLost,
    ReconciledDecline,
    ReconciledHosted,
    ReconciledAbandoned,
    ReconciledAuthentication,
    ReconciledOfferGone,
    ReconciledForgottenKey,
    ReconciledRenewal,
    ReconciledEndOfDirect,
    BooksOfAnUnheardRefund,
];

/// A card that can be charged off-session.
const CARD: &str = "tok_visa";

/// A card that can be saved, but is declined whenever it is charged.
const CARD_THAT_FAILS: &str = "pm_card_chargeCustomerFail";

const CARD_TO_AUTHENTICATE: &str = "pm_card_authenticationRequired";

/// A world in which this is played repeatedly, each time with its own buyer.
pub(super) struct Membership {
    world: World,
    kind: Kind,
    /// The seller, unless each play has its own.
    seller: Option<Seller>,
    played: u32,
}

/// A linked seller with a course.
#[derive(Clone, Debug)]
struct Seller {
    person: Person,
    account: String,
    course_id: String,
}

/// One play.
#[derive(Clone, Debug)]
pub(super) struct Play {
    seller: Seller,
    buyer: Person,
    /// By Stripe's clock.
    began: i64,
    /// The card with which to subscribe or pay; `None` if hosted Checkout asks for it.
    card: Option<String>,
    /// The buyer's saved card.
    saved: Option<String>,
    /// The earlier subscription, if there is one.
    subscription: Option<String>,
    /// The event to deliver.
    event: Option<Value>,
}

impl Membership {
    pub(super) async fn start(kind: Kind, how: How) -> Self {
        let world = World::with(&[("CHARGE_TYPE", kind.charge_type()), ("STRIPE_TIMEOUT_MS", how.patience())]).await;
        // The reconciliation reads from here on.
        world.reconcile().await;
        let mut this = Self { world, kind, seller: None, played: 0 };
        if !kind.has_own_seller() {
            let seller = this.new_seller("seller@example.com").await;
            assert_eq!(this.offer(&seller).await.status, 200);
            if kind.is_about_members() {
                this.make_prices(&seller).await;
            }
            this.seller = Some(seller);
        }
        this
    }

    async fn new_seller(&self, email: &str) -> Seller {
        let person = self.world.seller(email).await;
        let account = self.world.link(&person).await;
        let course = self.world.course(&person, &format!("Course of {email}"), 5001, "usd", 33).await;
        Seller { person, account, course_id: course["id"].as_str().expect("an id").to_owned() }
    }

    /// Another buyer subscribes at each of the seller's prices, so that the prices exist.
    async fn make_prices(&self, seller: &Seller) {
        for interval in ["month", "year"] {
            let other = self.world.buyer(&format!("{interval}@example.com")).await;
            let path = format!("{}/subscribe", Self::path(seller));
            let answer = self.world.post(path, json!({"interval": interval})).bearer(&other.token).await;
            assert_eq!(answer.status, 201, "{}", answer.body);
        }
        for session in self.world.stripe("/checkout/sessions?status=open", self.charged(seller)).await["data"].as_array().expect("a list") {
            let path = format!("checkout/sessions/{}/expire", session["id"].as_str().expect("an id"));
            self.world.admin("POST", &path, json!({})).await;
        }
        self.world.deliver().await;
    }

    /// The charged account; `None` is the platform.
    fn charged<'a>(&self, seller: &'a Seller) -> Option<&'a str> {
        (self.kind.charge_type() == "direct").then_some(seller.account.as_str())
    }

    fn path(seller: &Seller) -> String {
        format!("/sellers/{}/membership", seller.person.id)
    }

    async fn offer(&self, seller: &Seller) -> Answer {
        let body = json!({"monthly": {"amount": 1000}, "yearly": {"amount": 10_000}, "currency": "usd"});
        self.world.post(Self::path(seller), body).bearer(&seller.person.token).await
    }

    async fn subscribe(&self, play: &Play, interval: &str, card: Option<&str>) -> Answer {
        let mut body = json!({"interval": interval});
        if let Some(card) = card {
            body["payment_method"] = card.into();
        }
        self.world.post(format!("{}/subscribe", Self::path(&play.seller)), body).bearer(&play.buyer.token).await
    }

    async fn change(&self, play: &Play, what: &str, body: Value) -> Answer {
        let id = play.subscription.as_ref().expect("it was begun");
        self.world.post(format!("/subscriptions/{id}/{what}"), body).bearer(&play.buyer.token).await
    }

    async fn ask(&self, play: &Play) -> Answer {
        let (world, token) = (&self.world, play.buyer.token.as_str());
        let card = play.card.as_deref();
        match self.kind {
            Kind::Offered => self.offer(&play.seller).await,
            Kind::OfferEnded => world.delete(Self::path(&play.seller)).bearer(&play.seller.person.token).await,
            Kind::OfferShown => world.get(Self::path(&play.seller)).await,
            Kind::Listed => world.get("/subscriptions").bearer(token).await,
            Kind::Shown => {
                let id = play.subscription.as_ref().expect("it was begun");
                world.get(format!("/subscriptions/{id}")).bearer(token).await
            }
            Kind::Canceled | Kind::CanceledOfDirect | Kind::CanceledAfterItsEnd => self.change(play, "cancel", json!({})).await,
            Kind::Resumed => self.change(play, "resume", json!({})).await,
            Kind::ResumedWithACard | Kind::Owed | Kind::OwedOfDirect | Kind::StoredFailureOfPaying => {
                self.change(play, "resume", json!({"payment_method": card})).await
            }
            kind if kind.is_switch() => {
                let interval = if kind == Kind::SwitchedToMonths { "month" } else { "year" };
                self.change(play, "switch", json!({"interval": interval})).await
            }
            _ => self.subscribe(play, "month", card).await,
        }
    }

    /// Sends a request, and holds one of its calls while something else happens, as in another process.
    async fn race(&self, play: &Play) {
        let gate = Gate::new();
        let held = |operation: &str| Fault::next(operation, proxy::Kind::Hold(gate.clone()));
        match self.kind {
            Kind::Racing | Kind::RacingOfDirect | Kind::RacingSwitches => self.world.proxy.inject(held("TransactWriteItems")),
            // Holds the write of Stripe's response, after that of the intent.
            Kind::RacedByItsEvent | Kind::DeclineRacedByItsEvent => self.world.proxy.inject(held("TransactWriteItems").skip(1)),
            // Holds the write after Stripe was asked for the current state.
            Kind::SwitchRacedByItsEvent => self.world.proxy.inject(held("TransactWriteItems").skip(1)),
            // It is waiting and will be withdrawn, which takes another lease first.
            Kind::WithdrawalRacedByAuthentication => self.world.proxy.inject(held("TransactWriteItems").skip(2)),
            _ => {
                let invoice = self.invoices_of(play).await.first().map(|invoice| invoice["id"].as_str().expect("an id").to_owned());
                let invoice = invoice.expect("it was begun");
                self.world.stripe_proxy.inject(held(&format!("POST /v1/invoices/{invoice}/void")));
            }
        }
        let mut ours = std::pin::pin!(self.ask(play));
        tokio::select! {
            // It failed before it got that far.
            _ = &mut ours => return,
            () = gate.reached() => {}
        }
        match self.kind {
            Kind::Racing | Kind::RacingOfDirect | Kind::RacingSwitches => {
                let _may_fail = self.ask(play).await;
            }
            Kind::WithdrawalRacedByAuthentication | Kind::VoidingRacedByAuthentication => self.authenticate(play, "succeed").await,
            kind => {
                let name =
                    if kind == Kind::SwitchRacedByItsEvent { "customer.subscription.updated" } else { "customer.subscription.created" };
                if let Some(event) = self.event_of(play, name).await {
                    let _may_fail = self.world.tell(&event).await;
                }
            }
        }
        gate.open();
        let answer = ours.await;
        assert!(!is_told_of_a_dead_one(&answer), "{:?}: {}", self.kind, answer.body);
    }
}

/// Whether a subscriber gets a success response but has no subscription.
fn is_told_of_a_dead_one(answer: &Answer) -> bool {
    let dead = |status: &Value| status == "canceled" || status == "failed";
    answer.status == 201 && dead(&answer.json()["subscription"]["status"])
}

impl Scenario for Membership {
    type Play = Play;

    fn name(&self) -> String {
        format!("Membership{:?}", self.kind)
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn is_alone(&self) -> bool {
        self.kind.is_reconciliation() || self.kind.takes_days()
    }

    async fn prepare(&mut self) -> Play {
        self.played += 1;
        let (world, number) = (&self.world, self.played);
        // Removes faults that an earlier play did not reach.
        world.admin("DELETE", "faults", json!({})).await;
        let seller = match &self.seller {
            Some(seller) => seller.clone(),
            None => self.new_seller(&format!("seller{number}@example.com")).await,
        };
        let buyer = world.buyer(&format!("buyer{number}@example.com")).await;
        // Every event is sent twice.
        world.admin("POST", "webhooks/mode", json!({"hold": true, "own_clock": true, "duplicate": 1})).await;
        let began = world.app.clock.now().unix_timestamp() - 60;
        let mut play = Play { seller, buyer, began, card: None, saved: None, subscription: None, event: None };
        self.set_up(&mut play).await;
        play
    }

    async fn act(&self, play: &Play) {
        if let Some(event) = &play.event {
            let _may_fail = self.world.tell(event).await;
        } else if self.kind.is_reconciliation() {
            let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
            let _may_fail = reconcile::handle(&self.world.payments.reconcile, self.kind.asked(), until).await;
        } else if self.kind.is_raced() {
            self.race(play).await;
        } else {
            let _may_fail = self.ask(play).await;
        }
    }

    async fn check_meanwhile(&self, play: &Play, case: &str) {
        self.check_access_meanwhile(play, case).await;
    }

    /// The client retries, Stripe sends its events again, in another order and twice, and the reconciliation runs.
    async fn recover(&self, plays: &[Play]) {
        let world = &self.world;
        // Lets the lease of a dead process expire.
        world.pass(Duration::seconds(40)).await;
        for play in plays {
            if play.event.is_none() && !self.kind.is_reconciliation() {
                let mut again = self.ask(play).await;
                if self.kind.may_fail_again() && again.status == 502 {
                    // Only now did it learn the outcome; the next request starts over.
                    again = self.ask(play).await;
                }
                assert!(![500, 502, 503, 504].contains(&again.status), "{:?}: {}", self.kind, again.body);
                assert!(!is_told_of_a_dead_one(&again), "{:?}: {}", self.kind, again.body);
            }
            if self.kind.needs_another_card() {
                // A count whose answer is lost is repeated, and may hold the buyer up for an hour.
                world.pass(Duration::hours(1)).await;
                let other = self.subscribe(play, "month", play.saved.as_deref()).await;
                let is_new = other.status == 201 && other.json()["subscription"]["status"] == "active";
                assert!(is_new, "{:?}: another card is another attempt: {}", self.kind, other.body);
            }
            self.authenticate(play, "succeed").await;
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
        if self.kind.takes_days() {
            // Otherwise it would be renewed in every later play.
            self.end_all(play).await;
        }
    }

    async fn check_all(&self) {
        let world = &self.world;
        world.books().await;
        if let Some(seller) = &self.seller {
            invariants::check_totals(self, seller).await;
        }
        world.pass(Duration::hours(4)).await;
        let report = world.reconcile().await;
        assert_eq!((report.differences, report.recorded, report.returned), (0, 0, 0), "{:?}: our books are Stripe's", self.kind);
    }
}
