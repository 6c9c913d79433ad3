//! Events that others send to buses, and those that rules send to addresses.
//!
//! Lives here: who may, putting an event on a bus, calling an API destination.
//! Does not live here: retries and dead letters (`event-delivery`), which addresses may be reached (the HTTP client).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check};
use interfaces::event_sink::{EventSink, SinkError};
use interfaces::http_client::{HttpClient, HttpRequest};
use model::arn::Arn;
use model::delivery::{Message, Sender, SenderPrincipal, Target};
use model::ids::{AccountId, Region};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use policy::Policy;
use serde_json::{Map, Value};

use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::engine::publish::{About, EVENTS_OF_ONE_MAX, HEADER, HOPS_MAX, PATH, QUERY, Sent, text};
use crate::engine::rows::{Connection, Destination, Json};
use crate::times;

/// How long an address may take to answer.
///
/// Contract: Amazon EventBridge User Guide, "API destinations": "a maximum client execution timeout of 5 seconds".
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// What a session of a role is called that events are sent as.
const SESSION: &str = "events";
const USER_AGENT: &str = "Amazon/EventBridge/ApiDestinations";

/// Buses and API destinations.
pub(crate) struct Sink {
    catalogue: Arc<Catalogue>,
    authorize: Arc<dyn Authorize>,
    http: Arc<dyn HttpClient>,
}

