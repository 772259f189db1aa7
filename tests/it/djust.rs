//! Streams as frames, for djust's own browser client: written into a file, which `tests/djust/check.mjs` feeds to it.
//!
//! The page twin takes the same frames here, so that a difference there is the client's or the twin's, not the stream's.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rillmark::channel::View;
use rillmark::channel::run_options::streamed;
use rillmark::markdown::options::{Options, Policy};
use rillmark::markdown::render;
use rillmark::oplog::{Fold, Keep};
use rillmark::protocol::{ChannelName, DomOp, EncodedTick, Entry, Epoch, Mode, Op, StreamName};
use serde_json::{Value, json};

use super::corpus::{self, Dice};
use super::page::Page;

/// What a page has before anything comes.
const PAGE: &str = "<div dj-stream=\"reply\">old</div><p dj-stream=\"feed\"></p>";

/// One channel, in which a document is written beside a feed.
struct Channel {
    view: View,
    /// Whoever watches from the beginning, and who came later if anyone has.
    watchers: Vec<Vec<String>>,
}

impl Channel {
    fn new() -> Self {
        let view = View::new(Fold::new(Keep::default()), Arc::new(Policy::default()));
        Self { view, watchers: vec![Vec::new()] }
    }

    fn publish(&mut self, stream: &str, op: Op<String>) {
        let entry = Entry { stream: StreamName::parse(stream).unwrap(), ops: vec![op], at: 0 };
        self.view.apply(self.view.head() + 1, Arc::new(entry));
    }

    fn send(&mut self, tick: &EncodedTick) {
        for json in tick.plain().json() {
            let frame = std::str::from_utf8(&json).unwrap();
            self.watchers.iter_mut().for_each(|watcher| watcher.push(frame.to_owned()));
        }
    }

    fn tick(&mut self) {
        let tick = self.view.tick(Instant::now());
        let (channel, epoch) = (ChannelName::parse("c").unwrap(), Epoch::new(0x1f));
        self.send(&EncodedTick::tick(channel, epoch.at(tick.from), epoch.at(tick.to), &tick.frames));
    }

    /// Someone comes who has nothing yet.
    fn join(&mut self) {
        let to = Epoch::new(0x1f).at(self.view.offset());
        let tick = EncodedTick::snapshot(ChannelName::parse("c").unwrap(), to, &self.view.snapshot(), None);
        let frames = tick.plain().json().map(|json| String::from_utf8(json.to_vec()).unwrap());
        self.watchers.push(frames.collect());
    }
}

/// Writes a source into the stream `reply` and what was written into `feed`; gives the frames of each watcher and the
/// feed's text.
fn written(source: &str, dice: &mut Dice) -> (Vec<Vec<String>>, String) {
    let (mut channel, mut feed) = (Channel::new(), String::new());
    channel.publish("reply", Op::Dom(DomOp::Start { target: None, clear: false }));
    let characters: Vec<char> = source.chars().collect();
    let (mut at, joins_at) = (0, dice.below(characters.len() + 1));
    while at < characters.len() {
        let end = characters.len().min(at + 1 + dice.below(9));
        if at <= joins_at && joins_at < end {
            channel.tick();
            channel.join();
        }
        channel.publish("reply", Op::Markdown { text: characters[at..end].iter().collect(), options: None });
        at = end;
        if dice.below(6) == 0 {
            let text = format!("{end} & <b>\n");
            feed.push_str(&text);
            let mode = (dice.below(2) == 0).then_some(Mode::Append);
            channel.publish("feed", Op::Dom(DomOp::Text { target: None, text, mode }));
        }
        if dice.below(3) == 0 {
            channel.tick();
        }
    }
    channel.publish("reply", Op::Dom(DomOp::Done { target: None, cancelled: false }));
    channel.tick();
    (channel.watchers, feed)
}

#[test]
fn what_djusts_client_is_fed_ends_as_the_render() {
    let (mut dice, mut runs) = (Dice::new(0xD705), Vec::new());
    let options = Options { provisional: false, ..streamed(None).unwrap() };
    for source in corpus::sources().iter().filter(|source| !source.is_empty()) {
        let html = render(source, &options, &Policy::default());
        let (watchers, feed) = written(source, &mut dice);
        for frames in watchers {
            let mut page = Page::load(PAGE);
            frames.iter().for_each(|frame| page.message(frame));
            page.assert_shows("reply", &html);
            assert_eq!(page.attribute("[dj-stream='reply']", "data-stream-active"), None, "{source:?}");
            assert_eq!((page.waiting(), page.skipped()), (0, &[][..]), "{source:?}");
            let frames: Vec<Value> = frames.iter().map(|frame| serde_json::from_str(frame).unwrap()).collect();
            runs.push(json!({ "source": source, "page": PAGE, "frames": frames, "reply": html, "feed": feed }));
        }
    }
    assert!(runs.len() > 50, "{} runs", runs.len());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("djust-runs.json");
    std::fs::write(path, serde_json::to_vec(&runs).unwrap()).unwrap();
}
