//! The keys of `cloudless.toml`.
//!
//! Lives here: their table, from which the file is read and its reference page is written.
//! Does not live here: telling what is wrong with a file (`reading`).

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use gateway::AddressRange;
use model::function::Starts;
use runtimes::process::{LimitsKept, ProcessorTime};

use sandbox::policy::Network;

use super::engines::{self, Written};
use super::{Demands, NewBuckets, Settings, Throughput};

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
    /// How they are locked in.
    Sandbox,
    /// The server itself.
    Server,
    /// Engines in place of services of ours: `[services.NAME]`.
    Services,
    /// What its listener shows.
    Tls,
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
    /// One of some words.
    Word {
        /// All of them.
        words: &'static [&'static str],
        /// Sets it, by the word's place among them.
        set: fn(&mut Settings, usize),
    },
    /// A list of networks.
    Networks {
        /// Sets them.
        set: fn(&mut Settings, Vec<Network>),
    },
    /// A list of ranges of addresses.
    Ranges {
        /// Sets them.
        set: fn(&mut Settings, Vec<AddressRange>),
    },
    /// What is said of one engine.
    Engine {
        /// What it takes.
        expected: &'static str,
        /// Sets it; not where it is no such value.
        set: fn(&mut Written, &str) -> bool,
    },
    /// A path.
    Path {
        /// Sets it.
        set: fn(&mut Settings, PathBuf),
    },
    /// A path, or several.
    Paths {
        /// Sets them.
        set: fn(&mut Settings, Vec<PathBuf>),
    },
}

