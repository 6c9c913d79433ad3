//! Whole requests to guarded routes, with functions that are tables.

mod functions;
mod iam;
mod jwt;
mod resource_policies;
mod spellings;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Version};
use interfaces::BoxFuture;
use interfaces::clock::Clock;
use interfaces::invoke::{
    FunctionError, FunctionErrorKind, Invocation, Invoke, NotRun, Outcome, Reply, Timings,
};
use interfaces::principals::{Holder, Key, Principals};
use model::application::Application;
use model::arn::Arn;
use model::door::{
    ApiKey, ApiKeySource, Authorization, Authorizer, AuthorizerFormat, AuthorizerKind, Callee,
    Guard, IdentitySource, KeyValue, PlanStage, UsagePlan,
};
use model::function::Function;
use model::http_api::{HttpApi, HttpIntegration, HttpRoute, PayloadFormat, RouteKey};
use model::ids::{AccountId, ApiId, FunctionName, LogicalId, RevisionId, StageName};
use model::principal::{Credentials, Principal};
use model::rest_api::{RestApi, RestIntegration, RestMethod};
use serde_json::{Value, json};
use test_kit::{FixedRandom, Judging, PausedClock};

use crate::application::{AccessEntry, AccessLog, ApplicationHandler, Signers};
use crate::callers::UnknownKeys;
use crate::http::{Body, Handler, Headers, Request, ResponseBody};
use crate::throttle::LocalCounters;

/// What the authorizer's function does.
pub(super) enum Act {
    Return(Value),
    Throw(&'static str),
    Hang,
    /// Allows the one path that it is asked about.
    AllowWhatIsAsked,
}

pub(super) struct Functions {
    pub(super) act: Mutex<Act>,
    /// What the authorizer was given.
    pub(super) asked: Mutex<Vec<Value>>,
    /// What the integration was given.
    pub(super) handled: Mutex<Vec<Value>>,
    /// How long the authorizer takes.
    pub(super) pause: Duration,
}

impl Invoke for Functions {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Reply, NotRun>> {
        let event: Value = serde_json::from_slice(&invocation.payload).unwrap();
        Box::pin(async move {
            let returned = |value: Value| Outcome::Returned(Bytes::from(value.to_string()));
            let outcome = if invocation.function.as_str() == "guard" {
                self.asked.lock().unwrap().push(event.clone());
                tokio::time::sleep(self.pause).await;
                let hangs = matches!(*self.act.lock().unwrap(), Act::Hang);
                if hangs {
                    std::future::pending::<()>().await;
                }
                match &*self.act.lock().unwrap() {
                    Act::Return(value) => returned(value.clone()),
                    Act::AllowWhatIsAsked => {
                        let arn = event.get("methodArn").or_else(|| event.get("routeArn"));
                        returned(policy("Allow", arn.unwrap().as_str().unwrap()))
                    }
                    Act::Throw(message) => Outcome::Failed(FunctionError {
                        kind: FunctionErrorKind::Raised,
                        payload: json!({"errorType": "Error", "errorMessage": message})
                            .to_string()
                            .into(),
                    }),
                    Act::Hang => unreachable!("it hangs"),
                }
            } else {
                self.handled.lock().unwrap().push(event);
                returned(json!({"statusCode": 200, "body": "in"}))
            };
            Ok(Reply {
                outcome,
                timings: Timings::default(),
                log_tail: Bytes::new(),
                executed_version: "$LATEST".to_owned(),
            })
        })
    }
}

#[derive(Default)]
struct Log(Mutex<Vec<AccessEntry>>);

impl AccessLog for Log {
    fn record(&self, entry: AccessEntry) {
        self.0.lock().unwrap().push(entry);
    }
}

/// One pair of keys is issued: of a function's role.
pub(super) struct Keys;

impl Keys {
    pub(super) const ID: &'static str = "ASIAROLEROLEROLEROLE";
    pub(super) const SECRET: &'static str = "a secret";
    pub(super) const TOKEN: &'static str = "a token";
    pub(super) const ROLE: &'static str = "arn:aws:iam::000000000000:role/pets";

