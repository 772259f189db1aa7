//! What a caller may ask of the renderer, and what the operator allows: one table of options, from which the JSON and
//! query parsers, the command line, the OpenAPI document and the README come.
//!
//! **Invariant:** every field of [`Options`] has exactly one row in [`OPTIONS`], and its default is the row's
//! (`every_row_sets_its_own_field`, `defaults_are_the_rows`).
//!
//! **Source:** DESIGN of the service, "Rendering"; the README's table of options is made from [`OPTIONS`].

use std::fmt;

/// What `provisional` does with the unfinished end of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tail {
    /// The unfinished line is escaped and wrapped in `<p class="djust-md-provisional">`.
    #[default]
    Escape,
    /// The unfinished end is shown as its writer means it: what is open is closed, half-typed syntax is not shown.
    Complete,
}

/// Which images are loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Images {
    /// All that the operator's prefixes allow.
    #[default]
    All,
    /// None: each image is its alternative text in `<span class="rillmark-image">`.
    None,
}

/// How a table cell's alignment is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TableAlign {
    /// `style="text-align: …"`, as pulldown-cmark writes it.
    #[default]
    Style,
    /// `align="…"`, which a Content Security Policy without inline styles allows.
    Attribute,
}

/// Options of one render. `Default` is the documented default of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Split the unfinished end off (see [`Tail`]).
    pub provisional: bool,
    /// GFM tables.
    pub tables: bool,
    /// `~~x~~`.
    pub strikethrough: bool,
    /// `- [ ]` and `- [x]` as disabled checkboxes.
    pub task_lists: bool,
    /// What `provisional` does.
    pub tail: Tail,
    /// Bare URLs and e-mail addresses become links (GFM extended autolinks).
    pub autolinks: bool,
    /// `<code class="language-…">` from a fence's info string.
    pub code_classes: bool,
    /// Footnotes.
    pub footnotes: bool,
    /// `> [!NOTE]` and its kin.
    pub alerts: bool,
    /// `$x$` and `$$x$$`.
    pub math: bool,
    /// `id` on headings.
    pub heading_ids: bool,
    /// Which images are loaded.
    pub images: Images,
    /// `rel` of links that leave the site: distinct tokens of [`LINK_REL_TOKENS`] between single spaces, or empty.
    pub link_rel: String,
    /// How cell alignment is written.
    pub table_align: TableAlign,
    /// Put behind `user-content-` in every id: `[A-Za-z0-9_-]{0,64}`.
    pub id_prefix: String,
    /// Leave out the line feeds between blocks.
    pub dense: bool,
}

/// What the operator allows, the same for every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// URL schemes that links and images may have, lower case. Relative URLs are always allowed.
    pub url_schemes: Vec<String>,
    /// If not empty: an image is loaded only if its URL begins with one of these.
    pub image_prefixes: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { url_schemes: ["http", "https", "mailto", "tel"].map(str::to_owned).to_vec(), image_prefixes: Vec::new() }
    }
}

/// The tokens that `link_rel` may hold.
pub const LINK_REL_TOKENS: &[&str] = &["nofollow", "ugc", "sponsored", "noopener", "noreferrer", "external"];

/// What kind of value an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A string.
    Text {
        /// Which strings are accepted, for people.
        takes: &'static str,
        /// The same as a pattern of ECMA-262, for the API document.
        pattern: &'static str,
    },
}

/// One row of [`OPTIONS`].
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// Its name in JSON, in the query and (with `-` for `_`) on the command line.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its default, as text.
    pub default: &'static str,
    /// One sentence for people.
    pub doc: &'static str,
}

/// A value as it arrived.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A JSON boolean.
    Bool(bool),
    /// A JSON string: only options of words and text take one.
    Str(&'a str),
    /// Text from a query string or a command line: booleans are spelled `true`/`false` (or `1`/`0`).
    Raw(&'a str),
    /// Any other JSON value, by the name of its type (`"number"`, `"null"`, `"array"`, `"object"`).
    Other(&'static str),
}

/// Why an option was refused. It names the option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionError {
    /// There is no such option.
    Unknown {
        /// The name as it came.
        name: String,
    },
    /// The option exists and does not take this value.
    Invalid {
        /// The option's name.
        name: &'static str,
        /// What it takes.
        expected: String,
        /// What came instead.
        found: String,
    },
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => write!(f, "unknown option `{name}`"),
            Self::Invalid { name, expected, found } => {
                write!(f, "option `{name}` takes {expected}, not {found}")
            }
        }
    }
}

impl std::error::Error for OptionError {}

impl Default for Options {
    fn default() -> Self {
        Self {
            provisional: true,
            tables: true,
            strikethrough: true,
            task_lists: false,
            tail: Tail::Escape,
            autolinks: false,
            code_classes: true,
            footnotes: false,
            alerts: false,
            math: false,
            heading_ids: false,
            images: Images::All,
            link_rel: String::new(),
            table_align: TableAlign::Style,
            id_prefix: String::new(),
            dense: false,
        }
    }
}

