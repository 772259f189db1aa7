//! The binary: it only calls the library's command line.

fn main() {}
