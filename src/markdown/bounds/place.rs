//! Where a line stands: certainly at the top level, certainly inside a fence there, or not known.
//!
//! Only the inside of a certain fence is exempt from the bounds. What could be read in two ways is followed in both,
//! as long as that is simple; where it is not, nothing is exempt for the rest of the document.
//!
//! ```text
//!            list, quote, footnote                 margin ≤ 1, and no lazy continuation
//!     Top ───────────────────────────▶ Inside ──────────────────────────────────────────▶ Top
//!      │ fence                          │ fence at margin ≤ 1 ───▶ Fence
//!      ▼                                │ fence at margin 2 or 3 ─▶ Unsure ── its end ──▶ Inside
//!    Fence ── its end ──▶ Top           ▼
//!                                     anything else that could hide a fence ──▶ Lost
//! ```
//!
//! **Invariant:** a line that is exempt stands in a fenced code block outside any container
//! (`counts_at_least_what_the_parser_does`).
//!
//! **Source:** CommonMark 0.31.2 §4.5 (fences), §4.6 (HTML blocks), §5.1 (laziness), §5.2 (list items).

/// Where the next line stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    now: Now,
    /// The line before is blank, so the next one continues no paragraph.
    after_blank: bool,
    /// An HTML block of kind 6 or 7 may be open. A blank line ends it.
    in_html: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Now {
    /// Outside any container.
    #[default]
    Top,
    /// Perhaps in a container.
    Inside,
    /// In this fence, at the top level.
    Fence(Fence),
    /// In this fence at the top level, or in a container whose content begins at `margin` or left of it.
    Unsure { fence: Fence, margin: usize },
    /// In an HTML block at the top level that ends with the line that holds this.
    Html(&'static [u8]),
    /// Not known any more.
    Lost,
}

/// An opening fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fence {
    byte: u8,
    length: usize,
}

/// What a line inside a fence does to it.
enum Closing {
    No,
    Yes,
    /// The specification says yes and the parser no.
    Unclear,
}

impl Place {
    /// Whether the next line is exempt from the bounds.
    pub(super) fn is_exempt(&self) -> bool {
        matches!(self.now, Now::Fence(_))
    }

    /// Takes in an empty line, if it has only its usual effect here.
    #[inline]
    pub(super) fn pass_blank(&mut self) -> bool {
        if self.is_exempt() {
            return false;
        }
        self.after_blank = true;
        self.in_html = false;
        true
    }

    /// Takes in a line that begins at its first column with a text's byte, if it has only its usual effect here.
    #[inline]
    pub(super) fn pass_text(&mut self) -> bool {
        match self.now {
            Now::Top | Now::Lost => {}
            Now::Inside if self.after_blank => self.now = Now::Top,
            Now::Inside => {}
            Now::Fence(_) | Now::Unsure { .. } | Now::Html(_) => return false,
        }
        self.after_blank = false;
        true
    }

    /// Takes in a line of the fence.
    pub(super) fn read_in_fence(&mut self, line: &[u8]) {
        if let Now::Fence(fence) = self.now {
            match fence.closing(line) {
                Closing::No => {}
                Closing::Yes => self.now = Now::Top,
                Closing::Unclear => self.now = Now::Lost,
            }
        }
    }

    /// Takes in a line that is not exempt, without its line feed.
    pub(super) fn read(&mut self, line: &[u8]) {
        let (margin, text) = split_margin(line);
        if text.iter().all(|b| *b == b' ' || *b == b'\t' || *b == 0x0c) {
            self.after_blank = true;
            self.in_html = false;
            return;
        }
        let after_blank = std::mem::replace(&mut self.after_blank, false);
        match self.now {
            Now::Top | Now::Inside => self.read_open(line, margin, text, after_blank),
            Now::Html(end) => {
                if holds(line, end) {
                    self.now = Now::Top;
                }
            }
            Now::Unsure { fence, margin: least } => self.read_unsure(line, margin, fence, least),
            Now::Fence(_) | Now::Lost => {}
        }
    }