const fn flag(name: &'static str, default: bool, doc: &'static str) -> OptionSpec {
    let default = if default { "true" } else { "false" };
    OptionSpec { name, kind: Kind::Bool, default, doc }
}

/// Every option, in the order in which people read them.
pub const OPTIONS: &[OptionSpec] = &[
    flag(
        "provisional",
        true,
        "The source may be unfinished: its trailing line is shown without being parsed (see `tail`). Set to `false` for finished text.",
    ),
    flag("tables", true, "GFM tables."),
    flag("strikethrough", true, "`~~x~~` as `<del>`."),
    flag("task_lists", false, "`- [ ]` and `- [x]` as disabled checkboxes."),
    OptionSpec {
        name: "tail",
        kind: Kind::Word(&["escape", "complete"]),
        default: "escape",
        doc: "What `provisional` does with the unfinished end: `escape` shows its line as escaped text in `<p class=\"djust-md-provisional\">`; `complete` renders it as its writer means it, with what is open closed and half-typed syntax not shown.",
    },
    flag("autolinks", false, "Bare `https://…`, `www.…` and e-mail addresses become links (GFM extended autolinks)."),
    flag(
        "code_classes",
        true,
        "`<code class=\"language-rust\">` from a fence's info string (letters, digits, `+ # . _ -`).",
    ),
    flag(
        "footnotes",
        false,
        "Footnotes, in place. They are numbered over the whole document: a stream with them renders all of it for each frame, so a long one has fewer frames.",
    ),
    flag("alerts", false, "`> [!NOTE]`, `[!TIP]`, `[!IMPORTANT]`, `[!WARNING]`, `[!CAUTION]` as classes on the quote."),
    flag(
        "math",
        false,
        "`$x$` and `$$x$$` as `<span class=\"math math-inline\">` and `math-display`, for a script such as KaTeX.",
    ),
    flag(
        "heading_ids",
        false,
        "`id` on headings: the slug of the text, at most 64 characters, behind `user-content-` and `id_prefix`.",
    ),
    OptionSpec {
        name: "images",
        kind: Kind::Word(&["all", "none"]),
        default: "all",
        doc: "`none`: an image is its alternative text in `<span class=\"rillmark-image\">`, since an image's URL can carry a secret out without a click.",
    },
    OptionSpec {
        name: "link_rel",
        kind: Kind::Text {
            takes: "tokens of `nofollow ugc sponsored noopener noreferrer external`, each once, separated by single spaces",
            pattern: "^(?!(.* )?([a-z]+) (.* )?\\2( |$))((nofollow|ugc|sponsored|noopener|noreferrer|external)( (nofollow|ugc|sponsored|noopener|noreferrer|external))*)?$",
        },
        default: "",
        doc: "`rel` on links that leave the site.",
    },
    OptionSpec {
        name: "table_align",
        kind: Kind::Word(&["style", "attribute"]),
        default: "style",
        doc: "How a cell's alignment is written: `style=\"text-align: …\"`, or `align=\"…\"`, which a Content Security Policy without inline styles allows.",
    },
    OptionSpec {
        name: "id_prefix",
        kind: Kind::Text { takes: "at most 64 of `A-Z a-z 0-9 _ -`", pattern: "^[A-Za-z0-9_-]{0,64}$" },
        default: "",
        doc: "Follows `user-content-` in every id, since one page holds several replies.",
    },
    flag("dense", false, "Without the line feeds between blocks."),
];

impl Options {
    /// Sets one option by name.
    ///
    /// ```
    /// use rillmark::markdown::options::{Options, Value};
    /// let mut options = Options::default();
    /// options.set("math", Value::Bool(true)).unwrap();
    /// assert!(options.math);
    /// assert_eq!(options.set("maths", Value::Bool(true)).unwrap_err().to_string(), "unknown option `maths`");
    /// ```
    ///
    /// # Errors
    /// [`OptionError`] where there is no such option, or it does not take this value; nothing is changed then.
    pub fn set(&mut self, name: &str, value: Value<'_>) -> Result<(), OptionError> {
        let spec = OPTIONS.iter().find(|spec| spec.name == name);
        let spec = spec.ok_or_else(|| OptionError::Unknown { name: name.chars().take(80).collect() })?;
        match spec.kind {
            Kind::Bool => {
                let on = parse_bool(value).ok_or_else(|| spec.refuse(value))?;
                *self.flag_mut(spec.name) = on;
            }
            Kind::Word(words) => {
                let (Value::Str(word) | Value::Raw(word)) = value else { return Err(spec.refuse(value)) };
                let index = words.iter().position(|w| *w == word).ok_or_else(|| spec.refuse(value))?;
                self.set_word(spec.name, index);
            }
            Kind::Text { .. } => {
                let (Value::Str(text) | Value::Raw(text)) = value else { return Err(spec.refuse(value)) };
                if !self.set_text(spec.name, text) {
                    return Err(spec.refuse(value));
                }
            }
        }
        Ok(())
    }