    pub(super) fn credentials() -> Credentials {
        Credentials {
            access_key_id: Self::ID.to_owned(),
            secret_access_key: Self::SECRET.to_owned(),
            session_token: Some(Self::TOKEN.to_owned()),
        }
    }
}

impl Principals for Keys {
    fn find(&self, access_key_id: &str) -> Key {
        match access_key_id {
            Self::ID => Key::Issued(Box::new(Holder {
                principal: Principal::FunctionRole {
                    account: AccountId::development(),
                    role: Arn::parse(Self::ROLE).unwrap(),
                    function: FunctionName::new("caller"),
                },
                credentials: Self::credentials(),
            })),
            "ASIAREVOKEDREVOKED" => Key::Revoked,
            _ => Key::Unknown,
        }
    }

    fn issue(&self, _function: &Function) -> Credentials {
        Self::credentials()
    }

    fn revoke(&self, _access_key_id: &str) {}
}

/// Signers of which nobody is known.
pub(crate) fn nobody() -> Signers {
    Signers {
        principals: Arc::new(Keys),
        authorize: Arc::new(Judging::default()),
        unknown_keys: UnknownKeys::Refused,
    }
}

pub(super) struct Bench {
    handler: ApplicationHandler,
    pub(super) functions: Arc<Functions>,
    log: Arc<Log>,
    pub(super) clock: Arc<PausedClock>,
}

/// What a client gets, and what the developer is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) error_type: Option<String>,
    /// `www-authenticate`.
    pub(super) challenge: Option<String>,
    pub(super) told: Option<String>,
}

impl Bench {
    pub(super) fn new(application: &Application, act: Act, unknown_keys: UnknownKeys) -> Self {
        Self::with_pause(application, act, unknown_keys, Duration::ZERO)
    }

    pub(super) fn with_pause(
        application: &Application,
        act: Act,
        unknown_keys: UnknownKeys,
        pause: Duration,
    ) -> Self {
        let signers = Signers {
            unknown_keys,
            ..nobody()
        };
        Self::of(application, act, signers, pause)
    }

    /// A bench where callers may do what these policies say.
    pub(super) fn judged(application: &Application, judge: Judging) -> Self {
        let signers = Signers {
            authorize: Arc::new(judge),
            ..nobody()
        };
        Self::of(application, Act::Hang, signers, Duration::ZERO)
    }

    fn of(application: &Application, act: Act, signers: Signers, pause: Duration) -> Self {
        let functions = Arc::new(Functions {
            act: Mutex::new(act),
            asked: Mutex::default(),
            handled: Mutex::default(),
            pause,
        });
        let clock = Arc::new(PausedClock::start());
        let log = Arc::new(Log::default());
        let handler = ApplicationHandler::new(
            functions.clone(),
            clock.clone(),
            Arc::new(FixedRandom(7)),
            log.clone(),
            AccountId::development(),
            Arc::new(LocalCounters::default()),
            signers,
        );
        assert_eq!(handler.swap(application), []);
        Self {
            handler,
            functions,
            log,
            clock,
        }
    }

    pub(super) fn act(&self, act: Act) {
        *self.functions.act.lock().unwrap() = act;
    }

    /// How often the authorizer has been called.
    pub(super) fn calls(&self) -> usize {
        self.functions.asked.lock().unwrap().len()
    }

    pub(super) fn last_asked(&self) -> Value {
        self.functions
            .asked
            .lock()
            .unwrap()
            .last()
            .cloned()
            .unwrap()
    }

    pub(super) fn last_handled(&self) -> Value {
        self.functions
            .handled
            .lock()
            .unwrap()
            .last()
            .cloned()
            .unwrap()
    }

    pub(super) async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Got {
        self.send(Method::GET, target, headers, "").await
    }

