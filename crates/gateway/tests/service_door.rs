//! The service door: who is let in, as whom, and what the others are told.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests own their time"
)]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_wire::sigv4::{Signer, sign};
use bytes::Bytes;
use gateway::http::{Body, Handler, Headers, Request, Response, ResponseBody};
use gateway::service_door::{OwnPages, Parts, RefusalLog, ServiceDoor, UnknownKeys};
use http::{HeaderMap, HeaderValue, Method, Version};
use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check, Denied};
use interfaces::principals::{Holder, Key, Principals};
use interfaces::service::{CloudService, RequestHead, ServiceAnswer, ServiceCall};
use model::arn::Arn;
use model::function::Function;
use model::ids::{AccountId, FunctionName};
use model::principal::{Credentials, Principal};
use model::time::Timestamp;
use test_kit::{Allowing, FixedRandom, Judging, StoppedClock};

const NOW: Timestamp = Timestamp::from_micros(1_772_323_170_000_000);
const PUT_ITEM: &str = "DynamoDB_20120810.PutItem";
/// Calls with this header name nothing that is to be allowed.
const NAMES_NOTHING: &str = "names-nothing";
const TABLE: &str = "arn:aws:dynamodb:eu-west-1:000000000000:table/t";

struct Keys(HashMap<String, Holder>);

impl Principals for Keys {
    fn find(&self, access_key_id: &str) -> Key {
        match self.0.get(access_key_id) {
            Some(holder) => Key::Issued(Box::new(holder.clone())),
            None if access_key_id == "AKIDREVOKED" => Key::Revoked,
            None => Key::Unknown,
        }
    }

    fn issue(&self, _: &Function) -> Credentials {
        unreachable!("the door issues no keys")
    }

    fn revoke(&self, _: &str) {}
}

/// Remembers what reached it. Each call gets an item of a table, by itself.
struct Service {
    name: &'static str,
    calls: Mutex<Vec<ServiceCall>>,
}

/// Remembers refusals.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl RefusalLog for Told {
    fn refused(&self, _caller: &Principal, denied: &Denied) {
        self.0.lock().unwrap().push(denied.message.clone());
    }
}

impl CloudService for Service {
    fn signing_name(&self) -> &'static str {
        self.name
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        let action = format!("{}:GetItem", self.name);
        let check = Check::new(action, TABLE, &call.account);
        let names_it = !call.headers.contains_key(NAMES_NOTHING);
        Box::pin(async move { names_it.then_some(check).into_iter().collect() })
    }

    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        let said = call.headers.get(NAMES_NOTHING);
        said.is_some_and(|said| said == "on purpose")
    }

    fn takes_unsigned(&self, head: &RequestHead<'_>) -> bool {
        head.path_and_query == "/open"
    }

    fn takes_anybody(&self, head: &RequestHead<'_>) -> bool {
        *head.method == Method::OPTIONS
    }

    fn headers_of_refusal<'a>(
        &'a self,
        call: &'a ServiceCall,
    ) -> BoxFuture<'a, Vec<(&'static str, String)>> {
        let path = call.path_and_query.clone();
        Box::pin(async move { vec![("access-control-allow-origin", path)] })
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        self.calls.lock().unwrap().push(call);
        Box::pin(async {
            ServiceAnswer {
                status: 200,
                headers: vec![("content-type", "application/x-amz-json-1.0".to_owned())],
                body: Bytes::from_static(b"{}"),
                rest: None,
            }
        })
    }
}

struct Fixture {
    door: ServiceDoor,
    service: Arc<Service>,
    told: Arc<Told>,
}

fn issued() -> Credentials {
    Credentials {
        access_key_id: "ASIAISSUED".to_owned(),
        secret_access_key: "issued secret".to_owned(),
        session_token: Some("issued token".to_owned()),
    }
}

fn role() -> Principal {
    Principal::FunctionRole {
        account: AccountId::development(),
        role: Arn::parse("arn:aws:iam::000000000000:role/r").unwrap(),
        function: FunctionName::new("f"),
    }
}

fn fixture(unknown_keys: UnknownKeys) -> Fixture {
    judged(unknown_keys, "dynamodb", Arc::new(Allowing))
}

