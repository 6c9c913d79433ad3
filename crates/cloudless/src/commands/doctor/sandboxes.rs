//! What of a function's confinement this machine can enforce.
//!
//! Lives here: how that is shown.
//! Does not live here: looking (`sandbox`), what is done about it (`crate::walls`).

use sandbox::{Ability, State};

use super::report::{Finding, Mark};
use crate::walls;

/// One finding for each thing that sandboxes rely on, found by making one.
pub(super) async fn all() -> Vec<Finding> {
    let looked = tokio::task::spawn_blocking(|| walls::maker().map(|maker| sandbox::look(&maker)));
    match looked.await {
        Ok(Ok(abilities)) => abilities.list.iter().map(finding).collect(),
        Ok(Err(error)) => vec![unknown(&error.to_string())],
        Err(error) => vec![unknown(&error.to_string())],
    }
}

fn finding(ability: &Ability) -> Finding {
    let of = |mark, says: &str| Finding::new("sandboxes", ability.name, mark, says);
    match &ability.state {
        State::Enforced => of(Mark::Ok, "yes").fact("enforced", true),
        State::Weaker(why) => of(Mark::Warning, "in part")
            .because(why.clone())
            .fact("enforced", true),
        State::Missing(why) => of(Mark::Warning, "no")
            .because(why.clone())
            .help("functions run without it in development")
            .fact("enforced", false),
    }
}

fn unknown(why: &str) -> Finding {
    Finding::new(
        "sandboxes",
        "functions are locked in",
        Mark::Warning,
        "not known",
    )
    .because(why)
}
