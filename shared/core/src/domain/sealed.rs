//! Secrets that are stored sealed.

use serde::{Deserialize, Serialize};

/// A seller's OAuth tokens, sealed with the seller's id as associated data.
#[derive(Debug, Serialize, Deserialize)]
pub struct SealedTokens {
    /// The id of the key that sealed them.
    pub key_id: String,
    /// Nonce and ciphertext, in base64.
    pub sealed: String,
}
