//! Rillmark: Markdown to safe HTML as a service, whole or while it is being written.
//!
//! The map. **A room uses only rooms above it** (and the two pure ones, `markdown` and `protocol`, not each other);
//! `tests/it/tidy.rs` reads this table and checks every `crate::` path against it.
//!
//! | room | holds |
//! |---|---|
//! | `markdown` | source → safe HTML. Total: every input gives HTML. No I/O, no clock |
//! | `protocol` | what travels: names, ids, ops, batches, entries, frames, ticks, controls. No I/O, no clock |
//! | `telemetry` | metric handles, span and field names, log set-up |
//! | `auth` | API key or token → `Pass`: who may do what where, until when; keyless mode's checks |
//! | `limits` | rates, concurrency, bytes in flight: `Permit` or `Denied { retry_after }` |
//! | `oplog` | the log of each channel: entries in, positions out; checkpoints, trimming |
//! | `channel` | channels: publish → entries; entries → ticks; subscribers, idle runs, retention |
//! | `ingest` | what arrives in pieces: NDJSON lines, providers' streams → text and how it ends. No I/O, no clock |
//! | `http` | routes, extractors, thin handlers, problems |
//! | `server` | composition: bind, `local_addrs()`, `run_until(shutdown)` |
//! | `config` | environment, flags, file → `Settings` (as written) → `Config` (checked); sole reader of the environment |
//! | `cli` | `rillmark`, `render`, `token`, `config`, `healthcheck`; `main.rs` only calls it |

#[cfg(feature = "server")]
pub mod auth;
#[cfg(feature = "server")]
pub mod channel;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod ingest;
#[cfg(feature = "server")]
pub mod limits;
pub mod markdown;
#[cfg(feature = "server")]
pub mod oplog;
pub mod protocol;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod telemetry;
