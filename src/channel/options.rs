//! What the operator decides about channels, their streams and what is kept of them.

use std::time::Duration;

use crate::markdown::Policy;
use crate::oplog::Keep;

/// Sizes, numbers and times of channels. `Default` holds the documented defaults.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// The least time between two ticks of a channel. 16 ms, a frame of most screens. What comes in between travels
    /// together.
    pub tick: Duration,
    /// How long an active run may get nothing. 300 s. Then it ends with an `error` and keeps its text.
    pub stream_idle: Duration,
    /// How long a channel without an active run, or one that was ended, is kept. 1 h. Then its memory is freed and the
    /// next publish begins a new epoch.
    pub retention: Duration,
    /// Channels that hold a log. 10,000. One more frees the longest idle one; if all are active it is refused.
    pub channels_max: usize,
    /// Streams of one channel. 100. One more is refused.
    pub streams_per_channel_max: usize,
    /// What a markdown run may hold, in bytes of source. 10 MiB, as much as is parsed. Beyond it the publish is refused.
    /// Of an ops run, the bytes of kept ops; beyond it the oldest are forgotten for those who join later.
    pub stream_bytes_max: usize,
    /// The longest text, HTML or source of one op, in bytes. 1 MiB. Longer is refused.
    pub op_bytes_max: usize,
    /// Ops of one batch. 1,000. More are refused.
    pub batch_ops_max: usize,
    /// The longest batch, or line of NDJSON, in bytes of JSON. 4 MiB. Longer is refused.
    pub batch_bytes_max: usize,
    /// The longest `detail` of an `event`, in bytes of JSON. 16 KiB. Longer is refused.
    pub event_detail_bytes_max: usize,
    /// What a channel's streams may hold together, in bytes, for those who join later. 32 MiB. Beyond it the publish is
    /// refused.
    pub channel_kept_bytes_max: usize,
    /// Names of events of which one stream keeps the last. 32. One more forgets the oldest name.
    pub kept_events_max: usize,
    /// Subscribers of one channel. 10,000. One more is refused.
    pub subscribers_per_channel_max: usize,
    /// Names that are watched and that nobody has published to. 100,000. One more is refused.
    pub waiting_names_max: usize,
    /// Over how long subscribers are spread when they come back from a stop. 5 s.
    pub come_back_spread: Duration,
    /// How long the answer to an `Idempotency-Key` is remembered. 10 min.
    pub idempotency: Duration,
    /// Whether ops that carry HTML are taken. They pass as they are, so that they are as trusted as who sends them.
    pub html_ops: bool,
    /// What the renderer may write, the same as for renders: `server` hands it in.
    pub policy: Policy,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(16),
            stream_idle: Duration::from_secs(300),
            retention: Duration::from_secs(3600),
            channels_max: 10_000,
            streams_per_channel_max: 100,
            stream_bytes_max: 10 * 1024 * 1024,
            op_bytes_max: 1024 * 1024,
            batch_ops_max: 1_000,
            batch_bytes_max: 4 * 1024 * 1024,
            event_detail_bytes_max: 16 * 1024,
            channel_kept_bytes_max: 32 * 1024 * 1024,
            kept_events_max: 32,
            subscribers_per_channel_max: 10_000,
            waiting_names_max: 100_000,
            come_back_spread: Duration::from_secs(5),
            idempotency: Duration::from_secs(600),
            html_ops: true,
            policy: Policy::default(),
        }
    }
}

impl HubOptions {
    /// How much of a channel's streams is kept for those who come later: what its log folds, and its view.
    #[must_use]
    pub fn keep(&self) -> Keep {
        Keep {
            stream_bytes_max: self.stream_bytes_max,
            channel_bytes_max: self.channel_kept_bytes_max,
            events_max: self.kept_events_max,
        }
    }
}
