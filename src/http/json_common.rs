//! The common shape of a render's JSON body, read in one pass: `source`, a string, and `options`, an object of strings,
//! `true` and `false`, whose names have no escapes. Reading escapes one byte at a time was a tenth of a small render.
//!
//! Anything else, and whatever is wrong, is left to [`json_body`](super::json_body), which takes all JSON and words every
//! refusal.
//!
//! **Invariant:** what is read here means the same there (`what_is_read_in_one_pass_means_what_serde_reads`).
//!
//! **Source:** RFC 8259 §2 (grammar), §7 (strings), §8.2 (lone surrogates).

use std::borrow::Cow;

use super::json_words::next_special;
use super::render_request::RenderRequest;
use crate::markdown::Options;
use crate::markdown::options::Value;

/// Parses `body` if it has the common shape; what `options` does not say stays as `base` has it.
pub(super) fn parse<'a>(body: &'a [u8], base: &Options) -> Option<RenderRequest<'a>> {
    let mut reader = Reader { body, at: 0 };
    let (mut source, mut options) = (None, None);
    reader.expect(b'{')?;
    loop {
        let name = reader.string()?;
        reader.expect(b':')?;
        match &*name {
            "source" if source.is_none() => source = Some(reader.string()?),
            "options" if options.is_none() => options = Some(reader.options(base)?),
            _ => return None,
        }
        if !reader.goes_on()? {
            break;
        }
    }
    reader.skip_space();
    let whole = reader.at == body.len();
    let source = source.filter(|_| whole)?;
    Some(RenderRequest { source, options: options.unwrap_or_else(|| base.clone()) })
}

