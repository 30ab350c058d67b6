//! Randomness, passed in so that tests can control it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};

/// A source of random bytes.
#[derive(Clone, Debug)]
pub enum Entropy {
    /// The operating system.
    System(SystemRandom),
    /// A counter hashed with SHA-256, so that the same seed gives the same bytes. For tests only.
    Seeded(Arc<AtomicU64>),
}

impl Entropy {
    /// The operating system's randomness.
    #[must_use]
    pub fn system() -> Self {
        Self::System(SystemRandom::new())
    }

    /// Repeatable bytes for a test.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(AtomicU64::new(seed << 32)))
    }

    /// `N` random bytes.
    ///
    /// # Panics
    /// If the operating system provides no randomness: nothing safe can be done without it.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match self {
            Self::System(system) => system.fill(&mut bytes).expect("the operating system gives randomness"),
            Self::Seeded(counter) => {
                for chunk in bytes.chunks_mut(32) {
                    let count = counter.fetch_add(1, Ordering::Relaxed);
                    let digest = ring::digest::digest(&ring::digest::SHA256, &count.to_be_bytes());
                    chunk.copy_from_slice(&digest.as_ref()[..chunk.len()]);
                }
            }
        }
        bytes
    }

    /// 128 random bits.
    #[must_use]
    pub fn bits(&self) -> u128 {
        u128::from_be_bytes(self.bytes())
    }

    /// A 256-bit secret as 43 characters that are safe in URLs and cookies.
    #[must_use]
    pub fn secret(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }
}

/// An HMAC-SHA-256 as text.
#[must_use]
pub fn keyed_digest(key: &str, text: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
    URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, text.as_bytes()))
}

/// The SHA-256 of a secret in base64url, which is stored instead of the secret. This is
/// enough for 256 random bits, which no dictionary contains; passwords use Argon2id.
#[must_use]
pub fn digest(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, secret.as_bytes()))
}
