//! How an instance competes for processors while events stand in line for it.
//!
//! Lives here: when that changes.
//! Does not live here: which events stand in line (`invoker`), the call that changes it (`system`).
//!
//! An event wakes its instance, and a process that is woken takes the processor from whoever has it, as a rule from us, with
//! the next events half read: two switches, for an event that would have been done as soon without them. So an instance
//! whose events stand in line takes no processor from anybody; it runs when one is free or its turn has come.

use interfaces::runtime::Turn;

use super::system::Schedule;

/// After so many events in a row that found their instance free, it competes as usual again.
const CALM_EVENTS: u32 = 64;

/// What an instance's last events have shown.
#[derive(Debug, Default)]
pub(super) struct Pressing {
    /// Events until it is as usual again; none are left when it is.
    left: u32,
}

impl Pressing {
    /// An event begins: how the instance competes from then on, where that changes.
    pub(super) fn change(&mut self, turn: Turn) -> Option<Schedule> {
        let was_pressed = 0 < self.left;
        self.left = match turn {
            Turn::InLine => CALM_EVENTS,
            Turn::AtOnce => self.left.saturating_sub(1),
        };
        match (was_pressed, 0 < self.left) {
            (false, true) => Some(Schedule::Batch),
            (true, false) => Some(Schedule::Usual),
            (true, true) | (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_changes_with_the_first_event_that_stood_in_line_and_long_after_the_last() {
        let mut pressing = Pressing::default();
        assert_eq!(pressing.change(Turn::AtOnce), None);
        assert_eq!(pressing.change(Turn::InLine), Some(Schedule::Batch));
        let calm = (1..CALM_EVENTS).all(|_| pressing.change(Turn::AtOnce).is_none());
        assert!(calm && pressing.change(Turn::InLine).is_none());
        for _ in 1..CALM_EVENTS {
            assert_eq!(pressing.change(Turn::AtOnce), None);
        }
        assert_eq!(pressing.change(Turn::AtOnce), Some(Schedule::Usual));
        assert_eq!(pressing.change(Turn::AtOnce), None);
    }
}
