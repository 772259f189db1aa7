//! The scan of an open leaf's text, left to right: how much of it is shown, and what is hidden in it.

use pulldown_cmark::{Event, Tag};
use rillmark::markdown::options::Options;

use super::leaf::Text;
use super::syntax;
use super::write::Placed;

/// What is open to the end and has to be closed with more than delimiter runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Closer {
    None,
    /// A code span whose opener, this long, stands at this index.
    Code {
        opener: usize,
        length: usize,
    },
    /// Math whose opener stands at this index.
    Math {
        opener: usize,
        display: bool,
    },
}

/// The outcome of a scan.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    /// How many characters are shown.
    pub cut: usize,
    /// Characters that are not shown, by their place in the source.
    pub hidden: Vec<usize>,
    /// What is to be closed.
    pub closer: Closer,
    /// From this index on, within an unclosed tag, markers mean nothing.
    pub dead: usize,
}

impl Scan {
    /// Cuts at `end` if that is before the cut; an opener with nothing left behind it closes nothing.
    pub(crate) fn end_at(&mut self, end: usize) {
        self.cut = self.cut.min(end);
        let content = match self.closer {
            Closer::Code { opener, length } => opener + length,
            Closer::Math { opener, display } => opener + 1 + usize::from(display),
            Closer::None => 0,
        };
        if self.cut <= content {
            self.closer = Closer::None;
        }
    }
}

/// A `[` or `![` that has not been closed.
struct Opener {
    /// Of its `[`.
    index: usize,
    image: bool,
    active: bool,
}

struct Scanner<'a> {
    text: &'a Text,
    chars: &'a [char],
    events: &'a [Placed],
    options: &'a Options,
    /// Characters that are not markers, whatever they look like.
    protected: Vec<bool>,
    openers: Vec<Opener>,
    scan: Scan,
}

