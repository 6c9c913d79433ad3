//! What the runtime and the extensions of one instance may say next.
//!
//! Lives here: their states, as pure transitions.
//! Does not live here: waiting for a transition (`session`), what a request or a reply looks like (`routes`, `answers`).
//!
//! The names of the states, and who may go where, are those of the service: clients read them in the texts of refusals.
//!
//! Contract: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes", "Using the Lambda
//! Extensions API to create extensions".

use bytes::Bytes;
use model::function::Contact;

use super::answers::Refusal;
use super::extension::{Extension, ExtensionEvent, ExtensionState, Subscriptions};
use crate::process::intake::Intake;
use crate::process::link::Message;

/// External and internal extensions of an instance, together.
///
/// Contract: AWS Lambda Developer Guide, "Lambda quotas": registered extensions.
pub(super) const EXTENSIONS_MAX: usize = 10;

/// Where the runtime stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RuntimeState {
    /// Its process runs its init.
    Started,
    /// It has said that its init failed.
    InitError,
    /// It waits for an event.
    Ready,
    /// It has been given one.
    Running,
    /// It is sending its reply.
    InvocationResponse,
    /// It is sending an error.
    InvocationErrorResponse,
    /// It has replied.
    ResponseSent,
}

impl RuntimeState {
    fn name(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::InitError => "InitError",
            Self::Ready => "Ready",
            Self::Running => "Running",
            Self::InvocationResponse => "InvocationResponse",
            Self::InvocationErrorResponse => "InvocationErrorResponse",
            Self::ResponseSent => "RuntimeResponseSentState",
        }
    }

    fn refuses(self, wanted: Self) -> Refusal {
        Refusal::state_of_runtime(self.name(), wanted.name())
    }
}

/// An event, as the runtime is given it.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) request_id: String,
    pub(super) deadline_ms: i64,
    pub(super) invoked_function_arn: String,
    pub(super) trace_id: String,
    pub(super) client_context: Option<String>,
    pub(super) payload: Bytes,
    /// What takes the reply, when it comes in pieces.
    pub(super) intake: Intake,
}

/// Something that an instance cannot live without has ended, or never came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::process) struct Failure {
    /// As `Extension.Crash`.
    pub(in crate::process) error_type: &'static str,
    /// As `exit status 1`.
    pub(in crate::process) text: String,
}

/// One instance's runtime and extensions.
#[derive(Debug, Default)]
pub(super) struct State {
    /// None: the runtime is spoken to in another way.
    runtime: Option<RuntimeState>,
    has_runtime_gone: bool,
    event: Option<Current>,
    is_event_waiting: bool,
    outcome: Option<Message>,
    pub(super) extensions: Vec<Extension>,
    is_registration_closed: bool,
    /// Extensions that end now are asked to.
    pub(super) is_ending: bool,
    pub(super) failure: Option<Failure>,
}

impl State {
    pub(super) fn new(contact: Contact) -> Self {
        Self {
            runtime: match contact {
                Contact::RuntimeApi => Some(RuntimeState::Started),
                Contact::Bootstrap => None,
            },
            ..Self::default()
        }
    }

    /// None: there is no Runtime API for this function.
    pub(super) fn has_runtime(&self) -> bool {
        self.runtime.is_some()
    }

    /// The runtime asks for its next event, and so says that it has done with the last one.
    pub(super) fn runtime_asks(&mut self) -> Result<(), Refusal> {
        let state = self.runtime_state();
        match state {
            RuntimeState::Started | RuntimeState::ResponseSent => {
                self.runtime = Some(RuntimeState::Ready);
                Ok(())
            }
            // Also a runtime that lost the answer, and asks again: it is given the same event.
            RuntimeState::Ready | RuntimeState::Running => Ok(()),
            RuntimeState::InitError
            | RuntimeState::InvocationResponse
            | RuntimeState::InvocationErrorResponse => Err(state.refuses(RuntimeState::Ready)),
        }
    }

    /// The event that it asked for, once there is one.
    pub(super) fn event_for_runtime(&mut self) -> Option<Current> {
        match self.runtime_state() {
            RuntimeState::Ready if self.is_event_waiting => {
                self.is_event_waiting = false;
                self.runtime = Some(RuntimeState::Running);
                self.event.clone()
            }
            RuntimeState::Running => self.event.clone(),
            RuntimeState::Ready
            | RuntimeState::Started
            | RuntimeState::InitError
            | RuntimeState::InvocationResponse
            | RuntimeState::InvocationErrorResponse
            | RuntimeState::ResponseSent => None,
        }
    }

