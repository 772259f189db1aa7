//! The compact wire, as a page reads it: what it remembers of a connection, and edits at paths.
//!
//! Frames are made explicit as they come; from then on they are frames like others, with ops of their own names.
//!
//! **Source:** `openapi/protocol.md`, "Compact wire".

use serde_json::{Map, Value, json};

use super::ops::clear_error;
use super::selector::Selector;
use super::touch::Touches;
use super::tree::{NodeId, Tree};

/// The name that an edit of a document has within the page.
const EDIT: &str = "edit";

/// What was told of one channel on one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    streams: Vec<String>,
    cursor: Option<(u64, u64, String)>,
    /// The last id.
    id: Option<String>,
}

impl Told {
    /// Takes what `subscribed`, `reset` or a last frame declares.
    #[track_caller]
    pub(super) fn declare(&mut self, said: &Value) {
        let streams = said["streams"].as_array().unwrap_or_else(|| panic!("no streams are declared: {said}"));
        self.streams = streams.iter().map(|name| text(name).to_owned()).collect();
        self.cursor = match &said["cursor"] {
            Value::Null => None,
            cursor => Some((number(&cursor[0]), number(&cursor[1]), text(&cursor[2]).to_owned())),
        };
        assert!(said.get("cursor").is_some(), "no cursor is declared: {said}");
        let known = |(stream, ..): &(u64, u64, String)| usize::try_from(*stream).unwrap() < self.streams.len();
        assert!(self.cursor.as_ref().is_none_or(known), "the cursor is of a stream without a name: {said}");
    }

    /// An id that was told beside frames.
    pub(super) fn stand_at(&mut self, id: &str) {
        self.id = Some(id.to_owned());
    }

    /// A frame as the other wire might say it.
    #[track_caller]
    pub(super) fn explicit(&mut self, frame: &[Value]) -> Value {
        let [head, commit, Value::Array(ops), declared @ ..] = frame else { panic!("no frame: {frame:?}") };
        assert!(declared.len() <= 1, "too much in a frame: {frame:?}");
        let mut explicit = Map::new();
        let number = self.head(head, &mut explicit);
        let id = match commit {
            Value::String(id) => Some(id.clone()),
            delta if number_of(delta) == Some(0) => None,
            delta => Some(further(self.id.as_deref().expect("an id to count from"), number_of(delta).unwrap())),
        };
        if let Some(id) = id {
            self.stand_at(&id);
            explicit.insert("id".into(), id.into());
        }
        let stream = explicit["stream"].as_str().map(str::to_owned);
        let mut cursor = self.cursor.take();
        let ops = ops.iter().map(|op| one(op, stream.as_deref(), number, &mut cursor)).collect();
        self.cursor = cursor.filter(|(stream, ..)| *stream != u64::MAX);
        explicit.insert("ops".into(), Value::Array(ops));
        if let Some(declared) = declared.first() {
            assert!(head.is_object() || head.is_null(), "only what stands for itself declares: {frame:?}");
            self.declare(declared);
        }
        Value::Object(explicit)
    }

    /// The stream's number: of one that stands for itself, none that is ever given.
    #[track_caller]
    fn head(&mut self, head: &Value, explicit: &mut Map<String, Value>) -> u64 {
        match head {
            Value::Object(members) => {
                explicit.extend(members.clone());
                return u64::MAX;
            }
            Value::Null => {
                explicit.insert("stream".into(), Value::Null);
                return u64::MAX;
            }
            Value::String(name) => {
                assert!(!self.streams.contains(name), "{name} has a number already");
                self.streams.push(name.clone());
            }
            _ => {}
        }
        let number = number_of(head).unwrap_or(self.streams.len() as u64 - 1);
        let name = self.streams.get(usize::try_from(number).unwrap());
        let name = name.unwrap_or_else(|| panic!("no stream has the number {number}"));
        explicit.insert("stream".into(), name.clone().into());
        number
    }
}

/// An op made explicit.
#[track_caller]
fn one(op: &Value, stream: Option<&str>, number: u64, cursor: &mut Option<(u64, u64, String)>) -> Value {
    let own = format!("[dj-stream='{}']", stream.expect("ops are of a stream"));
    match op {
        Value::Object(members) => {
            let mut members = members.clone();
            members.entry("target").or_insert_with(|| own.into());
            Value::Object(members)
        }
        Value::String(content) => {
            let (of, code, path) = cursor.as_ref().expect("a bare string repeats something");
            assert_eq!(*of, number, "a bare string in a frame of another stream");
            json!({ "op": EDIT, "target": own, "edit": [code, path, content] })
        }
        edit => {
            let code = number_of(&edit[0]).unwrap_or_else(|| panic!("no op: {op}"));
            if [0, 1, 4].contains(&code) {
                *cursor = Some((number, code, text(&edit[1]).to_owned()));
            }
            json!({ "op": EDIT, "target": own, "edit": edit })
        }
    }
}

