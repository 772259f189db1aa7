//! A source that grows: a bound that has tripped stays where it is, however the text arrives, and what is shown of an
//! unfinished end never leaves the element around it.
#![no_main]

use fuzz::{Case, judge, judge_wrapped};
use rillmark::markdown::bounds::{Scan, trip};
use rillmark::markdown::normalise::normalise;
use rillmark::markdown::options::Tail;

/// Renders of one source; more prefixes than that are sampled.
const RENDERS: usize = 48;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(mut case) = Case::read(data) else { return };
    let whole = std::mem::take(&mut case.source);
    bounds_hold_still(&normalise(&whole));

    case.options.provisional = true;
    let ends: Vec<usize> = whole.char_indices().map(|(end, _)| end).chain([whole.len()]).collect();
    for &end in ends.iter().rev().step_by(ends.len() / RENDERS + 1) {
        case.source = whole[..end].to_owned();
        for tail in [Tail::Escape, Tail::Complete] {
            case.options.tail = tail;
            let html = case.render();
            judge(&html, &case.source);
            judge_wrapped(&html, &case.source);
        }
    }
});

fn bounds_hold_still(text: &str) {
    let mut scan = Scan::default();
    let mut tripped = None;
    let step = text.len() / 2000 + 1;
    for end in (0..=text.len()).step_by(step).filter(|&end| text.is_char_boundary(end)) {
        let now = scan.advance(&text[..end]);
        assert!(tripped.is_none() || now == tripped, "{tripped:?} became {now:?} at {end} of {text:?}");
        assert!(
            step > 1 || text.len() > 500 || now == trip(&text[..end]),
            "fed and at once differ at {end} of {text:?}"
        );
        tripped = now;
    }
    assert_eq!(scan.advance(text), trip(text), "fed and at once differ: {text:?}");
    if let Some(at) = trip(text) {
        assert_eq!(trip(&text[..at]), None, "what stands before the line that trips: {text:?}");
    }
}
