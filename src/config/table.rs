//! Every setting, one row each: name, kind, unit, bound, default, doc, and what it sets.
//!
//! From these rows come the flags and `--help`, the variables, the keys of the file, `config print`, the README's table
//! and `deploy/settings.example.env`. A new setting is a new row, and nothing else.
//!
//! **Invariant:** each row sets something of its own, and its default is what the room that takes it has as its own
//! (`every_row_sets_something_of_its_own`, `defaults_are_the_rooms_own`).

use super::check::{api_key, image_prefix, socket_mode, url_scheme};
use super::setting::{Kind, Preset, Setting, fill};
use crate::telemetry::LogFormat;
use crate::telemetry::logs::check_filter;

const LISTENING: &str = "Listening";
const ACCESS: &str = "Access";
const RENDERING: &str = "Rendering";
const LIMITS: &str = "Limits";
const TIMES: &str = "Times";
const LOGS: &str = "Logs";

/// Every setting, in the order in which people read them.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        group: LISTENING,
        kind: Kind::List {
            expected: "address:port, [ipv6]:port or unix:/path",
            set: |c, items| fill(&mut c.options.server.listen, items, str::parse),
        },
        default: Preset::Text("127.0.0.1:8700"),
        doc: "Where the service listens: addresses with a port, or Unix sockets. Off loopback an API key is demanded.",
    },
    Setting {
        name: "internal_listen",
        group: LISTENING,
        kind: Kind::List {
            expected: "address:port, [ipv6]:port or unix:/path",
            set: |c, items| fill(&mut c.options.server.internal_listen, items, str::parse),
        },
        default: Preset::Text(""),
        doc: "If set, rendering, metrics and docs are served here only, and no longer on `listen`.",
    },
    Setting {
        name: "unix_socket_mode",
        group: LISTENING,
        kind: Kind::Text {
            expected: "three octal digits, such as 660",
            set: |c, text| socket_mode(text).map(|mode| c.options.server.unix_mode = mode),
        },
        default: Preset::Text("660"),
        doc: "Who may connect to a Unix socket: the mode of its file, in octal.",
    },
    Setting {
        name: "workers",
        group: LISTENING,
        kind: Kind::Count { unit: "threads", min: 1, max: 1024, set: |c, n| c.options.server.workers = n as usize },
        default: Preset::PerCore(1),
        doc: "Threads that serve connections.",
    },
    Setting {
        name: "demo",
        group: LISTENING,
        kind: Kind::Flag(|c, on| c.options.http.demo = on),
        default: Preset::Text("true"),
        doc: "Whether `/` offers a live render. It does so only while no API key is set.",
    },
    Setting {
        name: "api_keys",
        group: ACCESS,
        kind: Kind::Secrets {
            expected: "a key of 16 to 256 visible ASCII characters, without commas",
            set: |c, items| fill(&mut c.options.auth.api_keys, items, api_key),
        },
        default: Preset::Text(""),
        doc: "Keys that backends send as `Authorization: Bearer …`; several, so that they can be rotated. Without any, only requests from this machine are served. Other users can read flags and variables: prefer the file.",
    },
    Setting {
        name: "allowed_origins",
        group: ACCESS,
        kind: Kind::List {
            expected: "scheme://host or scheme://host:port",
            set: |c, items| fill(&mut c.options.auth.allowed_origins, items, str::parse),
        },
        default: Preset::Text(""),
        doc: "Origins whose pages may call the service from a browser, such as `https://app.example.org`, besides its own.",
    },
    Setting {
        name: "trusted_proxies",
        group: ACCESS,
        kind: Kind::List {
            expected: "an address, a network such as 10.0.0.0/8, or unix",
            set: |c, items| fill(&mut c.options.auth.trusted_proxies, items, str::parse),
        },
        default: Preset::Text(""),
        doc: "Peers whose `X-Forwarded-For` is believed; `unix` means whoever connects to a Unix socket.",
    },
    Setting {
        name: "url_schemes",
        group: RENDERING,
        kind: Kind::List {
            expected: "a scheme such as https",
            set: |c, items| fill(&mut c.options.http.policy.url_schemes, items, url_scheme),
        },
        default: Preset::Text("http,https,mailto,tel"),
        doc: "Schemes that links and images may have; relative URLs always may. All others become `#`.",
    },
    Setting {
        name: "image_prefixes",
        group: RENDERING,
        kind: Kind::List {
            expected: "https://host/, https://host/path or /path",
            set: |c, items| fill(&mut c.options.http.policy.image_prefixes, items, image_prefix),
        },
        default: Preset::Text(""),
        doc: "If set, an image is loaded only if its URL begins with one of these; others show their alternative text.",
    },
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
        doc: "Open connections of one client address. Trusted proxies and Unix sockets are not counted.",
    },
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

