//! Settings of rendering, times and logs.

use super::RENDERING_GROUP;
use crate::config::check::{image_prefix, url_scheme};
use crate::config::setting::{Kind, Preset, Setting, fill};
use crate::telemetry::LogFormat;
use crate::telemetry::logs::check_filter;

const TIMES: &str = "Times";
const LOGS: &str = "Logs";

/// What a render looks like.
pub(super) const RENDERING_ROWS: &[Setting] = &[
    Setting {
        name: "url_schemes",
        group: RENDERING_GROUP,
        kind: Kind::List {
            expected: "a scheme such as https",
            set: |c, items| fill(&mut c.options.http.policy.url_schemes, items, url_scheme),
        },
        default: Preset::Text("http,https,mailto,tel"),
        doc: "Schemes that links and images may have; relative URLs always may. All others become `#`.",
    },
    Setting {
        name: "image_prefixes",
        group: RENDERING_GROUP,
        kind: Kind::List {
            expected: "https://host/, https://host/path or /path",
            set: |c, items| fill(&mut c.options.http.policy.image_prefixes, items, image_prefix),
        },
        default: Preset::Text(""),
        doc: "If set, an image is loaded only if its URL begins with one of these; others show their alternative text.",
    },
];

/// How long things take, and what the log tells.
pub(super) const ROWS: &[Setting] = &[
    Setting {
        name: "header_read_seconds",
        group: TIMES,
        kind: Kind::Seconds { min: 1, max: 600, set: |c, time| c.options.server.header_timeout = time },
        default: Preset::Text("5"),
        doc: "How long a request's head may take to arrive.",
    },
    Setting {
        name: "body_read_seconds",
        group: TIMES,
        kind: Kind::Seconds { min: 1, max: 3600, set: |c, time| c.options.http.body_timeout = time },
        default: Preset::Text("30"),
        doc: "How long a request's body may take to arrive. Longer: 408.",
    },
    Setting {
        name: "write_stall_seconds",
        group: TIMES,
        kind: Kind::Seconds { min: 1, max: 3600, set: |c, time| c.options.server.write_timeout = time },
        default: Preset::Text("10"),
        doc: "How long an answer waits for a client that takes none of it before the connection is closed; six times that on a Unix socket, where the kernel keeps no such time.",
    },
    Setting {
        name: "connection_idle_seconds",
        group: TIMES,
        kind: Kind::Seconds { min: 1, max: 3600, set: |c, time| c.options.server.keep_alive = time },
        default: Preset::Text("30"),
        doc: "How long a connection without a request is kept.",
    },
    Setting {
        name: "drain_seconds",
        group: TIMES,
        kind: Kind::Seconds { min: 0, max: 3600, set: |c, time| c.options.server.drain = time },
        default: Preset::Text("5"),
        doc: "How long running requests may take to end after SIGTERM. Orchestrators may kill soon after.",
    },
    Setting {
        name: "drain_delay_seconds",
        group: TIMES,
        kind: Kind::Seconds { min: 0, max: 3600, set: |c, time| c.options.server.drain_delay = time },
        default: Preset::Text("0.2"),
        doc: "Of `drain_seconds`, at most half of it, how long connections are still accepted while `/readyz` already fails, so that load balancers see it first.",
    },
    Setting {
        name: "log_format",
        group: LOGS,
        kind: Kind::Word(&[
            ("auto", |c| c.log.format = LogFormat::Auto),
            ("pretty", |c| c.log.format = LogFormat::Pretty),
            ("json", |c| c.log.format = LogFormat::Json),
        ]),
        default: Preset::Text("auto"),
        doc: "How log lines look; `auto` is `pretty` on a terminal, else `json`.",
    },
    Setting {
        name: "log_filter",
        group: LOGS,
        kind: Kind::Text {
            expected: "directives such as info,rillmark::http=debug",
            set: |c, text| {
                check_filter(text).map_err(|fault| fault.to_string())?;
                text.clone_into(&mut c.log.filter);
                Ok(())
            },
        },
        default: Preset::Text(crate::telemetry::logs::FILTER_DEFAULT),
        doc: "Which log lines there are, as tracing-subscriber's `EnvFilter` reads it.",
    },
];
