//! Settings end to end: sources in, `Config` or all mistakes out.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::*;

/// What the sources say, in one test.
#[derive(Default)]
struct Sources<'a> {
    flags: &'a [(&'a str, &'a str)],
    variables: &'a [(&'a str, &'a str)],
    file: Option<&'a str>,
}

impl Sources<'_> {
    fn read(&self) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        self.read_in(folder.path())
    }

    fn read_in(&self, folder: &Path) -> Settings {
        let mut flags: Flags = self.flags.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
        if let Some(text) = self.file {
            let path = folder.join("rillmark.toml");
            fs::write(&path, text).unwrap();
            flags.insert("config".to_owned(), path.to_str().unwrap().to_owned());
        }
        Settings::read(&flags, &self.variables.iter().copied().collect::<BTreeMap<_, _>>())
    }

    fn mistakes(&self) -> Vec<String> {
        let mistakes = self.read().check().map(|_| Vec::new()).unwrap_or_else(|mistakes| mistakes.0);
        mistakes.iter().map(ToString::to_string).collect()
    }
}

const KEY: (&str, &str) = ("RILLMARK_API_KEYS", "0123456789abcdef");
const SECRET: (&str, &str) = ("RILLMARK_TOKEN_SECRET", "0123456789abcdef0123456789abcdef");

fn variables_mistakes(variables: &[(&str, &str)]) -> Vec<String> {
    Sources { variables, ..Sources::default() }.mistakes()
}

#[test]
fn nothing_set_is_the_default() {
    let config = Sources::default().read().check().unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
}

#[test]
fn the_first_source_decides() {
    let flags: &[_] = &[("render_rate", "1")];
    let variables: &[_] = &[("RILLMARK_RENDER_RATE", "2")];
    let file = Some("render_rate = 3\nburst_seconds = \"7\"\nurl_schemes = [\"https\"]\n");
    for (sources, rate, from) in [
        (Sources { flags, variables, file }, 1, "--render-rate"),
        (Sources { flags: &[], variables, file }, 2, "RILLMARK_RENDER_RATE"),
        (Sources { flags: &[], variables: &[("RILLMARK_RENDER_RATE", "")], file }, 3, "render_rate in "),
        (Sources::default(), 200, "default"),
    ] {
        let settings = sources.read();
        let value = settings.values.iter().find(|value| value.setting.name == "render_rate").unwrap();
        assert!(value.origin.to_string().starts_with(from), "{} {from}", value.origin);
        let limits = settings.check().unwrap().options.limits;
        assert_eq!(limits.render_rate, rate, "{from}");
        assert_eq!(limits.burst_seconds, if sources.file.is_some() { 7 } else { 2 });
    }
}

#[test]
fn port_holds_where_nothing_says_listen() {
    for (flags, variables, file, expected) in [
        (&[][..], &[("PORT", "80"), KEY, SECRET][..], None, "0.0.0.0:80"),
        (&[], &[("PORT", "80"), ("RILLMARK_LISTEN", "127.0.0.1:1")], None, "127.0.0.1:1"),
        (&[("listen", "127.0.0.1:2")], &[("PORT", "80")], None, "127.0.0.1:2"),
        (&[], &[("PORT", "80")], Some("listen = \"[::1]:3\""), "[::1]:3"),
        (&[], &[("PORT", "")], None, "127.0.0.1:8700"),
    ] {
        let config = Sources { flags, variables, file }.read().check().unwrap();
        let listen: Vec<String> = config.options.server.listen.iter().map(ToString::to_string).collect();
        assert_eq!(listen, [expected]);
    }
    for port in ["0", "65536", "tcp://10.0.0.1:80"] {
        let expected = format!("PORT: expected a port from 1 to 65535, found {port:?}");
        assert_eq!(variables_mistakes(&[("PORT", port)]), [expected]);
    }
}

