//! Seals sellers' tokens with AES-256-GCM. The owner is the associated data, so a sealed token copied to another user cannot be opened.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::secrets::TokenKeys;
use crate::base::entropy::Entropy;
use crate::domain::ids::UserId;
use crate::domain::sealed::SealedTokens;

/// A sealed text cannot be opened: wrong owner, modified, or its key is gone.
#[derive(Debug, thiserror::Error)]
#[error("the sealed tokens do not open")]
pub struct NotOpened;

fn key(bytes: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).expect("the key has 256 bits"))
}

fn owner_of(user: &UserId, key_id: &str) -> Aad<Vec<u8>> {
    Aad::from(format!("{user}\n{key_id}").into_bytes())
}

/// Seals a text for its owner with the current key.
///
/// # Panics
/// Never: keys without the current key are not accepted.
#[must_use]
pub fn seal(keys: &TokenKeys, owner: &UserId, text: &str, entropy: &Entropy) -> SealedTokens {
    let nonce: [u8; NONCE_LEN] = entropy.bytes();
    let mut sealed = text.as_bytes().to_vec();
    key(&keys.keys[&keys.current])
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), owner_of(owner, &keys.current), &mut sealed)
        .expect("tokens are shorter than 64 GiB");
    let mut whole = nonce.to_vec();
    whole.append(&mut sealed);
    SealedTokens { key_id: keys.current.clone(), sealed: STANDARD.encode(whole) }
}

/// Opens a sealed text for its owner.
///
/// # Errors
/// If it belongs to another owner, was modified, or its key is gone.
pub fn open(keys: &TokenKeys, owner: &UserId, sealed: &SealedTokens) -> Result<String, NotOpened> {
    let bytes = keys.keys.get(&sealed.key_id).ok_or(NotOpened)?;
    let mut whole = STANDARD.decode(&sealed.sealed).map_err(|_| NotOpened)?;
    let (nonce, text) = whole.split_at_mut_checked(NONCE_LEN).ok_or(NotOpened)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotOpened)?;
    let text = key(bytes).open_in_place(nonce, owner_of(owner, &sealed.key_id), text).map_err(|_| NotOpened)?;
    String::from_utf8(text.to_vec()).map_err(|_| NotOpened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_open_for_their_owner_only() {
        let entropy = Entropy::system();
        let keys = TokenKeys { current: "k1".into(), keys: [("k1".into(), entropy.bytes()), ("k2".into(), entropy.bytes())].into() };
        let (owner, other) = (UserId::generate(&entropy), UserId::generate(&entropy));
        let sealed = seal(&keys, &owner, "sk_acct_token", &entropy);
        assert!(!sealed.sealed.contains("token"));
        assert_eq!(open(&keys, &owner, &sealed).ok().as_deref(), Some("sk_acct_token"));
        assert!(open(&keys, &other, &sealed).is_err());
        let renamed = SealedTokens { key_id: "k2".into(), sealed: sealed.sealed.clone() };
        assert!(open(&keys, &owner, &renamed).is_err());
        let cut = SealedTokens { key_id: "k1".into(), sealed: sealed.sealed[..8].into() };
        assert!(open(&keys, &owner, &cut).is_err());
    }
}
