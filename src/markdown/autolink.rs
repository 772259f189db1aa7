//! Bare URLs and e-mail addresses in text, as GFM's extended autolinks.
//!
//! **Invariant:** one pass, linear in the text (`repeated_candidates_cost_linear_time`).
//!
//! **Source:** GFM 0.29 §6.9. Left out: `ftp://`, which the URL allow-list would refuse.

use std::ops::Range;

/// A link found in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// What is shown, and with [`Found::scheme`] before it the URL.
    pub range: Range<usize>,
    /// `http://` for `www.…`, `mailto:` for an address, nothing for a URL.
    pub scheme: &'static str,
    /// How far it reached before trailing punctuation was cut: more text there could have been part of it.
    pub reach: usize,
}

/// The links of `text`, in order. `before` is the character that stands before it in the source.
pub(super) fn find(text: &str, before: Option<char>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut free = 0;
    // A domain that begins before or at this offset was tried and refused; one that begins inside it fails alike.
    let mut refused = 0;
    for at in memchr::memchr3_iter(b'h', b'w', b'@', text.as_bytes()) {
        if at < free {
            continue;
        }
        let link = match text.as_bytes()[at] {
            b'@' => address(text, at, free, before),
            _ if !may_begin(text, at, before) => None,
            _ => url(text, at, &mut refused),
        };
        if let Some(link) = link {
            free = link.range.end;
            found.push(link);
        }
    }
    found
}

/// A link begins a line, or follows white space or one of `* _ ~ (`.
fn may_begin(text: &str, at: usize, before: Option<char>) -> bool {
    let before = text[..at].chars().next_back().or(before);
    before.is_none_or(|c| c.is_whitespace() || matches!(c, '*' | '_' | '~' | '('))
}

fn url(text: &str, at: usize, refused: &mut usize) -> Option<Found> {
    let rest = &text[at..];
    let (scheme, lead) = if rest.starts_with("https://") {
        ("", "https://".len())
    } else if rest.starts_with("http://") {
        ("", "http://".len())
    } else if rest.starts_with("www.") {
        ("http://", "www.".len())
    } else {
        return None;
    };
    let domain = at + lead;
    if domain <= *refused {
        return None;
    }
    let domain_len = text[domain..].find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.')));
    let domain_end = domain_len.map_or(text.len(), |len| domain + len);
    if let Some(fault) = last_fault(text[domain..domain_end].trim_end_matches('.')) {
        *refused = domain + fault;
        return None;
    }
    let path = text[domain_end..].find(|c: char| c.is_whitespace() || c == '<');
    let reach = path.map_or(text.len(), |len| domain_end + len);
    let end = at + without_trailing_punctuation(&text[at..reach]);
    Some(Found { range: at..end, scheme, reach })
}

/// A domain is segments of letters, digits, `_` and `-` between full stops, at least two; no `_` in the last two. `None`
/// if this is one; else the last offset from which on it would be none either.
fn last_fault(domain: &str) -> Option<usize> {
    let stops = || memchr::memrchr_iter(b'.', domain.as_bytes());
    let last_two = stops().nth(1).map_or(0, |stop| stop + 1);
    let underscore = domain[last_two..].rfind('_').map(|at| last_two + at);
    let empty = if domain.starts_with('.') { Some(0) } else { None }.max(domain.rfind("..").map(|at| at + 1));
    let single = if stops().next().is_none() { Some(domain.len()) } else { None };
    underscore.max(empty).max(single)
}

/// The length of a link without what a sentence puts behind it.
fn without_trailing_punctuation(link: &str) -> usize {
    let count = |c| memchr::memchr_iter(c, link.as_bytes()).count();
    let (opened, mut closed) = (count(b'('), count(b')'));
    let mut end = link.len();
    loop {
        let kept = &link[..end];
        match kept.as_bytes().last() {
            Some(b'?' | b'!' | b'.' | b',' | b':' | b'*' | b'_' | b'~' | b'\'' | b'"') => end -= 1,
            Some(b')') if closed > opened => {
                closed -= 1;
                end -= 1;
            }
            Some(b';') => match entity_start(kept) {
                Some(start) => end = start,
                None => return end,
            },
            _ => return end,
        }
    }
}

/// Where a trailing `&name;` begins.
fn entity_start(link: &str) -> Option<usize> {
    let name = link.strip_suffix(';')?.trim_end_matches(|c: char| c.is_ascii_alphanumeric());
    (name.ends_with('&') && name.len() + 1 < link.len()).then(|| name.len() - 1)
}

fn address(text: &str, at: usize, free: usize, before: Option<char>) -> Option<Found> {
    let is_local = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+');
    let local = text.as_bytes()[free..at].iter().rev().take_while(|b| is_local(b)).count();
    if local == 0 || !may_begin(text, at - local, before) {
        return None;
    }
    let is_host = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let host = text.as_bytes()[at + 1..].iter().take_while(|b| is_host(b)).count();
    let reach = at + 1 + host;
    let host = text[at + 1..reach].trim_end_matches('.');
    let whole = host.contains('.') && host.split('.').all(|segment| !segment.is_empty());
    (whole && !host.ends_with(['-', '_'])).then(|| Found {
        range: at - local..at + 1 + host.len(),
        scheme: "mailto:",
        reach,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let found: Vec<_> = find(text, None).into_iter().map(|f| (f.scheme, &text[f.range])).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn links_are_found_where_gfm_finds_them() {
        check("www.commonmark.org/help for", &[("http://", "www.commonmark.org/help")]);
        check("Visit https://a.b/c. And", &[("", "https://a.b/c")]);
        check("(http://a.b/c(d)) e", &[("", "http://a.b/c(d)")]);
        check("http://a.b/?q=x&copy;", &[("", "http://a.b/?q=x")]);
        check("http://a.b/?q=x&y;z", &[("", "http://a.b/?q=x&y;z")]);
        check("*www.a.b* ~www.c.d~", &[("http://", "www.a.b"), ("http://", "www.c.d")]);
        check("xwww.a.b http://localhost http://a_b.c http://x.a_b", &[]);
        check("http://x_y.a.b<br>", &[("", "http://x_y.a.b")]);
        check("foo@bar.baz, a.b-c_d@a.b.", &[("mailto:", "foo@bar.baz"), ("mailto:", "a.b-c_d@a.b")]);
        check("a.b-c_d@a.b- a@b_ a@b @b.c a@b@c.d", &[]);
        check("hello@mail+xyz.example isn't", &[]);
        check("https://a.b/@c.d x@y.z", &[("", "https://a.b/@c.d"), ("mailto:", "x@y.z")]);
        check("ftp://a.b", &[]);
        check("www._http://a.b www..a_www.c.d", &[("", "http://a.b"), ("http://", "www.c.d")]);
    }

    #[test]
    fn what_stands_before_the_text_counts() {
        assert!(find("www.a.b", Some('x')).is_empty());
        assert_eq!(find("www.a.b", Some('(')).len(), 1);
    }

    #[test]
    fn repeated_candidates_cost_linear_time() {
        // Each candidate begins inside the domain of the one before; every one fails. Quadratic, this takes minutes.
        for unit in ["www._", "http://_", "a@", "(www.", "&a;", ")"] {
            let text = format!("http://a.b/{}", unit.repeat(200_000));
            find(&text, None);
            find(&unit.repeat(200_000), None);
        }
    }
}
