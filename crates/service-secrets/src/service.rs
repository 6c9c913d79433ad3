//! The services as the door and the rest of a server see them.
//!
//! Lives here: putting the parts together, the frame of requests and answers.
//! Does not live here: operations (`kms`, `secretsmanager`, `ssm`), what they are about (`engine`).

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check};
use interfaces::clock::Clock;
use interfaces::random::Random;
use interfaces::resource_provider::ResourceProvider;
use interfaces::service::{CloudService, ServiceAnswer, ServiceCall};
use interfaces::stored_values::StoredValues;
use store::Store;
use store::sealing::{NoSeal, Seal, Seals};

use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::fault::{Answer, answer};
use crate::resources::Secrets as Resources;
use crate::{kms, secretsmanager, ssm};

/// What the services are made of.
pub struct Parts {
    /// Where state is kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Who may do what.
    pub authorize: Arc<dyn Authorize>,
    /// Where the key lies that seals all others; none: in memory alone.
    pub folder: Option<PathBuf>,
}

/// Parameters, secrets and keys. Clones share everything.
#[derive(Clone)]
pub struct Service {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) authorize: Arc<dyn Authorize>,
}

impl Service {
    /// The services over these parts. Nothing is started and nothing read.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let catalogue = Catalogue::new(parts.store, parts.clock, parts.random, parts.folder);
        Self {
            catalogue: Arc::new(catalogue),
            authorize: parts.authorize,
        }
    }

    /// What stands behind the service door.
    #[must_use]
    pub fn doors(&self) -> Vec<Arc<dyn CloudService>> {
        [Api::Kms, Api::SecretsManager, Api::Ssm]
            .into_iter()
            .map(|api| -> Arc<dyn CloudService> { Arc::new(self.door(api)) })
            .collect()
    }

    pub(crate) fn door(&self, api: Api) -> Door {
        let service = self.clone();
        Door { api, service }
    }

    /// Looks up what manifests and templates refer to.
    #[must_use]
    pub fn values(&self) -> Arc<dyn StoredValues> {
        Arc::new(self.clone())
    }

    /// Seals what others keep.
    #[must_use]
    pub fn seals(&self) -> Arc<dyn Seals> {
        Arc::new(self.clone())
    }

    /// Makes, changes and deletes the resources of templates.
    #[must_use]
    pub fn provider(&self) -> Arc<dyn ResourceProvider> {
        Arc::new(Resources::new(Arc::clone(&self.catalogue)))
    }

    /// Deletes and rotates what is due, until it is dropped.
    pub async fn keep(&self) -> Infallible {
        self.catalogue.keep().await
    }
}

impl Seals for Service {
    fn seal(&self) -> BoxFuture<'_, Result<Arc<dyn Seal>, NoSeal>> {
        Box::pin(async move {
            let seal = self.catalogue.seal().await;
            seal.map_err(|error| NoSeal::Key(error.to_string()))
        })
    }
}

/// Every operation of KMS, and whether it is carried out.
pub fn kms_operations() -> impl Iterator<Item = (&'static str, bool)> {
    listed(kms::SUPPORTED, kms::NOT_IMPLEMENTED)
}

/// Every operation of Secrets Manager, and whether it is carried out.
pub fn secretsmanager_operations() -> impl Iterator<Item = (&'static str, bool)> {
    listed(secretsmanager::SUPPORTED, secretsmanager::NOT_IMPLEMENTED)
}

/// Every operation of Systems Manager, and whether it is carried out.
pub fn ssm_operations() -> impl Iterator<Item = (&'static str, bool)> {
    listed(ssm::SUPPORTED, ssm::NOT_IMPLEMENTED)
}

fn listed(
    supported: &'static [&'static str],
    refused: &'static [&'static str],
) -> impl Iterator<Item = (&'static str, bool)> {
    let supported = supported.iter().map(|name| (*name, true));
    supported.chain(refused.iter().map(|name| (*name, false)))
}

