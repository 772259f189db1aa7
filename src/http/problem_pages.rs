//! `/problems` and `/problems/{slug}`: what each refusal means, for people and, by `Accept`, for programs.
//!
//! **Source:** RFC 9457 §4 (a type's URI leads to its documentation).

use std::fmt::Write as _;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::negotiate;
use super::pages;
use super::problem::Problem;
use super::problem_kinds::{KINDS, Kind, Row};

/// A kind of problem, explained.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ProblemKind {
    /// What problems of this kind have as their `type`.
    #[serde(rename = "type")]
    #[schema(example = "/problems/busy")]
    kind: String,
    /// Its title.
    #[schema(example = "The service is busy")]
    title: &'static str,
    /// The status that it usually comes with.
    #[schema(example = 503)]
    status: u16,
    /// Whether the same request may succeed later.
    #[schema(example = true)]
    retryable: bool,
    /// What happened and what to do.
    doc: &'static str,
}

impl From<&'static Row> for ProblemKind {
    fn from(row: &'static Row) -> Self {
        let Row { slug, title, status, retryable, doc, .. } = *row;
        Self { kind: format!("/problems/{slug}"), title, status, retryable, doc }
    }
}

/// All kinds of problem.
#[utoipa::path(
    get, path = "/problems", tag = "operations", operation_id = "listProblems", security(()),
    summary = "All kinds of problem",
    description = "Every `type` that a problem may have: a page, or JSON where `Accept` prefers it.",
    responses((status = 200, description = "All kinds", content(
        (Vec<ProblemKind> = "application/json"), (String = "text/html"),
    ))),
)]
pub(super) async fn list(request: HttpRequest) -> HttpResponse {
    if prefers_json(&request) {
        return json(&KINDS.iter().map(ProblemKind::from).collect::<Vec<_>>());
    }
    let mut main = String::from("<h1>Problems</h1>\n<p>Every refusal of this service is one of these.</p>\n<dl>\n");
    for row in KINDS {
        let (slug, status, title) = (row.slug, row.status, row.title);
        writeln!(main, "<dt><a href=\"problems/{slug}\">{slug}</a> <small>{status}</small></dt><dd>{title}.</dd>")
            .expect("a String takes all");
    }
    main.push_str("</dl>\n");
    pages::page("Problems", "", &main)
}

/// One kind of problem.
#[utoipa::path(
    get, path = "/problems/{slug}", tag = "operations", operation_id = "getProblem", security(()),
    summary = "One kind of problem",
    description = "Where a problem's `type` leads: a page, or JSON where `Accept` prefers it.",
    params(("slug" = String, Path, description = "The last part of `type`", example = "busy")),
    responses((status = 200, description = "The kind", content(
        (ProblemKind = "application/json"), (String = "text/html"),
    ))),
)]
pub(super) async fn page(request: HttpRequest, slug: web::Path<String>) -> Result<HttpResponse, Problem> {
    let row = Kind::by_slug(&slug).ok_or_else(|| Problem::new(Kind::NotFound, "there is no problem of this name"))?;
    if prefers_json(&request) {
        return Ok(json(&ProblemKind::from(row)));
    }
    let again = if row.retryable { "The same request may succeed later." } else { "The same request will fail again." };
    let main = format!(
        "<p class=\"eyebrow\"><a href=\"../problems\">Problems</a></p>\n<h1>{}</h1>\n\
         <p><code>/problems/{}</code> <small>status {}</small></p>\n<p>{}</p>\n<p>{again}</p>\n",
        row.title, row.slug, row.status, row.doc
    );
    Ok(pages::page(row.title, "../", &main))
}

fn prefers_json(request: &HttpRequest) -> bool {
    negotiate::media(request.headers(), &["text/html", "application/json"]) == 1
}

fn json(value: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::VARY, "Accept"))
        .body(serde_json::to_string(value).expect("strings and numbers serialise"))
}
