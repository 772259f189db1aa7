//! What a caller asks of `POST /render`, parsed from either form into one type.
//!
//! JSON is `{"source": "…", "options": {…}}`; text is the body itself. Either may have options as query parameters; where
//! both say something, the body's options win. All go through the renderer's one table of options. Nothing is guessed:
//! what is unknown, doubled or mistyped is refused by name.
//!
//! Text that is not UTF-8 is decoded as browsers do, with U+FFFD.
//!
//! **Source:** WHATWG Encoding §4.1 (replacement); WHATWG URL §5.1 (query strings).

use std::borrow::Cow;

use super::json_body;
use super::problem::Problem;
use super::problem_kinds::Kind;
use crate::markdown::Options;
use crate::markdown::options::Value;

/// A render to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RenderRequest<'a> {
    /// The Markdown.
    pub source: Cow<'a, str>,
    /// How to render it.
    pub options: Options,
}

impl<'a> RenderRequest<'a> {
    /// Reads the JSON form.
    ///
    /// # Errors
    /// `invalid-json` where it does not parse, `invalid-option` where it says something that is not understood.
    pub(super) fn from_json(body: &'a [u8], query: &str) -> Result<Self, Problem> {
        let base = options_from_query(query)?;
        json_body::parse(body, base)
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// `invalid-option` where the query says something that is not understood.
    pub(super) fn from_text(body: &'a [u8], query: &str) -> Result<Self, Problem> {
        Ok(Self { options: options_from_query(query)?, source: String::from_utf8_lossy(body) })
    }

    /// The same, independent of the body it was read from.
    pub(super) fn into_owned(self) -> RenderRequest<'static> {
        RenderRequest { source: Cow::Owned(self.source.into_owned()), options: self.options }
    }
}

/// Reads options from a query string.
///
/// # Errors
/// `invalid-option`, naming the parameter.
pub(super) fn options_from_query(query: &str) -> Result<Options, Problem> {
    let mut options = Options::default();
    let mut seen = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name);
        options.set(&name, Value::Raw(&decode(value)))?;
        if seen.contains(&name) {
            return Err(twice(&name));
        }
        seen.push(name);
    }
    Ok(options)
}

/// Decodes one name or value of a query string: `+` is a space, `%XX` a byte, and the bytes UTF-8.
pub(super) fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// The refusal of a field or option, by its name.
pub(super) fn refuse(name: &str, detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(Kind::InvalidOption, detail).naming(name.chars().take(80).collect::<String>())
}

