//! The market: sellers, buyers and courses, and what can be seen of it from outside.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use serde_json::{Value, json};
use shared::domain::money::Currency;
use time::OffsetDateTime;

use super::hostile::Thief;
use super::members::Members;
use super::neighbour::Neighbour;
use super::post::Post;
use crate::harness::{Person, World};

/// When every simulation begins: 2033-05-18 03:33:20 UTC. DynamoDB expires items by the machine's clock, so it must not be in the past.
const BEGINNING: i64 = 2_000_000_000;

/// Each buyer buys, or tries to buy, each course in a market; not every try becomes a purchase.
const BUYERS: usize = 14;
const COURSES: usize = 12;

/// Where sellers are.
const COUNTRIES: [&str; 8] = ["US", "US", "DE", "DE", "GB", "CA", "US", "JP"];

/// Their currencies, in which accounts there settle.
pub(super) const CURRENCIES: [(&str, Currency); 5] =
    [("US", Currency::Usd), ("DE", Currency::Eur), ("GB", Currency::Gbp), ("CA", Currency::Cad), ("JP", Currency::Jpy)];

/// After how many seconds Stripe books a payment.
const BOOKED_AFTER: [i64; 3] = [0, 30, 3600];

/// How many seconds a bank takes to answer a debit.
const DEBITED_AFTER: [i64; 3] = [0, 3600, 86_400];

/// What happened, for investigating failures.
pub(super) type Diary = Arc<Mutex<Vec<String>>>;

/// One market.
pub(super) struct Market {
    pub(super) world: World,
    /// The source of all randomness.
    pub(super) chance: Rng,
    pub(super) staff: Person,
    pub(super) sellers: Vec<Seller>,
    pub(super) buyers: Vec<Person>,
    pub(super) thief: Thief,
    /// How many came while a seller was suspended.
    pub(super) visitors: usize,
    pub(super) courses: Vec<Course>,
    /// The pairs of buyer and course without an attempt so far.
    pub(super) to_buy: Vec<(usize, usize)>,
    pub(super) country: &'static str,
    /// Whether a course stays readable while its payment is disputed.
    pub(super) reads_while_disputed: bool,
    /// Another deployment on the same Stripe account, in every third market.
    pub(super) neighbour: Option<Neighbour>,
    pub(super) post: Post,
    pub(super) known: Known,
    pub(super) members: Members,
    /// What other programs charged on these accounts, by account and currency.
    pub(super) elsewhere: BTreeMap<(String, String), i64>,
    pub(super) diary: Diary,
}

pub(super) struct Seller {
    pub(super) person: Person,
    pub(super) account: String,
    pub(super) country: &'static str,
    pub(super) is_connected: bool,
    /// Where the seller begins to link it.
    pub(super) authorize: &'static str,
}

pub(super) struct Course {
    pub(super) id: String,
    pub(super) slug: String,
    pub(super) seller: usize,
    /// The payees who share it, including the seller.
    pub(super) payees: Vec<usize>,
    pub(super) currency: Currency,
}

/// What Stripe has, as far as events and our responses tell.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// `cs_…`
    pub(super) sessions: Vec<String>,
    /// `pi_…` waiting for their buyers.
    pub(super) authentications: Vec<String>,
    pub(super) payments: Vec<Payment>,
    /// `re_…`
    pub(super) refunds: Vec<String>,
    /// `dp_…` with its account; `None` for the platform's.
    pub(super) disputes: Vec<(String, Option<String>)>,
}

/// A payment that took money.
#[derive(Clone, Debug)]
pub(super) struct Payment {
    pub(super) charge: String,
    /// The connected account that was charged.
    pub(super) account: Option<String>,
    pub(super) amount: i64,
    pub(super) purchase: String,
    pub(super) course: String,
    pub(super) has_fee: bool,
    pub(super) has_transfer: bool,
}

