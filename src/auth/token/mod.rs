//! Tokens of browsers: JWTs that the backend signs, and what one opens.
//!
//! A token is read in this order: its length, its form, the algorithm of its header (that of a key there is: HS256 of
//! secrets, one of three of public keys), its signature by any of the operator's keys of that algorithm, then its claims. The signature comes before anything that a claim says, and the caller
//! of the service is told the same whatever was wrong; [`TokenError`] is for the log.
//!
//! **Invariant:** only a token signed by one of the secrets, made out to the audience, in its time, opens anything
//! (`only_a_good_token_opens_anything`, `no_changed_byte_passes`).
//!
//! **Source:** RFC 7515 (JWS), RFC 7519 (JWT), RFC 8725 (best practices: one algorithm, checked audience, bounded
//! size).

mod claims;
mod hmac;
mod pattern;
mod public_key;
mod secret;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};

use self::claims::{Audience, Channels, Claims, NumericDate};
pub use pattern::{PATTERN_BYTES_MAX, Pattern, PatternError};
pub use public_key::{PublicKey, PublicKeyError};
pub use secret::{TOKEN_SECRET_BYTES_MIN, TokenSecretError, check_token_secret};

/// The longest token that is read, in bytes: what a request's head can hold of it, with room for some hundred patterns.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The longest `sub`, in bytes. Longer ones are refused: it is kept for each subscriber.
pub const SUBJECT_BYTES_MAX: usize = 256;
/// By how much the clocks of the service and of who signs may differ.
pub const LEEWAY: Duration = Duration::from_secs(30);
/// How far ahead at most a token may expire that comes in a URL, where logs and histories keep it.
pub const QUERY_TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(60);

/// What a token opens.
#[derive(Clone, Debug)]
pub struct Grant {
    channels: Channels,
    /// Who holds it, as its backend calls them.
    pub subject: Option<Arc<str>>,
    /// Until when something may be opened with it.
    pub expires: SystemTime,
    /// When what was opened with it ends.
    pub until: SystemTime,
}

/// What is done on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To see it.
    Subscribe,
    /// To write a stream of it.
    Publish,
    /// To stop a stream of it.
    Cancel,
    /// To ask for its state or to end it. No token allows it.
    Manage,
}

impl Grant {
    /// Whether the token allows this on the channel of this name.
    pub fn allows(&self, action: Action, channel: &str) -> bool {
        let patterns = match action {
            Action::Subscribe => &self.channels.subscribe,
            Action::Publish => &self.channels.publish,
            Action::Cancel => &self.channels.cancel,
            Action::Manage => return false,
        };
        patterns.iter().any(|pattern| pattern.matches(channel))
    }
}

/// What a new token is to say.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Channels to see.
    pub subscribe: Vec<Pattern>,
    /// Channels to write.
    pub publish: Vec<Pattern>,
    /// Channels to stop streams of.
    pub cancel: Vec<Pattern>,
    /// Who holds it.
    pub subject: Option<String>,
    /// Until when something may be opened with it.
    pub expires: SystemTime,
    /// When what was opened with it ends; by default when it expires.
    pub until: Option<SystemTime>,
}

/// Why a token opens nothing. For the log: callers are all told the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is neither a secret nor a public key.
    #[error("no token secret is set")]
    NoSecret,
    /// Longer than [`TOKEN_BYTES_MAX`].
    #[error("the token is longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// Not three parts of base64url with JSON in the first two.
    #[error("the token is malformed")]
    Malformed,
    /// An algorithm that no key here is for, or a header that must be understood and is not.
    #[error("the token is signed by an algorithm that no key here is for")]
    Algorithm,
    /// No key here made this signature.
    #[error("the token's signature is by none of the keys")]
    Signature,
    /// A claim that is needed is missing, or one has the wrong form.
    #[error("the token's claims are incomplete or malformed")]
    Claims,
    /// Made out to somebody else.
    #[error("the token is made out to another audience")]
    Audience,
    /// Too late.
    #[error("the token has expired")]
    Expired,
    /// Too early.
    #[error("the token is not valid yet")]
    NotYet,
    /// It came in a URL and lives too long for that.
    #[error("the token came in a URL and does not expire within {} s", QUERY_TOKEN_LIFETIME_MAX.as_secs())]
    TooLongLived,
}

