//! Custom domains of an application, from deployed resources.
//!
//! Lives here: domains of either kind of API, and what their base paths lead to.
//! Does not live here: choosing by a request's host (`gateway`).
//!
//! Contract: AWS CloudFormation Template Reference, "AWS::ApiGateway::BasePathMapping" and "AWS::ApiGatewayV2::ApiMapping".
//! A mapping without a stage leads to all stages of its API, whose names then follow the base path.

use std::collections::BTreeSet;

use model::door::{BasePathMapping, CustomDomain};
use model::http_api::HttpApi;
use model::ids::{ApiId, StageName};
use model::problem::Problem;
use model::rest_api::RestApi;
use model::websocket_api::WebSocketApi;

use super::integration::Refusal;
use super::refusals::not_served;
use super::view::{Resource, View};
use crate::records::asks_for_nothing;

/// Types of domains, and of what maps their paths, with its property for the base path and for the API.
const DOMAINS: [&str; 2] = [
    "AWS::ApiGateway::DomainName",
    "AWS::ApiGatewayV2::DomainName",
];
const MAPPINGS: [(&str, &str, &str); 2] = [
    ("AWS::ApiGateway::BasePathMapping", "BasePath", "RestApiId"),
    ("AWS::ApiGatewayV2::ApiMapping", "ApiMappingKey", "ApiId"),
];
/// What the service takes for no base path.
const NO_BASE_PATH: &str = "(none)";

/// The domains of these resources.
pub(super) fn read(
    view: &View<'_>,
    (rest_apis, http_apis, websocket_apis): (&[RestApi], &[HttpApi], &[WebSocketApi]),
    problems: &mut Vec<Problem>,
) -> Vec<CustomDomain> {
    let rest = rest_apis.iter().map(|api| (&api.id, &api.stage));
    let http = http_apis.iter().map(|api| (&api.id, &api.stage));
    let sockets = websocket_apis.iter().map(|api| (&api.id, &api.stage));
    let stages: Vec<(&ApiId, &StageName)> = rest.chain(http).chain(sockets).collect();
    let mut domains: Vec<CustomDomain> = DOMAINS
        .into_iter()
        .flat_map(|name| view.of_type(name))
        .map(|domain| CustomDomain {
            name: domain.text("DomainName").unwrap_or_default(),
            mappings: Vec::new(),
            place: Some(domain.place.clone()),
        })
        .collect();
    let shut = report_mutual_tls(view, problems);
    for (resource_type, base_path, api) in MAPPINGS {
        for mapping in view.of_type(resource_type) {
            let name = mapping.text("DomainName").unwrap_or_default();
            if shut.contains(&name) {
                continue;
            }
            let led = leads_to(mapping, base_path, api, &stages);
            if led.is_empty() {
                problems.push(leads_nowhere(mapping, api));
            }
            // A domain may be made elsewhere, by hand or by a plugin: its mappings say that it is there.
            match domains.iter_mut().find(|domain| domain.name == name) {
                Some(domain) => domain.mappings.extend(led),
                None => domains.push(CustomDomain {
                    name,
                    mappings: led,
                    place: Some(mapping.place.clone()),
                }),
            }
        }
    }
    domains
}

/// Domains that would let in whoever they must not: they lead nowhere.
fn report_mutual_tls(view: &View<'_>, problems: &mut Vec<Problem>) -> BTreeSet<String> {
    let property = "MutualTlsAuthentication";
    let mut shut = BTreeSet::new();
    for domain in DOMAINS.into_iter().flat_map(|name| view.of_type(name)) {
        let asked = domain.properties.get(property);
        if asked.is_none_or(asks_for_nothing) {
            continue;
        }
        let name = domain.text("DomainName").unwrap_or_default();
        let what = format!("the domain `{name}`");
        let reason = Refusal::new("it asks clients for a certificate, which is not built yet");
        problems.push(not_served(&what, &reason, &domain.place_of(&[property])));
        shut.insert(name);
    }
    shut
}

fn leads_to(
    mapping: &Resource<'_>,
    base_path: &str,
    api: &str,
    stages: &[(&ApiId, &StageName)],
) -> Vec<BasePathMapping> {
    let api = mapping.text(api).unwrap_or_default();
    let base_path = mapping.text(base_path).unwrap_or_default();
    let base_path = match base_path.trim_matches('/') {
        NO_BASE_PATH => "",
        base_path => base_path,
    };
    let wanted = mapping.text("Stage").filter(|stage| !stage.is_empty());
    let of_api = stages.iter().filter(|(id, _)| id.as_str() == api);
    let wanted_alone = of_api.filter(|(_, stage)| {
        let mut wanted = wanted.iter();
        wanted.all(|wanted| wanted == stage.as_str())
    });
    wanted_alone
        .map(|(id, stage)| BasePathMapping {
            base_path: match &wanted {
                Some(_) => base_path.to_owned(),
                None => format!("{base_path}/{stage}").trim_matches('/').to_owned(),
            },
            api: (*id).clone(),
            stage: (*stage).clone(),
        })
        .collect()
}

fn leads_nowhere(mapping: &Resource<'_>, api: &str) -> Problem {
    let id = mapping.text(api).unwrap_or_default();
    let stage = mapping.text("Stage").unwrap_or_default();
    Problem::error(
        "deployment::mapping-leads-nowhere",
        format!("`{}` leads to no API", mapping.logical_id),
    )
    .at(&mapping.place_of(&[api]))
    .because(format!(
        "there is no API `{id}` with a stage `{stage}` in this project"
    ))
}
