//! Secrets, from Secrets Manager, read once when a function starts. None of them is ever shown: their types print
//! nothing.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Stripe's keys.
#[derive(Clone, Deserialize)]
pub struct StripeKeys {
    /// `sk_…` or `rk_…`
    pub secret_key: String,
    /// `ca_…`
    pub client_id: String,
    /// `whsec_…` of the platform's endpoint; two while one is being rolled.
    #[serde(default)]
    pub webhook_secrets: Vec<String>,
    /// `whsec_…` of the Connect endpoint; two while one is being rolled.
    #[serde(default)]
    pub connect_webhook_secrets: Vec<String>,
}

impl fmt::Debug for StripeKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StripeKeys")
    }
}

/// The keys that seal sellers' tokens, each with an id, so that a new one can be taken into use while old tokens
/// stay readable.
#[derive(Clone)]
pub struct TokenKeys {
    /// The id of the key that seals.
    pub current: String,
    /// All keys, 256 bits each.
    pub keys: HashMap<String, [u8; 32]>,
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenKeys")
    }
}

/// A secret could not be had, or has another shape than it must.
#[derive(Debug, thiserror::Error)]
#[error("the secret {name} cannot be used: {fault}")]
pub struct SecretError {
    name: String,
    fault: String,
}

async fn read<T: DeserializeOwned>(client: &aws_sdk_secretsmanager::Client, name: &str) -> Result<T, SecretError> {
    let fault = |fault: &str| SecretError { name: name.to_owned(), fault: fault.to_owned() };
    let answer = client.get_secret_value().secret_id(name).send().await.map_err(|error| {
        use aws_sdk_secretsmanager::error::ProvideErrorMetadata as _;
        let code = error.as_service_error().and_then(|error| error.code());
        fault(code.unwrap_or("Secrets Manager is out of reach"))
    })?;
    // serde_json's messages may quote the text, which is the secret.
    serde_json::from_str(answer.secret_string().unwrap_or_default()).map_err(|_| fault("it is not the JSON that the function expects"))
}

/// Reads Stripe's keys.
///
/// # Errors
/// Where Secrets Manager does not give them.
pub async fn stripe_keys(client: &aws_sdk_secretsmanager::Client, name: &str) -> Result<StripeKeys, SecretError> {
    read(client, name).await
}

/// Reads the keys that seal tokens.
///
/// # Errors
/// Where Secrets Manager does not give them, or one is not 32 bytes in base64.
pub async fn token_keys(client: &aws_sdk_secretsmanager::Client, name: &str) -> Result<TokenKeys, SecretError> {
    #[derive(Deserialize)]
    struct Stored {
        current: String,
        keys: HashMap<String, String>,
    }
    let stored: Stored = read(client, name).await?;
    let fault = |fault: &str| SecretError { name: name.to_owned(), fault: fault.to_owned() };
    let mut keys = HashMap::new();
    for (id, key) in stored.keys {
        let bytes = STANDARD.decode(key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        keys.insert(id, bytes.ok_or_else(|| fault("a key is not 32 bytes in base64"))?);
    }
    if !keys.contains_key(&stored.current) {
        return Err(fault("the current key is missing"));
    }
    Ok(TokenKeys { current: stored.current, keys })
}
