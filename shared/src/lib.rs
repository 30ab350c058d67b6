//! What the functions of the course marketplace share: the domain, the table, the Stripe gateway and the HTTP edge.
//!
//! The domain ([`money`], [`course`], [`user`], [`purchase`], [`membership`], [`ids`]) knows neither HTTP nor AWS nor Stripe.

pub mod app;
pub mod aws;
pub mod card;
pub mod clock;
pub mod config;
pub mod course;
#[cfg(feature = "stripe")]
pub mod customers;
pub mod entropy;
pub mod error;
pub mod http;
pub mod ids;
pub mod log;
pub mod membership;
#[cfg(feature = "stripe")]
pub mod memberships;
pub mod metrics;
pub mod money;
#[cfg(feature = "password")]
pub mod password;
pub mod purchase;
#[cfg(feature = "stripe")]
pub mod rotating;
#[cfg(feature = "stripe")]
pub mod seal;
#[cfg(feature = "stripe")]
pub mod secrets;
#[cfg(feature = "stripe")]
pub mod settlement;
pub mod store;
#[cfg(feature = "stripe")]
pub mod stripe;
pub mod transport;
#[cfg(test)]
mod trials;
pub mod user;
