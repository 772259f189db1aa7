//! Cases from a seed: parts of the specifications' examples, of replies and of traps, put together, nested and mutated,
//! under any options, each cut twice.

use rillmark::markdown::options::{Images, Options, Policy, TableAlign, Tail};

use self::lines::LINES;
use super::Case;
use crate::corpus::{self, Dice, REPLIES, TRAPS};

#[path = "../../../src/markdown/growing/open/tests/lines.rs"]
mod lines;

/// What a line of marks is made of.
const MARKS: &[&str] = &[
    "*",
    "**",
    "***",
    "_",
    "__",
    "~~",
    "~",
    "`",
    "``",
    "[",
    "]",
    "](",
    ")",
    "![",
    "<",
    ">",
    "\\",
    "&",
    "&amp;",
    ":",
    "\"",
    "'",
    "(",
    "$",
    "$$",
    "^",
    "[a]",
    "[b][a]",
    "[a](b \"c\")",
    "[a](b ",
    " [b](/u [",
    "](c d",
    "<b>",
    "<https://a.b>",
    "www.a.b",
    "https://c.d/e",
    "a@b.c",
    "&copy;",
    "\\*",
    "  ",
    " ",
    " ",
    " ",
    " ",
    "word",
    "more words",
    "x",
    "Zürich",
    "2 * 3",
    "snake_case",
    "1",
    ".",
    ",",
    "!",
    "|",
    "—",
    "日本",
    "\u{301}",
];

/// What is put into a source at random.
const SYNTAX: &[&str] = &[
    "*",
    "**",
    "_",
    "~~",
    "`",
    "```",
    "[",
    "]",
    "](",
    ")",
    "!",
    "<",
    ">",
    "> ",
    "\n",
    "\n\n",
    "    ",
    "\t",
    "- ",
    "1. ",
    "# ",
    "|",
    "|---|",
    "\\",
    "&",
    "&amp;",
    ":",
    "\"",
    "=",
    "---",
    "$",
    "$$",
    "[^1]",
    "[^1]: ",
    "[a]: /b",
    "[a]",
    "www.a.b",
    "[ ] ",
    "[!NOTE]",
    "é",
    "“",
    " ",
    "  \n",
    "\n- ",
    "\n> ",
    "\n  ",
    "\n[a]: /c\n",
];

/// A cut has about so many frames at most: the pieces of longer sources are larger.
pub(crate) const FRAMES_MAX: usize = 300;

/// Makes cases.
pub(crate) struct Maker {
    examples: Vec<String>,
    frames_max: usize,
}

impl Maker {
    /// One that knows the examples, if they were fetched.
    pub(crate) fn new() -> Self {
        Self { examples: corpus::sources(), frames_max: FRAMES_MAX }
    }

    /// One that cuts into about so many frames at most.
    pub(crate) fn with_frames(self, frames_max: usize) -> Self {
        Self { frames_max: frames_max.max(1), ..self }
    }

    /// Case `index` of a seed: the same document with two cuts.
    pub(crate) fn cases(&self, seed: u64, index: u64) -> [Case; 2] {
        let mut dice = Dice::new(seed.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ index.wrapping_mul(0xA24B_AED4_963E_E407));
        let source = self.source(&mut dice);
        let (options, policy) = options(&mut dice);
        let first = cuts(&source, self.frames_max, &mut dice);
        let mut second = cuts(&source, self.frames_max, &mut dice);
        second.extend(first.iter().filter(|_| dice.below(3) == 0));
        second.sort_unstable();
        second.dedup();
        [first, second].map(|cuts| Case {
            source: source.clone(),
            cuts,
            options: options.clone(),
            policy: policy.clone(),
        })
    }

    fn source(&self, dice: &mut Dice) -> String {
        let length = match dice.below(32) {
            0 => 1_200 + dice.below(6_000),
            1..8 => 400 + dice.below(800),
            _ => 100 + dice.below(250),
        };
        let mut source = String::new();
        while source.len() < length {
            let part = self.part(dice);
            source += &nested(&part, dice);
            match dice.below(4) {
                0 => {}
                1 => source += "\n",
                _ => source += if source.ends_with('\n') { "\n" } else { "\n\n" },
            }
        }
        for _ in 0..dice.below(7) {
            mutate(&mut source, dice);
        }
        match dice.below(64) {
            0 | 1 => source = source.replace('\n', "\r\n"),
            2 => source = source.replace('\n', "\r"),
            3 => ["\0", "\u{feff}", "\r", "\u{c}", "\u{b}", "\u{85}"].iter().for_each(|odd| {
                let at = spot(&source, dice);
                source.insert_str(at, odd);
            }),
            _ => {}
        }
        source
    }

