//! Where the values of variables come from.
//!
//! Lives here: one function for each source that is carried out, and what is known of the others.
//! Does not live here: alternatives and order (`resolver`).

use std::cell::RefCell;

use cloudformation::node::{Kind, Mapping, Node};
use cloudformation::parse::{self, Dialect};
use model::problem::{Place, Problem};

use super::faults::{Stop, fault};
use super::resolver::Resolver;
use super::stored;
use crate::dotenv;
use crate::reading::Need;
use crate::serverless_framework::script;
use crate::serverless_framework::suggestion;

/// Sources that the tool has and that need a cloud, or another tool; what to do instead.
const NOT_IMPLEMENTED: &[(&str, &str)] = &[
    ("output", "an output kept by the Serverless Dashboard"),
    (
        "git",
        "a fact about the working copy (plugin serverless-plugin-git-variables)",
    ),
    ("secrets", "a secret (plugin)"),
    ("secretsmanager", "a secret (plugin)"),
    ("vault", "a secret (plugin)"),
];

/// The sources that are carried out.
const SOURCES: &[&str] = &[
    "self",
    "opt",
    "sls",
    "env",
    "param",
    "aws",
    "ssm",
    "cf",
    "s3",
    "construct",
    "file",
    "strToBool",
];

/// One source with its arguments.
pub(super) struct Call<'a> {
    pub(super) kind: &'a str,
    pub(super) params: Vec<Node>,
    pub(super) address: Option<Node>,
    /// Whether another source follows.
    pub(super) has_fallback: bool,
    /// The text that the variable stands in.
    pub(super) place: &'a Place,
}

/// A value (null: there is none), or a better reason why there is none.
type Found = Result<Node, Box<Problem>>;

