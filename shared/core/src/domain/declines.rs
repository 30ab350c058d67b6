//! Limits on declined cards.

use time::OffsetDateTime;

use super::user::User;

/// How many of one user's attempts may be declined in an hour, and in a day.
pub const PER_USER_HOUR: usize = 5;
/// See [`PER_USER_HOUR`].
pub const PER_USER_DAY: usize = 10;

/// How many may be declined in an hour from one address. An office shares one address.
pub const PER_ADDRESS: i64 = 30;

/// How many may be declined in an hour on the whole platform before users with unconfirmed e-mail are refused and others challenged.
pub const PER_PLATFORM: i64 = 300;

/// How many payments that wait for their buyer in the browser, a course's or a membership's, a user may be handed the secrets of in an
/// hour: each can be tried with a card before its decline is known.
pub const SECRETS_PER_USER: i64 = 10;

/// The same for an address.
pub const SECRETS_PER_ADDRESS: i64 = 4 * SECRETS_PER_USER;

/// How often one card may be declined in a day, counting all users. Beyond that, a decline counts as several.
pub const PER_CARD: i64 = 10;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// The declines in this hour, from the client's address and on the whole platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// From the address.
    pub address: i64,
    /// On the platform.
    pub platform: i64,
}

/// The times of the user's declines within the last `seconds`, in the order of arrival.
pub fn since(user: &User, now: OffsetDateTime, seconds: i64) -> impl Iterator<Item = i64> + '_ {
    user.declined_at.iter().copied().filter(move |at| *at > now.unix_timestamp() - seconds)
}

/// For how many seconds the user may not try another card.
#[must_use]
pub fn user_waits(user: &User, now: OffsetDateTime) -> Option<i64> {
    let wait = |most: usize, seconds: i64| {
        let mut recent: Vec<i64> = since(user, now, seconds).collect();
        recent.sort_unstable();
        // The wait ends when the oldest of the newest `most` declines leaves the window.
        let place = recent.len().checked_sub(most)?;
        Some(recent[place] + seconds - now.unix_timestamp())
    };
    wait(PER_USER_HOUR, HOUR).max(wait(PER_USER_DAY, DAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::Entropy;
    use crate::domain::ids::UserId;
    use crate::domain::user::Email;

    #[test]
    fn a_user_waits_until_the_oldest_of_too_many_is_forgotten() {
        let now = OffsetDateTime::from_unix_timestamp(1_000_000).expect("a time");
        let email = Email::parse("a@example.com").expect("an address");
        let mut user = User::new(UserId::generate(&Entropy::seeded(1)), &email, "", now);
        let at = |ago: i64| 1_000_000 - ago;
        user.declined_at = vec![at(3599), at(30), at(20), at(10)];
        assert_eq!(user_waits(&user, now), None);
        user.declined_at.push(at(0));
        assert_eq!(user_waits(&user, now), Some(1));
        user.declined_at = (0..10).map(|hours| at(hours * 7200)).collect();
        assert_eq!(user_waits(&user, now), Some(DAY - 9 * 7200));
        user.declined_at = (0..10).map(|days| at(days * DAY)).collect();
        assert_eq!(user_waits(&user, now), None);
    }
}
