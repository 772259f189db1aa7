//! Link reference definitions: the parser is shown a source whose definitions define nothing, and asks us about every
//! reference; so the parser's own allowance for expansions can never run out.

use std::collections::HashMap;
use std::ops::Range;

use pulldown_cmark::{BrokenLink, CowStr, Event, LinkType, Options, Parser, Tag};
use unicase::UniCase;

use super::write::{self, Placed};

/// A definition longer than this resolves nothing.
const DEFINITION_BYTES_MAX: usize = 2048;
/// Of the distinct labels, in the order of the source, this many resolve.
const DEFINITIONS_MAX: usize = 10_000;
/// What references may bring in: this, and eight times the bytes up to the reference.
const EXPANSION_BYTES: usize = 32 * 1024;
const EXPANSION_PER_BYTE: usize = 8;

/// A character that no normalised source holds: a label that begins with it is referred to by nothing.
const MASK: u8 = 1;

/// Where a label leads.
#[derive(Clone)]
struct Target {
    dest: String,
    title: String,
    cost: usize,
}

/// Parses `text` and resolves its references by the rules above.
pub(crate) fn parse(text: &str, extensions: Options) -> Vec<Placed> {
    let targets = definitions(text, extensions);
    let hidden = hide_definitions(text, extensions);
    let mut spent = 0;
    let mut ask = |link: BrokenLink<'_>| {
        let target = targets.get(&UniCase::new(link.reference.to_string()))?;
        if spent + target.cost > EXPANSION_BYTES + EXPANSION_PER_BYTE * link.span.end {
            return None;
        }
        spent += target.cost;
        Some((CowStr::from(""), CowStr::from("")))
    };
    let parser = Parser::new_with_broken_link_callback(&hidden, extensions, Some(&mut ask));
    let events: Vec<Placed> = parser.into_offset_iter().map(|(e, range)| (e.into_static(), range)).collect();
    events.into_iter().map(|(event, range)| (fill_in(event, &targets), range)).collect()
}

/// Whether a link or image of this type was a reference.
fn was_asked_for(link: LinkType) -> bool {
    matches!(link, LinkType::ReferenceUnknown | LinkType::CollapsedUnknown | LinkType::ShortcutUnknown)
}

fn fill_in(event: Event<'static>, targets: &HashMap<UniCase<String>, Target>) -> Event<'static> {
    let target = |id: &str| targets[&UniCase::new(id.to_owned())].clone();
    match event {
        Event::Start(Tag::Link { link_type, id, .. }) if was_asked_for(link_type) => {
            let Target { dest, title, .. } = target(&id);
            Event::Start(Tag::Link { link_type, dest_url: dest.into(), title: title.into(), id })
        }
        Event::Start(Tag::Image { link_type, id, .. }) if was_asked_for(link_type) => {
            let Target { dest, title, .. } = target(&id);
            Event::Start(Tag::Image { link_type, dest_url: dest.into(), title: title.into(), id })
        }
        other => other,
    }
}

/// The labels that resolve. The parser lists the first definition of each label.
fn definitions(text: &str, extensions: Options) -> HashMap<UniCase<String>, Target> {
    let parser = Parser::new_ext(text, extensions);
    let mut all: Vec<_> = parser.reference_definitions().iter().collect();
    all.sort_by_key(|(_, definition)| definition.span.start);
    all.truncate(DEFINITIONS_MAX);
    all.retain(|(_, definition)| definition.span.len() <= DEFINITION_BYTES_MAX);
    let target = |dest: &str, title: &str| {
        let cost = write::href_len(dest) + write::attribute_len(title);
        Target { dest: dest.to_owned(), title: title.to_owned(), cost }
    };
    all.iter()
        .map(|(label, definition)| {
            let title = definition.title.as_deref().unwrap_or("");
            (UniCase::new((*label).to_owned()), target(&definition.dest, title))
        })
        .collect()
}

/// The same text, byte for byte as long and with the same blocks, in which no label is defined that a reference could
/// name. The parser lists only the first definition of a label, hence the rounds.
fn hide_definitions(text: &str, extensions: Options) -> String {
    hide_and_list(text, extensions).0
}

/// A definition: where it stands, and whether it has a title.
pub(crate) struct Definition {
    pub span: Range<usize>,
    pub titled: bool,
}

/// All definitions, also those whose label was defined before.
pub(crate) fn list(text: &str, extensions: Options) -> Vec<Definition> {
    hide_and_list(text, extensions).1
}

fn hide_and_list(text: &str, extensions: Options) -> (String, Vec<Definition>) {
    let mut all = Vec::new();
    let mut bytes = text.as_bytes().to_vec();
    loop {
        let shown = String::from_utf8(bytes.clone()).expect("whole characters are masked");
        let parser = Parser::new_ext(&shown, extensions);
        let open: Vec<_> = parser
            .reference_definitions()
            .iter()
            .filter(|(label, _)| !label.as_bytes().contains(&MASK))
            .map(|(_, definition)| Definition { span: definition.span.clone(), titled: definition.title.is_some() })
            .collect();
        if open.is_empty() {
            return (shown, all);
        }
        for definition in &open {
            mask_label(&mut bytes, &shown, definition.span.start);
        }
        all.extend(open);
    }
}

/// Masks one character of the label of the definition that begins at `start`: its first one that cannot be the prefix
/// of a container on a continuation line (blanks and `>`), or else its last `>`.
fn mask_label(bytes: &mut [u8], text: &str, start: usize) {
    let open = start + text[start..].find('[').expect("a definition begins with its label");
    let mut last_quote = None;
    let mut chars = text[open + 1..].char_indices().map(|(i, c)| (open + 1 + i, c));
    while let Some((at, c)) = chars.next() {
        let found = match c {
            ']' => last_quote.expect("a label is not blank"),
            '>' => {
                last_quote = Some(at..at + 1);
                continue;
            }
            c if c.is_ascii_whitespace() => continue,
            '\\' => {
                at..chars.next().map_or(at + 1, |(next, c)| if c.is_ascii_punctuation() { next + 1 } else { at + 1 })
            }
            c => at..at + c.len_utf8(),
        };
        bytes[found].fill(MASK);
        return;
    }
}
