//! Resources of a REST API: one for each part of each path.
//!
//! Lives here: which of them are made, and who is whose parent.
//! Does not live here: their methods (`methods`, `cors`).

use std::collections::BTreeMap;

use cloudformation::node::Node;
use model::problem::Place;

use super::events::Event;
use super::service_proxies::Proxy;
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::Service;
use crate::serverless_framework::template::Draft;
use crate::serverless_framework::{naming, script};

/// The id of each path's resource.
pub(super) struct Paths {
    ids: BTreeMap<String, Node>,
    root: Node,
}

impl Paths {
    /// The id of a path's resource, which the event's path always has.
    pub(super) fn id(&self, path: &str) -> Node {
        self.ids.get(path).unwrap_or(&self.root).clone()
    }
}

pub(super) fn write(
    service: &Service<'_>,
    events: &[Event<'_>],
    proxies: &[Proxy<'_>],
    draft: &mut Draft,
) -> Paths {
    let mut paths = Paths {
        ids: existing(service),
        root: root(service, &service.root.place),
    };
    for event in events {
        write_path(service, &event.path, &event.place, &mut paths, draft);
    }
    for proxy in proxies {
        write_path(service, &proxy.path, &proxy.place, &mut paths, draft);
    }
    paths
}

/// Makes what is missing, from the nearest part that exists.
fn write_path(
    service: &Service<'_>,
    path: &str,
    place: &Place,
    paths: &mut Paths,
    draft: &mut Draft,
) {
    if path.is_empty() {
        return;
    }
    let ends = path.match_indices('/').map(|(index, _)| index);
    let ends: Vec<usize> = ends.chain([path.len()]).collect();
    let prefix = |end: usize| path.get(..end).unwrap_or_default();
    let known = ends
        .iter()
        .rposition(|end| paths.ids.contains_key(prefix(*end)));
    let mut parent = match known.and_then(|index| ends.get(index)) {
        Some(end) => paths.id(prefix(*end)),
        None => paths.root.clone(),
    };
    for end in ends.iter().skip(known.map_or(0, |index| index + 1)) {
        let here = prefix(*end);
        let part = here.rsplit('/').next().unwrap_or_default();
        let id = naming::rest_resource(here);
        let properties = Object::new(place)
            .with("ParentId", parent)
            .with("PathPart", part)
            .with("RestApiId", service.rest_api_id(place));
        draft.add(
            &id,
            build::resource("AWS::ApiGateway::Resource", properties),
        );
        parent = build::reference(&id, place);
        paths.ids.insert(here.to_owned(), parent.clone());
    }
}

fn root(service: &Service<'_>, place: &Place) -> Node {
    let own = service.setting_at(&["apiGateway", "restApiRootResourceId"]);
    script::truthy(own).map_or_else(
        || build::attribute("ApiGatewayRestApi", "RootResourceId", place),
        Node::clone,
    )
}

/// Resources of an API that was made elsewhere.
fn existing(service: &Service<'_>) -> BTreeMap<String, Node> {
    let mut ids = BTreeMap::new();
    let Some(known) = service.setting_at(&["apiGateway", "restApiResources"]) else {
        return ids;
    };
    let trimmed = |path: &str| {
        path.trim_start_matches('/')
            .trim_end_matches('/')
            .to_owned()
    };
    for entry in known.as_mapping().into_iter().flatten() {
        ids.insert(trimmed(&entry.key), entry.value.clone());
    }
    for item in known.as_sequence().unwrap_or_default() {
        let path = item.get("path").and_then(Node::as_str);
        if let (Some(path), Some(id)) = (path, item.get("resourceId")) {
            ids.insert(trimmed(path), id.clone());
        }
    }
    ids
}
