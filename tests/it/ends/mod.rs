//! However a run ends, the page shows what one render of the accepted text shows, and says how it ended.
//!
//! One table: seven ends, each at every byte (or code unit) of ten sources, both tails, written by an open body or in
//! batches. The hub is the service's own, under a clock that the test moves; the pages know only the wire. What a run
//! takes after its end is in [`after`].
//!
//! **Source:** `openapi/protocol.md`, "A stream's life".

mod after;

use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use rillmark::auth::Caller;
use rillmark::channel::run_options::streamed;
use rillmark::channel::{
    BegunRun, Delivery, From, Hub, HubOptions, OpenEnd, OpenRun, PublishError, PublishRefusal, Published, Publisher,
    Right, RunEffect, StreamContent, StreamState, Subscription, Watching,
};
use rillmark::markdown::options::{Options, Policy};
use rillmark::markdown::render;
use rillmark::oplog::LogOptions;
use rillmark::protocol::{Batch, ChannelName, RunState, Sizes, StreamName, Wire};
use rillmark::telemetry::{Carrier, Metrics};
use serde_json::{Map, Value, json};

use super::corpus::{Dice, long};
use super::oracle::dom;
use super::page::Page;

/// What a cut may tear: each source has its own.
const SOURCES: [(&str, &str); 10] = [
    ("characters of several bytes", "Größe 日本 👩‍👧 e\u{301}\u{feff}\n\nz\u{2028}\u{1f1e9}\u{1f1ea}"),
    ("line ends of every kind", "a\r\nb\r\n\r\n# c\r\n\r\n- d\r- e\r\n\tf  \r\ng"),
    ("fences", "x\n```rust\nfn a() {}\n``\n```\n~~~ y\n`z\n\n    w"),
    ("lists", "- a\n  1. b\n\n     c\n- [ ] d\n- [x] e\n+ f\n\n10) g\n-"),
    ("tables", "| a | b |\n|---|:-:|\n| `c|d` | **e |\n| f\\|g |\nh\n\ni"),
    ("references", "[a] [b][c] [c]\n\n[a]: /x \"t\"\n[c]: <y z>\n\n[d](e 'f') ![g](/h)"),
    ("HTML and entities", "<div>\n*a*\n</div>\n\nb <b title=\"*c\">d</b> <!-- e --> <https://f.g> &amp; &#42; <h"),
    ("emphasis", "*a **b* c** ***d* e** _f __g_ h__ ~~i~~ \\*j `k ``l` m``"),
    ("quotes and headings", "> [!NOTE]\n> **a\nb\n\nc  \nd\\\ne\n===\n\n***\n# f #"),
    ("mathematics and footnotes", "$x$ a[^1] $$y\nz$$ b[^2]\n\n[^1]: *c\n\n    d\n\n[^2]: e"),
];

/// Options as they are published, but for the tail.
const RICH: [&str; 5] = ["math", "footnotes", "alerts", "task_lists", "autolinks"];

const PAGE: &str = "<h1>t</h1><div dj-stream=\"s\" class=\"k\">was <b>here</b></div><p>end</p>";

const NO_MODEL: &str = "No model";

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    Cancel,
    Error,
    /// Nobody feeds it.
    Idle,
    /// It is as long as a stream may be.
    Cap,
    /// The service is told to stop.
    Stop,
    /// Who wrote it is gone.
    Lost,
}

const ENDS: [End; 7] = [End::Done, End::Cancel, End::Error, End::Idle, End::Cap, End::Stop, End::Lost];

/// Who writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    /// An open body, cut at bytes.
    Body,
    /// Batches of JSON, cut at UTF-16 code units.
    Batches,
}

/// One run, up to its end.
struct Run {
    hub: Hub,
    page: Page,
    connection: Subscription,
    /// What the subscription said beside frames.
    told: Vec<Delivery>,
    body: Option<OpenRun>,
    begun: Option<BegunRun>,
}

fn channel() -> ChannelName {
    ChannelName::parse("c").unwrap()
}

