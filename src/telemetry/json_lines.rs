//! Log lines as JSON, one object a line, each written in one piece.
//!
//! The shape is that of tracing-subscriber's own JSON: `timestamp`, `level`, the event's fields, `target`, and `span` with
//! the fields of the innermost span. That one hands a line on in about a hundred pieces, each of which is checked for
//! UTF-8 again; with a line for every request that was a tenth of a small render.
//!
//! **Invariant:** every line is one JSON object with these names, whatever its fields hold
//! (`a_line_is_one_object_with_its_fields`).

use std::fmt;
use std::io::Write as _;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The format of an event. Spans' fields are expected as the JSON objects that tracing-subscriber's `JsonFields` makes.
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::with_capacity(32);
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Line { bytes: Vec::with_capacity(512), foreign_target: None };
        line.bytes.extend_from_slice(b"{\"timestamp\":");
        line.json(&time);
        line.name("level");
        line.json(event.metadata().level().as_str());
        event.record(&mut line);
        line.name("target");
        let target = line.foreign_target.take();
        line.json(target.as_deref().unwrap_or(event.metadata().target()));
        if let Some(span) = context.lookup_current() {
            line.name("span");
            line.bytes.extend_from_slice(b"{\"name\":");
            line.json(span.name());
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
            let fields = fields.strip_prefix('{').and_then(|fields| fields.strip_suffix('}'));
            if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
                line.bytes.push(b',');
                line.bytes.extend_from_slice(fields.as_bytes());
            }
            line.bytes.push(b'}');
        }
        line.bytes.extend_from_slice(b"}\n");
        out.write_str(std::str::from_utf8(&line.bytes).map_err(|_| fmt::Error)?)
    }
}

/// A line that is being written.
struct Line {
    bytes: Vec<u8>,
    /// Where a record of the `log` crate comes from: its own metadata say only `log`.
    foreign_target: Option<String>,
}

impl Line {
    fn name(&mut self, name: &str) {
        self.bytes.push(b',');
        self.json(name);
        self.bytes.push(b':');
    }

    fn json(&mut self, value: impl serde::Serialize) {
        serde_json::to_writer(&mut self.bytes, &value).expect("a Vec takes all that is written, and these are JSON");
    }

    fn field(&mut self, field: &Field, value: impl serde::Serialize) {
        if !field.name().starts_with("log.") {
            self.name(field.name().trim_start_matches("r#"));
            self.json(value);
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "log.target" {
            self.foreign_target = Some(value.to_owned());
        }
        self.field(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = Vec::new();
        if write!(text, "{value:?}").is_ok() {
            self.field(field, String::from_utf8_lossy(&text));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::fmt::format::JsonFields;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_line_is_one_object_with_its_fields() {
        let kept = Kept::default();
        let layer = tracing_subscriber::fmt::layer().event_format(JsonLines).fmt_fields(JsonFields::new());
        let subscriber = tracing_subscriber::registry().with(layer.with_writer(kept.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "t", text = "a \"b\"\n\u{1}", count = 3_u64, part = 0.5, is = true, left = -1, none = f64::NAN, "hi {}", 1);
            let _span = tracing::info_span!("request", request_id = "x\"y").entered();
            let _inner = tracing::info_span!("bare").entered();
            tracing::warn!(error = %"shown", "in a span");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        for (name, value) in [
            ("level", serde_json::json!("INFO")),
            ("text", serde_json::json!("a \"b\"\n\u{1}")),
            ("count", serde_json::json!(3)),
            ("part", serde_json::json!(0.5)),
            ("is", serde_json::json!(true)),
            ("left", serde_json::json!(-1)),
            ("none", serde_json::json!(null)),
            ("message", serde_json::json!("hi 1")),
            ("target", serde_json::json!("t")),
        ] {
            assert_eq!(lines[0][name], value, "{name}");
        }
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z') && lines[0].get("span").is_none());
        assert_eq!(lines[1]["span"], serde_json::json!({"name": "bare"}));
        assert_eq!(lines[1]["error"], "shown");
    }

    #[test]
    fn the_innermost_span_brings_its_fields() {
        let kept = Kept::default();
        let layer = tracing_subscriber::fmt::layer().event_format(JsonLines).fmt_fields(JsonFields::new());
        let subscriber = tracing_subscriber::registry().with(layer.with_writer(kept.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::info_span!("request", request_id = "x}\"{y").entered();
            tracing::info!("in it");
        });
        let line: serde_json::Value = serde_json::from_slice(&kept.0.lock().unwrap()).unwrap();
        assert_eq!(line["span"], serde_json::json!({"name": "request", "request_id": "x}\"{y"}));
    }
}
