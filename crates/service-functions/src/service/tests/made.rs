//! What the API makes and changes, beside what a template declares, over a store in memory.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interfaces::packages::PackageError;
use model::ids::{FunctionName, LogicalId};
use serde_json::{Value, json};
use store_embedded::Memory;
use test_kit::{Allowing, CountingRandom, RunningClock};

use super::*;
use crate::{Declared, Everything};

/// Keeps archives in memory: any bytes are one, but for an empty one.
#[derive(Default)]
struct Shelf(Mutex<BTreeMap<String, Bytes>>);

impl Packages for Shelf {
    fn keep(&self, archive: Bytes) -> BoxFuture<'_, Result<Package, PackageError>> {
        use sha2::Digest as _;
        let digest = hex::encode(sha2::Sha256::digest(&archive));
        let package = Package {
            digest: digest.clone(),
            bytes: archive.len() as u64,
            unpacked_bytes: archive.len() as u64,
        };
        let kept = if archive.is_empty() {
            let reason = "nothing".to_owned();
            Err(PackageError::Unreadable { reason })
        } else {
            self.0.lock().unwrap().insert(digest, archive);
            Ok(package)
        };
        Box::pin(std::future::ready(kept))
    }

    fn describe<'a>(&'a self, folder: &'a Path) -> BoxFuture<'a, Result<Package, PackageError>> {
        self.keep_folder(folder)
    }

    fn keep_folder<'a>(&'a self, folder: &'a Path) -> BoxFuture<'a, Result<Package, PackageError>> {
        self.keep(Bytes::from(folder.to_string_lossy().into_owned()))
    }

    fn read<'a>(&'a self, digest: &'a str) -> BoxFuture<'a, Result<Bytes, PackageError>> {
        let found = self.0.lock().unwrap().get(digest).cloned();
        let reason = "it is not there".to_owned();
        Box::pin(std::future::ready(
            found.ok_or(PackageError::Failed { reason }),
        ))
    }

    fn keep_only<'a>(&'a self, digests: &'a BTreeSet<String>) -> BoxFuture<'a, ()> {
        self.0
            .lock()
            .unwrap()
            .retain(|digest, _| digests.contains(digest));
        Box::pin(std::future::ready(()))
    }
}

#[derive(Default)]
struct Counted(Mutex<BTreeMap<String, u64>>);

impl Numbers for Counted {
    fn next<'a>(
        &'a self,
        _: &'a AccountId,
        _: &'a Region,
        series: &'a str,
    ) -> BoxFuture<'a, Result<u64, String>> {
        let mut counted = self.0.lock().unwrap();
        let number = counted.entry(series.to_owned()).or_default();
        *number += 1;
        Box::pin(std::future::ready(Ok(*number)))
    }
}

/// A service over nothing but what runs functions.
pub(super) fn service_over(invoke: Arc<dyn Invoke>) -> Service {
    service(invoke, Arc::new(Memory::new()))
}

fn service(invoke: Arc<dyn Invoke>, store: Arc<dyn Store>) -> Service {
    Service::new(Parts {
        seals: None,
        invoke,
        outbox: Outbox::new(Arc::clone(&store)),
        store,
        packages: Arc::new(Shelf::default()),
        numbers: Arc::new(Counted::default()),
        objects: None,
        records: Vec::new(),
        messages: Vec::new(),
        authorize: Arc::new(Allowing),
        clock: Arc::new(RunningClock),
        random: Arc::new(CountingRandom::default()),
        port: 4566,
        concurrency: 1_000,
    })
}

/// A service that somebody serves the changes of.
struct Served {
    service: Service,
}

impl Served {
    async fn over(store: Arc<dyn Store>, declared: Vec<Declared>) -> Self {
        let service = service(Arc::new(Fake::default()), store);
        let this = Self { service };
        this.deploy(declared).await;
        this
    }

    async fn deploy(&self, declared: Vec<Declared>) {
        let (account, region) = (AccountId::development(), Region::new("us-east-1"));
        let adopted = self.service.adopt(&account, &region, declared).await;
        adopted.unwrap();
        self.serve().await;
    }

    /// What `cloudless` does after each change.
    async fn serve(&self) {
        let Everything {
            generation,
            resources,
        } = self.service.everything();
        let mut application = Application::empty(RevisionId::new("r"));
        for standing in resources {
            let name = standing.physical_id.clone();
            let function = Arc::new(test_kit::function(&name));
            if standing.kind == crate::Kind::Function {
                application
                    .functions
                    .insert(FunctionName::new(name), function);
            } else if standing.kind == crate::Kind::Version {
                let named = standing.properties.get("FunctionName").unwrap();
                let number = standing.attributes.get("Version").unwrap();
                application
                    .qualified
                    .entry(FunctionName::new(named.as_str().unwrap()))
                    .or_default()
                    .insert(number.as_str().unwrap().to_owned(), function);
            }
        }
        let application = Arc::new(application);
        self.service.swap(&application);
        self.service
            .set_served(generation, &application, &|_| None)
            .await;
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let serving = async {
            loop {
                self.service.changed().await;
                self.serve().await;
            }
        };
        let answer = tokio::select! {
            answer = self.service.execute(call(method, path, &[], &body)) => answer,
            () = serving => unreachable!("serving never ends"),
        };
        let told = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        (answer.status, told)
    }