fn stream() -> StreamName {
    StreamName::parse("s").unwrap()
}

fn options_of(tail: &str) -> Map<String, Value> {
    let mut options: Map<String, Value> = RICH.iter().map(|name| ((*name).to_owned(), true.into())).collect();
    options.insert("tail".to_owned(), tail.into());
    options
}

async fn publish(hub: &Hub, body: &str) -> Result<Published, PublishError> {
    let batch = Batch::parse(body.as_bytes(), &Sizes::default()).unwrap();
    let publisher = Publisher { right: Right::Backend, caller: Caller::Local, fingerprint: 0 };
    hub.publish_telling(&channel(), batch, publisher).await
}

async fn publish_ops(hub: &Hub, ops: &Value) -> Result<Published, PublishError> {
    publish(hub, &json!({ "stream": "s", "ops": ops }).to_string()).await
}

/// A batch whose text may begin and end inside a surrogate pair.
fn units(text: &[u16]) -> String {
    let escaped: String = text.iter().map(|unit| format!("\\u{unit:04x}")).collect();
    format!(r#"{{"stream":"s","ops":[{{"op":"markdown","text":"{escaped}"}}]}}"#)
}

impl Run {
    async fn begin(writer: Writer, options: Map<String, Value>, stream_bytes_max: usize) -> Self {
        // A registry takes longer to make than a run takes to live.
        static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);
        let hub_options = HubOptions { stream_bytes_max, ..HubOptions::default() };
        let hub = Hub::new(hub_options, &LogOptions::default(), METRICS.streams().clone());
        let connection = watch(&hub, From::Beginning);
        let mut run = Self { hub, page: Page::load(PAGE), connection, told: Vec::new(), body: None, begun: None };
        match writer {
            Writer::Body => {
                run.body = Some(run.hub.open(&channel(), &stream(), Some(options), None).await.unwrap());
            }
            Writer::Batches => {
                let ops = json!([{ "op": "start" }, { "op": "markdown", "text": "", "options": options }]);
                let published = publish_ops(&run.hub, &ops).await.unwrap();
                let RunEffect::Began(begun) = published.effect else { panic!("{published:?}") };
                run.begun = Some(begun);
            }
        }
        run
    }

    /// Takes what there is to take.
    async fn look(&mut self) {
        while let Ok(Some(delivery)) = tokio::time::timeout(Duration::from_micros(1), self.connection.next()).await {
            take(&mut self.page, &mut self.told, delivery);
        }
    }

    /// Waits until the next tick is made, and takes it.
    async fn tick(&mut self) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.look().await;
    }

    /// Writes `text` in two or three pieces, and looks at the page between them.
    async fn write_bytes(&mut self, text: &[u8], dice: &mut Dice) {
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(dice.below(rest.len()) + 1);
            self.body.as_mut().unwrap().push(piece).await.unwrap();
            rest = behind;
            if dice.below(2) == 0 {
                self.tick().await;
            }
        }
    }

    async fn write_units(&mut self, text: &[u16], dice: &mut Dice) {
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(dice.below(rest.len()) + 1);
            publish(&self.hub, &units(piece)).await.unwrap();
            rest = behind;
            if dice.below(2) == 0 {
                self.tick().await;
            }
        }
    }

    /// Writes one byte after the other until no more is taken; gives how many were.
    async fn fill_with_bytes(&mut self, source: &[u8]) -> Vec<u8> {
        let mut taken = Vec::new();
        for byte in source.iter().chain(std::iter::repeat(&b'x')) {
            match self.body.as_mut().unwrap().push(&[*byte]).await {
                Ok(_) => taken.push(*byte),
                Err(end) => {
                    assert!(matches!(end, OpenEnd::TooLarge { .. }), "{end:?}");
                    break;
                }
            }
        }
        taken
    }

    async fn fill_with_units(&mut self, source: &[u16]) -> Vec<u16> {
        let mut taken = Vec::new();
        for unit in source.iter().copied().chain(std::iter::repeat(u16::from(b'x'))) {
            match publish(&self.hub, &units(&[unit])).await {
                Ok(_) => taken.push(unit),
                Err(PublishError::Refused(PublishRefusal::StreamTooLarge { .. })) => break,
                Err(error) => panic!("{error:?}"),
            }
        }
        taken
    }

    /// Ends the run; gives its state, and the message that the page shows.
    async fn end(&mut self, end: End) -> (RunState, Option<&'static str>) {
        let body = self.body.take();
        match (end, body) {
            (End::Done, Some(body)) => assert_eq!(body.finish(false).await.finish, RunState::Done),
            (End::Done | End::Cap, None) => self.say(&json!({ "op": "done" })).await,
            (End::Cap, Some(body)) => assert_eq!(body.finish(false).await.finish, RunState::Error),
            (End::Cancel, body) => {
                assert!(self.hub.cancel(&channel(), &stream()).await.unwrap().cancelled);
                self.body = body;
            }
            (End::Error, Some(body)) => assert_eq!(body.fail(NO_MODEL, false).await.finish, RunState::Error),
            (End::Error, None) => self.say(&json!({ "op": "error", "error": NO_MODEL })).await,
            (End::Idle, body) => {
                tokio::time::sleep(HubOptions::default().stream_idle).await;
                self.hub.sweep().await;
                self.body = body;
            }
            (End::Stop, body) => {
                let Self { hub, page, told, connection, .. } = self;
                let reading = async {
                    while let Some(delivery) = connection.next().await {
                        take(page, told, delivery);
                    }
                };
                tokio::join!(hub.drain(Duration::from_secs(5)), reading);
                assert!(matches!(told.last(), Some(Delivery::Bye { come_back: true, .. })), "{told:?}");
                self.body = body;
            }
            (End::Lost, Some(body)) => drop(body),
            (End::Lost, None) => {
                self.hub.interrupt(&channel(), &stream(), self.begun.expect("it was begun")).await;
            }
        }
        let by_body = self.begun.is_none();
        match end {
            End::Done => (RunState::Done, None),
            // A batch is refused, and the run goes on until its publisher ends it.
            End::Cap if !by_body => (RunState::Done, None),
            End::Cap => (RunState::Error, Some("Too long")),
            End::Cancel => (RunState::Cancelled, None),
            End::Error => (RunState::Error, Some(NO_MODEL)),
            End::Idle | End::Stop | End::Lost => (RunState::Error, Some("Interrupted")),
        }
    }

    async fn say(&self, op: &Value) {
        publish_ops(&self.hub, &json!([op])).await.unwrap();
    }

    async fn state(&self) -> StreamState {
        self.hub.stream_state(&channel(), &stream()).await.expect("the stream is there")
    }
}

