//! The view as a whole: what a reader sees at every prefix of a reply, and the laws that hold there.

use crate::markdown::options::Tail;
use crate::markdown::parser::Document;
use crate::markdown::tail::last_line;
use crate::markdown::writer::Out;
use crate::markdown::{Options, Policy, render};
use pulldown_cmark::Event;

/// A reply with one of everything.
const REPLY: &str = r#"# Title with `code` and *emph* #

Hello **world**, this is a [link](https://example.com/a?b=c "Title") and ![img](https://x.y/z.png).
A second line with snake_case, 2*3*4, a < b && c > d, AT&T &amp; R&D; "quoted" text!
~~struck~~ and `a``b` and ``x ` y`` <https://auto.link/> <b x="*">html</b> [ref][1] [^1] wow!

1. First **item** with ***both*** and __strong__
2. Second item with `code` and *nested **deep** text*.
   - nested *bullet*
   - another

     para in item
3. [ ] task

- [ ] todo **bold**
- [x] done _it_

> Quote with **bold
> over lines** and
> - list in quote

| Name | Value |
|------|:-----:|
| a | **b** \| *c* |
| `c` | [d](https://e.f) |

Math $x^2 + y_1$ and $$\frac{a}{b}$$ costs $5 and $10.

```rust
fn main() { println!("**hi**"); }
```

Setext *heading*
======

* * *

> [!NOTE]
> An alert *here*

[1]: https://ref.example "T"
[^1]: A footnote **text**

Done\* with \[escapes\]. a[0] = b[i](x) \(x\) [broken](a b
Final ***both*** __strong__ and *nested **deep** text* https://bare.example/x, and www.a.example.
"#;

fn option_sets() -> Vec<Options> {
    let plain = Options { tail: Tail::Complete, ..Options::default() };
    let extended = Options { task_lists: true, footnotes: true, alerts: true, math: true, ..plain.clone() };
    let linked = Options { autolinks: true, heading_ids: true, dense: true, ..extended.clone() };
    let bare = Options { tables: false, strikethrough: false, ..plain.clone() };
    vec![plain, extended, linked, bare]
}

fn finished(source: &str, options: &Options) -> String {
    render(source, &Options { provisional: false, ..options.clone() }, &Policy::default())
}

fn prefixes() -> impl Iterator<Item = &'static str> {
    (0..=REPLY.len()).filter(|&end| REPLY.is_char_boundary(end)).map(|end| &REPLY[..end])
}

/// What a reader sees of HTML.
fn visible(html: &str) -> String {
    let mut text = String::new();
    for piece in html.split_inclusive('>') {
        text.push_str(piece.split('<').next().unwrap());
    }
    for (spelled, c) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")] {
        text = text.replace(spelled, c);
    }
    text
}

/// The values of `href` and `src`, none of which is typed as text in [`REPLY`].
fn urls(html: &str) -> Vec<&str> {
    let values = |name| html.split(name).skip(1).map(|rest| rest.split('"').next().unwrap());
    values(" href=\"").chain(values(" src=\"")).collect()
}

#[test]
fn the_end_is_shown_as_its_writer_means_it() {
    let cases = [
        ("", ""),
        ("Hello **wor", "<p>Hello <strong>wor</strong></p>"),
        ("**bold\n", "<p><strong>bold </strong></p>"),
        ("***a **b", "<p><em><strong>a <strong>b</strong></strong></em></p>"),
        ("*a **b _c ~~d", "<p><em>a <strong>b <em>c <del>d</del></em></strong></em></p>"),
        ("a ~~b ~~c", "<p>a ~~b <del>c</del></p>"),
        ("**a*", "<p><strong>a</strong></p>"),
        ("a **", "<p>a </p>"),
        ("a *(", "<p>a</p>"),
        ("2*3", "<p>2*3</p>"),
        ("\\*[\n", "<p>*</p>"),
        ("- \\*a", "<ul><li>*a</li></ul>"),
        ("a `co", "<p>a <code>co</code></p>"),
        ("*a `b*", "<p><em>a <code>b*</code></em></p>"),
        ("a [te](htt", "<p>a te</p>"),
        ("*a [b **c](d", "<p><em>a b <strong>c</strong></em></p>"),
        ("a ![te](htt", "<p>a</p>"),
        ("a\n=", "<p>a</p>"),
        ("a\n=*", "<p>a</p>"),
        ("a\n- ", "<p>a</p>"),
        ("1.*", ""),
        ("# a #", "<h1>a</h1>"),
        ("# a ` #", "<h1>a `</h1>"),
        ("# *a", "<h1><em>a</em></h1>"),
        ("> *a\n> ", "<blockquote><p><em>a </em></p></blockquote>"),
        ("- *a", "<ul><li><em>a</em></li></ul>"),
        ("```\na\n``", "<pre><code>a\n</code></pre>"),
        ("```rus", ""),
        ("<div", ""),
        ("<div>\n*a", "<p>&lt;div&gt;\n*a</p>"),
        ("a\n\n[b]: /u", "<p>a</p>"),
        ("[b]: /u\n\"ti", ""),
        ("[b]: /u \"t\ni", ""),
        ("a `b\n> ![\n", "<p>a `b</p>"),
        ("[b] c\n\n[b]: /u\n", "<p><a href=\"/u\">b</a> c</p>"),
        ("#\x0c", ""),
        ("- \x0c", ""),
        ("a\n=\x0c", "<p>a</p>"),
        ("a\n- \x0c", "<p>a</p>"),
        ("[a](\x0c", "<p>a</p>"),
        ("[a]:\x0c", ""),
        ("\u{301}*'", "<p>\u{301}*'</p>"),
        ("a*\u{200b}", "<p>a<em>\u{200b}</em></p>"),
        ("*<!-->", "<p><em>&lt;!--&gt;</em></p>"),
        ("`*-\n+\n", "<p>`*-\n+</p>"),
        ("[a]:a\n'b'", ""),
    ];
    for (source, expected) in cases {
        let options = Options { tail: Tail::Complete, dense: true, ..Options::default() };
        assert_eq!(
            render(source, &options, &Policy::default()).replace(" </p>", "</p>"),
            expected.replace(" </p>", "</p>"),
            "{source:?}"
        );
    }
}

