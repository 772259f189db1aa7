//! What leaves the renderer, seen as a browser sees it: only what the table allows, built as its tags spell.
//!
//! The sources are written here, plus every example of the specifications where they were fetched.

use crate::browser;
use crate::corpus;
use crate::oracle::dom;
use crate::spec;
use rillmark::markdown::bounds::OUTPUT_FACTOR;
use rillmark::markdown::elements::ELEMENTS;
use rillmark::markdown::options::{Images, LINK_REL_TOKENS, TableAlign, Tail};
use rillmark::markdown::{Options, Policy, render};
use std::collections::HashSet;

fn finished() -> Options {
    Options { provisional: false, ..Options::default() }
}

/// Everything on, in two ways.
fn option_sets() -> [Options; 4] {
    let rich = Options {
        provisional: true,
        link_rel: "nofollow noopener".into(),
        id_prefix: "r1-".into(),
        ..corpus::everything_on()
    };
    let other = Options {
        tail: Tail::Complete,
        images: Images::None,
        table_align: TableAlign::Attribute,
        dense: true,
        ..rich.clone()
    };
    [Options::default(), finished(), Options { provisional: false, ..rich.clone() }, other]
}

fn html(source: &str, options: &Options) -> String {
    render(source, options, &Policy::default())
}

/// One source that uses every row of the table, under the second rich set; and hostile ones.
const EVERYTHING: &str = "# h1\n## h2\n### h3\n#### h4\n##### h5\n###### h6\n\n> [!NOTE]\n> note\n\n> [!TIP]\n> tip\n\n\
    > [!IMPORTANT]\n> x\n\n> [!WARNING]\n> x\n\n> [!CAUTION]\n> x\n\n> plain\n\n```rust\nlet x;\n```\n\n3. three\n4. four\n\n\
    - [x] done\n- [ ] open\n\n| a | b | c | d |\n|:-|:-:|-:|-|\n| 1 | 2 | 3 | 4 |\n\n*em* **strong** ~~del~~ `code` $x$ $$y$$\n\n\
    [a](https://a.b \"t\") ![alt](/i.png \"t\") line  \nbreak[^1]\n\n---\n\n[^1]: foot\n";

const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>\n\n<img src=x onerror=alert(1)>\n\ntext <b onclick=x>y</b> <!-- c --> <?p?> <![CDATA[x]]>",
    "[a](javascript:alert(1)) ![b](data:text/html,x) <javascript:alert(1)> [c](java&#10;script:x) [d](&#1;javascript:x)",
    "[a](\"onmouseover=alert(1)) [b](x 'y\" onclick=\"z') ![\" onerror=\"x](y)\n\n[\"><script>]: /u '\"><script>'\n[\"><script>]",
    "```rust\" onclick=\"x\ncode\n```\n\n```a&#9;b c\nx\n```\n\n~~~&NewLine;x\ny\n~~~",
    "[a <https://b.c> d](e) [x ![y [z](u) w](v) q](r) [![i](j)](k) [a [b](c) d](e)",
    "| a |\n|---|\n| <td> |\n| </table> |\n\n- </li></ul>\n> </blockquote>",
    "&#13;&#0;&#1;&#xD800; &lt;script&gt; &amp;lt; \u{202E} \u{FEFF}",
    "<pre>\n\n</pre>\n\n<textarea>\n</textarea><title></title><plaintext><style><xmp><noscript>",
    "# <script id=x>\n\n# a\" onclick=\"x\n\n[^\"><b>]: x\n\n[^\"><b>]",
    "<div>\n*a*\n\n</div>\n<p>\n<table><tr><td>",
    "www.a.b\"onclick=x https://a.b/<script> a@b.c\" http://a.b/'onclick='x",
    "$<script>$ $$</span>$$ `</code>` ~~<del>~~ **</strong>**",
];

fn each_source(mut check: impl FnMut(&str)) {
    check(EVERYTHING);
    HOSTILE.iter().for_each(|source| check(source));
    spec::sources().unwrap_or_default().iter().for_each(|source| check(source));
}

