//! Tokens that are signed with a private key: what opens, and what an algorithm or a key of another kind may not do.

use std::time::UNIX_EPOCH;

use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, EncodingKey, Header};

use super::*;

const SECRET: &str = "correct-horse-battery-staple-0123";

/// Of each algorithm: the private key, and the public one.
fn pairs() -> [(Algorithm, EncodingKey, &'static str); 3] {
    macro_rules! pem {
        ($name:literal) => {
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/", $name, ".pem"))
        };
    }
    [
        (Algorithm::RS256, EncodingKey::from_rsa_pem(pem!("rsa-private").as_bytes()).unwrap(), pem!("rsa-public")),
        (Algorithm::ES256, EncodingKey::from_ec_pem(pem!("ec-private").as_bytes()).unwrap(), pem!("ec-public")),
        (Algorithm::EdDSA, EncodingKey::from_ed_pem(pem!("ed-private").as_bytes()).unwrap(), pem!("ed-public")),
    ]
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_763_836_800)
}

/// A token that says `algorithm`, signed by `key` of `signed_by`.
fn token(algorithm: Algorithm, signed_by: Algorithm, key: &EncodingKey) -> String {
    let encode = |part: &serde_json::Value| super::tests::encode(part.to_string().as_bytes());
    let header = serde_json::to_value(Header::new(algorithm)).unwrap();
    let claims = serde_json::json!({"exp": 1_763_836_860, "aud": "rillmark", "rillmark": {"subscribe": ["*"]}});
    let message = format!("{}.{}", encode(&header), encode(&claims));
    let signature = (DEFAULT_PROVIDER.signer_factory)(&signed_by, key).unwrap().sign(message.as_bytes());
    format!("{message}.{}", super::tests::encode(&signature))
}

fn tokens(public: &[&str]) -> Tokens {
    Tokens::new(&[], "rillmark").with_public_keys(public.iter().map(|pem| pem.parse().unwrap()).collect())
}

#[test]
fn each_kind_of_key_opens_its_own_algorithm_and_no_other() {
    let pairs = pairs();
    for (algorithm, private, public) in &pairs {
        let token = token(*algorithm, *algorithm, private);
        assert!(tokens(&[public]).read(&token, now()).is_ok(), "{algorithm:?}");
        assert!(tokens(&pairs.each_ref().map(|pair| pair.2)).read(&token, now()).is_ok(), "{algorithm:?}");
        for (other, _, another) in pairs.iter().filter(|pair| pair.0 != *algorithm) {
            let read = tokens(&[another]).read(&token, now());
            assert_eq!(read.unwrap_err(), TokenError::Algorithm, "{algorithm:?} by {other:?}");
        }
        let (head, signature) = token.rsplit_once('.').unwrap();
        let changed = format!("{head}.{}", signature.replacen(|c: char| c != 'A', "A", 1));
        assert_eq!(tokens(&[public]).read(&changed, now()).unwrap_err(), TokenError::Signature, "{algorithm:?}");
    }
}

/// CVE-2015-9235: a token that says HS256, signed with the public key as if it were a secret.
#[test]
fn a_public_key_is_no_secret() {
    for (algorithm, _, public) in pairs() {
        let der = public.parse::<PublicKey>().unwrap().key.try_get_as_bytes().unwrap().to_vec();
        let both = Tokens::new(&[SECRET.into()], "rillmark").with_public_keys(vec![public.parse().unwrap()]);
        for secret in [public.as_bytes(), public.trim().as_bytes(), &der] {
            let forged = token(Algorithm::HS256, Algorithm::HS256, &EncodingKey::from_secret(secret));
            assert_eq!(tokens(&[public]).read(&forged, now()).unwrap_err(), TokenError::Algorithm, "{algorithm:?}");
            assert_eq!(both.read(&forged, now()).unwrap_err(), TokenError::Signature, "{algorithm:?}");
        }
        let by_secret = token(Algorithm::HS256, Algorithm::HS256, &EncodingKey::from_secret(SECRET.as_bytes()));
        assert!(both.read(&by_secret, now()).is_ok(), "secrets go on beside public keys");
        assert!(tokens(&[public]).signs.is_none(), "a public key signs nothing");
    }
}

#[test]
fn what_is_no_public_key_of_a_known_kind_is_refused() {
    let private = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/ec-private.pem"));
    let longer = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/p384-public.pem"));
    let broken = pairs()[0].2.replace('A', "");
    for text in ["", "x", private, longer, &broken, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
        assert_eq!(text.parse::<PublicKey>().unwrap_err(), PublicKeyError::Unknown, "{text}");
    }
}