impl Resolver<'_> {
    pub(super) fn call(&mut self, call: &Call<'_>) -> Result<Found, Stop> {
        match call.kind {
            "self" => self.of_self(call).map(Ok),
            "opt" => Ok(Ok(self.option(call))),
            "sls" => self.of_framework(call).map(Ok),
            "aws" => self.of_cloud(call).map(Ok),
            "env" => self.environment(call).map(Ok),
            "param" => self.param(call),
            "strToBool" => text_to_boolean(call).map(Ok),
            "file" => self.file(call).map(Ok),
            "ssm" => self.stored_parameter(call).map(Ok),
            "cf" => self.output_of_stack(call).map(Ok),
            "s3" => self.object(call).map(Ok),
            "construct" => self.of_construct(call).map(Ok),
            other => self.unavailable(other, call),
        }
    }

    fn of_self(&mut self, call: &Call<'_>) -> Result<Node, Stop> {
        let steps = steps_of(call);
        if steps.is_empty() {
            return Err(fault(
                "manifest::circular-variables",
                "`${self:}` stands for the whole manifest, which contains the variable itself",
            ));
        }
        let found = self.reference(&steps)?;
        let found = found.filter(|node| node.kind != Kind::Null);
        Ok(found
            .or_else(|| self.default_setting(&steps, call))
            .unwrap_or_else(|| null(call)))
    }

    /// `provider.stage` and `provider.region` have defaults.
    ///
    /// Differs: version 3 alone stops at a variable that refers to a default; versions before and after it do not,
    /// and many manifests are written for those.
    fn default_setting(&mut self, steps: &[String], call: &Call<'_>) -> Option<Node> {
        let name = match steps {
            [provider, name] if provider == "provider" && !call.has_fallback => name.as_str(),
            _others => return None,
        };
        let (given, default) = match name {
            "stage" => (
                &self.request.stage,
                crate::serverless_framework::STAGE_DEFAULT,
            ),
            "region" => (
                &self.request.region,
                crate::serverless_framework::REGION_DEFAULT,
            ),
            _others => return None,
        };
        let value = given.clone().unwrap_or_else(|| default.to_owned());
        self.problems.push(
            Problem::warning(
                "manifest::variable-of-default",
                format!("the manifest has no `provider.{name}`: the variable is `{value}`"),
            )
            .at(call.place)
            .because(
                "version 3 of the Serverless Framework stops here; other versions take the default",
            )
            .help(format!(
                "set `provider.{name}`, or write `${{sls:stage}}` and `${{aws:region}}`"
            )),
        );
        Some(Node::string(value, call.place))
    }

    fn option(&self, call: &Call<'_>) -> Node {
        let known = [
            ("stage", self.request.stage.as_ref()),
            ("region", self.request.region.as_ref()),
        ];
        let text = |value: Option<&String>| match value {
            Some(text) => Node::string(text.clone(), call.place),
            None => null(call),
        };
        match address_text(call) {
            Some(name) => {
                let value = known.iter().find(|(known, _)| *known == name);
                text(value.and_then(|(_, value)| *value))
            }
            None => {
                let mut mapping = Mapping::default();
                for (name, value) in known {
                    mapping.set(name, call.place, text(value));
                }
                Node::new(Kind::Mapping(mapping), call.place)
            }
        }
    }

    fn of_framework(&mut self, call: &Call<'_>) -> Result<Node, Stop> {
        match required_address(call)?.as_str() {
            "stage" => Ok(Node::string(self.stage()?, call.place)),
            "instanceId" => Ok(Node::string(self.request.now_ms.to_string(), call.place)),
            other => Err(unsupported_address("sls", other, &["stage", "instanceId"])),
        }
    }

    fn of_cloud(&mut self, call: &Call<'_>) -> Result<Node, Stop> {
        match required_address(call)?.as_str() {
            "accountId" => Ok(Node::string(self.request.account.as_str(), call.place)),
            "region" => Ok(Node::string(self.region()?, call.place)),
            other => Err(unsupported_address("aws", other, &["accountId", "region"])),
        }
    }

    fn environment(&mut self, call: &Call<'_>) -> Result<Node, Stop> {
        let name = required_address(call)?;
        let need = Need::Environment(name.clone());
        let Some(answer) = self.answers.get(&need) else {
            self.needs.insert(need);
            return Err(Stop::Waiting);
        };
        let value = answer
            .map(str::to_owned)
            .or_else(|| self.dotenv.as_ref()?.get(&name).cloned());
        Ok(value.map_or_else(|| null(call), |value| Node::string(value, call.place)))
    }

    /// `--param` wins over the stage's parameters, those over `params.default`.
    fn param(&mut self, call: &Call<'_>) -> Result<Found, Stop> {
        let name = required_address(call)?;
        if let Some(value) = self.request.params.get(&name) {
            return Ok(Ok(Node::string(value.trim_end(), call.place)));
        }
        let stage = self.stage()?;
        for group in [stage.as_str(), "default"] {
            let steps = ["params", group, &name].map(str::to_owned);
            let found = script::present(self.peek(&steps)).cloned();
            if let Some(value) = found {
                return Ok(Ok(value));
            }
        }
        Ok(Err(Box::new(
            Problem::error(
                "manifest::variable-without-value",
                format!("the parameter `{name}` has no value"),
            )
            .because(format!(
                "neither `--param`, nor `params.{stage}`, nor `params.default` has it"
            ))
            .help(format!(
                "pass `--param {name}=VALUE`, or set it below `params`"
            )),
        )))
    }

    fn file(&mut self, call: &Call<'_>) -> Result<Node, Stop> {
        let Some(path) = call.params.first().and_then(script::text_of) else {
            return Err(fault(
                "manifest::variable-syntax",
                "`file` needs a path in parentheses",
            ));
        };
        let Some(path) = relative(&path) else {
            return Err(Stop::Fault(Box::new(
                Problem::error(
                    "manifest::file-outside-project",
                    format!("`{path}` is not a path relative to the project's folder"),
                )
                .help("refer to files by a relative path"),
            )));
        };
        let Some(content) = self.content(&path, call.place)? else {
            return Ok(null(call));
        };
        let mut node = content;
        for step in steps_of(call) {
            if let Kind::String(text) = &node.kind {
                node = self.text_in_file(&text.clone(), &node.place)?;
            }
            match node.at_path([step.as_str()]) {
                Some(inner) => node = inner.clone(),
                None => return Ok(null(call)),
            }
        }
        Ok(node)
    }

    /// What a file says, by what its name ends in; none: there is no such file.
    fn content(&mut self, path: &str, place: &Place) -> Result<Option<Node>, Stop> {
        if let Some(node) = self.files.get(path) {
            return Ok(node.clone());
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let is_module = matches!(extension, "js" | "cjs");
        let need = if is_module {
            Need::Module(path.to_owned())
        } else {
            Need::File(path.to_owned())
        };
        let Some(answer) = self.answers.get(&need) else {
            self.needs.insert(need);
            return Err(Stop::Waiting);
        };
        let node = match (answer, extension) {
            (None, _) => None,
            (Some(text), "yml" | "yaml") => {
                self.parsed(parse::yaml(path, text, Dialect::ServerlessFramework))
            }
            (Some(text), "json" | "tfstate") => self.parsed(parse::json(path, text)),
            (Some(text), "js" | "cjs") => {
                // Its values were computed: the place to look at is where they are asked for.
                let json = self.parsed(parse::json(path, text));
                json.map(|node| Node::from_json(&node.to_json(), place))
            }
            (Some(text), _) => Some(Node::string(text, &Place::start_of(path))),
        };
        self.files.insert(path.to_owned(), node.clone());
        Ok(node)
    }

    fn parsed(&mut self, parsed: parse::Parsed) -> Option<Node> {
        self.problems.extend(parsed.problems);
        parsed.node.map(script::exact_numbers)
    }

    /// A source that is known, but not carried out, or one that nobody knows.
    fn unavailable(&mut self, kind: &str, call: &Call<'_>) -> Result<Found, Stop> {
        let Some((_, what)) = NOT_IMPLEMENTED.iter().find(|(known, _)| *known == kind) else {
            let known: Vec<&str> = SOURCES
                .iter()
                .copied()
                .chain(NOT_IMPLEMENTED.iter().map(|(name, _)| *name))
                .collect();
            return Err(Stop::Fault(Box::new(
                Problem::error(
                    "manifest::unknown-variable-source",
                    format!("no source of variables is called `{kind}`"),
                )
                .because(
                    "the Serverless Framework stops at sources that neither it nor a plugin knows",
                )
                .help(suggestion::help(kind, &known)),
            )));
        };
        let title = format!("variables of the source `{kind}` are not implemented yet");
        let cause = format!("it stands for {what}, which is not asked for here");
        if call.has_fallback {
            let problem = Problem::warning("manifest::variable-source-not-implemented", title)
                .at(call.place)
                .because(format!("{cause}: the fallback takes its place"));
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
            return Ok(Ok(null(call)));
        }
        Ok(Err(Box::new(
            Problem::error("manifest::variable-source-not-implemented", title)
                .because(cause)
                .help("give it a fallback, as `${param:name, …}` or `${…, 'value'}`"),
        )))
    }

    /// `--region`, `provider.region`, `us-east-1`.
    pub(super) fn region(&mut self) -> Result<String, Stop> {
        if let Some(region) = self.request.region.clone() {
            return Ok(region);
        }
        let region = self.setting("region")?;
        Ok(region.unwrap_or_else(|| crate::serverless_framework::REGION_DEFAULT.to_owned()))
    }

    /// `--stage`, `provider.stage`, `dev`.
    fn stage(&mut self) -> Result<String, Stop> {
        if let Some(stage) = self.request.stage.clone() {
            return Ok(stage);
        }
        let stage = self.setting("stage")?;
        Ok(stage.unwrap_or_else(|| crate::serverless_framework::STAGE_DEFAULT.to_owned()))
    }

    fn setting(&mut self, key: &str) -> Result<Option<String>, Stop> {
        let found = self.reference(&["provider".to_owned(), key.to_owned()])?;
        Ok(script::truthy(found.as_ref()).and_then(script::text_of))
    }

    /// Reads `.env.STAGE`, or else `.env`, if the manifest says so. What the user's environment has wins.
    pub(super) fn read_dotenv(&mut self) {
        let wants = self.peek(&["useDotenv".to_owned()]);
        if script::truthy(wants).is_none() {
            return;
        }
        let Ok(stage) = self.stage() else { return };
        for path in [format!(".env.{stage}"), ".env".to_owned()] {
            let need = Need::File(path);
            match self.answers.get(&need) {
                None => {
                    self.needs.insert(need);
                    return;
                }
                Some(Some(text)) => {
                    let unknown = RefCell::new(Vec::new());
                    let outer = |name: &str| {
                        let need = Need::Environment(name.to_owned());
                        let answer = self.answers.get(&need);
                        if answer.is_none() {
                            unknown.borrow_mut().push(need);
                        }
                        answer.flatten().map(str::to_owned)
                    };
                    let variables = dotenv::expanded(text, &outer);
                    self.needs.extend(unknown.into_inner());
                    self.dotenv = Some(variables);
                    return;
                }
                Some(None) => {}
            }
        }
    }
}

