//! The API document and the page that browses it, all from inside the binary: it works with no internet.
//!
//! **Source:** Swagger UI's configuration reference; CSP Level 3. Swagger UI sets inline styles, hence `'unsafe-inline'`
//! for styles alone; it runs no inline script.

use std::sync::{Arc, LazyLock};

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use utoipa_swagger_ui::Config;

use super::fixed::Fixed;
use super::openapi::DOCUMENT;
use super::pages;
use super::problem::Problem;
use super::problem_kinds::Kind;

/// What the page of docs may do: load its own files and talk to its own origin.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
/// How long browsers keep a file that changes only with the version.
const CACHE: &str = "public, max-age=3600";

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const INDEX: &str = include_str!("assets/docs.html");

static OPENAPI: LazyLock<Fixed> = LazyLock::new(|| Fixed::new("application/json", DOCUMENT.as_str()));
/// The files that the page uses: its own, and Swagger UI's.
static FILES: LazyLock<Vec<(&str, Fixed)>> = LazyLock::new(|| {
    let mut files = vec![
        ("docs.js", Fixed::new(SCRIPT, include_str!("assets/docs.js"))),
        ("docs.css", Fixed::new(STYLE, include_str!("assets/docs.css"))),
    ];
    let config = Arc::new(Config::from("../openapi.json"));
    for (name, media_type) in [("swagger-ui.css", STYLE), ("swagger-ui-bundle.js", SCRIPT)] {
        let file = utoipa_swagger_ui::serve(name, Arc::clone(&config)).ok().flatten();
        let file = file.expect("Swagger UI has the files that its page names");
        files.push((name, Fixed::new(media_type, file.bytes.into_owned())));
    }
    files
});

/// The API document.
///
/// # Errors
/// As [`Fixed::answer`].
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations", operation_id = "getOpenApi", security(()),
    summary = "This document",
    description = "OpenAPI 3.1, made from the handlers.",
    responses((status = 200, description = "The document", content_type = "application/json", body = Object)),
)]
pub(super) async fn openapi(request: HttpRequest) -> Result<HttpResponse, Problem> {
    OPENAPI.answer(&request, cached()).await
}

/// `/docs`: the page's files are beside it, so it must end in a slash.
pub(super) async fn to_folder() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "docs/")).finish()
}

/// `/docs/`.
pub(super) async fn index() -> HttpResponse {
    pages::html(CSP).body(INDEX)
}

/// `/docs/{file}`.
///
/// # Errors
/// `not-found` for files that the page does not use.
pub(super) async fn file(request: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let (_, file) = FILES
        .iter()
        .find(|(file, _)| *file == name.as_str())
        .ok_or_else(|| Problem::new(Kind::NotFound, "the docs have no such file"))?;
    file.answer(&request, cached()).await
}

/// Begins the answer with a file that browsers keep.
pub(super) fn cached() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, CACHE));
    response
}
