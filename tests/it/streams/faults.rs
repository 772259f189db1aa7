//! Faults between a channel and its pages, for tests of the tests: each must be seen.

use rillmark::protocol::Wire;
use serde_json::Value;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// An op is lost.
    Drop,
    /// An op comes twice.
    Repeat,
    /// Two ops of a frame change places.
    Reorder,
    /// A frame that is not the last of its tick carries the id.
    EarlyId,
    /// The two ops that text without a mode becomes are put together.
    Concatenate,
}

/// Does it, now and then.
pub(super) struct Sabotage {
    fault: Option<Fault>,
    turn: usize,
}

impl Sabotage {
    pub(super) fn new(fault: Option<Fault>) -> Self {
        Self { fault, turn: 0 }
    }

    /// The wire of a page: either in its turn, but faults are of djust's.
    pub(super) fn wire(&self, page: u64) -> Wire {
        if self.fault.is_some() || page.is_multiple_of(2) { Wire::Djust } else { Wire::Compact }
    }

    /// The frames as they are, or every third time not quite.
    pub(super) fn apply(&mut self, frames: Vec<String>) -> Vec<String> {
        let Some(fault) = self.fault else { return frames };
        self.turn += 1;
        if !self.turn.is_multiple_of(3) {
            return frames;
        }
        let mut frames: Vec<Value> = frames.iter().map(|frame| serde_json::from_str(frame).unwrap()).collect();
        let turn = self.turn / 3;
        if !frames.is_empty() {
            harm(fault, &mut frames, turn);
        }
        frames.iter().map(Value::to_string).collect()
    }
}

fn harm(fault: Fault, frames: &mut [Value], turn: usize) {
    let last = frames.len() - 1;
    if fault == Fault::EarlyId {
        if last > 0 {
            frames[turn % last]["id"] = frames[last]["id"].clone();
        }
        return;
    }
    let ops = frames[turn % (last + 1)]["ops"].as_array_mut().unwrap();
    let (at, next) = (turn % ops.len(), (turn + 1) % ops.len());
    match fault {
        Fault::Drop => drop(ops.remove(at)),
        Fault::Repeat => ops.insert(at, ops[at].clone()),
        Fault::Reorder => ops.swap(at, next),
        Fault::Concatenate => {
            let loose = |op: &Value| op["op"] == "text" && op["mode"].is_null();
            let pair = (1..ops.len())
                .find(|at| loose(&ops[at - 1]) && loose(&ops[*at]) && ops[at - 1]["target"] == ops[*at]["target"]);
            if let Some(at) = pair {
                let text = format!("{}{}", ops[at - 1]["text"].as_str().unwrap(), ops[at]["text"].as_str().unwrap());
                ops[at - 1]["text"] = text.into();
                ops.remove(at);
            }
        }
        Fault::EarlyId => unreachable!("done above"),
    }
}
