//! Secrets with which tokens are signed: what one may look like.
//!
//! **Source:** RFC 7518 §3.2 (an HMAC key is at least as long as the hash).

use secrecy::{ExposeSecret, SecretString};

/// Shortest secret, in bytes: as long as the hash of HS256.
pub const TOKEN_SECRET_BYTES_MIN: usize = 32;

/// Why a text cannot be a secret for tokens. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenSecretError {
    /// Shorter than [`TOKEN_SECRET_BYTES_MIN`].
    #[error("it has {0} bytes, expected at least {TOKEN_SECRET_BYTES_MIN}")]
    TooShort(usize),
    /// A character that does not pass every shell, file and dashboard as it is.
    #[error("it holds a space or a character beyond visible ASCII")]
    Character,
}

/// Checks that `secret` can sign tokens.
///
/// # Errors
/// [`TokenSecretError`] says why not.
pub fn check_token_secret(secret: &SecretString) -> Result<(), TokenSecretError> {
    let secret = secret.expose_secret().as_bytes();
    match secret.len() {
        n if n < TOKEN_SECRET_BYTES_MIN => Err(TokenSecretError::TooShort(n)),
        _ if !secret.iter().all(u8::is_ascii_graphic) => Err(TokenSecretError::Character),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_visible_ascii_of_enough_length() {
        for (text, expected) in [
            ("0123456789abcdef0123456789abcdef", Ok(())),
            ("0123456789abcdef0123456789abcde", Err(TokenSecretError::TooShort(31))),
            ("", Err(TokenSecretError::TooShort(0))),
            ("0123456789abcdef 0123456789abcdef", Err(TokenSecretError::Character)),
            ("0123456789abcdef0123456789abcdef\n", Err(TokenSecretError::Character)),
            ("0123456789äbcdef0123456789abcdef", Err(TokenSecretError::Character)),
        ] {
            assert_eq!(check_token_secret(&SecretString::from(text)), expected, "{text:?}");
        }
    }
}
