//! Plugins: code that a manifest loads into the tool, and that is not run here.
//!
//! Lives here: what is known of each plugin, and whether the project runs without it.
//! Does not live here: keys that plugins add (`keys`).

use cloudformation::node::Node;
use model::problem::{Place, Problem};
use model::suggestion::nearest;

/// What becomes of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing that it does is missing here.
    NotNeeded(&'static str),
    /// The project runs, perhaps otherwise than its author means.
    Doubtful(&'static str),
    /// What it does is missing here.
    NotImplemented(&'static str),
}

const EMULATOR: Standing =
    Standing::NotNeeded("it emulates the cloud on a laptop, as Cloudless does itself");
const UPLOADS: Standing =
    Standing::NotNeeded("it concerns uploads and deployments to the cloud alone");
const COMPILES: Standing =
    Standing::NotNeeded("functions are compiled as it would compile them, by its own settings");
const ADDS: Standing =
    Standing::NotImplemented("it adds resources to the template, which are missing here");

/// The plugins that are known.
pub const PLUGINS: &[(&str, Standing)] = &[
    ("serverless-offline", EMULATOR),
    ("serverless-offline-sqs", EMULATOR),
    ("serverless-offline-sns", EMULATOR),
    ("serverless-offline-ses-v2", EMULATOR),
    ("serverless-offline-lambda", EMULATOR),
    ("serverless-offline-watcher", EMULATOR),
    ("serverless-offline-scheduler", EMULATOR),
    ("serverless-offline-dynamodb-streams", EMULATOR),
    ("serverless-offline-python", EMULATOR),
    ("serverless-dynamodb-local", EMULATOR),
    ("serverless-dynamodb", EMULATOR),
    ("serverless-s3-local", EMULATOR),
    ("serverless-localstack", EMULATOR),
    ("serverless-prune-plugin", UPLOADS),
    ("serverless-deployment-bucket", UPLOADS),
    ("serverless-plugin-split-stacks", UPLOADS),
    ("serverless-better-credentials", UPLOADS),
    ("serverless-export-env", UPLOADS),
    ("serverless-plugin-log-retention", UPLOADS),
    ("serverless-plugin-include-dependencies", UPLOADS),
    (
        "serverless-plugin-optimize",
        Standing::NotNeeded(
            "it makes packages smaller: functions run from their sources as they are",
        ),
    ),
    ("serverless-plugin-lambda-dead-letter", ADDS),
    (
        "serverless-python-requirements",
        Standing::NotNeeded(
            "what `requirements.txt` names is installed when the functions are built",
        ),
    ),
    (
        "serverless-pseudo-parameters",
        Standing::Doubtful(
            "`#{AWS::Region}` and its like are not replaced: write `Fn::Sub` with `${AWS::Region}`",
        ),
    ),
    (
        "serverless-iam-roles-per-function",
        Standing::Doubtful(
            "all functions share the provider's role: `iamRoleStatements` of single functions is not read",
        ),
    ),
    (
        "serverless-dotenv-plugin",
        Standing::Doubtful(
            "functions get what `environment` says: set `useDotenv: true` and name the variables there",
        ),
    ),
    ("serverless-webpack", COMPILES),
    ("serverless-esbuild", COMPILES),
    ("serverless-bundle", COMPILES),
    ("serverless-plugin-typescript", COMPILES),
    ("serverless-step-functions", ADDS),
    (
        "serverless-lift",
        Standing::NotNeeded("its constructs `storage` and `queue` are made, and others are named"),
    ),
    ("serverless-appsync-plugin", ADDS),
    (
        "serverless-apigateway-service-proxy",
        Standing::NotNeeded("its proxies become methods that call services, as it writes them"),
    ),
    ("serverless-domain-manager", ADDS),
    ("serverless-plugin-warmup", ADDS),
    ("serverless-plugin-aws-alerts", ADDS),
    ("serverless-plugin-canary-deployments", ADDS),
    (
        "serverless-api-gateway-caching",
        Standing::NotNeeded(
            "its keys are carried out: replies are kept as its stage would keep them",
        ),
    ),
    (
        "serverless-api-gateway-throttling",
        Standing::NotImplemented("requests are not throttled"),
    ),
    (
        "serverless-wsgi",
        Standing::NotImplemented("it writes the handler that calls the WSGI application"),
    ),
    (
        "serverless-rack",
        Standing::NotImplemented("it writes the handler that calls the Rack application"),
    ),
    (
        "serverless-ruby-layer",
        Standing::NotImplemented("it packs gems for Ruby, which is not run here"),
    ),
];

/// Names what is missing because plugins are not run.
pub(super) fn check(root: &Node, problems: &mut Vec<Problem>) {
    for plugin in named(root) {
        if let Some(name) = plugin.as_str() {
            problems.extend(check_one(name, &plugin.place));
        }
    }
}

/// The plugins that a manifest names.
pub(super) fn named(root: &Node) -> impl Iterator<Item = &Node> {
    let plugins = root.get("plugins");
    let list = plugins.map(|plugins| plugins.get("modules").unwrap_or(plugins));
    list.and_then(Node::as_sequence).unwrap_or_default().iter()
}

fn check_one(name: &str, place: &Place) -> Option<Problem> {
    let known = PLUGINS.iter().find(|(known, _)| *known == name);
    let problem = match known.map(|(_, standing)| *standing) {
        Some(Standing::NotNeeded(_)) => return None,
        Some(Standing::Doubtful(why)) => Problem::warning(
            "manifest::plugin-not-run",
            format!("the plugin `{name}` is not run"),
        )
        .because(why),
        Some(Standing::NotImplemented(why)) => Problem::error(
            "manifest::plugin-not-implemented",
            format!("what the plugin `{name}` does is not implemented yet"),
        )
        .because(why)
        .help("the rest of the project runs without it"),
        None => unknown(name),
    };
    Some(problem.at(place))
}

/// A plugin's name without what nearly all names begin with, which must not make two of them alike.
fn own_part(name: &str) -> &str {
    name.strip_prefix("serverless-").unwrap_or(name)
}

fn unknown(name: &str) -> Problem {
    let problem = Problem::error(
        "manifest::plugin-not-implemented",
        format!("the plugin `{name}` is not known here"),
    )
    .because("plugins are code that runs inside of the Serverless Framework; whatever this one does is missing");
    let all = PLUGINS.iter().map(|(known, _)| own_part(known));
    let nearest = nearest(own_part(name), all);
    let meant =
        nearest.and_then(|meant| PLUGINS.iter().find(|(known, _)| own_part(known) == meant));
    match meant {
        Some((meant, _)) => problem.help(format!("did you mean `{meant}`?")),
        None => problem.help("the rest of the project runs without it"),
    }
}
