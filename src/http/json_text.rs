//! A text as a JSON string: the answer's HTML, which is most of what an answer costs beside its render. Byte for byte
//! what serde_json writes, but eight bytes at a look; the crates that do this reserve six times the text's length.
//!
//! **Invariant:** the bytes are serde_json's (`strings_are_written_as_serde_json_does`).
//!
//! **Source:** RFC 8259 §7 (strings).

use super::json_words::next_special;

/// Appends `text` with its quotes.
pub(super) fn write(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.push(b'"');
    let mut from = 0;
    while let Some(found) = next_special(&bytes[from..]) {
        let at = from + found;
        out.extend_from_slice(&bytes[from..at]);
        escape(out, bytes[at]);
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

#[inline]
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

    fn check(text: &str) {
        let mut out = b"before".to_vec();
        write(&mut out, text);
        assert_eq!(String::from_utf8(out).unwrap(), format!("before{}", serde_json::to_string(text).unwrap()));
    }

    proptest! {
        #[test]
        fn strings_are_written_as_serde_json_does(text in "([\\x00-\\x7F]|<p>\n|\"|é|\u{1F44D}|[a-z ]{0,20}){0,40}") {
            check(&text);
        }
    }

    #[test]
    fn a_text_that_is_all_escapes_is_written_whole() {
        for length in [0, 1, 7, 8, 9, 1_000] {
            for unit in ["\u{1}", "\n", "a", "é\u{7}"] {
                check(&unit.repeat(length));
            }
        }
    }
}
