//! What the bounds leave to the parser grows with the source and not faster, also where a fence is only pretended.
//!
//! Time is measured in `loadtest`; here the parser's work is counted: its events, and for each line the containers that
//! it looks through.

use pulldown_cmark::{Event, Options as Flags, Parser, Tag};
use rillmark::markdown::bounds::{OUTPUT_FACTOR, trip};
use rillmark::markdown::{Options, Policy, render};

/// What could make a scan believe that a fence is open.
const FAKES: &[&str] = &[
    "",
    "- ```\n",
    "- a\n\n  ```\n",
    "> ```\n",
    "1. a\n   ~~~\n",
    "[^a]: b\n\n    ```\n",
    "    ```\n",
    "``` a`b\n",
    "<!--\n```\n-->\n",
    "<pre>\n```\n</pre>\n",
    "<div>\n```\n\n",
    "```\n```\n",
    "~~~\n```\n~~~\n",
    "~~~~ `x`\n~~~\n~~~~~\n",
    "```\n```\t\n```\n\n",
];

/// Its name, and how to make it of so many bytes.
type Shape = (&'static str, fn(usize) -> String);

/// The shapes that cost the parser more than their size, as `bytes` grow.
const SHAPES: &[Shape] = &[
    ("quotes and lazy lines", |bytes| deep(">", bytes)),
    ("bullets and lazy lines", |bytes| deep("- ", bytes)),
    ("stars and lazy lines", |bytes| deep("* ", bytes)),
    ("numbers and lazy lines", |bytes| deep("1. ", bytes)),
    ("quotes and blank lines", |bytes| ">".repeat(bytes / 2) + &"\n".repeat(bytes / 2)),
    ("a wide table", |bytes| table(bytes / 12, bytes / 6)),
    ("many wide tables", |bytes| (table(100, 100) + "\n").repeat(bytes / 700)),
];

fn deep(marker: &str, bytes: usize) -> String {
    marker.repeat(bytes / 2 / marker.len()) + "x\n" + &"y\n".repeat(bytes / 4)
}

fn table(columns: usize, rows: usize) -> String {
    "|a".repeat(columns) + "\n" + &"|-".repeat(columns) + "\n" + &"|x\n".repeat(rows)
}

fn flags() -> Flags {
    Flags::ENABLE_TABLES | Flags::ENABLE_FOOTNOTES | Flags::ENABLE_GFM | Flags::ENABLE_TASKLISTS
}

/// Events, and containers open over each line, of what the bounds let through.
fn work(source: &str) -> usize {
    let parsed = &source[..trip(source).unwrap_or(source.len())];
    let mut work = 0;
    for (event, range) in Parser::new_ext(parsed, flags()).into_offset_iter() {
        work += 1;
        if let Event::Start(Tag::Item | Tag::BlockQuote(_) | Tag::FootnoteDefinition(_)) = event {
            work += parsed[range].bytes().filter(|&b| b == b'\n').count();
        }
    }
    work
}

#[test]
fn work_and_output_grow_with_the_source_behind_every_fake_fence() {
    let options = Options { provisional: false, footnotes: true, alerts: true, task_lists: true, ..Options::default() };
    for fake in FAKES {
        for (name, shape) in SHAPES {
            let [small, large] = [6_000, 24_000].map(|bytes| format!("{fake}{}", shape(bytes)));
            let [work_small, work_large] = [&small, &large].map(|source| work(source));
            // The deepest that the bounds allow: containers by markers and by indentation.
            let most = 8 * large.len() + (64 + 500) * large.lines().count();
            assert!(work_large <= most, "{name} behind {fake:?}: {work_large} over {most}");
            assert!(work_large <= 5 * work_small.max(4_000), "{name} behind {fake:?}: {work_small}, then {work_large}");
            let html = render(&large, &options, &Policy::default());
            let allowed = OUTPUT_FACTOR * large.len() + 64 * 1024;
            assert!(html.len() <= allowed, "{name} behind {fake:?}: {} bytes from {}", html.len(), large.len());
        }
    }
}

#[test]
fn without_the_bounds_the_same_shapes_explode() {
    let lines = |source: &str| {
        let events = Parser::new_ext(source, flags()).into_offset_iter();
        let deep = events.filter(|(event, _)| matches!(event, Event::Start(Tag::Item | Tag::BlockQuote(_))));
        deep.map(|(_, range)| source[range].bytes().filter(|&b| b == b'\n').count()).sum::<usize>()
    };
    let [small, large] = [6_000, 24_000].map(|bytes| lines(&deep("- ", bytes)));
    assert!(
        large > 12 * small,
        "{small}, then {large}: the parser has mended it, and the bounds may be looked at again"
    );
}
