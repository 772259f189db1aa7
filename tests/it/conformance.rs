//! A WebSocket's client that says everything that RFC 6455 allows, and everything that it forbids: one table, in the
//! sections of the usual conformance suites, over a bare connection.
//!
//! There is no echo here; what comes nearest is the `ref` of a message that lacks something, which is told back.
//!
//! **Source:** RFC 6455 §5 (frames), §7 (close), §8.1 (UTF-8).

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::helpers::TestApp;
use crate::subscriber::streaming;
use crate::ws::raw;

/// The longest message in these tests: one that a length of 16 bits can't tell.
const MESSAGE_BYTES_MAX: usize = 70_000;

const PATIENCE: Duration = Duration::from_secs(20);

const TEXT: u8 = 0x81;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const CLOSE: u8 = 0x88;

/// What the service says.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    /// It has read a message with this `ref`.
    Heard(String),
    Pong(Vec<u8>),
    /// With a code, or none. Nothing follows.
    Close(Option<u16>),
}

/// What the client sends, and what the service says to it, to its close.
struct Case {
    name: String,
    bytes: Vec<u8>,
    said: Vec<Said>,
}

/// A frame as a client sends it: with a mask, and the shortest length.
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

/// A message that the service tells the `ref` of.
fn message(reference: &str) -> Vec<u8> {
    [br#"{"type":"publish","ref":""#, reference.as_bytes(), br#""}"#].concat()
}

/// The same, of so many bytes.
fn long_message(reference: &str, bytes: usize) -> Vec<u8> {
    let mut text = message(reference);
    text.resize(bytes, b' ');
    text
}

fn heard(reference: &str) -> Said {
    Said::Heard(reference.to_owned())
}

fn close_with(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes(), reason].concat())
}

#[derive(Default)]
struct Table(Vec<Case>);

impl Table {
    /// What the client may say; then it closes, and is answered.
    fn allowed(&mut self, name: impl Into<String>, frames: &[Vec<u8>], said: &[Said]) {
        let bytes = [frames.concat(), close_with(1000, b"")].concat();
        let said = [said, &[Said::Close(Some(1000))]].concat();
        self.0.push(Case { name: name.into(), bytes, said });
    }

    /// What it may not say: before it, it is heard, behind it no more.
    fn forbidden(&mut self, name: impl Into<String>, code: u16, frames: &[Vec<u8>]) {
        let before = frame(TEXT, &message("before"));
        let behind = [frame(PING, b"behind"), frame(TEXT, &message("behind"))].concat();
        let bytes = [before, frames.concat(), behind].concat();
        self.0.push(Case { name: name.into(), bytes, said: vec![heard("before"), Said::Close(Some(code))] });
    }

    fn ended(&mut self, name: impl Into<String>, frames: &[Vec<u8>], said: &[Said]) {
        self.0.push(Case { name: name.into(), bytes: frames.concat(), said: said.to_vec() });
    }
}

fn framing(table: &mut Table) {
    for bytes in [40, 125, 126, 127, 128, 65_535, 65_536, MESSAGE_BYTES_MAX] {
        table.allowed(format!("text of {bytes} bytes"), &[frame(TEXT, &long_message("r", bytes))], &[heard("r")]);
    }
    for bytes in [0, 125, 126, 128, 65_536] {
        table.forbidden(format!("binary of {bytes} bytes"), 1003, &[frame(0x82, &vec![0xfe; bytes])]);
    }
    table.forbidden("a text of nothing", 1008, &[frame(TEXT, b"")]);
    table.forbidden("no mask", 1002, &[vec![TEXT, 2, b'{', b'}']]);
    table.forbidden("a ping without a mask", 1002, &[vec![PING, 0]]);
    let twice = frame(TEXT, &message("twice"));
    table.allowed("one behind the other", &[twice.clone(), twice], &[heard("twice"), heard("twice")]);
}

fn pings(table: &mut Table) {
    for payload in [&b""[..], b"hello", b"\x00\xff\xfe\xfd", &[b'x'; 125]] {
        table.allowed(format!("ping {payload:x?}"), &[frame(PING, payload)], &[Said::Pong(payload.to_vec())]);
    }
    table.forbidden("a ping of 126 bytes", 1002, &[frame(PING, &[b'x'; 126])]);
    table.forbidden("a pong of 126 bytes", 1002, &[frame(PONG, &[b'x'; 126])]);
    let unasked = [frame(PONG, b""), frame(PONG, b"unasked"), frame(PING, b"p")];
    table.allowed("pongs that nobody asked for", &unasked, &[Said::Pong(b"p".to_vec())]);
    let ten: Vec<_> = (0..10_u8).map(|n| vec![n]).collect();
    let (asked, said): (Vec<_>, Vec<_>) = ten.into_iter().map(|n| (frame(PING, &n), Said::Pong(n))).unzip();
    table.allowed("ten pings", &asked, &said);
}