    /// The runtime begins to reply to a request; `wanted` says how.
    pub(super) fn begin_reply(
        &mut self,
        request_id: &str,
        wanted: RuntimeState,
    ) -> Result<(), Refusal> {
        let current = self.event.as_ref().map(|event| event.request_id.as_str());
        if current != Some(request_id) {
            return Err(Refusal::invalid_request_id());
        }
        let state = self.runtime_state();
        if state != RuntimeState::Running {
            return Err(state.refuses(wanted));
        }
        self.runtime = Some(wanted);
        Ok(())
    }

    /// What takes the pieces of the reply that has begun.
    pub(super) fn intake(&self) -> Option<Intake> {
        self.event.as_ref().map(|event| event.intake.clone())
    }

    /// What it has replied.
    pub(super) fn finish_reply(&mut self, message: Message) {
        self.runtime = Some(RuntimeState::ResponseSent);
        self.outcome = Some(message);
    }

    /// The runtime says that its init failed.
    pub(super) fn init_failed(&mut self, payload: Bytes) -> Result<(), Refusal> {
        let state = self.runtime_state();
        if state != RuntimeState::Started {
            return Err(state.refuses(RuntimeState::InitError));
        }
        self.runtime = Some(RuntimeState::InitError);
        self.outcome = Some(Message::InitFailed(payload));
        Ok(())
    }

    /// How the runtime's init ended, once it has.
    pub(super) fn init_end(&mut self) -> Option<Message> {
        match self.runtime_state() {
            RuntimeState::Ready => Some(Message::Ready(Bytes::new())),
            RuntimeState::InitError => self.outcome.take(),
            RuntimeState::Started
            | RuntimeState::Running
            | RuntimeState::InvocationResponse
            | RuntimeState::InvocationErrorResponse
            | RuntimeState::ResponseSent => None,
        }
    }

    /// What the runtime replied, once it asks for the next event, or has gone instead of doing so.
    pub(super) fn reply(&mut self) -> Option<Message> {
        if self.has_runtime_gone || self.runtime_state() == RuntimeState::Ready {
            return self.outcome.take();
        }
        None
    }

    /// The runtime's process has ended.
    pub(super) fn runtime_has_gone(&mut self) {
        self.has_runtime_gone = true;
    }

    /// Hands an event to all who want one.
    pub(super) fn offer(&mut self, event: Current) {
        for extension in &mut self.extensions {
            extension.offer(ExtensionEvent::Invoke(event.clone()));
        }
        self.outcome = None;
        self.event = Some(event);
        self.is_event_waiting = true;
    }

    /// Tells the extensions that want to know it that the instance ends.
    pub(super) fn shut_down(&mut self, reason: &'static str, deadline_ms: i64) {
        self.is_ending = true;
        for extension in &mut self.extensions {
            extension.offer(ExtensionEvent::Shutdown {
                reason,
                deadline_ms,
            });
        }
    }

    /// An extension registers; `identifier` is a new one's.
    pub(super) fn register(
        &mut self,
        name: &str,
        subscriptions: Subscriptions,
        identifier: String,
    ) -> Result<String, Refusal> {
        if let Some(external) = self.external(name) {
            return external.register(subscriptions);
        }
        if subscriptions.shutdown {
            return Err(Refusal::forbidden(
                "Extension.InvalidEventType",
                "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension".to_owned(),
            ));
        }
        if self.is_registration_closed {
            return Err(Refusal::forbidden(
                "Extension.RegistrationClosed",
                "Extension registration closed already".to_owned(),
            ));
        }
        if self.extensions.iter().any(|known| known.name == name) {
            return Err(Refusal::forbidden(
                "Extension.InvalidExtensionState",
                "Extension with this name already registered".to_owned(),
            ));
        }
        if EXTENSIONS_MAX <= self.extensions.len() {
            return Err(Refusal::forbidden(
                "Extension.TooManyExtensions",
                format!("Extension limit ({EXTENSIONS_MAX}) reached"),
            ));
        }
        let mut internal = Extension::internal(name.to_owned(), identifier);
        let registered = internal.register(subscriptions);
        self.extensions.push(internal);
        registered
    }

    /// From here on no extension can register.
    pub(super) fn close_registration(&mut self) {
        self.is_registration_closed = true;
    }

    /// The extension that goes by this identifier.
    pub(super) fn extension(&mut self, identifier: &str) -> Result<&mut Extension, Refusal> {
        let known = self.extensions.iter_mut();
        known
            .into_iter()
            .find(|known| known.identifier == identifier)
            .ok_or_else(|| {
                Refusal::forbidden(
                    "Extension.UnknownExtensionIdentifier",
                    format!("Unknown extension {identifier}"),
                )
            })
    }

