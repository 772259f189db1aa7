//! A document fed to a growing one, and what is measured of it.

use super::back;
use crate::measure::{cpu_of, quantile, thread_cpu};
use rillmark::markdown::growing::{Edit, Edits, FineEdit, Growing};
use rillmark::markdown::options::Tail;
use rillmark::markdown::{Options, Policy, parser_calls, render};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Instant;

/// Characters of a token.
const TOKEN: usize = 4;

/// Renders of a prefix that stand for one after each frame.
pub(crate) const SAMPLES: usize = 48;

/// So near the end of a page most edits change it.
const NEAR_BYTES: usize = 64 << 10;

/// Frames that are the end of a document.
const LAST_FRAMES: usize = 300;

/// A document, under options, in pieces.
pub(crate) struct Feed {
    pub(crate) source: String,
    /// Ends of the pieces.
    cuts: Vec<usize>,
    options: Options,
    policy: Arc<Policy>,
    patience: f64,
}

/// CPU of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Seconds in all, with edits in djust's vocabulary.
    pub(crate) total: f64,
    /// µs a frame: on average, in the first tenth, in the last.
    pub(crate) average: f64,
    pub(crate) first: f64,
    pub(crate) last: f64,
    /// µs a frame on average, with edits in the finer vocabulary.
    pub(crate) fine: f64,
}

/// How often the parser was called.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calls {
    /// By pushes.
    pub(crate) push: usize,
    /// By frames, each.
    pub(crate) frame: f64,
    /// Of all frames, those that parsed at all.
    pub(crate) parsing: f64,
}

/// What the edits of a stream hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Payload {
    /// Bytes of HTML and text, in djust's vocabulary and in the finer one.
    pub(crate) coarse: usize,
    pub(crate) fine: usize,
    /// Bytes of the finished HTML.
    pub(crate) html: usize,
    /// Visible characters at the end, and those taken back by the two counts.
    pub(crate) visible: usize,
    pub(crate) lost: usize,
    pub(crate) span: usize,
}

impl Feed {
    /// Tokens, so many a frame. What takes longer than `patience` seconds is given up.
    pub(crate) fn new(source: String, tokens: usize, options: Options, patience: f64) -> Self {
        let ends = source.char_indices().map(|(at, c)| at + c.len_utf8());
        let mut cuts: Vec<usize> = ends.skip(TOKEN * tokens - 1).step_by(TOKEN * tokens).collect();
        if cuts.last() != Some(&source.len()) {
            cuts.push(source.len());
        }
        let options = Options { provisional: true, dense: true, ..options };
        Self { source, cuts, options, policy: Arc::new(Policy::default()), patience }
    }

    pub(crate) fn pieces(&self) -> impl Iterator<Item = &str> {
        let mut from = 0;
        self.cuts.iter().map(move |end| &self.source[std::mem::replace(&mut from, *end)..*end])
    }

    fn growing(&self) -> Growing {
        Growing::new(self.options.clone(), Arc::clone(&self.policy))
    }

    /// The options as a publisher names them.
    pub(crate) fn published(&self) -> Option<Box<Map<String, Value>>> {
        let tail = match self.options.tail {
            Tail::Complete => "complete",
            Tail::Escape => "escape",
        };
        let Options { heading_ids, footnotes, .. } = self.options;
        let flags = [("heading_ids", heading_ids), ("footnotes", footnotes)].map(|(name, on)| (name, Value::from(on)));
        let all = flags.into_iter().chain([("tail", Value::from(tail))]);
        Some(Box::new(all.map(|(name, value)| (name.to_owned(), value)).collect()))
    }

    fn finished(&self) -> Options {
        Options { provisional: false, ..self.options.clone() }
    }

    /// Seconds of CPU of one render of the whole: the least of several.
    pub(crate) fn once(&self) -> f64 {
        let finished = self.finished();
        let rounds = (3_000_000 / self.source.len().max(1)).clamp(5, 201);
        (0..rounds).map(|_| cpu_of(|| render(&self.source, &finished, &self.policy)).0).fold(f64::MAX, f64::min)
    }

    /// CPU of the stream: the lesser of two runs in each vocabulary. `None` if it takes too long.
    pub(crate) fn cost(&self) -> Option<Cost> {
        let least = |fine: bool| {
            let (one, other) = (self.cost_once(fine)?, self.cost_once(fine)?);
            Some(if one.total < other.total { one } else { other })
        };
        let (coarse, fine) = (least(false)?, least(true)?);
        Some(Cost { fine: fine.average, ..coarse })
    }

    fn cost_once(&self, fine: bool) -> Option<Cost> {
        let (mut growing, mut edits) = (self.growing(), Edits::of(!fine, fine));
        let tenth = (self.cuts.len() / 10).max(1);
        let mut clocks = vec![thread_cpu()];
        for (i, piece) in self.pieces().enumerate() {
            growing.push(piece);
            growing.frame_into(&mut edits);
            edits.coarse.iter_mut().for_each(Vec::clear);
            edits.fine.iter_mut().for_each(Vec::clear);
            if (i + 1).is_multiple_of(tenth) {
                clocks.push(thread_cpu());
                if clocks[clocks.len() - 1] - clocks[0] > self.patience {
                    return None;
                }
            }
        }
        growing.finish_into(&mut edits);
        let total = thread_cpu() - clocks[0];
        let per_frame = |i: usize| clocks.get(i + 1).map_or(total, |end| end - clocks[i]) * 1e6 / tenth as f64;
        let average = total * 1e6 / self.cuts.len() as f64;
        let last = per_frame(clocks.len().saturating_sub(2));
        Some(Cost { total, average, first: per_frame(0), last, fine: average })
    }

