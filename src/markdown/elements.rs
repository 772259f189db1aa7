//! The allow-list: every element, attribute and shape of value that can leave the renderer. The writer has no other way
//! to emit a tag than through a row of this table.
//!
//! **Invariant:** parsed by a browser's parser, output holds nothing that is not in [`ELEMENTS`]
//! (`output_stays_inside_the_table`), and each row is needed (`every_row_is_reached`).
//!
//! **Source:** WHATWG HTML §4 (elements), §13.1.2 (how tags are written).

/// The shapes that a value can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Exactly one of these.
    Word(&'static [&'static str]),
    /// `language-` and at least one Unicode letter or digit or one of `+ # . _ -`.
    Language,
    /// A URL that the policy allows, percent-encoded; or `#`.
    Url,
    /// Any text, escaped.
    Text,
    /// A decimal number.
    Number,
    /// `user-content-` and escaped text.
    Id,
    /// Tokens of `LINK_REL_TOKENS`.
    Rel,
}

/// One attribute of one element.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What its value may be.
    pub shape: Shape,
    /// A space, the name, `="`.
    pub(super) lead: &'static str,
}

/// One element.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    /// Its name.
    pub name: &'static str,
    /// Which attributes it may have.
    pub attributes: &'static [Attribute],
    /// `<name`
    pub(super) head: &'static str,
    /// `<name>`
    pub(super) open: &'static str,
    /// `</name>`
    pub(super) close: &'static str,
}

macro_rules! attribute {
    ($name:literal, $shape:expr) => {
        Attribute { name: $name, shape: $shape, lead: concat!(" ", $name, "=\"") }
    };
}

macro_rules! elements {
    ($($(#[$doc:meta])* $constant:ident = $name:literal [$($attribute:literal $shape:expr),*];)*) => {
        $(
            pub(super) const $constant: Element = Element {
                name: $name,
                attributes: &[$(attribute!($attribute, $shape)),*],
                head: concat!("<", $name),
                open: concat!("<", $name, ">"),
                close: concat!("</", $name, ">"),
            };
        )*
        /// The table.
        pub const ELEMENTS: &[Element] = &[$($constant),*];
    };
}

use Shape::{Id, Language, Number, Rel, Text, Url, Word};

const CELL_STYLE: Shape = Word(&["text-align: left", "text-align: center", "text-align: right"]);
const CELL_ALIGN: Shape = Word(&["left", "center", "right"]);
const EMPTY: Shape = Word(&[""]);

elements! {
    P = "p" ["class" Word(&["djust-md-provisional"])];
    H1 = "h1" ["id" Id];
    H2 = "h2" ["id" Id];
    H3 = "h3" ["id" Id];
    H4 = "h4" ["id" Id];
    H5 = "h5" ["id" Id];
    H6 = "h6" ["id" Id];
    BLOCKQUOTE = "blockquote" ["class" Word(&[
        "markdown-alert-note", "markdown-alert-tip", "markdown-alert-important", "markdown-alert-warning",
        "markdown-alert-caution",
    ])];
    PRE = "pre" ["class" Word(&["djust-md-rest", "djust-md-toobig"])];
    CODE = "code" ["class" Language];
    OL = "ol" ["start" Number];
    UL = "ul" [];
    LI = "li" [];
    TABLE = "table" [];
    THEAD = "thead" [];
    TBODY = "tbody" [];
    TR = "tr" [];
    TH = "th" ["style" CELL_STYLE, "align" CELL_ALIGN];
    TD = "td" ["style" CELL_STYLE, "align" CELL_ALIGN];
    EM = "em" [];
    STRONG = "strong" [];
    DEL = "del" [];
    A = "a" ["href" Url, "title" Text, "rel" Rel];
    IMG = "img" ["src" Url, "alt" Text, "title" Text];
    BR = "br" [];
    HR = "hr" [];
    INPUT = "input" ["disabled" EMPTY, "type" Word(&["checkbox"]), "checked" EMPTY];
    SPAN = "span" ["class" Word(&["math math-inline", "math math-display", "rillmark-image"])];
    SUP = "sup" ["class" Word(&["footnote-reference", "footnote-definition-label"])];
    DIV = "div" ["class" Word(&["footnote-definition"]), "id" Id];
}

impl Element {
    /// The row of one of this element's attributes.
    #[inline(always)]
    pub(super) fn attribute(&self, name: &str) -> &'static Attribute {
        let row = self.attributes.iter().find(|row| row.name == name);
        row.expect("the writer names only attributes that stand in the table")
    }
}
