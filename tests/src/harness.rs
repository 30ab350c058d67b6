//! The world in which handlers are tested: real local servers on their own ports, a fresh
//! table for each test, a clock that tests can move, and requests in API Gateway's format.

mod client;
mod described;
mod dispatch;
mod event;
mod events;
mod log;
mod mail;
mod people;
mod router;
mod schema;
mod secrets;
mod shape;
mod stripe;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::types::{AttributeValue, StreamSpecification};
use local::dynamo::Dynamo;
use local::proxy::Proxy;
use serde_json::json;
use shared::app::App;
use shared::base::clock::Clock;
use shared::base::entropy::Entropy;
use shared::settings::config::Config;
use shared::store::Store;
use shared::store::books::Line;
use stripe_stand_in::StandIn;
use time::OffsetDateTime;

pub(crate) use client::{Answer, Call};
pub(crate) use events::{CONNECT, PLATFORM, THIN, sign};
pub(crate) use log::{logged, warned};
pub(crate) use mail::token_in;
pub(crate) use people::{PASSWORD, Person};
pub(crate) use secrets::Secret;
pub(crate) use shape::assert_shape;
pub(crate) use stripe::{Consent, Payments, Shop};

/// The functions' environment, unless a test overrides it.
const SETTINGS: [(&str, &str); 14] = [
    ("STACK_ID", "under-test"),
    ("TABLE_NAME", "courses-under-test"),
    ("STRIPE_PUBLISHABLE_KEY", "pk_test_local"),
    ("STRIPE_CLIENT_ID", "ca_local"),
    ("PUBLIC_API_URL", "http://localhost:9000"),
    ("STOREFRONT_URL", "http://localhost:3000"),
    ("ALLOWED_ORIGINS", "http://localhost:3000,https://partner.example"),
    // Sellers link Standard accounts here, which `auto` would charge directly; `payments::charge_types` tests it.
    ("CHARGE_TYPE", "destination"),
    ("DEFAULT_FEE_PERCENT", "50"),
    // Tests of fees set their own; `payments::fees` tests the default.
    ("FEE_MINIMUM", "none"),
    // All clients have the same address by default.
    ("ADDRESS_LIMITS", "1000"),
    ("STAFF_SECOND_FACTOR", "optional"),
    ("MAIL_FROM", "Courses <courses@example.com>"),
    ("MAIL_CONFIGURATION_SET", "under-test-mail"),
];

/// When every test begins: 2033-06-15 10:30 UTC, so that no test depends on the current day. It is the middle of an
/// hour, in a month of thirty days. DynamoDB expires items by the machine's clock, so it must not be in the past.
const BEGINNING: i64 = 2_002_444_200;

/// Timeout of DynamoDB.
const PATIENCE: Duration = Duration::from_secs(60);

/// `STRIPE_TIMEOUT_MS` for a world with this fault at Stripe. Only a missing response makes anybody wait for the timeout.
pub(crate) fn patience_with(fault: &serde_json::Value) -> &'static str {
    if fault["kind"] == "no_answer" { "1000" } else { "60000" }
}

/// How long the functions pause before they retry DynamoDB or Stripe.
const PAUSE: Duration = Duration::from_millis(1);

/// A test's own environment. Its servers stop when it is dropped.
pub(crate) struct World {
    /// What the functions need.
    pub(crate) app: App,
    /// In front of DynamoDB: counts calls and injects faults.
    pub(crate) proxy: Proxy,
    /// The same in front of Stripe.
    pub(crate) stripe_proxy: Proxy,
    /// Stripe, and the functions that call it.
    pub(crate) payments: Payments,
    /// The function that sends mails, and their destination.
    post_office: mail::Post,
    /// Access to DynamoDB that bypasses the proxy.
    database: Client,
    dynamo: Arc<Dynamo>,
}

