//! The naive twin of the renderer: the same contract on other ground, so that a fault has to be made twice to pass.
//!
//! It maps the parser's events, lets the parser's *own* writer turn them into HTML, and patches the text that comes
//! out. Clarity over speed: it parses as often as it likes and copies at every step, one concern a file.
//!
//! | file | holds |
//! |---|---|
//! | `write` | parse, the order of the steps, the stock writer, `dense` |
//! | `references` | link definitions: which resolve, what they may cost |
//! | `blocks` | raw HTML, heading ids, language classes, footnote labels |
//! | `autolinks` | bare URLs and e-mail addresses |
//! | `links` | URLs, images, `rel`, links within links |
//! | `depth` | nothing deeper than 64 |
//! | `view` | what a reader sees of an unfinished source: `escape` and `complete` |
//! | `leaf`, `inline`, `runs`, `syntax` | for `complete`: the open leaf, the scan of its text, what closes it, small grammars |
//! | `dom` | HTML as a browser reads it |
//!
//! It knows of the product only the options, the normaliser and the pre-scan of the bounds, so that other packages can
//! include it by path.
//!
//! **Source:** CommonMark 0.31.2; the options table of `rillmark::markdown::options`.

pub(crate) mod dom;

mod autolinks;
mod blocks;
mod depth;
mod inline;
mod leaf;
mod links;
mod references;
mod runs;
mod syntax;
mod view;
mod write;

use rillmark::markdown::SOURCE_BYTES_MAX;
use rillmark::markdown::bounds::trip;
use rillmark::markdown::normalise::normalise;
use rillmark::markdown::options::{Options, Policy, Tail};

pub(crate) use write::extensions;

/// Elements may be this deep; children of the root are at depth 1.
pub(crate) const DEPTH_MAX: usize = 64;

/// What the product's `render` must give for the same arguments.
pub(crate) fn render(source: &str, options: &Options, policy: &Policy) -> String {
    let text = normalise(source);
    if source.len() > SOURCE_BYTES_MAX {
        return format!("<pre class=\"djust-md-toobig\">{}</pre>", write::pre_text(&text));
    }
    match (options.provisional, options.tail) {
        (false, _) => finished(&text, options, policy),
        (true, Tail::Escape) => view::escape(&text, options, policy),
        (true, Tail::Complete) => view::complete(&text, options, policy),
    }
}

/// R(S): a normalised source, taken as finished.
pub(crate) fn finished(text: &str, options: &Options, policy: &Policy) -> String {
    match trip(text) {
        None => write::html(text, options, policy, None),
        Some(at) => {
            let head = write::html(&text[..at], options, policy, None);
            format!("{head}<pre class=\"djust-md-rest\">{}</pre>", write::pre_text(&text[at..]))
        }
    }
}