/// The refusal of a field or option that stands twice.
pub(super) fn twice(name: &str) -> Problem {
    refuse(name, format!("`{name}` is given twice"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(body: &str) -> Result<RenderRequest<'_>, Problem> {
        RenderRequest::from_json(body.as_bytes(), "")
    }

    fn check_refused(result: Result<RenderRequest<'_>, Problem>, kind: Kind, detail: &str) {
        let problem = result.expect_err(detail);
        assert_eq!(problem.kind(), kind, "{problem}");
        assert!(problem.to_string().contains(detail), "{problem}, expected {detail}");
    }

    #[test]
    fn both_forms_say_the_same() {
        let body = r##"{"options": {"math": true, "tail": "complete", "id_prefix": "r1-"}, "source": "# a"}"##;
        let from_text = RenderRequest::from_text(b"# a", "math=true&tail=complete&id_prefix=r1-").unwrap();
        assert_eq!(json(body).unwrap(), from_text);
        assert!(from_text.options.math);
        assert_eq!(json(r#"{"source":""}"#).unwrap().options, Options::default());
    }

    #[test]
    fn options_of_the_body_win_over_those_of_the_query() {
        let body = br#"{"source":"a","options":{"math":false}}"#;
        let options = RenderRequest::from_json(body, "math=true&dense=true").unwrap().options;
        assert_eq!((options.math, options.dense), (false, true));
        let options = RenderRequest::from_json(br#"{"source":"a"}"#, "math=true").unwrap().options;
        assert!(options.math);
        check_refused(RenderRequest::from_json(body, "maths=true"), Kind::InvalidOption, "`maths`");
    }

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        for (body, expected) in [
            (r#"{"source":"a\ud83db"}"#, "a\u{fffd}b"),
            (r#"{"source":"\udc00"}"#, "\u{fffd}"),
            (r#"{"source":"\ud83d\ud83d\udc4d"}"#, "\u{fffd}\u{1f44d}"),
            (r#"{"source":"\ud83d\n\udfff."}"#, "\u{fffd}\n\u{fffd}."),
            (r#"{"source":"\ud83d\udc4d ü"}"#, "\u{1f44d} ü"),
        ] {
            assert_eq!(json(body).unwrap().source, expected, "{body}");
        }
    }

    #[test]
    fn a_source_without_escapes_is_not_copied() {
        assert!(matches!(json(r#"{"source":"plain ü"}"#).unwrap().source, Cow::Borrowed(_)));
    }

    #[test]
    fn text_that_is_not_utf8_is_decoded_as_browsers_do() {
        let decoded = RenderRequest::from_text(b"a\xffb\xe2\x82c", "").unwrap();
        assert_eq!(decoded.source, "a\u{fffd}b\u{fffd}c");
    }

    #[test]
    fn json_that_does_not_parse_is_told_from_json_that_says_the_wrong_thing() {
        for (body, detail) in [
            ("", "EOF"),
            ("{", "EOF"),
            (r#"{"source":"a"} x"#, "trailing"),
            (r#"{"source":nul}"#, "expected"),
            (r#"{"source":"a""#, "EOF"),
            (r#"{"source":"\x"}"#, "escape"),
            ("{\"source\":\"\n\"}", "control character at offset 11"),
            ("{\n\"source\":\"\\\"\\\\\t\"}", "control character at offset 16"),
        ] {
            check_refused(json(body), Kind::InvalidJson, detail);
        }
        check_refused(RenderRequest::from_json(b"{\"source\":\"\xff\"}", ""), Kind::InvalidJson, "offset 11");
    }

    #[test]
    fn what_is_unknown_doubled_or_mistyped_is_named() {
        for (body, detail) in [
            ("[]", "an object with `source`"),
            ("null", "an object with `source`"),
            ("{}", "`source` is missing"),
            (r#"{"source":1}"#, "`source` takes a string"),
            (r#"{"source":null}"#, "`source` takes a string"),
            (r#"{"source":["a"]}"#, "`source` takes a string"),
            (r#"{"source":"a","options":null}"#, "`options` takes an object"),
            (r#"{"source":"a","options":[]}"#, "`options` takes an object"),
            (r#"{"source":"a","sauce":"b"}"#, "unknown field `sauce`"),
            (r#"{"source":"a","source":"b"}"#, "`source` is given twice"),
            (r#"{"source":"a","options":{},"options":{}}"#, "`options` is given twice"),
            (r#"{"source":"a","options":{"tablse":true}}"#, "unknown option `tablse`"),
            (r#"{"source":"a","options":{"tables":"true"}}"#, "`tables` takes `true` or `false`"),
            (r#"{"source":"a","options":{"tables":{"a":[1]}}}"#, "not a JSON object"),
            (r#"{"source":"a","options":{"math":true,"math":true}}"#, "`math` is given twice"),
        ] {
            check_refused(json(body), Kind::InvalidOption, detail);
        }
        for (query, detail) in [
            ("maths=true", "unknown option `maths`"),
            ("math", "`math` takes"),
            ("math=1&math=0", "`math` is given twice"),
            ("link_rel=stylesheet", "`link_rel` takes"),
        ] {
            check_refused(RenderRequest::from_text(b"", query), Kind::InvalidOption, detail);
        }
    }

    #[test]
    fn queries_are_decoded_as_forms_are() {
        let options = options_from_query("link_rel=nofollow+ugc&&id%5Fprefix=a%2D&math=1").unwrap();
        assert_eq!((options.link_rel.as_str(), options.id_prefix.as_str(), options.math), ("nofollow ugc", "a-", true));
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
        let body = format!(r#"{{"source":"a","options":{{"math":{open}{close}}}}}"#);
        check_refused(json(&body), Kind::InvalidOption, "not a JSON array");
    }
}
