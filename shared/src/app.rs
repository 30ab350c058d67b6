//! What every function is made with, once, when it starts.

use aws_types::SdkConfig;

use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::entropy::Entropy;
use crate::store::Store;
use crate::{aws, transport};

/// Settings and clients. Tests make their own, with local endpoints.
#[derive(Clone, Debug)]
pub struct App {
    /// Settings.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Entropy,
    /// The table.
    pub store: Store,
    /// The process's one HTTP client.
    pub http: reqwest::Client,
    /// What AWS clients are made of.
    pub aws: SdkConfig,
}

impl App {
    /// From the environment. Asks nobody anything: the first connection is made by the first request.
    ///
    /// # Errors
    /// Where a variable has a value that cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self::new(Config::from_env()?, Clock::System, Entropy::system(), aws::endpoint("DYNAMODB")))
    }

    /// With settings of one's own.
    #[must_use]
    pub fn new(config: Config, clock: Clock, entropy: Entropy, dynamodb: Option<String>) -> Self {
        let http = transport::client();
        let aws = aws::config(http.clone());
        let store = Store::new(aws::dynamodb(&aws, dynamodb), &config.table_name);
        Self { config, clock, entropy, store, http, aws }
    }
}