#[test]
fn a_table_is_one_from_its_first_row() {
    let cases = [
        ("|", ""),
        ("| a", "<table>a"),
        ("| a | *b", "<table>a<em>b"),
        ("| a | b |\n", "<table>ab"),
        ("| a | b |\n|--", "<table>ab"),
        ("x\n| a", "<p>x<table>a"),
        ("a | b", "<p>a | b"),
        ("a | b\n-", "<p>a | b"),
        ("|a|b|\n|-|-|\n| *c", "<table>ab<em>c"),
        ("|a|b|\n|-|-|\n| c | *", "<table>abc"),
        ("|a|b|\n|-|-|\n| *", "<table>ab"),
        ("- | a", "<ul><li><table>a"),
        ("> x\n> | a [b", "<blockquote><p>x<table>a b"),
        ("> > |\x0c", ""),
        ("| a\\\n", "<table>a"),
        ("a\n| |", "<p>a"),
        ("a\n|&", "<p>a"),
        ("|_|\n|&", "<table>_"),
        ("`\n    |~", "<p><code>     |~"),
        ("`a\n| `b` *c", "<p>`a<table><code>b <em>c"),
        ("a|a\n-|-\n\x0c-", "<table>aa-"),
    ];
    for (source, expected) in cases {
        let options = Options { tail: Tail::Complete, dense: true, ..Options::default() };
        let html = render(source, &options, &Policy::default());
        let opened: String = html
            .split_inclusive('>')
            .filter(|piece| !piece.starts_with("</"))
            .map(|piece| {
                ["<thead>", "<tbody>", "<tr>", "<th>", "<td>"]
                    .iter()
                    .fold(piece.to_owned(), |p, tag| p.replace(tag, ""))
            })
            .map(|piece| piece.split("</").next().unwrap().to_owned())
            .collect();
        assert_eq!(opened, expected, "{source:?} is {html}");
    }
}

#[test]
fn open_math_is_math() {
    let options = Options { tail: Tail::Complete, math: true, dense: true, ..Options::default() };
    let cases = [
        ("a $x", "<p>a <span class=\"math math-inline\">x</span></p>"),
        ("a $\\frac{x", "<p>a <span class=\"math math-inline\">\\frac{x</span></p>"),
        ("*a $$x$", "<p><em>a <span class=\"math math-display\">x</span></em></p>"),
        ("a $5", "<p>a $5</p>"),
        ("a $HOME", "<p>a $HOME</p>"),
        ("$$\u{a0}", ""),
        ("# $$ #", "<h1>$$</h1>"),
        ("$|\n|-_", "<p><span class=\"math math-inline\">|\n</span></p>"),
    ];
    for (source, expected) in cases {
        assert_eq!(render(source, &options, &Policy::default()), expected, "{source:?}");
    }
}

