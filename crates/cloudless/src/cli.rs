//! The command line, as written.
//!
//! Lives here: arguments, their help and their examples.
//! Does not live here: what the commands do (`commands`, one file each).

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Serverless APIs without the cloud.
///
/// Runs the project that you have (Serverless Framework, SAM, CloudFormation), unmodified.
#[derive(Debug, Parser)]
#[command(
    name = "cloudless",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  cloudless dev                       serve the project in this folder
  cloudless check                     say what would not run, and why
  cloudless invoke hello --event -    run one function with an event from standard input"
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a project on this machine, and reload it as its files change.
    Dev(DevArguments),
    /// Say what of a project would not run, with file, line, cause and remedy.
    Check(CheckArguments),
    /// Run one function once, and print its reply and its log.
    Invoke(InvokeArguments),
    /// Print an event as a service would send it.
    Event(EventArguments),
    /// Bring dead letters back to where they came from.
    Redrive(RedriveArguments),
    /// Make a schedule fire now.
    Tick(TickArguments),
    /// Print what a function has written, and follow it.
    Logs(LogsArguments),
    /// List the routes of a project.
    Routes(RoutesArguments),
    /// Print an API as OpenAPI 3.1.
    Openapi(OpenapiArguments),
    /// Sign a token, for calling what is behind a JWT authorizer or a user pool.
    Token(TokenArguments),
    /// Say what this machine can and cannot do: interpreters, forking, tools, limits, ports.
    Doctor(DoctorArguments),
}

/// Which project, and how to read it.
#[derive(Debug, Clone, Args)]
pub struct ProjectArguments {
    /// The project's folder, or its manifest.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// The stage to read the manifest for (Serverless Framework; `dev` when nothing says otherwise).
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<String>,
    /// The region to read the manifest for.
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// A parameter of the manifest or template; may be repeated.
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = key_value)]
    pub params: Vec<(String, String)>,
    /// A file of `KEY=VALUE` lines; the manifest sees them as environment variables.
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
}

/// `cloudless dev`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cloudless dev
  cloudless dev examples/petstore --port 8080
  cloudless dev --stage prod --param domain=example.com --env-file .env

What is not given here may be set in `cloudless.toml`, beside the manifest.")]
pub struct DevArguments {
    /// Which project.
    #[command(flatten)]
    pub project: ProjectArguments,
    /// The port of the application's APIs [default: 3000].
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// The port of the cloud services, as SDKs use them [default: 4566].
    #[arg(long, value_name = "PORT")]
    pub services_port: Option<u16>,
    /// The port of the first listener of load balancers; those of others follow it [default: 3003].
    #[arg(long, value_name = "PORT")]
    pub alb_port: Option<u16>,
    /// A path that clients put before each of theirs, as behind a proxy; APIs and functions do not see it.
    #[arg(long, value_name = "PATH")]
    pub base_path: Option<String>,
    /// The same for clients of load balancers [default: that of `--base-path`].
    #[arg(long, value_name = "PATH")]
    pub alb_base_path: Option<String>,
    /// A port of WebSocket APIs alone [default: they answer at the port of the other APIs].
    #[arg(long, value_name = "PORT")]
    pub websocket_port: Option<u16>,
    /// Where the state is kept [default: .cloudless beside the manifest].
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Serve the APIs over HTTPS, with a certificate for localhost of this machine's own making.
    #[arg(long)]
    pub https: bool,
}

/// `cloudless check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 all would run, 1 something would not, 2 the call was wrong.

Examples:
  cloudless check
  cloudless check examples/petstore --json")]
