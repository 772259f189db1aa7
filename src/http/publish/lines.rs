//! NDJSON that goes on: each line is a batch, applied as it arrives.
//!
//! A line that is refused is told of at the end and stops nothing. Only where nothing can be applied any more (the
//! service stops, the log does not answer) the body is answered at once.
//!
//! **Invariant:** a run that the body started and did not end gets an `error` if the body breaks off
//! (`runs_of_lines_that_break_off_end_with_an_error`).
//! **Source:** `openapi/protocol.md`, "NDJSON".

use std::collections::BTreeMap;

use actix_web::{HttpRequest, web};
use bytes::Bytes;

use super::answers::{LineError, LinesAnswer};
use super::{Publishing, Sender, count, refuse_key};
use crate::channel::{BegunRun, Hub, RunEffect, fingerprint};
use crate::http::body::BUSY_WAIT;
use crate::http::budget::{FREE_BYTES, Held};
use crate::http::media_type::refuse_codings;
use crate::http::open_body::{Came, OpenBody};
use crate::http::problem::Problem;
use crate::http::problem_kinds::Kind;
use crate::ingest::{Line, Lines};
use crate::limits::Limits;
use crate::protocol::{ChannelName, StreamName};

/// The most lines that are told of. A sender that is wrong about each of its lines learns it from fewer, and an answer
/// has to end somewhere.
const ERRORS_MAX: usize = 1000;

/// Applies line after line until the body ends.
///
/// # Errors
/// Where the body breaks off, falls silent, or nothing can be applied any more.
pub(super) async fn lines(
    request: &HttpRequest,
    payload: web::Payload,
    publishing: &Publishing,
    limits: web::Data<Limits>,
    channel: ChannelName,
    sender: Sender,
) -> Result<LinesAnswer, Problem> {
    refuse_key(request.headers())?;
    refuse_codings(request.headers())?;
    let mut body = OpenBody::new(payload, publishing.idle);
    let mut lines = Lines::new(publishing.sizes.batch_bytes_max);
    let mut held = Held::default();
    let started = Started { hub: publishing.hub.clone(), channel, runs: BTreeMap::new() };
    let answer = LinesAnswer { id: None, applied: 0, errors: Vec::new(), more_errors: None };
    let mut feed = Feed { publishing, limits, sender, started, answer };
    loop {
        let came = tokio::select! {
            biased;
            came = body.next() => came,
            () = publishing.readiness.ending() => return Err(Problem::draining()),
        };
        match came {
            Came::Bytes(bytes) => lines.push(&bytes),
            Came::End => {
                if let Some(line) = lines.last_line().map(Owned::from) {
                    feed.take(line).await?;
                }
                feed.started.runs.clear();
                return Ok(feed.answer);
            }
            Came::Broken => return Err(Problem::new(Kind::InvalidHeader, "the body broke off")),
            Came::Silence => {
                let detail = format!("no line came for {} s", publishing.idle.as_secs_f32());
                return Err(Problem::new(Kind::Timeout, detail));
            }
        }
        while let Some(line) = lines.next_line().map(Owned::from) {
            feed.take(line).await?;
        }
        if lines.held_bytes() <= FREE_BYTES {
            held = Held::default();
        } else if !publishing.bodies.0.cover(&mut held, lines.held_bytes()) {
            let detail = "other large bodies are being read; come back when they are done";
            return Err(Problem::new(Kind::Busy, detail).retry_after(BUSY_WAIT));
        }
    }
}

/// A line that outlives its buffer.
struct Owned {
    number: u64,
    bytes: Result<Bytes, Problem>,
}

impl From<Line<'_>> for Owned {
    fn from(line: Line<'_>) -> Self {
        let too_long = |error| Problem::new(Kind::BodyTooLarge, format!("the line is {error}"));
        Self { number: line.number, bytes: line.bytes.map(Bytes::copy_from_slice).map_err(too_long) }
    }
}

/// What the lines come to.
struct Feed<'a> {
    publishing: &'a Publishing,
    limits: web::Data<Limits>,
    sender: Sender,
    started: Started,
    answer: LinesAnswer,
}

impl Feed<'_> {
    /// Applies a line, or notes why not.
    async fn take(&mut self, line: Owned) -> Result<(), Problem> {
        let Owned { number, bytes } = line;
        let applied = match bytes {
            Ok(json) => self.apply(json).await,
            Err(problem) => Err(problem),
        };
        match applied {
            Ok(()) => self.answer.applied += 1,
            Err(problem) if [Kind::Draining, Kind::LogUnavailable, Kind::Internal].contains(&problem.kind()) => {
                return Err(problem);
            }
            Err(problem) if self.answer.errors.len() < ERRORS_MAX => {
                let kind = format!("/problems/{}", problem.kind().row().slug);
                let detail = problem.detail().to_owned();
                self.answer.errors.push(LineError { line: number, kind, detail });
            }
            Err(_) => *self.answer.more_errors.get_or_insert(0) += 1,
        }
        Ok(())
    }

    async fn apply(&mut self, json: Bytes) -> Result<(), Problem> {
        let caller = self.sender.caller;
        self.limits.publish_paced(caller, 1, json.len()).await;
        let print = fingerprint(&json);
        let (batch, _) = self.publishing.parse(json, Held::default()).await?;
        let batch = batch?;
        self.limits.publish_paced(caller, count(batch.ops.len() - 1), 0).await;
        let stream = batch.stream.clone();
        let sender = self.sender.publisher(print);
        let published = self.publishing.hub.publish_telling(&self.started.channel, batch, sender).await?;
        self.answer.id = Some(published.id);
        match published.effect {
            RunEffect::Began(run) => drop(self.started.runs.insert(stream, run)),
            RunEffect::Ended => drop(self.started.runs.remove(&stream)),
            RunEffect::None => {}
        }
        Ok(())
    }
}

/// The runs that a body started and has not ended; if it is dropped with any, they end with an error.
struct Started {
    hub: Hub,
    channel: ChannelName,
    runs: BTreeMap<StreamName, BegunRun>,
}

impl Drop for Started {
    fn drop(&mut self) {
        let runs = std::mem::take(&mut self.runs);
        let Some(runtime) = tokio::runtime::Handle::try_current().ok().filter(|_| !runs.is_empty()) else { return };
        let (hub, channel) = (self.hub.clone(), self.channel.clone());
        runtime.spawn(async move {
            for (stream, run) in runs {
                hub.interrupt(&channel, &stream, run).await;
            }
        });
    }
}