    async fn check(&self, method: Method, path: &str, body: Value, status: u16) -> Value {
        let (found, told) = self.ask(method.clone(), path, body).await;
        assert_eq!(found, status, "{method} {path} {told}");
        told
    }
}

const FUNCTIONS: &str = "/2015-03-31/functions";

fn new_function(name: &str) -> Value {
    json!({
        "FunctionName": name,
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Role": "arn:aws:iam::000000000000:role/r",
        "Code": {"ZipFile": STANDARD.encode("one")},
    })
}

fn declared(name: &str, memory: u64) -> Declared {
    let properties = json!({
        "FunctionName": name,
        "Runtime": "python3.12",
        "Handler": "a.b",
        "Role": "arn:aws:iam::000000000000:role/r",
        "MemorySize": memory,
    });
    Declared {
        logical_id: LogicalId::new("Declared"),
        resource_type: "AWS::Lambda::Function".to_owned(),
        physical_id: name.to_owned(),
        properties: properties.as_object().unwrap().clone(),
        attributes: serde_json::Map::new(),
    }
}

#[tokio::test]
async fn a_function_lives_as_the_api_says_and_survives_a_restart() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let first = Served::over(Arc::clone(&store), Vec::new()).await;
    let created = first
        .check(Method::POST, FUNCTIONS, new_function("f"), 201)
        .await;
    assert_eq!(created["State"], "Pending");
    first
        .check(Method::POST, FUNCTIONS, new_function("f"), 409)
        .await;
    let of = |rest: &str| format!("{FUNCTIONS}/f{rest}");
    let shown = first
        .check(Method::GET, &of("/configuration"), Value::Null, 200)
        .await;
    assert_eq!(
        (&shown["State"], &shown["MemorySize"], &shown["CodeSize"]),
        (&json!("Active"), &json!(128), &json!(3))
    );
    assert_ne!(shown["RevisionId"], created["RevisionId"]);
    let stale = json!({"RevisionId": created["RevisionId"], "Timeout": 9});
    first
        .check(Method::PUT, &of("/configuration"), stale, 412)
        .await;
    let version = first
        .check(Method::POST, &of("/versions"), json!({}), 201)
        .await;
    assert_eq!(version["Version"], "1");
    let again = first
        .check(Method::POST, &of("/versions"), json!({}), 201)
        .await;
    assert_eq!(again["Version"], "1");
    let code = json!({"ZipFile": STANDARD.encode("other")});
    first.check(Method::PUT, &of("/code"), code, 200).await;
    let alias = json!({"Name": "live", "FunctionVersion": "1"});
    first.check(Method::POST, &of("/aliases"), alias, 201).await;

    let second = Served::over(store, Vec::new()).await;
    let sizes = |listed: &Value| -> Vec<(String, u64)> {
        let listed = listed["Versions"].as_array().unwrap().iter();
        listed
            .map(|it| {
                (
                    it["Version"].as_str().unwrap().to_owned(),
                    it["CodeSize"].as_u64().unwrap(),
                )
            })
            .collect()
    };
    let listed = second
        .check(Method::GET, &of("/versions"), Value::Null, 200)
        .await;
    assert_eq!(
        sizes(&listed),
        [("$LATEST".to_owned(), 5), ("1".to_owned(), 3)]
    );
    let kept = second
        .check(Method::DELETE, &of("?Qualifier=1"), Value::Null, 409)
        .await;
    assert!(
        kept["message"].as_str().unwrap().contains("alias"),
        "{kept}"
    );
    second
        .check(Method::DELETE, &of(""), Value::Null, 204)
        .await;
    second.check(Method::GET, &of(""), Value::Null, 404).await;
    second
        .check(Method::GET, &of("/aliases/live"), Value::Null, 404)
        .await;
}

#[tokio::test]
async fn a_change_of_what_a_template_declares_stays_until_the_template_changes() {
    let served = Served::over(Arc::new(Memory::new()), vec![declared("f", 128)]).await;
    let path = format!("{FUNCTIONS}/f/configuration");
    let memory = async |served: &Served| {
        let shown = served.check(Method::GET, &path, Value::Null, 200).await;
        shown["MemorySize"].as_u64().unwrap()
    };
    served
        .check(Method::PUT, &path, json!({"MemorySize": 512}), 200)
        .await;
    assert_eq!(memory(&served).await, 512);
    assert!(!served.service.everything().resources[0].is_as_declared);
    served.deploy(vec![declared("f", 128)]).await;
    assert_eq!(memory(&served).await, 512);
    served.deploy(vec![declared("f", 256)]).await;
    assert_eq!(memory(&served).await, 256);
    let all = format!("{FUNCTIONS}/f");
    served.check(Method::DELETE, &all, Value::Null, 204).await;
    served.deploy(vec![declared("f", 256)]).await;
    served.check(Method::GET, &path, Value::Null, 404).await;
    served.deploy(vec![declared("f", 128)]).await;
    assert_eq!(memory(&served).await, 128);
    served.deploy(Vec::new()).await;
    served.check(Method::GET, &path, Value::Null, 404).await;
}

