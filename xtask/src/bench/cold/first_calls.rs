//! The very first call of a function: nobody has called it before, and nothing was started ahead for it.
//!
//! Lives here: calling each of many functions once.
//! Does not live here: further calls of the same function (`starts`).

use std::time::Duration;

use anyhow::Result;

use super::project::said;
use super::starts::{self, Start};
use crate::http::{self, Connection};
use crate::processes;
use crate::server::Server;

/// Between two functions: long enough for what a start leaves to do, as starting the next process ahead.
const PAUSE: Duration = Duration::from_millis(600);

pub(super) fn measure(server: &Server, port: u16, functions: &[String]) -> Result<Start> {
    let mut connection = Connection::open(port)?;
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for function in functions {
        let before = processes::leaves(server.id());
        let (reply, took) = connection.exchange(&http::invoke(function, "{}"))?;
        said(&reply)?;
        times.push(took);
        std::thread::sleep(PAUSE);
        memory.extend(starts::private_mib(server, &before));
    }
    Ok(Start::new(times, memory))
}
