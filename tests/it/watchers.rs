//! Pages that watch one channel of a hub, each in its own way and in either wire: cut inside a tick, slow, late, back with
//! an id that the log no longer reaches. All must end as the page that never lost its connection.
//!
//! The hub is the service's own, under a clock that the test moves; the pages know only the wire.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use rillmark::auth::Caller;
use rillmark::channel::run_options::streamed;
use rillmark::channel::{Delivery, From, Hub, HubOptions, Publisher, Right, StreamContent, Subscription, Watching};
use rillmark::markdown::options::{Options, Policy};
use rillmark::markdown::render;
use rillmark::oplog::LogOptions;
use rillmark::protocol::{Batch, ChannelName, Control, RunState, Sizes, StreamName, Wire};
use rillmark::telemetry::{Carrier, Metrics};
use serde_json::{Value, json};

use super::corpus::{self, Dice};
use super::page::Page;

const CASES: usize = 30;
const CASES_LONG: usize = 20_000;

/// Two documents, a feed that appends, one that replaces, and a list that belongs to none.
const PAGE: &str = "<div dj-stream=m>was</div><div dj-stream=n></div><div dj-stream=a><b>kept</b></div>\
                    <p dj-stream=r dj-stream-mode=replace>old</p><ul id=l><li>0</li></ul>";

fn channel() -> ChannelName {
    ChannelName::parse("c").unwrap()
}

/// A page and its connection, if it has one.
struct Watcher {
    page: Page,
    wire: Wire,
    connection: Option<Subscription>,
    /// Messages that are on their way.
    coming: VecDeque<String>,
}

impl Watcher {
    fn new(wire: Wire) -> Self {
        Self { page: Page::load(PAGE), wire, connection: None, coming: VecDeque::new() }
    }

    fn connect(&mut self, hub: &Hub) {
        let from = self.page.id().map_or(From::Beginning, |id| From::At(id.to_owned()));
        let watching = Watching { transport: Carrier::Sse, cancels: false, wire: self.wire };
        self.connection = Some(hub.subscribe(&channel(), from, watching).unwrap());
    }

    /// What is on its way is lost.
    fn cut(&mut self) {
        self.connection = None;
        self.coming.clear();
        self.page.cut();
    }

    /// Takes so many messages, if there are as many now.
    async fn take(&mut self, messages: usize) {
        for _ in 0..messages {
            while self.coming.is_empty() {
                let Some(connection) = &mut self.connection else { return };
                match tokio::time::timeout(Duration::from_micros(1), connection.next()).await {
                    Ok(Some(delivery)) => self.coming.extend(messages_of(&delivery, self.wire)),
                    Ok(None) | Err(_) => return,
                }
            }
            let message = self.coming.pop_front().expect("just looked");
            self.page.message(&message);
        }
    }
}

fn messages_of(delivery: &Delivery, wire: Wire) -> Vec<String> {
    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    match delivery {
        Delivery::Tick(tick) => tick.frames(wire, false).json().map(text).collect(),
        Delivery::Reset { id, reason, declared } => {
            let (id, reason, declared) = (*id, reason.as_str(), declared.clone());
            vec![text(Control::Reset { channel: channel(), id, reason, declared }.json())]
        }
        Delivery::Subscribed { id, by, declared } => {
            let (id, by, declared) = (*id, *by, declared.clone());
            vec![text(Control::Subscribed { channel: channel(), id, by, declared }.json())]
        }
        other => panic!("{other:?}"),
    }
}

/// What is published, and what it must come to.
struct Author {
    hub: Hub,
    /// Sources that are being written, by their stream, and how far each is.
    writing: BTreeMap<&'static str, (String, usize)>,
    /// Sources of documents that have ended.
    written: BTreeMap<&'static str, String>,
    number: usize,
}

