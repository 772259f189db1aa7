//! What a fold keeps, told in words: one line for each kept thing, in the order of the log.

use proptest::prelude::*;

use super::*;
use crate::protocol::{Detail, Edge, Mode, Place, RunState, Target};

fn stream(name: &str) -> StreamName {
    StreamName::parse(name).unwrap()
}

/// Reads `a: text+ x | b: replace <p>`: the entries of a log, one op each.
fn ops(script: &str) -> Vec<(StreamName, Op<String>)> {
    let one = |part: &str| {
        let (name, rest) = part.trim().split_once(": ").unwrap();
        (stream(name), op(rest))
    };
    script.split(" | ").map(one).collect()
}

/// Reads one op: its name, perhaps `@` and a target, what it holds.
fn op(script: &str) -> Op<String> {
    let (head, rest) = script.split_once(' ').unwrap_or((script, ""));
    let (name, target) = head.split_once('@').unwrap_or((head, ""));
    let target = Target::parse(target);
    let text = |mode| DomOp::Text { target: target.clone(), text: rest.to_owned(), mode };
    let html = |place| DomOp::Html { place, target: target.clone(), html: rest.to_owned() };
    Op::Dom(match name {
        "markdown" => return Op::Markdown { text: rest.to_owned(), options: None },
        "start" => DomOp::Start { target, clear: rest == "clear" },
        "text" => text(None),
        "text+" => text(Some(Mode::Append)),
        "text=" => text(Some(Mode::Replace)),
        "text<" => text(Some(Mode::Prepend)),
        "append" => html(Place::Append),
        "prepend" => html(Place::Prepend),
        "replace" => html(Place::Replace),
        "delete" => DomOp::Delete { target: target.unwrap() },
        "prune" => DomOp::Prune { target, limit: rest.parse().unwrap(), edge: Edge::Top },
        "error" => DomOp::Error { target, error: rest.to_owned() },
        "done" => DomOp::Done { target, cancelled: rest == "cancelled" },
        "event" | "keep" => {
            let (name, detail) = rest.split_once(' ').unwrap();
            let detail = Detail::new(&serde_json::value::to_raw_value(detail).unwrap());
            DomOp::Event { target, name: name.to_owned(), detail, keep: head.starts_with("keep") }
        }
        _ => panic!("{script}"),
    })
}

fn folded(script: &str, keep: Keep) -> Fold<String> {
    let mut fold = Fold::new(keep);
    for (offset, (stream, op)) in (1..).zip(ops(script)) {
        fold.apply(&(), offset, &Entry { stream, ops: vec![op], at: offset });
    }
    fold
}

/// What is kept of all streams, in the order of the log.
fn told(fold: &Fold<String>) -> String {
    let mut kept: Vec<(OpAt, bool, String)> = Vec::new();
    for (name, stream) in fold.streams() {
        kept.extend(stream.kept().map(|kept| {
            let (control, said) = say(&kept.what);
            (kept.at, control, format!("{name}: {said}"))
        }));
    }
    kept.sort();
    kept.into_iter().map(|(.., said)| said).collect::<Vec<_>>().join(" | ")
}

fn say(what: &What<String>) -> (bool, String) {
    let op = match what {
        What::Document(document) => return (false, format!("document {:?}", document.body)),
        What::Op(op) => op,
    };
    let at = op.target().map(|target| format!("@{target}")).unwrap_or_default();
    let rest = match op {
        DomOp::Text { text, mode, .. } => {
            let mode = match mode {
                None => "",
                Some(Mode::Append) => "+",
                Some(Mode::Replace) => "=",
                Some(Mode::Prepend) => "<",
            };
            return (false, format!("text{mode}{at} {text}"));
        }
        DomOp::Html { html, .. } => html.clone(),
        DomOp::Error { error, .. } => error.clone(),
        DomOp::Prune { limit, .. } => limit.to_string(),
        DomOp::Event { name, detail, .. } => format!("{name} {}", detail.as_json()),
        DomOp::Start { .. } | DomOp::Done { .. } | DomOp::Delete { .. } => String::new(),
    };
    let control = matches!(op, DomOp::Start { .. } | DomOp::Done { .. } | DomOp::Error { .. });
    (control, format!("{}{at} {rest}", op.name()).trim_end().to_owned())
}

