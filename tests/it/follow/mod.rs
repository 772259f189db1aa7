//! Growing documents followed by pages that know nothing but their edits.
//!
//! A [`Case`] is a source under options, and where it is cut: after each piece a frame is made, at the end it is finished.
//! There are two pages to follow it:
//!
//! | page | reads | is compared with | speed |
//! |---|---|---|---|
//! | `light` | tags as they are spelled, paths by counting | `render` of the prefix, byte for byte | tens of µs a frame |
//! | `page` | as a browser, by html5ever; paths as selectors | the view of the prefix by the twin (`oracle`), as a tree | about 1 ms a frame |
//!
//! Edits come in two vocabularies: a quick page follows each of them, the slow one follows the coarse.
//!
//! The first goes along with every frame. What it is compared with is held to the twin by `twin`, so a fault that it does
//! not see had to be made alike in the growing document and in the render; the second page, on a sample, would see that
//! too. A cut is never compared with another one: both are compared with the same bytes at each prefix at which they meet.
//!
//! | file | holds |
//! |---|---|
//! | `make` | cases from a seed |
//! | `light` | the quick page |
//! | `browser` | the slow one |
//! | `shrink` | less and less of a case that fails |

#![allow(dead_code, reason = "a toolbox: each crate that includes it takes what it needs")]

pub(crate) mod browser;
pub(crate) mod light;
pub(crate) mod make;
pub(crate) mod shrink;

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rillmark::markdown::growing::{Edits, Growing};
use rillmark::markdown::options::{OPTIONS, Options, Policy};
use rillmark::markdown::render;

use browser::Browser;
use light::Light;

thread_local! {
    /// What a hook of the program noted of the last panic of this thread; without a hook it stays empty.
    pub(crate) static PANICKED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A source, what it is rendered with, and where it is cut.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub source: String,
    /// Ends of pieces, ascending; a frame follows each. What is left behind the last is finished without a frame.
    pub cuts: Vec<usize>,
    pub options: Options,
    pub policy: Policy,
}

/// How much was compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub documents: u64,
    pub bytes: u64,
    /// Pages compared with `render`, ends included.
    pub frames: u64,
    /// Of these, pages of a browser compared with the twin.
    pub in_full: u64,
    pub edits: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.bytes += other.bytes;
        self.frames += other.frames;
        self.in_full += other.in_full;
        self.edits += other.edits;
    }
}

/// Where a page is not what it has to be.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// So much of the source had come.
    pub at: usize,
    pub what: String,
    pub wanted: String,
    pub found: String,
    /// The edits of the last frame.
    pub edits: Box<Edits>,
}

impl Case {
    /// The source in its pieces; the last one is not followed by a frame if it stands behind the last cut.
    pub(crate) fn pieces(&self) -> Vec<&str> {
        let mut from = 0;
        let ends = self.cuts.iter().copied().chain([self.source.len()]);
        ends.map(|end| &self.source[std::mem::replace(&mut from, end)..end]).collect()
    }

    /// The options that are not a stream's defaults, as `name=value` between spaces.
    pub(crate) fn options_in_words(&self) -> String {
        let (all, default) = (format!("{:?}", self.options), format!("{:?}", Options::default()));
        let fields = |debug: &str| -> Vec<String> {
            let inner = debug.trim_start_matches("Options { ").trim_end_matches(" }").to_owned();
            inner.split(", ").map(|field| field.replace(": ", "=").replace('"', "")).collect()
        };
        let told =
            fields(&all).into_iter().zip(fields(&default)).filter(|(one, other)| one != other && one != "dense=true");
        let told: Vec<String> = told.map(|(one, _)| one).collect();
        // Words are written in snake case where they are read, and these are all single ones.
        told.iter()
            .map(|field| {
                let (name, value) = field.split_once('=').expect("a field has a value");
                let is_word = OPTIONS.iter().any(|row| row.name == name && row.expected().contains(" or "));
                format!("{name}={}", if is_word { value.to_lowercase() } else { value.to_owned() })
            })
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} after {} bytes", self.what, self.at)?;
        writeln!(f, "  wanted: {:?}", self.wanted)?;
        writeln!(f, "   found: {:?}", self.found)?;
        for edit in self.edits.coarse.iter().flatten() {
            writeln!(f, "    edit: {edit:?}")?;
        }
        for edit in self.edits.fine.iter().flatten() {
            writeln!(f, "    fine: {edit:?}")?;
        }
        Ok(())
    }
}

