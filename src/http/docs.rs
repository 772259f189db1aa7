//! The API document and the page that browses it, all from inside the binary: it works with no internet.
//!
//! **Source:** Swagger UI's configuration reference; CSP Level 3. Swagger UI sets inline styles, hence `'unsafe-inline'`
//! for styles alone; it runs no inline script.

use std::sync::{Arc, LazyLock};

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use utoipa_swagger_ui::Config;

use super::openapi::DOCUMENT;
use super::problem::Problem;
use super::problem_kinds::Kind;

/// What the page of docs may do: load its own files and talk to its own origin.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
/// How long browsers keep a file that changes only with the version.
const CACHE: &str = "public, max-age=3600";

const INDEX: &str = include_str!("assets/docs.html");
const START: &str = include_str!("assets/docs.js");
const STYLE: &str = include_str!("assets/docs.css");
/// The files of Swagger UI that the page uses.
const VENDORED: &[(&str, &str)] =
    &[("swagger-ui.css", "text/css; charset=utf-8"), ("swagger-ui-bundle.js", "text/javascript; charset=utf-8")];

/// The API document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations", operation_id = "getOpenApi", security(()),
    summary = "This document",
    description = "OpenAPI 3.1, made from the handlers.",
    responses((status = 200, description = "The document", content_type = "application/json", body = Object)),
)]
pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, CACHE))
        .body(DOCUMENT.as_str())
}

/// `/docs`: the page's files are beside it, so it must end in a slash.
pub(super) async fn to_folder() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "docs/")).finish()
}

/// `/docs/`.
pub(super) async fn index() -> HttpResponse {
    super::pages::html(CSP).body(INDEX)
}

/// `/docs/{file}`.
///
/// # Errors
/// `not-found` for files that the page does not use.
pub(super) async fn file(name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let own = match name.as_str() {
        "docs.js" => Some((START, "text/javascript; charset=utf-8")),
        "docs.css" => Some((STYLE, "text/css; charset=utf-8")),
        _ => None,
    };
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, CACHE));
    if let Some((text, media_type)) = own {
        return Ok(response.content_type(media_type).body(text));
    }
    static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::from("../openapi.json")));
    let (name, media_type) = VENDORED
        .iter()
        .find(|(vendored, _)| *vendored == name.as_str())
        .ok_or_else(|| Problem::new(Kind::NotFound, "the docs have no such file"))?;
    let file = utoipa_swagger_ui::serve(name, Arc::clone(&CONFIG)).map_err(Problem::internal)?;
    let file = file.ok_or_else(|| Problem::internal(format!("Swagger UI lacks {name}")))?;
    let body = match file.bytes {
        std::borrow::Cow::Borrowed(bytes) => bytes::Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => bytes::Bytes::from(bytes),
    };
    Ok(response.content_type(*media_type).body(body))
}
