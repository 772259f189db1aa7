//! What of `Prefer` means something here: `return=representation`.
//!
//! **Source:** RFC 7240 §2 (the first instance of a preference counts), §4.2.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Whether the caller wants what it made to be in the answer.
pub(super) fn wants_representation(headers: &HeaderMap) -> bool {
    let values = headers.get_all(PREFER).filter_map(|value| value.to_str().ok());
    let preferences = values.flat_map(|value| value.split(','));
    let first = preferences.filter_map(preference).find(|(name, _)| name.eq_ignore_ascii_case("return"));
    first.is_some_and(|(_, value)| value == "representation")
}

/// Says that it was done.
pub(super) fn applied() -> (HeaderName, HeaderValue) {
    (PREFERENCE_APPLIED, HeaderValue::from_static("return=representation"))
}

/// Name and value of a preference, without its parameters.
fn preference(item: &str) -> Option<(&str, &str)> {
    let (name, value) = item.split(';').next()?.split_once('=')?;
    Some((name.trim(), value.trim().trim_matches('"')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_about_the_return_counts() {
        for (values, expected) in [
            (&[][..], false),
            (&["return=representation"], true),
            (&["Return = \"representation\""], true),
            (&["respond-async, return=representation; foo=bar"], true),
            (&["respond-async", "wait=10, return=representation"], true),
            (&["return=minimal, return=representation"], false),
            (&["return=minimal"], false),
            (&["return"], false),
            (&["x=\"return=representation\""], false),
        ] {
            let mut headers = HeaderMap::new();
            values.iter().for_each(|value| headers.append(PREFER, HeaderValue::from_static(value)));
            assert_eq!(wants_representation(&headers), expected, "{values:?}");
        }
    }
}