fn judged(unknown_keys: UnknownKeys, name: &'static str, authorize: Arc<dyn Authorize>) -> Fixture {
    let told = Arc::new(Told::default());
    let service = Arc::new(Service {
        name,
        calls: Mutex::default(),
    });
    let holder = Holder {
        principal: role(),
        credentials: issued(),
    };
    let own_pages = match unknown_keys {
        UnknownKeys::ActAsRoot { .. } => OwnPages::Shown,
        UnknownKeys::Refused => OwnPages::Hidden,
    };
    let door = ServiceDoor::new(Parts {
        services: vec![service.clone()],
        principals: Arc::new(Keys(HashMap::from([("ASIAISSUED".to_owned(), holder)]))),
        authorize,
        refusals: told.clone(),
        account: AccountId::development(),
        clock: Arc::new(StoppedClock::at(NOW)),
        random: Arc::new(FixedRandom(7)),
        unknown_keys,
        own_pages,
    });
    Fixture {
        door,
        service,
        told,
    }
}

fn in_development() -> Fixture {
    fixture(UnknownKeys::ActAsRoot {
        account: AccountId::new("111122223333"),
    })
}

/// What one test changes about an otherwise good call.
struct Call {
    credentials: Credentials,
    service: &'static str,
    region: &'static str,
    signed_at: Timestamp,
    added: Vec<(&'static str, &'static str)>,
    removed: Vec<&'static str>,
    body: Vec<u8>,
    body_sent: Option<Vec<u8>>,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            credentials: issued(),
            service: "dynamodb",
            region: "eu-west-1",
            signed_at: NOW,
            added: Vec::new(),
            removed: Vec::new(),
            body: b"{\"TableName\":\"t\"}".to_vec(),
            body_sent: None,
        }
    }
}

impl Call {
    fn request(self) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost:4566"));
        headers.insert("x-amz-target", HeaderValue::from_static(PUT_ITEM));
        headers.insert(
            "content-type",
            HeaderValue::from_static("application/x-amz-json-1.0"),
        );
        let signer = Signer {
            credentials: &self.credentials,
            region: self.region,
            service: self.service,
            now: self.signed_at,
        };
        sign(signer, &Method::POST, "/", &mut headers, &self.body).unwrap();
        for (name, value) in self.added {
            headers.insert(name, HeaderValue::from_static(value));
        }
        for name in self.removed {
            headers.remove(name);
        }
        request(
            Method::POST,
            "/",
            &headers,
            self.body_sent.unwrap_or(self.body),
        )
    }
}

fn request(method: Method, target: &str, headers: &HeaderMap, body: Vec<u8>) -> Request {
    let mut sent = Headers::new();
    for (name, value) in headers {
        sent.push(name.as_str(), value.clone());
    }
    Request {
        method,
        target: target.to_owned(),
        version: Version::HTTP_11,
        headers: sent,
        body: Body::whole(body),
        peer: SocketAddr::from(([127, 0, 0, 1], 1)),
        scheme: gateway::http::Scheme::Http,
        received_at: Instant::now(),
    }
}

fn shown(response: &Response) -> String {
    let ResponseBody::Whole(body) = &response.body else {
        panic!("a reply came in pieces");
    };
    format!(
        "{} {}",
        response.status.as_u16(),
        String::from_utf8_lossy(body)
    )
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let found = response.headers.iter().find(|(sent, _)| sent == name);
    found.unwrap().1.to_str().unwrap()
}

async fn check(fixture: &Fixture, call: Call, expected: &str) {
    let answer = shown(&fixture.door.handle(call.request()).await);
    assert!(answer.starts_with(expected), "{answer}");
}

const COMMON: &str = "400 {\"__type\":\"com.amazon.coral.service#";

#[tokio::test]
async fn a_function_s_call_reaches_its_service_as_its_role() {
    let fixture = fixture(UnknownKeys::Refused);
    let response = fixture.door.handle(Call::default().request()).await;
    assert_eq!(shown(&response), "200 {}");
    assert_eq!(
        header(&response, "x-amzn-RequestId"),
        "07070707-0707-4707-8707-070707070707"
    );
    check(&fixture, Call::default(), "200").await;
    let calls = fixture.service.calls.lock().unwrap();
    let call = &calls[0];
    assert_eq!(call.caller, role());
    assert_eq!(call.account, AccountId::development());
    assert_eq!(call.region.as_str(), "eu-west-1");
    assert_eq!(&call.body[..], b"{\"TableName\":\"t\"}");
}

