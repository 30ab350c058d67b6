//! The functions, with nothing behind them.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use lambda_http::{Context, RequestExt as _};
use oauth_callback::OAuthCallback;
use serde_json::Value;
use shared::app::App;
use shared::base::clock::Clock;
use shared::base::entropy::Entropy;
use shared::settings::config::Config;
use shared::settings::rotating::Rotating;
use shared::settings::secrets::{StripeKeys, TokenKeys};
use shared::store::Store;
use shared::stripe::Gateway;
use shared::work::Services;
use time::OffsetDateTime;
use tokio::runtime::{Builder, Runtime};

/// The time, in Unix seconds.
pub(crate) const NOW: i64 = 1_793_520_000;

/// Nobody listens there: connections are refused at once.
const NOBODY: &str = "http://127.0.0.1:1";

/// The functions under test.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Function {
    Accounts,
    Authorize,
    Courses,
    Memberships,
    OAuthCallback,
    Onboarding,
    PaymentMethods,
    Purchases,
    Webhook,
}

struct Stage {
    runtime: Runtime,
    app: App,
    stripe: Gateway,
    token_keys: Arc<Rotating<TokenKeys>>,
}

thread_local! {
    static STAGE: Stage = Stage::set();
}

/// The status of a function's answer. None if API Gateway could not send the event.
pub(crate) fn on_stage(function: Function, event: &Value) -> Option<u16> {
    STAGE.with(|stage| stage.ask(function, event))
}

impl Stage {
    fn set() -> Self {
        let _installed_already = rustls::crypto::ring::default_provider().install_default();
        let config = Config::from_lookup(|name| {
            let value = match name {
                "TABLE_NAME" => "fuzz",
                "STOREFRONT_URL" => "http://localhost:3000",
                "PUBLIC_API_URL" => "http://localhost:9000",
                "STRIPE_API_BASE" | "STRIPE_CONNECT_BASE" => NOBODY,
                "STRIPE_TIMEOUT_MS" => "100",
                _ => return None,
            };
            Some(value.to_owned())
        });
        let config = config.expect("the settings are sound");
        let now = OffsetDateTime::from_unix_timestamp(NOW).expect("a time");
        let mut app = App::new(config, Clock::held(now), Entropy::seeded(1), Some(NOBODY.to_owned()));
        app.aws = app.aws.to_builder().retry_config(RetryConfig::disabled()).build();
        app.store = Store::new(shared::cloud::aws::dynamodb(&app.aws, Some(NOBODY.to_owned())), &app.config.table_name);
        let keys = StripeKeys {
            secret_key: "sk_test_fuzz".to_owned(),
            webhook_secrets: vec!["whsec_platform".to_owned()],
            connect_webhook_secrets: vec!["whsec_connect".to_owned()],
        };
        let stripe = Gateway::new(&app, keys).pausing(std::time::Duration::ZERO);
        let token_keys = TokenKeys { current: "k1".to_owned(), keys: HashMap::from([("k1".to_owned(), [7; 32])]) };
        let token_keys = Arc::new(Rotating::fixed(token_keys, app.clock.clone()));
        Self { runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"), app, stripe, token_keys }
    }

    fn ask(&self, function: Function, event: &Value) -> Option<u16> {
        let mut context = Context::default();
        "fuzz".clone_into(&mut context.request_id);
        let request = lambda_http::request::from_str(&event.to_string()).ok()?.with_lambda_context(context);
        let (app, stripe) = (self.app.clone(), self.stripe.clone());
        let answer = self.runtime.block_on(async {
            match function {
                Function::Accounts => accounts::handle(&app, request).await,
                Function::Authorize => authorize::handle(&app, request).await,
                Function::Courses => courses::handle(&app, request).await,
                Function::Memberships => memberships::handle(&Services { app, stripe }, request).await,
                Function::OAuthCallback => {
                    let token_keys = Arc::clone(&self.token_keys);
                    oauth_callback::handle(&OAuthCallback { app, stripe, token_keys }, request).await
                }
                Function::Onboarding => onboarding::handle(&Services { app, stripe }, request).await,
                Function::PaymentMethods => payment_methods::handle(&Services { app, stripe }, request).await,
                Function::Purchases => purchases::handle(&app, request).await,
                Function::Webhook => webhook::handle(&Services { app, stripe }, request).await,
            }
        });
        Some(answer.status().as_u16())
    }
}
