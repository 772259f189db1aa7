//! What is known of a request before anyone handles it: its id, its trace, its client.

use actix_web::dev::ServiceRequest;

use super::facts;
use super::request_id::{RequestId, Trace, span_id};
use crate::auth::{Auth, ClientAddress};

/// The context of one request; handlers and checks find it in the request's extensions.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The caller's id for the request, or ours.
    pub id: RequestId,
    /// The trace that the caller says it belongs to.
    pub trace: Option<Trace>,
    /// The client's address; `None` on a Unix socket.
    pub client: Option<ClientAddress>,
}

impl RequestContext {
    /// Reads the context from the request's headers and its connection.
    pub fn of(request: &ServiceRequest, auth: &Auth) -> Self {
        let headers = request.headers();
        let id = RequestId::accept(headers.get("x-request-id").map(|value| value.as_bytes()));
        let trace = headers.get("traceparent").and_then(|value| Trace::parse(value.as_bytes(), span_id()));
        Self { id, trace, client: facts::client_address(request.request(), auth) }
    }

    /// The client for the log.
    pub fn client_text(&self) -> String {
        self.client.map_or_else(|| "local".to_owned(), |client| client.to_string())
    }
}