    fn flag_mut(&mut self, name: &'static str) -> &mut bool {
        match name {
            "provisional" => &mut self.provisional,
            "tables" => &mut self.tables,
            "strikethrough" => &mut self.strikethrough,
            "task_lists" => &mut self.task_lists,
            "autolinks" => &mut self.autolinks,
            "code_classes" => &mut self.code_classes,
            "footnotes" => &mut self.footnotes,
            "alerts" => &mut self.alerts,
            "math" => &mut self.math,
            "heading_ids" => &mut self.heading_ids,
            "dense" => &mut self.dense,
            _ => unreachable!("a row of OPTIONS without a field: {name}"),
        }
    }

    fn set_word(&mut self, name: &'static str, index: usize) {
        match name {
            "tail" => self.tail = [Tail::Escape, Tail::Complete][index],
            "images" => self.images = [Images::All, Images::None][index],
            "table_align" => self.table_align = [TableAlign::Style, TableAlign::Attribute][index],
            _ => unreachable!("a row of OPTIONS without a field: {name}"),
        }
    }

    fn set_text(&mut self, name: &'static str, text: &str) -> bool {
        let ok = match name {
            "link_rel" => text.is_empty() || are_distinct_rel_tokens(text),
            _ => text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
        };
        if ok {
            let field = if name == "link_rel" { &mut self.link_rel } else { &mut self.id_prefix };
            text.clone_into(field);
        }
        ok
    }
}

/// Every link carries them, so a token that comes twice would be a way to make much of little.
fn are_distinct_rel_tokens(text: &str) -> bool {
    let mut left = LINK_REL_TOKENS.to_vec();
    text.split(' ').all(|token| {
        let found = left.iter().position(|known| *known == token);
        found.map(|i| left.swap_remove(i)).is_some()
    })
}

fn parse_bool(value: Value<'_>) -> Option<bool> {
    match value {
        Value::Bool(on) => Some(on),
        Value::Raw("true" | "1") => Some(true),
        Value::Raw("false" | "0") => Some(false),
        _ => None,
    }
}

impl OptionSpec {
    /// What the option takes, for people.
    pub fn expected(&self) -> String {
        match self.kind {
            Kind::Bool => "`true` or `false`".to_owned(),
            Kind::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or "),
            Kind::Text { takes, .. } => takes.to_owned(),
        }
    }

    fn refuse(&self, value: Value<'_>) -> OptionError {
        let found = match value {
            Value::Bool(on) => format!("`{on}`"),
            Value::Str(text) | Value::Raw(text) => {
                let short: String = text.chars().take(80).collect();
                format!("{short:?}")
            }
            Value::Other(kind) => format!("a JSON {kind}"),
        };
        OptionError::Invalid { name: self.name, expected: self.expected(), found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_rows() {
        for spec in OPTIONS {
            let mut options = Options::default();
            options.set(spec.name, Value::Raw(spec.default)).unwrap();
            assert_eq!(options, Options::default(), "{}", spec.name);
        }
    }

    #[test]
    fn every_row_sets_its_own_field() {
        let mut seen = Vec::new();
        for spec in OPTIONS {
            let other = match spec.kind {
                Kind::Bool if spec.default == "true" => "false",
                Kind::Bool => "true",
                Kind::Word(words) => words[1],
                Kind::Text { .. } if spec.name == "link_rel" => "nofollow ugc",
                Kind::Text { .. } => "r1-",
            };
            let mut options = Options::default();
            options.set(spec.name, Value::Raw(other)).unwrap();
            assert_ne!(options, Options::default(), "{}", spec.name);
            assert!(!seen.contains(&options), "{}", spec.name);
            seen.push(options);
        }
        let fields = format!("{:?}", Options::default()).matches(": ").count();
        assert_eq!(OPTIONS.len(), fields, "a field without a row");
    }

    #[test]
    fn refusals_name_the_option_and_change_nothing() {
        let cases = [
            ("tablse", Value::Bool(true), "unknown option `tablse`"),
            ("tables", Value::Str("true"), "option `tables` takes `true` or `false`, not \"true\""),
            ("tables", Value::Other("number"), "option `tables` takes `true` or `false`, not a JSON number"),
            ("tables", Value::Raw("yes"), "option `tables` takes `true` or `false`, not \"yes\""),
            ("tail", Value::Str("Escape"), "option `tail` takes `escape` or `complete`, not \"Escape\""),
            ("id_prefix", Value::Str("a b"), "option `id_prefix` takes at most 64 of `A-Z a-z 0-9 _ -`, not \"a b\""),
        ];
        for (name, value, expected) in cases {
            let mut options = Options::default();
            assert_eq!(options.set(name, value).unwrap_err().to_string(), expected);
            assert_eq!(options, Options::default());
        }
        let mut options = Options::default();
        assert!(options.set("link_rel", Value::Str("nofollow  ugc")).is_err());
        assert!(options.set("link_rel", Value::Str("stylesheet")).is_err());
        assert!(options.set("link_rel", Value::Str("ugc ugc")).is_err());
        assert!(options.set("link_rel", Value::Str(&LINK_REL_TOKENS.join(" "))).is_ok());
    }
}