#[track_caller]
fn keeps(script: &str, expected: &str) {
    assert_eq!(told(&folded(script, Keep::default())), expected, "{script}");
}

#[test]
fn what_was_replaced_is_not_kept() {
    keeps("a: start | a: append x | a: text+ y | a: replace z", "a: start | a: replace z");
    keeps("a: start | a: append x | a: text= y | a: append z", "a: start | a: text= y | a: append z");
    keeps("a: start | a: append x | a: start clear | a: append y", "a: replace | a: start | a: append y");
    keeps("a: start | a: append x | a: done | a: start | a: markdown y", "a: start | a: document \"y\"");
    keeps("a: start | a: append x | a: prepend y | a: prune 1", "a: start | a: append x | a: prepend y | a: prune 1");
}

#[test]
fn what_was_replaced_is_kept_where_someone_may_have_seen_it() {
    keeps(
        "a: start | a: append x | a: text+@#i y | a: replace z | a: replace q",
        "a: start | a: append x | a: text+@#i y | a: replace q",
    );
    keeps("a: append x | a: delete@#i | a: replace y", "a: append x | a: delete@#i | a: replace y");
    keeps("a: append x | b: append@#i y | a: replace z", "a: append x | b: append@#i y | a: replace z");
    // The first text of `b` joins what its element holds, and that may be `a`.
    keeps("a: append x | b: text+ y | a: replace z", "a: append x | b: text+ y | a: replace z");
    keeps("b: text+ y | a: append x | b: text+ y | a: replace z", "b: text+ yy | a: replace z");
    // `b` brings a new element of some stream: what `a` did before, it may have done to another one.
    keeps(
        "a: append x | b: append <p dj-STREAM=a> | a: replace z",
        "a: append x | b: append <p dj-STREAM=a> | a: replace z",
    );
    keeps("a: text+ x | b: append <p dj-STREAM=a> | a: text+ z", "a: text+ x | b: append <p dj-STREAM=a> | a: text+ z");
    // Neighbours that keep to themselves do not stop it.
    keeps("a: append x | b: append y | b: prune 1 | b: replace q | a: replace z", "b: replace q | a: replace z");
}

#[test]
fn text_is_joined_where_nothing_can_tell() {
    keeps("a: text+ x | a: text+ y | a: text+ z", "a: text+ xyz");
    keeps("a: text< x | a: text< y | a: text< z", "a: text< zyx");
    keeps("a: start | a: text= x | a: text= y", "a: start | a: text= y");
    keeps("a: text x | a: text y | a: text z | a: text q", "a: text xyz | a: text q");
    keeps("a: text x | a: text+ y | a: text z", "a: text x | a: text+ y | a: text z");
    keeps("a: append x | a: append y", "a: append x | a: append y");
    keeps("a: text+ x | b: replace q | a: text+ y", "a: text+ xy | b: replace q");
    keeps("a: text+ x | b: text+@#i q | a: text+ y", "a: text+ x | b: text+@#i q | a: text+ y");
    keeps("a: text+@#i x | a: text+@#i y", "a: text+@#i xy");
    keeps("a: text+@#i x | b: append q | a: text+@#i y", "a: text+@#i x | b: append q | a: text+@#i y");
}

