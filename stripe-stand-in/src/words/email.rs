//! E-mail addresses, parsed as strictly as Stripe does.

use crate::words::errors::ApiError;
use crate::words::params::Params;

/// Refuses what Stripe refuses: `a`, `a@b`, `a@.b.com`, ` a@b.com`, two at signs, spaces anywhere.
///
/// # Errors
/// 400 `email_invalid`.
pub(crate) fn check(params: &Params, name: &str) -> Result<(), ApiError> {
    match params.text(name) {
        Some(email) if !is_whole(email) => {
            Err(ApiError::invalid(format!("Invalid email address: {email}")).code("email_invalid").param(name).of_parameters())
        }
        _ => Ok(()),
    }
}

fn is_whole(email: &str) -> bool {
    let Some((local, domain)) = email.split_once('@') else { return false };
    let labels: Vec<&str> = domain.split('.').collect();
    let label = |label: &&str| !label.is_empty() && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-');
    let named = labels.len() > 1 && labels.iter().all(label) && labels.last().is_some_and(|last| last.len() > 1);
    !local.is_empty() && named && email.len() <= 512 && !email.chars().any(|letter| letter.is_whitespace() || letter.is_control())
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn addresses_are_whole_or_refused() {
        for right in ["a@example.com", "a.b+c@mail.example.co.uk", "ä@exämple.com"] {
            assert!(is_whole(right), "{right}");
        }
        for wrong in [
            "a",
            "a@b",
            "@example.com",
            "a@.example.com",
            "a@example.",
            "a@@example.com",
            " a@example.com",
            "a b@example.com",
            "a@example.c",
        ] {
            assert!(!is_whole(wrong), "{wrong}");
        }
    }
}
