//! Model providers' streams: `tests/vectors/providers/`, cut at every byte, truncated at every byte, dressed in every
//! way that Server-Sent Events allow.

use std::fs;
use std::path::{Path, PathBuf};

use rillmark::ingest::{Ending, FORMATS, Format, Framing, Provider};
use serde_json::Value;

/// One stream as it comes over the wire, and what is in it.
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) format: Format,
    pub(crate) body: Vec<u8>,
    pub(crate) text: String,
    pub(crate) ending: Ending,
}

impl Stream {
    fn framing(&self) -> Framing {
        if self.media_type == "text/event-stream" { Framing::Events } else { Framing::Lines }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/providers")
}

/// Every stream of the index.
pub(crate) fn streams() -> Vec<Stream> {
    let index: Value = serde_json::from_slice(&fs::read(folder().join("cases.json")).unwrap()).unwrap();
    let text = |case: &Value, name: &str| case[name].as_str().unwrap().to_owned();
    let cases = index["cases"].as_array().unwrap().iter();
    cases
        .map(|case| Stream {
            name: text(case, "file"),
            media_type: text(case, "media_type"),
            format: Format::by_name(case["format"].as_str().unwrap()).unwrap(),
            body: fs::read(folder().join(case["file"].as_str().unwrap())).unwrap(),
            text: text(case, "text"),
            ending: match &case["ending"] {
                Value::String(_) => Ending::Done,
                failed => Ending::Failed(text(failed, "failed")),
            },
        })
        .collect()
}

/// Text and end of a body that comes in these pieces.
fn read(stream: &Stream, format: Option<Format>, pieces: &[&[u8]]) -> (String, Ending) {
    let mut provider = Provider::new(stream.framing(), format, 1 << 20);
    let mut text = Vec::new();
    for piece in pieces {
        provider.push(piece, &mut text);
    }
    let ending = provider.finish(&mut text);
    (String::from_utf8(text).unwrap(), ending)
}

fn expected(stream: &Stream) -> (String, Ending) {
    (stream.text.clone(), stream.ending.clone())
}

#[test]
fn every_file_is_in_the_index_and_every_shape_has_a_whole_reply_and_an_error() {
    let streams = streams();
    let mut files: Vec<String> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.retain(|name| name != "cases.json");
    files.sort();
    let mut named: Vec<&str> = streams.iter().map(|stream| stream.name.as_str()).collect();
    named.sort_unstable();
    assert_eq!(files, named);
    for spec in FORMATS {
        let of_shape = || streams.iter().filter(|stream| stream.format == spec.format);
        assert!(of_shape().any(|stream| stream.ending == Ending::Done && stream.text.len() > 20), "{}", spec.name);
        assert!(of_shape().any(|stream| stream.ending != Ending::Done && !stream.text.is_empty()), "{}", spec.name);
    }
}

#[test]
fn each_shape_is_read_named_or_not() {
    for stream in streams() {
        for format in [None, Some(stream.format)] {
            assert_eq!(read(&stream, format, &[&stream.body]), expected(&stream), "{} {format:?}", stream.name);
        }
    }
}

#[test]
fn a_cut_at_every_byte_gives_the_same_text() {
    for stream in streams() {
        for at in 0..=stream.body.len() {
            let (left, right) = stream.body.split_at(at);
            assert_eq!(read(&stream, None, &[left, right]), expected(&stream), "{} at {at}", stream.name);
        }
        let bytes: Vec<&[u8]> = stream.body.chunks(1).collect();
        assert_eq!(read(&stream, None, &bytes), expected(&stream), "{} byte by byte", stream.name);
    }
}

#[test]
fn a_truncation_at_every_byte_gives_the_text_or_an_error_with_its_prefix() {
    for stream in streams() {
        // Nothing in it but the end of the body tells that it has ended.
        let ends_with_body = stream.name == "gemini-bare.sse";
        let mut longest = 0;
        for at in 0..stream.body.len() {
            let (text, ending) = read(&stream, None, &[&stream.body[..at]]);
            assert!(stream.text.starts_with(&text), "{} at {at}: {text:?}", stream.name);
            assert!(text.len() >= longest, "{} at {at}: text that had come is gone", stream.name);
            longest = text.len();
            let at_event = stream.body[..at].ends_with(b"}") || stream.body[..at].ends_with(b"\n");
            match ending {
                Ending::Done if ends_with_body => assert!(at_event, "{} at {at}", stream.name),
                Ending::Done => assert_eq!(text, stream.text, "{} at {at}", stream.name),
                Ending::Failed(_) => assert_eq!(ending, stream.ending, "{} at {at}", stream.name),
                Ending::Truncated | Ending::Unrecognised => {}
                other => panic!("{} at {at}: {other:?}", stream.name),
            }
        }
        assert_eq!(longest, stream.text.len(), "{}: text comes before the last byte", stream.name);
    }
}

/// The same events in other clothes: what proxies and other writers make of them.
fn dressed(body: &str) -> Vec<String> {
    let body = body.replace("\r\n", "\n");
    let with_end = |end: &str| body.replace('\n', end);
    vec![
        with_end("\r\n"),
        with_end("\r"),
        body.replace("data: ", "data:"),
        format!("\u{feff}{body}"),
        body.replace(
            "\n\n",
            "\n\n: keep-alive\n\nevent: unheard-of\ndata: {\"type\":\"unheard-of\",\"text\":\"x\"}\n\n",
        ),
        body.replace("\n\n", "\nid: 7\nretry: 100\n\n\n"),
        // JSON may be broken between any two tokens, here at each comma between members.
        body.replace(",\"", ",\ndata: \""),
        body.trim_end().to_owned(),
        format!("{body}data: {{\"choices\":[{{\"delta\":{{\"content\":\"too late\"}}}}]}}\n\n"),
    ]
}

#[test]
fn the_clothes_of_events_do_not_matter() {
    for stream in streams().iter().filter(|stream| stream.framing() == Framing::Events) {
        let body = String::from_utf8(stream.body.clone()).unwrap();
        for (at, body) in dressed(&body).iter().enumerate() {
            let found = read(stream, None, &[body.as_bytes()]);
            assert_eq!(found, expected(stream), "{} in dress {at}", stream.name);
            let pieces: Vec<&[u8]> = body.as_bytes().chunks(7).collect();
            assert_eq!(read(stream, Some(stream.format), &pieces), expected(stream), "{} in dress {at}", stream.name);
        }
    }
}

#[test]
fn the_clothes_of_lines_do_not_matter() {
    for stream in streams().iter().filter(|stream| stream.framing() == Framing::Lines) {
        let body = String::from_utf8(stream.body.clone()).unwrap();
        let late = format!("{body}{{\"response\":\"too late\",\"done\":false}}\n");
        let odd = body.replace('\n', "\n{\"unheard\":\"of\"}\n");
        for body in [body.replace('\n', "\r\n\r\n"), body.trim_end().to_owned(), format!("\u{feff}{body}"), late, odd] {
            assert_eq!(read(stream, None, &[body.as_bytes()]), expected(stream), "{}", stream.name);
        }
    }
}
