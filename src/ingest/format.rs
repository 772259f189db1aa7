//! The shapes of providers' streams: one table, from which `format=`, its documentation and the recognition come.
//!
//! **Invariant:** each shape is recognised by its own events and no other's (`each_shape_is_recognised_by_itself`).

use super::Framing;
use super::json::Object;
use super::shapes::{self, Sign};

/// The shape of a provider's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenAI's chat completions, and those of the many services that speak like it.
    OpenAiChat,
    /// OpenAI's responses.
    OpenAiResponses,
    /// Anthropic's messages.
    Anthropic,
    /// Gemini's `streamGenerateContent` with `alt=sse`.
    Gemini,
    /// The UI message stream of Vercel's AI SDK, version 1.
    AiSdk,
    /// Ollama's chat and generate.
    Ollama,
}

/// One row of [`FORMATS`].
#[derive(Clone, Copy, Debug)]
pub struct FormatSpec {
    /// The shape.
    pub format: Format,
    /// Its name in `format=`.
    pub name: &'static str,
    /// Where the text is and how it ends, for the documentation.
    pub doc: &'static str,
    /// What carries it where nothing else is said.
    pub framing: Framing,
    /// Whether only this shape has such an event.
    pub(super) recognises: fn(kind: &str, event: &Object<'_>) -> bool,
    /// Takes an event's text and says what it means for the end.
    pub(super) read: fn(kind: &str, event: &Object<'_>, text: &mut Vec<u8>) -> Sign,
}

/// Every shape, in the order of the enum.
pub const FORMATS: &[FormatSpec] = &[
    FormatSpec {
        format: Format::OpenAiChat,
        name: "openai-chat",
        doc: "`choices[0].delta.content`; ends with `[DONE]`",
        framing: Framing::Events,
        recognises: |_, event| event.objects("choices").is_some(),
        read: shapes::openai_chat,
    },
    FormatSpec {
        format: Format::OpenAiResponses,
        name: "openai-responses",
        doc: "`delta` of `response.output_text.delta`; ends with `response.completed` or `response.incomplete`",
        framing: Framing::Events,
        recognises: |kind, _| kind.starts_with("response."),
        read: shapes::openai_responses,
    },
    FormatSpec {
        format: Format::Anthropic,
        name: "anthropic",
        doc: "`delta.text` of `content_block_delta` with a `text_delta`; ends with `message_stop`",
        framing: Framing::Events,
        recognises: |kind, _| kind.starts_with("message_") || kind.starts_with("content_block_"),
        read: shapes::anthropic,
    },
    FormatSpec {
        format: Format::Gemini,
        name: "gemini",
        doc: "`candidates[0].content.parts[].text`; ends with the body",
        framing: Framing::Events,
        recognises: |_, event| event.objects("candidates").is_some() || event.object("promptFeedback").is_some(),
        read: shapes::gemini,
    },
    FormatSpec {
        format: Format::AiSdk,
        name: "ai-sdk",
        doc: "`delta` of `text-delta`; ends with `finish` or `[DONE]`",
        framing: Framing::Events,
        recognises: |kind, _| {
            let whole = ["start", "start-step", "finish-step", "finish", "abort"];
            let parts = ["text-", "reasoning-", "tool-", "source-", "data-"];
            whole.contains(&kind) || parts.iter().any(|part| kind.starts_with(part))
        },
        read: shapes::ai_sdk,
    },
    FormatSpec {
        format: Format::Ollama,
        name: "ollama",
        doc: "`message.content` or `response`; ends with `done: true`",
        framing: Framing::Lines,
        recognises: |_, event| {
            event.has("done") && (event.object("message").is_some() || event.bytes("response").is_some())
        },
        read: shapes::ollama,
    },
];

impl Format {
    /// The shape with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        FORMATS.iter().find(|spec| spec.name == name).map(|spec| spec.format)
    }

    /// The shape that has such an event, if only one has.
    pub(super) fn recognise(event: &Object<'_>) -> Option<Self> {
        let kind = event.text("type").unwrap_or_default();
        FORMATS.iter().find(|spec| (spec.recognises)(&kind, event)).map(|spec| spec.format)
    }

    /// The shape's row.
    pub fn spec(self) -> &'static FormatSpec {
        &FORMATS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_has_its_row() {
        for (at, spec) in FORMATS.iter().enumerate() {
            assert_eq!(spec.format as usize, at, "{}", spec.name);
            assert_eq!(Format::by_name(spec.name), Some(spec.format));
        }
        assert_eq!(Format::Ollama as usize, FORMATS.len() - 1, "a shape without a row");
        assert_eq!(Format::by_name("OpenAI-chat"), None);
    }

    #[test]
    fn each_shape_is_recognised_by_itself() {
        for (json, expected) in [
            (r#"{"choices": []}"#, Some(Format::OpenAiChat)),
            (r#"{"id": "x", "choices": [{"delta": {"content": null}}]}"#, Some(Format::OpenAiChat)),
            (r#"{"type": "response.created", "response": {"error": null}}"#, Some(Format::OpenAiResponses)),
            (r#"{"type": "message_start", "message": {"content": []}}"#, Some(Format::Anthropic)),
            (r#"{"type": "content_block_delta", "delta": {}}"#, Some(Format::Anthropic)),
            (r#"{"candidates": [{"content": {}}], "usageMetadata": {}}"#, Some(Format::Gemini)),
            (r#"{"promptFeedback": {"blockReason": "SAFETY"}}"#, Some(Format::Gemini)),
            (r#"{"type": "start", "messageId": "m"}"#, Some(Format::AiSdk)),
            (r#"{"type": "data-weather", "data": {}}"#, Some(Format::AiSdk)),
            (r#"{"model": "m", "message": {"role": "assistant", "content": ""}, "done": false}"#, Some(Format::Ollama)),
            (r#"{"model": "m", "response": "a", "done": false}"#, Some(Format::Ollama)),
            (r#"{"type": "ping"}"#, None),
            (r#"{"type": "error", "message": "m"}"#, None),
            (r#"{"message": "hello", "done": 1}"#, None),
            (r#"{"choices": null}"#, None),
            ("{}", None),
        ] {
            let event = Object::parse(json).unwrap();
            assert_eq!(Format::recognise(&event), expected, "{json}");
            let kind = event.text("type").unwrap_or_default();
            let all = FORMATS.iter().filter(|spec| (spec.recognises)(&kind, &event)).count();
            assert_eq!(all, usize::from(expected.is_some()), "{json}");
        }
    }
}
