//! The quick page: elements as their tags spell them, text as it is escaped.
//!
//! It is strict: an edit whose place is not there, or whose HTML is not whole (a tag, an entity), is refused. It shares no
//! code with what makes the edits. That a browser builds from the renderer's tags what they spell is held elsewhere
//! (`tags_spell_what_a_browser_builds`).

use rillmark::markdown::growing::{Edit, FineEdit, Path, Step};

enum Node {
    Text(String),
    Element(Element),
}

struct Element {
    /// What stands between `<` and `>`.
    tag: String,
    children: Vec<Node>,
}

/// The page.
pub(crate) struct Light {
    root: Element,
}

impl Light {
    /// A page that came with something.
    pub(crate) fn load() -> Self {
        let children = vec![Node::Text("what the page came with".to_owned())];
        Self { root: Element { tag: "div".to_owned(), children } }
    }

    /// Makes an edit.
    ///
    /// # Errors
    /// Why it can't be made.
    pub(crate) fn apply(&mut self, edit: &Edit) -> Result<(), String> {
        match edit {
            Edit::Replace { path, html } => self.children(path)?.replace(parse(html)?),
            Edit::Append { path, html } => self.children(path)?.append(parse(html)?),
            Edit::Delete { path } => {
                let (step, parent) = path.split_last().ok_or("the root is never deleted")?;
                let parent = find(&mut self.root, parent)?;
                let at = place(parent, *step)?;
                parent.splice(at, 1, Vec::new())?;
            }
        }
        Ok(())
    }

    /// Makes an edit of the finer vocabulary.
    ///
    /// # Errors
    /// Why it can't be made.
    pub(crate) fn apply_fine(&mut self, edit: &FineEdit) -> Result<(), String> {
        match edit {
            FineEdit::AppendText { path, text } => {
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;");
                self.children(path)?.append(vec![Node::Text(text)]);
            }
            FineEdit::AppendHtml { path, html } => self.children(path)?.append(parse(html)?),
            FineEdit::Replace { path, html } => self.children(path)?.replace(parse(html)?),
            FineEdit::Trim { path, units } => {
                let element = self.children(path)?;
                let Some(Node::Text(text)) = element.children.last_mut() else {
                    return Err(format!("<{}> does not end in text", element.tag));
                };
                trim(text, *units)?;
                if text.is_empty() {
                    element.children.pop();
                }
            }
            FineEdit::DeleteLast { path } => {
                let element = self.children(path)?;
                element.children.pop().ok_or_else(|| format!("<{}> has no last child", element.tag))?;
            }
            FineEdit::Splice { path, back, remove, html } => {
                let element = self.children(path)?;
                let at = element.children.len().checked_sub(*back).ok_or("a place before the first child")?;
                element.splice(at, *remove, parse(html)?)?;
            }
        }
        Ok(())
    }

    /// The HTML of the last children of the root, in bytes.
    pub(crate) fn last_children_bytes(&self, count: usize) -> usize {
        let (children, mut html) = (&self.root.children, String::new());
        write(&children[children.len().saturating_sub(count)..], &mut html);
        html.len()
    }

    /// The element at a path, if it can have children.
    fn children(&mut self, path: &Path) -> Result<&mut Element, String> {
        let element = find(&mut self.root, path)?;
        if element.is_void() { Err(format!("<{}> has no children", element.tag)) } else { Ok(element) }
    }

    /// Appends what stands in the page, as the renderer spells it.
    pub(crate) fn write(&self, out: &mut String) {
        write(&self.root.children, out);
    }
}

impl Element {
    fn name(&self) -> &str {
        self.tag.split([' ', '/']).next().unwrap_or_default()
    }

    fn is_void(&self) -> bool {
        self.tag.ends_with('/')
    }

    fn replace(&mut self, nodes: Vec<Node>) {
        self.children = nodes;
    }

    fn append(&mut self, nodes: Vec<Node>) {
        self.children.extend(nodes);
        join_text(&mut self.children);
    }

    fn splice(&mut self, at: usize, remove: usize, nodes: Vec<Node>) -> Result<(), String> {
        if at + remove > self.children.len() {
            return Err(format!("<{}> has no {remove} children from {at}", self.tag));
        }
        self.children.splice(at..at + remove, nodes);
        join_text(&mut self.children);
        Ok(())
    }
}

