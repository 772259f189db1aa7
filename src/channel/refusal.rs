//! Why a publish, an open body or a subscription was refused: facts with values. What they mean in HTTP is `http`'s.

use super::run_options::OptionRefusal;
use crate::markdown::options::OptionError;
use crate::protocol::{Epoch, Kind};

/// What a stream does not take. `op` is the place of the op in its batch, from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishRefusal {
    /// The run is of the other kind.
    #[error("op {op}: the run is made of {} content", .kind.as_str())]
    StreamKind {
        /// The op.
        op: usize,
        /// What the run is.
        kind: Kind,
    },
    /// The run has ended by `done`.
    #[error("op {op}: the run is done")]
    StreamDone {
        /// The op.
        op: usize,
    },
    /// The run was stopped.
    #[error("op {op}: the run was cancelled")]
    StreamCancelled {
        /// The op.
        op: usize,
    },
    /// The run has failed and needs an explicit `start`.
    #[error("op {op}: the run has failed")]
    StreamFailed {
        /// The op.
        op: usize,
    },
    /// Another open body writes the stream.
    #[error("another request is writing the stream")]
    StreamBusy,
    /// An option that is fixed in streams was set otherwise.
    #[error("option `{option}` is always true in a stream")]
    OptionNotStreamable {
        /// The op; `None` for the options of an open body.
        op: Option<usize>,
        /// The option.
        option: &'static str,
    },
    /// An option is none, or does not take its value.
    #[error("{error}")]
    InvalidOption {
        /// The op; `None` for the options of an open body.
        op: Option<usize>,
        /// What is wrong.
        error: OptionError,
    },
    /// The run has other options already.
    #[error("op {op}: the run began with other options")]
    OptionsDiffer {
        /// The op.
        op: usize,
    },
    /// The Markdown run would be longer than a stream may be.
    #[error("the stream would hold more than {max} bytes")]
    StreamTooLarge {
        /// Bytes that it may hold.
        max: usize,
    },
    /// The channel's Markdown runs together would be longer than a channel may hold.
    #[error("the channel's streams would hold more than {max} bytes together")]
    ChannelTooLarge {
        /// Bytes that they may hold.
        max: usize,
    },
    /// The channel has as many streams as it may.
    #[error("the channel has {max} streams already")]
    TooManyStreams {
        /// How many.
        max: usize,
    },
    /// The service takes no HTML.
    #[error("op {op}: this service takes no ops with HTML")]
    HtmlRejected {
        /// The op.
        op: usize,
    },
    /// The sender may not send this.
    #[error("op {op}: {why}")]
    Forbidden {
        /// The op.
        op: usize,
        /// Why, in a few words.
        why: &'static str,
    },
}

impl PublishRefusal {
    pub(super) fn of_options(op: Option<usize>, refusal: OptionRefusal) -> Self {
        match refusal {
            OptionRefusal::Invalid(error) => Self::InvalidOption { op, error },
            OptionRefusal::NotStreamable { option } => Self::OptionNotStreamable { op, option },
        }
    }
}

/// Why nothing was appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The stream does not take it.
    #[error(transparent)]
    Refused(#[from] PublishRefusal),
    /// The channel was ended.
    #[error("the channel has ended")]
    ChannelEnded,
    /// The publisher goes by another epoch.
    #[error("the channel's epoch is another")]
    EpochChanged {
        /// The channel's; `None` where it has no log.
        current: Option<Epoch>,
    },
    /// There are as many channels as may be, all active.
    #[error("there are {max} channels already")]
    TooManyChannels {
        /// How many.
        max: usize,
    },
    /// The logs hold as much as they may, all of active channels.
    #[error("all logs together hold {max} bytes already")]
    LogsFull {
        /// Bytes that they may hold.
        max: usize,
    },
    /// The key was used for another body.
    #[error("the key was used for another body")]
    IdempotencyMismatch,
    /// The service is stopping.
    #[error("the service is stopping")]
    Draining,
    /// The log can't be reached.
    #[error("the log: {0}")]
    Log(String),
}

/// Why there is no subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The channel has as many subscribers as it may.
    #[error("the channel has {max} subscribers already")]
    TooManySubscribers {
        /// How many.
        max: usize,
    },
    /// There are as many names that nobody has published to as may be waited for.
    #[error("{max} names are waited for already")]
    TooManyNames {
        /// How many.
        max: usize,
    },
    /// The service is stopping.
    #[error("the service is stopping")]
    Draining,
}