#[tokio::test]
async fn issued_keys_must_prove_themselves_also_in_development() {
    let fixture = in_development();
    let with = |change: fn(&mut Credentials)| {
        let mut credentials = issued();
        change(&mut credentials);
        Call {
            credentials,
            ..Call::default()
        }
    };
    let wrong_secret = with(|keys| keys.secret_access_key = "guess".to_owned());
    let mismatch = format!(
        "{COMMON}InvalidSignatureException\",\"message\":\"The request signature we calculated"
    );
    check(&fixture, wrong_secret, &mismatch).await;
    let other_body = Call {
        body_sent: Some(b"{}".to_vec()),
        ..Call::default()
    };
    check(&fixture, other_body, &mismatch).await;
    let other_target = Call {
        added: vec![("x-amz-target", "DynamoDB_20120810.DeleteTable")],
        ..Call::default()
    };
    check(&fixture, other_target, &mismatch).await;
    let unrecognized = format!(
        "{COMMON}UnrecognizedClientException\",\"message\":\"The security token included in the request is invalid.\""
    );
    check(
        &fixture,
        with(|keys| keys.session_token = None),
        &unrecognized,
    )
    .await;
    check(
        &fixture,
        with(|keys| keys.session_token = Some("guess".to_owned())),
        &unrecognized,
    )
    .await;
    let old = Call {
        signed_at: Timestamp::from_micros(NOW.epoch_us() - 901_000_000),
        ..Call::default()
    };
    check(
        &fixture,
        old,
        &format!("{COMMON}InvalidSignatureException\",\"message\":\"Signature expired: "),
    )
    .await;
    let early = Call {
        signed_at: NOW.plus(Duration::from_secs(901)),
        ..Call::default()
    };
    check(
        &fixture,
        early,
        &format!("{COMMON}InvalidSignatureException\",\"message\":\"Signature not yet current: "),
    )
    .await;
    assert!(fixture.service.calls.lock().unwrap().is_empty());
}

/// An address that keys nobody was issued have signed for a minute, so long ago.
fn signed_address(age_s: i64) -> Request {
    let signed_at = Timestamp::from_micros(NOW.epoch_us() - age_s * 1_000_000);
    let text = aws_wire::sigv4::time::basic(signed_at);
    let day = text.get(..8).unwrap();
    let target = format!(
        "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test%2F{day}%2Fus-east-1%2Fdynamodb%2Faws4_request\
         &X-Amz-Date={text}&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature={}",
        "0".repeat(64)
    );
    let headers = HeaderMap::from_iter([(http::header::HOST, "localhost:4566".parse().unwrap())]);
    request(Method::GET, &target, &headers, Vec::new())
}

#[tokio::test]
async fn an_address_signed_for_a_while_expires_whoever_signed_it() {
    let fixture = in_development();
    for (age_s, expected) in [(30, 200), (90, 403)] {
        let response = fixture.door.handle(signed_address(age_s)).await;
        assert_eq!(response.status.as_u16(), expected, "{}", shown(&response));
    }
}

/// A call with keys that nobody was issued.
fn unknown() -> Call {
    Call {
        credentials: Credentials {
            access_key_id: "test".to_owned(),
            secret_access_key: "test".to_owned(),
            session_token: None,
        },
        ..Call::default()
    }
}

#[tokio::test]
async fn unknown_keys_are_root_in_development_and_nobody_elsewhere() {
    let fixture = in_development();
    check(&fixture, unknown(), "200").await;
    let account = AccountId::new("111122223333");
    assert_eq!(
        fixture.service.calls.lock().unwrap()[0].caller,
        Principal::Root { account }
    );
    let from_page = |header| Call {
        added: vec![header],
        ..unknown()
    };
    for header in [
        ("origin", "http://evil.test"),
        ("sec-fetch-site", "cross-site"),
        // A subscription's endpoint, or an API destination, may be this very door.
        ("cloudless-sent-by-service", "true"),
    ] {
        check(
            &fixture,
            from_page(header),
            "403 {\"__type\":\"com.amazon.coral.service#AccessDenied",
        )
        .await;
    }
    check(&fixture, from_page(("sec-fetch-mode", "cors")), "200").await;
    let refusing = self::fixture(UnknownKeys::Refused);
    check(
        &refusing,
        unknown(),
        &format!("{COMMON}UnrecognizedClientException"),
    )
    .await;
}