/// Why a variable whose sources all came up empty has no value.
pub(super) fn nothing_found(call: &Call<'_>) -> Box<Problem> {
    let address = address_text(call).unwrap_or_default();
    let what = match call.kind {
        "self" => format!("the manifest has no value at `{address}`"),
        "env" => format!("there is no environment variable `{address}`"),
        "opt" => format!("the option `--{address}` was not given"),
        "file" => {
            let path = call.params.first().and_then(script::text_of);
            let path = path.unwrap_or_default();
            if address.is_empty() {
                format!("there is no file `{path}`, or it is empty")
            } else {
                format!("there is no file `{path}`, or it has no value at `{address}`")
            }
        }
        "ssm" => format!("there is no parameter `{address}`"),
        "cf" => format!("no stack that was deployed here has the output `{address}`"),
        "s3" => format!("there is no object `{address}`"),
        other => format!("`{other}` has no value at `{address}`"),
    };
    let help = stored::remedy(call.kind, &address).unwrap_or_else(|| {
        "provide the value, or give the variable a fallback: `${…, 'value'}`".to_owned()
    });
    Box::new(
        Problem::error("manifest::variable-without-value", what)
            .because("the variable has no fallback, and the Serverless Framework stops there, too")
            .help(help),
    )
}

fn text_to_boolean(call: &Call<'_>) -> Result<Node, Stop> {
    let input = call.params.first().and_then(script::text_of);
    let word = input.unwrap_or_default().trim().to_lowercase();
    match word.as_str() {
        "true" | "1" => Ok(Node::new(Kind::Bool(true), call.place)),
        "false" | "0" => Ok(Node::new(Kind::Bool(false), call.place)),
        other => Err(Stop::Fault(Box::new(
            Problem::error(
                "manifest::variable-not-boolean",
                format!("`strToBool` cannot make a boolean of `{other}`"),
            )
            .help("it takes `true`, `false`, `1` or `0`"),
        ))),
    }
}

pub(super) fn null(call: &Call<'_>) -> Node {
    Node::new(Kind::Null, call.place)
}

fn address_text(call: &Call<'_>) -> Option<String> {
    call.address.as_ref().and_then(script::text_of)
}

pub(super) fn required_address(call: &Call<'_>) -> Result<String, Stop> {
    address_text(call)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| {
            fault(
                "manifest::variable-syntax",
                format!("`{}` needs an address behind its colon", call.kind),
            )
        })
}

fn unsupported_address(kind: &str, address: &str, known: &[&str]) -> Stop {
    Stop::Fault(Box::new(
        Problem::error(
            "manifest::variable-without-value",
            format!("`{kind}` has no value called `{address}`"),
        )
        .help(suggestion::help(address, known)),
    ))
}

fn steps_of(call: &Call<'_>) -> Vec<String> {
    address_text(call)
        .filter(|text| !text.is_empty())
        .map(|text| text.split('.').map(str::to_owned).collect())
        .unwrap_or_default()
}

/// The path without `.` and needless `..`; none if it is absolute.
fn relative(path: &str) -> Option<String> {
    if path.starts_with(['/', '~']) || path.contains(['\\', '\0']) || path.get(1..2) == Some(":") {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    Some(parts.join("/"))
}