/// Follows a case with the quick page and, if it is to be followed `in_full`, with a browser's.
///
/// # Errors
/// The first fault; a panic is one.
pub(crate) fn check(case: &Case, in_full: bool) -> Result<Tally, Fault> {
    PANICKED.take();
    catch_unwind(AssertUnwindSafe(|| Follower::new(case, in_full).run())).unwrap_or_else(|payload| {
        let said = payload.downcast_ref::<String>().cloned();
        let said = said.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let noted = Some(PANICKED.take()).filter(|noted| !noted.is_empty());
        let what = format!("a panic: {}", noted.or(said).unwrap_or_default());
        Err(Fault { at: case.source.len(), what, wanted: String::new(), found: String::new(), edits: Box::default() })
    })
}

struct Follower<'c> {
    case: &'c Case,
    growing: Growing,
    edits: Edits,
    page: Light,
    /// Another page, which follows the finer edits.
    fine: Light,
    browser: Option<Browser>,
    /// What the page was at the frame before.
    before: String,
    spelled: String,
    tally: Tally,
}

impl<'c> Follower<'c> {
    fn new(case: &'c Case, in_full: bool) -> Self {
        Self {
            case,
            growing: Growing::new(case.options.clone(), Arc::new(case.policy.clone())),
            edits: Edits::of(true, true),
            page: Light::load(),
            fine: Light::load(),
            browser: in_full.then(Browser::load),
            before: "?".to_owned(),
            spelled: String::new(),
            tally: Tally { documents: 1, bytes: case.source.len() as u64, ..Tally::default() },
        }
    }

    fn run(mut self) -> Result<Tally, Fault> {
        let case = self.case;
        let mut at = 0;
        for piece in case.pieces() {
            // Some pieces come in two.
            let mut half = if at % 3 == 0 { piece.len() / 2 } else { 0 };
            while !piece.is_char_boundary(half) {
                half += 1;
            }
            self.growing.push(&piece[..half]);
            self.growing.push(&piece[half..]);
            at += piece.len();
            if case.cuts.last().is_some_and(|last| at <= *last) {
                self.growing.frame_into(&mut self.edits);
                let text = case.source[..at].strip_suffix('\r').unwrap_or(&case.source[..at]);
                self.compare(at, text, true)?;
            }
        }
        self.growing.finish_into(&mut self.edits);
        self.compare(at, &case.source, false)?;
        self.growing.frame_into(&mut self.edits);
        self.growing.finish_into(&mut self.edits);
        if !self.edits.is_empty() {
            return Err(self.fault(at, "edits after the end", ""));
        }
        Ok(self.tally)
    }

    fn compare(&mut self, at: usize, text: &str, provisional: bool) -> Result<(), Fault> {
        let options = Options { provisional, dense: true, ..self.case.options.clone() };
        let wanted = render(text, &options, &self.case.policy);
        self.tally.frames += 1;
        if let Err(why) = self.follow() {
            return Err(self.fault(at, &format!("an edit that cannot be made: {why}"), &wanted));
        }
        for (page, of) in [(&self.page, ""), (&self.fine, " by finer edits")] {
            self.spelled.clear();
            page.write(&mut self.spelled);
            if self.spelled != wanted && unquoted(&self.spelled) != unquoted(&wanted) {
                let what = if provisional { "the view" } else { "the finished render" };
                return Err(self.fault(at, &format!("the page{of} is not {what}"), &wanted));
            }
        }
        if wanted == self.before && !self.edits.is_empty() {
            return Err(self.fault(at, "edits that change nothing", &wanted));
        }
        if (!provisional || at.is_multiple_of(4)) && self.growing.html() != wanted {
            self.growing.html().clone_into(&mut self.spelled);
            return Err(self.fault(at, "`html()` is not what the page holds", &wanted));
        }
        if let Some(browser) = &mut self.browser {
            self.tally.in_full += 1;
            let edits = self.edits.coarse.as_deref().unwrap_or_default();
            if let Err((wanted, found)) = browser.compare(edits, text, &options, &self.case.policy) {
                self.spelled = found;
                return Err(self.fault(at, "a browser's page is not the twin's", &wanted));
            }
        }
        self.before = wanted;
        self.edits = Edits::of(true, true);
        Ok(())
    }

    /// Makes the edits on both quick pages.
    fn follow(&mut self) -> Result<(), String> {
        for edit in self.edits.coarse.iter().flatten() {
            self.page.apply(edit)?;
            self.tally.edits += 1;
        }
        for edit in self.edits.fine.iter().flatten() {
            self.fine.apply_fine(edit)?;
            self.tally.edits += 1;
        }
        Ok(())
    }

    /// What is wrong, and with what.
    fn fault(&self, at: usize, what: &str, wanted: &str) -> Fault {
        let (wanted, found) = (wanted.to_owned(), self.spelled.clone());
        Fault { at, what: what.to_owned(), wanted, found, edits: Box::new(self.edits.clone()) }
    }
}

/// HTML with quotes as they are: in text some are spelled as in attributes, and an edit that is text can't tell.
fn unquoted(html: &str) -> String {
    html.replace("&quot;", "\"").replace("&#39;", "'").replace("&#x27;", "'")
}
