//! The very first call of a function that nobody has called before.
//!
//! Lives here: calling each of a language's new functions once.
//! Does not live here: what it is compared with (`starts`).

use std::time::Duration;

use anyhow::Result;

use super::project::{Language, said};
use super::starts::Start;
use crate::http::{self, Connection};

/// Between two functions.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn measure(port: u16, language: Language) -> Result<Start> {
    let mut connection = Connection::open(port)?;
    let mut times = Vec::new();
    for function in language.new_functions() {
        let (reply, took) = connection.exchange(&http::invoke(&function, "{}"))?;
        said(&reply)?;
        times.push(took);
        std::thread::sleep(PAUSE);
    }
    Ok(Start::of(times))
}
