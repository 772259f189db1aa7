//! What a token says: its claims, as they travel and as they are held to the time.
//!
//! **Source:** RFC 7519 §4.1 (`sub`, `aud`, `exp`, `nbf`; a claim that is not known is passed over), §2 (NumericDate).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize};

use super::pattern::Pattern;

/// The latest time that a claim can name: the end of the year 9999. Later ones are taken as this.
const LATEST_SECONDS: f64 = 253_402_300_799.0;

/// The claims of a token. What is not named here is passed over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) exp: NumericDate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<NumericDate>,
    pub(super) aud: Audience,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sub: Option<String>,
    pub(super) rillmark: Channels,
}

/// The claim of our own: what may be done on which channels, and until when.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Channels {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) subscribe: Vec<Pattern>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) publish: Vec<Pattern>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) cancel: Vec<Pattern>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<NumericDate>,
}

/// One audience, or several.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    pub(super) fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

/// Seconds since 1970, perhaps with decimals.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct NumericDate(f64);

impl NumericDate {
    /// Whole seconds, so that a token says the same to every reader.
    pub(super) fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self((since.as_secs() as f64).min(LATEST_SECONDS))
    }

    pub(super) fn time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if !seconds.is_finite() || seconds < 0.0 {
            return Err(serde::de::Error::custom("expected seconds since 1970"));
        }
        Ok(Self(seconds.min(LATEST_SECONDS)))
    }
}

impl Serialize for NumericDate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0 as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_seconds_and_never_overflow() {
        for (text, seconds) in [
            ("0", Some(0.0)),
            ("1763836800", Some(1_763_836_800.0)),
            ("1763836800.5", Some(1_763_836_800.5)),
            ("18446744073709551615", Some(LATEST_SECONDS)),
            ("1e300", Some(LATEST_SECONDS)),
            ("-1", None),
            ("1e999", None),
            ("\"1763836800\"", None),
            ("null", None),
            ("true", None),
        ] {
            let date = serde_json::from_str::<NumericDate>(text).ok();
            assert_eq!(date.map(|date| date.0), seconds, "{text}");
            let time = date.map(NumericDate::time);
            assert_eq!(time.is_some(), seconds.is_some(), "{text}");
        }
    }

    #[test]
    fn a_claim_that_stands_twice_is_refused() {
        let twice = r#"{"exp":1,"exp":9,"aud":"rillmark","rillmark":{}}"#;
        assert!(serde_json::from_str::<Claims>(twice).is_err());
        let twice = r#"{"exp":1,"aud":"rillmark","rillmark":{"subscribe":[],"subscribe":["*"]}}"#;
        assert!(serde_json::from_str::<Claims>(twice).is_err());
        let others = r#"{"exp":1,"aud":["a","rillmark"],"iss":"x","rillmark":{"subscribe":["a"],"later":1}}"#;
        let claims: Claims = serde_json::from_str(others).unwrap();
        assert!(claims.aud.names("rillmark") && claims.aud.names("a") && !claims.aud.names("rill"));
    }
}
