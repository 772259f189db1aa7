//! Origins of web pages: parsed once, compared as values.
//!
//! **Invariant:** two spellings of one origin are one value (`spellings_of_one_origin_are_equal`).
//!
//! **Source:** RFC 6454 §4 and §6.2 (what an origin is and how it is written), RFC 3986 §3.2.2 (hosts).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The longest origin that is read, in bytes: a DNS name is at most 253, the rest is scheme and port.
pub const ORIGIN_BYTES_MAX: usize = 300;

/// A web origin: scheme, host and port. The default port of `http` and `https` is never written.
///
/// ```
/// use rillmark::auth::Origin;
/// let origin: Origin = "https://App.example:443".parse().unwrap();
/// assert_eq!(origin.to_string(), "https://app.example");
/// assert!("null".parse::<Origin>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

/// Why a text is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// `*` or a pattern.
    #[error("`{0}` is a pattern: name each origin in full")]
    Pattern(String),
    /// No `scheme://` in front; `null` is one of these.
    #[error("`{0}` is no origin: it begins with a scheme, as in `https://app.example`")]
    Scheme(String),
    /// Something follows host and port.
    #[error("`{0}` has more than scheme, host and port")]
    Path(String),
    /// The host is empty, too long or holds a character that no host has.
    #[error("`{0}` has no valid host (write international names in their `xn--` form)")]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("`{0}` has no valid port")]
    Port(String),
}

impl Origin {
    /// Whether a page of this origin was served by the host that the request's `Host` header names: same host, and same
    /// port, where a missing one is the default of the page's scheme (a proxy may have taken the TLS off).
    pub fn is_of(&self, authority: &Authority) -> bool {
        let Some(default) = default_port(&self.scheme) else { return false };
        self.host == authority.host && self.port.unwrap_or(default) == authority.port.unwrap_or(default)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = || text.chars().take(80).collect::<String>();
        if text.contains('*') {
            return Err(OriginError::Pattern(shown()));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| OriginError::Scheme(shown()))?;
        let mut letters = scheme.bytes();
        let valid = letters.next().is_some_and(|b| b.is_ascii_alphabetic())
            && letters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        if !valid {
            return Err(OriginError::Scheme(shown()));
        }
        if text.len() > ORIGIN_BYTES_MAX {
            return Err(OriginError::Host(shown()));
        }
        if rest.contains(['/', '?', '#', '@']) {
            return Err(OriginError::Path(shown()));
        }
        let Authority { host, port } = rest.parse::<Authority>().map_err(|error| match error {
            AuthorityError::Host => OriginError::Host(shown()),
            AuthorityError::Port => OriginError::Port(shown()),
        })?;
        let scheme = scheme.to_ascii_lowercase();
        let port = port.filter(|port| Some(*port) != default_port(&scheme));
        Ok(Self { scheme, host, port })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// A `Host` header: host in lower case without a root dot, and the port if one was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority {
    host: String,
    port: Option<u16>,
}

/// Which part of an authority is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// The host.
    #[error("invalid host")]
    Host,
    /// The port.
    #[error("invalid port")]
    Port,
}

impl Authority {
    /// Whether the host can only be this machine: `localhost`, a name below it, or a loopback address. A page of another
    /// site that had its own name point to 127.0.0.1 (DNS rebinding, CWE-350) sends that name, which is none of these.
    pub fn is_loopback(&self) -> bool {
        let address = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match address {
            Some(v6) => v6.parse::<Ipv6Addr>().is_ok_and(|v6| v6.to_canonical().is_loopback()),
            None => {
                self.host == "localhost"
                    || self.host.ends_with(".localhost")
                    || self.host.parse::<Ipv4Addr>().is_ok_and(|v4| v4.is_loopback())
            }
        }
    }
}

