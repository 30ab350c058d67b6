//! Passwords: Argon2id with the parameters that OWASP recommends, which are the crate's defaults (19 MiB, 2 passes).
//! <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>
//!
//! New ones are also estimated by zxcvbn, which knows the passwords that everybody tries, and words, names, dates and keyboard patterns.

use argon2::password_hash::SaltString;
use argon2::{Argon2, PasswordHash, PasswordHasher as _, PasswordVerifier as _};
use zxcvbn::{Score, zxcvbn};

use super::entropy::Entropy;

/// The allowed length of a password in characters (Unicode scalar values).
const LENGTH: std::ops::RangeInclusive<usize> = 8..=256;

/// A hash that no password matches. Checking against it takes as long as checking against a user's.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$5aZD1dWSd27O0fzutMsljg$JCAehtGX1mbte1AbZUFeEVIfCOdv1PcsFZlYly0eiYY";

/// What is wrong with a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is too short or too long.
    Length,
    /// It is too easy to guess.
    TooWeak,
}

/// Checks a new password. `own` is what a guesser knows, such as the user's address and the shop's.
///
/// # Errors
/// What is wrong with it.
pub fn check(password: &str, own: &[&str]) -> Result<(), Fault> {
    if !LENGTH.contains(&password.chars().count()) {
        return Err(Fault::Length);
    }
    let own: Vec<&str> = own.iter().flat_map(|one| one.split('@').chain([*one])).collect();
    // Below: fewer than a million guesses.
    if zxcvbn(password, &own).score() < Score::Two {
        return Err(Fault::TooWeak);
    }
    Ok(())
}

/// Hashes a password with a new salt, into the PHC string format. Takes milliseconds on purpose, and runs on its own thread
/// so that the process's connections stay responsive.
///
/// # Panics
/// Never: the parameters are the crate's own, and the salt has a valid length.
pub async fn hash(password: String, entropy: &Entropy) -> String {
    let salt = SaltString::encode_b64(&entropy.bytes::<16>()).expect("16 bytes make a salt");
    let work = move || Argon2::default().hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string());
    let hash = tokio::task::spawn_blocking(work).await.expect("hashing does not panic");
    hash.expect("the default parameters are sound")
}

/// Whether the password matches the hash. If there is no hash because there is no such user, the answer takes just as long.
///
/// # Panics
/// Never.
pub async fn verify(password: String, hash: Option<&str>) -> bool {
    let stored = hash.unwrap_or(NOBODYS).to_owned();
    let work = move || {
        let parsed = PasswordHash::new(&stored)?;
        Argon2::default().verify_password(password.as_bytes(), &parsed)
    };
    tokio::task::spawn_blocking(work).await.expect("verifying does not panic").is_ok() && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_everybody_tries_is_refused() {
        for password in ["password", "Passw0rd!", "qwertyuiop", "iloveyou1", "aaaaaaaa", "19850412", "lectern1", "sue@example.com"] {
            assert!(check(password, &["sue@example.com", "lectern"]).is_err(), "{password}");
        }
        for password in ["correct horse", "battery staple", "pässwörd 🦀", "gk3!mdWq"] {
            assert_eq!(check(password, &["sue@example.com", "lectern"]), Ok(()), "{password}");
        }
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_only() {
        let entropy = Entropy::system();
        let stored = hash("correct horse".into(), &entropy).await;
        assert!(verify("correct horse".into(), Some(&stored)).await);
        assert!(!verify("correct horse ".into(), Some(&stored)).await);
        assert!(!verify("correct horse".into(), None).await);
        assert!(!verify("correct horse".into(), Some("")).await);
        assert_ne!(stored, hash("correct horse".into(), &entropy).await, "salted");
    }

    #[tokio::test]
    async fn a_missing_user_takes_as_long_as_a_wrong_password() {
        let parameters = |text: &str| argon2::Params::try_from(&PasswordHash::new(text).expect("a PHC string")).expect("parameters");
        let users = hash("correct horse".into(), &Entropy::system()).await;
        assert_eq!(parameters(NOBODYS), parameters(&users));
        assert_eq!(PasswordHash::new(NOBODYS).expect("a PHC string").hash.map(|hash| hash.len()), Some(32));
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(check("gk3!mdö", &[]).is_err());
        assert!(check("gk3!mdöq", &[]).is_ok());
        let long = "gk3!mdöq".repeat(32);
        assert!(check(&long, &[]).is_ok());
        assert!(check(&(long + "🦀"), &[]).is_err());
    }
}
