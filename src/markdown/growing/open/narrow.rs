//! A narrower window: where one could begin, whether it shows the same, and what is remembered of what it leaves out.
//!
//! **Invariant:** what is shown is the view of the whole text (`parts_show_what_the_whole_shows`).

use std::borrow::Cow;

use super::{Anchor, NARROW_BYTES_MIN, Open, Shown, closers};
use crate::markdown::growing::restart::{self, Restart, Restarts};
use crate::markdown::growing::window::{Window, line_of};
use crate::markdown::parser::Definition;
use crate::markdown::writer::Out;
use crate::markdown::{Options, Policy, references, view};

impl Open {
    /// Places where a narrower window could begin, if lines were completed since they were last looked for.
    pub(super) fn restarts(&mut self, text: &str, source: &str, context: &str, options: &Options) -> Restarts {
        let complete = line_of(text, text.len());
        if !options.provisional || complete <= self.looked.max(self.window.from + NARROW_BYTES_MIN) {
            return Restarts::default();
        }
        self.looked = complete;
        let lines = &source[..source.len() - (text.len() - complete)];
        restart::find(lines, context.len() + self.window.prefix.len(), options)
    }

    /// The window that begins at `restart`, if it shows the same as this one.
    pub(super) fn narrowed(
        &self,
        restart: &Restart,
        look: &Shown,
        text: &str,
        options: &Options,
        policy: &Policy,
        shown: &str,
    ) -> Option<Window> {
        let at = look.html_at(restart.mark)?;
        let from = self.window.in_text(&look.context, restart.from)?;
        let (hidden, visible) = look.html.split_at(at);
        if !restart.within_text && !hidden.is_empty() && !hidden.ends_with('>') {
            return None;
        }
        let mut window = Window { prefix: restart.prefix.clone(), stand_in: 0, from, ..self.window.clone() };
        // What the text between defines, the narrower window must be told.
        let defined = self.late.partition_point(|definition| definition.span.start < restart.from);
        let context = match &self.late[..defined] {
            [] => Cow::Borrowed(&look.context),
            late => Cow::Owned(self.known.context([&window.prefix, &text[from..]], late)),
        };
        let source = window.source(&context, text);
        let mark = context.len() + restart.prefix.len() + restart.mark - restart.from;
        let headings = self.headings.before(look.headings_before(from), context.len() + restart.prefix.len());
        let mut out = Out { marks: vec![restart.mark_at(mark)], headings, ..Out::default() };
        view(&source, window.before(&context), None, options, policy, &mut out);
        let (guard, same) = out.html.split_at(out.marks[0].html?);
        if same != visible || !restart::is_loose(guard, &restart.loose) {
            return None;
        }
        let end = self.window.visible + at.checked_sub(self.window.guard.len())?;
        window.spine.hide(shown, window.visible..end)?;
        window.visible = end;
        window.guard = guard.to_owned();
        Some(window)
    }

    /// The place before the top-level block that begins at `top`.
    pub(super) fn anchor_at(&self, top: &Restart, look: &Shown, text: &str, shown: &str) -> Option<Anchor> {
        let start = self.window.in_text(&look.context, top.from)?;
        let html = self.window.visible + look.html_at(top.mark)?.checked_sub(self.window.guard.len())?;
        let mut spine = self.window.spine.clone();
        spine.hide(shown, self.window.visible..html)?;
        let closers = self.closers + closers(&text[self.window.from..start]);
        (spine.depth() == 0).then(|| Anchor { start, html, elements: spine.elements(), closers })
    }

    /// Takes a narrower window, which begins at `at` of what the wider one parses.
    pub(super) fn narrow(&mut self, window: Window, at: usize, anchor: Option<Anchor>, look: &Shown, text: &str) {
        self.headings.add(look.headings_before(window.from));
        let (done, late) =
            std::mem::take(&mut self.late).into_iter().partition(|definition| definition.span.start < at);
        self.late = late;
        let done: Vec<Definition> = done;
        self.known.add(done);
        let mut from = self.window.from;
        self.dearest_max =
            self.dearest_max.min(references::dearest_max(self.closers + closers(&text[from..window.from]), from));
        self.closers += closers(&text[from..window.from]);
        if let Some(anchor) = anchor {
            let mut wanted = std::mem::take(&mut self.hidden_wanted);
            self.known.wanted(&text[from..anchor.start], &mut wanted);
            let elements = anchor.elements - self.anchor.elements;
            self.parts.push(anchor.start, elements, anchor.html - self.anchor.html, &wanted);
            from = anchor.start;
            self.anchor = anchor;
        }
        self.known.wanted(&text[from..window.from], &mut self.hidden_wanted);
        self.window = window;
    }
}
