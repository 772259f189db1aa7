//! The table of a stream's life, and what batches come to.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::oplog::{Fold, Keep};
use crate::protocol::{Batch, Entry, Mode, Place, Sizes};

const RULES: Rules = Rules { streams_max: 3, stream_bytes_max: 100, channel_bytes_max: 150, html_ops: true };

fn name(stream: &str) -> StreamName {
    StreamName::parse(stream).unwrap()
}

/// A ledger, and a clock that stands still unless it is moved.
struct Scene {
    ledger: Ledger,
    now: Instant,
}

impl Scene {
    fn new(rules: Rules) -> Self {
        Self { ledger: Ledger::new(rules), now: Instant::now() }
    }

    fn plan(&self, stream: &str, ops: &Value, right: Right) -> Result<Plan, PublishRefusal> {
        let json = json!({"stream": stream, "ops": ops}).to_string();
        let batch = Batch::parse(json.as_bytes(), &Sizes::default()).unwrap();
        self.ledger.plan(&batch.stream, batch.ops, right, self.now)
    }

    fn publish(&mut self, stream: &str, ops: &Value) -> Result<String, PublishRefusal> {
        let plan = self.plan(stream, ops, Right::Backend)?;
        Ok(self.commit(plan))
    }

    fn commit(&mut self, plan: Plan) -> String {
        let (ops, stream, life) = plan.split();
        self.ledger.commit(stream, life);
        spell(&ops)
    }

    fn state(&self, stream: &str) -> RunState {
        self.ledger.life(&name(stream)).map_or(RunState::Idle, |life| life.state)
    }
}

