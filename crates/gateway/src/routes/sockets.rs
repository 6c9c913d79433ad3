//! WebSocket APIs, compiled, and which of them a request means.
//!
//! Lives here: their routes by key, the paths of their stages and of `@connections`.
//! Does not live here: connecting, messages and connections (`application::sockets`), other APIs (`api`, `table`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Invoke WebSocket APIs" and "Use @connections commands in your backend service".

use model::ids::Region;
use model::websocket_api::{DEFAULT, WebSocketApi, WebSocketRoute};

use super::api::{Answer, Api, DEFAULT_STAGE, Kind, Route};
use super::table::{Hit, Table, host_api_id};
use super::target;
use super::tree::Tree;
use crate::events::StageVariables;
use crate::gateway_responses::Customs;
use crate::validate::Rules;

/// The path below a stage at which connections are.
const CONNECTIONS: &str = "@connections";

/// By which way a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// That of all APIs, and it asks for another protocol.
    Upgrading,
    /// That of all APIs.
    Plain,
    /// One of WebSocket APIs alone.
    Own,
}

/// What a request wants of WebSocket APIs.
#[derive(Debug)]
pub(crate) enum Meant<'a> {
    /// To connect.
    Connecting(&'a Api),
    /// Something about a connection.
    Connection {
        /// The API that it names; none: it leaves that to the connection.
        api: Option<&'a Api>,
        /// The connection's id.
        id: String,
    },
    /// What there is not.
    Nothing,
}

impl Api {
    /// Compiles a WebSocket API.
    pub(super) fn socket(api: &WebSocketApi, region: &Region) -> Self {
        Self {
            kind: Kind::WebSocket {
                selection: api.selection.clone(),
                api_key_source: api.api_key_source,
            },
            id: api.id.clone(),
            stage: api.stage.clone(),
            region: region.clone(),
            stage_variables: StageVariables::new(&api.stage_variables),
            customs: Customs::default(),
            access_log: api.access_log.as_ref().map(|log| log.format.clone()),
            compression_bytes_min: None,
            cache: None,
            routes: api.routes.iter().map(route).collect(),
            tree: Tree::new(),
            fallback: api.routes.iter().position(|route| route.key == DEFAULT),
        }
    }
}

fn route(declared: &WebSocketRoute) -> Route {
    Route {
        key: declared.key.clone(),
        resource: declared.key.clone(),
        resource_id: String::new(),
        operation_name: None,
        answer: Answer::Socket {
            integration: declared.integration.clone(),
            replies: declared.replies,
        },
        guard: declared.guard.clone(),
        throttle: declared.throttle,
        rules: Rules::default(),
        cache: None,
        place: declared.place.clone(),
        template: None,
        method: String::new(),
    }
}

impl Table {
    /// What a request wants of WebSocket APIs; none: it is for others.
    ///
    /// The host chooses the API as it does elsewhere. Without one, the stage does; a client that names neither means the
    /// first.
    pub(crate) fn meant<'a>(
        &'a self,
        host: Option<&'a str>,
        path: &'a str,
        entrance: Entrance,
    ) -> Option<Meant<'a>> {
        let (candidates, path, is_named) = self.candidates_of(host, path);
        if candidates.is_empty() {
            return (entrance == Entrance::Own).then_some(Meant::Nothing);
        }
        let segments: Vec<String> = target::segments(path)
            .into_iter()
            .map(|segment| target::decode(segment).into_owned())
            .filter(|segment| !segment.is_empty())
            .collect();
        let words: Vec<&str> = segments.iter().map(String::as_str).collect();
        let of_stage = |stage: &str| candidates.iter().find(|api| api.stage.as_str() == stage);
        let connection = |api: Option<&'a Api>, id: &str| Meant::Connection {
            api,
            id: id.to_owned(),
        };
        match words.as_slice() {
            [CONNECTIONS, id] => return Some(connection(None, id)),
            [stage, CONNECTIONS, id] => {
                let api = of_stage(stage).copied();
                return Some(api.map_or(Meant::Nothing, |api| connection(Some(api), id)));
            }
            _ => {}
        }
        if entrance == Entrance::Plain && !is_named {
            return None;
        }
        let met = match words.as_slice() {
            [] => of_stage(DEFAULT_STAGE).or(candidates.first()),
            [stage] => of_stage(stage),
            [..] => None,
        };
        Some(met.map_or(Meant::Nothing, |api| Meant::Connecting(api)))
    }

    /// A route of a WebSocket API, as whoever limits or guards routes looks at it.
    pub(crate) fn socket_hit<'a>(api: &'a Api, route: &'a Route) -> Hit<'a> {
        Hit::without_path(api, route)
    }

    /// The APIs that a request may mean, the path that it asks them for, and whether its host names them.
    fn candidates_of<'a>(
        &'a self,
        host: Option<&str>,
        path: &'a str,
    ) -> (Vec<&'a Api>, &'a str, bool) {
        if let Some(id) = host.and_then(host_api_id) {
            let named: Vec<&Api> = self
                .sockets
                .iter()
                .filter(|api| api.id.as_str() == id)
                .collect();
            if !named.is_empty() {
                return (named, path, true);
            }
            if self.knows(id) {
                return (Vec::new(), path, false);
            }
        }
        match self.domains.find(host, path) {
            Some(Some(mapped)) => {
                let (id, stage) = (&mapped.mapping.api, &mapped.mapping.stage);
                let mut sockets = self.sockets.iter();
                let api = sockets.find(|api| api.id == *id && api.stage == *stage);
                (api.into_iter().collect(), mapped.path, true)
            }
            Some(None) => (Vec::new(), path, false),
            None => (self.sockets.iter().collect(), path, false),
        }
    }
}
