//! What Stripe offers in which country. Countries are upper-case ISO 3166 codes.

/// Where accounts can take cards. In all other countries they are only paid out. <https://stripe.com/global>
const WITH_CARDS: [&str; 45] = [
    "AE", "AT", "AU", "BE", "BG", "BR", "CA", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GI", "GR", "HK", "HR", "HU",
    "IE", "IN", "IT", "JP", "LI", "LT", "LU", "LV", "MT", "MX", "MY", "NL", "NO", "NZ", "PL", "PT", "RO", "SE", "SG", "SI", "SK", "TH",
    "US",
];

/// The United States, Canada, the United Kingdom, Switzerland and the European Economic Area, as far as accounts there can take cards: a
/// platform in one of them can send money to accounts in all of them. <https://docs.stripe.com/connect/cross-border-payouts>
const OPEN: [&str; 33] = [
    "AT", "BE", "BG", "CA", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU", "IE", "IT", "LI", "LT", "LU",
    "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK", "US",
];

/// Whether an account in a country can take cards.
#[must_use]
pub fn takes_cards(country: &str) -> bool {
    WITH_CARDS.contains(&country)
}

/// Whether a platform in one country can send money to an account in another.
///
/// From the `OPEN` countries it reaches accounts with the full service agreement in the others, and in the rest of the world those
/// with the recipient agreement, which Stripe allows on request. <https://docs.stripe.com/connect/service-agreement-types>
#[must_use]
pub fn reaches(platform: &str, account: &str, is_recipient: bool) -> bool {
    platform == account || (OPEN.contains(&platform) && OPEN.contains(&account) != is_recipient)
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
            ("DE", "PH", false, true),
            ("US", "AU", false, true),
            ("AU", "NZ", false, false),
            ("JP", "US", false, false),
            ("JP", "JP", true, true),
        ] {
            assert_eq!((reaches(platform, account, false), reaches(platform, account, true)), (full, recipient), "{platform} to {account}");
        }
        assert!(WITH_CARDS.is_sorted() && OPEN.is_sorted());
        assert!(takes_cards("TH") && !takes_cards("PH"));
    }
}
