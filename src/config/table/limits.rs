//! Settings of how much anyone may ask for.

use crate::config::setting::{Kind, Preset, Setting};

const LIMITS: &str = "Limits";

/// Rates, renders, bodies, connections.
pub(super) const ROWS: &[Setting] = &[
    Setting {
        name: "render_rate",
        group: LIMITS,
        kind: Kind::Count {
            unit: "renders a second",
            min: 0,
            max: 1_000_000,
            set: |c, n| c.options.limits.render_rate = n as u32,
        },
        default: Preset::Text("200"),
        doc: "Renders a second for each API key, else for each client address; 0 = no limit. Beyond: 429.",
    },
    Setting {
        name: "publish_rate",
        group: LIMITS,
        kind: Kind::Count {
            unit: "ops a second",
            min: 0,
            max: 10000000,
            set: |c, n| c.options.limits.publish_rate = n as u32,
        },
        default: Preset::Text("2000"),
        doc: "Ops a second that each API key, else each token's `sub`, else each client address may publish; 0 = no limit. Beyond: 429; an open body is read slower instead.",
    },
    Setting {
        name: "publish_bytes_rate",
        group: LIMITS,
        kind: Kind::Bytes { min: 0, max: 1 << 30, set: |c, n| c.options.limits.publish_bytes_rate = n as u32 },
        default: Preset::Text("16MiB"),
        doc: "The same in bytes a second; 0 = no limit.",
    },
    Setting {
        name: "subscribe_rate",
        group: LIMITS,
        kind: Kind::Count {
            unit: "subscriptions a second",
            min: 0,
            max: 1000000,
            set: |c, n| c.options.limits.subscribe_rate = n as u32,
        },
        default: Preset::Text("100"),
        doc: "Subscriptions a second that each API key, else each token's `sub`, else each client address may open; 0 = no limit. Beyond: 429.",
    },
    Setting {
        name: "burst_seconds",
        group: LIMITS,
        kind: Kind::Count { unit: "seconds", min: 1, max: 3600, set: |c, n| c.options.limits.burst_seconds = n as u32 },
        default: Preset::Text("2"),
        doc: "How many seconds' worth of a rate may come at once after a pause.",
    },
    Setting {
        name: "rate_addresses_max",
        group: LIMITS,
        kind: Kind::Count {
            unit: "addresses",
            min: 1,
            max: 100_000_000,
            set: |c, n| c.options.limits.addresses_max = n as usize,
        },
        default: Preset::Text("100000"),
        doc: "Client addresses whose rate is remembered, about 64 bytes each. Beyond it, new ones share one rate.",
    },
    Setting {
        name: "render_concurrency",
        group: LIMITS,
        kind: Kind::Count {
            unit: "renders",
            min: 1,
            max: 1024,
            set: |c, n| c.options.limits.render_concurrency = n as usize,
        },
        default: Preset::PerCore(1),
        doc: "Renders at once. Those of more than 64 KiB leave one place free; with 1, one of them may run beside a small one.",
    },
    Setting {
        name: "render_queue_max",
        group: LIMITS,
        kind: Kind::Count {
            unit: "renders",
            min: 0,
            max: 100_000,
            set: |c, n| c.options.limits.render_queue = n as usize,
        },
        default: Preset::PerCore(4),
        doc: "Renders that may wait for their turn, large ones at most half of them. Beyond: 503.",
    },
    Setting {
        name: "render_queue_seconds",
        group: LIMITS,
        kind: Kind::Seconds { min: 0, max: 60, set: |c, time| c.options.limits.render_queue_wait = time },
        default: Preset::Text("1"),
        doc: "How long a render waits for its turn. Longer: 503.",
    },
    Setting {
        name: "render_memory_bytes_max",
        group: LIMITS,
        kind: Kind::Bytes { min: 1 << 20, max: 1 << 40, set: |c, n| c.options.limits.render_memory_bytes = n },
        default: Preset::Text("256MiB"),
        doc: "Memory that all renders together may need; up to a quarter is kept for sources of at most 64 KiB. A document that needs more than the rest waits for all of the rest, so it is the only large one.",
    },
    Setting {
        name: "render_memory_bytes_per_source_byte",
        group: LIMITS,
        kind: Kind::Count {
            unit: "bytes",
            min: 1,
            max: 10_000,
            set: |c, n| c.options.limits.memory_bytes_per_source_byte = n,
        },
        default: Preset::Text("170"),
        doc: "What a render is taken to need for each byte of its source, as measured on the worst input.",
    },
    Setting {
        name: "render_body_bytes_max",
        group: LIMITS,
        kind: Kind::Bytes { min: 1 << 10, max: 1 << 30, set: |c, n| c.options.http.render_body_bytes_max = n as usize },
        default: Preset::Text("16MiB"),
        doc: "The longest `text/markdown` or `text/plain` body of `/render`. Longer: 413. Above 10MiB a source is not parsed but escaped whole.",
    },
    Setting {
        name: "render_json_bytes_max",
        group: LIMITS,
        kind: Kind::Bytes { min: 1 << 10, max: 1 << 30, set: |c, n| c.options.http.render_json_bytes_max = n as usize },
        default: Preset::Text("64MiB"),
        doc: "The longest JSON body of `/render`, where a byte of source may take six. Longer: 413.",
    },
    Setting {
        name: "bodies_in_flight_bytes_max",
        group: LIMITS,
        kind: Kind::Bytes {
            min: 1 << 16,
            max: 1 << 40,
            set: |c, n| c.options.http.bodies_in_flight_bytes_max = n as usize,
        },
        default: Preset::Text("256MiB"),
        doc: "What all bodies over 64KiB that are read or rendered may hold together; one longer than that is read alone. Beyond it: 503.",
    },
    Setting {
        name: "answers_in_flight_bytes_max",
        group: LIMITS,
        kind: Kind::Bytes {
            min: 1 << 16,
            max: 1 << 40,
            set: |c, n| c.options.http.answers_in_flight_bytes_max = n as usize,
        },
        default: Preset::Text("256MiB"),
        doc: "What all answers of `/render` over 64KiB that clients have not yet taken may hold together; one longer than that goes alone. Beyond it: 503.",
    },
    Setting {
        name: "connections_max",
        group: LIMITS,
        kind: Kind::Count {
            unit: "connections",
            min: 1,
            max: 10_000_000,
            set: |c, n| c.options.server.connections_max = n as usize,
        },
        default: Preset::Text("10000"),
        doc: "Open connections, all together. Beyond: 503.",
    },
    Setting {
        name: "connections_per_address_max",
        group: LIMITS,
        kind: Kind::Count {
            unit: "connections",
            min: 1,
            max: 10_000_000,
            set: |c, n| c.options.server.connections_per_address_max = n as usize,
        },
        default: Preset::Text("1000"),
        doc: "Open connections of one client address. Behind a trusted proxy those that stay open are counted, of the address that it names.",
    },
    Setting {
        name: "connections_per_subject_max",
        group: LIMITS,
        kind: Kind::Count {
            unit: "connections",
            min: 1,
            max: 10000000,
            set: |c, n| c.options.limits.connections_per_subject_max = n as usize,
        },
        default: Preset::Text("1000"),
        doc: "Open subscriptions by tokens of one `sub`. Beyond: 503.",
    },
];
