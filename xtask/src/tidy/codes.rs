//! The codes of problems: each that the product can report is explained on one page, and no other.
//!
//! Lives here: finding the codes in sources, comparing them with the page.
//! Does not live here: what the codes mean (the page), how problems are drawn (`cloudless`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::files;

const PAGE: &str = "docs/errors/README.md";

pub(super) fn violations(root: &Path) -> Result<Vec<String>> {
    let page =
        fs::read_to_string(root.join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    let mut reported = BTreeSet::new();
    for path in product_files(root)? {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        reported.extend(codes(&text));
    }
    Ok(check(&reported, &page))
}

/// The files of all crates that go into the product.
fn product_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(root.join("crates"))? {
        files::rust_files(&entry?.path().join("src"), &mut paths)?;
    }
    paths.retain(|path| !files::is_test_file(&path.to_string_lossy()));
    Ok(paths)
}

/// The codes that a source file names outside of its tests.
fn codes(source: &str) -> BTreeSet<String> {
    without_tests(source)
        .split('"')
        .filter(|literal| is_code(literal))
        .map(ToOwned::to_owned)
        .collect()
}

/// What stands before a file's own test module; a test module in a file of its own ends nothing.
fn without_tests(source: &str) -> &str {
    source
        .find("#[cfg(test)]\nmod tests {")
        .and_then(|end| source.get(..end))
        .unwrap_or(source)
}

/// Whether this is a code: an area and a name, as `manifest::unknown-key`.
fn is_code(text: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.split_once("::")
        .is_some_and(|(area, name)| is_word(area) && is_word(name))
}

fn check(reported: &BTreeSet<String>, page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut explained = BTreeSet::new();
    for (index, line) in page.lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let code = cells.get(1).and_then(|cell| unquoted(cell));
        let Some(code) = code.filter(|code| is_code(code)) else {
            continue;
        };
        let place = format!("{PAGE}:{}", index + 1);
        if !matches!(cells.as_slice(), ["", _, meaning, help, ""] if !meaning.is_empty() && !help.is_empty())
        {
            found.push(format!(
                "{place}: `{code}` needs what it means and what to do, and no more"
            ));
        }
        if !reported.contains(code) {
            found.push(format!(
                "{place}: nothing reports `{code}` any more: remove its row"
            ));
        }
        if !explained.insert(code.to_owned()) {
            found.push(format!("{place}: `{code}` has a row already"));
        }
    }
    for code in reported.difference(&explained) {
        found.push(format!(
            "{PAGE}: `{code}` has no row: say what it means and what to do"
        ));
    }
    found
}

/// The text in backquotes.
fn unquoted(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn codes_are_found_wherever_they_stand_in_the_product() {
        let source = "const INVALID: &str = \"a::b-c\";\nProblem::error(\"d::e2\", \"x::y: z\")\n";
        assert_eq!(codes(source), reported(&["a::b-c", "d::e2"]));
    }

    #[test]
    fn paths_and_addresses_are_no_codes() {
        let source = "use a::b; \"AWS::Include\" \"a::b::c\" \"a::\" \"::a\" \"a:b\" \"a::b_c\"";
        assert_eq!(codes(source), reported(&[]));
    }

    #[test]
    fn codes_in_tests_are_not_counted() {
        let source =
            "#[cfg(test)]\nmod tests;\nf(\"a::b\");\n#[cfg(test)]\nmod tests {\n f(\"c::d\") }\n";
        assert_eq!(codes(source), reported(&["a::b"]));
    }

    #[test]
    fn a_page_that_explains_each_code_once_is_tidy() {
        let page =
            "| code | what it means | what to do |\n| --- | --- | --- |\n| `a::b` | x | y |\n";
        assert_eq!(check(&reported(&["a::b"]), page), Vec::<String>::new());
    }

    #[test]
    fn a_code_without_a_row_is_named() {
        assert!(check(&reported(&["a::b"]), "")[0].contains("`a::b` has no row"));
    }

    #[test]
    fn a_row_of_no_code_is_named_with_its_line() {
        let found = check(&reported(&[]), "\n| `a::b` | x | y |\n");
        assert!(found[0].starts_with("docs/errors/README.md:2: nothing reports `a::b`"));
    }

    #[test]
    fn a_row_that_stands_twice_or_says_too_little_is_named() {
        let twice = "| `a::b` | x | y |\n| `a::b` | x | y |\n";
        assert!(check(&reported(&["a::b"]), twice)[0].contains("has a row already"));
        assert!(check(&reported(&["a::b"]), "| `a::b` | x | |\n")[0].contains("what to do"));
    }
}
