//! Where the service listens: a TCP address or a Unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// One place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `127.0.0.1:8700`, `[::1]:8700`; port 0 takes a free one.
    Tcp(SocketAddr),
    /// `unix:/run/rillmark.sock`.
    Unix(PathBuf),
}

/// Text that is no [`Listen`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address with a port, such as 127.0.0.1:8700, nor unix:/path")]
pub struct NotAListen(String);

impl FromStr for Listen {
    type Err = NotAListen;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') && !path.ends_with('/') => Ok(Self::Unix(PathBuf::from(path))),
            Some(_) => Err(NotAListen(text.to_owned())),
            None => {
                let text =
                    text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}")).unwrap_or(text.to_owned());
                text.parse().map(Self::Tcp).map_err(|_| NotAListen(text))
            }
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Listen {
    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["127.0.0.1:8700", "[::1]:0", "0.0.0.0:80", "unix:/run/rillmark.sock"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        assert_eq!("localhost:8700".parse::<Listen>().unwrap().to_string(), "127.0.0.1:8700");
        for text in ["", "8700", "unix:", "unix:relative", "unix:/dir/", "example.org:80", "127.0.0.1"] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_and_unix_are_local() {
        let local = |text: &str| text.parse::<Listen>().unwrap().is_local();
        assert!(local("127.8.9.1:1") && local("[::1]:1") && local("unix:/a"));
        assert!(!local("0.0.0.0:1") && !local("[::]:1") && !local("192.0.2.1:1"));
    }
}
