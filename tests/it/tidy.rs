//! The house law, checked: who may use whom, how a file opens, how long things are, what an invariant rests on.
//!
//! **Invariant:** the map in `src/lib.rs` and the code agree (`a_room_uses_only_rooms_above_it`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::lexer::blank;

/// Longest file, in lines: what one can still read in one sitting.
const FILE_LINES_MAX: usize = 600;
/// Longest function, in lines, from `fn` to its closing brace: about a screen.
const FUNCTION_LINES_MAX: usize = 70;

/// A Rust file of the repository.
struct Source {
    /// Its path from the root of the repository, with `/`.
    path: String,
    text: String,
    /// The text with comments, strings and characters blanked: what is left is code, line for line.
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !name.starts_with('.') && !["target", "node_modules"].contains(&name) {
            walk(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// Every Rust file under the folders that hold code, sorted.
fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in ["src", "tests", "loadtest"] {
        walk(&root().join(folder), &mut paths);
    }
    paths.sort();
    let sources: Vec<Source> = paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let path = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            Source { path, code: blank(&text), text }
        })
        .collect();
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "no sources found");
    sources
}

/// Fails with every fault, a line each.
fn expect_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// The rooms, top to bottom, as the table in the doc of `lib.rs` has them.
fn rooms(lib: &str) -> Vec<&str> {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | `"));
    rows.map(|row| row.split_once('`').expect("a row of the map names its room in backticks").0).collect()
}

/// The room that a file belongs to: `src/room.rs` or anything under `src/room/`.
fn room_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("src/")?;
    let name = rest.split('/').next()?;
    let name = name.strip_suffix(".rs").unwrap_or(name);
    (!["lib", "main"].contains(&name)).then_some(name)
}

fn leading_word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The first names behind each `crate::` of `code`: one of `crate::a::b`, two of `crate::{a::b, c}`.
fn crate_paths(code: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.push(leading_word(rest));
            continue;
        };
        let (mut depth, mut item) = (0_usize, 0_usize);
        for (i, byte) in group.bytes().enumerate() {
            match byte {
                b'{' => depth += 1,
                b'}' if depth > 0 => depth -= 1,
                b'}' | b',' if depth == 0 => {
                    names.push(leading_word(group[item..i].trim_start()));
                    item = i + 1;
                    if byte == b'}' {
                        break;
                    }
                }
                _ => {}
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Why `room` may not use `name`, if it may not.
fn fault_of_use(rooms: &[&str], room: &str, name: &str) -> Option<&'static str> {
    let place = |wanted: &str| rooms.iter().position(|known| *known == wanted);
    let own = place(room)?;
    match place(name) {
        _ if name == room => None,
        None => Some("is no room of the map"),
        Some(_) if room == "markdown" || (room, name) == ("protocol", "markdown") => Some("is beyond a pure room"),
        Some(used) if used > own => Some("stands below it"),
        Some(_) => None,
    }
}

#[test]
fn a_room_uses_only_rooms_above_it() {
    let sources = sources();
    let lib = sources.iter().find(|source| source.path == "src/lib.rs").unwrap();
    let rooms = rooms(&lib.text);
    assert!(rooms.len() > 4, "the map lists {rooms:?}");
    let mut faults = Vec::new();
    for source in &sources {
        let Some(room) = room_of(&source.path) else { continue };
        if !rooms.contains(&room) {
            faults.push(format!("{}: `{room}` has no row in the map of src/lib.rs", source.path));
        }
        for name in crate_paths(&source.code) {
            if let Some(why) = fault_of_use(&rooms, room, name) {
                faults.push(format!("{}: `{room}` uses `{name}`, which {why}", source.path));
            }
        }
        for (at, _) in source.code.match_indices("super::") {
            let name = leading_word(&source.code[at + "super::".len()..]);
            let own = root().join("src").join(room);
            if rooms.contains(&name) && !own.join(name).exists() && !own.join(format!("{name}.rs")).exists() {
                faults.push(format!("{}: `super::{name}` leaves the room; write `crate::{name}`", source.path));
            }
        }
    }
    expect_none(&faults);
}

#[test]
fn every_declared_room_stands_in_the_map_in_its_order() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let rooms = rooms(&lib);
    let declared = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let missing: Vec<_> = declared.filter(|name| !rooms.contains(name)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "no row in the map");
}

