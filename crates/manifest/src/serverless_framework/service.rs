//! The resolved manifest, with the questions that everything else asks it.
//!
//! Lives here: names, stage, region, and how a function's setting falls back to the provider's.
//! Does not live here: resources (`template`), keys that nobody knows (`keys`).

use cloudformation::node::{Entry, Node};
use model::ids::Region;
use model::problem::Place;

use super::{REGION_DEFAULT, STAGE_DEFAULT, naming, script};
use crate::reading::ReadRequest;

/// The runtime when the manifest names none.
const RUNTIME_DEFAULT: &str = "nodejs16.x";

/// A manifest whose variables are resolved.
pub(super) struct Service<'a> {
    pub(super) root: &'a Node,
    pub(super) name: String,
    pub(super) stage: String,
    pub(super) region: Region,
    pub(super) request: &'a ReadRequest,
}

/// A function of the manifest.
#[derive(Clone, Copy)]
pub(super) struct Function<'a> {
    pub(super) key: &'a str,
    pub(super) place: &'a Place,
    pub(super) node: &'a Node,
}

/// The alias that events call in place of the function.
pub(super) struct Alias {
    pub(super) name: &'static str,
    pub(super) logical_id: String,
}

impl<'a> Service<'a> {
    pub(super) fn new(root: &'a Node, name: String, request: &'a ReadRequest) -> Self {
        let setting = |given: &Option<String>, key: &str, default: &str| {
            let written = script::truthy(root.at_path(["provider", key])).and_then(script::text_of);
            given
                .clone()
                .or(written)
                .unwrap_or_else(|| default.to_owned())
        };
        Self {
            root,
            name,
            stage: setting(&request.stage, "stage", STAGE_DEFAULT),
            region: Region::new(setting(&request.region, "region", REGION_DEFAULT)),
            request,
        }
    }

    /// What `provider` says.
    pub(super) fn setting(&self, key: &str) -> Option<&'a Node> {
        script::present(self.root.at_path(["provider", key]))
    }

    /// What `provider` says, a few keys deep.
    pub(super) fn setting_at(&self, steps: &[&'a str]) -> Option<&'a Node> {
        let path = std::iter::once("provider").chain(steps.iter().copied());
        script::present(self.root.at_path(path))
    }

    pub(super) fn functions(&self) -> impl Iterator<Item = Function<'a>> {
        let entries = self.root.get("functions").and_then(Node::as_mapping);
        entries
            .into_iter()
            .flat_map(|mapping| mapping.iter())
            .filter(|entry| entry.value.as_mapping().is_some())
            .map(|entry: &'a Entry| Function {
                key: &entry.key,
                place: &entry.key_place,
                node: &entry.value,
            })
    }

    pub(super) fn function(&self, key: &str) -> Option<Function<'a>> {
        self.functions().find(|function| function.key == key)
    }

    pub(super) fn layers(&self) -> impl Iterator<Item = &'a Entry> {
        let entries = self.root.get("layers").and_then(Node::as_mapping);
        entries
            .into_iter()
            .flat_map(|mapping| mapping.iter())
            .filter(|entry| entry.value.as_mapping().is_some())
    }

    pub(super) fn stack_name(&self) -> String {
        let own = script::truthy(self.setting("stackName")).and_then(Node::as_str);
        own.map_or_else(|| format!("{}-{}", self.name, self.stage), str::to_owned)
    }

    /// The folder in the deployment bucket, named after the time.
    pub(super) fn artefact_folder(&self) -> String {
        let prefix = self.setting("deploymentPrefix").and_then(script::text_of);
        let prefix = prefix.unwrap_or_else(|| "serverless".to_owned());
        let milliseconds = self.request.now_ms;
        let time = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or_default();
        format!(
            "{prefix}/{}/{}/{milliseconds}-{time:.3}",
            self.name, self.stage
        )
    }

    /// The name of the deployment bucket, if it is not a generated one.
    pub(super) fn deployment_bucket(&self) -> Option<&'a Node> {
        let bucket = self.setting("deploymentBucket")?;
        let name = if bucket.as_mapping().is_some() {
            bucket.get("name")
        } else {
            Some(bucket)
        };
        script::truthy(name)
    }

    /// The REST API's id: generated, or somebody else's.
    pub(super) fn rest_api_id(&self, place: &Place) -> Node {
        script::truthy(self.setting_at(&["apiGateway", "restApiId"])).map_or_else(
            || super::build::reference("ApiGatewayRestApi", place),
            Node::clone,
        )
    }

    /// `STAGE-SERVICE`, or the other way round if the manifest prefers that.
    pub(super) fn api_name(&self, section: &'a str) -> String {
        let service_first = self.setting_at(&[section, "shouldStartNameWithService"]);
        if script::truthy(service_first).is_some() {
            format!("{}-{}", self.name, self.stage)
        } else {
            format!("{}-{}", self.stage, self.name)
        }
    }
}

