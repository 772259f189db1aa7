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
    /// An op of a batch is unknown, or a field of it is missing, doubled, unknown or mistyped.
    InvalidOp,
    /// The name of a channel or stream is none.
    InvalidName,
    /// A render option that a stream fixes was set otherwise.
    OptionNotStreamable,
    /// One op is too large.
    OpTooLarge,
    /// The stream would grow beyond its cap.
    StreamTooLarge,
    /// The channel would grow beyond its cap.
    ChannelTooLarge,
    /// The run is of the other kind.
    StreamKind,
    /// The run is done.
    StreamDone,
    /// The run was cancelled.
    StreamCancelled,
    /// The run ended with an error.
    StreamFailed,
    /// The stream has an open body.
    StreamBusy,
    /// The channel has as many streams as it may.
    TooManyStreams,
    /// The channel was ended.
    ChannelEnded,
    /// The publisher goes by another epoch.
    EpochChanged,
    /// The Idempotency-Key was used for another body.
    IdempotencyMismatch,
    /// There are as many channels as there may be.
    TooManyChannels,
    /// The log does not answer.
    LogUnavailable,
    /// No key or token, or a wrong one.
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
        "The request line, a header or the framing of the body breaks the rules of HTTP/1.1, or the headers are too large (status 431 then): the connection is closed, since it is not clear where the next request would begin. Or a header that is well formed cannot stand on this request, such as an Idempotency-Key on an open body; the detail names it.",
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
        Kind::InvalidOp,
        "invalid-op",
        422,
        "An op was not understood",
        "An op of the batch is unknown, or one of its fields is unknown, missing, of the wrong type or too large; the detail and the members `op` (its index, from 0) and `field` name it. Nothing of the batch was applied.",
    ),
    row(
        Kind::InvalidName,
        "invalid-name",
        422,
        "This is not a name",
        "Channels and streams have names of 1 to 128 characters out of A-Z a-z 0-9 _ . : @ ~ and -. Percent-encoding in a path is undone first.",
    ),
    row(
        Kind::OptionNotStreamable,
        "option-not-streamable",
        422,
        "This option is fixed in streams",
        "A stream is always rendered as unfinished text without line feeds between blocks: `provisional` and `dense` are true there and cannot be set to false. Other options stand on the first `markdown` op of a run; a later one cannot change them.",
    ),
    row(
        Kind::OpTooLarge,
        "op-too-large",
        413,
        "An op is too large",
        "The text, HTML or source of one op is longer than this service takes; the detail says how long it may be. Send it as several ops, or as the body of a stream of its own.",
    ),
    row(
        Kind::StreamTooLarge,
        "stream-too-large",
        413,
        "The stream is too large",
        "With this op the stream's Markdown would be longer than this service keeps. Nothing was appended; what was there stays. End the run, or start a new one.",
    ),
    row(
        Kind::ChannelTooLarge,
        "channel-too-large",
        413,
        "The channel is too large",
        "With this publish the channel's streams together would hold more than this service keeps of one channel. Nothing was appended. Use several channels, or end and clear streams that are no longer shown.",
    ),
    row(
        Kind::StreamKind,
        "stream-kind",
        409,
        "The stream is of another kind",
        "A run is either Markdown (`markdown` ops, open bodies) or made of other ops, as its first content op decided. Publish `start` to begin a new run of the other kind.",
    ),
    row(
        Kind::StreamDone,
        "stream-done",
        409,
        "The stream is done",
        "The run has ended with `done`. Publish `start` to begin a new one.",
    ),
    row(
        Kind::StreamCancelled,
        "stream-cancelled",
        409,
        "The stream was cancelled",
        "A reader or another publisher stopped this run. Stop generating; publish `start` to begin a new run.",
    ),
    row(
        Kind::StreamFailed,
        "stream-failed",
        409,
        "The stream has failed",
        "The Markdown run has ended with an error: one that was published, an idle publisher, or a body that broke off. Publish `start` to begin a new one.",
    ),
    row(
        Kind::StreamBusy,
        "stream-busy",
        409,
        "The stream is being written",
        "Another request is writing this stream with an open body. One writer at a time: wait for its end, or cancel the stream.",
    ),
    row(
        Kind::TooManyStreams,
        "too-many-streams",
        409,
        "The channel has too many streams",
        "The channel has as many streams as it may have. Use the names that there are, or another channel.",
    ),
    row(
        Kind::ChannelEnded,
        "channel-ended",
        409,
        "The channel has ended",
        "The channel was ended. Until what it held is forgotten nothing can be published to it; then the name is free again.",
    ),
    row(
        Kind::EpochChanged,
        "epoch-changed",
        409,
        "The channel has begun anew",
        "The publish named an epoch, and the channel is in another: its log was lost or freed, and what was published before is no longer shown to those who join. Nothing was appended. Send the source again from its beginning.",
    ),
    row(
        Kind::IdempotencyMismatch,
        "idempotency-mismatch",
        422,
        "This key was used for something else",
        "The same Idempotency-Key came with another body a short while ago. Nothing was applied. Use a new key for each publish, and the same one only to repeat it.",
    ),
    row(
        Kind::TooManyChannels,
        "too-many-channels",
        503,
        "Too many channels",
        "The service holds as many channels as it may, and all of them are being written. Retry after the seconds in Retry-After.",
    ),
    row(
        Kind::LogUnavailable,
        "log-unavailable",
        503,
        "The log cannot be reached",
        "What was published could not be written, or what was asked for could not be read, since the log does not answer. A publish may have been applied: repeat it with the same Idempotency-Key.",
    ),
    row(
        Kind::Unauthorized,
        "unauthorized",
        401,
        "A valid API key or token is required",
        "Send Authorization: Bearer and one of the service's API keys, or, to subscribe, to cancel or to publish from a browser, a token that your backend has signed. Whether it was missing, malformed, expired or wrong is not said.",
    ),
    row(
        Kind::Forbidden,
        "forbidden",
        403,
        "This request is not allowed",
        "The token does not allow this on this channel, or the page's origin may not call (RILLMARK_ALLOWED_ORIGINS). A service without API keys and token secrets answers only to programs on the same machine: the Host must be a loopback name, the request must not come from a page of another site, nor through a proxy.",
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
        "The caller (an API key, else the `sub` of a token, else a client address) has used up its rate. Retry-After says in how many seconds the next request will pass; RateLimit and RateLimit-Policy say what the rate is.",
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
        "The service, the caller's address, the `sub` of its token or the channel has as many connections open as it may have. Close idle ones, reuse them for several requests, or retry later.",
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
