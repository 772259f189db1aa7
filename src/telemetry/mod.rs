//! What the service tells its operator: structured logs and Prometheus metrics.
//!
//! Two handles, no globals of our own: [`init_logs`] sets the process's subscriber once, [`Metrics`] is a `Clone` handle
//! over one registry. Secrets and query strings go into neither.

mod json_lines;
mod log_writer;
pub mod logs;
pub mod metrics;
mod stream_metrics;

pub use log_writer::LogGuard;
pub use logs::{LogFormat, LogOptions, init_logs};
pub use metrics::Metrics;
pub use stream_metrics::{Carrier, OP_KINDS, Resync, StreamMetrics};
