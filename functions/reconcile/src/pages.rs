//! Lists that may be too long for one run are read in periods of few pages, the oldest first, so that progress is saved between them.
//! Stripe lists the newest first: <https://docs.stripe.com/api/pagination>.

use std::ops::Range;

/// How many pages a period may have.
const PAGES: usize = 10;

/// Called after the page with this number, from 1, of a period in Unix seconds, if there are more pages. If the period has too many,
/// returns the end of a shorter one with about half of what may be read at once. A second cannot be divided.
#[must_use]
pub fn shorter(period: &Range<i64>, page: usize, oldest: Option<i64>) -> Option<i64> {
    let length = period.end - period.start;
    if page < PAGES || length <= 1 {
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
        assert_eq!(shorter(&(0..3600), PAGES - 1, Some(3000)), None);
        assert_eq!(shorter(&(0..3600), PAGES, Some(3000)), Some(300));
        assert_eq!(shorter(&(0..3600), PAGES, None), Some(1800));
        assert_eq!(shorter(&(0..2), PAGES, Some(1)), Some(1));
        assert_eq!(shorter(&(0..1), PAGES, Some(0)), None);
    }
}
