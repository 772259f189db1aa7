//! What a channel has touched on a page, and how it looked before: what `reset` puts back.

use std::collections::BTreeSet;

use super::tree::{NodeId, Tree};

const STATE: [&str; 2] = ["data-stream-active", "data-stream-error"];

/// An element as it was before the channel first changed it.
#[derive(Clone, Debug)]
struct Before {
    el: NodeId,
    children: Vec<NodeId>,
    state: [Option<String>; 2],
    streams: BTreeSet<String>,
}

/// An element that was taken out of a parent that the channel had not touched.
#[derive(Clone, Debug)]
struct Removal {
    el: NodeId,
    parent: NodeId,
    /// The siblings that stood behind it.
    behind: Vec<NodeId>,
    stream: String,
}

/// All that one channel has touched.
#[derive(Clone, Debug, Default)]
pub(super) struct Touches {
    /// The stream elements of the page as it loaded.
    loaded: Vec<Before>,
    befores: Vec<Before>,
    removals: Vec<Removal>,
}

impl Before {
    fn of(tree: &Tree, el: NodeId) -> Self {
        let state = STATE.map(|name| tree.attribute(el, name).map(str::to_owned));
        Self { el, children: tree.children(el).to_vec(), state, streams: BTreeSet::new() }
    }

    fn restore(&self, tree: &mut Tree) {
        tree.set_children(self.el, self.children.clone());
        for (name, value) in STATE.iter().zip(&self.state) {
            tree.set_attribute(self.el, name, value.as_deref());
        }
    }
}

impl Touches {
    /// What a page that has just loaded remembers. With `filled`, its streams hold what an id promised: then a reset
    /// empties them, touched or not.
    pub(super) fn of(tree: &Tree, filled: bool) -> Self {
        let mut touches = Self::default();
        for el in tree.descendants(Tree::ROOT) {
            let Some(stream) = tree.attribute(el, "dj-stream") else { continue };
            let before = Before::of(tree, el);
            if filled {
                let streams = BTreeSet::from([stream.to_owned()]);
                touches.befores.push(Before { children: Vec::new(), state: [None, None], streams, ..before });
            } else {
                touches.loaded.push(before);
            }
        }
        touches
    }

    /// Says that an op of `stream` is about to change `el`.
    pub(super) fn note(&mut self, tree: &Tree, stream: &str, el: NodeId) {
        if let Some(before) = self.befores.iter_mut().find(|before| before.el == el) {
            before.streams.insert(stream.to_owned());
            return;
        }
        let loaded = self.loaded.iter().find(|before| before.el == el).cloned();
        let mut before = loaded.unwrap_or_else(|| Before::of(tree, el));
        before.streams.insert(stream.to_owned());
        self.befores.push(before);
    }

    /// Says that an op of `stream` is about to take `el` out.
    pub(super) fn note_removal(&mut self, tree: &Tree, stream: &str, el: NodeId) {
        let Some(parent) = tree.parent(el) else { return };
        if let Some(before) = self.befores.iter_mut().find(|before| before.el == parent) {
            before.streams.insert(stream.to_owned());
            return;
        }
        let siblings = tree.children(parent);
        let at = siblings.iter().position(|sibling| *sibling == el).expect("a child of its parent");
        let behind = siblings[at + 1..].to_vec();
        self.removals.push(Removal { el, parent, behind, stream: stream.to_owned() });
    }

    /// Puts back what was touched: by anyone, or by these streams.
    pub(super) fn reset(&mut self, tree: &mut Tree, streams: Option<&BTreeSet<String>>) {
        let ours = |touched_by: &BTreeSet<String>| streams.is_none_or(|streams| !streams.is_disjoint(touched_by));
        let (back, kept) = std::mem::take(&mut self.befores).into_iter().partition(|before| ours(&before.streams));
        self.befores = kept;
        let back: Vec<Before> = back;
        for before in &back {
            before.restore(tree);
        }
        let (gone, kept) = std::mem::take(&mut self.removals)
            .into_iter()
            .partition(|removal| ours(&BTreeSet::from([removal.stream.clone()])));
        self.removals = kept;
        let gone: Vec<Removal> = gone;
        for removal in gone.into_iter().rev() {
            if tree.parent(removal.el) == Some(removal.parent) {
                // Its parent was put back as the page loaded, with it.
                continue;
            }
            let siblings = tree.children(removal.parent);
            let next = siblings.iter().position(|sibling| removal.behind.contains(sibling));
            tree.insert(removal.parent, next.unwrap_or(siblings.len()), vec![removal.el]);
        }
    }
}
