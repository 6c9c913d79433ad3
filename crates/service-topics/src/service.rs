//! The service as the door sees it.
//!
//! Lives here: what it is made of, what calls would do to what, requests without a signature, the certificate's page.
//! Does not live here: operations (`operations`), taking deliveries (`sink`).

use std::sync::Arc;

use aws_wire::query;
use aws_wire::query::Form;
use bytes::Bytes;
use http::Method;
use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check};
use interfaces::clock::Clock;
use interfaces::event_sink::EventSink;
use interfaces::http_client::HttpClient;
use interfaces::random::Random;
use interfaces::resource_provider::ResourceProvider;
use interfaces::service::{CloudService, RequestHead, ServiceAnswer, ServiceCall};
use model::arn::Arn;
use model::principal::Principal;
use outbox::Outbox;
use store::Store;

use crate::arns::{SubscriptionArn, TopicArn};
use crate::form;
use crate::notary::Notary;
use crate::operations::names::{self, About, Fate, Named};
use crate::operations::{self, Call, NAMESPACE};
use crate::publishing::PRINCIPAL;
use crate::refusal::Refusal;
use crate::resources::Topics;
use crate::sink::{AddressSink, TopicSink};
use crate::state::catalogue::{Catalogue, Region};
use crate::state::keys::Place;

const CONTENT_TYPE: &str = "text/xml";
const CERTIFICATE_TYPE: &str = "application/x-pem-file";
/// How the name of the certificate's file begins.
const CERTIFICATE: &str = "/SimpleNotificationService-";
/// What an endpoint may ask without a signature, by an address that it was sent.
const UNSIGNED: [&str; 2] = ["ConfirmSubscription", "Unsubscribe"];

/// What the service is made of.
pub struct Parts {
    /// Where it keeps topics.
    pub store: Arc<dyn Store>,
    /// Where deliveries wait.
    pub outbox: Outbox,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For ids and tokens.
    pub random: Arc<dyn Random>,
    /// Whether senders of deliveries may publish.
    pub authorize: Arc<dyn Authorize>,
    /// Signs messages.
    pub notary: Arc<dyn Notary>,
    /// Calls addresses.
    pub http: Arc<dyn HttpClient>,
    /// Where subscribers reach the service, as `http://127.0.0.1:4566`.
    pub base_url: String,
}

/// Amazon SNS. Clones share everything.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

/// What operations work with.
pub(crate) struct Inner {
    pub(crate) catalogue: Catalogue,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) authorize: Arc<dyn Authorize>,
    pub(crate) notary: Arc<dyn Notary>,
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) base_url: String,
}

impl Inner {
    pub(crate) async fn region_of(&self, arn: &TopicArn) -> Result<Arc<Region>, Refusal> {
        let place = Place {
            account: arn.account.clone(),
            region: arn.region.clone(),
        };
        self.catalogue.region(&place).await
    }

    /// Why a token is none: it belongs to another region, or to nobody.
    pub(crate) fn no_such_token(&self, token: &str) -> Refusal {
        if self.catalogue.knows_token(token) {
            Refusal::parameter("Topic")
        } else {
            Refusal::parameter("Token")
        }
    }
}

impl Service {
    /// The service. It reads nothing yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let inner = Inner {
            catalogue: Catalogue::new(parts.store, parts.outbox),
            clock: parts.clock,
            random: parts.random,
            authorize: parts.authorize,
            notary: parts.notary,
            http: parts.http,
            base_url: parts.base_url,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Makes, changes and deletes the topics and subscriptions of templates.
    #[must_use]
    pub fn provider(&self) -> Arc<dyn ResourceProvider> {
        Arc::new(Topics::new(Arc::clone(&self.inner)))
    }

    /// Takes what others send to topics, and what anybody sends to addresses.
    #[must_use]
    pub fn sinks(&self) -> Vec<Arc<dyn EventSink>> {
        vec![
            Arc::new(TopicSink(Arc::clone(&self.inner))),
            Arc::new(AddressSink(Arc::clone(&self.inner.http))),
        ]
    }

    async fn answer(&self, call: &ServiceCall) -> ServiceAnswer {
        if let Some(page) = self.certificate(call) {
            return page;
        }
        let form = form::of_call(call);
        let request_id = call.request_id.to_string();
        let Some(name) = form.text("Action") else {
            return Refusal::unknown_operation("").answer(&request_id);
        };
        if matches!(call.caller, Principal::Anonymous { .. }) && !UNSIGNED.contains(&name) {
            return Refusal::unauthorized("this operation asks for a signed request")
                .answer(&request_id);
        }
        let wanted = Call {
            service: &self.inner,
            call,
            form: &form,
        };
        match operations::carry_out(name, wanted).await {
            Ok(write) => framed(query::answer(name, NAMESPACE, &request_id, write)),
            Err(refusal) => refusal.answer(&request_id),
        }
    }

    /// The certificate by which signatures are verified, when a call asks for it.
    fn certificate(&self, call: &ServiceCall) -> Option<ServiceAnswer> {
        let path = path(&call.path_and_query);
        if call.method != Method::GET || !path.starts_with(CERTIFICATE) {
            return None;
        }
        let notary = &self.inner.notary;
        let is_ours = notary
            .certificate_name()
            .is_some_and(|name| path.strip_prefix('/') == Some(&name));
        let found = notary.certificate().filter(|_| is_ours);
        Some(match found {
            Some(certificate) => ServiceAnswer {
                status: 200,
                headers: vec![("content-type", CERTIFICATE_TYPE.to_owned())],
                body: Bytes::from(certificate),
                rest: None,
            },
            None => Refusal::not_found("Certificate").answer(call.request_id.as_str()),
        })
    }

