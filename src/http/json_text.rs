//! A text as a JSON string, sixteen bytes at a look: the answer's HTML, which is most of what an answer costs beside its
//! render. Byte for byte what serde_json writes; the crates that do this by vectors reserve six times the text's length.
//!
//! **Invariant:** the bytes are serde_json's (`strings_are_written_as_serde_json_does`).
//!
//! **Source:** RFC 8259 §7 (strings).

/// Appends `text` with its quotes.
pub(super) fn write(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.push(b'"');
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        let chunk = &bytes[at..bytes.len().min(at + 16)];
        if chunk.first_chunk::<16>().is_none_or(holds_special) {
            for (i, byte) in chunk.iter().enumerate().filter(|(_, byte)| is_special(**byte)) {
                out.extend_from_slice(&bytes[from..at + i]);
                escape(out, *byte);
                from = at + i + 1;
            }
        }
        at += 16;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Without a branch, so it is compiled to one comparison of vectors.
#[inline]
fn holds_special(bytes: &[u8; 16]) -> bool {
    bytes.iter().fold(false, |found, byte| found | is_special(*byte))
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0C => b'f',
        b'\r' => b'r',
        _ => {
            out.extend_from_slice(b"\\u00");
            return out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strings_are_written_as_serde_json_does(text in "([\\x00-\\x7F]|<p>\n|\"|é|\u{1F44D}|[a-z ]{0,20}){0,40}") {
            let mut out = Vec::new();
            write(&mut out, &text);
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
        }
    }
}
