//! Why whatever a route leads to gave no answer that a client can be given.
//!
//! Lives here: functions, servers and services that were not reached, failed, took too long or said what cannot be told.
//! Does not live here: refusing a request before it is handed on (`refusal`).

use std::time::Duration;

use interfaces::invoke::{FunctionError, FunctionErrorKind, NotRun, ThrottleLimit};
use model::ids::FunctionName;
use model::limits;

use super::error_object::{is_out_of_memory, place_of_mistake, summary};
use super::{Refusal, declared};
use crate::http::upstream::Unanswered;
use crate::http_proxy::{CustomFault, NotCalled, NotHandedOn};
use crate::replies::BadReply;
use crate::replies::faults::Fault;
use crate::replies::headers::BadMockHeader;
use crate::routes::Route;

impl Refusal {
    pub(in crate::application) fn integration_timeout(
        function: &FunctionName,
        timeout: Duration,
    ) -> Self {
        Self::new(
            Fault::IntegrationTimeout,
            format!(
                "function `{function}` had not replied after the integration's {} s; it may still be running: \
                 answer at once and do the work elsewhere, or make it faster",
                timeout.as_secs_f64()
            ),
        )
    }

    pub(in crate::application) fn not_handed_on(
        route: &Route,
        not: &NotHandedOn,
        timeout: Duration,
    ) -> Self {
        let fault = match not {
            NotHandedOn::Misled(_) => Fault::BadRequest,
            NotHandedOn::Unanswered(Unanswered::TooSlow { .. }) => Fault::IntegrationTimeout,
            NotHandedOn::Unanswered(
                Unanswered::Forbidden { .. } | Unanswered::NotLetOut { .. },
            ) => Fault::Misconfigured,
            NotHandedOn::Unanswered(Unanswered::Malformed { .. } | Unanswered::TooLarge { .. }) => {
                Fault::BadReply
            }
            NotHandedOn::Unanswered(
                Unanswered::Unknown { .. }
                | Unanswered::NoConnection { .. }
                | Unanswered::Closed { .. },
            ) => Fault::IntegrationUnreachable,
        };
        let declared = declared(route);
        let waited = timeout.as_secs_f64();
        Self::new(
            fault,
            format!(
                "the route `{}`{declared} hands requests on, for {waited} s at most: {not}",
                route.key
            ),
        )
    }

    pub(in crate::application) fn not_called(
        route: &Route,
        not: &NotCalled,
        timeout: Duration,
    ) -> Self {
        let fault = match not {
            NotCalled::NotServed(_) => Fault::Misconfigured,
            NotCalled::Denied(_) => Fault::Forbidden,
            NotCalled::TooSlow => Fault::IntegrationTimeout,
        };
        let declared = declared(route);
        let waited = timeout.as_secs_f64();
        Self::new(
            fault,
            format!(
                "the route `{}`{declared} calls a service, for {waited} s at most: {not}",
                route.key
            ),
        )
    }

    pub(in crate::application) fn not_carried_out(
        route: &Route,
        fault: &CustomFault,
        timeout: Duration,
    ) -> Self {
        match fault {
            CustomFault::NotHandedOn(not) => Self::not_handed_on(route, not, timeout),
            // The role lets nobody in: a mistake of the API's, where a service's refusal is an answer.
            CustomFault::NotCalled(NotCalled::Denied(denied)) => {
                Self::not_served(route, &denied.to_string())
            }
            CustomFault::NotCalled(not) => Self::not_called(route, not, timeout),
            CustomFault::Waited { .. } => Self::new(Fault::IntegrationTimeout, fault.to_string()),
            CustomFault::Render { .. }
            | CustomFault::NoReply(_)
            | CustomFault::NoStatus(_)
            | CustomFault::Base64
            | CustomFault::Header(_)
            | CustomFault::Status(_) => {
                let (key, declared) = (&route.key, declared(route));
                let reason =
                    format!("the integration of the route `{key}`{declared} fails: {fault}");
                Self::new(Fault::Misconfigured, reason)
            }
        }
    }

