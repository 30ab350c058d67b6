//! E-mail addresses.

use std::borrow::Cow;

use email_address::{EmailAddress, Options};

use crate::base::text;

/// An e-mail address and its key. The key is the same for different spellings of one address: trimmed, in lower case, with the domain in
/// ASCII (`bücher.example` is `xn--bcher-kva.example`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    written: String,
    key: String,
    old_key: Option<String>,
}

const FAULT: &str = "email must be an address such as name@example.com";

/// The characters that separate labels in UTS #46: the full stop, and those of East Asian keyboards.
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

impl Email {
    /// Parses an address with the rules that once applied. For stored addresses and for looking one up.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence for the user.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let written = text.trim();
        let (local, domain) = written.rsplit_once('@').ok_or(FAULT)?;
        let sound = !local.is_empty()
            && domain.split(DOTS).count() > 1
            && domain.split(DOTS).all(|label| !label.is_empty())
            && !written.chars().any(|letter| letter.is_whitespace() || letter.is_control());
        if !sound {
            return Err(FAULT);
        }
        if written.len() > 254 {
            return Err("email must have at most 254 characters");
        }
        let ascii = ascii(domain).unwrap_or_else(|| domain.to_lowercase());
        let (unicode, _) = idna::domain_to_unicode(&ascii);
        let local = local.to_lowercase();
        let old_key = (unicode != ascii).then(|| format!("{local}@{unicode}"));
        Ok(Self { written: written.to_owned(), key: format!("{local}@{ascii}"), old_key })
    }

    /// Parses a new address: one mailbox that SES can send to, without invisible characters. A domain in another script is stored in
    /// ASCII from now on. Only sending a mail shows whether the address exists.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence for the user.
    pub fn parse_new(text: &str) -> Result<Self, &'static str> {
        let known = Self::parse(text)?;
        let (local, domain) = known.written.rsplit_once('@').ok_or(FAULT)?;
        let is_visible = text::line(&known.written, 254) == Some(known.written.as_str());
        // SES supports no others: https://docs.aws.amazon.com/ses/latest/dg/send-email-concepts-process.html
        let is_plain = local.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        let ascii = ascii(domain).filter(|_| is_visible && is_plain).ok_or(FAULT)?;
        // Refuses IP addresses, whose last part is a number.
        let has_name = ascii.rsplit('.').next().is_some_and(|label| !label.bytes().all(|byte| byte.is_ascii_digit()));
        let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
        if !has_name || EmailAddress::parse_with_options(&format!("{local}@{ascii}"), options).is_err() {
            return Err(FAULT);
        }
        let written = if domain.is_ascii() { known.written.clone() } else { format!("{local}@{ascii}") };
        if written.len() > 254 {
            return Err("email must have at most 254 characters");
        }
        Ok(Self { written, ..known })
    }

    /// The address as its owner wrote it, except for a domain in another script.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// The same for all spellings of one address.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The key under which an address with such a domain used to be stored.
    #[must_use]
    pub fn old_key(&self) -> Option<&str> {
        self.old_key.as_deref()
    }

    /// The address to use when sending mail.
    #[must_use]
    pub fn sendable(&self) -> Cow<'_, str> {
        match self.written.rsplit_once('@') {
            Some((local, domain)) if !domain.is_ascii() => {
                ascii(domain).map_or(Cow::Borrowed(&self.written), |domain| Cow::Owned(format!("{local}@{domain}")))
            }
            _ => Cow::Borrowed(&self.written),
        }
    }
}

/// A domain in its DNS form by UTS #46; `None` if a label is invalid.
fn ascii(domain: &str) -> Option<String> {
    idna::domain_to_ascii_strict(domain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_without_case() {
        let one = Email::parse(" Test@Buyer.com ").expect("an address");
        assert_eq!(one.written(), "Test@Buyer.com");
        assert_eq!(one.key(), Email::parse_new("test@bUYER.COM").expect("an address").key());
        assert_eq!(one.key(), "test@buyer.com");
    }

    #[test]
    fn a_domain_has_one_form_in_whatever_script_it_is_written() {
        for text in ["a@bücher.example", "A@BÜCHER.example", "a@xn--bcher-kva.example", "a@bu\u{308}cher。example"] {
            let email = Email::parse_new(text).expect(text);
            assert_eq!((email.key(), email.old_key()), ("a@xn--bcher-kva.example", Some("a@bücher.example")), "{text}");
            assert!(email.written().is_ascii() && email.sendable() == email.written(), "{text}");
        }
        assert_eq!(Email::parse("a@bücher.example").expect("an address").sendable(), "a@xn--bcher-kva.example");
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for text in ["", "@", "a@", "@b.c", "a@b", "a@b..c", "a b@c.d", "a@b.c\n@d.e\u{7}", &format!("{}@b.c", "a".repeat(254))] {
            assert!(Email::parse(text).is_err() && Email::parse_new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_single_mailbox_is_accepted() {
        for text in [
            "a@b,c@d.com",
            "x<y@z.com>",
            "<a@b.com>",
            "Name <a@b.com>",
            "a,b@c.com",
            "a;b@c.com",
            "a:b@c.com",
            "a@b@c.com",
            "\"a b\"@c.com",
            "a\u{200b}@b.com",
            "a@b\u{200b}.com",
            "a@b\u{202e}moc.x",
            "\u{202e}a@b.com",
            "a\u{ad}b@c.com",
            "ä@b.com",
            "a..b@c.com",
            ".a@b.com",
            "a.@b.com",
            "a@-b.com",
            "a@b-.com",
            "a@b_c.com",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@b.1",
            "a@b.com.",
            "a@b!.com",
            "a@xn--a.com",
            "(c)a@b.com",
            &format!("a@{}.com", "b".repeat(64)),
            &format!("{}@b.com", "a".repeat(65)),
        ] {
            assert!(Email::parse_new(text).is_err(), "{text:?}");
        }
        for text in ["a@b.co", "first.last+tag@sub.example.com", "o'neil@example.com", "a_b-c=d@example.museum", "1@2.de"] {
            assert!(Email::parse_new(text).is_ok(), "{text:?}");
        }
    }
}
