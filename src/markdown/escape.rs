//! Text, attribute values and URLs as HTML spells them.
//!
//! The three escapes are those of pulldown-cmark's own writer, byte for byte, but for control characters, which HTML text
//! may not hold: they arrive only by numeric entities (the source was normalised) and are written U+FFFD; a carriage
//! return is written `&#13;`, since an HTML parser would turn it into a line feed.
//!
//! **Invariant:** for text without controls the bytes are pulldown-cmark-escape's (`escapes_equal_the_stock_ones`).
//!
//! **Source:** WHATWG HTML §13.1.2.4 (text), §13.1.2.3 (attributes), §13.2.3.5 (newlines).

/// What a byte is written as; index 0 means "as it is".
const SPELLINGS: [&str; 9] = ["", "&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#13;", "\u{FFFD}", "&#x27;"];

const TEXT: [u8; 256] = table(false);
const ATTRIBUTE: [u8; 256] = table(true);

const fn table(attribute: bool) -> [u8; 256] {
    let mut table = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        if !matches!(control as u8, b'\t' | b'\n' | 0x0C) {
            table[control] = 7;
        }
        control += 1;
    }
    table[b'\r' as usize] = 6;
    table[b'&' as usize] = 1;
    table[b'<' as usize] = 2;
    table[b'>' as usize] = 3;
    if attribute {
        table[b'"' as usize] = 4;
        table[b'\'' as usize] = 5;
    }
    table
}

/// Appends text of the source as the content of an element.
#[inline]
pub(super) fn text(out: &mut String, text: &str) {
    if is_plain(text.as_bytes()) { out.push_str(text) } else { with_markup(out, text) }
}

/// The same for text of which some is markup.
fn with_markup(out: &mut String, text: &str) {
    let mut from = 0;
    while let Some(found) = next_markup(&text.as_bytes()[from..]) {
        let at = from + found;
        out.push_str(&text[from..at]);
        out.push_str(SPELLINGS[usize::from(TEXT[usize::from(text.as_bytes()[at])])]);
        from = at + 1;
    }
    out.push_str(&text[from..]);
}

/// Appends text that came out of an entity: controls may be in it.
pub(super) fn decoded(out: &mut String, text: &str) {
    through_table(out, text, &TEXT);
}

/// Appends `value` for use between double quotes.
pub(super) fn attribute(out: &mut String, value: &str) {
    through_table(out, value, &ATTRIBUTE);
}

fn through_table(out: &mut String, text: &str, table: &[u8; 256]) {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let spelling = table[usize::from(byte)];
        if spelling != 0 {
            out.push_str(&text[from..at]);
            out.push_str(SPELLINGS[usize::from(spelling)]);
            from = at + 1;
        }
    }
    out.push_str(&text[from..]);
}

/// Whether text of the source, which holds no controls, is written as it is.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    if let Some(last) = text.last_chunk::<16>() {
        // The last chunk overlaps the one before it, so no remainder is left.
        return !text.as_chunks::<16>().0.iter().any(holds_markup) && !holds_markup(last);
    }
    match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) => !holds_markup(first) && !holds_markup(last),
        _ => !text.iter().any(|byte| is_markup(*byte)),
    }
}

/// Without a branch for each byte, so it is compiled to one comparison of vectors.
#[inline]
fn holds_markup<const N: usize>(bytes: &[u8; N]) -> bool {
    bytes.iter().fold(false, |found, byte| found | is_markup(*byte))
}

#[inline]
fn is_markup(byte: u8) -> bool {
    (byte == b'&') | (byte == b'<') | (byte == b'>')
}

