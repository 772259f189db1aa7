//! A run without a channel: what was written of a source, and the frames that show it.
//!
//! Its ticks end with an id as those of a channel do, so that whoever applies whole ticks knows where one ends.
//!
//! **Source:** `openapi/protocol.md`, "A stream's life", "Frames".

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::channel::{Readiness, View};
use crate::markdown::Policy;
use crate::oplog::{Fold, Keep};
use crate::protocol::{
    ChannelName, Declared, DomOp, EncodedFrames, EncodedTick, Entry, Epoch, Joiner, Op, StreamName, Wire, Wires,
};

/// How frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Server-Sent Events.
    Events,
    /// A frame a line.
    Lines,
}

impl Form {
    /// Its media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        }
    }

    /// The frames of a tick, as they are in the answer's body.
    fn write(self, frames: &EncodedFrames) -> Bytes {
        match self {
            Self::Events => frames.sse(),
            Self::Lines => frames.json().flat_map(|json| [json, Bytes::from_static(b"\n")]).flatten().collect(),
        }
    }
}

/// One run of one stream.
#[derive(Debug)]
pub(super) struct Run {
    stream: StreamName,
    epoch: Epoch,
    wire: Wire,
    /// What the frames so far have declared.
    declared: Declared,
    /// None while it is lent.
    view: Option<View>,
    joiner: Joiner,
    source_bytes: usize,
}

impl Run {
    /// A run that has begun, with these options; `epoch` is random.
    pub(super) fn new(
        stream: StreamName,
        (epoch, wire): (Epoch, Wire),
        options: Option<Map<String, Value>>,
        policy: Arc<Policy>,
    ) -> Self {
        let mut view = View::new(Fold::new(Keep::default()), policy);
        view.serve(Wires::only(wire));
        let (declared, joiner) = (Declared::default(), Joiner::new());
        let mut run = Self { stream, epoch, wire, declared, view: Some(view), joiner, source_bytes: 0 };
        let document = Op::Markdown { text: String::new(), options: options.map(Box::new) };
        run.apply(vec![Op::Dom(DomOp::Start { target: None, clear: false }), document]);
        run
    }

    /// How much of the source has come.
    pub(super) fn source_bytes(&self) -> usize {
        self.source_bytes
    }

    /// More of the source, cut anywhere.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.source_bytes += bytes.len();
        let mut text = String::with_capacity(bytes.len());
        self.joiner.push(bytes, &mut text);
        if !text.is_empty() {
            self.apply(vec![Op::Markdown { text, options: None }]);
        }
    }

    /// No more comes: `op` says why.
    pub(super) fn end(&mut self, op: DomOp) {
        let mut text = String::new();
        self.joiner.finish(&mut text);
        let rest = (!text.is_empty()).then_some(Op::Markdown { text, options: None });
        self.apply(rest.into_iter().chain([Op::Dom(op)]).collect());
    }

    /// Whether there is something to show.
    pub(super) fn ready(&self) -> Readiness {
        self.view.as_ref().map_or(Readiness::Idle, |view| view.ready(Instant::now()))
    }

    /// What the next tick parses, in bytes, about.
    pub(super) fn cost(&self) -> usize {
        self.view.as_ref().map_or(0, |view| view.cost([]))
    }

    /// Everything new.
    pub(super) fn tick(&mut self, form: Form) -> Bytes {
        let Some(view) = &mut self.view else { return Bytes::new() };
        let tick = view.tick(Instant::now());
        let span = (self.epoch.at(tick.from), self.epoch.at(tick.to));
        // There is no channel: nobody is told its name.
        let name = ChannelName::parse(self.stream.as_str()).expect("streams and channels are named alike");
        let tick = EncodedTick::next(name, span, &tick.frames, Wires::only(self.wire), &mut self.declared);
        form.write(tick.frames(self.wire, false))
    }

    /// The run, to be worked on elsewhere; what stays has nothing to show.
    pub(super) fn lend(&mut self) -> Self {
        let Self { stream, epoch, wire, declared, view, joiner, source_bytes } = self;
        let (stream, declared, view) = (stream.clone(), declared.clone(), view.take());
        Self { stream, epoch: *epoch, wire: *wire, declared, view, joiner: *joiner, source_bytes: *source_bytes }
    }

    fn apply(&mut self, ops: Vec<Op<String>>) {
        if let Some(view) = &mut self.view {
            let entry = Entry { stream: self.stream.clone(), ops, at: 0 };
            view.apply(view.head() + 1, Arc::new(entry));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(bytes: &Bytes) -> Vec<Value> {
        let text = std::str::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn run() -> Run {
        Run::new(StreamName::parse("s").unwrap(), (Epoch::new(0x1f), Wire::Djust), None, Arc::new(Policy::default()))
    }

    #[test]
    fn a_run_starts_grows_and_ends() {
        let mut run = run();
        let first = frames(&run.tick(Form::Lines));
        assert_eq!((&first[0]["stream"], &first[0]["ops"][0]["op"]), (&"s".into(), &"start".into()));
        assert_eq!(run.ready(), Readiness::Idle);
        run.push(b"caf\xc3");
        run.push(b"\xa9 *x*\n\xf0\x9f");
        run.end(DomOp::Done { target: None, cancelled: false });
        let last = run.tick(Form::Lines);
        let text = String::from_utf8(last.to_vec()).unwrap();
        assert!(text.contains("café <em>x</em>\\n\u{fffd}"), "{text}");
        let last = frames(&last);
        assert_eq!(last.last().unwrap()["ops"].as_array().unwrap().last().unwrap()["op"], "done");
        assert_eq!(last.last().unwrap()["id"], "1f-4");
        assert!(run.tick(Form::Lines).is_empty());
    }

    #[test]
    fn events_are_what_lines_are() {
        let (events, lines) = (run().tick(Form::Events), run().tick(Form::Lines));
        assert_eq!(events, format!("data: {}\nid: 1f-1\n\n", std::str::from_utf8(&lines).unwrap().trim_end()));
    }

    #[test]
    fn what_was_lent_has_all_and_what_stays_nothing() {
        let mut run = run();
        let mut lent = run.lend();
        assert!(run.tick(Form::Lines).is_empty() && run.cost() == 0 && run.ready() == Readiness::Idle);
        assert!(!lent.tick(Form::Lines).is_empty());
    }
}
