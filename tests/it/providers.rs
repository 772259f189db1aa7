//! Model providers' streams: `tests/vectors/providers/`, cut at every byte, truncated at every byte, dressed in every
//! way that Server-Sent Events allow.

use std::fs;
use std::path::{Path, PathBuf};

use rillmark::ingest::{Ending, FORMATS, Format, Framing, Provider};
use serde_json::Value;

use crate::helpers::{check_problem, spawn_app, until};
use crate::slow::Slow;

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
fn every_shape_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/protocol.md");
    let document = fs::read_to_string(path).unwrap();
    for spec in FORMATS {
        assert!(document.contains(&format!("| `{}` | {} |\n", spec.name, spec.doc)), "{}", spec.name);
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

/// A backend pipes a provider's answer straight in, and stores what came of it.
#[tokio::test]
async fn a_providers_stream_is_piped_straight_in() {
    let app = spawn_app();
    for (at, stream) in streams().iter().enumerate() {
        let named = format!("/channels/c{at}/streams/s?format={}", stream.format.spec().name);
        for path in [format!("/channels/c{at}/streams/s"), named] {
            let request = app.client.post(app.url(&path)).header("content-type", &stream.media_type);
            let request = request.header("prefer", "return=representation").body(stream.body.clone());
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            assert_eq!(answer["source"].as_str().unwrap_or_default(), stream.text, "{path} {}", stream.name);
            let (finish, error) = match &stream.ending {
                Ending::Done => ("done", Value::Null),
                ending => ("error", Value::String(ending.to_string())),
            };
            assert_eq!((&answer["finish"], &answer["error"]), (&finish.into(), &error), "{}", stream.name);
            let rendered = app.render_text("?provisional=false&dense=true", stream.text.clone()).await;
            assert_eq!(answer["html"], rendered.json::<Value>().await.unwrap()["html"], "{}", stream.name);
        }
    }
}

#[tokio::test]
async fn a_providers_stream_that_is_cut_off_keeps_its_text_on_the_page() {
    let app = spawn_app();
    let anthropic = streams().into_iter().find(|stream| stream.name == "anthropic.sse").unwrap();
    let body = String::from_utf8(anthropic.body).unwrap();
    let (part, _) = body.split_once("caf").unwrap();
    let request = app.client.post(app.url("/channels/c/streams/s")).header("content-type", "text/event-stream");
    let answer: Value = request
        .header("prefer", "return=representation")
        .body(part.to_owned())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!((&answer["finish"], &answer["source"]), (&"error".into(), &"Okay! Let me look.\n\n".into()));
    assert!(answer["error"].as_str().unwrap().contains("without its mark of the end"), "{answer}");
    for (body, told) in [("data: {\"hello\":1}\n\n", "not recognised"), ("data: {\"choices\":[\n\n", "not valid JSON")]
    {
        let request = app.client.post(app.url("/channels/c/streams/t")).header("content-type", "text/event-stream");
        let answer: Value = request.body(body).send().await.unwrap().json().await.unwrap();
        assert!(answer["error"].as_str().unwrap().contains(told), "{answer}");
    }
}

/// The text is there while the provider is still writing, and its end is the reply's although the body goes on.
#[tokio::test]
async fn a_provider_is_read_as_it_writes() {
    let app = spawn_app();
    let mut slow = Slow::post(&app, "/channels/c/streams/s", &[("content-type", "text/event-stream")]).await;
    let event = |text: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\r\n\r\n");
    let state = async || app.get("/channels/c/streams/s").await.json::<Value>().await.unwrap();
    slow.send(event("Hel").as_bytes()).await;
    until("the first words", async || state().await["source"] == "Hel").await;
    slow.send(event("lo").as_bytes()).await;
    slow.send(b"data: [DONE]\n\n").await;
    until("the end", async || state().await["state"] == "done").await;
    slow.end().await;
    let answer = slow.answer().await;
    assert_eq!((&answer.body["finish"], &answer.body["bytes"]), (&"done".into(), &5.into()));
    assert_eq!(answer.header("connection"), None);
    let mut endless = Slow::post(&app, "/channels/c/streams/t", &[("content-type", "text/event-stream")]).await;
    endless.send(b"data: [DONE]\n\n").await;
    let answer = endless.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "it is not waited for");
}

#[tokio::test]
async fn a_shape_that_there_is_not_is_refused() {
    let app = spawn_app();
    let post = |path: &'static str, media: &'static str| {
        app.client.post(app.url(path)).header("content-type", media).body("x").send()
    };
    for (path, media) in [
        ("/channels/c/streams/s?format=gpt", "text/event-stream"),
        ("/channels/c/streams/s?format=gemini&format=gemini", "text/event-stream"),
    ] {
        let body = check_problem(post(path, media).await.unwrap(), 422, "invalid-option").await;
        assert_eq!(body["option"], "format");
    }
    let refused = post("/channels/c/streams/s", "application/json").await.unwrap();
    let takes = "text/markdown, text/plain, text/event-stream, application/x-ndjson";
    assert_eq!(refused.headers()["accept-post"], takes);
}