#[tokio::test]
async fn code_is_downloaded_by_its_address_alone() {
    let served = Served::over(Arc::new(Memory::new()), Vec::new()).await;
    served
        .check(Method::POST, FUNCTIONS, new_function("f"), 201)
        .await;
    let path = format!("{FUNCTIONS}/f");
    let shown = served.check(Method::GET, &path, Value::Null, 200).await;
    let address = shown["Code"]["Location"].as_str().unwrap();
    let path = address.strip_prefix("http://127.0.0.1:4566").unwrap();
    let method = Method::GET;
    let headers = http::HeaderMap::new();
    let head = |path_and_query| RequestHead {
        method: &method,
        path_and_query,
        headers: &headers,
    };
    assert!(served.service.takes_unsigned(&head(path)));
    assert!(!served.service.takes_unsigned(&head(FUNCTIONS)));
    let fetch = |path: String| {
        let request = call(Method::GET, &path, &[], "");
        served.service.execute(request)
    };
    assert_eq!(fetch(path.to_owned()).await.body, Bytes::from("one"));
    for forged in [
        path.replace("Signature=", "Signature=0"),
        path.replace("Expires=", "Expires=9"),
        path.replace("/code/", "/code/0"),
        "/_lambda/code/x".to_owned(),
    ] {
        assert_eq!(fetch(forged.clone()).await.status, 404, "{forged}");
    }
}

#[tokio::test]
async fn what_is_not_carried_out_is_refused_by_its_name() {
    let served = Served::over(Arc::new(Memory::new()), Vec::new()).await;
    for (name, value) in [
        ("Runtime", json!("java21")),
        ("PackageType", json!("Image")),
        ("VpcConfig", json!({"SubnetIds": ["subnet-1"]})),
        ("FileSystemConfigs", json!([{"Arn": "a"}])),
        ("CodeSigningConfigArn", json!("a")),
        ("DurableConfig", json!({})),
    ] {
        let mut body = new_function("f");
        body[name] = value;
        let (status, told) = served.ask(Method::POST, FUNCTIONS, body).await;
        assert_eq!(status, 501, "{name} {told}");
    }
}

#[tokio::test]
async fn permissions_are_statements_of_a_policy_that_calls_are_checked_against() {
    let served = Served::over(Arc::new(Memory::new()), vec![declared("f", 128)]).await;
    let path = format!("{FUNCTIONS}/f/policy");
    let statement = json!({
        "StatementId": "s",
        "Action": "lambda:InvokeFunction",
        "Principal": "sns.amazonaws.com",
        "SourceArn": "arn:aws:sns:us-east-1:000000000000:t",
    });
    served.check(Method::GET, &path, Value::Null, 404).await;
    served
        .check(Method::POST, &path, statement.clone(), 201)
        .await;
    served.check(Method::POST, &path, statement, 409).await;
    let told = served.check(Method::GET, &path, Value::Null, 200).await;
    let policy: Value = serde_json::from_str(told["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(
        policy["Statement"][0]["Principal"],
        json!({"Service": "sns.amazonaws.com"})
    );
    let invocation = format!("{FUNCTIONS}/f/invocations");
    let request = call(Method::POST, &invocation, &[], "{}");
    let checks = served.service.checks(&request).await;
    assert_eq!(checks[0].action, "lambda:InvokeFunction");
    assert!(checks[0].resource_policy.is_some());
    let one = format!("{path}/s");
    served.check(Method::DELETE, &one, Value::Null, 204).await;
    served.check(Method::DELETE, &one, Value::Null, 404).await;
    let request = call(Method::POST, &invocation, &[], "{}");
    let checks = served.service.checks(&request).await;
    assert!(checks[0].resource_policy.is_none());
}

#[tokio::test]
async fn a_parameter_names_no_other_layer_than_the_path() {
    let served = Served::over(Arc::new(Memory::new()), Vec::new()).await;
    let mine = "arn:aws:lambda:us-east-1:000000000000:layer:mine:1";
    let path = format!("/2018-10-31/layers/theirs/versions/1?Arn={mine}");
    let checks = served
        .service
        .checks(&call(Method::DELETE, &path, &[], ""))
        .await;
    assert_eq!(checks[0].action, "lambda:DeleteLayerVersion");
    assert_eq!(checks[0].resource, mine.replace("mine", "theirs"));
}
