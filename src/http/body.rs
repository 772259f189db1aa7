//! Reading a request's body: bounded in bytes, in time, and in what all bodies together may hold.
//!
//! A body that says it is too long is refused before it is read. One that takes too long is answered 408. Bodies up to
//! [`SMALL_BODY_BYTES_MAX`] are always read; longer ones first take their bytes from one budget, so that many slow
//! senders of large bodies cannot fill the memory (CWE-770).
//!
//! **Source:** RFC 9110 §8.4 (no request codings are taken), §15.5.14, §15.5.9; FACTS "No timeout for request bodies".

use std::sync::Arc;
use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use super::problem_kinds::Kind;

/// Bodies up to this many bytes take nothing from the budget: ten thousand connections hold 640 MiB of them at most, and
/// only if every one sends such a body at once.
pub(super) const SMALL_BODY_BYTES_MAX: usize = 64 * 1024;
/// The budget is counted in blocks of this many bytes.
const BLOCK_BYTES: usize = 1024;
/// The largest budget, in blocks: 2 TiB.
const BLOCKS_MAX: usize = 1 << 31;
/// How long a sender waits who found the budget used up.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// How much all larger bodies together may hold. A clone is a handle to the same budget.
#[derive(Clone, Debug)]
pub(super) struct BodyBudget {
    /// All blocks: a body longer than that takes all of them and is read alone.
    total: usize,
    blocks: Arc<Semaphore>,
}

/// A body in memory; dropping it gives its bytes back to the budget.
#[derive(Debug)]
pub(super) struct Body {
    /// The bytes.
    pub bytes: Bytes,
    /// Its part of the budget.
    pub held: Held,
}

/// What a body took from the budget; dropping it gives it back. Outlives the bytes
/// where what was made of them waits: the source for its render, the answer for its reader.
#[derive(Debug)]
pub(super) struct Held(#[expect(dead_code, reason = "held for its drop")] Vec<OwnedSemaphorePermit>);

/// How long a body may be and take.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    /// The longest body, in bytes.
    pub bytes_max: usize,
    /// From now to the last byte.
    pub timeout: Duration,
}

impl BodyBudget {
    /// A budget of this many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let blocks = (bytes / BLOCK_BYTES).clamp(1, BLOCKS_MAX);
        Self { blocks: Arc::new(Semaphore::new(blocks)), total: blocks }
    }

    /// Takes what `bytes` more need besides the blocks that are `held`.
    fn take(&self, bytes: usize, held: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let blocks = bytes.div_ceil(BLOCK_BYTES).min(self.total - held);
        let blocks = u32::try_from(blocks).expect("a budget has fewer blocks than u32 counts");
        Arc::clone(&self.blocks).try_acquire_many_owned(blocks).map_err(|_| {
            let detail = "other large bodies are being read; come back when they are done";
            Problem::new(Kind::Busy, detail).retry_after(BUSY_WAIT).closing()
        })
    }

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
        let mut held: Vec<OwnedSemaphorePermit> = Vec::new();
        let mut paid = SMALL_BODY_BYTES_MAX;
        let mut pay = |needed: usize| -> Result<(), Problem> {
            if needed > paid {
                // Without a length the price is paid in steps, each as large as all before it.
                let step = (needed - paid).max(if announced.is_some() { 0 } else { paid });
                let blocks = held.iter().map(OwnedSemaphorePermit::num_permits).sum();
                held.push(self.take(step, blocks)?);
                paid += step;
            }
            Ok(())
        };
        pay(announced.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)))?;
        let first = payload.next().await.transpose().map_err(broken)?.unwrap_or_default();
        if announced == Some(first.len() as u64) {
            return Ok(Body { bytes: first, held: Held(held) });
        }
        let mut bytes = BytesMut::from(first);
        loop {
            if bytes.len() > bytes_max {
                return Err(too_large(bytes_max));
            }
            pay(bytes.len())?;
            let Some(chunk) = payload.next().await.transpose().map_err(broken)? else { break };
            bytes.extend_from_slice(&chunk);
        }
        Ok(Body { bytes: bytes.freeze(), held: Held(held) })
    }
}

fn announced_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(Kind::BodyTooLarge, format!("the body may be {bytes_max} bytes long")).closing()
}

fn refuse_codings(headers: &HeaderMap) -> Result<(), Problem> {
    let coded =
        headers.get(header::CONTENT_ENCODING).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if !coded {
        return Ok(());
    }
    let detail = "bodies are taken without Content-Encoding";
    let problem = Problem::new(Kind::UnsupportedMediaType, detail).closing();
    Err(problem.header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

fn broken(error: PayloadError) -> Problem {
    match error {
        PayloadError::Incomplete(_) => {
            Problem::new(Kind::InvalidHeader, "the body's framing is broken, or it ended early").closing()
        }
        other => Problem::new(Kind::InvalidHeader, format!("the body could not be read: {other}")).closing(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_over_the_whole_budget_takes_all_of_it_and_is_read_alone() {
        let budget = BodyBudget::new(10 * BLOCK_BYTES);
        let all = budget.take(1 << 40, 0).unwrap();
        assert_eq!(all.num_permits(), 10);
        assert_eq!(budget.take(1, 10).unwrap().num_permits(), 0, "its next step costs nothing more");
        assert_eq!(budget.take(1, 0).unwrap_err().kind(), Kind::Busy);
        drop(all);
        assert_eq!(budget.take(BLOCK_BYTES + 1, 0).unwrap().num_permits(), 2);
    }
}