/// Which of the services.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Api {
    Kms,
    SecretsManager,
    Ssm,
}

impl Api {
    pub(crate) const fn signing_name(self) -> &'static str {
        match self {
            Self::Kms => "kms",
            Self::SecretsManager => "secretsmanager",
            Self::Ssm => "ssm",
        }
    }

    const fn target_prefix(self) -> &'static str {
        match self {
            Self::Kms => "TrentService.",
            Self::SecretsManager => "secretsmanager.",
            Self::Ssm => "AmazonSSM.",
        }
    }
}

/// One of the services.
pub(crate) struct Door {
    api: Api,
    service: Service,
}

/// What an operation works with.
pub(crate) struct Context<'c> {
    pub(crate) catalogue: &'c Catalogue,
    pub(crate) place: &'c Place,
    /// Who asks.
    pub(crate) call: &'c ServiceCall,
    pub(crate) authorize: &'c dyn Authorize,
}

impl Door {
    fn operation<'c>(&self, call: &'c ServiceCall) -> &'c str {
        let target = call.headers.get("x-amz-target");
        let target = target.and_then(|value| value.to_str().ok());
        target
            .and_then(|target| target.strip_prefix(self.api.target_prefix()))
            .unwrap_or_default()
    }

    pub(crate) async fn run(&self, call: &ServiceCall) -> Answer {
        let place = place(call);
        let context = Context {
            catalogue: &self.service.catalogue,
            place: &place,
            call,
            authorize: &*self.service.authorize,
        };
        let operation = self.operation(call);
        match self.api {
            Api::Kms => kms::run(&context, operation).await,
            Api::SecretsManager => secretsmanager::run(&context, operation).await,
            Api::Ssm => ssm::run(&context, operation).await,
        }
    }
}

impl CloudService for Door {
    fn signing_name(&self) -> &'static str {
        self.api.signing_name()
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        Box::pin(async move {
            let (catalogue, place) = (&self.service.catalogue, place(call));
            let operation = self.operation(call);
            match self.api {
                Api::Kms => kms::checks(catalogue, &place, operation, call).await,
                Api::SecretsManager => {
                    secretsmanager::checks(catalogue, &place, operation, call).await
                }
                Api::Ssm => ssm::checks(catalogue, &place, operation, call).await,
            }
        })
    }

    /// What is not carried out is refused by its name.
    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        let supported = match self.api {
            Api::Kms => kms::SUPPORTED,
            Api::SecretsManager => secretsmanager::SUPPORTED,
            Api::Ssm => ssm::SUPPORTED,
        };
        !supported.contains(&self.operation(call))
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(async move {
            match (self.run(&call).await, self.api) {
                (Ok(body), _) => answer(200, &body),
                (Err(fault), Api::SecretsManager) => fault.answer("Message"),
                (Err(fault), Api::Kms | Api::Ssm) => fault.answer("message"),
            }
        })
    }
}