impl World {
    /// With the default settings.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With some of the functions' environment variables changed.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let world = Self::alone(settings, Clock::shifted(), Entropy::system(), stripe::stand_in().await).await;
        world.pass(time::Duration::seconds(BEGINNING - world.app.clock.now().unix_timestamp())).await;
        world
    }

    /// The functions read Stripe's keys from a secret that can be rotated.
    pub(crate) async fn with_secret(value: &serde_json::Value) -> (Self, Secret) {
        let mut world = Self::start().await;
        let secret = Secret::start(&world.app, value).await;
        world.payments.read_keys_from(&secret).await;
        (world, secret)
    }

    /// A deterministic world: the same random bytes for the same seed, and time that passes only through [`World::pass`], here and at
    /// Stripe. Charges settle in the currency of an account's country.
    pub(crate) async fn seeded(settings: &[(&str, &str)], country: &str, seed: u64, now: OffsetDateTime) -> Self {
        local::host_servers_on_this_thread();
        let settings = [settings, &[("PLATFORM_COUNTRY", country)]].concat();
        let stand_in = stripe::converting_stand_in(country).await;
        let world = Self::alone(&settings, Clock::held(now), Entropy::seeded(seed), stand_in).await;
        world.admin("POST", "clock/hold", json!({"at": now.unix_timestamp()})).await;
        world
    }

    /// Another deployment on the same Stripe account and clock, with its own table. From now on Stripe sends both deployments all events.
    pub(crate) async fn beside(&self, settings: &[(&str, &str)]) -> Self {
        Self::build(settings, self.app.clock.clone(), Entropy::system(), self.dynamo.clone(), self.payments.stand_in()).await
    }

    /// The same for a [seeded](World::seeded) world.
    pub(crate) async fn beside_seeded(&self, settings: &[(&str, &str)], seed: u64) -> Self {
        let (clock, entropy) = (self.app.clock.clone(), Entropy::seeded(seed));
        Self::build(settings, clock, entropy, self.dynamo.clone(), self.payments.stand_in()).await
    }

    async fn alone(settings: &[(&str, &str)], clock: Clock, entropy: Entropy, stand_in: StandIn) -> Self {
        // Cargo unifies features, so in this binary the stand-in's HTTP client has TLS and needs a provider.
        let _installed_already = rustls::crypto::ring::default_provider().install_default();
        let dynamo = Arc::new(Dynamo::memory().await.expect("a port is free"));
        Self::build(settings, clock, entropy, dynamo, Arc::new(stand_in)).await
    }

    async fn build(settings: &[(&str, &str)], clock: Clock, entropy: Entropy, dynamo: Arc<Dynamo>, stand_in: Arc<StandIn>) -> Self {
        let proxy = local::proxy::start(dynamo.url()).await.expect("a port is free");
        let stripe_proxy = local::proxy::start(stand_in.url()).await.expect("a port is free");
        let address = stripe_proxy.url();
        let config = Config::from_lookup(|name| {
            let stripe = [("STRIPE_API_BASE", address.as_str()), ("STRIPE_CONNECT_BASE", address.as_str()), ("STRIPE_TIMEOUT_MS", "60000")];
            let mut all = settings.iter().copied().chain(SETTINGS).chain(stripe);
            all.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
        });
        let config = config.expect("the settings are sound");
        let mut app = App::new(config, clock, entropy, Some(proxy.url()));
        // On a busy machine with thirty parallel requests, a slow DynamoDB must not count as one that does not answer.
        let patience = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).build();
        let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(PAUSE).with_max_backoff(PAUSE);
        app.aws = app.aws.to_builder().timeout_config(patience).retry_config(retries).build();
        app.store = Store::new(shared::cloud::aws::dynamodb(&app.aws, Some(proxy.url())), &app.config.table_name);
        let database = shared::cloud::aws::dynamodb(&app.aws, Some(dynamo.url()));
        operator::table::create(&database, &app.config.table_name).await.expect("the table can be made");
        let payments = Payments::start(&app, stand_in).await;
        let post_office = mail::Post::start(&app, &dynamo).await;
        Self { app, proxy, stripe_proxy, payments, post_office, database, dynamo }
    }

    /// Access to DynamoDB that bypasses the proxy.
    pub(crate) fn database(&self) -> &Client {
        &self.database
    }

    /// Writes many items at once, in DynamoDB's JSON, bypassing the functions.
    pub(crate) fn import(&self, items: Vec<serde_json::Value>) {
        self.dynamo.import(&self.app.config.table_name, items).expect("they are items of the table");
    }

    /// Turns off the table's stream, so no mail is sent.
    pub(crate) async fn end_stream(&self) {
        let none = StreamSpecification::builder().stream_enabled(false).build().expect("it is complete");
        let update = self.database.update_table().table_name(&self.app.config.table_name).stream_specification(none);
        update.send().await.expect("the table is there");
    }

    /// Everything stored, as text, to check that it contains no secrets.
    pub(crate) async fn stored(&self) -> String {
        let mut text = String::new();
        let mut pages = self.database.scan().table_name(&self.app.config.table_name).into_paginator().send();
        while let Some(page) = pages.next().await {
            text += &format!("{:?}", page.expect("the table can be read").items());
        }
        text
    }

    /// Everything stored in both tables, one text for each item.
    pub(crate) async fn items(&self) -> Vec<String> {
        let mut items = Vec::new();
        for table in [&self.app.config.table_name, &self.app.config.credentials_table] {
            let mut pages = self.database.scan().table_name(table).into_paginator().send();
            while let Some(page) = pages.next().await {
                items.extend(page.expect("the table can be read").items().iter().map(|item| format!("{item:?}")));
            }
        }
        items
    }

    /// Copies another deployment's table, as restoring its backup would.
    pub(crate) async fn copy_of(&self, other: &Self) {
        let mut pages = other.database.scan().table_name(&other.app.config.table_name).into_paginator().send();
        while let Some(page) = pages.next().await {
            for item in page.expect("the table can be read").items.unwrap_or_default() {
                let put = self.database.put_item().table_name(&self.app.config.table_name).set_item(Some(item));
                put.send().await.expect("the table can be written");
            }
        }
    }

    /// The ledger lines of all days that name such an owner: `purchase_id` or `subscription_id`.
    pub(crate) async fn ledger_of(&self, owner: &str) -> Vec<Line> {
        let scan = self.database.scan().table_name(&self.app.config.table_name);
        let scan =
            scan.filter_expression("begins_with(pk, :ledger) AND attribute_exists(#owner)").expression_attribute_names("#owner", owner);
        let mut pages = scan.expression_attribute_values(":ledger", AttributeValue::S("LEDGER#".to_owned())).into_paginator().send();
        let mut days = BTreeSet::new();
        while let Some(page) = pages.next().await {
            for item in page.expect("the table can be read").items.unwrap_or_default() {
                let day = item["pk"].as_s().expect("a key").split('#').nth(1).and_then(|day| day.parse::<i64>().ok());
                days.insert(day.expect("LEDGER#day#part"));
            }
        }
        let mut lines = Vec::new();
        for day in days {
            lines.extend(self.app.store.ledger(day * 24..(day + 1) * 24).await.expect("the table can be read"));
        }
        lines
    }

    /// Deletes a purchase and everything that names it, as restoring a backup can.
    pub(crate) async fn forget_purchase(&self, id: &str) {
        let table = &self.app.config.table_name;
        let names = |item: &std::collections::HashMap<String, AttributeValue>, attribute: &str| {
            item.get(attribute).and_then(|value| value.as_s().ok()).is_some_and(|value| value == id)
        };
        let mut pages = self.database.scan().table_name(table).into_paginator().send();
        while let Some(page) = pages.next().await {
            for mut item in page.expect("the table can be read").items.unwrap_or_default() {
                if names(&item, "id") || names(&item, "purchase_id") {
                    let delete = self.database.delete_item().table_name(table);
                    let key = |name: &str, item: &mut std::collections::HashMap<String, AttributeValue>| item.remove(name).expect("a key");
                    let (pk, sk) = (key("pk", &mut item), key("sk", &mut item));
                    delete.key("pk", pk).key("sk", sk).send().await.expect("the table can be written");
                }
            }
        }
    }

    /// The operations sent to DynamoDB since the last call, in order of arrival.
    pub(crate) fn operations(&self) -> Vec<String> {
        let operations = self.proxy.operations();
        self.proxy.clear();
        operations
    }

    /// Moves the functions' clock to just after the start of the next quarter of an hour.
    pub(crate) fn to_next_window(&self) {
        let Clock::Shifted(seconds) = &self.app.clock else { unreachable!("the world's clock can be moved") };
        let now = self.app.clock.now().unix_timestamp();
        seconds.fetch_add(900 - now.rem_euclid(900) + 1, Ordering::SeqCst);
    }
}
