//! Names in addresses: the slugs of courses and the handles of sellers. Each belongs to whoever had it first, for good.

use deunicode::deunicode_with_tofu;

use crate::base::entropy::Entropy;

/// A kind of names: lower-case letters, digits and single hyphens.
#[derive(Debug)]
pub struct Kind {
    /// What clients call it.
    field: &'static str,
    /// The longest one, in bytes.
    max: usize,
    /// Words that nobody can have.
    reserved: &'static [&'static str],
    /// What is derived from a text without any letter.
    default: &'static str,
}

/// The slugs of courses. `/courses/charge` has another meaning.
pub const SLUGS: Kind = Kind { field: "slug", max: 80, reserved: &["charge"], default: "course" };

/// The handles of sellers. Nobody can pass for the platform or for Stripe.
pub const HANDLES: Kind = Kind {
    field: "handle",
    max: 40,
    reserved: &["admin", "help", "me", "official", "security", "staff", "stripe", "support"],
    default: "seller",
};

/// How many numbered names to try before random ones, and how many random ones.
const NUMBERED: u32 = 9;
const RANDOM: u32 = 4;

/// Room for what [`Kind::candidates`] appends.
const ENDING: usize = 12;

impl Kind {
    /// Checks a name.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn check(&self, name: &str) -> Result<(), String> {
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let Self { field, max, .. } = self;
        if name.is_empty() || name.len() > *max || !name.split('-').all(is_word) {
            return Err(format!("{field} must be lower-case letters, digits and single hyphens, at most {max} characters"));
        }
        if self.reserved.contains(&name) { Err(format!("{field} is a reserved word")) } else { Ok(()) }
    }

    /// Derives a name from a text: letters of any script are written in ASCII, and everything but letters and digits becomes a hyphen.
    #[must_use]
    pub fn derive(&self, text: &str) -> String {
        let mut name = String::new();
        for letter in deunicode_with_tofu(text, " ").chars() {
            if name.len() >= self.max - ENDING {
                break;
            }
            if letter.is_ascii_alphanumeric() {
                name.push(letter.to_ascii_lowercase());
            } else if !name.is_empty() && !name.ends_with('-') && letter != '\'' {
                name.push('-');
            }
        }
        let name = name.trim_end_matches('-');
        if name.is_empty() || self.reserved.contains(&name) { self.default.to_owned() } else { name.to_owned() }
    }

    /// What to try for a text until one is free: the derived name, then numbered ones, then ones with a random ending.
    pub fn candidates(&self, text: &str, entropy: &Entropy) -> impl Iterator<Item = String> {
        let base = self.derive(text);
        (1..=NUMBERED + RANDOM).map(move |number| match number {
            1 => base.clone(),
            ..=NUMBERED => format!("{base}-{number}"),
            _ => format!("{base}-{}", entropy.bytes::<4>().iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_names() {
        for (title, slug) in [
            ("Flask Microservices", "flask-microservices"),
            ("  C++ & Rust: what's new? ", "c-rust-whats-new"),
            ("Français débutant", "francais-debutant"),
            ("Größe & Straße", "grosse-strasse"),
            ("Привет, мир!", "privet-mir"),
            ("数学", "shu-xue"),
            ("Don’t panic", "dont-panic"),
            ("– – –", "course"),
            ("Charge", "course"),
        ] {
            assert_eq!(SLUGS.derive(title), slug);
            assert_eq!(SLUGS.check(&SLUGS.derive(title)), Ok(()));
        }
        assert_eq!((HANDLES.derive("Staff!"), HANDLES.derive("Ada Lovelace")), ("seller".to_owned(), "ada-lovelace".to_owned()));
        let entropy = Entropy::seeded(1);
        for kind in [&SLUGS, &HANDLES] {
            let names: Vec<_> = kind.candidates(&"very long ".repeat(50), &entropy).collect();
            let distinct: std::collections::BTreeSet<_> = names.iter().collect();
            assert_eq!((names.len(), distinct.len()), (13, 13));
            assert!(names.iter().all(|name| kind.check(name) == Ok(())), "{names:?}");
        }
    }

    #[test]
    fn names_are_parts_of_addresses() {
        for slug in ["", "-", "a--b", "-a", "a-", "A", "a/b", "ä", "charge", &"a".repeat(81)] {
            assert!(SLUGS.check(slug).is_err(), "{slug}");
        }
        for handle in ["usr_1", "admin", "stripe", &"a".repeat(41)] {
            assert!(HANDLES.check(handle).is_err(), "{handle}");
        }
        assert_eq!(HANDLES.check(&"a".repeat(40)), Ok(()));
    }
}
