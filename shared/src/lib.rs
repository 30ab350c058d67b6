//! What the functions of the course marketplace share.
//!
//! Each module knows only those above it in this list; a test (`tests/src/contract/layers.rs`) enforces that. Within a module, too,
//! files depend on each other in one direction only.
//!
//! 1. [`base`]: time, randomness, logs, metrics, passwords and text.
//! 2. [`domain`]: the rules about courses, money and people. It calls nobody. A planned movement contains its exact request, because a
//!    retry must repeat it, so it has the names of Stripe's parameters. `base` and `domain` are the crate `shared-core`, which depends
//!    on no crate of HTTP, AWS or Stripe.
//! 3. [`settings`]: settings from the environment and from secrets.
//! 4. [`cloud`]: the HTTP client and the AWS clients that use it.
//! 5. [`store`]: the DynamoDB table.
//! 6. [`app`]: settings, clock, table and clients together.
//! 7. [`stripe`]: the gateway to Stripe.
//! 8. [`work`]: what needs both the table and Stripe.
//! 9. [`http`]: requests and responses.

pub use shared_core::{base, domain};

pub mod app;
pub mod cloud;
pub mod http;
pub mod settings;
pub mod store;
#[cfg(feature = "stripe")]
pub mod stripe;
#[cfg(feature = "stripe")]
pub mod work;
