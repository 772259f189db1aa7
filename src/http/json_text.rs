//! A text as a JSON string: the answer's HTML, which is most of what an answer costs beside its render. Byte for byte
//! what serde_json writes, but by vector searches; the crates that do this reserve six times the text's length.
//!
//! **Invariant:** the bytes are serde_json's (`strings_are_written_as_serde_json_does`).
//!
//! **Source:** RFC 8259 §7 (strings).

/// Appends `text` with its quotes.
pub(super) fn write(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.push(b'"');
    if bytes.iter().fold(false, |found, byte| found | is_rare(*byte)) {
        let special = |byte: u8| is_rare(byte) || matches!(byte, b'"' | b'\\' | b'\n');
        escape_at(out, bytes, (0..bytes.len()).filter(|at| special(bytes[*at])));
    } else {
        escape_at(out, bytes, memchr::memchr3_iter(b'"', b'\\', b'\n', bytes));
    }
    out.push(b'"');
}

/// Whether a byte must be escaped that HTML of ours hardly ever holds.
fn is_rare(byte: u8) -> bool {
    (byte < 0x20) & (byte != b'\n')
}

fn escape_at(out: &mut Vec<u8>, bytes: &[u8], places: impl Iterator<Item = usize>) {
    let mut from = 0;
    for at in places {
        out.extend_from_slice(&bytes[from..at]);
        escape(out, bytes[at]);
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
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