impl Sink {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        authorize: Arc<dyn Authorize>,
        http: Arc<dyn HttpClient>,
    ) -> Self {
        Self {
            catalogue,
            authorize,
            http,
        }
    }

    async fn deliver(
        &self,
        arn: &Arn,
        sender: &Sender,
        message: &Message,
    ) -> Result<(), SinkError> {
        let place = Place {
            account: AccountId::new(arn.account.as_str()),
            region: Region::new(arn.region.as_str()),
        };
        match arn.resource.split_once('/') {
            Some(("event-bus", bus)) => self.on_bus(&place, bus, arn, sender, message).await,
            Some((_, destination)) => {
                self.may(sender, "events:InvokeApiDestination", arn, None)?;
                let name = destination.split('/').next().unwrap_or_default();
                self.call(&place, name, message).await
            }
            None => Err(refused("ResourceNotFoundException", "No such resource.")),
        }
    }

    async fn on_bus(
        &self,
        place: &Place,
        bus: &str,
        arn: &Arn,
        sender: &Sender,
        message: &Message,
    ) -> Result<(), SinkError> {
        let shelf = self.catalogue.shelf(place).await.map_err(failed)?;
        let found = shelf.look(|state| state.buses.get(bus).cloned());
        let Some(found) = found else {
            let message = format!("Event bus {bus} does not exist.");
            return Err(refused("ResourceNotFoundException", &message));
        };
        self.may(sender, "events:PutEvents", arn, found.policy.clone())?;
        let sent = self.read(place, (arn, sender), message)?;
        let random = &*self.catalogue.random;
        let (deliveries, archived) = shelf.look(|state| {
            let deliveries = sent.on_bus(state, bus, random);
            (deliveries, sent.to_archives(state, bus))
        });
        let keeping = self.catalogue.send_and_keep(&deliveries, archived);
        keeping.await.map_err(failed)
    }

    fn read(
        &self,
        place: &Place,
        (bus, sender): (&Arn, &Sender),
        message: &Message,
    ) -> Result<Sent, SinkError> {
        let entry = message.entry.as_deref().unwrap_or("{}");
        let mut about: About = serde_json::from_str(entry)
            .map_err(|error| refused("ValidationException", &error.to_string()))?;
        let endless = if HOPS_MAX < about.hops {
            Some(format!("the event went from bus to bus {HOPS_MAX} times"))
        } else if about.events_max == Some(0) {
            Some(format!(
                "one event became {EVENTS_OF_ONE_MAX} on its way from bus to bus"
            ))
        } else {
            None
        };
        if let Some(why) = endless {
            let sender = sender.source.as_ref().map(ToString::to_string);
            let message = format!(
                "Rules send events in a loop, and it ends here: {why}. It was sent to {bus} by {}.",
                sender.unwrap_or_default()
            );
            return Err(refused("LimitExceededException", &message));
        }
        let now = self.catalogue.clock.now();
        let fill = |member: &mut String, value: String| {
            if member.is_empty() {
                *member = value;
            }
        };
        fill(
            &mut about.id,
            self.catalogue.random.request_id().to_string(),
        );
        fill(&mut about.account, place.account.to_string());
        fill(&mut about.region, place.region.to_string());
        fill(&mut about.time, times::iso(now));
        let detail = String::from_utf8_lossy(&message.body).into_owned();
        if serde_json::from_str::<serde::de::IgnoredAny>(&detail).is_err() {
            return Err(refused("MalformedDetail", "Detail is malformed."));
        }
        Ok(Sent {
            about,
            detail,
            trace: message.trace.as_deref().map(model::lineage::without),
            ingested_at: now,
        })
    }

    /// Contract: Amazon EventBridge User Guide, "Permissions for event buses": whoever acts as a role needs its policies, or
    /// the bus's; a service of the same account puts events on a bus unless the bus's policy denies it.
    fn may(
        &self,
        sender: &Sender,
        action: &str,
        arn: &Arn,
        policy: Option<Arc<Policy>>,
    ) -> Result<(), SinkError> {
        let account = AccountId::new(arn.account.as_str());
        let Some(principal) = sender.acting(SESSION) else {
            return Ok(());
        };
        let is_own_service =
            matches!(sender.principal, SenderPrincipal::Service(_)) && sender.account == account;
        if is_own_service && policy.is_none() {
            return Ok(());
        }
        let check = Check::new(action, arn.to_string(), &account).with_policy(policy);
        match self.authorize.authorize(&principal, &[check]) {
            Ok(()) => Ok(()),
            Err(denied) if is_own_service && !is_explicit(&denied) => Ok(()),
            Err(denied) => Err(refused("AccessDeniedException", &denied.message)),
        }
    }

    async fn call(&self, place: &Place, name: &str, message: &Message) -> Result<(), SinkError> {
        let shelf = self.catalogue.shelf(place).await.map_err(failed)?;
        let found = shelf.look(|state| {
            let destination = state.destinations.get(name)?.clone();
            let connection = state.connections.values().find(|connection| {
                connection.arn(place).to_string() == destination.connection_arn
            })?;
            Some((destination, Arc::clone(connection)))
        });
        let Some((destination, connection)) = found else {
            let message = format!("API destination {name}, or its connection, does not exist.");
            return Err(refused("ResourceNotFoundException", &message));
        };
        let mut request = request(&destination, &connection, message)?;
        self.authorise(&connection, &mut request).await?;
        let answer = self.http.send(request).await;
        judge(answer.map(|answer| answer.status))
    }

    async fn authorise(
        &self,
        connection: &Connection,
        request: &mut HttpRequest,
    ) -> Result<(), SinkError> {
        let object = |name: &str| connection.parameters.get(name).and_then(Value::as_object);
        if let Some(basic) = object("BasicAuthParameters") {
            let (user, password) = (text(basic, "Username"), text(basic, "Password"));
            let pair = format!(
                "{}:{}",
                user.unwrap_or_default(),
                password.unwrap_or_default()
            );
            let value = format!("Basic {}", STANDARD.encode(pair));
            request.headers.push(("Authorization".to_owned(), value));
        }
        if let Some(key) = object("ApiKeyAuthParameters") {
            let (name, value) = (text(key, "ApiKeyName"), text(key, "ApiKeyValue"));
            let header = (name.unwrap_or_default(), value.unwrap_or_default());
            request
                .headers
                .push((header.0.to_owned(), header.1.to_owned()));
        }
        if let Some(oauth) = object("OAuthParameters") {
            let token = self.token(oauth).await?;
            let value = format!("Bearer {token}");
            request.headers.push(("Authorization".to_owned(), value));
        }
        Ok(())
    }

    /// A token for the client credentials, asked for anew each time: nothing of it is kept.
    async fn token(&self, oauth: &Map<String, Value>) -> Result<String, SinkError> {
        let client = oauth.get("ClientParameters").and_then(Value::as_object);
        let member = |name: &str| {
            client
                .and_then(|client| text(client, name))
                .unwrap_or_default()
        };
        let mut form = vec![
            ("grant_type".to_owned(), "client_credentials".to_owned()),
            ("client_id".to_owned(), member("ClientID").to_owned()),
            (
                "client_secret".to_owned(),
                member("ClientSecret").to_owned(),
            ),
        ];
        let more = oauth.get("OAuthHttpParameters").and_then(Value::as_object);
        let listed = |name: &str| more.map(|more| pairs(more, name)).unwrap_or_default();
        form.extend(listed("BodyParameters"));
        let mut url = text(oauth, "AuthorizationEndpoint")
            .unwrap_or_default()
            .to_owned();
        add_query(&mut url, &listed("QueryStringParameters"));
        let mut headers = listed("HeaderParameters");
        let form_type = "application/x-www-form-urlencoded".to_owned();
        headers.push(("Content-Type".to_owned(), form_type));
        let request = HttpRequest {
            method: method(text(oauth, "HttpMethod").unwrap_or("POST"))?,
            url,
            headers,
            body: encoded(&form).into(),
            timeout: ANSWER_WITHIN,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let answer = self.http.send(request).await;
        let answer = answer.map_err(|error| later("OAuth", &error.reason))?;
        judge(Ok(answer.status))?;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let token = body.get("access_token").and_then(Value::as_str);
        let token = token.ok_or_else(|| refused("OAuth", "The answer has no access_token."))?;
        Ok(token.to_owned())
    }
}

