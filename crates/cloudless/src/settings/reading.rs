//! Reading `cloudless.toml`.
//!
//! Lives here: from text to settings, and what is wrong with the text.
//! Does not live here: which keys there are (`keys`), whether the functions that it names exist (`functions`).

use std::ops::Range;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use gateway::AddressRange;
use model::function::Starts;
use model::problem::{Place, Problem};
use model::suggestion;
use sandbox::policy::Network;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::engines::Written;
use super::keys::{KEYS, Key, SECTIONS, STARTS, Section, Value, word_of};
use super::sandbox::network;
use super::{FILE, OneFunction, Settings};
use crate::project;

/// Faults in the notation that are reported; one may lead to many.
const SYNTAX_PROBLEMS_MAX: usize = 10;
/// Characters that are shown of a wrong value.
const SHOWN_CHARACTERS_MAX: usize = 60;
/// Networks in one list.
const NETWORKS_MAX: usize = 256;

/// A key with its value.
type Entry<'a> = (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>);

/// Reads the file of a project's folder. Without one, nothing is set; what is wrong in it is left out of the settings.
#[must_use]
pub fn read(root: &Path) -> (Settings, Vec<Problem>) {
    let refused = |cause: String, help: &str| {
        let problem = Problem::error("settings::unreadable", format!("cannot read `{FILE}`"));
        let problem = problem.because(cause).help(help);
        (Settings::default(), vec![problem])
    };
    let path = root.join(FILE);
    if let Some(what) = other_than_file(&path) {
        let help = "put a file in its place, or remove it: without it, nothing is set";
        return refused(what, help);
    }
    match project::read_file(root, FILE) {
        Ok(Some(text)) => parse(&text),
        Ok(None) => (Settings::default(), Vec::new()),
        Err(problem) => refused(
            problem.cause.unwrap_or(problem.title),
            "let it be a text of UTF-8 that you may read",
        ),
    }
}

/// What stands in the place of a file, without opening it: a pipe is waited for, and a device may have no end.
fn other_than_file(path: &Path) -> Option<String> {
    let itself = path.symlink_metadata().ok()?;
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if itself.is_symlink() => {
            return Some(format!("it is a link that leads nowhere: {error}"));
        }
        Err(error) => return Some(error.to_string()),
    };
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return None;
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    let link = if itself.is_symlink() {
        "a link to "
    } else {
        ""
    };
    Some(format!("it is {link}{what}"))
}

fn parse(text: &str) -> (Settings, Vec<Problem>) {
    let (document, faults) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        text,
        settings: Settings::default(),
        problems: Vec::new(),
    };
    reader.document(document.get_ref());
    if faults.is_empty() {
        return (reader.settings, reader.problems);
    }
    // Whatever else seems wrong may follow from what could not be read, as all that is missing at one place.
    let mut faults = faults;
    faults.dedup_by_key(|fault| fault.span());
    let syntax = faults.iter().take(SYNTAX_PROBLEMS_MAX).map(|fault| {
        let title = format!("`{FILE}` is not well-formed TOML");
        Problem::error("settings::syntax", title)
            .at(&reader.place(&fault.span().unwrap_or_default()))
            .because(fault.message())
            .help("write sections as `[server]`, and what is set in them as `port = 3000`, with texts in quotes")
    });
    let syntax = syntax.collect();
    (reader.settings, syntax)
}

