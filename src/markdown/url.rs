//! Which URLs may stand in a page: an allow-list of schemes, judged on the URL as a browser will parse it.
//!
//! **Invariant:** no scheme outside [`Policy::url_schemes`] passes, however it is spelled: tabs, line feeds, controls and
//! spaces around or inside it, letter case, entities (the parser has decoded them by now)
//! (`disguised_schemes_are_refused`).
//!
//! **Source:** WHATWG URL §4.4 (basic URL parser: strip, remove tab and newline, scheme state).

use super::Policy;
use std::borrow::Cow;

/// What is written in place of a URL that is refused.
pub(super) const REFUSED: &str = "#";

/// `url` as the WHATWG parser sees it before it looks at the scheme: without C0 controls and spaces at its ends, and
/// without tabs and newlines anywhere.
fn stripped(url: &str) -> Cow<'_, str> {
    let url = url.trim_matches(|c: char| c <= ' ');
    if url.contains(['\t', '\n', '\r']) { url.replace(['\t', '\n', '\r'], "").into() } else { url.into() }
}

/// The scheme of a stripped URL, if it has one.
fn scheme(url: &str) -> Option<&str> {
    let end = url.bytes().position(|b| !is_scheme_byte(b))?;
    let starts_right = url.as_bytes()[0].is_ascii_alphabetic();
    (starts_right && url.as_bytes()[end] == b':').then(|| &url[..end])
}

/// Whether a link or an image may have this URL. One without a scheme is relative, and allowed.
pub(super) fn is_allowed(url: &str, policy: &Policy) -> bool {
    let listed = |scheme: &str| policy.url_schemes.iter().any(|s| s.eq_ignore_ascii_case(scheme));
    // What ends the scheme decides, unless it is a byte that a browser would strip.
    match url.bytes().position(|b| !is_scheme_byte(b)) {
        None => true,
        Some(end) if url.as_bytes()[end] > b' ' => scheme(url).is_none_or(listed),
        Some(_) => scheme(&stripped(url)).is_none_or(listed),
    }
}

fn is_scheme_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Whether following this link leaves the site: it names a web scheme, or a host.
pub(super) fn leaves_site(url: &str) -> bool {
    let url = stripped(url);
    match scheme(&url) {
        Some(scheme) => scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"),
        None => url.starts_with("//"),
    }
}

/// Whether the operator lets this image be loaded. A prefix that begins with one slash means a path of this site, so it
/// never covers a host; a URL that a browser would rewrite (dot segments, backslashes) is under no prefix.
pub(super) fn image_is_loaded(url: &str, policy: &Policy) -> bool {
    if policy.image_prefixes.is_empty() {
        return true;
    }
    // What a browser would strip is written percent-encoded, and makes another URL.
    if stripped(url) != url {
        return false;
    }
    let names_host = url.starts_with("//");
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let rewritten = url.contains('\\') || path.split('/').any(is_dot_segment);
    !rewritten && policy.image_prefixes.iter().any(|p| url.starts_with(p.as_str()) && names_host == p.starts_with("//"))
}

fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_judged_by_the_list() {
        let policy = Policy::default();
        let allowed = [
            "",
            "#a",
            "/a",
            "a/b:c",
            "?x=javascript:y",
            "//host/x",
            "https://a",
            "HTTP://a",
            "mailto:a@b",
            "tel:+1",
            "1a:b",
            "./a:b",
            "é:b",
            " https://a",
            "a b:c",
            "a%3Ab",
        ];
        for url in allowed {
            assert!(is_allowed(url, &policy), "{url:?}");
        }
    }

    #[test]
    fn disguised_schemes_are_refused() {
        let policy = Policy::default();
        let refused = [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\nscript:alert(1)",
            "java\tscript:x",
            "java\rscript:x",
            "\u{1}javascript:x",
            "  javascript:x",
            "\u{1F}\n data:text/html,x",
            "vbscript:x",
            "data:image/png;base64,x",
            "blob:x",
            "file:///etc/passwd",
            "a+b.c-d:x",
            "javascript\n:x",
        ];
        for url in refused {
            assert!(!is_allowed(url, &policy), "{url:?}");
        }
        assert!(is_allowed("ht\ntps://a", &policy), "a browser reads https here");
        let narrow = Policy { url_schemes: vec!["https".into()], ..Policy::default() };
        assert!(!is_allowed("http://a", &narrow) && !is_allowed("mailto:a@b", &narrow));
    }

    #[test]
    fn links_that_leave_are_told_from_those_that_stay() {
        for (url, leaves) in [
            ("https://a", true),
            ("HTTP:a", true),
            ("//a", true),
            (" \t//a", true),
            ("/a", false),
            ("a", false),
            ("#", false),
            ("mailto:a@b", false),
            ("tel:1", false),
            ("", false),
        ] {
            assert_eq!(leaves_site(url), leaves, "{url:?}");
        }
    }

    #[test]
    fn images_are_held_to_their_prefixes() {
        let prefixes = ["https://cdn.example.com/pub/", "/static/"].map(str::to_owned).to_vec();
        let policy = Policy { image_prefixes: prefixes, ..Policy::default() };
        for (url, loaded) in [
            ("https://cdn.example.com/pub/a.png", true),
            ("https://cdn.example.com/pub/../x?secret", false),
            ("https://cdn.example.com/pub/%2E%2e/x", false),
            ("https://cdn.example.com/pub/.%2e", false),
            ("https://cdn.example.com/pub/a..b.png?x=/../", true),
            ("https://evil.example/pub/a.png", false),
            ("/static/a.png", true),
            ("//static/a.png", false),
            ("/static/..\\a", false),
            ("/other", false),
            ("#", false),
            (" /static/x", false),
            ("https://cdn.example.com/pub/\ta", false),
        ] {
            assert_eq!(image_is_loaded(url, &policy), loaded, "{url:?}");
        }
        let any_path = Policy { image_prefixes: vec!["/".into()], ..Policy::default() };
        assert!(image_is_loaded("/a", &any_path) && !image_is_loaded("//evil/a", &any_path));
        assert!(image_is_loaded("https://anywhere/x", &Policy::default()));
    }
}