#[test]
fn mistakes_of_reading_are_all_told() {
    let told = Sources {
        flags: &[("workers", "many")],
        variables: &[
            ("RILLMARK_API_KYES", "0123456789abcdef"),
            ("RILLMARK_listen", "127.0.0.1:1"),
            ("RILLMARK_SERVICE_PORT_HTTP", "8700"),
            ("RILLMARK_UNKNOWN_BUT_EMPTY", ""),
            ("RILLMARK_DRAIN_SECONDS", "soon"),
        ],
        file: Some("lisen = 1\n[limits]\nx = 1\n[log_filter]\n"),
    }
    .mistakes();
    let file = |line: &str| told.iter().any(|told| told.contains("rillmark.toml") && told.starts_with(line));
    assert!(told.contains(&"RILLMARK_API_KYES: there is no such variable; did you mean RILLMARK_API_KEYS?".to_owned()));
    assert!(told.contains(&"RILLMARK_listen: there is no such variable; did you mean RILLMARK_LISTEN?".to_owned()));
    assert!(told.contains(&"--workers: expected a whole number of threads from 1 to 1024, found \"many\"".to_owned()));
    assert!(
        told.contains(
            &"RILLMARK_DRAIN_SECONDS: expected a number of seconds from 0 to 3600, found \"soon\"".to_owned()
        )
    );
    assert!(file("lisen in ") && file("limits in ") && file("log_filter in "), "{told:#?}");
    assert_eq!(told.len(), 7, "{told:#?}");
}

#[test]
fn a_variable_that_resembles_no_setting_is_warned_of() {
    let variables: &[_] = &[("RILLMARK_URL", "http://127.0.0.1:8700"), ("RILLMARK_PORT", "tcp://10.0.0.1:8700")];
    let settings = Sources { variables, ..Sources::default() }.read();
    assert!(settings.check().is_ok());
    let warned: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warned, ["RILLMARK_URL: there is no such variable"]);
}

#[test]
fn a_settings_file_that_cannot_be_read_is_told() {
    let told = variables_mistakes(&[("RILLMARK_CONFIG", "/nonexistent/rillmark.toml")]);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("RILLMARK_CONFIG: cannot read /nonexistent/rillmark.toml: "), "{told:?}");
    let told = Sources { file: Some("\nlisten = \n"), ..Sources::default() }.mistakes();
    assert!(told[0].starts_with("--config: ") && told[0].contains("is not TOML: line 2: "), "{told:?}");
}

#[test]
fn a_variable_that_is_not_unicode_is_told() {
    use std::os::unix::ffi::OsStringExt as _;
    struct Odd;
    impl Strings for Odd {
        fn get(&self, name: &str) -> Option<OsString> {
            (name == "RILLMARK_LISTEN").then(|| OsString::from_vec(vec![0xff]))
        }
        fn names(&self) -> Vec<String> {
            vec!["RILLMARK_LISTEN".to_owned()]
        }
    }
    let told = Settings::read(&Flags::new(), &Odd).check().unwrap_err();
    assert_eq!(told.to_string(), "1 mistake in the settings:\n  RILLMARK_LISTEN: is not UTF-8");
}

#[test]
fn secrets_may_come_from_a_file() {
    use secrecy::ExposeSecret as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    fs::write(&path, "0123456789abcdef\nfedcba9876543210\n").unwrap();
    let path = path.to_str().unwrap();
    for sources in [
        Sources { variables: &[("RILLMARK_API_KEYS_FILE", path)], ..Sources::default() },
        Sources { flags: &[("api_keys_file", path)], ..Sources::default() },
        Sources { file: Some(&format!("api_keys_file = {path:?}")), ..Sources::default() },
    ] {
        let keys = sources.read().check().unwrap().options.auth.api_keys;
        let keys: Vec<&str> = keys.iter().map(|key| key.expose_secret()).collect();
        assert_eq!(keys, ["0123456789abcdef", "fedcba9876543210"]);
    }
    let both = [("RILLMARK_API_KEYS_FILE", path), ("RILLMARK_API_KEYS", "0123456789abcdef")];
    assert_eq!(
        variables_mistakes(&both),
        ["RILLMARK_API_KEYS_FILE: RILLMARK_API_KEYS is set as well: keep one of the two"]
    );
    let told = variables_mistakes(&[("RILLMARK_API_KEYS_FILE", "/nonexistent/keys")]);
    assert!(told[0].starts_with("RILLMARK_API_KEYS_FILE: cannot read /nonexistent/keys: "), "{told:?}");
    fs::write(path, "").unwrap();
    assert_eq!(
        variables_mistakes(&[("RILLMARK_API_KEYS_FILE", path)]),
        ["RILLMARK_API_KEYS_FILE: expected at least one, found none"]
    );
}

