//! What of a request bears on who may call: facts that `http` gathers, so that the checks stay pure.

/// One header that may stand at most once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header<'a> {
    /// Not there.
    #[default]
    Absent,
    /// There, once, in visible ASCII.
    One(&'a str),
    /// There more than once, or not as text. Never taken for absent.
    Unreadable,
}

impl<'a> Header<'a> {
    /// The value, if there is exactly one.
    pub fn one(self) -> Option<&'a str> {
        match self {
            Self::One(value) => Some(value),
            _ => None,
        }
    }
}

/// Through what the request came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// A TCP connection: any page in a browser of this machine can open one.
    #[default]
    Tcp,
    /// A Unix socket, which no browser can reach.
    Unix,
}

/// The facts of one request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// How it came.
    pub transport: Transport,
    /// The method, as sent.
    pub method: &'a str,
    /// The path, as sent, without the query.
    pub path: &'a str,
    /// `Host`; unreadable also where the request target names another host.
    pub host: Header<'a>,
    /// `Origin`.
    pub origin: Header<'a>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Header<'a>,
    /// `Sec-Fetch-Mode`.
    pub fetch_mode: Header<'a>,
    /// Whether there is any `Forwarded` or `X-Forwarded-*`.
    pub forwarded: bool,
}

/// Whether a header of this name (in any case) says that a proxy passed the request on.
///
/// ```
/// use rillmark::auth::is_forwarding;
/// assert!(is_forwarding("Forwarded") && is_forwarding("x-forwarded-for") && !is_forwarding("forward"));
/// ```
pub fn is_forwarding(name: &str) -> bool {
    const PREFIX: &str = "x-forwarded-";
    name.eq_ignore_ascii_case("forwarded")
        || name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
