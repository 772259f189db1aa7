//! Whom an op acts on: a CSS selector, of which the first match counts.
//!
//! **Source:** `openapi/protocol.md`, "Targets".

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::name::StreamName;

/// A CSS selector. Published ones have 1 to 1,024 bytes and no NUL; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target(Arc<str>);

impl Target {
    /// Longest published selector, in bytes: room for any that is written by hand; a longer one could make every
    /// browser of a channel search for long.
    pub const BYTES_MAX: usize = 1024;

    /// The selector of a publisher, if it can be one: neither empty nor over 1,024 bytes, and without NUL.
    #[must_use]
    pub fn parse(selector: &str) -> Option<Self> {
        let fits = !selector.is_empty() && selector.len() <= Self::BYTES_MAX && !selector.contains('\0');
        fits.then(|| Self(selector.into()))
    }

    /// The stream's own element: `[dj-stream='NAME']`.
    #[must_use]
    pub fn own(stream: &StreamName) -> Self {
        Self(format!("[dj-stream='{stream}']").into())
    }

    /// An element below the stream's own: `[dj-stream='NAME'] > PATH`.
    #[must_use]
    pub fn below(stream: &StreamName, path: &str) -> Self {
        Self(format!("[dj-stream='{stream}'] > {path}").into())
    }

    /// Whether this selects the stream's own element, in whichever quotes.
    #[must_use]
    pub fn is_own(&self, stream: &StreamName) -> bool {
        let inside = self.0.strip_prefix("[dj-stream=").and_then(|rest| rest.strip_suffix(']'));
        let name = inside.map(|value| match value.as_bytes() {
            [b'\'', .., b'\''] | [b'"', .., b'"'] if value.len() > 1 => &value[1..value.len() - 1],
            _ => value,
        });
        name == Some(stream.as_str())
    }

    /// The selector.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_element_is_recognised_in_whichever_quotes() {
        let stream = StreamName::parse("a.b").unwrap();
        assert_eq!(Target::own(&stream).as_str(), "[dj-stream='a.b']");
        assert_eq!(Target::below(&stream, ":last-child").as_str(), "[dj-stream='a.b'] > :last-child");
        for (selector, own) in [
            ("[dj-stream='a.b']", true),
            ("[dj-stream=\"a.b\"]", true),
            ("[dj-stream=a.b]", true),
            ("[dj-stream='a.b\"]", false),
            ("[dj-stream='a']", false),
            ("[dj-stream=']", false),
            ("[dj-stream=]", false),
            ("[dj-stream='a.b'] > p", false),
            ("#a", false),
        ] {
            assert_eq!(Target::parse(selector).unwrap().is_own(&stream), own, "{selector}");
        }
    }

    #[test]
    fn a_selector_has_bounds() {
        assert!(Target::parse("").is_none());
        assert!(Target::parse("a\0").is_none());
        assert!(Target::parse(&"a".repeat(1024)).is_some());
        assert!(Target::parse(&"a".repeat(1025)).is_none());
    }
}
