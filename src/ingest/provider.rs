//! A model provider's stream, read as it comes: the reply's text, and how it ended.
//!
//! The shape is named, or recognised by the first event that only one shape has. Then each event gives text, the end,
//! or nothing; what is unknown is passed over. An end without the shape's own mark is an error: the text that came is
//! the reply's beginning, and it is not taken for the whole.
//!
//! ```text
//!            an event of one shape           its mark of the end
//!  unknown ────────────────────────▶ known ──────────────────────▶ ended: what follows is not looked at
//!     └─── an error, or the body's end ─┴──────────────────────────▶
//! ```
//!
//! **Invariant:** any cut of any shape gives the same text, and any truncation an error with a prefix of it
//! (`a_cut_at_every_byte_gives_the_same_text`, `a_truncation_at_every_byte_gives_the_text_or_an_error_with_its_prefix`).

use super::format::Format;
use super::json::Object;
use super::shapes::Sign;
use super::{Event, Events, Lines, Rest, TooLong};

/// The most characters of a provider's own words that are passed on: they stand on the page.
const WORDS_MAX: usize = 300;

/// What carries a provider's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `text/event-stream`.
    Events,
    /// `application/x-ndjson`: an event a line.
    Lines,
}

/// How a reply ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// As it should.
    #[error("the reply is complete")]
    Done,
    /// The provider says that it failed, in these words. At most 300 characters, without control characters.
    #[error("{0}")]
    Failed(String),
    /// The body ended before the reply did.
    #[error("the provider's stream ended without its mark of the end")]
    Truncated,
    /// The body ended, and nothing in it was of a known shape.
    #[error("the provider's stream was not recognised; name its shape with `format`")]
    Unrecognised,
    /// Something that begins as JSON and is none.
    #[error("an event of the provider's stream is not valid JSON")]
    NotJson,
    /// An event is too long to be held.
    #[error("an event of the provider's stream is {0}")]
    TooLong(TooLong),
}

/// Reads a provider's stream.
///
/// ```
/// # use rillmark::ingest::{Ending, Framing, Provider};
/// let mut provider = Provider::new(Framing::Events, None, 1024);
/// let mut text = Vec::new();
/// provider.push(b"data: {\"choices\":[{\"delta\":{\"content\":\"Hel", &mut text);
/// provider.push(b"lo\"}}]}\n\ndata: [DONE]\n\n", &mut text);
/// assert_eq!(text, b"Hello");
/// assert_eq!(provider.finish(&mut text), Ending::Done);
/// ```
#[derive(Debug)]
pub struct Provider {
    source: Source,
    format: Option<Format>,
    /// Whether the body may end where it is, if its shape ends with it.
    may_end: Option<bool>,
    ending: Option<Ending>,
}

#[derive(Debug)]
enum Source {
    Events(Events),
    Lines(Lines),
}

impl Ending {
    /// The provider's words, made fit for a page.
    pub(super) fn failed(words: Option<&str>) -> Self {
        let words = words.map(str::trim).filter(|words| !words.is_empty()).unwrap_or("The provider reported an error");
        let clean = words.chars().map(|c| if c.is_control() { ' ' } else { c });
        Self::Failed(clean.take(WORDS_MAX).collect())
    }
}

impl Provider {
    /// A stream of this shape, or of one to be recognised; its events have up to `event_bytes_max` bytes.
    pub fn new(framing: Framing, format: Option<Format>, event_bytes_max: usize) -> Self {
        let source = match framing {
            Framing::Events => Source::Events(Events::new(event_bytes_max)),
            Framing::Lines => Source::Lines(Lines::new(event_bytes_max)),
        };
        Self { source, format, may_end: None, ending: None }
    }

    /// The shape, once it is known.
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// What is held of an event that is not whole yet, in bytes.
    pub fn held_bytes(&self) -> usize {
        match &self.source {
            Source::Events(events) => events.held_bytes(),
            Source::Lines(lines) => lines.held_bytes(),
        }
    }

    /// How the reply ended, once it has. What comes then is not looked at.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Takes what came and adds the text that is in it to `text`. A half of a surrogate pair is three bytes of WTF-8.
    pub fn push(&mut self, bytes: &[u8], text: &mut Vec<u8>) {
        if self.ending.is_some() {
            return;
        }
        match &mut self.source {
            Source::Events(events) => events.push(bytes),
            Source::Lines(lines) => lines.push(bytes),
        }
        while self.ending.is_none() {
            let found = match &mut self.source {
                Source::Events(events) => events.next_event(),
                Source::Lines(lines) => lines.next_line().map(|line| line.bytes.map(event_of_line)),
            };
            match found {
                None => return,
                Some(Ok(event)) => self.read(&event, text),
                Some(Err(too_long)) => self.ending = Some(Ending::TooLong(too_long)),
            }
        }
    }