    /// CPU in µs of a push and frame at the end of the document: what stands before comes at once.
    pub(crate) fn at_the_end(&self) -> f64 {
        let (mut growing, mut edits) = (self.growing(), Vec::new());
        let before = self.cuts.len().saturating_sub(LAST_FRAMES);
        let mut pieces = self.pieces();
        pieces.by_ref().take(before).for_each(|piece| growing.push(piece));
        growing.frame(&mut edits);
        let (cpu, ()) = cpu_of(|| {
            for piece in pieces {
                edits.clear();
                growing.push(piece);
                growing.frame(&mut edits);
            }
        });
        cpu * 1e6 / (self.cuts.len() - before) as f64
    }

    /// How often pushes and frames call the parser.
    pub(crate) fn calls(&self) -> Calls {
        let (mut growing, mut edits) = (self.growing(), Vec::new());
        let (mut push, mut frame) = (0, 0);
        for piece in self.pieces() {
            let before = parser_calls();
            growing.push(piece);
            let between = parser_calls();
            growing.frame(&mut edits);
            (push, frame) = (push + between - before, frame + parser_calls() - between);
            edits.clear();
        }
        let frames = self.cuts.len() as f64;
        Calls { push, frame: frame as f64 / frames, parsing: growing.parses() as f64 / frames }
    }

    /// µs of the slowest push and frame of a hundred, by the wall clock: the median of so many runs.
    pub(crate) fn p99(&self, rounds: usize) -> f64 {
        let runs: Vec<f64> = (0..rounds.max(1)).map(|_| self.p99_once()).collect();
        quantile(&runs, 0.5)
    }

    fn p99_once(&self) -> f64 {
        let (mut growing, mut edits) = (self.growing(), Vec::new());
        let mut times = Vec::with_capacity(self.cuts.len());
        for piece in self.pieces() {
            let start = Instant::now();
            growing.push(piece);
            growing.frame(&mut edits);
            times.push(start.elapsed().as_secs_f64() * 1e6);
            edits.clear();
        }
        quantile(&times, 0.99)
    }

    /// What the edits hold, and what they take back.
    pub(crate) fn payload(&self) -> Payload {
        let (mut growing, mut payload) = (self.growing(), Payload::default());
        let mut before = String::new();
        let mut look = |growing: &Growing, edits: &Edits| {
            payload.coarse += edits.coarse.iter().flatten().map(coarse_bytes).sum::<usize>();
            payload.fine += edits.fine.iter().flatten().map(fine_bytes).sum::<usize>();
            if edits.is_empty() {
                return;
            }
            let now = growing.html();
            let from = same_until(&before, now, edits);
            let (lost, span) = back::taken_back(&before[from..], &now[from..]);
            payload.lost += lost;
            payload.span += span;
            before.truncate(from);
            before.push_str(&now[from..]);
        };
        for piece in self.pieces() {
            let mut edits = Edits::of(true, true);
            growing.push(piece);
            growing.frame_into(&mut edits);
            look(&growing, &edits);
        }
        let mut edits = Edits::of(true, true);
        growing.finish_into(&mut edits);
        look(&growing, &edits);
        assert!(before == growing.html(), "what was taken for the same is the same");
        payload.html = growing.html().len();
        payload.visible = back::visible(growing.html()).len();
        payload
    }

    /// Seconds of CPU and bytes if the whole view were rendered and sent for every frame: from samples.
    pub(crate) fn naive(&self) -> (f64, f64) {
        let step = self.cuts.len().div_ceil(SAMPLES);
        let samples: Vec<usize> = self.cuts.iter().copied().skip(step / 2).step_by(step).collect();
        let (cpu, bytes) = cpu_of(|| {
            samples.iter().map(|end| render(&self.source[..*end], &self.options, &self.policy).len()).sum::<usize>()
        });
        let each = self.cuts.len() as f64 / samples.len() as f64;
        (cpu * each, bytes as f64 * each)
    }
}

/// Up to where two pages are the same, about: where edits only append it is near the end, and mostly so where not. All of
/// a large page is compared where it must be, and no more: that would take longer than what is measured.
fn same_until(old: &str, new: &str, edits: &Edits) -> usize {
    let near = old.floor_char_boundary(old.len().saturating_sub(NEAR_BYTES));
    let appends = |edit: &FineEdit| matches!(edit, FineEdit::AppendText { .. } | FineEdit::AppendHtml { .. });
    let same = edits.fine.iter().flatten().all(appends) || new.as_bytes().starts_with(&old.as_bytes()[..near]);
    if same && new.is_char_boundary(near) { near } else { 0 }
}

fn coarse_bytes(edit: &Edit) -> usize {
    match edit {
        Edit::Replace { html, .. } | Edit::Append { html, .. } => html.len(),
        Edit::Delete { .. } => 0,
    }
}

fn fine_bytes(edit: &FineEdit) -> usize {
    match edit {
        FineEdit::AppendText { text, .. } => text.len(),
        FineEdit::AppendHtml { html, .. } | FineEdit::Replace { html, .. } | FineEdit::Splice { html, .. } => {
            html.len()
        }
        FineEdit::Trim { .. } | FineEdit::DeleteLast { .. } => 0,
    }
}