#[tokio::test]
async fn unknown_keys_are_not_taken_at_a_name_that_a_web_page_can_lead_here() {
    let fixture = in_development();
    let at = |host| Call {
        added: vec![("host", host)],
        ..unknown()
    };
    for host in ["evil.test", "evil.test:4566", "127.0.0.1.evil.test"] {
        check(
            &fixture,
            at(host),
            "403 {\"__type\":\"com.amazon.coral.service#AccessDenied",
        )
        .await;
    }
    for host in [
        "127.0.0.1:4566",
        "[::1]:4566",
        "a.localhost:4566",
        "dynamodb.eu-west-1.amazonaws.com",
    ] {
        check(&fixture, at(host), "200").await;
    }
}

#[tokio::test]
async fn what_no_policy_allows_is_refused_in_the_words_of_each_service() {
    let user = "arn:aws:sts::000000000000:assumed-role/r/f";
    for (name, headers, status, shape) in [
        (
            "dynamodb",
            vec![],
            400,
            r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"TEXT"}"#,
        ),
        (
            "sqs",
            vec![],
            403,
            r#"{"__type":"com.amazon.coral.service#AccessDenied","Message":"TEXT"}"#,
        ),
        ("lambda", vec!["x-amz-target"], 403, r#"{"Message":"TEXT"}"#),
        (
            "s3",
            vec!["x-amz-target"],
            403,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>TEXT</Message>\
             <RequestId>07070707-0707-4707-8707-070707070707</RequestId></Error>",
        ),
    ] {
        let judge = Judging::allowing("*:PutItem", "*");
        let fixture = judged(UnknownKeys::Refused, name, Arc::new(judge));
        let call = Call {
            service: name,
            removed: headers,
            ..Call::default()
        };
        let text = format!(
            "User: {user} is not authorized to perform: {name}:GetItem on resource: {TABLE} because no identity-based \
             policy allows the {name}:GetItem action"
        );
        // A header that was signed is missing then: the proof is of a request without it.
        let request = if call.removed.is_empty() {
            call.request()
        } else {
            signed_without_target(name)
        };
        let response = fixture.door.handle(request).await;
        // A browser shows its page only refusals that say so.
        assert_eq!(header(&response, "access-control-allow-origin"), "/");
        let answer = shown(&response);
        assert_eq!(answer, format!("{status} {}", shape.replace("TEXT", &text)));
        assert_eq!(*fixture.told.0.lock().unwrap(), [text]);
        assert!(fixture.service.calls.lock().unwrap().is_empty());
        let judge = Judging::allowing("*:GetItem", "*");
        let fixture = judged(UnknownKeys::Refused, name, Arc::new(judge));
        let answer = shown(&fixture.door.handle(signed_without_target(name)).await);
        assert_eq!(answer, "200 {}");
    }
}

fn signed_without_target(service: &str) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("localhost:4566"));
    let credentials = issued();
    let signer = Signer {
        credentials: &credentials,
        region: "eu-west-1",
        service,
        now: NOW,
    };
    sign(signer, &Method::GET, "/", &mut headers, b"").unwrap();
    request(Method::GET, "/", &headers, Vec::new())
}

#[tokio::test]
async fn a_call_that_names_nothing_is_for_whoever_may_everything_unless_its_service_says_so() {
    let refused = "User: arn:aws:sts::000000000000:assumed-role/r/f is not authorized to perform: dynamodb:* on resource: * \
                   because no identity-based policy allows the dynamodb:* action";
    for (allowed, said, expected) in [
        ("dynamodb:*Item", "by mistake", refused),
        ("dynamodb:*", "by mistake", "200 {}"),
        ("dynamodb:*Item", "on purpose", "200 {}"),
    ] {
        let judge = Judging::allowing(allowed, "*");
        let fixture = judged(UnknownKeys::Refused, "dynamodb", Arc::new(judge));
        let call = Call {
            added: vec![(NAMES_NOTHING, said)],
            ..Call::default()
        };
        let answer = shown(&fixture.door.handle(call.request()).await);
        assert!(answer.contains(expected), "{said}: {answer}");
    }
    // The root may do everything.
    let act_as_root = UnknownKeys::ActAsRoot {
        account: AccountId::development(),
    };
    let fixture = judged(act_as_root, "dynamodb", Arc::new(Judging::default()));
    let call = Call {
        credentials: Credentials {
            access_key_id: "any".to_owned(),
            ..issued()
        },
        added: vec![(NAMES_NOTHING, "by mistake")],
        ..Call::default()
    };
    check(&fixture, call, "200 {}").await;
}

