//! What the fuzz targets share: how bytes become a case, and the judges, included from the tests.
//!
//! A case begins with four bytes of option bits; the rest is the source, read as UTF-8 with replacement characters.

#[allow(unused_imports, reason = "what other tests take from it")]
#[path = "../../it/oracle/mod.rs"]
mod oracle;

#[path = "../../it/browser.rs"]
mod browser;

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
