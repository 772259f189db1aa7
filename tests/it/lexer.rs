//! Just enough of Rust's lexis to tell code from comments, strings and characters.
//!
//! **Invariant:** the blanked text has the line feeds of the original where they were (`blanking_keeps_every_line`).

/// `text` with each byte inside a comment, a string or a character literal replaced by a space. Line feeds stay.
pub(crate) fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    while out.len() < bytes.len() {
        let at = out.len();
        let end = at + literal_length(&bytes[at..], at.checked_sub(1).map(|before| bytes[before]));
        if end == at {
            out.push(bytes[at]);
        } else {
            out.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
        }
    }
    String::from_utf8(out).expect("whole characters are blanked")
}

/// How many bytes of `rest` are one comment, string or character literal; 0 if it begins with none. `before` is the
/// byte in front of it.
fn literal_length(rest: &[u8], before: Option<u8>) -> usize {
    let in_word = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match rest {
        [b'/', b'/', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment_length(rest),
        [b'"', ..] => quoted_length(rest, b'"'),
        [b'r', b'"' | b'#', ..] if !in_word => raw_string_length(rest, 1),
        [b'b' | b'c', b'r', b'"' | b'#', ..] if !in_word => raw_string_length(rest, 2),
        // `'x'` and `'\…'` are characters; `'x` without its closing quote is a lifetime.
        [b'\'', b'\\', ..] => quoted_length(rest, b'\''),
        [b'\'', ..] => {
            let width = std::str::from_utf8(&rest[1..rest.len().min(5)]).map_or_else(|e| e.valid_up_to(), str::len);
            let first = std::str::from_utf8(&rest[1..1 + width]).ok().and_then(|s| s.chars().next());
            first.map(|c| c.len_utf8() + 2).filter(|n| rest.get(n - 1) == Some(&b'\'')).unwrap_or(0)
        }
        _ => 0,
    }
}

fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn block_comment_length(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (2, 1);
    while at < rest.len() && depth > 0 {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

/// `r"…"`, `r#"…"#`; 0 for a raw identifier such as `r#type`.
fn raw_string_length(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return 0;
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let body = prefix + hashes + 1;
    let end = rest[body..].windows(close.len()).position(|window| window == close);
    end.map_or(rest.len(), |i| body + i + close.len())
}

#[test]
fn comments_strings_and_characters_are_blanked() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("{\"}", '{')"#, "f(      ,    )"),
        (r##"r#"a"b"# + r#type"##, "         + r#type"),
        ("fn f<'a>(x: &'a str) -> '\\n' 'é' b'}'", "fn f<'a>(x: &'a str) ->           b   "),
    ];
    for (text, expected) in cases {
        assert_eq!(blank(text), expected, "{text}");
    }
}

#[test]
fn blanking_keeps_every_line() {
    let text = include_str!("lexer.rs");
    let blanked = blank(text);
    assert_eq!(blanked.lines().count(), text.lines().count());
    assert!(!blanked.contains("lexis"));
}
