//! The numbers of channels: what is published, kept and delivered.
//!
//! Handles are made once, with their labels, so that counting is an addition and no look-up.
//!
//! **Invariant:** every label is one of a fixed set, there at zero from the start (`every_label_is_there_from_the_start`).

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntGauge, Opts, Registry};

use super::metrics::{counter, gauge, histogram, must};

/// Upper bounds of the time from a publish to a socket, in seconds: 0.1 ms (a tick made inline) to 10 s (a slow reader
/// just before it is cut off).
const PUBLISH_TO_SOCKET_SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// By what a subscriber is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// Server-Sent Events.
    Sse,
    /// WebSocket.
    WebSocket,
}

impl Carrier {
    const ALL: [Self; 2] = [Self::Sse, Self::WebSocket];

    /// The label `transport`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
        }
    }
}

/// Why a subscriber that came with an id was given a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resync {
    /// The log no longer reaches back to the id.
    Trimmed,
    /// The id lies above the head.
    Ahead,
    /// The id is of another epoch.
    Epoch,
    /// The id cannot be read.
    Unreadable,
}

impl Resync {
    const ALL: [Self; 4] = [Self::Trimmed, Self::Ahead, Self::Epoch, Self::Unreadable];

    /// The label `reason`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Ahead => "ahead",
            Self::Epoch => "epoch",
            Self::Unreadable => "unreadable",
        }
    }
}

/// The kinds of ops as they are published, in the order of [`StreamMetrics::ops_published`].
pub const OP_KINDS: [&str; 11] =
    ["start", "text", "append", "prepend", "replace", "delete", "prune", "error", "done", "event", "markdown"];

/// The numbers of channels. A clone is a handle to the same numbers.
#[derive(Clone, Debug)]
pub struct StreamMetrics {
    subscribers: [IntGauge; 2],
    frames: [IntCounter; 2],
    bytes: [IntCounter; 2],
    ops: [IntCounter; 11],
    resyncs: [IntCounter; 4],
    publish_to_socket: Histogram,
    entries: IntCounter,
    ticks: IntCounter,
    catch_ups: IntCounter,
    differences: IntCounter,
    log_bytes: IntGauge,
    channels: IntGauge,
    runs_active: IntGauge,
    tasks: IntGauge,
}

impl StreamMetrics {
    /// Adds its metrics to a registry.
    pub(super) fn new(registry: &Registry) -> Self {
        let transports = Carrier::ALL.map(Carrier::label);
        Self {
            subscribers: gauges(registry, "rillmark_subscribers", "Subscribers connected.", "transport", transports),
            frames: counters(
                registry,
                "rillmark_frames_delivered_total",
                "Frames handed to subscribers' connections.",
                "transport",
                transports,
            ),
            bytes: counters(
                registry,
                "rillmark_delivered_bytes_total",
                "Bytes of frames handed to subscribers' connections.",
                "transport",
                transports,
            ),
            ops: counters(registry, "rillmark_ops_published_total", "Ops published, by kind.", "kind", OP_KINDS),
            resyncs: counters(
                registry,
                "rillmark_resyncs_total",
                "Subscribers that came with an id and got a snapshot, by why.",
                "reason",
                Resync::ALL.map(Resync::label),
            ),
            publish_to_socket: histogram(
                registry,
                "rillmark_publish_to_socket_seconds",
                "Time from the first entry of a tick to the tick being handed to a subscriber's connection.",
                PUBLISH_TO_SOCKET_SECONDS,
            ),
            entries: counter(registry, "rillmark_entries_total", "Entries appended to logs."),
            ticks: counter(registry, "rillmark_ticks_total", "Ticks made."),
            catch_ups: counter(
                registry,
                "rillmark_catch_ups_total",
                "Subscribers behind the kept ticks that were brought up to date by one difference.",
            ),
            differences: counter(
                registry,
                "rillmark_differences_total",
                "Differences made for subscribers behind the kept ticks; several may have taken the same.",
            ),
            log_bytes: gauge(registry, "rillmark_log_bytes", "What the logs of all channels hold."),
            channels: gauge(registry, "rillmark_channels", "Channels that hold content or have subscribers."),
            runs_active: gauge(registry, "rillmark_runs_active", "Streams that are being written."),
            tasks: gauge(registry, "rillmark_channel_tasks", "Tasks that channels have under way."),
        }
    }