impl EventSink for Sink {
    fn serves(&self, target: &Target) -> bool {
        target.arn().is_some_and(|arn| {
            let kinds = ["event-bus/", "api-destination/"];
            arn.service == "events" && kinds.iter().any(|kind| arn.resource.starts_with(kind))
        })
    }

    fn take<'a>(
        &'a self,
        target: &'a Target,
        sender: &'a Sender,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            match target {
                Target::Resource(arn) => self.deliver(arn, sender, message).await,
                Target::Url(_) => Err(refused("ResourceNotFoundException", "No such bus.")),
            }
        })
    }
}

fn is_explicit(denied: &interfaces::authorize::Denied) -> bool {
    denied.message.contains("explicit deny")
}

fn request(
    destination: &Destination,
    connection: &Connection,
    message: &Message,
) -> Result<HttpRequest, SinkError> {
    let of_target = |data_type: &'static str| {
        let listed = message.attributes.iter();
        let listed = listed.filter(move |attribute| attribute.data_type == data_type);
        listed.map(|attribute| (attribute.name.clone(), attribute.value.clone()))
    };
    let always = connection.parameters.get("InvocationHttpParameters");
    let always = always.and_then(Value::as_object);
    let listed = |name: &str| always.map(|always| pairs(always, name)).unwrap_or_default();
    let mut url = destination.endpoint.clone();
    for (_, value) in of_target(PATH) {
        let value = utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string();
        url = url.replacen('*', &value, 1);
    }
    let mut query: Vec<(String, String)> = of_target(QUERY).collect();
    query.extend(listed("QueryStringParameters"));
    add_query(&mut url, &query);
    let mut headers: Vec<(String, String)> = vec![
        (
            "Content-Type".to_owned(),
            "application/json; charset=utf-8".to_owned(),
        ),
        ("User-Agent".to_owned(), USER_AGENT.to_owned()),
    ];
    // What the connection says wins over what the target says.
    for (name, value) in of_target(HEADER).chain(listed("HeaderParameters")) {
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
        headers.push((name, value));
    }
    Ok(HttpRequest {
        method: method(&destination.method)?,
        url,
        headers,
        body: with_body_parameters(message, listed("BodyParameters")),
        timeout: ANSWER_WITHIN,
        answer_bytes_max: ANSWER_BYTES_MAX,
    })
}

fn with_body_parameters(message: &Message, parameters: Vec<(String, String)>) -> bytes::Bytes {
    if parameters.is_empty() {
        return message.body.clone();
    }
    match serde_json::from_slice::<Json>(&message.body) {
        Ok(mut body) => {
            body.extend(
                parameters
                    .into_iter()
                    .map(|(name, value)| (name, value.into())),
            );
            Value::Object(body).to_string().into()
        }
        Err(_) => message.body.clone(),
    }
}

/// `[{"Key": …, "Value": …}]`.
fn pairs(object: &Json, name: &str) -> Vec<(String, String)> {
    let listed = object.get(name).and_then(Value::as_array);
    let pair = |one: &Value| {
        let member = |name: &str| Some(one.get(name)?.as_str()?.to_owned());
        Some((member("Key")?, member("Value")?))
    };
    listed.into_iter().flatten().filter_map(pair).collect()
}

fn encoded(pairs: &[(String, String)]) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

fn add_query(url: &mut String, query: &[(String, String)]) {
    if !query.is_empty() {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&encoded(query));
    }
}

fn method(name: &str) -> Result<http::Method, SinkError> {
    let method = http::Method::from_bytes(name.as_bytes());
    method.map_err(|_| refused("ValidationException", "The method is unknown."))
}

/// Contract: Amazon EventBridge User Guide, "API destinations", "Retry": 401, 407, 409, 429 and 5xx are tried again.
fn judge(answer: Result<u16, interfaces::http_client::NoAnswer>) -> Result<(), SinkError> {
    match answer {
        Ok(200..=299) => Ok(()),
        Ok(status @ (401 | 407 | 409 | 429 | 500..=599)) => Err(later(
            "SDK_CLIENT_ERROR",
            &format!("The address answered {status}."),
        )),
        Ok(status) => Err(refused(
            "SDK_CLIENT_ERROR",
            &format!("The address answered {status}."),
        )),
        Err(error) => Err(later("SDK_CLIENT_ERROR", &error.reason)),
    }
}

fn refused(code: &str, message: &str) -> SinkError {
    SinkError::Permanent {
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

fn later(code: &str, message: &str) -> SinkError {
    SinkError::Transient {
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

fn failed(error: impl std::error::Error) -> SinkError {
    later("InternalException", &error.to_string())
}
