//! API keys: what one may look like, and which of the operator's a caller holds.
//!
//! **Invariant:** comparing takes the same steps whichever key matches, or none: all keys are compared, in full, padded
//! to one length (`every_key_is_found_and_nothing_else`). Keys never show in `Debug` (`keys_do_not_show`).
//!
//! **Source:** RFC 6750 §2.1 (`Authorization: Bearer`).

use secrecy::{ExposeSecret, SecretBox, SecretString};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::request::Header;

/// The longest API key, in bytes. Longer than any generator writes, short enough to be compared padded.
pub const API_KEY_BYTES_MAX: usize = 256;

/// Why a text cannot be an API key. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// Nothing there.
    #[error("an API key is empty")]
    Empty,
    /// Longer than [`API_KEY_BYTES_MAX`].
    #[error("an API key is longer than {API_KEY_BYTES_MAX} bytes")]
    TooLong,
    /// A character that cannot stand in a header: a space, a control or a letter beyond ASCII.
    #[error("an API key holds a space or a character beyond visible ASCII")]
    Character,
}

/// Checks that `key` can be sent as `Authorization: Bearer <key>`.
///
/// # Errors
/// [`ApiKeyError`] says why not.
pub fn check_api_key(key: &SecretString) -> Result<(), ApiKeyError> {
    let key = key.expose_secret().as_bytes();
    match key.len() {
        0 => Err(ApiKeyError::Empty),
        n if n > API_KEY_BYTES_MAX => Err(ApiKeyError::TooLong),
        _ if !key.iter().all(u8::is_ascii_graphic) => Err(ApiKeyError::Character),
        _ => Ok(()),
    }
}

/// Which of the operator's keys a caller holds: its place in the setting, from 0. Never the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyIndex(u32);

impl std::fmt::Display for KeyIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// No key or token, a wrong one, or something that is none: all alike to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a valid API key or token is needed: `Authorization: Bearer …`")]
pub struct Unauthorized;

/// The operator's keys, ready for comparison.
pub(super) struct ApiKeys(Vec<SecretBox<PaddedKey>>);

/// A key's length, its bytes, and zeros; in words, which are compared in an eighth of the steps.
type PaddedKey = [u64; 1 + API_KEY_BYTES_MAX / 8];

impl ApiKeys {
    /// Keys that [`check_api_key`] refuses are left out: they could never be sent.
    pub(super) fn new(keys: &[SecretString]) -> Self {
        let sendable = keys.iter().filter(|key| check_api_key(key).is_ok());
        let pad_key = |key: &SecretString| pad(key.expose_secret().as_bytes()).map(|key| SecretBox::new(Box::new(key)));
        Self(sendable.filter_map(pad_key).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that an `Authorization` header presents.
    pub(super) fn identify(&self, authorization: Header<'_>) -> Result<KeyIndex, Unauthorized> {
        let presented = authorization.one().and_then(bearer).and_then(|key| pad(key.as_bytes())).ok_or(Unauthorized)?;
        let mut found = Choice::from(0);
        let mut index = 0;
        for (at, key) in (0u32..).zip(&self.0) {
            let equal = key.expose_secret().as_slice().ct_eq(presented.as_slice());
            index.conditional_assign(&at, equal);
            found |= equal;
        }
        if found.into() { Ok(KeyIndex(index)) } else { Err(Unauthorized) }
    }
}

/// None for what is longer than any key.
fn pad(key: &[u8]) -> Option<PaddedKey> {
    let mut bytes = [0; API_KEY_BYTES_MAX];
    bytes.get_mut(..key.len())?.copy_from_slice(key);
    let mut padded = [0; 1 + API_KEY_BYTES_MAX / 8];
    padded[0] = key.len() as u64;
    for (word, bytes) in padded[1..].iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    Some(padded)
}

/// The credentials of a header of scheme `Bearer`, in any case.
pub(super) fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, key) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(texts: &[&str]) -> ApiKeys {
        ApiKeys::new(&texts.iter().copied().map(SecretString::from).collect::<Vec<_>>())
    }

    #[test]
    fn every_key_is_found_and_nothing_else() {
        let longest = "k".repeat(API_KEY_BYTES_MAX);
        let held = keys(&["first", "second", &longest]);
        for (header, expected) in [
            ("Bearer first", Some(0)),
            ("bearer second", Some(1)),
            ("BEARER   first ", Some(0)),
            (&*format!("Bearer {longest}"), Some(2)),
            (&*format!("Bearer {longest}k"), None),
            ("Bearer firs", None),
            ("Bearer first2", None),
            ("Bearer First", None),
            ("Bearer first\0", None),
            ("Bearer second first", None),
            ("Bearer ", None),
            ("Bearer", None),
            ("first", None),
            ("Basic first", None),
            ("", None),
        ] {
            let found = held.identify(Header::One(header));
            assert_eq!(found, expected.map(KeyIndex).ok_or(Unauthorized), "{header:?}");
        }
        assert_eq!(held.identify(Header::Absent), Err(Unauthorized));
        assert_eq!(held.identify(Header::Unreadable), Err(Unauthorized));
    }

    #[test]
    fn an_empty_key_opens_nothing() {
        let held = keys(&["", "good"]);
        assert_eq!(held.identify(Header::One("Bearer ")), Err(Unauthorized));
        assert_eq!(held.identify(Header::One("Bearer good")), Ok(KeyIndex(0)));
        assert!(keys(&[]).is_empty() && !held.is_empty());
    }

    #[test]
    fn a_key_is_visible_ascii_of_bounded_length() {
        for (text, expected) in [
            ("k", Ok(())),
            ("rk_live-9.~+/=$", Ok(())),
            (&*"k".repeat(256), Ok(())),
            ("", Err(ApiKeyError::Empty)),
            (&*"k".repeat(257), Err(ApiKeyError::TooLong)),
            ("two words", Err(ApiKeyError::Character)),
            ("schlüssel", Err(ApiKeyError::Character)),
            ("tab\t", Err(ApiKeyError::Character)),
        ] {
            assert_eq!(check_api_key(&SecretString::from(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn keys_do_not_show() {
        let options = crate::auth::AuthOptions { api_keys: vec!["hush-hush".into()], ..Default::default() };
        assert!(!format!("{options:?} {:?}", crate::auth::Auth::new(options.clone())).contains("hush"));
    }
}
