//! Refusals as RFC 9457 `application/problem+json`. This file alone knows how a refusal becomes an answer.
//!
//! `type` is `/problems/<slug>`: a stable name to compare with. As a link it would break behind a path prefix, so a
//! `Link` header with `rel="help"` carries the relative one.
//!
//! **Invariant:** every answer with a status from 400 up is one of these, whoever made it (`every_refusal_is_a_problem`).
//! **Source:** RFC 9457; RFC 9110 §10.2.3 (`Retry-After` in whole seconds), §15.5.6 (`Allow`), §11.6.1
//! (`WWW-Authenticate`).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;

use super::guard::rate_headers;
use super::problem_kinds::{Kind, Row};
use crate::auth::{NotAllowed, Refusal, Unauthorized};
use crate::limits::{Denied, TooMany};
use crate::markdown::options::OptionError;

/// The media type of a problem.
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// A refusal on its way to the caller.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    status: u16,
    detail: Cow<'static, str>,
    option: Option<String>,
    /// Which op, and which field of it or of the batch. In a box, since few problems have one.
    place: Option<Box<(Option<usize>, Option<String>)>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    close: bool,
    cause: Option<String>,
}

/// The body of a refusal.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem, description = "RFC 9457 problem details")]
pub(super) struct ProblemBody<'a> {
    /// Stable name of the kind of problem: `/problems/` and a slug.
    #[serde(rename = "type")]
    #[schema(example = "/problems/invalid-option")]
    pub kind: String,
    /// What this kind is, the same sentence every time.
    #[schema(example = "A field or an option was not understood")]
    pub title: &'a str,
    /// The status, again.
    #[schema(example = 422, minimum = 400, maximum = 599)]
    pub status: u16,
    /// What is wrong with this request, for people.
    #[schema(example = "unknown option `tablse`")]
    pub detail: &'a str,
    /// The request id, as in the `x-request-id` header and the service's log.
    #[schema(example = "01980b6e-2f7a-7c31-9d6e-6f1c2a9b4e10")]
    pub instance: &'a str,
    /// Whether the same request may succeed later.
    #[schema(example = false)]
    pub retryable: bool,
    /// The field or option that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "tablse")]
    pub option: Option<&'a str>,
    /// The index of the op that was refused, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 3)]
    pub op: Option<usize>,
    /// The field of the op, or of the batch, that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "html")]
    pub field: Option<&'a str>,
}

impl Problem {
    /// A refusal of this kind; `detail` helps the caller and holds no secret.
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            status: kind.row().status,
            detail: detail.into(),
            option: None,
            place: None,
            headers: Vec::new(),
            close: false,
            cause: None,
        }
    }

    /// A fault of ours. `cause` goes to the log and nowhere else.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(Kind::Internal, "the service failed to answer; its log has the cause").caused_by(cause.to_string())
    }

    /// Says to the log, and to nobody else, what went wrong inside.
    pub(super) fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Names the field or option that was refused.
    pub fn naming(mut self, option: impl Into<String>) -> Self {
        self.option = Some(option.into());
        self
    }

    /// Names the op that was refused by its index in the batch (none where it is the batch itself), and the field of it.
    pub fn at_op(mut self, op: Option<usize>, field: Option<String>) -> Self {
        self.place = Some(Box::new((op, field)));
        self
    }

    /// Says when to come back: whole seconds, rounded up, at least one.
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// What [`Problem::retry_after`] said, in seconds.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let (_, value) = self.headers.iter().find(|(name, _)| name == header::RETRY_AFTER)?;
        value.to_str().ok()?.parse().ok()
    }

    /// Adds a header to the answer.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds headers to the answer.
    pub fn headers(mut self, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Closes the connection after the answer, since the rest of the request is not wanted.
    pub fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// Another status of the same kind: 431 for headers that are too large.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status.as_u16();
        self
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What is wrong with this request.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// What went wrong inside, for the log.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The body's text.
    pub fn json(&self, request_id: &str) -> String {
        let row = self.kind.row();
        let body = ProblemBody {
            kind: format!("/problems/{}", row.slug),
            title: row.title,
            status: self.status,
            detail: &self.detail,
            instance: request_id,
            retryable: row.retryable,
            option: self.option.as_deref(),
            op: self.place.as_ref().and_then(|place| place.0),
            field: self.place.as_ref().and_then(|place| place.1.as_deref()),
        };
        serde_json::to_string(&body).expect("strings and numbers serialise")
    }

    /// The answer to the request with this id at this path.
    pub fn respond(&self, request_id: &str, path: &str) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.status_code());
        response.content_type(PROBLEM_TYPE);
        for (name, value) in &self.headers {
            response.append_header((name.clone(), value.clone()));
        }
        response.insert_header((header::LINK, help_link(self.kind.row(), path)));
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if self.close {
            response.force_close();
        }
        response.body(self.json(request_id))
    }

    /// A whole HTTP/1.1 answer in bytes, for a connection whose request never became one.
    pub fn raw(&self, request_id: &str) -> Vec<u8> {
        let body = self.json(request_id);
        let status = self.status_code();
        let retry = if self.kind == Kind::TooManyConnections { "retry-after: 1\r\n" } else { "" };
        format!(
            "HTTP/1.1 {} {}\r\ncontent-type: {PROBLEM_TYPE}\r\ncontent-length: {}\r\nx-request-id: {request_id}\r\n\
             {retry}vary: Origin\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n{body}",
            status.as_u16(),
            status.canonical_reason().unwrap_or_default(),
            body.len(),
        )
        .into_bytes()
    }
}