impl<'a> Function<'a> {
    /// What the function says of itself; null is nothing.
    pub(super) fn own(&self, key: &str) -> Option<&'a Node> {
        script::present(self.node.get(key))
    }

    /// What the function says, or else the provider, each only if it counts as true.
    pub(super) fn or_provider(&self, key: &str, service: &Service<'a>) -> Option<&'a Node> {
        script::truthy(self.node.get(key)).or_else(|| script::truthy(service.setting(key)))
    }

    pub(super) fn logical_id(&self) -> String {
        naming::function(self.key)
    }

    /// Its name in the cloud.
    pub(super) fn name(&self, service: &Service<'_>) -> Node {
        let own = script::truthy(self.node.get("name")).cloned();
        own.unwrap_or_else(|| {
            let name = format!("{}-{}-{}", service.name, service.stage, self.key);
            Node::string(name, self.place)
        })
    }

    pub(super) fn runtime(&self, service: &Service<'a>) -> Node {
        self.or_provider("runtime", service)
            .cloned()
            .unwrap_or_else(|| Node::string(RUNTIME_DEFAULT, self.place))
    }

    pub(super) fn events(&self) -> &'a [Node] {
        self.own("events")
            .and_then(Node::as_sequence)
            .unwrap_or_default()
    }

    /// The role that the function or the provider names, in place of the generated one.
    pub(super) fn role(&self, service: &Service<'a>) -> Option<&'a Node> {
        script::truthy(self.node.get("role"))
            .or_else(|| given_role(service))
            .or_else(|| service.setting("role"))
    }

    /// The alias that events call, if the function has one.
    pub(super) fn alias(&self) -> Option<Alias> {
        let normalised = naming::normalised(self.key);
        let alias = |name, id| Alias {
            name,
            logical_id: format!("{normalised}{id}"),
        };
        // The tool refuses both at once; of the two, it sets this one last.
        if script::truthy(self.node.get("snapStart")).is_some() {
            return Some(alias("snapstart", "SnapStartLambdaAlias"));
        }
        script::truthy(self.node.get("provisionedConcurrency"))
            .map(|_| alias("provisioned", "ProvConcLambdaAlias"))
    }

    /// What events call: the function, or its alias.
    pub(super) fn target(&self, place: &Place) -> Node {
        let arn = super::build::attribute(&self.logical_id(), "Arn", place);
        match self.alias() {
            None => arn,
            Some(alias) => {
                super::build::joined(":", vec![arn, Node::string(alias.name, place)], place)
            }
        }
    }
}

/// `provider.iam.role`, if it names a role that exists and does not describe one to make.
pub(super) fn given_role<'a>(service: &Service<'a>) -> Option<&'a Node> {
    let role = service.setting_at(&["iam", "role"])?;
    let is_given = role.as_str().is_some()
        || role
            .as_mapping()
            .is_some_and(|mapping| mapping.iter().any(|entry| entry.key.contains("::")));
    is_given.then_some(role)
}
