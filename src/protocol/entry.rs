//! What the log keeps of one publish.

use serde::{Deserialize, Serialize};

use super::name::StreamName;
use super::op::Op;

/// One publish, resolved: its text is whole, what it left implicit stands in it. The log gives it its offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose ops these are.
    pub stream: StreamName,
    /// The ops, in order; all or none of them count.
    pub ops: Vec<Op<String>>,
    /// When it was published: milliseconds since 1970.
    pub at: u64,
}

impl Entry {
    /// What it weighs in the log, in bytes: content, names, and about what the values themselves take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let each = size_of::<Op<String>>();
        let content: usize = self.ops.iter().map(|op| op.bytes() + each).sum();
        size_of::<Self>() + self.stream.as_str().len() + content
    }
}
