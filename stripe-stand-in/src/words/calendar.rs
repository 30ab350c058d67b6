//! Months and years in epoch seconds, UTC.

use serde_json::Value;

use crate::words::json::Fields;

const DAY: i64 = 24 * 60 * 60;

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day, given the days since 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days - era * 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_of(next_year, next, 1) - days_of(year, month, 1)
}

/// This many months later, on the same day or the month's last.
fn add_months(time: i64, months: i64) -> i64 {
    let (year, month, day) = date_of(time.div_euclid(DAY));
    let place = year * 12 + month - 1 + months;
    let (year, month) = (place.div_euclid(12), place.rem_euclid(12) + 1);
    days_of(year, month, day.min(days_in_month(year, month))) * DAY + time.rem_euclid(DAY)
}

/// The end of the period that starts at `start`, for a price's `recurring`, counted from
/// the anchor: a subscription from a 31st is billed on the last day of shorter months.
pub(crate) fn period_end(anchor: i64, start: i64, recurring: &Value) -> i64 {
    let count = recurring.int("interval_count").max(1);
    for n in 1..100_000 {
        let end = match recurring.text("interval") {
            "day" => anchor + n * count * DAY,
            "week" => anchor + n * count * 7 * DAY,
            "year" => add_months(anchor, n * count * 12),
            _ => add_months(anchor, n * count),
        };
        if end > start {
            return end;
        }
    }
    start + DAY
}

/// `23 Nov 2026`
pub(crate) fn display(time: i64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day) = date_of(time.div_euclid(DAY));
    let name = usize::try_from(month - 1).ok().and_then(|n| MONTHS.get(n)).unwrap_or(&"");
    format!("{day} {name} {year}")
}

/// `2026-11-23T07:24:09.000Z`
pub(crate) fn timestamp(time: i64) -> String {
    let (year, month, day) = date_of(time.div_euclid(DAY));
    let (hour, minute, second) = (time.rem_euclid(DAY) / 3600, time.rem_euclid(3600) / 60, time.rem_euclid(60));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_timestamp_is_in_utc() {
        assert_eq!(timestamp(1_801_396_800 + 61), "2027-01-31T12:01:01.000Z");
    }

    #[test]
    fn a_subscription_of_the_31st_is_billed_on_the_last_day_of_shorter_months() {
        // From `date -u -d 2027-01-31T12:00 +%s`.
        let anchor = 1_801_396_800;
        let monthly = json!({ "interval": "month", "interval_count": 1 });
        let mut starts = vec![anchor];
        for _ in 0..3 {
            starts.push(period_end(anchor, starts[starts.len() - 1], &monthly));
        }
        assert_eq!(
            starts.iter().map(|time| display(*time)).collect::<Vec<_>>(),
            ["31 Jan 2027", "28 Feb 2027", "31 Mar 2027", "30 Apr 2027"]
        );
        let leap_day = days_of(2028, 2, 29) * DAY;
        assert_eq!(display(period_end(leap_day, leap_day, &json!({ "interval": "year", "interval_count": 1 }))), "28 Feb 2029");
    }
}