    async fn checks_of(&self, call: &ServiceCall) -> Vec<Check> {
        // An address that an endpoint was sent holds a token: that is its right.
        if matches!(call.caller, Principal::Anonymous { .. }) {
            return Vec::new();
        }
        let form = form::of_call(call);
        let operation = form.text("Action").and_then(names::find);
        let Some(operation) = operation.filter(|one| one.fate == Fate::CarriedOut) else {
            return Vec::new();
        };
        let check = match resource(operation, call, &form) {
            Resource::Unreadable => return Vec::new(),
            Resource::None => Check::new(action(operation), "*", &call.account),
            Resource::Other(arn) => Check::new(action(operation), arn, &call.account),
            Resource::Topic(arn) => {
                let topic = match self.inner.region_of(&arn).await {
                    Ok(region) => region.topic(&arn.name),
                    Err(_) => None,
                };
                let mut check = Check::new(action(operation), arn.arn().to_string(), &arn.account);
                if let Some(topic) = topic {
                    check.resource_policy = topic.policy.clone();
                    for (key, value) in &topic.record.tags {
                        check
                            .context
                            .set(&format!("aws:ResourceTag/{key}"), value.clone());
                    }
                }
                check
            }
        };
        let mut checks = vec![with_keys(check, &form)];
        checks.extend(passed(&form));
        checks
    }
}

/// Roles that are handed over to log deliveries by, though nothing is logged.
fn passed(form: &Form) -> impl Iterator<Item = Check> {
    let one = form.text("AttributeName").zip(form.text("AttributeValue"));
    let one = one.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let many = form::attributes(form, "Attributes");
    let roles = one.into_iter().chain(many);
    let roles = roles.filter(|(name, _)| name.ends_with("RoleArn"));
    roles.filter_map(|(_, role)| Some(Check::pass_role(&Arn::parse(&role).ok()?, PRINCIPAL)))
}

fn action(operation: &Named) -> String {
    format!("sns:{}", operation.action)
}

/// The service's own condition keys, and those of tags that a call would set.
fn with_keys(mut check: Check, form: &Form) -> Check {
    for (parameter, key) in [("Protocol", "sns:Protocol"), ("Endpoint", "sns:Endpoint")] {
        if let Some(value) = form.text(parameter) {
            check.context.set(key, value);
        }
    }
    let tags = form::tags(form, "Tags").unwrap_or_default();
    if !tags.is_empty() {
        let keys = tags.iter().map(|(key, _)| key.clone()).collect();
        check.context.set_all("aws:TagKeys", keys);
    }
    for (key, value) in tags {
        check.context.set(&format!("aws:RequestTag/{key}"), value);
    }
    check
}

/// What an operation would touch.
enum Resource {
    /// The call is refused anyway.
    Unreadable,
    None,
    Topic(TopicArn),
    Other(String),
}

fn resource(operation: &Named, call: &ServiceCall, form: &Form) -> Resource {
    let topic = |parameter: &str| {
        let text = form.text(parameter).unwrap_or_default();
        match TopicArn::read(parameter, text, Some(&call.region)) {
            Ok(arn) => Resource::Topic(arn),
            Err(_) => Resource::Unreadable,
        }
    };
    match operation.about {
        About::Nothing => Resource::None,
        About::Topic(parameter) => topic(parameter),
        About::NewTopic => {
            let name = form.text("Name").unwrap_or_default();
            Resource::Other(Arn::new("sns", &call.region, &call.account, name).to_string())
        }
        About::Subscription => {
            let text = form.text("SubscriptionArn").unwrap_or_default();
            match SubscriptionArn::read(text, Some(&call.region)) {
                Ok(arn) => Resource::Topic(arn.topic),
                Err(_) => Resource::Unreadable,
            }
        }
        About::Target => {
            let text = |name: &str| form.text(name);
            match (text("PhoneNumber"), text("TopicArn"), text("TargetArn")) {
                (Some(_), _, _) => Resource::None,
                (None, Some(_), _) => topic("TopicArn"),
                (None, None, Some(target)) if target.contains(":endpoint/") => {
                    Resource::Other(target.to_owned())
                }
                (None, None, _) => topic("TargetArn"),
            }
        }
    }
}

fn path(path_and_query: &str) -> &str {
    path_and_query
        .split_once('?')
        .map_or(path_and_query, |(path, _)| path)
}

fn framed(body: Vec<u8>) -> ServiceAnswer {
    ServiceAnswer {
        status: 200,
        headers: vec![("content-type", CONTENT_TYPE.to_owned())],
        body: Bytes::from(body),
        rest: None,
    }
}

impl CloudService for Service {
    fn signing_name(&self) -> &'static str {
        "sns"
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        Box::pin(self.checks_of(call))
    }

    /// An address that an endpoint was sent holds a token, and that is its right; certificates are for everybody. What is not
    /// carried out is refused by its name.
    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        let form = form::of_call(call);
        let action = form.text("Action");
        if matches!(call.caller, Principal::Anonymous { .. }) {
            return action.is_none_or(|action| UNSIGNED.contains(&action));
        }
        let known = action.and_then(names::find);
        known.is_none_or(|operation| operation.fate != Fate::CarriedOut)
    }

    fn takes_unsigned(&self, head: &RequestHead<'_>) -> bool {
        if *head.method != Method::GET {
            return false;
        }
        let (path, query) = match head.path_and_query.split_once('?') {
            Some((path, query)) => (path, query),
            None => (head.path_and_query, ""),
        };
        let action = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("Action="));
        let is_certificate = path.starts_with(CERTIFICATE) && path.ends_with(".pem");
        is_certificate || path == "/" && action.is_some_and(|action| UNSIGNED.contains(&action))
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(async move { self.answer(&call).await })
    }
}