    fn part(&self, dice: &mut Dice) -> String {
        match dice.below(16) {
            0..8 => self.examples[dice.below(self.examples.len())].clone(),
            8..11 => (0..2 + dice.below(8)).fold(String::new(), |part, _| part + LINES[dice.below(LINES.len())] + "\n"),
            11..13 => {
                let marks = (0..3 + dice.below(25)).map(|_| MARKS[dice.below(MARKS.len())]);
                marks.collect::<String>() + "\n"
            }
            13 => some_lines(TRAPS[dice.below(TRAPS.len())], dice),
            _ => some_lines(REPLIES[dice.below(REPLIES.len())], dice),
        }
    }
}

/// A few lines in a row.
fn some_lines(text: &str, dice: &mut Dice) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let from = dice.below(lines.len());
    lines[from..].iter().take(1 + dice.below(8)).copied().collect()
}

/// A part as it is, or within a container; the lines behind the first may lack what keeps them inside.
fn nested(part: &str, dice: &mut Dice) -> String {
    let (first, others) = match dice.below(16) {
        0 => ("> ", "> "),
        1 => ("- ", "  "),
        2 => ("1. ", "   "),
        3 => ("    ", "    "),
        4 => ("> ", ""),
        5 => ("- - ", "    "),
        6 => ("> 1. ", ">    "),
        7 => ("- > ", "  > "),
        8 => ("  ", "  "),
        9 => ("\t", "\t"),
        _ => return part.to_owned(),
    };
    let (loose, mut out) = (dice.below(8) == 0, String::new());
    for (i, line) in part.split_inclusive('\n').enumerate() {
        if !(loose && dice.below(3) == 0) && (i == 0 || line != "\n" || others.starts_with('>')) {
            out += if i == 0 { first } else { others };
        }
        out += line;
    }
    out
}

fn spot(source: &str, dice: &mut Dice) -> usize {
    let mut at = dice.below(source.len() + 1);
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn mutate(source: &mut String, dice: &mut Dice) {
    let at = spot(source, dice);
    let line = source[..at].rfind('\n').map_or(0, |at| at + 1);
    let end = source[at..].find('\n').map_or(source.len(), |found| at + found + 1);
    match dice.below(9) {
        0..3 => source.insert_str(at, SYNTAX[dice.below(SYNTAX.len())]),
        3 | 4 if at < source.len() => drop(source.remove(at)),
        5 => source.insert_str(line, ["  ", "    ", "> ", "- ", "   ", "\t"][dice.below(6)]),
        // Two lines become one.
        6 if source[..end].ends_with('\n') => drop(source.remove(end - 1)),
        7 => source.replace_range(line..end, ""),
        8 => {
            let again = source[line..end].to_owned();
            let at = spot(source, dice);
            source.insert_str(at, &again);
        }
        _ => {}
    }
}

fn cuts(source: &str, frames_max: usize, dice: &mut Dice) -> Vec<usize> {
    let least = source.len() / frames_max;
    let (mut cuts, mut at) = (Vec::new(), 0);
    let step = [0, 1, 3, 3, 6, 12, 24, 60][dice.below(8)];
    while at < source.len() {
        // A line, or some bytes.
        at = match source[at..].find('\n') {
            Some(found) if step == 60 && dice.below(4) > 0 => at + found + dice.below(2),
            _ => at + dice.below(step + 1),
        };
        at = source.len().min(at + 1 + least);
        while !source.is_char_boundary(at) {
            at += 1;
        }
        cuts.push(at);
    }
    // Often the end comes with text that no frame showed.
    if dice.below(2) == 0 {
        cuts.pop();
    }
    cuts
}

/// Mostly what streams have, and every option now and then.
fn options(dice: &mut Dice) -> (Options, Policy) {
    let tail = if dice.below(3) == 0 { Tail::Escape } else { Tail::Complete };
    let (plain, mut policy) = (Options { tail, dense: true, ..Options::default() }, Policy::default());
    if dice.below(2) == 0 {
        return (plain, policy);
    }
    let mut one_in = |n: usize| dice.below(n) == 0;
    let options = Options {
        tables: !one_in(8),
        strikethrough: !one_in(8),
        task_lists: one_in(2),
        autolinks: one_in(3),
        code_classes: !one_in(8),
        footnotes: one_in(12),
        alerts: one_in(3),
        math: one_in(3),
        heading_ids: one_in(3),
        images: if one_in(8) { Images::None } else { Images::All },
        link_rel: if one_in(8) { "nofollow ugc".to_owned() } else { String::new() },
        table_align: if one_in(4) { TableAlign::Attribute } else { TableAlign::Style },
        id_prefix: if one_in(4) { "r1-".to_owned() } else { String::new() },
        ..plain
    };
    if one_in(8) {
        policy.image_prefixes = vec!["/ok/".to_owned(), "https://".to_owned()];
    }
    (options, policy)
}
