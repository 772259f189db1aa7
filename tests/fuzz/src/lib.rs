//! What the fuzz targets share: how bytes become a case, and the judges, included from the tests.
//!
//! A case begins with four bytes of option bits; the rest is the source, read as UTF-8 with replacement characters.

#[allow(unused_imports, reason = "what other tests take from it")]
#[path = "../../it/oracle/mod.rs"]
mod oracle;

#[path = "../../it/browser.rs"]
mod browser;

#[allow(dead_code, reason = "the sources that `follow` makes cases from")]
#[path = "../../it/corpus.rs"]
mod corpus;

#[path = "../../it/follow/mod.rs"]
mod follow;

#[allow(unused_imports, reason = "what other tests take from it")]
#[path = "../../it/page/mod.rs"]
mod page;

#[allow(dead_code, reason = "the sources that `follow` makes cases from")]
#[path = "../../it/spec.rs"]
mod spec;

use rillmark::markdown::bounds::OUTPUT_FACTOR;
use rillmark::markdown::options::{Images, TableAlign, Tail};
use rillmark::markdown::{Options, Policy};

/// One render that is to be judged.
pub struct Case {
    /// What the caller asks for.
    pub options: Options,
    /// What the operator allows.
    pub policy: Policy,
    /// The source.
    pub source: String,
}

impl Case {
    /// Reads a case; `None` if there are not even options.
    pub fn read(data: &[u8]) -> Option<Self> {
        let (bits, source) = data.split_first_chunk::<4>()?;
        let bits = u32::from_le_bytes(*bits);
        let on = |bit: u32| bits & (1 << bit) != 0;
        let options = Options {
            provisional: on(0),
            // On by default, so that a case of zeros is the default render.
            tables: !on(1),
            strikethrough: !on(2),
            task_lists: on(3),
            tail: if on(4) { Tail::Complete } else { Tail::Escape },
            autolinks: on(5),
            code_classes: !on(6),
            footnotes: on(7),
            alerts: on(8),
            math: on(9),
            heading_ids: on(10),
            images: if on(11) { Images::None } else { Images::All },
            link_rel: if on(12) { "nofollow noopener".to_owned() } else { String::new() },
            table_align: if on(13) { TableAlign::Attribute } else { TableAlign::Style },
            id_prefix: if on(14) { "r1-".to_owned() } else { String::new() },
            dense: on(15),
        };
        let mut policy = Policy::default();
        if on(16) {
            policy.image_prefixes = vec!["/i/".to_owned(), "https://a.b/".to_owned()];
        }
        Some(Self { options, policy, source: String::from_utf8_lossy(source).into_owned() })
    }

    /// Renders.
    pub fn render(&self) -> String {
        rillmark::markdown::render(&self.source, &self.options, &self.policy)
    }
}

/// Panics unless a browser builds from `html` what its tags spell, and only what the table allows, and it is not larger
/// than `source` warrants.
pub fn judge(html: &str, source: &str) {
    let nodes = oracle::dom::parse(html);
    browser::assert_in_table(&nodes, source);
    browser::assert_built_as_spelled(html, &nodes, source);
    let most = OUTPUT_FACTOR * source.len() + 64 * 1024;
    assert!(html.len() <= most, "{} bytes from {}: {source:?}", html.len(), source.len());
}

/// Panics unless `html` stays inside the element that a page puts it into.
pub fn judge_wrapped(html: &str, source: &str) {
    let page = format!("<div>{html}</div><i id=after></i>");
    let nodes = oracle::dom::parse(&page);
    let names: Vec<&str> =
        nodes.iter().map(|node| if let oracle::dom::Node::Element(e) = node { &e.name } else { "?" }).collect();
    assert_eq!(names, ["div", "i"], "{html:?} from {source:?}");
}

/// What the naive twin renders.
pub fn expected(case: &Case) -> String {
    oracle::render(&case.source, &case.options, &case.policy)
}

/// Follows a growing document with a page; panics at the first frame after which it is not what it has to be.
///
/// The byte 0xFF, which no text holds, ends a piece and makes a frame. Where there is none, each piece is five characters.
pub fn follow_growing(data: &[u8]) {
    let Some((head, text)) = data.split_first_chunk::<4>() else { return };
    let Some(case) = Case::read(head) else { return };
    let mut pieces: Vec<String> =
        text.split(|byte| *byte == 0xFF).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect();
    if let [whole] = &pieces[..] {
        let letters: Vec<char> = whole.chars().collect();
        pieces = letters.chunks(5).map(|piece| piece.iter().collect()).chain([String::new()]).collect();
    }
    let source = pieces.concat();
    let mut cuts = Vec::new();
    for piece in &pieces[..pieces.len() - 1] {
        cuts.push(cuts.last().unwrap_or(&0) + piece.len());
    }
    cuts.dedup();
    let in_full = head[2] & 2 != 0;
    let case = follow::Case { source, cuts, options: case.options, policy: case.policy };
    follow::check(&case, in_full).unwrap_or_else(|fault| panic!("{fault}{:?}\n{:?}", case.pieces(), case.options));
}
