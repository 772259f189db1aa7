//! Text that comes in pieces which may begin and end anywhere, also inside a code point.
//!
//! A raw body is cut where the network cut it, so that a piece may end in the first bytes of a character. A JSON
//! string may end in one half of a surrogate pair; a [`Piece`] holds such a half as the three bytes that UTF-8 would
//! give it (WTF-8). The [`Joiner`] puts halves together again; what stays unpaired becomes U+FFFD.
//!
//! **Invariant:** any split of a text gives the same text (`any_split_gives_the_same_text`).
//!
//! **Source:** `openapi/protocol.md`, "Text in pieces"; WHATWG Encoding §4.4 (one U+FFFD for each maximal part of a
//! broken sequence); WTF-8 (https://simonsapin.github.io/wtf-8/).

use serde::{Deserialize, Serialize};

/// Text as it was published: UTF-8 that may begin or end inside a code point, lone surrogates as WTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece(Vec<u8>);

impl Piece {
    /// These bytes of a raw body.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Piece {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for Piece {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

/// Most bytes that wait: a high half and two bytes of a low one.
const HELD_MAX: usize = 5;

/// Joins pieces: holds the beginning of a code point until its rest has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Joiner {
    held: [u8; HELD_MAX],
    len: u8,
}

/// What the first bytes of a text are, where they are no valid UTF-8.
enum Step {
    /// A character, written in so many bytes.
    Character(char, usize),
    /// So many bytes that can never become a character.
    Broken(usize),
    /// The beginning of one.
    Incomplete,
}

impl Joiner {
    /// A joiner that holds nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { held: [0; HELD_MAX], len: 0 }
    }

    /// What waits for its rest: at most five bytes.
    #[must_use]
    pub fn held(&self) -> &[u8] {
        &self.held[..usize::from(self.len)]
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends to `out` what `piece` makes certain.
    pub fn push(&mut self, piece: &[u8], out: &mut String) {
        let mut rest = piece;
        while !self.is_empty() {
            let Some((first, after)) = rest.split_first() else { return };
            let mut joined = [0; HELD_MAX + 1];
            let len = usize::from(self.len) + 1;
            joined[..len - 1].copy_from_slice(self.held());
            joined[len - 1] = *first;
            self.len = 0;
            // Whatever is decided here, at most the byte just added is not part of it, and that may begin anew.
            self.run(&joined[..len], out);
            rest = after;
        }
        self.run(rest, out);
    }

    /// Ends the text: what still waits becomes U+FFFD. Afterwards nothing is held.
    pub fn finish(&mut self, out: &mut String) {
        let held = *self;
        self.len = 0;
        let mut rest = held.held();
        while !rest.is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
            rest = if is_surrogate(rest, HIGH) { &rest[3..] } else { &[] };
        }
    }

    /// Decodes `bytes`, with nothing held before, and holds what they leave incomplete.
    fn run(&mut self, bytes: &[u8], out: &mut String) {
        let mut rest = bytes;
        loop {
            let valid = match std::str::from_utf8(rest) {
                Ok(text) => {
                    out.push_str(text);
                    return;
                }
                Err(error) => error.valid_up_to(),
            };
            out.push_str(std::str::from_utf8(&rest[..valid]).expect("valid up to here"));
            rest = &rest[valid..];
            match step(rest) {
                Step::Character(character, len) => {
                    out.push(character);
                    rest = &rest[len..];
                }
                Step::Broken(len) => {
                    out.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[len..];
                }
                Step::Incomplete => {
                    self.held[..rest.len()].copy_from_slice(rest);
                    self.len = u8::try_from(rest.len()).expect("an incomplete beginning has at most five bytes");
                    return;
                }
            }
        }
    }
}

/// The second byte of a high half (U+D800–U+DBFF) and of a low one (U+DC00–U+DFFF); the first is 0xED.
const HIGH: std::ops::RangeInclusive<u8> = 0xA0..=0xAF;
const LOW: std::ops::RangeInclusive<u8> = 0xB0..=0xBF;

fn is_surrogate(bytes: &[u8], half: std::ops::RangeInclusive<u8>) -> bool {
    matches!(bytes, [0xED, second, 0x80..=0xBF, ..] if half.contains(second))
}

/// The low ten bits that a half stands for.
fn bits(half: &[u8]) -> u32 {
    (u32::from(half[1]) & 0x0F) << 6 | (u32::from(half[2]) & 0x3F)
}

/// Judges the beginning of `bytes`, which is not empty and begins with no valid character.
fn step(bytes: &[u8]) -> Step {
    if is_surrogate(bytes, HIGH) {
        return match &bytes[3..] {
            [] | [0xED] => Step::Incomplete,
            [0xED, second] if LOW.contains(second) => Step::Incomplete,
            low if is_surrogate(low, LOW) => {
                let code = 0x1_0000 + (bits(bytes) << 10 | bits(low));
                Step::Character(char::from_u32(code).expect("a pair is a character"), 6)
            }
            _ => Step::Broken(3),
        };
    }
    if is_surrogate(bytes, LOW) {
        return Step::Broken(3);
    }
    if matches!(bytes, [0xED, 0xA0..=0xBF]) {
        return Step::Incomplete;
    }
    match std::str::from_utf8(bytes) {
        Err(error) => error.error_len().map_or(Step::Incomplete, Step::Broken),
        Ok(_) => Step::Incomplete,
    }
}

impl From<Joiner> for Vec<u8> {
    fn from(joiner: Joiner) -> Self {
        joiner.held().to_vec()
    }
}

impl TryFrom<Vec<u8>> for Joiner {
    type Error = &'static str;

    fn try_from(held: Vec<u8>) -> Result<Self, Self::Error> {
        if held.is_empty() {
            return Ok(Self::new());
        }
        if held.len() > HELD_MAX || std::str::from_utf8(&held).is_ok() || !matches!(step(&held), Step::Incomplete) {
            return Err("not the beginning of a code point");
        }
        let mut joiner = Self::new();
        joiner.run(&held, &mut String::new());
        Ok(joiner)
    }
}
