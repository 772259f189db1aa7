//! HTML as a browser reads it: a fragment parsed within a `div`.

#![allow(dead_code, reason = "a toolbox: each test crate that includes it takes what it needs")]

use html5ever::tendril::TendrilSink;
use html5ever::tokenizer::TokenizerOpts;
use html5ever::{LocalName, ParseOpts, QualName, ns, parse_fragment};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// Text; never empty, never beside another text.
    Text(String),
    /// An element.
    Element(Element),
    /// A comment, a doctype, a processing instruction: nothing that the renderer may write.
    Other(String),
}

/// An element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes by name.
    pub attributes: Vec<(String, String)>,
    /// What stands in it.
    pub children: Vec<Node>,
}

/// Parses a fragment as the content of a `div`.
pub(crate) fn parse(html: &str) -> Vec<Node> {
    parse_in("div", html)
}

/// Parses a fragment as the content of an element of this name.
pub(crate) fn parse_in(name: &str, html: &str) -> Vec<Node> {
    let context = QualName::new(None, ns!(html), LocalName::from(name));
    // A byte order mark is for who decodes bytes: what a script hands to the parser keeps it.
    let tokenizer = TokenizerOpts { discard_bom: false, ..TokenizerOpts::default() };
    let opts = ParseOpts { tokenizer, ..ParseOpts::default() };
    let dom = parse_fragment(RcDom::default(), opts, context, Vec::new(), false).one(html);
    let document = dom.document.children.borrow();
    document[0].children.borrow().iter().map(convert).collect()
}

fn convert(node: &Handle) -> Node {
    match &node.data {
        NodeData::Text { contents } => Node::Text(contents.borrow().to_string()),
        NodeData::Element { name, attrs, .. } => {
            let mut attributes: Vec<(String, String)> =
                attrs.borrow().iter().map(|a| (a.name.local.to_string(), a.value.to_string())).collect();
            attributes.sort();
            let children = node.children.borrow().iter().map(convert).collect();
            Node::Element(Element { name: name.local.to_string(), attributes, children })
        }
        other => Node::Other(format!("{other:?}")),
    }
}

/// Calls `each` with every element and its depth (the outermost have 1), in document order.
pub(crate) fn walk<'a>(nodes: &'a [Node], each: &mut impl FnMut(&'a Element, usize)) {
    fn down<'a>(nodes: &'a [Node], depth: usize, each: &mut impl FnMut(&'a Element, usize)) {
        for node in nodes {
            if let Node::Element(element) = node {
                each(element, depth);
                down(&element.children, depth + 1, each);
            }
        }
    }
    down(nodes, 1, each);
}

/// All elements, in document order.
pub(crate) fn elements(nodes: &[Node]) -> Vec<&Element> {
    let mut all = Vec::new();
    walk(nodes, &mut |element, _| all.push(element));
    all
}

/// The text that a reader sees, images by their alternative text not counted.
pub(crate) fn text(nodes: &[Node]) -> String {
    let of_one = |node: &Node| match node {
        Node::Text(text) => text.clone(),
        Node::Element(element) => text(&element.children),
        Node::Other(_) => String::new(),
    };
    nodes.iter().map(of_one).collect()
}

impl Element {
    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Panics, showing both, where two fragments are not the same tree.
#[track_caller]
pub(crate) fn assert_same(left: &str, right: &str, about: &str) {
    assert!(parse(left) == parse(right), "{about}\n left: {left}\nright: {right}");
}
