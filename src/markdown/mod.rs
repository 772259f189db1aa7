//! Markdown in, HTML that is safe to put on a page out.
//!
//! ```
//! use rillmark::markdown::{Options, Policy, render};
//! let html = render("Hello **wor", &Options::default(), &Policy::default());
//! assert_eq!(html, "<p class=\"djust-md-provisional\">Hello **wor</p>");
//! ```
//!
//! How a source travels: [`normalise`] (line ends, NUL, controls) → [`bounds`] (one scan; where a bound trips, the rest is
//! shown as it is) → the view (`tail`: what of an unfinished end is shown) → `parser` (events; `references`) → `writer`
//! (HTML, through the table of [`elements`]).
//!
//! Total: every input gives HTML. No I/O, no clock.
//!
//! **Invariant:** no prefix of any source yields an element, attribute or URL scheme outside the allow-list, and the tags
//! are what a browser builds (`output_stays_inside_the_table`, `tags_spell_what_a_browser_builds`).
//!
//! **Invariant:** output is at most [`bounds::OUTPUT_FACTOR`] × source + 64 KiB (`no_family_amplifies`).
//!
//! **Source:** CommonMark 0.31.2, GFM 0.29; WHATWG HTML for what is written.

mod autolink;
pub mod bounds;
pub mod elements;
mod escape;
pub mod growing;
pub mod normalise;
pub mod options;
mod parser;
mod references;
mod tail;
mod url;
mod writer;

pub use options::{Options, Policy};
pub use parser::parser_calls;

use options::Tail;
use writer::{Edits, Out};

/// The longest source that is parsed, in bytes: 10 MiB, as the seed's renderer has it. One byte more comes back as an
/// escaped `<pre class="djust-md-toobig">`.
pub const SOURCE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Renders `source` under `options` (what the caller asks for) and `policy` (what the operator allows).
///
/// O(source) in time and memory.
pub fn render(source: &str, options: &Options, policy: &Policy) -> String {
    let mut out = Out::default();
    let normalised = normalise::normalise(source);
    if source.len() > SOURCE_BYTES_MAX {
        writer::preformatted("djust-md-toobig", &normalised, &mut out);
        return out.html;
    }
    view(&normalised, 0, bounds::trip(&normalised), options, policy, &mut out);
    out.html
}

/// Appends what is shown of a normalised source. `before`: so many bytes stand before it in its document, all of them
/// shown and done with, less those that stand in for them in it. `trip` is where a bound trips in it.
fn view(source: &str, before: isize, trip: Option<usize>, options: &Options, policy: &Policy, out: &mut Out) {
    match (options.provisional, options.tail) {
        (false, _) => render_finished(source, trip, options, policy, out),
        (true, Tail::Escape) => tail::escape(source, trip, options, policy, out),
        (true, Tail::Complete) => tail::complete(source, before, trip, options, policy, out),
    }
}

/// Appends the render of a normalised source as if it were finished. `trip` is where a bound trips in it.
fn render_finished(source: &str, trip: Option<usize>, options: &Options, policy: &Policy, out: &mut Out) {
    let (parsed, rest) = source.split_at(trip.unwrap_or(source.len()));
    writer::write(parsed, options, policy, &Edits::NONE, out);
    if trip.is_some() {
        writer::preformatted("djust-md-rest", rest, out);
        out.end = tail::End::Rest;
    }
}
