//! Tests.

#[cfg(test)]
mod contract;
