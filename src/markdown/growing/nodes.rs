//! The children of an element, read out of the HTML that our own writer made.
//!
//! That HTML holds `<` only where a tag begins and `>` only where one ends, every element but the void ones is closed,
//! and there are no comments: so one look at each tag is enough.
//!
//! **Invariant:** children laid end to end are the HTML (`children_are_the_html`).

/// A child: text between tags, or an element with all that is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node<'h> {
    /// All of it.
    pub html: &'h str,
    /// Where an element's start tag ends; 0 for text.
    pub open: usize,
    /// Where an element's end tag begins.
    pub close: usize,
}

impl<'h> Node<'h> {
    pub(super) fn is_element(&self) -> bool {
        self.open > 0
    }

    /// Whether both are elements with the same start tag.
    pub(super) fn same_tag(&self, other: &Node<'_>) -> bool {
        self.is_element() && self.close > 0 && self.html[..self.open] == other.html[..other.open]
    }

    /// What is in it.
    pub(super) fn inner(&self) -> &'h str {
        let inner = &self.html[self.open..self.close];
        // The line feed that a browser drops at the start of a parsed `<pre>` is none of its content.
        if self.html.starts_with("<pre") { inner.strip_prefix('\n').unwrap_or(inner) } else { inner }
    }
}

/// The children that `html` holds, in order.
pub(super) fn children(html: &str) -> Vec<Node<'_>> {
    let mut nodes = Vec::new();
    let mut rest = html;
    while !rest.is_empty() {
        let node = if rest.starts_with('<') { element(rest) } else { text(rest) };
        nodes.push(node);
        rest = &rest[node.html.len()..];
    }
    nodes
}

fn text(html: &str) -> Node<'_> {
    let end = memchr::memchr(b'<', html.as_bytes()).unwrap_or(html.len());
    Node { html: &html[..end], open: 0, close: 0 }
}

/// The element that `html` begins with.
fn element(html: &str) -> Node<'_> {
    let open = tag_end(html, 0);
    if is_void(&html[..open]) {
        return Node { html: &html[..open], open, close: 0 };
    }
    let (mut depth, mut close) = (1, html.len());
    for start in memchr::memchr_iter(b'<', &html.as_bytes()[open..]) {
        let at = open + start;
        if html.as_bytes().get(at + 1) == Some(&b'/') {
            depth -= 1;
        } else if !is_void(&html[at..tag_end(html, at)]) {
            depth += 1;
        }
        if depth == 0 {
            close = at;
            break;
        }
    }
    Node { html: &html[..tag_end(html, close)], open, close }
}

/// Where the tag that starts at `at` ends.
pub(super) fn tag_end(html: &str, at: usize) -> usize {
    memchr::memchr(b'>', &html.as_bytes()[at..]).map_or(html.len(), |end| at + end + 1)
}

/// Whether a start tag is of an element without content: only those are spelled with a solidus at their end.
pub(super) fn is_void(tag: &str) -> bool {
    tag.ends_with("/>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markdown::{Options, Policy, render};

    #[test]
    fn children_are_the_html() {
        let source = "# a <b>\n\n- x\n- y ![i](/u \"/>\")\n\n---\n\n[l](/u/ '<')  \nz\n\n| a |\n|---|\n| b |\n\n    code\n\n- [ ] t\n";
        let options = Options { provisional: false, dense: true, task_lists: true, ..Options::default() };
        let html = render(source, &options, &Policy::default());
        let all = children(&html);
        assert_eq!(all.iter().map(|node| node.html).collect::<String>(), html);
        assert_eq!(all.len(), 7, "{html}");
        assert!(all.iter().all(Node::is_element));
        let paragraph = children(all[3].inner());
        assert_eq!(paragraph.iter().map(|node| node.html).collect::<String>(), all[3].inner());
        assert_eq!(paragraph.len(), 3, "a link, a break, text");
    }

    #[test]
    fn a_line_feed_that_the_parser_drops_is_not_content() {
        let all = children("<pre class=\"djust-md-rest\">\n\n&gt;</pre>text");
        assert_eq!(all[0].inner(), "\n&gt;");
        assert_eq!((all[1].html, all[1].is_element()), ("text", false));
    }
}
