//! Public keys that tokens may be verified by instead of a secret: who signs has the private one, and the service cannot.
//!
//! The key decides the algorithm, never the token: RSA is RS256, P-256 is ES256, Ed25519 is EdDSA.
//!
//! **Invariant:** a public key never serves as a secret (`a_public_key_is_no_secret`).
//!
//! **Source:** RFC 7518 §3.1, RFC 8037 §3.1 (algorithms), RFC 7468 §13 (`PUBLIC KEY` in PEM), RFC 8725 §2.1 (key
//! confusion).

use jsonwebtoken::{Algorithm, DecodingKey};

/// A public key, ready to verify.
#[derive(Clone, Debug)]
pub struct PublicKey {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// Why a text is no public key that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// The program was built without them.
    #[error("this program was built without the feature `public-keys`")]
    NotBuilt,
    /// Not PEM of a public key of a kind that is known.
    #[error("expected a public key in PEM (`-----BEGIN PUBLIC KEY-----`): RSA, P-256 or Ed25519")]
    Unknown,
}

impl std::str::FromStr for PublicKey {
    type Err = PublicKeyError;

    #[cfg(not(feature = "public-keys"))]
    fn from_str(_: &str) -> Result<Self, Self::Err> {
        Err(PublicKeyError::NotBuilt)
    }

    #[cfg(feature = "public-keys")]
    fn from_str(pem: &str) -> Result<Self, Self::Err> {
        // A point of P-256, uncompressed; other curves have longer ones.
        const P256_BYTES: usize = 65;
        if !pem.contains("-----BEGIN PUBLIC KEY-----") {
            return Err(PublicKeyError::Unknown);
        }
        let pem = pem.as_bytes();
        let of = |algorithm| move |key| Self { algorithm, key };
        let is_p256 = |key: &DecodingKey| key.try_get_as_bytes().is_ok_and(|point| point.len() == P256_BYTES);
        DecodingKey::from_rsa_pem(pem).map(of(Algorithm::RS256)).or_else(|_| {
            let ec = DecodingKey::from_ec_pem(pem).ok().filter(is_p256).map(of(Algorithm::ES256));
            let ed = || DecodingKey::from_ed_pem(pem).ok().map(of(Algorithm::EdDSA));
            ec.or_else(ed).ok_or(PublicKeyError::Unknown)
        })
    }
}

#[cfg(all(test, not(feature = "public-keys")))]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_them_says_so() {
        assert_eq!("-----BEGIN PUBLIC KEY-----".parse::<PublicKey>().unwrap_err(), PublicKeyError::NotBuilt);
    }
}
