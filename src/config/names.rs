//! Names that belong to no setting: which name was meant, and which variables Kubernetes made.

/// The name that is nearest to `name`, if one is near enough to be what was meant.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near_enough = (name.len() / 3).max(1);
    known.map(|other| (distance(name, other), other)).filter(|(far, _)| *far <= near_enough).min().map(|(_, near)| near)
}

/// How many letters must be put in, taken out or changed to make one of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.bytes().enumerate() {
            let change = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Whether Kubernetes puts such a variable into every container beside a Service whose name begins with `rillmark`:
/// `RILLMARK_SERVICE_HOST`, `RILLMARK_WEB_PORT_8700_TCP_ADDR`, `RILLMARK_PORT=tcp://…`. They mean nothing to us.
///
/// **Source:** Kubernetes documentation, "Environment variables" of Services.
pub(super) fn is_service_link(name: &str, text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_protocol = |text: &str| ["TCP", "UDP", "SCTP"].contains(&text);
    let parts: Vec<&str> = name.split('_').collect();
    match parts.as_slice() {
        [_, .., "SERVICE", "HOST" | "PORT"] => true,
        [_, .., "PORT"] if text.contains("://") => true,
        [_, .., "PORT", number, protocol] | [_, .., "PORT", number, protocol, "ADDR" | "PORT" | "PROTO"] => {
            is_number(number) && is_protocol(protocol)
        }
        _ => parts.windows(2).any(|pair| pair == ["SERVICE", "PORT"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_that_was_meant() {
        let known = ["listen", "internal_listen", "api_keys", "api_keys_file", "render_rate"];
        for (name, expected) in [
            ("lisen", Some("listen")),
            ("api_kyes", Some("api_keys")),
            ("api_key", Some("api_keys")),
            ("renderrate", Some("render_rate")),
            ("token_secret", None),
            ("x", None),
        ] {
            assert_eq!(nearest(name, known.into_iter()), expected, "{name}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn service_links_are_told_from_settings() {
        for (name, text) in [
            ("RILLMARK_SERVICE_HOST", "10.0.0.1"),
            ("RILLMARK_SERVICE_PORT", "8700"),
            ("RILLMARK_SERVICE_PORT_HTTP", "8700"),
            ("RILLMARK_PORT", "tcp://10.0.0.1:8700"),
            ("RILLMARK_PORT_8700_TCP", "tcp://10.0.0.1:8700"),
            ("RILLMARK_PORT_8700_TCP_ADDR", "10.0.0.1"),
            ("RILLMARK_PORT_8700_TCP_PORT", "8700"),
            ("RILLMARK_WEB_PORT_53_UDP_PROTO", "udp"),
        ] {
            assert!(is_service_link(name, text), "{name}");
        }
        for (name, text) in [
            ("RILLMARK_PORT", "8700"),
            ("RILLMARK_LISTEN", "tcp://10.0.0.1"),
            ("RILLMARK_API_KYES", "x"),
            ("RILLMARK_PORT_X_TCP", "x"),
            ("RILLMARK_HOST", "10.0.0.1"),
        ] {
            assert!(!is_service_link(name, text), "{name}");
        }
    }
}
