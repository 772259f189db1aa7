//! What a refused publish is in HTTP: one `From` for each enum of facts.
//!
//! **Invariant:** every refusal names the op and field it is about, where it is about one
//! (`a_refused_publish_is_a_problem_that_names_its_op`).

use std::time::Duration;

use super::problem::Problem;
use super::problem_kinds::Kind;
use crate::channel::{PublishError, PublishRefusal};
use crate::markdown::options::OptionError;
use crate::protocol::{BatchError, InvalidName};

/// How long a publisher is told to wait for what passes by itself.
const WAIT: Duration = Duration::from_secs(1);

impl From<InvalidName> for Problem {
    fn from(error: InvalidName) -> Self {
        Self::new(Kind::InvalidName, error.to_string())
    }
}

impl From<BatchError> for Problem {
    fn from(error: BatchError) -> Self {
        let detail = error.to_string();
        match error {
            BatchError::Json { .. } => Self::new(Kind::InvalidJson, detail),
            BatchError::Field { op, field, .. } => {
                let field = Some(field).filter(|field| !field.is_empty());
                Self::new(Kind::InvalidOp, detail).at_op(op, field)
            }
            BatchError::OpTooLarge { op, .. } => Self::new(Kind::OpTooLarge, detail).at_op(Some(op), None),
            BatchError::TooLarge { .. } => Self::new(Kind::BodyTooLarge, detail),
            BatchError::Name(name) => name.into(),
        }
    }
}

impl From<PublishRefusal> for Problem {
    fn from(refusal: PublishRefusal) -> Self {
        use PublishRefusal as Refusal;
        let detail = refusal.to_string();
        let (kind, op, field) = match refusal {
            Refusal::InvalidOption { op, error } => {
                let field = op.map(|_| "options".to_owned());
                return Self::new(Kind::InvalidOption, detail).naming(option_of(error)).at_op(op, field);
            }
            Refusal::OptionNotStreamable { op, option } => {
                let field = op.map(|_| "options".to_owned());
                return Self::new(Kind::OptionNotStreamable, detail).naming(option).at_op(op, field);
            }
            Refusal::OptionsDiffer { op } => (Kind::OptionNotStreamable, Some(op), Some("options")),
            Refusal::StreamKind { op, .. } => (Kind::StreamKind, Some(op), None),
            Refusal::StreamDone { op } => (Kind::StreamDone, Some(op), None),
            Refusal::StreamCancelled { op } => (Kind::StreamCancelled, Some(op), None),
            Refusal::StreamFailed { op } => (Kind::StreamFailed, Some(op), None),
            Refusal::StreamBusy => (Kind::StreamBusy, None, None),
            Refusal::StreamTooLarge { .. } => (Kind::StreamTooLarge, None, None),
            Refusal::ChannelTooLarge { .. } => (Kind::ChannelTooLarge, None, None),
            Refusal::TooManyStreams { .. } => (Kind::TooManyStreams, None, None),
            Refusal::HtmlRejected { op } | Refusal::Forbidden { op, .. } => (Kind::Forbidden, Some(op), None),
        };
        Self::new(kind, detail).at_op(op, field.map(str::to_owned))
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        let detail = error.to_string();
        match error {
            PublishError::Refused(refusal) => refusal.into(),
            PublishError::ChannelEnded => Self::new(Kind::ChannelEnded, detail),
            PublishError::EpochChanged { current: None } => {
                Self::new(Kind::EpochChanged, "the channel has no log any more")
            }
            PublishError::EpochChanged { current: Some(epoch) } => {
                Self::new(Kind::EpochChanged, format!("the channel is in epoch {epoch} now"))
            }
            PublishError::TooManyChannels { .. } | PublishError::LogsFull { .. } => {
                Self::new(Kind::TooManyChannels, detail).retry_after(WAIT)
            }
            PublishError::IdempotencyMismatch => Self::new(Kind::IdempotencyMismatch, detail),
            PublishError::Draining => Self::draining(),
            PublishError::Log(cause) => Self::log_unavailable(cause),
        }
    }
}

impl Problem {
    /// The service is stopping.
    pub(super) fn draining() -> Self {
        Self::new(Kind::Draining, "the service is stopping; another replica, or this one once restarted, will answer")
            .retry_after(WAIT)
    }

    /// The log does not answer. `cause` goes to the service's own log and nowhere else.
    pub(super) fn log_unavailable(cause: impl Into<String>) -> Self {
        Self::new(Kind::LogUnavailable, "the log does not answer").retry_after(WAIT).caused_by(cause)
    }
}

