//! The bodies of publishing: what is sent, for the API document, and what is answered.
//!
//! **Invariant:** what has much text is written off the worker, as large renders are; what has little at once
//! (`answers_with_much_text_are_written_off_the_worker`).
//!
//! **Source:** `openapi/protocol.md`, "Publishing", "State".

use std::collections::BTreeMap;

use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{Array, ArrayBuilder};

use super::made;
use crate::channel::{ChannelState, Finished, StreamContent, StreamState};
use crate::http::problem::Problem;
use crate::protocol::{DomOp, Frame, Kind, Position, RunState, StreamName};

/// Ops of one stream, all or none of which are applied.
#[derive(ToSchema)]
#[schema(as = Batch)]
#[expect(dead_code, reason = "the shape of a body that is parsed by hand, for the API document")]
pub(in crate::http) struct BatchBody {
    /// The stream.
    #[schema(example = "response", pattern = "^[A-Za-z0-9_.:@~-]{1,128}$")]
    stream: String,
    /// The ops, in order: objects with `op` and the fields of that op. At most 1,000 unless the operator says otherwise.
    #[schema(schema_with = ops_schema)]
    ops: Vec<()>,
    /// The publisher's name for this batch; an `Idempotency-Key` header counts before it.
    #[schema(required = false, nullable = false, pattern = "^[!-~]{1,255}$")]
    key: Option<String>,
    /// The epoch that the publisher goes by; if the channel is in another, nothing is applied.
    #[schema(required = false, nullable = false, pattern = "^(0|[1-9a-f][0-9a-f]{0,15})$")]
    epoch: Option<String>,
    /// May be `stream`, so that a frame can be published as it is.
    #[serde(rename = "type")]
    #[schema(required = false, nullable = false, pattern = "^stream$")]
    kind: Option<String>,
}

fn ops_schema() -> Array {
    ArrayBuilder::new().items(Ref::from_schema_name("Op")).min_items(Some(1)).max_items(Some(1000)).build()
}

/// Where the channel stands after a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchAnswer)]
pub(in crate::http) struct BatchAnswer {
    /// Epoch and offset of the entry.
    #[schema(value_type = String, example = "1f3a-42")]
    pub(in crate::http) id: Position,
}

/// Where the channel stands after a batch, or what became of the lines of NDJSON.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the one or the other is answered")]
pub(in crate::http) enum OpsAnswer {
    /// Of JSON.
    Batch(BatchAnswer),
    /// Of NDJSON.
    Lines(LinesAnswer),
}

/// What became of the lines of an NDJSON body.
#[derive(Serialize, ToSchema)]
#[schema(as = LinesAnswer)]
pub(in crate::http) struct LinesAnswer {
    /// The id of the last line that was applied; null where none was.
    #[schema(value_type = Option<String>, example = "1f3a-42")]
    pub(in crate::http) id: Option<Position>,
    /// How many lines were applied.
    #[schema(example = 99)]
    pub(in crate::http) applied: u64,
    /// The lines that were not, the first thousand of them.
    pub(in crate::http) errors: Vec<LineError>,
    /// How many more were not; absent where `errors` has them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) more_errors: Option<u64>,
}

/// A line that was not applied.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LineError)]
pub(in crate::http) struct LineError {
    /// Its number, from 1; empty lines count.
    #[schema(example = 7)]
    pub(in crate::http) line: u64,
    /// The kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "/problems/stream-done")]
    pub(in crate::http) kind: String,
    /// What is wrong with it.
    #[schema(example = "op 0: the run is done")]
    pub(in crate::http) detail: String,
}

