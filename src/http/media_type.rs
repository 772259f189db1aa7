//! Which of the forms that a route takes a body has.
//!
//! **Source:** RFC 9110 §8.3 (`Content-Type`), §8.4 (no request codings are taken), §15.5.16; W3C Linked Data Platform
//! §7.1 (`Accept-Post`).

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use mime::Mime;

use super::problem::Problem;
use super::problem_kinds::Kind;

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// The index in `takes` of the body's media type; its charset, if it names one, is UTF-8.
///
/// # Errors
/// `unsupported-media-type`, telling what is taken.
pub(super) fn of_body(headers: &HeaderMap, takes: &[&str]) -> Result<usize, Problem> {
    // Most say it just so; what is left is read with care.
    let plain = |value: &HeaderValue| takes.iter().position(|taken| value == *taken);
    if let Some(found) = headers.get(header::CONTENT_TYPE).and_then(plain) {
        return Ok(found);
    }
    let list = takes.join(", ");
    let accept_post = HeaderValue::from_str(&list).expect("media types are visible ASCII");
    let refuse = move |detail: String| {
        let problem = Problem::new(Kind::UnsupportedMediaType, detail).closing();
        problem.header(ACCEPT_POST, accept_post.clone())
    };
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Err(refuse(format!("Content-Type is missing; it takes one of {list}")));
    };
    let shown = || String::from_utf8_lossy(value.as_bytes()).chars().take(80).collect::<String>();
    let media: Option<Mime> = value.to_str().ok().and_then(|text| text.parse().ok());
    let media = media.ok_or_else(|| refuse(format!("`{}` is not a media type", shown())))?;
    let Some(found) = takes.iter().position(|taken| *taken == media.essence_str()) else {
        return Err(refuse(format!("`{}` is not one of {list}", shown())));
    };
    match media.get_param(mime::CHARSET) {
        Some(charset) if charset != "utf-8" && !charset.as_str().eq_ignore_ascii_case("utf8") => {
            let shown: String = charset.as_str().chars().take(40).collect();
            Err(refuse(format!("the charset is utf-8, not {shown}")))
        }
        _ => Ok(found),
    }
}

/// Refuses a body that is packed.
///
/// # Errors
/// `unsupported-media-type`.
pub(super) fn refuse_codings(headers: &HeaderMap) -> Result<(), Problem> {
    let coded =
        headers.get(header::CONTENT_ENCODING).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if !coded {
        return Ok(());
    }
    let detail = "bodies are taken without Content-Encoding";
    let problem = Problem::new(Kind::UnsupportedMediaType, detail).closing();
    Err(problem.header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKES: &[&str] = &["application/json", "text/markdown", "text/plain"];

    fn judge(content_type: &'static str) -> Result<usize, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        of_body(&headers, TAKES)
    }

    #[test]
    fn a_media_type_is_taken_with_parameters_and_in_utf8_only() {
        let check = |content_type: &'static str, expected: Option<usize>| {
            assert_eq!(judge(content_type).ok(), expected, "{content_type}");
        };
        check("application/json", Some(0));
        check("Application/JSON; charset=UTF-8", Some(0));
        check("text/markdown; charset=\"utf-8\"; variant=GFM", Some(1));
        check("text/plain", Some(2));
        check("text/plain;charset=utf8", Some(2));
        check("text/plain; charset=iso-8859-1", None);
        check("application/json; charset=utf-16", None);
        check("text/html", None);
        check("application/x-www-form-urlencoded", None);
        check("markdown", None);
        assert!(of_body(&HeaderMap::new(), TAKES).is_err());
    }

    #[test]
    fn a_refusal_tells_what_is_taken() {
        let answer = judge("text/html").unwrap_err().respond("r", "/");
        assert_eq!(answer.headers().get("accept-post").unwrap(), "application/json, text/markdown, text/plain");
    }

    #[test]
    fn packed_bodies_are_refused() {
        let with = |coding: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
            refuse_codings(&headers).is_ok()
        };
        assert!(with("identity") && with("Identity") && refuse_codings(&HeaderMap::new()).is_ok());
        assert!(!with("gzip") && !with("br, gzip"));
    }
}
