//! Identifiers of the API's objects. Clients treat them as opaque strings; here they encode where an object is stored.
//!
//! A course's id contains its seller's and a purchase's its buyer's, so the keys of all items that a request needs are known
//! before the first read. This lets a purchase read everything in one trip.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::base::entropy::Entropy;

/// Crockford's alphabet in lower case. It has no letter that looks like a digit, and encoded values sort like the values.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The length of a user's part: 80 random bits.
const USER_PART: usize = 16;

/// The length of the part that sorts by time: milliseconds, and 40 random bits.
const TIMED_PART: usize = 18;

fn encode(mut value: u128, digits: usize) -> String {
    let mut text = vec![b'0'; digits];
    for digit in text.iter_mut().rev() {
        *digit = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    text.into_iter().map(char::from).collect()
}

fn timed(at: OffsetDateTime, entropy: &Entropy) -> String {
    let milliseconds = (at.unix_timestamp_nanos() / 1_000_000).unsigned_abs();
    format!("{}{}", encode(milliseconds, 10), encode(entropy.bits(), TIMED_PART - 10))
}

fn is_encoded(text: &str) -> bool {
    text.bytes().all(|byte| ALPHABET.contains(&byte))
}

macro_rules! id {
    ($name:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as clients see it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                Self::try_from(text.to_owned())
            }
        }
    };
}

/// The text is not an id of the expected kind.
#[derive(Debug, thiserror::Error)]
#[error("not an id")]
pub struct NotAnId;

id!(UserId, "A user: `usr_` and 16 characters.");
id!(CourseId, "A course: `crs_`, its seller's 16 characters, `_`, and 18 of its own that sort by time.");
id!(LessonId, "A lesson of a course: `les_` and 16 characters. It stays the same when the lesson is renamed or moved.");
id!(PurchaseId, "A purchase: `pur_`, its buyer's 16 characters, `_`, and 18 of its own that sort by time.");
id!(SubscriptionId, "A subscription to a membership: `mem_`, its buyer's 16 characters, `_`, and 18 of its own that sort by time.");

impl UserId {
    /// A new user's id.
    pub fn generate(entropy: &Entropy) -> Self {
        Self(format!("usr_{}", encode(entropy.bits(), USER_PART)))
    }

    fn part(&self) -> &str {
        &self.0[4..]
    }

    /// The user whose 16 characters are in a session token.
    #[must_use]
    pub fn from_part(part: &str) -> Option<Self> {
        (part.len() == USER_PART && is_encoded(part)).then(|| Self(format!("usr_{part}")))
    }

    /// The 16 characters that a session token begins with.
    #[must_use]
    pub fn as_part(&self) -> &str {
        self.part()
    }
}

impl CourseId {
    /// The id of a new course of `seller`. Later ids sort after earlier ones, to the millisecond.
    pub fn generate(seller: &UserId, at: OffsetDateTime, entropy: &Entropy) -> Self {
        Self(format!("crs_{}_{}", seller.part(), timed(at, entropy)))
    }

    /// The seller to whom the course belongs.
    #[must_use]
    pub fn seller(&self) -> UserId {
        UserId(format!("usr_{}", &self.0[4..4 + USER_PART]))
    }
}

impl LessonId {
    /// A new lesson's id.
    pub fn generate(entropy: &Entropy) -> Self {
        Self(format!("les_{}", encode(entropy.bits(), USER_PART)))
    }
}

impl PurchaseId {
    /// The id of a new purchase of `buyer`. Later ids sort after earlier ones, to the millisecond.
    pub fn generate(buyer: &UserId, at: OffsetDateTime, entropy: &Entropy) -> Self {
        Self(format!("pur_{}_{}", buyer.part(), timed(at, entropy)))
    }

    /// The buyer to whom the purchase belongs.
    #[must_use]
    pub fn buyer(&self) -> UserId {
        UserId(format!("usr_{}", &self.0[4..4 + USER_PART]))
    }
}

impl SubscriptionId {
    /// The id of a new subscription of `buyer`. Later ids sort after earlier ones, to the millisecond.
    pub fn generate(buyer: &UserId, at: OffsetDateTime, entropy: &Entropy) -> Self {
        Self(format!("mem_{}_{}", buyer.part(), timed(at, entropy)))
    }

    /// The buyer to whom the subscription belongs.
    #[must_use]
    pub fn buyer(&self) -> UserId {
        UserId(format!("usr_{}", &self.0[4..4 + USER_PART]))
    }
}

fn has_shape(text: &str, prefix: &str, own: Option<usize>) -> bool {
    let Some(rest) = text.strip_prefix(prefix) else { return false };
    match own {
        None => rest.len() == USER_PART && is_encoded(rest),
        Some(length) => rest
            .split_once('_')
            .is_some_and(|(user, own)| user.len() == USER_PART && own.len() == length && is_encoded(user) && is_encoded(own)),
    }
}

impl TryFrom<String> for UserId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        if has_shape(&text, "usr_", None) { Ok(Self(text)) } else { Err(NotAnId) }
    }
}

impl TryFrom<String> for CourseId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        if has_shape(&text, "crs_", Some(TIMED_PART)) { Ok(Self(text)) } else { Err(NotAnId) }
    }
}

impl TryFrom<String> for LessonId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        if has_shape(&text, "les_", None) { Ok(Self(text)) } else { Err(NotAnId) }
    }
}

impl TryFrom<String> for PurchaseId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        if has_shape(&text, "pur_", Some(TIMED_PART)) { Ok(Self(text)) } else { Err(NotAnId) }
    }
}

impl TryFrom<String> for SubscriptionId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        if has_shape(&text, "mem_", Some(TIMED_PART)) { Ok(Self(text)) } else { Err(NotAnId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_contain_their_owners() {
        let entropy = Entropy::system();
        let user = UserId::generate(&entropy);
        assert_eq!(CourseId::generate(&user, OffsetDateTime::UNIX_EPOCH, &entropy).seller(), user);
        let purchase = PurchaseId::generate(&user, OffsetDateTime::UNIX_EPOCH, &entropy);
        assert_eq!(purchase.buyer(), user);
        assert_eq!(purchase.as_str().parse::<PurchaseId>().map(String::from).ok(), Some(purchase.to_string()));
    }

    #[test]
    fn purchases_sort_by_time() {
        let entropy = Entropy::system();
        let user = UserId::generate(&entropy);
        let mut seconds = [1, 59, 60, 1_700_000_000, 4_000_000_000].map(|second| {
            let at = OffsetDateTime::from_unix_timestamp(second).expect("a time");
            PurchaseId::generate(&user, at, &entropy)
        });
        let expected = seconds.clone();
        seconds.sort();
        assert_eq!(seconds, expected);
    }

    #[test]
    fn other_texts_are_not_ids() {
        for text in ["", "usr_", "usr_0123456789abcde", "usr_0123456789abcdeu", "crs_0123456789abcdef", "usr_0123456789abcdéx"] {
            assert!(text.parse::<UserId>().is_err(), "{text}");
        }
        assert!("crs_0123456789abcdef_0123".parse::<CourseId>().is_err());
    }
}