fn place(call: &ServiceCall) -> Place {
    Place {
        account: call.account.clone(),
        region: call.region.clone(),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};
    use model::ids::{AccountId, Region, RequestId};
    use model::principal::Principal;
    use model::time::Timestamp;
    use serde_json::{Value, json};
    use store_embedded::Memory;
    use test_kit::{Allowing, CountingRandom, StoppedClock};

    use super::*;

    /// Whatever names something, in any operation.
    const NAMING: &[&str] = &[
        "AliasName",
        "CiphertextBlob",
        "DestinationKeyId",
        "GrantId",
        "GrantToken",
        "KeyId",
        "Name",
        "Names",
        "Path",
        "ResourceId",
        "SecretId",
        "SecretIdList",
        "SourceKeyId",
        "TargetKeyId",
    ];

    fn service() -> Service {
        Service::new(Parts {
            store: Arc::new(Memory::new()),
            clock: Arc::new(StoppedClock::at(Timestamp::from_micros(
                1_700_000_000_000_000,
            ))),
            random: Arc::new(CountingRandom::default()),
            authorize: Arc::new(Allowing),
            folder: None,
        })
    }

    fn call(api: Api, operation: &str, body: impl Into<Vec<u8>>) -> ServiceCall {
        let mut headers = HeaderMap::new();
        let target = format!("{}{operation}", api.target_prefix());
        headers.insert("x-amz-target", HeaderValue::from_str(&target).unwrap());
        ServiceCall {
            request_id: RequestId::new("r"),
            caller: Principal::Root {
                account: AccountId::development(),
            },
            account: AccountId::development(),
            region: Region::new("us-east-1"),
            method: Method::POST,
            path_and_query: "/".to_owned(),
            headers,
            body: body.into().into(),
            stream: None,
        }
    }

    impl Service {
        async fn asked(&self, api: Api, operation: &str, body: impl Into<Vec<u8>>) -> Vec<Check> {
            self.door(api).checks(&call(api, operation, body)).await
        }

        async fn asks(&self, api: Api, operation: &str, body: Value) -> Vec<(String, String)> {
            let checks = self.asked(api, operation, body.to_string()).await;
            let told = checks.into_iter().map(|one| (one.action, one.resource));
            told.collect()
        }

        async fn done(&self, api: Api, operation: &str, body: Value) -> Value {
            let call = call(api, operation, body.to_string());
            self.door(api).run(&call).await.unwrap()
        }

        async fn key(&self) -> String {
            let made = self.done(Api::Kms, "CreateKey", json!({})).await;
            made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
        }
    }

    #[tokio::test]
    async fn a_source_of_the_wrong_sort_is_told_before_the_destination() {
        let service = service();
        let key = service.key().await;
        let hmac = json!({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"});
        let hmac = service.done(Api::Kms, "CreateKey", hmac).await;
        let hmac = &hmac["KeyMetadata"]["KeyId"];
        let plain = json!({"KeyId": key, "Plaintext": "YQ=="});
        let closed = service.done(Api::Kms, "Encrypt", plain).await;
        let again = |source: Option<&Value>| json!({"CiphertextBlob": closed["CiphertextBlob"], "SourceKeyId": source, "DestinationKeyId": hmac});
        for (source, code) in [
            (Some(hmac), "IncorrectKeyException"),
            (None, "InvalidKeyUsageException"),
        ] {
            let call = call(Api::Kms, "ReEncrypt", again(source).to_string());
            let refused = service.door(Api::Kms).run(&call).await.unwrap_err();
            assert_eq!(refused.code, code);
        }
    }

    fn all() -> impl Iterator<Item = (Api, &'static str)> {
        let kms = kms::SUPPORTED.iter().map(|name| (Api::Kms, *name));
        let secrets = secretsmanager::SUPPORTED.iter();
        let ssm = ssm::SUPPORTED.iter().map(|name| (Api::Ssm, *name));
        kms.chain(secrets.map(|name| (Api::SecretsManager, *name)))
            .chain(ssm)
    }

    fn body_of(value: &str) -> String {
        let members = NAMING.iter().map(|name| format!("\"{name}\": {value}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
    }

    #[tokio::test]
    async fn every_operation_asks_for_something_whatever_is_sent() {
        let service = service();
        for (api, operation) in all() {
            let mut bodies: Vec<String> = ["", "{}", "[]", "5", "{"].map(str::to_owned).to_vec();
            for value in ["null", "5", "true", "[]", "[5]", "{}", "\"\"", "\"x\""] {
                bodies.push(body_of(value));
            }
            for body in bodies {
                let checks = service.asked(api, operation, body.as_str()).await;
                assert!(!checks.is_empty(), "{operation} {body}");
                let name = format!(":{operation}");
                let is_named = checks.iter().any(|one| one.action.contains(&name));
                assert!(is_named, "{operation} {body}: {checks:?}");
            }
        }
    }

    #[tokio::test]
    async fn of_a_member_that_comes_twice_the_last_is_asked_for() {
        let service = service();
        for (api, operation) in all() {
            let (once, twice) = (body_of("\"b\""), body_of("\"a\""));
            let twice = format!("{}, {}", twice.trim_end_matches('}'), &once[1..]);
            let told = |checks: Vec<Check>| -> Vec<(String, String)> {
                let told = checks.into_iter().map(|one| (one.action, one.resource));
                told.collect()
            };
            let once = told(service.asked(api, operation, once).await);
            let twice = told(service.asked(api, operation, twice).await);
            assert_eq!(once, twice, "{operation}");
        }
    }

    #[tokio::test]
    async fn a_number_is_asked_for_as_the_name_that_it_is_carried_out_as() {
        let asked = service()
            .asks(Api::Ssm, "GetParameter", json!({"Name": 5}))
            .await;
        let arn = "arn:aws:ssm:us-east-1:000000000000:parameter/5";
        assert_eq!(asked, [("ssm:GetParameter".to_owned(), arn.to_owned())]);
    }

    #[tokio::test]
    async fn opening_a_parameter_asks_for_the_key_of_each_version_that_is_opened() {
        let service = service();
        let (old, new) = (service.key().await, service.key().await);
        for (key, overwrite) in [(&old, false), (&new, true)] {
            let mut body =
                json!({"Name": "/a/b", "Value": "v", "KeyId": key, "Overwrite": overwrite});
            if !overwrite {
                body["Type"] = "SecureString".into();
            }
            let asked = service.asks(Api::Ssm, "PutParameter", body.clone()).await;
            assert!(asked.contains(&("kms:Encrypt".to_owned(), key.clone())));
            service.done(Api::Ssm, "PutParameter", body).await;
        }
        for (operation, member, named, keys) in [
            ("GetParameter", "Name", json!("/a/b"), vec![&new]),
            ("GetParameter", "Name", json!("/a/b:1"), vec![&old]),
            ("GetParameters", "Names", json!(["/a/b"]), vec![&new]),
            (
                "GetParameterHistory",
                "Name",
                json!("/a/b"),
                vec![&old, &new],
            ),
            ("GetParametersByPath", "Path", json!("/a/"), vec![&new]),
            ("GetParametersByPath", "Path", json!("/"), vec![]),
        ] {
            let closed = service
                .asks(Api::Ssm, operation, json!({member: named}))
                .await;
            assert_eq!(closed.len(), 1, "{operation} {closed:?}");
            let body = json!({member: named, "WithDecryption": true});
            let asked = service.asks(Api::Ssm, operation, body).await;
            let mut opened: Vec<&String> = asked.iter().skip(1).map(|(_, key)| key).collect();
            let mut keys = keys;
            opened.sort();
            keys.sort();
            assert_eq!(opened, keys, "{operation} {named}");
        }
    }

    #[tokio::test]
    async fn reading_a_secret_asks_for_its_own_key_whatever_key_the_request_names() {
        let service = service();
        let (own, other) = (service.key().await, service.key().await);
        let body = json!({
            "Name": "s", "SecretString": "v", "KmsKeyId": own,
            "ClientRequestToken": "00000000-0000-0000-0000-000000000001",
        });
        service
            .done(Api::SecretsManager, "CreateSecret", body)
            .await;
        let decrypts = ("kms:Decrypt".to_owned(), own);
        let body = json!({"SecretId": "s", "KmsKeyId": other});
        let read = service.asks(Api::SecretsManager, "GetSecretValue", body.clone());
        assert_eq!(read.await.get(1), Some(&decrypts));
        let changed = service
            .asks(Api::SecretsManager, "UpdateSecret", body)
            .await;
        assert!(changed.contains(&decrypts));
        assert!(changed.contains(&("kms:GenerateDataKey".to_owned(), other)));
        let body = json!({"Name": "/aws/reference/secretsmanager/s", "WithDecryption": true});
        let through = service.asks(Api::Ssm, "GetParameter", body).await;
        assert!(through.contains(&decrypts), "{through:?}");
    }
}
