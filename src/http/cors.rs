//! What a browser is told about pages of allowed origins (CORS).
//!
//! The origin is echoed, never `*`. Credentials that a browser adds by itself (cookies) are allowed only where a cookie
//! opens anything: on routes to subscribe. `Vary: Origin` stands on every answer (`frame` puts it there).
//!
//! **Invariant:** only an allowed origin is ever named (`only_allowed_pages_are_told_anything`), and cookies are allowed
//! to no other (`cookies_are_allowed_to_named_origins_only`).
//!
//! **Source:** Fetch §3.2 (CORS protocol), §3.2.3 (responses to preflights).

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::auth::Page;

/// Request headers that a page may set: those that mean something here, and no other.
const REQUEST_HEADERS: &str =
    "authorization, content-type, idempotency-key, last-event-id, prefer, x-request-id, traceparent, tracestate";

/// Answer headers that a page may read beside the few that every page may.
const ANSWER_HEADERS: &str =
    "link, preference-applied, ratelimit, ratelimit-policy, retry-after, traceresponse, x-request-id, www-authenticate";

/// How long a browser may remember the answer to a preflight, in seconds. Two hours are the most that browsers take.
const PREFLIGHT_SECONDS: &str = "7200";

/// Whether a browser asks what a page may do.
pub(super) fn is_preflight(request: &HttpRequest) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Headers of the answer to a page's request.
pub(super) fn answer_headers(page: &Page) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    if let Some(origin) = allowed(page) {
        headers.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin));
        headers.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(ANSWER_HEADERS)));
    }
    headers
}

/// The header that lets an allowed page send its cookies and read the answer, where `wanted`.
pub(super) fn credentials(page: &Page, wanted: bool) -> Option<(HeaderName, HeaderValue)> {
    let header = (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    allowed(page).filter(|_| wanted).map(|_| header)
}

/// Headers of the answer to a preflight for a path that takes `methods`.
pub(super) fn preflight_headers(page: &Page, methods: &'static str) -> Vec<(HeaderName, HeaderValue)> {
    let asked = "Access-Control-Request-Method, Access-Control-Request-Headers";
    let mut headers = vec![(header::VARY, HeaderValue::from_static(asked))];
    if let Some(origin) = allowed(page) {
        headers.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin));
        headers.push((header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods)));
        headers.push((header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS)));
        headers.push((header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS)));
    }
    headers
}

/// Adds headers to an answer; `Vary` and its like are lists and grow.
pub(super) fn append(headers: &mut HeaderMap, more: impl IntoIterator<Item = (HeaderName, HeaderValue)>) {
    for (name, value) in more {
        headers.append(name, value);
    }
}

fn allowed(page: &Page) -> Option<HeaderValue> {
    match page {
        Page::Allowed(origin) => HeaderValue::from_str(&origin.to_string()).ok(),
        Page::None | Page::Own => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_allowed_pages_are_told_anything() {
        let app = Page::Allowed("https://app.example".parse().unwrap());
        for (page, expected) in [(Page::None, None), (Page::Own, None), (app, Some("https://app.example"))] {
            for headers in [answer_headers(&page), preflight_headers(&page, "POST")] {
                let mut map = HeaderMap::new();
                append(&mut map, headers);
                let origin = map.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap());
                assert_eq!(origin, expected, "{page:?}");
                assert!(!map.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
            }
        }
    }

    #[test]
    fn cookies_are_allowed_to_named_origins_only() {
        let app = Page::Allowed("https://app.example".parse().unwrap());
        for (page, wanted, expected) in
            [(&app, true, true), (&app, false, false), (&Page::None, true, false), (&Page::Own, true, false)]
        {
            assert_eq!(credentials(page, wanted).is_some(), expected, "{page:?} {wanted}");
        }
    }
}
