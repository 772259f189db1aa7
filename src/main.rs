//! The binary: its allocator, and the library's command line.

/// Gives freed memory back and stays fast under many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    rillmark::cli::main()
}
