//! A document as a page holds it: nodes that keep their identity while they are moved, taken out and put back.

use crate::oracle::dom;

/// A node of a [`Tree`].
pub(crate) type NodeId = usize;

#[derive(Clone, Debug)]
enum Content {
    Text(String),
    Element { name: String, attributes: Vec<(String, String)> },
    Other(String),
}

#[derive(Clone, Debug)]
struct Slot {
    content: Content,
    parent: Option<NodeId>,
    children: Vec<NodeId>,
}

/// A document; its root is `html`, with an empty `head` and the `body` that it was loaded with.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    slots: Vec<Slot>,
}

impl Tree {
    pub(crate) const ROOT: NodeId = 0;
    const BODY: NodeId = 2;

    /// A page with this in its body.
    pub(crate) fn load(body: &str) -> Self {
        let mut tree = Self { slots: Vec::new() };
        for name in ["html", "head", "body"] {
            tree.add(Content::Element { name: name.to_owned(), attributes: Vec::new() });
        }
        tree.set_children(Self::ROOT, vec![1, Self::BODY]);
        let children = tree.fragment("body", body);
        tree.set_children(Self::BODY, children);
        tree
    }

    fn add(&mut self, content: Content) -> NodeId {
        self.slots.push(Slot { content, parent: None, children: Vec::new() });
        self.slots.len() - 1
    }

    /// A new element that stands nowhere yet.
    pub(crate) fn create_element(&mut self, name: &str) -> NodeId {
        self.add(Content::Element { name: name.to_owned(), attributes: Vec::new() })
    }

    /// A new text that stands nowhere yet.
    pub(crate) fn create_text(&mut self, text: &str) -> NodeId {
        self.add(Content::Text(text.to_owned()))
    }

    /// What a text says; `None` for other nodes.
    pub(crate) fn text(&self, id: NodeId) -> Option<&str> {
        match &self.slots[id].content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// New nodes that stand nowhere yet: what a browser makes of `html` within an element of this name.
    pub(crate) fn fragment(&mut self, context: &str, html: &str) -> Vec<NodeId> {
        let nodes = dom::parse_in(context, html);
        nodes.iter().map(|node| self.adopt(node)).collect()
    }

    fn adopt(&mut self, node: &dom::Node) -> NodeId {
        match node {
            dom::Node::Text(text) => self.add(Content::Text(text.clone())),
            dom::Node::Other(what) => self.add(Content::Other(what.clone())),
            dom::Node::Element(element) => {
                let attributes = element.attributes.clone();
                let id = self.add(Content::Element { name: element.name.clone(), attributes });
                let children = element.children.iter().map(|child| self.adopt(child)).collect();
                self.set_children(id, children);
                id
            }
        }
    }

    pub(crate) fn children(&self, id: NodeId) -> &[NodeId] {
        &self.slots[id].children
    }

    pub(crate) fn parent(&self, id: NodeId) -> Option<NodeId> {
        self.slots[id].parent
    }

    /// The element's name; `None` for other nodes.
    pub(crate) fn name(&self, id: NodeId) -> Option<&str> {
        match &self.slots[id].content {
            Content::Element { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The children that are elements.
    pub(crate) fn element_children(&self, id: NodeId) -> Vec<NodeId> {
        self.children(id).iter().copied().filter(|child| self.name(*child).is_some()).collect()
    }

    /// Puts these, and only these, below `id`; each leaves where it stood.
    pub(crate) fn set_children(&mut self, id: NodeId, children: Vec<NodeId>) {
        for old in std::mem::take(&mut self.slots[id].children) {
            self.slots[old].parent = None;
        }
        self.insert(id, 0, children);
    }

    /// Puts nodes among the children of `id`; each leaves where it stood.
    pub(crate) fn insert(&mut self, id: NodeId, at: usize, nodes: Vec<NodeId>) {
        for node in &nodes {
            self.remove(*node);
            self.slots[*node].parent = Some(id);
        }
        self.slots[id].children.splice(at..at, nodes);
    }

    pub(crate) fn append(&mut self, id: NodeId, nodes: Vec<NodeId>) {
        self.insert(id, self.children(id).len(), nodes);
    }

    /// Takes a node out of its parent; below itself it stays whole.
    pub(crate) fn remove(&mut self, id: NodeId) {
        if let Some(parent) = self.slots[id].parent.take() {
            self.slots[parent].children.retain(|child| *child != id);
        }
    }

    pub(crate) fn attribute(&self, id: NodeId, wanted: &str) -> Option<&str> {
        let Content::Element { attributes, .. } = &self.slots[id].content else { return None };
        attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    /// Sets an attribute, or takes it away.
    pub(crate) fn set_attribute(&mut self, id: NodeId, wanted: &str, value: Option<&str>) {
        let Content::Element { attributes, .. } = &mut self.slots[id].content else { return };
        attributes.retain(|(name, _)| name != wanted);
        if let Some(value) = value {
            attributes.push((wanted.to_owned(), value.to_owned()));
            attributes.sort();
        }
    }

    pub(crate) fn text_content(&self, id: NodeId) -> String {
        match &self.slots[id].content {
            Content::Text(text) => text.clone(),
            Content::Other(_) => String::new(),
            Content::Element { .. } => self.children(id).iter().map(|child| self.text_content(*child)).collect(),
        }
    }

    /// Replaces all children by one text; by none where it is empty.
    pub(crate) fn set_text_content(&mut self, id: NodeId, text: &str) {
        let text = (!text.is_empty()).then(|| self.add(Content::Text(text.to_owned())));
        self.set_children(id, text.into_iter().collect());
    }

    /// Every element below `id`, in document order, `id` not counted.
    pub(crate) fn descendants(&self, id: NodeId) -> Vec<NodeId> {
        let mut found = Vec::new();
        let mut waiting: Vec<NodeId> = self.children(id).iter().rev().copied().collect();
        while let Some(next) = waiting.pop() {
            if self.name(next).is_some() {
                found.push(next);
                waiting.extend(self.children(next).iter().rev());
            }
        }
        found
    }

    /// What stands below `id`, to be compared: texts that touch are one, empty ones none.
    pub(crate) fn content(&self, id: NodeId) -> Vec<dom::Node> {
        let mut nodes: Vec<dom::Node> = Vec::new();
        for child in self.children(id) {
            match (&self.slots[*child].content, nodes.last_mut()) {
                (Content::Text(text), Some(dom::Node::Text(before))) => before.push_str(text),
                (Content::Text(text), _) if text.is_empty() => {}
                (Content::Text(text), _) => nodes.push(dom::Node::Text(text.clone())),
                (Content::Other(what), _) => nodes.push(dom::Node::Other(what.clone())),
                (Content::Element { name, attributes }, _) => nodes.push(dom::Node::Element(dom::Element {
                    name: name.clone(),
                    attributes: attributes.clone(),
                    children: self.content(*child),
                })),
            }
        }
        nodes
    }

    /// What stands in the body, to be compared.
    pub(crate) fn body(&self) -> Vec<dom::Node> {
        self.content(Self::BODY)
    }
}