    /// The body is over, as its framing wants it. What stood without its end is read, if it is whole.
    pub fn finish(&mut self, text: &mut Vec<u8>) -> Ending {
        if self.ending.is_none() {
            let rest = match &mut self.source {
                Source::Events(events) => Ok(events.finish()),
                Source::Lines(lines) => lines.last_line().map_or(Ok(Rest::Nothing), |line| {
                    let event = line.bytes.map(event_of_line);
                    event.map(Rest::Event)
                }),
            };
            let torn = match rest {
                Ok(Rest::Nothing) => false,
                Ok(Rest::Event(event)) if is_whole(&event.data) => {
                    self.read(&event, text);
                    false
                }
                Ok(Rest::Event(_) | Rest::Torn) => true,
                Err(too_long) => return self.ending.insert(Ending::TooLong(too_long)).clone(),
            };
            if self.ending.is_none() {
                self.ending = Some(self.at_the_end_of_the_body(torn));
            }
        }
        self.ending.clone().expect("it was just given one")
    }

    /// What the end of a body means that has not ended the reply before.
    fn at_the_end_of_the_body(&self, torn: bool) -> Ending {
        match self.format {
            Some(Format::Gemini) if !torn && self.may_end != Some(false) => Ending::Done,
            None if !torn => Ending::Unrecognised,
            _ => Ending::Truncated,
        }
    }

    fn read(&mut self, event: &Event, text: &mut Vec<u8>) {
        let data = event.data.trim();
        if data == "[DONE]" {
            self.ending = Some(Ending::Done);
            return;
        }
        let Some(object) = Object::parse(data) else {
            // Words for people, or a keep-alive; but half an object may have been text.
            self.ending = data.starts_with('{').then_some(Ending::NotJson);
            return;
        };
        let kind = object.text("type").unwrap_or_default();
        if let Some(words) = error_of(event, &kind, &object) {
            self.ending = Some(Ending::failed(words.as_deref()));
            return;
        }
        self.format = self.format.or_else(|| Format::recognise(&object));
        let Some(format) = self.format else { return };
        match (format.spec().read)(&kind, &object, text) {
            Sign::None => {}
            Sign::End(ending) => self.ending = Some(ending),
            Sign::MayEnd => self.may_end = Some(true),
            Sign::MustGoOn => self.may_end = self.may_end.or(Some(false)),
        }
    }
}

/// The words of an event that is an error in one of the ways that providers have; `Some(None)` where it has none.
fn error_of(event: &Event, kind: &str, object: &Object<'_>) -> Option<Option<String>> {
    let inner = object.object("error");
    let said = inner.as_ref().and_then(|error| error.text("message")).or_else(|| object.text("error"));
    if kind != "error" && event.name != "error" && inner.is_none() && said.as_deref().is_none_or(str::is_empty) {
        return None;
    }
    Some(said.or_else(|| object.text("errorText")).or_else(|| object.text("message")))
}

fn event_of_line(line: &[u8]) -> Event {
    Event { name: String::new(), data: String::from_utf8_lossy(line).into_owned() }
}

