//! The parts of the local stack, over HTTP.

#![allow(missing_docs, clippy::unwrap_used)]

mod aws;
mod dynamo;
mod gateway;
mod proxy;
mod settings;
mod support;
mod web;