fn each_output(mut check: impl FnMut(&str, &str)) {
    for options in option_sets() {
        each_source(|source| check(source, &html(source, &options)));
    }
    // Every prefix of what is ours; the laws go over the prefixes of the specifications.
    for options in option_sets() {
        for source in HOSTILE.iter().chain(&[EVERYTHING]) {
            for (end, _) in source.char_indices() {
                check(&source[..end], &html(&source[..end], &options));
            }
        }
    }
}

#[test]
fn output_stays_inside_the_table() {
    each_output(|source, html| {
        browser::assert_in_table(&dom::parse(html), source);
    });
}

#[test]
fn tags_spell_what_a_browser_builds() {
    each_output(|source, html| {
        browser::assert_built_as_spelled(html, &dom::parse(html), source);
    });
}

#[test]
fn every_row_is_reached() {
    let mut reached = HashSet::new();
    let mut see = |html: &str| {
        dom::walk(&dom::parse(html), &mut |element, _| {
            reached.insert((element.name.clone(), String::new()));
            for (name, _) in &element.attributes {
                reached.insert((element.name.clone(), name.clone()));
            }
        });
    };
    for options in option_sets() {
        see(&html(EVERYTHING, &options));
        see(&html("half a line", &options));
    }
    see(&html(&format!("{}x", "> ".repeat(200)), &finished()));
    see(&html(&"x".repeat(rillmark::markdown::SOURCE_BYTES_MAX + 1), &finished()));
    for row in ELEMENTS {
        assert!(reached.contains(&(row.name.into(), String::new())), "<{}> is never written", row.name);
        for attribute in row.attributes {
            let pair = (row.name.to_owned(), attribute.name.to_owned());
            assert!(reached.contains(&pair), "<{} {}> is never written", row.name, attribute.name);
        }
    }
}

fn check(source: &str, options: &Options, expected: &str) {
    assert_eq!(html(source, options), expected, "{source:?}");
}

#[test]
fn raw_html_is_text() {
    check(
        "<div class=\"x\">\nhi\n</div>\n\nafter",
        &finished(),
        "<p>&lt;div class=\"x\"&gt;\nhi\n&lt;/div&gt;</p>\n<p>after</p>\n",
    );
    check("a <b>c</b>", &finished(), "<p>a &lt;b&gt;c&lt;/b&gt;</p>\n");
    check("<!-- a\n\nb -->\n\n\n", &finished(), "<p>&lt;!-- a\n\nb --&gt;</p>\n");
}

#[test]
fn links_do_not_nest() {
    check("[a <https://b.c> d](e)", &finished(), "<p><a href=\"e\">a https://b.c d</a></p>\n");
    check("[a [b](c) d](e)", &finished(), "<p>[a <a href=\"c\">b</a> d](e)</p>\n");
    let options = Options { autolinks: true, ..finished() };
    check("[www.a.b](c)", &options, "<p><a href=\"c\">www.a.b</a></p>\n");
}

#[test]
fn unsafe_urls_are_a_number_sign() {
    for url in [
        "javascript:alert(1)",
        "JAVASCRIPT:x",
        "vbscript:x",
        "data:text/html,x",
        "&#106;avascript:x",
        "java&Tab;script:x",
    ] {
        check(&format!("[a]({url})"), &finished(), "<p><a href=\"#\">a</a></p>\n");
        check(&format!("![a]({url})"), &finished(), "<p><img src=\"#\" alt=\"a\" /></p>\n");
    }
    check("<javascript:x>", &finished(), "<p><a href=\"#\">javascript:x</a></p>\n");
    check("[a]: vbscript:x\n\n[a]", &finished(), "<p><a href=\"#\">a</a></p>\n");
    let policy = Policy { url_schemes: vec!["https".into()], ..Policy::default() };
    assert_eq!(render("<a@b.c>", &finished(), &policy), "<p><a href=\"#\">a@b.c</a></p>\n");
}

#[test]
fn images_are_text_where_they_are_not_loaded() {
    let none = Options { images: Images::None, ..finished() };
    check("![a *b* \"c\"](d 'e')", &none, "<p><span class=\"rillmark-image\">a b \"c\"</span></p>\n");
    let policy = Policy { image_prefixes: vec!["/i/".into()], ..Policy::default() };
    let html = render("![a](/i/x) ![b](//i/x) ![c](javascript:x)", &finished(), &policy);
    let expected = "<p><img src=\"/i/x\" alt=\"a\" /> <span class=\"rillmark-image\">b</span> \
                    <span class=\"rillmark-image\">c</span></p>\n";
    assert_eq!(html, expected);
}

