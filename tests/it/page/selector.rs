//! The selectors that the wire uses: a type, `#id`, `.class`, `[name]`, `[name='value']`, `:first-child`,
//! `:last-child`, `:nth-child(n)`, together or joined by a space or `>`.

use super::tree::{NodeId, Tree};

/// One condition on an element.
#[derive(Debug, PartialEq, Eq)]
enum Simple {
    Any,
    Type(String),
    Attribute(String, Option<String>),
    Class(String),
    First,
    Last,
    Nth(usize),
}

/// Conditions on one element, and whether the next ones (to the left) are about its parent or any ancestor.
#[derive(Debug)]
struct Compound {
    simples: Vec<Simple>,
    /// `>` stands before it.
    child: bool,
}

/// A selector that has been read.
#[derive(Debug)]
pub(crate) struct Selector(Vec<Compound>);

impl Selector {
    /// Reads a selector; `None` where it is none, or of a kind that stands above.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mut compounds, mut rest, mut child) = (Vec::new(), text.trim(), false);
        while !rest.is_empty() {
            let (simples, after) = compound(rest)?;
            compounds.push(Compound { simples, child });
            let trimmed = after.trim_start();
            child = trimmed.starts_with('>');
            if child && trimmed.len() == 1 || !child && trimmed.len() == after.len() && !after.is_empty() {
                return None;
            }
            rest = if child { trimmed[1..].trim_start() } else { trimmed };
        }
        (!compounds.is_empty()).then_some(Self(compounds))
    }

    /// The first element of the document that it selects.
    pub(crate) fn first(&self, tree: &Tree) -> Option<NodeId> {
        std::iter::once(Tree::ROOT)
            .chain(tree.descendants(Tree::ROOT))
            .find(|id| self.matches(tree, *id, self.0.len() - 1))
    }

    /// Whether `id` is selected by the compounds up to `last`.
    fn matches(&self, tree: &Tree, id: NodeId, last: usize) -> bool {
        if !self.0[last].simples.iter().all(|simple| simple.matches(tree, id)) {
            return false;
        }
        if last == 0 {
            return true;
        }
        let mut above = tree.parent(id);
        while let Some(ancestor) = above {
            if self.matches(tree, ancestor, last - 1) {
                return true;
            }
            above = if self.0[last].child { None } else { tree.parent(ancestor) };
        }
        false
    }
}

impl Simple {
    fn matches(&self, tree: &Tree, id: NodeId) -> bool {
        // From 1; the root stands alone.
        let place = || {
            let siblings = tree.parent(id).map_or_else(|| vec![id], |parent| tree.element_children(parent));
            (siblings.iter().position(|sibling| *sibling == id).map_or(0, |at| at + 1), siblings.len())
        };
        match self {
            Self::Any => true,
            Self::Type(name) => tree.name(id) == Some(name),
            Self::Attribute(name, None) => tree.attribute(id, name).is_some(),
            Self::Attribute(name, Some(value)) => tree.attribute(id, name) == Some(value),
            Self::Class(class) => {
                tree.attribute(id, "class").is_some_and(|all| all.split_ascii_whitespace().any(|one| one == class))
            }
            Self::First => place().0 == 1,
            Self::Last => place().0 == place().1,
            Self::Nth(n) => place().0 == *n,
        }
    }
}

/// The conditions at the beginning of `text`, at least one, and what follows them.
fn compound(text: &str) -> Option<(Vec<Simple>, &str)> {
    let (mut simples, mut rest) = (Vec::new(), text);
    loop {
        let simple = match rest.bytes().next() {
            Some(b'*') if simples.is_empty() => {
                rest = &rest[1..];
                Simple::Any
            }
            Some(b'#') => Simple::Attribute("id".to_owned(), Some(name(&mut rest, 1)?)),
            Some(b'.') => Simple::Class(name(&mut rest, 1)?),
            Some(b':') => pseudo(&mut rest)?,
            Some(b'[') => attribute(&mut rest)?,
            Some(byte) if simples.is_empty() && byte.is_ascii_alphabetic() => {
                Simple::Type(name(&mut rest, 0)?.to_ascii_lowercase())
            }
            _ => return (!simples.is_empty()).then_some((simples, rest)),
        };
        simples.push(simple);
    }
}

/// Takes a name that begins after `skip` bytes.
fn name(rest: &mut &str, skip: usize) -> Option<String> {
    let text = &rest[skip..];
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c) || !c.is_ascii()));
    let (name, after) = text.split_at(end.unwrap_or(text.len()));
    *rest = after;
    (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())).then(|| name.to_owned())
}

fn pseudo(rest: &mut &str) -> Option<Simple> {
    let name = name(rest, 1)?;
    match name.as_str() {
        "first-child" => Some(Simple::First),
        "last-child" => Some(Simple::Last),
        "nth-child" => {
            let (n, after) = rest.strip_prefix('(')?.split_once(')')?;
            *rest = after;
            n.trim().parse().ok().map(Simple::Nth)
        }
        _ => None,
    }
}

fn attribute(rest: &mut &str) -> Option<Simple> {
    let name = name(rest, 1)?;
    if let Some(after) = rest.strip_prefix(']') {
        *rest = after;
        return Some(Simple::Attribute(name, None));
    }
    let value = rest.strip_prefix('=')?;
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let (value, after) = match quote {
        Some(quote) => value[1..].split_once(quote)?,
        None => value.split_at(value.find(']')?),
    };
    *rest = after.strip_prefix(']')?;
    Some(Simple::Attribute(name, Some(value.to_owned())))
}