/// Whether data whose end may have been cut off is whole: it shows where its own end is.
fn is_whole(data: &str) -> bool {
    data.trim() == "[DONE]" || Object::parse(data).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text and end of a stream of events with this data.
    fn read(format: Option<Format>, events: &[&str]) -> (String, Ending) {
        let mut provider = Provider::new(Framing::Events, format, 1000);
        let mut text = Vec::new();
        for event in events {
            provider.push(format!("data: {event}\n\n").as_bytes(), &mut text);
        }
        let ending = provider.finish(&mut text);
        (String::from_utf8(text).unwrap(), ending)
    }

    fn failed(words: &str) -> Ending {
        Ending::Failed(words.to_owned())
    }

    #[test]
    fn errors_are_heard_in_every_way_that_providers_have() {
        for (event, words) in [
            (r#"{"error": {"message": "Rate limit", "code": 429}}"#, "Rate limit"),
            (r#"{"error": "model not found"}"#, "model not found"),
            (r#"{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}"#, "Overloaded"),
            (r#"{"type": "error", "errorText": "Oh"}"#, "Oh"),
            (r#"{"type": "error", "code": "server_error", "message": "Ah", "param": null}"#, "Ah"),
            (r#"{"type": "error"}"#, "The provider reported an error"),
            (r#"{"error": {"code": 500}}"#, "The provider reported an error"),
            (r#"{"type":"response.failed","response":{"error":{"message":"Uh"}}}"#, "Uh"),
            (r#"{"type":"response.failed","response":{"error":null}}"#, "The provider reported an error"),
            (r#"{"promptFeedback": {"blockReason": "SAFETY"}}"#, "The prompt was blocked: SAFETY"),
            (r#"{"type":"abort","reason":"user"}"#, "The reply was stopped"),
            (r#"{"error": "two\nlines\u0007"}"#, "two lines "),
        ] {
            assert_eq!(read(None, &[event, "[DONE]"]), (String::new(), failed(words)), "{event}");
        }
        let mut provider = Provider::new(Framing::Events, None, 1000);
        provider.push(b"event: error\ndata: {\"message\":\"named\"}\n\n", &mut Vec::new());
        assert_eq!(provider.ending(), Some(&failed("named")));
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(900));
        assert_eq!(read(None, &[&long]).1, failed(&"x".repeat(WORDS_MAX)));
    }

    #[test]
    fn what_is_no_error_is_none() {
        let text = r#"{"choices":[{"delta":{"content":"a"}}],"error":null}"#;
        let empty = r#"{"choices":[{"delta":{"content":"b"}}],"error":""}"#;
        assert_eq!(read(None, &[text, empty, "[DONE]"]), ("ab".to_owned(), Ending::Done));
    }

    #[test]
    fn a_named_shape_is_not_guessed() {
        let chat = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
        assert_eq!(read(Some(Format::Anthropic), &[chat]).1, Ending::Truncated);
        assert_eq!(read(None, &[chat, r#"{"type":"message_stop"}"#]), ("a".to_owned(), Ending::Truncated));
        assert_eq!(read(None, &[r#"{"hello":1}"#, "ping", "7"]).1, Ending::Unrecognised);
        assert_eq!(read(None, &[]).1, Ending::Unrecognised);
    }

    #[test]
    fn what_might_have_been_text_is_never_passed_over() {
        assert_eq!(read(None, &[r#"{"choices":[{"delta":{"#]).1, Ending::NotJson);
        let long = format!(r#"{{"choices":[{{"delta":{{"content":"{}"}}}}]}}"#, "x".repeat(1000));
        assert_eq!(read(None, &[&long]).1, Ending::TooLong(TooLong { bytes_max: 1000 }));
        for body in [&b"{\"response\":\"x\""[..], b"{\"error\":\"\"}"] {
            let mut provider = Provider::new(Framing::Lines, None, 10);
            provider.push(body, &mut Vec::new());
            assert_eq!(provider.finish(&mut Vec::new()), Ending::TooLong(TooLong { bytes_max: 10 }));
        }
    }

    #[test]
    fn only_the_first_of_several_replies_is_shown() {
        let at =
            |index: u8, text: &str| format!(r#"{{"choices":[{{"index":{index},"delta":{{"content":"{text}"}}}}]}}"#);
        assert_eq!(read(None, &[&at(1, "x"), &at(0, "a"), &at(1, "y"), &at(0, "b"), "[DONE]"]).0, "ab");
    }

    #[test]
    fn gemini_ends_with_its_body_unless_the_service_itself_would_have_said_more() {
        let bare = r#"{"candidates":[{"content":{"parts":[{"text":"a"},{"text":"t","thought":true},{"text":"b"}]}}]}"#;
        assert_eq!(read(None, &[bare]), ("ab".to_owned(), Ending::Done));
        let full = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{}}"#;
        let last = r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{}}"#;
        assert_eq!(read(None, &[full]).1, Ending::Truncated);
        assert_eq!(read(None, &[full, last]).1, Ending::Done);
        assert_eq!(read(None, &[last, full]), ("a".to_owned(), Ending::Done), "more may come");
    }

    #[test]
    fn halves_of_a_surrogate_pair_come_as_wtf8() {
        let mut provider = Provider::new(Framing::Lines, None, 1000);
        let mut text = Vec::new();
        provider.push(br#"{"response":"\ud83d","done":false}"#, &mut text);
        provider.push(b"\n{\"response\":\"\\ude00\",\"done\":true}", &mut text);
        assert_eq!(provider.finish(&mut text), Ending::Done);
        assert_eq!(text, b"\xed\xa0\xbd\xed\xb8\x80");
    }
}
