//! Every literal example of the two documents that describe the renderer this service grew from ("Streaming Markdown",
//! and of "Streaming & Real-Time Partial Updates" what concerns rendering): input and output as printed there.
//!
//! Two things are read as meant: the printed pages lost the entities of escaped HTML, and a finished block ends in a
//! line feed.
//!
//! **Source:** djust, "Streaming Markdown (v0.7.0)"; djust, "Streaming & Real-Time Partial Updates".

use rillmark::markdown::options::{Tail, Value};
use rillmark::markdown::{Options, Policy, SOURCE_BYTES_MAX, render};

/// Renders with some options set by name, as a request sets them.
fn rendered(source: &str, set: &[(&str, bool)]) -> String {
    let mut options = Options::default();
    for (name, on) in set {
        options.set(name, Value::Bool(*on)).unwrap();
    }
    render(source, &options, &Policy::default())
}

#[track_caller]
fn check(source: &str, set: &[(&str, bool)], expected: &str) {
    assert_eq!(rendered(source, set), expected, "{source:?} {set:?}");
}

/// "Calling the helper directly": `render_markdown("# hello\n")`.
#[test]
fn a_heading_is_rendered() {
    check("# hello\n", &[], "<h1>hello</h1>\n");
}

/// "Calling the renderer from Python".
#[test]
fn raw_html_in_a_paragraph_is_escaped() {
    check(
        "# Title\n\nparagraph with <script>alert(1)</script>\n",
        &[("tables", true), ("strikethrough", true)],
        "<h1>Title</h1>\n<p>paragraph with &lt;script&gt;alert(1)&lt;/script&gt;</p>\n",
    );
}

/// "Security guarantees": "Anything that looks like a tag (`<script>`, `<img onerror=…>`, `<iframe>`, …) becomes
/// escaped text", as a block of its own and within a line, finished or not.
#[test]
fn anything_that_looks_like_a_tag_becomes_escaped_text() {
    let tags = ["<script>", "<img onerror=alert(1)>", "<iframe>", "<iframe src=\"//evil\">"];
    for tag in tags {
        let escaped = tag.replace('<', "&lt;").replace('>', "&gt;");
        check(&format!("{tag}\n"), &[], &format!("<p>{escaped}</p>\n"));
        check(&format!("see {tag} here\n"), &[], &format!("<p>see {escaped} here</p>\n"));
        let unfinished = rendered(tag, &[]);
        assert!(unfinished.starts_with("<p class=\"djust-md-provisional\">&lt;"), "{unfinished}");
        assert_eq!(unfinished.matches('<').count(), 2, "{unfinished}");
    }
}

/// "Security guarantees": "`javascript:` / `vbscript:` / `data:` URLs are neutralised. Links and images pointing at
/// those schemes are rewritten to `#`."
#[test]
fn links_and_images_with_script_schemes_point_at_a_hash() {
    for url in ["javascript:alert(1)", "vbscript:msgbox(1)", "data:text/html,x", "JavaScript:alert(1)", "DATA:x"] {
        check(&format!("[text]({url})\n"), &[], "<p><a href=\"#\">text</a></p>\n");
        check(&format!("![text]({url})\n"), &[], "<p><img src=\"#\" alt=\"text\" /></p>\n");
        check(&format!("<{url}>\n"), &[], &format!("<p><a href=\"#\">{url}</a></p>\n"));
        check(&format!("[text]\n\n[text]: {url}\n"), &[], "<p><a href=\"#\">text</a></p>\n");
    }
    check("[text](https://example.com)\n", &[], "<p><a href=\"https://example.com\">text</a></p>\n");
}

/// "How streaming safety works": `Hello **wor`, and the same line when the model has finished it.
#[test]
fn an_unfinished_line_is_escaped_and_wrapped_until_its_line_feed_comes() {
    check("Hello **wor", &[], "<p class=\"djust-md-provisional\">Hello **wor</p>");
    check("Hello **word**", &[], "<p class=\"djust-md-provisional\">Hello **word**</p>");
    check("Hello **word**\n", &[], "<p>Hello <strong>word</strong></p>\n");
    check("# Hi\n\nHello **wor", &[], "<h1>Hi</h1>\n<p class=\"djust-md-provisional\">Hello **wor</p>");
    check("a <b", &[], "<p class=\"djust-md-provisional\">a &lt;b</p>");
}