#[test]
fn a_bare_url_is_text_until_it_has_ended() {
    let options = Options { tail: Tail::Complete, autolinks: true, dense: true, ..Options::default() };
    let cases = [
        ("see www.a.b", "<p>see www.a.b</p>"),
        ("see www.a.b.", "<p>see www.a.b.</p>"),
        ("*see www.a.b", "<p><em>see www.a.b</em></p>"),
        ("www.a.b ", "<p><a href=\"http://www.a.b\">www.a.b</a></p>"),
        ("*www.a.b c", "<p><em><a href=\"http://www.a.b\">www.a.b</a> c</em></p>"),
        ("www.a.b`c", "<p>www.a.b<code>c</code></p>"),
        ("www.a.b**c d", "<p>www.a.b<strong>c d</strong></p>"),
        ("www.a.b,[c d", "<p>www.a.b,c d</p>"),
        ("_a@b.c d", "<p><em>a@b.c d</em></p>"),
        ("a [www.a.b c", "<p>a www.a.b c</p>"),
        (
            "| www.a.b\n",
            "<table><thead><tr><th><a href=\"http://www.a.b\">www.a.b</a></th></tr></thead><tbody></tbody></table>",
        ),
        ("www.a.b@c.d", "<p>www.a.b@c.d</p>"),
        ("a [b www.a.b c", "<p>a b <a href=\"http://www.a.b\">www.a.b</a> c</p>"),
    ];
    for (source, expected) in cases {
        assert_eq!(render(source, &options, &Policy::default()), expected, "{source:?}");
    }
}

#[test]
fn nothing_is_made_up() {
    for options in option_sets() {
        for source in prefixes() {
            let (view, whole) = (visible(&render(source, &options, &Policy::default())), finished(source, &options));
            let whole = visible(&whole);
            let made_up: String =
                view.chars().filter(|&c| !c.is_whitespace() && !source.contains(c) && !whole.contains(c)).collect();
            assert_eq!(made_up, "", "{source:?} shows {view:?}");
        }
    }
}

#[test]
fn the_suffix_is_never_seen() {
    for options in option_sets() {
        for source in prefixes() {
            let html = render(source, &options, &Policy::default());
            assert!(!html.contains(['\u{2042}', '\u{A66E}', '\u{F8F0}']), "{source:?} is {html}");
        }
    }
}

#[test]
fn no_url_before_its_end() {
    for options in option_sets() {
        for source in prefixes() {
            let (view, whole) = (render(source, &options, &Policy::default()), finished(REPLY, &options));
            let whole = urls(&whole);
            let half: Vec<_> = urls(&view).into_iter().filter(|url| !whole.contains(url)).collect();
            assert!(half.is_empty(), "{source:?} has {half:?}");
        }
    }
}

#[test]
fn a_finished_block_is_shown_as_it_is() {
    for options in option_sets() {
        for source in prefixes().filter(|source| source.ends_with("\n\n")) {
            assert_eq!(render(source, &options, &Policy::default()), finished(source, &options), "{source:?}");
        }
        assert_eq!(render(REPLY, &options, &Policy::default()), finished(REPLY, &options));
    }
}

/// Where the last top-level block among the complete lines of `source` starts.
fn last_block(source: &str, options: &Options) -> usize {
    let complete = &source[..last_line(source)];
    let (mut depth, mut block) = (0, 0);
    for (event, range) in Document::new(complete, options).events() {
        if depth == 0 && matches!(event, Event::Start(_) | Event::Rule) {
            block = range.start;
        }
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            _ => {}
        }
    }
    last_line(&source[..block])
}

#[test]
fn what_complete_lines_have_closed_stays_closed() {
    let options = Options { tail: Tail::Complete, task_lists: true, alerts: true, ..Options::default() };
    let without_definitions = REPLY.split("[1]:").next().unwrap().len();
    let odd = ["a `b\n> ![\nc", "# a\n|-|-|\n1. ![b\n|\n``", "'\n|a\n- __~~`\nb"];
    for source in prefixes().filter(|source| source.len() < without_definitions).chain(odd) {
        let (closed, open) = source.split_at(last_block(source, &options));
        let parts = finished(closed, &options) + &render(open, &options, &Policy::default());
        assert_eq!(render(source, &options, &Policy::default()), parts, "{source:?}");
    }
}

