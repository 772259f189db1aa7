//! What arrives in pieces: lines of NDJSON, and model providers' streams, cut into what is published. No I/O, no clock.
//!
//! Everything here is fed bytes as they come, split anywhere, and holds no more than the part that is not whole yet,
//! within a cap that it is given. Bare Markdown needs none of it: its bytes are published as they are.
//!
//! | type | takes | gives |
//! |---|---|---|
//! | [`Lines`] | NDJSON | lines, or that one is too long |
//! | [`Events`] | Server-Sent Events | events, or that one is too long |
//! | [`Provider`] | a provider's stream over either | the reply's text, and how it ended |

mod events;
mod format;
mod json;
mod lines;
mod provider;
mod shapes;

pub use events::{Event, Events, Rest};
pub use format::{FORMATS, Format, FormatSpec};
pub use lines::{Line, Lines};
pub use provider::{Ending, Framing, Provider};

/// A line or an event is longer than it may be. What is held of it is given up; the next one is read as if nothing
/// had been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("longer than {bytes_max} bytes")]
pub struct TooLong {
    /// The most bytes that are taken.
    pub bytes_max: usize,
}