/// "Keyword arguments", `provisional`: "Disable when the Markdown is complete."
#[test]
fn without_provisional_the_last_line_is_parsed_like_any_other() {
    check("Hello **word**", &[("provisional", false)], "<p>Hello <strong>word</strong></p>\n");
    check("Hello **wor", &[("provisional", false)], "<p>Hello **wor</p>\n");
}

/// "Keyword arguments": the four options, their defaults, and each the other way.
#[test]
fn the_four_options_have_their_defaults_and_can_be_turned() {
    let table = "| a | b |\n|---|---|\n| 1 | 2 |\n";
    let html =
        "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody>\n<tr><td>1</td><td>2</td></tr>\n</tbody></table>\n";
    check(table, &[], html);
    check(table, &[("tables", true)], html);
    check(table, &[("tables", false)], "<p>| a | b |\n|---|---|\n| 1 | 2 |</p>\n");

    check("~~strikethrough~~\n", &[], "<p><del>strikethrough</del></p>\n");
    check("~~strikethrough~~\n", &[("strikethrough", false)], "<p>~~strikethrough~~</p>\n");

    let tasks = "- [ ] a\n- [x] b\n";
    check(tasks, &[], "<ul>\n<li>[ ] a</li>\n<li>[x] b</li>\n</ul>\n");
    check(
        tasks,
        &[("task_lists", true)],
        "<ul>\n<li><input disabled=\"\" type=\"checkbox\"/>\na</li>\n\
         <li><input disabled=\"\" type=\"checkbox\" checked=\"\"/>\nb</li>\n</ul>\n",
    );
}

/// "Example: streaming LLM reply": `REPLY`, one character at a time. What is finished is rendered, what is not is
/// shown as it was typed; nothing else is ever on the page.
#[test]
fn the_reply_of_the_example_renders_token_by_token() {
    const REPLY: &str = "# Hi\n\nHere is a **bold** reply.\n";
    for end in 0..=REPLY.len() {
        let (done, typed) = match end {
            0..5 => ("", &REPLY[..end]),
            5..6 => ("<h1>Hi</h1>\n", ""),
            6..32 => ("<h1>Hi</h1>\n", &REPLY[6..end.min(31)]),
            _ => ("<h1>Hi</h1>\n<p>Here is a <strong>bold</strong> reply.</p>\n", ""),
        };
        let wrapped = match typed {
            "" => String::new(),
            line => format!("<p class=\"djust-md-provisional\">{line}</p>"),
        };
        check(&REPLY[..end], &[], &format!("{done}{wrapped}"));
    }
    check(REPLY, &[("provisional", false)], "<h1>Hi</h1>\n<p>Here is a <strong>bold</strong> reply.</p>\n");
}

/// The same reply with `tail: "complete"`: its reader never sees a `#` or a `*`, and the text only grows.
#[test]
fn the_reply_of_the_example_completed_never_shows_its_syntax() {
    const REPLY: &str = "# Hi\n\nHere is a **bold** reply.\n";
    let options = Options { tail: Tail::Complete, ..Options::default() };
    let mut before = String::new();
    for end in 0..=REPLY.len() {
        let html = render(&REPLY[..end], &options, &Policy::default());
        let text: String = visible(&html).split_whitespace().collect();
        assert!(!text.contains(['#', '*']), "{html}");
        assert!(text.starts_with(&before), "{before:?} was taken back: {html}");
        before = text;
    }
    assert_eq!(before, "HiHereisaboldreply.");
    let half = render(&REPLY[..REPLY.find("ld**").unwrap()], &options, &Policy::default());
    assert_eq!(half, "<h1>Hi</h1>\n<p>Here is a <strong>bo</strong></p>\n");
}

/// The text of a fragment that holds no entities.
fn visible(html: &str) -> String {
    assert!(!html.contains('&'), "{html}");
    html.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text)).collect()
}

/// "Security guarantees": "Anything larger than 10 MiB is returned as an escaped `<pre class="djust-md-toobig">` block
/// without hitting the parser." The limit itself is still parsed.
#[test]
fn ten_mebibytes_are_parsed_and_one_byte_more_is_not() {
    let paragraph = "*a* <b>\n\n";
    let mut source = paragraph.repeat(SOURCE_BYTES_MAX / paragraph.len());
    source.push_str(&"a".repeat(SOURCE_BYTES_MAX - source.len()));
    assert_eq!(source.len(), 10_485_760);
    let html = rendered(&source, &[("provisional", false)]);
    assert!(html.starts_with("<p><em>a</em> &lt;b&gt;</p>\n<p><em>a</em>"), "{}", &html[..80]);
    assert!(!html.contains("djust-md-toobig"));

    source.push('a');
    for provisional in [true, false] {
        let html = rendered(&source, &[("provisional", provisional)]);
        assert!(html.starts_with("<pre class=\"djust-md-toobig\">*a* &lt;b&gt;\n\n*a* &lt;b&gt;"), "{}", &html[..80]);
        assert!(html.ends_with("a</pre>"), "{}", &html[html.len() - 80..]);
        assert_eq!(html.matches('<').count(), 2, "it was parsed");
        assert!(!html.contains("djust-md-provisional"));
    }
}

