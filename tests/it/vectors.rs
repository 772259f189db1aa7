//! The vectors of the wire, as any implementation can run them: `tests/vectors/README.md` says what each holds.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rillmark::channel::View;
use rillmark::markdown::options::Policy;
use rillmark::oplog::{Fold, Keep};
use rillmark::protocol::{
    Batch, BatchError, By, CLOSES, ChannelName, ClientMessage, Close, Control, DomOp, EncodedTick, Entry, Frame,
    Joiner, MessageError, Op, Piece, Position, Positions, Reference, ResetReason, RunState, Sizes, StreamName,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The cases of a file, at least so many.
fn cases(file: &str, at_least: usize) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(cases.len() >= at_least, "{file} has {} cases", cases.len());
    cases
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// The bytes that a case sends: its object, or its body as it stands.
fn body(case: &Value, member: &str) -> Vec<u8> {
    case["body"].as_str().map_or_else(|| serde_json::to_vec(&case[member]).unwrap(), |body| body.as_bytes().to_vec())
}

/// Text of pieces, each of which is whole by itself.
fn whole(piece: &Piece) -> String {
    let (mut joiner, mut out) = (Joiner::new(), String::new());
    joiner.push(piece.as_bytes(), &mut out);
    joiner.finish(&mut out);
    out
}

fn logged(op: Op<Piece>) -> Op<String> {
    match op {
        Op::Markdown { text, options } => Op::Markdown { text: whole(&text), options },
        Op::Dom(DomOp::Text { target, text, mode }) => Op::Dom(DomOp::Text { target, text: whole(&text), mode }),
        Op::Dom(DomOp::Start { target, clear }) => Op::Dom(DomOp::Start { target, clear }),
        Op::Dom(DomOp::Html { place, target, html }) => Op::Dom(DomOp::Html { place, target, html }),
        Op::Dom(DomOp::Delete { target }) => Op::Dom(DomOp::Delete { target }),
        Op::Dom(DomOp::Prune { target, limit, edge }) => Op::Dom(DomOp::Prune { target, limit, edge }),
        Op::Dom(DomOp::Error { target, error }) => Op::Dom(DomOp::Error { target, error }),
        Op::Dom(DomOp::Done { target, cancelled }) => Op::Dom(DomOp::Done { target, cancelled }),
        Op::Dom(DomOp::Event { target, name, detail, keep }) => Op::Dom(DomOp::Event { target, name, detail, keep }),
    }
}

/// The entry that a batch becomes, all of it explicit already.
fn entry(batch: Batch) -> Entry {
    Entry { stream: batch.stream, ops: batch.ops.into_iter().map(logged).collect(), at: 0 }
}

/// A frame of the ops that leave of a batch, as it is written.
fn written(frame: &Frame) -> Value {
    let mut out = Vec::new();
    frame.write(&mut out, None, None, None);
    serde_json::from_slice(&out).unwrap()
}

fn frame_of(batch: Batch) -> Frame {
    let Entry { stream, ops, .. } = entry(batch);
    let leave = ops.into_iter().filter_map(|op| if let Op::Dom(op) = op { Some(op) } else { None });
    Frame::new(stream, leave.collect())
}

#[test]
fn names_and_ids_are_what_the_vectors_say() {
    for case in cases("names.json", 1) {
        for name in strings(&case["valid"]) {
            assert!(ChannelName::parse(name).is_ok() && StreamName::parse(name).is_ok(), "{name:?}");
        }
        for name in strings(&case["invalid"]) {
            assert!(ChannelName::parse(name).is_err() && StreamName::parse(name).is_err(), "{name:?}");
        }
    }
    for case in cases("ids.json", 1) {
        for id in strings(&case["valid"]) {
            assert_eq!(id.parse::<Position>().unwrap().to_string(), id);
        }
        for id in strings(&case["invalid"]) {
            assert!(id.parse::<Position>().is_err(), "{id:?}");
        }
    }
}

#[test]
fn batches_leave_as_the_vectors_say() {
    for case in cases("batches.json", 50) {
        let about = &case["name"];
        let read = Batch::parse(&body(&case, "batch"), &Sizes::default());
        if case["refused"].is_null() {
            let frame = frame_of(read.unwrap_or_else(|error| panic!("{about}: {error}")));
            assert_eq!(written(&frame)["ops"], case["leaves"], "{about}");
            continue;
        }
        let refused = match read.expect_err(about.as_str().unwrap()) {
            BatchError::Json { .. } => json!({ "kind": "json" }),
            BatchError::Name(_) => json!({ "kind": "name" }),
            BatchError::Field { op, field, .. } => json!({ "kind": "field", "op": op, "field": field }),
            BatchError::OpTooLarge { op, .. } => json!({ "kind": "op-too-large", "op": op }),
            BatchError::TooLarge { .. } => json!({ "kind": "too-large" }),
        };
        assert_eq!(refused, case["refused"], "{about}");
    }
}

#[test]
fn texts_join_as_the_vectors_say() {
    for case in cases("texts.json", 10) {
        let of_json = |text: &str| {
            let batch = format!(r#"{{"stream":"s","ops":[{{"op":"text","text":{text}}}]}}"#);
            match Batch::parse(batch.as_bytes(), &Sizes::default()).unwrap().ops.remove(0) {
                Op::Dom(DomOp::Text { text, .. }) => text.as_bytes().to_vec(),
                other => panic!("{other:?}"),
            }
        };
        let of_hex = |text: &str| {
            let digits = text.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
            digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect()
        };
        let pieces: Vec<Vec<u8>> = match case["hex"].is_null() {
            true => strings(&case["json"]).into_iter().map(of_json).collect(),
            false => strings(&case["hex"]).into_iter().map(of_hex).collect(),
        };
        let (mut joiner, mut out) = (Joiner::new(), String::new());
        pieces.iter().for_each(|piece| joiner.push(piece, &mut out));
        joiner.finish(&mut out);
        assert_eq!(out, case["text"].as_str().unwrap(), "{}", case["name"]);
    }
}

#[test]
fn ticks_merge_as_the_vectors_say() {
    for case in cases("merges.json", 8) {
        let mut view = View::new(Fold::new(Keep::default()), Arc::new(Policy::default()));
        for (published, offset) in case["entries"].as_array().unwrap().iter().zip(1..) {
            let batch = Batch::parse(published.to_string().as_bytes(), &Sizes::default()).unwrap();
            view.apply(offset, Arc::new(entry(batch)));
        }
        let frames: Vec<Value> = view.tick(Instant::now()).frames.iter().map(written).collect();
        assert_eq!(Value::from(frames), case["frames"], "{}", case["name"]);
    }
}

#[test]
fn ticks_are_written_as_the_vectors_say() {
    for case in cases("ticks.json", 6) {
        let about = case["name"].as_str().unwrap();
        let position = |member: &str| case[member].as_str().map(|id| id.parse::<Position>().unwrap());
        let to = position("to").unwrap();
        let channel = ChannelName::parse(case["channel"].as_str().unwrap()).unwrap();
        let frame = |frame: &Value| Frame {
            state: frame["state"].as_str().map(state),
            ..frame_of(
                Batch::parse(
                    json!({ "stream": frame["stream"], "ops": frame["ops"] }).to_string().as_bytes(),
                    &Sizes::default(),
                )
                .unwrap(),
            )
        };
        let frames: Vec<Frame> = case["frames"].as_array().unwrap().iter().map(frame).collect();
        let tick = match position("from") {
            Some(from) => EncodedTick::tick(channel.clone(), from, to, &frames),
            None => EncodedTick::snapshot(channel.clone(), to, &frames, case["reset"].as_str().map(reason)),
        };
        assert_eq!(tick.plain().sse(), case["sse"].as_str().unwrap(), "{about}");
        let messages: Vec<_> = tick.plain().json().collect();
        assert_eq!(messages, strings(&case["messages"]), "{about}");
        let mut several = tick.with_channel().sse_without_id().to_vec();
        if !tick.with_channel().is_empty() {
            let mut positions = Positions::default();
            positions.set(&channel, to);
            positions.set(&ChannelName::parse("d").unwrap(), "9c-1".parse().unwrap());
            several.extend_from_slice(format!("id: {positions}\n\n").as_bytes());
        }
        assert_eq!(String::from_utf8(several).unwrap(), case["sse_of_several"].as_str().unwrap(), "{about}");
    }
}

fn state(name: &str) -> RunState {
    let all = [RunState::Idle, RunState::Active, RunState::Done, RunState::Cancelled, RunState::Error];
    all.into_iter().find(|state| state.as_str() == name).unwrap()
}

fn reason(name: &str) -> ResetReason {
    [ResetReason::Gap, ResetReason::Epoch].into_iter().find(|reason| reason.as_str() == name).unwrap()
}

/// The control that a case describes.
fn control(said: &Value) -> Control {
    let text = |member: &str| said[member].as_str().unwrap();
    let channel = || ChannelName::parse(text("channel")).unwrap();
    let id = || text("id").parse().unwrap();
    let reference = || match &said["ref"] {
        Value::Null => None,
        Value::Number(number) => Some(Reference::Number(number.as_u64().unwrap())),
        other => Some(Reference::Text(other.as_str().unwrap().to_owned())),
    };
    match text("type") {
        "subscribed" => {
            let by = if text("by") == "replay" { By::Replay } else { By::Snapshot };
            Control::Subscribed { channel: channel(), id: id(), by, declared: None }
        }
        "unsubscribed" => Control::Unsubscribed { channel: channel(), reason: "asked" },
        "ack" => Control::Ack { reference: reference().unwrap(), id: id() },
        "refused" => Control::Refused {
            reference: reference(),
            channel: said["channel"].is_string().then(channel),
            problem: RawValue::from_string(said["problem"].to_string()).unwrap(),
            retry_after: said["retry_after"].as_u64(),
        },
        "cancelled" => Control::Cancelled { channel: channel(), stream: StreamName::parse(text("stream")).unwrap() },
        "ended" => Control::Ended { channel: channel() },
        "reset" => {
            Control::Reset { channel: channel(), id: id(), reason: reason(text("reason")).as_str(), declared: None }
        }
        "bye" => {
            let close = CLOSES.iter().find(|close| close.name() == text("reason")).unwrap();
            let after_ms = said["after_ms"].as_u64().unwrap();
            Control::Bye { reason: close.name(), come_back: close.come_back(), after_ms }
        }
        other => panic!("{other}"),
    }
}

#[test]
fn controls_are_written_as_the_vectors_say() {
    for case in cases("controls.json", 9) {
        let control = control(&case["control"]);
        let json: Value = serde_json::from_slice(&control.json()).unwrap();
        assert_eq!(json, case["control"], "{}", case["name"]);
        let event = String::from_utf8(control.sse(case["id"].as_str()).to_vec()).unwrap();
        assert_eq!(event, case["sse"].as_str().unwrap(), "{}", case["name"]);
    }
}

#[test]
fn messages_are_read_as_the_vectors_say() {
    for case in cases("messages.json", 18) {
        let about = &case["name"];
        match ClientMessage::parse(&body(&case, "message"), &Sizes::default()) {
            Ok(message) => {
                let kind = match message {
                    ClientMessage::Subscribe { .. } => "subscribe",
                    ClientMessage::Unsubscribe { .. } => "unsubscribe",
                    ClientMessage::Publish { .. } => "publish",
                    ClientMessage::Cancel { .. } => "cancel",
                    ClientMessage::Token { .. } => "token",
                };
                assert_eq!(case["reads"], kind, "{about}");
            }
            Err(MessageError { reference: Some(reference), problem, .. }) => {
                let mut told = json!({ "ref": reference });
                if let BatchError::Field { op, field, .. } = problem {
                    told["op"] = json!(op);
                    told["field"] = json!(field);
                }
                assert_eq!(told, case["refused"], "{about}");
            }
            Err(error) => {
                let close = if error.unknown_type { Close::Unsupported } else { Close::BadMessage };
                assert_eq!(case["closes"], close.code(), "{about}: {error}");
            }
        }
    }
}

#[test]
fn close_codes_are_what_the_vectors_say() {
    let table: Vec<Value> = CLOSES
        .iter()
        .map(|close| json!({ "code": close.code(), "name": close.name(), "come_back": close.come_back() }))
        .collect();
    assert_eq!(table, cases("closes.json", 10));
}
