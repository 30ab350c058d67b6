//! Secrets from Secrets Manager, read when a function starts and again later (see
//! [`rotating`](crate::settings::rotating)). Their types print nothing, so no secret is ever shown.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// A secret that is stored in Secrets Manager as text.
pub trait Secret: Sized {
    /// Parses it.
    ///
    /// # Errors
    /// What is wrong with it, without quoting any of it.
    fn parse(text: &str) -> Result<Self, &'static str>;
}

/// Stripe's keys.
#[derive(Clone, Deserialize)]
pub struct StripeKeys {
    /// `sk_…` or `rk_…`
    pub secret_key: String,
    /// `whsec_…` of the platform's endpoint; two while one is being rotated.
    #[serde(default)]
    pub webhook_secrets: Vec<String>,
    /// `whsec_…` of the Connect endpoint and of the destination of thin events; more while one is being rotated.
    #[serde(default)]
    pub connect_webhook_secrets: Vec<String>,
}

impl fmt::Debug for StripeKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StripeKeys")
    }
}

/// The keys that seal sellers' tokens. Each has an id, so that a new key can be introduced while old tokens stay readable.
#[derive(Clone)]
pub struct TokenKeys {
    /// The id of the key that new tokens are sealed with.
    pub current: String,
    /// All keys, 256 bits each.
    pub keys: HashMap<String, [u8; 32]>,
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenKeys")
    }
}

/// A secret could not be read or has the wrong form.
#[derive(Debug, thiserror::Error)]
#[error("the secret {name} cannot be used: {fault}")]
pub struct SecretError {
    name: String,
    fault: String,
}

/// Reads a secret.
///
/// # Errors
/// If it cannot be read from Secrets Manager or has the wrong form.
pub async fn read<T: Secret>(client: &aws_sdk_secretsmanager::Client, name: &str) -> Result<T, SecretError> {
    let fault = |fault: &str| SecretError { name: name.to_owned(), fault: fault.to_owned() };
    let answer = client.get_secret_value().secret_id(name).send().await.map_err(|error| {
        use aws_sdk_secretsmanager::error::ProvideErrorMetadata as _;
        let code = error.as_service_error().and_then(|error| error.code());
        fault(code.unwrap_or("Secrets Manager is out of reach"))
    })?;
    T::parse(answer.secret_string().unwrap_or_default()).map_err(fault)
}

/// `serde_json`'s messages may quote the text, which is secret.
const NOT_OURS: &str = "it is not the JSON that the function expects";

impl Secret for StripeKeys {
    fn parse(text: &str) -> Result<Self, &'static str> {
        serde_json::from_str(text).map_err(|_| NOT_OURS)
    }
}

impl Secret for TokenKeys {
    /// Parses `{"current":"k1","keys":{"k1":"<32 bytes in base64>"}}`, and `{"current":"k1","k1":"<64 hexadecimal
    /// digits>"}`, which Secrets Manager can generate itself. A key may be in either place.
    fn parse(text: &str) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        struct Stored {
            current: String,
            #[serde(default)]
            keys: HashMap<String, String>,
            #[serde(flatten)]
            generated: HashMap<String, String>,
        }
        let stored: Stored = serde_json::from_str(text).map_err(|_| NOT_OURS)?;
        let mut keys = HashMap::new();
        for (id, key) in stored.keys {
            let bytes = STANDARD.decode(key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            keys.insert(id, bytes.ok_or("a key is not 32 bytes in base64")?);
        }
        for (id, key) in stored.generated {
            keys.insert(id, hexadecimal(&key).ok_or("a key is not 64 hexadecimal digits")?);
        }
        if !keys.contains_key(&stored.current) {
            return Err("the current key is missing");
        }
        Ok(Self { current: stored.current, keys })
    }
}

fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_generated_and_as_they_are_written() {
        let generated = format!(r#"{{"current":"k1","k1":"{}"}}"#, "0f".repeat(32));
        assert_eq!(TokenKeys::parse(&generated).expect("they are keys").keys["k1"], [15; 32]);
        let both = format!(r#"{{"current":"k2","k1":"{}","keys":{{"k2":"{}"}}}}"#, "0f".repeat(32), STANDARD.encode([7; 32]));
        let both = TokenKeys::parse(&both).expect("they are keys");
        assert_eq!((both.current.as_str(), both.keys["k1"], both.keys["k2"]), ("k2", [15; 32], [7; 32]));
    }

    #[test]
    fn keys_of_another_length_or_alphabet_are_refused() {
        for key in ["0f".repeat(31), "0f".repeat(33), "0g".repeat(32), "+f".repeat(32), STANDARD.encode([7; 32])] {
            let text = format!(r#"{{"current":"k1","k1":"{key}"}}"#);
            let fault = TokenKeys::parse(&text).expect_err("it is not a key");
            assert!(!fault.contains(&key));
        }
        for text in ["", "{}", r#"{"current":"k1"}"#, r#"{"current":"k1","keys":{"k1":"AAAA"}}"#] {
            assert!(TokenKeys::parse(text).is_err(), "{text}");
        }
    }
}