#[test]
fn public_keys_are_files_and_open_a_service_to_tokens() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/ec-public.pem");
    let keys = ("RILLMARK_TOKEN_PUBLIC_KEYS", path.to_str().unwrap());
    let told = variables_mistakes(&[("RILLMARK_LISTEN", "0.0.0.0:8700"), KEY, keys]);
    if cfg!(feature = "public-keys") {
        assert_eq!(told, Vec::<String>::new());
        let config = Sources { variables: &[keys], ..Sources::default() }.read().check().unwrap();
        assert_eq!(config.options.auth.token_public_keys.len(), 1);
        let told = variables_mistakes(&[("RILLMARK_TOKEN_PUBLIC_KEYS", "/dev/null")]);
        assert!(told.len() == 1 && told[0].contains("expected a public key in PEM"), "{told:?}");
    } else {
        assert!(told.len() == 1 && told[0].contains("built without the feature `public-keys`"), "{told:?}");
    }
    let told = variables_mistakes(&[("RILLMARK_TOKEN_PUBLIC_KEYS", "/nonexistent/key.pem")]);
    assert!(told[0].contains("cannot read \"/nonexistent/key.pem\""), "{told:?}");
}

#[test]
fn secrets_are_never_shown() {
    let good = "a-good-key-of-enough-bytes";
    let bad = ["short-key", "a key with blanks in it", "a-key-with-ünicode-in-it"];
    let keys = format!("{good},{}", bad.join(","));
    let settings = Sources { variables: &[("RILLMARK_API_KEYS", &keys)], ..Sources::default() }.read();
    let told = settings.check().unwrap_err();
    assert_eq!(told.0.len(), 3);
    let fine = Sources { variables: &[("RILLMARK_API_KEYS", good)], ..Sources::default() }.read();
    let config = format!("{:?}", fine.check().unwrap());
    let texts = [told.to_string(), config, print::toml(&settings), print::env(&settings), print::json(&settings)];
    for text in texts {
        for key in bad.iter().chain([&good]) {
            assert!(!text.contains(key), "{key} in {text}");
        }
    }
    let misplaced = Sources { variables: &[("RILLMARK_API_KEYS_FILE", good)], ..Sources::default() };
    let broken = Sources { file: Some(&format!("# keys\napi_keys = [\"{good}\n")), ..Sources::default() };
    for sources in [misplaced, broken] {
        let settings = sources.read();
        let told = settings.check().unwrap_err().to_string();
        assert!(!told.contains(good) && !format!("{settings:?}").contains(good), "{told}");
    }
    assert!(!format!("{fine:?}").contains(good));
    assert!(print::toml(&settings).contains("# RILLMARK_API_KEYS\n# api_keys: 4 set, not shown\n"));
}

#[test]
fn off_loopback_a_key_and_a_secret_are_demanded() {
    let told = |variables: &[(&str, &str)], expected: &str| {
        let told = variables_mistakes(variables);
        assert!(told.len() == 1 && told[0].contains(expected), "{variables:?} {told:?}");
    };
    let both = "an API key and a token secret are needed";
    told(&[("RILLMARK_LISTEN", "0.0.0.0:8700")], both);
    told(&[("RILLMARK_LISTEN", "127.0.0.1:1,192.0.2.1:8700")], both);
    told(&[("RILLMARK_LISTEN", "[::]:8700")], both);
    told(&[("PORT", "8700")], both);
    told(&[("RILLMARK_INTERNAL_LISTEN", "10.0.0.1:8701")], both);
    let everywhere = ("RILLMARK_LISTEN", "0.0.0.0:8700");
    told(&[everywhere, SECRET], "an API key is needed");
    told(&[everywhere, KEY], "a token secret is needed");
    assert_eq!(variables_mistakes(&[everywhere, KEY, SECRET]), Vec::<String>::new());
    let none = variables_mistakes(&[everywhere, SECRET, ("RILLMARK_API_KEYS", ",")]);
    assert_eq!(none, ["RILLMARK_API_KEYS: expected at least one, found none"]);
    let short = variables_mistakes(&[everywhere, KEY, ("RILLMARK_TOKEN_SECRET", "0123456789abcdef0123456789abcde")]);
    let fault = "RILLMARK_TOKEN_SECRET: a secret (not shown) cannot be used: it has 31 bytes, expected at least 32: `openssl rand -hex 32` makes a good one";
    assert_eq!(short, [fault]);
    let local = [("RILLMARK_LISTEN", "unix:/run/rillmark.sock,[::1]:8700,127.0.0.2:8700")];
    assert_eq!(variables_mistakes(&local), Vec::<String>::new());
}