    /// Whether every external extension has registered.
    pub(super) fn are_all_registered(&self) -> bool {
        let mut external = self.extensions.iter().filter(|known| known.is_external);
        external.all(|known| known.state != ExtensionState::Started)
    }

    /// Whether every extension waits for what comes next.
    pub(super) fn are_all_ready(&self) -> bool {
        self.extensions.iter().all(Extension::has_done)
    }

    fn external(&mut self, name: &str) -> Option<&mut Extension> {
        let mut known = self.extensions.iter_mut();
        known.find(|known| known.is_external && known.name == name)
    }

    fn runtime_state(&self) -> RuntimeState {
        self.runtime.unwrap_or(RuntimeState::Started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str) -> Current {
        Current {
            request_id: id.to_owned(),
            deadline_ms: 0,
            invoked_function_arn: String::new(),
            trace_id: String::new(),
            client_context: None,
            payload: Bytes::new(),
            intake: Intake::new(None),
        }
    }

    const RESPONSE: RuntimeState = RuntimeState::InvocationResponse;

    /// What is done in each state, and whether it is allowed.
    fn allowed(state: RuntimeState) -> [bool; 4] {
        let made = || State {
            runtime: Some(state),
            event: Some(event("1")),
            ..State::new(Contact::RuntimeApi)
        };
        [
            made().runtime_asks().is_ok(),
            made().begin_reply("1", RESPONSE).is_ok(),
            made().begin_reply("2", RESPONSE).is_ok(),
            made().init_failed(Bytes::new()).is_ok(),
        ]
    }

    #[test]
    fn a_runtime_may_do_what_its_state_allows() {
        for (state, expected) in [
            (RuntimeState::Started, [true, false, false, true]),
            (RuntimeState::InitError, [false, false, false, false]),
            (RuntimeState::Ready, [true, false, false, false]),
            (RuntimeState::Running, [true, true, false, false]),
            (
                RuntimeState::InvocationResponse,
                [false, false, false, false],
            ),
            (
                RuntimeState::InvocationErrorResponse,
                [false, false, false, false],
            ),
            (RuntimeState::ResponseSent, [true, false, false, false]),
        ] {
            assert_eq!(allowed(state), expected, "{state:?}");
        }
    }

    #[test]
    fn a_reply_is_passed_on_when_the_runtime_asks_again_or_has_gone() {
        for goes in [false, true] {
            let mut state = State::new(Contact::RuntimeApi);
            state.runtime_asks().unwrap();
            assert!(state.event_for_runtime().is_none());
            state.offer(event("1"));
            assert_eq!(state.event_for_runtime().unwrap().request_id, "1");
            state.begin_reply("1", RESPONSE).unwrap();
            state.finish_reply(Message::TooLarge);
            assert_eq!(state.reply(), None);
            if goes {
                state.runtime_has_gone();
            } else {
                state.runtime_asks().unwrap();
            }
            assert_eq!(state.reply(), Some(Message::TooLarge));
            assert_eq!(state.reply(), None);
        }
    }

    #[test]
    fn an_event_is_over_when_every_extension_that_wanted_it_asks_again() {
        let mut state = State::new(Contact::Bootstrap);
        let wants = Subscriptions {
            invoke: true,
            shutdown: false,
        };
        for (name, wanted) in [("one", wants), ("two", Subscriptions::default())] {
            let id = state.register(name, wanted, name.to_owned()).unwrap();
            assert!(!state.are_all_ready());
            state.extension(&id).unwrap().asks().unwrap();
        }
        assert!(state.are_all_ready());
        state.offer(event("1"));
        assert!(!state.are_all_ready());
        assert!(state.extension("two").unwrap().event().is_none());
        assert!(state.extension("one").unwrap().event().is_some());
        assert!(!state.are_all_ready());
        state.extension("one").unwrap().asks().unwrap();
        assert!(state.are_all_ready());
        assert!(state.extension("one").unwrap().asks().is_err());
    }

    #[test]
    fn only_so_many_extensions_register_and_none_after_the_init() {
        let mut state = State::new(Contact::Bootstrap);
        let mut register = |name: String| {
            state
                .register(&name, Subscriptions::default(), name.clone())
                .map_err(|refusal| refusal.error_type)
        };
        for number in 0..EXTENSIONS_MAX {
            assert!(register(number.to_string()).is_ok());
        }
        let again = register("0".to_owned());
        assert_eq!(again, Err("Extension.InvalidExtensionState"));
        let more = register("more".to_owned());
        assert_eq!(more, Err("Extension.TooManyExtensions"));
        state.close_registration();
        let late = state.register("late", Subscriptions::default(), String::new());
        assert_eq!(late.unwrap_err().error_type, "Extension.RegistrationClosed");
    }
}
