//! Documents made from the table of settings equal it. `RILLMARK_BLESS=1 cargo test --test it settings` writes them
//! anew.

use std::env;
use std::fs;
use std::path::Path;

use rillmark::config::print;

/// Fails unless the file holds what `made` makes of it, or writes it where the run blesses.
fn check(path: &str, made: impl Fn(&str) -> String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let found = fs::read_to_string(&file).unwrap_or_default();
    let expected = made(&found);
    if env::var_os("RILLMARK_BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &expected).unwrap();
    } else {
        let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        assert!(found == expected, "{path} differs from the table of settings, first at {differs:?}: bless it");
    }
}

#[test]
fn the_example_of_variables_is_the_table() {
    check("deploy/settings.example.env", |_| print::example_env());
}
