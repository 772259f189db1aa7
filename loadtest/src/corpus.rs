//! The documents on which speed is measured: what a language model answers with, made from a seed.
//!
//! A fifth of the bytes is fenced code; the rest is prose with marks, nested lists, tables, links and quotes, at least
//! one construct per 80 bytes. Nothing in it that the renderer would write differently from the parser's own writer
//! (raw HTML, other URL schemes), so both sides of a comparison do the same job and their output is compared.

use crate::chance::Chance;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::fmt::Write as _;

const WORDS: &[&str] = &[
    "the",
    "a",
    "of",
    "to",
    "request",
    "handler",
    "stream",
    "each",
    "value",
    "cache",
    "when",
    "index",
    "and",
    "returns",
    "token",
    "client",
    "is",
    "page",
    "with",
    "buffer",
    "queue",
    "writes",
    "from",
    "table",
    "between",
    "offset",
    "worker",
    "first",
    "checks",
    "snapshot",
    "without",
    "server",
    "latency",
    "throughput",
    "naïve",
    "coördinate",
    "you",
    "can",
    "should",
    "before",
    "deploy",
    "config",
    "it",
    "runs",
    "in",
    "memory",
    "safe",
    "default",
    "limit",
    "after",
    "Zürich",
];

const CODE: &[&str] = &[
    "let mut total = 0;",
    "for (i, line) in text.lines().enumerate() {",
    "    if line.is_empty() && i > 0 { continue; }",
    "    total += line.len() as u64;",
    "}",
    "def render(text: str, *, safe=True) -> str:",
    "    return client.post(\"/render\", json={\"markdown\": text})[\"html\"]",
    "SELECT id, name FROM users WHERE created_at > now() - interval '1 day';",
    "curl -sS http://127.0.0.1:8700/render -d '{\"markdown\": \"# Hi\"}'",
    "const el = document.querySelector(\"[dj-stream='response']\");",
    "# a comment with <angle> brackets & an ampersand",
    "",
];

const LANGUAGES: &[&str] = &["rust", "python", "sql", "sh", "js", "", "json"];

/// What a corpus is made of, as the parser sees it.
pub(crate) struct Composition {
    pub(crate) bytes: usize,
    pub(crate) constructs: usize,
    pub(crate) code_bytes: usize,
}

/// A document of about `bytes` bytes (the last block is never cut).
pub(crate) fn document(seed: u64, bytes: usize) -> String {
    let mut writer = Writer { chance: Chance::new(seed), out: String::with_capacity(bytes + 512), code_bytes: 0 };
    while writer.out.len() < bytes {
        // Blocks that are small enough for what is left, so that a short document is as mixed as a long one.
        let left = bytes - writer.out.len();
        writer.block(left);
    }
    writer.out
}

/// One of the words that documents are made of.
pub(crate) fn word(chance: &mut Chance) -> &'static str {
    chance.pick::<&'static str>(WORDS)
}

/// Counts blocks and inline elements other than plain paragraphs, table sections and soft breaks.
pub(crate) fn composition(source: &str) -> Composition {
    let mut constructs = 0;
    let mut code_bytes = 0;
    let mut in_fence = false;
    for (event, range) in
        Parser::new_ext(source, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH).into_offset_iter()
    {
        match event {
            Event::Start(Tag::Paragraph | Tag::TableHead) => {}
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => {
                constructs += 1;
                in_fence = true;
                code_bytes += range.len();
            }
            Event::End(TagEnd::CodeBlock) => in_fence = false,
            Event::Start(_) | Event::Code(_) | Event::Rule | Event::HardBreak => constructs += 1,
            _ => debug_assert!(!in_fence || matches!(event, Event::Text(_))),
        }
    }
    Composition { bytes: source.len(), constructs, code_bytes }
}

struct Writer {
    chance: Chance,
    out: String,
    code_bytes: usize,
}

impl Writer {
    fn block(&mut self, left: usize) {
        if self.code_bytes * 5 < self.out.len() {
            return self.fence(left);
        }
        match self.chance.below(100) {
            0..30 => self.paragraph(),
            30..45 => self.heading(),
            45..70 => self.list(left),
            70..82 => self.table(left),
            82..92 => self.quote(),
            92..96 => self.reference(),
            _ => self.out.push_str("---\n\n"),
        }
    }

    fn word(&mut self) {
        let word = *self.chance.pick(WORDS);
        self.out.push_str(word);
    }

    fn words(&mut self, low: usize, high: usize) {
        for i in 0..self.chance.between(low, high) {
            if i > 0 {
                self.out.push(' ');
            }
            self.word();
        }
    }