/// "Limitations": "Fenced code blocks render as `<pre><code>`". Its "no language-class styling" is `code_classes:
/// false`; by default the class is there for a highlighter to find.
#[test]
fn fenced_code_is_a_pre_with_a_code() {
    check("```\nlet x = 1 < 2;\n```\n", &[], "<pre><code>let x = 1 &lt; 2;\n</code></pre>\n");
    let rust = "```rust\nfn main() {}\n```\n";
    check(rust, &[("code_classes", false)], "<pre><code>fn main() {}\n</code></pre>\n");
    check(rust, &[], "<pre><code class=\"language-rust\">fn main() {}\n</code></pre>\n");
}

/// The example's `# Hi` inside a fence: it is code there, and an unfinished line stays in the code block, where it is
/// literal already.
#[test]
fn an_unfinished_line_of_code_stays_in_its_block() {
    check("```\n# Hi **the", &[], "<pre><code># Hi **the</code></pre>\n");
    check("```\n# Hi\n```\n# Hi\n", &[], "<pre><code># Hi\n</code></pre>\n<h1>Hi</h1>\n");
    check("```\n# Hi\n```\n# H", &[], "<pre><code># Hi\n</code></pre>\n<p class=\"djust-md-provisional\"># H</p>");
}

/// "Limitations": "No MathJax / LaTeX."
#[test]
fn math_is_text_by_default() {
    check("cost: $x$ and $$y$$\n", &[], "<p>cost: $x$ and $$y$$</p>\n");
}

/// "Limitations": "`https://example.com` stays as text unless wrapped in an explicit `[text](url)`."
#[test]
fn a_bare_url_is_text_by_default() {
    check("https://example.com\n", &[], "<p>https://example.com</p>\n");
    check("[text](url)\n", &[], "<p><a href=\"url\">text</a></p>\n");
    check(
        "https://example.com\n",
        &[("autolinks", true)],
        "<p><a href=\"https://example.com\">https://example.com</a></p>\n",
    );
}

/// "Limitations": "If the reference `[1]: https://…` line is still mid-stream when the body `[foo][1]` already arrived,
/// you'll get a moment where the link renders unresolved." And never a link to half a URL.
#[test]
fn a_reference_resolves_when_the_line_of_its_definition_is_complete() {
    check("[foo][1]\n\n", &[], "<p>[foo][1]</p>\n");
    check(
        "[foo][1]\n\n[1]: https://exam",
        &[],
        "<p>[foo][1]</p>\n<p class=\"djust-md-provisional\">[1]: https://exam</p>",
    );
    check("[foo][1]\n\n[1]: https://example.com\n", &[], "<p><a href=\"https://example.com\">foo</a></p>\n");
}

/// "Security guarantees": "No panics", here on what the parser has met with before: nothing, only line feeds, NUL, a
/// lone carriage return, a byte order mark, unclosed everything.
#[test]
fn odd_sources_give_html() {
    for source in
        ["", "\n", "\n\n\n", "\0", "\r", "\u{feff}", "```", "[", "![", "**", "~~", "|", "<", "&", "\\", "- ", "> ", "`"]
    {
        for provisional in [true, false] {
            let html = rendered(source, &[("provisional", provisional)]);
            assert_eq!(html.matches('<').count(), html.matches('>').count(), "{source:?} {html}");
            assert!(!html.contains(['\0', '\r', '\u{feff}']), "{source:?} {html:?}");
        }
    }
}

/// "Streaming & Real-Time Partial Updates": `<p>Processing...</p>` and `<div class="msg">New message</div>` are HTML
/// that a backend inserts; as Markdown they are a user's words and are shown as such.
#[test]
fn html_that_a_backend_would_insert_is_text_in_markdown() {
    check("<p>Processing...</p>\n", &[], "<p>&lt;p&gt;Processing...&lt;/p&gt;</p>\n");
    check("<div class=\"msg\">New message</div>\n", &[], "<p>&lt;div class=\"msg\"&gt;New message&lt;/div&gt;</p>\n");
}
