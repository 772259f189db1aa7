//! What a `<` may still become when the text ends before its `>`: an autolink, raw HTML, or nothing.
//!
//! **Source:** CommonMark 0.31.2 §6.5, §6.6, as the parser reads them.

use crate::markdown::tail::is_of_destination;

/// What an unclosed `<` may still become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Angle {
    /// `<https://…>` or `<a@b.c>`.
    Autolink,
    /// A tag, a comment, a declaration: what stands in it is no Markdown.
    Html,
    /// Nothing: it is a less-than sign.
    Literal,
}

/// The longest scheme, in bytes.
const SCHEME_BYTES_MAX: usize = 32;
/// The longest label of a domain, in bytes.
const DOMAIN_LABEL_BYTES_MAX: usize = 63;

/// Looks at the text from a `<` to its end; `after_word` if a word character stands before it.
pub(super) fn unclosed(text: &str, after_word: bool) -> Angle {
    let rest = &text.as_bytes()[1..];
    if !rest.is_empty() && (may_be_uri(rest) || may_be_email(rest)) {
        // After a word, `<` is a comparison until a colon or an at sign says otherwise.
        if !after_word || rest.iter().any(|byte| matches!(byte, b':' | b'@')) {
            return Angle::Autolink;
        }
    }
    if may_be_html(rest) { Angle::Html } else { Angle::Literal }
}

/// Whether it is a URL so far, behind its scheme, of plain bytes: it may be long, and stays one with more of them.
pub(super) fn is_url(text: &str) -> bool {
    let rest = &text.as_bytes()[1..];
    rest.contains(&b':') && may_be_uri(rest) && rest.iter().all(|&byte| is_of_destination(byte))
}

fn may_be_uri(rest: &[u8]) -> bool {
    let scheme = count(rest, |b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'));
    if !rest[0].is_ascii_alphabetic() || scheme > SCHEME_BYTES_MAX {
        return false;
    }
    match rest.get(scheme) {
        None => true,
        Some(b':') => scheme >= 2 && rest[scheme..].iter().all(|&b| b > b' ' && !matches!(b, b'<' | b'>')),
        Some(_) => false,
    }
}

fn may_be_email(rest: &[u8]) -> bool {
    let local = count(rest, |b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b));
    match rest.get(local) {
        None => true,
        Some(b'@') if local > 0 => may_be_domain(&rest[local + 1..]),
        Some(_) => false,
    }
}

fn may_be_domain(domain: &[u8]) -> bool {
    // First what ends it: the labels are looked at only where they reach the end of the text.
    if !domain.iter().all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')) {
        return false;
    }
    let mut labels = domain.split(|&byte| byte == b'.').peekable();
    while let Some(label) = labels.next() {
        let whole = labels.peek().is_some();
        let shaped = label.len() <= DOMAIN_LABEL_BYTES_MAX
            && label.first() != Some(&b'-')
            && !(whole && (label.is_empty() || label.last() == Some(&b'-')));
        if !shaped {
            return false;
        }
    }
    true
}

fn may_be_html(rest: &[u8]) -> bool {
    match rest {
        [] | [b'!' | b'?'] => true,
        [b'?', ..] => true,
        [b'!', b'-'] | [b'!', b'-', b'-', ..] => true,
        [b'!', b'[', tail @ ..] => may_be_cdata(tail),
        [b'!', first, ..] => first.is_ascii_alphabetic(),
        [b'/', closing @ ..] => may_be_closing_tag(closing),
        _ => may_be_open_tag(rest),
    }
}

/// To the parser the first closing brackets end it, or it is none.
fn may_be_cdata(tail: &[u8]) -> bool {
    match tail.strip_prefix(b"CDATA[") {
        Some(content) => content.iter().skip_while(|&&byte| byte != b']').all(|&byte| byte == b']'),
        None => b"CDATA[".starts_with(tail),
    }
}

