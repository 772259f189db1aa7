//! The options of a markdown run: as they are published (JSON, or a query), and as its renderer takes them.
//!
//! A stream's defaults are those of a render, but for the unfinished end, which is completed; what is shown is always
//! provisional and dense, since only so a stream can end as the one-shot render does.
//!
//! **Invariant:** a query and the JSON that says the same give the same options
//! (`a_query_says_what_json_says`).
//!
//! **Source:** the README's table of options; `openapi/protocol.md`, "A stream's life".

use serde_json::{Map, Value as Json};

use crate::markdown::Options;
use crate::markdown::options::{Kind, OPTIONS, OptionError, Tail, Value};

/// Why options were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionRefusal {
    /// There is no such option, or it does not take this value.
    #[error(transparent)]
    Invalid(#[from] OptionError),
    /// The option exists, and a stream can't have this value.
    #[error("option `{option}` is always true in a stream")]
    NotStreamable {
        /// Its name.
        option: &'static str,
    },
}

/// The options in which streams are fixed.
pub const FIXED: [&str; 2] = ["provisional", "dense"];

/// What a run's renderer works with, from the options of its first `markdown` op. Without any: the defaults of streams.
///
/// ```
/// use rillmark::channel::run_options::streamed;
/// let options = streamed(serde_json::json!({"math": true}).as_object()).unwrap();
/// assert!(options.math && options.provisional && options.dense);
/// ```
///
/// # Errors
/// [`OptionRefusal`], of the first option at fault.
pub fn streamed(published: Option<&Map<String, Json>>) -> Result<Options, OptionRefusal> {
    let mut options = Options { provisional: true, dense: true, tail: Tail::Complete, ..Options::default() };
    for (name, value) in published.into_iter().flatten() {
        options.set(name, typed(value))?;
    }
    let fixed = [options.provisional, options.dense];
    match FIXED.into_iter().zip(fixed).find(|(_, on)| !on) {
        Some((option, _)) => Err(OptionRefusal::NotStreamable { option }),
        None => Ok(options),
    }
}

fn typed(value: &Json) -> Value<'_> {
    match value {
        Json::Bool(on) => Value::Bool(*on),
        Json::String(text) => Value::Str(text),
        Json::Number(_) => Value::Other("number"),
        Json::Null => Value::Other("null"),
        Json::Array(_) => Value::Other("array"),
        Json::Object(_) => Value::Other("object"),
    }
}

/// The same options as an `options` object would hold them, from the parameters of a query. Names that are no options
/// are refused, so hand in only what is meant as one; of a name that comes twice the last counts.
///
/// # Errors
/// [`OptionRefusal`], of the first option at fault.
pub fn from_query<'a>(
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Map<String, Json>, OptionRefusal> {
    let mut options = Map::new();
    for (name, text) in parameters {
        Options::default().set(name, Value::Raw(text))?;
        let flag = OPTIONS.iter().any(|spec| spec.name == name && spec.kind == Kind::Bool);
        let value = if flag { Json::Bool(matches!(text, "true" | "1")) } else { Json::String(text.to_owned()) };
        options.insert(name.to_owned(), value);
    }
    streamed(Some(&options))?;
    Ok(options)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(json: &Json) -> Result<Options, OptionRefusal> {
        streamed(json.as_object())
    }

    #[test]
    fn a_stream_is_provisional_dense_and_completes_its_end() {
        let options = streamed(None).unwrap();
        assert!(options.provisional && options.dense && options.tail == Tail::Complete);
        assert_eq!(of(&json!({"provisional": true, "dense": true})).unwrap(), options);
        assert_eq!(of(&json!({"tail": "escape"})).unwrap().tail, Tail::Escape);
    }

    #[test]
    fn what_a_stream_cannot_have_is_refused_by_name() {
        for option in FIXED {
            assert_eq!(of(&json!({option: false})), Err(OptionRefusal::NotStreamable { option }));
        }
        for (json, expected) in [
            (json!({"maths": true}), "unknown option `maths`"),
            (json!({"math": "true"}), "option `math` takes `true` or `false`, not \"true\""),
            (json!({"math": null}), "option `math` takes `true` or `false`, not a JSON null"),
            (json!({"dense": false}), "option `dense` is always true in a stream"),
        ] {
            assert_eq!(of(&json).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_query_says_what_json_says() {
        let query = from_query([("math", "1"), ("tables", "false"), ("tail", "escape"), ("id_prefix", "r1-")]).unwrap();
        let json = json!({"math": true, "tables": false, "tail": "escape", "id_prefix": "r1-"});
        assert_eq!(Some(&query), json.as_object());
        assert_eq!(streamed(Some(&query)), of(&json));
        assert!(from_query([("math", "yes")]).is_err() && from_query([("stream", "x")]).is_err());
        assert_eq!(from_query([("dense", "0")]), Err(OptionRefusal::NotStreamable { option: "dense" }));
    }
}
