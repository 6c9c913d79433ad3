//! Layers that others publish for everybody, by what they hold.
//!
//! Lives here: which packages a public layer stands for, and installing them as the layer has them.
//! Does not live here: layers of the project (`code`), laying layers over one another (`runtimes`).
//!
//! Contract: Powertools for AWS Lambda, "Lambda layer"; AWS SDK for pandas, "AWS Lambda managed layers"; Klayers, "ARNs"; AWS Lambda
//! Developer Guide, "Layer paths for each Lambda runtime". Differs: a layer's number says which release is in it, and nobody lists
//! which; the newest release of the layer's major version is taken.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use model::arn::Arn;
use model::artefact::{Artefact, ArtefactKind, CodeSource};
use model::function::{Language, RuntimeName};
use model::ids::LogicalId;
use model::problem::{Place, Problem};

use crate::cache::{Entry, key_of};
use crate::sdk::{self, Installer, Order};
use crate::{node, python};

/// Who publishes which layers: the account, what their names begin with, the language, and the packages.
const KNOWN: &[(&str, &str, Language, &[&str])] = &[
    // Longer beginnings come first.
    (
        "017000801446",
        "AWSLambdaPowertoolsPythonV3",
        Language::Python,
        &["aws-lambda-powertools[all]>=3,<4"],
    ),
    (
        "017000801446",
        "AWSLambdaPowertoolsPythonV2",
        Language::Python,
        &["aws-lambda-powertools[all]>=2,<3"],
    ),
    (
        "017000801446",
        "AWSLambdaPowertoolsPython",
        Language::Python,
        &["aws-lambda-powertools[pydantic]>=1,<2"],
    ),
    (
        "094274105915",
        "AWSLambdaPowertoolsTypeScriptV2",
        Language::Node,
        &[
            "@aws-lambda-powertools/batch@2",
            "@aws-lambda-powertools/commons@2",
            "@aws-lambda-powertools/idempotency@2",
            "@aws-lambda-powertools/jmespath@2",
            "@aws-lambda-powertools/logger@2",
            "@aws-lambda-powertools/metrics@2",
            "@aws-lambda-powertools/parameters@2",
            "@aws-lambda-powertools/parser@2",
            "@aws-lambda-powertools/tracer@2",
            "@aws-lambda-powertools/validation@2",
        ],
    ),
    (
        "094274105915",
        "AWSLambdaPowertoolsTypeScript",
        Language::Node,
        &[
            "@aws-lambda-powertools/batch@1",
            "@aws-lambda-powertools/commons@1",
            "@aws-lambda-powertools/idempotency@1",
            "@aws-lambda-powertools/logger@1",
            "@aws-lambda-powertools/metrics@1",
            "@aws-lambda-powertools/parameters@1",
            "@aws-lambda-powertools/tracer@1",
        ],
    ),
    (
        "336392948345",
        "AWSSDKPandas-",
        Language::Python,
        &["awswrangler>=3,<4"],
    ),
];
/// Klayers publishes packages of Python one by one: `Klayers-p312-requests`.
const KLAYERS: &str = "770693421928";
/// Layers of which functions notice nothing: they measure.
const MEASURES: &str = "LambdaInsightsExtension";

/// What these layers are called in the cache.
const KIND: &str = "public-layers";

/// What has to be built for a public layer of a function; none: it is not known what is in it.
#[must_use]
pub fn artefact(arn: &str, runtime: &RuntimeName, place: &Place) -> Option<Artefact> {
    let packages = packages(arn, runtime.language)?;
    Some(Artefact {
        logical_id: logical_id(arn, runtime),
        name: arn.to_owned(),
        kind: ArtefactKind::Layer,
        source: CodeSource::Packages {
            runtime: runtime.clone(),
            packages,
        },
        place: place.clone(),
    })
}

/// What a public layer is called among what was built: what is compiled in it is another for each runtime.
fn logical_id(arn: &str, runtime: &RuntimeName) -> LogicalId {
    CodeSource::public_layer(arn, &runtime.to_string())
}

