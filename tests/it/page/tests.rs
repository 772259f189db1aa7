//! The page itself is held to djust's client: the cases of `tests/vectors/pages.json`, which that client passes, too.

use serde_json::{Value, json};

use super::{Page, SseReader};
use crate::oracle::dom;

fn frame(stream: &str, ops: &Value, id: Option<&str>) -> String {
    let mut frame = json!({ "type": "stream", "stream": stream, "ops": ops });
    if let Some(id) = id {
        frame["id"] = id.into();
    }
    frame.to_string()
}

fn text(text: &str) -> Value {
    json!([{ "op": "text", "target": "[dj-stream='a']", "text": text }])
}

#[track_caller]
fn assert_body(page: &Page, html: &str) {
    assert_eq!(page.body(), dom::parse_in("body", html), "{html}");
}

#[test]
fn a_tick_shows_when_its_id_has_come() {
    let mut page = Page::load("<p dj-stream=a></p>");
    page.message(&frame("a", &text("x"), None));
    page.message(&frame("a", &text("y"), None));
    assert_body(&page, "<p dj-stream=a></p>");
    assert_eq!((page.waiting(), page.id()), (2, None));
    page.message(&frame("a", &text("z"), Some("1-3")));
    assert_body(&page, "<p dj-stream=a data-stream-active=true>xyz</p>");
    page.message(&frame("a", &text("lost"), None));
    page.cut();
    page.message(&frame("a", &text("!"), Some("1-4")));
    assert_body(&page, "<p dj-stream=a data-stream-active=true>xyz!</p>");
    assert_eq!((page.waiting(), page.id()), (0, Some("1-4")));
}

fn with(mut frame: Value, members: &Value) -> String {
    for (name, value) in members.as_object().unwrap() {
        frame[name] = value.clone();
    }
    frame.to_string()
}

#[test]
fn a_reset_puts_back_what_was_touched_and_then_applies_the_snapshot() {
    let body = "<p dj-stream=a>was</p><ul id=l><li id=i>1</li><li>2</li></ul><i id=own>mine</i>";
    let mut page = Page::load(body);
    let ops = json!([
        { "op": "text", "target": "[dj-stream='a']", "text": "x", "mode": "replace" },
        { "op": "delete", "target": "#i" },
        { "op": "append", "target": "#l", "html": "<li id=n>3</li>" },
        { "op": "text", "target": "#n", "text": "!" },
        { "op": "delete", "target": "#n" },
    ]);
    page.message(&frame("a", &ops, Some("1-1")));
    assert_body(&page, "<p dj-stream=a data-stream-active=true>x</p><ul id=l><li>2</li></ul><i id=own>mine</i>");
    let snapshot = json!({ "type": "stream", "stream": "a", "ops": text("y"), "id": "1-9" });
    page.message(&with(snapshot, &json!({ "reset": true })));
    let after = body.replace("dj-stream=a>was", "dj-stream=a data-stream-active=true>wasy");
    assert_body(&page, &after);
    assert_eq!((page.resets(), page.id()), (1, Some("1-9")));
}

#[test]
fn a_page_that_came_filled_is_emptied_by_a_reset() {
    let mut page = Page::load_at("<p dj-stream=a>old</p><p dj-stream=b data-stream-active=true>old</p>", "", "1-5");
    let snapshot = json!({ "type": "stream", "stream": "a", "ops": text("new"), "id": "1-9" });
    page.message(&with(snapshot, &json!({ "reset": true })));
    assert_body(&page, "<p dj-stream=a data-stream-active=true>new</p><p dj-stream=b></p>");
}

