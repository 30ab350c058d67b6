//! A Stripe that runs on this machine: stateful, with Connect, OAuth, hosted pages and webhooks.
//!
//! It answers like `api.stripe.com`, `connect.stripe.com` and `checkout.stripe.com`, as far as a marketplace needs
//! them. Tests control it through `/_admin/` (see `server/admin/mod.rs`). Its README lists what is missing or differs.
//!
//! Its folders are layers, and a file only uses the layers below and the files before it in its own layer:
//! `words` (types without state), `state` (what is stored), `events` (what is reported), `engine` (the rules for
//! money and time), `resources` (one file per API object), `server` (connections). A test enforces the order.

// Stripe's objects are long, and each field in `json!` nests one level deeper.
#![recursion_limit = "256"]

mod engine;
mod events;
mod resources;
mod server;
mod state;
mod words;

pub use server::run::{StandIn, start};
pub use words::ids::seed_ids;
pub use words::limits::Limits;
pub use words::options::{Options, WebhookEndpoint};
pub use words::rates::knows_rate;