fn packages(arn: &str, language: Language) -> Option<Vec<String>> {
    let arn = Arn::parse(arn).ok()?;
    let account = arn.account.as_str();
    let (name, _version) = arn.resource.strip_prefix("layer:")?.split_once(':')?;
    if name.starts_with(MEASURES) {
        return Some(Vec::new());
    }
    if account == KLAYERS && language == Language::Python {
        let mut parts = name.splitn(3, '-');
        let (publisher, python, package) = (parts.next()?, parts.next()?, parts.next()?);
        let package = package.strip_prefix("arm64-").unwrap_or(package);
        let is_named = publisher == "Klayers" && python.starts_with('p');
        return is_named.then(|| vec![package.to_owned()]);
    }
    let known = KNOWN.iter().find(|(owner, beginning, for_language, _)| {
        *owner == account && name.starts_with(beginning) && *for_language == language
    });
    let (_, _, _, packages) = known?;
    Some(packages.iter().map(|&package| package.to_owned()).collect())
}

/// The folder of a public layer.
///
/// # Errors
/// A problem at the artefact's place: its packages cannot be installed.
pub(crate) async fn root(
    installer: &Installer<'_>,
    artefact: &Artefact,
    runtime: &RuntimeName,
    packages: &[String],
) -> Result<PathBuf, Problem> {
    let place = &artefact.place;
    let what = format!("layer {}", artefact.name);
    let named = packages.iter().map(String::as_bytes);
    let (program, mut arguments, version) = match runtime.language {
        Language::Python => {
            let (found, _warning) = python::find(installer, runtime, place).await?;
            let arguments = sdk::pip_arguments(&["--target", "python"]);
            let (major, minor) = found.major_and_minor();
            (found.path, arguments, format!("python {major}.{minor}"))
        }
        Language::Node => {
            let npm = node::npm(installer.config).ok_or_else(|| sdk::npm_missing(&what, place))?;
            let mut arguments = sdk::npm_arguments("install");
            arguments.extend(["--no-save", "--prefix", "nodejs"].map(OsString::from));
            (npm, arguments, format!("node {}", runtime.major))
        }
        Language::Provided | Language::Go => (PathBuf::new(), Vec::new(), String::new()),
    };
    arguments.extend(packages.iter().map(OsString::from));
    let key = key_of(named.chain([version.as_bytes(), std::env::consts::ARCH.as_bytes()]));
    if packages.is_empty() {
        // Nothing is in it that a function could notice.
        return nothing(installer, &key).await.map_err(|error| {
            let title = format!("the cache for {what} cannot be written");
            Problem::error("build::cache", title)
                .at(place)
                .because(error.to_string())
        });
    }
    let files = match runtime.language {
        Language::Node => vec![("nodejs/package.json", "{}".to_owned())],
        Language::Python | Language::Provided | Language::Go => Vec::new(),
    };
    let order = Order {
        what: what.clone(),
        kind: KIND,
        key,
        program,
        arguments,
        files,
    };
    let installed = installer.install(order).await;
    installed.map_err(|error| sdk::failed(&format!("what {what} holds"), &error, place))
}

async fn nothing(installer: &Installer<'_>, key: &str) -> io::Result<PathBuf> {
    match installer.cache.entry(KIND, key).await? {
        Entry::Ready(folder) => Ok(folder),
        Entry::Missing(draft) => draft.finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arn: &str, runtime: &str, expected: Option<&str>) {
        let runtime = RuntimeName::parse(runtime).unwrap();
        let found = artefact(arn, &runtime, &Place::start_of("t.yml"));
        let packages = found.and_then(|artefact| {
            let CodeSource::Packages { packages, .. } = artefact.source else {
                return None;
            };
            Some(packages.join(" "))
        });
        assert_eq!(packages.as_deref(), expected, "{arn}");
    }

    #[test]
    fn public_layers_stand_for_packages() {
        let of =
            |account: &str, name: &str| format!("arn:aws:lambda:eu-west-1:{account}:layer:{name}");
        let v3 = of(
            "017000801446",
            "AWSLambdaPowertoolsPythonV3-python312-x86_64:19",
        );
        check(&v3, "python3.12", Some("aws-lambda-powertools[all]>=3,<4"));
        check(&v3, "nodejs22.x", None);
        let v1 = of("017000801446", "AWSLambdaPowertoolsPython:9");
        check(
            &v1,
            "python3.9",
            Some("aws-lambda-powertools[pydantic]>=1,<2"),
        );
        let pillow = of("770693421928", "Klayers-p311-Pillow:2");
        check(&pillow, "python3.11", Some("Pillow"));
        check(
            &of("580247275435", "LambdaInsightsExtension:38"),
            "python3.11",
            Some(""),
        );
        check(&of("123456789012", "my-layer:1"), "python3.11", None);
    }
}
