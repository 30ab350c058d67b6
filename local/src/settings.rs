//! The local stack's settings, from the environment and `.env`.

mod ports;
mod stripe;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

pub use ports::Ports;
pub(crate) use stripe::STAND_IN_KEY;
pub use stripe::{Stripe, TestMode};

/// The functions' committed variables: everything on this machine, on the default ports.
const FUNCTIONS: &str = include_str!("../functions.env");

/// AWS credentials of the functions. The user's own are never passed to a function, because they may be real.
const CREDENTIALS: [&str; 3] = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

/// The service-specific variants of `AWS_ENDPOINT_URL` that `functions.env` sets.
const ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_SESV2"];

/// The settings of one run.
#[derive(Clone)]
pub struct Settings {
    root: PathBuf,
    values: HashMap<String, String>,
    ports: Ports,
    stripe: Stripe,
}

impl fmt::Debug for Settings {
    /// Prints no values: they are the whole environment, including keys.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Settings").field("root", &self.root).field("ports", &self.ports).finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads `.env` at the repository's `root` and the environment, which takes precedence.
    ///
    /// # Errors
    /// A sentence for the user about an invalid setting.
    pub fn load(root: &Path) -> Result<Settings, String> {
        let file = root.join(".env");
        let mut values = HashMap::new();
        if file.exists() {
            let lines = dotenvy::from_path_iter(&file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
            for line in lines {
                // dotenvy's error quotes the line, which may contain a key.
                let (name, value) = line.map_err(|_| format!("{} has a line that is not NAME=value", file.display()))?;
                values.insert(name, value);
            }
        }
        values.extend(std::env::vars().filter(|(_, value)| !value.is_empty()));
        Settings::from_values(root, values)
    }

    /// Uses the given values.
    ///
    /// # Errors
    /// A sentence for the user about an invalid setting.
    pub fn from_values(root: &Path, mut values: HashMap<String, String>) -> Result<Settings, String> {
        values.retain(|_, value| !value.trim().is_empty());
        let ports = Ports::from_values(&values)?;
        let stripe = Stripe::from_values(&values)?;
        Ok(Settings { root: root.to_owned(), values, ports, stripe })
    }

    /// The repository's root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a state file.
    pub fn state(&self, name: &str) -> PathBuf {
        self.root.join(".local").join(name)
    }

    /// The ports of the servers.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Whether to use the stand-in or Stripe's test mode.
    pub fn stripe(&self) -> &Stripe {
        &self.stripe
    }

    /// The functions' variables in this run.
    pub fn functions(&self) -> BTreeMap<String, String> {
        let mut variables = self.own();
        for (name, value) in &mut variables {
            let given = self.values.get(name).or_else(|| {
                // `AWS_ENDPOINT_URL` applies to all services.
                self.values.get("AWS_ENDPOINT_URL").filter(|_| ENDPOINTS.contains(&name.as_str()))
            });
            if let Some(given) = given.filter(|_| !CREDENTIALS.contains(&name.as_str())) {
                value.clone_from(given);
            }
        }
        let endpoints = self.values.iter().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL_"));
        variables.extend(endpoints.map(|(name, value)| (name.clone(), value.clone())));
        variables
    }

    /// The operator's variables: the functions', but always with the stack's own DynamoDB and AWS addresses.
    pub fn operator(&self) -> BTreeMap<String, String> {
        let mut variables = self.functions();
        variables.extend(self.own().into_iter().filter(|(name, _)| name.starts_with("AWS_")));
        variables
    }

    /// The functions' variables before the user's overrides.
    fn own(&self) -> BTreeMap<String, String> {
        let mut variables = committed();
        for value in variables.values_mut() {
            *value = self.ports.moved(value);
        }
        if let Stripe::TestMode(keys) = &self.stripe {
            for (name, value) in [
                ("STRIPE_PUBLISHABLE_KEY", keys.publishable_key.as_str()),
                ("STRIPE_CLIENT_ID", keys.client_id.as_str()),
                ("STRIPE_API_BASE", "https://api.stripe.com"),
                ("STRIPE_CONNECT_BASE", "https://connect.stripe.com"),
            ] {
                variables.insert(name.to_owned(), value.to_owned());
            }
        }
        variables
    }

    /// The variables that differ from `functions.env` in this run.
    pub fn overrides(&self) -> BTreeMap<String, String> {
        let committed = committed();
        self.functions().into_iter().filter(|(name, value)| committed.get(name) != Some(value)).collect()
    }
}

fn committed() -> BTreeMap<String, String> {
    dotenvy::from_read_iter(FUNCTIONS.as_bytes()).filter_map(Result::ok).collect()
}
