//! The ops of a batch as the API document has them: one schema for each op, told apart by `op`.
//!
//! **Invariant:** every op that is taken is described, and what is described is taken (`every_described_op_is_taken`).
//! **Source:** `openapi/protocol.md`, "Ops"; JSON Schema 2020-12.

use serde_json::{Map, Value, json};

/// What a field of an op holds.
#[derive(Clone, Copy)]
enum Field {
    Target,
    Flag,
    Text,
    Mode,
    Limit,
    Edge,
    Name,
    Anything,
    Options,
}

/// One op: its name, what it does, and its fields, those that it needs first.
struct OpSpec {
    name: &'static str,
    doc: &'static str,
    needs: &'static [(&'static str, Field)],
    takes: &'static [(&'static str, Field)],
}

const TARGET: (&str, Field) = ("target", Field::Target);

const OPS: &[OpSpec] = &[
    op("start", "Begins a run; the element becomes active", &[], &[TARGET, ("clear", Field::Flag)]),
    op("text", "Plain text", &[("text", Field::Text)], &[TARGET, ("mode", Field::Mode)]),
    op("append", "HTML behind the children", &[("html", Field::Text)], &[TARGET]),
    op("prepend", "HTML before the children", &[("html", Field::Text)], &[TARGET]),
    op("replace", "HTML instead of the children", &[("html", Field::Text)], &[TARGET]),
    op("delete", "Removes the element", &[TARGET], &[]),
    op("prune", "At most so many children stay", &[("limit", Field::Limit)], &[TARGET, ("edge", Field::Edge)]),
    op("error", "Ends the run with a message that the page shows", &[], &[TARGET, ("error", Field::Text)]),
    op("done", "Ends the run", &[], &[TARGET]),
    op(
        "event",
        "A DOM event for the page's own code",
        &[("name", Field::Name)],
        &[TARGET, ("detail", Field::Anything), ("keep", Field::Flag)],
    ),
    op("markdown", "Grows the stream's document", &[("text", Field::Text)], &[("options", Field::Options)]),
];

const fn op(
    name: &'static str,
    doc: &'static str,
    needs: &'static [(&'static str, Field)],
    takes: &'static [(&'static str, Field)],
) -> OpSpec {
    OpSpec { name, doc, needs, takes }
}

impl Field {
    fn schema(self) -> Value {
        match self {
            Self::Target => json!({
                "type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[^\\u0000]+$",
                "description": "A CSS selector; the first match is meant. By default the stream's own element",
            }),
            Self::Flag => json!({"type": "boolean", "default": false}),
            Self::Text => json!({"type": "string"}),
            Self::Mode => json!({"type": "string", "enum": ["append", "replace", "prepend"]}),
            Self::Limit => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
            Self::Edge => json!({"type": "string", "enum": ["top", "bottom"], "default": "top"}),
            Self::Name => {
                json!({"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"})
            }
            Self::Anything => json!({"description": "Any JSON"}),
            Self::Options => json!({"$ref": "#/components/schemas/StreamOptions"}),
        }
    }
}

/// The schema of any op.
pub(super) fn schema() -> Value {
    let each: Vec<Value> = OPS.iter().map(describe).collect();
    json!({"description": "One change of a page; what each does stands in the protocol.", "oneOf": each})
}

fn describe(op: &OpSpec) -> Value {
    let mut properties = Map::new();
    properties.insert("op".to_owned(), json!({"const": op.name}));
    for (name, field) in op.needs.iter().chain(op.takes) {
        properties.insert((*name).to_owned(), field.schema());
    }
    let required: Vec<&str> = std::iter::once("op").chain(op.needs.iter().map(|(name, _)| *name)).collect();
    json!({
        "title": op.name,
        "description": op.doc,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Batch, Sizes};
    use crate::telemetry::OP_KINDS;

    fn example(field: Field) -> Value {
        match field {
            Field::Target => json!("#a"),
            Field::Flag => json!(true),
            Field::Text | Field::Name => json!("a"),
            Field::Mode => json!("replace"),
            Field::Limit => json!(u32::MAX),
            Field::Edge => json!("bottom"),
            Field::Anything => json!([1]),
            Field::Options => json!({"math": true}),
        }
    }

    fn is_taken(op: &OpSpec, fields: &[(&str, Field)]) -> bool {
        let mut object: Map<String, Value> =
            fields.iter().map(|(name, field)| ((*name).to_owned(), example(*field))).collect();
        object.insert("op".to_owned(), json!(op.name));
        let batch = json!({"stream": "s", "ops": [object]}).to_string();
        Batch::parse(batch.as_bytes(), &Sizes::default()).is_ok()
    }

    #[test]
    fn every_described_op_is_taken() {
        let mut names: Vec<&str> = OPS.iter().map(|op| op.name).collect();
        let mut all = OP_KINDS.to_vec();
        names.sort_unstable();
        all.sort_unstable();
        assert_eq!(names, all);
        for op in OPS {
            let whole: Vec<_> = op.needs.iter().chain(op.takes).copied().collect();
            assert!(is_taken(op, &whole), "{} with all fields", op.name);
            assert!(is_taken(op, op.needs), "{} with what it needs", op.name);
            for missing in 0..op.needs.len() {
                let mut fields = op.needs.to_vec();
                fields.remove(missing);
                assert!(!is_taken(op, &fields), "{} without {}", op.name, op.needs[missing].0);
            }
            assert!(!is_taken(op, &[op.needs, &[("unheard", Field::Flag)]].concat()), "{}", op.name);
        }
    }
}