#[test]
fn markers_of_blocks_are_never_seen_at_the_end() {
    let markers = "- |-  |1.|1|#|##|# |>|> |`|```|*|***|- [|- [ ]|_|+".split('|').chain(["|", "=", "=="]);
    let options = Options { tail: Tail::Complete, task_lists: true, ..Options::default() };
    for marker in markers {
        for before in ["", "text\n", "text\n\n", "- item\n", "> quote\n", "| a |\n|---|\n| b |\n"] {
            // At the start of a block and in a row an equals sign is text, and nothing can take it back.
            if marker.starts_with('=') && (before.is_empty() || before.ends_with("\n\n") || before.ends_with("|\n")) {
                continue;
            }
            let (source, complete) = (format!("{before}{marker}"), finished(before, &options));
            let view = render(&source, &options, &Policy::default());
            assert_eq!(visible(&view).trim_end(), visible(&complete).trim_end(), "{source:?} is {view}");
            assert!(!view.contains("<h1>") && !view.contains("<h2>"), "{source:?} is {view}");
        }
    }
}

#[test]
fn a_bound_that_tripped_shows_the_render() {
    let mut out = Out::default();
    super::complete("a\n**b", 0, Some(2), &Options::default(), &Policy::default(), &mut out);
    assert_eq!(out.html, "<p>a</p>\n<pre class=\"djust-md-rest\">**b</pre>");
}

/// What this thread has used, whatever else the machine is doing.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Sixteen times the source takes less than 80 times the CPU time; a quadratic view takes 256 times. The room between, and
/// that one of ten tries counts, is for a busy machine.
#[test]
fn views_are_linear() {
    let repeated: [&str; 31] = [
        "[",
        "*a ",
        "$",
        "$a ",
        "{$a",
        "<a",
        "<a b=\"",
        "&a",
        "=\\\n",
        "**a *b ",
        "_a*b ~~c ",
        "[a](b",
        "[a]",
        "[a][b ",
        "![",
        "\\",
        "`a` ",
        "<https:",
        "|a",
        "*a\n",
        "> *a\n",
        "a***b",
        "[^a",
        "$5 ",
        "a *_(",
        "*`+` ",
        "```\na\n```\n",
        "[[a](b)",
        "a@b<",
        "<x@y",
        "}@<",
    ];
    let ticks = |bytes: usize| {
        (1..)
            .map(|count| format!("x{}", "`".repeat(count)))
            .take_while(|run| run.len() * run.len() < 2 * bytes)
            .collect()
    };
    let time = |source: &str, options: &Options| {
        let start = cpu_seconds();
        assert!(render(source, options, &Policy::default()).len() < usize::MAX);
        cpu_seconds() - start
    };
    let mut options = option_sets().swap_remove(1);
    for tail in [Tail::Complete, Tail::Escape] {
        options.tail = tail;
        for unit in repeated.iter().copied().map(Some).chain([None]) {
            let of = |bytes: usize| -> String {
                unit.map_or_else(|| ticks(bytes), |unit| format!("x {}", unit.repeat(bytes / unit.len())))
            };
            let (small, large) = (of(4_000), of(64_000));
            let is_linear = |_| time(&large, &options) <= 80.0 * time(&small, &options) + 0.02;
            assert!((0..10).any(is_linear), "{unit:?}");
        }
    }
}

#[test]
fn a_view_is_its_last_attempt() {
    for (source, expected) in [
        ("a", "<p>a</p>"),
        ("- a\n- b *c* d", "<ul><li>a</li><li>b <em>c</em> d</li></ul>"),
        ("a **b", "<p>a <strong>b</strong></p>"),
        ("a *b _c", "<p>a <em>b <em>c</em></em></p>"),
        ("a *b c", "<p>a <em>b c</em></p>"),
        ("| a", "<table><thead><tr><th>a</th></tr></thead><tbody></tbody></table>"),
        ("a\n\n[b]: c", "<p>a</p>"),
        ("a\n12", "<p>a</p>"),
    ] {
        let options = Options { dense: true, tail: Tail::Complete, ..Options::default() };
        assert_eq!(render(source, &options, &Policy::default()), expected, "{source:?}");
    }
}