struct Reader<'t> {
    text: &'t str,
    settings: Settings,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn document(&mut self, document: &DeTable<'_>) {
        for entry in document {
            let name = entry.0.get_ref().as_ref();
            let section = SECTIONS
                .into_iter()
                .find(|section| section.as_str() == name);
            match (section, entry.1.get_ref().as_table()) {
                (Some(section), Some(table)) => self.section(section, table),
                (Some(_), None) => self.wrong_value(entry, "a table"),
                (None, _) => {
                    let known = SECTIONS.into_iter().map(Section::as_str);
                    self.unknown_key(entry, None, known);
                }
            }
        }
    }

    fn section(&mut self, section: Section, table: &DeTable<'_>) {
        for entry in table {
            if section == Section::Functions
                && let Some(table) = entry.1.get_ref().as_table()
            {
                self.one_function(entry, table);
            } else if section == Section::Services {
                match entry.1.get_ref().as_table() {
                    Some(table) => self.one_engine(entry, table),
                    None => self.wrong_value(entry, "a table, as `[services.s3]`"),
                }
            } else if let Some(key) = self.known(section, entry) {
                self.set(key, entry);
            }
        }
    }

    /// Any table in `[functions]` is a function's: what holds for all of them is no table.
    fn one_function(&mut self, named: Entry<'_>, table: &DeTable<'_>) {
        let mut function = OneFunction {
            name: named.0.get_ref().to_string(),
            place: self.place(&named.0.span()),
            starts: None,
        };
        for entry in table {
            if let Some(key) = self.known(Section::Functions, entry) {
                match key.value {
                    Value::Starts => function.starts = self.starts(key, entry),
                    Value::Whole { .. }
                    | Value::Word { .. }
                    | Value::Networks { .. }
                    | Value::Ranges { .. }
                    | Value::Engine { .. }
                    | Value::Path { .. }
                    | Value::Paths { .. } => self.set(key, entry),
                }
            }
        }
        self.settings.functions.push(function);
    }

    fn one_engine(&mut self, named: Entry<'_>, table: &DeTable<'_>) {
        let mut written = Written::default();
        let problems = self.problems.len();
        for entry in table {
            let Some(key) = self.known(Section::Services, entry) else {
                continue;
            };
            let Value::Engine { set, .. } = key.value else {
                continue;
            };
            let text = entry.1.get_ref().as_str();
            if !text.is_some_and(|text| set(&mut written, text)) {
                self.wrong_value(entry, &key.value.to_string());
            }
        }
        let place = self.place(&named.0.span());
        if problems < self.problems.len() {
            // What is missing may follow from what is wrong.
            return;
        }
        match written.engine(named.0.get_ref().as_ref(), &place) {
            Ok(engine) => {
                self.settings.server.engines.push(engine);
                self.settings.engine_places.push(place);
            }
            Err(problem) => self.problems.push(*problem),
        }
    }

    fn known(&mut self, section: Section, entry: Entry<'_>) -> Option<&'static Key> {
        let name = entry.0.get_ref().as_ref();
        let found = section.keys().find(|key| key.name == name);
        if found.is_none() {
            let known = section.keys().map(|key| key.name);
            self.unknown_key(entry, Some(section), known);
        }
        found
    }

    fn set(&mut self, key: &Key, entry: Entry<'_>) {
        match key.value {
            Value::Starts => self.settings.starts = self.starts(key, entry),
            Value::Whole { min, max, set } => match whole(entry.1.get_ref()) {
                Some(number) if (min..=max).contains(&number) => set(&mut self.settings, number),
                Some(_) | None => self.wrong_value(entry, &key.value.to_string()),
            },
            Value::Word { words, set } => {
                let written = entry.1.get_ref().as_str();
                match words.iter().position(|word| Some(*word) == written) {
                    Some(word) => set(&mut self.settings, word),
                    None => self.wrong_value(entry, &key.value.to_string()),
                }
            }
            Value::Networks { set } => match networks(entry.1.get_ref()) {
                Some(networks) => set(&mut self.settings, networks),
                None => self.wrong_value(entry, &key.value.to_string()),
            },
            Value::Ranges { set } => match ranges(entry.1.get_ref()) {
                Some(ranges) => set(&mut self.settings, ranges),
                None => self.wrong_value(entry, &key.value.to_string()),
            },
            Value::Paths { set } => match paths(entry.1.get_ref()) {
                Some(paths) => set(&mut self.settings, paths),
                None => self.wrong_value(entry, &key.value.to_string()),
            },
            // They stand in tables of their own: see `one_engine`.
            Value::Engine { .. } => self.wrong_value(entry, &key.value.to_string()),
            Value::Path { set } => match entry.1.get_ref().as_str() {
                Some(path) if !path.is_empty() => set(&mut self.settings, PathBuf::from(path)),
                Some(_) | None => self.wrong_value(entry, &key.value.to_string()),
            },
        }
    }

    fn starts(&mut self, key: &Key, entry: Entry<'_>) -> Option<Starts> {
        let written = entry.1.get_ref().as_str();
        let found = STARTS
            .into_iter()
            .find(|starts| Some(word_of(*starts)) == written);
        if found.is_none() {
            self.wrong_value(entry, &key.value.to_string());
        }
        found
    }

    fn wrong_value(&mut self, (name, value): Entry<'_>, expected: &str) {
        let title = format!("`{}` is not {expected}", name.get_ref());
        let place = self.place(&value.span());
        let written = self.text.get(value.span()).unwrap_or_default();
        let written = written.lines().next().unwrap_or_default();
        let shown: String = written.chars().take(SHOWN_CHARACTERS_MAX).collect();
        let mut problem = Problem::error("settings::wrong-value", title)
            .at(&place)
            .because(format!("it is `{shown}`"));
        let words = KEYS.iter().flat_map(|key| match key.value {
            Value::Word { words, .. } => words,
            Value::Starts
            | Value::Whole { .. }
            | Value::Networks { .. }
            | Value::Ranges { .. }
            | Value::Engine { .. }
            | Value::Path { .. }
            | Value::Paths { .. } => &[],
        });
        let words = STARTS.map(word_of).into_iter().chain(words.copied());
        let meant = value.get_ref().as_str();
        let meant = meant.and_then(|text| suggestion::nearest(text, words));
        if let Some(meant) = meant.filter(|meant| expected.contains(meant)) {
            problem = problem.help(format!("did you mean `\"{meant}\"`?"));
        }
        self.problems.push(problem);
    }

    fn unknown_key<'k>(
        &mut self,
        (name, _): Entry<'_>,
        section: Option<Section>,
        known: impl Iterator<Item = &'k str>,
    ) {
        let known: Vec<&str> = known.collect();
        let written = name.get_ref().as_ref();
        let where_it_stands = match section {
            Some(section) => format!("`[{}]` of `{FILE}`", section.as_str()),
            None => format!("`{FILE}`"),
        };
        let title = format!("`{written}` is not a key of {where_it_stands}");
        let elsewhere = KEYS.iter().find(|key| key.name == written);
        let help = if let Some(meant) = suggestion::nearest(written, known.iter().copied()) {
            format!("did you mean `{meant}`?")
        } else if let Some(key) = elsewhere {
            format!("write it under `[{}]`", key.section.as_str())
        } else {
            let listed: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("it knows {}", listed.join(", "))
        };
        self.problems.push(
            Problem::error("settings::unknown-key", title)
                .at(&self.place(&name.span()))
                .help(help),
        );
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let marked = self.text.get(span.clone()).unwrap_or_default();
        let width = marked.lines().next().unwrap_or_default().chars().count();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Place {
            file: FILE.into(),
            line: count(before.matches('\n').count() + 1),
            column: count(before.get(line_start..).unwrap_or_default().chars().count() + 1),
            width: count(width.max(1)),
        }
    }
}

