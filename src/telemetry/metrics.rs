//! Metrics: one registry, every name `rillmark_…` (but the process's own, which keep the names dashboards know).
//!
//! Labels are bounded: routes are patterns, methods the known ones, statuses classes, refusals problem slugs.
//!
//! **Invariant:** the text parses and every name of ours has the prefix (`every_name_of_ours_has_the_prefix`).
//! **Source:** Prometheus text exposition format 0.0.4.

use std::sync::Arc;
use std::time::Duration;

use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use super::stream_metrics::StreamMetrics;

/// Upper bounds of request times, in seconds: 0.5 ms (a small render) to 30 s (the body deadline).
const REQUEST_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// Upper bounds of render times, in seconds: 10 µs (a paragraph) to 2.5 s (a slow 10 MiB).
const RENDER_SECONDS: &[f64] =
    &[0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5];

/// The service's metrics. A clone is a handle to the same numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    requests: HistogramVec,
    requests_in_flight: IntGauge,
    response_bytes: IntCounter,
    panics: IntCounter,
    refusals: IntCounterVec,
    connections: IntGauge,
    connections_total: IntCounter,
    render_seconds: Histogram,
    render_source_bytes: IntCounter,
    render_html_bytes: IntCounter,
    render_queue: IntGauge,
    renders_in_flight: IntGauge,
    render_memory: IntGauge,
    streams: StreamMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry of its own with all metrics at zero, and the process's.
    pub fn new() -> Self {
        let registry = Registry::new();
        let inner = Inner {
            requests: histograms(
                &registry,
                "rillmark_http_request_duration_seconds",
                "Time from a request's head to the last byte of its answer handed to the connection.",
                REQUEST_SECONDS,
                &["route", "method", "status"],
            ),
            requests_in_flight: gauge(&registry, "rillmark_http_requests_in_flight", "Requests being answered."),
            response_bytes: counter(&registry, "rillmark_http_response_bytes_total", "Bytes of answers' bodies."),
            panics: counter(&registry, "rillmark_panics_total", "Handlers that panicked and were answered 500."),
            refusals: counters(
                &registry,
                "rillmark_refusals_total",
                "Requests and connections refused, by the problem's slug.",
                &["reason"],
            ),
            connections: gauge(&registry, "rillmark_connections", "Open connections."),
            connections_total: counter(&registry, "rillmark_connections_total", "Connections accepted."),
            render_seconds: histogram(&registry, "rillmark_render_seconds", "Time of one render.", RENDER_SECONDS),
            render_source_bytes: counter(&registry, "rillmark_render_source_bytes_total", "Markdown rendered."),
            render_html_bytes: counter(&registry, "rillmark_render_html_bytes_total", "HTML made."),
            render_queue: gauge(&registry, "rillmark_render_queue_depth", "Renders that wait for their turn."),
            renders_in_flight: gauge(&registry, "rillmark_renders_in_flight", "Renders that run."),
            render_memory: gauge(&registry, "rillmark_render_memory_bytes", "Memory reserved by renders."),
            streams: StreamMetrics::new(&registry),
            registry,
        };
        build_info(&inner.registry);
        if cfg!(target_os = "linux") {
            must(inner.registry.register(Box::new(ProcessCollector::for_self())));
        }
        Self { inner: Arc::new(inner) }
    }

    /// One request is over. `route` is the pattern, `status` the answer's code.
    pub fn request(&self, route: &str, method: &str, status: u16, took: Duration, body_bytes: u64) {
        let class = ["1xx", "2xx", "3xx", "4xx", "5xx"][usize::from(status / 100).clamp(1, 5) - 1];
        self.inner.requests.with_label_values(&[route, method, class]).observe(took.as_secs_f64());
        self.inner.response_bytes.inc_by(body_bytes);
    }

    /// Requests being answered.
    pub fn requests_in_flight(&self) -> &IntGauge {
        &self.inner.requests_in_flight
    }

    /// A handler panicked.
    pub fn panicked(&self) {
        self.inner.panics.inc();
    }

    /// A request or connection was refused; `reason` is the problem's slug.
    pub fn refused(&self, reason: &'static str) {
        self.inner.refusals.with_label_values(&[reason]).inc();
    }

    /// Open connections.
    pub fn connections(&self) -> &IntGauge {
        &self.inner.connections
    }

    /// A connection was accepted.
    pub fn connected(&self) {
        self.inner.connections_total.inc();
    }

    /// One render is over.
    pub fn rendered(&self, source_bytes: usize, html_bytes: usize, took: Duration) {
        self.inner.render_seconds.observe(took.as_secs_f64());
        self.inner.render_source_bytes.inc_by(source_bytes as u64);
        self.inner.render_html_bytes.inc_by(html_bytes as u64);
    }

    /// What the gate before the renderer holds now; told when the metrics are read.
    pub fn render_load(&self, waiting: usize, running: usize, memory_bytes: u64) {
        self.inner.render_queue.set(signed(waiting as u64));
        self.inner.renders_in_flight.set(signed(running as u64));
        self.inner.render_memory.set(signed(memory_bytes));
    }

    /// The numbers of channels.
    pub fn streams(&self) -> &StreamMetrics {
        &self.inner.streams
    }

    /// Everything, in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = Vec::with_capacity(16 * 1024);
        must(TextEncoder::new().encode(&self.inner.registry.gather(), &mut text));
        String::from_utf8(text).expect("the text encoder writes UTF-8")
    }
}

