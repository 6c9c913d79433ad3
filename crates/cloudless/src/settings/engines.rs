//! Engines that carry out what is asked of a service of ours.
//!
//! Lives here: what `[services.NAME]` sets, and what is wrong with it; what of a template an engine does not get.
//! Does not live here: handing requests on (`engines`).

use http::Uri;
use model::principal::Credentials;
use model::problem::{Place, Problem};
use model::suggestion;

use super::{FILE, Settings};

/// Services that an engine can stand in for, as credentials name them, and how the types of their resources begin. The others
/// are Cloudless itself: functions, and who may do what.
pub const SERVICES: [(&str, &str); 12] = [
    ("dynamodb", "AWS::DynamoDB::"),
    ("events", "AWS::Events::"),
    ("kinesis", "AWS::Kinesis::"),
    ("kms", "AWS::KMS::"),
    ("logs", "AWS::Logs::"),
    ("monitoring", "AWS::CloudWatch::"),
    ("s3", "AWS::S3::"),
    ("scheduler", "AWS::Scheduler::"),
    ("secretsmanager", "AWS::SecretsManager::"),
    ("sns", "AWS::SNS::"),
    ("sqs", "AWS::SQS::"),
    ("ssm", "AWS::SSM::"),
];

/// The one value of `credentials`.
pub(super) const ENVIRONMENT: &str = "environment";
/// Both halves of the keys when none are set: engines for development take any.
const ANY_KEY: &str = "test";

/// One engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// The service that it stands in for.
    pub service: &'static str,
    /// Where it is: scheme, host and port.
    pub endpoint: Uri,
    /// Whose keys requests are signed with.
    pub keys: Keys,
    /// The region that they are signed for; none: that of the request.
    pub region: Option<String>,
}

/// Keys for an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// These.
    Given(Credentials),
    /// `AWS_ACCESS_KEY_ID` and those with it.
    OfEnvironment,
}

/// A table `[services.NAME]` as it is written.
#[derive(Clone, Default)]
pub struct Written {
    pub(super) endpoint: Option<Uri>,
    pub(super) access_key_id: Option<String>,
    pub(super) secret_access_key: Option<String>,
    pub(super) is_from_environment: bool,
    pub(super) region: Option<String>,
}

pub(super) fn set_text(field: &mut Option<String>, text: &str) -> bool {
    let is_sendable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    *field = is_sendable.then(|| text.to_owned());
    is_sendable
}

/// Scheme, host and port alone: the paths are the service's own.
pub(super) fn set_endpoint(written: &mut Written, text: &str) -> bool {
    let uri: Option<Uri> = text.parse().ok();
    written.endpoint = uri.filter(|uri| {
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        let names_nobody = uri.authority().is_some_and(|it| !it.as_str().contains('@'));
        is_http && has_host && names_nobody && uri.path() == "/" && uri.query().is_none()
    });
    written.endpoint.is_some()
}

impl Written {
    /// The engine that it says; or what is missing.
    pub(super) fn engine(self, name: &str, place: &Place) -> Result<Engine, Box<Problem>> {
        let Some((service, _)) = SERVICES.iter().find(|(known, _)| *known == name) else {
            return Err(Box::new(unknown(name).at(place)));
        };
        let incomplete = |title: String, help: &str| {
            let problem = Problem::error("settings::incomplete-engine", title);
            Box::new(problem.at(place).help(help))
        };
        let Some(endpoint) = self.endpoint else {
            let title = format!("`[services.{name}]` has no `endpoint`");
            let help = "name the engine: `endpoint = \"http://localhost:9000\"`";
            return Err(incomplete(title, help));
        };
        let given = |access_key_id, secret_access_key| {
            Keys::Given(Credentials {
                access_key_id,
                secret_access_key,
                session_token: None,
            })
        };
        let keys = match (
            self.access_key_id,
            self.secret_access_key,
            self.is_from_environment,
        ) {
            (None, None, true) => Keys::OfEnvironment,
            (None, None, false) => given(ANY_KEY.to_owned(), ANY_KEY.to_owned()),
            (Some(id), Some(secret), false) => given(id, secret),
            (_, _, true) => {
                let title = format!("`[services.{name}]` has keys and `credentials`");
                return Err(incomplete(title, "leave one of them out"));
            }
            (Some(_), None, false) | (None, Some(_), false) => {
                let title = format!("`[services.{name}]` has half of a key");
                let help = "write `access_key_id` and `secret_access_key`, or neither";
                return Err(incomplete(title, help));
            }
        };
        Ok(Engine {
            service,
            endpoint,
            keys,
            region: self.region,
        })
    }
}

fn unknown(name: &str) -> Problem {
    let title = format!("`[services.{name}]` names no service that an engine can stand in for");
    let names = SERVICES.map(|(name, _)| name);
    let help = match suggestion::nearest(name, names) {
        Some(meant) => format!("did you mean `[services.{meant}]`?"),
        None => format!(
            "there can be one for {}",
            names.map(|name| format!("`{name}`")).join(", ")
        ),
    };
    Problem::error("settings::unknown-service", title).help(help)
}

impl Settings {
    /// What of a template with resources of these types is not carried out by engines.
    #[must_use]
    pub fn not_at_engines<'t>(&self, types: impl Iterator<Item = &'t str> + Clone) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (engine, place) in self.server.engines.iter().zip(&self.engine_places) {
            let known = SERVICES.iter().find(|(name, _)| *name == engine.service);
            let begins = known.map_or("", |(_, begins)| *begins);
            if !types.clone().any(|it| it.starts_with(begins)) {
                continue;
            }
            let (service, endpoint) = (engine.service, &engine.endpoint);
            let title = format!("the resources of `{service}` are not made at {endpoint}");
            let problem = Problem::warning("settings::engine-resources", title)
                .at(place)
                .because(
                    "requests are passed on to the engine, but a template's resources give only their names and policies: \
                     events of this service, and events for it, stay here",
                )
                .help(format!(
                    "make them at the engine under the same names, or remove `[services.{service}]` from {FILE}"
                ));
            problems.push(problem);
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use interfaces::clock::Clock;
    use interfaces::random::Random;
    use store_embedded::Memory;

    use super::*;
    use crate::services::{Services, Shared};
    use crate::system::{RealClock, RealRandom};

    #[test]
    fn an_endpoint_is_scheme_host_and_port() {
        for (text, expected) in [
            ("http://localhost:9000", true),
            ("https://s3.eu-west-1.amazonaws.com/", true),
            ("http://[::1]:9000", true),
            ("localhost:9000", false),
            ("http://localhost/base", false),
            ("http://localhost/?a", false),
            ("http://me:secret@localhost", false),
            ("ftp://localhost", false),
            ("", false),
        ] {
            assert_eq!(
                set_endpoint(&mut Written::default(), text),
                expected,
                "{text}"
            );
        }
    }

    /// A service that comes to stand behind the door has its line above.
    #[test]
    fn an_engine_can_stand_in_for_every_service_that_is_not_cloudless_itself() {
        let clock: Arc<dyn Clock> = Arc::new(RealClock);
        let random: Arc<dyn Random> = Arc::new(RealRandom::default());
        let shared = Shared::new(Arc::new(Memory::new()), clock, random, 0, None);
        let doors = Services::new(&shared).doors();
        let names = doors.iter().map(|service| service.signing_name());
        let served: BTreeSet<_> = names
            .filter(|name| !matches!(*name, "iam" | "sts"))
            .collect();
        assert_eq!(served, BTreeSet::from(SERVICES.map(|(name, _)| name)));
    }
}
