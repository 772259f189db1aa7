//! Which web pages may call, and what keyless mode asks of every request.
//!
//! Keyless mode trusts whoever can connect, and listens on loopback and Unix sockets only. A browser on the same machine
//! can connect too, on behalf of any page it shows. So a request that bears the mark of a foreign page or of a proxy is
//! refused: a foreign `Origin`, or `Sec-Fetch-Site` where the browser sends no `Origin` (CWE-352); a `Host` that is
//! no loopback name, which is how a page reaches us after its own name was pointed to 127.0.0.1 (DNS rebinding, CWE-350);
//! a forwarding header, which says that the caller is elsewhere.
//!
//! **Invariant:** `null`, which any sandboxed page can send, is never allowed (`origins_are_own_or_allowed`). What is
//! exempt holds no secret and changes nothing (`what_anyone_may_see_is_exempt`).
//!
//! **Source:** Fetch §3.2 (`Origin`), Fetch Metadata §2 (`Sec-Fetch-Site`, `Sec-Fetch-Mode`), RFC 9110 §7.2 (`Host`).

use super::Auth;
use super::origin::{Authority, Origin};
use super::request::{Facts, Header, Transport};

/// Why a request is forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Keyless on TCP, and `Host` is missing or no loopback name.
    #[error("without API keys this service answers only to loopback names in `Host`, such as `localhost`")]
    Host,
    /// The page's origin is neither the service's own nor allowed.
    #[error("pages of this `Origin` may not call")]
    Origin,
    /// Keyless, no `Origin`, and the browser says that the request began on another site.
    #[error("without API keys this service answers no request that another site began (`Sec-Fetch-Site`)")]
    Site,
    /// Keyless, and a proxy passed the request on.
    #[error("without API keys this service answers no forwarded request: set an API key to serve behind a proxy")]
    Forwarded,
}

/// The page that a request came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// No `Origin`: no page, or a navigation.
    None,
    /// A page that this service served.
    Own,
    /// A page of an allowed origin: it may read the answer (CORS).
    Allowed(Origin),
}

impl Auth {
    /// The page that a request came from, if pages of its origin may call.
    ///
    /// # Errors
    /// [`Refusal::Origin`] where they may not, `null` and unreadable origins included.
    pub fn page(&self, facts: &Facts<'_>) -> Result<Page, Refusal> {
        let text = match facts.origin {
            Header::Absent => return Ok(Page::None),
            Header::One(text) => text,
            Header::Unreadable => return Err(Refusal::Origin),
        };
        let origin: Origin = text.parse().map_err(|_| Refusal::Origin)?;
        if self.allowed_origins.contains(&origin) {
            return Ok(Page::Allowed(origin));
        }
        match authority(facts.host) {
            Some(host) if origin.is_of(&host) => Ok(Page::Own),
            _ => Err(Refusal::Origin),
        }
    }

    /// The checks of keyless mode; with API keys or token secrets there are none here.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies, but for what anyone may see.
    pub fn check_keyless(&self, facts: &Facts<'_>) -> Result<(), Refusal> {
        if !self.is_keyless() || is_exempt(facts) {
            return Ok(());
        }
        if facts.transport == Transport::Tcp && !authority(facts.host).is_some_and(|host| host.is_loopback()) {
            return Err(Refusal::Host);
        }
        if facts.forwarded {
            return Err(Refusal::Forwarded);
        }
        if self.page(facts)? == Page::None && !is_same_site(facts.fetch_site) {
            return Err(Refusal::Site);
        }
        Ok(())
    }
}

impl Facts<'_> {
    /// Whether no browser says that another site began this request.
    pub fn is_same_site(&self) -> bool {
        is_same_site(self.fetch_site)
    }
}

fn authority(host: Header<'_>) -> Option<Authority> {
    host.one()?.parse().ok()
}

/// `same-origin`, or `none` (typed, bookmarked), or no browser that tells.
fn is_same_site(fetch_site: Header<'_>) -> bool {
    matches!(fetch_site, Header::Absent | Header::One("same-origin" | "none"))
}