#[test]
fn links_that_leave_carry_the_relation() {
    let options = Options { link_rel: "nofollow ugc".into(), autolinks: true, ..finished() };
    check("[a](https://b 't')", &options, "<p><a href=\"https://b\" title=\"t\" rel=\"nofollow ugc\">a</a></p>\n");
    check("[a](//b)", &options, "<p><a href=\"//b\" rel=\"nofollow ugc\">a</a></p>\n");
    check("www.a.b", &options, "<p><a href=\"http://www.a.b\" rel=\"nofollow ugc\">www.a.b</a></p>\n");
    check("[a](/b) <c@d.e>", &options, "<p><a href=\"/b\">a</a> <a href=\"mailto:c@d.e\">c@d.e</a></p>\n");
}

#[test]
fn headings_have_ids() {
    let options = Options { heading_ids: true, id_prefix: "m1-".into(), ..finished() };
    check(
        "# A *b* `c`\n\n# a b c\n\n# !\n\nx\n=",
        &options,
        "<h1 id=\"user-content-m1-a-b-c\">A <em>b</em> <code>c</code></h1>\n\
         <h1 id=\"user-content-m1-a-b-c-1\">a b c</h1>\n<h1>!</h1>\n<h1 id=\"user-content-m1-x\">x</h1>\n",
    );
}

#[test]
fn dense_leaves_out_only_separators() {
    let dense = Options { dense: true, task_lists: true, ..finished() };
    check(
        "# a\n\n- b\n  c\n- d\n\n> e\n\n1. f\n",
        &dense,
        "<h1>a</h1><ul><li>b\nc</li><li>d</li></ul><blockquote><p>e</p></blockquote><ol><li>f</li></ol>",
    );
    check("```\na\n\nb\n```\n\na  \nb\n\n---", &dense, "<pre><code>a\n\nb\n</code></pre><p>a<br />\nb</p><hr />");
    check(
        "|a|\n|-|\n|b|",
        &dense,
        "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>b</td></tr></tbody></table>",
    );
    check("- [ ] a", &dense, "<ul><li><input disabled=\"\" type=\"checkbox\"/>\na</li></ul>");
}

#[test]
fn deep_elements_are_their_content() {
    for (unit, close) in [("> ", ""), ("*a **b ", ""), ("![", "](x)"), ("[^1", ""), ("~~a *b ", "")] {
        for count in [10, 30, 40, 60] {
            let source = format!("{}x{}", unit.repeat(count), close.repeat(count));
            let html = html(&source, &finished());
            dom::walk(&dom::parse(&html), &mut |element, depth| assert!(depth <= 64, "<{}> {source:?}", element.name));
            assert!(html.contains('x'));
        }
    }
    let quotes = "> ".repeat(62);
    // 62 quotes leave room for a list and its items, and for no more; 63 for neither.
    assert!(html(&format!("{quotes}- a"), &finished()).contains("<ul>\n<li>a</li>\n</ul>"));
    assert!(!html(&format!("> {quotes}- a"), &finished()).contains("<ul>"));
    assert!(!html(&format!("> {quotes}- a"), &finished()).contains("<li>"));
    assert!(!html(&format!("{quotes}|a|\n{quotes}|-|\n"), &finished()).contains("<t"));
    let fewer = "> ".repeat(60);
    assert!(html(&format!("{fewer}|a|\n{fewer}|-|\n"), &finished()).contains("<th>a</th>"));
}

#[test]
fn references_do_not_depend_on_distant_text() {
    // One definition of 2,000 bytes, used 100 times: what fits is a link, and text that follows changes nothing.
    let definition = format!("[a]: /{}\n\n", "u".repeat(1_990));
    let uses = "[a] ".repeat(100);
    let short = format!("{definition}{uses}\n\n");
    let long = format!("{short}{}", "plain text\n\n".repeat(20_000));
    let (short, long) = (html(&short, &finished()), html(&long, &finished()));
    let links = short.matches("<a ").count();
    assert!((16..100).contains(&links), "{links}");
    assert!(long.starts_with(&short));
}

