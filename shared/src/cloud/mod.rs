//! The process's HTTP client, and the AWS clients that use it.

pub mod aws;
pub mod trace;
pub mod transport;