/// The group of settings that decide what a render looks like.
pub const RENDERING_GROUP: &str = RENDERING;

#[cfg(test)]
mod tests {
    use super::super::setting::Written;
    use super::*;
    use crate::config::Config;

    /// A value that the setting takes and that is not its default.
    fn another(setting: &Setting) -> String {
        match (setting.name, setting.kind) {
            ("listen", _) => "[::1]:1".to_owned(),
            ("internal_listen", _) => "unix:/run/internal.sock".to_owned(),
            ("unix_socket_mode", _) => "600".to_owned(),
            ("api_keys", _) => "0123456789abcdef".to_owned(),
            ("allowed_origins", _) => "https://app.example".to_owned(),
            ("trusted_proxies", _) => "10.0.0.0/8".to_owned(),
            ("url_schemes", _) => "https,xmpp".to_owned(),
            ("image_prefixes", _) => "/media/".to_owned(),
            ("log_filter", _) => "debug".to_owned(),
            (_, Kind::Count { max, .. } | Kind::Bytes { max, .. }) => max.to_string(),
            (_, Kind::Seconds { max, .. }) => max.to_string(),
            (_, Kind::Flag(_)) => "false".to_owned(),
            (_, Kind::Word(words)) => words[1].0.to_owned(),
            (name, _) => panic!("give `{name}` another value here"),
        }
    }

    #[test]
    fn every_row_sets_something_of_its_own() {
        let mut seen = vec![format!("{:?}", Config::default())];
        for setting in SETTINGS {
            let mut config = Config::default();
            setting.apply(&Written::Text(another(setting)), &mut config).unwrap();
            let config = format!("{config:?}");
            assert!(!seen.contains(&config), "{}", setting.name);
            seen.push(config);
        }
    }

    #[test]
    fn defaults_are_the_rooms_own() {
        for setting in SETTINGS {
            let mut config = Config::default();
            setting.apply(&setting.default.written(), &mut config).unwrap();
            assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()), "{}", setting.name);
        }
    }

    #[test]
    fn bounds_hold_the_default_and_refuse_what_is_beyond() {
        for setting in SETTINGS {
            let (low, high) = match setting.kind {
                Kind::Count { min, max, .. } | Kind::Bytes { min, max, .. } => (min, max),
                Kind::Seconds { min, max, .. } => (u64::from(min), u64::from(max)),
                _ => continue,
            };
            let takes = |n: u64| setting.apply(&Written::Text(n.to_string()), &mut Config::default()).is_ok();
            assert!(takes(low) && takes(high), "{}", setting.name);
            assert!(!takes(high + 1) && (low == 0 || !takes(low - 1)), "{}", setting.name);
        }
    }

    #[test]
    fn names_are_single_snake_case_and_documented() {
        for (index, setting) in SETTINGS.iter().enumerate() {
            let snake = setting.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(snake, "{}", setting.name);
            assert!(SETTINGS[..index].iter().all(|other| other.name != setting.name), "{} twice", setting.name);
            assert!(setting.doc.ends_with('.') && !setting.expected().is_empty(), "{}", setting.name);
            let seconds = matches!(setting.kind, Kind::Seconds { .. });
            assert!(!seconds || setting.name.ends_with("_seconds"), "{} hides its unit", setting.name);
            let bytes = matches!(setting.kind, Kind::Bytes { .. });
            assert!(!bytes || setting.name.contains("_bytes"), "{} hides its unit", setting.name);
        }
    }
}
