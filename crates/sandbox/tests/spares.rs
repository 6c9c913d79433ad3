//! Sandboxes that are made before it is known for whom.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::os::fd::OwnedFd;
use std::time::Duration;

use common::Box;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sandbox::{Plan, SHOWN_LATER_MAX, Shown, SpareSandbox};

fn spare(inside: &Box) -> SpareSandbox {
    let plan = Plan {
        shown: Vec::new(),
        tmp_bytes_max: 0,
        ..common::plan()
    };
    inside.maker.make_spare(plan, &inside.supervision).unwrap()
}

/// Whether a process has ended, or does within a while.
fn ends(pidfd: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(pidfd, PollFlags::IN)];
    let limit = Timespec::try_from(Duration::from_secs(5)).unwrap();
    poll(&mut asked, Some(&limit)).unwrap() == 1
}

#[test]
fn a_spare_shows_what_it_is_furnished_with_and_can_be_written_to_nowhere_else() {
    let mut inside = Box::new();
    let shown = vec![Shown::at(common::attacks(), "/var/task")];
    inside.sandbox = spare(&inside).furnish(shown, 3 << 20).unwrap();
    let code = "import os\n\
        tmp = os.statvfs('/tmp'); print(len(os.listdir('/var/task')) > 0, tmp.f_blocks * tmp.f_frsize >> 20)\n\
        for folder in ['/', '/var', '/var/task', '/opt', '/etc']:\n    try: os.mkdir(folder + '/new'); print('written to', folder)\n    except OSError: pass\n\
        count = lambda: sum(name.isdigit() for name in os.listdir('/proc'))\n\
        import time; end = time.monotonic() + 5\n\
        while count() > 2 and time.monotonic() < end: time.sleep(0.01)\n\
        print(count())";
    // The nanny, and the program itself: what saw the host was killed before, and its end takes the kernel a moment.
    assert_eq!(inside.python(code), "True 3\n2");
}

#[test]
fn a_spare_that_cannot_be_furnished_is_gone() {
    let inside = Box::new();
    let missing = Shown::at("/nothing/has/this/name", "/var/task");
    let too_many = vec![Shown::at(common::attacks(), "/var/task"); SHOWN_LATER_MAX + 1];
    for shown in [vec![missing], too_many] {
        let spare = spare(&inside);
        let nanny = spare.nanny().try_clone().unwrap();
        assert!(spare.furnish(shown, 1 << 20).is_err());
        assert!(ends(&nanny));
    }
}

#[test]
fn a_spare_that_nobody_needs_leaves_nothing() {
    let inside = Box::new();
    let spare = spare(&inside);
    let nanny = spare.nanny().try_clone().unwrap();
    drop(spare);
    assert!(ends(&nanny));
}

#[test]
fn all_of_it_holds_for_an_ordinary_user_too() {
    common::again_as_an_ordinary_user("all_of_it_holds_for_an_ordinary_user_too");
}