#[test]
fn what_cannot_stand_together_is_told() {
    let check = |variables: &[(&str, &str)], expected: &str| {
        let told = variables_mistakes(variables);
        assert!(told.len() == 1 && told[0].contains(expected), "{told:?}");
    };
    check(&[("RILLMARK_LISTEN", ",")], "RILLMARK_LISTEN: expected at least one place");
    check(&[("RILLMARK_LISTEN", "127.0.0.1:1,127.0.0.1:1")], "127.0.0.1:1 is listed twice");
    check(
        &[("RILLMARK_INTERNAL_LISTEN", "127.0.0.1:8700")],
        "RILLMARK_INTERNAL_LISTEN: 127.0.0.1:8700 is listed twice",
    );
    check(&[("RILLMARK_WEBSOCKET_PING_SECONDS", "30")], "RILLMARK_WEBSOCKET_GONE_SECONDS: expected more than");
    let images = ("RILLMARK_IMAGE_PREFIXES", "http://cdn.example/");
    check(&[("RILLMARK_URL_SCHEMES", "https"), images], "http is not among the URL schemes");
    assert_eq!(variables_mistakes(&[("RILLMARK_LISTEN", "127.0.0.1:0,127.0.0.1:0")]), Vec::<String>::new());
}

#[test]
fn only_schemes_that_run_nothing_can_be_allowed() {
    for scheme in
        ["javascript", "JavaScript", "vbscript", "data", "blob", "file", "filesystem", "https:", "1x", "a b", "*"]
    {
        assert!(check::url_scheme(scheme).is_err(), "{scheme}");
    }
    assert_eq!(check::url_scheme("XMPP"), Ok("xmpp".to_owned()));
    assert_eq!(check::url_scheme("web+app"), Ok("web+app".to_owned()));
}

#[test]
fn image_prefixes_end_their_host() {
    for prefix in ["https://cdn.example.com/", "https://cdn.example.com/img", "/media/", "/", "https://[::1]:80/"] {
        assert_eq!(check::image_prefix(prefix), Ok(prefix.to_owned()));
    }
    for prefix in [
        "https://cdn.example.com",
        "https://",
        "https:///x",
        "//cdn.example.com/",
        "cdn.example.com/",
        "https://cdn.example.com\\/",
        "https://user@cdn.example.com/",
        "https://cdn.example.com/../",
        "https://cdn.example.com/%2e%2E/",
        "https://CDN.example.com/",
        "HTTPS://cdn.example.com/",
        "https://cdn.example.com/a b/",
        "https://cdn.example.com?/",
        "media/",
        "",
    ] {
        assert!(check::image_prefix(prefix).is_err(), "{prefix}");
    }
}

#[test]
fn socket_modes_are_three_octal_digits() {
    assert_eq!(check::socket_mode("660"), Ok(0o660));
    assert_eq!(check::socket_mode("0600"), Ok(0o600));
    for mode in ["", "66", "6600", "888", "+66", "0o660", "rw-"] {
        assert!(check::socket_mode(mode).is_err(), "{mode}");
    }
}

