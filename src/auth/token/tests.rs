//! Tokens: what opens, and each way in which one may be wrong or forged.

use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::*;

const SECRET: &str = "correct-horse-battery-staple-0123";
const OLD: &str = "an-older-secret-that-still-opens-things";
/// What all tests take for the present.
const NOW: u64 = 1_763_836_800;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn tokens(secrets: &[&str]) -> Tokens {
    Tokens::new(&secrets.iter().map(|secret| SecretString::from(*secret)).collect::<Vec<_>>(), "rillmark")
}

/// A token with any header and claims, signed as told, without asking the code under test.
fn forge(header: &Value, claims: &Value, secret: &str) -> String {
    use ::hmac::{KeyInit as _, Mac as _};
    let message = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let mac = ::hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let signature = mac.chain_update(message.as_bytes()).finalize().into_bytes();
    format!("{message}.{}", encode(&signature))
}

/// base64url without padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..=chunk.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63]));
        }
    }
    text
}

fn hs256() -> Value {
    json!({"alg": "HS256", "typ": "JWT"})
}

fn claims() -> Value {
    json!({"exp": NOW + 60, "aud": "rillmark", "sub": "u7", "rillmark": {"subscribe": ["chat-42", "u7-*"], "cancel": ["chat-42"]}})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[test]
fn only_a_good_token_opens_anything() {
    use TokenError::{Algorithm, Audience, Claims, Expired, Malformed, NotYet, Signature};
    let tokens = tokens(&[SECRET, OLD]);
    let good = |claims: Value| forge(&hs256(), &claims, SECRET);
    let header = |header: Value| forge(&header, &claims(), SECRET);
    let whole = good(claims());
    let parts: Vec<&str> = whole.split('.').collect();
    for (what, token, expected) in [
        ("as it should be", whole.clone(), Ok(())),
        ("by the older secret", forge(&hs256(), &claims(), OLD), Ok(())),
        ("by a third secret", forge(&hs256(), &claims(), "a-third-secret-of-nobody-at-all-xyz"), Err(Signature)),
        ("by no secret", forge(&hs256(), &claims(), ""), Err(Signature)),
        ("without a signature", format!("{}.{}.", parts[0], parts[1]), Err(Signature)),
        ("alg none", format!("{}.{}.", encode(br#"{"alg":"none"}"#), parts[1]), Err(Algorithm)),
        ("alg none, signed", header(json!({"alg": "none"})), Err(Algorithm)),
        ("alg HS512", header(json!({"alg": "HS512"})), Err(Algorithm)),
        ("alg RS256, the secret as public key", header(json!({"alg": "RS256"})), Err(Algorithm)),
        ("alg ES256", header(json!({"alg": "ES256"})), Err(Algorithm)),
        ("alg in lower case", header(json!({"alg": "hs256"})), Err(Algorithm)),
        ("no alg", header(json!({"typ": "JWT"})), Err(Algorithm)),
        ("a header that must be understood", header(json!({"alg": "HS256", "crit": ["exp"]})), Err(Algorithm)),
        ("a key of its own", header(json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}})), Ok(())),
        ("expired a while ago", good(with("exp", json!(NOW - 31))), Err(Expired)),
        ("expired just now", good(with("exp", json!(NOW - 29))), Ok(())),
        ("no exp", good(without("exp")), Err(Claims)),
        ("exp as text", good(with("exp", json!("1763836860"))), Err(Claims)),
        ("exp below zero", good(with("exp", json!(-1))), Err(Claims)),
        ("not yet", good(with("nbf", json!(NOW + 31))), Err(NotYet)),
        ("almost", good(with("nbf", json!(NOW + 29))), Ok(())),
        ("nbf as text", good(with("nbf", json!("soon"))), Err(Claims)),
        ("no aud", good(without("aud")), Err(Claims)),
        ("another aud", good(with("aud", json!("rillmark2"))), Err(Audience)),
        ("several aud", good(with("aud", json!(["api", "rillmark"]))), Ok(())),
        ("several other aud", good(with("aud", json!(["api", "app"]))), Err(Audience)),
        ("no aud among them", good(with("aud", json!([]))), Err(Audience)),
        ("no claim of ours", good(without("rillmark")), Err(Claims)),
        ("ours is a list", good(with("rillmark", json!(["chat-42"]))), Err(Claims)),
        ("a pattern that is none", good(with("rillmark", json!({"subscribe": ["chat-*-42"]}))), Err(Claims)),
        ("until is over", good(with("rillmark", json!({"until": NOW - 31}))), Err(Expired)),
        ("a long sub", good(with("sub", json!("u".repeat(257)))), Err(Claims)),
        ("no sub", good(without("sub")), Ok(())),
        ("claims are no object", good(json!(["exp"])), Err(Claims)),
        ("two parts", format!("{}.{}", parts[0], parts[1]), Err(Malformed)),
        ("four parts", format!("{whole}.{}", parts[2]), Err(Malformed)),
        ("padding", format!("{whole}="), Err(Malformed)),
        ("nothing", String::new(), Err(Malformed)),
        ("dots", "..".to_owned(), Err(Malformed)),
        ("long", "a".repeat(TOKEN_BYTES_MAX + 1), Err(TokenError::TooLong)),
    ] {
        assert_eq!(tokens.read(&token, at(NOW)).map(drop), expected, "{what}");
    }
}

#[test]
fn no_changed_byte_passes() {
    let tokens = tokens(&[SECRET]);
    let token = forge(&hs256(), &claims(), SECRET);
    let grant = tokens.read(&token, at(NOW)).unwrap();
    for place in 0..token.len() {
        for byte in [b'A', b'z', b'.', b'-', b' ', 0] {
            let mut changed = token.clone().into_bytes();
            changed[place] = byte;
            let changed = String::from_utf8(changed).unwrap();
            let read = tokens.read(&changed, at(NOW));
            assert!(changed == token || read.is_err(), "{place} {byte} {grant:?}");
        }
    }
}

#[test]
fn a_grant_allows_what_its_patterns_say() {
    let grant = tokens(&[SECRET]).read(&forge(&hs256(), &claims(), SECRET), at(NOW)).unwrap();
    for (action, channel, expected) in [
        (Action::Subscribe, "chat-42", true),
        (Action::Subscribe, "u7-inbox", true),
        (Action::Subscribe, "u8-inbox", false),
        (Action::Cancel, "chat-42", true),
        (Action::Cancel, "u7-inbox", false),
        (Action::Publish, "chat-42", false),
        (Action::Manage, "chat-42", false),
    ] {
        assert_eq!(grant.allows(action, channel), expected, "{action:?} {channel}");
    }
    assert_eq!(grant.subject.as_deref(), Some("u7"));
}

#[test]
fn until_is_when_it_expires_unless_it_says_otherwise() {
    let read = |claims: Value| tokens(&[SECRET]).read(&forge(&hs256(), &claims, SECRET), at(NOW)).unwrap();
    let grant = read(claims());
    assert_eq!((grant.expires, grant.until), (at(NOW + 60), at(NOW + 60)));
    let grant = read(with("rillmark", json!({"until": NOW + 3_600})));
    assert_eq!((grant.expires, grant.until), (at(NOW + 60), at(NOW + 3_600)));
    let grant = read(with("exp", json!(NOW - 10)));
    assert_eq!((grant.expires, grant.until), (at(NOW - 10), at(NOW + 20)), "the leeway that let it in");
    let grant = read(with("exp", json!(1e300)));
    assert!(grant.until > at(NOW + 1_000_000));
}

#[test]
fn what_is_signed_is_read_back_with_any_of_the_secrets() {
    let pattern = |text: &str| text.parse::<Pattern>().unwrap();
    let new = || NewToken {
        subscribe: vec![pattern("chat-42"), pattern("u7-*")],
        publish: vec![pattern("chat-42")],
        cancel: Vec::new(),
        subject: Some("u7".to_owned()),
        expires: at(NOW + 60),
        until: Some(at(NOW + 3_600)),
    };
    let token = tokens(&[SECRET, OLD]).sign(new()).unwrap();
    let grant = tokens(&[OLD, SECRET]).read(&token, at(NOW)).unwrap();
    assert!(grant.allows(Action::Publish, "chat-42") && grant.allows(Action::Subscribe, "u7-x"));
    assert!(!grant.allows(Action::Cancel, "chat-42"));
    assert_eq!((grant.expires, grant.until), (at(NOW + 60), at(NOW + 3_600)));
    assert_eq!(tokens(&[OLD]).read(&token, at(NOW)).unwrap_err(), TokenError::Signature, "the first one signs");
    assert_eq!(tokens(&[]).sign(new()), None);
}

#[test]
fn without_a_usable_secret_nothing_opens() {
    let token = forge(&hs256(), &claims(), SECRET);
    assert_eq!(tokens(&[]).read(&token, at(NOW)).unwrap_err(), TokenError::NoSecret);
    let short = forge(&hs256(), &claims(), "short");
    assert!(tokens(&["short"]).is_empty());
    assert_eq!(tokens(&["short"]).read(&short, at(NOW)).unwrap_err(), TokenError::NoSecret);
    assert!(!format!("{:?}", tokens(&[SECRET])).contains(SECRET));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(token in "[A-Za-z0-9_.=-]{0,200}|\\PC{0,80}|e30\\.[A-Za-z0-9]{0,40}\\.[A-Za-z0-9]{0,43}") {
        proptest::prop_assert!(tokens(&[SECRET]).read(&token, at(NOW)).is_err());
    }
}
