//! The measured requests: typical ones of every function.

use bytes::Bytes;
use ring::hmac;
use serde_json::{Value, json};
use shared::base::entropy::digest;
use shared::domain::ids::CourseId;
use shared::domain::purchase::Purchase;
use shared::store::oauth::State;
use shared::store::page::Page;
use time::OffsetDateTime;
use url::Url;

use crate::Failure;
use crate::event::Event;
use crate::limits::Limits;
use crate::stack::{PUBLIC_API, SECRET_KEY, STOREFRONT, Stack, WEBHOOK_SECRET};

/// A request to a function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    /// The name of the package and its binary.
    pub(crate) function: &'static str,
    /// The title in the table.
    pub(crate) title: &'static str,
    /// The expected status of the answer; `None` if the function is not called over HTTP.
    pub(crate) status: Option<u64>,
    pub(crate) limits: Limits,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Floor,
    Lean,
    CoursePage,
    RenderedPage,
    Catalogue,
    Purchase,
    NoCourse,
    Account,
    Authorize,
    UnknownState,
    Link,
    Onboarding,
    SaveCard,
    PaymentSucceeded,
    Purchases,
    StaffPurchases,
    StaffSales,
    Refund,
    Receipt,
    Schedule,
    Offer,
    Subscribe,
    Subscriptions,
}

/// The yardsticks: a function that answers immediately, and the minimum that a function with these clients does.
pub(crate) const FLOOR: Workload =
    Workload { function: "floor", title: "answers at once", status: Some(200), limits: Limits::NONE, kind: Kind::Floor };
/// See [`FLOOR`].
pub(crate) const LEAN: Workload =
    Workload { function: "f3", title: "one GetItem", status: Some(200), limits: Limits::NONE, kind: Kind::Lean };

const USUAL: Limits = Limits { size: 6_000_000, zipped: 2_800_000, init: 3_500_000, answer: 12_000_000, stripe: 0, dynamodb_trips: 2 };
/// It handles every kind of event, and has outgrown the limit of the others.
const WEBHOOK: Limits = Limits { size: 6_900_000, zipped: 3_100_000, ..USUAL };
/// It estimates new passwords with zxcvbn, whose word lists and regular expressions take 3.5 MB.
const ACCOUNTS: Limits = Limits { size: 8_700_000, zipped: 3_900_000, dynamodb_trips: 1, ..USUAL };
/// It withdraws what is open on an account before it is disconnected, with the requests of a payment.
const CALLBACK: Limits = Limits { size: 6_300_000, zipped: 2_900_000, ..USUAL };
/// It ends and refunds memberships with the requests of all their payments.
const MEMBERSHIPS: Limits = Limits { size: 6_500_000, zipped: 3_000_000, ..USUAL };
/// It reads all accounts and compares the books, with the code of most other functions.
const RECONCILE: Limits = Limits { size: 7_100_000, zipped: 3_100_000, init: 3_500_000, answer: 31_000_000, stripe: 3, dynamodb_trips: 58 };
const CHARGE: Limits = Limits { init: 3_000_000, answer: 8_000_000, stripe: 1, dynamodb_trips: 3, ..USUAL };