/// Takes so many UTF-16 code units off the end of an escaped text.
fn trim(text: &mut String, units: usize) -> Result<(), String> {
    let mut left = units;
    while left > 0 {
        let entity = text.rfind('&').filter(|at| text.ends_with(';') && ENTITIES.contains(&&text[at + 1..]));
        let width = match entity {
            Some(at) => {
                text.truncate(at);
                1
            }
            None => text.pop().ok_or_else(|| format!("no {units} units of text"))?.len_utf16(),
        };
        left = left.checked_sub(width).ok_or("half a character is taken off")?;
    }
    Ok(())
}

fn find<'p>(root: &'p mut Element, path: &[Step]) -> Result<&'p mut Element, String> {
    path.iter().try_fold(root, |element, step| {
        let at = place(element, *step)?;
        match &mut element.children[at] {
            Node::Element(child) => Ok(child),
            Node::Text(_) => Err("a place of a text".to_owned()),
        }
    })
}

/// Where the element child that a step names stands among all children.
fn place(parent: &Element, step: Step) -> Result<usize, String> {
    let is_element = |node: &Node| matches!(node, Node::Element(_));
    let found = match step {
        Step::Last => parent.children.iter().rposition(is_element),
        Step::Child(0) => None,
        Step::Child(n) => (0..parent.children.len()).filter(|at| is_element(&parent.children[*at])).nth(n - 1),
    };
    found.ok_or_else(|| format!("<{}> has no {step:?}", parent.tag))
}

fn join_text(nodes: &mut Vec<Node>) {
    for i in (1..nodes.len()).rev() {
        if let [Node::Text(_), Node::Text(_)] = &nodes[i - 1..=i]
            && let Node::Text(more) = nodes.remove(i)
            && let Node::Text(text) = &mut nodes[i - 1]
        {
            text.push_str(&more);
        }
    }
}

fn parse(html: &str) -> Result<Vec<Node>, String> {
    let mut open = vec![Element { tag: String::new(), children: Vec::new() }];
    let mut rest = html;
    while !rest.is_empty() {
        let text_end = rest.find('<').unwrap_or(rest.len());
        if text_end > 0 {
            let (text, after) = rest.split_at(text_end);
            let parent = open.last_mut().expect("the outermost stays");
            let text = first_in_pre(parent, text);
            check_entities(text)?;
            if !text.is_empty() {
                parent.children.push(Node::Text(text.to_owned()));
            }
            rest = after;
            continue;
        }
        let (tag, after) = rest[1..].split_once('>').ok_or("a tag that does not end")?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let element = open.pop().expect("the outermost stays");
            if open.is_empty() || element.name() != name {
                return Err(format!("</{name}> closes <{}>", element.tag));
            }
            open.last_mut().expect("the outermost stays").children.push(Node::Element(element));
        } else {
            let element = Element { tag: tag.to_owned(), children: Vec::new() };
            if element.is_void() {
                open.last_mut().expect("the outermost stays").children.push(Node::Element(element));
            } else {
                open.push(element);
            }
        }
    }
    let last = open.pop().expect("the outermost stays");
    if open.is_empty() { Ok(last.children) } else { Err(format!("<{}> is left open", last.tag)) }
}

/// A browser drops a line feed right behind `<pre>`.
fn first_in_pre<'t>(parent: &Element, text: &'t str) -> &'t str {
    if parent.name() == "pre" && parent.children.is_empty() { text.strip_prefix('\n').unwrap_or(text) } else { text }
}

const ENTITIES: &[&str] = &["amp;", "lt;", "gt;", "quot;", "#39;", "#13;", "#x27;"];

/// What is cut within an entity is two texts, and none of them is what it should be.
fn check_entities(text: &str) -> Result<(), String> {
    let mut parts = text.split('&');
    parts.next();
    for part in parts {
        if !ENTITIES.iter().any(|entity| part.starts_with(entity)) {
            return Err(format!("a bare & in {text:?}"));
        }
    }
    if text.contains('>') { Err(format!("a bare > in {text:?}")) } else { Ok(()) }
}

