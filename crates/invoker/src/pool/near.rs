//! Keeping an event and its instance on one thread.
//!
//! Lives here: whose an event and an instance are, and choosing the nearest of several.
//! Does not live here: which threads there are (whoever calls the invoker).
//!
//! An instance is watched by the thread on which it was started. An event that came by another thread would be handed over to
//! that one and its reply handed back: two threads woken, and what both touch moved between two caches. So among instances
//! that would do as well as others, and among events that wait for a moment only, the near ones go first, within bounds.

use std::collections::VecDeque;

/// How many are looked at: a line or a stack may be long, and what is behind in it has waited, or has been idle, for less.
const LOOKED_AT_MAX: usize = 16;
/// How often in a row the first in line lets others go before it.
pub(super) const PASSED_MAX: usize = 16;

/// A thread that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Home(pub(crate) u32);

/// Takes the last one that is near, or else the last one.
pub(super) fn take_last<T>(from: &mut VecDeque<T>, is_near: impl Fn(&T) -> bool) -> Option<T> {
    let last = from.len().checked_sub(1)?;
    let behind = from.iter().rev().take(LOOKED_AT_MAX).position(is_near);
    from.remove(last - behind.unwrap_or(0))
}

/// Takes the first one that is near, or else the first one; also when others went before it too often.
pub(super) fn take_first<T>(
    from: &mut VecDeque<T>,
    passed: &mut usize,
    is_near: impl Fn(&T) -> bool,
) -> Option<T> {
    let nearest = match *passed < PASSED_MAX {
        true => from.iter().take(LOOKED_AT_MAX).position(is_near),
        false => None,
    };
    let position = nearest.unwrap_or(0);
    *passed = match position {
        0 => 0,
        _ => *passed + 1,
    };
    from.remove(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(of: impl IntoIterator<Item = u32>) -> VecDeque<u32> {
        of.into_iter().collect()
    }

    #[test]
    fn the_last_near_one_is_taken_or_else_the_last() {
        let mut stack = queue([1, 2, 1, 2, 3]);
        let mut taken = |near| take_last(&mut stack, |it| *it == near);
        assert_eq!([taken(1), taken(1), taken(1)], [Some(1), Some(1), Some(3)]);
        assert_eq!(stack, [2, 2]);
        assert_eq!(take_last(&mut queue([]), |_| true), None);
    }

    #[test]
    fn what_is_far_down_is_not_looked_for() {
        let far = u32::try_from(LOOKED_AT_MAX).unwrap();
        let last = take_last(&mut queue(0..=far), |it| *it == 0);
        let first = take_first(&mut queue(0..=far), &mut 0, |it| *it == far);
        assert_eq!((last, first), (Some(far), Some(0)));
    }

    #[test]
    fn the_first_in_line_is_passed_so_often_and_no_more() {
        let (mut line, mut passed) = (queue([1]), 0);
        let mut before = 0;
        loop {
            line.push_back(2);
            if take_first(&mut line, &mut passed, |it| *it == 2) == Some(1) {
                break;
            }
            before += 1;
        }
        assert_eq!((before, passed), (PASSED_MAX, 0));
    }
}
