//! A page that knows only the wire: a document, a selector engine, djust's ops, ids as commits, `reset`.
//!
//! It shares no code with what makes frames, so that what both say of a log can be compared. It is strict where a
//! browser is kind: a frame that no service of this protocol may send ends the test.
//!
//! **Source:** `openapi/protocol.md`; the ops as djust's client applies them.

#![allow(dead_code, reason = "a toolbox: each test takes what it needs")]

mod compact;
mod ops;
mod selector;
mod sse;
#[cfg(test)]
mod tests;
mod touch;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

pub(crate) use ops::PageEvent;
pub(crate) use sse::{SseEvent, SseReader};

use crate::oracle::dom::{self, Node};
use selector::Selector;
use touch::Touches;
use tree::Tree;

/// A page that watches one channel or several. A clone is the same page in another tab.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    tree: Tree,
    channels: BTreeMap<String, Watched>,
    /// Whether its streams came filled, with the id of a position.
    filled: bool,
    fresh: Tree,
    events: Vec<PageEvent>,
    skipped: Vec<String>,
    resets: usize,
}

/// What a page knows of one channel.
#[derive(Clone, Debug)]
struct Watched {
    id: Option<String>,
    /// Frames of a tick that has not been committed.
    waiting: Vec<Value>,
    touches: Touches,
    streams: BTreeSet<String>,
    /// What its connection told on the compact wire.
    told: compact::Told,
    ended: bool,
}

impl Page {
    /// A page with this in its body, as it loaded. It has no id.
    pub(crate) fn load(body: &str) -> Self {
        let tree = Tree::load(body);
        Self {
            fresh: tree.clone(),
            tree,
            channels: BTreeMap::new(),
            filled: false,
            events: Vec::new(),
            skipped: Vec::new(),
            resets: 0,
        }
    }

    /// A page whose streams a server filled with what a channel held at an id.
    pub(crate) fn load_at(body: &str, channel: &str, id: &str) -> Self {
        let mut page = Self { filled: true, ..Self::load(body) };
        page.watched(channel).id = Some(id.to_owned());
        page
    }

    /// Where it stands in its only channel (or the one that frames do not name).
    pub(crate) fn id(&self) -> Option<&str> {
        self.id_of("")
    }

    /// Where it stands in a channel.
    pub(crate) fn id_of(&self, channel: &str) -> Option<&str> {
        self.channels.get(channel)?.id.as_deref()
    }

    /// How many frames wait for the id that commits them.
    pub(crate) fn waiting(&self) -> usize {
        self.channels.values().map(|watched| watched.waiting.len()).sum()
    }

    /// Whether a channel has said that it ended.
    pub(crate) fn ended(&self, channel: &str) -> bool {
        self.channels.get(channel).is_some_and(|watched| watched.ended)
    }

    /// The events that bubbled, in order.
    pub(crate) fn events(&self) -> &[PageEvent] {
        &self.events
    }

    /// The ops that were skipped, and why: a target that was not found, a selector that is none.
    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// How many times it was reset.
    pub(crate) fn resets(&self) -> usize {
        self.resets
    }

    /// The last detail that each kept name of each stream was told, by `(stream, name)`.
    pub(crate) fn told(&self) -> BTreeMap<(String, String), Value> {
        let told = self.events.iter().filter(|event| event.name == "stream:event");
        let named = told.map(|event| {
            let name = event.detail["name"].as_str().unwrap_or_default().to_owned();
            ((event.stream.clone(), name), event.detail["detail"].clone())
        });
        named.collect()
    }

    /// What stands in the body, to be compared.
    pub(crate) fn body(&self) -> Vec<Node> {
        self.tree.body()
    }

    /// What stands in the first element that a selector finds.
    #[track_caller]
    pub(crate) fn content(&self, selector: &str) -> Vec<Node> {
        self.tree.content(self.find(selector))
    }

    /// An attribute of the first element that a selector finds.
    #[track_caller]
    pub(crate) fn attribute(&self, selector: &str, name: &str) -> Option<&str> {
        self.tree.attribute(self.find(selector), name)
    }