    fn read_open(&mut self, line: &[u8], margin: usize, text: &[u8], after_blank: bool) {
        let outside = self.now == Now::Top;
        if margin >= 4 {
            // Code or a paragraph, or something within a container: nothing that begins at the top level.
        } else if starts_with_container(text) {
            self.now = Now::Inside;
        } else if let Some(fence) = fence_opener(text) {
            self.now = match margin {
                _ if self.in_html => Now::Lost,
                _ if outside => Now::Fence(fence),
                // No container's content begins left of column 2, and a fence continues no paragraph.
                0 | 1 => Now::Fence(fence),
                _ => Now::Unsure { fence, margin },
            };
        } else if let Some(end) = html_end(text) {
            let surely = outside || margin <= 1;
            if !holds(line, end) {
                self.now = if surely && !self.in_html { Now::Html(end) } else { Now::Lost };
            } else if surely {
                self.now = Now::Top;
            }
        } else {
            self.in_html |= text[0] == b'<';
            if after_blank && margin <= 1 {
                self.now = Now::Top;
            }
        }
    }

    fn read_unsure(&mut self, line: &[u8], margin: usize, fence: Fence, least: usize) {
        if margin < least {
            self.now = Now::Lost;
            return;
        }
        match fence.closing(line) {
            Closing::No => {}
            Closing::Yes => self.now = Now::Inside,
            Closing::Unclear => self.now = Now::Lost,
        }
    }
}

impl Fence {
    fn closing(self, line: &[u8]) -> Closing {
        let (margin, text) = split_margin(line);
        let length = text.iter().take_while(|&&b| b == self.byte).count();
        if margin > 3 || length < self.length {
            return Closing::No;
        }
        let rest = &text[length..];
        if rest.iter().all(|&b| b == b' ') {
            Closing::Yes
        } else if rest.iter().all(|b| b.is_ascii_whitespace()) {
            Closing::Unclear
        } else {
            Closing::No
        }
    }
}

/// Columns of spaces and tabs before the text, and the text.
fn split_margin(line: &[u8]) -> (usize, &[u8]) {
    let mut column = 0;
    for (i, byte) in line.iter().enumerate() {
        match byte {
            b' ' => column += 1,
            b'\t' => column += 4 - column % 4,
            _ => return (column, &line[i..]),
        }
    }
    (column, &[])
}

/// The fence that `text` opens.
pub(super) fn fence_opener(text: &[u8]) -> Option<Fence> {
    let byte = *text.first().filter(|b| matches!(b, b'`' | b'~'))?;
    let length = text.iter().take_while(|&&b| b == byte).count();
    let info_ok = byte == b'~' || memchr::memchr(b'`', &text[length..]).is_none();
    (length >= 3 && info_ok).then_some(Fence { byte, length })
}

/// Whether `text` begins with what may be a container's marker.
fn starts_with_container(text: &[u8]) -> bool {
    text.starts_with(b">") || text.starts_with(b"[^") || starts_with_list_marker(text)
}

/// Whether `text` begins with a list marker.
pub(super) fn starts_with_list_marker(text: &[u8]) -> bool {
    let digits = text.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    let marker = match (digits, text.get(digits)) {
        (0, Some(b'-' | b'*' | b'+')) | (1..10, Some(b'.' | b')')) => digits + 1,
        _ => return false,
    };
    text.get(marker).is_none_or(|b| matches!(b, b' ' | b'\t'))
}

/// What ends the HTML block of kind 1 to 5 that `text` opens.
fn html_end(text: &[u8]) -> Option<&'static [u8]> {
    const NAMES: [(&[u8], &[u8]); 4] =
        [(b"pre", b"</pre>"), (b"style", b"</style>"), (b"script", b"</script>"), (b"textarea", b"</textarea>")];
    let tag = text.strip_prefix(b"<")?;
    if tag.starts_with(b"!--") {
        return Some(b"-->");
    }
    match tag {
        [b'?', ..] => return Some(b"?>"),
        [b'!', b, ..] if b.is_ascii_alphabetic() => return Some(b">"),
        _ if tag.starts_with(b"![CDATA[") => return Some(b"]]>"),
        _ => {}
    }
    NAMES.into_iter().find_map(|(name, end)| {
        let (head, rest) = tag.split_at_checked(name.len())?;
        let ends = rest.first().is_none_or(|b| b.is_ascii_whitespace() || *b == b'>');
        (ends && head.eq_ignore_ascii_case(name)).then_some(end)
    })
}

fn holds(line: &[u8], end: &[u8]) -> bool {
    memchr::memmem::find(line, end).is_some()
}