/// The requests of all functions.
pub(crate) const FUNCTIONS: [Workload; 22] = [
    Workload { function: "courses", title: "GET /courses/{slug}", status: Some(200), limits: USUAL, kind: Kind::CoursePage },
    Workload { function: "courses", title: "GET /courses (20)", status: Some(200), limits: USUAL, kind: Kind::Catalogue },
    Workload { function: "pages", title: "GET /pages/courses/{slug}", status: Some(200), limits: USUAL, kind: Kind::RenderedPage },
    Workload { function: "charge", title: "POST /courses/charge", status: Some(201), limits: CHARGE, kind: Kind::Purchase },
    Workload {
        function: "charge",
        title: "POST …/charge (no course)",
        status: Some(404),
        limits: Limits { answer: 5_000_000, stripe: 0, dynamodb_trips: 1, ..CHARGE },
        kind: Kind::NoCourse,
    },
    Workload { function: "accounts", title: "GET /users/me", status: Some(200), limits: ACCOUNTS, kind: Kind::Account },
    Workload { function: "authorize", title: "GET /users/authorize", status: Some(302), limits: USUAL, kind: Kind::Authorize },
    Workload {
        function: "oauth-callback",
        title: "GET …/callback (bad state)",
        status: Some(302),
        limits: Limits { dynamodb_trips: 1, ..CALLBACK },
        kind: Kind::UnknownState,
    },
    Workload {
        function: "oauth-callback",
        title: "GET …/callback (links)",
        status: Some(302),
        limits: Limits { stripe: 2, dynamodb_trips: 6, ..CALLBACK },
        kind: Kind::Link,
    },
    Workload {
        function: "onboarding",
        title: "POST …/onboarding (makes)",
        status: Some(200),
        limits: Limits { stripe: 2, dynamodb_trips: 6, ..USUAL },
        kind: Kind::Onboarding,
    },
    Workload {
        function: "payment-methods",
        title: "POST …/payment-methods",
        status: Some(201),
        limits: Limits { stripe: 3, dynamodb_trips: 3, ..USUAL },
        kind: Kind::SaveCard,
    },
    Workload { function: "webhook", title: "payment_intent.succeeded", status: Some(200), limits: WEBHOOK, kind: Kind::PaymentSucceeded },
    Workload {
        function: "purchases",
        title: "GET /purchases (20)",
        status: Some(200),
        limits: Limits { dynamodb_trips: 1, ..USUAL },
        kind: Kind::Purchases,
    },
    Workload {
        function: "purchases",
        title: "GET /admin/…/purchases",
        status: Some(200),
        limits: Limits { dynamodb_trips: 1, ..USUAL },
        kind: Kind::StaffPurchases,
    },
    Workload {
        function: "purchases",
        title: "GET /admin/…/sales",
        status: Some(200),
        limits: Limits { dynamodb_trips: 1, ..USUAL },
        kind: Kind::StaffSales,
    },
    Workload {
        function: "refunds",
        title: "POST …/refund",
        status: Some(200),
        limits: Limits { stripe: 1, dynamodb_trips: 3, ..USUAL },
        kind: Kind::Refund,
    },
    Workload { function: "memberships", title: "POST …/membership (offers)", status: Some(200), limits: MEMBERSHIPS, kind: Kind::Offer },
    Workload {
        function: "memberships",
        title: "POST …/subscribe (first)",
        status: Some(201),
        limits: Limits { stripe: 9, dynamodb_trips: 4, ..MEMBERSHIPS },
        kind: Kind::Subscribe,
    },
    Workload {
        function: "memberships",
        title: "GET /subscriptions",
        status: Some(200),
        limits: Limits { dynamodb_trips: 1, ..MEMBERSHIPS },
        kind: Kind::Subscriptions,
    },
    Workload {
        function: "notify",
        title: "a receipt to be mailed",
        status: None,
        limits: Limits { dynamodb_trips: 5, ..USUAL },
        kind: Kind::Receipt,
    },
    Workload {
        function: "erasures",
        title: "nobody to erase",
        status: None,
        limits: Limits { dynamodb_trips: 1, ..USUAL },
        kind: Kind::Schedule,
    },
    Workload { function: "reconcile", title: "nothing to mend", status: None, limits: RECONCILE, kind: Kind::Schedule },
];

impl Workload {
    /// Writes the data that the request needs, and returns the event to invoke the function with.
    pub(crate) async fn prepare(&self, stack: &Stack) -> Result<Bytes, Failure> {
        match self.kind {
            Kind::Receipt => {
                let key = format!("MAIL#receipt#{}", newest_purchase(stack).await?.id);
                let change = json!({"Keys": {"pk": {"S": key}, "sk": {"S": "MAIL"}}, "SequenceNumber": "1"});
                Ok(json!({"Records": [{"eventName": "INSERT", "dynamodb": change}]}).to_string().into())
            }
            Kind::Schedule => Ok(Bytes::from_static(b"{}")),
            _ => Ok(self.request(stack).await?.to_bytes()),
        }
    }

    async fn request(&self, stack: &Stack) -> Result<Event, Failure> {
        match self.kind {
            Kind::Receipt | Kind::Schedule => Err("nobody requests it".into()),
            Kind::Floor => Ok(Event::new("GET", "/")),
            Kind::Lean | Kind::CoursePage => Ok(Event::new("GET", "/courses/flask-microservices")),
            Kind::RenderedPage => Ok(Event::new("GET", "/pages/courses/flask-microservices")),
            Kind::Catalogue => Ok(Event::new("GET", "/courses")),
            Kind::Purchase => {
                let course = stack.new_course("to-be-measured").await?;
                Ok(purchase(course.as_str(), &stack.session(&stack.buyer).await?))
            }
            Kind::NoCourse => {
                let course = CourseId::generate(&stack.seller.id, OffsetDateTime::now_utc(), &stack.app.entropy);
                Ok(purchase(course.as_str(), &stack.session(&stack.buyer).await?))
            }
            Kind::Account => Ok(Event::new("GET", "/users/me").cookie(stack.session(&stack.buyer).await?)),
            Kind::Authorize => {
                let seller = stack.new_seller("authorize@example.com").await?;
                Ok(Event::new("GET", "/users/authorize").cookie(stack.session(&seller).await?))
            }
            Kind::UnknownState => {
                let seller = stack.new_seller("unknown-state@example.com").await?;
                let query = format!("code=ac_unknown&state={}", stack.app.entropy.secret());
                Ok(callback(query, &stack.session(&seller).await?, &stack.app.entropy.secret()))
            }
            Kind::Link => link(stack).await,
            Kind::Onboarding => {
                let seller = stack.new_seller("onboarding@example.com").await?;
                let event = Event::new("POST", "/users/me/stripe/onboarding").cookie(stack.session(&seller).await?);
                Ok(event.header("origin", STOREFRONT).body(json!({"type": "express"}).to_string()))
            }
            Kind::SaveCard => {
                let event = Event::new("POST", "/users/me/payment-methods").cookie(stack.session(&stack.buyer).await?);
                Ok(event.header("origin", STOREFRONT).body(json!({"payment_method": "pm_card_visa"}).to_string()))
            }
            Kind::PaymentSucceeded => payment_succeeded(stack).await,
            Kind::Purchases => Ok(Event::new("GET", "/purchases").cookie(stack.session(&stack.buyer).await?)),
            Kind::StaffPurchases => {
                let path = format!("/admin/users/{}/purchases", stack.buyer.id);
                Ok(Event::new("GET", path).cookie(stack.session(&stack.staff).await?))
            }
            Kind::StaffSales => {
                let path = format!("/admin/users/{}/sales", stack.seller.id);
                Ok(Event::new("GET", path).cookie(stack.session(&stack.staff).await?))
            }
            Kind::Refund => refund(stack).await,
            Kind::Offer => {
                let event = Event::new("POST", membership(stack)).cookie(stack.session(&stack.seller).await?);
                let offer = json!({"title": "All courses", "monthly": {"amount": 1000}, "yearly": {"amount": 10000}, "currency": "usd"});
                Ok(event.header("origin", STOREFRONT).body(offer.to_string()))
            }
            // Subscribes to what the previous request offers.
            Kind::Subscribe => {
                let event = Event::new("POST", format!("{}/subscribe", membership(stack))).cookie(stack.session(&stack.buyer).await?);
                let body = json!({"interval": "month", "payment_method": "pm_card_visa"});
                Ok(event.header("origin", STOREFRONT).body(body.to_string()))
            }
            Kind::Subscriptions => Ok(Event::new("GET", "/subscriptions").cookie(stack.session(&stack.buyer).await?)),
        }
    }
}

