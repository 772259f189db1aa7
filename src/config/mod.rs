//! Settings: command line, environment and file → [`Settings`] (as written) → [`Config`] (checked, ready to use).
//!
//! [`SETTINGS`] is the one place where a setting is defined; this room is the sole reader of the environment.
//!
//! **Invariant:** no secret is ever in what is printed or told (`secrets_are_never_shown`).

pub mod check;
mod names;
pub mod print;
pub mod setting;
pub mod settings;
pub mod strings;
pub mod table;

pub use check::Mistakes;
pub use setting::Setting;
pub use settings::{Flags, Mistake, Origin, Settings};
pub use strings::{Environment, Strings};
pub use table::SETTINGS;

use crate::server::Options;
use crate::telemetry::LogOptions;

/// The settings, checked: the options of every room, ready to be handed over.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What the server and the rooms below it take.
    pub options: Options,
    /// What the logs take.
    pub log: LogOptions,
}

#[cfg(test)]
mod tests;
