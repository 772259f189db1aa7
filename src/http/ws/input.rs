//! What a WebSocket's client sends, read piece by piece into messages.
//!
//! The length that a frame declares is judged before anything of it is kept, and so is that of the message it
//! continues: a client that announces half a gigabyte costs the ten bytes of the announcement (CWE-770). Text is checked
//! as its fragments come.
//!
//! **Invariant:** any split of the same bytes gives the same messages and the same end
//! (`any_split_of_the_bytes_says_the_same`); what is held is less than the longest message and one frame's head
//! (`what_is_announced_too_long_is_refused_by_its_head`).
//! **Source:** RFC 6455 §5 (frames), §5.4 (fragments), §5.5 (control frames), §7.4 (status codes), §8.1 (UTF-8).

use std::mem;

use actix_http::ws::Parser;
use actix_ws::CloseCode;

use crate::protocol::Close;

/// Longest payload of a control frame.
const CONTROL_BYTES_MAX: u64 = 125;

/// Longest head of a frame, with its mask.
pub(super) const HEAD_BYTES_MAX: usize = 14;

/// What a client has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A whole text message.
    Text(String),
    /// A ping: what it carries goes back in a pong.
    Ping(Vec<u8>),
    /// A pong, asked for or not.
    Pong,
    /// It closes, with this code if it gave one. Nothing follows.
    Close(Option<CloseCode>),
}

/// Bytes of a client, on their way to messages.
#[derive(Debug)]
pub(super) struct Input {
    /// What came and is not read: less than a frame, once [`Input::next`] has nothing more.
    bytes: Vec<u8>,
    /// Where in `bytes` the next frame begins.
    at: usize,
    /// The fragments of the text that is being sent.
    message: Option<Vec<u8>>,
    /// How much of `message` is known to be UTF-8.
    checked: usize,
    message_bytes_max: u64,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
struct Head {
    last: bool,
    opcode: u8,
    /// Where its mask begins, counted from the frame's first byte.
    mask_at: usize,
    length: usize,
}

impl Input {
    /// `message_bytes_max`: the longest text, fragments together.
    pub(super) fn new(message_bytes_max: usize) -> Self {
        let message_bytes_max = message_bytes_max as u64;
        Self { bytes: Vec::new(), at: 0, message: None, checked: 0, message_bytes_max }
    }

    /// More bytes came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// How many bytes wait to be read.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next thing said, if all of it is here.
    ///
    /// # Errors
    /// Why the connection has to be closed; after that nothing is to be read.
    pub(super) fn next(&mut self) -> Result<Option<Said>, Close> {
        loop {
            let Some(head) = self.head()? else { return Ok(self.rest()) };
            let Some((mask, rest)) = self.bytes[self.at + head.mask_at..].split_first_chunk_mut::<4>() else {
                return Ok(self.rest());
            };
            let Some(payload) = rest.get_mut(..head.length) else { return Ok(self.rest()) };
            payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
            self.at += head.mask_at + mask.len() + payload.len();
            match head.opcode {
                8 => return read_close(payload).map(Some),
                9 => return Ok(Some(Said::Ping(payload.to_vec()))),
                10 => return Ok(Some(Said::Pong)),
                _ => {}
            }
            let message = self.message.get_or_insert_default();
            message.extend_from_slice(payload);
            self.checked += check_text(&message[self.checked..], head.last)?;
            if head.last {
                self.checked = 0;
                let text = String::from_utf8(mem::take(&mut self.message).unwrap_or_default());
                return text.map(|text| Some(Said::Text(text))).map_err(|_| Close::BadUtf8);
            }
        }
    }

    /// Nothing more can be read of what is here: what was read is given back.
    fn rest(&mut self) -> Option<Said> {
        if self.at > 0 {
            // A new vector, so that a quiet connection holds none.
            self.bytes = self.bytes[self.at..].to_vec();
            self.at = 0;
        }
        None
    }

