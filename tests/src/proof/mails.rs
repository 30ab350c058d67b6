//! Mails of the outbox. A mail is sent once; only where it is not known whether SES has it, or its mark was lost, a second
//! time.

use local::aws::Outage;
use local::proxy::{self, Fault};
use serde_json::{Value, json};
use shared::store::outbox::Mail;
use shared::user::Email;
use time::Duration;

use super::engine::Scenario;
use super::scenarios::kinds;
use crate::harness::{Person, World};

kinds![
    Sold,
    SweptUp,
    Confirmation,
    PasswordReset,
    Refund,
    DisputeOpened,
    DisputeClosed,
    Onboarding,
    RenewalFailed,
    AskedAgain,
    Unread,
    Refused,
    GivenUp,
    ToNobody,
];

/// A world with a seller.
pub(super) struct Mails {
    world: World,
    kind: Kind,
    seller: Person,
    played: u32,
}

/// The records of mails in the table's stream, and what must arrive: where, and with which words in its subject.
#[derive(Clone, Debug)]
pub(super) struct Play {
    records: Vec<Value>,
    expected: Vec<(String, String)>,
}

impl Mails {
    pub(super) async fn start(kind: Kind) -> Self {
        let world = World::start().await;
        let seller = world.seller("seller@example.com").await;
        world.link(&seller).await;
        world.pump().await;
        Self { world, kind, seller, played: 0 }
    }

    /// Has the buyer buy a course: the purchase's id.
    async fn sold(&self, buyer: &Person, title: &str) -> String {
        let course = self.world.course(&self.seller, title, 5001, "usd", 33).await;
        let answer = self.world.buy(buyer, course["id"].as_str().expect("an id"), super::sale::CARD).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()["purchase"]["id"].as_str().expect("an id").to_owned()
    }

    /// The mail of a kind that is asked for by itself, to whom, and its subject.
    async fn mail(&self, buyer: &Person, title: &str) -> (Mail, String, String) {
        let (world, now) = (&self.world, self.world.app.clock.now());
        let user = || buyer.id.parse().expect("an id");
        let email = Email::parse(&buyer.email).expect("an address");
        let renewal = Mail::RenewalFailed { user: user(), invoice: format!("in_{}", buyer.id), title: title.to_owned() };
        let (to_buyer, to_seller) = (buyer.email.clone(), self.seller.email.clone());
        match self.kind {
            Kind::PasswordReset => (Mail::password_reset(&email, now), to_buyer, "Set a new password".to_owned()),
            Kind::Refund | Kind::DisputeOpened | Kind::DisputeClosed => {
                let purchase = self.sold(buyer, title).await.parse().expect("an id");
                // The receipt and the notice.
                world.pump().await;
                let dispute = format!("dp_{}", buyer.id);
                match self.kind {
                    Kind::Refund => {
                        let mail = Mail::Refunded { purchase, refund: "1".to_owned(), total: 1000 };
                        (mail, to_buyer, format!("Your refund: {title}"))
                    }
                    Kind::DisputeOpened => {
                        (Mail::DisputeOpened { purchase, dispute }, to_seller, format!("A payment is disputed: {title}"))
                    }
                    _ => (Mail::DisputeClosed { purchase, dispute, won: true }, to_seller, format!("Dispute won: {title}")),
                }
            }
            Kind::Onboarding => {
                world.roles(buyer, Some(true), None).await;
                let answer = world.post("/users/me/stripe/onboarding", json!({"type": "express"})).bearer(&buyer.token).await;
                let mail = Mail::OnboardingUnfinished { user: user(), account: answer.text("account_id") };
                (mail, to_buyer, "Your Stripe account is not ready yet".to_owned())
            }
            Kind::ToNobody => {
                world.delete("/users/me").bearer(&buyer.token).await.is_empty(204);
                (renewal, to_buyer, "A renewal".to_owned())
            }
            _ => (renewal, to_buyer, format!("A renewal did not go through: {title}")),
        }
    }

    /// The mails that have arrived at an address with that subject.
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
        // The sweep takes what there is, and SES refuses whoever asks.
        matches!(self.kind, Kind::SweptUp | Kind::Refused | Kind::GivenUp)
    }

    async fn prepare(&mut self) -> Play {
        self.played += 1;
        let (world, number) = (&self.world, self.played);
        world.mailbox().fail(None);
        let buyer = world.buyer(&format!("buyer{number}@example.com")).await;
        if self.kind == Kind::Confirmation {
            return Play { records: world.new_mails(), expected: vec![(buyer.email, "Confirm your e-mail address".to_owned())] };
        }
        // The mail that confirms the address.
        world.pump().await;
        let title = format!("Course {number}");
        if matches!(self.kind, Kind::Sold | Kind::SweptUp) {
            self.sold(&buyer, &title).await;
            let expected =
                vec![(buyer.email, format!("Your receipt: {title}")), (self.seller.email.clone(), format!("You sold a course: {title}"))];
            let records = world.new_mails();
            assert_eq!(records.len(), expected.len());
            return Play { records, expected };
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
        Play { records, expected }
    }

    async fn act(&self, play: &Play) {
        if self.kind == Kind::Unread {
            // Whom it goes to cannot be read, however often it is tried.
            self.world.proxy.inject(Fault::next("GetItem", proxy::Kind::InternalServerError).times(3));
        }
        if self.kind == Kind::SweptUp {
            self.world.sweep().await;
        } else {
            self.world.notify(&play.records).await;
        }
    }

    /// The stream hands over again what it does not know to be done, and the sweep finds what it lost.
    async fn recover(&self, plays: &[Play]) {
        if self.kind == Kind::Refused {
            self.world.mailbox().fail(None);
        }
        if self.kind != Kind::SweptUp {
            for play in plays {
                self.world.notify(&play.records).await;
            }
        }
        for _ in 0..3 {
            self.world.pass(Duration::minutes(10)).await;
            self.world.sweep().await;
        }
    }

    async fn check(&self, play: &Play, case: &str) {
        // The mark is the last thing that is written: whoever dies before it, or never hears of it, leaves a mail that goes again. And
        // so does SES's answer that is lost.
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
