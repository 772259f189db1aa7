//! Whether a text that touches the end of the source may still become something: prefixes of small grammars.
//!
//! **Source:** CommonMark 0.31.2, sections 4.7, 6.3, 6.5, 6.6.

/// What the parser takes for blanks in an empty line, at the end of one, at a cell's edges and around a destination.
pub(crate) const BLANKS: [char; 3] = [' ', '\t', '\x0c'];
/// Parentheses may nest this deep in a destination.
const PARENTHESES_MAX: usize = 32;
/// A label of a domain may be this long.
const DOMAIN_LABEL_MAX: usize = 63;

/// A cursor over what is left.
struct Rest<'a>(&'a str);

/// How far an optional part got.
#[derive(PartialEq, Eq)]
enum Part {
    Whole,
    /// The text ends within it.
    Open,
    Wrong,
}

impl Rest<'_> {
    fn peek(&self) -> Option<char> {
        self.0.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.0 = &self.0[c.len_utf8()..];
        Some(c)
    }

    fn ends(&self) -> bool {
        self.0.is_empty()
    }

    /// Skips white space with at most one line feed; how much there was, or `None` for a blank line.
    fn space(&mut self) -> Option<usize> {
        let before = self.0;
        self.0 = before.trim_start_matches([' ', '\t', '\x0c', '\n']);
        let skipped = &before[..before.len() - self.0.len()];
        (skipped.matches('\n').count() <= 1).then_some(skipped.len())
    }

    /// Reads up to an unescaped `close`; no unescaped character of `never` may come before.
    fn until(&mut self, close: char, never: &str) -> Part {
        let mut line_feed = false;
        while let Some(c) = self.next() {
            match c {
                '\\' if self.peek().is_some_and(|c| c.is_ascii_punctuation()) => {
                    self.next();
                }
                c if c == close => return Part::Whole,
                c if never.contains(c) => return Part::Wrong,
                '\n' if line_feed => return Part::Wrong,
                _ => {}
            }
            line_feed = c == '\n' || line_feed && (c == ' ' || c == '\t');
        }
        Part::Open
    }

    fn destination(&mut self) -> Part {
        if self.peek() == Some('<') {
            self.next();
            return self.until('>', "<\n");
        }
        let mut depth = 0;
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    self.next();
                    if self.peek().is_none_or(|c| !c.is_ascii_punctuation()) {
                        continue;
                    }
                }
                '(' if depth > PARENTHESES_MAX => return Part::Wrong,
                '(' => depth += 1,
                ')' if depth == 0 => return Part::Whole,
                ')' => depth -= 1,
                c if c <= ' ' => return if depth == 0 { Part::Whole } else { Part::Wrong },
                _ => {}
            }
            self.next();
        }
        Part::Open
    }

    fn title(&mut self) -> Part {
        match self.next() {
            Some('"') => self.until('"', ""),
            Some('\'') => self.until('\'', ""),
            Some('(') => self.until(')', "("),
            _ => Part::Wrong,
        }
    }
}

/// What stands behind `](` may still be finished.
pub(crate) fn link_tail_prefix(tail: &str) -> bool {
    let mut rest = Rest(tail);
    if rest.space().is_none() {
        return false;
    }
    if rest.ends() {
        return true;
    }
    let pointed = rest.peek() == Some('<');
    match rest.destination() {
        Part::Open => return true,
        Part::Wrong => return false,
        Part::Whole => {}
    }
    match rest.space() {
        None => return false,
        // The parser lets a title touch a `>`.
        Some(0) if !pointed => return rest.ends(),
        Some(_) if rest.ends() => return true,
        Some(_) => {}
    }
    match rest.title() {
        Part::Open => true,
        Part::Wrong => false,
        Part::Whole => rest.space().is_some() && rest.ends(),
    }
}

/// What stands behind `][` is a label that is not closed.
pub(crate) fn label_prefix(label: &str) -> bool {
    Rest(label).until(']', "[") == Part::Open
}

