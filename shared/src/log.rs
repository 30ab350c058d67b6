//! Logs: one JSON object a line on standard output, which Lambda hands to CloudWatch.
//!
//! Never logged: passwords, session tokens, OAuth codes, tokens and states, card data, client secrets, bodies.

use tracing_subscriber::EnvFilter;

/// Begins logging at the level in `RUST_LOG`, or `info`.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_env_filter(filter)
        .without_time()
        .with_target(false)
        .init();
}