    /// Words between `open` and `close`.
    fn marked(&mut self, open: &str, close: &str) {
        self.out.push_str(open);
        self.words(1, 3);
        self.out.push_str(close);
    }

    /// A run of prose with a mark about every six words.
    fn inline(&mut self, runs: usize) {
        for i in 0..runs {
            if i > 0 {
                self.out.push(' ');
            }
            self.words(2, 7);
            self.out.push(' ');
            match self.chance.below(12) {
                0..3 => self.marked("**", "**"),
                3 | 4 => self.marked("*", "*"),
                5..8 => self.marked("`", "`"),
                8 => self.marked("~~", "~~"),
                9 | 10 => {
                    self.marked("[", "](");
                    let page = self.chance.below(1000);
                    let _ = write!(self.out, "https://example.org/docs/{page}?a=1&b=2)");
                }
                _ => self.out.push_str("<https://example.org/x> & 3 < 4 \\* \"so\""),
            }
            if self.chance.percent(30) {
                self.out.push(',');
            }
        }
    }

    fn paragraph(&mut self) {
        let lines = self.chance.between(1, 3);
        for line in 0..lines {
            if line > 0 {
                self.out.push('\n');
            }
            self.inline(2);
        }
        self.out.push_str(".\n\n");
    }

    fn heading(&mut self) {
        let level = self.chance.between(1, 4);
        self.out.push_str(&"####"[..level]);
        self.out.push(' ');
        self.words(2, 5);
        self.out.push_str("\n\n");
    }

    /// A list with up to three levels.
    fn list(&mut self, left: usize) {
        let ordered = self.chance.percent(35);
        let items = self.chance.between(3, 6).min(left / 40 + 1);
        for item in 1..=items {
            let width = if ordered { 3 } else { 2 };
            let _ = if ordered { write!(self.out, "{item}. ") } else { write!(self.out, "- ") };
            self.inline(1);
            self.out.push('\n');
            if self.chance.percent(40) {
                for _ in 0..self.chance.between(1, 3) {
                    let _ = write!(self.out, "{:width$}- ", "");
                    self.inline(1);
                    self.out.push('\n');
                }
                if self.chance.percent(30) {
                    let _ = write!(self.out, "{:1$}* ", "", width + 2);
                    self.inline(1);
                    self.out.push('\n');
                }
            }
        }
        self.out.push('\n');
    }

    fn table(&mut self, left: usize) {
        let columns = self.chance.between(2, 5);
        let rows = self.chance.between(2, 8).min(left / 60 + 1);
        for row in 0..rows + 2 {
            for column in 0..columns {
                self.out.push_str("| ");
                if row == 1 {
                    self.out.push_str(["---", ":--", "--:", ":-:"][column % 4]);
                } else if self.chance.percent(25) {
                    self.marked("`", "`");
                } else {
                    self.words(1, 3);
                }
                self.out.push(' ');
            }
            self.out.push_str("|\n");
        }
        self.out.push('\n');
    }

    fn quote(&mut self) {
        for _ in 0..self.chance.between(1, 3) {
            self.out.push_str("> ");
            self.inline(1);
            self.out.push('\n');
        }
        if self.chance.percent(30) {
            self.out.push_str("> > ");
            self.inline(1);
            self.out.push('\n');
        }
        self.out.push('\n');
    }

    fn reference(&mut self) {
        let number = self.chance.below(1_000_000);
        let _ = write!(self.out, "See [the ");
        self.word();
        let _ = write!(self.out, "][r{number}] and ![");
        self.word();
        let _ = write!(
            self.out,
            "](/img/{number}.png \"A title\").\n\n[r{number}]: https://example.org/{number} \"t\"\n\n"
        );
    }

    fn fence(&mut self, left: usize) {
        let start = self.out.len();
        let _ = writeln!(self.out, "```{}", self.chance.pick(LANGUAGES));
        let lines = self.chance.between(3, 12).min(left / 50 + 1);
        for _ in 0..lines {
            let line = *self.chance.pick(CODE);
            self.out.push_str(line);
            self.out.push('\n');
        }
        self.out.push_str("```\n\n");
        self.code_bytes += self.out.len() - start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_document() {
        assert_eq!(document(7, 5000), document(7, 5000));
        assert_ne!(document(7, 5000), document(8, 5000));
    }

    #[test]
    fn a_corpus_is_dense_and_a_fifth_of_it_is_code() {
        for seed in 0..20 {
            let made = composition(&document(seed, 20_000));
            assert!(made.constructs * 80 >= made.bytes, "{} constructs in {} bytes", made.constructs, made.bytes);
            let share = made.code_bytes * 100 / made.bytes;
            assert!((17..=25).contains(&share), "{share} % code");
        }
    }
}
