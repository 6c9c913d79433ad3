//! Stages: under which name an API is reached, and what holds for all who come that way.
//!
//! Lives here: variables, rates, caching and access logs, of both kinds of API.
//! Does not live here: the methods and routes (`rest`, `http`), carrying any of it out (`gateway`).
//!
//! Contract: AWS CloudFormation Template Reference, "AWS::ApiGateway::Stage MethodSetting", "AWS::ApiGateway::Deployment
//! StageDescription", "AWS::ApiGatewayV2::Stage"; Amazon API Gateway Developer Guide, "Cache settings for REST APIs": a
//! setting for all methods caches those that `GET`. What a template cannot say has the service's default: who may not
//! have a reply made anew gets the kept one, with a warning.

use std::collections::BTreeMap;
use std::time::Duration;

use model::door::{AccessLogSettings, Invalidation, MethodCache, Rate};
use model::ids::StageName;
use serde_json::Value;

use super::integration::Integration;
use super::rates::rate_in;
use super::validation::parameter;
use super::view::{Resource, View, texts_of};
use crate::records::text_of;

/// Amazon API Gateway, `CreateStage`: how long a reply is kept when nothing else is said.
const CACHE_TTL_S_DEFAULT: u64 = 300;
/// Amazon API Gateway, "Quotas": the longest time to live.
const CACHE_TTL_S_MAX: u64 = 3_600;
/// The size of a cache that names none, in GB.
const CACHE_SIZE_DEFAULT: &str = "0.5";
const BYTES_PER_GB: f64 = 1_073_741_824.0;

/// What is said of a stage.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) name: StageName,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) access_log: Option<AccessLogSettings>,
    /// How much its cache holds; none: it has none.
    pub(super) cache_bytes: Option<u64>,
    settings: Vec<Setting>,
}

/// What is said of some methods, or of one route.
#[derive(Debug, Clone, Default)]
struct Setting {
    which: Which,
    rate: Option<Rate>,
    is_cached: Option<bool>,
    ttl_s: Option<u64>,
    invalidation: Option<Invalidation>,
}

/// For which of them it is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Which {
    #[default]
    All,
    Method {
        http_method: String,
        path: String,
    },
    Route(String),
}

impl Stage {
    /// A stage of which nothing is said but its name.
    pub(super) fn bare(name: StageName) -> Self {
        Self {
            name,
            variables: BTreeMap::new(),
            access_log: None,
            cache_bytes: None,
            settings: Vec::new(),
        }
    }

    /// How often a method may be called.
    pub(super) fn rate_of_method(&self, http_method: &str, path: &str) -> Option<Rate> {
        let settings = self.of_method(http_method, path);
        settings.iter().find_map(|setting| setting.rate)
    }

    /// How often a route may be called.
    pub(super) fn rate_of_route(&self, key: &str) -> Option<Rate> {
        let own = |setting: &&Setting| setting.which == Which::Route(key.to_owned());
        let all = |setting: &&Setting| setting.which == Which::All;
        let own = self.settings.iter().find(own);
        let all = self.settings.iter().find(all);
        [own, all].into_iter().flatten().find_map(|one| one.rate)
    }

    /// How the replies of a method are kept.
    ///
    /// # Errors
    /// The key parameter that cannot be told from a request: it would give one's reply to another, so nothing is kept.
    pub(super) fn cache_of(
        &self,
        http_method: &str,
        path: &str,
        integration: &Integration,
    ) -> Result<Option<MethodCache>, String> {
        if self.cache_bytes.is_none() {
            return Ok(None);
        }
        // Of a method for all methods, the gateway keeps what is got.
        let http_method = if http_method == "ANY" {
            "GET"
        } else {
            http_method
        };
        let settings = self.of_method(http_method, path);
        let is_cached = settings
            .iter()
            .filter(|setting| setting.which != Which::All || http_method == "GET")
            .find_map(|setting| setting.is_cached);
        let ttl_s = settings.iter().find_map(|setting| setting.ttl_s);
        let ttl_s = ttl_s.unwrap_or(CACHE_TTL_S_DEFAULT).min(CACHE_TTL_S_MAX);
        if is_cached != Some(true) || ttl_s == 0 {
            return Ok(None);
        }
        let keys = integration.cache_key_parameters.iter();
        let keys = keys.map(|name| {
            let mapped = integration.request_parameters.get(name).unwrap_or(name);
            parameter(mapped).ok_or_else(|| mapped.clone())
        });
        Ok(Some(MethodCache {
            ttl: Duration::from_secs(ttl_s),
            key_parameters: keys.collect::<Result<_, _>>()?,
            namespace: integration.cache_namespace.clone(),
            invalidation: settings
                .iter()
                .find_map(|setting| setting.invalidation)
                .unwrap_or(Invalidation::ElseWarned),
        }))
    }

    /// What is said of a method, the most special first.
    fn of_method(&self, http_method: &str, path: &str) -> Vec<&Setting> {
        let of = |wanted_method: &str, wanted_path: &str| {
            let which = Which::Method {
                http_method: wanted_method.to_owned(),
                path: wanted_path.to_owned(),
            };
            self.settings.iter().filter(move |one| one.which == which)
        };
        let all = self.settings.iter().filter(|one| one.which == Which::All);
        of(http_method, path)
            .chain(of("*", path))
            .chain(all)
            .collect()
    }
}

