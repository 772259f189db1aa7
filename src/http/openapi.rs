//! The API document: made from the handlers, the table of options, the table of problems and the table of routes.
//!
//! **Invariant:** `openapi/openapi.json` is what this makes (`the_committed_document_is_what_the_handlers_say`).
//! **Source:** OpenAPI 3.1.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use utoipa::OpenApi as _;

use super::door::Need;
use super::openapi_ops;
use super::problem::{PROBLEM_TYPE, Problem, ProblemBody};
use super::problem_kinds::{KINDS, Kind};
use super::publish;
use super::routes::{NEEDS, ROUTES, RouteSpec};
use crate::auth::{TOKEN_COOKIE, TOKEN_PARAMETER};
use crate::channel::run_options::FIXED;
use crate::ingest::FORMATS;
use crate::markdown::options::{Kind as OptionKind, OPTIONS, OptionSpec};

/// The document as it is served and committed: indented, with a line feed at the end.
pub static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut text = serde_json::to_string_pretty(&document()).expect("JSON values serialise");
    text.push('\n');
    text
});

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Rillmark"),
    paths(
        super::render::render,
        super::render_stream::render_stream,
        super::publish::ops,
        super::publish::reply,
        super::publish::stream,
        super::publish::cancel,
        super::publish::channel,
        super::publish::end,
        super::sse::of_channel,
        super::ws::of_channel,
        super::sse::of_several,
        super::ws::of_several,
        super::health::healthz,
        super::health::readyz,
        super::health::metrics,
        super::docs::openapi,
        super::client::module,
        super::problem_pages::list,
        super::problem_pages::page,
    ),
    components(schemas(
        ProblemBody<'static>,
        RenderBody,
        RenderAnswer,
        publish::BatchBody,
        publish::OpsAnswer,
        publish::ReplyAnswer,
        publish::StreamAnswer,
        publish::CancelAnswer,
        publish::ChannelAnswer,
        publish::EndAnswer,
    )),
    tags(
        (name = "render", description = "Markdown to safe HTML."),
        (name = "publish", description = "Ops and replies into channels, and what has become of them."),
        (name = "subscribe", description = "What is published to a channel reaches all who watch it."),
        (name = "operations", description = "What orchestrators, monitoring and people ask."),
    )
)]
struct Handlers;

/// What is rendered, and how.
#[derive(utoipa::ToSchema)]
#[schema(as = RenderRequest)]
#[expect(dead_code, reason = "the shape of a body that is parsed by hand, for the API document")]
pub(super) struct RenderBody {
    /// The Markdown. Lone surrogates in escapes become U+FFFD.
    source: String,
    /// How to render it; see the schema of the options.
    #[schema(required = false, schema_with = options_reference)]
    options: (),
}

/// The HTML.
#[derive(utoipa::ToSchema)]
#[schema(as = RenderAnswer)]
#[expect(dead_code, reason = "the shape of an answer that is written by hand, for the API document")]
pub(super) struct RenderAnswer {
    /// A fragment that is safe to put on a page.
    html: String,
}

/// One word.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "the shape of an answer that is written by hand, for the API document")]
pub(super) struct Status {
    /// `ok` or `ready`.
    status: String,
}

fn options_reference() -> utoipa::openapi::Ref {
    utoipa::openapi::Ref::from_schema_name("RenderOptions")
}

fn document() -> Value {
    let mut document = serde_json::to_value(Handlers::openapi()).expect("the document serialises");
    document["openapi"] = json!("3.1.0");
    document["info"] = json!({
        "title": "Rillmark",
        "version": env!("CARGO_PKG_VERSION"),
        "summary": env!("CARGO_PKG_DESCRIPTION"),
        "description": "Markdown in, HTML that is safe to put on a page out. Every refusal is an RFC 9457 problem \
            whose `type` is a stable name, explained at `/problems/{slug}`; `retryable` says whether the same request \
            may succeed later. Every answer has an `x-request-id`, the caller's own if it sent a valid one.",
        "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
    });
    document["servers"] = json!([{"url": ".", "description": "Where this document was found"}]);
    document["security"] = json!([{"apiKey": []}, {}]);
    let components = &mut document["components"];
    components["securitySchemes"] = security_schemes();
    components["schemas"]["RenderOptions"] = options_schema();
    let schemas = &mut components["schemas"];
    schemas["StreamOptions"] = options_of_streams(&schemas["RenderOptions"]);
    schemas["Op"] = openapi_ops::schema();
    for closed in ["RenderRequest", "Batch"] {
        schemas[closed]["additionalProperties"] = json!(false);
    }
    // Not `oneOf`: an answer with an id alone would be both to whoever ignores what is missing.
    let answers = schemas["OpsAnswer"].as_object_mut().expect("a schema is an object");
    let either = answers.remove("oneOf").expect("it is one of two");
    answers.insert("anyOf".to_owned(), either);
    components["responses"] = problem_responses();
    complete_operations(&mut document);
    document
}

