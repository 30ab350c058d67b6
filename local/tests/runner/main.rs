//! The parts of the local stack, over HTTP.

#![allow(missing_docs)]

mod aws;
mod dynamo;
mod proxy;
mod support;
mod web;
