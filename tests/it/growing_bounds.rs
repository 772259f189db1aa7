//! Growing documents that cross the bounds: each bound trips once, where the whole says it does, and costs no more than
//! the block that was open.

use std::sync::Arc;

use rillmark::markdown::growing::{Edit, Growing};
use rillmark::markdown::options::{Options, Policy, Tail};

use super::corpus::{self, Dice};
use super::follow::{self, Case, light::Light};

const REST: &str = "<pre class=\"djust-md-rest\">";

/// What crosses a bound, after some ordinary text and before more of it; a table's cells are bound by the bytes so far.
fn crossing(kind: usize, dice: &mut Dice) -> String {
    let (before, after) = (ordinary(dice), ordinary(dice));
    let n = |dice: &mut Dice, from: usize| from + dice.below(9);
    let culprit = match kind {
        0 => {
            let columns = n(dice, 200);
            let short_rows = "|x\n".repeat(n(dice, 12 + before.len() / 400));
            format!("|{}\n|{}\n{short_rows}", "a|".repeat(columns), "-|".repeat(columns))
        }
        1 => format!("{}a *b*\nlazy\n", "> ".repeat(n(dice, 61))),
        2 => format!("- one\n- two\n\n  {}x\n", "- ".repeat(n(dice, 61))),
        3 => format!("1. one\n\n{}deep\n", " ".repeat(n(dice, 995))),
        4 => format!("- a\n{}\tdeep\n", "\t".repeat(n(dice, 245))),
        // A fence within a container counts; one at the margin does not.
        5 => format!("> ```\n> {}x\n> ```\n", "> ".repeat(n(dice, 60))),
        // Behind lines that may have left a fence open it would be none.
        _ => return format!("text\n\n```\n{}x\n```\n\n{after}\n{after}", "> ".repeat(n(dice, 70))),
    };
    format!("{before}\n\n{culprit}\n{after}\n{after}")
}

/// Some lines of replies.
fn ordinary(dice: &mut Dice) -> String {
    let reply = corpus::REPLIES[dice.below(corpus::REPLIES.len())];
    let lines: Vec<&str> = reply.split_inclusive('\n').collect();
    let from = dice.below(lines.len());
    lines[from..].iter().take(1 + dice.below(6)).copied().collect()
}

fn options(dice: &mut Dice) -> Options {
    let tail = if dice.below(2) == 0 { Tail::Complete } else { Tail::Escape };
    Options { tail, dense: true, task_lists: true, alerts: true, ..Options::default() }
}

/// Ends of pieces of up to so many bytes.
fn cuts(source: &str, most: usize, dice: &mut Dice) -> Vec<usize> {
    let (mut cuts, mut at) = (Vec::new(), 0);
    while at < source.len() {
        at = source.len().min(at + 1 + dice.below(most));
        while !source.is_char_boundary(at) {
            at += 1;
        }
        cuts.push(at);
    }
    cuts
}

fn unescaped_len(html: &str) -> usize {
    html.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").len()
}

/// Where the rest begins in the source of so many bytes, of which the page holds this.
fn rest_begins(html: &str, source_bytes: usize) -> Option<usize> {
    let (_, rest) = html.split_once(REST)?;
    let shown = rest.strip_suffix("</pre>").expect("the rest stands at the end");
    // A first line feed is written twice.
    let doubled = usize::from(shown.starts_with('\n'));
    Some(source_bytes - (unescaped_len(shown) - doubled))
}

fn bytes(edits: &[Edit]) -> usize {
    let of = |edit: &Edit| match edit {
        Edit::Replace { html, .. } | Edit::Append { html, .. } => html.len(),
        Edit::Delete { .. } => 0,
    };
    edits.iter().map(of).sum()
}

