//! A second factor: one-time passwords of an authenticator app (TOTP), and recovery codes for when the app is lost.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use url::form_urlencoded::byte_serialize;

use crate::base::entropy::{Entropy, digest};
use crate::base::totp;

/// How many recovery codes a user gets.
pub const RECOVERY_CODES: usize = 10;

/// A second factor as stored. It is a secret, so it has no debug output.
#[derive(Clone, Serialize, Deserialize)]
pub struct SecondFactor {
    /// What the user's app knows, in base32.
    pub secret: String,
    /// Whether it is asked for: only once its user has shown a code of it.
    pub is_on: bool,
    /// When it was switched on. `None` for factors from before this was noted.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub on_since: Option<OffsetDateTime>,
    /// The time step of the last accepted code. Earlier ones are not accepted, so each code works once (RFC 6238, section 5.2).
    pub last_step: i64,
    /// The digests of the recovery codes that are left. The codes have 120 random bits, so a plain digest is enough.
    pub recovery_codes: Vec<String>,
    /// Counts writes.
    pub version: u64,
}

/// What a user proved themselves with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The app's code.
    Code,
    /// A recovery code.
    RecoveryCode,
}

impl SecondFactor {
    /// A new one, which is not asked for yet. The secret has 160 bits, as RFC 4226 recommends in section 4.
    #[must_use]
    pub fn new(entropy: &Entropy) -> Self {
        let secret = totp::base32(&entropy.bytes::<20>());
        Self { secret, is_on: false, on_since: None, last_step: 0, recovery_codes: Vec::new(), version: 1 }
    }

    /// What authenticator apps read from a link or QR code: `otpauth://totp/<issuer>:<account>?secret=…&issuer=<issuer>`.
    /// <https://github.com/google/google-authenticator/wiki/Key-Uri-Format>
    #[must_use]
    pub fn uri(&self, issuer: &str, account: &str) -> String {
        // A form writes spaces as `+`, which is not what a path means by it.
        let escaped = |text: &str| byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
        let issuer = escaped(issuer);
        format!("otpauth://totp/{issuer}:{}?secret={}&issuer={issuer}", escaped(account), self.secret)
    }

    /// Uses up a code of the app or a recovery code, in any case and with any spaces or hyphens. `None` if it is wrong or was used
    /// before; nothing changes then. The caller stores what has changed, on condition that nobody else has.
    #[must_use]
    pub fn take(&mut self, code: &str, now: OffsetDateTime) -> Option<Shown> {
        let code = plain(code);
        self.version += 1;
        if let Some(step) = totp::step_of(&self.secret, &code, now).filter(|step| *step > self.last_step) {
            self.last_step = step;
            return Some(Shown::Code);
        }
        let code = digest(&code);
        let at = self.recovery_codes.iter().position(|left| *left == code)?;
        self.recovery_codes.remove(at);
        Some(Shown::RecoveryCode)
    }

    /// Whether this is the last code of the app that was accepted: a log-in that was sent twice, and no guess.
    #[must_use]
    pub fn was_just_used(&self, code: &str, now: OffsetDateTime) -> bool {
        totp::step_of(&self.secret, &plain(code), now) == Some(self.last_step)
    }

    /// Whether it was switched on at this time, in Unix seconds, or later. One whose time is not known is older.
    #[must_use]
    pub fn is_on_since(&self, at: i64) -> bool {
        self.is_on && self.on_since.is_some_and(|since| since.unix_timestamp() >= at)
    }

    /// Switches it on, and returns its recovery codes in groups of four letters. Only their digests are stored.
    #[must_use]
    pub fn switch_on(&mut self, entropy: &Entropy, now: OffsetDateTime) -> Vec<String> {
        let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| totp::base32(&entropy.bytes::<15>())).collect();
        self.is_on = true;
        self.on_since = Some(now);
        self.recovery_codes = codes.iter().map(|code| digest(code)).collect();
        let grouped = |code: &String| code.as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four)).collect::<Vec<_>>().join("-");
        codes.iter().map(grouped).collect()
    }
}

/// A code without spaces and hyphens, in upper case.
fn plain(code: &str) -> String {
    code.chars().filter(|letter| letter.is_alphanumeric()).map(|letter| letter.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_works_once_and_a_wrong_one_changes_nothing() {
        let (entropy, now) = (Entropy::seeded(1), OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000));
        let mut factor = SecondFactor::new(&entropy);
        let recovery = factor.switch_on(&entropy, now);
        let shown = totp::code(&factor.secret, now).expect("a code");
        assert_eq!(factor.take(&format!(" {} {} ", &shown[..3], &shown[3..]), now), Some(Shown::Code));
        assert_eq!(factor.take(&shown, now), None, "once");
        assert!(factor.was_just_used(&shown, now) && !factor.was_just_used("000000", now));
        let earlier = totp::code(&factor.secret, now - time::Duration::seconds(30)).expect("a code");
        assert_eq!(factor.take(&earlier, now), None, "nor one that is earlier");
        assert_eq!((recovery.len(), recovery[0].len()), (RECOVERY_CODES, 29));
        assert_eq!(factor.take(&recovery[3].to_lowercase().replace('-', " "), now), Some(Shown::RecoveryCode));
        assert_eq!(factor.take(&recovery[3], now), None);
        assert_eq!(factor.recovery_codes.len(), RECOVERY_CODES - 1);
        assert_eq!(factor.take("", now), None);
    }

    #[test]
    fn the_uri_holds_what_an_app_needs() {
        let factor = SecondFactor { secret: "MZXW6YTB".to_owned(), ..SecondFactor::new(&Entropy::seeded(1)) };
        let uri = "otpauth://totp/shop.example:a%2Bb%40example.com?secret=MZXW6YTB&issuer=shop.example";
        assert_eq!(factor.uri("shop.example", "a+b@example.com"), uri);
    }
}