pub struct CheckArguments {
    /// Which project.
    #[command(flatten)]
    pub project: ProjectArguments,
    /// Where `cloudless dev` keeps the state, with what it found of functions [default: .cloudless beside the manifest].
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Print the problems as a JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `cloudless invoke`.
#[derive(Debug, Args)]
#[command(after_help = "\
The function runs in the `cloudless dev` of the project, if one is running, else by itself.
Exit codes: 0 it returned, 1 it failed or could not run.

Examples:
  cloudless invoke hello
  cloudless invoke hello --event event.json
  cloudless event apigateway | cloudless invoke hello --event -")]
pub struct InvokeArguments {
    /// The function: its name in the manifest, or its deployed name.
    pub function: String,
    /// Which project.
    #[command(flatten)]
    pub project: ProjectArguments,
    /// A file that holds the event as JSON; `-` is standard input [default: {}].
    #[arg(long, value_name = "FILE")]
    pub event: Option<PathBuf>,
    /// Where the state is kept [default: .cloudless beside the manifest].
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

/// `cloudless event`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cloudless event apigateway > event.json
  cloudless event sqs | cloudless invoke worker --event -")]
pub struct EventArguments {
    /// The service.
    pub kind: EventKind,
}

/// The services whose events can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EventKind {
    /// A REST API's proxy event (payload 1.0).
    Apigateway,
    /// An HTTP API's proxy event (payload 2.0).
    HttpApi,
    /// A batch of one SQS message.
    Sqs,
    /// An S3 notification.
    S3,
    /// A batch of DynamoDB stream records.
    Dynamodb,
    /// A scheduled event of EventBridge.
    Schedule,
}

/// `cloudless redrive`.
#[derive(Debug, Args)]
#[command(after_help = "\
It works in the `cloudless dev` of the project, which must be running. What is in a queue's dead letter queue goes back to the
queue that gave it up; a function is invoked with what is in its own, asynchronously, as before.
Exit codes: 0 they went back, 1 something failed, 2 the call was wrong.

Examples:
  cloudless redrive orders-dead
  cloudless redrive resize
  cloudless redrive orders-dead --json")]
pub struct RedriveArguments {
    /// A dead letter queue, or a function that has one: its name, logical id or ARN.
    #[arg(value_name = "QUEUE|FUNCTION")]
    pub name: String,
    /// The project's folder, or its manifest.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// The region of the queue or function [default: that of its ARN, or the project's].
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// Where the state is kept [default: .cloudless beside the manifest].
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Print what went back as a JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `cloudless tick`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cloudless tick cleanup
  cloudless tick NightlyReport --json

The schedule goes on as it would have: firing it by hand does not move its time.")]
pub struct TickArguments {
    /// A scheduled rule or a schedule by its name or logical id, or a function that such calls.
    #[arg(value_name = "SCHEDULE|FUNCTION")]
    pub name: String,
    /// Which project.
    #[command(flatten)]
    pub project: ProjectArguments,
    /// Where the state is kept [default: .cloudless beside the manifest].
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Print what fired as a JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `cloudless logs`.
#[derive(Debug, Args)]
#[command(after_help = "\
It reads the function's log group in the `cloudless dev` of the project, which must be running.
Exit codes: 0 they were printed, 1 something failed, 2 the call was wrong.

Examples:
  cloudless logs hello
  cloudless logs hello --follow
  cloudless logs hello --since 10m --filter ERROR
  cloudless logs hello --filter '{ $.level = \"error\" }' --json
  cloudless logs /aws/events/orders --since 2026-01-31T12:00:00Z")]
pub struct LogsArguments {
    /// A function by its name or logical id, or a log group by its name.
    #[arg(value_name = "FUNCTION|GROUP")]
    pub name: String,
    /// Which project.
    #[command(flatten)]
    pub project: ProjectArguments,
    /// Go on with what is written from now on, until interrupted.
    #[arg(short, long)]
    pub follow: bool,
    /// From when on: a time as 2026-01-31T12:00:00Z, or how long ago, as 30s, 10m, 2h, 7d.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub since: String,
    /// Only what is meant by this filter pattern of CloudWatch Logs.
    #[arg(long, value_name = "PATTERN")]
    pub filter: Option<String>,
    /// Where the state is kept [default: .cloudless beside the manifest].
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Print each event as a JSON document on a line of its own.
    #[arg(long)]
    pub json: bool,
}

/// `cloudless routes`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cloudless routes
  cloudless routes examples/petstore --json")]
pub struct RoutesArguments {
    /// Which project.
    #[command(flatten)]
    pub project: ProjectArguments,
    /// Print the routes as a JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `cloudless openapi`.
#[derive(Debug, Args)]
#[command(after_help = "\
The document says what the gateway knows: paths, parameters and bodies that it checks, who may call. Postman and client
generators import it.

Examples:
  cloudless openapi > api.json
  cloudless openapi examples/petstore --origin https://api.example.com
  cloudless openapi --api HttpApi")]
pub struct OpenapiArguments {
    /// Which project.
    #[command(flatten)]
    pub project: ProjectArguments,
    /// Which API, by its name or its logical id; needed when there are several.
    #[arg(long, value_name = "NAME")]
    pub api: Option<String>,
    /// Where the API is reached; the stage comes behind it.
    #[arg(long, value_name = "URL", default_value = "http://localhost:3000")]
    pub origin: String,
}

/// `cloudless token`.
#[derive(Debug, Args)]
#[command(after_help = "\
The development issuer signs it with a key of this machine, which `cloudless dev` believes in the name of every issuer. All
else must be right, as in the cloud: issuer, audience, dates, scopes. Issuer and audience are those of the project's authorizer
when they are not given. Claims may contradict the options: a token that has to be refused is worth trying, too.

Examples:
  cloudless token --claims '{\"sub\":\"ada\"}'
  cloudless token --scope pets.read --scope pets.write --expires-in-s 60
  cloudless token --issuer https://example.eu.auth0.com/ --audience pets
  cloudless token --claims '{\"sub\":\"ada\",\"exp\":1}' --json
  curl -H \"Authorization: Bearer $(cloudless token)\" localhost:3000/pets")]
pub struct TokenArguments {
    /// Which project.
    #[command(flatten)]
    pub project: ProjectArguments,
    /// What the token claims besides, as a JSON object.
    #[arg(long, value_name = "JSON", default_value = r#"{"sub":"developer"}"#)]
    pub claims: String,
    /// Who it is from (`iss`) [default: the issuer of the project's authorizer].
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,
    /// Whom it is for (`aud`); may be repeated [default: the first audience of the project's authorizer].
    #[arg(long, value_name = "AUDIENCE")]
    pub audience: Vec<String>,
    /// A scope that it has; may be repeated.
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// How long it holds, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    pub expires_in_s: u32,
    /// Print the token with its claims as a JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `cloudless doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each interpreter is really forked, which takes about a second the first time; what failed is tried again.
Exit codes: 0 everything that is needed works, 1 something does not.

Examples:
  cloudless doctor
  cloudless doctor --json")]
pub struct DoctorArguments {
    /// Print what was found as a JSON document.
    #[arg(long)]
    pub json: bool,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("write it as KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_parameter_needs_a_name() {
        assert_eq!(key_value("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(key_value("=b").is_err());
        assert!(key_value("a").is_err());
    }
}