/// A body and how far it was read. What does not fit is `None`, and the reader is not used any more.
struct Reader<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn skip_space(&mut self) {
        let rest = self.body.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
    }

    /// The next byte, which is not white space.
    fn token(&mut self) -> Option<u8> {
        self.skip_space();
        let byte = *self.body.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.token()? == byte).then_some(())
    }

    /// Behind a member: whether another one follows, or the object ends.
    fn goes_on(&mut self) -> Option<bool> {
        match self.token()? {
            b',' => Some(true),
            b'}' => Some(false),
            _ => None,
        }
    }

    fn options(&mut self, base: &Options) -> Option<Options> {
        let mut options = base.clone();
        let mut seen: Vec<Cow<'a, str>> = Vec::new();
        self.expect(b'{')?;
        loop {
            let name = self.string()?;
            self.expect(b':')?;
            self.skip_space();
            let value = self.body.get(self.at..)?;
            let known = if let Some(on) = [&b"false"[..], b"true"].iter().position(|word| value.starts_with(word)) {
                self.at += [5, 4][on];
                options.set(&name, Value::Bool(on == 1))
            } else {
                options.set(&name, Value::Str(&self.string()?))
            };
            if known.is_err() || seen.contains(&name) {
                return None;
            }
            seen.push(name);
            if !self.goes_on()? {
                return Some(options);
            }
        }
    }

    /// A string; it is borrowed if it has no escapes.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.expect(b'"')?;
        let start = self.at;
        let end = start + next_special(&self.body[start..])?;
        if self.body[end] == b'"' {
            self.at = end + 1;
            return std::str::from_utf8(&self.body[start..end]).ok().map(Cow::Borrowed);
        }
        let mut text = Vec::with_capacity(self.body.len() - start);
        self.at = start;
        self.decode(&mut text)?;
        if text.capacity() > 2 * text.len() {
            text.shrink_to_fit();
        }
        String::from_utf8(text).ok().map(Cow::Owned)
    }

    /// Appends the string that goes on here to `text`, up to its closing quote.
    fn decode(&mut self, text: &mut Vec<u8>) -> Option<()> {
        loop {
            let rest = &self.body[self.at..];
            let plain = next_special(rest)?;
            text.extend_from_slice(&rest[..plain]);
            self.at += plain + 1;
            match rest[plain] {
                b'"' => return Some(()),
                b'\\' => self.escape(text)?,
                _ => return None,
            }
        }
    }

    /// Appends what the escape behind a backslash stands for.
    #[inline]
    fn escape(&mut self, text: &mut Vec<u8>) -> Option<()> {
        let byte = *self.body.get(self.at)?;
        self.at += 1;
        text.push(match byte {
            b'"' | b'\\' | b'/' => byte,
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 0x08,
            b'f' => 0x0C,
            b'u' => {
                text.extend_from_slice(self.unicode()?.encode_utf8(&mut [0; 4]).as_bytes());
                return Some(());
            }
            _ => return None,
        });
        Some(())
    }

    /// The character of `\uXXXX`, or of two that are a surrogate pair; U+FFFD for a surrogate alone.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex(self.at)?;
        self.at += 4;
        if (0xD800..0xDC00).contains(&first) && self.body[self.at..].starts_with(b"\\u") {
            let second = self.hex(self.at + 2)?;
            if (0xDC00..0xE000).contains(&second) {
                self.at += 6;
                return char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00));
            }
        }
        Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.body.get(at..at + 4)?;
        digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::json_body;
    use proptest::prelude::*;

    /// Pieces of bodies, right and wrong.
    const PIECES: &[&str] = &[
        "{",
        "}",
        ",",
        ":",
        "\"",
        " ",
        "\n",
        "\"source\"",
        "\"options\"",
        "{\"source\":",
        "{\"options\":{",
        "\"source\":\"",
        "\"options\":{",
        "\"math\":true",
        "\"dense\":false",
        "\"tail\":\"complete\"",
        "\"tail\":\"\\u0065scape\"",
        "\"id_prefix\":\"\\n\"",
        "\"tables\":1",
        "\"so\\u0075rce\":\"x\"",
        "null",
        "some text, and then some more of it",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\x",
        "\\u00e9",
        "\\u00E",
        "\\ud83d",
        "\\udc4d",
        "\\u0000",
        "é",
        "\u{1f44d}",
        "\u{1}",
        "\t",
    ];

    fn check(body: &[u8]) {
        let base = Options { alerts: true, ..Options::default() };
        if let Some(read) = parse(body, &base) {
            let known = json_body::parse_any(body, base).ok();
            assert_eq!(Some(read), known, "{}", String::from_utf8_lossy(body));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_read_in_one_pass_means_what_serde_reads(
            head in proptest::sample::select(vec!["", "{\"source\":\"", "{\"options\":{\"math\":true},\"source\":\""]),
            pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..24),
            tail in proptest::sample::select(vec!["", "\"}", "\",\"options\":{\"dense\":true}}"]),
            broken in any::<Option<(prop::sample::Index, u8)>>(),
        ) {
            let mut body = [head, &pieces.concat(), tail].concat().into_bytes();
            check(&body);
            if let Some((at, byte)) = broken.filter(|_| !body.is_empty()) {
                let at = at.index(body.len());
                body[at] = byte;
                check(&body);
            }
        }
    }

    #[test]
    fn the_common_shape_is_read_here() {
        for (body, source) in [
            (r#"{"source":"plain ü"}"#, "plain ü"),
            (
                r#" { "source" : "a\nb \"c\" \\ \/ \u00e9 \ud83d\udc4d \ud83d. \udc4d" } "#,
                "a\nb \"c\" \\ / é \u{1f44d} \u{fffd}. \u{fffd}",
            ),
            (r#"{"options":{"math":true,"tail":"complete"},"source":"\ud83d\ud83d\udc4d"}"#, "\u{fffd}\u{1f44d}"),
        ] {
            let read = parse(body.as_bytes(), &Options::default()).unwrap();
            assert_eq!(read.source, source);
            assert_eq!(read.options.math, body.contains("math"));
        }
        for body in ["", "{}", "[]", r#"{"source":1}"#, r#"{"source":"a"} x"#, r#"{"source":"a","options":{}}"#] {
            assert!(parse(body.as_bytes(), &Options::default()).is_none(), "{body}");
        }
    }
}
