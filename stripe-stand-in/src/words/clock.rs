//! The machine's time.

/// The machine's time in epoch seconds.
pub(crate) fn real_now() -> i64 {
    real_now_ms() / 1000
}

/// The machine's time in epoch milliseconds.
pub(crate) fn real_now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