    #[track_caller]
    fn find(&self, selector: &str) -> usize {
        let read = Selector::parse(selector).unwrap_or_else(|| panic!("no selector: {selector}"));
        read.first(&self.tree).unwrap_or_else(|| panic!("not found: {selector}"))
    }

    /// Whether a selector finds anything.
    pub(crate) fn has(&self, selector: &str) -> bool {
        Selector::parse(selector).is_some_and(|read| read.first(&self.tree).is_some())
    }

    /// What the element of a stream holds must be what a browser makes of `html`.
    #[track_caller]
    pub(crate) fn assert_shows(&self, stream: &str, html: &str) {
        let shown = self.content(&format!("[dj-stream='{stream}']"));
        assert!(shown == dom::parse(html), "{stream}\n page: {shown:?}\n html: {html}");
    }

    fn watched(&mut self, channel: &str) -> &mut Watched {
        let (fresh, filled) = (&self.fresh, self.filled);
        self.channels.entry(channel.to_owned()).or_insert_with(|| Watched {
            id: None,
            waiting: Vec::new(),
            touches: Touches::of(fresh, filled),
            streams: BTreeSet::new(),
            told: compact::Told::default(),
            ended: false,
        })
    }

    /// The connection was lost: what was not committed never came.
    pub(crate) fn cut(&mut self) {
        for watched in self.channels.values_mut() {
            watched.waiting.clear();
            watched.told = compact::Told::default();
        }
    }

    /// Takes an SSE event.
    #[track_caller]
    pub(crate) fn sse(&mut self, event: &SseEvent) {
        assert!(["message", "rillmark"].contains(&event.name.as_str()), "an event named {:?}", event.name);
        let message = parse(&event.data);
        let is_frame = message["type"] == "stream" || message.is_array();
        assert_eq!(is_frame, event.name == "message", "only frames are unnamed: {event:?}");
        if let (true, Some(id), None) = (is_frame, message["id"].as_str(), message["channel"].as_str()) {
            assert_eq!(id, event.id, "the id of a frame is the id of its event");
        }
        self.message(&event.data);
    }

    /// Takes a message, a frame or a control, as a WebSocket brings it.
    #[track_caller]
    pub(crate) fn message(&mut self, json: &str) {
        let message = parse(json);
        if let Value::Array(parts) = &message {
            return self.compact_frame(parts);
        }
        if let (Some(channel), true) = (message["channel"].as_str(), message["streams"].is_array()) {
            let channel = if self.channels.contains_key(channel) { channel } else { "" };
            let told = &mut self.watched(channel).told;
            told.declare(&message);
            told.stand_at(message["id"].as_str().expect("what declares has an id"));
        }
        match message["type"].as_str() {
            Some("stream") => self.frame(message),
            Some("reset") => {
                let channel = message["channel"].as_str().expect("a reset names its channel").to_owned();
                let channel = if self.channels.contains_key(&channel) { channel } else { String::new() };
                let id = message["id"].as_str().expect("a reset has an id").to_owned();
                self.reset(&channel, message["reason"] == "epoch", &BTreeSet::new());
                self.watched(&channel).id = Some(id);
            }
            Some("ended") => {
                let channel = message["channel"].as_str().expect("an end names its channel").to_owned();
                let channel = if self.channels.contains_key(&channel) { channel } else { String::new() };
                self.watched(&channel).ended = true;
            }
            Some("subscribed" | "unsubscribed" | "ack" | "refused" | "cancelled" | "bye") => {}
            other => panic!("a message of type {other:?}: {json}"),
        }
    }

    /// A frame of the compact wire: with several channels the name of its own comes first.
    #[track_caller]
    fn compact_frame(&mut self, parts: &[Value]) {
        let (channel, parts) = match parts {
            [_, _, Value::Array(_), ..] => ("", parts),
            [Value::String(channel), rest @ ..] => (channel.as_str(), rest),
            _ => panic!("not a frame: {parts:?}"),
        };
        let mut frame = self.watched(channel).told.explicit(parts);
        if !channel.is_empty() {
            frame["channel"] = channel.into();
        }
        self.frame(frame);
    }

