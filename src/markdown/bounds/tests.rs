//! The bounds by example, and against the parser itself.

#![allow(clippy::unwrap_used)]

use super::prefix::Prefix;
use super::*;
use proptest::prelude::*;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::ops::Range;

fn check(source: &str, expected: Option<usize>) {
    let shown: String = source.chars().take(80).collect();
    assert_eq!(trip(source), expected, "{shown:?}… of {} bytes", source.len());
}

#[test]
fn markers_trip_at_the_sixty_fifth() {
    for marker in [">", "> ", "- ", "* ", "+ ", "1. ", "10) ", "[^a]: ", " > "] {
        check(&format!("{}x\n", marker.repeat(64)), None);
        check(&format!("a\n{}x\n", marker.repeat(65)), Some(2));
    }
}

#[test]
fn markers_count_as_they_come() {
    check(&">".repeat(65), Some(0));
    check(&"+ ".repeat(65), Some(0));
    // A hyphen at the end may still become a word's.
    check(&format!("{}+", "+ ".repeat(64)), None);
    check(&format!("{}+\n", "+ ".repeat(64)), Some(0));
}

#[test]
fn a_thematic_break_holds_no_markers() {
    check(&format!("{}\n", "- ".repeat(200)), None);
    check(&"* ".repeat(200), None);
    check(&format!("{}x", "- ".repeat(200)), Some(0));
    check(&format!("{}* ", "- ".repeat(200)), Some(0));
    check(&format!("{}\n", "+ ".repeat(200)), Some(0));
}

#[test]
fn a_footnotes_label_hides_no_markers() {
    check(&format!("[^a]: {}", ">".repeat(64)), Some(0));
    check(&format!("[^a\\]: b]:\u{c}{}", ">".repeat(64)), Some(0));
    check(&format!("[^a: b]: x]: {}", ">".repeat(64)), Some(0));
    check(&format!("[^a] {}", ">".repeat(64)), None);
}

#[test]
fn columns_trip_over_a_thousand() {
    check(&format!("{}x", " ".repeat(1000)), None);
    check(&format!("{}x", " ".repeat(1001)), Some(0));
    check(&"\t".repeat(250), None);
    check(&"\t".repeat(251), Some(0));
    check(&format!("- {}x", " ".repeat(1000)), Some(0));
    check(&format!("a{}x", " ".repeat(5000)), None);
}

/// A table of `columns` columns with empty rows, and bytes per missing cell if `rows` are many.
fn table(columns: usize, rows: usize) -> String {
    format!("{}\n{}\n{}", "|a".repeat(columns), "|-".repeat(columns), "|x\n".repeat(rows))
}

#[test]
fn missing_cells_trip_with_the_line_feed_of_their_row() {
    let source = table(100, 7);
    check(&source, Some(source.len() - 3));
    check(&source[..source.len() - 1], None);
    check(&table(100, 5), None);
    // One cell of four bytes for each that is missing: as long as you like.
    check(&format!("|a|b|\n|-|-|\n{}", "| a\n".repeat(10_000)), None);
    check(&format!("|a|b|c|\n|-|-|-|\n{}", "| a\n".repeat(10_000)), Some(16 + 4 * 516));
}

#[test]
fn cells_are_counted_as_the_parser_does() {
    let many = |row: &str| format!("|a|b|c|d\n-|-|-|-\n{}", format!("{row}\n").repeat(5000));
    for full in ["|a|b|c|d|", "a|b|c|d", "||||x", "|a|b|c|d|e|f"] {
        check(&many(full), None);
    }
    assert!(trip(&many("a\\|")).is_some());
    assert!(trip(&many("|")).is_none(), "a lone pipe ends the table");
    assert!(trip(&many("# x")).is_none(), "a heading ends the table");
    assert!(trip(&many("- x")).is_none(), "a list ends the table");
    assert!(trip(&many("~~~")).is_none(), "a fence ends the table");
}

const DEEP: &str = ">>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>x\n";

