//! From [`Settings`] (as written) to [`Config`] (checked): each value by its row, then what must hold between them.
//!
//! **Invariant:** a configuration that would serve strangers without a key, or without a secret for tokens, is refused
//! (`off_loopback_a_key_and_a_secret_are_demanded`).
//!
//! **Source:** RFC 6750 §2.1 (what a bearer key is made of), RFC 3986 §3.1 (schemes).

use std::fmt;
use std::path::Path;

use secrecy::SecretString;

use super::Config;
use super::setting::shown;
use super::settings::Origin;
use super::settings::{Mistake, Settings};
use super::strings::read_file;
use crate::auth::{PublicKey, check_api_key, check_token_secret};
use crate::server::Listen;

/// Shortest API key, in bytes: 16 random ones cannot be guessed over a network.
pub const API_KEY_BYTES_MIN: usize = 16;

/// Longest file with a public key: an RSA key of 8192 bits in PEM is a tenth of it.
const PUBLIC_KEY_FILE_BYTES_MAX: u64 = 16 * 1024;

/// Schemes that no setting can allow: each can run script or read what is local in some browser.
const SCHEMES_REFUSED: &[&str] = &["javascript", "vbscript", "data", "blob", "file", "filesystem"];

/// Everything that is wrong with the settings, told together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} mistake{} in the settings:", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl Settings {
    /// Checks every value, and all of them together.
    ///
    /// # Errors
    /// All [`Mistakes`], those of reading included.
    pub fn check(&self) -> Result<Config, Mistakes> {
        let (config, mut mistakes) = self.apply(|_| true);
        check_listeners(self, &config, &mut mistakes);
        check_images(self, &config, &mut mistakes);
        check_pings(self, &config, &mut mistakes);
        if mistakes.is_empty() { Ok(config) } else { Err(Mistakes(mistakes)) }
    }

    /// Checks the settings of one group alone, for a command that needs no others.
    ///
    /// # Errors
    /// The mistakes of that group.
    pub fn check_group(&self, group: &str) -> Result<Config, Mistakes> {
        let (config, mut mistakes) = self.apply(|of| of == group);
        check_images(self, &config, &mut mistakes);
        if mistakes.is_empty() { Ok(config) } else { Err(Mistakes(mistakes)) }
    }

    fn apply(&self, wanted: impl Fn(&str) -> bool) -> (Config, Vec<Mistake>) {
        let (mut config, mut mistakes) = (Config::default(), self.mistakes.clone());
        for value in self.values.iter().filter(|value| wanted(value.setting.group)) {
            let faults = value.setting.apply(&value.written, &mut config).err().unwrap_or_default();
            mistakes.extend(faults.into_iter().map(|fault| Mistake { place: value.place(), fault }));
            // A file of keys that nobody filled must not turn into a service without keys.
            let none = value.setting.is_secret() && value.origin != Origin::Default && value.written.items().is_empty();
            if none && !mistakes.iter().any(|mistake| mistake.place == value.place()) {
                mistakes.push(Mistake { place: value.place(), fault: "expected at least one, found none".to_owned() });
            }
        }
        (config, mistakes)
    }
}

fn check_listeners(settings: &Settings, config: &Config, mistakes: &mut Vec<Mistake>) {
    let needs = missing_secrets(settings, config, mistakes);
    let mut refuse = |name: &str, fault: String| mistakes.push(Mistake { place: settings.place(name), fault });
    let server = &config.options.server;
    let given = settings.values.iter().find(|value| value.setting.name == "listen");
    if given.is_some_and(|value| value.written.items().is_empty()) {
        refuse("listen", "expected at least one place to listen at, found none".to_owned());
    }
    let public = server.listen.iter().map(|listen| ("listen", listen));
    let all: Vec<_> = public.chain(server.internal_listen.iter().map(|listen| ("internal_listen", listen))).collect();
    for (index, (name, listen)) in all.iter().enumerate() {
        let any_port = matches!(listen, Listen::Tcp(address) if address.port() == 0);
        if !any_port && all[..index].iter().any(|(_, other)| other == listen) {
            refuse(name, format!("{listen} is listed twice"));
        }
        if let Some(needs) = needs.filter(|_| !listen.is_local()) {
            let or = "or listen at 127.0.0.1 or a Unix socket";
            refuse(name, format!("{listen} can be reached from other machines, so {needs}, {or}"));
        }
    }
}

/// What a service that strangers can reach lacks, if it lacks any: a key for backends, a secret for browsers. What is
/// set and wrong has a mistake of its own.
fn missing_secrets(settings: &Settings, config: &Config, mistakes: &[Mistake]) -> Option<&'static str> {
    let auth = &config.options.auth;
    let wrong = |name: &str| mistakes.iter().any(|mistake| mistake.place == settings.place(name));
    let no_key = auth.api_keys.is_empty() && !wrong("api_keys");
    let none = auth.token_secrets.is_empty() && auth.token_public_keys.is_empty();
    let no_secret = none && !wrong("token_secret") && !wrong("token_public_keys");
    match (no_key, no_secret) {
        (true, true) => Some(
            "an API key and a token secret are needed: set RILLMARK_API_KEYS and RILLMARK_TOKEN_SECRET, each by that name or as a file by that name and _FILE",
        ),
        (true, false) => Some("an API key is needed: set RILLMARK_API_KEYS or RILLMARK_API_KEYS_FILE"),
        (false, true) => Some("a token secret is needed: set RILLMARK_TOKEN_SECRET or RILLMARK_TOKEN_SECRET_FILE"),
        (false, false) => None,
    }
}