impl Market {
    /// Opens a market. The seed decides its policies, people and courses.
    pub(super) async fn open(seed: u64, diary: Diary) -> Self {
        // The stand-in runs on this thread, and the SDK's pauses are random.
        stripe_stand_in::seed_ids(seed);
        fastrand::seed(seed);
        let mut chance = Rng::with_seed(seed);
        let charge_type = ["destination", "direct", "auto"][chance.usize(..3)];
        let country = ["US", "US", "DE", "JP"][chance.usize(..4)];
        let mut either = |one: &'static str, other: &'static str| if chance.bool() { one } else { other };
        let reads_while_disputed = either("keep", "suspend");
        let settings = [
            ("CHARGE_TYPE", charge_type),
            ("LOST_DISPUTES", either("seller", "platform")),
            ("DISPUTED_ACCESS", reads_while_disputed),
            ("FEE_FIXED", either("", "usd:30,eur:25,jpy:40")),
            ("FEE_MINIMUM", either("", "usd:100,gbp:80")),
            // Refunds of any size and number; the caps have their own tests.
            ("REFUND_MINIMUM", "usd:1,eur:1,gbp:1,jpy:1,cad:1"),
            ("REFUNDS_PER_PURCHASE", "30"),
            ("REFUNDS_PER_DAY", "1000000"),
            ("REFUND_AMOUNT_PER_DAY", "usd:99999999,eur:99999999,gbp:99999999,jpy:99999999,cad:99999999"),
            // Long for a machine that is busy with twelve markets, short for a Stripe that does not answer.
            ("STRIPE_TIMEOUT_MS", "4000"),
        ];
        let beginning = OffsetDateTime::from_unix_timestamp(BEGINNING).expect("it is a time");
        let world = World::seeded(&settings, country, seed, beginning).await;
        // Nobody reads the stream here, and DynamoDB's stand-in searches all of it at each write.
        world.end_stream().await;
        let neighbour = if chance.u32(..3) == 0 { Some(Neighbour::open(&world, country, seed).await) } else { None };
        let mut market = Self {
            staff: world.staff("staff@example.com").await,
            thief: Thief::new(world.stranger("thief@example.com").await),
            world,
            chance,
            visitors: 0,
            sellers: Vec::new(),
            buyers: Vec::new(),
            courses: Vec::new(),
            to_buy: Vec::new(),
            country,
            reads_while_disputed: reads_while_disputed == "keep",
            neighbour,
            post: Post::default(),
            known: Known::default(),
            members: Members::default(),
            elsewhere: BTreeMap::new(),
            diary,
        };
        market.note(format!("{country}, {settings:?}"));
        // The books are compared from here on.
        market.world.reconcile().await;
        market.book_later().await;
        for (number, charge_type) in [Some("direct"), Some("destination"), Some("separate"), None].into_iter().enumerate() {
            market.add_seller(number, charge_type).await;
            market.offer_of(number, false).await;
        }
        for number in 0..COURSES {
            market.add_course(number).await;
        }
        for number in 0..BUYERS {
            let buyer = market.world.buyer(&format!("buyer{number}@example.com")).await;
            market.buyers.push(buyer);
        }
        market.to_buy = (0..BUYERS).flat_map(|buyer| (0..COURSES).map(move |course| (buyer, course))).collect();
        market.chance.shuffle(&mut market.to_buy);
        market
    }

    async fn add_seller(&mut self, number: usize, charge_type: Option<&str>) {
        let person = self.world.seller(&format!("seller{number}@example.com")).await;
        // The one without terms has an Express account, which is not charged directly by itself.
        let authorize = if charge_type.is_none() { "/users/authorize?type=express" } else { "/users/authorize" };
        let country = COUNTRIES[self.chance.usize(..COUNTRIES.len())];
        let kind = if charge_type.is_none() { "express" } else { "standard" };
        let made = self.world.admin("POST", "accounts", json!({"type": kind, "country": country, "connected": false})).await;
        let account = self.world.link_by(&person, authorize, made["id"].as_str()).await;
        assert_eq!(made["id"], *account);
        self.note(format!("seller {number} is in {country}"));
        if let Some(charge_type) = charge_type {
            self.agree(&person, json!({"charge_type": charge_type})).await;
        }
        self.sellers.push(Seller { person, account, country, is_connected: true, authorize });
    }

