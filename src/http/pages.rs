//! The front page and what all pages for people share.
//!
//! Every link is relative, so pages work under any path prefix. No inline script or style: the policy forbids both. The
//! demo is offered only where nothing needs a key; without scripts its form is answered with the same page, rendered.
//!
//! **Invariant:** no page runs or loads anything from elsewhere (`pages_forbid_what_they_do_not_need`).
//! **Source:** CSP Level 3; Trusted Types; HTML §4.10.21 (form submission), §4.10.11 (a textarea drops one line feed).

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};

use super::docs;
use super::fixed::Fixed;
use super::problem::Problem;
use super::problem_kinds::Kind;
use super::render::Renderer;
use super::render_request::decode;
use crate::markdown::options::{Images, TableAlign, Tail};
use crate::markdown::{self, Options, Policy};

/// What pages may do: load our style, script and icon, and talk to us. HTML reaches the page through one policy.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types rillmark";
/// The longest source of the front page's form, in characters, as its textarea has it.
const LIVE_CHARS_MAX: usize = 1_000;
/// The longest body of that form: a thousand characters of four bytes, three letters for each.
const LIVE_BODY_BYTES_MAX: usize = 16 * 1024;

const SCRIPT: &str = "text/javascript; charset=utf-8";
const SHELL: &str = include_str!("assets/page.html");
const INDEX: &str = include_str!("assets/index.html");
const LIVE: &str = include_str!("assets/live.html");
const STILL: &str = include_str!("assets/still.html");
const DOCS: &str = "The <a href=\"docs/\">API docs</a> list every option, \
    and <a href=\"openapi.json\">openapi.json</a> says the same to programs.\n";
const SAMPLE: &str = include_str!("assets/sample.md");
static FILES: LazyLock<[(&str, Fixed); 4]> = LazyLock::new(|| {
    [
        ("page.css", Fixed::new("text/css; charset=utf-8", include_str!("assets/page.css"))),
        ("demo.js", Fixed::new(SCRIPT, include_str!("assets/demo.js"))),
        ("samples.js", Fixed::new(SCRIPT, include_str!("assets/samples.js"))),
        ("icon.svg", Fixed::new("image/svg+xml", include_str!("assets/icon.svg"))),
    ]
});

/// What the front page offers.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrontPage {
    /// The demo, and a form that renders without scripts.
    pub live: bool,
    /// The docs are served here too.
    pub docs: bool,
    /// Whether a render needs an API key.
    pub needs_key: bool,
}

/// Begins the answer with a page: its headers.
pub(super) fn html(csp: &'static str) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, csp))
        // Not `no-referrer`: under it a form's `Origin` is `null`, which is refused.
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
        .insert_header((header::CACHE_CONTROL, "no-cache"));
    response
}

/// A whole page. `up` leads from it to the root: `""` or `"../"`. `main` is HTML.
pub(super) fn page(title: &str, up: &str, main: &str) -> HttpResponse {
    let page = SHELL.replace("{{title}}", &escape(title)).replace("{{up}}", up).replace("{{main}}", main);
    html(CSP).insert_header((header::VARY, "Accept")).body(page)
}

/// `GET /`.
pub(super) async fn index(request: HttpRequest, front: web::Data<FrontPage>) -> HttpResponse {
    static SAMPLE_HTML: LazyLock<String> =
        LazyLock::new(|| markdown::render(SAMPLE.trim_end(), &live_options(), &Policy::default()));
    front_page(&request, **front, SAMPLE.trim_end(), &SAMPLE_HTML)
}

/// `POST /`: the form without scripts.
///
/// # Errors
/// `body-too-large`, `busy`, `invalid-option` (no `source`), and what reading a body may give.
pub(super) async fn index_form(
    request: HttpRequest,
    payload: web::Payload,
    renderer: web::Data<Renderer>,
    front: web::Data<FrontPage>,
) -> Result<HttpResponse, Problem> {
    let body = renderer.read(&request, payload, LIVE_BODY_BYTES_MAX).await?;
    let form = String::from_utf8_lossy(&body.bytes);
    let source = form.split('&').find_map(|pair| pair.strip_prefix("source=")).map(decode);
    let source = source
        .ok_or_else(|| Problem::new(Kind::InvalidOption, "`source` is missing").naming("source"))?
        .replace("\r\n", "\n");
    if source.chars().count() > LIVE_CHARS_MAX {
        let detail = format!("the form takes {LIVE_CHARS_MAX} characters; POST /render takes more");
        return Err(Problem::new(Kind::BodyTooLarge, detail));
    }
    let html = renderer.small(&source, live_options()).await?;
    Ok(front_page(&request, **front, &source, &html))
}

/// `GET /assets/{file}`.
///
/// # Errors
/// `not-found` for a file that no page uses.
pub(super) async fn asset(request: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let (_, file) = FILES
        .iter()
        .find(|(file, _)| *file == name.as_str())
        .ok_or_else(|| Problem::new(Kind::NotFound, "there is no such file"))?;
    file.answer(&request, docs::cached()).await
}

fn front_page(request: &HttpRequest, front: FrontPage, source: &str, html: &str) -> HttpResponse {
    let panes = if front.live { LIVE } else { STILL };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    // The values go in last, so that braces in them are only text.
    let main = INDEX
        .replace("{{here}}", &escape(&format!("http://{host}")))
        .replace("{{docs}}", if front.docs { DOCS } else { "" })
        .replace("{{key}}", if front.needs_key { " -H 'authorization: Bearer KEY'" } else { "" })
        .replace("{{token}}", if front.needs_key { " data-rillmark-token=&quot;TOKEN&quot;" } else { "" });
    let page = SHELL.replace("{{title}}", "Markdown to safe HTML").replace("{{up}}", "");
    let (before, after) = page.split_once("{{main}}").expect("the shell has a main part");
    let (above, below) = main.split_once("{{panes}}").expect("the front page has panes");
    let (first, rest) = panes.split_once("{{source}}").expect("panes show the source");
    let (second, third) = rest.split_once("{{html}}").expect("panes show the result");
    let body = [before, above, first, &escape(source), second, html, third, below, after].concat();
    self::html(CSP).body(body)
}

fn live_options() -> Options {
    Options {
        tail: Tail::Complete,
        images: Images::None,
        table_align: TableAlign::Attribute,
        task_lists: true,
        ..Options::default()
    }
}

/// Text for HTML, attributes included.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_fits_its_own_form() {
        assert!(SAMPLE.chars().count() <= LIVE_CHARS_MAX);
        assert!(LIVE.contains(&format!("maxlength=\"{LIVE_CHARS_MAX}\"")));
    }

    #[test]
    fn no_page_has_inline_scripts_styles_or_absolute_links() {
        for html in [SHELL, INDEX, LIVE, STILL, include_str!("assets/docs.html")] {
            for forbidden in [" style=", "<style", " onclick", "=\"/", "=\"http"] {
                assert!(!html.contains(forbidden), "{forbidden} in {html}");
            }
        }
    }
}
