//! The page on which a seller presents themselves. All of it is public.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use url::Url;

use super::ids::UserId;

/// The longest name, in characters.
pub const NAME_MAX: usize = 100;

/// The longest text, in characters.
pub const TEXT_MAX: usize = 5_000;

/// The most links.
pub const LINKS_MAX: usize = 8;

/// The longest title of a link, in characters.
pub const LINK_TITLE_MAX: usize = 60;

/// The longest address of a link, in bytes.
pub const LINK_URL_MAX: usize = 300;

/// How many handles a seller can have had. Each stays reserved, so this is also how many one seller can reserve.
pub const HANDLES_MAX: usize = 10;

/// A seller's page as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellerPage {
    /// Whose page it is.
    pub seller_id: UserId,
    /// The name in its address.
    pub handle: String,
    /// The handles that it had before, which lead to it. At most [`HANDLES_MAX`] together with the present one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_handles: Vec<String>,
    /// One line, at most [`NAME_MAX`] characters.
    pub name: String,
    /// Markdown, at most [`TEXT_MAX`] characters.
    pub text: String,
    /// At most [`LINKS_MAX`].
    pub links: Vec<Link>,
    /// Set while its seller is suspended or is not a seller any more: then nobody sees it.
    #[serde(default)]
    pub hidden: bool,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Incremented by each change. A write is conditional on the version that it read.
    pub version: u64,
}

/// A link to another site of the seller's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// One line, at most [`LINK_TITLE_MAX`] characters.
    pub title: String,
    /// An address with `https`, see [`sound_url`].
    pub url: String,
}

impl SellerPage {
    /// Moves the page to another handle. Returns whether that is a new one, which has to be taken; `None` if the seller has had too many.
    pub fn rename(&mut self, handle: &str) -> Option<bool> {
        if handle == self.handle {
            return Some(false);
        }
        let before = std::mem::replace(&mut self.handle, handle.to_owned());
        let had = self.former_handles.iter().position(|one| one == handle);
        match had {
            Some(place) => self.former_handles[place] = before,
            None => self.former_handles.push(before),
        }
        (self.former_handles.len() < HANDLES_MAX).then_some(had.is_none())
    }

    /// All handles that lead to it.
    pub fn handles(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.handle).chain(&self.former_handles)
    }
}

/// The address as browsers write it, if it is one of another site: `https`, with a domain that has a dot, and without a user or a password,
/// which would let it look like another site's.
#[must_use]
pub fn sound_url(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    let is_sound = url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
    let has_domain = url.domain().is_some_and(|domain| domain.trim_end_matches('.').contains('.'));
    let url = String::from(url);
    (is_sound && has_domain && url.len() <= LINK_URL_MAX).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::Entropy;

    #[test]
    fn links_are_addresses_of_other_sites() {
        for (text, url) in [
            (" https://example.com ", "https://example.com/"),
            ("HTTPS://Example.com/A?b#c", "https://example.com/A?b#c"),
            ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ] {
            assert_eq!(sound_url(text).as_deref(), Some(url));
        }
        for bad in [
            "",
            "example.com",
            "http://example.com",
            "javascript:alert(1)",
            "https://",
            "https://localhost",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://stripe.com@example.com",
            "https://a:b@example.com",
            &format!("https://example.com/{}", "a".repeat(LINK_URL_MAX)),
        ] {
            assert_eq!(sound_url(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_page_keeps_the_handles_that_it_had_and_returns_to_them() {
        let at = OffsetDateTime::UNIX_EPOCH;
        let mut page = SellerPage {
            seller_id: UserId::generate(&Entropy::seeded(1)),
            handle: "h0".to_owned(),
            former_handles: Vec::new(),
            name: "N".to_owned(),
            text: String::new(),
            links: Vec::new(),
            hidden: false,
            created_at: at,
            updated_at: at,
            version: 1,
        };
        assert_eq!(page.rename("h0"), Some(false));
        for number in 1..HANDLES_MAX {
            assert_eq!(page.rename(&format!("h{number}")), Some(true));
        }
        assert_eq!(page.clone().rename("one-more"), None);
        assert_eq!(page.rename("h0"), Some(false), "it was theirs");
        let mut handles: Vec<_> = page.handles().cloned().collect();
        assert_eq!(handles.remove(0), "h0");
        handles.sort();
        assert_eq!(handles, (1..HANDLES_MAX).map(|number| format!("h{number}")).collect::<Vec<_>>());
    }
}
