//! Logs: one JSON object per line on standard output, which Lambda sends to CloudWatch.
//!
//! Never logged: passwords, session tokens, OAuth codes, tokens and states, card data, client secrets, bodies.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging at the levels in `RUST_LOG` (`info`, or `info,shared=debug`), by default at `info`, below which a release logs
/// nothing. `EnvFilter` supports more syntax, but needs a regular expression engine of half a megabyte.
pub fn init() {
    let levels = std::env::var("RUST_LOG").ok().and_then(|levels| levels.parse::<Targets>().ok());
    let levels = levels.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false).without_time().with_target(false);
    tracing_subscriber::registry().with(levels).with(lines).init();
}
