//! API versions: which ones exist, and what the newest has removed (<https://docs.stripe.com/changelog>).
//!
//! Responses are always in the format of [`API_VERSION`];
//! which parameters a request may send depends on its own version.

use crate::words::errors::ApiError;
use crate::words::form::Node;
use crate::words::options::API_VERSION;

/// Those since 2019; older ones are not supported.
const KNOWN: [&str; 43] = [
    "2019-02-11",
    "2019-02-19",
    "2019-03-14",
    "2019-05-16",
    "2019-08-14",
    "2019-09-09",
    "2019-10-08",
    "2019-10-17",
    "2019-11-05",
    "2019-12-03",
    "2020-03-02",
    "2020-08-27",
    "2022-08-01",
    "2022-11-15",
    "2023-08-16",
    "2023-10-16",
    "2024-04-10",
    "2024-06-20",
    "2024-09-30.acacia",
    "2024-10-28.acacia",
    "2024-11-20.acacia",
    "2024-12-18.acacia",
    "2025-01-27.acacia",
    "2025-02-24.acacia",
    "2025-03-31.basil",
    "2025-04-30.basil",
    "2025-05-28.basil",
    "2025-06-30.basil",
    "2025-07-30.basil",
    "2025-08-27.basil",
    "2025-09-30.clover",
    "2025-10-29.clover",
    "2025-11-17.clover",
    "2025-12-15.clover",
    "2026-01-28.clover",
    "2026-02-25.clover",
    "2026-03-25.dahlia",
    "2026-04-22.dahlia",
    "2026-05-27.dahlia",
    "2026-06-24.dahlia",
    "2026-07-29.dahlia",
    "2026-08-26.dahlia",
    "2026-09-30.endive",
];

/// The version that the official SDKs will send next.
const NEXT: &str = "2026-10-28.endive";

/// Where `payment_method_types` was accepted before [`WITHOUT_TYPES`].
const HAD_TYPES: [&str; 3] = ["/v1/payment_intents", "/v1/setup_intents", "/v1/checkout/sessions"];
const WITHOUT_TYPES: &str = "2026-09-30";

/// Checks a request's version, and that it sends nothing that its version has removed.
///
/// # Errors
/// 400 for an unknown version, or a removed parameter.
pub(crate) fn check(header: Option<&str>, path: &str, sent: &Node) -> Result<(), ApiError> {
    let asked = header.unwrap_or(API_VERSION);
    // `2023-10-16; some_beta=v1` also names betas.
    let version = asked.split(';').next().unwrap_or_default().trim();
    if version != NEXT && !KNOWN.contains(&version) {
        return Err(ApiError::invalid(format!("Invalid Stripe API version: {asked}")).of_parameters());
    }
    let Node::Map(sent) = sent else { return Ok(()) };
    if version >= WITHOUT_TYPES && sent.contains_key("payment_method_types") && HAD_TYPES.iter().any(|place| path.starts_with(place)) {
        return Err(ApiError::invalid(
            "The `payment_method_types` parameter is no longer supported. Use `allowed_payment_method_types` or dynamic payment methods.",
        )
        .code("payment_method_types_no_longer_supported")
        .param("payment_method_types")
        .of_parameters());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(version: Option<&str>, path: &str, form: &str) -> Option<String> {
        let error = check(version, path, &Node::parse(&[form.as_bytes()])).err()?;
        let body = error.body();
        Some(body["error"]["code"].as_str().or(body["error"]["message"].as_str()).unwrap_or_default().to_owned())
    }

    #[test]
    fn unknown_versions_are_refused() {
        assert_eq!(code(None, "/v1/charges", ""), None);
        assert_eq!(code(Some("2023-10-16; link_beta=v1"), "/v1/charges", ""), None);
        assert_eq!(code(Some("2019-2-19"), "/v1/charges", ""), Some("Invalid Stripe API version: 2019-2-19".to_owned()));
        assert_eq!(code(Some("2026-09-30"), "/v1/charges", ""), Some("Invalid Stripe API version: 2026-09-30".to_owned()));
    }

    #[test]
    fn payment_method_types_are_refused_since_endive() {
        let gone = Some("payment_method_types_no_longer_supported".to_owned());
        for path in ["/v1/payment_intents", "/v1/payment_intents/pi_1/confirm", "/v1/setup_intents", "/v1/checkout/sessions"] {
            assert_eq!(code(None, path, "payment_method_types[]=card"), gone);
            assert_eq!(code(Some("2026-08-26.dahlia"), path, "payment_method_types[]=card"), None);
            assert_eq!(code(None, path, "allowed_payment_method_types[]=card"), None);
        }
        // Subscriptions still have theirs.
        assert_eq!(code(None, "/v1/subscriptions", "payment_settings[payment_method_types][]=card"), None);
    }
}
