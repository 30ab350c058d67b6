//! Mails of the outbox. A mail is sent once, or twice if SES's response or the mark was lost.

use local::aws::Outage;
use local::proxy::{self, Fault};
use serde_json::{Value, json};
use shared::domain::audit::{Actor, Deed, Entry};
use shared::domain::ids::{CourseId, SubscriptionId, UserId};
use shared::domain::mail::{DisputeStage, FactorNews, Mail, News, Recipient, Sold};
use shared::domain::user::Email;
use time::Duration;

use super::engine::Scenario;
use super::scenarios::kinds;
use crate::harness::{PASSWORD, Person, World, token_in};

kinds![
    Sold,
    SweptUp,
    Confirmation,
    PasswordReset,
    PasswordChanged,
    NewAddress,
    TakenAddress,
    MovedAddress,
    Refund,
    RefundFailedToBuyer,
    RefundFailedToSeller,
    RefundFailedToStaff,
    DisputeOpened,
    DisputeClosed,
    Onboarding,
    PayoutFailed,
    AccountStopped,
    RequirementsDue,
    SecondFactor,
    CodesWrong,
    ChangedByStaff,
    ApplicationDeclined,
    ShareOffered,
    AccountConnected,
    AccountDisconnected,
    RenewalFailed,
    MembershipEnds,
    MemberRefunded,
    MemberRefundFailed,
    MemberDisputeOpened,
    MemberDisputeClosed,
    FraudWarning,
    MemberFraudWarning,
    AskedAgain,
    Unread,
    Refused,
    GivenUp,
    ToNobody,
    Bounced,
    ToASuppressedAddress,
];

const STAFF: &str = "staff@example.com";

/// A world with a seller.
pub(super) struct Mails {
    world: World,
    kind: Kind,
    seller: Person,
    played: u32,
}

/// The mails' records in the table's stream, and the expected mails: address and words of the subject.
#[derive(Clone, Debug)]
pub(super) struct Play {
    records: Vec<Value>,
    expected: Vec<(String, String)>,
    /// What SES reports.
    feedback: Option<Value>,
    /// The address that is suppressed in the end.
    suppressed: Option<Email>,
}

impl Play {
    fn of(records: Vec<Value>, expected: Vec<(String, String)>) -> Self {
        Self { records, expected, feedback: None, suppressed: None }
    }
}

impl Mails {
    pub(super) async fn start(kind: Kind) -> Self {
        let world = World::with(&[("STAFF_EMAIL", STAFF)]).await;
        let seller = world.seller("seller@example.com").await;
        world.link(&seller).await;
        world.pump().await;
        Self { world, kind, seller, played: 0 }
    }

    /// The buyer buys a course. Returns the purchase's id.
    async fn sold(&self, buyer: &Person, title: &str) -> String {
        let course = self.world.course(&self.seller, title, 5001, "usd", 33).await;
        let answer = self.world.buy(buyer, course["id"].as_str().expect("an id"), super::sale::CARD).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()["purchase"]["id"].as_str().expect("an id").to_owned()
    }