/// Feeds a source and returns where the rest began, if it did; it stays there, and costs no more than what was open.
fn follow_rest(source: &str, options: &Options, cuts: &[usize]) -> Option<usize> {
    let mut growing = Growing::new(options.clone(), Arc::new(Policy::default()));
    let (mut page, mut began, mut from, mut html) = (Light::load(), None, 0, String::new());
    for end in cuts {
        let mut edits = Vec::new();
        let open = page.last_children_bytes(1);
        growing.push(&source[from..*end]);
        growing.frame(&mut edits);
        edits.iter().for_each(|edit| page.apply(edit).unwrap());
        html.clear();
        page.write(&mut html);
        let now = rest_begins(&html, *end);
        match (began, now) {
            (Some(_), _) => {
                assert_eq!(now, began, "{options:?} after {end} bytes of {source:?}");
                assert!(bytes(&edits) <= 6 * (end - from), "text is appended: {edits:?}");
            }
            (None, Some(at)) => {
                // What was open, and what it is now with the rest behind it.
                let (sent, room) = (bytes(&edits), open + page.last_children_bytes(2) + 6 * (end - from) + 512);
                assert!(sent <= room, "{sent} bytes, and {room} were open: {at} of {source:?}");
                began = now;
            }
            (None, None) => {}
        }
        from = *end;
    }
    began
}

#[test]
fn the_rest_begins_where_it_began() {
    let mut dice = Dice::new(0xB0B0);
    let (mut tripped, rounds) = ([0; 7], if corpus::long() { 3_000 } else { 84 });
    for round in 0..rounds {
        let kind = round % tripped.len();
        let (source, options) = (crossing(kind, &mut dice), options(&mut dice));
        let most = [1, 8, 60][dice.below(3)];
        let began = [most, 200].map(|most| follow_rest(&source, &options, &cuts(&source, most, &mut dice)));
        assert_eq!(began[0], began[1], "{source:?}");
        tripped[kind] += usize::from(began[0].is_some());
    }
    assert!(tripped[..6].iter().all(|count| *count > 0), "each kind trips: {tripped:?}");
    assert_eq!(tripped[6], 0, "a fence at the margin is exempt");
}

#[test]
fn documents_that_cross_a_bound_are_the_render_of_their_prefixes() {
    let mut dice = Dice::new(0xC055);
    for round in 0..if corpus::long() { 2_000 } else { 42 } {
        let source = crossing(round % 7, &mut dice);
        let case =
            Case { cuts: cuts(&source, 60, &mut dice), source, options: options(&mut dice), policy: Policy::default() };
        follow::check(&case, round % 21 == 0).unwrap_or_else(|fault| panic!("{fault}{:?}", case.source));
    }
}

/// Definitions and what refers to them, near what references may cost: how long, how many, how much in all.
fn references() -> Vec<String> {
    let text = |bytes: usize| "Some *text* that goes on.\n\n".repeat(bytes / 27);
    let long = |bytes: usize| format!("[a]: /{}\n\n", "u".repeat(bytes - 7));
    let uses = |count: usize| "See [a] and [b][A].\n\n".repeat(count);
    let many = |count: usize| (0..count).map(|i| format!("[r{i}]: /{i}\n")).collect::<String>();
    vec![
        long(20_000) + &uses(6) + &text(240_000),
        uses(6) + &text(8_000) + &long(20_000) + &uses(6),
        long(2_047) + &uses(12) + &text(20_000) + &uses(12),
        long(2_049) + &uses(12) + &text(4_000) + &uses(12),
        uses(30) + &text(4_000) + &long(2_000) + &uses(8),
        many(10_003) + "\n[r1] [r9999] [r10000] [r10002]\n",
    ]
}

#[test]
fn references_near_their_bounds_are_those_of_the_render() {
    let mut dice = Dice::new(0x4EF5);
    for (i, source) in references().into_iter().enumerate() {
        let most = source.len() / if corpus::long() { 2_000 } else { 16 };
        for tail in [Tail::Complete, Tail::Escape] {
            let options = Options { tail, dense: true, ..Options::default() };
            let mut cuts = cuts(&source, most, &mut dice);
            // Around the ends of what is bound, byte by byte.
            let near = source.match_indices("\n\n").take(3).flat_map(|(at, _)| at.saturating_sub(2)..at + 4);
            cuts.extend(near.filter(|at| *at <= source.len() && source.is_char_boundary(*at)));
            cuts.sort_unstable();
            cuts.dedup();
            let case = Case { source: source.clone(), cuts, options, policy: Policy::default() };
            follow::check(&case, false)
                .unwrap_or_else(|fault| panic!("source {i}, {tail:?}, after {}: {}", fault.at, fault.what));
        }
    }
}
