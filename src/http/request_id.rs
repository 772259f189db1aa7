//! What ties an answer, a log line and a trace together: the request id and the trace context.
//!
//! A caller's `x-request-id` is kept if it cannot hurt a log (`[A-Za-z0-9._-]`, at most 128); else one is made. A valid
//! `traceparent` is kept too: its trace id goes into the log, and the answer's `traceresponse` names our span.
//!
//! **Source:** W3C Trace Context §3.2 (`traceparent`); Trace Context Level 2 draft (`traceresponse`); RFC 9562 §5.7.

use std::fmt::Write as _;

use uuid::Uuid;

/// The longest id that is kept.
const REQUEST_ID_CHARS_MAX: usize = 128;

/// The id of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The caller's id if it is harmless, else a new one.
    pub fn accept(given: Option<&[u8]>) -> Self {
        given.and_then(Self::parse).unwrap_or_else(Self::make)
    }

    /// A new id: a UUID of version 7, so ids sort by time.
    pub fn make() -> Self {
        Self(Uuid::now_v7().hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned())
    }

    fn parse(given: &[u8]) -> Option<Self> {
        let harmless = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let ok = (1..=REQUEST_ID_CHARS_MAX).contains(&given.len()) && given.iter().all(harmless);
        ok.then(|| Self(given.iter().map(|b| char::from(*b)).collect()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The trace that a request is part of, and our span in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    id: String,
    flags: String,
    span: String,
}

impl Trace {
    /// Reads `traceparent`; `None` where it is not valid, as the specification demands. `span` names our span.
    pub fn parse(traceparent: &[u8], span: u64) -> Option<Self> {
        let text = std::str::from_utf8(traceparent).ok()?;
        let mut parts = text.split('-');
        let (version, id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |part: &str, len: usize| {
            part.len() == len && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let zero = |part: &str| part.bytes().all(|b| b == b'0');
        let shaped = hex(version, 2) && hex(id, 32) && hex(parent, 16) && hex(flags, 2);
        let whole = version != "00" || parts.next().is_none();
        if !shaped || !whole || version == "ff" || zero(id) || zero(parent) {
            return None;
        }
        let mut written = String::with_capacity(16);
        write!(written, "{:016x}", span.max(1)).expect("a String takes all");
        Some(Self { id: id.to_owned(), flags: flags.to_owned(), span: written })
    }

    /// The trace id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The value of `traceresponse`.
    pub fn response(&self) -> String {
        format!("00-{}-{}-{}", self.id, self.span, self.flags)
    }
}

/// A span id that is not likely to be another's: the random half of a UUID.
pub(super) fn span_id() -> u64 {
    Uuid::now_v7().as_u64_pair().1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harmless_id_is_kept_and_another_replaced() {
        for id in ["a", "Req_1.2-3", &"x".repeat(128)] {
            assert_eq!(RequestId::accept(Some(id.as_bytes())).as_str(), id);
        }
        for id in ["", "a b", "a\nb", "ä", "\"x\"", &"x".repeat(129)] {
            let made = RequestId::accept(Some(id.as_bytes()));
            assert_eq!(Uuid::parse_str(made.as_str()).unwrap().get_version_num(), 7, "{id:?}");
        }
        assert_ne!(RequestId::accept(None), RequestId::accept(None));
    }

    #[test]
    fn a_valid_traceparent_is_carried() {
        let trace = Trace::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 0xabc).unwrap();
        assert_eq!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.response(), "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000abc-01");
        assert!(Trace::parse(b"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", 1).is_some());
    }

    #[test]
    fn an_invalid_traceparent_is_dropped() {
        for value in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Trace::parse(value.as_bytes(), 1), None, "{value}");
        }
    }
}
