//! Every kind of refusal the service can give: one table, from which statuses, bodies, pages and the API document come.
//!
//! **Invariant:** a kind's row is its own, its slug stands once, its status fits what it says about retrying
//! (`each_kind_has_its_row`).
//! **Source:** RFC 9457 §3.1 (members), §4 (what a type's page says); RFC 9110 §15 (statuses).

/// What went wrong, as callers tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The body is not JSON.
    InvalidJson,
    /// A field or an option is unknown, missing, doubled or mistyped.
    InvalidOption,
    /// The request is not HTTP as RFC 9112 has it.
    InvalidHeader,
    /// The body's media type, charset or coding is not taken.
    UnsupportedMediaType,
    /// The body is too large.
    BodyTooLarge,
    /// No key, or a wrong one.
    Unauthorized,
    /// Known, and not allowed; or a foreign page.
    Forbidden,
    /// There is nothing at this path.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The caller's rate is used up.
    RateLimited,
    /// The service has no room for it now.
    Busy,
    /// Too many connections.
    TooManyConnections,
    /// The service is about to stop.
    Draining,
    /// The request took too long to arrive.
    Timeout,
    /// A fault of ours.
    Internal,
}

/// One row of [`KINDS`].
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The kind.
    pub kind: Kind,
    /// Its name in `type`, in the page's path, in metrics.
    pub slug: &'static str,
    /// The answer's status.
    pub status: u16,
    /// The same sentence every time.
    pub title: &'static str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// What happened and what to do, for the page. Plain text.
    pub doc: &'static str,
}

impl Kind {
    /// The kind's row.
    pub fn row(self) -> &'static Row {
        &KINDS[self as usize]
    }

    /// The row with this slug.
    pub fn by_slug(slug: &str) -> Option<&'static Row> {
        KINDS.iter().find(|row| row.slug == slug)
    }
}

const fn row(kind: Kind, slug: &'static str, status: u16, title: &'static str, doc: &'static str) -> Row {
    Row { kind, slug, status, title, retryable: matches!(status, 408 | 429 | 500 | 503), doc }
}

/// Every kind, in the order of the enum.
pub const KINDS: &[Row] = &[
    row(
        Kind::InvalidJson,
        "invalid-json",
        400,
        "The body is not valid JSON",
        "The body was announced as application/json and does not parse; the detail says where. Lone surrogates written as escapes are fine, bytes that are not UTF-8 are not.",
    ),
    row(
        Kind::InvalidOption,
        "invalid-option",
        422,
        "A field or an option was not understood",
        "A field or an option of the request is unknown, missing, given twice or of the wrong type; the detail and the member `option` name it. Nothing was rendered, so that a misspelt option never passes unseen. The API document lists all options.",
    ),
    row(
        Kind::InvalidHeader,
        "invalid-header",
        400,
        "The request is not valid HTTP",
        "The request line, a header or the framing of the body breaks the rules of HTTP/1.1, or the headers are too large (status 431 then). The connection is closed, since it is not clear where the next request would begin.",
    ),
    row(
        Kind::UnsupportedMediaType,
        "unsupported-media-type",
        415,
        "The body's media type is not supported",
        "Send application/json, text/markdown or text/plain, in UTF-8 and without Content-Encoding. The answer's Accept-Post header lists what is taken.",
    ),
    row(
        Kind::BodyTooLarge,
        "body-too-large",
        413,
        "The body is too large",
        "The body is longer than this service takes; the detail says how long it may be. The rest of it is not read and the connection is closed. text/markdown is the most compact way to send a long source.",
    ),
    row(
        Kind::Unauthorized,
        "unauthorized",
        401,
        "A valid API key is required",
        "Send Authorization: Bearer and one of the service's API keys. Whether the key was missing, malformed or wrong is not said.",
    ),
    row(
        Kind::Forbidden,
        "forbidden",
        403,
        "This request is not allowed",
        "A service without API keys answers only to programs on the same machine: the Host must be a loopback name, the request must not come from a page of another site, nor through a proxy. To serve others, set API keys (RILLMARK_API_KEYS), and allowed origins for pages (RILLMARK_ALLOWED_ORIGINS).",
    ),
    row(
        Kind::NotFound,
        "not-found",
        404,
        "There is nothing here",
        "No route of the service has this path. If RILLMARK_INTERNAL_LISTEN is set, rendering, metrics and docs are served only there.",
    ),
    row(
        Kind::MethodNotAllowed,
        "method-not-allowed",
        405,
        "This method is not allowed here",
        "The path exists, but not for this method; the Allow header lists those it takes.",
    ),
    row(
        Kind::RateLimited,
        "rate-limited",
        429,
        "Too many requests",
        "The caller (an API key, else a client address) has used up its rate. Retry-After says in how many seconds the next request will pass; RateLimit and RateLimit-Policy say what the rate is.",
    ),
    row(
        Kind::Busy,
        "busy",
        503,
        "The service is busy",
        "All places for this kind of work are taken and the short queue before them is full, or the wait was too long, or other large bodies or answers take up the memory that there is for them. Retry after the seconds in Retry-After.",
    ),
    row(
        Kind::TooManyConnections,
        "too-many-connections",
        503,
        "Too many connections",
        "The service, or the caller's address, has as many connections open as it may have. Close idle ones, reuse them for several requests, or retry later.",
    ),
    row(
        Kind::Draining,
        "draining",
        503,
        "The service is stopping",
        "The service was told to stop and finishes what it has begun. Another replica, or this one after its restart, will answer.",
    ),
    row(
        Kind::Timeout,
        "timeout",
        408,
        "The request took too long to arrive",
        "The headers or the body did not arrive within the time they have. The connection is closed. The same request may be sent again.",
    ),
    row(
        Kind::Internal,
        "internal",
        500,
        "Something went wrong on our side",
        "A fault of the service, not of the request. It is in the service's log, under the request id in `instance`.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_row() {
        for (at, row) in KINDS.iter().enumerate() {
            assert_eq!(row.kind as usize, at, "{}", row.slug);
            assert_eq!(row.kind.row().slug, row.slug);
            assert_eq!(KINDS.iter().filter(|other| other.slug == row.slug).count(), 1, "{}", row.slug);
            assert!(row.slug.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", row.slug);
            assert!((400..600).contains(&row.status), "{}", row.slug);
            assert_eq!(row.retryable, matches!(row.status, 408 | 429 | 500 | 503), "{}", row.slug);
            assert!(Kind::by_slug(row.slug).is_some());
        }
        assert_eq!(Kind::Internal as usize, KINDS.len() - 1, "a kind without a row");
    }
}
