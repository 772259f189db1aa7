//! The slow page: a browser's parser, and edits as ops of the wire with selectors.

use std::fmt::Write as _;

use rillmark::markdown::growing::{Edit, Step};
use rillmark::markdown::options::{Options, Policy};
use serde_json::{Value, json};

use crate::oracle::{self, dom};
use crate::page::Page;

const OWN: &str = "[dj-stream='s']";

/// A page with one stream.
pub(crate) struct Browser {
    page: Page,
    frames: u64,
}

impl Browser {
    pub(crate) fn load() -> Self {
        Self { page: Page::load("<p>before</p><div dj-stream=\"s\">what <b>it</b> came with</div>"), frames: 0 }
    }

    /// Makes the edits and compares the page with the twin's view of `text`.
    ///
    /// # Errors
    /// What the twin shows, and what the page does.
    pub(crate) fn compare(
        &mut self,
        edits: &[Edit],
        text: &str,
        options: &Options,
        policy: &Policy,
    ) -> Result<(), (String, String)> {
        self.frames += 1;
        let frame = json!({
            "type": "stream", "stream": "s", "id": format!("a-{}", self.frames),
            "ops": edits.iter().map(op).collect::<Vec<_>>(),
        });
        self.page.message(&frame.to_string());
        let wanted = oracle::render(text, options, policy);
        if let Some(why) = self.page.skipped().first() {
            return Err((wanted, why.clone()));
        }
        let shown = self.page.content(OWN);
        if shown == dom::parse(&wanted) { Ok(()) } else { Err((wanted, format!("{shown:?}"))) }
    }
}

fn op(edit: &Edit) -> Value {
    match edit {
        Edit::Replace { path, html } => json!({ "op": "replace", "target": target(path), "html": html }),
        Edit::Append { path, html } => json!({ "op": "append", "target": target(path), "html": html }),
        Edit::Delete { path } => json!({ "op": "delete", "target": target(path) }),
    }
}

fn target(path: &[Step]) -> String {
    path.iter().fold(OWN.to_owned(), |mut selector, step| {
        let written = match step {
            Step::Child(n) => write!(selector, " > :nth-child({n})"),
            Step::Last => write!(selector, " > :last-child"),
        };
        written.expect("a string takes all");
        selector
    })
}
