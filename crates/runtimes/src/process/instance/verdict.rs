//! What the end of an event means.
//!
//! Lives here: the verdict on it, the lines of the log that belong to it.
//! Does not live here: how an event is run and a process put down (`instance`), texts (`failure`, `report`).

use std::time::Duration;

use interfaces::runtime::{Completion, Event, Verdict};

use super::{ProcessInstance, State};
use crate::process::child::Exit;
use crate::process::exchange::End;
use crate::process::link::Message;
use crate::process::report::{Status, Usage};
use crate::process::runtime_api::{Failure, ShutdownReason};
use crate::process::{failure, report};

impl ProcessInstance {
    /// Turns the end of an exchange into a verdict, writing the lines that belong to it.
    pub(super) async fn conclude(
        &mut self,
        event: &Event,
        end: End,
        handler: Duration,
    ) -> Completion {
        let verdict = match end {
            End::Said(message) => self.judge(event, message).await,
            End::Exited(exit) => self.exited(event, exit),
            End::Broken(error) => {
                let exit = self.end_broken(&error).await;
                self.exited(event, exit)
            }
            End::TimedOut => {
                self.put_down().await;
                self.logs.drain();
                let text = failure::timeout_text(self.function.timeout);
                let at = report::instant(self.parts.clock.now());
                self.logs
                    .platform(format!("{at} {} {text}", event.request_id));
                Verdict::TimedOut(failure::timed_out(
                    Some(&event.request_id),
                    self.function.timeout,
                ))
            }
        };
        let error_type;
        let status = match &verdict {
            Verdict::Returned(_) | Verdict::Raised(_) | Verdict::ResponseTooLarge(_) => {
                Status::Replied
            }
            Verdict::TimedOut(_) => Status::Timeout,
            Verdict::Exited(payload) => {
                error_type = failure::error_type(payload);
                Status::Error(&error_type)
            }
        };
        let usage = Usage {
            duration: handler,
            init: event.init,
            memory_peak_mb: self.memory_peak.mb(),
        };
        let id = &event.request_id;
        let memory_mb = self.function.memory_mb;
        let now = self.parts.clock.now();
        self.logs.platform_at(now, report::end(id));
        let report = report::report(id, usage, memory_mb, status);
        self.logs.platform_at(now, report);
        if let Some(companions) = &self.companions {
            companions.tell_report(id.as_str(), usage, memory_mb, status);
        }
        match status {
            Status::Replied => {}
            Status::Timeout => self.end_companions(ShutdownReason::Timeout).await,
            Status::Error(_) => self.end_companions(ShutdownReason::Failure).await,
        }
        Completion {
            verdict,
            handler,
            log_tail: self.logs.finish(),
        }
    }

    async fn judge(&mut self, event: &Event, message: Message) -> Verdict {
        match message {
            Message::Returned(json) => {
                self.state = State::Free;
                Verdict::Returned(json)
            }
            Message::Raised(payload) => {
                self.state = State::Free;
                Verdict::Raised(payload)
            }
            Message::TooLarge => {
                self.state = State::Free;
                Verdict::ResponseTooLarge(failure::reply_too_large())
            }
            Message::Fatal(payload) => {
                self.put_down().await;
                self.logs.drain();
                Verdict::Exited(payload)
            }
            Message::Abandoned(Failure { error_type, text }) => {
                self.put_down().await;
                self.logs.drain();
                let id = &event.request_id;
                self.logs.platform(format!("RequestId: {id} Error: {text}"));
                self.logs.platform(error_type.to_owned());
                Verdict::Exited(failure::of_platform(Some(id), error_type, &text))
            }
            Message::Ready(_) | Message::Unfit(_) | Message::InitFailed(_) | Message::Part(_) => {
                let exit = self.end_liar(&message).await;
                self.exited(event, exit)
            }
        }
    }

    fn exited(&mut self, event: &Event, exit: Exit) -> Verdict {
        self.state = State::Dead;
        self.logs.drain();
        let text = failure::exit_text(exit);
        self.logs
            .platform(format!("RequestId: {} Error: {text}", event.request_id));
        self.logs.platform(failure::EXIT_ERROR.to_owned());
        Verdict::Exited(failure::exited(Some(&event.request_id), exit))
    }
}
