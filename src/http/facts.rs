//! What of an actix request bears on who may call, gathered for `auth`.
//!
//! **Invariant:** a header that stands twice, or is not text, is never taken for absent or for its first value
//! (`doubled_and_garbled_headers_are_unreadable`).
//!
//! **Source:** RFC 9112 §3.2.2 and §3.2.3 (a request target that names a host overrules `Host`: here both must agree).

use actix_web::HttpRequest;
use actix_web::http::header::{self, AsHeaderName, HeaderMap, HeaderName};

use super::render_request::decode;
use crate::auth::{Auth, ClientAddress, Facts, Header, Peer, TOKEN_COOKIE, TOKEN_PARAMETER, Transport, is_forwarding};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The facts of one request.
pub(super) fn facts(request: &HttpRequest) -> Facts<'_> {
    let headers = request.headers();
    Facts {
        transport: match peer(request) {
            Peer::Tcp(_) => Transport::Tcp,
            Peer::Unix => Transport::Unix,
        },
        method: request.method().as_str(),
        path: request.path(),
        host: host(request),
        origin: single(headers, header::ORIGIN),
        fetch_site: single(headers, SEC_FETCH_SITE),
        fetch_mode: single(headers, SEC_FETCH_MODE),
        forwarded: headers.keys().any(|name| is_forwarding(name.as_str())),
    }
}

/// A header that may stand once.
pub(super) fn single(headers: &HeaderMap, name: impl AsHeaderName) -> Header<'_> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Header::Absent,
        (Some(value), None) => value.to_str().map_or(Header::Unreadable, Header::One),
        _ => Header::Unreadable,
    }
}

/// A credential that had to be looked for and decoded.
#[derive(Debug, Default)]
pub(super) struct Found(Vec<String>);

impl Found {
    /// As a header that may stand once.
    pub(super) fn as_header(&self) -> Header<'_> {
        match self.0.as_slice() {
            [] => Header::Absent,
            [one] => Header::One(one),
            _ => Header::Unreadable,
        }
    }
}

/// `Authorization`.
pub(super) fn authorization(request: &HttpRequest) -> Header<'_> {
    single(request.headers(), header::AUTHORIZATION)
}

/// The query's `token`.
pub(super) fn query_token(request: &HttpRequest) -> Found {
    let pairs = request.query_string().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    // No name of ours needs encoding, but some client may encode it.
    Found(pairs.filter(|(name, _)| decode(name) == TOKEN_PARAMETER).map(|(_, value)| decode(value)).collect())
}

/// The cookie [`TOKEN_COOKIE`]. Other cookies may hold any bytes.
pub(super) fn cookie_token(request: &HttpRequest) -> Found {
    let lines = request.headers().get_all(header::COOKIE).map(|line| String::from_utf8_lossy(line.as_bytes()));
    let mut found = Vec::new();
    for line in lines {
        let pairs = line.split(';').filter_map(|pair| pair.trim().split_once('='));
        found.extend(pairs.filter(|(name, _)| *name == TOKEN_COOKIE).map(|(_, value)| unquoted(value).to_owned()));
    }
    Found(found)
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// The client's address by the rules of the operator's proxies; none for a bare Unix socket. What is not text in a
/// forwarding header names nobody, and does not hide what a proxy wrote behind it.
pub(super) fn client_address(request: &HttpRequest, auth: &Auth) -> Option<ClientAddress> {
    let values = request.headers().get_all(header::X_FORWARDED_FOR);
    let forwarded_for: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    auth.client_address(peer(request), forwarded_for.iter().map(AsRef::as_ref))
}

fn host(request: &HttpRequest) -> Header<'_> {
    let host = single(request.headers(), header::HOST);
    match (request.uri().authority(), host) {
        (Some(target), Header::One(host)) if !host.eq_ignore_ascii_case(target.as_str()) => Header::Unreadable,
        _ => host,
    }
}

