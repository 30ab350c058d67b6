//! What every function needs, created once when it starts.

use aws_types::SdkConfig;

use crate::base::clock::Clock;
use crate::base::entropy::Entropy;
use crate::cloud::{aws, transport};
use crate::settings::config::{Config, ConfigError};
use crate::store::Store;

/// Settings and clients. Tests create their own with local endpoints.
#[derive(Clone, Debug)]
pub struct App {
    /// Settings.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Entropy,
    /// The DynamoDB table.
    pub store: Store,
    /// The process's one HTTP client.
    pub http: reqwest::Client,
    /// The configuration for AWS clients.
    pub aws: SdkConfig,
}

impl App {
    /// Reads the environment. Makes no network call. A function that waits for nothing else when it starts gains nothing by
    /// connecting then: its first request would have to wait for that connection, or open another.
    ///
    /// # Errors
    /// If a variable has a value that cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self::new(Config::from_env()?, Clock::System, Entropy::system(), aws::endpoint("DYNAMODB")))
    }

    /// Opens the connections that the first request needs, while the function fetches its secrets: on Lambda the start has a whole
    /// CPU, and the first request only a part of one.
    pub fn connect(&self, others: &[&str]) {
        transport::connect(&self.http, &aws::dynamodb_address(&self.aws, aws::endpoint("DYNAMODB")));
        for server in others {
            transport::connect(&self.http, server);
        }
    }

    /// Creates it with the given settings.
    #[must_use]
    pub fn new(config: Config, clock: Clock, entropy: Entropy, dynamodb: Option<String>) -> Self {
        let http = transport::client();
        let aws = aws::config(http.clone());
        let store = Store::new(aws::dynamodb(&aws, dynamodb), &config.table_name).with_credentials(&config.credentials_table);
        Self { config, clock, entropy, store, http, aws }
    }
}
