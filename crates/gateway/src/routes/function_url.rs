//! A function's own address, compiled: one route that takes everything.
//!
//! Lives here: its route, its host name, and the path by which it is reached where hosts cannot be set.
//! Does not live here: choosing between it and the APIs (`table`).
//!
//! Contract: AWS Lambda Developer Guide, "Creating and managing Lambda function URLs" and "Invoking Lambda function
//! URLs": `https://ID.lambda-url.REGION.on.aws`.
//! Differs: the path is ours, for clients that cannot choose a host name: functions do not see it.

use std::time::Duration;

use model::door::{Authorization, Guard};
use model::function_url::{AuthType, FunctionUrl, InvokeMode};
use model::ids::{Region, StageName};
use model::limits::LAMBDA_TIMEOUT_MAX;

use super::api::{Answer, Api, DEFAULT_STAGE, Kind, Payload, Route, Transfer};
use super::tree::Tree;
use crate::events::StageVariables;
use crate::gateway_responses::Customs;
use crate::validate::Rules;

/// What the path begins with by which a function URL is reached; its id follows.
pub const URL_PATH: &str = "/_cloudless/url/";
/// The second label of its host name.
const HOST_LABEL: &str = "lambda-url";
/// How long a function URL waits for its function: for as long as that may run, and the minute for which it may stand in
/// line.
const WAIT_MAX: Duration = LAMBDA_TIMEOUT_MAX.saturating_add(Duration::from_mins(1));

/// The id in a host name of a function URL, `ID.lambda-url.REGION.on.aws` or whatever follows the second label.
pub(super) fn id_of_host(host: &str) -> Option<&str> {
    let (id, rest) = host.split_once('.')?;
    let rest = rest.strip_prefix(HOST_LABEL)?;
    rest.starts_with('.').then_some(id)
}

/// The id in a path, and the path that the function sees.
pub(super) fn id_of_path(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(URL_PATH)?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (id, path) = rest.split_at(end);
    Some((id, if path.is_empty() { "/" } else { path }))
}

/// The host name that the cloud gives it.
pub(crate) fn host_name(id: &str, region: &Region) -> String {
    format!("{id}.{HOST_LABEL}.{region}.on.aws")
}

pub(super) fn bare_url(url: &FunctionUrl, region: &Region) -> Api {
    Api {
        kind: Kind::FunctionUrl {
            cors: url.cors.clone(),
            auth: url.auth,
        },
        id: url.id.clone(),
        stage: StageName::new(DEFAULT_STAGE),
        region: region.clone(),
        stage_variables: StageVariables::new(&std::collections::BTreeMap::new()),
        compression_bytes_min: None,
        cache: None,
        customs: Customs::default(),
        access_log: None,
        routes: Vec::new(),
        tree: Tree::new(),
        fallback: None,
    }
}

pub(super) fn url_route(url: &FunctionUrl) -> Route {
    Route {
        key: DEFAULT_STAGE.to_owned(),
        resource: DEFAULT_STAGE.to_owned(),
        resource_id: String::new(),
        operation_name: None,
        answer: Answer::Function {
            callee: url.callee.clone(),
            timeout: WAIT_MAX,
            payload: Payload::HttpV2,
            transfer: match url.invoke_mode {
                InvokeMode::Buffered => Transfer::Buffered,
                InvokeMode::ResponseStream => Transfer::Streamed,
            },
        },
        guard: Guard {
            authorization: match url.auth {
                AuthType::Open | AuthType::Nobody => Authorization::Open,
                AuthType::Iam => Authorization::Iam,
            },
            api_key_required: false,
        },
        throttle: None,
        rules: Rules::default(),
        cache: None,
        place: url.place.clone(),
        template: None,
        method: "ANY".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_url_is_named_by_its_host_or_its_path() {
        for (host, expected) in [
            ("abc.lambda-url.us-east-1.on.aws", Some("abc")),
            ("abc.lambda-url.us-east-1.localhost:3000", Some("abc")),
            ("abc.lambda-urls.us-east-1.on.aws", None),
            ("abc.lambda-url", None),
            ("localhost:3000", None),
        ] {
            assert_eq!(id_of_host(host), expected, "{host}");
        }
        for (path, expected) in [
            ("/_cloudless/url/abc/a%20b//c", Some(("abc", "/a%20b//c"))),
            ("/_cloudless/url/abc", Some(("abc", "/"))),
            ("/_cloudless/url/", Some(("", "/"))),
            ("/_cloudless/health", None),
        ] {
            assert_eq!(id_of_path(path), expected, "{path}");
        }
    }
}
