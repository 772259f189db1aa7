//! What a run takes after its end: one table, with the status and kind that HTTP answers.

use rillmark::channel::{HubOptions, PublishError, RunEffect};
use rillmark::http::Problem;
use rillmark::protocol::{Kind, RunState};
use serde_json::{Value, json};

use super::{End, Run, Writer, channel, options_of, publish_ops, stream, under_a_paused_clock};

/// Later ops, and what becomes of each when the run of a kind has ended so. An answer is the state that the run is in
/// then, or the refusal.
struct Row {
    later: &'static str,
    /// Of a markdown run that is done, cancelled, failed;
    markdown: [&'static str; 3],
    /// of an ops run.
    ops: [&'static str; 3],
}

const DONE: &str = "409 stream-done";
const CANCELLED: &str = "409 stream-cancelled";
const FAILED: &str = "409 stream-failed";
/// The op is taken, and the run stays as it is.
const SAME: &str = "200";
/// A run is active.
const BEGUN: &str = "200 active";

const ROWS: &[Row] = &[
    Row { later: "start", markdown: [BEGUN, BEGUN, BEGUN], ops: [BEGUN, BEGUN, BEGUN] },
    Row { later: "text", markdown: [DONE, CANCELLED, FAILED], ops: [DONE, CANCELLED, BEGUN] },
    Row { later: "append", markdown: [DONE, CANCELLED, FAILED], ops: [DONE, CANCELLED, BEGUN] },
    Row { later: "prepend", markdown: [DONE, CANCELLED, FAILED], ops: [DONE, CANCELLED, BEGUN] },
    Row { later: "replace", markdown: [DONE, CANCELLED, FAILED], ops: [DONE, CANCELLED, BEGUN] },
    Row { later: "markdown", markdown: [DONE, CANCELLED, FAILED], ops: [DONE, CANCELLED, FAILED] },
    Row { later: "done", markdown: [DONE, CANCELLED, SAME], ops: [DONE, CANCELLED, SAME] },
    Row { later: "error", markdown: [DONE, CANCELLED, SAME], ops: [DONE, CANCELLED, SAME] },
    Row { later: "event", markdown: [SAME, SAME, SAME], ops: [SAME, SAME, SAME] },
    Row { later: "delete", markdown: [DONE, CANCELLED, FAILED], ops: [SAME, SAME, BEGUN] },
    Row { later: "prune", markdown: [DONE, CANCELLED, FAILED], ops: [SAME, SAME, BEGUN] },
    Row { later: "cancel", markdown: [SAME, SAME, SAME], ops: [SAME, SAME, SAME] },
    Row { later: "open", markdown: [BEGUN, BEGUN, BEGUN], ops: [BEGUN, BEGUN, BEGUN] },
];

fn op(name: &str) -> Value {
    match name {
        "text" | "markdown" => json!({ "op": name, "text": "later" }),
        "append" | "prepend" | "replace" => json!({ "op": name, "html": "<i>later</i>" }),
        "error" => json!({ "op": name, "error": "later" }),
        "event" => json!({ "op": name, "name": "later", "detail": 1 }),
        "delete" => json!({ "op": name, "target": "[dj-stream='s'] > :first-child" }),
        "prune" => json!({ "op": name, "limit": 0 }),
        _ => json!({ "op": name }),
    }
}

/// What HTTP answers: the status, and the kind of a refusal.
fn answer(outcome: Result<(), PublishError>) -> String {
    match outcome {
        Ok(()) => "200".to_owned(),
        Err(error) => {
            let row = Problem::from(error).kind().row();
            format!("{} {}", row.status, row.slug)
        }
    }
}

/// A run that has ended, of a kind.
async fn ended(end: End, kind: Kind, writer: Writer) -> (Run, RunState) {
    let cap = if end == End::Cap { 7 } else { HubOptions::default().stream_bytes_max };
    let mut run = Run::begin(writer, options_of("complete"), cap).await;
    if kind == Kind::Ops {
        let ops = json!([{ "op": "start" }, { "op": "append", "html": "<b>so</b><b>far</b>" }]);
        let published = publish_ops(&run.hub, &ops).await.unwrap();
        let RunEffect::Began(begun) = published.effect else { panic!("{published:?}") };
        run.begun = Some(begun);
    } else if end == End::Cap && writer == Writer::Body {
        run.fill_with_bytes(b"so *far").await;
    } else {
        publish_ops(&run.hub, &json!([{ "op": "markdown", "text": "so *far" }])).await.unwrap();
    }
    let (state, _) = run.end(end).await;
    run.tick().await;
    (run, state)
}

/// Does a later thing, and says what was answered.
async fn later(run: &Run, name: &str) -> String {
    match name {
        "cancel" => {
            let cancelled = run.hub.cancel(&channel(), &stream()).await.unwrap();
            assert!(!cancelled.cancelled, "there is nothing to stop");
            "200".to_owned()
        }
        "open" => match run.hub.open(&channel(), &stream(), None, None).await {
            Ok(open) => {
                let state = run.state().await.state;
                assert_eq!(state, RunState::Active);
                // Its end is a test of its own.
                std::mem::forget(open);
                "200".to_owned()
            }
            Err(error) => answer(Err(error)),
        },
        name => answer(publish_ops(&run.hub, &json!([op(name)])).await.map(|_| ())),
    }
}

async fn check(end: End, kind: Kind, writer: Writer, row: &Row) {
    let (run, state) = ended(end, kind, writer).await;
    let before = run.state().await;
    assert_eq!(before.state, state, "{end:?}");
    let cells = if kind == Kind::Markdown { row.markdown } else { row.ops };
    let cell = match state {
        RunState::Done => cells[0],
        RunState::Cancelled => cells[1],
        RunState::Error => cells[2],
        other => panic!("{end:?} left the run {other:?}"),
    };
    let stopped = end == End::Stop && row.later != "cancel";
    let cell = if stopped { "503 draining" } else { cell };
    let answered = later(&run, row.later).await;
    let after = run.state().await;
    let told = if after.state == RunState::Active { format!("{answered} active") } else { answered };
    assert_eq!(told, cell, "{} after {end:?} of {kind:?} by {writer:?}", row.later);
    if !told.starts_with("200") {
        assert_eq!(after, before, "a refusal changes nothing: {} after {end:?}", row.later);
    }
    if cell == SAME {
        assert_eq!(after.state, before.state, "{} after {end:?} of {kind:?}", row.later);
    }
}

#[test]
fn what_comes_after_an_end_is_answered_as_the_table_says() {
    under_a_paused_clock(async {
        for end in super::ENDS {
            for row in ROWS {
                check(end, Kind::Markdown, Writer::Body, row).await;
                check(end, Kind::Markdown, Writer::Batches, row).await;
                // An ops run has no cap, and no open body.
                if end != End::Cap {
                    check(end, Kind::Ops, Writer::Batches, row).await;
                }
            }
        }
    });
}
