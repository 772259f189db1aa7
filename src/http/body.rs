//! Reading a request's body: bounded in bytes, in time, and in what all bodies together may hold.
//!
//! A body that says it is too long is refused before it is read. One that takes too long is answered 408. Bodies up to
//! [`FREE_BYTES`] are always read; longer ones take their bytes from one budget as they come, so that many senders of
//! large bodies cannot fill the memory (CWE-770), and a length that is only announced takes nothing from others.
//!
//! The HTTP library says `100 Continue` before any of this: a client that asks first is told to go on even where the
//! length it announced is refused. The refusal follows at once.
//!
//! **Source:** RFC 9110 §15.5.14, §15.5.9; FACTS "No timeout for request bodies".

use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use super::budget::{Budget, FREE_BYTES, Held};
use super::media_type::refuse_codings;
use super::problem::Problem;
use super::problem_kinds::Kind;

/// How long a caller is told to wait who found a budget used up.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(1);

/// Bodies are paid for in steps of this many bytes.
const STEP_BYTES: usize = FREE_BYTES;

/// Reads bodies within one budget. A clone is a handle to the same budget.
#[derive(Clone, Debug)]
pub(super) struct BodyBudget(pub(super) Budget);

/// A body in memory; dropping it gives its bytes back to the budget.
#[derive(Debug)]
pub(super) struct Body {
    /// The bytes.
    pub bytes: Bytes,
    /// Its part of the budget, to be kept as long as anything is done with it.
    pub held: Held,
}

/// How long a body may be and take.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    /// The longest body, in bytes.
    pub bytes_max: usize,
    /// From now to the last byte.
    pub timeout: Duration,
}

impl BodyBudget {
    /// Reads `payload` to its end.
    ///
    /// # Errors
    /// `body-too-large`, `timeout`, `busy`, `invalid-header` (broken framing) or `unsupported-media-type` (a coding).
    ///
    /// # Cancel safety
    /// Dropping the future gives back what it held; the rest of the body is lost.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        payload: web::Payload,
        limits: BodyLimits,
    ) -> Result<Body, Problem> {
        refuse_codings(headers)?;
        let announced = announced_bytes(headers);
        if announced.is_some_and(|bytes| bytes > limits.bytes_max as u64) {
            return Err(too_large(limits.bytes_max));
        }
        let reading = self.collect(announced, payload, limits.bytes_max);
        tokio::time::timeout(limits.timeout, reading).await.unwrap_or_else(|_| {
            let detail = format!("the body did not arrive within {} s", limits.timeout.as_secs_f32());
            Err(Problem::new(Kind::Timeout, detail).closing())
        })
    }

    async fn collect(
        &self,
        announced: Option<u64>,
        mut payload: web::Payload,
        bytes_max: usize,
    ) -> Result<Body, Problem> {
        let mut held = Held::default();
        let first = payload.next().await.transpose().map_err(broken)?.unwrap_or_default();
        if announced == Some(first.len() as u64) {
            self.pay(&mut held, first.len())?;
            return Ok(Body { bytes: first, held });
        }
        let mut bytes = BytesMut::from(first);
        loop {
            if bytes.len() > bytes_max {
                return Err(too_large(bytes_max));
            }
            self.pay(&mut held, bytes.len())?;
            let Some(chunk) = payload.next().await.transpose().map_err(broken)? else { break };
            bytes.extend_from_slice(&chunk);
        }
        Ok(Body { bytes: bytes.freeze(), held })
    }

    /// Lets `held` be enough for the bytes that have come.
    fn pay(&self, held: &mut Held, bytes: usize) -> Result<(), Problem> {
        if self.0.cover(held, bytes.next_multiple_of(STEP_BYTES)) {
            return Ok(());
        }
        let detail = "other large bodies are being read; come back when they are done";
        Err(Problem::new(Kind::Busy, detail).retry_after(BUSY_WAIT).closing())
    }
}

fn announced_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(Kind::BodyTooLarge, format!("the body may be {bytes_max} bytes long")).closing()
}

fn broken(error: PayloadError) -> Problem {
    match error {
        PayloadError::Incomplete(_) => {
            Problem::new(Kind::InvalidHeader, "the body's framing is broken, or it ended early").closing()
        }
        other => Problem::new(Kind::InvalidHeader, format!("the body could not be read: {other}")).closing(),
    }
}
