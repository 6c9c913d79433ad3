//! One extension of an instance.
//!
//! Lives here: its states and what it may do in each, the events that it is given.
//! Does not live here: its process (`companions`), its telemetry (`telemetry`).

use serde::{Deserialize, Serialize};

use super::answers::Refusal;
use super::state::Current;

/// Where an extension stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExtensionState {
    Started,
    Registered,
    /// It waits for an event.
    Ready,
    /// It has been given one.
    Running,
    InitError,
    ExitError,
}

impl ExtensionState {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Registered => "Registered",
            Self::Ready => "Ready",
            Self::Running => "Running",
            Self::InitError => "InitError",
            Self::ExitError => "ExitError",
        }
    }
}

/// Which events it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Subscriptions {
    pub(super) invoke: bool,
    pub(super) shutdown: bool,
}

impl Subscriptions {
    pub(super) fn names(self) -> Vec<&'static str> {
        let wanted = [(self.invoke, "INVOKE"), (self.shutdown, "SHUTDOWN")];
        wanted
            .into_iter()
            .filter_map(|(is_wanted, name)| is_wanted.then_some(name))
            .collect()
    }
}

/// What it can be told.
#[derive(Debug, Clone)]
pub(super) enum ExtensionEvent {
    Invoke(Current),
    Shutdown {
        reason: &'static str,
        deadline_ms: i64,
    },
}

impl ExtensionEvent {
    /// The body of its reply.
    pub(super) fn body(&self) -> Vec<u8> {
        let body = match self {
            Self::Invoke(event) => Body {
                event_type: "INVOKE",
                deadline_ms: event.deadline_ms,
                request_id: Some(&event.request_id),
                invoked_function_arn: Some(&event.invoked_function_arn),
                tracing: (!event.trace_id.is_empty()).then_some(Tracing {
                    kind: "X-Amzn-Trace-Id",
                    value: &event.trace_id,
                }),
                shutdown_reason: None,
            },
            Self::Shutdown {
                reason,
                deadline_ms,
            } => Body {
                event_type: "SHUTDOWN",
                deadline_ms: *deadline_ms,
                request_id: None,
                invoked_function_arn: None,
                tracing: None,
                shutdown_reason: Some(reason),
            },
        };
        // Texts and a number always serialise.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    event_type: &'static str,
    deadline_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoked_function_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracing: Option<Tracing<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shutdown_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Tracing<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    value: &'a str,
}

/// One extension.
#[derive(Debug)]
pub(super) struct Extension {
    pub(super) name: String,
    pub(super) identifier: String,
    /// It has a process of its own.
    pub(super) is_external: bool,
    pub(super) state: ExtensionState,
    pub(super) subscriptions: Subscriptions,
    /// What it said went wrong.
    pub(super) error_type: Option<String>,
    waiting: Option<ExtensionEvent>,
}

impl Extension {
    pub(super) fn external(name: String, identifier: String) -> Self {
        Self {
            is_external: true,
            ..Self::internal(name, identifier)
        }
    }

    pub(super) fn internal(name: String, identifier: String) -> Self {
        Self {
            name,
            identifier,
            is_external: false,
            state: ExtensionState::Started,
            subscriptions: Subscriptions::default(),
            error_type: None,
            waiting: None,
        }
    }

    /// It says which events it wants; gives the identifier by which it goes.
    pub(super) fn register(&mut self, subscriptions: Subscriptions) -> Result<String, Refusal> {
        if self.state != ExtensionState::Started {
            return Err(self.refuses(&self.name, ExtensionState::Registered.name()));
        }
        self.state = ExtensionState::Registered;
        self.subscriptions = subscriptions;
        Ok(self.identifier.clone())
    }

    /// It asks for its next event, and so says that it has done with the last one.
    pub(super) fn asks(&mut self) -> Result<(), Refusal> {
        match self.state {
            ExtensionState::Registered | ExtensionState::Running => {
                self.state = ExtensionState::Ready;
                Ok(())
            }
            ExtensionState::Started
            | ExtensionState::Ready
            | ExtensionState::InitError
            | ExtensionState::ExitError => {
                Err(self.refuses(&self.identifier, ExtensionState::Ready.name()))
            }
        }
    }

