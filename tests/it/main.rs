//! Integration tests, one binary. What belongs where stands beside each module.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and reads the switches of the test run from the environment"
)]

/// The binary from outside: help, exit codes, what it prints.
mod cli;
/// Rust's comments and strings told from its code, for `tidy`.
mod lexer;
/// The README's tables and examples are what the code says.
mod readme;
/// The example of variables equals the table of settings.
mod settings;
/// The house law: who uses whom, how files open, how long things are.
mod tidy;
