//! Who may call: API keys, tokens, the checks of keyless mode, origins, and the client's address.
//!
//! Pure: no socket, no clock, no header map. `http` gathers the [`Facts`] of a request and asks [`Auth`].
//!
//! **Source:** RFC 6750 §2.1 and §3 (bearer keys and their refusal), RFC 6454 (origins), RFC 7239 and the
//! `X-Forwarded-For` custom (addresses behind proxies).

pub mod address;
mod keys;
pub mod origin;
mod pages;
mod pass;
mod request;
pub mod token;

use std::fmt;

use secrecy::SecretString;

use self::keys::ApiKeys;
pub use address::{ClientAddress, Peer, TrustedProxy, client_address};
pub use keys::{API_KEY_BYTES_MAX, ApiKeyError, KeyIndex, Unauthorized, check_api_key};
pub use origin::Origin;
pub use pages::{Page, Refusal};
pub use pass::{NotAllowed, Pass, Shown, ShownIn, Subject, TOKEN_COOKIE, TOKEN_PARAMETER};
pub use request::{Facts, Header, Transport, is_forwarding};
pub use token::{
    Action, Grant, NewToken, Pattern, PublicKey, PublicKeyError, TOKEN_SECRET_BYTES_MIN, TokenError, Tokens,
    check_token_secret,
};

/// Who may call, as the operator set it. `Default` is keyless mode with nothing allowed beyond the service's own origin.
#[derive(Clone, Debug)]
pub struct AuthOptions {
    /// API keys of backends (`RILLMARK_API_KEYS`), several so that they can be rotated; each passes [`check_api_key`].
    /// Empty, and no token secrets either, means keyless mode: loopback and Unix sockets only, each request checked for signs of a foreign page or a
    /// proxy.
    pub api_keys: Vec<SecretString>,
    /// Secrets with which subscribers' tokens are signed (`RILLMARK_TOKEN_SECRET`), each of at least 32 bytes; the first
    /// one mints, all verify. Empty: tokens open nothing.
    pub token_secrets: Vec<SecretString>,
    /// Public keys by which tokens are verified as well (`RILLMARK_TOKEN_PUBLIC_KEYS`).
    pub token_public_keys: Vec<PublicKey>,
    /// What a token's `aud` must name (`RILLMARK_TOKEN_AUDIENCE`).
    pub token_audience: String,
    /// Origins of pages that may call from a browser (`RILLMARK_ALLOWED_ORIGINS`). Empty allows the service's own only.
    pub allowed_origins: Vec<Origin>,
    /// Peers whose `X-Forwarded-For` is believed (`RILLMARK_TRUSTED_PROXIES`). Empty believes nobody's.
    pub trusted_proxies: Vec<TrustedProxy>,
}

/// The audience where nobody sets another.
pub const TOKEN_AUDIENCE: &str = "rillmark";

impl Default for AuthOptions {
    fn default() -> Self {
        Self {
            api_keys: Vec::new(),
            token_secrets: Vec::new(),
            token_public_keys: Vec::new(),
            token_audience: TOKEN_AUDIENCE.to_owned(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
        }
    }
}

/// Answers who may call.
pub struct Auth {
    keys: ApiKeys,
    tokens: Tokens,
    allowed_origins: Vec<Origin>,
    trusted_proxies: Vec<TrustedProxy>,
}

/// Whose rate a request counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// The holder of an API key, from wherever it calls.
    Key(KeyIndex),
    /// The holder of a token that names one, from wherever it calls.
    Subject(Subject),
    /// No key, and this address.
    Address(ClientAddress),
    /// No key and no address: everyone on a Unix socket together.
    Local,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "key {key}"),
            Self::Subject(subject) => write!(f, "sub {subject}"),
            Self::Address(address) => write!(f, "address {address}"),
            Self::Local => f.write_str("local"),
        }
    }
}

impl Auth {
    /// Takes the operator's settings. Keys that [`check_api_key`] refuses are left out, so check them before.
    pub fn new(options: AuthOptions) -> Self {
        let AuthOptions {
            api_keys,
            token_secrets,
            token_public_keys,
            token_audience,
            allowed_origins,
            trusted_proxies,
        } = options;
        let tokens = Tokens::new(&token_secrets, &token_audience).with_public_keys(token_public_keys);
        Self { keys: ApiKeys::new(&api_keys), tokens, allowed_origins, trusted_proxies }
    }

    /// Whether the service has neither API keys nor anything that verifies tokens, so that whoever can connect may call.
    pub fn is_keyless(&self) -> bool {
        self.keys.is_empty() && self.tokens.is_empty()
    }

    /// What reads and signs tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The address of the client, see [`client_address`].
    pub fn client_address<'a>(
        &self,
        peer: Peer,
        forwarded_for: impl DoubleEndedIterator<Item = &'a str>,
    ) -> Option<ClientAddress> {
        client_address(peer, forwarded_for, &self.trusted_proxies)
    }

    /// The caller of something that only backends may do: the holder of the key in `authorization`, or, in keyless mode,
    /// whoever is at `address`.
    ///
    /// # Errors
    /// [`Unauthorized`] where a key is needed and none of the operator's was presented.
    pub fn backend(&self, authorization: Header<'_>, address: Option<ClientAddress>) -> Result<Caller, Unauthorized> {
        if self.is_keyless() {
            return Ok(address.map_or(Caller::Local, Caller::Address));
        }
        self.keys.identify(authorization).map(Caller::Key)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Auth");
        shown
            .field("keyless", &self.is_keyless())
            .field("tokens", &self.tokens)
            .field("allowed_origins", &self.allowed_origins);
        shown.field("trusted_proxies", &self.trusted_proxies).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_its_key_or_in_keyless_mode_its_address() {
        let address = ClientAddress::from(std::net::IpAddr::from([192, 0, 2, 1]));
        let keyless = Auth::new(AuthOptions::default());
        let presented = Header::One("Bearer k");
        assert_eq!(keyless.backend(presented, Some(address)), Ok(Caller::Address(address)));
        assert_eq!(keyless.backend(presented, None), Ok(Caller::Local));
        let keyed = Auth::new(AuthOptions { api_keys: vec!["k".into()], ..Default::default() });
        assert!(matches!(keyed.backend(presented, Some(address)), Ok(Caller::Key(_))));
        assert_eq!(keyed.backend(Header::Absent, Some(address)), Err(Unauthorized));
    }
}
