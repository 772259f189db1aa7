//! What the service is compared with: the least that a handler can do for the same job.

use actix_web::{App, HttpResponse, HttpServer, web};
use pulldown_cmark::{Options, Parser, html};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

#[derive(Deserialize)]
struct Asked {
    source: String,
}

#[derive(Serialize)]
struct Rendered {
    html: String,
}

async fn render(asked: web::Json<Asked>) -> HttpResponse {
    let mut html = String::new();
    html::push_html(&mut html, Parser::new_ext(&asked.source, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH));
    HttpResponse::Ok().json(Rendered { html })
}

/// Serves until the process is ended.
pub(crate) fn serve(address: SocketAddr, workers: usize) -> std::io::Result<()> {
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(|| App::new().route("/render", web::post().to(render)));
        server.workers(workers).bind(address)?.run().await
    })
}
