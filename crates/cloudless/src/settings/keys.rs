//! The keys of `cloudless.toml`.
//!
//! Lives here: their table, from which the file is read and its reference page is written.
//! Does not live here: telling what is wrong with a file (`reading`).

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use model::function::Starts;

use super::Settings;

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The table that it stands in.
    pub section: Section,
    /// Its name; units last.
    pub name: &'static str,
    /// What it takes, and where that goes.
    pub value: Value,
    /// What holds without it.
    pub default: &'static str,
    /// What it sets.
    pub meaning: &'static str,
}

/// A table of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// How functions are run; `[functions.NAME]` for one.
    Functions,
    /// What bounds them.
    Limits,
    /// The server itself.
    Server,
}

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub enum Value {
    /// How instances come to be: for all functions, or for one.
    Starts,
    /// A whole number.
    Whole {
        /// The smallest.
        min: u32,
        /// The largest.
        max: u32,
        /// Sets it.
        set: fn(&mut Settings, u32),
    },
    /// A path.
    Path {
        /// Sets it.
        set: fn(&mut Settings, PathBuf),
    },
}

/// All sections.
pub const SECTIONS: [Section; 3] = [Section::Functions, Section::Limits, Section::Server];

/// All keys.
pub const KEYS: &[Key] = &[
    Key {
        section: Section::Functions,
        name: "starts",
        value: Value::Starts,
        default: "`\"automatic\"`",
        meaning: "how instances come to be: forked where the function's init allows it, forked whatever it leaves behind, or \
                  each started as a process of its own",
    },
    Key {
        section: Section::Limits,
        name: "account_concurrency",
        value: Value::Whole {
            min: 1,
            max: 100_000,
            set: |settings, count| {
                settings.server.limits.account_concurrency = Some(count as usize)
            },
        },
        default: "1000",
        meaning: "how many invocations of all functions together may run or wait at once; the next one is throttled. What functions \
                  reserve and provision is granted from it, up to all but 100",
    },
    Key {
        section: Section::Limits,
        name: "function_scaling_instances",
        value: Value::Whole {
            min: 1,
            max: 100_000,
            set: |settings, count| settings.server.limits.function_scaling_instances = Some(count),
        },
        default: "1000",
        meaning: "how many instances one function may gain within 10 seconds; an invocation that needs more is throttled",
    },
    Key {
        section: Section::Limits,
        name: "machine_instances",
        value: Value::Whole {
            min: 1,
            max: 100_000,
            set: |settings, count| settings.server.limits.machine_instances = Some(count as usize),
        },
        default: "1000, or as many as fit into half of the memory at 8 MiB each",
        meaning: "how many instances of all functions together this machine may have; an invocation that needs more waits",
    },
    Key {
        section: Section::Limits,
        name: "instance_idle_seconds",
        value: Value::Whole {
            min: 1,
            max: 86_400,
            set: |settings, seconds| {
                settings.server.limits.instance_idle = Some(Duration::from_secs(seconds.into()));
            },
        },
        default: "60",
        meaning: "how long an instance is kept without an event",
    },
    Key {
        section: Section::Server,
        name: "port",
        value: Value::Whole {
            min: 0,
            max: 65_535,
            set: |settings, port| settings.server.port = u16::try_from(port).ok(),
        },
        default: "3000",
        meaning: "the port of the application's APIs, as `--port`; 0 takes any that is free",
    },
    Key {
        section: Section::Server,
        name: "services_port",
        value: Value::Whole {
            min: 0,
            max: 65_535,
            set: |settings, port| settings.server.services_port = u16::try_from(port).ok(),
        },
        default: "4566",
        meaning: "the port of the cloud services, as `--services-port`; 0 takes any that is free",
    },
    Key {
        section: Section::Server,
        name: "state",
        value: Value::Path {
            set: |settings, path| settings.server.state = Some(path),
        },
        default: "`\".cloudless\"`",
        meaning: "the folder of the state, as `--state`; relative to the folder of `cloudless.toml`",
    },
];

/// The ways in which instances come to be.
pub const STARTS: [Starts; 3] = [Starts::Automatic, Starts::Forked, Starts::Spawned];

/// A way as it is written.
#[must_use]
pub fn word_of(starts: Starts) -> &'static str {
    match starts {
        Starts::Automatic => "automatic",
        Starts::Forked => "forked",
        Starts::Spawned => "spawned",
    }
}

impl Section {
    /// As it is written, without brackets.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Functions => "functions",
            Self::Limits => "limits",
            Self::Server => "server",
        }
    }

    /// The keys that may stand in it.
    pub fn keys(self) -> impl Iterator<Item = &'static Key> {
        KEYS.iter().filter(move |key| key.section == self)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starts => {
                let [first, second, third] =
                    STARTS.map(|starts| format!("`\"{}\"`", word_of(starts)));
                write!(out, "{first}, {second} or {third}")
            }
            Self::Whole { min, max, .. } => write!(out, "a whole number from {min} to {max}"),
            Self::Path { .. } => out.write_str("a path"),
        }
    }
}

#[cfg(test)]
mod tests {
    use invoker::InvokerLimits;

    use super::*;

    #[test]
    fn the_defaults_of_limits_are_those_of_the_invoker() {
        let limits = InvokerLimits::for_cores(1);
        for key in Section::Limits.keys() {
            let Value::Whole { set, .. } = key.value else {
                panic!("`{}` is no number", key.name);
            };
            let mut settings = Settings::default();
            let (number, _) = key.default.split_once(',').unwrap_or((key.default, ""));
            set(&mut settings, number.parse().unwrap());
            assert_ne!(settings, Settings::default(), "{}", key.name);
            let with_default = settings.server.limits.over(limits.clone());
            assert_eq!(with_default, limits, "{}", key.name);
        }
    }
}