    /// The head of the next frame, as soon as it is here, and only if the frame may come.
    fn head(&self) -> Result<Option<Head>, Close> {
        let [first, second, rest @ ..] = &self.bytes[self.at..] else { return Ok(None) };
        let (last, reserved, opcode) = (first & 0x80 != 0, first & 0x70, first & 0x0f);
        let (masked, short) = (second & 0x80 != 0, second & 0x7f);
        if reserved != 0 || !masked {
            return Err(Close::Protocol);
        }
        let wide = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let length = match rest.get(..wide) {
            Some([]) => u64::from(short),
            Some(wide) => wide.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
            None => return Ok(None),
        };
        self.judge(last, opcode, length)?;
        // A longer one was refused.
        let length = usize::try_from(length).map_err(|_| Close::TooLarge)?;
        Ok(Some(Head { last, opcode, mask_at: 2 + wide, length }))
    }

    /// Whether such a frame may come now.
    fn judge(&self, last: bool, opcode: u8, length: u64) -> Result<(), Close> {
        match (opcode, &self.message) {
            (8..=10, _) if !last || length > CONTROL_BYTES_MAX => Err(Close::Protocol),
            (8..=10, _) => Ok(()),
            (0, Some(message)) if length > self.message_bytes_max.saturating_sub(message.len() as u64) => {
                Err(Close::TooLarge)
            }
            (0, Some(_)) => Ok(()),
            (1 | 2, None) if length > self.message_bytes_max => Err(Close::TooLarge),
            (1, None) => Ok(()),
            (2, None) => Err(Close::Unsupported),
            _ => Err(Close::Protocol),
        }
    }
}

/// How many bytes of `text` are whole UTF-8; at the end all must be.
fn check_text(text: &[u8], last: bool) -> Result<usize, Close> {
    match str::from_utf8(text) {
        Ok(text) => Ok(text.len()),
        Err(error) if error.error_len().is_none() && !last => Ok(error.valid_up_to()),
        Err(_) => Err(Close::BadUtf8),
    }
}

fn read_close(payload: &[u8]) -> Result<Said, Close> {
    // First, since the library tells bad text and a bad code by the same error.
    check_text(payload.get(2..).unwrap_or_default(), true)?;
    let reason = Parser::try_parse_close_payload(payload).map_err(|_| Close::Protocol)?;
    Ok(Said::Close(reason.map(|reason| reason.code)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame as a client sends it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut bytes = vec![first];
        match payload.len() {
            short @ ..=125 => bytes.push(0x80 | u8::try_from(short).unwrap()),
            medium @ ..=65_535 => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(medium).unwrap().to_be_bytes());
            }
            long => {
                bytes.push(0x80 | 127);
                bytes.extend((long as u64).to_be_bytes());
            }
        }
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// All that is said, and why it ends, where the bytes come in pieces of these lengths.
    fn read(bytes: &[u8], pieces: &[usize]) -> (Vec<Said>, Option<Close>) {
        let mut input = Input::new(1000);
        let (mut said, mut at) = (Vec::new(), 0);
        for length in pieces.iter().copied().chain([bytes.len()]) {
            let end = (at + length).min(bytes.len());
            input.push(&bytes[at..end]);
            at = end;
            loop {
                match input.next() {
                    Ok(Some(next)) => said.push(next),
                    Ok(None) => break,
                    Err(close) => return (said, Some(close)),
                }
            }
            assert!(input.waiting() < 1000 + HEAD_BYTES_MAX, "a frame at most");
        }
        (said, None)
    }

    fn text(text: &str) -> Said {
        Said::Text(text.to_owned())
    }

    #[test]
    fn messages_are_read_as_they_were_sent() {
        let long = "é".repeat(400);
        let bytes = [
            frame(0x81, b"hello"),
            frame(0x01, "fr\u{e4}g".as_bytes().split_at(3).0), // Cut inside a code point.
            frame(0x89, b"still there?"),
            frame(0x00, "fr\u{e4}g".as_bytes().split_at(3).1),
            frame(0x80, b"ment"),
            frame(0x81, b""),
            frame(0x81, long.as_bytes()),
            frame(0x8a, b"unasked"),
            frame(0x88, b"\x03\xe8bye"),
        ];
        let ping = Said::Ping(b"still there?".to_vec());
        let expected = vec![
            text("hello"),
            ping,
            text("fr\u{e4}gment"),
            text(""),
            text(&long),
            Said::Pong,
            Said::Close(Some(CloseCode::Normal)),
        ];
        assert_eq!(read(&bytes.concat(), &[]), (expected, None));
        assert_eq!(read(&frame(0x88, b""), &[]), (vec![Said::Close(None)], None));
    }

    #[test]
    fn what_breaks_the_protocol_is_closed_with_its_code() {
        for (bytes, expected) in [
            (vec![0x81, 0x05], Close::Protocol),                                // No mask.
            (frame(0xc1, b""), Close::Protocol),                                // A reserved bit.
            (frame(0x83, b""), Close::Protocol),                                // No such opcode.
            (frame(0x8b, b""), Close::Protocol),                                // No such control opcode.
            (frame(0x80, b"x"), Close::Protocol),                               // Continues nothing.
            ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), Close::Protocol), // Two at once.
            (frame(0x09, b""), Close::Protocol),                                // A fragment of a ping.
            (frame(0x89, &[b'x'; 126]), Close::Protocol),                       // A ping too long.
            (frame(0x88, b"\x03"), Close::Protocol),                            // Half a code.
            (frame(0x88, b"\x03\xed"), Close::Protocol),                        // 1005 is never sent.
            (frame(0x88, b"\x03\xe8\xff"), Close::BadUtf8),
            (frame(0x82, b"x"), Close::Unsupported),
            (frame(0x81, b"\xff"), Close::BadUtf8),
            (frame(0x81, b"\xe2\x82"), Close::BadUtf8), // A code point that never ends.
            (frame(0x01, b"a\xf8"), Close::BadUtf8),    // Known bad before the message ends.
            (frame(0x01, b"\xed\xa0\x80"), Close::BadUtf8), // A surrogate.
        ] {
            assert_eq!(read(&bytes, &[]).1, Some(expected), "{bytes:x?}");
        }
    }

    /// Half a gigabyte, and all that a length can say; in one frame, and as the second of a message.
    #[test]
    fn what_is_announced_too_long_is_refused_by_its_head() {
        let announce = |first: u8, length: u64| [&[first, 0x80 | 127][..], &length.to_be_bytes()].concat();
        for length in [1001, 512 << 20, u64::MAX >> 1, u64::MAX] {
            assert_eq!(read(&announce(0x81, length), &[]), (vec![], Some(Close::TooLarge)));
            assert_eq!(read(&announce(0x82, length), &[]), (vec![], Some(Close::TooLarge)));
        }
        for length in [401, 512 << 20, u64::MAX - 599, u64::MAX] {
            let half = [frame(0x01, &[b'x'; 600]), announce(0x80, length)].concat();
            assert_eq!(read(&half, &[]), (vec![], Some(Close::TooLarge)), "{length}");
        }
        assert_eq!(read(&frame(0x81, &[b'x'; 1000]), &[]).0.len(), 1, "the longest that may come");
    }

    proptest! {
        /// Frames of all sorts, good and bad, cut anywhere.
        #[test]
        fn any_split_of_the_bytes_says_the_same(
            frames in prop::collection::vec(
                (prop::sample::select(vec![0x81_u8, 0x01, 0x00, 0x80, 0x89, 0x8a, 0x88, 0x82]), ".{0,40}", 0..3_usize),
                1..8,
            ),
            pieces in prop::collection::vec(0..60_usize, 0..30),
        ) {
            let bytes: Vec<u8> = frames
                .iter()
                .flat_map(|(first, text, cut)| frame(*first, &text.as_bytes()[..text.len().saturating_sub(*cut)]))
                .collect();
            prop_assert_eq!(read(&bytes, &pieces), read(&bytes, &[]));
        }
    }
}
