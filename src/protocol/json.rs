//! JSON written by hand where the form is fixed, into one buffer.

use std::io::Write;

use serde::Serialize;

/// Appends `value` as JSON. For values that cannot fail: strings, numbers, and structs of them.
pub(super) fn value(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect("a vector takes every byte, and the value has string keys only");
}

/// Appends `text` as it is.
pub(super) fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Appends all of `parts` as they are: cheaper than a format, and there is one of these for each op.
pub(super) fn parts<const N: usize>(out: &mut Vec<u8>, parts: [&str; N]) {
    parts.into_iter().for_each(|part| raw(out, part));
}

/// Appends what `arguments` say, as it is.
pub(super) fn display(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("a vector takes every byte");
}