/// A paragraph's text may still be a definition: it has come at least to the colon.
pub(crate) fn definition_prefix(text: &str) -> bool {
    let mut rest = Rest(text);
    if rest.next() != Some('[') {
        return false;
    }
    let label = rest.0;
    if rest.until(']', "[") != Part::Whole || label[..label.len() - rest.0.len() - 1].trim().is_empty() {
        return false;
    }
    if rest.next() != Some(':') || rest.space().is_none() {
        return false;
    }
    if rest.ends() {
        return true;
    }
    match rest.destination() {
        Part::Open => return true,
        Part::Wrong => return false,
        Part::Whole => {}
    }
    match rest.space() {
        None | Some(0) => rest.ends(),
        Some(_) => rest.ends() || title_prefix(rest.0),
    }
}

/// The text may still be the title of the definition above it.
pub(crate) fn title_prefix(text: &str) -> bool {
    let mut rest = Rest(text);
    match rest.title() {
        Part::Open => true,
        Part::Wrong => false,
        Part::Whole => rest.0.trim_matches(BLANKS).is_empty(),
    }
}

/// What stands behind `<` may still be an autolink.
pub(crate) fn autolink_prefix(rest: &str) -> bool {
    uri_prefix(rest) || email_prefix(rest)
}

fn uri_prefix(rest: &str) -> bool {
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || "+.-".contains(c);
    let (scheme, behind) = match rest.split_once(':') {
        Some((scheme, behind)) => (scheme, Some(behind)),
        None => (rest, None),
    };
    let sound =
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(in_scheme) && scheme.len() <= 32;
    let opaque = |uri: &str| uri.chars().all(|c| c > ' ' && c != '<' && c != '>');
    sound && behind.is_none_or(|behind| scheme.len() >= 2 && opaque(behind))
}

fn email_prefix(rest: &str) -> bool {
    let (local, domain) = match rest.split_once('@') {
        Some((local, domain)) => (local, domain),
        None => (rest, ""),
    };
    let in_local = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
    let in_domain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let labels_sound =
        domain.is_empty() || !domain.starts_with(['.', '-']) && !["..", ".-", "-."].iter().any(|w| domain.contains(w));
    let labels_sound = labels_sound && domain.split('.').all(|label| label.len() <= DOMAIN_LABEL_MAX);
    !local.is_empty() && local.chars().all(in_local) && domain.chars().all(in_domain) && labels_sound
}

/// What stands behind `<` may still be a tag, a comment or another piece of HTML.
pub(crate) fn tag_prefix(rest: &str) -> bool {
    if let Some(special) = rest.strip_prefix(['!', '?']) {
        let letter = |c: char| c.is_ascii_alphabetic();
        // The parser ends a CDATA section at its first closing brackets, or sees none.
        let unclosed = |data: &str| data.trim_start_matches(|c| c != ']').trim_start_matches(']').is_empty();
        let cdata = special.strip_prefix("[CDATA[").is_some_and(unclosed);
        let comment = special.starts_with("--") || cdata || special.starts_with(letter);
        return rest.starts_with('?') || comment || "--".starts_with(special) || "[CDATA[".starts_with(special);
    }
    if let Some(name) = rest.strip_prefix('/') {
        let behind = after_name(name);
        return name.is_empty() || behind.is_some_and(|behind| behind.trim().is_empty());
    }
    let mut behind = match after_name(rest) {
        Some(behind) => Rest(behind),
        None => return false,
    };
    loop {
        match behind.space() {
            _ if behind.ends() || behind.0 == "/" => return true,
            None | Some(0) => return false,
            Some(_) => {}
        }
        if !attribute(&mut behind) {
            return false;
        }
    }
}

fn after_name(name: &str) -> Option<&str> {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    begins.then(|| name.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-'))
}

/// Reads an attribute, which may be cut off by the end.
fn attribute(rest: &mut Rest<'_>) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || "_:.-".contains(c);
    if !rest.0.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':') {
        return false;
    }
    rest.0 = rest.0.trim_start_matches(name);
    let Some(value) = rest.0.trim_start().strip_prefix('=') else { return true };
    rest.0 = value.trim_start();
    match rest.peek() {
        None => true,
        Some(quote @ ('"' | '\'')) => {
            rest.next();
            match rest.0.split_once(quote) {
                Some((_, behind)) => rest.0 = behind,
                None => rest.0 = "",
            }
            true
        }
        Some(_) => {
            let value = rest.0;
            rest.0 = value.trim_start_matches(|c: char| !c.is_whitespace() && !"\"'=<>`".contains(c));
            rest.0.len() < value.len()
        }
    }
}
