//! How a view ends: what may be put behind its source so that the page only gains that text, at its end.
//!
//! A view that knows says so; whoever shows a growing source then need not parse it for every letter.
//!
//! **Invariant:** what is said here holds for every text that may follow (`frames_without_a_parse_show_the_view`).

/// What is known of a view's end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::markdown) enum End {
    /// Nothing: whatever follows has to be parsed.
    #[default]
    Unknown,
    /// All of the source is shown, and what ends it is text of a leaf that nothing half-typed stands in.
    Text(TextEnd),
    /// All of the source is shown, and its last line stands in an open code fence.
    Fence(FenceEnd),
    /// What ends the source is not shown: the destination of a link or of a definition, or a URL in angle brackets.
    /// Neither is more of it.
    Held,
    /// What follows is text as it is, up to a line feed.
    Line,
    /// Nothing of the last line, which is blank, is shown. As soon as it is not, it is a provisional paragraph, at the
    /// end of the root.
    LineStart,
    /// All that follows is text as it is.
    Rest,
}

/// Text that is a paragraph's, a list item's, a heading's or a cell's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::markdown) struct TextEnd {
    /// Spaces at its end that are not shown, because nothing follows them yet.
    pub spaces: usize,
    /// Something is closed behind it, so spaces at its end are shown.
    pub closed: bool,
    /// It stands in a code span that is open.
    pub code: bool,
    /// It is a heading's.
    pub heading: bool,
    /// A line that begins with a letter goes on with it.
    pub wraps: bool,
    /// A line feed stands behind it, which shows once its line goes on.
    pub feed: bool,
    /// An inline element ends it, and what follows stands behind that.
    pub outside: bool,
    /// It is all shown as it will be once its leaf has ended: in the body of a table, a pipe ends it. So many cells of the
    /// row follow.
    pub cells: Option<usize>,
    /// It is a cell's, and empty.
    pub blank: bool,
}

/// Whether a byte goes on with a destination or a URL that holds nothing else, and begins or ends no other markup there.
pub(in crate::markdown) fn is_of_destination(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'/' | b':' | b'.' | b'?' | b'=' | b'&' | b'-' | b'+' | b'%' | b'#' | b',' | b'@')
}

/// A line of fenced code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::markdown) struct FenceEnd {
    /// What the fence is made of.
    pub fence: u8,
    /// What its containers take of the line, if they take spaces and quotes' markers alone.
    pub prefix: Option<String>,
    /// They would not take a space more.
    pub widest: bool,
    /// Something stands on the line, and no more of it could close the fence. If not, the line is empty.
    pub decided: bool,
}

impl FenceEnd {
    /// The line of `source` that starts at `line` and whose code starts at `code`, in a fence whose block starts at
    /// `start`. `None` where the line may still close it.
    pub(super) fn new(source: &str, start: usize, line: usize, code: usize) -> Option<Self> {
        let fence = *source.as_bytes().get(start)?;
        let opening = &source.as_bytes()[super::last_line(&source[..start])..start];
        if line == source.len() {
            // Nothing is known of what containers take, but that there is none around a fence at the margin.
            let at_margin = opening.is_empty();
            return at_margin.then(|| Self { fence, prefix: Some(String::new()), widest: true, decided: false });
        }
        // Text that goes on over the line's start is one piece of the source: containers take nothing of the line.
        let code = code.max(line);
        let taken = source.get(line..code)?;
        let decided = source.as_bytes()[code..].iter().any(|&byte| byte != fence && !matches!(byte, b' ' | b'\t'));
        let prefix = taken.bytes().all(|byte| matches!(byte, b' ' | b'>')).then(|| taken.to_owned());
        // As many spaces between the same quotes' markers.
        let alike =
            taken.len() == opening.len() && taken.bytes().zip(opening).all(|(a, b)| (a == b'>') == (*b == b'>'));
        let widest = alike && !taken.ends_with('>') && !opening.contains(&b'\t');
        decided.then_some(Self { fence, prefix, widest, decided })
    }
}
