//! The local stack: everything that the functions talk to in AWS and at Stripe, on one machine.
//!
//! `make dev` runs it, and the tests start its parts on ports of their own. It is never deployed, and it shares no code
//! with the functions: a stand-in that did would share their mistakes.

// Stripe's objects are long, and `json!` goes one deeper with each field.
#![recursion_limit = "256"]

pub mod aws;
pub mod dev;
pub mod dynamo;
mod net;
pub mod proxy;
pub mod settings;
pub mod stripe;
pub mod web;

pub use net::host_servers_on_this_thread;