impl Author {
    /// Publishes ops; a refusal is the test's own fault.
    async fn publish(&self, stream: &str, ops: &Value) {
        let body = format!(r#"{{"stream":"{stream}","ops":{ops}}}"#);
        self.publish_raw(&body).await;
    }

    async fn publish_raw(&self, body: &str) {
        let batch = Batch::parse(body.as_bytes(), &Sizes::default()).unwrap();
        let publisher = Publisher { right: Right::Backend, caller: Caller::Local, fingerprint: 0 };
        self.hub.publish(&channel(), batch, publisher).await.unwrap_or_else(|error| panic!("{error:?}: {body}"));
    }

    /// Does one thing.
    async fn step(&mut self, dice: &mut Dice) {
        self.number += 1;
        let n = self.number;
        match dice.below(12) {
            0..=5 => self.write(["m", "n"][dice.below(2)], dice).await,
            6 => self.publish("a", &json!([{ "op": "append", "html": format!("<i>{n}</i> & {n}") }])).await,
            7 => self.publish("a", &json!([{ "op": "prepend", "html": format!("<u>{n}</u>") }, { "op": "prune", "limit": 5, "edge": "bottom" }])).await,
            8 => self.publish("r", &json!([{ "op": "text", "text": format!("{n}<") }, { "op": "text", "text": "!" }])).await,
            9 => match dice.below(3) {
                0 => self.publish("a", &json!([{ "op": "start", "clear": dice.below(2) == 0 }])).await,
                1 => self.publish("a", &json!([{ "op": "error", "error": format!("no {n}") }])).await,
                _ => self.publish("r", &json!([{ "op": "start" }, { "op": "text", "text": "x", "mode": "prepend" }])).await,
            },
            10 => self.publish("a", &json!([{ "op": "append", "html": format!("<li>{n}</li>"), "target": "#l" }])).await,
            _ if dice.below(2) == 0 => self.publish("a", &json!([{ "op": "delete", "target": "#l > :first-child" }])).await,
            _ => self.publish("a", &json!([{ "op": "event", "name": "n", "detail": n, "keep": true }])).await,
        }
    }

    /// Publishes a third of what makes all kept ticks go: who is away then is brought back from the log, or by a snapshot.
    async fn flood(&self, dice: &mut Dice) {
        let text = ["x", "y", "z"][dice.below(3)].repeat(1_000_000);
        self.publish("r", &json!([{ "op": "text", "text": text, "mode": "replace" }])).await;
    }

    /// Writes a little more of a document, begins one or ends it.
    async fn write(&mut self, stream: &'static str, dice: &mut Dice) {
        let Some((source, at)) = self.writing.get_mut(stream) else {
            let sources = [corpus::REPLIES, corpus::TRAPS].concat();
            let source = sources[dice.below(sources.len())];
            self.writing.insert(stream, (source.to_owned(), 0));
            return self.publish(stream, &json!([{ "op": "start" }])).await;
        };
        if *at == source.len() {
            let (source, _) = self.writing.remove(stream).expect("just found");
            self.written.insert(stream, source);
            return self.publish(stream, &json!([{ "op": "done" }])).await;
        }
        let mut end = source.len().min(*at + 1 + dice.below(60));
        while !source.is_char_boundary(end) {
            end += 1;
        }
        let text = source[*at..end].to_owned();
        *at = end;
        // Code units by themselves: a pair is torn apart here and there.
        let units: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let cut = dice.below(units.len() + 1);
        for part in [&units[..cut], &units[cut..]] {
            let body = format!(r#"{{"stream":"{stream}","ops":[{{"op":"markdown","text":"{}"}}]}}"#, part.concat());
            self.publish_raw(&body).await;
        }
    }

    /// Ends every document; one of them is stopped in the middle.
    async fn end(&mut self) {
        for (stream, (source, at)) in std::mem::take(&mut self.writing) {
            self.hub.cancel(&channel(), &StreamName::parse(stream).unwrap()).await.unwrap();
            self.written.insert(stream, source[..at].to_owned());
        }
    }
}

async fn moved(watchers: &mut [Watcher], hub: &Hub, dice: &mut Dice) {
    for watcher in &mut watchers[1..] {
        match (watcher.connection.is_some(), dice.below(10)) {
            (true, 0) => watcher.cut(),
            (true, 1..=5) => watcher.take(1 + dice.below(4)).await,
            (false, 0..=1) => watcher.connect(hub),
            _ => {}
        }
    }
    watchers[0].take(usize::MAX).await;
}

/// A channel from its first op to its last; gives how often a page was reset.
async fn case(seed: u64) -> usize {
    let mut dice = Dice::new(seed);
    let logs = LogOptions { channel_entries_max: 4 + dice.below(40), ..LogOptions::default() };
    let hub = Hub::new(HubOptions::default(), &logs, Metrics::new().streams().clone());
    let mut watchers: Vec<Watcher> = (0..6).map(|at| Watcher::new(Wire::ALL[at % 2])).collect();
    watchers[0].connect(&hub);
    let (writing, written) = (BTreeMap::new(), BTreeMap::new());
    let mut author = Author { hub: hub.clone(), writing, written, number: 0 };
    let steps = 40 + dice.below(120);
    let flood = if dice.below(6) == 0 { dice.below(steps) } else { steps };
    for step in 0..steps {
        match step {
            _ if (flood..flood + 3).contains(&step) => author.flood(&mut dice).await,
            _ => author.step(&mut dice).await,
        }
        tokio::time::sleep(Duration::from_millis(dice.below(30) as u64)).await;
        moved(&mut watchers, &hub, &mut dice).await;
    }
    author.end().await;
    watchers.extend(Wire::ALL.map(Watcher::new));
    let mut resets = 0;
    for watcher in &mut watchers {
        if watcher.connection.is_none() {
            watcher.connect(&hub);
        }
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for watcher in &mut watchers {
            watcher.take(usize::MAX).await;
            resets += watcher.page.resets();
        }
    }
    judge(&watchers, &author, seed).await;
    resets
}

async fn judge(watchers: &[Watcher], author: &Author, seed: u64) {
    let steady = &watchers[0].page;
    assert_eq!(steady.resets(), 0, "seed {seed}: a page that takes everything at once is never reset");
    for (i, watcher) in watchers.iter().enumerate() {
        assert_eq!(watcher.page.waiting(), 0, "seed {seed}, page {i}");
        assert_eq!(watcher.page.id(), steady.id(), "seed {seed}, page {i}");
        let (is, wants) = (watcher.page.body(), steady.body());
        assert!(is == wants, "seed {seed}, page {i}\n    is {is:?}\n wants {wants:?}");
        assert_eq!(watcher.page.told(), steady.told(), "seed {seed}, page {i}");
    }
    let options = Options { provisional: false, ..streamed(None).unwrap() };
    for (stream, source) in &author.written {
        let html = render(source, &options, &Policy::default());
        let name = StreamName::parse(stream).unwrap();
        let state = author.hub.stream_state(&channel(), &name).await.unwrap();
        assert!(matches!(state.state, RunState::Done | RunState::Cancelled), "seed {seed}: {:?}", state.state);
        // A run without text is of no kind, and leaves the page as it was.
        if let StreamContent::Markdown { source: kept, html: shown } = state.content {
            assert_eq!((&*kept, &*shown), (source.as_str(), html.as_str()), "seed {seed}");
            steady.assert_shows(stream, &html);
        } else {
            assert!(source.is_empty(), "seed {seed}: {stream}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_page_ends_as_the_one_that_never_lost_its_connection() {
    let cases = if corpus::long() { CASES_LONG } else { CASES };
    let mut resets = 0;
    for seed in 0..cases as u64 {
        resets += case(seed).await;
    }
    assert!(resets > cases / 20, "{resets} resets in {cases} cases: the log reached too far");
}