    /// Subscribers connected by `carrier`.
    pub fn subscribers(&self, carrier: Carrier) -> &IntGauge {
        &self.subscribers[carrier as usize]
    }

    /// Frames were handed to a connection.
    pub fn delivered(&self, carrier: Carrier, frames: u64, bytes: u64) {
        self.frames[carrier as usize].inc_by(frames);
        self.bytes[carrier as usize].inc_by(bytes);
    }

    /// Ops published of the kind at `at` in [`OP_KINDS`].
    pub fn ops_published(&self, at: usize) -> &IntCounter {
        &self.ops[at]
    }

    /// A subscriber that came with an id gets a snapshot.
    pub fn resynced(&self, why: Resync) {
        self.resyncs[why as usize].inc();
    }

    /// A tick was handed to a connection, so long after its first entry.
    pub fn reached_socket(&self, after: Duration) {
        self.publish_to_socket.observe(after.as_secs_f64());
    }

    /// Entries appended to logs.
    pub fn entries(&self) -> &IntCounter {
        &self.entries
    }

    /// Ticks made.
    pub fn ticks(&self) -> &IntCounter {
        &self.ticks
    }

    /// Differences made for subscribers behind the kept ticks.
    pub fn differences(&self) -> &IntCounter {
        &self.differences
    }

    /// Subscribers behind the kept ticks that took one.
    pub fn catch_ups(&self) -> &IntCounter {
        &self.catch_ups
    }

    /// What the logs of all channels hold, in bytes.
    pub fn log_bytes(&self) -> &IntGauge {
        &self.log_bytes
    }

    /// Channels that hold content or have subscribers.
    pub fn channels(&self) -> &IntGauge {
        &self.channels
    }

    /// Streams that are being written.
    pub fn runs_active(&self) -> &IntGauge {
        &self.runs_active
    }

    /// Tasks that channels have under way.
    pub fn tasks(&self) -> &IntGauge {
        &self.tasks
    }
}

fn gauges<const N: usize>(
    registry: &Registry,
    name: &str,
    help: &str,
    label: &str,
    values: [&'static str; N],
) -> [IntGauge; N] {
    let all = must(prometheus::IntGaugeVec::new(Opts::new(name, help), &[label]));
    must(registry.register(Box::new(all.clone())));
    values.map(|value| all.with_label_values(&[value]))
}

fn counters<const N: usize>(
    registry: &Registry,
    name: &str,
    help: &str,
    label: &str,
    values: [&'static str; N],
) -> [IntCounter; N] {
    let all = must(prometheus::IntCounterVec::new(Opts::new(name, help), &[label]));
    must(registry.register(Box::new(all.clone())));
    values.map(|value| all.with_label_values(&[value]))
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn every_label_is_there_from_the_start() {
        let text = Metrics::new().text();
        let mut expected: Vec<String> =
            OP_KINDS.iter().map(|kind| format!("rillmark_ops_published_total{{kind=\"{kind}\"}} 0")).collect();
        for (at, carrier) in Carrier::ALL.into_iter().enumerate() {
            assert_eq!(carrier as usize, at);
            for name in ["subscribers", "frames_delivered_total", "delivered_bytes_total"] {
                expected.push(format!("rillmark_{name}{{transport=\"{}\"}} 0", carrier.label()));
            }
        }
        for (at, why) in Resync::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, at);
            expected.push(format!("rillmark_resyncs_total{{reason=\"{}\"}} 0", why.label()));
        }
        for line in expected {
            assert!(text.lines().any(|found| found == line), "{line}");
        }
    }

    #[test]
    fn what_is_counted_is_told() {
        let metrics = Metrics::new();
        let streams = metrics.streams();
        streams.subscribers(Carrier::WebSocket).inc();
        streams.delivered(Carrier::Sse, 3, 400);
        streams.resynced(Resync::Epoch);
        streams.reached_socket(Duration::from_millis(2));
        streams.ops_published(1).inc_by(5);
        let text = metrics.text();
        for line in [
            "rillmark_subscribers{transport=\"websocket\"} 1",
            "rillmark_frames_delivered_total{transport=\"sse\"} 3",
            "rillmark_delivered_bytes_total{transport=\"sse\"} 400",
            "rillmark_resyncs_total{reason=\"epoch\"} 1",
            "rillmark_publish_to_socket_seconds_bucket{le=\"0.0025\"} 1",
            "rillmark_ops_published_total{kind=\"text\"} 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}");
        }
    }
}