fn reserved_bits_and_opcodes(table: &mut Table) {
    for bits in 1..8_u8 {
        for (first, payload) in [(TEXT, message("r")), (0x82, vec![0]), (PING, Vec::new()), (CLOSE, vec![3, 0xe8])] {
            let name = format!("reserved bits {bits:03b} on {first:x}");
            table.forbidden(name, 1002, &[frame(first | bits << 4, &payload)]);
        }
    }
    for opcode in (3..8).chain(11..16) {
        table.forbidden(format!("opcode {opcode}"), 1002, &[frame(0x80 | opcode, b"")]);
        table.forbidden(format!("opcode {opcode}, with bytes"), 1002, &[frame(0x80 | opcode, b"bytes")]);
        let between = [frame(0x01, b"{"), frame(0x80 | opcode, b"")];
        table.forbidden(format!("opcode {opcode} between fragments"), 1002, &between);
    }
}

fn fragmentation(table: &mut Table) {
    let text = message("κόσμε");
    for at in 0..=text.len() {
        let halves = [frame(0x01, &text[..at]), frame(0x80, &text[at..])];
        table.allowed(format!("two fragments, cut at {at}"), &halves, &[heard("κόσμε")]);
        let between = [&halves[..1], &[frame(PING, b"p"), frame(PONG, b"")], &halves[1..]].concat();
        table.allowed(format!("a ping at {at}"), &between, &[Said::Pong(b"p".to_vec()), heard("κόσμε")]);
    }
    let mut all = vec![frame(0x01, b"")];
    all.extend(text.iter().map(|byte| frame(0x00, &[*byte])));
    all.push(frame(0x80, b""));
    table.allowed("a fragment for each byte, and empty ones", &all, &[heard("κόσμε")]);
    for first in [0x00, 0x80] {
        table.forbidden(format!("{first:x} continues nothing"), 1002, &[frame(first, b"x")]);
        let late = [frame(0x01, &text[..9]), frame(0x80, &text[9..]), frame(first, b"x")];
        let said = [heard("κόσμε"), Said::Close(Some(1002))];
        table.ended(format!("{first:x} continues what has ended"), &late, &said);
    }
    for first in [0x01, TEXT, 0x02, 0x82] {
        table.forbidden(format!("{first:x} within a message"), 1002, &[frame(0x01, b"{"), frame(first, b"}")]);
    }
    table.forbidden("a fragment of binary", 1003, &[frame(0x02, b"x")]);
    for first in [PING, PONG, CLOSE] {
        table.forbidden(format!("a fragment of {first:x}"), 1002, &[frame(first & 0x0f, b""), frame(0x80, b"")]);
    }
    let closed = [frame(0x01, b"{"), close_with(1001, b"gone")];
    table.ended("a close within a message", &closed, &[Said::Close(Some(1001))]);
}

fn utf_8(table: &mut Table) {
    let good = [
        "κόσμε",
        "\u{80}",
        "\u{7ff}",
        "\u{800}",
        "\u{ffff}",
        "\u{10000}",
        "\u{10ffff}",
        "\u{d7ff}\u{e000}",
        "\u{fffd}",
        "\u{7f}",
        "\u{fffe}\u{1fffe}",
        "\u{feff}x",
        "𝒳 e\u{301} 👩‍👧",
    ];
    for text in good {
        table.allowed(format!("{text:?}"), &[frame(TEXT, &message(text))], &[heard(text)]);
        let fragments: Vec<_> = message(text).iter().map(|byte| frame(0x00, &[*byte])).collect();
        let whole = [vec![frame(0x01, b"")], fragments, vec![frame(0x80, b"")]].concat();
        table.allowed(format!("{text:?}, each byte a fragment"), &whole, &[heard(text)]);
    }
    let bad: [&[u8]; 22] = [
        b"\x80",
        b"\xbf",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x80\xaf",
        b"\xe0\x9f\xbf",
        b"\xf0\x80\x80\x80",
        b"\xf0\x8f\xbf\xbf",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xed\xa0\xbd\xed\xb8\x80",
        b"\xf4\x90\x80\x80",
        b"\xf5",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc",
        b"\xfe",
        b"\xff",
        b"\xc3(",
        b"\xe2\x82(",
        b"\xf0\x9f\x98(",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80",
        b"\xe2(\xa1",
    ];
    for text in bad {
        let message = [br#"{"type":"publish","ref":""#, text, br#""}"#].concat();
        table.forbidden(format!("{text:x?}"), 1007, &[frame(TEXT, &message)]);
        // Nothing that could follow would mend it: it ends before the message does.
        table.forbidden(format!("{text:x?} at once"), 1007, &[frame(0x01, &[b"{\"", text].concat())]);
        let mut fragments = vec![frame(0x01, b"{\"")];
        fragments.extend(text.iter().map(|byte| frame(0x00, &[*byte])));
        table.forbidden(format!("{text:x?}, each byte a fragment"), 1007, &fragments);
    }
    for text in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x98"] {
        table.forbidden(format!("{text:x?} never ends"), 1007, &[frame(TEXT, text)]);
        table.forbidden(format!("{text:x?} never ends in fragments"), 1007, &[frame(0x01, text), frame(0x80, b"")]);
    }
}

