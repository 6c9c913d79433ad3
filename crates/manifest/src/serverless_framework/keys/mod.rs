//! Keys.
use super::*;
pub(super) fn check(_root: &mut Node, _problems: &mut Vec<Problem>) {}