fn watch(hub: &Hub, from: From) -> Subscription {
    hub.subscribe(&channel(), from, Watching { transport: Carrier::Sse, cancels: true, wire: Wire::Djust }).unwrap()
}

fn take(page: &mut Page, told: &mut Vec<Delivery>, delivery: Delivery) {
    if let Delivery::Tick(tick) = &delivery {
        for frame in tick.plain().json() {
            page.message(str::from_utf8(&frame).unwrap());
        }
    } else {
        told.push(delivery);
    }
}

/// The page as a server would have made it that knew the whole text and how the run ended.
fn expected(html: &str, error: Option<&str>) -> Vec<dom::Node> {
    let (attribute, shown) = match error {
        Some(message) => {
            (" data-stream-error=\"true\"", format!("<div class=\"dj-stream-error\" role=\"alert\">{message}</div>"))
        }
        None => ("", String::new()),
    };
    dom::parse(&PAGE.replace(">was <b>here</b>", &format!("{attribute}>{html}{shown}")))
}

/// Writes a source up to a cut, ends the run, and looks at three pages: one that watched, one that comes afterwards, and
/// one that comes back with the id it had in the middle.
async fn case(end: End, writer: Writer, tail: &str, source: &str, cut: usize, dice: &mut Dice) {
    let options = options_of(tail);
    let cap = if end == End::Cap { cut } else { HubOptions::default().stream_bytes_max };
    let mut run = Run::begin(writer, options.clone(), cap).await;
    let utf16: Vec<u16> = source.encode_utf16().collect();
    let accepted = match (end, writer) {
        (End::Cap, Writer::Body) => String::from_utf8_lossy(&run.fill_with_bytes(source.as_bytes()).await).into_owned(),
        (End::Cap, Writer::Batches) => String::from_utf16_lossy(&run.fill_with_units(&utf16).await),
        (_, Writer::Body) => {
            run.write_bytes(&source.as_bytes()[..cut], dice).await;
            String::from_utf8_lossy(&source.as_bytes()[..cut]).into_owned()
        }
        (_, Writer::Batches) => {
            run.write_units(&utf16[..cut], dice).await;
            String::from_utf16_lossy(&utf16[..cut])
        }
    };
    run.look().await;
    let before = run.page.clone();
    let (state, error) = run.end(end).await;
    run.tick().await;

    let one_shot = Options { provisional: false, dense: true, ..streamed(Some(&options)).unwrap() };
    let html = render(&accepted, &one_shot, &Policy::default());
    let whole = expected(&html, error);
    let at = || format!("{end:?} by {writer:?}, {tail}, at {cut} of {source:?}");
    let body = run.page.body();
    assert!(body == whole, "{}\n page: {body:?}\nwhole: {whole:?}", at());
    let kept = run.state().await;
    assert_eq!(kept.state, state, "{}", at());
    assert_eq!(run.page.id(), Some(kept.id.to_string().as_str()), "{}", at());
    assert_eq!(kept.content, StreamContent::Markdown { source: accepted, html }, "{}", at());
    let cancels = run.told.iter().filter(|told| matches!(told, Delivery::Cancelled(_))).count();
    assert_eq!(cancels, usize::from(end == End::Cancel), "{}", at());
    // Nobody comes while the service stops; else every third time two pages do.
    if end == End::Stop || !long() && dice.below(3) > 0 {
        return;
    }
    for (page, from) in [
        (Page::load(PAGE), From::Beginning),
        (before.clone(), before.id().map_or(From::Beginning, |id| From::At(id.to_owned()))),
    ] {
        let mut page = page;
        let mut connection = watch(&run.hub, from);
        while let Ok(Some(delivery)) = tokio::time::timeout(Duration::from_micros(1), connection.next()).await {
            take(&mut page, &mut Vec::new(), delivery);
        }
        assert!(page.body() == whole, "{}, late\n page: {:?}\nwhole: {whole:?}", at(), page.body());
    }
}

/// Runs `test` under a clock that it moves.
fn under_a_paused_clock(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(test);
}

#[test]
fn every_end_at_every_byte_leaves_the_page_of_one_render() {
    thread::scope(|scope| {
        for (seed, end) in (0..).zip(ENDS) {
            scope.spawn(move || under_a_paused_clock(every_byte(end, seed)));
        }
    });
}

/// Every cut by an open body, with one tail at one end and the other at the next; in batches every third. A long run
/// takes all of it.
async fn every_byte(end: End, seed: usize) {
    let mut dice = Dice::new(seed as u64);
    for (_, source) in SOURCES {
        let units = source.encode_utf16().count();
        // What a cap counts is bytes, whoever writes them.
        let cuts = if end == End::Cap { source.len() } else { units };
        for cut in 0..=source.len() {
            for (number, tail) in ["escape", "complete"].into_iter().enumerate() {
                if long() || (cut + seed) % 2 == number {
                    case(end, Writer::Body, tail, source, cut, &mut dice).await;
                }
                if cut <= cuts && (long() || (cut + seed) % 6 == number * 3) {
                    case(end, Writer::Batches, tail, source, cut, &mut dice).await;
                }
            }
        }
    }
}
