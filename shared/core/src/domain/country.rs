//! What Stripe offers in which country. Countries are upper-case ISO 3166 codes.
//!
//! Stripe's lists change, and no API tells them all. So each list here has the page that it was taken from, and the day, and errs on the side of what Stripe
//! can still decide: where it is silent, Stripe is asked for an account that takes cards, no money is sent, and Stripe's refusal is passed on.

/// Where accounts are only paid out: the `supported_transfer_countries` of the United States in <https://docs.stripe.com/api/country_specs/list>, from a copy whose
/// day is not known, without those where Stripe offers accounts that take cards: on <https://stripe.com/global> without a mark, as others noted on 9 September 2026.
const RECIPIENTS: [&str; 76] = [
    "AG", "AL", "AM", "AO", "AR", "AZ", "BA", "BD", "BH", "BJ", "BN", "BO", "BS", "BT", "BW", "CI", "CL", "CO", "CR", "DO", "DZ", "EC",
    "EG", "ET", "GA", "GH", "GM", "GT", "GY", "ID", "IL", "IS", "JM", "JO", "KE", "KH", "KR", "KW", "KZ", "LA", "LC", "LK", "MA", "MC",
    "MD", "MG", "MK", "MN", "MO", "MU", "MZ", "NA", "NE", "NG", "OM", "PA", "PE", "PH", "PK", "PY", "QA", "RS", "RW", "SA", "SM", "SN",
    "SV", "TN", "TR", "TT", "TW", "TZ", "UY", "UZ", "VN", "ZA",
];

/// The United States, Canada, the United Kingdom, Switzerland and the European Economic Area: a platform in one of them can send money to
/// accounts in all of them. <https://docs.stripe.com/connect/cross-border-payouts>, as of August 2026, which does not list the countries of the
/// area. They are those of <https://www.efta.int/eea> without Iceland, where Stripe offers no accounts. No page says whether Gibraltar counts
/// as the United Kingdom, so it does not.
const OPEN: [&str; 33] = [
    "AT", "BE", "BG", "CA", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU", "IE", "IT", "LI", "LT", "LU",
    "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK", "US",
];

/// Whose platforms have accounts that are only paid out, under the recipient agreement. The form at
/// <https://docs.stripe.com/connect/required-verification-information> offered it to platforms in the United States, and to none in the Netherlands, in
/// August 2026. Of other countries no page was found that says so.
const WITH_RECIPIENTS: &str = "US";

/// Whether a platform's account in a country can only be paid out.
///
/// The agreement cannot be changed once it is accepted, so it is used only where it is known to be the one:
/// <https://docs.stripe.com/connect/service-agreement-types>.
#[must_use]
pub fn is_only_paid_out(platform: &str, country: &str) -> bool {
    platform == WITH_RECIPIENTS && RECIPIENTS.contains(&country)
}

/// Whether a platform in one country can send money to an account in another.
///
/// From the `OPEN` countries it reaches accounts with the full service agreement in the others. Recipients in the rest of the world are reached by platforms
/// that have them: the page above leaves that to Stripe's sales, and Stripe makes such an account only for a platform that it has approved.
#[must_use]
pub fn reaches(platform: &str, account: &str, is_recipient: bool) -> bool {
    let is_open = OPEN.contains(&account);
    platform == account || if is_recipient { platform == WITH_RECIPIENTS && !is_open } else { OPEN.contains(&platform) && is_open }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_crosses_a_border_only_under_the_agreement_of_the_country() {
        for (platform, account, full, recipient) in [
            ("US", "US", true, true),
            ("US", "DE", true, false),
            ("GB", "CA", true, false),
            ("US", "PH", false, true),
            ("DE", "PH", false, false),
            ("US", "AU", false, true),
            ("AU", "NZ", false, false),
            ("JP", "US", false, false),
            ("JP", "JP", true, true),
            ("GB", "GI", false, false),
            ("US", "XX", false, true),
        ] {
            assert_eq!((reaches(platform, account, false), reaches(platform, account, true)), (full, recipient), "{platform} to {account}");
        }
        assert!(RECIPIENTS.is_sorted() && OPEN.is_sorted());
        assert!(!OPEN.iter().any(|country| RECIPIENTS.contains(country)));
    }

    #[test]
    fn only_where_it_is_known_an_account_is_asked_for_that_takes_no_cards() {
        for (platform, country, only_paid_out) in [
            ("US", "TH", false),
            ("US", "PH", true),
            ("US", "US", false),
            ("US", "IN", false),
            ("US", "XX", false),
            ("DE", "PH", false),
            ("JP", "KR", false),
        ] {
            assert_eq!(is_only_paid_out(platform, country), only_paid_out, "{platform}, {country}");
        }
    }
}
