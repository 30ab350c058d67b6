//! The local stack: everything that the functions talk to in AWS and at Stripe, on one machine.
//!
//! `make dev` runs it, and the tests start its parts on ports of their own. It is never deployed, and it shares no code
//! with the functions: a stand-in that did would share their mistakes.

pub mod aws;
pub mod dynamo;
mod net;
pub mod proxy;
pub mod web;