/// What callers may show.
fn security_schemes() -> Value {
    let token =
        "A JWT (HS256) that a backend has signed, whose claim `rillmark` lists what it allows on which channels";
    json!({
        "apiKey": {
            "type": "http",
            "scheme": "bearer",
            "description": "One of the service's API keys. A service without keys and token secrets answers local \
                callers without one.",
        },
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": format!("{token}.")},
        "tokenInUrl": {
            "type": "apiKey",
            "in": "query",
            "name": TOKEN_PARAMETER,
            "description": format!("{token}. It must expire within 60 s."),
        },
        "tokenCookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": TOKEN_COOKIE,
            "description": format!("{token}. To subscribe only."),
        },
    })
}

/// What is to be shown for `need`; nothing in keyless mode.
fn security_of(need: Need) -> Value {
    match need {
        Need::Manage => json!([{"apiKey": []}, {}]),
        Need::Publish | Need::Cancel => json!([{"apiKey": []}, {"token": []}, {"tokenInUrl": []}, {}]),
        Need::Subscribe | Need::Socket => {
            json!([{"apiKey": []}, {"token": []}, {"tokenInUrl": []}, {"tokenCookie": []}, {}])
        }
    }
}

/// The same options where some are fixed and one has another default.
fn options_of_streams(options: &Value) -> Value {
    let mut options = options.clone();
    let properties = options["properties"].as_object_mut().expect("options are properties");
    for name in FIXED {
        properties[name] = json!({"const": true, "description": "Fixed in a stream."});
    }
    properties["tail"]["default"] = json!("complete");
    options["description"] = json!("How a stream is rendered; on the first `markdown` op of a run.");
    options
}

