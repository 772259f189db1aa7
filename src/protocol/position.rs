//! Where in a channel's log a page stands: epoch and offset, written as the id `1f3a-42`.
//!
//! **Invariant:** an id is read only as it was written, and every one written is read
//! (`an_id_is_read_only_as_it_was_written`).
//!
//! **Source:** `openapi/protocol.md`, "Ids".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::name::ChannelName;

/// The random name of one life of a channel's log, in lower-case hexadecimal without leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(u64);

/// "Everything up to the entry with this offset, nothing after it." Offset 0 stands before the first entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which life of the log.
    pub epoch: Epoch,
    /// How many of its entries.
    pub offset: u64,
}

/// A text that is no epoch or no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an id of this service")]
pub struct Unreadable;

impl Epoch {
    /// The epoch of this random number.
    #[must_use]
    pub const fn new(random: u64) -> Self {
        Self(random)
    }

    /// The position after `offset` entries of this epoch.
    #[must_use]
    pub const fn at(self, offset: u64) -> Position {
        Position { epoch: self, offset }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !digits || (text.len() > 1 && text.starts_with('0')) {
            return Err(Unreadable);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| Unreadable)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.offset)
    }
}

impl FromStr for Position {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let (epoch, offset) = text.split_once('-').ok_or(Unreadable)?;
        let canonical = offset.bytes().all(|b| b.is_ascii_digit()) && (offset.len() == 1 || !offset.starts_with('0'));
        if !canonical {
            return Err(Unreadable);
        }
        Ok(Self { epoch: epoch.parse()?, offset: offset.parse().map_err(|_| Unreadable)? })
    }
}

/// Serialises through its written form.
macro_rules! serde_as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

serde_as_text!(Epoch);
serde_as_text!(Position);

/// Where a connection that watches several channels stands in each: the `id:` of its SSE events, opaque to clients.
///
/// Written `chat-1=1f3a-42,chat-2=9c-7`; names and ids hold neither `=` nor `,`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(Vec<(ChannelName, Position)>);

impl Positions {
    /// Parts that are read. A connection watches some dozens of channels; who sends more has made them up.
    const READ_MAX: usize = 1024;

    /// Reads what [`Positions`] writes. Total: a part that cannot be read is left out, and its channel has no position.
    /// Of a name that stands twice the last counts. At most 1,024 parts are looked at.
    #[must_use]
    pub fn read(token: &str) -> Self {
        let mut positions = Self::default();
        for part in token.split(',').take(Self::READ_MAX) {
            let Some((name, id)) = part.split_once('=') else { continue };
            if let (Ok(channel), Ok(position)) = (ChannelName::parse(name), id.parse()) {
                positions.set(&channel, position);
            }
        }
        positions
    }

    /// Where it stands in a channel.
    #[must_use]
    pub fn get(&self, channel: &ChannelName) -> Option<Position> {
        self.0.iter().find(|(name, _)| name == channel).map(|(_, position)| *position)
    }

    /// Sets where it stands in a channel; a new channel comes last.
    pub fn set(&mut self, channel: &ChannelName, position: Position) {
        match self.0.iter_mut().find(|(name, _)| name == channel) {
            Some((_, old)) => *old = position,
            None => self.0.push((channel.clone(), position)),
        }
    }

    /// Forgets a channel.
    pub fn remove(&mut self, channel: &ChannelName) {
        self.0.retain(|(name, _)| name != channel);
    }

    /// Every channel and where it stands in it, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&ChannelName, Position)> {
        self.0.iter().map(|(channel, position)| (channel, *position))
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (channel, position)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{channel}={position}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_only_as_it_was_written() {
        let written = ["0-0", "1f3a-42", "ffffffffffffffff-18446744073709551615", "a-10"];
        for id in written {
            assert_eq!(id.parse::<Position>().unwrap().to_string(), id);
            assert_eq!(serde_json::from_str::<Position>(&format!("\"{id}\"")).unwrap().to_string(), id);
        }
        let others = [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "01-1",
            "1-01",
            "1F-1",
            "g-1",
            "1-a",
            "1--1",
            "1-+1",
            "+1-1",
            " 1-1",
            "1-1 ",
            "1_0-1",
            "10000000000000000-1",
            "1-18446744073709551616",
            "1-1-1",
            "é-1",
        ];
        for id in others {
            assert_eq!(id.parse::<Position>(), Err(Unreadable), "{id}");
        }
    }

    #[test]
    fn positions_of_several_channels_survive_their_token() {
        let channel = |name| ChannelName::parse(name).unwrap();
        let mut positions = Positions::default();
        assert_eq!(positions.to_string(), "");
        positions.set(&channel("chat-1"), Epoch::new(0x1f).at(4));
        positions.set(&channel("user:7@x~"), Epoch::new(2).at(0));
        positions.set(&channel("chat-1"), Epoch::new(0x1f).at(5));
        assert_eq!(positions.to_string(), "chat-1=1f-5,user:7@x~=2-0");
        assert_eq!(Positions::read(&positions.to_string()), positions);
        positions.remove(&channel("chat-1"));
        assert_eq!(positions.get(&channel("chat-1")), None);
        assert_eq!(positions.get(&channel("user:7@x~")), Some(Epoch::new(2).at(0)));
    }

    #[test]
    fn what_cannot_be_read_of_a_token_is_left_out() {
        let read = |token| Positions::read(token).to_string();
        assert_eq!(read("a=1-1,b=x,c=2-2"), "a=1-1,c=2-2");
        assert_eq!(read("a=1-1,,b d=1-1,=1-1,c=2-2,"), "a=1-1,c=2-2");
        assert_eq!(read("1f-4"), "");
        assert_eq!(read("a=1-1,a=1-2"), "a=1-2");
        assert_eq!(read("\u{0}\u{ffff}é="), "");
    }
}
