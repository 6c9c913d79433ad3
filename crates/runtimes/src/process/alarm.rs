//! The timer of an instance's deadlines.
//!
//! Lives here: one timer that is kept from event to event.
//! Does not live here: what happens when it rings (`instance`).

use std::pin::Pin;
use std::time::Instant;

use tokio::time::Sleep;

/// A timer for one deadline after the other.
///
/// It is set anew only when it has rung, or when it would ring too late. Setting a timer that is earlier than all
/// others wakes the thread that waits for them, and the next event's deadline nearly always is: without this each event
/// would cost two system calls for a timer that never rings.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Waits for the deadline. Cancel-safe.
    pub(super) async fn wait_until(&mut self, deadline: Instant) {
        let deadline = tokio::time::Instant::from_std(deadline);
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
        }
        loop {
            sleep.as_mut().await;
            if deadline <= sleep.deadline() {
                return;
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_each_deadline_later_or_earlier_than_the_one_before() {
        let mut alarm = Alarm::default();
        for after_ms in [50, 500, 20, 900, 1] {
            let began = Instant::now();
            let deadline = began + Duration::from_millis(after_ms);
            // The wait that is given up leaves a timer behind, as an event does that ends in time.
            let given_up = alarm.wait_until((deadline + Duration::from_secs(9)).into_std());
            let _elapsed = tokio::time::timeout(Duration::ZERO, given_up).await;
            alarm.wait_until(deadline.into_std()).await;
            assert_eq!(began.elapsed().as_millis(), u128::from(after_ms));
        }
    }
}