/// Where the first byte of markup stands, by eight bytes at a look.
#[inline]
fn next_markup(text: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut at = 0;
    while let Some(word) = text[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        // One taken from a byte that is zero borrows from its high bit. The lowest bit found is right; bits above it may
        // be borrowed from.
        let zero = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
        // `<` and `>` differ in the second bit.
        let angles = (word | (ONES * 2)) ^ (ONES * u64::from(b'>'));
        let found = (zero(angles) | zero(word ^ (ONES * u64::from(b'&')))) & HIGHS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    text[at..].iter().position(|byte| is_markup(*byte)).map(|found| at + found)
}

/// Bytes that stand in a URL as they are; the others are percent-encoded, but `&` and `'`.
const HREF_SAFE: [bool; 256] = {
    let mut safe = [false; 256];
    let bytes = b"!#$%()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ^_abcdefghijklmnopqrstuvwxyz~";
    let mut i = 0;
    while i < bytes.len() {
        safe[bytes[i] as usize] = true;
        i += 1;
    }
    safe
};

/// Appends `url` for use in `href` or `src` between double quotes.
pub(super) fn href(out: &mut String, url: &str) {
    let mut from = 0;
    for (at, byte) in url.bytes().enumerate() {
        if HREF_SAFE[usize::from(byte)] {
            continue;
        }
        // Safe bytes are ASCII, so a run of them begins and ends between characters.
        if from < at {
            out.push_str(&url[from..at]);
        }
        from = at + 1;
        match byte {
            b'&' => out.push_str(SPELLINGS[1]),
            b'\'' => out.push_str(SPELLINGS[8]),
            _ => percent(out, byte),
        }
    }
    if from < url.len() {
        out.push_str(&url[from..]);
    }
}

fn percent(out: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulldown_cmark::{CowStr, Event, LinkType, Tag, TagEnd, html};

    fn written(f: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        f(&mut out);
        out
    }

    /// What the stock writer makes of `sample` as text, as a URL and as a title.
    fn stock(sample: &str) -> (String, String, String) {
        let (mut text, mut link) = (String::new(), String::new());
        html::push_html(&mut text, [Event::Text(sample.into())].into_iter());
        let (dest_url, title, id) = (CowStr::from(sample), CowStr::from(format!("|{sample}")), CowStr::from(""));
        let tag = Tag::Link { link_type: LinkType::Inline, dest_url, title, id };
        html::push_html(&mut link, [Event::Start(tag), Event::End(TagEnd::Link)].into_iter());
        let (url, title) = link.split_once("\" title=\"|").unwrap();
        (text, url.trim_start_matches("<a href=\"").to_owned(), title.trim_end_matches("\"></a>").to_owned())
    }

    #[test]
    fn escapes_equal_the_stock_ones() {
        let printable: String = (0x20..0x7F).map(char::from).collect();
        let beyond: String = (0x7F..=0x17F).filter_map(char::from_u32).collect();
        let long = printable.repeat(5);
        for sample in ["", "a", "<b>&amp;'", "é<ü>\u{10FFFF}&", "\t\n tab", &printable, &beyond, &long] {
            let (as_text, as_url, as_title) = stock(sample);
            assert_eq!(written(|o| text(o, sample)), as_text);
            assert_eq!(written(|o| decoded(o, sample)), as_text);
            assert_eq!(written(|o| href(o, sample)), as_url);
            assert_eq!(written(|o| attribute(o, sample)), as_title);
        }
    }

    #[test]
    fn markup_is_found_at_every_place() {
        for length in 0..40 {
            for at in 0..length {
                for markup in [b'&', b'<', b'>'] {
                    for filler in [b'a', b'=', b'\'', 0x80, 0xBC, 0xFF] {
                        let mut text = vec![filler; length];
                        assert_eq!(next_markup(&text), None);
                        text[at..].fill(markup);
                        assert_eq!(next_markup(&text), Some(at), "{text:?}");
                        assert!(!is_plain(&text));
                    }
                }
            }
        }
    }

    #[test]
    fn controls_never_reach_the_page() {
        assert_eq!(written(|o| decoded(o, "a\u{1}b\rc\u{B}d\u{C}e")), "a\u{FFFD}b&#13;c\u{FFFD}d\u{C}e");
        assert_eq!(written(|o| attribute(o, "\u{1F}\r")), "\u{FFFD}&#13;");
    }
}
