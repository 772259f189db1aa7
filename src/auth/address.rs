//! The client's address: the peer, or what a trusted proxy says of it.
//!
//! **Invariant:** what an untrusted peer writes into `X-Forwarded-For` never names the client
//! (`only_trusted_hops_are_believed`).
//!
//! **Source:** the `X-Forwarded-For` custom (each proxy appends the address it saw), RFC 4291 §2.5.5.2 (IPv4-mapped
//! addresses), RFC 6177 (a site holds at least a /64).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// A peer whose `X-Forwarded-For` is believed.
///
/// ```
/// use rillmark::auth::TrustedProxy;
/// assert_eq!("10.0.0.0/8".parse::<TrustedProxy>().unwrap().to_string(), "10.0.0.0/8");
/// assert_eq!("10.1.2.3".parse::<TrustedProxy>().unwrap().to_string(), "10.1.2.3/32");
/// assert_eq!("unix".parse::<TrustedProxy>().unwrap(), TrustedProxy::Unix);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedProxy {
    /// Every address of a network.
    Net(IpNet),
    /// Whoever can connect to a Unix socket of ours.
    Unix,
}

/// The text is neither a network nor `unix`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address, a network such as `10.0.0.0/8`, nor `unix`")]
pub struct TrustedProxyError(String);

impl FromStr for TrustedProxy {
    type Err = TrustedProxyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("unix") {
            return Ok(Self::Unix);
        }
        let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map(|net| Self::Net(net.trunc())).map_err(|_| TrustedProxyError(text.chars().take(80).collect()))
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) => net.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// Who is at the other end of the connection itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP peer.
    Tcp(IpAddr),
    /// A process on this machine, through a Unix socket.
    Unix,
}

/// The client as limits tell it from others: an IPv4 address, or an IPv6 /64, since one site holds at least that much
/// and could else take a new address for every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)))),
            v4 => Self(v4),
        }
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V6(v6) => write!(f, "{v6}/64"),
            IpAddr::V4(v4) => v4.fmt(f),
        }
    }
}

/// The address of the client: the peer, or, where the peer is trusted, the rightmost address in `forwarded_for` (the
/// values of all `X-Forwarded-For` headers, in order) that is not trusted itself. If all are trusted, the leftmost.
///
/// None where nobody names one: a Unix peer without a trusted header, or a trusted proxy that wrote something that is no
/// address. Then no limit per address applies to it alone.
pub fn client_address<'a>(
    peer: Peer,
    forwarded_for: impl DoubleEndedIterator<Item = &'a str>,
    trusted: &[TrustedProxy],
) -> Option<ClientAddress> {
    let is_trusted = |peer: Peer| trusted.iter().any(|proxy| proxy.covers(peer));
    let mut nearest = match peer {
        Peer::Tcp(address) => Some(address),
        Peer::Unix => None,
    };
    if is_trusted(peer) {
        for hop in forwarded_for.rev().flat_map(|value| value.rsplit(',')).map(str::trim).filter(|hop| !hop.is_empty())
        {
            nearest = parse_hop(hop);
            match nearest {
                Some(address) if is_trusted(Peer::Tcp(address)) => {}
                _ => break,
            }
        }
    }
    nearest.map(ClientAddress::from)
}

impl TrustedProxy {
    fn covers(&self, peer: Peer) -> bool {
        match (self, peer) {
            (Self::Unix, Peer::Unix) => true,
            (Self::Net(net), Peer::Tcp(address)) => net.contains(&address.to_canonical()),
            _ => false,
        }
    }
}

/// One entry of the header: an address, with a port in some proxies (`1.2.3.4:5678`, `[2001:db8::1]:5678`).
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = || hop.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    bare().or_else(with_port).or_else(bracketed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded: &[&str], trusted: &[&str], expected: Option<&str>) {
        let peer_is = if peer == "unix" { Peer::Unix } else { Peer::Tcp(peer.parse().unwrap()) };
        let trusted: Vec<TrustedProxy> = trusted.iter().map(|proxy| proxy.parse().unwrap()).collect();
        let found = client_address(peer_is, forwarded.iter().copied(), &trusted).map(|address| address.to_string());
        assert_eq!(found.as_deref(), expected, "{peer} {forwarded:?} {trusted:?}");
    }

    #[test]
    fn only_trusted_hops_are_believed() {
        check("192.0.2.1", &["203.0.113.9"], &[], Some("192.0.2.1"));
        check("192.0.2.1", &["203.0.113.9"], &["10.0.0.0/8"], Some("192.0.2.1"));
        check("10.0.0.1", &["203.0.113.9"], &["10.0.0.0/8"], Some("203.0.113.9"));
        check("10.0.0.1", &["6.6.6.6, 203.0.113.9, 10.0.0.7"], &["10.0.0.0/8"], Some("203.0.113.9"));
        check("10.0.0.1", &["6.6.6.6", "203.0.113.9", "10.0.0.7"], &["10.0.0.0/8"], Some("203.0.113.9"));
        check("10.0.0.1", &["6.6.6.6, unknown, 10.0.0.7"], &["10.0.0.0/8"], None);
        check("unix", &["203.0.113.9"], &["unix"], Some("203.0.113.9"));
        check("unix", &["203.0.113.9"], &["10.0.0.0/8"], None);
        check("10.0.0.1", &["203.0.113.9"], &["unix"], Some("10.0.0.1"));
    }

    #[test]
    fn without_an_untrusted_hop_the_farthest_one_is_the_client() {
        check("10.0.0.1", &[], &["10.0.0.0/8"], Some("10.0.0.1"));
        check("10.0.0.1", &[" ,, "], &["10.0.0.0/8"], Some("10.0.0.1"));
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], &["10.0.0.0/8"], Some("10.0.0.3"));
        check("unix", &[], &["unix"], None);
    }

    #[test]
    fn addresses_have_one_spelling_and_sites_one_address() {
        check("2001:db8:1:2:3:4:5:6", &[], &[], Some("2001:db8:1:2::/64"));
        check("::ffff:192.0.2.1", &[], &[], Some("192.0.2.1"));
        check("::ffff:10.0.0.1", &["203.0.113.9:4711"], &["10.0.0.0/8"], Some("203.0.113.9"));
        check("10.0.0.1", &["[2001:db8::1]:4711"], &["10.0.0.0/8"], Some("2001:db8::/64"));
        check("10.0.0.1", &["[2001:db8::1]"], &["10.0.0.0/8"], Some("2001:db8::/64"));
        check("10.0.0.1", &["::ffff:203.0.113.9"], &["10.0.0.0/8"], Some("203.0.113.9"));
        check("fd00::1", &["203.0.113.9"], &["fd00::/8"], Some("203.0.113.9"));
    }

    #[test]
    fn a_proxy_is_a_network_an_address_or_unix() {
        for (text, written) in [("10.1.2.3/8", "10.0.0.0/8"), ("::1", "::1/128"), ("UNIX", "unix")] {
            assert_eq!(text.parse::<TrustedProxy>().unwrap().to_string(), written);
        }
        for text in ["", "10.0.0.0/33", "proxy.example", "*"] {
            assert_eq!(text.parse::<TrustedProxy>(), Err(TrustedProxyError(text.to_owned())));
        }
    }
}
