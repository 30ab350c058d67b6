//! The parts of the local stack, over HTTP.

#![allow(missing_docs)]

mod dynamo;
mod proxy;
mod support;
