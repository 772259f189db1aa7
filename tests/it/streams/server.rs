//! A channel as the hub keeps one: log, view, kept ticks, subscribers that come and go; with faults on demand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::faults::{Fault, Sabotage};
use super::history::{APART, BODY};
use super::reference::Reference;
use crate::oracle::dom::{self, Node};
use crate::page::{Page, PageEvent};
use futures_util::FutureExt as _;
use rillmark::channel::{View, difference};
use rillmark::markdown::Policy;
use rillmark::oplog::{Expect, Fold, Keep, LogOptions, MemoryLog, OpLog as _, ReadError};
use rillmark::protocol::{
    By, ChannelName, Control, Declared, EncodedTick, Entry, Epoch, Frame, Position, ResetReason, Wire, Wires,
};
use serde_json::{Value, json};

/// A page and its connection.
pub(super) struct Subscriber {
    page: Page,
    wire: Wire,
    connected: bool,
    /// Of each stream apart, the events that it should have been told.
    told: BTreeMap<String, Vec<PageEvent>>,
    /// After the log began anew a page keeps what no new stream has: then only these streams can be compared.
    scope: Option<Vec<String>>,
    /// What it heard, for a client in another language: messages, where its connection broke, and where it stood whole.
    heard: Vec<Value>,
}

/// A kept tick: where it begins, where it leads, its frames by wire, and what was declared before it.
type Kept = (u64, u64, [Vec<String>; 2], Declared);

/// A channel.
pub(super) struct Server {
    channel: ChannelName,
    log: MemoryLog,
    epoch: Epoch,
    view: View,
    policy: Arc<Policy>,
    /// What ticks have declared on the compact wire.
    declared: Declared,
    ring: VecDeque<Kept>,
    ring_max: usize,
    subscribers: Vec<Subscriber>,
    pub(super) reference: Reference,
    /// What the references of lost logs took.
    past: Vec<Vec<String>>,
    fresh: Page,
    now: Instant,
    sabotage: Sabotage,
    /// How many ways to an id were compared, by kind.
    pub(super) ways: BTreeMap<&'static str, usize>,
}

/// The fresh page: loaded once, since every case needs it.
fn fresh() -> Page {
    thread_local!(static FRESH: Page = Page::load(BODY));
    FRESH.with(Page::clone)
}

impl Server {
    pub(super) fn new(entries_max: usize, ring_max: usize, subscribers: usize, fault: Option<Fault>) -> Self {
        let options = LogOptions { channel_entries_max: entries_max, ..LogOptions::default() };
        let (fresh, epoch, policy) = (fresh(), Epoch::new(0xe), Arc::new(Policy::default()));
        let sabotage = Sabotage::new(fault);
        let subscriber = |at| {
            let (page, wire, told) = (fresh.clone(), sabotage.wire(at), BTreeMap::new());
            Subscriber { page, wire, connected: false, told, scope: None, heard: Vec::new() }
        };
        Self {
            channel: ChannelName::parse("c").unwrap(),
            log: MemoryLog::new(&options, Keep::default()),
            epoch,
            view: view(&policy),
            policy,
            declared: Declared::default(),
            ring: VecDeque::new(),
            ring_max,
            subscribers: (0..).take(subscribers).map(subscriber).collect(),
            reference: Reference::new(&fresh, epoch),
            past: Vec::new(),
            fresh,
            now: Instant::now(),
            sabotage,
            ways: BTreeMap::new(),
        }
    }

    pub(super) fn publish(&mut self, entry: Entry) {
        self.reference.apply(&entry);
        let entry = Arc::new(entry);
        let head = self.view.head();
        let expect = if head == 0 { Expect::Nothing(self.epoch) } else { Expect::Head(self.epoch.at(head)) };
        let at = self.log.append(&self.channel, expect, Arc::clone(&entry)).now_or_never().unwrap().unwrap();
        self.view.apply(at.offset, entry);
    }

