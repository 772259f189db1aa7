//! HS256 for `jsonwebtoken`. Without the feature `public-keys` there is nothing else: whatever a token's header asks for,
//! no other algorithm exists.
//!
//! **Source:** RFC 2104 (HMAC), RFC 7518 §3.2 (HS256), RFC 8725 §3.1 (the verifier names the algorithm).

use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, new_error};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use sha2::Sha256;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        let hs256 = Hs256::new(*algorithm, key.family(), key.as_bytes())?;
        Ok(Box::new(hs256))
    },
    verifier_factory: |algorithm, key| {
        #[cfg(feature = "public-keys")]
        if key.family() != AlgorithmFamily::Hmac {
            return (jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.verifier_factory)(algorithm, key);
        }
        let hs256 = Hs256::new(*algorithm, key.family(), key.try_get_as_bytes()?)?;
        Ok(Box::new(hs256))
    },
    // For keys as JSON (JWK), which are not used here.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes `jsonwebtoken` use the HMAC of this file, unless the program around us has chosen another provider before.
pub(super) fn install() {
    // An error says that one is installed: this one, by an earlier call, or the program's own.
    let _ = PROVIDER.install_default();
}

/// One key, ready to sign or to verify.
struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(algorithm: Algorithm, family: AlgorithmFamily, key: &[u8]) -> Result<Self, Error> {
        if algorithm != Algorithm::HS256 || family != AlgorithmFamily::Hmac {
            return Err(new_error(ErrorKind::UnsupportedAlgorithm));
        }
        Hmac::new_from_slice(key).map(Self).map_err(|_| new_error(ErrorKind::InvalidKeyFormat))
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    /// In constant time, whatever the signature is.
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.0.clone().chain_update(message).verify_slice(signature).map_err(signature::Error::from_source)
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, EncodingKey};

    use super::*;

    #[test]
    fn it_is_the_hmac_of_rfc_4231() {
        let hs256 = Hs256::new(Algorithm::HS256, AlgorithmFamily::Hmac, b"Jefe").unwrap();
        let signed = hs256.try_sign(b"what do ya want for nothing?").unwrap();
        let hex: String = signed.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert!(hs256.verify(b"what do ya want for nothing?", &signed).is_ok());
        assert!(hs256.verify(b"what do ya want for nothing!", &signed).is_err());
        assert!(hs256.verify(b"what do ya want for nothing?", &signed[..31].to_vec()).is_err());
        assert!(hs256.verify(b"what do ya want for nothing?", &Vec::new()).is_err());
    }

    #[test]
    fn a_secret_is_for_no_other_algorithm() {
        let key = DecodingKey::from_secret(&[7; 32]);
        let public = DecodingKey::from_ed_der(&[7; 32]);
        assert!((PROVIDER.verifier_factory)(&Algorithm::HS256, &key).is_ok());
        assert!((PROVIDER.verifier_factory)(&Algorithm::HS256, &public).is_err());
        assert!((PROVIDER.verifier_factory)(&Algorithm::RS256, &public).is_err());
        for algorithm in [Algorithm::HS384, Algorithm::HS512, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
            assert!((PROVIDER.verifier_factory)(&algorithm, &key).is_err());
            assert!((PROVIDER.signer_factory)(&algorithm, &EncodingKey::from_secret(&[7; 32])).is_err());
        }
    }
}