/// One property for each row of the table.
fn options_schema() -> Value {
    let properties: Map<String, Value> =
        OPTIONS.iter().map(|spec| (spec.name.to_owned(), option_schema(spec))).collect();
    json!({
        "type": "object",
        "description": "How to render. All are optional; an unknown one is refused.",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn option_schema(spec: &OptionSpec) -> Value {
    let mut schema = match spec.kind {
        OptionKind::Bool => json!({"type": "boolean", "default": spec.default == "true"}),
        OptionKind::Word(words) => json!({"type": "string", "enum": words, "default": spec.default}),
        OptionKind::Text { pattern, .. } => json!({"type": "string", "default": spec.default, "pattern": pattern}),
    };
    let doc = match spec.kind {
        OptionKind::Text { takes, .. } => format!("{} Takes {takes}.", spec.doc),
        _ => spec.doc.to_owned(),
    };
    schema["description"] = json!(doc);
    schema
}

/// One response for each status that problems have, with an example of each kind.
fn problem_responses() -> Value {
    let mut responses = Map::new();
    for status in KINDS.iter().map(|row| row.status) {
        let kinds = KINDS.iter().filter(|row| row.status == status);
        let examples: Map<String, Value> = kinds
            .clone()
            .map(|row| {
                let body = Problem::new(row.kind, row.title).json("01980b6e-2f7a-7c31-9d6e-6f1c2a9b4e10");
                let body: Value = serde_json::from_str(&body).expect("a problem is JSON");
                (row.slug.to_owned(), json!({"summary": row.title, "value": body}))
            })
            .collect();
        let titles: Vec<&str> = kinds.map(|row| row.title).collect();
        let mut response = json!({
            "description": format!("{}.", titles.join(", or ")),
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
        });
        match status {
            429 => {
                response["headers"] = rate_headers();
                response["headers"]["Retry-After"] = header("Whole seconds to wait", "integer");
            }
            503 => response["headers"] = json!({"Retry-After": header("Whole seconds to wait", "integer")}),
            405 => response["headers"] = json!({"Allow": header("The methods that there are", "string")}),
            401 => response["headers"] = json!({"WWW-Authenticate": header("`Bearer`", "string")}),
            _ => {}
        }
        responses.insert(name_of(status), response);
    }
    Value::Object(responses)
}

fn header(text: &str, kind: &str) -> Value {
    json!({"description": text, "schema": {"type": kind}})
}

/// What a caller is told about its rate. Absent where there is none.
fn rate_headers() -> Value {
    json!({
        "RateLimit-Policy": header("At most `q` at once, refilled over `w` seconds: `\"render\";q=400;w=2`", "string"),
        "RateLimit": header("`r` are left; in `t` seconds there are more: `\"render\";r=399;t=1`", "string"),
    })
}

fn name_of(status: u16) -> String {
    format!("Problem{status}")
}

/// Gives each operation the problems of its route, and those that render the options as query parameters.
fn complete_operations(document: &mut Value) {
    let paths = document["paths"].as_object_mut().expect("there are paths");
    for (path, item) in paths {
        let spec = ROUTES.iter().find(|spec| spec.path == path).expect("each documented path is a route");
        let needs = NEEDS.iter().find(|(of, _)| of == path).map_or(&[][..], |(_, needs)| *needs);
        for (method, operation) in item.as_object_mut().expect("a path item") {
            if let Some((_, need)) = needs.iter().find(|(of, _)| of.eq_ignore_ascii_case(method)) {
                operation["security"] = security_of(*need);
            }
            refine_parameters(operation);
            // What an event holds is a frame; OpenAPI 3.1 has no word for the schema of each.
            let events = operation.pointer_mut("/responses/200/content/text~1event-stream");
            if let Some(events) = events.and_then(Value::as_object_mut) {
                events.remove("schema");
            }
            let responses = operation["responses"].as_object_mut().expect("there are responses");
            for kind in kinds_of(spec).filter(|kind| may_refuse(method, *kind)) {
                let status = kind.row().status;
                let reference = json!({"$ref": format!("#/components/responses/{}", name_of(status))});
                responses.insert(status.to_string(), reference);
            }
        }
    }
    let reply = "/channels/{channel}/streams/{stream}";
    for (path, streamed) in [("/render", false), ("/render/stream", true), (reply, true)] {
        let operation = &mut document["paths"][path]["post"];
        let mut parameters = operation["parameters"].take().as_array().cloned().unwrap_or_default();
        parameters.extend(option_parameters(streamed));
        operation["parameters"] = Value::Array(parameters);
        operation["responses"]["200"]["headers"] = rate_headers();
    }
}

/// The options as query parameters: of a render, or of a stream, where some are fixed and one has another default.
fn option_parameters(streamed: bool) -> impl Iterator<Item = Value> {
    OPTIONS.iter().filter(move |spec| !(streamed && FIXED.contains(&spec.name))).map(move |spec| {
        // Without its default, or Swagger UI would send them all.
        let mut schema = option_schema(spec);
        let default = schema["default"].take();
        schema.as_object_mut().expect("a schema is an object").remove("default");
        let mut parameter = json!({"name": spec.name, "in": "query", "required": false, "schema": schema});
        let default = if streamed && spec.name == "tail" { json!("complete") } else { default };
        parameter["description"] = json!(format!("{} Default: `{default}`.", spec.doc));
        parameter
    })
}

/// Says of parameters what only tables know.
fn refine_parameters(operation: &mut Value) {
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        let schema = match parameter["name"].as_str() {
            Some("format") => {
                json!({"type": "string", "enum": FORMATS.iter().map(|spec| spec.name).collect::<Vec<_>>()})
            }
            Some("epoch") => json!({"type": "string", "pattern": publish::EPOCH_PATTERN}),
            Some("Idempotency-Key") => json!({"type": "string", "pattern": publish::KEY_PATTERN}),
            _ => continue,
        };
        parameter["schema"] = schema;
    }
}

/// Whether a refusal of a path can be one of this method of it.
fn may_refuse(method: &str, kind: Kind) -> bool {
    let asked = [
        Kind::InvalidHeader,
        Kind::InvalidName,
        Kind::LogUnavailable,
        Kind::Unauthorized,
        Kind::Forbidden,
        Kind::MethodNotAllowed,
        Kind::RateLimited,
        Kind::Draining,
        Kind::Internal,
    ];
    match method {
        "get" => kind == Kind::NotFound || asked.contains(&kind),
        "delete" => asked.contains(&kind),
        _ => kind != Kind::NotFound,
    }
}

/// The refusals of a route: its own, and those that any route may give.
fn kinds_of(spec: &RouteSpec) -> impl Iterator<Item = Kind> {
    let everywhere = [Kind::InvalidHeader, Kind::Forbidden, Kind::MethodNotAllowed, Kind::Internal];
    everywhere.into_iter().chain(spec.problems.iter().copied())
}