fn write(nodes: &[Node], out: &mut String) {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Element(element) => {
                out.push('<');
                out.push_str(&element.tag);
                out.push('>');
                if element.is_void() {
                    continue;
                }
                if let ("pre", Some(Node::Text(text))) = (element.name(), element.children.first())
                    && text.starts_with('\n')
                {
                    out.push('\n');
                }
                write(&element.children, out);
                out.push_str("</");
                out.push_str(element.name());
                out.push('>');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(edits: &[Edit]) -> Result<String, String> {
        let (mut page, mut html) = (Light::load(), String::new());
        edits.iter().try_for_each(|edit| page.apply(edit))?;
        page.write(&mut html);
        Ok(html)
    }

    fn put(path: &[Step], html: &str) -> Edit {
        Edit::Append { path: path.to_vec(), html: html.to_owned() }
    }

    #[test]
    fn edits_are_made_where_their_paths_lead() {
        let whole = Edit::Replace { path: vec![], html: "<p>a &lt;</p>b<ul><li>c<br />d</li></ul>".to_owned() };
        let [last, second] = [Step::Last, Step::Child(2)];
        let edits = [
            whole,
            put(&[second, last], "e"),
            put(&[second], "<li>f</li>"),
            Edit::Delete { path: vec![Step::Child(1)] },
            put(&[last], "<li>g</li>"),
            Edit::Replace { path: vec![last, second], html: "<b>h</b>".to_owned() },
        ];
        assert_eq!(page(&edits).unwrap(), "b<ul><li>c<br />de</li><li><b>h</b></li><li>g</li></ul>");
    }

    #[test]
    fn finer_edits_are_made_at_the_end_of_what_their_paths_lead_to() {
        let path = vec![Step::Last];
        let edits = [
            FineEdit::Replace { path: vec![], html: "<p>a<b>c</b>de&amp;\u{1F600}</p>".to_owned() },
            FineEdit::Trim { path: path.clone(), units: 3 },
            FineEdit::AppendText { path: path.clone(), text: "<f".to_owned() },
            FineEdit::Splice { path: path.clone(), back: 2, remove: 1, html: "<i>g</i>h".to_owned() },
            FineEdit::AppendHtml { path: path.clone(), html: "<br />i".to_owned() },
            FineEdit::DeleteLast { path: path.clone() },
        ];
        let (mut page, mut html) = (Light::load(), String::new());
        edits.iter().for_each(|edit| page.apply_fine(edit).unwrap());
        page.write(&mut html);
        assert_eq!(html, "<p>a<i>g</i>hde&lt;f<br /></p>");
        let splice = FineEdit::Splice { path: path.clone(), back: 1, remove: 2, html: String::new() };
        for edit in [FineEdit::Trim { path: path.clone(), units: 1 }, splice] {
            assert!(page.apply_fine(&edit).is_err(), "{edit:?}");
        }
        page.apply_fine(&FineEdit::Replace { path: vec![], html: "<p>\u{1F600}</p>".to_owned() }).unwrap();
        assert!(page.apply_fine(&FineEdit::Trim { path, units: 1 }).is_err(), "half a pair");
    }

    #[test]
    fn a_line_feed_at_the_start_of_a_pre_is_kept_only_behind_a_first_one() {
        let pre = Edit::Replace { path: vec![], html: "<pre></pre>".to_owned() };
        assert_eq!(page(&[pre, put(&[Step::Last], "\na")]).unwrap(), "<pre>\n\na</pre>");
    }

    #[test]
    fn what_no_browser_would_take_as_it_was_meant_is_refused() {
        let start = Edit::Replace { path: vec![], html: "<p>a<br /></p>".to_owned() };
        let bad = [
            put(&[Step::Child(2)], "x"),
            put(&[Step::Child(1), Step::Last], "x"),
            put(&[], "&am"),
            put(&[], "p;<p>"),
            put(&[], "</p>"),
            Edit::Delete { path: vec![] },
        ];
        for edit in bad {
            assert!(page(&[start.clone(), edit.clone()]).is_err(), "{edit:?}");
        }
    }
}
