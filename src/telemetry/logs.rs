//! Log set-up: one subscriber for the process, pretty on a terminal and JSON elsewhere.
//!
//! Lines go to standard output, as container platforms expect. `actix` logs through the `log`
//! crate, which is taken in as well.
//!
//! **Source:** the filter is tracing-subscriber's `EnvFilter` syntax.

use std::io::IsTerminal as _;
use std::str::FromStr;

use super::json_lines::{JsonLines, JsonMembers};
use super::log_writer::{LogGuard, LogWriter};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What is logged unless the operator says otherwise: our own lines from `info` up. The server crates' own lines start
/// at `warn`, and the HTTP/1 dispatcher's not at all: it reports each malformed request at `error`, so any stranger
/// could fill the log; such requests are counted as refusals instead.
pub const FILTER_DEFAULT: &str = "info,actix_server=warn,actix_http=off,mio=warn";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// [`LogFormat::Pretty`] if standard output is a terminal, else [`LogFormat::Json`].
    #[default]
    Auto,
    /// One line for people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// A word that is no [`LogFormat`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one of auto, pretty, json")]
pub struct UnknownLogFormat(String);

impl FromStr for LogFormat {
    type Err = UnknownLogFormat;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "auto" => Ok(Self::Auto),
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err(UnknownLogFormat(word.to_owned())),
        }
    }
}

/// What [`init_logs`] needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// How lines look.
    pub format: LogFormat,
    /// Which lines there are, in `EnvFilter` syntax, for example `info,rillmark::access=off`.
    pub filter: String,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { format: LogFormat::Auto, filter: FILTER_DEFAULT.to_owned() }
    }
}

/// Why the logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter does not parse.
    #[error("the log filter {filter:?} does not parse: {cause}")]
    Filter {
        /// The filter as it came.
        filter: String,
        /// What the parser said.
        cause: String,
    },
    /// The thread that writes could not be started.
    #[error("the log's thread cannot be started: {0}")]
    Thread(#[source] std::io::Error),
    /// Some subscriber is set already.
    #[error("logs are set up already")]
    AlreadySet,
}

/// Checks a filter without setting anything up.
///
/// # Errors
/// [`LogError::Filter`] if it does not parse.
pub fn check_filter(filter: &str) -> Result<(), LogError> {
    parse_filter(filter).map(|_| ())
}

/// Sets the process's subscriber. Call it once, first, and keep the guard to the end: it writes the last lines out.
///
/// # Errors
/// [`LogError`] if the filter does not parse or a subscriber is set already.
pub fn init_logs(options: &LogOptions) -> Result<LogGuard, LogError> {
    let filter = parse_filter(&options.filter)?;
    let pretty = match options.format {
        LogFormat::Pretty => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stdout().is_terminal(),
    };
    let note = if pretty { note_pretty } else { note_json };
    let (writer, guard) = LogWriter::start(std::io::stdout(), note).map_err(LogError::Thread)?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(writer);
    let set = if pretty {
        registry.with(lines.with_ansi(std::io::stdout().is_terminal())).try_init()
    } else {
        registry.with(lines.fmt_fields(JsonMembers).event_format(JsonLines)).try_init()
    };
    set.map_err(|_| LogError::AlreadySet)?;
    Ok(guard)
}

fn note_pretty(lost: u64) -> String {
    format!("{lost} log lines were thrown away: standard output takes them too slowly")
}

fn note_json(lost: u64) -> String {
    format!(
        r#"{{"level":"WARN","message":"log lines were thrown away","lines":{lost},"target":"rillmark::telemetry"}}"#
    )
}

fn parse_filter(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder()
        .parse(filter)
        .map_err(|error| LogError::Filter { filter: filter.to_owned(), cause: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_filter_parses_and_a_wrong_one_is_named() {
        check_filter(FILTER_DEFAULT).unwrap();
        let told = check_filter("info,rillmark=loud").unwrap_err().to_string();
        assert!(told.contains("rillmark=loud"), "{told}");
    }

    #[test]
    fn the_note_of_lost_lines_is_json_among_json() {
        let note: serde_json::Value = serde_json::from_str(&note_json(7)).unwrap();
        assert_eq!(note["lines"], 7);
        assert!(note_pretty(7).starts_with("7 "));
    }

    #[test]
    fn formats_are_three_words() {
        assert_eq!("auto".parse(), Ok(LogFormat::Auto));
        assert_eq!("json".parse(), Ok(LogFormat::Json));
        assert_eq!("pretty".parse(), Ok(LogFormat::Pretty));
        assert!("JSON ".parse::<LogFormat>().is_err());
    }
}