    /// The buyer buys a course and a refund is planned. Returns the purchase's id. Earlier mails about the refund were sent.
    async fn refund_failed(&self, buyer: &Person, title: &str) -> String {
        let purchase = self.sold(buyer, title).await;
        let answer = self.world.post(format!("/purchases/{purchase}/refund"), json!({})).bearer(&self.seller.token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.world.pump().await;
        purchase
    }

    /// The bank disputes the newest charge. Returns the dispute's id.
    async fn disputed(&self) -> String {
        let world = &self.world;
        let charge = world.succeeded(None).await[0]["latest_charge"].as_str().expect("it was charged").to_owned();
        let dispute = world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
        world.deliver().await;
        dispute["id"].as_str().expect("an id").to_owned()
    }

    /// The buyer subscribes, and is refunded or disputes the payment. Returns the subscription and the id of the refund or dispute.
    async fn member(&self, buyer: &Person, title: &str) -> (SubscriptionId, String) {
        let world = &self.world;
        let path = format!("/sellers/{}/membership", self.seller.id);
        let offer = json!({"title": title, "monthly": {"amount": 1000}, "currency": "usd"});
        assert_eq!(world.post(path.as_str(), offer).bearer(&self.seller.token).await.status, 200);
        let body = json!({"interval": "month", "payment_method": "pm_card_visa"});
        let answer = world.post(format!("{path}/subscribe"), body).bearer(&buyer.token).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let id = answer.json()["subscription"]["id"].as_str().expect("an id").to_owned();
        if matches!(self.kind, Kind::MemberRefunded | Kind::MemberRefundFailed) {
            let given = world.post(format!("/subscriptions/{id}/refund"), json!({"amount": 400})).bearer(&self.seller.token).await;
            assert_eq!(given.status, 200, "{}", given.body);
        } else {
            self.disputed().await;
        }
        let id: SubscriptionId = id.parse().expect("an id");
        let record = world.app.store.subscription(&id).await.expect("the table").expect("it is there");
        let payment = &record.payments[0];
        let refund = payment.refunds.first().map(|refund| refund.id.clone());
        let what = refund.or(payment.disputes.first().map(|dispute| dispute.id.clone())).expect("it is on record");
        (id, what)
    }

    /// The buyer changes password or address, if this is about that. Returns the recipient and subject of the mail that follows.
    async fn changed(&self, buyer: &Person) -> Option<(String, String)> {
        let world = &self.world;
        let change = async |mut change: Value| {
            change["current_password"] = json!(PASSWORD);
            let answer = world.patch("/users/me", change).bearer(&buyer.token).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        };
        let new = format!("new-{}", buyer.email);
        match self.kind {
            Kind::PasswordChanged => {
                change(json!({"password": "battery staple"})).await;
                Some((buyer.email.clone(), "Your password was changed".to_owned()))
            }
            Kind::NewAddress => {
                change(json!({"email": new})).await;
                Some((new, "Confirm your new email address".to_owned()))
            }
            Kind::TakenAddress => {
                world.buyer(&new).await;
                world.pump().await;
                change(json!({"email": new})).await;
                Some((new, "This address already has an account".to_owned()))
            }
            Kind::MovedAddress => {
                change(json!({"email": new})).await;
                world.pump().await;
                let token = token_in(&world.mails_to(&new)[0]);
                world.put("/email-confirmations", json!({"token": token})).await.is_empty(204);
                Some((buyer.email.clone(), "Your email address was changed".to_owned()))
            }
            _ => None,
        }
    }

    /// A mail that is queued directly, with its recipient and subject.
    async fn mail(&self, buyer: &Person, title: &str) -> (Mail, String, String) {
        let (world, now) = (&self.world, self.world.app.clock.now());
        let user = || buyer.id.parse().expect("an id");
        let email = Email::parse(&buyer.email).expect("an address");
        let renewal = Mail::RenewalFailed { user: user(), invoice: format!("in_{}", buyer.id), first: false, title: title.to_owned() };
        let (to_buyer, to_seller) = (buyer.email.clone(), self.seller.email.clone());
        let warning = |of, payment, to| {
            let (warning, reason) = (format!("issfr_{}", buyer.id), "made_with_stolen_card".to_owned());
            Mail::FraudWarning { of, warning, payment, reason, to }
        };
        match self.kind {
            Kind::PasswordReset => (Mail::password_reset(&email, now), to_buyer, "Set a new password".to_owned()),
            Kind::RefundFailedToBuyer | Kind::RefundFailedToSeller | Kind::RefundFailedToStaff => {
                let purchase = self.refund_failed(buyer, title).await.parse().expect("an id");
                let (to, address) = match self.kind {
                    Kind::RefundFailedToBuyer => (Recipient::Buyer, to_buyer),
                    Kind::RefundFailedToSeller => (Recipient::Seller, to_seller),
                    _ => (Recipient::Staff, STAFF.to_owned()),
                };
                (Mail::RefundFailed { purchase, refund: "1".to_owned(), to }, address, format!("A refund has failed: {title}"))
            }
            Kind::MembershipEnds => {
                let subscription = SubscriptionId::generate(&user(), now, &world.app.entropy);
                let ends = Mail::MembershipEnds { user: user(), subscription, title: title.to_owned(), until: None, direct: false };
                (ends, to_buyer, format!("Your membership ends: {title}"))
            }
            Kind::MemberRefunded => {
                let (subscription, refund) = self.member(buyer, title).await;
                (Mail::MembershipRefunded { subscription, refund, total: 400 }, to_buyer, format!("Your refund: {title}"))
            }
            Kind::MemberRefundFailed => {
                let (subscription, refund) = self.member(buyer, title).await;
                let mail = Mail::MembershipRefundFailed { subscription, refund, to: Recipient::Staff };
                (mail, STAFF.to_owned(), format!("A refund has failed: {title}"))
            }
            Kind::MemberDisputeOpened => {
                let (subscription, dispute) = self.member(buyer, title).await;
                let mail = Mail::MembershipDisputeOpened { subscription, dispute, to: Recipient::Seller, stage: DisputeStage::Opened };
                (mail, to_seller, format!("A payment is disputed: {title}"))
            }
            Kind::MemberDisputeClosed => {
                let (subscription, dispute) = self.member(buyer, title).await;
                let mail = Mail::MembershipDisputeClosed { subscription, dispute, won: true, to: Recipient::Seller };
                (mail, to_seller, format!("Dispute won: {title}"))
            }
            Kind::MemberFraudWarning => {
                let (subscription, _) = self.member(buyer, title).await;
                let record = world.app.store.subscription(&subscription).await.expect("the table").expect("it is there");
                let payment = record.payments[0].payment_intent.clone().expect("it was paid by card");
                let mail = warning(Sold::Membership(subscription), payment, Recipient::Seller);
                (mail, to_seller, format!("A bank warns of fraud: {title}"))
            }
            Kind::FraudWarning => {
                let purchase = self.sold(buyer, title).await.parse().expect("an id");
                world.pump().await;
                let mail = warning(Sold::Purchase(purchase), String::new(), Recipient::Seller);
                (mail, to_seller, format!("A bank warns of fraud: {title}"))
            }
            Kind::Refund | Kind::DisputeOpened | Kind::DisputeClosed => {
                let purchase = self.sold(buyer, title).await.parse().expect("an id");
                // Sends the receipt and the sale notice.
                world.pump().await;
                match self.kind {
                    Kind::Refund => {
                        let mail = Mail::Refunded { purchase, refund: "1".to_owned(), total: 1000 };
                        (mail, to_buyer, format!("Your refund: {title}"))
                    }
                    Kind::DisputeOpened => {
                        let (dispute, to) = (self.disputed().await, Recipient::Seller);
                        let mail = Mail::DisputeOpened { purchase, dispute, to, stage: DisputeStage::Opened };
                        (mail, to_seller, format!("A payment is disputed: {title}"))
                    }
                    _ => {
                        let (dispute, to) = (self.disputed().await, Recipient::Staff);
                        (Mail::DisputeClosed { purchase, dispute, won: true, to }, STAFF.to_owned(), format!("Dispute won: {title}"))
                    }
                }
            }
            Kind::Onboarding => {
                world.roles(buyer, Some(true), None).await;
                let answer = world.post("/users/me/stripe/onboarding", json!({"type": "express"})).bearer(&buyer.token).await;
                let mail = Mail::OnboardingUnfinished { user: user(), account: answer.text("account_id") };
                // It was queued with the account, for then.
                world.pass(Duration::days(1)).await;
                (mail, to_buyer, "Your Stripe account is not ready yet".to_owned())
            }
            Kind::AccountStopped | Kind::RequirementsDue => {
                world.roles(buyer, Some(true), None).await;
                let account = world.made_account(buyer, "express", "US").await;
                // The reminder to finish onboarding is not needed then.
                world.pass(Duration::days(1)).await;
                world.sweep().await;
                let demand = json!({"demand": ["individual.verification.document"], "seconds": 86_400});
                world.admin("POST", &format!("accounts/{account}/requirements"), demand).await;
                world.deliver().await;
                let user: UserId = user();
                if self.kind == Kind::AccountStopped {
                    world.pump().await;
                    world.pass(Duration::days(2)).await;
                    world.deliver().await;
                }
                let seller = world.app.store.user(&user).await.expect("the table").expect("they are there");
                let state = seller.stripe.expect("it is linked").state;
                let mail = Mail::of_account(&user, &account, &state, state.stopped_by()).swap_remove(0);
                let subject = match self.kind {
                    Kind::AccountStopped => "Your Stripe account was stopped",
                    _ => "Stripe needs information from you",
                };
                (mail, to_buyer, subject.to_owned())
            }
            Kind::PayoutFailed => {
                let mail = Mail::PayoutFailed { user: user(), payout: format!("po_{}", buyer.id) };
                (mail, to_buyer, "A payout did not reach your bank".to_owned())
            }
            Kind::ChangedByStaff => {
                let mail = Mail::ChangedByStaff { user: user(), news: News::Suspended, entry: format!("aud_{}", buyer.id), note: None };
                (mail, to_buyer, "Your account is suspended".to_owned())
            }
            Kind::ApplicationDeclined => {
                let entry = Entry::new(&Actor::Operator, &user(), Deed::SessionsEnded, now, &world.app.entropy);
                let mail = Mail::application_declined(&entry, "Not now.");
                (mail, to_buyer, "Your application to sell was declined".to_owned())
            }
            Kind::ShareOffered => {
                world.roles(buyer, Some(true), None).await;
                world.link(buyer).await;
                world.pump().await;
                let course = world.course(&self.seller, title, 5001, "usd", 33).await;
                let path = format!("/courses/{}", course["id"].as_str().expect("an id"));
                let payees = json!({"payees": [{"seller": self.seller.id, "share": 60}, {"seller": buyer.id, "share": 40}]});
                world.enter_password(&self.seller).await;
                let offered = world.patch(path, payees).bearer(&self.seller.token).await;
                assert_eq!(offered.status, 200, "{}", offered.body);
                let course: CourseId = course["id"].as_str().expect("an id").parse().expect("an id");
                let course = world.app.store.course(&course).await.expect("the table").expect("it is there");
                (Mail::of_shares(None, &course).swap_remove(0), to_buyer, "You are offered a share of a course".to_owned())
            }
            Kind::AccountConnected | Kind::AccountDisconnected => {
                let (user, account, at) = (user(), "acct_1".to_owned(), now.unix_timestamp());
                if self.kind == Kind::AccountConnected {
                    (Mail::AccountConnected { user, account, at }, to_buyer, "A Stripe account was connected".to_owned())
                } else {
                    (Mail::AccountDisconnected { user, account, at }, to_buyer, "Your Stripe account was disconnected".to_owned())
                }
            }
            Kind::SecondFactor => {
                let mail = Mail::SecondFactor { user: user(), news: FactorNews::Off, at: now.unix_timestamp() };
                (mail, to_buyer, "Your second factor was switched off".to_owned())
            }
            Kind::CodesWrong => (Mail::codes_wrong(&user(), now), to_buyer, "Somebody knows your password but not your code".to_owned()),
            Kind::ToNobody => {
                world.erase(&buyer.token).await.is_empty(204);
                (renewal, to_buyer, "A renewal".to_owned())
            }
            _ => (renewal, to_buyer, format!("A renewal did not go through: {title}")),
        }
    }

    /// Somebody's first mail bounces. With [`Kind::ToASuppressedAddress`] that is on record, and a second mail waits.
    async fn suppressed(&self, number: u32) -> Play {
        let world = &self.world;
        let person = world.stranger(&format!("bounce+{number}@simulator.amazonses.com")).await;
        world.pump().await;
        let feedback = world.mailbox().feedback().pop().expect("it bounced");
        let email = Email::parse(&person.email).expect("an address");
        let mut play = Play { suppressed: Some(email.clone()), ..Play::of(Vec::new(), Vec::new()) };
        if self.kind == Kind::Bounced {
            play.feedback = Some(feedback);
            return play;
        }
        assert!(world.feedback(&feedback).await);
        world.app.store.ask(&Mail::password_reset(&email, world.app.clock.now()), world.app.clock.now()).await.expect("the table");
        play.records = world.new_mails();
        assert_eq!(play.records.len(), 1);
        play
    }

    /// The number of mails with this subject that arrived at an address.
    fn arrived(&self, address: &str, subject: &str) -> usize {
        self.world.mails_to(address).iter().filter(|mail| mail.subject == subject).count()
    }
}

impl Scenario for Mails {
    type Play = Play;

