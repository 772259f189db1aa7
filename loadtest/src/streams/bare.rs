//! What the service is compared with: a broadcaster as one would write it with actix in an afternoon. A message is
//! passed on as it came to everyone who is there; whoever is away or slow loses it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, web};
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

/// Messages that wait for one subscriber.
const QUEUE: usize = 64;

/// Who listens to what.
#[derive(Default)]
struct Channels(Mutex<HashMap<String, Vec<Sender<Bytes>>>>);

impl Channels {
    fn join(&self, name: &str) -> Receiver<Bytes> {
        let (sender, receiver) = channel(QUEUE);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(name.to_owned()).or_default().push(sender);
        receiver
    }

    fn send(&self, name: &str, message: &Bytes) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(subscribers) = all.get_mut(name) {
            subscribers.retain(|one| !matches!(one.try_send(message.clone()), Err(TrySendError::Closed(_))));
        }
    }
}

/// The messages of one subscriber as a body.
struct Messages(Receiver<Bytes>);

impl actix_web::body::MessageBody for Messages {
    type Error = Infallible;

    fn size(&self) -> actix_web::body::BodySize {
        actix_web::body::BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        self.0.poll_recv(cx).map(|message| message.map(Ok))
    }
}

async fn publish(name: Path<String>, body: Bytes, channels: Data<Channels>) -> HttpResponse {
    channels.send(&name, &body);
    HttpResponse::NoContent().finish()
}

async fn sse(name: Path<String>, channels: Data<Channels>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/event-stream").body(Messages(channels.join(&name)))
}

async fn ws(
    request: HttpRequest,
    payload: Payload,
    name: Path<String>,
    channels: Data<Channels>,
) -> Result<HttpResponse, Error> {
    let (response, mut session, _incoming) = actix_ws::handle(&request, payload)?;
    let mut messages = channels.join(&name);
    actix_web::rt::spawn(async move {
        while let Some(message) = messages.recv().await {
            let Ok(text) = message.try_into() else { break };
            let text: bytestring::ByteString = text;
            if session.text(text).await.is_err() {
                break;
            }
        }
    });
    Ok(response)
}

/// Serves until the process is ended.
pub(crate) fn serve(address: SocketAddr, workers: usize) -> std::io::Result<()> {
    actix_web::rt::System::new().block_on(async move {
        let channels = Data::new(Channels::default());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(Data::clone(&channels))
                .route("/publish/{name}", web::post().to(publish))
                .route("/sse/{name}", web::get().to(sse))
                .route("/ws/{name}", web::get().to(ws))
        });
        server.workers(workers).backlog(8192).bind(address)?.run().await
    })
}