#[test]
fn definitions_beyond_the_bounds_resolve_nothing() {
    let long = format!("[a]: /{}\n[a]: /second\n[b]: /b\n\n[a] [b]\n", "u".repeat(20_000));
    assert!(html(&long, &finished()).ends_with("<p>[a] <a href=\"/b\">b</a></p>\n"));
    let many: String = (0..10_001).map(|i| format!("[n{i}]: /{i}\n")).collect();
    let html = html(&format!("{many}\n[n9999] [n10000] [N0]\n"), &finished());
    assert_eq!(html, "<p><a href=\"/9999\">n9999</a> [n10000] <a href=\"/0\">N0</a></p>\n");
}

#[test]
fn a_source_over_the_limit_is_not_parsed() {
    let options = finished();
    let fits = html(&"*a*\n".repeat(rillmark::markdown::SOURCE_BYTES_MAX / 4), &options);
    assert!(fits.starts_with("<p><em>a</em>\n"));
    let over = format!("\n<b>{}", "x".repeat(rillmark::markdown::SOURCE_BYTES_MAX - 3));
    let html = html(&over, &options);
    assert!(html.starts_with("<pre class=\"djust-md-toobig\">\n\n&lt;b&gt;xxx") && html.ends_with("x</pre>"));
}

#[test]
fn families_together_do_not_amplify_either() {
    // All that may be filled in: cells as wide as they get, those that are missing, and references that bring in the rest.
    let (bytes, columns) = (800_000, 1_000);
    let mut source = format!("[a]: /{}\n\n{}|\n{}|\n", "|".repeat(2_030), "|".repeat(columns), "|:-:".repeat(columns));
    while source.len() < bytes / 2 {
        source += &format!("{}\n", "|".repeat(columns + 1));
    }
    source += &"||\n".repeat(bytes / 8 / columns);
    source += "\n";
    source += &"[a]".repeat((bytes - source.len()) / 3);
    let output = html(&source, &finished()).len();
    let most = OUTPUT_FACTOR * source.len() + 64 * 1024;
    assert!(output > 20 * source.len() && output <= most, "{output} of {most}");
}

#[test]
fn no_family_amplifies() {
    let prefix = "p".repeat(64);
    let rich = Options { id_prefix: prefix, link_rel: LINK_REL_TOKENS.join(" "), ..option_sets()[2].clone() };
    let wide = format!("|{}\n|{}\n", ":-:|".repeat(600), ":-:|".repeat(600));
    let units: &[(&str, &str)] = &[
        ("", "|a|\n"),
        ("|:-:|:-:|:-:|:-:|\n|:-:|:-:|:-:|:-:|\n", "||||\n"),
        (wide.as_str(), "|\n"),
        ("", ">"),
        ("", "> \n\n"),
        ("", "- "),
        ("", "*\n\n"),
        ("", "[](a:)"),
        ("", "![]()"),
        ("[^a]: b\n\n", "[^a]"),
        ("[^\"]: b\n\n", "[^\"]"),
        ("", "# a\n"),
        ("", "$a$"),
        ("", "\"&<"),
        ("", "`a`"),
        ("[a]: https://b.c\n\n", "[a]"),
        ("", "www.a.b "),
        ("", "[](//a)"),
        ("", "a@b.c "),
        ("", "---\n"),
        ("", "***\n"),
        ("", "*a*"),
        ("", "~a~"),
        ("", "- [ ] a\n"),
        ("", "> [!IMPORTANT]\n> x\n\n"),
        ("", "&#1;"),
        ("", "``````a\n"),
        ("", "    a\n\n\n# b\n"),
    ];
    for (head, unit) in units {
        for bytes in [2_000, 20_000, 200_000] {
            let source = format!("{head}{}", unit.repeat(bytes / unit.len()));
            let output = html(&source, &rich).len();
            let most = OUTPUT_FACTOR * source.len() + 64 * 1024;
            assert!(output <= most, "{unit:?} × {bytes}: {output} > {most}");
        }
    }
}
