//! Why a variable has no value, and the limits that end what has no end.
//!
//! Lives here: what is said of each fault.
//! Does not live here: faults of single sources (`sources`).

use cloudformation::node::Node;
use model::problem::Problem;

use super::grammar::GrammarError;
use super::tree::Path;

/// How often a variable's value may consist of variables again. The tool's own limit.
pub(super) const RESULT_NESTING_MAX: usize = 10;
/// How long a chain of properties may be that refer to one another.
pub(super) const CHAIN_LENGTH_MAX: usize = 40;
/// How much all resolved values may weigh together, in bytes: references to references can grow without end.
pub(super) const RESOLVED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How many variables are resolved in one manifest.
pub(super) const VARIABLES_MAX: usize = 100_000;

/// Why a property has no value.
#[derive(Debug)]
pub(super) enum Stop {
    /// Something has to be found out first.
    Waiting,
    /// It stands on a property that was reported already.
    Reported,
    /// Something is wrong here.
    Fault(Box<Problem>),
}

pub(super) fn fault(code: &'static str, title: impl Into<String>) -> Stop {
    Stop::Fault(Box::new(Problem::error(code, title)))
}

pub(super) fn syntax(error: &GrammarError) -> Stop {
    Stop::Fault(Box::new(
        Problem::error("manifest::variable-syntax", error.to_string())
            .because("the Serverless Framework stops at a variable that it cannot understand")
            .help(
                "write it as `${type:address, 'fallback'}`, and as `\\${…}` if it is meant as text",
            ),
    ))
}

pub(super) fn not_text(value: &Node) -> Stop {
    Stop::Fault(Box::new(
        Problem::error(
            "manifest::variable-not-text",
            format!("{} cannot be a part of a text", value.kind_name()),
        )
        .because("the text consists of more than one variable, so each has to be a text")
        .help("refer to a text inside of the value, or let the variable stand alone"),
    ))
}

pub(super) fn too_nested() -> Stop {
    Stop::Fault(Box::new(
        Problem::error(
            "manifest::variables-too-deep",
            format!("the value leads to more variables {RESULT_NESTING_MAX} times in a row"),
        )
        .because("it is likely to contain itself")
        .help("write `\\${…}` for what is meant as text"),
    ))
}

pub(super) fn too_large() -> Stop {
    fault(
        "manifest::variables-too-large",
        format!(
            "the variables of this manifest grow over {RESOLVED_BYTES_MAX} bytes or {VARIABLES_MAX} in number"
        ),
    )
}

/// A property that leads back to itself; `in_progress` is the way there.
pub(super) fn circle(in_progress: &[Path], path: &Path) -> Stop {
    let start = in_progress.iter().position(|other| other == path);
    let mut names: Vec<String> = in_progress
        .iter()
        .skip(start.unwrap_or(0))
        .map(|path| format!("`{}`", path.join(".")))
        .collect();
    names.push(format!("`{}`", path.join(".")));
    let title = if names.len() == 2 {
        format!("`{}` refers to itself", path.join("."))
    } else {
        "these properties refer to one another in a circle".to_owned()
    };
    Stop::Fault(Box::new(
        Problem::error("manifest::circular-variables", title)
            .because(format!("{} has no end", names.join(" → ")))
            .help("give one of them a value of its own"),
    ))
}