/// Unix sockets give no peer address, TCP always does.
fn peer(request: &HttpRequest) -> Peer {
    request.peer_addr().map_or(Peer::Unix, |address| Peer::Tcp(address.ip()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn doubled_and_garbled_headers_are_unreadable() {
        let mut headers = HeaderMap::new();
        assert_eq!(single(&headers, header::ORIGIN), Header::Absent);
        headers.append(header::ORIGIN, HeaderValue::from_static("https://app.example"));
        assert_eq!(single(&headers, header::ORIGIN), Header::One("https://app.example"));
        headers.append(header::ORIGIN, HeaderValue::from_static("https://app.example"));
        assert_eq!(single(&headers, header::ORIGIN), Header::Unreadable);
        headers.insert(header::ORIGIN, HeaderValue::from_bytes(b"https://\xff").unwrap());
        assert_eq!(single(&headers, header::ORIGIN), Header::Unreadable);
    }

    #[test]
    fn a_target_that_names_another_host_makes_the_host_unreadable() {
        for (target, expected) in [
            ("/render", Header::One("localhost:8700")),
            ("http://localhost:8700/render", Header::One("localhost:8700")),
            ("http://LOCALHOST:8700/render", Header::One("localhost:8700")),
            ("http://evil.example/render", Header::Unreadable),
        ] {
            let request =
                TestRequest::with_uri(target).insert_header((header::HOST, "localhost:8700")).to_http_request();
            assert_eq!(facts(&request).host, expected, "{target}");
        }
    }

    #[test]
    fn the_peer_is_tcp_where_it_has_an_address() {
        let address = ([127, 0, 0, 1], 4711).into();
        let tcp =
            TestRequest::default().peer_addr(address).insert_header(("X-Forwarded-Proto", "https")).to_http_request();
        assert!(facts(&tcp).forwarded && facts(&tcp).transport == Transport::Tcp);
        let unix = TestRequest::default().to_http_request();
        assert!(!facts(&unix).forwarded && facts(&unix).transport == Transport::Unix);
    }

    #[test]
    fn what_is_not_text_in_a_forwarding_header_names_nobody() {
        let trusting =
            crate::auth::AuthOptions { trusted_proxies: vec!["unix".parse().unwrap()], ..Default::default() };
        let auth = Auth::new(trusting);
        let with = |value: &[u8]| {
            let value = HeaderValue::from_bytes(value).unwrap();
            let request = TestRequest::default().append_header((header::X_FORWARDED_FOR, value)).to_http_request();
            client_address(&request, &auth).map(|address| address.to_string())
        };
        assert_eq!(with(b"6.6.6.6, 203.0.113.9").as_deref(), Some("203.0.113.9"));
        assert_eq!(with(b"6.6.6.6, \xff"), None);
        assert_eq!(with(b"\xff, 203.0.113.9").as_deref(), Some("203.0.113.9"));
    }

    #[test]
    fn tokens_are_found_in_query_and_cookies() {
        let request = |query: &str, cookies: &[&str]| {
            let request = TestRequest::with_uri(&format!("/sse{query}"));
            cookies
                .iter()
                .fold(request, |request, line| request.append_header((header::COOKIE, *line)))
                .to_http_request()
        };
        for (query, expected) in [
            ("", Header::Absent),
            ("?channel=a&token=x.y.z&from=now", Header::One("x.y.z")),
            ("?token=x%2Ey.z", Header::One("x.y.z")),
            ("?to%6ben=x", Header::One("x")),
            ("?token", Header::One("")),
            ("?token=x&token=x", Header::Unreadable),
            ("?tokens=x&Token=y", Header::Absent),
        ] {
            assert_eq!(query_token(&request(query, &[])).as_header(), expected, "{query}");
        }
        for (cookies, expected) in [
            (&[][..], Header::Absent),
            (&["a=b; __Host-rillmark=x.y.z; c=d"], Header::One("x.y.z")),
            (&["__Host-rillmark=\"x.y.z\""], Header::One("x.y.z")),
            (&["a=b", "__Host-rillmark=x"], Header::One("x")),
            (&["__Host-rillmark=x; __Host-rillmark=y"], Header::Unreadable),
            (&["__Host-rillmark=x", "__Host-rillmark=y"], Header::Unreadable),
            (&["__host-rillmark=x; rillmark=y; x__Host-rillmark=z"], Header::Absent),
        ] {
            assert_eq!(cookie_token(&request("", cookies)).as_header(), expected, "{cookies:?}");
        }
    }
}
