//! The stand-ins, with a marketplace's data.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use local::aws::AwsStandIn;
use local::dynamo::Dynamo;
use local::proxy::{Fault, Kind, Proxy};
use serde_json::json;
use shared::app::App;
use shared::base::clock::Clock;
use shared::base::entropy::Entropy;
use shared::domain::course::Course;
use shared::domain::ids::{CourseId, UserId};
use shared::domain::money::{Currency, FeePercent, Price};
use shared::domain::sealed::SealedTokens;
use shared::domain::user::{AccountState, AccountType, AccountsApi, Email, StripeLink, User};
use shared::settings::config::Config;
use shared::store::Written;
use shared::store::links::Linked;
use shared::store::token::Token;
use stripe_stand_in::StandIn;

use crate::Failure;
use crate::exchange::Exchange;
use crate::process::Environment;

pub(crate) const PUBLIC_API: &str = "https://api.example.com";
pub(crate) const STOREFRONT: &str = "https://shop.example.com";
pub(crate) const SECRET_KEY: &str = "sk_test_local";
pub(crate) const WEBHOOK_SECRET: &str = "whsec_local";

const TABLE: &str = "lambda-stripe-connect";

/// Parallel calls only overlap visibly if they take some time.
const OVERLAP: Duration = Duration::from_millis(5);

/// Everything that runs besides the functions.
#[derive(Debug)]
pub(crate) struct Stack {
    dynamo: Dynamo,
    stripe: StandIn,
    aws: AwsStandIn,
    /// Access to the table, to prepare data for the functions.
    pub(crate) app: App,
    /// The seller of all courses, with a linked account.
    pub(crate) seller: User,
    /// A buyer with a session.
    pub(crate) buyer: User,
    /// A staff member, who sees everybody's purchases and sales.
    pub(crate) staff: User,
}

impl Stack {
    /// Starts the stand-ins and writes the fixtures.
    pub(crate) async fn start() -> Result<Self, Failure> {
        // This program contains both the stand-ins and the functions' code, with
        // one `reqwest`. The stand-ins' client uses the process's default provider.
        let _installed_already = rustls::crypto::ring::default_provider().install_default();
        let dynamo = Dynamo::memory().await?;
        let options = stripe_stand_in::Options {
            redirect_uris: vec![format!("{PUBLIC_API}/users/oauth/callback")],
            ..stripe_stand_in::Options::default()
        };
        let stripe = stripe_stand_in::start(options).await?;
        let aws = local::aws::start(0, secrets()).await?;

        let config = Config::from_lookup(|name| (name == "TABLE_NAME").then(|| TABLE.to_owned()))?;
        let app = App::new(config, Clock::System, Entropy::system(), Some(dynamo.url()));
        let client = shared::cloud::aws::dynamodb(&app.aws, Some(dynamo.url()));
        operator::table::create(&client, TABLE).await?;
        // The DynamoDB stand-in searches the whole stream at each write. That cost must not be counted for the functions.
        let none = aws_sdk_dynamodb::types::StreamSpecification::builder().stream_enabled(false).build()?;
        client.update_table().table_name(TABLE).stream_specification(none).send().await?;
        operator::fixtures::write(&app).await?;
        let seller = user(&app, "test@seller.com").await?;
        let buyer = user(&app, "test@buyer.com").await?;
        let staff = user(&app, "test@admin.com").await?;
        let stack = Self { dynamo, stripe, aws, app, seller, buyer, staff };
        stack.connect_seller().await?;
        Ok(stack)
    }

    /// Links the seller to an account at the Stripe stand-in.
    async fn connect_seller(&self) -> Result<(), Failure> {
        let account = self.stripe("_admin/accounts", &json!({"connected": true, "scope": "read_write"})).await?;
        let link = StripeLink {
            accounts_api: AccountsApi::V2,
            account_id: account["id"].as_str().ok_or("the account has no id")?.to_owned(),
            // So that sales are charged on the platform, as measured before.
            account_type: AccountType::Express,
            made_by_platform: false,
            scope: "read_write".to_owned(),
            livemode: false,
            linked_at: self.app.clock.now(),
            state: AccountState { charges_enabled: true, ..AccountState::default() },
        };
        // No measured function opens the tokens.
        let tokens = SealedTokens { key_id: "k1".to_owned(), sealed: String::new() };
        match self.app.store.link(&self.seller.id, &link, &tokens).await? {
            Linked::Yes => Ok(()),
            other => Err(format!("the seller cannot be linked: {other:?}").into()),
        }
    }

