//! The kill loop: write from many connections, kill the server at a random instant, start it again, and prove that what it
//! acknowledged is there, and that indexes and the stream agree with the table.
//!
//! Lives here: the rounds.
//! Does not live here: what is written (`load`), the proof (`check`), how the store survives (`store-embedded`), the loops over
//! deliveries and objects (`deliveries`, `objects`).

mod calls;
mod check;
mod deliveries;
mod load;
mod model;
mod objects;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use self::calls::Calls;
use self::check::Checker;
use self::model::Model;
use crate::bench::peers;
use crate::random::next;
use crate::server::{Dev, Server};

/// The shortest and the longest that a server lives, in milliseconds.
const LIFETIME_MS: (u64, u64) = (20, 220);
/// Rounds between two words on how far it is.
const ROUNDS_PER_WORD: u64 = 20;

/// `cargo xtask crash`.
#[derive(Debug, Args)]
pub(crate) struct CrashArguments {
    /// What is proved.
    #[arg(long, value_enum, default_value_t = Scenario::Tables)]
    scenario: Scenario,
    /// How often the server is killed.
    #[arg(long, default_value_t = 500)]
    rounds: u64,
    /// Connections that write at the same time.
    #[arg(long, default_value_t = 16)]
    writers: usize,
    /// The seed of the instants and of the load; a failed run prints its own.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A release build to kill, instead of building one.
    #[arg(long, value_name = "FILE")]
    binary: Option<std::path::PathBuf>,
}

/// What a kill loop is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Tables, their indexes and streams.
    Tables,
    /// Events on their way to functions.
    Deliveries,
    /// Objects, small and large.
    Objects,
}

pub(crate) fn run(arguments: &CrashArguments) -> Result<()> {
    let binary = match &arguments.binary {
        Some(binary) => binary.canonicalize()?,
        None => peers::build()?,
    };
    let (rounds, writers, seed) = (arguments.rounds, arguments.writers, arguments.seed);
    match arguments.scenario {
        Scenario::Tables => tables(&binary, arguments),
        Scenario::Deliveries => deliveries::run(&binary, rounds, writers, seed),
        Scenario::Objects => objects::run(&binary, rounds, writers, seed),
    }
}

fn tables(binary: &Path, arguments: &CrashArguments) -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("template.yaml"),
        "Resources:\n  Logs:\n    Type: AWS::Logs::LogGroup\n",
    )?;
    let mut model = Model::new(arguments.writers);
    let mut checker = None;
    let mut random = arguments.seed;
    for round in 0..=arguments.rounds {
        let (server, port) = start(binary, folder.path())?;
        let mut calls = Calls::open(port)?;
        let checker: &mut Checker = match &mut checker {
            Some(checker) => checker,
            none => none.insert(Checker::create(&mut calls)?),
        };
        checker
            .prove(&mut calls, &mut model)
            .with_context(|| format!("round {round}, seed {}", arguments.seed))?;
        if round == arguments.rounds {
            break;
        }
        random = next(random);
        let (least, most) = LIFETIME_MS;
        let lifetime = Duration::from_millis(least + random % (most - least));
        write_until_killed(server, port, &mut model, random, lifetime)
            .with_context(|| format!("round {round}, seed {}", arguments.seed))?;
        if (round + 1) % ROUNDS_PER_WORD == 0 {
            say(&format!("{} rounds, {}", round + 1, model.words()));
        }
    }
    say(&format!(
        "{} rounds, {}: none lost; indexes and the stream agreed with the table after each",
        arguments.rounds,
        model.words()
    ));
    Ok(())
}

fn start(binary: &Path, folder: &Path) -> Result<(Server, u16)> {
    let dev = Dev::start(Command::new(binary), folder, &folder.join("server.log"))?;
    Ok((dev.server, dev.services_port))
}

fn write_until_killed(
    server: Server,
    port: u16,
    model: &mut Model,
    seed: u64,
    lifetime: Duration,
) -> Result<()> {
    let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
        let writers: Vec<_> = model
            .writers
            .iter_mut()
            .enumerate()
            .map(|(index, writer)| {
                let seed = next(seed ^ index as u64);
                scope.spawn(move || load::write(port, writer, seed))
            })
            .collect();
        std::thread::sleep(lifetime);
        drop(server); // kill -9 of the whole group
        writers
            .into_iter()
            .map(|writer| {
                let panicked = |_| Err(anyhow::anyhow!("a writer panicked"));
                writer.join().unwrap_or_else(panicked)
            })
            .collect()
    });
    outcomes.into_iter().collect()
}

#[expect(clippy::print_stdout, reason = "progress of a long command")]
fn say(text: &str) {
    println!("{text}");
}
