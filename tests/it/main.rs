//! Integration tests, one binary. What belongs where stands beside each module.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and reads the switches of the test run from the environment"
)]

/// The binary from outside: help, exit codes, what it prints.
mod cli;
/// The examples of CommonMark and GFM.
mod commonmark;
/// Rust's comments and strings told from its code, for `tidy`.
mod lexer;
/// The naive twin of the renderer.
mod oracle;
/// The laws of what a reader sees, over the oracle and over the product.
mod oracle_laws;
/// The README's tables and examples are what the code says.
mod readme;
/// The example of variables equals the table of settings.
mod settings;
/// The examples of the specifications.
mod spec;
/// The house law: who uses whom, how files open, how long things are.
mod tidy;
/// What leaves the renderer, seen as a browser sees it.
mod writer;