    fn name(&self) -> String {
        format!("Mail{:?}", self.kind)
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn is_alone(&self) -> bool {
        // The sweep takes all due mails, and SES refuses all of them.
        matches!(self.kind, Kind::SweptUp | Kind::Refused | Kind::GivenUp)
    }

    async fn prepare(&mut self) -> Play {
        self.played += 1;
        let (world, number) = (&self.world, self.played);
        world.mailbox().fail(None);
        if self.kind == Kind::Confirmation {
            let buyer = world.stranger(&format!("buyer{number}@example.com")).await;
            return Play::of(world.new_mails(), vec![(buyer.email, "Confirm your email address".to_owned())]);
        }
        if matches!(self.kind, Kind::Bounced | Kind::ToASuppressedAddress) {
            return self.suppressed(number).await;
        }
        let buyer = world.buyer(&format!("buyer{number}@example.com")).await;
        // Sends the mail that confirms the address.
        world.pump().await;
        if let Some(expected) = self.changed(&buyer).await {
            return Play::of(world.new_mails(), vec![expected]);
        }
        let title = format!("Course {number}");
        if matches!(self.kind, Kind::Sold | Kind::SweptUp) {
            self.sold(&buyer, &title).await;
            let expected =
                vec![(buyer.email, format!("Your receipt: {title}")), (self.seller.email.clone(), format!("You sold a course: {title}"))];
            let records = world.new_mails();
            assert_eq!(records.len(), expected.len());
            return Play::of(records, expected);
        }
        let (mail, to, subject) = self.mail(&buyer, &title).await;
        world.app.store.ask(&mail, world.app.clock.now()).await.expect("the table");
        let records = world.new_mails();
        assert!(!records.is_empty());
        let refuses = |status: u16, code: &str| world.mailbox().fail(Some(Outage::Refuses { status, code: code.to_owned() }));
        match self.kind {
            Kind::Refused => refuses(429, "TooManyRequestsException"),
            Kind::GivenUp => refuses(400, "BadRequestException"),
            Kind::AskedAgain => {
                world.notify(&records).await;
                world.app.store.ask(&mail, world.app.clock.now()).await.expect("the table");
            }
            _ => {}
        }
        let expected = if matches!(self.kind, Kind::ToNobody | Kind::GivenUp) { Vec::new() } else { vec![(to, subject)] };
        Play::of(records, expected)
    }

    async fn act(&self, play: &Play) {
        if self.kind == Kind::Unread {
            // The recipient cannot be read, not even with retries.
            self.world.proxy.inject(Fault::next("GetItem", proxy::Kind::InternalServerError).times(3));
        }
        if let Some(feedback) = &play.feedback {
            self.world.feedback(feedback).await;
        } else if self.kind == Kind::SweptUp {
            self.world.sweep().await;
        } else {
            self.world.notify(&play.records).await;
        }
    }

    /// The stream delivers again what it does not know to be done, and the sweep finds what it lost.
    async fn recover(&self, plays: &[Play]) {
        if self.kind == Kind::Refused {
            self.world.mailbox().fail(None);
        }
        if self.kind != Kind::SweptUp {
            for play in plays {
                self.world.notify(&play.records).await;
                if let Some(feedback) = &play.feedback {
                    assert!(self.world.feedback(feedback).await);
                }
            }
        }
        for _ in 0..3 {
            self.world.pass(Duration::minutes(10)).await;
            self.world.sweep().await;
        }
    }

    async fn check(&self, play: &Play, case: &str) {
        if let Some(email) = &play.suppressed {
            let store = &self.world.app.store;
            assert!(store.suppression_of(email).await.expect("the table").is_some(), "{case}");
            let user = store.user_by_email(email).await.expect("the table").expect("they are there");
            assert!(user.mail_suppressed.is_some(), "{case}: the user sees it");
            assert_eq!(self.world.mails_to(&user.email).len(), 1, "{case}: only the mail that bounced was sent");
        }
        // The mark is written last. If the process dies before it, or the mark or SES's response is lost, the mail is sent again.
        let repeats = ["Killed", "Outage", "Errors", "Throttle at", "LoseOnce at Ses", "Deaf at Ses"];
        let most = if repeats.iter().any(|what| case.contains(what)) { 2 } else { 1 };
        for (address, subject) in &play.expected {
            let arrived = self.arrived(address, subject);
            assert!((1..=most).contains(&arrived), "{case}: {arrived} of {subject:?} to {address}");
        }
    }

    async fn check_all(&self) {
        let lost = self.world.app.store.due_mails(self.world.app.clock.now() + Duration::days(30)).await.expect("the table");
        assert!(lost.is_empty(), "{lost:?} were never sent");
    }
}