/// Scans `text`; `events` are those of the source with the probe.
pub(crate) fn scan(text: &Text, events: &[Placed], options: &Options) -> Scan {
    let length = text.chars.len();
    let scan = Scan { cut: length, hidden: Vec::new(), closer: Closer::None, dead: length };
    let protected = vec![false; length];
    let mut scanner = Scanner { text, chars: &text.chars, events, options, protected, openers: Vec::new(), scan };
    let mut at = 0;
    while at < scanner.scan.cut {
        at = scanner.step(at);
    }
    scanner.finish()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl Scanner<'_> {
    /// Reads what begins at `at`; where the next thing begins.
    fn step(&mut self, at: usize) -> usize {
        match self.chars[at] {
            '\\' => self.backslash(at),
            '`' => self.backticks(at),
            '$' if self.options.math => self.dollar(at),
            '<' => self.angle(at),
            '&' => self.entity(at),
            '[' => self.bracket(at),
            ']' => self.close(at),
            _ => at + 1,
        }
    }

    fn hold(&mut self, at: usize) -> usize {
        self.scan.cut = at;
        at
    }

    fn protect(&mut self, from: usize, to: usize) -> usize {
        self.protected[from..to].fill(true);
        to
    }

    fn before(&self, at: usize) -> Option<char> {
        at.checked_sub(1).map(|before| self.chars[before])
    }

    fn after_word(&self, at: usize) -> bool {
        self.before(at).is_some_and(is_word)
    }

    /// The end of what the parser saw begin at `at`, where `wanted` holds.
    fn parsed(&self, at: usize, wanted: impl Fn(&Event<'_>) -> bool) -> Option<usize> {
        let place = self.text.place(at);
        let (_, range) = self.events.iter().find(|(event, range)| range.start == place && wanted(event))?;
        Some(self.text.index(range.end))
    }

    fn backslash(&mut self, at: usize) -> usize {
        match self.chars.get(at + 1) {
            None => self.hold(at),
            Some('\n') if at + 2 == self.chars.len() => self.hold(at),
            Some(c) if c.is_ascii_punctuation() => self.protect(at, at + 2),
            Some(_) => at + 1,
        }
    }

    fn run(&self, at: usize) -> usize {
        self.chars[at..].iter().take_while(|c| **c == self.chars[at]).count()
    }

    fn backticks(&mut self, at: usize) -> usize {
        let length = self.run(at);
        let mut closing = at + length;
        while closing < self.chars.len() {
            let run = if self.chars[closing] == '`' { self.run(closing) } else { 0 };
            if run == length {
                return self.protect(at, closing + run);
            }
            closing += run.max(1);
        }
        let mut end = self.chars.len();
        while end > at + length && self.chars[end - 1] == '`' {
            end -= 1;
        }
        if self.blank(at + length, end) {
            return self.hold(at);
        }
        self.scan.closer = Closer::Code { opener: at, length };
        self.scan.cut = end;
        self.protect(at, end)
    }

    fn blank(&self, from: usize, to: usize) -> bool {
        self.chars[from..to].iter().all(|c| c.is_whitespace())
    }

    fn dollar(&mut self, at: usize) -> usize {
        let is_math = |event: &Event<'_>| matches!(event, Event::InlineMath(_) | Event::DisplayMath(_));
        if let Some(end) = self.parsed(at, is_math) {
            return self.protect(at, end);
        }
        let display = self.chars.get(at + 1) == Some(&'$');
        let content = at + 1 + usize::from(display);
        let mut end = self.chars.len();
        while end > content && self.chars[end - 1] == '$' {
            end -= 1;
        }
        if self.cannot_close(content, if display { end } else { self.chars.len() }) || !display && !self.opens_math(at)
        {
            return at + 1;
        }
        if self.blank(content, end) {
            return self.hold(at);
        }
        self.scan.closer = Closer::Math { opener: at, display };
        self.scan.cut = end;
        self.protect(at, end)
    }

    /// Whether a `$` in the same braces could have closed this math, and by the parser's word did not; or whether its
    /// braces have been left, so that none can.
    fn cannot_close(&self, content: usize, end: usize) -> bool {
        let mut depth = 0;
        let mut at = content;
        while at < end {
            match self.chars[at] {
                '\\' => at += 1,
                '{' => depth += 1,
                '}' if depth == 0 => return true,
                '}' => depth -= 1,
                '$' if depth == 0 => return true,
                _ => {}
            }
            at += 1;
        }
        false
    }

    fn opens_math(&self, at: usize) -> bool {
        let Some(next) = self.chars.get(at + 1) else { return false };
        let name = self.chars[at + 1..].iter().take_while(|c| c.is_ascii_uppercase() || **c == '_').count() >= 2;
        !next.is_whitespace() && !next.is_ascii_digit() && !name && !self.after_word(at)
    }

    fn angle(&mut self, at: usize) -> usize {
        let whole = |event: &Event<'_>| matches!(event, Event::InlineHtml(_) | Event::Start(Tag::Link { .. }));
        if let Some(end) = self.parsed(at, whole) {
            return self.protect(at, end);
        }
        let rest = self.text.string(at + 1..self.chars.len());
        if syntax::autolink_prefix(&rest) && (!self.after_word(at) || rest.contains([':', '@'])) {
            return self.hold(at);
        }
        if syntax::tag_prefix(&rest) {
            self.scan.dead = at;
            return self.protect(at, self.chars.len());
        }
        at + 1
    }

    fn entity(&mut self, at: usize) -> usize {
        let name = &self.chars[at + 1..];
        let may_go_on = name.len() <= 31 && name.iter().all(|c| *c == '#' || *c == '_' || c.is_ascii_alphanumeric());
        if may_go_on && !self.after_word(at) { self.hold(at) } else { at + 1 }
    }

    fn bracket(&mut self, at: usize) -> usize {
        let image = at > 0 && self.chars[at - 1] == '!' && !self.protected[at - 1];
        let rest = &self.chars[at + 1..];
        let footnote = self.options.footnotes && rest.first() == Some(&'^');
        if footnote && !rest.contains(&'\n') && syntax::label_prefix(&rest[1..].iter().collect::<String>()) {
            return self.hold(at - usize::from(image));
        }
        self.openers.push(Opener { index: at, image, active: true });
        at + 1
    }

    /// Directly after a word or a closing bracket, a bracket is rather an index.
    fn is_index(&self, opener: &Opener) -> bool {
        let before = self.before(opener.index);
        before.is_some_and(|c| c.is_ascii_alphanumeric() || "})]".contains(c))
    }

    fn close(&mut self, at: usize) -> usize {
        let Some(opener) = self.openers.pop() else { return at + 1 };
        if !opener.active {
            return at + 1;
        }
        let index = self.is_index(&opener);
        let rest = self.text.string(at + 1..self.chars.len());
        let link = |event: &Event<'_>| {
            matches!(event, Event::Start(Tag::Link { .. } | Tag::Image { .. }) | Event::FootnoteReference(_))
        };
        let start = opener.index - usize::from(opener.image);
        let parsed = self.parsed(start, link).or_else(|| self.parsed(opener.index, link)).filter(|end| *end > at);
        let footnote = self.chars[opener.index + 1] == '^' && parsed == Some(at + 1) && self.options.footnotes;
        let pending = match rest.chars().next() {
            _ if footnote => false,
            None => !index && !self.blank(opener.index + 1, at),
            Some('(') => parsed.is_none_or(|end| end == at + 1) && syntax::link_tail_prefix(&rest[1..]),
            Some('[') => !index && syntax::label_prefix(&rest[1..]),
            _ => false,
        };
        if pending {
            if !opener.image {
                self.scan.hidden.push(self.text.place(opener.index));
            }
            return self.hold(if opener.image { start } else { at });
        }
        let Some(end) = parsed else { return at + 1 };
        for outer in self.openers.iter_mut().filter(|outer| footnote || !opener.image && !outer.image) {
            outer.active = false;
        }
        self.protect(at, end)
    }

    fn finish(mut self) -> Scan {
        let open: Vec<Opener> = std::mem::take(&mut self.openers).into_iter().filter(|opener| opener.active).collect();
        for opener in open {
            if opener.image {
                self.scan.cut = self.scan.cut.min(opener.index - 1);
            } else if !self.is_index(&opener) {
                self.scan.hidden.push(self.text.place(opener.index));
            }
        }
        loop {
            while self.scan.cut > 0 && self.is_loose_marker(self.scan.cut - 1) {
                self.scan.cut -= 1;
            }
            let Some(backslash) = self.final_hard_break() else { break };
            self.scan.cut = backslash;
        }
        let cut = self.scan.cut;
        self.scan.end_at(cut);
        self.scan
    }

    /// The backslash that breaks the last line, where nothing is shown behind the break.
    fn final_hard_break(&self) -> Option<usize> {
        let blanks = self.chars[..self.scan.cut].iter().rev().take_while(|c| matches!(c, ' ' | '\t')).count();
        let feed = (self.scan.cut - blanks).checked_sub(1).filter(|at| self.chars[*at] == '\n')?;
        feed.checked_sub(1).filter(|at| self.chars[*at] == '\\' && !self.protected[*at])
    }

    fn is_loose_marker(&self, at: usize) -> bool {
        let marker = match self.chars[at] {
            '~' => self.options.strikethrough,
            '$' => self.options.math,
            c => "*_![<`".contains(c),
        };
        marker && !self.protected[at]
    }
}