    /// A seller without a linked account.
    pub(crate) async fn new_seller(&self, email: &str) -> Result<User, Failure> {
        self.new_user(email, true).await
    }

    /// A buyer without purchases.
    pub(crate) async fn new_buyer(&self, email: &str) -> Result<User, Failure> {
        self.new_user(email, false).await
    }

    async fn new_user(&self, email: &str, is_seller: bool) -> Result<User, Failure> {
        let email = Email::parse(email)?;
        let hash = self.app.store.password_hash(&self.seller.id).await?.ok_or("the seller has no password")?;
        let new = User::new(UserId::generate(&self.app.entropy), &email, &hash, self.app.clock.now());
        let user = User { email_confirmed: true, is_seller, ..new };
        match self.app.store.add_user(&user, &email, &hash, None, None).await? {
            Written::Yes => Ok(user),
            Written::No(_) => Err(format!("{} has signed up already", email.written()).into()),
        }
    }

    /// Creates a session and returns its cookie.
    pub(crate) async fn session(&self, user: &User) -> Result<String, Failure> {
        let token = Token::generate(&user.id, &self.app.entropy);
        self.app.store.add_session(&token, user, self.app.clock.now()).await?;
        Ok(format!("__Host-session={}", token.reveal()))
    }

    /// A course of the seller's without buyers.
    pub(crate) async fn new_course(&self, slug: &str) -> Result<CourseId, Failure> {
        let now = self.app.clock.now();
        let course = Course {
            id: CourseId::generate(&self.seller.id, now, &self.app.entropy),
            slug: slug.to_owned(),
            title: "A course that nobody has bought".to_owned(),
            description: "Two hundred characters are about what a seller writes below the title of a course. ".repeat(2),
            price: Price { amount: 5000, currency: Currency::Usd },
            fee_percent: FeePercent::try_from(50)?,
            seller_id: self.seller.id.clone(),
            payees: Vec::new(),
            proposed: None,
            published: true,
            created_at: now,
            updated_at: now,
            version: 1,
            deleted: false,
            taken_down: None,
            renames: 0,
        };
        match self.app.store.add_course(&course, &[]).await? {
            Written::Yes => Ok(course.id),
            Written::No(_) => Err(format!("{slug} is there already").into()),
        }
    }

    /// Calls the admin API of the Stripe stand-in.
    async fn stripe(&self, path: &str, body: &serde_json::Value) -> Result<serde_json::Value, Failure> {
        let request = self.app.http.post(format!("{}/{path}", self.stripe.url())).body(body.to_string());
        let answer = request.send().await?.error_for_status()?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }

    /// The URL of the Stripe stand-in.
    pub(crate) fn stripe_url(&self) -> String {
        self.stripe.url()
    }

    /// The variables of a function that calls the stand-ins directly.
    pub(crate) fn environment(&self) -> Environment {
        environment(&self.dynamo.url(), &self.stripe.url(), &self.aws.url())
    }

    /// Connections to the stand-ins for one function.
    pub(crate) async fn backend(&self) -> Result<Backend, Failure> {
        Ok(Backend {
            dynamodb: Way::start(self.dynamo.url()).await?,
            stripe: Way::start(self.stripe.url()).await?,
            aws: Way::start(self.aws.url()).await?,
        })
    }
}

async fn user(app: &App, email: &str) -> Result<User, Failure> {
    let found = app.store.user_by_email(&Email::parse(email)?).await?;
    Ok(found.ok_or_else(|| format!("the fixtures have no {email}"))?)
}