impl FromStr for Authority {
    type Err = AuthorityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let split = if text.starts_with('[') { text.find(']').map(|end| end + 1) } else { text.find(':') };
        let (host, rest) = text.split_at(split.unwrap_or(text.len()));
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            Some("") => None, // `host:` means the default port, RFC 3986 §3.2.3.
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().ok().filter(|port| *port != 0).ok_or(AuthorityError::Port)?)
            }
            _ => return Err(AuthorityError::Port),
        };
        Ok(Self { host: parse_host(host).ok_or(AuthorityError::Host)?, port })
    }
}

/// The host in its one spelling: addresses canonical, names in lower case without the root dot.
fn parse_host(host: &str) -> Option<String> {
    if let Some(v6) = host.strip_prefix('[') {
        return v6.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(|v6| format!("[{v6}]"));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let ok = (1..=253).contains(&host.len()) && host.bytes().all(valid) && !host.split('.').any(str::is_empty);
    ok.then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_origin_are_equal() {
        for (text, written) in [
            ("https://app.example", "https://app.example"),
            ("HTTPS://App.Example:443", "https://app.example"),
            ("http://app.example.:80", "http://app.example"),
            ("http://app.example:443", "http://app.example:443"),
            ("http://[0:0::1]:8700", "http://[::1]:8700"),
            ("tauri://localhost", "tauri://localhost"),
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!(origin.to_string(), written, "{text}");
            assert_eq!(written.parse::<Origin>().unwrap(), origin, "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_origin_is_refused_by_its_fault() {
        let check = |text: &str, error: fn(String) -> OriginError| {
            assert_eq!(text.parse::<Origin>(), Err(error(text.chars().take(80).collect())), "{text}");
        };
        check("*", OriginError::Pattern);
        check("https://*.example", OriginError::Pattern);
        check("null", OriginError::Scheme);
        check("", OriginError::Scheme);
        check("app.example", OriginError::Scheme);
        check("://app.example", OriginError::Scheme);
        check("1http://app.example", OriginError::Scheme);
        check("https://app.example/", OriginError::Path);
        check("https://me@app.example", OriginError::Path);
        check("https://", OriginError::Host);
        check("https://app..example", OriginError::Host);
        check("https://münchen.example", OriginError::Host);
        check("https://a b", OriginError::Host);
        check("https://[::1", OriginError::Host);
        check("https://[localhost]", OriginError::Host);
        check(&format!("https://{}", "a".repeat(300)), OriginError::Host);
        check("https://app.example:0", OriginError::Port);
        check("https://app.example:65536", OriginError::Port);
        check("https://app.example:+1", OriginError::Port);
        check("https://[::1]8700", OriginError::Port);
    }

    #[test]
    fn loopback_hosts_are_told_from_names_that_only_look_so() {
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST:8700", true),
            ("localhost.", true),
            ("app.localhost", true),
            ("127.0.0.1:8700", true),
            ("127.8.9.10", true),
            ("[::1]:8700", true),
            ("[::ffff:127.0.0.1]", true),
            ("128.0.0.1", false),
            ("0.0.0.0", false),
            ("[::]", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            ("notlocalhost", false),
            ("127.1", false),
            ("10.0.0.1", false),
            ("[fe80::1]", false),
        ] {
            assert_eq!(host.parse::<Authority>().unwrap().is_loopback(), expected, "{host}");
        }
    }

    #[test]
    fn a_page_is_of_the_host_that_served_it() {
        for (origin, host, expected) in [
            ("http://127.0.0.1:8700", "127.0.0.1:8700", true),
            ("https://md.example", "md.example", true),
            ("https://md.example", "MD.example.:443", true),
            ("http://md.example", "md.example:80", true),
            ("http://md.example", "md.example:443", false),
            ("http://127.0.0.1:8700", "127.0.0.1:8701", false),
            ("http://localhost:8700", "127.0.0.1:8700", false),
            ("https://evil.example", "md.example", false),
            ("tauri://localhost", "localhost", false),
        ] {
            let (page, host_header): (Origin, Authority) = (origin.parse().unwrap(), host.parse().unwrap());
            assert_eq!(page.is_of(&host_header), expected, "{origin} at {host}");
        }
    }
}
