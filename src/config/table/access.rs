//! Settings of who may reach the service, and how.

use super::ACCESS_GROUP;
use crate::config::check::{api_key, public_key, socket_mode, token_audience, token_secret};
use crate::config::setting::{Kind, Preset, Setting, fill};

const LISTENING: &str = "Listening";

/// Where it listens, and to whom.
pub(super) const ROWS: &[Setting] = &[
    Setting {
        name: "listen",
        group: LISTENING,
        kind: Kind::List {
            expected: "address:port, [ipv6]:port or unix:/path",
            set: |c, items| fill(&mut c.options.server.listen, items, str::parse),
        },
        default: Preset::Text("127.0.0.1:8700"),
        doc: "Where the service listens: addresses with a port, or Unix sockets. Off loopback an API key and a token secret are demanded.",
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
        doc: "Whether `/` is a live demo. It is so only while neither an API key nor a token secret is set.",
    },
    Setting {
        name: "api_keys",
        group: ACCESS_GROUP,
        kind: Kind::Secrets {
            expected: "a key of 16 to 256 visible ASCII characters, without commas",
            set: |c, items| fill(&mut c.options.auth.api_keys, items, api_key),
        },
        default: Preset::Text(""),
        doc: "Keys that backends send as `Authorization: Bearer …`; several, so that they can be rotated. Without any, and without a token secret, only requests from this machine are served. Other users can read flags and variables: prefer the file.",
    },
    Setting {
        name: "token_secret",
        group: ACCESS_GROUP,
        kind: Kind::Secrets {
            expected: "a secret of at least 32 visible ASCII characters, without commas",
            set: |c, items| fill(&mut c.options.auth.token_secrets, items, token_secret),
        },
        default: Preset::Text(""),
        doc: "Secrets that subscribers' tokens are signed with (HS256); several, so that they can be rotated: the first one signs new tokens, all are accepted. Other users can read flags and variables: prefer the file.",
    },
    Setting {
        name: "token_public_keys",
        group: ACCESS_GROUP,
        kind: Kind::List {
            expected: "the path of a PEM file with a public key (RSA, P-256 or Ed25519)",
            set: |c, items| fill(&mut c.options.auth.token_public_keys, items, public_key),
        },
        default: Preset::Text(""),
        doc: "Files of public keys that subscribers' tokens may be verified by, beside the secrets: RS256, ES256 or EdDSA, as the key says. For programs built with the feature `public-keys`.",
    },
    Setting {
        name: "token_audience",
        group: ACCESS_GROUP,
        kind: Kind::Text {
            expected: "1 to 256 visible ASCII characters",
            set: |c, text| token_audience(text).map(|audience| c.options.auth.token_audience = audience),
        },
        default: Preset::Text("rillmark"),
        doc: "What the `aud` of a token must name.",
    },
    Setting {
        name: "allowed_origins",
        group: ACCESS_GROUP,
        kind: Kind::List {
            expected: "scheme://host or scheme://host:port",
            set: |c, items| fill(&mut c.options.auth.allowed_origins, items, str::parse),
        },
        default: Preset::Text(""),
        doc: "Origins whose pages may call the service from a browser, such as `https://app.example.org`, besides its own.",
    },
    Setting {
        name: "trusted_proxies",
        group: ACCESS_GROUP,
        kind: Kind::List {
            expected: "an address, a network such as 10.0.0.0/8, or unix",
            set: |c, items| fill(&mut c.options.auth.trusted_proxies, items, str::parse),
        },
        default: Preset::Text(""),
        doc: "Peers whose `X-Forwarded-For` is believed; `unix` means whoever connects to a Unix socket.",
    },
];
