//! Liveness, readiness and metrics.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use tokio::sync::watch;

use super::problem::Problem;
use super::problem_kinds::Kind;
use crate::limits::Limits;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::TEXT_TYPE;

/// When to ask again: by then a load balancer has another instance, or a restart a new one.
const RETRY: Duration = Duration::from_secs(1);

/// Whether the service still wants new work, and whether it wants the old. A clone is a handle to the same switch.
#[derive(Clone, Debug)]
pub struct Readiness {
    phase: watch::Sender<Phase>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Ready,
    Draining,
    Ending,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { phase: watch::Sender::new(Phase::Ready) }
    }
}

impl Readiness {
    /// From now on the service is not ready. There is no way back.
    pub fn drain(&self) {
        self.phase.send_modify(|phase| *phase = Phase::Draining.max(*phase));
    }

    /// Whether [`Readiness::drain`] was called.
    pub fn is_draining(&self) -> bool {
        *self.phase.borrow() >= Phase::Draining
    }

    /// From now on connections that wait for nothing in particular are to end.
    pub fn end(&self) {
        self.phase.send_modify(|phase| *phase = Phase::Ending);
    }

    /// Waits for [`Readiness::end`].
    ///
    /// # Cancel safety
    /// It only waits.
    pub async fn ending(&self) {
        // The sender lives as long as we do.
        let _ = self.phase.subscribe().wait_for(|phase| *phase == Phase::Ending).await;
    }
}

/// The process lives.
#[utoipa::path(
    get, path = "/healthz", tag = "operations", operation_id = "getHealth", security(()),
    summary = "Liveness",
    description = "200 as long as the process answers at all, also while it stops. It asks nothing else.",
    responses(
        (status = 200, description = "Alive", body = inline(super::openapi::Status), example = json!({"status": "ok"})),
    )
)]
pub(super) async fn healthz() -> HttpResponse {
    status("ok")
}

/// The service takes new work.
#[utoipa::path(
    get, path = "/readyz", tag = "operations", operation_id = "getReadiness", security(()),
    summary = "Readiness",
    description = "200 while the service takes new work; 503 from the moment it was told to stop.",
    responses(
        (status = 200, description = "Ready", body = inline(super::openapi::Status), example = json!({"status": "ready"})),
    )
)]
pub(super) async fn readyz(readiness: web::Data<Readiness>) -> Result<HttpResponse, Problem> {
    if readiness.is_draining() {
        return Err(Problem::new(Kind::Draining, "the service was told to stop").retry_after(RETRY));
    }
    Ok(status("ready"))
}

/// Metrics for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operations", operation_id = "getMetrics", security(()),
    summary = "Metrics",
    description = "Prometheus text format. Names of the service begin with `rillmark_`.",
    responses(
        (status = 200, description = "All metrics", content_type = "text/plain", body = String,
         example = "rillmark_build_info{version=\"0.1.0\"} 1\n"),
    )
)]
pub(super) async fn metrics(metrics: web::Data<Metrics>, limits: web::Data<Limits>) -> HttpResponse {
    let load = limits.render_gate.load();
    metrics.render_load(load.waiting, load.running_small + load.running_large, load.memory_bytes);
    HttpResponse::Ok().content_type(TEXT_TYPE).insert_header(("cache-control", "no-store")).body(metrics.text())
}

fn status(word: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("cache-control", "no-store"))
        .body(format!(r#"{{"status":"{word}"}}"#))
}