fn closes(table: &mut Table) {
    table.ended("a close without a code", &[frame(CLOSE, b"")], &[Said::Close(None)]);
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        table.ended(format!("closed with {code}"), &[close_with(code, b"")], &[Said::Close(Some(code))]);
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        table.forbidden(format!("closed with {code}"), 1002, &[close_with(code, b"")]);
    }
    let longest = [b'r'; 123];
    table.ended("the longest reason", &[close_with(1000, &longest)], &[Said::Close(Some(1000))]);
    table.ended("a reason", &[close_with(1000, "größer".as_bytes())], &[Said::Close(Some(1000))]);
    table.forbidden("a reason too long", 1002, &[close_with(1000, &[b'r'; 124])]);
    table.forbidden("half a code", 1002, &[frame(CLOSE, b"\x03")]);
    table.forbidden("a reason that is no text", 1007, &[close_with(1000, b"\xce\xba\xed\xa0\x80")]);
    let behind = [close_with(1000, b""), frame(PING, b"p"), frame(TEXT, &message("r")), close_with(1001, b"")];
    table.ended("nothing is heard behind a close", &behind, &[Said::Close(Some(1000))]);
    let before = [frame(TEXT, &message("r")), frame(PING, b"p"), frame(CLOSE, b"")];
    let said = [heard("r"), Said::Pong(b"p".to_vec()), Said::Close(None)];
    table.ended("what came before it is answered first", &before, &said);
}

fn limits(table: &mut Table) {
    let longest = long_message("r", MESSAGE_BYTES_MAX);
    let (half, rest) = longest.split_at(MESSAGE_BYTES_MAX / 2);
    table.allowed("the longest, in fragments", &[frame(0x01, half), frame(0x80, rest)], &[heard("r")]);
    table.forbidden("one byte more", 1009, &[frame(TEXT, &[&longest[..], b" "].concat())]);
    let more = [rest, b" "].concat();
    table.forbidden("one byte more in fragments", 1009, &[frame(0x01, half), frame(0x80, &more)]);
    let announced = |first: u8, length: u64| [&[first, 0xff][..], &length.to_be_bytes()].concat();
    for length in [MESSAGE_BYTES_MAX as u64 + 1, 1 << 32, 1 << 62, u64::MAX] {
        let said = [Said::Close(Some(1009))];
        table.ended(format!("{length} bytes announced"), &[announced(TEXT, length)], &said);
        let second = [frame(0x01, b"{"), announced(0x80, length - 1)];
        table.ended(format!("{length} bytes announced in the second fragment"), &second, &said);
    }
}

/// Everything that the service says after the handshake, to the end of the connection.
async fn converse(app: &TestApp, case: &Case, piece: usize) -> Vec<Said> {
    let mut socket = raw(app).await;
    socket.set_nodelay(true).unwrap();
    let (mut reading, mut writing) = socket.split();
    let mut bytes = Vec::new();
    let write = async {
        for piece in case.bytes.chunks(piece) {
            // Who has closed may take no more.
            if writing.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    let read = tokio::time::timeout(PATIENCE, reading.read_to_end(&mut bytes));
    let ((), read) = tokio::join!(write, read);
    read.unwrap_or_else(|_| panic!("{} is not ended", case.name)).unwrap();
    parse(&bytes)
}

fn parse(mut bytes: &[u8]) -> Vec<Said> {
    let mut said = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        let (wide, length) = match length {
            126 => (2, usize::from(u16::from_be_bytes([rest[0], rest[1]]))),
            127 => panic!("no answer is that long"),
            length => (0, usize::from(*length)),
        };
        let (payload, next) = rest[wide..].split_at(length);
        bytes = next;
        match *first {
            PONG => said.push(Said::Pong(payload.to_vec())),
            CLOSE => said.push(Said::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code)))),
            TEXT => {
                let message: Value = serde_json::from_slice(payload).unwrap();
                match message["type"].as_str() {
                    Some("refused") => said.push(heard(message["ref"].as_str().unwrap())),
                    Some("bye") => {}
                    other => panic!("{other:?}"),
                }
            }
            PING => {}
            other => panic!("a frame that begins with {other:x}"),
        }
    }
    said
}

#[tokio::test]
async fn every_rule_of_the_websocket_protocol_is_kept() {
    let app = streaming(|options| options.http.streams.ws_message_bytes_max = MESSAGE_BYTES_MAX);
    let mut table = Table::default();
    for section in [framing, pings, reserved_bits_and_opcodes, fragmentation, utf_8, closes, limits] {
        section(&mut table);
    }
    assert!(table.0.len() > 300, "{} cases", table.0.len());
    for case in &table.0 {
        let all = case.bytes.len();
        // At once, in two, and a short one byte by byte.
        for piece in [all, all.div_ceil(2), if all < 200 { 1 } else { 997 }] {
            assert_eq!(converse(&app, case, piece).await, case.said, "{}, in pieces of {piece}", case.name);
        }
    }
}
