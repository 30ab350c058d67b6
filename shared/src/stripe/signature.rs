//! Webhook signatures. <https://docs.stripe.com/webhooks#verify-manually>

use ring::hmac;
use time::OffsetDateTime;

/// How far a signature's time may differ from ours, in seconds.
pub const TOLERANCE: i64 = 300;

/// Whether one of the secrets signed exactly these bytes, within [`TOLERANCE`].
///
/// The header is `t=<unix time>,v1=<hex>`, with several `v1` while a
/// secret is being rolled. Other schemes (`v0` in test mode) do not count.
#[must_use]
pub fn verify(body: &[u8], header: &str, secrets: &[String], now: OffsetDateTime) -> bool {
    let pairs = || header.split(',').filter_map(|pair| pair.trim().split_once('='));
    let Some(signed_at) = pairs().find(|(name, _)| *name == "t").map(|(_, value)| value) else { return false };
    let recent = signed_at.parse().is_ok_and(|at: i64| now.unix_timestamp().saturating_sub(at).saturating_abs() <= TOLERANCE);
    if !recent {
        return false;
    }
    let signed = [signed_at.as_bytes(), b".", body].concat();
    let signatures: Vec<Vec<u8>> = pairs().filter(|(name, _)| *name == "v1").filter_map(|(_, hex)| decode_hex(hex)).collect();
    // A blank secret does not count, because anybody could sign with it.
    secrets.iter().filter(|secret| !secret.trim().is_empty()).any(|secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        signatures.iter().any(|signature| hmac::verify(&key, &signed, signature).is_ok())
    })
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `openssl dgst -sha256 -hmac whsec_test` over `1700000000.{"id":"evt_1"}`.
    const SIGNATURE: &str = "c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925";
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn verifies(body: &[u8], header: &str, secrets: &[&str], now: i64) -> bool {
        let secrets: Vec<String> = secrets.iter().map(ToString::to_string).collect();
        verify(body, header, &secrets, OffsetDateTime::from_unix_timestamp(now).expect("a time"))
    }

    #[test]
    fn a_signature_holds_for_its_bytes_its_secret_and_its_time() {
        let header = format!("t=1700000000,v1={SIGNATURE}");
        assert!(verifies(BODY, &header, &["whsec_test"], 1_700_000_000));
        assert!(verifies(BODY, &header, &["whsec_old", "whsec_test"], 1_700_000_300));
        assert!(verifies(BODY, &format!("t=1700000000,v0=00,v1=00ff,v1={SIGNATURE}"), &["whsec_test"], 1_699_999_700));
        assert!(!verifies(BODY, &header, &["whsec_test"], 1_700_000_301));
        assert!(!verifies(BODY, &header, &["whsec_test"], 1_699_999_699));
        assert!(!verifies(b"{\"id\":\"evt_2\"}", &header, &["whsec_test"], 1_700_000_000));
        assert!(!verifies(BODY, &header, &["whsec_other"], 1_700_000_000));
        assert!(!verifies(BODY, &header.replace("1700000000", "1700000001"), &["whsec_test"], 1_700_000_000));
        assert!(!verifies(BODY, &header.replace("v1", "v0"), &["whsec_test"], 1_700_000_000));
    }

    #[test]
    fn a_blank_secret_verifies_nothing() {
        for (secret, signature) in [
            ("", "0544cee61c7f21c4f8ddaa03818d769214fe1cee99d6a47c009139d400184359"),
            ("   ", "b7aee8f3089a828f303a4d210351ea3bb78cab19a5b79fce139906dcdaea417e"),
        ] {
            let header = format!("t=1700000000,v1={signature}");
            assert!(!verifies(BODY, &header, &[secret], 1_700_000_000), "{secret:?}");
        }
    }

    #[test]
    fn malformed_signatures_are_refused() {
        for header in [
            "",
            "t=",
            "t=1700000000",
            "v1=00",
            "t=9223372036854775807,v1=00",
            "t=-9223372036854775808,v1=é",
            "t=1700000000,v1=0",
            "t=1700000000,v1=zz",
        ] {
            assert!(!verifies(BODY, header, &["whsec_test", ""], 1_700_000_000), "{header}");
        }
    }
}