#[test]
fn of_controls_those_are_kept_that_count() {
    keeps(
        "a: start | a: text+ x | a: done | a: start | a: text+ y | a: done cancelled",
        "a: start | a: text+ xy | a: start | a: done",
    );
    keeps("a: replace x | a: start | a: done | a: start | a: done cancelled", "a: replace x | a: start | a: done");
    keeps("a: start | a: error x | a: done", "a: start | a: error x");
    // Another stream's error is taken back before the text, not after it.
    keeps(
        "a: replace q | b: error@#a e | a: start | a: text+ y | a: start | a: start",
        "a: replace q | b: error@#a e | a: start | a: text+ y | a: start",
    );
    // Text makes its element active: that is not lost with it.
    keeps("a: start@#i | a: replace p | a: text+ x | a: replace y", "a: start@#i | a: start | a: replace y");
    keeps("a: start | a: error x | a: start", "a: start | a: error x | a: start");
    keeps("a: replace q | a: start | a: error x | a: start", "a: replace q | a: start");
    keeps(
        "a: start | a: error x | a: start | a: text+ y | a: done | a: start",
        "a: start | a: error x | a: start | a: text+ y | a: start",
    );
    let fold = folded("a: start | a: error x | b: start | b: done cancelled | c: event n 1", Keep::default());
    let states: Vec<_> = fold.streams().map(|(_, stream)| (stream.state(), stream.error())).collect();
    assert_eq!(states, [(RunState::Error, Some("x")), (RunState::Cancelled, None), (RunState::Idle, None)]);
}

#[test]
fn of_events_the_last_of_each_name_is_kept() {
    keeps(
        "a: keep n 1 | a: event n 2 | a: keep m 3 | a: keep n 4",
        "a: keep m \"3\" | a: keep n \"4\"".replace("keep", "event").as_str(),
    );
    let script: Vec<_> = (0..40).map(|n| format!("a: keep n{n} x")).collect();
    let fold = folded(&script.join(" | "), Keep::default());
    let names: Vec<_> = told(&fold).split(" | ").map(|said| said.replace(" \"x\"", "")).collect();
    assert_eq!(names, (8..40).map(|n| format!("a: event n{n}")).collect::<Vec<_>>());
}

#[test]
fn beyond_its_bytes_the_oldest_of_a_stream_is_forgotten() {
    let keep = Keep { stream_bytes_max: 1_000, ..Keep::default() };
    let script: Vec<_> = (0..50).map(|n| format!("a: append {n} | b: markdown word")).collect();
    let fold = folded(&script.join(" | "), keep);
    let kept = told(&fold);
    assert!(kept.ends_with("a: append 49") && !kept.contains("a: append 10 "), "{kept}");
    assert_eq!(fold.stream(&stream("b")).unwrap().document().unwrap().body, "word".repeat(50));
    let keep = Keep { stream_bytes_max: 1, ..Keep::default() };
    assert_eq!(told(&folded("a: append x | a: append y", keep)), "a: append y", "the last thing stays");
}

#[test]
fn beyond_a_channels_bytes_the_oldest_op_of_all_is_forgotten() {
    let keep = Keep { channel_bytes_max: 600, ..Keep::default() };
    let fold = folded(
        "m: markdown x | m: done | a: append 1 | b: append 2 | a: append 3 | b: append 4 | a: append 5 | b: append 6",
        keep,
    );
    assert_eq!(told(&fold), "m: document \"x\" | m: done | a: append 5 | b: append 6");
}

#[test]
fn documents_of_earlier_runs_are_forgotten_behind_walls_and_that_of_the_current_stays() {
    let keep = Keep { channel_bytes_max: 20_000, ..Keep::default() };
    let long = "y".repeat(4_000);
    let run = format!("a: start | a: markdown {long} | a: done | b: append@#x z | ");
    let fold = folded(run.repeat(20).trim_end_matches(" | "), keep);
    assert!(fold.bytes() <= 20_000, "{}", fold.bytes());
    let current = |fold: &Fold<String>| fold.stream(&stream("a")).unwrap().document().map(|d| d.body.clone());
    assert_eq!(current(&fold), Some(long.clone()));
    // Also where ops that act elsewhere stand behind it.
    let keep = Keep { stream_bytes_max: 4_200, ..Keep::default() };
    let more = format!("a: start | a: markdown {long} | a: error@#x no") + &" | a: error@#x no".repeat(40);
    let fold = folded(&more, keep);
    assert_eq!(current(&fold), Some(long));
    assert!(fold.bytes() <= 4_400, "{}", fold.bytes());
    assert_eq!(current(&folded("a: markdown x | a: done@#x", Keep::default())).as_deref(), Some("x"));
    assert_eq!(current(&folded("a: markdown x | a: done | a: start", Keep::default())), None);
}

