//! A Secrets Manager with keys that the functions read and a test can rotate.

use std::collections::HashMap;
use std::sync::Arc;

use local::aws::AwsStandIn;
use local::proxy::Proxy;
use serde_json::Value;
use shared::app::App;
use shared::settings::rotating::Rotating;
use shared::settings::secrets::TokenKeys;
use shared::stripe::Gateway;

use super::PAUSE;

const READ: &str = "GetSecretValue";

/// A secret, and a count of its reads.
pub(crate) struct Secret {
    name: String,
    proxy: Proxy,
    app: App,
    stand_in: AwsStandIn,
}

impl Secret {
    /// A separate Secrets Manager with Stripe's keys.
    pub(crate) async fn start(app: &App, value: &Value) -> Self {
        Self::named(app, &app.config.stripe_secret_arn, value).await
    }

    /// A separate Secrets Manager with this value under this name.
    pub(crate) async fn named(app: &App, name: &str, value: &Value) -> Self {
        let name = name.to_owned();
        let secrets = HashMap::from([(name.clone(), value.to_string())]);
        let stand_in = local::aws::start(0, secrets).await.expect("a port is free");
        let proxy = local::proxy::start(stand_in.url()).await.expect("a port is free");
        Self { name, proxy, app: app.clone(), stand_in }
    }

    /// The endpoint for the functions and the operator.
    pub(crate) fn endpoint(&self) -> String {
        self.proxy.url()
    }

    /// The functions' gateway, created as `main.rs` does.
    pub(crate) async fn gateway(&self) -> Gateway {
        let client = shared::cloud::aws::secrets_manager(&self.app.aws, Some(self.endpoint()));
        Gateway::from_secret(&self.app, client).await.expect("the secret is there").pausing(PAUSE)
    }

    /// The keys with which `oauth-callback` seals tokens, created as `main.rs` does.
    pub(crate) async fn token_keys(&self) -> Arc<Rotating<TokenKeys>> {
        let client = shared::cloud::aws::secrets_manager(&self.app.aws, Some(self.endpoint()));
        Arc::new(Rotating::read(client, self.name.clone(), self.app.clock.clone()).await.expect("the secret is there"))
    }

    /// Stores a new version, as an operator does.
    pub(crate) async fn put(&self, value: &Value) {
        let client = shared::cloud::aws::secrets_manager(&self.app.aws, Some(self.stand_in.url()));
        client.put_secret_value().secret_id(&self.name).secret_string(value.to_string()).send().await.expect("it is written");
    }

    /// The current version.
    pub(crate) async fn value(&self) -> Value {
        let client = shared::cloud::aws::secrets_manager(&self.app.aws, Some(self.stand_in.url()));
        let answer = client.get_secret_value().secret_id(&self.name).send().await.expect("it is there");
        serde_json::from_str(answer.secret_string().expect("it is text")).expect("it is JSON")
    }

    /// How often it was read since the last call.
    pub(crate) fn reads(&self) -> usize {
        let reads = self.proxy.operations().iter().filter(|operation| *operation == READ).count();
        self.proxy.clear();
        reads
    }

    /// The proxy between the functions and Secrets Manager.
    pub(crate) fn proxy(&self) -> &Proxy {
        &self.proxy
    }
}
