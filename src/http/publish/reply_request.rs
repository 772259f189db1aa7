//! What a caller asks of `POST /channels/{channel}/streams/{stream}`: what the body is, and how it is rendered.
//!
//! **Source:** `openapi/protocol.md`, "Open bodies"; WHATWG URL §5.1 (query strings).

use actix_web::HttpRequest;
use serde_json::{Map, Value};

use super::prefer;
use super::refuse_key;
use crate::auth::TOKEN_PARAMETER;
use crate::http::media_type;
use crate::http::problem::Problem;
use crate::http::render_request::refuse;
use crate::http::stream_query::StreamQuery;
use crate::ingest::{FORMATS, Format, Framing};
use crate::protocol::Epoch;

/// The media types of bodies that are taken.
const TAKES: &[&str] = &["text/markdown", "text/plain", "text/event-stream", "application/x-ndjson"];

/// A reply to be carried.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReplyRequest {
    pub(super) form: Form,
    /// The options that the query names.
    pub(super) options: Option<Map<String, Value>>,
    /// The epoch that the publisher goes by.
    pub(super) epoch: Option<Epoch>,
    /// Whether the answer is to hold source and HTML.
    pub(super) representation: bool,
}

/// What the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Markdown, as it is.
    Text,
    /// A provider's stream, of a named shape or one to be recognised.
    Provider(Framing, Option<Format>),
}

impl ReplyRequest {
    /// Judges the head of a request.
    ///
    /// # Errors
    /// `unsupported-media-type`, `invalid-header`, `invalid-option` or `option-not-streamable`.
    pub(super) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let framing = match media_type::of_body(request.headers(), TAKES)? {
            0 | 1 => None,
            2 => Some(Framing::Events),
            _ => Some(Framing::Lines),
        };
        media_type::refuse_codings(request.headers())?;
        refuse_key(request.headers())?;
        // A token in the URL was read before.
        let query = StreamQuery::parse(request.query_string(), &["format", "epoch", TOKEN_PARAMETER])?;
        let format = query.named("format").map(format_of).transpose()?;
        // A named shape is read as such also where the sender has called it text.
        let form = match framing.or(format.map(|format| format.spec().framing)) {
            Some(framing) => Form::Provider(framing, format),
            None => Form::Text,
        };
        Ok(Self {
            form,
            epoch: query.named("epoch").map(epoch_of).transpose()?,
            options: query.options()?,
            representation: prefer::wants_representation(request.headers()),
        })
    }
}

fn format_of(name: &str) -> Result<Format, Problem> {
    Format::by_name(name).ok_or_else(|| {
        let names: Vec<&str> = FORMATS.iter().map(|spec| spec.name).collect();
        refuse("format", format!("`format` takes one of {}", names.join(", ")))
    })
}

fn epoch_of(text: &str) -> Result<Epoch, Problem> {
    text.parse().map_err(|_| refuse("epoch", "`epoch` takes the part of an id before the hyphen"))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header;
    use actix_web::test::TestRequest;
    use serde_json::json;

    use super::*;
    use crate::http::problem_kinds::Kind;

    fn of(media: &str, query: &str) -> Result<ReplyRequest, Problem> {
        let request = TestRequest::with_uri(&format!("/x?{query}")).insert_header((header::CONTENT_TYPE, media));
        ReplyRequest::of(&request.to_http_request())
    }

    fn form(media: &str, query: &str) -> Form {
        of(media, query).unwrap().form
    }

    #[test]
    fn the_media_type_says_how_the_body_is_framed() {
        assert_eq!(form("text/markdown", ""), Form::Text);
        assert_eq!(form("text/plain; charset=utf-8", ""), Form::Text);
        assert_eq!(form("text/event-stream", ""), Form::Provider(Framing::Events, None));
        assert_eq!(form("application/x-ndjson", "format=ollama"), Form::Provider(Framing::Lines, Some(Format::Ollama)));
        assert_eq!(form("text/plain", "format=ollama"), Form::Provider(Framing::Lines, Some(Format::Ollama)));
        assert_eq!(form("text/plain", "format=gemini"), Form::Provider(Framing::Events, Some(Format::Gemini)));
        let named = Form::Provider(Framing::Events, Some(Format::OpenAiChat));
        assert_eq!(form("text/event-stream", "format=openai-chat"), named);
    }

    #[test]
    fn what_is_no_option_is_told_from_what_is() {
        let asked = of("text/event-stream", "math=1&format=gemini&epoch=1f3a&id_prefix=a%2D&tail=escape").unwrap();
        assert_eq!(asked.options, json!({"math": true, "id_prefix": "a-", "tail": "escape"}).as_object().cloned());
        assert_eq!(asked.epoch, Some(Epoch::new(0x1f3a)));
        assert_eq!(of("text/plain", "").unwrap().options, None);
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (media, query, kind, detail) in [
            ("application/json", "", Kind::UnsupportedMediaType, "not one of text/markdown"),
            ("text/event-stream", "format=gpt", Kind::InvalidOption, "takes one of openai-chat, "),
            ("text/plain", "epoch=XY", Kind::InvalidOption, "`epoch` takes"),
            ("text/plain", "epoch=1&epoch=1", Kind::InvalidOption, "`epoch` is given twice"),
            ("text/plain", "math=1&math=1", Kind::InvalidOption, "`math` is given twice"),
            ("text/plain", "maths=1", Kind::InvalidOption, "unknown option `maths`"),
            ("text/plain", "provisional=false", Kind::OptionNotStreamable, "`provisional` is always true"),
        ] {
            let problem = of(media, query).unwrap_err();
            assert_eq!(problem.kind(), kind, "{media} {query}");
            assert!(problem.to_string().contains(detail), "{problem}");
        }
    }

    #[test]
    fn a_body_that_goes_on_takes_no_key() {
        let request = TestRequest::with_uri("/x").insert_header((header::CONTENT_TYPE, "text/plain"));
        let request = request.insert_header(("idempotency-key", "k")).to_http_request();
        assert_eq!(ReplyRequest::of(&request).unwrap_err().kind(), Kind::InvalidHeader);
    }
}
