//! Integration tests, one binary. What belongs where stands beside each module.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test fails by panicking, says what it skips, and reads the switches of the test run from the environment"
)]

/// Who may call: keys, keyless mode, origins, proxies.
mod access;
/// What the bounds leave to the parser grows with the source.
mod bounds;
/// What a browser makes of output, for `writer` and the fuzz targets.
mod browser;
/// The binary from outside: help, exit codes, what it prints.
mod cli;
/// The browser client as it is served, and the demo.
mod client;
/// The examples of CommonMark and GFM.
mod commonmark;
mod compact;
/// Everything that a WebSocket's client may and may not say.
mod conformance;
/// Sources for tests that compare.
mod corpus;
/// Delivery from end to end: cuts, slow readers, stops.
mod delivery;
/// Streams for djust's own client.
mod djust;
/// However a run ends, its page is that of one render.
mod ends;
/// Growing documents followed by pages that know nothing but their edits.
mod follow;
/// A page that follows a growing document holds its view.
mod growing;
/// Growing documents that cross the bounds.
mod growing_bounds;
/// Abuse, each with its CWE.
mod hardening;
/// Liveness, readiness, pages, docs, and what is served where.
mod health;
/// A service for one test, and how to talk to it.
mod helpers;
/// The laws of what a reader sees of an unfinished source.
mod laws;
/// Rust's comments and strings told from its code, for `tidy`.
mod lexer;
/// Rates, renders at once, memory in flight.
mod limits;
/// What is counted.
mod metrics;
/// The committed API document is the one that the handlers make.
mod openapi;
/// The naive twin of the renderer.
mod oracle;
/// A page that knows only the wire.
mod page;
/// Refusals, paths and methods.
mod problems;
/// The service as a process: its start, its answers, its end.
mod process;
/// The document of the wire says what the code does.
mod protocol_doc;
/// Model providers' streams, cut and truncated everywhere.
mod providers;
/// Publishing: batches, lines, replies, their state and end.
mod publish;
/// Six rules of what a reader never sees while a source is completed.
mod reader_rules;
/// The README's tables and examples are what the code says.
mod readme;
/// `POST /render`.
mod render;
/// Sources that are rendered while they are being sent.
mod render_stream;
/// The literal examples of the documents that the renderer grew from.
mod seed;
/// The example of variables equals the table of settings.
mod settings;
/// The order of a shutdown.
mod shutdown;
/// A client that sends bit by bit and reads meanwhile.
mod slow;
/// What a reader that stops costs.
mod slow_reader;
/// The examples of the specifications.
mod spec;
/// Subscribing over Server-Sent Events.
mod sse;
/// Channels: every way to an id makes the same page.
mod streams;
/// Subscribers and publishers of a test.
mod subscriber;
/// The house law: who uses whom, how files open, how long things are.
mod tidy;
/// The product against its naive twin.
mod tokens;
mod twin;
/// Unix sockets.
mod uds;
/// The wire's vectors.
mod vectors;
/// Pages that watch a hub, each in its own way.
mod watchers;
/// A client that writes every byte itself.
mod wire;
/// What leaves the renderer, seen as a browser sees it.
mod writer;
/// Subscribing and publishing over WebSockets.
mod ws;