    pub(crate) fn not_run(not_run: &NotRun) -> Self {
        match not_run {
            NotRun::UnknownFunction { .. } => Self::new(
                Fault::Misconfigured,
                format!(
                    "{not_run} among those deployed: if the manifest declares it, the problem about it says why not; \
                     else declare it, or change the route"
                ),
            ),
            NotRun::UnknownQualifier { .. } => Self::new(
                Fault::Misconfigured,
                format!(
                    "{not_run}: the route's integration names it; deploy it, or change the route"
                ),
            ),
            NotRun::Throttled {
                limit: ThrottleLimit::NothingReserved,
                ..
            } => Self::new(
                Fault::Throttled,
                format!("{not_run}: to let it run, reserve more, or take the reservation away"),
            ),
            NotRun::Throttled { .. } => Self::new(
                Fault::Throttled,
                format!("{not_run}: send fewer requests at a time, or raise the limit"),
            ),
            NotRun::WaitedTooLong { .. } => {
                Self::new(Fault::IntegrationTimeout, not_run.to_string())
            }
            NotRun::RequestTooLarge { .. } => Self::new(Fault::EventTooLarge, not_run.to_string()),
            NotRun::StartFailed { .. } | NotRun::Recursive { .. } => {
                Self::new(Fault::FunctionFailed, not_run.to_string())
            }
            NotRun::ShuttingDown => Self::new(Fault::Stopping, not_run.to_string()),
        }
    }

    pub(crate) fn function_failed(function: &FunctionName, error: &FunctionError) -> Self {
        let what = summary(&error.payload);
        let reason = match error.kind {
            FunctionErrorKind::Raised => format!("function `{function}` threw {what}"),
            FunctionErrorKind::TimedOut => format!(
                "function `{function}` ran into its own timeout: {what}; raise its `timeout`, or make it faster"
            ),
            FunctionErrorKind::Exited if is_out_of_memory(&error.payload) => format!(
                "function `{function}` used more memory than it has: {what}; raise its `memorySize`, or let it hold less"
            ),
            FunctionErrorKind::Exited => {
                format!("function `{function}` ended its process before it replied: {what}")
            }
            FunctionErrorKind::ResponseTooLarge => format!(
                "the reply of function `{function}` is over Lambda's limit of {} bytes: {what}; \
                 put large results into a bucket and reply with a URL",
                limits::LAMBDA_SYNC_PAYLOAD_BYTES_MAX
            ),
            FunctionErrorKind::InitFailed => {
                let place = place_of_mistake(&error.payload);
                format!("function `{function}` did not load: {what}{place}")
            }
        };
        Self::new(Fault::FunctionFailed, reason)
    }

    pub(crate) fn bad_reply(function: &FunctionName, bad: &BadReply) -> Self {
        let fault = match bad {
            BadReply::Base64 => Fault::BadBase64,
            BadReply::Shape { .. }
            | BadReply::Status { .. }
            | BadReply::Body { .. }
            | BadReply::Key { .. }
            | BadReply::TooMany { .. }
            | BadReply::HeaderShape { .. }
            | BadReply::HeaderName { .. }
            | BadReply::HeaderValue { .. }
            | BadReply::NoStreamHead { .. }
            | BadReply::StreamEnded
            | BadReply::NotStreamed => Fault::BadReply,
        };
        Self::new(fault, format!("function `{function}`: {bad}"))
    }

    pub(in crate::application) fn bad_mock(bad: BadMockHeader) -> Self {
        Self::new(Fault::Misconfigured, bad.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_ended_is_told_apart_by_what_ended_it() {
        let said = |kind: &str| {
            let message = "RequestId: id-1 Error: Runtime exited with error: signal: killed";
            let error = FunctionError {
                kind: FunctionErrorKind::Exited,
                payload: format!(r#"{{"errorType":"{kind}","errorMessage":"{message}"}}"#).into(),
            };
            Refusal::function_failed(&FunctionName::new("big"), &error).reason
        };
        for (kind, expected) in [
            ("Runtime.OutOfMemory", "raise its `memorySize`"),
            ("Runtime.ExitError", "ended its process before it replied"),
        ] {
            assert!(said(kind).contains(expected), "{}", said(kind));
        }
    }

    #[test]
    fn a_function_that_is_not_there_may_have_failed_to_deploy() {
        let function = || FunctionName::new("big");
        let qualifier = "live".to_owned();
        for (not_run, expected) in [
            (
                NotRun::UnknownFunction {
                    function: function(),
                },
                "no function is called `big` among those deployed: if the manifest declares it",
            ),
            (
                NotRun::UnknownQualifier {
                    function: function(),
                    qualifier,
                },
                "deploy it, or change the route",
            ),
        ] {
            let said = Refusal::not_run(&not_run).reason;
            assert!(said.contains(expected), "{said}");
        }
    }
}
