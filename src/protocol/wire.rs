//! The forms in which frames travel.
//!
//! **Source:** `openapi/protocol.md`, "Frames", "Compact wire".

/// A form of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Wire {
    /// As djust's client reads them.
    #[default]
    Djust,
    /// In few bytes, for clients that keep what was said before.
    Compact,
}

impl Wire {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Djust, Self::Compact];

    /// Its name in a query.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Djust => "djust",
            Self::Compact => "compact",
        }
    }

    /// The wire of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wire| wire.as_str() == name)
    }
}

/// Some wires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wires([bool; 2]);

impl Wires {
    /// This one alone.
    #[must_use]
    pub fn only(wire: Wire) -> Self {
        let mut wires = Self::default();
        wires.add(wire);
        wires
    }

    /// One more.
    pub fn add(&mut self, wire: Wire) {
        self.0[wire as usize] = true;
    }

    /// Whether it is among them.
    #[must_use]
    pub fn has(self, wire: Wire) -> bool {
        self.0[wire as usize]
    }

    /// These, or djust's where there is none.
    #[must_use]
    pub fn or_default(self) -> Self {
        if self == Self::default() { Self::only(Wire::default()) } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wire_is_known_by_its_name() {
        assert_eq!(Wire::parse("compact"), Some(Wire::Compact));
        assert_eq!(Wire::parse("djust"), Some(Wire::Djust));
        assert_eq!((Wire::parse("Compact"), Wire::parse("")), (None, None));
    }

    #[test]
    fn where_no_wire_is_wanted_it_is_djusts() {
        let mut wires = Wires::default();
        assert!(!wires.has(Wire::Djust) && wires.or_default().has(Wire::Djust));
        wires.add(Wire::Compact);
        assert!(wires.has(Wire::Compact) && !wires.or_default().has(Wire::Djust));
    }
}
