//! The local stack: everything in AWS and at Stripe that the functions use, on one machine.
//!
//! `make dev` runs it, and the tests start its parts on their own ports. It is never deployed, and it shares no code
//! with the functions, because it would then share their mistakes.

pub mod aws;
pub mod dev;
pub mod dynamo;
pub mod gateway;
mod net;
pub mod proxy;
pub mod settings;
pub mod web;

pub use net::host_servers_on_this_thread;
