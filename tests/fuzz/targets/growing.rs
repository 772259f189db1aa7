//! A document that grows, in any pieces under any options: after every frame the page that follows its edits is the
//! render of the prefix, and at the end the finished one.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::follow_growing(data));