#[test]
fn a_new_epoch_keeps_what_it_does_not_name_and_tells_what_was_interrupted() {
    let mut page = Page::load("<p dj-stream=a></p><p dj-stream=b></p><p dj-stream=c></p>");
    let start = |stream: &str| json!([{ "op": "start", "target": format!("[dj-stream='{stream}']") }]);
    let done = json!([{ "op": "done", "target": "[dj-stream='c']" }]);
    page.message(&frame("a", &text("x"), None));
    page.message(&frame("b", &start("b"), None));
    page.message(&frame("c", &start("c"), None));
    page.message(&frame("c", &done, Some("1-4")));
    let snapshot = json!({ "type": "stream", "stream": "a", "ops": text("y"), "id": "2-1" });
    page.message(&with(snapshot, &json!({ "reset": true, "reason": "epoch" })));
    let error = "<div class=dj-stream-error role=alert>Interrupted</div>";
    // Not by the parser: a `div` cannot be written in a `p`.
    assert_eq!(page.content("[dj-stream='b']"), dom::parse(error));
    assert_eq!(page.attribute("[dj-stream='b']", "data-stream-active"), None);
    assert_eq!(page.attribute("[dj-stream='b']", "data-stream-error"), Some("true"));
    assert_eq!(page.content("[dj-stream='c']"), []);
    page.assert_shows("a", "y");
    page.message(r#"{"type":"reset","channel":"c","id":"3-0","reason":"epoch"}"#);
    assert_eq!(page.id(), Some("3-0"));
    assert_eq!(page.content("[dj-stream='a']").len(), 2, "the text stays, the error is shown");
}

#[test]
fn several_channels_commit_by_themselves() {
    let mut page = Page::load("<p dj-stream=a></p>");
    let of = |channel: &str, text_: &str, id: Option<&str>| {
        let mut frame: Value = serde_json::from_str(&frame("a", &text(text_), id)).unwrap();
        frame["channel"] = channel.into();
        frame.to_string()
    };
    page.message(&of("c", "1", None));
    page.message(&of("d", "2", Some("7-1")));
    page.message(&of("c", "3", Some("1-2")));
    page.assert_shows("a", "213");
    assert_eq!((page.id_of("c"), page.id_of("d")), (Some("1-2"), Some("7-1")));
}

/// What no service may send, each of which ends a test.
#[test]
fn the_page_does_not_forgive() {
    let breaks = |messages: &[String]| {
        let messages = messages.to_vec();
        let run = move || {
            let mut page = Page::load("<p dj-stream=a></p>");
            messages.iter().for_each(|message| page.message(message));
        };
        assert!(std::panic::catch_unwind(run).is_err());
    };
    let at = |id: &str| frame("a", &text("x"), Some(id));
    let reset = |id: &str, members: &Value| with(serde_json::from_str(&at(id)).unwrap(), members);
    breaks(&[at("1-2"), at("1-2")]);
    breaks(&[at("1-2"), at("1-1")]);
    breaks(&[at("1-2"), at("2-3")]);
    breaks(&[at("1-2"), reset("2-3", &json!({ "reset": true }))]);
    breaks(&[at("1")]);
    breaks(&[at("X-1")]);
    breaks(&[frame("a", &text("x"), None), reset("1-1", &json!({ "reset": true }))]);
    breaks(&[r#"{"type":"stream","stream":"a"}"#.to_owned()]);
    breaks(&[r#"{"type":"what"}"#.to_owned()]);
    breaks(&["{".to_owned()]);
}

#[test]
fn events_are_read_whatever_the_network_cut() {
    let body =
        "retry: 500\n\n: hi\ndata: a\nid: 1\n\nevent: rillmark\r\ndata:b\rdata: c\n\nid: 2\n\ndata: d\n\ndata: lost\n";
    let read = |size: usize| {
        let mut reader = SseReader::default();
        let events: Vec<_> = body.as_bytes().chunks(size).flat_map(|piece| reader.push(piece)).collect();
        (events, reader.retry, reader.comments)
    };
    let (events, retry, comments) = read(body.len());
    let seen: Vec<_> = events.iter().map(|e| (e.name.as_str(), e.data.as_str(), e.id.as_str())).collect();
    assert_eq!(seen, [("message", "a", "1"), ("rillmark", "b\nc", "1"), ("message", "d", "2")]);
    assert_eq!((retry, comments), (Some(500), 1));
    for size in 1..7 {
        assert_eq!(read(size).0, events);
    }
}

/// The cases that djust's own client passes in `tests/djust`, here for the twin.
#[test]
fn ops_do_what_they_do_in_the_browser() {
    play("pages.json");
}

#[test]
fn the_compact_wire_does_what_the_vectors_say() {
    play("compact.json");
}

/// Plays the cases of a file of vectors.
fn play(file: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(cases.len() >= 20);
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let mut page = Page::load(case["page"].as_str().unwrap());
        for frame in case["frames"].as_array().unwrap() {
            page.message(&frame.to_string());
        }
        let after = dom::parse_in("body", case["after"].as_str().unwrap());
        assert!(page.body() == after, "{name}\n page: {:?}\nwants: {after:?}", page.body());
        let events: Vec<Value> = page.events().iter().map(|e| json!([e.name, e.at, e.detail])).collect();
        assert_eq!(Value::from(events), case["events"], "{name}");
        assert_eq!(page.skipped().len() as u64, case["skipped"].as_u64().unwrap_or(0), "{name}: {:?}", page.skipped());
    }
}