fn may_be_closing_tag(rest: &[u8]) -> bool {
    let name = tag_name(rest);
    rest.is_empty() || name > 0 && rest[name..].iter().all(u8::is_ascii_whitespace)
}

fn may_be_open_tag(rest: &[u8]) -> bool {
    let mut at = tag_name(rest);
    if at == 0 {
        return false;
    }
    loop {
        let blanks = whitespace(&rest[at..]);
        at += blanks;
        match rest.get(at) {
            None => return true,
            Some(b'/') => return at + 1 == rest.len(),
            Some(_) if blanks == 0 => return false,
            Some(_) => match attribute(rest, at) {
                Some(end) => at = end,
                None => return false,
            },
        }
    }
}

/// Reads an attribute; its end, or the text's if that comes first.
fn attribute(rest: &[u8], at: usize) -> Option<usize> {
    if !(rest[at].is_ascii_alphabetic() || matches!(rest[at], b'_' | b':')) {
        return None;
    }
    let name_end = at + count(&rest[at..], |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-'));
    let equals = name_end + whitespace(&rest[name_end..]);
    if rest.get(equals) != Some(&b'=') {
        return Some(name_end);
    }
    let value = equals + 1 + whitespace(&rest[equals + 1..]);
    match rest.get(value) {
        None => Some(rest.len()),
        Some(&quote @ (b'"' | b'\'')) => {
            Some(memchr::memchr(quote, &rest[value + 1..]).map_or(rest.len(), |length| value + length + 2))
        }
        Some(_) => {
            let length = count(&rest[value..], |b| b > b' ' && !b"\"'=<>`".contains(&b));
            (length > 0).then_some(value + length)
        }
    }
}

fn tag_name(rest: &[u8]) -> usize {
    match rest.first() {
        Some(first) if first.is_ascii_alphabetic() => count(rest, |b| b.is_ascii_alphanumeric() || b == b'-'),
        _ => 0,
    }
}

fn whitespace(bytes: &[u8]) -> usize {
    count(bytes, |b| b.is_ascii_whitespace())
}

fn count(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|&&byte| belongs(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unclosed_angle_bracket_is_an_autolink_html_or_nothing() {
        use Angle::{Autolink, Html, Literal};
        let cases = [
            ("<h", Autolink),
            ("<https", Autolink),
            ("<https:", Autolink),
            ("<https://a.b/c?d", Autolink),
            ("<a.b@c", Autolink),
            ("<a@b-.c", Literal),
            ("<https://a b", Literal),
            ("<br ", Html),
            ("<a href", Html),
            ("<a href=", Html),
            ("<a href=\"x y", Html),
            ("<a href=\"x\" ", Html),
            ("<a href=\"x\"y", Literal),
            ("<a b*c", Literal),
            ("<br /", Html),
            ("<br /x", Literal),
            ("</", Autolink),
            ("</a ", Html),
            ("</a b", Literal),
            ("<!-- a", Html),
            ("<!", Autolink),
            ("<!D", Autolink),
            ("<!D ", Html),
            ("<!1 ", Literal),
            ("<![CDA", Html),
            ("<![CDATA[ x", Html),
            ("<![CDATA[ x]]", Html),
            ("<![CDATA[ x]] y", Literal),
            ("<![x", Literal),
            ("<?x ", Html),
            ("< a", Literal),
            ("<1", Autolink),
            ("<1 ", Literal),
        ];
        for (text, expected) in cases {
            assert_eq!(unclosed(text, false), expected, "{text:?}");
        }
    }

    #[test]
    fn after_a_word_it_is_a_comparison_until_a_colon_or_an_at_sign() {
        for (text, expected) in
            [("<1", Angle::Literal), ("<b", Angle::Html), ("<b:", Angle::Literal), ("<bc:", Angle::Autolink)]
        {
            assert_eq!(unclosed(text, true), expected, "{text:?}");
        }
    }
}
