//! `tail: "escape"`: all complete lines are rendered, the unfinished one stands escaped in a paragraph of its own.
//!
//! Inside an open code fence a line is literal already, so there it stays in the code block.
//!
//! **Invariant:** no byte of the unfinished line is parsed unless it stands in a fence that an earlier line opened
//! (`an_unfinished_line_is_literal`).

use super::{End, FenceEnd, is_blank, last_line};
use crate::markdown::parser::Document;
use crate::markdown::writer::{self, Out};
use crate::markdown::{Options, Policy, render_finished};
use pulldown_cmark::{CodeBlockKind, Event, Tag};
use std::ops::Range;

/// The class of the paragraph that an unfinished line stands in.
pub(in crate::markdown) const PROVISIONAL: &str = "djust-md-provisional";
/// So many end tags are looked at behind a leaf; of more, some may not be written, since they stand too deep.
const CLOSERS_TOLD: usize = writer::DEPTH_MAX - 2;

/// Appends the view of a normalised source whose last line is shown as it stands. `trip` is where a bound trips in it.
///
/// O(source). The source is parsed twice only if it may end in a fence.
pub(in crate::markdown) fn escape(
    source: &str,
    trip: Option<usize>,
    options: &Options,
    policy: &Policy,
    out: &mut Out,
) {
    let line = last_line(source);
    if trip.is_some_and(|at| at < line) {
        return render_finished(source, trip, options, policy, out);
    }
    let unfinished = &source[line..];
    if is_blank(unfinished) {
        render_finished(&source[..line], None, options, policy, out);
        let outside = !may_hold_a_fence(&source[..line]) || !may_end_in_code(&out.html);
        out.end = if outside { End::LineStart } else { End::Unknown };
        return;
    }
    if trip.is_none()
        && let Some((fence, code)) = open_fence(source, line, options)
    {
        out.end = FenceEnd::new(source, fence, line, code).map_or(End::Unknown, End::Fence);
        return render_finished(source, None, options, policy, out);
    }
    render_finished(&source[..line], None, options, policy, out);
    writer::paragraph(PROVISIONAL, unfinished, out);
    // More markers of quotes may lead into a fence that is open in them; nothing else does.
    let decided = unfinished.bytes().any(|byte| !matches!(byte, b' ' | b'\t' | b'>'));
    out.end = if decided { End::Line } else { End::Unknown };
}

fn may_hold_a_fence(source: &str) -> bool {
    let bytes = source.as_bytes();
    memchr::memmem::find(bytes, b"```").is_some() || memchr::memmem::find(bytes, b"~~~").is_some()
}

/// Whether what is rendered may end in a code block: that its last tags say, unless they are too deep to be written.
fn may_end_in_code(html: &str) -> bool {
    let mut rest = html;
    for _ in 0..CLOSERS_TOLD {
        let tag = rest.rfind("</").map(|at| &rest[at..]);
        let Some(tag) = tag.filter(|tag| tag.find('>') == Some(tag.len() - 1)) else { return false };
        if tag == "</pre>" {
            return true;
        }
        rest = &rest[..rest.len() - tag.len()];
    }
    true
}

/// The fenced block that an earlier line opened and that the last line, which starts at `line`, belongs to: where the
/// block starts, and where the last line's code does.
fn open_fence(source: &str, line: usize, options: &Options) -> Option<(usize, usize)> {
    if !may_hold_a_fence(&source[..line]) {
        return None;
    }
    // Of a line on which no code stands, it is not known where it would.
    let (mut fence, mut code): (Option<Range<usize>>, usize) = (None, usize::MAX);
    for (event, range) in Document::new(source, options).events() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => fence = Some(range),
            // Containers say nothing; whatever else begins after the fence ends it as the last leaf.
            Event::Start(Tag::List(_) | Tag::Item | Tag::BlockQuote(_)) | Event::End(_) => {}
            _ if fence.as_ref().is_some_and(|fence| range.start >= fence.end) => fence = None,
            Event::Text(_) if range.end > line => code = code.min(range.start),
            _ => {}
        }
    }
    let fence = fence.filter(|fence| fence.start < line && line < fence.end)?;
    Some((fence.start, code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> String {
        let mut out = Out::default();
        escape(source, None, &Options::default(), &Policy::default(), &mut out);
        out.html
    }

    #[test]
    fn an_unfinished_line_is_literal() {
        let cases = [
            ("", ""),
            ("a", "<p class=\"djust-md-provisional\">a</p>"),
            ("Hello **wor", "<p class=\"djust-md-provisional\">Hello **wor</p>"),
            ("Hello **word**\n", "<p>Hello <strong>word</strong></p>\n"),
            ("a\n  \t", "<p>a</p>\n"),
            ("# <b\n<i", "<h1>&lt;b</h1>\n<p class=\"djust-md-provisional\">&lt;i</p>"),
            ("- a\n- b", "<ul>\n<li>a</li>\n</ul>\n<p class=\"djust-md-provisional\">- b</p>"),
        ];
        for (source, expected) in cases {
            assert_eq!(shown(source), expected, "{source:?}");
        }
    }

    #[test]
    fn a_line_in_an_open_fence_is_code() {
        let code = "<pre><code>a\nb</code></pre>\n";
        let paragraph = "<p class=\"djust-md-provisional\">";
        let cases = [
            ("```\na\nb", true),
            ("~~~\na\nb", true),
            ("```\na\n```\nb", false),
            ("```\na\n```\n[b]: c", false),
            ("- ```\n  a\nb", false),
            ("- ```\n  a\n[b]: c", false),
            ("> ```\n> a\nb", false),
            ("> ```\n> a\n[b]: c", false),
            ("<div>\n```\nb", false),
            ("    ```\nb", false),
            ("a ``` b\nb", false),
        ];
        for (source, inside) in cases {
            assert_eq!(shown(source).contains(paragraph), !inside, "{source:?}");
        }
        assert_eq!(shown("```\na\nb"), code);
        assert_eq!(shown("```\na\n``"), "<pre><code>a\n``</code></pre>\n");
        assert_eq!(shown("```\na\n```"), "<pre><code>a\n</code></pre>\n");
        assert_eq!(shown("- ```\n  a\n  b"), "<ul>\n<li>\n<pre><code>a\nb</code></pre>\n</li>\n</ul>\n");
        assert_eq!(shown("> ```\n> b"), "<blockquote>\n<pre><code>b</code></pre>\n</blockquote>\n");
    }

    #[test]
    fn a_bound_that_tripped_in_complete_lines_shows_the_rest_as_it_is() {
        let mut out = Out::default();
        escape("a\nb\nc", Some(2), &Options::default(), &Policy::default(), &mut out);
        assert_eq!(out.html, "<p>a</p>\n<pre class=\"djust-md-rest\">b\nc</pre>");
        out.html.clear();
        escape("a\nb\nc", Some(4), &Options::default(), &Policy::default(), &mut out);
        assert_eq!(out.html, "<p>a\nb</p>\n<p class=\"djust-md-provisional\">c</p>");
    }
}