/// The media type of [`Metrics::text`].
pub const TEXT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Registration and encoding fail only where a name is wrong or doubled, which the first test shows.
pub(super) fn must<T>(result: prometheus::Result<T>) -> T {
    result.expect("metric names are valid and single")
}

pub(super) fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let gauge = must(IntGauge::new(name, help));
    must(registry.register(Box::new(gauge.clone())));
    gauge
}

pub(super) fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    let counter = must(IntCounter::new(name, help));
    must(registry.register(Box::new(counter.clone())));
    counter
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let counters = must(IntCounterVec::new(Opts::new(name, help), labels));
    must(registry.register(Box::new(counters.clone())));
    counters
}

pub(super) fn histogram(registry: &Registry, name: &str, help: &str, bounds: &[f64]) -> Histogram {
    let histogram = must(Histogram::with_opts(HistogramOpts::new(name, help).buckets(bounds.to_vec())));
    must(registry.register(Box::new(histogram.clone())));
    histogram
}

fn histograms(registry: &Registry, name: &str, help: &str, bounds: &[f64], labels: &[&str]) -> HistogramVec {
    let histograms = must(HistogramVec::new(HistogramOpts::new(name, help).buckets(bounds.to_vec()), labels));
    must(registry.register(Box::new(histograms.clone())));
    histograms
}

fn build_info(registry: &Registry) {
    let opts = Opts::new("rillmark_build_info", "Always 1; the labels say what runs.");
    let info = must(IntGaugeVec::new(opts, &["version"]));
    must(registry.register(Box::new(info.clone())));
    info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_counts_into_the_same_numbers() {
        let metrics = Metrics::new();
        metrics.clone().request("/render", "POST", 200, Duration::from_millis(3), 12);
        metrics.refused("busy");
        let text = metrics.text();
        assert!(
            text.contains(
                r#"rillmark_http_request_duration_seconds_count{method="POST",route="/render",status="2xx"} 1"#
            ),
            "{text}"
        );
        assert!(text.contains(r#"rillmark_refusals_total{reason="busy"} 1"#));
        assert!(text.contains("rillmark_http_response_bytes_total 12"));
    }

    #[test]
    fn every_name_of_ours_has_the_prefix() {
        let text = Metrics::new().text();
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            assert!(line.starts_with("rillmark_") || line.starts_with("process_"), "{line}");
        }
    }
}
