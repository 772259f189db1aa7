//! The query of what goes on: options of the renderer, and a few names that are none.
//!
//! **Source:** WHATWG URL §5.1 (query strings).

use serde_json::{Map, Value};

use super::problem::Problem;
use super::problem_kinds::Kind;
use super::render_request::{decode, twice};
use crate::channel::run_options::{OptionRefusal, from_query};

/// A query of options, and a few names that are none.
pub(super) struct StreamQuery {
    named: Vec<(String, String)>,
    options: Vec<(String, String)>,
}

impl StreamQuery {
    /// Tells the names in `others` from options.
    ///
    /// # Errors
    /// `invalid-option` where a name stands twice.
    pub(super) fn parse(query: &str, others: &[&str]) -> Result<Self, Problem> {
        let mut found = Self { named: Vec::new(), options: Vec::new() };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name), decode(value));
            let list = if others.contains(&name.as_str()) { &mut found.named } else { &mut found.options };
            if list.iter().any(|(known, _)| *known == name) {
                return Err(twice(&name));
            }
            list.push((name, value));
        }
        Ok(found)
    }

    /// The value of a name that is no option.
    pub(super) fn named(&self, name: &str) -> Option<&str> {
        self.named.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The options, judged; `None` where there are none.
    ///
    /// # Errors
    /// `invalid-option` or `option-not-streamable`, naming the parameter.
    pub(super) fn options(&self) -> Result<Option<Map<String, Value>>, Problem> {
        let parameters = self.options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let options = from_query(parameters).map_err(|refusal| match refusal {
            OptionRefusal::Invalid(error) => error.into(),
            OptionRefusal::NotStreamable { option } => {
                Problem::new(Kind::OptionNotStreamable, refusal.to_string()).naming(option)
            }
        })?;
        Ok(Some(options).filter(|options| !options.is_empty()))
    }
}