    /// The event that it asked for, once there is one.
    pub(super) fn event(&mut self) -> Option<ExtensionEvent> {
        if self.state != ExtensionState::Ready {
            return None;
        }
        let event = self.waiting.take()?;
        self.state = ExtensionState::Running;
        Some(event)
    }

    /// It says that its init failed. Only the first error counts.
    pub(super) fn init_failed(&mut self, error_type: String) -> Result<(), Refusal> {
        match self.state {
            ExtensionState::InitError => Ok(()),
            ExtensionState::Registered => {
                self.state = ExtensionState::InitError;
                self.error_type = Some(error_type);
                Ok(())
            }
            ExtensionState::Started
            | ExtensionState::Ready
            | ExtensionState::Running
            | ExtensionState::ExitError => {
                Err(self.refuses(&self.identifier, ExtensionState::InitError.name()))
            }
        }
    }

    /// It says that it ends because of an error. Only the first one counts.
    pub(super) fn exit_failed(&mut self, error_type: String) -> Result<(), Refusal> {
        match self.state {
            ExtensionState::ExitError => Ok(()),
            ExtensionState::Registered | ExtensionState::Ready | ExtensionState::Running => {
                self.state = ExtensionState::ExitError;
                self.error_type = Some(error_type);
                Ok(())
            }
            ExtensionState::Started | ExtensionState::InitError => {
                // Its name in the service's own text.
                Err(self.refuses(&self.identifier, "Exited"))
            }
        }
    }

    /// Gives it an event, if it wants it.
    pub(super) fn offer(&mut self, event: ExtensionEvent) {
        let is_wanted = match event {
            ExtensionEvent::Invoke(_) => self.subscriptions.invoke,
            ExtensionEvent::Shutdown { .. } => self.subscriptions.shutdown,
        };
        if is_wanted {
            self.waiting = Some(event);
        }
    }

    /// Whether it waits, and for nothing that it was given already.
    pub(super) fn has_done(&self) -> bool {
        self.state == ExtensionState::Ready && self.waiting.is_none()
    }

    /// What telemetry says of it after the init.
    pub(super) fn told(&self) -> serde_json::Value {
        let mut told = serde_json::json!({
            "name": self.name,
            "state": self.state.name(),
            "events": self.subscriptions.names(),
        });
        if let (Some(error_type), Some(told)) = (&self.error_type, told.as_object_mut()) {
            told.insert("errorType".to_owned(), error_type.as_str().into());
        }
        told
    }

    /// The service names an extension that registers, and shows the identifier of one that has.
    fn refuses(&self, shown: &str, wanted: &str) -> Refusal {
        Refusal::forbidden(
            "Extension.InvalidExtensionState",
            format!(
                "State transition from {} to {wanted} failed for extension {shown}. \
                 Error: State transition is not allowed",
                self.state.name()
            ),
        )
    }
}

/// The body of a registration.
#[derive(Debug, Deserialize)]
pub(super) struct Registration {
    #[serde(default)]
    events: Vec<String>,
    #[serde(default, rename = "configurationKeys")]
    configuration_keys: Vec<String>,
}

impl Registration {
    /// Reads the body of a registration.
    pub(super) fn read(body: &[u8]) -> Result<Subscriptions, Refusal> {
        let invalid = |text: String| Refusal::forbidden("InvalidRequestFormat", text);
        let registration: Self =
            serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
        if !registration.configuration_keys.is_empty() {
            return Err(invalid(
                "configurationKeys are deprecated; use environment variables instead".to_owned(),
            ));
        }
        let mut subscriptions = Subscriptions::default();
        for event in &registration.events {
            match event.as_str() {
                "INVOKE" => subscriptions.invoke = true,
                "SHUTDOWN" => subscriptions.shutdown = true,
                other => {
                    return Err(Refusal::forbidden(
                        "Extension.InvalidEventType",
                        format!("{other}: ErrorInvalidEventType"),
                    ));
                }
            }
        }
        Ok(subscriptions)
    }
}