    pub(super) fn tick(&mut self) {
        let tick = self.view.tick(self.now);
        assert_eq!(tick.to, self.view.head(), "a tick takes everything");
        if tick.from == tick.to {
            assert!(tick.frames.is_empty());
            return;
        }
        let before = self.declared.clone();
        let span = (self.epoch.at(tick.from), self.epoch.at(tick.to));
        let encoded = EncodedTick::next(self.channel.clone(), span, &tick.frames, all_wires(), &mut self.declared);
        let [djust, compact] = Wire::ALL.map(|wire| messages(&encoded, wire));
        let frames = [self.sabotage.apply(djust), compact];
        for number in 0..self.subscribers.len() {
            if self.subscribers[number].connected {
                let frames = &frames[self.subscribers[number].wire as usize];
                self.deliver(number, "live", Some(tick.from), tick.to, frames, usize::MAX);
            }
        }
        self.ring.push_back((tick.from, tick.to, frames, before));
        while self.ring.len() > self.ring_max {
            self.ring.pop_front();
        }
    }

    /// The log is lost, and begins anew.
    pub(super) fn lose_log(&mut self) {
        self.log.forget(&self.channel).now_or_never().unwrap().unwrap();
        self.epoch = Epoch::new(0xf);
        self.view = view(&self.policy);
        self.declared = Declared::default();
        self.ring.clear();
        self.past.push(self.reference.messages().to_vec());
        self.reference = Reference::new(&self.fresh, self.epoch);
        self.subscribers.iter_mut().for_each(Subscriber::cut);
    }

    /// What one page is sent: a difference or a snapshot.
    fn encode(
        &mut self,
        wire: Wire,
        (from, to): (Option<u64>, u64),
        frames: &[Frame],
        reset: Option<ResetReason>,
    ) -> Vec<String> {
        let span = (from.map(|from| self.epoch.at(from)), self.epoch.at(to));
        let tick = EncodedTick::alone(self.channel.clone(), span, frames, reset, (wire, &self.declared));
        let frames = messages(&tick, wire);
        if wire == Wire::Djust { self.sabotage.apply(frames) } else { frames }
    }

    /// Tells a page of the compact wire what is declared where it goes on.
    fn declare(&mut self, number: usize, id: Position, declared: &Declared) {
        let subscriber = &mut self.subscribers[number];
        if subscriber.wire == Wire::Compact {
            let (channel, declared) = (self.channel.clone(), Some(declared.clone()));
            subscriber.hear(&text(&Control::Subscribed { channel, id, by: By::Replay, declared }.json()));
        }
    }

    /// Sends at most `most` frames, then the connection is cut. Says whether all were sent.
    fn deliver(
        &mut self,
        number: usize,
        way: &'static str,
        from: Option<u64>,
        to: u64,
        frames: &[String],
        most: usize,
    ) -> bool {
        let subscriber = &mut self.subscribers[number];
        let told = subscriber.page.events().len();
        for frame in frames.iter().take(most) {
            subscriber.hear(frame);
        }
        if most < frames.len() {
            let told: Vec<_> = subscriber.page.events()[told..].to_vec();
            assert!(told.is_empty(), "nothing of a cut tick may show: {told:?}");
            subscriber.cut();
            return false;
        }
        *self.ways.entry(way).or_default() += 1;
        if let Some(from) = from {
            subscriber.expect(self.reference.told(from, to));
        } else {
            let new: Vec<_> = subscriber.page.events()[told..].to_vec();
            let kept = kept_events(&self.reference, to);
            for stream in APART {
                assert_eq!(
                    of(&new, stream).collect::<Vec<_>>(),
                    of(&kept, stream).collect::<Vec<_>>(),
                    "kept events of {stream}"
                );
            }
            subscriber.expect(&new);
        }
        subscriber.compare(&self.reference, way, to);
        if subscriber.scope.is_none() {
            subscriber.heard.push(json!({ "at": [self.past.len(), to] }));
        }
        true
    }