#[test]
fn the_inside_of_a_fence_is_exempt() {
    for before in
        ["", "a\n", "- a\n\nb\n", "> a\n\nb\n\n", "<!-- x -->\n", "<div>\n</div>\n\n", "```\na\n```\n", "- a\n"]
    {
        for (open, close) in [("```", "```"), ("~~~ `x`", "~~~~"), (" ````rust", "````  ")] {
            let source = format!("{before}{open}\n{DEEP}\t{close}\n   {close}x\n{DEEP}{}\n", table(200, 200));
            check(&source, None);
            let end = source.len() + close.len() + 1;
            check(&format!("{source}{close}\n{DEEP}"), Some(end));
        }
    }
    // In a list, with each line where it belongs.
    check(&format!("- a\n\n  ```\n  b\n  ```\n\nc\n\n```\n{DEEP}"), None);
}

#[test]
fn what_only_looks_like_a_fence_exempts_nothing() {
    for fake in [
        "- ```\n",
        "- a\n\n  ```\n",
        "> ```\n",
        "1. a\n   ```\n",
        "[^a]: b\n\n    ```\n",
        "    ```\n",
        "a\n    ```\n",
        "\t```\n",
        "``\n",
        "``` a`b\n",
        "<!--\n```\n",
        "<pre>\n\n```\n",
        "<script>\n</SCRIPT>\n```\n",
        "<div>\n```\n",
        "<?x\n```\n",
        "<!X\n```\n",
        "<![CDATA[\n```\n",
        "```\n```\n",
        "~~~\n~~~~~\n",
        "```\n```\t\n```\n",
        "- a\n\n  <!--\n\n```\n",
        "- a\n\n  ```\nb\n  ```\n  ```\n",
        "\u{c}```\n",
        "[a\n]: ```\n",
    ] {
        check(&format!("{fake}{DEEP}"), Some(fake.len()));
    }
}

/// `PROPTEST_CASES` asks for more cases.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases * 3, failure_persistence: None, ..default }
}

/// Pieces of syntax of which small documents are made.
const PIECES: &[&str] = &[
    "\n",
    "\n",
    "\n",
    "\n\n",
    " ",
    "  ",
    "   ",
    "    ",
    "\t",
    "\u{c}",
    "> ",
    ">",
    "- ",
    "-",
    "* ",
    "1. ",
    "10) ",
    "+\n",
    "```",
    "```",
    "```\n",
    "~~~",
    "~~~\n",
    "````",
    "`",
    "[^a]: ",
    "[^a",
    "]:",
    "[a]: /u",
    "[a]:",
    " \"",
    "'",
    "(",
    "\\",
    "<div>",
    "<b>",
    "<b>\n",
    "<!--",
    "-->",
    "<pre>",
    "</pre>",
    "<?",
    "?>",
    "<!A",
    "<",
    "|a|b|\n|-|-|\n",
    "|",
    "|x\n",
    "|:-:|-|\n",
    "-|-\n",
    "a|b\n",
    "x",
    "x\n",
    "# ",
    "---\n",
    "===\n",
    "[!NOTE]\n",
    "- [ ] ",
    "&amp;",
    "*",
    "***\n",
    "$",
];

fn document() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(PIECES), 0..40).prop_map(|pieces| pieces.concat())
}

/// Where a text is split: here and there, or everywhere.
fn cuts() -> impl Strategy<Value = Option<Vec<proptest::sample::Index>>> {
    proptest::option::of(proptest::collection::vec(any::<proptest::sample::Index>(), 0..8))
}

/// What the parser made of a document.
#[derive(Default)]
struct Parsed {
    /// Containers, with how many were open around and including each.
    containers: Vec<(Range<usize>, usize)>,
    missing: usize,
    /// Fenced code outside any container.
    fences: Vec<Range<usize>>,
}

fn parse(source: &str, options: Options) -> Parsed {
    let mut parsed = Parsed::default();
    let mut depth = 0;
    let mut row = 0..0;
    for (event, range) in Parser::new_ext(source, options).into_offset_iter() {
        match event {
            Event::Start(Tag::BlockQuote(_) | Tag::Item | Tag::FootnoteDefinition(_)) => {
                depth += 1;
                parsed.containers.push((range, depth));
            }
            Event::End(TagEnd::BlockQuote(_) | TagEnd::Item | TagEnd::FootnoteDefinition) => depth -= 1,
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) if depth == 0 => parsed.fences.push(range),
            Event::Start(Tag::TableRow | Tag::TableHead) => row = range,
            Event::Start(Tag::TableCell) if range.is_empty() && range.start == row.end => parsed.missing += 1,
            _ => {}
        }
    }
    parsed
}

