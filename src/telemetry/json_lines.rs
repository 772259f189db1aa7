//! Log lines as JSON, one object a line, each written in one piece.
//!
//! The shape is that of tracing-subscriber's own JSON: `timestamp`, `level`, the event's fields, `target`, and `span` with
//! the fields of the innermost span. That one hands a line on in about a hundred pieces, each of which is checked for
//! UTF-8 again; with a line for every request that was a tenth of a small render.
//!
//! **Invariant:** every line is one JSON object with these names, whatever its fields hold
//! (`a_line_is_one_object_with_its_fields`).

use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime};

use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The format of an event among spans whose fields are [`JsonMembers`].
pub(super) struct JsonLines;

/// The format of a span's fields: members of an object, a comma before each.
pub(super) struct JsonMembers;

impl<'w> FormatFields<'w> for JsonMembers {
    fn format_fields<R: RecordFields>(&self, mut out: Writer<'w>, fields: R) -> fmt::Result {
        let mut members = Line { bytes: Vec::with_capacity(64), foreign_target: None };
        fields.record(&mut members);
        out.write_str(std::str::from_utf8(&members.bytes).map_err(|_| fmt::Error)?)
    }

    fn add_fields(&self, known: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        self.format_fields(known.as_writer(), fields)
    }
}

impl<S> FormatEvent<S, JsonMembers> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonMembers>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line { bytes: Vec::with_capacity(512), foreign_target: None };
        line.bytes.extend_from_slice(b"{\"timestamp\":\"");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        line.bytes.extend_from_slice(&timestamp(now));
        line.bytes.push(b'"');
        line.name("level");
        line.text(event.metadata().level().as_str());
        event.record(&mut line);
        line.name("target");
        let target = line.foreign_target.take();
        line.text(target.as_deref().unwrap_or(event.metadata().target()));
        if let Some(span) = context.lookup_current() {
            line.name("span");
            line.bytes.extend_from_slice(b"{\"name\":");
            line.text(span.name());
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonMembers>>();
            line.bytes.extend_from_slice(fields.map_or(&[], |fields| fields.fields.as_bytes()));
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
        self.text(name);
        self.bytes.push(b':');
    }

    fn text(&mut self, text: &str) {
        let special = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
        // Hardly any word of a log needs an escape; without a branch for each byte, that is seen at once.
        if text.bytes().fold(false, |found, byte| found | special(byte)) {
            return self.json(text);
        }
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(b'"');
    }

    fn json(&mut self, value: impl serde::Serialize) {
        serde_json::to_writer(&mut self.bytes, &value).expect("a Vec takes all that is written, and these are JSON");
    }

    /// Writes a field's name, if it is one to be written.
    fn begins(&mut self, field: &Field) -> bool {
        let written = !field.name().starts_with("log.");
        if written {
            self.name(field.name().strip_prefix("r#").unwrap_or(field.name()));
        }
        written
    }

    fn field(&mut self, field: &Field, value: impl serde::Serialize) {
        if self.begins(field) {
            self.json(value);
        }
    }

    fn text_field(&mut self, field: &Field, value: &str) {
        if self.begins(field) {
            self.text(value);
        }
    }
}

/// A time of day in the form of RFC 3339, in UTC and to the microsecond; right for the years up to 9999. `since` is
/// counted from 1970.
fn timestamp(since: Duration) -> [u8; 27] {
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let mut put = |from: usize, digits: usize, mut number: u64| {
        for digit in text[from..from + digits].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, second / 3600);
    put(14, 2, second / 60 % 60);
    put(17, 2, second % 60);
    put(20, 6, since.subsec_micros().into());
    text
}

/// Year, month and day of the day that is so many after 1970-01-01, in the Gregorian calendar. Years are counted from
/// March, so that the day that is sometimes missing is the last one.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    /// From 0000-03-01 to 1970-01-01.
    const DAYS_BEFORE: u64 = 719_468;
    let days = days + DAYS_BEFORE;
    let (era, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / (DAYS_OF_400_YEARS - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March on have 153 days in every five.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (late, month) = if month < 10 { (0, month + 3) } else { (1, month - 9) };
    (400 * era + year + late, month, day)
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "log.target" {
            self.foreign_target = Some(value.to_owned());
        }
        self.text_field(field, value);
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
        let mut text = String::new();
        if write!(text, "{value:?}").is_ok() {
            self.text_field(field, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
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
        let layer = tracing_subscriber::fmt::layer().fmt_fields(JsonMembers).event_format(JsonLines);
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
    fn times_are_written_as_rfc_3339_has_them() {
        for (seconds, micros, written) in [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, 999_999, "2000-02-28T23:59:59.999999Z"),
            (951_782_400, 1, "2000-02-29T00:00:00.000001Z"),
            (951_868_800, 0, "2000-03-01T00:00:00.000000Z"),
            (1_709_210_096, 120, "2024-02-29T12:34:56.000120Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000Z"),
            (253_402_300_799, 0, "9999-12-31T23:59:59.000000Z"),
        ] {
            let since = Duration::from_secs(seconds) + Duration::from_micros(micros);
            assert_eq!(String::from_utf8_lossy(&timestamp(since)), written);
        }
    }

    #[test]
    fn every_day_is_the_one_after_the_day_before() {
        let lengths = |year: u64| {
            let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        };
        let expected = (1970..2500).flat_map(|year| {
            (1..).zip(lengths(year)).flat_map(move |(month, days)| (1..=days).map(move |day| (year, month, day)))
        });
        for (days, expected) in (0..).zip(expected) {
            assert_eq!(date(days), expected);
        }
    }

    #[test]
    fn the_innermost_span_brings_its_fields() {
        let kept = Kept::default();
        let layer = tracing_subscriber::fmt::layer().fmt_fields(JsonMembers).event_format(JsonLines);
        let subscriber = tracing_subscriber::registry().with(layer.with_writer(kept.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::info_span!("request", request_id = "x}\"{y").entered();
            tracing::info!("in it");
        });
        let line: serde_json::Value = serde_json::from_slice(&kept.0.lock().unwrap()).unwrap();
        assert_eq!(line["span"], serde_json::json!({"name": "request", "request_id": "x}\"{y"}));
    }
}