/// A WebSocket must have time to answer a ping.
fn check_pings(settings: &Settings, config: &Config, mistakes: &mut Vec<Mistake>) {
    let streams = &config.options.http.streams;
    if streams.ws_gone <= streams.ws_ping {
        let fault = format!(
            "expected more than websocket_ping_seconds, which is {} s: else none has the time to answer",
            streams.ws_ping.as_secs_f64()
        );
        mistakes.push(Mistake { place: settings.place("websocket_gone_seconds"), fault });
    }
}

fn check_images(settings: &Settings, config: &Config, mistakes: &mut Vec<Mistake>) {
    let policy = &config.options.http.policy;
    for prefix in &policy.image_prefixes {
        let scheme = prefix.split_once("://").map(|(scheme, _)| scheme);
        if let Some(scheme) = scheme.filter(|scheme| !policy.url_schemes.iter().any(|allowed| allowed == scheme)) {
            let fault = format!("{} can never match: {scheme} is not among the URL schemes", shown(prefix));
            mistakes.push(Mistake { place: settings.place("image_prefixes"), fault });
        }
    }
}

/// An API key. The refusal does not show it.
pub(super) fn api_key(text: &str) -> Result<SecretString, String> {
    let key = SecretString::from(text);
    check_api_key(&key).map_err(|fault| format!("a key (not shown) cannot be used: {fault}"))?;
    if text.len() < API_KEY_BYTES_MIN {
        let bytes = text.len();
        return Err(format!(
            "a key (not shown) has {bytes} bytes, expected at least {API_KEY_BYTES_MIN}: `openssl rand -hex 32` makes a good one"
        ));
    }
    Ok(key)
}

/// A secret for tokens. The refusal does not show it.
pub(super) fn token_secret(text: &str) -> Result<SecretString, String> {
    let secret = SecretString::from(text);
    check_token_secret(&secret).map_err(|fault| {
        format!("a secret (not shown) cannot be used: {fault}: `openssl rand -hex 32` makes a good one")
    })?;
    Ok(secret)
}

/// A file with a public key for tokens.
pub(super) fn public_key(path: &str) -> Result<PublicKey, String> {
    let pem = read_file(Path::new(path), PUBLIC_KEY_FILE_BYTES_MAX);
    let pem = pem.map_err(|fault| format!("cannot read {}: {fault}", shown(path)))?;
    pem.parse().map_err(|fault| format!("{} cannot be used: {fault}", shown(path)))
}

/// What tokens must be made out to.
pub(super) fn token_audience(text: &str) -> Result<String, String> {
    let fine = (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    fine.then(|| text.to_owned())
        .ok_or_else(|| format!("expected 1 to 256 visible ASCII characters, found {}", shown(text)))
}

/// A URL scheme in lower case.
pub(super) fn url_scheme(text: &str) -> Result<String, String> {
    let scheme = text.to_ascii_lowercase();
    let valid = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(valid) {
        return Err(format!("expected a scheme such as https, without a colon, found {}", shown(text)));
    }
    if SCHEMES_REFUSED.contains(&scheme.as_str()) {
        return Err(format!("{scheme} is never allowed: a link of that scheme can run script or read local data"));
    }
    Ok(scheme)
}

/// What an image's URL may begin with. The host must be closed by a `/`, so that `https://cdn.example` cannot be met by
/// `https://cdn.example.evil.org`; nor may the prefix hold what a browser reads in another way than it looks.
pub(super) fn image_prefix(text: &str) -> Result<String, String> {
    let refuse = |why: &str| Err(format!("{} {why}", shown(text)));
    if text.contains(['\\', '?', '#', '@', ',']) || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return refuse("holds a character that no prefix may hold (white space or one of \\ ? # @ ,)");
    }
    if text.split('/').any(|segment| segment.replace("%2e", ".").replace("%2E", ".") == "..") {
        return refuse("holds a `..` segment");
    }
    if text.starts_with('/') {
        let host_follows = text.starts_with("//");
        return if host_follows { refuse("names a host without its scheme") } else { Ok(text.to_owned()) };
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return refuse("is neither a URL such as https://cdn.example/ nor a path such as /media/");
    };
    let Some((host, _)) = rest.split_once('/') else {
        return refuse("does not end its host: add a `/`, else it would match other hosts that begin alike");
    };
    if host.is_empty() || !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return refuse("names no host");
    }
    if [scheme, host].iter().any(|part| part.bytes().any(|b| b.is_ascii_uppercase())) {
        return refuse("has capitals in its scheme or host, where browsers and our comparison use lower case");
    }
    Ok(text.to_owned())
}

/// The mode of a socket's file.
pub(super) fn socket_mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix('0').filter(|rest| rest.len() == 3).unwrap_or(text);
    let mode = u32::from_str_radix(digits, 8).ok().filter(|_| digits.len() == 3 && !digits.starts_with('+'));
    mode.ok_or_else(|| format!("expected three octal digits, such as 660, found {}", shown(text)))
}