#[test]
fn every_file_opens_with_what_it_is() {
    let faults: Vec<String> = sources()
        .iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| format!("{}: does not open with `//! `", source.path))
        .collect();
    expect_none(&faults);
}

#[test]
fn no_file_is_over_600_lines() {
    let faults: Vec<String> = sources()
        .iter()
        .map(|source| (source, source.text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(source, lines)| format!("{}: {lines} lines", source.path))
        .collect();
    expect_none(&faults);
}

/// Each function of `code`: its name, the line it starts on (from 1) and how many lines it has.
fn functions(code: &str) -> Vec<(&str, usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let bounded = code[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let name = leading_word(&code[at + 3..]);
        let Some(body) = code[at..].find(['{', ';']).map(|i| at + i) else { continue };
        if !bounded || name.is_empty() || code.as_bytes()[body] == b';' {
            continue;
        }
        let mut depth = 0_usize;
        let end = code[body..].bytes().position(|byte| {
            depth = match byte {
                b'{' => depth + 1,
                b'}' => depth - 1,
                _ => depth,
            };
            depth == 0
        });
        let end = end.map_or(code.len(), |i| body + i);
        let lines = |text: &str| text.matches('\n').count() + 1;
        found.push((name, lines(&code[..at]), lines(&code[at..end])));
    }
    found
}

#[test]
fn no_function_is_over_70_lines() {
    let mut faults = Vec::new();
    for source in &sources() {
        for (name, line, lines) in functions(&source.code) {
            if lines > FUNCTION_LINES_MAX {
                faults.push(format!("{}:{line}: `{name}` has {lines} lines", source.path));
            }
        }
    }
    expect_none(&faults);
}

#[test]
fn no_line_ends_in_white_space_and_every_file_in_one_line_feed() {
    let mut faults = Vec::new();
    for source in &sources() {
        for (index, line) in source.text.split('\n').enumerate() {
            if line.ends_with([' ', '\t', '\r']) {
                faults.push(format!("{}:{}: white space at the end", source.path, index + 1));
            }
        }
        if !source.text.ends_with('\n') || source.text.ends_with("\n\n") {
            faults.push(format!("{}: does not end in one line feed", source.path));
        }
    }
    expect_none(&faults);
}

#[test]
fn only_config_reads_the_environment() {
    let allowed = |path: &str, word: &str| match room_of(path) {
        Some("config") => true,
        Some("cli") => word == "args_os",
        _ => false,
    };
    let mut faults = Vec::new();
    let of_the_product = |source: &&Source| source.path.starts_with("src/") && !source.path.ends_with("/tests.rs");
    for source in sources().iter().filter(of_the_product) {
        let uses = source.code.match_indices("env::").map(|(at, found)| leading_word(&source.code[at + found.len()..]));
        let whole =
            source.code.contains("use std::env;").then_some("env").filter(|_| room_of(&source.path) != Some("config"));
        for word in uses.filter(|word| !allowed(&source.path, word)).chain(whole) {
            faults.push(format!("{}: `env::{word}`: the environment is read by `config` alone", source.path));
        }
    }
    expect_none(&faults);
}

/// The names of all test functions: a `fn` under an attribute that ends in `test`, and the fuzz targets.
fn test_names(sources: &[Source]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in sources {
        if let Some(target) = source.path.strip_prefix("tests/fuzz/fuzz_targets/") {
            names.insert(target.trim_end_matches(".rs").to_owned());
        }
        let mut marked = false;
        for line in source.code.lines().map(str::trim) {
            if line.starts_with("#[") {
                let attribute = line.trim_start_matches("#[").split([']', '(']).next().unwrap_or_default();
                marked |= attribute.rsplit("::").next().is_some_and(|word| word == "test" || word == "rstest");
            } else if let Some((_, rest)) = line.split_once("fn ") {
                if marked {
                    names.insert(leading_word(rest).to_owned());
                }
                marked = false;
            }
        }
    }
    names
}

/// The invariants of a file's opening doc: each paragraph that begins with `**Invariant:**`, on one line.
fn invariants(text: &str) -> Vec<String> {
    let doc: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for line in doc {
        let line = line.trim_start_matches("- ");
        if line.starts_with("**Invariant:**") {
            found.push(line.to_owned());
            inside = true;
        } else if line.is_empty() || line.starts_with("**") || line.starts_with('#') {
            inside = false;
        } else if let Some(last) = found.last_mut().filter(|_| inside) {
            last.push(' ');
            last.push_str(line);
        }
    }
    found
}

/// The tests (and files of tests) that an invariant names: words in backticks in parentheses that hold nothing else.
fn named_tests(invariant: &str) -> Vec<String> {
    let mut names = Vec::new();
    for part in invariant.split('(').skip(1) {
        let inside = part.split(')').next().unwrap_or_default();
        let inside = inside.replace(" and ", ",").replace(" in ", ",");
        let words: Vec<&str> = inside.split([',', ';']).map(str::trim).collect();
        let bare = |word: &&str| word.len() > 2 && word.starts_with('`') && word.ends_with('`');
        if words.iter().all(bare) {
            names.extend(words.iter().filter_map(|word| word.trim_matches('`').rsplit("::").next()).map(str::to_owned));
        }
    }
    names
}

#[test]
fn every_invariant_names_tests_that_exist() {
    let sources = sources();
    let tests = test_names(&sources);
    let mut faults = Vec::new();
    for source in &sources {
        for invariant in invariants(&source.text) {
            let named = named_tests(&invariant);
            if named.is_empty() {
                faults.push(format!("{}: names no test: {invariant}", source.path));
            }
            let known = |name: &str| tests.contains(name) || (name.ends_with(".rs") && root().join(name).exists());
            for name in named.iter().filter(|name| !known(name)) {
                faults.push(format!("{}: there is no test `{name}`", source.path));
            }
        }
    }
    expect_none(&faults);
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let mut faults = Vec::new();
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (mut inside, mut seen, mut above) = (false, 0, String::new());
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && line.contains('=') && !line.starts_with('#') {
            seen += 1;
            let name = leading_word(line);
            // A crate and its kin (`serde`, `serde_json`) may share one comment.
            if !above.starts_with('#') && (above.is_empty() || !name.starts_with(leading_word(&above))) {
                faults.push(format!("Cargo.toml: `{name}` has no comment above it"));
            }
        }
        line.clone_into(&mut above);
    }
    assert!(seen > 10, "found {seen} dependencies only");
    expect_none(&faults);
}

