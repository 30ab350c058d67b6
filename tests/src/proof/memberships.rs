//! Memberships: offered, subscribed to, changed, told of by Stripe, and looked at by the reconciliation.

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
    // A seller offers.
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
    // And again, after an answer was lost.
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
    // And at the same moment as something else.
    Racing,
    RacedByItsEvent,
    DeclineRacedByItsEvent,
    WithdrawalRacedByAuthentication,
    VoidingRacedByAuthentication,
    // A member changes it.
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
    // Stripe tells.
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
    // The reconciliation runs.
    ReconciledLost,
    ReconciledDecline,
    ReconciledHosted,
    ReconciledAbandoned,
    ReconciledAuthentication,
    ReconciledForgottenKey,
    ReconciledRenewal,
    ReconciledEndOfDirect,
    BooksOfAnUnheardRefund,
];

/// One that pays off session.
const CARD: &str = "tok_visa";

/// One that its customer keeps, and that its bank declines whenever it is charged.
const CARD_THAT_FAILS: &str = "pm_card_chargeCustomerFail";

const CARD_TO_AUTHENTICATE: &str = "pm_card_authenticationRequired";

/// A world in which that is done again and again, each time with a buyer of its own.
pub(super) struct Membership {
    world: World,
    kind: Kind,
    /// Whose membership it is, unless each play has a seller of its own.
    seller: Option<Seller>,
    played: u32,
}

/// A seller who is linked, with a course.
#[derive(Clone, Debug)]
struct Seller {
    person: Person,
    account: String,
    course_id: String,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Play {
    seller: Seller,
    buyer: Person,
    /// By Stripe's clock.
    began: i64,
    /// The card to subscribe or to pay with; none where hosted Checkout asks for it.
    card: Option<String>,
    /// A card that the buyer has saved.
    saved: Option<String>,
    /// The subscription that was there before, if one was.
    subscription: Option<String>,
    /// The event to tell.
    event: Option<Value>,
}

impl Membership {
    pub(super) async fn start(kind: Kind, how: How) -> Self {
        let world = World::with(&[("CHARGE_TYPE", kind.charge_type()), ("STRIPE_TIMEOUT_MS", how.patience())]).await;
        // From here on the reconciliation looks.
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

    /// Somebody has come to each of the seller's prices before.
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

    /// The account that is charged; none is the platform.
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

    /// Asks, and while the call with this number waits before its callee, something else happens, as in another process.
    async fn race(&self, play: &Play) {
        let gate = Gate::new();
        let held = |operation: &str| Fault::next(operation, proxy::Kind::Hold(gate.clone()));
        match self.kind {
            Kind::Racing | Kind::RacingSwitches => self.world.proxy.inject(held("TransactWriteItems")),
            // The intent is written before, and after it what Stripe answered.
            Kind::RacedByItsEvent | Kind::DeclineRacedByItsEvent => self.world.proxy.inject(held("TransactWriteItems").skip(1)),
            // Stripe was asked how it stands before.
            Kind::SwitchRacedByItsEvent => self.world.proxy.inject(held("TransactWriteItems").skip(1)),
            // It was found to wait, and is to be withdrawn: that has a lease of its own.
            Kind::WithdrawalRacedByAuthentication => self.world.proxy.inject(held("TransactWriteItems").skip(2)),
            _ => {
                let invoice = self.invoices_of(play).await.first().map(|invoice| invoice["id"].as_str().expect("an id").to_owned());
                let invoice = invoice.expect("it was begun");
                self.world.stripe_proxy.inject(held(&format!("POST /v1/invoices/{invoice}/void")));
            }
        }
        let mut ours = std::pin::pin!(self.ask(play));
        tokio::select! {
            // It broke before it came so far.
            _ = &mut ours => return,
            () = gate.reached() => {}
        }
        match self.kind {
            Kind::Racing | Kind::RacingSwitches => {
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

/// Whether somebody who subscribes is told that all is well, and has nothing.
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
        // What an earlier play has broken and did not come to.
        world.admin("DELETE", "faults", json!({})).await;
        let seller = match &self.seller {
            Some(seller) => seller.clone(),
            None => self.new_seller(&format!("seller{number}@example.com")).await,
        };
        let buyer = world.buyer(&format!("buyer{number}@example.com")).await;
        // Whatever is told is told twice.
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
            let _may_fail = reconcile::run(&self.world.payments.reconcile, until).await;
        } else if self.kind.is_raced() {
            self.race(play).await;
        } else {
            let _may_fail = self.ask(play).await;
        }
    }

    async fn check_meanwhile(&self, play: &Play, case: &str) {
        self.check_access_meanwhile(play, case).await;
    }

    /// The client asks again, Stripe tells again, in another order and twice, and the reconciliation looks.
    async fn recover(&self, plays: &[Play]) {
        let world = &self.world;
        // A process that died leaves its lease.
        world.pass(Duration::seconds(40)).await;
        for play in plays {
            if play.event.is_none() && !self.kind.is_reconciliation() {
                let mut again = self.ask(play).await;
                if self.kind.may_fail_again() && again.status == 502 {
                    // It was told only now what had become of it, and the next request begins anew.
                    again = self.ask(play).await;
                }
                assert!(![500, 502, 503, 504].contains(&again.status), "{:?}: {}", self.kind, again.body);
                assert!(!is_told_of_a_dead_one(&again), "{:?}: {}", self.kind, again.body);
            }
            if self.kind.needs_another_card() {
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
            // It would be renewed in each play that follows.
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