fn all_options() -> [Options; 3] {
    let tables = Options::ENABLE_TABLES;
    let more = tables | Options::ENABLE_FOOTNOTES | Options::ENABLE_GFM | Options::ENABLE_TASKLISTS;
    [tables, more, more | Options::ENABLE_MATH | Options::ENABLE_STRIKETHROUGH]
}

/// Line by line: offset, whether it was exempt, markers and columns.
fn scanned(source: &str) -> (Vec<(usize, bool, usize, usize)>, Scan) {
    let mut scan = Scan::default();
    let mut lines = Vec::new();
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let mut prefix = Prefix::default();
        prefix.advance(line.trim_end_matches('\n').as_bytes(), true);
        lines.push((at, scan.place.is_exempt(), prefix.markers(), prefix.columns()));
        at += line.len();
        scan.advance(&source[..at]);
    }
    (lines, scan)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn counts_at_least_what_the_parser_does(mut source in document()) {
        source.push('\n');
        let (lines, scan) = scanned(&source);
        for options in all_options() {
            let parsed = parse(&source, options);
            prop_assert!(scan.table.missing() >= parsed.missing, "{} < {} missing", scan.table.missing(), parsed.missing);
            for &(at, exempt, ..) in &lines {
                let inside = parsed.fences.iter().any(|fence| fence.start < at && at < fence.end);
                prop_assert!(inside || !exempt, "the line at {at} is outside a fence: {options:?}");
            }
            // The offset that the parser gives an item is not exact where a tab reaches over its content's column.
            if source.contains('\t') {
                continue;
            }
            for (range, depth) in &parsed.containers {
                let line = lines.iter().rev().find(|line| line.0 <= range.start).unwrap();
                prop_assert!(*depth <= line.2 + line.3 / 2, "{depth} containers at {range:?}: {line:?}, {options:?}");
            }
        }
    }

    #[test]
    fn what_is_not_suspect_never_trips(head in document(), near in 0..6usize, count in 55..75usize, tail in document()) {
        let marker = [">", "- ", "1. ", "\t", "[^a]: ", "> "][near];
        let rows = ["", "| x\n", "|\n", "||x\n", "x\n", "- x\n"][near].repeat(count * 5);
        let source = [head.as_str(), "\n", &marker.repeat(count * if near == 3 { 4 } else { 1 }), &tail, "\n|a|a|a\n|-|-|-\n", &rows, &tail].concat();
        prop_assert_eq!(Scan::default().advance(&source), trip(&source), "{:?}", source);
    }

    #[test]
    fn any_split_trips_at_the_same_offset(head in document(), deep in 0..3usize, tail in document(), cuts in cuts()) {
        let middle = ["", DEEP, "|a|a|a\n|-|-|-\n|\n x\n| x\n"][deep];
        let source = [head.as_str(), middle, &"| x\n".repeat(deep * 200), &tail].concat();
        let mut ends: Vec<usize> = match &cuts {
            Some(cuts) => cuts.iter().map(|cut| cut.index(source.len() + 1)).collect(),
            None => (0..=source.len()).collect(),
        };
        ends.retain(|&end| source.is_char_boundary(end));
        ends.sort_unstable();
        let mut scan = Scan::default();
        for end in ends {
            let so_far = scan.advance(&source[..end]);
            prop_assert!(cuts.is_none() || so_far == trip(&source[..end]));
        }
        prop_assert_eq!(scan.advance(&source), trip(&source));
    }

    #[test]
    fn once_tripped_every_extension_trips_there(source in document(), deep in 0..4usize) {
        let unit = [DEEP.to_owned(), table(40, 60), " ".repeat(1001), format!("{}x", "- ".repeat(70))];
        let source = [source.clone(), unit[deep].clone(), source].concat();
        let at = trip(&source);
        let mut tripped = None;
        for end in (0..=source.len()).filter(|&end| source.is_char_boundary(end)) {
            let now = trip(&source[..end]);
            prop_assert!(tripped.is_none() || now == tripped, "{tripped:?} became {now:?} at {end}");
            tripped = now;
        }
        prop_assert_eq!(tripped, at);
        if let Some(at) = at {
            prop_assert!(at == 0 || source.as_bytes()[at - 1] == b'\n');
            prop_assert_eq!(trip(&source[..at]), None);
        }
    }
}