#[test]
fn the_checks_see_what_they_look_for() {
    assert_eq!(crate_paths("use crate::a::B; use crate::{b::{C, D}, c, d::E};"), ["a", "b", "c", "d"]);
    let rooms = ["markdown", "auth", "config", "cli"];
    assert_eq!(fault_of_use(&rooms, "config", "auth"), None);
    assert_eq!(fault_of_use(&rooms, "auth", "config"), Some("stands below it"));
    assert_eq!(fault_of_use(&rooms, "markdown", "auth"), Some("is beyond a pure room"));
    assert_eq!(fault_of_use(&rooms, "cli", "Server"), Some("is no room of the map"));
    assert_eq!(functions("fn a() {\n if x {\n}\n}\nfn b();\nconst fn c() {}"), [("a", 1, 4), ("c", 6, 1)]);
    let doc = "//! A.\n//!\n//! **Invariant:** x (of [`Y`])\n//! holds (`t_one`, `m::t_two` in `tests/it/a.rs`).\n//!\n//! **Source:** z.\n";
    assert_eq!(named_tests(&invariants(doc)[0]), ["t_one", "t_two", "tests/it/a.rs"]);
    assert_eq!(room_of("src/auth/key.rs"), Some("auth"));
    assert_eq!(room_of("src/lib.rs"), None);
}
