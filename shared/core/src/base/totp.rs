//! Time-based one-time passwords, as authenticator apps compute them: RFC 6238 with SHA-1, six digits and steps of thirty seconds.
//! Apps ignore other parameters, so there are none.
//! <https://www.rfc-editor.org/rfc/rfc6238>, <https://www.rfc-editor.org/rfc/rfc4226>

use ring::hmac;
use time::OffsetDateTime;

/// The length of a time step, in seconds.
pub const STEP: i64 = 30;

const DIGITS: usize = 6;

/// RFC 4648
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Base32 without padding, RFC 4648.
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    let five = |chunk: &[u8], at: usize| {
        // The five bits from this bit on; those behind the end are zero.
        let byte = |index: usize| u16::from(chunk.get(index).copied().unwrap_or(0));
        let window = (byte(at / 8) << 8) | byte(at / 8 + 1);
        char::from(ALPHABET[usize::from((window >> (11 - at % 8)) & 31)])
    };
    (0..bytes.len() * 8).step_by(5).map(|at| five(bytes, at)).collect()
}

/// The bytes of what [`base32`] wrote; `None` for anything else.
fn from_base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|one| *one == letter)?;
        rest = (rest << 5) | u32::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((rest >> bits) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// HOTP, RFC 4226, section 5.3.
fn hotp(secret: &[u8], counter: u64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &counter.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[tag.len() - 1] & 0xf);
    let truncated = [tag[offset] & 0x7f, tag[offset + 1], tag[offset + 2], tag[offset + 3]];
    u32::from_be_bytes(truncated) % 10_u32.pow(6)
}

/// The time step to which a code belongs: the present one or one of its neighbours, so that clocks may differ by half a minute
/// (RFC 6238, section 5.2). `None` if the code is wrong. A caller must refuse a step that is not later than the last one it took.
#[must_use]
pub fn step_of(secret: &str, code: &str, now: OffsetDateTime) -> Option<i64> {
    let secret = from_base32(secret)?;
    let is_number = code.len() == DIGITS && code.bytes().all(|digit| digit.is_ascii_digit());
    let code: u32 = code.parse().ok().filter(|_| is_number)?;
    let present = now.unix_timestamp() / STEP;
    (present - 1..=present + 1).rev().find(|step| u64::try_from(*step).is_ok_and(|step| hotp(&secret, step) == code))
}

/// The code of a secret at a time, as an app shows it. For tests.
#[must_use]
pub fn code(secret: &str, at: OffsetDateTime) -> Option<String> {
    let step = u64::try_from(at.unix_timestamp() / STEP).ok()?;
    Some(format!("{:06}", hotp(&from_base32(secret)?, step)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of both RFCs.
    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn the_values_of_rfc_4226_appendix_d() {
        let values = [755_224, 287_082, 359_152, 969_429, 338_314, 254_676, 287_922, 162_583, 399_871, 520_489];
        for (counter, value) in (0..).zip(values) {
            assert_eq!(hotp(SECRET, counter), value);
        }
    }

    #[test]
    fn the_values_of_rfc_6238_appendix_b() {
        // The RFC's have eight digits, of which an app with six shows the last.
        for (at, value) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let at = OffsetDateTime::from_unix_timestamp(at).expect("a time");
            assert_eq!(code(&base32(SECRET), at).as_deref(), Some(value));
            assert_eq!(step_of(&base32(SECRET), value, at), Some(at.unix_timestamp() / STEP));
        }
    }

    #[test]
    fn the_values_of_rfc_4648_section_10() {
        let values =
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB"), ("foobar", "MZXW6YTBOI")];
        for (bytes, text) in values {
            assert_eq!(base32(bytes.as_bytes()), text);
            assert_eq!(from_base32(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(from_base32("MZXW 6"), None);
    }

    #[test]
    fn a_code_counts_one_step_early_and_late_and_no_more() {
        let secret = base32(SECRET);
        let at = |seconds: i64| OffsetDateTime::from_unix_timestamp(2_000_000_010 + seconds).expect("a time");
        let shown = code(&secret, at(0)).expect("a code");
        let step = at(0).unix_timestamp() / STEP;
        for (seconds, found) in [(-31, None), (-30, Some(step)), (0, Some(step)), (29, Some(step)), (59, Some(step)), (60, None)] {
            assert_eq!(step_of(&secret, &shown, at(seconds)), found, "{seconds}");
        }
        for wrong in ["", "27903", "+79037", "0279037", "27903a"] {
            assert_eq!(step_of(&secret, wrong, at(0)), None, "{wrong}");
        }
    }
}