fn secrets() -> HashMap<String, String> {
    let stripe = json!({
        "secret_key": SECRET_KEY,
        "webhook_secrets": [WEBHOOK_SECRET],
        "connect_webhook_secrets": ["whsec_local_connect"],
    });
    let token_keys = json!({"current": "k1", "keys": {"k1": STANDARD.encode([7; 32])}});
    HashMap::from([("local/stripe".to_owned(), stripe.to_string()), ("local/token-keys".to_owned(), token_keys.to_string())])
}

/// The connections from one function to the stand-ins.
#[derive(Debug)]
pub(crate) struct Backend {
    dynamodb: Way,
    stripe: Way,
    aws: Way,
}

/// The proxy that counts calls to a stand-in, and the exchange behind it that records the answers.
#[derive(Debug)]
struct Way {
    exchange: Exchange,
    proxy: Proxy,
}

impl Way {
    async fn start(stand_in: String) -> Result<Self, Failure> {
        let exchange = Exchange::start(stand_in).await?;
        let proxy = local::proxy::start(exchange.url()).await?;
        Ok(Self { exchange, proxy })
    }
}

/// How many calls a request makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) stripe: usize,
    pub(crate) dynamodb: usize,
    /// How many of the DynamoDB calls are sequential.
    pub(crate) dynamodb_trips: usize,
}

impl Backend {
    /// The function's variables during the rehearsal: calls are counted, recorded and carried out.
    pub(crate) fn rehearsing(&self) -> Environment {
        environment(&self.dynamodb.proxy.url(), &self.stripe.proxy.url(), &self.aws.proxy.url())
    }

    /// The function's variables during the measurement: calls are answered immediately from the recording.
    pub(crate) fn playing(&self) -> Environment {
        for way in self.ways() {
            way.exchange.play();
        }
        environment(&self.dynamodb.exchange.url(), &self.stripe.exchange.url(), &self.aws.exchange.url())
    }

    /// Starts counting.
    pub(crate) fn count(&self) {
        for way in self.ways() {
            way.proxy.clear();
            way.proxy.inject(Fault::always(Kind::Delay(OVERLAP)));
        }
    }

    /// The counts.
    pub(crate) fn counted(&self) -> Calls {
        Calls {
            stripe: self.stripe.proxy.calls().len(),
            dynamodb: self.dynamodb.proxy.calls().len(),
            dynamodb_trips: self.dynamodb.proxy.sequential_trips(),
        }
    }

    /// Checks that only rehearsed calls were made.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.ways().iter().find_map(|way| way.exchange.unknown()) {
            None => Ok(()),
            Some(operation) => Err(format!("{operation} was not rehearsed").into()),
        }
    }

    fn ways(&self) -> [&Way; 3] {
        [&self.dynamodb, &self.stripe, &self.aws]
    }
}

fn environment(dynamodb: &str, stripe: &str, aws: &str) -> Environment {
    Environment::from(
        [
            ("TABLE_NAME", TABLE),
            // The measurement repeats one seller's refund many times.
            ("REFUNDS_PER_DAY", "1000000"),
            ("REFUND_AMOUNT_PER_DAY", "usd:99999999"),
            // Its member of staff has no second factor.
            ("STAFF_SECOND_FACTOR", "optional"),
            ("STRIPE_SECRET_ARN", "local/stripe"),
            ("TOKEN_KEYS_SECRET_ARN", "local/token-keys"),
            ("STRIPE_PUBLISHABLE_KEY", "pk_test_local"),
            ("STRIPE_CLIENT_ID", "ca_local"),
            ("STRIPE_API_BASE", stripe),
            ("STRIPE_CONNECT_BASE", stripe),
            ("AWS_ENDPOINT_URL", aws),
            ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", aws),
            ("PUBLIC_API_URL", PUBLIC_API),
            ("STOREFRONT_URL", STOREFRONT),
            ("ALLOWED_ORIGINS", STOREFRONT),
            ("MAIL_FROM", "Courses <courses@example.com>"),
        ]
        .map(|(name, value)| (name, value.to_owned())),
    )
}