/// A browser's request to buy a course.
pub(crate) fn purchase(course: &str, session: &str) -> Event {
    let body = json!({"course_id": course, "payment_method": "pm_card_visa", "expected_amount": 5000});
    Event::new("POST", "/courses/charge").cookie(session).header("origin", STOREFRONT).body(body.to_string())
}

fn membership(stack: &Stack) -> String {
    format!("/sellers/{}/membership", stack.seller.id)
}

fn callback(query: String, session: &str, browser: &str) -> Event {
    Event::new("GET", "/users/oauth/callback").query(query).cookie(session).cookie(format!("__Host-oauth={browser}"))
}

/// A seller who granted access at Stripe and returns.
async fn link(stack: &Stack) -> Result<Event, Failure> {
    let app = &stack.app;
    let seller = stack.new_seller("link@example.com").await?;
    let (state, browser) = (app.entropy.secret(), app.entropy.secret());
    let kept = State { user_id: seller.id.clone(), browser: digest(&browser), with_session: true, express: false };
    app.store.keep(&state, kept, app.clock.now()).await?;

    let redirect_uri = format!("{PUBLIC_API}/users/oauth/callback");
    let mut consent = Url::parse(&format!("{}/oauth/authorize", stack.stripe_url()))?;
    consent.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", "ca_local"),
        ("scope", "read_write"),
        ("redirect_uri", &redirect_uri),
        ("state", &state),
    ]);
    let form = app.http.post(consent.as_str()).header("content-type", "application/x-www-form-urlencoded");
    let answer = form.body("account=new&decision=allow").send().await?;
    let back = answer.headers().get("location").ok_or("the consent page sends nobody back")?;
    let back = Url::parse(back.to_str()?)?;
    let query = back.query().ok_or("the consent page gives no code")?;
    Ok(callback(query.to_owned(), &stack.session(&seller).await?, &browser))
}

async fn newest_purchase(stack: &Stack) -> Result<Purchase, Failure> {
    let newest = stack.app.store.purchases_of(&stack.buyer.id, &Page { limit: 1, after: None }).await?;
    Ok(newest.items.into_iter().next().ok_or("the buyer has bought nothing")?)
}

/// The seller refunds all of the newest purchase.
async fn refund(stack: &Stack) -> Result<Event, Failure> {
    let purchase = newest_purchase(stack).await?;
    let event = Event::new("POST", format!("/purchases/{}/refund", purchase.id)).cookie(stack.session(&stack.seller).await?);
    Ok(event.header("origin", STOREFRONT).body("{}"))
}

/// Stripe's event for a purchase that was paid immediately.
async fn payment_succeeded(stack: &Stack) -> Result<Event, Failure> {
    let url = format!("{}/v1/events?type=payment_intent.succeeded&limit=1", stack.stripe_url());
    let answer = stack.app.http.get(url).bearer_auth(SECRET_KEY).send().await?.error_for_status()?;
    let list: Value = serde_json::from_slice(&answer.bytes().await?)?;
    let event = list["data"].get(0).ok_or("the stand-in has no event of a payment")?;
    let body = serde_json::to_string_pretty(event)?;

    let now = OffsetDateTime::now_utc().unix_timestamp();
    let key = hmac::Key::new(hmac::HMAC_SHA256, WEBHOOK_SECRET.as_bytes());
    let signature = hmac::sign(&key, format!("{now}.{body}").as_bytes());
    let hex: String = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Event::new("POST", "/webhooks/stripe").header("stripe-signature", format!("t={now},v1={hex}")).body(body))
}
