//! How much of what was visible is taken back, by two counts: what a longest common subsequence does not keep, and the
//! span from the first changed character to the last.
//!
//! White space is not visible. Only the HTML that differs is looked at.

/// More differences than this are not followed: then all of a span counts as taken back.
const DIFFERENCES_MAX: usize = 4_000;

/// Visible characters of `old` that are not kept in `new`, and those within the span that changed.
pub(crate) fn taken_back(old: &str, new: &str) -> (usize, usize) {
    let (old, new) = differing(old, new);
    let (old, new) = (visible(old), visible(new));
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[same..], &new[same..]);
    let same = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[..old.len() - same], &new[..new.len() - same]);
    (lost(old, new), old.len())
}

/// What is visible of HTML.
pub(crate) fn visible(html: &str) -> Vec<char> {
    let (mut out, mut rest) = (Vec::new(), html);
    while let Some(c) = rest.chars().next() {
        let end = match c {
            '<' => rest.find('>').map_or(rest.len(), |at| at + 1),
            '&' => rest.find(';').map_or(rest.len(), |at| at + 1),
            _ => c.len_utf8(),
        };
        if c != '<' && !c.is_whitespace() {
            // Which character an entity is does not matter, only whether it is the same.
            let entity = &rest[..end];
            out.push(match entity {
                "&lt;" => '<',
                "&gt;" => '>',
                _ => c,
            });
        }
        rest = &rest[end..];
    }
    out
}

/// What is left of both without what they begin and end with alike, in whole tags and entities.
fn differing<'h>(old: &'h str, new: &'h str) -> (&'h str, &'h str) {
    let common = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
    let mut from = common;
    let head = &old.as_bytes()[..common];
    for (opens, closes) in [(b'<', b'>'), (b'&', b';')] {
        let opened = memchr(head, opens);
        if let Some(at) = opened.filter(|at| !head[*at..].contains(&closes)) {
            from = from.min(at);
        }
    }
    while !old.is_char_boundary(from) {
        from -= 1;
    }
    let (old, new) = (&old[from..], &new[from..]);
    // Behind, whole elements only: a suffix that begins with a tag cannot begin within an entity.
    let common = old.bytes().rev().zip(new.bytes().rev()).take_while(|(a, b)| a == b).count();
    let tail = &old.as_bytes()[old.len() - common..];
    let kept = tail.iter().position(|byte| *byte == b'<').map_or(0, |at| common - at);
    (&old[..old.len() - kept], &new[..new.len() - kept])
}

/// Where the byte stands last.
fn memchr(bytes: &[u8], byte: u8) -> Option<usize> {
    bytes.iter().rposition(|one| *one == byte)
}

/// What of `old` a longest common subsequence of both does not hold.
///
/// **Source:** E. Myers, *An O(ND) difference algorithm and its variations*, 1986.
fn lost(old: &[char], new: &[char]) -> usize {
    let (n, m) = (old.len(), new.len());
    if n == 0 {
        return 0;
    }
    let most = (n + m).min(DIFFERENCES_MAX);
    let mut furthest = vec![0_usize; 2 * most + 3];
    let middle = most + 1;
    for differences in 0..=most {
        for step in 0..=differences {
            // Diagonal `k` = x − y, from −differences in steps of two.
            let at = middle + 2 * step - differences;
            let down = step == 0 || step != differences && furthest[at - 1] < furthest[at + 1];
            let mut x = if down { furthest[at + 1] } else { furthest[at - 1] + 1 };
            // A diagonal may leave the square; it leads nowhere then.
            let Some(mut y) = (x + middle).checked_sub(at) else { continue };
            while x < n && y < m && old[x] == new[y] {
                (x, y) = (x + 1, y + 1);
            }
            furthest[at] = x;
            if x >= n && y >= m {
                let common = (n + m - differences) / 2;
                return n - common;
            }
        }
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_is_counted() {
        assert_eq!(taken_back("", "<p>abc</p>"), (0, 0));
        assert_eq!(taken_back("<p>abc</p>", "<p>abcd</p>"), (0, 0));
        assert_eq!(taken_back("<p>a**bc</p>", "<p>a<b>bc</b></p>"), (2, 2));
        assert_eq!(taken_back("<p>[x][1] and</p>", "<p><a href=\"/u\">x</a> and</p>"), (5, 6));
        assert_eq!(taken_back("<p>abc</p><p>d</p>", "<p>d</p>"), (3, 3));
        assert_eq!(taken_back("a &amp; b", "a &lt; b"), (1, 1));
        assert_eq!(taken_back("aé", "aè"), (1, 1));
        assert_eq!(taken_back("kitten", "sitting"), (2, 6));
    }

    /// The textbook's table.
    fn by_table(old: &[char], new: &[char]) -> usize {
        let mut common = vec![0; new.len() + 1];
        for a in old {
            let mut diagonal = 0;
            for (i, b) in new.iter().enumerate() {
                let above = common[i + 1];
                common[i + 1] = if a == b { diagonal + 1 } else { above.max(common[i]) };
                diagonal = above;
            }
        }
        old.len() - common[new.len()]
    }

    #[test]
    fn the_quick_count_is_that_of_the_table() {
        let mut chance = crate::chance::Chance::new(5);
        for _ in 0..2_000 {
            let [old, new] =
                [0, 1].map(|_| (0..chance.below(12)).map(|_| *chance.pick(&['a', 'b', 'c'])).collect::<Vec<char>>());
            assert_eq!(lost(&old, &new), by_table(&old, &new), "{old:?} {new:?}");
        }
    }
}