/// None when one of them is no network, or they are more than anybody writes.
fn networks(value: &DeValue<'_>) -> Option<Vec<Network>> {
    let listed = value.as_array()?;
    let one = |value: &Spanned<DeValue<'_>>| network(value.get_ref().as_str()?);
    (listed.len() <= NETWORKS_MAX).then(|| listed.iter().map(one).collect())?
}

fn ranges(value: &DeValue<'_>) -> Option<Vec<AddressRange>> {
    let listed = value.as_array()?;
    let one = |value: &Spanned<DeValue<'_>>| AddressRange::read(value.get_ref().as_str()?);
    (listed.len() <= NETWORKS_MAX).then(|| listed.iter().map(one).collect())?
}

fn paths(value: &DeValue<'_>) -> Option<Vec<PathBuf>> {
    let path = |value: &DeValue<'_>| {
        let path = value.as_str().filter(|path| !path.is_empty());
        path.map(PathBuf::from)
    };
    match value.as_array() {
        None => Some(vec![path(value)?]),
        Some(listed) => listed.iter().map(|one| path(one.get_ref())).collect(),
    }
}

fn whole(value: &DeValue<'_>) -> Option<u32> {
    let integer = value.as_integer()?;
    u32::from_str_radix(integer.as_str(), integer.radix()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Demands;
    use super::*;
    use runtimes::process::{LimitsKept, ProcessorTime};

    /// The problems of a text, each as `line:column code: title; help`.
    fn problems(text: &str) -> Vec<String> {
        let (_, problems) = parse(text);
        let shown = problems.into_iter().map(|problem| {
            let place = problem.place.unwrap();
            let help = problem.help.or(problem.cause).unwrap_or_default();
            let (line, column) = (place.line, place.column);
            format!(
                "{line}:{column} {}: {}; {help}",
                problem.code, problem.title
            )
        });
        shown.collect()
    }

    #[test]
    fn everything_that_can_be_set_is_read() {
        let text = "
[functions]
starts = 'forked'
[functions.hello]
starts = \"spawned\"
[functions.'my-other']
[limits]
account_concurrency = 5_000
function_scaling_instances = 2
machine_instances = 3
instance_idle_seconds = 0x10
[sandbox]
demands = 'server'
limits = 'watched'
processor = 'free'
open = ['10.0.0.0/8', '127.0.0.1:5432']
[server]
port = 0
services_port = 4567
state = '../state'
";
        let (settings, problems) = parse(text);
        assert_eq!(problems, []);
        assert_eq!(settings.starts, Some(Starts::Forked));
        let functions = settings.functions.iter();
        let functions: Vec<_> = functions
            .map(|one| (one.name.as_str(), one.starts, one.place.to_string()))
            .collect();
        assert_eq!(
            functions,
            [
                (
                    "hello",
                    Some(Starts::Spawned),
                    "cloudless.toml:4:12".to_owned()
                ),
                ("my-other", None, "cloudless.toml:6:12".to_owned()),
            ]
        );
        let server = settings.server;
        assert_eq!((server.port, server.services_port), (Some(0), Some(4567)));
        assert_eq!(server.state, Some(PathBuf::from("../state")));
        assert_eq!(server.limits.account_concurrency, Some(5_000));
        assert_eq!(server.limits.function_scaling_instances, Some(2));
        assert_eq!(server.limits.machine_instances, Some(3));
        assert_eq!(server.limits.instance_idle, Some(Duration::from_secs(16)));
        assert_eq!(server.sandbox.demands, Some(Demands::Server));
        assert_eq!(server.sandbox.limits, Some(LimitsKept::AsCanBe));
        assert_eq!(server.sandbox.processor, Some(ProcessorTime::Free));
        assert_eq!(server.sandbox.open.len(), 2);
    }

    #[test]
    fn engines_are_read_with_their_keys_and_mistakes_are_named() {
        let text = "[services.s3]\nendpoint = 'http://localhost:9000'\nregion = 'eu-west-1'\n\
                    [services.sqs]\nendpoint = 'http://localhost:9324'\ncredentials = 'environment'\n";
        let (settings, problems) = parse(text);
        assert_eq!(problems, []);
        let engines = settings.server.engines;
        let services: Vec<_> = engines.iter().map(|engine| engine.service).collect();
        assert_eq!(services, ["s3", "sqs"]);
        for (text, expected) in [
            (
                "[services.s4]\nendpoint = 'http://a'\n",
                "settings::unknown-service",
            ),
            (
                "[services.lambda]\nendpoint = 'http://a'\n",
                "settings::unknown-service",
            ),
            ("[services.s3]\n", "settings::incomplete-engine"),
            ("[services.s3]\nendpoint = 'a'\n", "settings::wrong-value"),
            ("[services.s3]\nendpoint = 1\n", "settings::wrong-value"),
            (
                "[services.s3]\nendpoints = 'http://a'\n",
                "settings::unknown-key",
            ),
            (
                "[services]\nendpoint = 'http://a'\n",
                "settings::wrong-value",
            ),
            (
                "[services.s3]\nendpoint = 'http://a'\naccess_key_id = 'a'\n",
                "settings::incomplete-engine",
            ),
            (
                "[services.s3]\nendpoint = 'http://a'\ncredentials = 'file'\n",
                "settings::wrong-value",
            ),
        ] {
            let (settings, problems) = parse(text);
            let codes: Vec<_> = problems.iter().map(|problem| problem.code).collect();
            assert_eq!(codes, [expected], "{text}");
            assert_eq!(settings.server.engines, [], "{text}");
        }
    }

    #[test]
    fn a_file_that_says_nothing_sets_nothing() {
        for text in ["", "# nothing\n", "[functions]\n[limits]\n[server]\n"] {
            assert_eq!(parse(text), (Settings::default(), Vec::new()), "{text}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place_and_their_remedy() {
        for (text, expected) in [
            (
                "[function]\n",
                "1:2 settings::unknown-key: `function` is not a key of `cloudless.toml`; did you mean `functions`?",
            ),
            (
                "port = 1\n",
                "1:1 settings::unknown-key: `port` is not a key of `cloudless.toml`; write it under `[server]`",
            ),
            (
                "[server]\naddress = 'x'\n",
                "2:1 settings::unknown-key: `address` is not a key of `[server]` of `cloudless.toml`; it knows `alb_base_path`, `alb_port`, `base_path`, `buckets`, `port`, `services_port`, `state`, `trusted_proxies`",
            ),
            (
                "functions = 1\n",
                "1:13 settings::wrong-value: `functions` is not a table; it is `1`",
            ),
            (
                "[server]\nport = 65536\n",
                "2:8 settings::wrong-value: `port` is not a whole number from 0 to 65535; it is `65536`",
            ),
            (
                "[functions.a]\nstarts = 'spwaned'\n",
                "2:10 settings::wrong-value: `starts` is not `\"automatic\"`, `\"forked\"` or `\"spawned\"`; did you mean `\"spawned\"`?",
            ),
            (
                "[sandbox]\ndemands = 'servr'\n",
                "2:11 settings::wrong-value: `demands` is not `\"development\"`, `\"server\"` or `\"none\"`; did you mean `\"server\"`?",
            ),
            (
                "[sandbox]\nopen = ['localhost:5432']\n",
                "2:8 settings::wrong-value: `open` is not a list of networks, as `\"10.1.0.0/16\"`, `\"127.0.0.1:5432\"` or `\"[fd00::/8]:5432\"`; it is `['localhost:5432']`",
            ),
            (
                "[functions]\nstart = 'forked'\n",
                "2:1 settings::unknown-key: `start` is not a key of `[functions]` of `cloudless.toml`; did you mean `starts`?",
            ),
        ] {
            assert_eq!(problems(text), [expected], "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_toml_is_said_to_be_none_and_what_can_be_read_of_it_counts() {
        let (settings, problems) = parse("[server]\nport = 1\nstate = \nportt = 2\n");
        let found: Vec<_> = problems
            .iter()
            .map(|it| (it.code, it.place.as_ref().unwrap().line))
            .collect();
        assert_eq!(found, [("settings::syntax", 3)]);
        assert!(problems[0].help.is_some());
        assert_eq!(settings.server.port, Some(1));
    }

    #[test]
    fn what_is_no_file_is_said_to_be_none_and_not_waited_for() {
        use std::os::unix::fs::symlink;
        type Make = fn(&Path);
        let rows: [(Make, &str); 7] = [
            (|path| std::fs::create_dir(path).unwrap(), "it is a folder"),
            (|path| make_pipe(path), "it is a pipe"),
            (
                |path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
                "it is a socket",
            ),
            (
                |path| symlink("/dev/zero", path).unwrap(),
                "it is a link to a device",
            ),
            (
                |path| symlink("..", path).unwrap(),
                "it is a link to a folder",
            ),
            (
                |path| symlink("nowhere", path).unwrap(),
                "it is a link that leads nowhere: No such file or directory (os error 2)",
            ),
            (
                |path| symlink(FILE, path).unwrap(),
                "it is a link that leads nowhere: Too many levels of symbolic links (os error 40)",
            ),
        ];
        for (make, expected) in rows {
            let folder = tempfile::tempdir().unwrap();
            make(&folder.path().join(FILE));
            let (settings, problems) = read(folder.path());
            let [problem] = &problems[..] else {
                panic!("{expected}: {problems:?}");
            };
            assert_eq!(settings, Settings::default());
            assert_eq!(problem.code, "settings::unreadable");
            assert_eq!(problem.cause.as_deref(), Some(expected));
            assert!(problem.help.is_some());
        }
    }

    #[test]
    fn a_link_to_a_file_is_as_good_as_the_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("other"), "[server]\nport = 1\n").unwrap();
        std::os::unix::fs::symlink("other", folder.path().join(FILE)).unwrap();
        let (settings, problems) = read(folder.path());
        assert_eq!((settings.server.port, problems), (Some(1), Vec::new()));
        std::fs::write(folder.path().join("other"), [0xff]).unwrap();
        assert_eq!(read(folder.path()).1[0].code, "settings::unreadable");
    }

    fn make_pipe(path: &Path) {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"[a-z\[\]{}="'.,0-9\n\r# _é-]{0,80}"#) {
            parse(&text);
        }
    }
}