/// Reads and signs tokens.
pub struct Tokens {
    /// What verifies, each for its own algorithm alone.
    keys: Vec<PublicKey>,
    /// The first secret.
    signs: Option<EncodingKey>,
    audience: String,
}

impl Tokens {
    /// Takes the operator's secrets; the first one signs. Those that [`check_token_secret`] refuses are left out, so
    /// check them before.
    pub fn new(secrets: &[SecretString], audience: &str) -> Self {
        hmac::install();
        let usable = secrets.iter().filter(|secret| check_token_secret(secret).is_ok());
        let usable: Vec<&[u8]> = usable.map(|secret| secret.expose_secret().as_bytes()).collect();
        let verifies =
            |secret: &&[u8]| PublicKey { algorithm: Algorithm::HS256, key: DecodingKey::from_secret(secret) };
        Self {
            keys: usable.iter().map(verifies).collect(),
            signs: usable.first().map(|secret| EncodingKey::from_secret(secret)),
            audience: audience.to_owned(),
        }
    }

    /// Takes public keys as well, which verify and cannot sign.
    pub fn with_public_keys(mut self, keys: Vec<PublicKey>) -> Self {
        self.keys.extend(keys);
        self
    }

    /// Whether there is neither a secret nor a public key, so that no token opens anything.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`TokenError`] says why it opens nothing.
    pub fn read(&self, token: &str, now: SystemTime) -> Result<Grant, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let Claims { exp, nbf, aud, sub, rillmark: channels } = self.verified(token)?;
        if !aud.names(&self.audience) {
            return Err(TokenError::Audience);
        }
        let (expires, until) = (exp.time(), channels.until.unwrap_or(exp).time());
        if expires + LEEWAY <= now || until + LEEWAY <= now {
            return Err(TokenError::Expired);
        }
        if nbf.is_some_and(|nbf| nbf.time() > now + LEEWAY) {
            return Err(TokenError::NotYet);
        }
        if sub.as_ref().is_some_and(|sub| sub.len() > SUBJECT_BYTES_MAX) {
            return Err(TokenError::Claims);
        }
        // What is let in by the leeway alone is not cut off in the same moment.
        let until = if until <= now { until + LEEWAY } else { until };
        Ok(Grant { channels, subject: sub.map(Arc::from), expires, until })
    }

    /// The claims of a token whose signature is good. Nothing else of them is checked.
    fn verified(&self, token: &str) -> Result<Claims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
            ErrorKind::Json(error) if error.is_data() => TokenError::Algorithm,
            _ => TokenError::Malformed,
        })?;
        if header.crit.is_some() {
            return Err(TokenError::Algorithm);
        }
        // The crate goes by the system's clock and is lenient about missing claims: times and audience are ours.
        let mut form = Validation::new(header.alg);
        form.required_spec_claims.clear();
        (form.validate_exp, form.validate_nbf, form.validate_aud) = (false, false, false);
        let mut fault = if self.is_empty() { TokenError::NoSecret } else { TokenError::Algorithm };
        for PublicKey { key, .. } in self.keys.iter().filter(|key| key.algorithm == header.alg) {
            match jsonwebtoken::decode::<Claims>(token, key, &form) {
                Ok(data) => return Ok(data.claims),
                Err(error) => {
                    fault = match error.kind() {
                        ErrorKind::InvalidSignature => TokenError::Signature,
                        ErrorKind::Json(error) if error.is_data() => return Err(TokenError::Claims),
                        _ => return Err(TokenError::Malformed),
                    };
                }
            }
        }
        Err(fault)
    }

    /// Signs a token. None without a secret.
    pub fn sign(&self, new: NewToken) -> Option<String> {
        let secret = self.signs.as_ref()?;
        let NewToken { subscribe, publish, cancel, subject, expires, until } = new;
        let until = until.map(NumericDate::of);
        let claims = Claims {
            exp: NumericDate::of(expires),
            nbf: None,
            aud: Audience::One(self.audience.clone()),
            sub: subject,
            rillmark: Channels { subscribe, publish, cancel, until },
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, secret);
        Some(token.expect("texts and numbers serialise, and HS256 takes any key"))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("keys", &self.keys.len()).field("audience", &self.audience).finish()
    }
}

#[cfg(all(test, feature = "public-keys"))]
mod public_key_tests;
#[cfg(test)]
mod tests;