/// What anyone may see: liveness and readiness, the browser client (pages of other origins load it), and the pages for
/// people when a browser goes there.
fn is_exempt(facts: &Facts<'_>) -> bool {
    let path = facts.path;
    let navigation = || facts.method == "GET" && facts.fetch_mode == Header::One("navigate");
    let for_people =
        || matches!(path, "/" | "/docs" | "/problems") || ["/docs/", "/problems/"].iter().any(|p| path.starts_with(p));
    let client = || path == "/client.js" || (path.starts_with("/client-") && path.ends_with(".js"));
    matches!(path, "/healthz" | "/readyz") || client() || navigation() && for_people()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::AuthOptions;

    fn auth(keys: &[&str], origins: &[&str]) -> Auth {
        Auth::new(AuthOptions {
            api_keys: keys.iter().map(|key| (*key).into()).collect(),
            allowed_origins: origins.iter().map(|origin| origin.parse().unwrap()).collect(),
            ..Default::default()
        })
    }

    /// What a backend on the same machine sends.
    fn backend() -> Facts<'static> {
        Facts { method: "POST", path: "/render", host: Header::One("127.0.0.1:8700"), ..Default::default() }
    }

    fn one(text: &str) -> Header<'_> {
        if text.is_empty() { Header::Absent } else { Header::One(text) }
    }

    #[test]
    fn keyless_requests_are_judged_line_by_line() {
        use Refusal::{Forwarded, Host, Origin, Site};
        let app = "https://app.example";
        // Host, Origin, Sec-Fetch-Site, forwarded; what comes of it over TCP, and over a Unix socket.
        for (host, origin, site, forwarded, tcp, unix) in [
            ("127.0.0.1:8700", "", "", false, Ok(()), Ok(())),
            ("localhost:8700", "", "none", false, Ok(()), Ok(())),
            ("[::1]:8700", "http://[::1]:8700", "same-origin", false, Ok(()), Ok(())),
            ("localhost:8700", app, "cross-site", false, Ok(()), Ok(())),
            ("evil.example:8700", "", "", false, Err(Host), Ok(())),
            ("evil.example:8700", "http://evil.example:8700", "same-origin", false, Err(Host), Ok(())),
            ("0.0.0.0:8700", "", "", false, Err(Host), Ok(())),
            ("", "", "", false, Err(Host), Ok(())),
            ("local host", "", "", false, Err(Host), Ok(())),
            ("localhost:8700", "https://evil.example", "", false, Err(Origin), Err(Origin)),
            ("localhost:8700", "http://127.0.0.1:8700", "", false, Err(Origin), Err(Origin)),
            ("localhost:8700", "http://localhost:3000", "same-site", false, Err(Origin), Err(Origin)),
            ("localhost:8700", "null", "", false, Err(Origin), Err(Origin)),
            ("localhost:8700", "https://app.example.evil.example", "", false, Err(Origin), Err(Origin)),
            ("localhost:8700", "", "cross-site", false, Err(Site), Err(Site)),
            ("localhost:8700", "", "same-site", false, Err(Site), Err(Site)),
            ("localhost:8700", "", "sideways", false, Err(Site), Err(Site)),
            ("localhost:8700", "", "", true, Err(Forwarded), Err(Forwarded)),
            ("localhost:8700", app, "", true, Err(Forwarded), Err(Forwarded)),
        ] {
            let auth = auth(&[], &[app]);
            let over_tcp =
                Facts { host: one(host), origin: one(origin), fetch_site: one(site), forwarded, ..backend() };
            let over_unix = Facts { transport: Transport::Unix, ..over_tcp };
            assert_eq!(auth.check_keyless(&over_tcp), tcp, "{over_tcp:?}");
            assert_eq!(auth.check_keyless(&over_unix), unix, "{over_unix:?}");
        }
    }

    #[test]
    fn a_header_that_cannot_be_read_is_never_taken_for_absent() {
        let auth = auth(&[], &[]);
        let bad = Header::Unreadable;
        assert_eq!(auth.check_keyless(&Facts { host: bad, ..backend() }), Err(Refusal::Host));
        assert_eq!(auth.check_keyless(&Facts { origin: bad, ..backend() }), Err(Refusal::Origin));
        assert_eq!(auth.check_keyless(&Facts { fetch_site: bad, ..backend() }), Err(Refusal::Site));
        let page = Facts { method: "GET", path: "/docs", fetch_mode: bad, forwarded: true, ..backend() };
        assert_eq!(auth.check_keyless(&page), Err(Refusal::Forwarded));
    }

    #[test]
    fn what_anyone_may_see_is_exempt() {
        let auth = auth(&[], &[]);
        for (method, path, mode, expected) in [
            ("GET", "/healthz", "", true),
            ("HEAD", "/readyz", "no-cors", true),
            ("GET", "/client.js", "cors", true),
            ("GET", "/client-0123456789abcdef.js", "cors", true),
            ("GET", "/client-x/render", "cors", false),
            ("GET", "/", "navigate", true),
            ("GET", "/docs", "navigate", true),
            ("GET", "/docs/", "navigate", true),
            ("GET", "/problems", "navigate", true),
            ("GET", "/problems/busy", "navigate", true),
            ("GET", "/", "", false),
            ("GET", "/docs", "cors", false),
            ("POST", "/", "navigate", false),
            ("GET", "/docsx", "navigate", false),
            ("GET", "/metrics", "navigate", false),
            ("GET", "/openapi.json", "navigate", false),
            ("POST", "/render", "navigate", false),
            ("GET", "/healthz/x", "", false),
        ] {
            let foreign = Facts {
                host: Header::One("evil.example"),
                origin: Header::One("https://evil.example"),
                fetch_site: Header::One("cross-site"),
                fetch_mode: one(mode),
                forwarded: true,
                method,
                path,
                ..Default::default()
            };
            assert_eq!(auth.check_keyless(&foreign).is_ok(), expected, "{method} {path} {mode}");
        }
    }

    #[test]
    fn with_keys_nothing_of_keyless_mode_is_asked() {
        let facts = Facts { host: Header::One("md.example"), forwarded: true, ..backend() };
        assert_eq!(auth(&["k"], &[]).check_keyless(&facts), Ok(()));
    }

    #[test]
    fn origins_are_own_or_allowed() {
        let auth = auth(&["k"], &["https://app.example"]);
        for (origin, expected) in [
            ("", Ok(Page::None)),
            ("https://md.example", Ok(Page::Own)),
            ("https://app.example", Ok(Page::Allowed("https://app.example".parse().unwrap()))),
            ("http://app.example", Err(Refusal::Origin)),
            ("https://app.example:8443", Err(Refusal::Origin)),
            ("null", Err(Refusal::Origin)),
            ("*", Err(Refusal::Origin)),
        ] {
            let facts = Facts { host: Header::One("md.example"), origin: one(origin), ..backend() };
            assert_eq!(auth.page(&facts), expected, "{origin}");
        }
        let facts = Facts { host: Header::Absent, origin: Header::One("https://md.example"), ..backend() };
        assert_eq!(auth.page(&facts), Err(Refusal::Origin));
    }
}