fn option_of(error: OptionError) -> String {
    match error {
        OptionError::Unknown { name } => name,
        OptionError::Invalid { name, .. } => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Batch, ChannelName, Epoch, Kind as RunKind, Sizes};

    fn told(problem: impl Into<Problem>) -> serde_json::Value {
        serde_json::from_str(&problem.into().json("r")).unwrap()
    }

    #[test]
    fn a_refused_publish_is_a_problem_that_names_its_op() {
        let check = |problem: Problem, status: u16, slug: &str, op: Option<u64>, field: Option<&str>| {
            let body = told(problem);
            assert_eq!((&body["type"], &body["status"]), (&format!("/problems/{slug}").into(), &status.into()));
            assert_eq!((body["op"].as_u64(), body["field"].as_str()), (op, field), "{body}");
        };
        let refused = |refusal| Problem::from(PublishError::Refused(refusal));
        let of_json = |json: &str| {
            let sizes = Sizes { op_bytes_max: 10, batch_bytes_max: 200, ..Sizes::default() };
            Problem::from(Batch::parse(json.as_bytes(), &sizes).unwrap_err())
        };
        check(refused(PublishRefusal::StreamKind { op: 2, kind: RunKind::Ops }), 409, "stream-kind", Some(2), None);
        check(refused(PublishRefusal::StreamDone { op: 0 }), 409, "stream-done", Some(0), None);
        check(refused(PublishRefusal::StreamCancelled { op: 0 }), 409, "stream-cancelled", Some(0), None);
        check(refused(PublishRefusal::StreamFailed { op: 0 }), 409, "stream-failed", Some(0), None);
        check(refused(PublishRefusal::StreamBusy), 409, "stream-busy", None, None);
        check(refused(PublishRefusal::StreamTooLarge { max: 1 }), 413, "stream-too-large", None, None);
        check(refused(PublishRefusal::ChannelTooLarge { max: 1 }), 413, "channel-too-large", None, None);
        check(refused(PublishRefusal::TooManyStreams { max: 1 }), 409, "too-many-streams", None, None);
        check(refused(PublishRefusal::HtmlRejected { op: 1 }), 403, "forbidden", Some(1), None);
        check(refused(PublishRefusal::Forbidden { op: 1, why: "no" }), 403, "forbidden", Some(1), None);
        let differ = refused(PublishRefusal::OptionsDiffer { op: 1 });
        check(differ, 422, "option-not-streamable", Some(1), Some("options"));
        let fixed = PublishRefusal::OptionNotStreamable { op: Some(1), option: "dense" };
        check(refused(fixed), 422, "option-not-streamable", Some(1), Some("options"));
        check(of_json("{"), 400, "invalid-json", None, None);
        check(of_json(r#"{"ops":[{"op":"done"}]}"#), 422, "invalid-op", None, Some("stream"));
        let nonsense = of_json(r#"{"stream":"s","ops":[{"op":"done"},{"op":"text","text":7}]}"#);
        check(nonsense, 422, "invalid-op", Some(1), Some("text"));
        let long = of_json(r#"{"stream":"s","ops":[{"op":"text","text":"12345678901"}]}"#);
        check(long, 413, "op-too-large", Some(0), None);
        check(of_json(&" ".repeat(201)), 413, "body-too-large", None, None);
        check(of_json(r#"{"stream":"a b","ops":[{"op":"done"}]}"#), 422, "invalid-name", None, None);
        check(PublishError::ChannelEnded.into(), 409, "channel-ended", None, None);
        check(PublishError::IdempotencyMismatch.into(), 422, "idempotency-mismatch", None, None);
        check(PublishError::TooManyChannels { max: 1 }.into(), 503, "too-many-channels", None, None);
        check(PublishError::LogsFull { max: 1 }.into(), 503, "too-many-channels", None, None);
        check(PublishError::Draining.into(), 503, "draining", None, None);
        check(PublishError::Log("secret".into()).into(), 503, "log-unavailable", None, None);
        check(ChannelName::parse("").unwrap_err().into(), 422, "invalid-name", None, None);
    }

    #[test]
    fn a_publisher_of_another_epoch_is_told_the_one_that_is() {
        let body = told(PublishError::EpochChanged { current: Some(Epoch::new(0x1f3a)) });
        assert_eq!(body["detail"], "the channel is in epoch 1f3a now");
        assert_eq!(told(PublishError::EpochChanged { current: None })["status"], 409);
    }

    #[test]
    fn what_went_wrong_in_the_log_is_not_told() {
        let problem = Problem::from(PublishError::Log("password".into()));
        assert_eq!(problem.cause(), Some("password"));
        assert!(!problem.json("r").contains("password"));
    }
}
