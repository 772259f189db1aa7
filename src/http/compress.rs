//! Compressing answers where the caller asks for it: text of at least [`BYTES_MIN`], with zstd, brotli or gzip.
//!
//! Chunks of any size that matters are compressed off the worker by the encoder itself.
//!
//! **Source:** RFC 9110 §8.4, §12.5.3, §12.5.5 (`Vary`).

use actix_http::encoding::Encoder;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::Version;
use actix_web::http::header::{self, ContentEncoding, HeaderMap, HeaderValue};

use super::negotiate;

/// Shorter bodies are sent as they are: they fit one packet either way.
pub(super) const BYTES_MIN: u64 = 1024;

/// Compresses the body of `response` if that is wanted and worth it; says in `Vary` that it may have been.
pub(super) fn compress(mut response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    if !is_text(response.headers()) || response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    let worth_it = matches!(response.response().body().size(), BodySize::Sized(bytes) if bytes >= BYTES_MIN);
    // What is compressed goes out in chunks, which older clients do not know.
    if !worth_it || response.request().version() < Version::HTTP_11 {
        return response;
    }
    let coding = negotiate::coding(response.request().headers());
    if coding == ContentEncoding::Identity {
        return response;
    }
    response.map_body(|head, body| Encoder::response(coding, head, body).boxed())
}

fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    // Events go out one by one, as they are.
    kind.starts_with("text/") && kind != "text/event-stream"
        || kind.ends_with("+json")
        || matches!(kind, "application/json" | "application/javascript" | "image/svg+xml")
}