#[test]
fn printed_settings_are_read_back() {
    let variables: &[_] = &[
        ("RILLMARK_LISTEN", " 127.0.0.1:1 , unix:/run/a.sock"),
        ("RILLMARK_IMAGE_PREFIXES", "/a\"b/"),
        ("RILLMARK_RENDER_BODY_BYTES_MAX", "1MiB"),
        ("RILLMARK_DRAIN_SECONDS", "7.5"),
        ("RILLMARK_DEMO", "false"),
    ];
    let settings = Sources { variables, ..Sources::default() }.read();
    let expected = format!("{:?}", settings.check().unwrap());
    let again = Sources { file: Some(&print::toml(&settings)), ..Sources::default() }.read();
    assert_eq!(format!("{:?}", again.check().unwrap()), expected);
    let printed = print::env(&settings);
    let lines: Vec<(&str, &str)> =
        printed.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).collect();
    let again = Sources { variables: &lines, ..Sources::default() }.read();
    assert_eq!(format!("{:?}", again.check().unwrap()), expected);
    let json: serde_json::Value = serde_json::from_str(&print::json(&settings)).unwrap();
    assert_eq!(
        json["listen"],
        serde_json::json!({
        "value": ["127.0.0.1:1", "unix:/run/a.sock"], "from": "RILLMARK_LISTEN" })
    );
    assert_eq!(json["drain_seconds"]["value"], 7.5);
    assert_eq!(json["demo"]["value"], false);
    assert_eq!(json["api_keys"], serde_json::json!({ "value": null, "count": 0, "from": "default" }));
}

#[test]
fn documents_name_every_setting() {
    let (table, example) = (print::readme_table(), print::example_env());
    for setting in SETTINGS {
        let variable = setting.variable();
        assert!(table.contains(&format!("| `{variable}` |")), "{variable}");
        assert!(example.contains(&format!("\n#{variable}=")), "{variable}");
    }
    assert!(table.lines().all(|line| line.matches('|').count() == 5), "a row with another number of cells");
    assert!(example.lines().all(|line| line.chars().count() <= 100 || line.starts_with("# Made")));
}

#[test]
fn names_that_others_rely_on_stay() {
    for variable in [
        "RILLMARK_LISTEN",
        "RILLMARK_INTERNAL_LISTEN",
        "RILLMARK_API_KEYS",
        "RILLMARK_ALLOWED_ORIGINS",
        "RILLMARK_TRUSTED_PROXIES",
        "RILLMARK_RENDER_RATE",
        "RILLMARK_RENDER_CONCURRENCY",
        "RILLMARK_CONNECTIONS_MAX",
        "RILLMARK_CONNECTIONS_PER_ADDRESS_MAX",
        "RILLMARK_IMAGE_PREFIXES",
        "RILLMARK_URL_SCHEMES",
        "RILLMARK_DEMO",
        "RILLMARK_TOKEN_SECRET",
        "RILLMARK_TOKEN_AUDIENCE",
        "RILLMARK_OPLOG",
        "RILLMARK_PUBLISH_RATE",
        "RILLMARK_SUBSCRIBE_RATE",
        "RILLMARK_TICK_MS",
        "RILLMARK_STREAM_IDLE_SECONDS",
        "RILLMARK_HTML_OPS",
    ] {
        assert!(SETTINGS.iter().any(|setting| setting.variable() == variable), "{variable}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_panics_and_what_is_taken_is_taken_again(text in "[ -~é\\n]{0,24}|[0-9.]{1,400}|[a-z]{1,9}://[ -~]{0,12}") {
        // Once: the defaults ask the system for its cores.
        let default = Config::default();
        for setting in SETTINGS {
            let (mut once, mut twice) = (default.clone(), default.clone());
            let written = setting::Written::Text(text.clone());
            if setting.apply(&written, &mut once).is_ok() {
                proptest::prop_assert!(setting.apply(&written, &mut twice).is_ok());
                proptest::prop_assert_eq!(format!("{once:?}"), format!("{twice:?}"));
            }
        }
    }

    #[test]
    fn no_refusal_shows_a_key(text in "zQ[!-+.-~é]{1,300}") {
        for name in ["RILLMARK_API_KEYS", "RILLMARK_TOKEN_SECRET"] {
            let told = variables_mistakes(&[(name, &text)]);
            proptest::prop_assert!(told.iter().all(|told| !told.contains(&text)), "{:?}", told);
        }
    }
}
