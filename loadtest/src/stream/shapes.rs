//! Documents that are one block, of any size.

use super::bars::Aim;
use crate::chance::Chance;
use crate::corpus;

/// One shape.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// Makes a document of about so many bytes.
    pub(crate) make: fn(&mut Chance, usize) -> String,
    /// µs of a frame, on average.
    pub(crate) average: Aim,
    /// µs of the slowest frame of a hundred, where it is bound.
    pub(crate) p99: Option<Aim>,
}

/// µs a frame.
const AVERAGE: Aim = Aim::of(3.0);
const P99: Option<Aim> = Some(Aim::of(15.0));

const fn shape(name: &'static str, p99: Option<Aim>, make: fn(&mut Chance, usize) -> String) -> Shape {
    Shape { name, make, average: AVERAGE, p99 }
}

/// Every shape that has to be flat: a frame of a long document costs what a frame of a short one does.
pub(crate) const SHAPES: &[Shape] = &[
    shape("fence", P99, |chance, bytes| lines("```rust\n", bytes, || format!("    {};\n", words(chance, 7)))),
    shape("list", P99, |chance, bytes| lines("", bytes, || format!("- {}\n", marked(chance, 2)))),
    shape("nested list", P99, |chance, bytes| {
        let mut level = 0;
        lines("- top\n", bytes, || {
            level = (level + chance.below(3)).saturating_sub(1).min(2);
            format!("{:1$}- {2}\n", "", 2 + 2 * level, marked(chance, 2))
        })
    }),
    shape("quote", P99, |chance, bytes| {
        lines("", bytes, || if chance.percent(25) { ">\n".to_owned() } else { format!("> {}\n", marked(chance, 2)) })
    }),
    shape("table", P99, |chance, bytes| {
        lines("| a | b | c |\n|---|--:|---|\n", bytes, || {
            format!("| {} | {} | `{}` |\n", words(chance, 2), chance.below(1000), words(chance, 1))
        })
    }),
    shape("indented code", None, |chance, bytes| lines("", bytes, || format!("    {}\n", words(chance, 7)))),
    shape("HTML block", None, |chance, bytes| lines("<div>\n", bytes, || format!("<p>{}</p>\n", words(chance, 7)))),
    shape("wrapped paragraph", None, |chance, bytes| lines("", bytes, || format!("{}\n", marked(chance, 2)))),
    shape("one-line paragraph", None, |chance, bytes| lines("", bytes, || format!("{} ", marked(chance, 2)))),
    shape("definitions", None, |chance, bytes| {
        let mut number = 0;
        lines("", bytes, || {
            number += 1;
            // Their number is bound: a long document has longer ones.
            let title = words(chance, 2 + bytes / 100_000);
            format!("[r{number}]: https://example.org/{number} \"{title}\"\n")
        })
    }),
    shape("plain text", None, |chance, bytes| lines("", bytes, || format!("{}\n", words(chance, 12)))),
    Shape {
        name: "[a](b repeated",
        make: |_, bytes| lines("", bytes, || "[a](b ".to_owned()),
        average: Aim::of(10.0),
        p99: None,
    },
];

/// `head`, then lines up to so many bytes.
fn lines(head: &str, bytes: usize, mut line: impl FnMut() -> String) -> String {
    let mut out = head.to_owned();
    while out.len() < bytes {
        out += &line();
    }
    out
}

fn words(chance: &mut Chance, count: usize) -> String {
    let words: Vec<&str> = (0..count).map(|_| corpus::word(chance)).collect();
    words.join(" ")
}

/// Words with a mark about every five of them.
fn marked(chance: &mut Chance, runs: usize) -> String {
    let one = |chance: &mut Chance| {
        let (before, inside) = (chance.between(2, 6), chance.between(1, 2));
        let (before, inside) = (words(chance, before), words(chance, inside));
        match chance.below(6) {
            0 | 1 => format!("{before} **{inside}**"),
            2 => format!("{before} *{inside}*"),
            3 | 4 => format!("{before} `{inside}`"),
            _ => format!("{before} [{inside}](https://example.org/{}?a=1&b=2)", chance.below(1000)),
        }
    };
    (0..runs).map(|_| one(chance)).collect::<Vec<_>>().join(" ")
}
