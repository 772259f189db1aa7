//! What JSON strings are searched for, eight bytes at a look: quotes, backslashes and control characters.

/// Bytes looked at together.
const WORD: usize = 8;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Where the first byte stands that is a quote, a backslash or a control character.
#[inline(always)]
pub(super) fn next_special(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = bytes[at..].first_chunk::<WORD>() {
        if let Some(found) = first_special(*word) {
            return Some(at + found);
        }
        at += WORD;
    }
    bytes[at..].iter().position(|byte| is_special(*byte)).map(|found| at + found)
}

/// Where in `word` the first of them stands.
#[inline(always)]
fn first_special(word: [u8; WORD]) -> Option<usize> {
    let word = u64::from_le_bytes(word);
    // A byte is zero, or below 0x20, where one or 0x20 taken from it borrows from its high bit. The lowest bit found is right;
    // bits above it may be borrowed from.
    let zero = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let found = (control | zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\')))) & HIGHS;
    (found != 0).then_some(found.trailing_zeros() as usize / 8)
}

/// Whether a byte is one of them.
#[inline]
fn is_special(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_special_byte_is_found_whatever_stands_around_it() {
        let bytes = [0, 1, 0x1F, 0x20, 0x21, b'"', 0x23, b'[', b'\\', b']', 0x7F, 0x80, 0xA2, 0xDC, 0xFF, b'a'];
        let mut chosen = 0x1234_5678_u32;
        for _ in 0..200_000 {
            let word: [u8; WORD] = std::array::from_fn(|_| {
                chosen = chosen.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Most are not special, so that each place comes to be the first.
                if chosen >> 29 == 0 {
                    bytes[(chosen >> 24) as usize % bytes.len()]
                } else {
                    bytes[9 + (chosen >> 20) as usize % 7]
                }
            });
            assert_eq!(first_special(word), word.iter().position(|byte| is_special(*byte)), "{word:?}");
        }
    }

    #[test]
    fn the_next_special_byte_is_found_at_every_place() {
        for length in 0..40 {
            assert_eq!(next_special(&vec![b'a'; length]), None);
            for at in 0..length {
                let mut bytes = vec![b'a'; length];
                bytes[at..].fill(b'\n');
                assert_eq!(next_special(&bytes), Some(at));
            }
        }
    }
}
