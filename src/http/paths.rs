//! Paths of channels, read by hand.
//!
//! actix tries pattern after pattern, and one with names in it by a regular expression: a fifth of what a small publish
//! took. So paths of channels are read before they are routed. The router is given a path in which `-` stands for each
//! name, which it finds by comparing, and the names go with the request as if the router had found them.
//!
//! **Invariant:** a path is read as its pattern says (`paths_are_read_as_their_patterns_say`).

use std::sync::LazyLock;

use actix_web::dev::{ServiceRequest, Url};
use actix_web::http::Uri;

/// Each pattern, and what is routed in its place.
const FORMS: [(&str, &str); 5] = [
    ("/channels/{channel}/ops", OPS),
    ("/channels/{channel}/streams/{stream}", STREAM),
    ("/channels/{channel}", CHANNEL),
    ("/channels/{channel}/sse", SSE),
    ("/channels/{channel}/ws", WS),
];
const OPS: &str = "/channels/-/ops";
const STREAM: &str = "/channels/-/streams/-";
const CHANNEL: &str = "/channels/-";
const SSE: &str = "/channels/-/sse";
const WS: &str = "/channels/-/ws";

/// The paths that are routed, ready to be copied.
static ROUTED: LazyLock<[Url; 5]> = LazyLock::new(|| FORMS.map(|(_, routed)| Url::new(Uri::from_static(routed))));

/// What is routed in place of a pattern: the pattern itself, unless it is one of channels.
pub(super) fn routed(pattern: &'static str) -> &'static str {
    FORMS.iter().find(|(known, _)| *known == pattern).map_or(pattern, |(_, routed)| routed)
}

/// The pattern in whose place this was routed.
pub(super) fn pattern_of(routed: String) -> String {
    FORMS.iter().find(|(_, known)| *known == routed).map_or(routed, |(pattern, _)| (*pattern).to_owned())
}

/// Reads the path of a request that is yet to be routed.
pub fn read_path(request: &mut ServiceRequest) {
    let Some((routed, channel, stream)) = read(request.match_info().as_str()) else { return };
    let (channel, stream) = (channel.to_owned(), stream.map(str::to_owned));
    let at = FORMS.iter().position(|(_, known)| *known == routed).expect("what is read is one of them");
    let found = request.match_info_mut();
    found.set(ROUTED[at].clone());
    found.add_static("channel", channel);
    if let Some(stream) = stream {
        found.add_static("stream", stream);
    }
}

/// What is routed in place of a path, and the names in it.
fn read(path: &str) -> Option<(&'static str, &str, Option<&str>)> {
    let mut parts = path.strip_prefix("/channels/")?.split('/');
    let channel = parts.next().filter(|name| !name.is_empty())?;
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => Some((CHANNEL, channel, None)),
        (Some("ops"), None, _) => Some((OPS, channel, None)),
        (Some("sse"), None, _) => Some((SSE, channel, None)),
        (Some("ws"), None, _) => Some((WS, channel, None)),
        (Some("streams"), Some(stream), None) if !stream.is_empty() => Some((STREAM, channel, Some(stream))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::dev::{Path, ResourceDef};
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    /// What actix's own patterns find: the pattern, channel and stream.
    fn by_patterns(path: &str) -> Option<(&'static str, Option<String>, Option<String>)> {
        FORMS.iter().find_map(|(pattern, _)| {
            let mut found = Path::new(Url::new(path.parse().unwrap()));
            let name = |found: &Path<Url>, name: &str| found.get(name).map(str::to_owned);
            ResourceDef::new(*pattern)
                .capture_match_info(&mut found)
                .then(|| (*pattern, name(&found, "channel"), name(&found, "stream")))
        })
    }

    fn by_hand(path: &str) -> Option<(&'static str, Option<String>, Option<String>)> {
        let mut request = TestRequest::with_uri(path).to_srv_request();
        read_path(&mut request);
        let found = request.match_info();
        let pattern = FORMS.iter().find(|(_, routed)| *routed == found.as_str());
        let name = |name: &str| found.get(name).map(str::to_owned);
        // Only what was read has names: a path may look like a routed one by itself.
        name("channel").is_some().then(|| (pattern.unwrap().0, name("channel"), name("stream")))
    }

    proptest! {
        #[test]
        fn paths_are_read_as_their_patterns_say(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "/channels", "/channels", "/", "/-", "/chat-42", "/a%2Fb", "/%6fps", "/%25", "/ops", "/sse", "/ws", "/streams", "/streams",
                "x", "?a=/ops",
            ]), 1..7),
        ) {
            let path = format!("/{}", parts.concat().trim_start_matches('/'));
            prop_assert_eq!(by_hand(&path), by_patterns(&path), "{}", path);
        }
    }

    #[test]
    fn a_pattern_and_what_is_routed_lead_to_each_other() {
        for (pattern, _) in FORMS {
            assert_eq!(pattern_of(routed(pattern).to_owned()), pattern);
        }
        assert_eq!((routed("/render"), pattern_of("/render".to_owned()).as_str()), ("/render", "/render"));
    }
}