/// All sections.
pub const SECTIONS: [Section; 6] = [
    Section::Functions,
    Section::Limits,
    Section::Sandbox,
    Section::Server,
    Section::Services,
    Section::Tls,
];

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
        section: Section::Limits,
        name: "account_requests_per_second",
        value: Value::Whole {
            min: 1,
            max: 10_000_000,
            set: |settings, rate| settings.server.limits.account_requests_per_second = Some(rate),
        },
        default: "no limit",
        meaning: "how many requests a second all APIs together may get; the next one is answered 429. An account of the cloud has \
                  10000: here the machine's own speed is the limit unless you want another",
    },
    Key {
        section: Section::Limits,
        name: "account_requests_burst",
        value: Value::Whole {
            min: 1,
            max: 10_000_000,
            set: |settings, count| settings.server.limits.account_requests_burst = Some(count),
        },
        default: "half of `account_requests_per_second`",
        meaning: "how many of these requests may come at once; it bounds nothing by itself",
    },
    Key {
        section: Section::Limits,
        name: "kept_replies_mib",
        value: Value::Whole {
            min: 1,
            max: 1_048_576,
            set: |settings, mebibytes| {
                settings.server.limits.kept_replies_bytes =
                    Some(u64::from(mebibytes) * 1_024 * 1_024);
            },
        },
        default: "256",
        meaning: "how much the caches of all stages of REST APIs hold together, whatever sizes they are declared with; what was not \
                  asked for lately goes first",
    },
    Key {
        section: Section::Limits,
        name: "table_throughput",
        value: Value::Word {
            words: &["shown", "enforced"],
            set: |settings, word| {
                settings.server.throughput = THROUGHPUTS.get(word).copied().unwrap_or_default();
            },
        },
        default: "`\"shown\"`",
        meaning: "what becomes of the throughput that is provisioned for DynamoDB's tables and global indexes: it is only shown, or \
                  requests beyond it are refused with `ProvisionedThroughputExceededException`, as in the cloud",
    },
    Key {
        section: Section::Sandbox,
        name: "demands",
        value: Value::Word {
            words: &["development", "server", "none"],
            set: |settings, word| settings.server.sandbox.demands = DEMANDS.get(word).copied(),
        },
        default: "`\"development\"`",
        meaning: "what is asked of this machine before functions run on it: `\"development\"` says what cannot be enforced, and runs \
                  them; `\"server\"` refuses to start, closes the host's loopback and private networks to functions, and gives \
                  processor time in proportion to memory; `\"none\"` runs them without sandboxes, as any program of yours",
    },
    Key {
        section: Section::Sandbox,
        name: "limits",
        value: Value::Word {
            words: &["kernel", "watched"],
            set: |settings, word| settings.server.sandbox.limits = LIMITS.get(word).copied(),
        },
        default: "`\"watched\"` in development, `\"kernel\"` on a server",
        meaning: "who keeps memory, processes and processor time within their limits: the kernel alone, without which the server does \
                  not start, or Cloudless by looking at memory, where the kernel's control groups are not to be had",
    },
    Key {
        section: Section::Sandbox,
        name: "processor",
        value: Value::Word {
            words: &["free", "rationed"],
            set: |settings, word| settings.server.sandbox.processor = PROCESSOR.get(word).copied(),
        },
        default: "`\"free\"` in development, `\"rationed\"` on a server",
        meaning: "whether instances get as much of the processors as there is, or in proportion to their memory as in the cloud: one \
                  processor at 1,769 MB. Only the kernel can ration",
    },
    Key {
        section: Section::Sandbox,
        name: "open",
        value: Value::Networks {
            set: |settings, networks| settings.server.sandbox.open = networks,
        },
        default: "none",
        meaning: "networks that functions reach though the demands close them. Link-local addresses and the ports of Cloudless stay closed",
    },
    Key {
        section: Section::Server,
        name: "alb_base_path",
        value: Value::Path {
            set: |settings, path| settings.server.alb_base_path = Some(path),
        },
        default: "that of `base_path`",
        meaning: "a path that clients of load balancers put before each of theirs, as `--alb-base-path`",
    },
    Key {
        section: Section::Server,
        name: "alb_port",
        value: Value::Whole {
            min: 0,
            max: 65_535,
            set: |settings, port| settings.server.alb_port = u16::try_from(port).ok(),
        },
        default: "3003",
        meaning: "the port of the first listener of load balancers, as `--alb-port`; those of others follow it, and 0 takes any \
                  that are free",
    },
    Key {
        section: Section::Server,
        name: "base_path",
        value: Value::Path {
            set: |settings, path| settings.server.base_path = Some(path),
        },
        default: "none",
        meaning: "a path that clients put before each of theirs, as behind a proxy, as `--base-path`; APIs and functions do not see it",
    },
    Key {
        section: Section::Server,
        name: "buckets",
        value: Value::Word {
            words: &["guarded", "open"],
            set: |settings, word| {
                settings.server.buckets = BUCKETS.get(word).copied().unwrap_or_default();
            },
        },
        default: "`\"guarded\"`",
        meaning: "what new buckets let in: `\"guarded\"` ones block public access and access control lists, as Amazon S3 has made them \
                  since April 2023; `\"open\"` ones do neither, as those made before",
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
    Key {
        section: Section::Server,
        name: "trusted_proxies",
        value: Value::Ranges {
            set: |settings, ranges| settings.server.trusted_proxies = ranges,
        },
        default: "none",
        meaning: "proxies whose `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Port` are believed: a request's source is the \
                  nearest address that is none of them",
    },
    Key {
        section: Section::Services,
        name: "endpoint",
        value: Value::Engine {
            expected: "the address of an engine, as `\"http://localhost:9000\"`: scheme, host and port",
            set: engines::set_endpoint,
        },
        default: "none: the service of Cloudless itself",
        meaning: "where requests for this service go, once they are verified and allowed",
    },
    Key {
        section: Section::Services,
        name: "access_key_id",
        value: Value::Engine {
            expected: "a text",
            set: |written, text| engines::set_text(&mut written.access_key_id, text),
        },
        default: "`\"test\"`",
        meaning: "the access key that they are signed with there",
    },
    Key {
        section: Section::Services,
        name: "secret_access_key",
        value: Value::Engine {
            expected: "a text",
            set: |written, text| engines::set_text(&mut written.secret_access_key, text),
        },
        default: "`\"test\"`",
        meaning: "its secret",
    },
    Key {
        section: Section::Services,
        name: "credentials",
        value: Value::Engine {
            expected: "`\"environment\"`",
            set: |written, text| {
                written.is_from_environment = text == engines::ENVIRONMENT;
                written.is_from_environment
            },
        },
        default: "the two keys above",
        meaning: "takes the keys from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` of the server's \
                  environment",
    },
    Key {
        section: Section::Services,
        name: "region",
        value: Value::Engine {
            expected: "a text",
            set: |written, text| engines::set_text(&mut written.region, text),
        },
        default: "that of the request",
        meaning: "the region that they are signed for",
    },
    Key {
        section: Section::Tls,
        name: "certificate",
        value: Value::Paths {
            set: |settings, paths| settings.server.tls.certificates = paths,
        },
        default: "none: the APIs are served over HTTP",
        meaning: "the certificate that the APIs' listener shows, and those that lead to its authority, as PEM; with a list, the one \
                  for the name that the client asks for, or else the first. Relative to the folder of `cloudless.toml`",
    },
    Key {
        section: Section::Tls,
        name: "key",
        value: Value::Paths {
            set: |settings, paths| settings.server.tls.keys = paths,
        },
        default: "none",
        meaning: "the key of the certificate, as PEM; with a list, one for each, in the same order",
    },
];

