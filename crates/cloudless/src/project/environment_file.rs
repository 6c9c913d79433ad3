//! `--env-file`: lines of `KEY=VALUE`, as the dotenv tools read them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use manifest::dotenv;
use model::problem::{Place, Problem};

use super::answer;

/// Reads the file, which may be a pipe. References to other variables stay as they are written: `$` is an ordinary
/// character of secrets.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, String>, Box<Problem>> {
    let name = path.display().to_string();
    let text = File::open(path)
        .and_then(answer::read_bounded)
        .map_err(|error| {
            let title = format!("cannot read the environment file `{name}`");
            Problem::error("project::unreadable", title).because(error.to_string())
        })?;
    parse(&name, &text)
}

fn parse(name: &str, text: &str) -> Result<BTreeMap<String, String>, Box<Problem>> {
    let read = dotenv::read(text);
    let Some(line) = read.other_lines.first() else {
        return Ok(read.variables);
    };
    let mut place = Place::start_of(name);
    place.line = *line;
    let title = "this line is not of the form KEY=VALUE";
    Err(Box::new(
        Problem::error("project::bad-environment-file", title)
            .at(&place)
            .help("begin a comment with `#`; quote a value of several lines: `KEY=\"first\\nsecond\"`"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_the_dotenv_tools_read_them() {
        let text =
            "# comment\n\nA=1\nexport B = two # note\nC=\"x\\ny # z\"\nD='a \\n b'\nE=\nF=a$B\n";
        let read = parse(".env", text).unwrap();
        for (key, value) in [
            ("A", "1"),
            ("B", "two"),
            ("C", "x\ny # z"),
            ("D", "a \\n b"),
            ("E", ""),
            ("F", "a$B"),
        ] {
            assert_eq!(read.get(key).map(String::as_str), Some(value), "{key}");
        }
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let refused = read(Path::new("/dev/zero")).unwrap_err();
        assert!(refused.cause.unwrap().contains("larger than"));
    }

    #[test]
    fn a_line_without_a_key_is_named() {
        let line = |text: &str| parse(".env", text).unwrap_err().place.unwrap().line;
        assert_eq!(line("A=1\nnonsense\n"), 2);
        assert_eq!(line("=1\n"), 1);
        let help = parse(".env", "nonsense\n").unwrap_err().help;
        assert!(help.unwrap().contains(r#"KEY="first\nsecond""#));
    }
}
