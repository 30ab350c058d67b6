//! Settings from the environment and from secrets.

pub mod config;
#[cfg(feature = "stripe")]
pub mod rotating;
#[cfg(feature = "stripe")]
pub mod seal;
#[cfg(feature = "stripe")]
pub mod secrets;
