//! What the YAML scanner complains about, in words that help.
//!
//! Lives here: a problem for each of its findings.
//! Does not live here: where it stands (`yaml`).

use model::problem::Problem;

use super::DEPTH_MAX;

/// The scanner's finding in words that help.
pub(super) fn explained(info: &str, line: &str) -> Problem {
    let indentation = line
        .split(|character: char| !character.is_whitespace())
        .next()
        .unwrap_or_default();
    let code = "parse::yaml";
    if info.contains("tabs disallowed") || indentation.contains('\t') {
        return Problem::error("parse::tab", "a tab in the indentation")
            .because("YAML counts spaces alone, since tabs have no agreed width")
            .help("indent with spaces");
    }
    if info.contains("recursion limit") {
        return Problem::error(
            "parse::too-deep",
            format!("more than {DEPTH_MAX} levels of nesting"),
        );
    }
    if info.contains("mapping values are not allowed") {
        return Problem::error(code, "a `: ` where no key can end")
            .because("the line continues the value before it, or holds two keys")
            .help("mend the indentation, or quote the value if the `: ` belongs to it");
    }
    if info.contains("unexpected character") {
        return Problem::error(
            code,
            "a plain text cannot begin with this character".to_owned(),
        )
        .because(info.to_owned())
        .help("quote the text");
    }
    if info.contains("unknown anchor") {
        return Problem::error(code, "an alias of an anchor that does not exist")
            .help("anchors (`&name`) must stand before their aliases (`*name`); quote the value if it is a text that begins with `*`");
    }
    Problem::error(code, format!("not well-formed YAML: {info}"))
        .help("mend the text here, or what is left open before it")
}
