//! Lists that may be too long for one run are read in periods of few pages, the oldest first, so that progress is saved between them.
//! Stripe lists the newest first: <https://docs.stripe.com/api/pagination>.

use std::ops::Range;
use std::time::Instant;

/// How many pages a period may have.
const PAGES: usize = 5;

/// Called after the page with this number, from 1, of a period in Unix seconds, if there are more pages. If the period has too many, or
/// time is up, returns the end of a shorter one with about half of what could be read. A second cannot be divided.
#[must_use]
pub fn shorter(period: &Range<i64>, page: usize, oldest: Option<i64>, until: Instant) -> Option<i64> {
    let length = period.end - period.start;
    if (page < PAGES && Instant::now() < until) || length <= 1 {
        return None;
    }
    let read = period.end - oldest.unwrap_or(period.start);
    Some(period.start + (read / 2).clamp(1, length / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_shrinks_until_it_is_a_second() {
        let now = Instant::now();
        let ample = now + std::time::Duration::from_secs(60);
        assert_eq!(shorter(&(0..3600), 1, Some(3000), now), Some(300));
        assert_eq!(shorter(&(0..3600), PAGES - 1, Some(3000), ample), None);
        assert_eq!(shorter(&(0..3600), PAGES, Some(3000), ample), Some(300));
        assert_eq!(shorter(&(0..3600), PAGES, None, ample), Some(1800));
        assert_eq!(shorter(&(0..2), PAGES, Some(1), ample), Some(1));
        assert_eq!(shorter(&(0..1), PAGES, Some(0), ample), None);
    }
}