    pub(super) async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Got {
        let mut list = Headers::new();
        list.push("Host", HeaderValue::from_static("localhost:3000"));
        for (name, value) in headers {
            list.push(name, HeaderValue::from_str(value).unwrap());
        }
        let request = Request {
            method,
            target: target.to_owned(),
            version: Version::HTTP_11,
            headers: list,
            body: Body::whole(body.to_owned()),
            peer: SocketAddr::from((Ipv4Addr::new(203, 0, 113, 7), 50_000)),
            scheme: crate::http::Scheme::Http,
            received_at: self.clock.instant(),
        };
        let response = self.handler.handle(request).await;
        let header = |name: &str| {
            let found = response.headers.iter().find(|(sent, _)| sent == name);
            found.map(|(_, value)| value.to_str().unwrap().to_owned())
        };
        let (error_type, challenge) = (header("x-amzn-ErrorType"), header("www-authenticate"));
        let ResponseBody::Whole(body) = response.body else {
            panic!("the reply is whole");
        };
        Got {
            status: response.status.as_u16(),
            body: String::from_utf8(body.to_vec()).unwrap(),
            error_type,
            challenge,
            told: self.log.0.lock().unwrap().last().unwrap().message.clone(),
        }
    }
}

/// An answer with a policy of one statement.
pub(super) fn policy(effect: &str, resource: &str) -> Value {
    json!({
        "principalId": "ada",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}],
        },
    })
}

pub(super) fn authorizer(kind: AuthorizerKind) -> Authorization {
    Authorization::Authorizer {
        authorizer: Arc::new(Authorizer {
            id: "guard1".to_owned(),
            name: "guard".to_owned(),
            kind,
            place: None,
        }),
        scopes: Vec::new(),
    }
}

pub(super) fn callee() -> Callee {
    Callee {
        function: FunctionName::new("guard"),
        qualifier: None,
    }
}

pub(super) fn header(name: &str) -> IdentitySource {
    IdentitySource::Header(name.to_owned())
}

pub(super) fn token(ttl: u64, validation: Option<&str>) -> AuthorizerKind {
    AuthorizerKind::Token {
        callee: callee(),
        identity_source: header("Authorization"),
        validation: validation.map(str::to_owned),
        result_ttl: Duration::from_secs(ttl),
    }
}

pub(super) fn request(
    sources: Vec<IdentitySource>,
    format: AuthorizerFormat,
    ttl: u64,
) -> AuthorizerKind {
    AuthorizerKind::Request {
        callee: callee(),
        identity_sources: sources,
        format,
        result_ttl: Duration::from_secs(ttl),
    }
}

/// A REST API `rest` with the stage `dev` and the methods `GET /pets`, `GET /toys`, `ANY /all/{proxy+}`.
pub(super) fn rest(authorization: &Authorization) -> Application {
    let method = |http_method: &str, path: &str| RestMethod {
        guard: Guard {
            authorization: authorization.clone(),
            api_key_required: false,
        },
        resource_id: "abc123".to_owned(),
        ..RestMethod::new(
            path,
            http_method,
            RestIntegration::LambdaProxy {
                callee: Callee::unqualified(FunctionName::new("pets")),
                timeout: Duration::from_secs(29),
                is_streamed: false,
            },
        )
    };
    Application {
        rest_apis: vec![RestApi {
            methods: vec![
                method("GET", "/pets"),
                method("GET", "/toys"),
                method("ANY", "/all/{proxy+}"),
            ],
            stage_variables: BTreeMap::from([("Tier".to_owned(), "gold".to_owned())]),
            ..RestApi::new(
                LogicalId::new("Rest"),
                ApiId::new("rest"),
                StageName::new("dev"),
            )
        }],
        ..Application::empty(RevisionId::new("r"))
    }
}

/// An HTTP API `http` with the stage `$default` and the routes `GET /pets` (2.0) and `GET /v1` (1.0).
pub(super) fn http(authorization: &Authorization) -> Application {
    let route = |path: &str, payload_format| HttpRoute {
        guard: Guard {
            authorization: authorization.clone(),
            api_key_required: false,
        },
        ..HttpRoute::new(
            RouteKey::Path {
                http_method: "GET".to_owned(),
                path: path.to_owned(),
            },
            HttpIntegration::Lambda {
                callee: Callee::unqualified(FunctionName::new("pets")),
                payload_format,
                timeout: Duration::from_secs(30),
            },
        )
    };
    Application {
        http_apis: vec![HttpApi {
            routes: vec![
                route("/pets", PayloadFormat::V2),
                route("/v1", PayloadFormat::V1),
            ],
            ..HttpApi::new(
                LogicalId::new("Http"),
                ApiId::new("http"),
                StageName::new("$default"),
            )
        }],
        ..Application::empty(RevisionId::new("r"))
    }
}
