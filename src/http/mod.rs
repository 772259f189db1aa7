//! HTTP: routes, extractors, thin handlers, problems.

use std::time::Duration;

use crate::markdown::Policy;

/// What the operator decides about HTTP.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// The longest `text/markdown` or `text/plain` body of `POST /render`, in bytes. 16 MiB: above the 10 MiB that are
    /// parsed, so that "too big to parse" is an answer, not a refusal. Longer → 413.
    pub render_body_bytes_max: usize,
    /// The longest JSON body of `POST /render`, in bytes. 64 MiB, since JSON may write one byte of source as six.
    /// Longer → 413.
    pub render_json_bytes_max: usize,
    /// How long a request's body may take to arrive. Longer → 408.
    pub body_timeout: Duration,
    /// What the renderer may write, the same for every request.
    pub policy: Policy,
    /// Whether `/` offers a live render. It is only ever offered when no key is needed to render.
    pub demo: bool,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            render_body_bytes_max: 16 * 1024 * 1024,
            render_json_bytes_max: 64 * 1024 * 1024,
            body_timeout: Duration::from_secs(30),
            policy: Policy::default(),
            demo: true,
        }
    }
}
