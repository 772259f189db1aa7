//! What a tick is made of, and when it may be made.

use serde_json::{Value, json};

use super::*;
use crate::oplog::Keep;
use crate::protocol::{Detail, Epoch, Mode, Place, RunState, Target, Wire, Wires};

fn name(name: &str) -> StreamName {
    StreamName::parse(name).unwrap()
}

fn start() -> Op<String> {
    Op::Dom(DomOp::Start { target: None, clear: false })
}

fn done() -> Op<String> {
    Op::Dom(DomOp::Done { target: None, cancelled: false })
}

fn text(text: &str) -> Op<String> {
    Op::Dom(DomOp::Text { target: None, text: text.to_owned(), mode: Some(Mode::Append) })
}

fn append(html: &str) -> Op<String> {
    Op::Dom(DomOp::Html { place: Place::Append, target: None, html: html.to_owned() })
}

fn markdown(text: &str) -> Op<String> {
    Op::Markdown { text: text.to_owned(), options: None }
}

fn event(target: Option<&str>) -> Op<String> {
    let target = target.and_then(Target::parse);
    Op::Dom(DomOp::Event { target, name: "n".to_owned(), detail: Detail::null(), keep: false })
}

fn view() -> View {
    View::new(Fold::new(Keep::default()), Arc::new(Policy::default()))
}

fn publish(view: &mut View, stream: &str, ops: Vec<Op<String>>) {
    let entry = Entry { stream: name(stream), ops, at: 0 };
    view.apply(view.head() + 1, Arc::new(entry));
}

/// A frame as `stream: op op …`, each op with what it holds.
fn said(frames: &[Frame]) -> Vec<String> {
    let of = |frame: &Frame| {
        let mut json = Vec::new();
        frame.write(&mut json, None, Some(Epoch::new(1).at(1)), None);
        let json: Value = serde_json::from_slice(&json).unwrap();
        let ops = json["ops"].as_array().unwrap().iter().map(|op| {
            let target = op["target"].as_str().unwrap().strip_prefix(&format!("[dj-stream='{}']", frame.stream));
            let holds =
                ["text", "html", "error"].into_iter().find_map(|member| op[member].as_str()).unwrap_or_default();
            format!("{}{} {holds}", op["op"].as_str().unwrap(), target.unwrap_or("@")).trim_end().to_owned()
        });
        format!("{}: {}", frame.stream, ops.collect::<Vec<_>>().join(", "))
    };
    frames.iter().map(of).collect()
}

#[track_caller]
fn ticks(entries: Vec<(&str, Vec<Op<String>>)>, expected: &[&str]) -> View {
    let mut view = view();
    let count = entries.len() as u64;
    for (stream, ops) in entries {
        publish(&mut view, stream, ops);
    }
    let tick = view.tick(Instant::now());
    assert_eq!((tick.from, tick.to), (0, count));
    assert_eq!(said(&tick.frames), expected);
    view
}

#[test]
fn adjacent_entries_of_one_stream_are_one_frame() {
    ticks(
        vec![
            ("a", vec![start(), text("x")]),
            ("a", vec![text("y")]),
            ("b", vec![start(), append("<p>")]),
            ("b", vec![append("</p>")]),
            ("a", vec![text("z"), done()]),
        ],
        &["a: start, text xy", "b: start, append <p>, append </p>", "a: text z, done"],
    );
}

#[test]
fn a_tick_of_markdown_runs_alone_has_one_frame_a_stream() {
    let entries = || {
        vec![
            ("a", vec![start(), markdown("x")]),
            ("m", vec![start(), markdown("*y*")]),
            ("a", vec![markdown("z")]),
            ("m", vec![event(None)]),
            ("a", vec![done()]),
        ]
    };
    ticks(entries(), &["a: start, replace <p>xz</p>, done", "m: start, replace <p><em>y</em></p>, event"]);
    let mut mixed = entries();
    mixed[3].1 = vec![event(Some("#elsewhere"))];
    ticks(
        mixed,
        &[
            "a: start, replace <p>x</p>",
            "m: start, replace <p><em>y</em></p>",
            "a: append > :last-child z",
            "m: event@",
            "a: done",
        ],
    );
}

#[test]
fn the_start_of_an_ops_run_keeps_its_place_among_others() {
    let error = || Op::Dom(DomOp::Error { target: None, error: "e".to_owned() });
    ticks(
        vec![("a", vec![start()]), ("b", vec![start(), error()]), ("a", vec![done()])],
        &["a: start", "b: start, error e", "a: done"],
    );
}