/// Ops in a word each, with their text: `start markdown:a done`.
fn spell(ops: &[Op<String>]) -> String {
    let words = ops.iter().map(|op| match op {
        Op::Markdown { text, options: None } => format!("markdown:{text}"),
        Op::Markdown { text, options: Some(options) } => {
            format!("markdown:{text}{}", Value::Object((**options).clone()))
        }
        Op::Dom(DomOp::Text { text, mode: None, .. }) => format!("text:{text}"),
        Op::Dom(DomOp::Text { text, mode: Some(Mode::Append), .. }) => format!("text+:{text}"),
        Op::Dom(DomOp::Text { text, mode: Some(Mode::Prepend), .. }) => format!("+text:{text}"),
        Op::Dom(DomOp::Html { place: Place::Replace, html, .. }) => format!("replace:{html}"),
        Op::Dom(DomOp::Start { clear: true, .. }) => "clear".to_owned(),
        Op::Dom(DomOp::Done { cancelled: true, .. }) => "cancelled".to_owned(),
        Op::Dom(DomOp::Error { error, .. }) => format!("error:{error}"),
        other => other.name().to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn op(what: &str) -> Value {
    match what {
        "markdown" => json!({"op": "markdown", "text": "m"}),
        "text" => json!({"op": "text", "text": "t"}),
        "replace" => json!({"op": "replace", "html": "h"}),
        "delete" => json!({"op": "delete", "target": "#x"}),
        "prune" => json!({"op": "prune", "limit": 1}),
        "error" => json!({"op": "error", "error": "e"}),
        "event" => json!({"op": "event", "name": "n"}),
        plain => json!({"op": plain}),
    }
}

/// A stream in one of the states, by the shortest way.
fn scene_in(state: &str) -> Scene {
    let mut scene = Scene::new(RULES);
    let (first, end) = state.split_once(' ').unwrap_or((state, ""));
    let begun: &[&str] = match first {
        "idle" => &[],
        "bare" => &["start"],
        kind => &["start", kind],
    };
    for what in begun {
        scene.publish("s", &json!([op(what)])).unwrap();
    }
    match end {
        "cancelled" => {
            let plan = scene.ledger.plan_end(&name("s"), End::Cancelled).unwrap();
            scene.commit(plan);
        }
        "" => {}
        end => drop(scene.publish("s", &json!([op(end)])).unwrap()),
    }
    scene
}

#[test]
fn every_op_in_every_state_has_its_answer() {
    let ops = ["start", "markdown", "text", "replace", "delete", "prune", "error", "done", "event"];
    let table = [
        (
            "idle",
            "start|start markdown:m|start text:t|start replace:h|start delete|start prune|start error:e|start done|event",
        ),
        ("bare", "start|markdown:m|text:t|replace:h|delete|prune|error:e|done|event"),
        ("markdown", "start|markdown:m|KIND|KIND|KIND|KIND|error:e|done|event"),
        ("text", "start|KIND|text:t|replace:h|delete|prune|error:e|done|event"),
        ("bare done", "start|DONE|DONE|DONE|DONE|DONE|DONE|DONE|event"),
        ("markdown done", "start|DONE|DONE|DONE|DONE|DONE|DONE|DONE|event"),
        ("text done", "start|DONE|DONE|DONE|delete|prune|DONE|DONE|event"),
        ("markdown cancelled", "start|GONE|GONE|GONE|GONE|GONE|GONE|GONE|event"),
        ("text cancelled", "start|GONE|GONE|GONE|delete|prune|GONE|GONE|event"),
        ("markdown error", "start|FAILED|FAILED|FAILED|FAILED|FAILED|error:e||event"),
        ("text error", "start|FAILED|start text:t|start replace:h|start delete|start prune|error:e||event"),
    ];
    for (state, answers) in table {
        for (what, expected) in ops.into_iter().zip(answers.split('|')) {
            let mut scene = scene_in(state);
            let before = (scene.state("s"), scene.ledger.active());
            let answer = scene.publish("s", &json!([op(what)]));
            let short = match &answer {
                Ok(ops) => ops.as_str(),
                Err(PublishRefusal::StreamKind { .. }) => "KIND",
                Err(PublishRefusal::StreamDone { .. }) => "DONE",
                Err(PublishRefusal::StreamCancelled { .. }) => "GONE",
                Err(PublishRefusal::StreamFailed { .. }) => "FAILED",
                Err(other) => panic!("{state}, {what}: {other}"),
            };
            assert_eq!(short, expected, "{state}, {what}");
            if answer.is_err() || ["event", ""].contains(&expected) {
                assert_eq!((scene.state("s"), scene.ledger.active()), before, "{state}, {what}");
            }
        }
    }
}

#[test]
fn a_refused_batch_changes_nothing() {
    let mut scene = Scene::new(RULES);
    scene.publish("s", &json!([op("markdown")])).unwrap();
    let before = format!("{:?}", scene.ledger);
    for batch in [
        json!([op("markdown"), op("done"), op("markdown")]),
        json!([{"op": "markdown", "text": "\u{1f600}"}, op("text")]),
        json!([op("start"), {"op": "markdown", "text": "x".repeat(101)}]),
        json!([op("markdown"), {"op": "markdown", "text": "", "options": {"math": true}}]),
    ] {
        assert!(scene.publish("s", &batch).is_err(), "{batch}");
        assert_eq!(format!("{:?}", scene.ledger), before, "{batch}");
    }
    let refused = scene.publish("s", &json!([op("markdown"), op("event"), op("text")]));
    assert_eq!(refused, Err(PublishRefusal::StreamKind { op: 2, kind: Kind::Markdown }));
}

#[test]
fn a_start_on_an_active_run_begins_the_next_without_done() {
    let mut scene = scene_in("markdown");
    let ops = scene.publish("s", &json!([{"op": "start", "clear": true}, op("text"), op("done")])).unwrap();
    assert_eq!(ops, "clear text:t done");
    let life = scene.ledger.life(&name("s")).unwrap();
    assert_eq!((life.run, life.kind, life.state, life.bytes), (2, Some(Kind::Ops), RunState::Done, 0));
}

#[test]
fn halves_join_across_batches_and_end_as_replacement() {
    // Written as JSON by hand: serde_json would not write a lone surrogate.
    let piece = |what: &str, text: &str| {
        let json = format!(r#"{{"stream":"s","ops":[{{"op":"{what}","text":"{text}"}}]}}"#);
        Batch::parse(json.as_bytes(), &Sizes::default()).unwrap()
    };
    for (what, first, second, end) in [
        ("text", "start text:a", "text:😀b", "text+:\u{fffd} done"),
        ("markdown", "start markdown:a", "markdown:😀b", "markdown:\u{fffd} done"),
    ] {
        let mut scene = Scene::new(RULES);
        let mut send = |text: &str| {
            let batch = piece(what, text);
            let plan = scene.ledger.plan(&batch.stream, batch.ops, Right::Backend, scene.now).unwrap();
            scene.commit(plan)
        };
        assert_eq!(send("a\\ud83d"), first);
        assert_eq!(send("\\ude00b"), second);
        let held = send("\\ud83d");
        assert_eq!(held, if what == "text" { "" } else { "markdown:" }, "nothing to show yet");
        assert_eq!(scene.publish("s", &json!([op("done")])).unwrap(), end);
    }
    let mut scene = Scene::new(RULES);
    let batch = piece("text", "\\ud83d");
    let plan = scene.ledger.plan(&batch.stream, batch.ops, Right::Backend, scene.now).unwrap();
    scene.commit(plan);
    assert_eq!(scene.publish("s", &json!([op("start")])).unwrap(), "text+:\u{fffd} start", "the run it belongs to");
}

#[test]
fn the_log_gets_the_options_once_and_they_stay() {
    let mut scene = Scene::new(RULES);
    let markdown = |options: Value| json!([{"op": "markdown", "text": "a", "options": options}]);
    assert_eq!(scene.publish("s", &markdown(json!({"math": true}))).unwrap(), r#"start markdown:a{"math":true}"#);
    for same in [json!({"math": true}), json!({}), json!({"math": true, "dense": true})] {
        assert_eq!(scene.publish("s", &markdown(same)).unwrap(), "markdown:a");
    }
    let differs = Err(PublishRefusal::OptionsDiffer { op: 0 });
    assert_eq!(scene.publish("s", &markdown(json!({"math": false}))), differs);
    assert_eq!(scene.publish("s", &markdown(json!({"math": true, "tail": "escape"}))), differs);
    scene.publish("t", &json!([op("markdown")])).unwrap();
    assert_eq!(scene.publish("t", &markdown(json!({"math": true}))), differs, "it began with the defaults");
    assert_eq!(scene.publish("t", &markdown(json!({"tables": true}))).unwrap(), "markdown:a", "a default, said");
    scene.publish("t", &json!([op("start")])).unwrap();
    assert_eq!(scene.publish("t", &markdown(json!({"math": true}))).unwrap(), r#"markdown:a{"math":true}"#);
    let fixed = Err(PublishRefusal::OptionNotStreamable { op: Some(0), option: "provisional" });
    assert_eq!(scene.publish("t", &markdown(json!({"provisional": false}))), fixed);
    let unknown = scene.publish("t", &markdown(json!({"maths": 1})));
    assert!(matches!(unknown, Err(PublishRefusal::InvalidOption { op: Some(0), .. })), "{unknown:?}");
}

#[test]
fn sizes_hold_and_what_waits_is_counted() {
    let mut scene = Scene::new(RULES);
    let markdown = |bytes: usize| json!([{"op": "markdown", "text": "x".repeat(bytes)}]);
    scene.publish("s", &markdown(100)).unwrap();
    assert_eq!(scene.publish("s", &markdown(1)), Err(PublishRefusal::StreamTooLarge { max: 100 }));
    scene.publish("t", &markdown(50)).unwrap();
    assert_eq!(scene.publish("u", &markdown(1)), Err(PublishRefusal::ChannelTooLarge { max: 150 }));
    assert_eq!(scene.publish("u", &json!([op("text")])).unwrap(), "start text:t", "a feed is not refused");
    assert_eq!(scene.publish("v", &json!([op("event")])), Err(PublishRefusal::TooManyStreams { max: 3 }));
    scene.publish("s", &json!([op("start")])).unwrap();
    scene.publish("t", &markdown(44)).unwrap();
    let half = r#"{"stream":"t","ops":[{"op":"markdown","text":"\ud83d"}]}"#;
    let batch = Batch::parse(half.as_bytes(), &Sizes::default()).unwrap();
    let plan = scene.ledger.plan(&batch.stream, batch.ops.clone(), Right::Backend, scene.now).unwrap();
    scene.commit(plan);
    scene.publish("t", &json!([op("done")])).unwrap();
    assert!(scene.ledger.life(&name("t")).unwrap().bytes <= 100);
}

#[test]
fn a_browser_acts_on_its_own_element_with_its_own_ops() {
    let scene = Scene::new(RULES);
    for what in ["start", "text", "markdown", "done", "error", "event"] {
        assert!(scene.plan("s", &json!([op(what)]), Right::Browser).is_ok(), "{what}");
    }
    for what in ["replace", "delete", "prune"] {
        let refused = scene.plan("s", &json!([op("event"), op(what)]), Right::Browser);
        assert!(matches!(refused, Err(PublishRefusal::Forbidden { op: 1, .. })), "{what}");
    }
    for (target, allowed) in [("[dj-stream=\"s\"]", true), ("[dj-stream='t']", false), ("#x", false)] {
        let ops = json!([{"op": "event", "name": "n", "target": target}, {"op": "text", "text": "", "target": target}]);
        let plan = scene.plan("s", &ops, Right::Browser);
        assert_eq!(plan.is_ok(), allowed, "{target}");
    }
}

#[test]
fn html_is_refused_where_the_operator_says_so() {
    let scene = Scene::new(Rules { html_ops: false, ..RULES });
    let refused = scene.plan("s", &json!([op("text"), op("replace")]), Right::Backend);
    assert_eq!(refused.err(), Some(PublishRefusal::HtmlRejected { op: 1 }));
}

#[test]
fn an_open_body_is_alone_and_always_leaves_a_document() {
    let mut scene = scene_in("markdown done");
    let options = json!({"math": true}).as_object().cloned();
    let plan = scene.ledger.plan_body(&name("s"), options.clone(), BodyId(1), scene.now).unwrap();
    assert_eq!(scene.commit(plan), "start");
    let second = scene.ledger.plan_body(&name("s"), None, BodyId(2), scene.now);
    assert_eq!(second.err(), Some(PublishRefusal::StreamBusy));
    let refused = scene.publish("s", &json!([op("text")]));
    assert_eq!(refused, Err(PublishRefusal::StreamKind { op: 0, kind: Kind::Markdown }));
    assert_eq!(scene.publish("s", &json!([op("markdown")])).unwrap(), r#"markdown:m{"math":true}"#);
    assert_eq!(scene.publish("s", &json!([op("done")])).unwrap(), "done");

    let plan = scene.ledger.plan_body(&name("s"), options, BodyId(3), scene.now).unwrap();
    scene.commit(plan);
    let plan = scene.ledger.plan_end(&name("s"), End::Error("Interrupted")).unwrap();
    assert_eq!(scene.commit(plan), r#"markdown:{"math":true} error:Interrupted"#);
    assert!(scene.ledger.plan_end(&name("s"), End::Done).is_none(), "it has ended");
    let plan = scene.ledger.plan_body(&name("s"), None, BodyId(4), scene.now);
    assert!(plan.is_ok(), "the one before is gone");
}

#[test]
fn only_what_was_started_or_is_markdown_expires() {
    let mut scene = Scene::new(RULES);
    scene.publish("feed", &json!([op("text")])).unwrap();
    scene.publish("told", &json!([op("start"), op("text")])).unwrap();
    scene.publish("grows", &json!([op("markdown")])).unwrap();
    assert_eq!((scene.ledger.active(), scene.ledger.expiring()), (3, 2));
    scene.now += Duration::from_secs(5);
    let began = scene.ledger.longest_unfed().unwrap();
    scene.publish("told", &json!([op("event")])).unwrap();
    assert_eq!(scene.ledger.unfed(began), [name("grows")]);
    assert_eq!(scene.ledger.unfed(scene.now), [name("grows"), name("told")]);
    scene.publish("grows", &json!([op("error")])).unwrap();
    scene.publish("feed", &json!([op("error")])).unwrap();
    scene.publish("feed", &json!([op("text")])).unwrap();
    assert_eq!(scene.ledger.expiring_streams(), [name("told")], "a feed that goes on by itself was not started");
    assert_eq!(scene.ledger.active_streams(), [name("feed"), name("told")]);
}

#[test]
fn a_half_never_lands_in_another_text() {
    let half = |target: Option<&str>, mode: &str, text: &str| {
        let target = target.map(|target| format!(r#""target":"{target}","#)).unwrap_or_default();
        let json = format!(r#"{{"stream":"s","ops":[{{"op":"text",{target}"mode":"{mode}","text":"{text}"}}]}}"#);
        Batch::parse(json.as_bytes(), &Sizes::default()).unwrap()
    };
    let high = r"a\ud83d";
    let low = r"\ude00b";
    for (first, second, expected) in [
        (half(None, "append", high), half(Some("#x"), "append", low), ["text+:\u{fffd}", "text+:\u{fffd}b"].as_slice()),
        (half(Some("#x"), "append", high), half(None, "append", low), &["text+:\u{fffd}", "text+:\u{fffd}b"]),
        (half(None, "append", high), half(None, "prepend", low), &["text+:\u{fffd}", "+text:\u{fffd}b"]),
        (half(None, "append", high), half(Some("[dj-stream='s']"), "append", low), &["text+:😀b"]),
        (half(Some("#x"), "append", high), half(Some("#x"), "append", low), &["text+:😀b"]),
    ] {
        let mut scene = Scene::new(RULES);
        let plan = scene.ledger.plan(&first.stream, first.ops.clone(), Right::Backend, scene.now).unwrap();
        assert_eq!(scene.commit(plan), "start text+:a");
        let plan = scene.ledger.plan(&second.stream, second.ops.clone(), Right::Backend, scene.now).unwrap();
        if expected.len() == 2 {
            let (Op::Dom(held), Op::Dom(written)) = (&plan.ops[0], &first.ops[0]) else { unreachable!() };
            assert_eq!(held.target(), written.target(), "it stays where it was written");
        }
        assert_eq!(scene.commit(plan), expected.join(" "));
    }
}

#[test]
fn a_run_that_follows_a_failed_one_by_itself_expires_like_it() {
    let mut scene = Scene::new(RULES);
    scene.publish("told", &json!([op("start"), op("text"), op("error"), op("text")])).unwrap();
    scene.publish("feed", &json!([op("text"), op("error"), op("text")])).unwrap();
    assert_eq!(scene.ledger.expiring_streams(), [name("told")], "a feed that was never started goes on for ever");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is published, the fold of the entries knows each stream as the ledger does: the log replays alone.
    #[test]
    fn the_fold_of_the_entries_agrees_with_the_ledger(
        batches in proptest::collection::vec((0_usize..2, proptest::collection::vec(0_usize..10, 1..5), 0_u8..12), 1..40),
    ) {
        const OPS: [&str; 10] =
            ["start", "markdown", "markdown", "text", "replace", "delete", "prune", "error", "done", "event"];
        let mut scene = Scene::new(Rules { stream_bytes_max: 30, ..RULES });
        let mut fold: Fold<String> = Fold::new(Keep::default());
        for (which, ops, also) in batches {
            let stream = ["a", "b"][which];
            let ops: Vec<Value> = ops.into_iter().map(|at| op(OPS[at])).collect();
            let planned = match also {
                0 => scene.ledger.plan_end(&name(stream), End::Cancelled),
                1 => scene.ledger.plan_end(&name(stream), End::Error("e")),
                2 => scene.ledger.plan_body(&name(stream), None, BodyId(1), scene.now).ok(),
                _ => scene.plan(stream, &json!(ops), Right::Backend).ok(),
            };
            let Some(plan) = planned else { continue };
            let (ops, stream, life) = plan.split();
            scene.ledger.commit(stream.clone(), life);
            fold.apply(&(), fold.offset() + 1, &Entry { stream, ops, at: 0 });
            for name in ["a", "b"].map(name) {
                let (Some(folded), Some(life)) = (fold.stream(&name), scene.ledger.life(&name)) else { continue };
                prop_assert_eq!((folded.state(), folded.runs()), (life.state, life.run));
                // An open body's run is of Markdown before the log says so.
                if life.opening.is_none() {
                    prop_assert_eq!(folded.kind(), life.kind);
                }
                if life.kind == Some(Kind::Markdown) {
                    prop_assert_eq!(folded.document().map_or(0, |document| document.body.len()), life.bytes);
                }
            }
        }
    }
}
