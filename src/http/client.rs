//! The browser client: `/client.js`, and the same under a name with its hash, which never changes.
//!
//! The file in `clients/browser` is read by people; what is served is the same without its comments.
//!
//! **Invariant:** what is served is the committed module, small enough (`the_client_is_the_committed_one_and_small`), and
//! each coding has a tag of its own (`each_coding_has_its_own_tag`).
//! **Source:** RFC 9110 §8.8.3 (`ETag`), §13.1.2 (`If-None-Match`), §8.7 (`Content-Location`); RFC 8246 (`immutable`);
//! Fetch §3.6 (`Cross-Origin-Resource-Policy`).

use std::sync::LazyLock;

use actix_web::http::header::{self, ContentEncoding};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use sha2::{Digest as _, Sha256};

use super::fixed::Fixed;
use super::negotiate;
use super::problem::Problem;
use super::problem_kinds::Kind;

const MODULE: &str = include_str!("../../clients/browser/rillmark.js");
/// How long `/client.js` may be used unasked.
const CACHE: &str = "public, max-age=3600";
/// For a name that stands for its content.
const CACHE_FOR_EVER: &str = "public, max-age=31536000, immutable";

struct Client {
    file: Fixed,
    hash: String,
}

static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    let text = without_comments(MODULE);
    let hash = Sha256::digest(&text).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Client { file: Fixed::new("text/javascript; charset=utf-8", text), hash }
});

/// Without lines that are comments, empty ones, and what lines begin with. The module has no text over several lines in
/// which that would matter (`what_is_stripped_is_only_comments`).
fn without_comments(module: &str) -> String {
    let mut kept = String::with_capacity(module.len());
    kept.push_str("// Rillmark's browser client. MIT OR Apache-2.0; with its comments: clients/browser/rillmark.js\n");
    let mut inside = false;
    for line in module.lines() {
        let text = line.trim_start();
        inside |= text.starts_with("/**");
        if !inside && !text.is_empty() && !text.starts_with("//") {
            kept.push_str(text);
            kept.push('\n');
        }
        inside &= !text.ends_with("*/");
    }
    kept
}

/// The browser client.
///
/// # Errors
/// As [`Fixed::answer`].
#[utoipa::path(
    get, path = "/client.js", tag = "operations", operation_id = "getClient", security(()),
    summary = "The browser client",
    description = "An ES module, for pages of any origin. `Content-Location` names the same under a name with its hash, \
        which never changes and may be kept for ever.",
    responses(
        (status = 200, description = "The module", content_type = "text/javascript", body = String),
        (status = 304, description = "`If-None-Match` names it"),
    ),
)]
pub(super) async fn module(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut response = begin(CACHE);
    response.insert_header((header::CONTENT_LOCATION, format!("client-{}.js", CLIENT.hash)));
    answer(&request, response).await
}

/// `GET /client-{hash}.js`.
///
/// # Errors
/// `not-found` for another version's hash.
pub(super) async fn hashed(request: HttpRequest, hash: web::Path<String>) -> Result<HttpResponse, Problem> {
    if *hash != CLIENT.hash {
        return Err(Problem::new(Kind::NotFound, "this version has another client; /client.js names it"));
    }
    answer(&request, begin(CACHE_FOR_EVER)).await
}

fn begin(cache: &'static str) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CACHE_CONTROL, cache))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header(("cross-origin-resource-policy", "cross-origin"));
    response
}

async fn answer(request: &HttpRequest, mut response: HttpResponseBuilder) -> Result<HttpResponse, Problem> {
    let tag = tag(negotiate::coding(request.headers()));
    let known = request.headers().get_all(header::IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|list| list.split(',')).map(|one| one.trim().trim_start_matches("W/"));
    let unchanged = known.into_iter().any(|one| one == "*" || one == tag);
    response.insert_header((header::ETAG, tag));
    if unchanged {
        response.status(actix_web::http::StatusCode::NOT_MODIFIED);
        return Ok(response.append_header((header::VARY, "Accept-Encoding")).finish());
    }
    CLIENT.file.answer(request, response).await
}

/// The tag of the bytes as they are sent: strong, so of one coding.
fn tag(coding: ContentEncoding) -> String {
    match coding {
        ContentEncoding::Identity => format!("\"{}\"", CLIENT.hash),
        coding => format!("\"{}-{}\"", CLIENT.hash, coding.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stripped_is_only_comments() {
        // A text over several lines may hold what looks like a comment: there is none.
        for line in MODULE.lines().filter(|line| !line.trim_start().starts_with(['*', '/'])) {
            assert_eq!(line.matches('`').count() % 2, 0, "a text over several lines: {line}");
        }
        let stripped =
            without_comments("/** a\n * b\n */\nlet x = '//'; // kept\n\n  // gone\n/** one line */\nx();\n");
        assert_eq!(stripped.lines().skip(1).collect::<Vec<_>>(), ["let x = '//'; // kept", "x();"]);
        let code = without_comments(MODULE);
        assert!(code.contains("\nexport function connect(") && !code.contains("\n//"), "{code}");
    }
}