#[test]
fn a_document_that_alternates_with_others_is_framed_a_few_times() {
    let mut view = view();
    publish(&mut view, "m", vec![start()]);
    for n in 0..50 {
        publish(&mut view, "m", vec![markdown(&format!("{n}\n\n"))]);
        publish(&mut view, "b", vec![append("<i>")]);
    }
    let tick = view.tick(Instant::now());
    let framed: Vec<_> = tick.frames.iter().enumerate().filter(|(_, frame)| frame.stream == name("m")).collect();
    assert_eq!(framed.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0, 2, 4, 52]);
    assert_eq!(view.markdown(&name("m")).unwrap().1, (0..50).map(|n| format!("<p>{n}</p>")).collect::<String>());
}

#[test]
fn a_document_that_alternates_with_others_is_framed_for_a_few_events() {
    let mut view = view();
    publish(&mut view, "m", vec![start()]);
    for n in 0..50 {
        publish(&mut view, "m", vec![markdown(&format!("{n}\n\n")), event(None)]);
        publish(&mut view, "b", vec![append("<i>")]);
    }
    let tick = view.tick(Instant::now());
    let of_m: Vec<&Frame> = tick.frames.iter().filter(|frame| frame.stream == name("m")).collect();
    let told = of_m.iter().flat_map(|frame| &frame.ops).filter(|op| matches!(op, DomOp::Event { .. })).count();
    let framed: Vec<_> =
        (0..of_m.len()).filter(|at| of_m[*at].ops.iter().any(|op| matches!(op, DomOp::Html { .. }))).collect();
    assert_eq!((told, framed), (50, vec![0, 1, 2, 3, 49]), "four for events, one at the end");
    assert_eq!(view.markdown(&name("m")).unwrap().1, (0..50).map(|n| format!("<p>{n}</p>")).collect::<String>());
}

#[test]
fn every_end_finishes_the_document_first() {
    let error = || Op::Dom(DomOp::Error { target: None, error: "e".to_owned() });
    let cancel = || Op::Dom(DomOp::Done { target: None, cancelled: true });
    for (end, told) in [(done(), "done"), (cancel(), "done"), (error(), "error e"), (start(), "start")] {
        let view = ticks(
            vec![("m", vec![start(), markdown("**x")]), ("m", vec![end])],
            &[format!("m: start, replace <p>**x</p>, {told}").as_str()],
        );
        let fresh = said(&view.snapshot());
        let controls = if told == "start" { vec![] } else { vec![told] };
        let expected = ["start", "replace <p>**x</p>"].into_iter().chain(controls).collect::<Vec<_>>().join(", ");
        // What was retired by the second `start` is told by it: at its own place, behind the document.
        let expected = if told == "start" { "replace <p>**x</p>, start".to_owned() } else { expected };
        assert_eq!(fresh, [format!("m: {expected}")]);
    }
}

#[test]
fn a_done_after_the_end_is_not_sent() {
    let error = Op::Dom(DomOp::Error { target: None, error: "e".to_owned() });
    let view = ticks(vec![("a", vec![start(), error, done()])], &["a: start, error e"]);
    assert_eq!(view.stream(&name("a")).unwrap().state(), RunState::Error);
}

#[test]
fn a_tick_can_be_empty() {
    let mut view = view();
    publish(&mut view, "a", vec![]);
    assert_eq!(view.ready(Instant::now()), Readiness::Ready);
    assert_eq!(view.tick(Instant::now()), Tick { from: 0, to: 1, frames: vec![] });
    assert_eq!(view.ready(Instant::now()), Readiness::Idle);
    assert_eq!(view.tick(Instant::now()), Tick { from: 1, to: 1, frames: vec![] });
}

#[test]
fn a_snapshot_names_every_state_in_few_frames() {
    let mut view = view();
    for (stream, ops) in [
        ("a", vec![start(), text("x")]),
        ("a", vec![text("y")]),
        ("m", vec![start(), markdown("z")]),
        ("a", vec![text("w"), done()]),
        ("m", vec![markdown("y")]),
        ("b", vec![event(None)]),
    ] {
        publish(&mut view, stream, ops);
    }
    view.tick(Instant::now());
    let frames = view.snapshot();
    assert_eq!(said(&frames), ["a: start, text xyw", "m: start, replace <p>zy</p>", "a: done"]);
    let states: Vec<_> = frames.iter().map(|frame| frame.state).collect();
    assert_eq!(states, [Some(RunState::Done), Some(RunState::Active), Some(RunState::Done)]);
    assert_eq!(said(&view.active_documents()), ["m: start, replace <p>zy</p>"]);
    assert_eq!(view.ops(&name("a")).unwrap().len(), 3);
    assert_eq!(view.markdown(&name("m")), Some(("zy", "<p>zy</p>")));
    assert_eq!(view.markdown(&name("a")), None);
}

