//! Publishing: ops in batches, whole replies as open bodies, and what has become of them.
//!
//! | file | route |
//! |---|---|
//! | `ops` | `POST /channels/{channel}/ops`, as JSON |
//! | `lines` | the same, as NDJSON that goes on |
//! | `reply` | `POST /channels/{channel}/streams/{stream}` |
//! | `state` | `GET` and `DELETE` of channels and streams |
//!
//! Who may is judged before a handler runs (`guard`); what a stream takes is judged by `channel`. Between them stand
//! the forms: media types, queries, headers, lines.
//!
//! **Source:** `openapi/protocol.md`, "Publishing".

mod answers;
mod lines;
mod ops;
mod prefer;
mod reply;
mod reply_request;
mod state;

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{HttpRequest, web};
use bytes::Bytes;

use super::HttpOptions;
use super::body::{Body, BodyBudget, BodyLimits};
use super::budget::{Budget, Held};
use super::facts;
use super::health::Readiness;
use super::problem::Problem;
use super::problem_kinds::Kind;
use crate::auth::{Caller, Header, Pass};
use crate::channel::{Hub, HubOptions, Publisher, Right};
use crate::limits::SMALL_SOURCE_BYTES_MAX;
use crate::protocol::{Batch, BatchError, ChannelName, Sizes, StreamName};

pub(super) use answers::{BatchBody, CancelAnswer, ChannelAnswer, EndAnswer, OpsAnswer, ReplyAnswer, StreamAnswer};
pub(super) use ops::{__path_ops, ops};
pub(super) use reply::{__path_reply, reply};
pub(super) use state::{__path_cancel, __path_channel, __path_end, __path_stream, cancel, channel, end, stream};

/// What a key looks like, for the API document.
pub(super) const KEY_PATTERN: &str = "^[!-~]{1,255}$";
/// What an epoch looks like, likewise.
pub(super) const EPOCH_PATTERN: &str = "^(0|[1-9a-f][0-9a-f]{0,15})$";

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What publishing needs. A clone is a handle to the same hub and budget.
#[derive(Clone)]
pub(super) struct Publishing {
    hub: Hub,
    readiness: Readiness,
    bodies: BodyBudget,
    sizes: Sizes,
    body_timeout: Duration,
    idle: Duration,
}

impl Publishing {
    /// Over this hub, under the operator's options, with bodies paid from `bodies`.
    pub(super) fn new(
        http: &HttpOptions,
        channels: &HubOptions,
        (hub, readiness): (Hub, Readiness),
        bodies: Budget,
    ) -> Self {
        Self {
            hub,
            readiness,
            bodies: BodyBudget(bodies),
            sizes: Sizes {
                op_bytes_max: channels.op_bytes_max,
                batch_ops_max: channels.batch_ops_max,
                batch_bytes_max: channels.batch_bytes_max,
                event_detail_bytes_max: channels.event_detail_bytes_max,
            },
            body_timeout: http.body_timeout,
            idle: channels.stream_idle,
        }
    }

    async fn read(&self, request: &HttpRequest, payload: web::Payload) -> Result<Body, Problem> {
        let limits = BodyLimits { bytes_max: self.sizes.batch_bytes_max, timeout: self.body_timeout };
        self.bodies.read(request.headers(), payload, limits).await
    }

    /// Parses a batch: a long one off the worker, where its part of the budget goes with it.
    async fn parse(&self, json: Bytes, held: Held) -> Result<(Result<Batch, BatchError>, Held), Problem> {
        let sizes = self.sizes;
        made(json.len(), move || (Batch::parse(&json, &sizes), held)).await
    }
}

/// Makes something of so many bytes: off the worker where that is much.
async fn made<R: Send + 'static>(bytes: usize, make: impl FnOnce() -> R + Send + 'static) -> Result<R, Problem> {
    if bytes <= SMALL_SOURCE_BYTES_MAX {
        return Ok(make());
    }
    let making = tokio::task::spawn_blocking(make);
    making.await.map_err(|error| Problem::internal(format!("off the worker: {error}")))
}

/// Who publishes.
struct Sender {
    right: Right,
    caller: Caller,
}

impl Sender {
    fn of(pass: &Pass) -> Self {
        let right = if pass.is_backend() { Right::Backend } else { Right::Browser };
        Self { right, caller: pass.caller() }
    }

    /// The sender of a batch whose bytes have this fingerprint.
    fn publisher(&self, fingerprint: u64) -> Publisher {
        Publisher { right: self.right, caller: self.caller, fingerprint }
    }
}

/// Ops as rates count them.
fn count(ops: usize) -> u32 {
    u32::try_from(ops).unwrap_or(u32::MAX)
}

/// The channel that a path names, after percent-decoding.
pub(super) fn channel_of(request: &HttpRequest) -> Result<ChannelName, Problem> {
    Ok(ChannelName::parse(&part(request, "channel"))?)
}

/// The stream that a path names, after percent-decoding.
fn stream_of(request: &HttpRequest) -> Result<StreamName, Problem> {
    Ok(StreamName::parse(&part(request, "stream"))?)
}

fn part(request: &HttpRequest, name: &str) -> String {
    let found = request.match_info().get(name).expect("the pattern has this part");
    percent_encoding::percent_decode_str(found).decode_utf8_lossy().into_owned()
}

/// The name that a publisher gives its publish, so that a retry does not count twice.
fn key_of(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let refuse = |detail: &'static str| Err(Problem::new(Kind::InvalidHeader, detail));
    match facts::single(headers, IDEMPOTENCY_KEY) {
        Header::Absent => Ok(None),
        Header::One(key) if Batch::is_key(key) => Ok(Some(key)),
        Header::One(_) => refuse("Idempotency-Key takes 1 to 255 visible ASCII characters"),
        Header::Unreadable => refuse("Idempotency-Key may stand once, in ASCII"),
    }
}

/// Refuses a key on a body that goes on: what of it was applied cannot be told by a name for all of it.
fn refuse_key(headers: &HeaderMap) -> Result<(), Problem> {
    if !headers.contains_key(IDEMPOTENCY_KEY) {
        return Ok(());
    }
    let detail = "a body that goes on takes no Idempotency-Key; a line of NDJSON may have a `key` of its own";
    Err(Problem::new(Kind::InvalidHeader, detail).closing())
}