    #[track_caller]
    fn frame(&mut self, frame: Value) {
        let channel = frame["channel"].as_str().unwrap_or_default().to_owned();
        let named = frame["stream"].is_string() || frame["stream"].is_null() && frame["ops"] == json!([]);
        assert!(named && frame["ops"].is_array(), "not a frame: {frame}");
        let watched = self.watched(&channel);
        if frame["reset"] == true {
            assert!(watched.waiting.is_empty(), "a reset within a tick: {frame}");
        }
        let id = frame["id"].as_str().map(str::to_owned);
        watched.waiting.push(frame);
        let Some(id) = id else { return };
        let frames = std::mem::take(&mut watched.waiting);
        let reset = frames[0]["reset"] == true;
        let epoch = frames[0]["reason"] == "epoch";
        assert!(frames[1..].iter().all(|frame| frame["reset"].is_null()), "a reset within a tick: {frames:?}");
        advance(watched.id.as_deref(), &id, reset, epoch);
        watched.id = Some(id);
        if reset {
            let named = frames.iter().filter_map(|frame| frame["stream"].as_str()).map(str::to_owned).collect();
            self.reset(&channel, epoch, &named);
        }
        for frame in frames {
            self.apply(&channel, &frame);
        }
    }

    fn apply(&mut self, channel: &str, frame: &Value) {
        let Some(stream) = frame["stream"].as_str() else { return };
        self.watched(channel).streams.insert(stream.to_owned());
        let watched = self.channels.get_mut(channel).expect("just watched");
        let mut changed = false;
        for op in frame["ops"].as_array().into_iter().flatten() {
            if compact::is_edit(op) {
                match compact::apply(&mut self.tree, &mut watched.touches, stream, op) {
                    Ok(()) => changed = true,
                    Err(why) => self.skipped.push(why),
                }
                continue;
            }
            if let Err(why) = ops::apply(&mut self.tree, &mut watched.touches, &mut self.events, stream, op) {
                self.skipped.push(why);
            }
        }
        if changed {
            let (stream, detail) = (stream.to_owned(), json!({ "op": "change", "stream": stream }));
            self.events.push(PageEvent { name: "stream:update".into(), at: stream.clone(), stream, detail });
        }
    }

    /// Puts back what the channel touched; after an epoch change only what the `named` streams touched, and active
    /// streams that are not named show that they were interrupted.
    fn reset(&mut self, channel: &str, epoch: bool, named: &BTreeSet<String>) {
        self.resets += 1;
        self.watched(channel);
        let watched = self.channels.get_mut(channel).expect("just watched");
        watched.touches.reset(&mut self.tree, epoch.then_some(named));
        if !epoch {
            return;
        }
        let lost: Vec<String> = watched.streams.difference(named).cloned().collect();
        for stream in lost {
            let own = format!("[dj-stream='{stream}']");
            if self.has(&own) && self.attribute(&own, "data-stream-active") == Some("true") {
                let error = json!({ "op": "error", "target": own, "error": "Interrupted" });
                self.apply(channel, &json!({ "stream": stream, "ops": [error] }));
            }
        }
    }
}

#[track_caller]
fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// Checks that an id may follow another: onwards in the same epoch, or anything after a reset.
#[track_caller]
fn advance(old: Option<&str>, new: &str, reset: bool, epoch_changed: bool) {
    let read = |id: &str| -> (String, u64) {
        let (epoch, offset) = id.split_once('-').unwrap_or_else(|| panic!("no id: {id}"));
        assert!(!epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{id}");
        (epoch.to_owned(), offset.parse().unwrap_or_else(|_| panic!("no id: {id}")))
    };
    let (epoch, offset) = read(new);
    let Some((old_epoch, old_offset)) = old.map(read) else { return };
    if !reset {
        assert!(epoch == old_epoch && offset > old_offset, "{new} cannot follow {old:?} without a reset");
    }
    assert!(epoch == old_epoch || epoch_changed, "{new} follows {old:?} and does not say that the epoch changed");
}
