//! Who may call: API keys, the checks of keyless mode, origins, and the client's address.
//!
//! Pure: no socket, no clock, no header map. `http` gathers the facts of a request and asks here.
//!
//! **Source:** RFC 6750 §2.1 and §3 (bearer keys and their refusal), RFC 6454 (origins), RFC 7239 and the
//! `X-Forwarded-For` custom (addresses behind proxies).

pub mod address;
pub mod origin;

use secrecy::SecretString;

pub use address::TrustedProxy;
pub use origin::Origin;

/// Who may call, as the operator set it. `Default` is keyless mode with nothing allowed beyond the service's own origin.
#[derive(Clone, Debug, Default)]
pub struct AuthOptions {
    /// API keys of backends (`RILLMARK_API_KEYS`), several so that they can be rotated. Empty means keyless mode:
    /// loopback and Unix sockets only, each request checked for signs of a foreign page or a proxy.
    pub api_keys: Vec<SecretString>,
    /// Origins of pages that may call from a browser (`RILLMARK_ALLOWED_ORIGINS`). Empty allows the service's own only.
    pub allowed_origins: Vec<Origin>,
    /// Peers whose `X-Forwarded-For` is believed (`RILLMARK_TRUSTED_PROXIES`). Empty believes nobody's.
    pub trusted_proxies: Vec<TrustedProxy>,
}
