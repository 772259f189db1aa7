//! The document of the wire says what the code does: its tables, its examples, and the sections that files cite.

use std::path::Path;

use rillmark::protocol::{
    Batch, BatchError, CLOSES, Change, ChannelName, CompactOp, Declared, EncodedTick, Frame, Sizes, StreamName, Wire,
};
use serde_json::Value;

use super::page::{Page, SseReader};

fn document() -> String {
    read("openapi/protocol.md")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The fenced blocks of this language.
fn blocks<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("\n```{language}\n");
    let blocks: Vec<&str> =
        document.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(!blocks.is_empty(), "no block of {language}");
    blocks
}

/// The cells of the table under this head, row by row.
fn rows<'a>(document: &'a str, head: &str) -> Vec<Vec<&'a str>> {
    let start = document.find(head).unwrap_or_else(|| panic!("no table {head}"));
    let rows = document[start..].lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

#[test]
fn the_description_of_subscribers_has_this_version() {
    let version = concat!("\n  version: ", env!("CARGO_PKG_VERSION"), "\n");
    assert!(read("openapi/asyncapi.yaml").contains(version), "asyncapi.yaml does not say{version}");
}

#[test]
fn the_table_of_close_codes_is_the_codes_own() {
    let document = document();
    let wanted: Vec<Vec<String>> = CLOSES
        .iter()
        .map(|close| {
            let come_back = if close.come_back() { "yes" } else { "no" };
            vec![close.code().to_string(), format!("`{}`", close.name()), come_back.to_owned(), close.doc().to_owned()]
        })
        .collect();
    assert_eq!(rows(&document, "| code | name |"), wanted);
}

#[test]
fn the_table_of_ops_names_every_op_and_every_field() {
    let document = document();
    let mut named = Vec::new();
    for row in rows(&document, "| op | fields |") {
        let op = row[0].trim_matches('`');
        named.push(op);
        let fields = row[1].split(", ").map(|field| field.split('`').nth(1).unwrap());
        for field in fields {
            // A field that is known is refused for its value at most.
            let batch = format!(r#"{{"stream":"s","ops":[{{"op":"{op}","{field}":{{}}}}]}}"#);
            if let Err(BatchError::Field { detail, .. }) = Batch::parse(batch.as_bytes(), &Sizes::default()) {
                assert!(!detail.contains("not known") && !detail.contains("is none of"), "{op}: {field}: {detail}");
            }
        }
    }
    let unknown = Batch::parse(br#"{"stream":"s","ops":[{"op":"?"}]}"#, &Sizes::default()).unwrap_err().to_string();
    let all: Vec<&str> = unknown.split("is none of ").nth(1).unwrap().split(", ").collect();
    assert_eq!(named, all);
}

#[test]
fn every_example_is_what_it_says_it_is() {
    let document = document();
    let mut batches = 0;
    for block in blocks(&document, "json") {
        let value: Value = serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}"));
        if value["type"] == "stream" {
            Page::load("").message(block);
        } else if value["ops"].is_array() {
            Batch::parse(block.as_bytes(), &Sizes::default()).unwrap_or_else(|error| panic!("{error}: {block}"));
            batches += 1;
        } else if value["type"] == "reset" {
            let mut page = Page::load("");
            page.message(block);
            assert_eq!(page.id(), value["id"].as_str());
        }
    }
    assert!(batches > 0);
}

#[test]
fn the_example_of_sse_reaches_a_page() {
    let document = document();
    let body = blocks(&document, "text").into_iter().find(|block| block.starts_with("retry:")).unwrap();
    let (mut reader, mut page) = (SseReader::default(), Page::load("<i dj-stream=response></i><i dj-stream=log></i>"));
    for event in reader.push(body.as_bytes()) {
        page.sse(&event);
    }
    page.assert_shows("response", "<p>Hi</p>");
    page.assert_shows("log", "ok");
    assert_eq!((page.id(), reader.retry, reader.comments), (Some("1f3a-44"), Some(500), 1));
}

#[test]
fn the_example_of_the_compact_wire_reaches_a_page() {
    let document = document();
    let mut page = Page::load("<i dj-stream=status dj-stream-mode=append>.</i><div dj-stream=response></div>");
    for line in blocks(&document, "jsonl")[0].lines() {
        page.message(line);
    }
    page.assert_shows("response", "<p>So they said <em>hello</em></p>");
    page.assert_shows("status", "…");
    assert_eq!((page.id(), page.skipped().len()), (Some("1f3a-46"), 0));
}

#[test]
fn the_tables_of_the_compact_wire_name_what_the_service_writes() {
    let document = document();
    let ops: Vec<String> =
        rows(&document, "| code | op |").iter().map(|row| format!("{} {}", row[0], row[1])).collect();
    let path = || "0.-1".to_owned();
    let changes = [
        Change::AppendText { path: path(), text: "t".into() },
        Change::AppendHtml { path: path(), html: "h".into() },
        Change::Trim { path: path(), units: 7 },
        Change::DeleteLast { path: path() },
        Change::Replace { path: path(), html: "h".into() },
        Change::Splice { path: path(), back: 8, remove: 9, html: "h".into() },
    ];
    let frame = Frame {
        compact: Some(changes.into_iter().map(CompactOp::Change).collect()),
        ..Frame::new(StreamName::parse("s").unwrap(), Vec::new())
    };
    let channel = ChannelName::parse("c").unwrap();
    let wire = (Wire::Compact, &Declared::default());
    let tick = EncodedTick::alone(channel, (None, "1-1".parse().unwrap()), &[frame], None, wire);
    let message: Value = serde_json::from_slice(&tick.frames(Wire::Compact, false).get(0).unwrap()).unwrap();
    let words =
        [("\"0.-1\"", "path"), ("\"t\"", "text"), ("\"h\"", "html"), ("7", "units"), ("8", "back"), ("9", "remove")];
    let written: Vec<String> = message[2]
        .as_array()
        .unwrap()
        .iter()
        .map(|op| {
            let spelled =
                words.iter().fold(op.to_string(), |op, (value, word)| op.replace(value, word)).replace(',', ", ");
            format!("{} `{spelled}`", op[0])
        })
        .collect();
    assert_eq!(ops, written);
}

#[test]
fn every_section_that_a_file_cites_exists() {
    let document = document();
    let headings: Vec<&str> =
        document.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim()).collect();
    let (mut cited, mut faults) = (0, Vec::new());
    let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for citation in text.split("`openapi/protocol.md`").skip(1) {
            let mut rest = citation;
            while let Some(section) = rest.strip_prefix(", \"") {
                let (name, after) = section.split_once('"').unwrap();
                cited += 1;
                if !headings.contains(&name) {
                    faults.push(format!("{}: {name}", path.display()));
                }
                rest = after;
            }
        }
    }
    assert!(cited > 10, "{cited} citations");
    assert!(faults.is_empty(), "no such section:\n{}", faults.join("\n"));
}