/// What can be demanded, in the order of the words.
const DEMANDS: [Demands; 3] = [Demands::Development, Demands::Server, Demands::Nothing];
/// Who can keep limits, likewise.
const LIMITS: [LimitsKept; 2] = [LimitsKept::ByKernel, LimitsKept::AsCanBe];
/// What new buckets can let in, likewise.
const BUCKETS: [NewBuckets; 2] = [NewBuckets::Guarded, NewBuckets::Open];
/// What can become of the throughput of tables, likewise.
const THROUGHPUTS: [Throughput; 2] = [Throughput::Shown, Throughput::Enforced];
/// How processor time can be given, likewise.
const PROCESSOR: [ProcessorTime; 2] = [ProcessorTime::Free, ProcessorTime::Rationed];

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
            Self::Sandbox => "sandbox",
            Self::Server => "server",
            Self::Services => "services",
            Self::Tls => "tls",
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
            Self::Word { words, .. } => {
                let words: Vec<String> =
                    words.iter().map(|word| format!("`\"{word}\"`")).collect();
                match words.split_last() {
                    Some((last, [])) => out.write_str(last),
                    Some((last, others)) => write!(out, "{} or {last}", others.join(", ")),
                    None => Ok(()),
                }
            }
            Self::Networks { .. } => out.write_str(
                "a list of networks, as `\"10.1.0.0/16\"`, `\"127.0.0.1:5432\"` or `\"[fd00::/8]:5432\"`",
            ),
            Self::Ranges { .. } => {
                out.write_str("a list of addresses and ranges, as `\"10.0.0.0/8\"` or `\"::1\"`")
            }
            Self::Engine { expected, .. } => out.write_str(expected),
            Self::Path { .. } => out.write_str("a path"),
            Self::Paths { .. } => out.write_str("a path, or a list of paths"),
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
            // What is no number is not the invoker's.
            let Value::Whole { set, .. } = key.value else {
                continue;
            };
            let mut settings = Settings::default();
            let (number, _) = key.default.split_once(',').unwrap_or((key.default, ""));
            // Those that say it in words are the gateway's.
            let Ok(number) = number.parse() else {
                continue;
            };
            set(&mut settings, number);
            assert_ne!(settings, Settings::default(), "{}", key.name);
            let with_default = settings.server.limits.over(limits.clone());
            assert_eq!(with_default, limits, "{}", key.name);
        }
    }
}
