//! Randomness, passed in so that a test can hold it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};

/// Where random bytes come from.
#[derive(Clone, Debug)]
pub enum Entropy {
    /// The operating system.
    System(SystemRandom),
    /// A counter, run through SHA-256: the same seed gives the same bytes. For tests only.
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
    /// Where the operating system has no randomness to give: nothing safe can be done without it.
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

    /// A secret of 256 bits as 43 characters that are safe in a URL and in a cookie.
    #[must_use]
    pub fn secret(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }
}

/// SHA-256 of a secret, in base64url: what is stored in its place. Enough for secrets of 256 random bits, which no
/// dictionary holds; passwords go through Argon2id.
#[must_use]
pub fn digest(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, secret.as_bytes()))
}
