//! What this machine can and cannot enforce.
//!
//! Lives here: the list that `cloudless doctor` prints, found by trying.
//! Does not live here: what is done about it: a server refuses to start, development says so and goes on.

/// One thing that a sandbox relies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ability {
    /// What it is for, in the reader's words.
    pub name: &'static str,
    /// Whether it is there.
    pub state: State,
}

/// Whether something can be enforced here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is.
    Enforced,
    /// In part, or by a second best.
    Weaker(String),
    /// It is not, and why.
    Missing(String),
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// In the order in which they matter.
    pub list: Vec<Ability>,
}

impl Abilities {
    /// Whether a sandbox can be made at all.
    pub fn has_walls(&self) -> bool {
        self.list
            .iter()
            .any(|ability| ability.name == WALLS && ability.state == State::Enforced)
    }
}

const WALLS: &str = "functions are locked in (namespaces, filter, supervised network)";
const FILES: &str = "a second wall for files and signals (Landlock)";
const LIMITS: &str =
    "memory, processes and processor time are limited by the kernel (control groups)";
#[cfg(target_os = "linux")]
const IDENTITIES: &str = "every function has a user id of its own";

/// Looks at this machine, and tries to make a sandbox.
#[cfg(not(target_os = "linux"))]
pub fn look() -> Abilities {
    let missing = |name| Ability {
        name,
        state: State::Missing("only Linux has it".to_owned()),
    };
    Abilities {
        list: [WALLS, FILES, LIMITS].map(missing).into(),
    }
}

/// Looks at this machine, and tries to make a sandbox.
#[cfg(target_os = "linux")]
pub fn look(program: &crate::MakerProgram) -> Abilities {
    let landlock = match crate::landlock_version() {
        0 => State::Missing("the kernel has no Landlock, or it is not switched on".to_owned()),
        1..6 => State::Weaker(
            "the kernel's Landlock knows no signals and abstract sockets yet".to_owned(),
        ),
        _ => State::Enforced,
    };
    let limits = match crate::Places::find() {
        Ok((_, missing)) => match missing.first() {
            None => State::Enforced,
            Some(missing) => State::Weaker(missing.to_string()),
        },
        Err(missing) => State::Missing(missing.to_string()),
    };
    let identities = identities();
    Abilities {
        list: vec![
            Ability {
                name: WALLS,
                state: try_walls(program),
            },
            Ability {
                name: FILES,
                state: landlock,
            },
            Ability {
                name: LIMITS,
                state: limits,
            },
            Ability {
                name: IDENTITIES,
                state: identities,
            },
        ],
    }
}

#[cfg(target_os = "linux")]
fn identities() -> State {
    /// Any that nobody has.
    const TRIAL: u32 = 1_879_048_192;
    let ids = crate::OutsideIds {
        uid: TRIAL,
        gid: TRIAL,
    };
    if !crate::gives_ids(TRIAL, 1) {
        return State::Missing(
            "only root can give ids away, and not in every container; all functions have ours, each inside its own walls"
                .to_owned(),
        );
    }
    if crate::views::is_mapped(std::path::Path::new("/usr"), ids) {
        State::Enforced
    } else {
        State::Weaker(
            "the file system of `/usr` maps no ids: a function whose code lies on such a one has the id of its code's owner, \
             inside its own walls"
                .to_owned(),
        )
    }
}

#[cfg(target_os = "linux")]
fn try_walls(program: &crate::MakerProgram) -> State {
    match attempt(program) {
        Ok(()) => State::Enforced,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text.push_str(": ");
                text.push_str(&cause.to_string());
                source = cause.source();
            }
            State::Missing(text)
        }
    }
}

#[cfg(target_os = "linux")]
fn attempt(program: &crate::MakerProgram) -> Result<(), Box<dyn std::error::Error>> {
    const TMP_BYTES_MAX: u64 = 1 << 20;
    let supervision = crate::Supervision::start()?;
    let maker = crate::Maker::start(program)?;
    let plan = crate::Plan {
        name: "trial".to_owned(),
        shown: Vec::new(),
        tmp_bytes_max: TMP_BYTES_MAX,
        outside: None,
        listeners: Vec::new(),
        own_names: Vec::new(),
    };
    let sandbox = maker.make(plan, &supervision)?;
    let confinement = crate::Confinement {
        limits: Vec::new(),
        landlock: crate::Landlock::of_version(crate::landlock_version()),
    };
    let program = crate::Program {
        path: "/bin/sh".into(),
        arguments: vec!["sh".into(), "-c".into(), "exit 0".into()],
        variables: Vec::new(),
        directory: "/".into(),
    };
    let running = sandbox.execute(&program, &confinement, &[], None)?;
    match running.end.wait() {
        Some(crate::Ending::Status(0)) => Ok(()),
        Some(_) | None => Err("a program inside did not run to its end".into()),
    }
}
