//! The product against its naive twin (`oracle`): the same bytes, and without line feeds between blocks the same tree,
//! for every kind of source and set of options.

use rillmark::markdown;
use rillmark::markdown::options::{Images, Options, Policy, TableAlign, Tail};

use super::corpus::{self, Dice};
use super::oracle::{self, dom};

type Render = fn(&str, &Options, &Policy) -> String;

/// Sets of options that between them turn every one.
fn option_sets() -> Vec<(Options, Policy)> {
    let finished = Options { provisional: false, ..Options::default() };
    let rich = Options {
        id_prefix: "r1-".to_owned(),
        link_rel: "nofollow ugc".to_owned(),
        table_align: TableAlign::Attribute,
        ..corpus::everything_on()
    };
    let bare =
        Options { tables: false, strikethrough: false, code_classes: false, images: Images::None, ..finished.clone() };
    let some_images = Policy {
        url_schemes: vec!["https".to_owned()],
        image_prefixes: vec!["/ok/".to_owned(), "https://".to_owned()],
    };
    let default = Policy::default;
    vec![(finished.clone(), default()), (rich.clone(), default()), (bare, default()), (rich, some_images)]
}

#[track_caller]
fn compare(source: &str, options: &Options, policy: &Policy) {
    let differs = |source: &str| markdown::render(source, options, policy) != oracle::render(source, options, policy);
    report(source, options, policy, &differs);
}

#[track_caller]
fn compare_dense(source: &str, options: &Options, policy: &Policy) {
    let options = &Options { dense: true, ..options.clone() };
    let tree = |render: Render, source: &str| dom::parse(&render(source, options, policy));
    let differs = |source: &str| tree(markdown::render, source) != tree(oracle::render, source);
    report(source, options, policy, &differs);
}

/// Fails with the smallest source found that still differs.
#[track_caller]
fn report(source: &str, options: &Options, policy: &Policy, differs: &dyn Fn(&str) -> bool) {
    if differs(source) {
        let source = corpus::shrink(source, differs);
        let (product, twin) = (markdown::render(&source, options, policy), oracle::render(&source, options, policy));
        panic!("{source:?}\n{options:?}\n{policy:?}\n product: {product}\n    twin: {twin}");
    }
}

#[test]
fn finished_prefixes_are_rendered_as_by_the_twin() {
    let sources = corpus::sources();
    for (i, (options, policy)) in option_sets().iter().enumerate() {
        for source in corpus::prefixes(&sources, 5 + i) {
            compare(source, options, policy);
        }
    }
}

#[test]
fn dense_prefixes_are_the_twins_tree() {
    let sources = corpus::sources();
    for (options, policy) in option_sets() {
        for source in corpus::prefixes(&sources, 31) {
            compare_dense(source, &options, &policy);
        }
    }
}

#[test]
fn finished_mixtures_are_rendered_as_by_the_twin() {
    let sets = option_sets();
    for (i, source) in corpus::mixtures(0x5EED).enumerate() {
        let (options, policy) = &sets[i % sets.len()];
        compare(&source, options, policy);
        compare_dense(&source, options, policy);
    }
}

/// The same sets, for a source that is still being written.
fn unfinished(tail: Tail) -> Vec<(Options, Policy)> {
    let unfinished = |(options, policy)| (Options { provisional: true, tail, ..options }, policy);
    option_sets().into_iter().map(unfinished).collect()
}

fn unfinished_prefixes_are_shown_as_by_the_twin(tail: Tail, step: usize) {
    let sources = corpus::sources();
    for (options, policy) in unfinished(tail) {
        for source in corpus::prefixes(&sources, step) {
            compare_dense(source, &options, &policy);
        }
    }
}

fn unfinished_mixtures_are_shown_as_by_the_twin(tail: Tail, seed: u64) {
    let sets = unfinished(tail);
    for (i, source) in corpus::mixtures(seed).enumerate() {
        let (options, policy) = &sets[i % sets.len()];
        compare_dense(&source, options, policy);
    }
}

#[test]
fn escaped_prefixes_are_shown_as_by_the_twin() {
    unfinished_prefixes_are_shown_as_by_the_twin(Tail::Escape, 7);
}

#[test]
fn escaped_mixtures_are_shown_as_by_the_twin() {
    unfinished_mixtures_are_shown_as_by_the_twin(Tail::Escape, 0xE5CA);
}

#[test]
fn completed_prefixes_are_shown_as_by_the_twin() {
    unfinished_prefixes_are_shown_as_by_the_twin(Tail::Complete, 5);
}

#[test]
fn completed_mixtures_are_shown_as_by_the_twin() {
    unfinished_mixtures_are_shown_as_by_the_twin(Tail::Complete, 0xC0DE);
}

#[test]
fn an_alert_has_one_title_as_in_the_twin() {
    for source in [">[!WARNING]\n[!NOTE] a\n", "> [!tip]\n> [!N\n> b\n", "> [x]\n> [!NOTE]\n", "- > [!NOTE]\n  > [c\n"]
    {
        for (options, policy) in unfinished(Tail::Complete) {
            for end in 0..=source.len() {
                compare_dense(&source[..end], &options, &policy);
            }
        }
    }
}

