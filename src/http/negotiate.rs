//! Which of our forms the caller likes best: `Accept` and `Accept-Encoding` with their q-values.
//!
//! A caller who accepts none of our forms gets the default one rather than a 406: RFC 9110 leaves the choice, and an
//! answer in a form that was not asked for tells more than none.
//!
//! **Source:** RFC 9110 §12.4.2 (weights), §12.5.1 (`Accept`: the most specific range decides), §12.5.3
//! (`Accept-Encoding`), §12.1 (no obligation to answer 406).

use actix_web::http::header::{self, ContentEncoding, HeaderMap, HeaderName, HeaderValue};

/// The most list items that are looked at: browsers send ten, and the header is bounded by the head anyway.
const ITEMS_MAX: usize = 64;

/// The index of the offer that `Accept` likes best; the first of equals; 0 where it likes none.
///
/// Offers are `type/subtype` in lower case.
pub(super) fn media(headers: &HeaderMap, offers: &[&str]) -> usize {
    let mut values = headers.get_all(header::ACCEPT).map(HeaderValue::as_bytes);
    // What clients mostly send: nothing, anything, or the one form they want.
    match (values.next(), values.next()) {
        (None | Some(b"*/*"), None) => return 0,
        (Some(only), None) => {
            if let Some(at) = offers.iter().position(|offer| offer.as_bytes() == only) {
                return at;
            }
        }
        _ => {}
    }
    let ranges: Vec<(String, u16)> = items(headers, header::ACCEPT);
    let mut best = (0, 0);
    if !ranges.is_empty() {
        for (at, offer) in offers.iter().enumerate() {
            let quality = media_quality(&ranges, offer);
            if quality > best.1 {
                best = (at, quality);
            }
        }
    }
    best.0
}

fn media_quality(ranges: &[(String, u16)], offer: &str) -> u16 {
    let kind = offer.split('/').next().unwrap_or_default();
    let specificity = |range: &str| match range.split_once('/') {
        _ if range == offer => 3,
        Some((range_kind, "*")) if range_kind == kind => 2,
        Some(("*", "*")) => 1,
        _ => 0,
    };
    let matching = ranges.iter().map(|(range, quality)| (specificity(range), *quality)).filter(|(how, _)| *how > 0);
    // Of equally specific ranges the better one counts.
    matching.max().map_or(0, |(_, quality)| quality)
}

/// The content coding to use: of zstd, br and gzip the one liked best (in this order where equal), if it is liked more
/// than none at all.
pub(super) fn coding(headers: &HeaderMap) -> ContentEncoding {
    let accepted: Vec<(String, u16)> = items(headers, header::ACCEPT_ENCODING);
    let quality = |name: &str| {
        let by_name = |wanted: &str| accepted.iter().find(|(coding, _)| coding == wanted).map(|(_, quality)| *quality);
        by_name(name).or_else(|| by_name("*"))
    };
    let offers = [("zstd", ContentEncoding::Zstd), ("br", ContentEncoding::Brotli), ("gzip", ContentEncoding::Gzip)];
    let mut best = (ContentEncoding::Identity, 0);
    for (name, encoding) in offers {
        let liked = quality(name).unwrap_or(0);
        if liked > best.1 {
            best = (encoding, liked);
        }
    }
    // "identity" is acceptable unless ruled out, and preferred only where it is named with a higher weight.
    let identity = accepted.iter().find(|(coding, _)| coding == "identity").map_or(0, |(_, quality)| *quality);
    if identity > best.1 { ContentEncoding::Identity } else { best.0 }
}

/// The items of a comma-separated header with their weights in thousandths, in lower case and without parameters.
fn items(headers: &HeaderMap, name: HeaderName) -> Vec<(String, u16)> {
    let values = headers.get_all(name).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| split(value, ',')).take(ITEMS_MAX).filter_map(weigh).collect()
}

/// Splits at separators that stand outside quoted strings.
fn split(value: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    value.split(move |c: char| {
        if escaped {
            escaped = false;
        } else if quoted && c == '\\' {
            escaped = true;
        } else if c == '"' {
            quoted = !quoted;
        }
        c == separator && !quoted
    })
}

fn weigh(item: &str) -> Option<(String, u16)> {
    let mut parts = split(item, ';').map(str::trim);
    let what = parts.next().filter(|what| !what.is_empty())?.to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((what, weight.map_or(Some(1000), parse_weight)?))
}

/// `0`, `1`, or either with up to three decimals, in thousandths.
fn parse_weight(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERS: &[&str] = &["application/json", "text/html"];

    fn map(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_form_liked_best_is_chosen_and_json_where_none_is() {
        for (accept, expected) in [
            (&[][..], 0),
            (&["*/*"], 0),
            (&["application/json"], 0),
            (&["text/html"], 1),
            (&["text/*"], 1),
            (&["text/html;q=0.9, application/json;q=0.8"], 1),
            (&["text/html;q=0.8, application/json"], 0),
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], 1),
            (&["text/html;q=0, */*"], 0),
            (&["application/json;q=0", "*/*;q=0.1"], 1),
            (&["application/xml"], 0),
            (&["TEXT/HTML; Q=1.000"], 1),
            (&["application/json;q=2, text/html;q=0.1"], 1),
            (&["text/html;level=\"a,b;q=0\";q=1, application/json;q=0.5"], 1),
            (&["application/json;q=0.0001, text/html;q=0.001"], 1),
        ] {
            assert_eq!(media(&map(header::ACCEPT, accept), OFFERS), expected, "{accept:?}");
        }
    }

    #[test]
    fn a_coding_is_used_only_where_it_is_asked_for() {
        use ContentEncoding::{Brotli, Gzip, Identity, Zstd};
        for (accept, expected) in [
            ("", Identity),
            ("gzip", Gzip),
            ("gzip, deflate, br, zstd", Zstd),
            ("gzip, deflate, br", Brotli),
            ("gzip;q=1.0, br;q=0.5", Gzip),
            ("*", Zstd),
            ("*;q=0", Identity),
            ("identity, gzip;q=0.5", Identity),
            ("identity;q=0.5, gzip;q=1", Gzip),
            ("gzip;q=0", Identity),
            ("identity;q=0", Identity),
            ("deflate", Identity),
        ] {
            assert_eq!(coding(&map(header::ACCEPT_ENCODING, &[accept])), expected, "{accept:?}");
        }
    }
}
