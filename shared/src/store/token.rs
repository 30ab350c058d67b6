//! The token of a session or mail.

use super::table::Key;
use crate::base::entropy::{Entropy, digest};
use crate::domain::ids::UserId;

/// A token: the user's 16 characters, a full stop, and a secret of 256 bits.
#[derive(Clone)]
pub struct Token {
    user: UserId,
    secret: String,
}

impl Token {
    /// A new token.
    #[must_use]
    pub fn generate(user: &UserId, entropy: &Entropy) -> Self {
        Self { user: user.clone(), secret: entropy.secret() }
    }

    /// Parses a token; `None` if it cannot be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (part, secret) = text.split_once('.')?;
        let sound = secret.len() == 43 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        sound.then_some(())?;
        Some(Self { user: UserId::from_part(part)?, secret: secret.to_owned() })
    }

    /// The text that the client keeps.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{}.{}", self.user.as_part(), self.secret)
    }

    /// The user to whom the token claims to belong.
    #[must_use]
    pub fn user_id(&self) -> &UserId {
        &self.user
    }

    /// What is stored instead of the secret.
    pub(super) fn digest(&self) -> String {
        digest(&self.secret)
    }

    pub(super) fn key(&self) -> Key {
        Key::new(format!("USER#{}", self.user), format!("SESSION#{}", self.digest()))
    }
}
