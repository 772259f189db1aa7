//! The laws of what a reader sees while a source is being written, over every prefix of every example.

use rillmark::markdown::options::{Options, Policy, Tail};

use super::oracle::dom;
use super::{oracle, spec};

#[test]
fn a_source_seen_whole_is_the_finished_page() {
    let Some(examples) = spec::sources() else { return };
    for source in examples.iter().filter(|source| source.ends_with("\n\n")) {
        let view = Options { tail: Tail::Complete, dense: true, ..Options::default() };
        let finished = Options { provisional: false, ..view.clone() };
        let seen = oracle::render(source, &view, &Policy::default());
        dom::assert_same(&seen, &oracle::render(source, &finished, &Policy::default()), source);
    }
}
