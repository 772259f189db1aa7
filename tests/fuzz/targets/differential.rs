//! The product against its naive twin, under any options: byte for byte.
#![no_main]

use fuzz::{Case, expected};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(case) = Case::read(data) else { return };
    let (found, wanted) = (case.render(), expected(&case));
    assert!(found == wanted, "{:?}\n{:?}\n found: {found}\nwanted: {wanted}", case.source, case.options);
});