/// The relative way from `path` to the page of a kind.
fn help_link(row: &Row, path: &str) -> String {
    let up = "../".repeat(path.matches('/').count().saturating_sub(1).min(8));
    format!("<{up}problems/{}>; rel=\"help\"", row.slug)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.row().slug, self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).expect("the table holds valid statuses")
    }

    /// Without a request id: `frame` writes the answer anew, with it.
    fn error_response(&self) -> HttpResponse {
        self.respond("unknown", "/")
    }
}

impl From<OptionError> for Problem {
    fn from(error: OptionError) -> Self {
        let name = match &error {
            OptionError::Unknown { name } => name.clone(),
            OptionError::Invalid { name, .. } => (*name).to_owned(),
        };
        Self::new(Kind::InvalidOption, error.to_string()).naming(name)
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let Some(standing) = denied.standing else {
            let problem = Self::new(Kind::Busy, "as many renders run and wait as may");
            return problem.retry_after(denied.retry_after);
        };
        let problem = Self::new(Kind::RateLimited, format!("the rate is used up: {}", standing.policy));
        problem.retry_after(denied.retry_after).headers(rate_headers(&standing))
    }
}

impl From<Unauthorized> for Problem {
    fn from(error: Unauthorized) -> Self {
        let challenge = HeaderValue::from_static("Bearer");
        Self::new(Kind::Unauthorized, error.to_string()).header(header::WWW_AUTHENTICATE, challenge)
    }
}

impl From<NotAllowed> for Problem {
    fn from(refusal: NotAllowed) -> Self {
        Self::new(Kind::Forbidden, refusal.to_string())
    }
}

impl From<TooMany> for Problem {
    fn from(refusal: TooMany) -> Self {
        Self::new(Kind::TooManyConnections, refusal.to_string()).retry_after(Duration::from_secs(1))
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(Kind::Forbidden, refusal.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_whole_seconds_rounded_up() {
        for (wait, expected) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (59_999, "60")] {
            let problem = Problem::new(Kind::Busy, "x").retry_after(Duration::from_millis(wait));
            assert_eq!(problem.respond("r", "/").headers().get(header::RETRY_AFTER).unwrap(), expected, "{wait} ms");
        }
    }

    #[test]
    fn the_help_link_is_relative_to_the_path() {
        let link = |path: &str| help_link(Kind::NotFound.row(), path);
        assert_eq!(link("/render"), "<problems/not-found>; rel=\"help\"");
        assert_eq!(link("/"), "<problems/not-found>; rel=\"help\"");
        assert_eq!(link("/docs/x"), "<../problems/not-found>; rel=\"help\"");
    }

    #[test]
    fn an_op_is_named_by_its_index_and_field() {
        let problem = Problem::new(Kind::InvalidOp, "x").at_op(Some(3), Some("html".to_owned()));
        assert!(problem.json("r").contains(r#""op":3,"field":"html""#));
        assert!(!Problem::new(Kind::InvalidOp, "x").at_op(None, None).json("r").contains("\"op\""));
    }

    #[test]
    fn the_cause_is_not_told() {
        let problem = Problem::internal("disk on fire");
        assert_eq!(problem.cause(), Some("disk on fire"));
        assert!(!problem.json("r").contains("fire") && !problem.to_string().contains("fire"));
    }
}