#[test]
fn a_long_text_is_forgotten_bit_by_bit() {
    let part = "x".repeat(10_000);
    let keep = Keep { stream_bytes_max: 300_000, ..Keep::default() };
    for name in ["text+", "text", "text<"] {
        let fold = folded(&vec![format!("a: {name} {part}"); 100].join(" | "), keep);
        let kept = fold.stream(&stream("a")).unwrap().bytes();
        assert!((200_000..=300_000).contains(&kept), "{name}: {kept}");
    }
}

#[test]
fn a_fold_survives_its_store() {
    let script = "a: start | a: text+ x | m: markdown *y* | a: keep n 1 | a: delete@#i | a: append z | b: error e";
    let fold = folded(script, Keep::default());
    let json = serde_json::to_string(&fold).unwrap();
    assert_eq!(serde_json::from_str::<Fold<String>>(&json).unwrap(), fold);
}

/// Any sequence of ops, sensible or not.
fn any_script() -> impl Strategy<Value = Vec<String>> {
    let ops = [
        "start",
        "start clear",
        "start@#i",
        "text x",
        "text+ y",
        "text= z",
        "text< q",
        "text+@#i r",
        "append <p>",
        "prepend <q dj-stream=b>",
        "replace s",
        "replace@#i t",
        "prune 1",
        "delete@#i",
        "error e",
        "error@#i f",
        "done",
        "done@#i",
        "keep n 1",
        "keep m 2",
        "event n 3",
        "markdown u",
        "markdown v",
    ];
    let one = (proptest::sample::select(vec!["a", "b", "c"]), proptest::sample::select(ops.to_vec()));
    proptest::collection::vec(one.prop_map(|(stream, op)| format!("{stream}: {op}")), 1..60)
}

proptest! {
    #[test]
    fn kept_bytes_are_bounded_and_true(script in any_script(), most in 200..2_000_usize) {
        let keep = Keep { stream_bytes_max: most, channel_bytes_max: 2 * most, events_max: 1 };
        let mut fold = Fold::<String>::new(keep);
        for (offset, (name, op)) in (1..).zip(ops(&script.join(" | "))) {
            fold.apply(&(), offset, &Entry { stream: name, ops: vec![op], at: 0 });
            let mut sum = 0;
            for (_, stream) in fold.streams() {
                let bytes = stream.kept().map(Kept::bytes).sum::<usize>();
                prop_assert_eq!(bytes, stream.bytes());
                // Controls, one event, the open document and the last thing stay whatever the bound is.
                let content = bytes.saturating_sub(most);
                prop_assert!(content <= 150 * 60, "{} bytes", bytes);
                prop_assert!(stream.kept().count() <= 60 + 3);
                sum += bytes;
            }
            prop_assert_eq!(sum, fold.bytes());
        }
    }

    #[test]
    fn entries_may_hold_many_ops(script in any_script()) {
        let all = ops(&script.join(" | "));
        let mut fold = Fold::<String>::new(Keep::default());
        let mut offset = 0;
        let mut rest = &all[..];
        while let Some((name, _)) = rest.first() {
            let own = rest.iter().take_while(|(stream, _)| stream == name).count();
            offset += 1;
            let ops = rest[..own].iter().map(|(_, op)| op.clone()).collect();
            fold.apply(&(), offset, &Entry { stream: name.clone(), ops, at: 0 });
            rest = &rest[own..];
        }
        prop_assert_eq!(told(&fold), told(&folded(&script.join(" | "), Keep::default())));
    }
}
