//! Refusals to what never became a request: problems that the connection writes itself.
//!
//! The dispatcher answers malformed heads and framing with a bare status. Its answer is known by its form, at the end of
//! what is to be written, and replaced.
//!
//! **Invariant:** each refusal told here is counted and is one line in the log with its id
//! (`a_refusal_without_a_request_is_in_the_log`).
//! **Source:** RFC 9112 §2.2, §3 (400); RFC 6585 §5 (431).

use std::net::SocketAddr;

use actix_web::http::StatusCode;

use crate::http::{Kind, Problem, RequestId};
use crate::telemetry::Metrics;

/// What the dispatcher says to a request that never became one: a status, no body, no request id.
#[derive(Debug)]
pub(super) struct Bare {
    /// Where it begins; answers to requests before it come first.
    pub(super) at: usize,
    /// Whether it says that the connection ends.
    pub(super) closes: bool,
    /// What to say in its place.
    pub(super) problem: Problem,
}

impl Bare {
    /// Finds it at the end of `bytes`. It has no other headers than these, which no answer of ours is content with.
    pub(super) fn find(bytes: &[u8]) -> Option<Self> {
        const BYTES_MAX: usize = 256;
        // Most of what is written ends in a body.
        if !bytes.ends_with(b"\r\n\r\n") {
            return None;
        }
        let tail = bytes.len().saturating_sub(BYTES_MAX);
        let at = tail + memchr::memmem::rfind(&bytes[tail..], b"HTTP/1.")?;
        let head = str::from_utf8(&bytes[at..]).ok()?.strip_suffix("\r\n\r\n")?;
        let (first, headers) = head.split_once("\r\n")?;
        let (status, detail) = match first.strip_prefix("HTTP/1.")?.get(1..)? {
            " 400 Bad Request" => (StatusCode::BAD_REQUEST, "the request's head or framing is malformed"),
            " 431 Request Header Fields Too Large" => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's head is too large")
            }
            _ => return None,
        };
        let known =
            |line: &str| line == "content-length: 0" || line.starts_with("connection: ") || line.starts_with("date: ");
        let bare = headers.split("\r\n").all(known) && headers.contains("content-length: 0");
        let closes = match first.starts_with("HTTP/1.0") {
            true => !headers.contains("connection: keep-alive"),
            false => headers.contains("connection: close"),
        };
        bare.then(|| Self { at, closes, problem: Problem::new(Kind::InvalidHeader, detail).with_status(status) })
    }
}

/// Counts and logs a refusal to `peer` (`None`: over a Unix socket). The bytes to write.
pub(super) fn tell(problem: &Problem, peer: Option<SocketAddr>, metrics: &Metrics) -> Vec<u8> {
    let (id, slug) = (RequestId::make(), problem.kind().row().slug);
    metrics.refused(slug);
    let peer = peer.map_or_else(|| "local".to_owned(), |peer| peer.ip().to_string());
    tracing::info!(request_id = id.as_str(), problem = slug, peer, "refused without a request");
    problem.raw(id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: x\r\n\r\n";

    #[test]
    fn only_bare_refusals_of_the_dispatcher_are_replaced() {
        assert!(Bare::find(BARE.as_bytes()).is_some_and(|bare| bare.at == 0 && bare.closes));
        let large =
            b"HTTP/1.0 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n";
        assert!(Bare::find(large).is_some_and(|bare| !bare.closes));
        let ours = Problem::new(Kind::InvalidJson, "x").raw("id");
        assert!(Bare::find(&ours).is_none());
        let with_id = BARE.replace("date: ", "x-request-id: ");
        let chunked = format!("{BARE}0\r\n\r\n");
        for other in ["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 4", "", "400", &with_id, &chunked] {
            assert!(Bare::find(other.as_bytes()).is_none(), "{other}");
        }
    }

    #[test]
    fn a_bare_refusal_is_found_behind_other_answers() {
        let before = format!("HTTP/1.1 200 OK\r\ncontent-length: 3000\r\n\r\n{}", "é".repeat(1500));
        let bare = Bare::find(format!("{before}{BARE}").as_bytes()).unwrap();
        assert_eq!(bare.at, before.len());
    }
}
