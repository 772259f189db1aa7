//! Integration tests, one binary. What belongs where stands beside each module.
#![allow(clippy::unwrap_used)]

/// Rust's comments and strings told from its code, for `tidy`.
mod lexer;
/// The house law: who uses whom, how files open, how long things are.
mod tidy;
