//! The examples of CommonMark 0.31.2 and of GFM's extensions, as `tests/fetch` lays them into `target/spec`.
//!
//! Their text is not part of this project, so a test that needs them is skipped, and says so, where they were not
//! fetched; with `RILLMARK_SPEC_REQUIRED` set it fails instead.
//!
//! **Source:** CommonMark 0.31.2; GFM 0.29.

use std::path::Path;

use serde::Deserialize;

/// One example of a specification.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Example {
    /// The source.
    pub markdown: String,
    /// What the specification makes of it.
    pub html: String,
    /// The heading it stands under.
    pub section: String,
    /// Its number.
    pub example: u32,
}

/// CommonMark's 652 examples; `None` if the test is to be skipped.
pub(crate) fn commonmark() -> Option<Vec<Example>> {
    load("commonmark.json", 652)
}

/// The 24 examples of GFM's extensions; `None` if the test is to be skipped.
pub(crate) fn gfm() -> Option<Vec<Example>> {
    load("gfm.json", 24)
}

/// The sources of all examples; `None` if the test is to be skipped.
pub(crate) fn sources() -> Option<Vec<String>> {
    let examples = commonmark()?.into_iter().chain(gfm()?);
    Some(examples.map(|example| example.markdown).collect())
}

fn load(name: &str, count: usize) -> Option<Vec<Example>> {
    // Other packages of the workspace include this file.
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut paths = above.map(|folder| folder.join("target/spec").join(name));
    let first = paths.next().expect("a folder is its own ancestor");
    let path = paths.find(|path| !first.exists() && path.exists()).unwrap_or(first);
    match std::fs::read_to_string(&path) {
        Ok(json) => {
            let examples: Vec<Example> = serde_json::from_str(&json).expect("tests/fetch writes examples");
            assert_eq!(examples.len(), count, "{} is not what tests/fetch writes: remove it", path.display());
            Some(examples)
        }
        Err(_) if std::env::var_os("RILLMARK_SPEC_REQUIRED").is_some() => {
            panic!("{} is not there: run tests/fetch", path.display())
        }
        Err(_) => {
            eprintln!("skipped: {} is not there (tests/fetch gets it)", path.display());
            None
        }
    }
}
