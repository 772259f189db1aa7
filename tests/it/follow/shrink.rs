//! Less and less of a case that fails: what comes behind the fault, lines, characters, frames, options.

use std::time::{Duration, Instant};

use rillmark::markdown::options::{OPTIONS, Options, Value};

use super::Case;

/// A character of the source, and whether a frame follows it.
type Letter = (char, bool);

/// A smaller case that `fails` too, as small as is found in that time; `case` does so at `at`.
pub(crate) fn shrink(case: &Case, at: usize, time: Duration, fails: &dyn Fn(&Case) -> bool) -> Case {
    let mut shrinker = Shrinker { case: case.clone(), fails, until: Instant::now() + time };
    shrinker.run(at);
    shrinker.case
}

struct Shrinker<'f> {
    case: Case,
    fails: &'f dyn Fn(&Case) -> bool,
    until: Instant,
}

impl Shrinker<'_> {
    fn run(&mut self, fails_at: usize) {
        let (mut letters, mut at) = (self.letters(), 0);
        letters.retain(|(c, _)| {
            at += c.len_utf8();
            at <= fails_at
        });
        self.take(&letters);
        // A frame after every character does not move when others go.
        self.with_frames(|_| true);
        self.options();
        loop {
            let before = (self.case.source.len(), self.case.cuts.len());
            self.without_lines();
            self.without_letters();
            if (self.case.source.len(), self.case.cuts.len()) == before {
                break;
            }
        }
        self.with_frames(|_| false);
        self.with_frames(|c| c == '\n');
        self.without_frames();
        self.without_letters();
        self.without_frames();
        self.options();
    }

    fn letters(&self) -> Vec<Letter> {
        let chars = self.case.source.char_indices();
        chars.map(|(at, c)| (c, self.case.cuts.binary_search(&(at + c.len_utf8())).is_ok())).collect()
    }

    /// Takes these letters instead, if the case still fails.
    fn take(&mut self, letters: &[Letter]) -> bool {
        let mut case = Case { source: String::new(), cuts: Vec::new(), ..self.case.clone() };
        for (c, frame) in letters {
            case.source.push(*c);
            if *frame {
                case.cuts.push(case.source.len());
            }
        }
        self.take_case(case)
    }

    fn take_case(&mut self, case: Case) -> bool {
        let fails = Instant::now() < self.until && (self.fails)(&case);
        if fails {
            self.case = case;
        }
        fails
    }

    /// The last letter keeps its frame.
    fn with_frames(&mut self, frame: impl Fn(char) -> bool) {
        let mut letters = self.letters();
        let last = letters.len().saturating_sub(1);
        letters[..last].iter_mut().for_each(|letter| letter.1 = frame(letter.0));
        self.take(&letters);
    }

    /// Whole lines, many at once first.
    fn without_lines(&mut self) {
        let count = |letters: &[Letter]| letters.iter().filter(|(c, _)| *c == '\n').count() + 1;
        let mut width = count(&self.letters()) / 2;
        while width > 0 {
            let mut line = 0;
            while line < count(&self.letters()) {
                let letters = self.letters();
                let ends = letters.iter().enumerate().filter(|(_, (c, _))| *c == '\n').map(|(at, _)| at + 1);
                let bounds: Vec<usize> = std::iter::once(0).chain(ends).chain([letters.len()]).collect();
                let (from, to) = (bounds[line.min(bounds.len() - 1)], bounds[(line + width).min(bounds.len() - 1)]);
                if from == to || !self.take(&removed(&letters, from, to)) {
                    line += width;
                }
            }
            width /= 2;
        }
    }

    /// Letters, many at once first.
    fn without_letters(&mut self) {
        let mut width = self.letters().len().div_ceil(2);
        while width > 0 {
            let mut at = 0;
            while at < self.letters().len() && Instant::now() < self.until {
                let letters = self.letters();
                if !self.take(&removed(&letters, at, (at + width).min(letters.len()))) {
                    at += width;
                }
            }
            width /= 2;
        }
    }

    fn without_frames(&mut self) {
        let mut width = self.case.cuts.len();
        while width > 0 {
            let mut at = 0;
            while at < self.case.cuts.len() && Instant::now() < self.until {
                let mut case = self.case.clone();
                case.cuts.drain(at..(at + width).min(case.cuts.len()));
                if !self.take_case(case) {
                    at += width;
                }
            }
            width /= 2;
        }
    }

    fn options(&mut self) {
        for row in OPTIONS {
            let mut case = self.case.clone();
            let default = case.options.set(row.name, Value::Raw(row.default)).is_ok();
            case.options = Options { dense: true, ..case.options };
            if default && case.options != self.case.options {
                self.take_case(case);
            }
        }
    }
}

/// The letters without some; a frame among these follows what stands before them.
fn removed(letters: &[Letter], from: usize, to: usize) -> Vec<Letter> {
    let mut left = letters[..from].to_vec();
    if let Some(last) = left.last_mut() {
        last.1 |= letters[from..to].iter().any(|(_, frame)| *frame);
    }
    left.extend_from_slice(&letters[to..]);
    left
}
