//! Any bytes under any options: no panic, only what the table allows, built as the tags spell, within the output bound.
#![no_main]

use fuzz::{Case, judge};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(case) = Case::read(data) else { return };
    judge(&case.render(), &case.source);
});
