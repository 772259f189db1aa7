//! The service as a process of its own, under load over loopback.

mod client;
mod isolation;
mod plain;
mod servers;
mod throughput;

pub(crate) use client::{Client, KEY, get, post};
pub(crate) use isolation::run as isolation;
pub(crate) use plain::serve as serve_plain;
pub(crate) use servers::Server;
pub(crate) use throughput::run as throughput;