/// What became of a reply.
#[derive(Serialize, ToSchema)]
#[schema(as = ReplyAnswer)]
pub(in crate::http) struct ReplyAnswer {
    /// Where the channel stands after its end.
    #[schema(value_type = String, example = "1f3a-42")]
    id: Position,
    /// How it ended: `done`, `cancelled` or `error`.
    #[schema(value_type = String, example = "done")]
    finish: RunState,
    /// The bytes of its source.
    #[schema(example = 1234)]
    bytes: u64,
    /// Why it ended with an error: the provider's own words, or ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "the provider's stream ended without its mark of the end")]
    error: Option<String>,
    /// The source, where `Prefer: return=representation` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "Hello **world**\n")]
    source: Option<String>,
    /// Its HTML, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "<p>Hello <strong>world</strong></p>")]
    html: Option<String>,
}

/// What a cancel found.
#[derive(Serialize, ToSchema)]
#[schema(as = CancelAnswer)]
pub(in crate::http) struct CancelAnswer {
    /// Where the channel stands now; null where there is no such channel.
    #[schema(value_type = Option<String>, example = "1f3a-42")]
    pub(in crate::http) id: Option<Position>,
    /// Whether a reply was being written, and was stopped by this.
    pub(in crate::http) cancelled: bool,
}

/// Where a channel stands that has ended.
#[derive(Serialize, ToSchema)]
#[schema(as = EndAnswer)]
pub(in crate::http) struct EndAnswer {
    /// Where it stands; null where there is no such channel.
    #[schema(value_type = Option<String>, example = "1f3a-42")]
    pub(in crate::http) id: Option<Position>,
}

/// A channel as it is now.
#[derive(Serialize, ToSchema)]
#[schema(as = ChannelState)]
pub(in crate::http) struct ChannelAnswer {
    /// Its name.
    #[schema(example = "chat-42")]
    channel: String,
    /// Where it stands.
    #[schema(value_type = String, example = "1f3a-42")]
    id: Position,
    /// `active` (a stream is being written), `idle` or `ended`.
    #[schema(example = "active")]
    state: &'static str,
    /// How many watch it, on this replica.
    #[schema(example = 3)]
    subscribers: usize,
    /// Its streams by name.
    #[schema(value_type = BTreeMap<String, StreamSummary>)]
    streams: BTreeMap<StreamName, StreamSummary>,
}

/// A stream in short.
#[derive(Serialize, ToSchema)]
struct StreamSummary {
    /// `idle` (never started), `active`, `done`, `cancelled` or `error`.
    #[schema(value_type = String, example = "active")]
    state: RunState,
    /// `markdown` or `ops`; null before its first content.
    #[schema(value_type = Option<String>, example = "markdown")]
    kind: Option<Kind>,
    /// The bytes of its source, or of its kept ops.
    #[schema(example = 1234)]
    bytes: u64,
}

/// A stream with its content: `source` and `html`, or `ops`.
#[derive(Serialize, ToSchema)]
#[schema(as = StreamState)]
pub(in crate::http) struct StreamAnswer {
    /// `idle` (never started), `active`, `done`, `cancelled` or `error`.
    #[schema(value_type = String, example = "done")]
    state: RunState,
    /// The channel's position at which the content is this: what a page rendered from it joins from.
    #[schema(value_type = String, example = "1f3a-42")]
    id: Position,
    /// The source of a Markdown run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "Hello **world**\n")]
    source: Option<String>,
    /// What a page shows of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "<p>Hello <strong>world</strong></p>")]
    html: Option<String>,
    /// The kept ops of an ops run, as a frame has them: it has no HTML without its page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<Vec<Object>>)]
    ops: Option<Box<RawValue>>,
}

impl ReplyAnswer {
    /// Of a reply that has ended, and why if with an error.
    pub(super) async fn write(finished: Finished, error: Option<String>) -> Result<Vec<u8>, Problem> {
        let Finished { id, finish, bytes, source, html } = finished;
        let error = error.filter(|_| finish == RunState::Error);
        let size = [&source, &html, &error].into_iter().flatten().map(String::len).sum();
        let answer = Self { id, finish, bytes, error, source, html };
        made(size, move || encoded(&answer)).await
    }
}