#[tokio::test]
async fn an_unsigned_request_reaches_a_service_that_takes_such_as_nobody_s() {
    let fixture = fixture(UnknownKeys::Refused);
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("b.s3.eu-west-1.localhost"));
    let open = request(Method::GET, "/open", &headers, Vec::new());
    assert_eq!(shown(&fixture.door.handle(open).await), "200 {}");
    {
        let calls = fixture.service.calls.lock().unwrap();
        let account = AccountId::development();
        assert_eq!(calls[0].caller, Principal::Anonymous { account });
        assert_eq!(calls[0].region.as_str(), "eu-west-1");
    }
    let closed = request(Method::GET, "/closed", &headers, Vec::new());
    let answer = shown(&fixture.door.handle(closed).await);
    assert!(answer.starts_with("403"), "{answer}");
}

#[tokio::test]
async fn a_signature_on_what_a_service_takes_from_anybody_is_not_looked_at() {
    let forged = |method| {
        let mut request = signed_address(30);
        request.method = method;
        request
    };
    let fixture = fixture(UnknownKeys::Refused);
    let answer = shown(&fixture.door.handle(forged(Method::OPTIONS)).await);
    assert_eq!(answer, "200 {}");
    let caller = fixture.service.calls.lock().unwrap()[0].caller.clone();
    let account = AccountId::development();
    assert_eq!(caller, Principal::Anonymous { account });
    let answer = shown(&fixture.door.handle(forged(Method::GET)).await);
    assert!(answer.starts_with("40"), "{answer}");
}

#[tokio::test]
async fn revoked_keys_do_not_become_root_in_development() {
    let mut call = Call::default();
    call.credentials.access_key_id = "AKIDREVOKED".to_owned();
    check(&in_development(), call, &format!("{COMMON}ExpiredToken")).await;
}

#[tokio::test]
async fn what_is_not_signed_or_not_served_is_refused_in_words() {
    let fixture = in_development();
    let unsigned = Call {
        removed: vec!["authorization"],
        ..Call::default()
    };
    check(
        &fixture,
        unsigned,
        &format!("{COMMON}MissingAuthenticationTokenException\",\"message\":\"Request is missing Authentication Token\"}}"),
    )
    .await;
    let plain = request(Method::GET, "/", &HeaderMap::new(), Vec::new());
    let response = fixture.door.handle(plain).await;
    assert_eq!(
        shown(&response),
        "403 {\"message\":\"Missing Authentication Token\"}"
    );
    assert_eq!(
        header(&response, "x-amzn-errortype"),
        "MissingAuthenticationTokenException"
    );
    let sqs = Call {
        service: "sqs",
        ..Call::default()
    };
    check(
        &fixture,
        sqs,
        "501 {\"__type\":\"com.amazon.coral.service#NotImplemented\",\"message\":\"Cloudless does not serve `sqs`; \
         behind this endpoint are: dynamodb\"}",
    )
    .await;
    let region = Call {
        region: "Bad_Region",
        ..Call::default()
    };
    check(
        &fixture,
        region,
        &format!("{COMMON}InvalidSignatureException\",\"message\":\"Credential should be scoped"),
    )
    .await;
    let large = Call {
        body: vec![b'x'; 16 * 1024 * 1024 + 1],
        ..Call::default()
    };
    check(&fixture, large, "413").await;
}

#[tokio::test]
async fn health_tells_when_everything_is_ready_and_only_on_the_host() {
    let health = |method| request(method, "/_cloudless/health", &HeaderMap::new(), Vec::new());
    let fixture = in_development();
    let ask = |request| async { shown(&fixture.door.handle(request).await) };
    assert_eq!(
        ask(health(Method::GET)).await,
        "503 {\"status\":\"starting\"}"
    );
    fixture.door.set_ready();
    assert_eq!(ask(health(Method::GET)).await, "200 {\"status\":\"ready\"}");
    assert!(ask(health(Method::POST)).await.starts_with("405"));
    let other = request(
        Method::GET,
        "/_cloudless/other",
        &HeaderMap::new(),
        Vec::new(),
    );
    assert!(ask(other).await.starts_with("404"));
    let sandbox = self::fixture(UnknownKeys::Refused);
    sandbox.door.set_ready();
    assert!(shown(&sandbox.door.handle(health(Method::GET)).await).starts_with("403"));
}