    /// A page comes, or comes back, or goes.
    pub(super) fn toggle(&mut self, number: usize, most: usize) {
        let subscriber = &mut self.subscribers[number];
        if subscriber.connected {
            return subscriber.cut();
        }
        subscriber.connected = true;
        let Some(id) = subscriber.page.id().map(|id| id.parse::<Position>().unwrap()) else {
            let active = if most == 0 { self.view.active_documents() } else { Vec::new() };
            if active.is_empty() {
                return self.snapshot(number, None, most);
            }
            // `from=now`: from here on only these streams can be compared.
            let wire = self.subscribers[number].wire;
            let frames = self.encode(wire, (None, self.view.offset()), &active, None);
            let named = active.iter().map(|frame| frame.stream.as_str().to_owned()).collect();
            self.subscribers[number].scope = Some(named);
            return self.join_now(number, &frames);
        };
        let (head, wire, declared) = (self.view.offset(), subscriber.wire, self.declared.clone());
        if id == self.epoch.at(head) {
            return self.declare(number, id, &declared);
        }
        if id.epoch == self.epoch && self.ring.iter().any(|(from, ..)| *from == id.offset) {
            let kept: Vec<_> = self.ring.iter().skip_while(|(from, ..)| *from != id.offset).cloned().collect();
            self.declare(number, id, &kept[0].3);
            for (from, to, frames, _) in kept {
                if !self.deliver(number, "kept", Some(from), to, &frames[wire as usize], most) {
                    return;
                }
            }
            return;
        }
        match self.log.fold_at(&self.channel, Some(id)).now_or_never().unwrap() {
            Ok(mut found) => {
                found.later.retain(|logged| logged.offset <= head);
                let tick = difference(found.fold, found.later, Arc::clone(&self.policy), self.now, Wires::only(wire));
                assert_eq!((tick.from, tick.to), (id.offset, head));
                let frames = self.encode(wire, (Some(tick.from), tick.to), &tick.frames, None);
                self.deliver(number, "folded", Some(tick.from), head, &frames, most);
            }
            Err(ReadError::Trimmed { .. }) => self.snapshot(number, Some(ResetReason::Gap), most),
            Err(ReadError::OtherEpoch { .. } | ReadError::Missing) => {
                self.snapshot(number, Some(ResetReason::Epoch), most);
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Only what is being written is sent.
    fn join_now(&mut self, number: usize, frames: &[String]) {
        let subscriber = &mut self.subscribers[number];
        frames.iter().for_each(|frame| subscriber.hear(frame));
        *self.ways.entry("now").or_default() += 1;
        subscriber.compare(&self.reference, "now", self.view.offset());
    }

    fn snapshot(&mut self, number: usize, reset: Option<ResetReason>, most: usize) {
        let (head, frames) = (self.view.offset(), self.view.snapshot());
        let named = frames.iter().map(|frame| frame.stream.as_str().to_owned());
        let scope = (reset == Some(ResetReason::Epoch))
            .then(|| named.filter(|name| APART.contains(&name.as_str())).collect::<Vec<_>>());
        let wire = self.subscribers[number].wire;
        let mut encoded = self.encode(wire, (None, head), &frames, reset);
        if frames.is_empty() {
            encoded.clear();
        }
        if encoded.is_empty() {
            let (channel, id) = (self.channel.clone(), self.epoch.at(head));
            let reason = reset.map_or("", ResetReason::as_str);
            let declared = (wire == Wire::Compact).then(|| self.declared.clone());
            encoded = vec![text(&Control::Reset { channel, id, reason, declared }.json())];
        }
        let before = self.subscribers[number].scope.take();
        self.subscribers[number].scope = scope.clone().or_else(|| before.clone().filter(|_| reset.is_none()));
        let way = if reset.is_some() { "reset" } else { "fresh" };
        if !self.deliver(number, way, None, head, &encoded, most) {
            self.subscribers[number].scope = before;
        }
    }

    /// Everyone comes back, and a new one from every offset that the log reaches: all end as the same page.
    pub(super) fn end(&mut self) {
        self.tick();
        for number in 0..self.subscribers.len() {
            if !self.subscribers[number].connected {
                self.toggle(number, usize::MAX);
            }
            let subscriber = &self.subscribers[number];
            subscriber.compare(&self.reference, "end", self.view.head());
            for stream in APART {
                let told: Vec<_> = of(subscriber.page.events(), stream).collect();
                let expected: Vec<_> = subscriber.told.get(stream).into_iter().flatten().collect();
                assert_eq!(told, expected, "events of {stream} come once, in order");
            }
        }
        let mut encoded = Vec::new();
        for (from, page) in self.reference.pages() {
            let at = self.epoch.at(from);
            let Ok(found) = self.log.fold_at(&self.channel, Some(at)).now_or_never().unwrap() else { continue };
            let tick = difference(found.fold, found.later, Arc::clone(&self.policy), self.now, all_wires());
            encoded.push((self.sabotage.wire(from), tick, page.clone()));
        }
        for (wire, tick, mut page) in encoded {
            if tick.from == tick.to && wire == Wire::Compact {
                // Such a page is sent nothing, not even that nothing changed.
                continue;
            }
            let frames = self.encode(wire, (Some(tick.from), tick.to), &tick.frames, None);
            frames.iter().for_each(|frame| page.message(frame));
            *self.ways.entry("from every id").or_default() += 1;
            let (body, expected) = (page.body(), self.reference.body_at(tick.to));
            assert!(body == expected, "from {}:\n{frames:#?}\n page: {body:?}\n  ref: {expected:?}", tick.from);
        }
    }
}

fn view(policy: &Arc<Policy>) -> View {
    let mut view = View::new(Fold::new(Keep::default()), Arc::clone(policy));
    view.serve(all_wires());
    view
}

fn all_wires() -> Wires {
    Wire::ALL.into_iter().fold(Wires::default(), |mut wires, wire| {
        wires.add(wire);
        wires
    })
}

fn messages(tick: &EncodedTick, wire: Wire) -> Vec<String> {
    tick.frames(wire, false).json().map(|json| text(&json)).collect()
}

fn text(json: &[u8]) -> String {
    String::from_utf8(json.to_vec()).unwrap()
}

impl Server {
    /// The case as a client in another language can take it: what the page took that took every op alone, by the life of
    /// the log, and what each subscriber heard.
    pub(super) fn history(&self) -> Value {
        let heard =
            self.subscribers.iter().map(|heard| json!({ "wire": heard.wire.as_str(), "messages": heard.heard }));
        let heard: Vec<_> = heard.collect();
        let alone: Vec<_> = self.past.iter().map(Vec::as_slice).chain([self.reference.messages()]).collect();
        json!({ "alone": alone, "heard": heard })
    }
}

impl Subscriber {
    fn hear(&mut self, message: &str) {
        self.page.message(message);
        self.heard.push(message.into());
    }

    fn cut(&mut self) {
        self.connected = false;
        self.page.cut();
        self.heard.push(json!("cut"));
    }

    fn expect(&mut self, events: &[PageEvent]) {
        for stream in APART {
            self.told.entry(stream.to_owned()).or_default().extend(of(events, stream).cloned());
        }
    }

    fn compare(&self, reference: &Reference, way: &str, offset: u64) {
        let Some(scope) = &self.scope else {
            let (body, expected) = (self.page.body(), reference.body_at(offset));
            assert!(body == expected, "{way}, at {offset}\n page: {body:?}\n  ref: {expected:?}");
            return;
        };
        let body = self.page.body();
        let own = |body: &[Node], stream: &str| {
            let elements = dom::elements(body);
            elements.into_iter().find(|el| el.attribute("dj-stream") == Some(stream)).cloned()
        };
        for stream in scope {
            let (shown, expected) = (own(&body, stream), own(reference.body_at(offset), stream));
            assert!(
                shown == expected,
                "{way}, {stream} at {offset} of the new epoch\n page: {shown:?}\n  ref: {expected:?}"
            );
        }
    }
}

/// The published events of a stream.
fn of<'a>(events: &'a [PageEvent], stream: &'a str) -> impl Iterator<Item = &'a PageEvent> {
    events.iter().filter(move |event| event.name == "stream:event" && event.stream == stream)
}

/// The last event of each name that asked to be kept, of the streams apart, in the order of the log.
fn kept_events(reference: &Reference, to: u64) -> Vec<PageEvent> {
    let mut kept: Vec<PageEvent> = Vec::new();
    for event in reference.told(0, to).iter().filter(|event| event.name == "stream:event") {
        // Its detail says how it was drawn: even ones are kept.
        let asked = event.detail["detail"][1].as_u64().unwrap().is_multiple_of(2);
        if asked {
            kept.retain(|old| old.stream != event.stream || old.detail["name"] != event.detail["name"]);
            kept.push(event.clone());
        }
    }
    kept
}