    /// Gives a seller individual terms.
    pub(super) async fn agree(&self, seller: &Person, terms: Value) {
        self.world.enter_password(&self.staff).await;
        let answer = self.world.patch(format!("/admin/users/{}", seller.id), json!({"terms": terms})).bearer(&self.staff.token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    async fn add_course(&mut self, number: usize) {
        let seller = number % self.sellers.len();
        let currency = [Currency::Usd, Currency::Eur, Currency::Gbp, Currency::Jpy, Currency::Cad][self.chance.usize(..5)];
        let amount = self.price(currency);
        let fee_percent = [0, 1, 10, 33, 50, 99][self.chance.usize(..6)];
        let course =
            self.world.course(&self.sellers[seller].person, &format!("Course {number}"), amount, currency.code(), fee_percent).await;
        let text = |name: &str| course[name].as_str().expect("it is there").to_owned();
        let (id, slug) = (text("id"), text("slug"));
        let mut payees = vec![seller];
        // Every fourth course is shared by three sellers, with an odd cent.
        if number % 4 == 3 {
            let shares: Vec<_> = (0..3).zip([51, 32, 17]).map(|(payee, share)| (&self.sellers[payee].person, share)).collect();
            let answer = self.world.share(&slug, &self.sellers[seller].person, &shares).await;
            // Sellers with direct charges cannot share, and not every country can be reached.
            match answer.status {
                200 => payees.extend(0..3),
                status => assert!([409, 422].contains(&status), "{}", answer.body),
            }
        }
        self.courses.push(Course { id, slug, seller, payees, currency });
    }

    /// Any price that every account can charge, whatever it settles in. Rates move, so the smallest one is more than Stripe's minimum.
    pub(super) fn price(&mut self, currency: Currency) -> i64 {
        let least = CURRENCIES.iter().map(|(_, settled)| currency.least_settled_in(*settled)).max().expect("there are some");
        if self.chance.u32(..6) == 0 { least } else { self.chance.i64(least..30_000) }
    }

    /// From now on, Stripe books payments at once, or later, and so do banks answer debits.
    pub(super) async fn book_later(&mut self) {
        let delay = BOOKED_AFTER[self.chance.usize(..BOOKED_AFTER.len())];
        let debited = DEBITED_AFTER[self.chance.usize(..DEBITED_AFTER.len())];
        self.world.admin("POST", "settings", json!({"capture_delay": delay, "debit_delay": debited})).await;
        self.note(format!("payments are booked after {delay} s, debits answered after {debited} s"));
    }

    /// Exchange rates move.
    pub(super) async fn move_rates(&mut self) {
        // In US cents.
        const WORTH: [(&str, f64); 5] = [("usd", 100.0), ("eur", 110.0), ("gbp", 128.0), ("cad", 72.0), ("jpy", 0.67)];
        let mut rates = json!({});
        for (place, (from, worth)) in WORTH.iter().enumerate() {
            for (to, other) in &WORTH[place + 1..] {
                let moved = f64::from(self.chance.u32(9_200..10_800)) / 10_000.0;
                rates[from][to] = json!(worth / other * moved);
            }
        }
        self.world.admin("POST", "rates", rates).await;
        self.note("exchange rates move".to_owned());
    }

    /// A random element; half of the time one of the twelve newest.
    pub(super) fn pick<T: Clone>(chance: &mut Rng, all: &[T]) -> Option<T> {
        let newest = all.len().saturating_sub(12);
        let from = if chance.bool() { newest } else { 0 };
        (!all.is_empty()).then(|| all[chance.usize(from..all.len())].clone())
    }

    /// Adds to the diary.
    pub(super) fn note(&self, what: String) {
        self.diary.lock().expect("nobody panics with it").push(format!("{} {what}", self.world.app.clock.now().unix_timestamp()));
    }

    /// Collects what happened at Stripe.
    pub(super) async fn listen(&mut self) {
        for event in self.post.collect(&self.world).await {
            self.members.listen(&event);
            let object = &event["data"]["object"];
            let text = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
            let account = event["account"].as_str().map(str::to_owned);
            match event["type"].as_str().unwrap_or_default() {
                "payment_intent.requires_action" => self.known.authentications.push(text("id")),
                "charge.dispute.created" => self.known.disputes.push((text("id"), account)),
                "refund.created" if object["payment_intent"].is_string() => self.known.refunds.push(text("id")),
                // The neighbour's sales are not the market's.
                "charge.succeeded" if self.courses.iter().any(|course| object["metadata"]["course_id"] == *course.id) => {
                    self.known.payments.push(Payment {
                        charge: text("id"),
                        account,
                        amount: object["amount"].as_i64().unwrap_or(0),
                        purchase: object["metadata"]["purchase_id"].as_str().unwrap_or_default().to_owned(),
                        course: object["metadata"]["course_id"].as_str().unwrap_or_default().to_owned(),
                        has_fee: object["application_fee"].is_string() || object["application_fee_amount"].as_i64() > Some(0),
                        has_transfer: object["transfer"].is_string() || object["transfer_data"]["destination"].is_string(),
                    })
                }
                _ => {}
            }
        }
    }

    /// The seller of a payment's course.
    pub(super) fn seller_of(&self, payment: &Payment) -> &Seller {
        let course = self.courses.iter().find(|course| course.id == payment.course).expect("a course of this market");
        &self.sellers[course.seller]
    }

    /// Whether the platform has access to an account.
    pub(super) fn is_within_reach(&self, account: Option<&str>) -> bool {
        account.is_none_or(|account| self.sellers.iter().any(|seller| seller.account == account && seller.is_connected))
    }
}
