//! The time, passed in so that tests can control it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// A source of the time.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// The machine's clock moved forward by this many seconds. For tests only.
    Shifted(Arc<AtomicI64>),
    /// A clock that only moves when a test moves it, in milliseconds of Unix time. For tests only.
    Held(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that a test can advance.
    #[must_use]
    pub fn shifted() -> Self {
        Self::Shifted(Arc::new(AtomicI64::new(0)))
    }

    /// A clock that shows this time until a test moves it.
    #[must_use]
    pub fn held(at: OffsetDateTime) -> Self {
        Self::Held(Arc::new(AtomicI64::new(at.unix_timestamp() * 1000)))
    }

    /// Moves a test's clock forward. Does nothing to the machine's clock.
    pub fn advance(&self, by: Duration) {
        match self {
            Self::System => {}
            Self::Shifted(seconds) => {
                seconds.fetch_add(by.whole_seconds(), Ordering::SeqCst);
            }
            Self::Held(milliseconds) => {
                milliseconds.fetch_add(by.whole_seconds() * 1000, Ordering::SeqCst);
            }
        }
    }

    /// The current time in UTC, to the millisecond.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc();
        let now = now.replace_millisecond(now.millisecond()).unwrap_or(now);
        match self {
            Self::System => now,
            Self::Shifted(seconds) => now + Duration::seconds(seconds.load(Ordering::SeqCst)),
            Self::Held(milliseconds) => OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(milliseconds.load(Ordering::SeqCst)),
        }
    }
}

/// The time as RFC 3339 in UTC.
///
/// # Panics
/// Never before the year 10000.
#[must_use]
pub fn written(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).expect("the year has four digits")
}
