//! The README says what is so: its tables are made from the tables of the code, and its examples answer as printed.
//!
//! `RILLMARK_BLESS=1 cargo test --test it readme` writes the tables, and the answers of the examples, anew.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use rillmark::http::KINDS;
use rillmark::limits::LimitsOptions;
use rillmark::markdown::bounds::OUTPUT_FACTOR;
use rillmark::markdown::options::OPTIONS;
use rillmark::telemetry::Metrics;

use crate::helpers::spawn_app_with;

/// One test at a time may write the file.
static FILE: Mutex<()> = Mutex::new(());

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")
}

/// Holds a part of the README to `expected`, or writes it where the run is told to.
#[track_caller]
fn hold(expected: impl FnOnce(&str) -> String) {
    let _guard = FILE.lock().unwrap();
    let readme = std::fs::read_to_string(path()).unwrap();
    let expected = expected(&readme);
    if std::env::var_os("RILLMARK_BLESS").is_some() {
        std::fs::write(path(), &expected).unwrap();
    } else {
        let differs = readme.lines().zip(expected.lines()).find(|(is, should)| is != should);
        assert!(readme == expected, "README.md is behind the code; RILLMARK_BLESS=1 rewrites it. First: {differs:#?}");
    }
}

/// The README with the part between `name`'s markers replaced.
fn with_part(readme: &str, name: &str, part: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->\n"));
    let (before, rest) = readme.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end}"));
    format!("{before}{begin}\n{part}\n{end}{after}")
}

/// A table in Markdown: `|` in a cell is escaped.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut out = line(&head.map(str::to_owned));
    out.push_str(&format!("|{}\n", "---|".repeat(N)));
    rows.into_iter().for_each(|row| out.push_str(&line(&row)));
    out
}

#[test]
fn the_table_of_options_is_the_renderers() {
    let rows = OPTIONS.iter().map(|option| {
        let default = if option.default.is_empty() { "empty".to_owned() } else { format!("`{}`", option.default) };
        [format!("`{}`", option.name), option.expected(), default, option.doc.to_owned()]
    });
    let part = table(["option", "takes", "default", "effect"], rows);
    hold(|readme| with_part(readme, "options", &part));
}

#[test]
fn the_table_of_problems_is_the_services() {
    let rows = KINDS.iter().map(|row| {
        let again = if row.retryable { "yes" } else { "no" };
        [row.status.to_string(), format!("`{}`", row.slug), row.title.to_owned(), again.to_owned()]
    });
    let part = table(["status", "`/problems/…`", "title", "try again?"], rows);
    hold(|readme| with_part(readme, "problems", &part));
}

#[test]
fn the_table_of_metrics_is_what_is_served() {
    let metrics = Metrics::new();
    metrics.request("/render", "POST", 200, Duration::from_millis(1), 1);
    metrics.refused("busy");
    let text = metrics.text();
    let mut kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let rows =
        text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' ')).filter_map(|(name, help)| {
            let (of, kind) = kinds.next()?;
            assert_eq!(of, name);
            name.starts_with("rillmark_").then(|| [format!("`{name}`"), kind.to_owned(), help.to_owned()])
        });
    let part = table(["metric", "kind", "what"], rows);
    hold(|readme| with_part(readme, "metrics", &part));
}

#[test]
fn the_table_of_rooms_is_the_map() {
    let map = include_str!("../../src/lib.rs");
    let mut part = String::new();
    for row in map.lines().filter_map(|line| line.strip_prefix("//! |")) {
        writeln!(part, "|{row}").unwrap();
    }
    hold(|readme| with_part(readme, "rooms", &part));
}

#[test]
fn the_table_of_settings_is_the_configs() {
    hold(|readme| with_part(readme, "settings", &rillmark::config::print::readme_table()));
}

#[test]
fn the_bound_of_the_output_is_the_renderers() {
    let promise = format!("never longer than {OUTPUT_FACTOR} × the source + 64 KiB");
    assert!(std::fs::read_to_string(path()).unwrap().contains(&promise), "{promise}");
}

/// Runs a command of the README against a service at `address` and gives what it printed, as if the service stood
/// where the README says.
fn answer(command: &str, address: SocketAddr) -> String {
    let (printed, real) = ("127.0.0.1:8700", address.to_string());
    let programs = Path::new(env!("CARGO_BIN_EXE_rillmark")).parent().unwrap();
    let search = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let shell = Command::new("sh").arg("-c").arg(command.replace(printed, &real)).env("PATH", search).output();
    let output = shell.unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{command}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap().replace(&real, printed);
    if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" }
}

/// The README with the answer of each command of its `console` blocks written below it.
fn answered(readme: &str, answer: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut in_console = false;
    let mut command = String::new();
    for line in readme.split_inclusive('\n') {
        let continues = command.ends_with("\\\n");
        if in_console && (continues || line.starts_with("$ ")) {
            if !continues {
                command.clear();
            }
            command.push_str(if continues { line } else { &line[2..] });
            out.push_str(line);
            if !command.ends_with("\\\n") {
                out.push_str(&answer(&command));
            }
            continue;
        }
        if line.starts_with("```") {
            in_console = line == "```console\n";
        } else if in_console {
            continue;
        }
        out.push_str(line);
    }
    out
}

#[tokio::test]
async fn the_examples_answer_as_printed() {
    let app = spawn_app_with(|options| options.limits = LimitsOptions::default());
    let address = app.address;
    let held = tokio::task::spawn_blocking(move || {
        hold(|readme| {
            assert!(readme.matches("```console\n").count() >= 4, "the examples are gone");
            answered(readme, |command| answer(command, address))
        });
    });
    held.await.unwrap();
}

#[test]
fn answers_are_written_below_their_commands() {
    let readme = "a\n```sh\n$ no\n```\n```console\n$ one\nold\nold\n$ two \\\n    more\n```\nb\n";
    let expected = "a\n```sh\n$ no\n```\n```console\n$ one\n<one>\n$ two \\\n    more\n<two \\|    more>\n```\nb\n";
    assert_eq!(answered(readme, |command| format!("<{}>\n", command.trim_end().replace('\n', "|"))), expected);
}
