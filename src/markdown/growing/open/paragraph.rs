//! The window on a paragraph that is open and long: its beginning is left out.
//!
//! **Invariant:** what is shown is the view of the whole text (`a_cut_paragraph_shows_what_the_whole_shows`).

use super::{Open, Shown};
use crate::markdown::growing::cut;
use crate::markdown::growing::window::{Window, line_of};
use crate::markdown::options::Tail;
use crate::markdown::writer::{Headings, Out};
use crate::markdown::{Options, Policy, render_finished, view};

/// A window of fewer bytes of text is not cut: it would cost as much as it saves. Tests cut wherever it can be done.
const CUT_BYTES_MIN: usize = if cfg!(any(test, feature = "eager")) { 2 } else { 96 };

/// So much of the text may stand between where the window begins and the text of the paragraph.
const BETWEEN_BYTES_MAX: usize = 512;

impl Open {
    /// The window that begins within the text of the open paragraph, if it shows the same as this one, and where it
    /// begins in what this one parses. O(window), at lengths that grow by a fourth if nothing comes of it.
    pub(super) fn cut_text(
        &mut self,
        look: &Shown,
        text: &str,
        options: &Options,
        policy: &Policy,
        shown: &str,
    ) -> Option<(Window, usize)> {
        let bytes = text.len() - self.window.from;
        if bytes < CUT_BYTES_MIN || text.len() < self.cut_at {
            return None;
        }
        self.cut_at = text.len() + CUT_BYTES_MIN.max(bytes / 4);
        let found = self.cut_window(look, text, options, policy, shown);
        if found.is_some() {
            self.cut_at = text.len() + CUT_BYTES_MIN;
        }
        found
    }

    fn cut_window(
        &self,
        look: &Shown,
        text: &str,
        options: &Options,
        policy: &Policy,
        shown: &str,
    ) -> Option<(Window, usize)> {
        let old = &self.window;
        let mut source = old.source(&look.context, text);
        if options.tail == Tail::Escape {
            source.truncate(line_of(&source, source.len()));
        }
        let begins = look.context.len() + old.prefix.len();
        let cut = cut::find(&source, old.stand_in > 0, options)?;
        let same_text = match old.stand_in {
            // What stands before it is parsed on. It is to be little, and to define nothing.
            0 => {
                let between = source.get(begins..cut.text)?;
                between.len() <= BETWEEN_BYTES_MAX && !between.contains("]:")
            }
            stand_in => cut.text == begins - stand_in,
        };
        if !same_text || cut.at <= begins {
            return None;
        }
        let prefix = [&source[look.context.len()..cut.text], cut.stand_in].concat();
        let guard = guard(&[&look.context, prefix.as_str()].concat(), options, policy);
        let old_guard = &old.guard[..old.guard.len() - old.stand_in];
        if !guard.starts_with(old_guard) {
            return None;
        }
        let from = old.in_text(&look.context, cut.at)?;
        let mut window = Window { prefix, stand_in: cut.stand_in.len(), from, ..old.clone() };
        let headings = self.headings.before(look.headings_before(from), look.context.len() + window.prefix.len());
        let mut out = Out { headings, ..Out::default() };
        view(&window.source(&look.context, text), window.before(&look.context), None, options, policy, &mut out);
        let same = out.html.strip_prefix(&guard)?;
        // The space is shown, and what follows it: a word, or text whose bracket may be hidden.
        let behind = if source.as_bytes()[cut.at + 1] == b'[' { 1 } else { 2 };
        if !same.starts_with(&source[cut.at..cut.at + behind]) {
            return None;
        }
        let hidden = look.html.strip_suffix(same)?.len().checked_sub(old.guard.len())?;
        window.visible = old.visible + hidden;
        window.guard = guard;
        window.spine.hide(shown, old.visible..window.visible)?;
        window.spine.chunks(same)?;
        Some((window, cut.at))
    }
}

/// What the text before a window gives, up to the end of the text that ends it.
fn guard(before: &str, options: &Options, policy: &Policy) -> String {
    let headings = Headings { from: before.len(), ..Headings::default() };
    let mut out = Out { headings, ..Out::default() };
    render_finished(before, None, &Options { provisional: false, ..options.clone() }, policy, &mut out);
    let mut html = out.html;
    while html.ends_with('>')
        && let Some(start) = html.rfind('<').filter(|&at| html[at..].starts_with("</"))
    {
        html.truncate(start);
    }
    html
}

#[cfg(test)]
mod tests;
