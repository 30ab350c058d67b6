//! Time, randomness, logs, metrics, passwords, one-time passwords and text.

pub mod clock;
pub mod entropy;
pub mod log;
pub mod metrics;
#[cfg(feature = "password")]
pub mod password;
pub mod text;
pub mod totp;
#[cfg(test)]
pub(crate) mod trials;
