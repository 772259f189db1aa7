//! The load generator and the benches. Their runs are committed in `loadtest/runs/`.

fn main() {}