/// Whether an op, made explicit, is an edit of a document.
pub(super) fn is_edit(op: &Value) -> bool {
    op["op"] == EDIT
}

/// A child: text, or a node that stays what it is.
enum Piece {
    Text(String),
    Node(NodeId),
}

/// Applies an edit; `Err` says why it was skipped.
pub(super) fn apply(tree: &mut Tree, touches: &mut Touches, stream: &str, op: &Value) -> Result<(), String> {
    let selector = Selector::parse(text(&op["target"])).expect("a stream's own element");
    let root = selector.first(tree).ok_or_else(|| format!("not found: {}", op["target"]))?;
    let edit = &op["edit"];
    let path = text(&edit[1]);
    let el = follow(tree, root, path).ok_or_else(|| format!("not found: {} {path}", op["target"]))?;
    touches.note(tree, stream, root);
    let mut pieces = pieces(tree, tree.children(el).to_vec());
    match number(&edit[0]) {
        0 => pieces.push(Piece::Text(text(&edit[2]).to_owned())),
        1 => pieces.extend(parsed(tree, text(&edit[2]))),
        2 => {
            let Some(Piece::Text(last)) = pieces.last_mut() else { panic!("there is no text to trim: {edit}") };
            let units: Vec<u16> = last.encode_utf16().collect();
            let kept = units.len().checked_sub(usize::try_from(number(&edit[2])).unwrap());
            *last = String::from_utf16(&units[..kept.expect("so much text")]).expect("no character is cut");
        }
        3 => drop(pieces.pop().expect("there is a child")),
        4 => {
            let name = tree.name(el).unwrap_or_default().to_owned();
            let nodes = tree.fragment(&name, text(&edit[2]));
            pieces = self::pieces(tree, nodes);
        }
        5 => {
            let (back, remove) = (number(&edit[2]), number(&edit[3]));
            let from = pieces.len().checked_sub(usize::try_from(back).unwrap()).expect("so many children");
            let html = parsed(tree, text(&edit[4]));
            pieces.splice(from..from + usize::try_from(remove).unwrap(), html);
        }
        code => panic!("no code: {code}"),
    }
    put(tree, el, pieces);
    if number(&edit[0]) == 4 && path.is_empty() {
        clear_error(tree, touches, stream, root);
    }
    Ok(())
}

/// The element at the end of a path.
fn follow(tree: &Tree, root: NodeId, path: &str) -> Option<NodeId> {
    if path.is_empty() {
        return Some(root);
    }
    path.split('.').try_fold(root, |el, step| {
        let children = tree.element_children(el);
        match step {
            "-1" => children.last().copied(),
            place => children.get(place.parse::<usize>().unwrap_or_else(|_| panic!("no path: {path}"))).copied(),
        }
    })
}

fn parsed(tree: &mut Tree, html: &str) -> Vec<Piece> {
    let nodes = tree.fragment("template", html);
    pieces(tree, nodes)
}

/// Nodes, of which texts that touch are one.
fn pieces(tree: &Tree, nodes: Vec<NodeId>) -> Vec<Piece> {
    let pieces =
        nodes.into_iter().map(|node| tree.text(node).map_or(Piece::Node(node), |text| Piece::Text(text.into())));
    joined(pieces.collect())
}

fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut all: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (all.last_mut(), piece) {
            (_, Piece::Text(text)) if text.is_empty() => {}
            (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
            (_, piece) => all.push(piece),
        }
    }
    all
}

/// Puts the children in place. Text is new text: what a reset puts back must be as it was.
fn put(tree: &mut Tree, el: NodeId, pieces: Vec<Piece>) {
    let nodes = joined(pieces).into_iter().map(|piece| match piece {
        Piece::Node(node) => node,
        Piece::Text(text) => tree.create_text(&text),
    });
    let nodes = nodes.collect();
    tree.set_children(el, nodes);
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

#[track_caller]
fn number(value: &Value) -> u64 {
    number_of(value).unwrap_or_else(|| panic!("no number: {value}"))
}

fn number_of(value: &Value) -> Option<u64> {
    value.as_u64()
}

/// The id so many entries further.
#[track_caller]
fn further(id: &str, entries: u64) -> String {
    let (epoch, offset) = id.split_once('-').unwrap_or_else(|| panic!("no id: {id}"));
    format!("{epoch}-{}", offset.parse::<u64>().unwrap() + entries)
}