impl StreamAnswer {
    /// Of the stream with this name.
    pub(super) async fn write(name: StreamName, found: StreamState) -> Result<Vec<u8>, Problem> {
        let StreamState { id, state, content, .. } = found;
        let size = content.bytes();
        let write = move || match content {
            StreamContent::Markdown { source, html } => {
                encoded(&Self { state, id, source: Some(source), html: Some(html), ops: None })
            }
            StreamContent::Ops(ops) => {
                encoded(&Self { state, id, source: None, html: None, ops: Some(written(&name, ops)) })
            }
        };
        made(size, write).await
    }
}

impl ChannelAnswer {
    /// Of the channel with this name.
    pub(super) fn new(channel: String, found: ChannelState) -> Self {
        let summary = |stream: crate::channel::StreamSummary| StreamSummary {
            state: stream.state,
            kind: stream.kind,
            bytes: stream.bytes,
        };
        let streams = found.streams.into_iter().map(|(name, stream)| (name, summary(stream))).collect();
        Self { channel, id: found.id, state: found.state.as_str(), subscribers: found.subscribers, streams }
    }
}

/// Ops as they stand on the wire.
fn written(stream: &StreamName, ops: Vec<DomOp>) -> Box<RawValue> {
    #[derive(Deserialize)]
    struct Written {
        ops: Box<RawValue>,
    }
    let mut json = Vec::new();
    Frame::new(stream.clone(), ops).write(&mut json, None, None, None);
    let frame: Written = serde_json::from_slice(&json).expect("a frame is JSON and has ops");
    frame.ops
}

/// An answer in JSON, of what may be another a moment later.
pub(super) fn json(answer: &impl Serialize) -> HttpResponse {
    head().body(encoded(answer))
}

/// The head of such an answer.
pub(super) fn head() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.content_type("application/json").insert_header((header::CACHE_CONTROL, "no-store"));
    response
}

/// The body of such an answer.
fn encoded(answer: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(answer).expect("names, numbers and strings serialise")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::protocol::Epoch;

    /// What a stream answers, and what a reply of the same text does, where it holds `content`.
    fn of(content: StreamContent) -> [impl Future<Output = Result<Vec<u8>, Problem>>; 2] {
        let (id, state) = (Epoch::new(1).at(1), RunState::Done);
        let (source, html) = match &content {
            StreamContent::Markdown { source, html } => (Some(source.clone()), Some(html.clone())),
            StreamContent::Ops(_) => (None, Some("x".repeat(content.bytes()))),
        };
        let finished = Finished { id, finish: state, bytes: 0, source, html };
        let stream = StreamAnswer::write(StreamName::parse("s").unwrap(), StreamState { id, state, run: 1, content });
        [stream.boxed(), ReplyAnswer::write(finished, None).boxed()]
    }

    #[test]
    fn answers_with_much_text_are_written_off_the_worker() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            // The one thread for long work is taken.
            let (release, taken) = std::sync::mpsc::channel::<()>();
            let occupied = tokio::task::spawn_blocking(move || taken.recv());
            let markdown = |bytes| StreamContent::Markdown { source: "a".repeat(bytes), html: "b".repeat(bytes) };
            let ops = |count| StreamContent::Ops(vec![DomOp::Start { target: None, clear: false }; count]);
            for answer in [of(markdown(1_000)), of(ops(100))].into_iter().flatten() {
                let json = answer.now_or_never().expect("little is written at once").unwrap();
                assert!(serde_json::from_slice::<serde_json::Value>(&json).unwrap()["id"] == "1-1");
            }
            let large = [of(markdown(100_000)), of(ops(10_000))].into_iter().flatten();
            let mut large: Vec<_> = large.map(Box::pin).collect();
            assert!(large.iter_mut().all(|answer| answer.now_or_never().is_none()), "much waits for the thread");
            drop(release);
            assert!(occupied.await.unwrap().is_err());
            for answer in large {
                assert!(answer.await.unwrap().len() > 100_000);
            }
        });
    }
}
