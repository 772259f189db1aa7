//! `POST /channels/{channel}/ops`: a batch of ops, all or none of which are applied; or lines of them, as they come.
//!
//! **Source:** `openapi/protocol.md`, "Publishing", "Retrying"; draft-ietf-httpapi-idempotency-key-header-06 (422 for another body).

use actix_web::{HttpRequest, HttpResponse, web};

use super::answers::{BatchAnswer, BatchBody, LinesAnswer, OpsAnswer, json};
use super::{Publishing, Sender, channel_of, count, key_of, lines};
use crate::channel::fingerprint;
use crate::http::body::Body;
use crate::http::door::Visitor;
use crate::http::media_type;
use crate::http::problem::Problem;
use crate::limits::Limits;

/// The media types of bodies that are taken.
const TAKES: &[&str] = &["application/json", "application/x-ndjson"];

/// Appends ops to a channel's log.
#[utoipa::path(
    post, path = "/channels/{channel}/ops", tag = "publish", operation_id = "publish_ops",
    summary = "Publish ops",
    description = "As JSON: one batch of ops of one stream, applied as a whole or refused as a whole; a refusal names the \
        op and the field. As NDJSON: a batch a line, for as long as the body goes on; each line is applied as it \
        arrives, lines that are refused are told of at the end. If the body breaks off, runs that it started and did not \
        end get an `error`. Inside it the rate is back-pressure: it is read more slowly. \
        What each op does: `openapi/protocol.md`.",
    params(
        ("channel" = String, Path, description = "The channel's name", example = "chat-42",
            pattern = "^[A-Za-z0-9_.:@~-]{1,128}$"),
        ("Idempotency-Key" = Option<String>, Header, description = "A name for this batch (JSON only): a repetition of \
            it within ten minutes is answered like the first and changes nothing"),
    ),
    request_body(content(
        (BatchBody = "application/json",
            example = json!({"stream": "response", "ops": [{"op": "markdown", "text": "Hello **world**"}]})),
        (String = "application/x-ndjson",
            example = "{\"stream\":\"response\",\"ops\":[{\"op\":\"start\"}]}\n{\"stream\":\"response\",\"ops\":[{\"op\":\"text\",\"text\":\"Hello\"},{\"op\":\"done\"}]}\n"),
    ), description = "A batch, or a batch a line."),
    responses((status = 200, description = "Applied. Of NDJSON: what became of each line", content(
        (OpsAnswer = "application/json", examples(
            ("batch" = (summary = "A batch", value = json!({"id": "1f3a-42"}))),
            ("lines" = (summary = "NDJSON", value = json!({"id": "1f3a-42", "applied": 41, "errors": [
                {"line": 7, "type": "/problems/stream-done", "detail": "op 0: the run is done"}]}))),
        )),
    ))),
)]
pub(in crate::http) async fn ops(
    request: HttpRequest,
    payload: web::Payload,
    visitor: web::ReqData<Visitor>,
    publishing: web::Data<Publishing>,
    limits: web::Data<Limits>,
) -> Result<HttpResponse, Problem> {
    let channel = channel_of(&request)?;
    let sender = Sender::of(visitor.pass()?);
    if media_type::of_body(request.headers(), TAKES)? == 1 {
        let answer: LinesAnswer =
            lines::lines(&request, payload, &publishing, limits, channel, sender).await.map_err(Problem::closing)?;
        return Ok(json(&answer));
    }
    let key = key_of(request.headers())?.map(str::to_owned);
    let Body { bytes, held } = publishing.read(&request, payload).await?;
    let (size, print) = (bytes.len(), fingerprint(&bytes));
    let (batch, _held) = publishing.parse(bytes, held).await?;
    let mut batch = batch?;
    batch.key = key.or(batch.key);
    // The first op was counted before the body was read.
    limits.publish(sender.caller, count(batch.ops.len() - 1), size)?;
    let id = publishing.hub.publish(&channel, batch, sender.publisher(print)).await?;
    Ok(json(&BatchAnswer { id }))
}