#[test]
fn deep_documents_are_cut_as_by_the_twin() {
    let blocks = ["> ", "- ", "1. "];
    let inlines = ["*a **b ", "**a ~~b ", "[*a* `b` ![c](d) ", "_a  \n"];
    let ends = ["`x` ![y](z) [w](v)\n", "$x$ [^1]\n\n[^1]: y\n", "www.a.b <c@d.e>\n", "- [x] z\n"];
    let leaves = [
        "text",
        "```r\n\ncode\n```\n",
        "    \n    code\n",
        "| a |\n|---|\n| b |\n",
        "- [ ] a\n  b\n",
        "# h\n",
        "<div>\n",
        "---\n",
        "[^1]: x\n",
    ];
    let mut dice = Dice::new(64);
    let sets = option_sets();
    for round in 0..600 {
        let (options, policy) = &sets[round % sets.len()];
        let mut source = String::new();
        for _ in 0..40 + dice.below(24) {
            source += blocks[dice.below(blocks.len())];
        }
        for _ in 0..dice.below(9) {
            source += inlines[dice.below(inlines.len())];
        }
        let behind = if dice.below(2) == 0 { leaves[dice.below(leaves.len())] } else { ends[dice.below(ends.len())] };
        source += behind;
        let closers: String = source.chars().rev().filter(|c| "*_~".contains(*c)).collect();
        source = source.trim_end().to_owned() + &closers + "](u)\n";
        compare(&source, options, policy);
        compare_dense(&source, options, policy);
    }
}

#[test]
fn references_stop_where_the_twins_do() {
    let sets = option_sets();
    let long = |n: usize| "u".repeat(n);
    let mut sources = Vec::new();
    for (length, count) in [(100, 2_000), (900, 300), (2_030, 60), (2_048, 20), (2_100, 20), (20_000, 12)] {
        let uses = |i: usize| {
            format!("[a] ![{}][A] [b][a]{}\n", "x".repeat(i % 7), if i.is_multiple_of(5) { "\n" } else { "" })
        };
        let body: String = (0..count / 3).map(uses).collect();
        for title in ["", " \"t & 'i' <t>\""] {
            sources.push(format!("[a]: /{}{title}\n\n{body}", long(length)));
            sources.push(format!("{body}\n[a]: /{}{title}\n[a]: /second\n", long(length)));
            sources.push(format!("{body}\n[a]: javascript:{}{title}\n", long(length)));
        }
    }
    sources.push(
        (0..11_000).map(|i| format!("[{i}]: /{i}\n")).chain((9_990..10_010).map(|i| format!("\n[{i}]"))).collect(),
    );
    for source in &sources {
        for (options, policy) in [&sets[0], &sets[3]] {
            compare(source, options, policy);
        }
    }
}

#[test]
fn bounds_cut_where_the_twins_do() {
    let wide: String = format!("|{}\n|{}\n", "a|".repeat(300), "-|".repeat(300)) + &"|x\n".repeat(40);
    let sources = [
        "> ".repeat(70) + "a\nb < c\n",
        format!("a *b* [c]\n{}d\n[c]: /e\n", "- ".repeat(65)),
        format!("fine\n\n{}x\n\n\nrest &amp; <b>\n", " ".repeat(1_001)),
        format!("[c]\n\n{wide}\n\n[c]: /late\n"),
        format!("```\n{}\n```\nb\n", "> ".repeat(80)),
    ];
    let mut tripped = 0;
    for source in sources {
        for (options, policy) in option_sets() {
            for source in [source.as_str(), &source.replace('\n', "\r\n"), source.trim_end()] {
                compare(source, &options, &policy);
                tripped += usize::from(markdown::render(source, &options, &policy).contains("djust-md-rest"));
            }
        }
    }
    assert!(tripped >= 36, "the sources reach the bounds: {tripped}");
}

#[test]
fn a_source_that_is_too_big_comes_back_as_from_the_twin() {
    let (options, policy) = (Options::default(), Policy::default());
    let most = "\r\n<".to_owned() + &"*a* ".repeat(markdown::SOURCE_BYTES_MAX / 4);
    let over = &most[..markdown::SOURCE_BYTES_MAX + 1];
    let html = markdown::render(over, &options, &policy);
    assert!(html == oracle::render(over, &options, &policy));
    assert!(html.starts_with("<pre class=\"djust-md-toobig\">\n\n&lt;*a* "), "{}", &html[..60]);
}

#[test]
fn controls_and_line_ends_are_read_as_by_the_twin() {
    let sources = [
        "\u{FEFF}# a\r\rb\0c\r\n\x01\x0cd\x7fe",
        "a\r",
        "\r\n",
        "\u{FEFF}",
        "\u{FEFF}\u{FEFF}a",
        "`\0` [a](\x02 \"\x03\")\r\n",
        "&#1;&#13;&#10;\n\n- &#13;&#10;\n  # &#11;\n[&#1;](&#1;&#13; '&#13;&#2;')\n",
    ];
    for source in sources {
        for (options, policy) in option_sets() {
            compare(source, &options, &policy);
            compare_dense(source, &options, &policy);
        }
    }
}
