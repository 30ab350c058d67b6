//! Courses and their slugs.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::ids::{CourseId, UserId};
use crate::money::{FeePercent, Price};

/// A course as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// The course's id.
    pub id: CourseId,
    /// Its address: unique among the courses that are not deleted.
    pub slug: String,
    /// At most 200 characters.
    pub title: String,
    /// At most 10,000 characters, plain text.
    pub description: String,
    /// What a buyer pays.
    pub price: Price,
    /// The platform's part of it.
    pub fee_percent: FeePercent,
    /// Whose course it is.
    pub seller_id: UserId,
    /// Who shares what is left of a sale after the fee; where it is empty, the seller gets all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payees: Vec<Share>,
    /// Whether it stands in the catalogue and is sold.
    pub published: bool,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Counts changes; a write names the one that it saw.
    pub version: u64,
    /// A deleted course leaves the catalogue and frees its slug, and stays for those who bought it and for the books.
    #[serde(default)]
    pub deleted: bool,
}

/// One payee's share of a sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Who: a seller.
    pub seller: UserId,
    /// In whole percents of what is left after the platform's fee; those of a course add up to 100.
    pub share: u8,
}

/// The most payees of a course.
pub const PAYEES_MAX: usize = 10;

/// What is wrong with a course's shares, or nothing.
#[must_use]
pub fn fault_of_shares(shares: &[Share]) -> Option<&'static str> {
    let mut sellers: Vec<&str> = shares.iter().map(|share| share.seller.as_str()).collect();
    sellers.sort_unstable();
    sellers.dedup();
    let sum: u32 = shares.iter().map(|share| u32::from(share.share)).sum();
    if shares.is_empty() {
        None
    } else if shares.len() > PAYEES_MAX {
        Some("payees: a course has at most 10")
    } else if sellers.len() != shares.len() {
        Some("payees: each seller stands there once")
    } else if sum != 100 || shares.iter().any(|share| share.share == 0) {
        Some("payees: the shares must be whole percents above 0 that add up to 100")
    } else {
        None
    }
}

/// What a course's buyers read. Apart from the course, which lists and pages carry around.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Markdown, at most [`CONTENT_MAX`] bytes.
    pub markdown: String,
    /// When it was last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// The longest content, in bytes: with its JSON escapes it fits a request.
pub const CONTENT_MAX: usize = 50_000;

/// The longest slug, in bytes.
pub const SLUG_MAX: usize = 80;

/// Words that stand for something else in `/courses/…`.
const RESERVED: [&str; 1] = ["charge"];

/// A slug that can stand in an address: lower-case letters, digits and single hyphens.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn check_slug(slug: &str) -> Result<(), &'static str> {
    let sound = !slug.is_empty()
        && slug.len() <= SLUG_MAX
        && slug.split('-').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    if !sound {
        return Err("slug must be lower-case letters, digits and single hyphens, at most 80 characters");
    }
    if RESERVED.contains(&slug) { Err("slug is a reserved word") } else { Ok(()) }
}

/// A slug made from a title: what is no ASCII letter or digit becomes a hyphen. A title of which nothing is left
/// (one in another script, say) gives `course`.
#[must_use]
pub fn slug_of(title: &str) -> String {
    let mut slug = String::new();
    for letter in title.chars() {
        if slug.len() >= SLUG_MAX - 12 {
            break;
        }
        if letter.is_ascii_alphanumeric() {
            slug.push(letter.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') && letter != '\'' {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() || RESERVED.contains(&slug) { "course".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_slugs() {
        for (title, slug) in [
            ("Flask Microservices", "flask-microservices"),
            ("  C++ & Rust: what's new? ", "c-rust-whats-new"),
            ("数学", "course"),
            ("Charge", "course"),
        ] {
            assert_eq!(slug_of(title), slug);
            assert_eq!(check_slug(&slug_of(title)), Ok(()));
        }
        assert_eq!(check_slug(&slug_of(&"very long ".repeat(50))), Ok(()));
    }

    #[test]
    fn slugs_are_addresses() {
        for slug in ["", "-", "a--b", "-a", "a-", "A", "a/b", "ä", "charge", &"a".repeat(81)] {
            assert!(check_slug(slug).is_err(), "{slug}");
        }
    }
}
