//! Text that comes in pieces which may begin and end anywhere, also inside a code point.
//!
//! A raw body is cut where the network cut it, so that a piece may end in the first bytes of a character. A JSON
//! string may end in one half of a surrogate pair; a [`Piece`] holds such a half as the three bytes that UTF-8 would
//! give it (WTF-8). The [`Joiner`] puts halves together again; what stays unpaired becomes U+FFFD.
//!
//! **Invariant:** any split of a text gives the same text (`any_split_gives_the_same_text`).
//!
//! **Source:** `openapi/protocol.md`, "Text in pieces"; WHATWG Encoding §4.4 (one U+FFFD for each maximal part of a
//! broken sequence); WTF-8 (<https://simonsapin.github.io/wtf-8/>).

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
        let (mut joiner, mut out) = (Self::new(), String::new());
        joiner.push(&held, &mut out);
        if joiner.held() == held { Ok(joiner) } else { Err("not the beginning of a code point") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// What the joiner makes of these pieces.
    fn joined<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let (mut joiner, mut out) = (Joiner::new(), String::new());
        for piece in pieces {
            joiner.push(piece, &mut out);
            // A checkpoint between any two pieces changes nothing.
            joiner = serde_json::from_str(&serde_json::to_string(&joiner).unwrap()).unwrap();
        }
        joiner.finish(&mut out);
        assert!(joiner.is_empty());
        out
    }

    /// `bytes` cut at these places.
    fn cut<'a>(bytes: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
        let mut places: Vec<usize> = places.iter().map(|place| place % (bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        places.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
    }

    /// Code units as WTF-8, each surrogate by itself where `apart`, else pairs as their character.
    fn wtf8(units: &[u16], apart: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let half = |unit: u16| [0xED, 0x80 | (unit >> 6 & 0x3F) as u8, 0x80 | (unit & 0x3F) as u8];
        if apart {
            for unit in units {
                match char::from_u32(u32::from(*unit)) {
                    Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                    None => out.extend_from_slice(&half(*unit)),
                }
            }
            return out;
        }
        for decoded in char::decode_utf16(units.iter().copied()) {
            match decoded {
                Ok(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                Err(error) => out.extend_from_slice(&half(error.unpaired_surrogate())),
            }
        }
        out
    }

    fn unit() -> impl Strategy<Value = u16> {
        prop_oneof![
            2 => 0x20_u16..0x7F,
            1 => prop_oneof![Just(0x00E9_u16), Just(0x20AC), Just(0xD7FF), Just(0xE000), Just(0xFFFF), Just(0)],
            3 => 0xD800_u16..0xDC00,
            3 => 0xDC00_u16..=0xDFFF,
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Against a twin that sees all code units at once.
        #[test]
        fn any_split_gives_the_same_text(units in vec(unit(), 0..24), places in vec(any::<usize>(), 0..12), apart: bool) {
            let bytes = wtf8(&units, apart);
            prop_assert_eq!(joined(cut(&bytes, &places)), String::from_utf16_lossy(&units));
        }

        /// Against the standard library, where no surrogate is written out.
        #[test]
        fn broken_bytes_become_what_a_decoder_makes_of_them(
            bytes in vec(prop_oneof![any::<u8>(), 0xC0_u8..=0xFF, 0x80_u8..0xC0, Just(b'a')], 0..24),
            places in vec(any::<usize>(), 0..12),
        ) {
            let bytes: Vec<u8> = bytes.into_iter().filter(|byte| *byte != 0xED).collect();
            prop_assert_eq!(joined(cut(&bytes, &places)), String::from_utf8_lossy(&bytes));
        }

        /// Whatever comes, cuts do not show.
        #[test]
        fn cuts_do_not_show_in_any_bytes(
            bytes in vec(prop_oneof![any::<u8>(), Just(0xED), 0xA0_u8..0xC0, 0x80_u8..0xC0], 0..24),
            places in vec(any::<usize>(), 0..12),
        ) {
            prop_assert_eq!(joined(cut(&bytes, &places)), joined([&bytes[..]]));
            let singles: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(joined(singles), joined([&bytes[..]]));
        }
    }

    #[test]
    fn halves_meet_and_single_ones_are_replaced() {
        const HIGH: &[u8] = b"\xED\xA0\xBD";
        const LOW: &[u8] = b"\xED\xB8\x80";
        let check =
            |pieces: &[&[u8]], expected: &str| assert_eq!(joined(pieces.iter().copied()), expected, "{pieces:?}");
        check(&[HIGH, LOW], "\u{1F600}");
        check(&[b"a", HIGH, b"", LOW, b"b"], "a\u{1F600}b");
        check(&[HIGH, HIGH, LOW], "\u{FFFD}\u{1F600}");
        check(&[LOW, HIGH], "\u{FFFD}\u{FFFD}");
        check(&[HIGH, b"x"], "\u{FFFD}x");
        check(&[HIGH, b"\xED\xB8"], "\u{FFFD}\u{FFFD}");
        check(&["😀".as_bytes(), "é€".as_bytes()], "😀é€");
        check(&[b"\xE2\x82", b"\xAC"], "€");
        check(&[b"\xE2\x82"], "\u{FFFD}");
        check(&[b"\xE2\x82", b"x"], "\u{FFFD}x");
    }

    #[test]
    fn text_that_is_certain_is_not_held() {
        let (mut joiner, mut out) = (Joiner::new(), String::new());
        joiner.push(b"ab\xF0\x9F", &mut out);
        assert_eq!((out.as_str(), joiner.held()), ("ab", &b"\xF0\x9F"[..]));
        joiner.push(b"\x98", &mut out);
        assert_eq!(joiner.held(), b"\xF0\x9F\x98");
        joiner.push(b"\x80c", &mut out);
        assert_eq!((out.as_str(), joiner.is_empty()), ("ab😀c", true));
    }

    #[test]
    fn only_the_beginning_of_a_code_point_can_be_restored() {
        assert!(serde_json::from_str::<Joiner>("[237,160,189,237,184]").is_ok());
        for bytes in ["[97]", "[226,130,172]", "[97,226]", "[237,184,128]", "[255]", "[226,130,226]"] {
            assert!(serde_json::from_str::<Joiner>(bytes).is_err(), "{bytes}");
        }
    }
}
