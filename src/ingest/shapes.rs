//! Where the text stands in each provider's events, and which of them end the reply.
//!
//! What is not the reply's text is passed over: roles, thinking, tool calls, sources, usage, and whatever comes new. A
//! reply cut short by its own limits (length, a filter) has ended all the same; its text is what there is.
//!
//! **Source:** the providers' API references: OpenAI chat completions (streaming) and responses (server-sent events),
//! Anthropic messages (streaming), Gemini `streamGenerateContent`, AI SDK UI message stream protocol v1, Ollama API.

use super::json::Object;
use super::provider::Ending;

/// What an event means for the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Nothing.
    None,
    /// The reply has ended.
    End(Ending),
    /// The body may end now, though more may come.
    MayEnd,
    /// The body may not end now.
    MustGoOn,
}

/// `choices` may be empty (usage, filters), `content` null or missing (roles, tool calls). `[DONE]` is read before.
pub(super) fn openai_chat(_: &str, event: &Object<'_>, text: &mut Vec<u8>) -> Sign {
    let choices = event.objects("choices").unwrap_or_default();
    // Several replies may come interleaved; the first is the one to show.
    let first = choices.iter().find(|choice| choice.number("index").unwrap_or(0) == 0);
    text.extend(first.and_then(|choice| choice.object("delta")?.bytes("content")).unwrap_or_default());
    Sign::None
}

pub(super) fn openai_responses(kind: &str, event: &Object<'_>, text: &mut Vec<u8>) -> Sign {
    match kind {
        "response.output_text.delta" => text.extend(event.bytes("delta").unwrap_or_default()),
        "response.completed" | "response.incomplete" => return Sign::End(Ending::Done),
        "response.failed" => {
            let message = event.object("response").and_then(|response| response.object("error")?.text("message"));
            return Sign::End(Ending::failed(message.as_deref()));
        }
        _ => {}
    }
    Sign::None
}

pub(super) fn anthropic(kind: &str, event: &Object<'_>, text: &mut Vec<u8>) -> Sign {
    match kind {
        "content_block_delta" => {
            let delta = event.object("delta").filter(|delta| delta.text("type").as_deref() == Some("text_delta"));
            text.extend(delta.and_then(|delta| delta.bytes("text")).unwrap_or_default());
        }
        "message_stop" => return Sign::End(Ending::Done),
        _ => {}
    }
    Sign::None
}

/// The body's end is the reply's. But the service itself, whose chunks carry more than candidates, says
/// `finishReason` in the last: without it, the end has come too early.
pub(super) fn gemini(_: &str, event: &Object<'_>, text: &mut Vec<u8>) -> Sign {
    let candidates = event.objects("candidates").unwrap_or_default();
    let first = candidates.iter().find(|candidate| candidate.number("index").unwrap_or(0) == 0);
    let parts = first.and_then(|candidate| candidate.object("content")?.objects("parts")).unwrap_or_default();
    for part in parts.iter().filter(|part| !part.is_true("thought")) {
        text.extend(part.bytes("text").unwrap_or_default());
    }
    let blocked = event.object("promptFeedback").and_then(|feedback| feedback.text("blockReason"));
    if let Some(reason) = blocked.filter(|_| first.is_none()) {
        return Sign::End(Ending::failed(Some(&format!("The prompt was blocked: {reason}"))));
    }
    match first {
        Some(candidate) if candidate.has("finishReason") => Sign::MayEnd,
        _ if ["usageMetadata", "modelVersion", "responseId"].iter().any(|name| event.has(name)) => Sign::MustGoOn,
        _ => Sign::None,
    }
}

pub(super) fn ai_sdk(kind: &str, event: &Object<'_>, text: &mut Vec<u8>) -> Sign {
    match kind {
        "text-delta" => text.extend(event.bytes("delta").unwrap_or_default()),
        "finish" => return Sign::End(Ending::Done),
        "abort" => return Sign::End(Ending::failed(Some("The reply was stopped"))),
        _ => {}
    }
    Sign::None
}

pub(super) fn ollama(_: &str, event: &Object<'_>, text: &mut Vec<u8>) -> Sign {
    let chat = event.object("message").and_then(|message| message.bytes("content"));
    text.extend(chat.or_else(|| event.bytes("response")).unwrap_or_default());
    if event.is_true("done") { Sign::End(Ending::Done) } else { Sign::None }
}
