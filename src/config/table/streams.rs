//! Settings of channels, their logs and their delivery.

use std::time::Duration;

use crate::config::setting::{Kind, Preset, Setting};
use crate::markdown::SOURCE_BYTES_MAX;
use crate::oplog::Backend;

const STREAMS: &str = "Streams";
const DELIVERY: &str = "Delivery";

/// What is published, how long it is kept, and how it is brought to subscribers.
pub(super) const ROWS: &[Setting] = &[
    Setting {
        name: "oplog",
        group: STREAMS,
        kind: Kind::Word(&[("memory", |c| c.options.oplog.backend = Backend::Memory)]),
        default: Preset::Text("memory"),
        doc: "Where the logs of channels are kept. `memory` is this process: what subscribers have not seen is gone when it ends.",
    },
    Setting {
        name: "html_ops",
        group: STREAMS,
        kind: Kind::Word(&[
            ("backend", |c| c.options.hub.html_ops = true),
            ("reject", |c| c.options.hub.html_ops = false),
        ]),
        default: Preset::Text("backend"),
        doc: "Who may publish ops that carry HTML, which reach pages as they are: `backend`, who holds an API key; `reject`, nobody.",
    },
    Setting {
        name: "tick_ms",
        group: STREAMS,
        kind: Kind::Count {
            unit: "milliseconds",
            min: 1,
            max: 1000,
            set: |c, n| c.options.hub.tick = Duration::from_millis(n),
        },
        default: Preset::Text("16"),
        doc: "The least time between two ticks of a channel; what is published in between travels together.",
    },
    Setting {
        name: "stream_idle_seconds",
        group: STREAMS,
        kind: Kind::Seconds { min: 1, max: 86400, set: |c, time| c.options.hub.stream_idle = time },
        default: Preset::Text("300"),
        doc: "How long an active stream may get nothing before it ends with an error and keeps its text.",
    },
    Setting {
        name: "retention_seconds",
        group: STREAMS,
        kind: Kind::Seconds { min: 1, max: 2592000, set: |c, time| c.options.hub.retention = time },
        default: Preset::Text("3600"),
        doc: "How long a channel that is idle, or was ended, is kept.",
    },
    Setting {
        name: "channels_max",
        group: STREAMS,
        kind: Kind::Count {
            unit: "channels",
            min: 1,
            max: 10000000,
            set: |c, n| c.options.hub.channels_max = n as usize,
        },
        default: Preset::Text("10000"),
        doc: "Channels that hold content. Beyond it the one that was idle longest is given up; if none is idle: 503.",
    },
    Setting {
        name: "streams_per_channel_max",
        group: STREAMS,
        kind: Kind::Count {
            unit: "streams",
            min: 1,
            max: 100000,
            set: |c, n| c.options.hub.streams_per_channel_max = n as usize,
        },
        default: Preset::Text("100"),
        doc: "Streams of one channel. Beyond: 409.",
    },
    Setting {
        name: "stream_bytes_max",
        group: STREAMS,
        kind: Kind::Bytes {
            min: 1 << 10,
            max: SOURCE_BYTES_MAX as u64,
            set: |c, n| c.options.hub.stream_bytes_max = n as usize,
        },
        default: Preset::Text("10MiB"),
        doc: "The source of one Markdown stream; no more is ever parsed. Beyond: 413. Of a stream of ops so much is kept for those who join later.",
    },
    Setting {
        name: "op_bytes_max",
        group: STREAMS,
        kind: Kind::Bytes { min: 1 << 10, max: 1 << 30, set: |c, n| c.options.hub.op_bytes_max = n as usize },
        default: Preset::Text("1MiB"),
        doc: "The text, HTML or source of one op. Longer: 413.",
    },
    Setting {
        name: "batch_ops_max",
        group: STREAMS,
        kind: Kind::Count { unit: "ops", min: 1, max: 1000000, set: |c, n| c.options.hub.batch_ops_max = n as usize },
        default: Preset::Text("1000"),
        doc: "Ops of one batch. More: 422.",
    },
    Setting {
        name: "batch_bytes_max",
        group: STREAMS,
        kind: Kind::Bytes { min: 1 << 10, max: 1 << 30, set: |c, n| c.options.hub.batch_bytes_max = n as usize },
        default: Preset::Text("4MiB"),
        doc: "A batch, or a line of NDJSON. Longer: 413.",
    },
    Setting {
        name: "event_detail_bytes_max",
        group: STREAMS,
        kind: Kind::Bytes { min: 1 << 6, max: 1 << 20, set: |c, n| c.options.hub.event_detail_bytes_max = n as usize },
        default: Preset::Text("16KiB"),
        doc: "The `detail` of an event. Longer: 413.",
    },
    Setting {
        name: "kept_events_max",
        group: STREAMS,
        kind: Kind::Count { unit: "names", min: 0, max: 10000, set: |c, n| c.options.hub.kept_events_max = n as usize },
        default: Preset::Text("32"),
        doc: "Names of events of which a stream keeps the last for those who join later.",
    },
    Setting {
        name: "channel_kept_bytes_max",
        group: STREAMS,
        kind: Kind::Bytes { min: 1 << 10, max: 1 << 40, set: |c, n| c.options.hub.channel_kept_bytes_max = n as usize },
        default: Preset::Text("32MiB"),
        doc: "What the streams of one channel hold together for those who join later. Beyond: 413.",
    },
    Setting {
        name: "channel_log_bytes_max",
        group: STREAMS,
        kind: Kind::Bytes { min: 1 << 10, max: 1 << 40, set: |c, n| c.options.oplog.channel_bytes_max = n as usize },
        default: Preset::Text("16MiB"),
        doc: "Entries kept of one channel, for those who come back. Who comes back to before them gets a snapshot.",
    },
    Setting {
        name: "channel_log_entries_max",
        group: STREAMS,
        kind: Kind::Count {
            unit: "entries",
            min: 1,
            max: 100000000,
            set: |c, n| c.options.oplog.channel_entries_max = n as usize,
        },
        default: Preset::Text("10000"),
        doc: "The same as a number of entries.",
    },
    Setting {
        name: "log_bytes_max",
        group: STREAMS,
        kind: Kind::Bytes { min: 1 << 20, max: 1 << 45, set: |c, n| c.options.oplog.bytes_max = n as usize },
        default: Preset::Text("1GiB"),
        doc: "What all channels hold together. Beyond it the one that was idle longest is given up.",
    },
    Setting {
        name: "idempotency_seconds",
        group: STREAMS,
        kind: Kind::Seconds { min: 0, max: 86400, set: |c, time| c.options.hub.idempotency = time },
        default: Preset::Text("600"),
        doc: "How long the answer to an `Idempotency-Key` is remembered.",
    },
    Setting {
        name: "subscribers_per_channel_max",
        group: DELIVERY,
        kind: Kind::Count {
            unit: "subscribers",
            min: 1,
            max: 10000000,
            set: |c, n| c.options.hub.subscribers_per_channel_max = n as usize,
        },
        default: Preset::Text("10000"),
        doc: "Subscribers of one channel. Beyond: 503.",
    },
    Setting {
        name: "channels_per_connection_max",
        group: DELIVERY,
        kind: Kind::Count {
            unit: "channels",
            min: 1,
            max: 1024,
            set: |c, n| c.options.http.streams.channels_per_connection_max = n as usize,
        },
        default: Preset::Text("32"),
        doc: "Channels that one connection watches.",
    },
    Setting {
        name: "sse_keep_alive_seconds",
        group: DELIVERY,
        kind: Kind::Seconds { min: 1, max: 3600, set: |c, time| c.options.http.streams.keep_alive = time },
        default: Preset::Text("15"),
        doc: "After how long of silence a subscriber by SSE gets a comment, so that nobody between takes the connection for dead.",
    },
    Setting {
        name: "sse_retry_seconds",
        group: DELIVERY,
        kind: Kind::Seconds { min: 0, max: 3600, set: |c, time| c.options.http.streams.retry = time },
        default: Preset::Text("0.5"),
        doc: "How long clients by SSE wait before they come back: the stream's `retry:`.",
    },
    Setting {
        name: "come_back_spread_seconds",
        group: DELIVERY,
        kind: Kind::Seconds { min: 0, max: 3600, set: |c, time| c.options.http.streams.come_back_spread = time },
        default: Preset::Text("5"),
        doc: "Over how long subscribers are spread that a stop sends away, when they come back.",
    },
    Setting {
        name: "websocket_message_bytes_max",
        group: DELIVERY,
        kind: Kind::Bytes {
            min: 1 << 10,
            max: 1 << 30,
            set: |c, n| c.options.http.streams.ws_message_bytes_max = n as usize,
        },
        default: Preset::Text("64KiB"),
        doc: "A message that a WebSocket sends, all its fragments together. Longer: closed with 1009.",
    },
    Setting {
        name: "websocket_ping_seconds",
        group: DELIVERY,
        kind: Kind::Seconds { min: 1, max: 3600, set: |c, time| c.options.http.streams.ws_ping = time },
        default: Preset::Text("15"),
        doc: "After how long of silence a WebSocket is pinged.",
    },
    Setting {
        name: "websocket_gone_seconds",
        group: DELIVERY,
        kind: Kind::Seconds { min: 1, max: 3600, set: |c, time| c.options.http.streams.ws_gone = time },
        default: Preset::Text("30"),
        doc: "After how long of silence a WebSocket is closed.",
    },
    Setting {
        name: "websocket_token_seconds",
        group: DELIVERY,
        kind: Kind::Seconds { min: 1, max: 600, set: |c, time| c.options.http.streams.ws_token_wait = time },
        default: Preset::Text("10"),
        doc: "How long a WebSocket that came without a token may take to bring one.",
    },
];