#[test]
fn a_snapshot_stands_where_the_last_tick_led() {
    let mut view = view();
    publish(&mut view, "a", vec![start(), text("x")]);
    view.tick(Instant::now());
    publish(&mut view, "a", vec![text("y")]);
    assert_eq!((view.offset(), view.head()), (1, 2));
    assert_eq!(said(&view.snapshot()), ["a: start, text x"]);
}

#[test]
fn a_page_resumes_inside_a_document() {
    let policy = Arc::new(Policy::default());
    let entries = [vec![start(), markdown("# a\n\nb")], vec![markdown("c\n\n- d")], vec![markdown("e"), done()]];
    let logged = |n: usize| Logged {
        offset: n as u64 + 1,
        entry: Arc::new(Entry { stream: name("m"), ops: entries[n].clone(), at: 0 }),
    };
    let mut fold = Fold::new(Keep::default());
    fold.apply(&(), 1, &logged(0).entry);
    let tick = difference(fold, vec![logged(1), logged(2)], policy, Instant::now(), Wires::only(Wire::Djust));
    assert_eq!((tick.from, tick.to), (1, 3));
    let [frame] = &said(&tick.frames)[..] else { panic!("{:?}", tick.frames) };
    assert!(!frame.contains("<h1>") && frame.ends_with("done"), "what stands is not sent again: {frame}");
}

#[test]
fn what_a_run_asks_for_holds_for_its_document() {
    let options = json!({"tail": "escape", "math": true}).as_object().cloned().map(Box::new);
    let first = Op::Markdown { text: "$x$\n\n**y".to_owned(), options };
    let math = "<p><span class=\"math math-inline\">x</span></p>";
    let shown = format!("m: start, replace {math}<p class=\"djust-md-provisional\">**y</p>");
    ticks(vec![("m", vec![start(), first])], &[shown.as_str()]);
}

#[test]
fn a_costly_document_waits_for_its_credit_and_everyone_with_it() {
    let mut view = view();
    let mut now = Instant::now();
    publish(&mut view, "m", vec![start(), markdown(&"word ".repeat(20_000))]);
    assert_eq!(view.ready(now), Readiness::Ready, "the first frame owes nothing");
    assert!(view.cost([]) >= 100_000);
    view.tick(now);
    publish(&mut view, "a", vec![start(), text("x")]);
    assert_eq!(view.ready(now), Readiness::Ready, "who sends no Markdown does not wait");
    publish(&mut view, "m", vec![markdown("x")]);
    let Readiness::Wait(wait) = view.ready(now) else { panic!("{:?}", view.ready(now)) };
    assert!(wait > Duration::from_millis(10) && wait <= Duration::from_millis(250), "{wait:?}");
    now += wait;
    assert_eq!(view.ready(now), Readiness::Ready);
    let tick = view.tick(now);
    assert_eq!(tick.frames.len(), 2, "a tick takes every stream or none");
    publish(&mut view, "m", vec![done()]);
    view.tick(now);
    publish(&mut view, "m", vec![start(), markdown("new")]);
    assert_eq!(view.ready(now), Readiness::Ready, "a new run owes nothing");
}

/// One paragraph, all of which each frame parses: whatever comes may close the emphasis that it opens.
fn costly(words: usize) -> String {
    format!("*{}", "word ".repeat(words))
}

#[test]
fn an_end_costs_what_is_open_whether_it_was_applied_or_is_coming() {
    let mut view = view();
    publish(&mut view, "m", vec![start(), markdown(&costly(20_000))]);
    publish(&mut view, "a", vec![start()]);
    view.tick(Instant::now());
    let (m, a) = (name("m"), name("a"));
    assert_eq!((view.cost([]), view.cost([&a])), (0, 0), "nobody touches the document");
    let cost = view.cost([&m]);
    assert!((100_000..200_000).contains(&cost), "{cost}");
    assert_eq!(view.cost([&m, &a, &m]), cost, "it is parsed once");
    publish(&mut view, "m", vec![done()]);
    assert_eq!((view.cost([]), view.cost([&m])), (cost, cost));
    assert_eq!(view.ready(Instant::now()), Readiness::Ready, "an end does not wait for credit");
    view.tick(Instant::now());
    assert_eq!(view.cost([&m]), 0, "it is at rest");
}

#[test]
fn a_view_can_be_handed_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<View>();
}
