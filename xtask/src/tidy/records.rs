//! Decision records: numbered without gaps, each listed in the index.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const FOLDER: &str = "docs/decisions";

pub(super) fn violations(root: &Path) -> Result<Vec<String>> {
    let folder = root.join(FOLDER);
    let index = fs::read_to_string(folder.join("README.md"))
        .with_context(|| format!("{FOLDER}/README.md, the index, is missing"))?;
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "README.md" {
            names.push(name);
        }
    }
    names.sort();
    Ok(check(&names, &index))
}

fn check(names: &[String], index: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (position, name) in names.iter().enumerate() {
        let number = format!("{:04}-", position + 1);
        if !name.starts_with(&number) {
            found.push(format!(
                "{FOLDER}/{name}: the next record's number is {number}"
            ));
        }
        if !index.contains(name.as_str()) {
            found.push(format!(
                "{FOLDER}/{name} is not listed in {FOLDER}/README.md"
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_the_index_lacks_is_named() {
        let names = ["0001-a.md".to_owned(), "0002-b.md".to_owned()];
        assert_eq!(check(&names, "0001-a.md 0002-b.md").len(), 0);
        assert_eq!(check(&names, "0001-a.md").len(), 1);
    }

    #[test]
    fn a_gap_in_the_numbers_is_named() {
        assert_eq!(check(&["0002-b.md".to_owned()], "0002-b.md").len(), 1);
    }
}
