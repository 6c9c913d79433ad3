//! `--env-file`: lines of `KEY=VALUE`, as the dotenv tools read them.

use std::collections::BTreeMap;
use std::path::Path;

use model::problem::{Place, Problem};

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, String>, Box<Problem>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Problem::error(
            "project::unreadable",
            format!("cannot read the environment file `{name}`"),
        )
        .because(error.to_string())
    })?;
    parse(&name, &text)
}

fn parse(name: &str, text: &str) -> Result<BTreeMap<String, String>, Box<Problem>> {
    let mut variables = BTreeMap::new();
    for (line, number) in text.lines().zip(1_u32..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let assignment = line.strip_prefix("export ").unwrap_or(line);
        let Some((key, value)) = assignment
            .split_once('=')
            .filter(|(key, _)| !key.trim().is_empty())
        else {
            let place = Place {
                file: name.into(),
                line: number,
                column: 1,
                width: 1,
            };
            let title = "this line is not of the form KEY=VALUE";
            return Err(Box::new(
                Problem::error("project::bad-environment-file", title).at(&place),
            ));
        };
        variables.insert(key.trim().to_owned(), unquote(value.trim()));
    }
    Ok(variables)
}

/// Double quotes know `\n`; single quotes take all as it is; without quotes, ` #` begins a comment.
fn unquote(value: &str) -> String {
    let quoted = |quote: char| {
        value
            .strip_prefix(quote)
            .and_then(|rest| rest.split_once(quote))
            .map(|(inner, _)| inner)
    };
    if let Some(inner) = quoted('\'') {
        return inner.to_owned();
    }
    if let Some(inner) = quoted('"') {
        return inner.replace("\\n", "\n");
    }
    value
        .split_once(" #")
        .map_or(value, |(before, _)| before)
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_the_dotenv_tools_read_them() {
        let text = "# comment\n\nA=1\nexport B = two # note\nC=\"x\\ny # z\"\nD='a \\n b'\nE=\n";
        let read = parse(".env", text).unwrap();
        let value = |key: &str| read.get(key).cloned().unwrap();
        assert_eq!(
            (value("A"), value("B"), value("C")),
            ("1".to_owned(), "two".to_owned(), "x\ny # z".to_owned())
        );
        assert_eq!(
            (value("D"), value("E")),
            ("a \\n b".to_owned(), String::new())
        );
    }

    #[test]
    fn a_line_without_a_key_is_named() {
        assert_eq!(
            parse(".env", "A=1\nnonsense\n")
                .unwrap_err()
                .place
                .unwrap()
                .line,
            2
        );
        assert!(parse(".env", "=1\n").is_err());
    }
}