/// The stages of a REST API. One that a deployment makes counts when the API has none of its own.
pub(super) fn of_rest_api(view: &View<'_>, api: &str) -> Vec<Stage> {
    let own: Vec<Stage> = view
        .of_api("AWS::ApiGateway::Stage", "RestApiId", api)
        .filter_map(|stage| {
            let name = StageName::new(stage.text("StageName")?);
            Some(rest_stage(name, |key| stage.properties.get(key)))
        })
        .collect();
    if !own.is_empty() {
        return own;
    }
    let mut made: Vec<Stage> = Vec::new();
    for deployment in view.of_api("AWS::ApiGateway::Deployment", "RestApiId", api) {
        let Some(name) = deployment.text("StageName").map(StageName::new) else {
            continue;
        };
        let described = deployment.properties.get("StageDescription");
        made.retain(|stage| stage.name != name);
        made.push(rest_stage(name, |key| described?.get(key)));
    }
    made
}

fn rest_stage<'a>(name: StageName, said: impl Fn(&str) -> Option<&'a Value>) -> Stage {
    let text = |key: &str| said(key).and_then(text_of);
    let size = text("CacheClusterSize");
    let has_cache = text("CacheClusterEnabled").as_deref() == Some("true");
    let listed = said("MethodSettings").and_then(Value::as_array);
    let mut settings: Vec<Setting> = listed
        .into_iter()
        .flatten()
        .map(|setting| Setting {
            which: which(setting),
            ..read_setting(|key| setting.get(key))
        })
        .collect();
    // A description says what holds for all methods outside of its list, too.
    settings.push(read_setting(&said));
    Stage {
        name,
        variables: texts_of(said("Variables")),
        access_log: access_log(said("AccessLogSetting")),
        cache_bytes: has_cache.then(|| cache_bytes(size.as_deref().unwrap_or(CACHE_SIZE_DEFAULT))),
        settings,
    }
}

fn read_setting<'a>(said: impl Fn(&str) -> Option<&'a Value>) -> Setting {
    let text = |key: &str| said(key).and_then(text_of);
    Setting {
        which: Which::All,
        rate: rate_in(&said, "ThrottlingBurstLimit", "ThrottlingRateLimit"),
        is_cached: text("CachingEnabled").map(|text| text == "true"),
        ttl_s: text("CacheTtlInSeconds").and_then(|text| text.parse().ok()),
        invalidation: invalidation(
            text("RequireAuthorizationForCacheControl").as_deref(),
            text("UnauthorizedCacheControlHeaderStrategy").as_deref(),
        ),
    }
}

/// What `UpdateStage` says, and a plugin of a manifest by it: CloudFormation has no such properties.
fn invalidation(required: Option<&str>, strategy: Option<&str>) -> Option<Invalidation> {
    match (required, strategy) {
        (Some("false"), _) => Some(Invalidation::Open),
        (_, Some("FAIL_WITH_403")) => Some(Invalidation::ElseForbidden),
        (_, Some("SUCCEED_WITHOUT_RESPONSE_HEADER")) => Some(Invalidation::ElseIgnored),
        (_, Some(_)) | (Some(_), None) => Some(Invalidation::ElseWarned),
        (None, None) => None,
    }
}

/// Slashes within a path are written `~1`; `/*` with any method means all.
fn which(setting: &Value) -> Which {
    let text = |key: &str| setting.get(key).and_then(text_of);
    let http_method = text("HttpMethod").unwrap_or_else(|| "*".to_owned());
    let path = text("ResourcePath").unwrap_or_else(|| "/*".to_owned());
    let path = path.replace("~1", "/").replace("~0", "~");
    // `/~1pets` is `/pets`: the first slash stands for itself.
    let path = path
        .strip_prefix('/')
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(&path);
    if path == "/*" || path == "*" {
        return Which::All;
    }
    Which::Method {
        http_method: http_method.to_ascii_uppercase(),
        path: path.to_owned(),
    }
}

fn cache_bytes(size: &str) -> u64 {
    let gigabytes: f64 = size.parse().unwrap_or(0.5);
    (gigabytes * BYTES_PER_GB) as u64
}

fn access_log(setting: Option<&Value>) -> Option<AccessLogSettings> {
    let text = |key: &str| setting?.get(key).and_then(text_of);
    Some(AccessLogSettings {
        format: text("Format")?,
        destination: text("DestinationArn").unwrap_or_default(),
    })
}

/// The stages of an HTTP API, the one of quick creation included.
pub(super) fn of_http_api(view: &View<'_>, api: &Resource<'_>) -> Vec<Stage> {
    let mut stages: Vec<Stage> = view
        .of_api("AWS::ApiGatewayV2::Stage", "ApiId", api.physical_id)
        .filter_map(|stage| Some(http_stage(StageName::new(stage.text("StageName")?), stage)))
        .collect();
    // "Quick create produces an API with … a default stage which is configured to automatically deploy changes."
    if stages.is_empty() && api.properties.contains_key("Target") {
        stages.push(Stage::bare(StageName::new("$default")));
    }
    stages
}

fn http_stage(name: StageName, stage: &Resource<'_>) -> Stage {
    let said = |key: &str| stage.properties.get(key);
    let routes = said("RouteSettings").and_then(Value::as_object);
    let routes = routes.into_iter().flatten().map(|(key, setting)| Setting {
        which: Which::Route(key.clone()),
        ..read_setting(|name| setting.get(name))
    });
    let all = said("DefaultRouteSettings").map(|all| read_setting(|name| all.get(name)));
    Stage {
        variables: texts_of(said("StageVariables")),
        access_log: access_log(said("AccessLogSettings")),
        settings: routes.chain(all).collect(),
        ..Stage::bare(name)
    }
}
